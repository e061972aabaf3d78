// The keys and values that llama.cpp's converter writes of a checkpoint's config.json.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

#include "gguf/serialize.h"
#include "model/families.h"

namespace mtpgraft {

// Keys that compatibility and warnings compare, and per-layer arrays that tell the head's own values; each serialised.
std::vector<Bytes> make_keys(const Family& family, const nlohmann::json& config, std::uint64_t trunk_blocks,
                             std::uint64_t head_blocks);

}  // namespace mtpgraft
