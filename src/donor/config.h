// What a checkpoint's config.json says, in the keys and values that llama.cpp's converter writes of it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "donor/mapping.h"
#include "gguf/serialize.h"

namespace mtpgraft {

// Keys that compatibility and warnings compare, and per-layer arrays that tell the head's own values; each serialised.
std::vector<Bytes> make_keys(const Family& family, const nlohmann::json& config, std::uint64_t trunk_blocks,
                             std::uint64_t head_blocks);

// The first of `names` that the config has, if it is a number that a u32 holds.
std::optional<std::uint64_t> config_count(const nlohmann::json& config, std::initializer_list<std::string_view> names);

// The family that `architectures` or `model_type` names; null if none is known.
const Family* find_family(const nlohmann::json& config);

}  // namespace mtpgraft
