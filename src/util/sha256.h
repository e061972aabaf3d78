// SHA-256 and SHA-1, in hexadecimal as sha256sum and sha1sum print them.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace mtpgraft {

class ShaHasher {
 public:
  void update(std::span<const std::byte> bytes);
  // The digest of everything since construction or the last finish_hex(), and starts afresh.
  std::string finish_hex();

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
