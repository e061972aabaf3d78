// SHA-256 and SHA-1, in hexadecimal as sha256sum and sha1sum print them.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "util/hash.h"

namespace mtpgraft {

class ShaHasher : public HexHasher {
 public:
  void update(std::span<const std::byte> bytes) override;
  std::string finish_hex() override;

 protected:
  // The name is libcrypto's.
  explicit ShaHasher(const char* algorithm);

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

struct Sha256 : ShaHasher {
  Sha256() : ShaHasher("SHA256") {}
};

// Finds accidents only: equal digests of different data can be made.
struct Sha1 : ShaHasher {
  Sha1() : ShaHasher("SHA1") {}
};

}  // namespace mtpgraft
