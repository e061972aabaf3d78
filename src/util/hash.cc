#include "util/hash.h"

#include <fmt/core.h>
#include <xxhash.h>
#ifdef MTPGRAFT_XXHASH_DISPATCH
#include <xxh_x86dispatch.h>  // the same functions by the widest vectors of the processor at hand
#endif

#include <charconv>
#include <new>

namespace mtpgraft {
namespace {

XXH3_state_t* state_of(void* state) { return static_cast<XXH3_state_t*>(state); }

Digest from(XXH128_hash_t hash) { return {hash.high64, hash.low64}; }

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

Digest digest_of(std::span<const std::byte> bytes) { return from(XXH3_128bits(bytes.data(), bytes.size())); }

std::string to_hex(const Digest& digest) { return fmt::format("{:016x}{:016x}", digest.high, digest.low); }

std::optional<Digest> parse_digest(std::string_view hex) {
  Digest digest;
  if (hex.size() != 32) {
    return std::nullopt;
  }
  const char* middle = hex.data() + 16;
  const auto high = std::from_chars(hex.data(), middle, digest.high, 16);
  const auto low = std::from_chars(middle, middle + 16, digest.low, 16);
  if (high.ec != std::errc{} || high.ptr != middle || low.ec != std::errc{} || low.ptr != middle + 16) {
    return std::nullopt;
  }
  return digest;
}

}  // namespace mtpgraft
