#include "util/hash.h"

#include <fmt/core.h>
#include <xxhash.h>
#ifdef MTPGRAFT_XXHASH_DISPATCH
#include <xxh_x86dispatch.h>  // the same functions by the widest vectors of the processor at hand
#endif

#include <cstdlib>
#include <new>

#include "util/parse.h"
#include "util/sha256.h"

namespace mtpgraft {
namespace {

XXH3_state_t* state_of(void* state) { return static_cast<XXH3_state_t*>(state); }

Digest from(XXH128_hash_t hash) { return {hash.high64, hash.low64}; }

class HexXxh128 : public HexHasher {
 public:
  void update(std::span<const std::byte> bytes) override { hasher_.update(bytes); }
  std::string finish_hex() override { return to_hex(hasher_.finish()); }

 private:
  Hasher hasher_;
};

struct FreeState {
  void operator()(XXH64_state_t* state) const { XXH64_freeState(state); }
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

class HexXxh64 : public HexHasher {
 public:
  HexXxh64() : state_(XXH64_createState()) {
    if (!state_) {
      throw std::bad_alloc();
    }
    XXH64_reset(state_.get(), 0);
  }
  void update(std::span<const std::byte> bytes) override { XXH64_update(state_.get(), bytes.data(), bytes.size()); }
  std::string finish_hex() override {
    const auto hash = XXH64_digest(state_.get());
    XXH64_reset(state_.get(), 0);
    return fmt::format("{:016x}", hash);
  }

 private:
  std::unique_ptr<XXH64_state_t, FreeState> state_;
};

class HexXxh3 : public HexHasher {
 public:
  HexXxh3() : state_(XXH3_createState()) {
    if (!state_) {
      throw std::bad_alloc();
    }
    XXH3_64bits_reset(state_.get());
  }
  void update(std::span<const std::byte> bytes) override {
    XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
  }
  std::string finish_hex() override {
    const auto hash = XXH3_64bits_digest(state_.get());
    XXH3_64bits_reset(state_.get());
    return fmt::format("{:016x}", hash);
  }

 private:
  std::unique_ptr<XXH3_state_t, FreeState> state_;
};

}  // namespace

void Hasher::Free::operator()(void* state) const { XXH3_freeState(state_of(state)); }

Hasher::Hasher() : state_(XXH3_createState()) {
  if (!state_) {
    throw std::bad_alloc();
  }
  XXH3_128bits_reset(state_of(state_.get()));
}

void Hasher::update(std::span<const std::byte> bytes) {
  XXH3_128bits_update(state_of(state_.get()), bytes.data(), bytes.size());
}

Digest Hasher::finish() {
  const auto hash = XXH3_128bits_digest(state_of(state_.get()));
  XXH3_128bits_reset(state_of(state_.get()));
  return from(hash);
}

std::unique_ptr<HexHasher> make_hasher(DigestAlgorithm algorithm) {
  switch (algorithm) {
    case DigestAlgorithm::kXxh128:
      return std::make_unique<HexXxh128>();
    case DigestAlgorithm::kSha256:
      return std::make_unique<Sha256>();
    case DigestAlgorithm::kSha1:
      return std::make_unique<Sha1>();
    case DigestAlgorithm::kXxh64:
      return std::make_unique<HexXxh64>();
    case DigestAlgorithm::kXxh3:
      return std::make_unique<HexXxh3>();
  }
  std::abort();
}

Digest digest_of(std::span<const std::byte> bytes) { return from(XXH3_128bits(bytes.data(), bytes.size())); }

std::string to_hex(const Digest& digest) { return fmt::format("{:016x}{:016x}", digest.high, digest.low); }

std::optional<Digest> parse_digest(std::string_view hex) {
  if (hex.size() != 32) {
    return std::nullopt;
  }
  const auto high = parse_hex_number<std::uint64_t>(hex.substr(0, 16));
  const auto low = parse_hex_number<std::uint64_t>(hex.substr(16));
  return high && low ? std::optional(Digest{*high, *low}) : std::nullopt;
}

}  // namespace mtpgraft
