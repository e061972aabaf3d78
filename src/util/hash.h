#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

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

// Any of the algorithms, in lower-case hexadecimal.
class HexHasher {
 public:
  virtual ~HexHasher() = default;
  virtual void update(std::span<const std::byte> bytes) = 0;
  // The digest of everything since construction or the last finish_hex(), and starts afresh.
  virtual std::string finish_hex() = 0;
};

std::unique_ptr<HexHasher> make_hasher(DigestAlgorithm algorithm);

}  // namespace mtpgraft
