#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "mtpgraft/digest.h"

namespace mtpgraft {

class Hasher {
 public:
  Hasher();
  void update(std::span<const std::byte> bytes);
  // The digest of everything since construction or the last finish(), and starts afresh.
  Digest finish();

 private:
  struct Free {
    void operator()(void* state) const;
  };
  std::unique_ptr<void, Free> state_;
};

Digest digest_of(std::span<const std::byte> bytes);

}  // namespace mtpgraft
