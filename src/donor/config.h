// What a checkpoint's config.json says, in the keys and values that llama.cpp's converter writes of it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/serialize.h"
#include "model/families.h"

namespace mtpgraft {

// Keys that compatibility and warnings compare, and per-layer arrays that tell the head's own values; each serialised.
std::vector<Bytes> make_keys(const Family& family, const nlohmann::json& config, std::uint64_t trunk_blocks,
                             std::uint64_t head_blocks);

// The first of `names` that the config has, if it is a number that a u32 holds.
std::optional<std::uint64_t> config_count(const nlohmann::json& config, std::initializer_list<std::string_view> names);

// The sizes by which tensors are cut and scaled; 0 where the config does not tell.
struct HeadConfig {
  static constexpr std::uint64_t kScaledBlockDefault = 128;

  std::uint64_t attention_heads = 0;                // num_attention_heads
  std::uint64_t key_value_heads = 0;                // num_key_value_heads
  std::uint64_t sliding_key_value_heads = 0;        // swa_num_key_value_heads
  std::uint64_t head_width = 0;                     // head_dim
  std::uint64_t unrotated_key_width = 0;            // qk_nope_head_dim
  std::uint64_t value_width = 0;                    // v_head_dim
  std::uint64_t scaled_rows = kScaledBlockDefault;  // of the blocks of FP8 values that share a scale
  std::uint64_t scaled_columns = kScaledBlockDefault;
};

HeadConfig read_head_config(const nlohmann::json& config);

// The family that `architectures` or `model_type` names; null if none is known.
const Family* find_family(const nlohmann::json& config);

}  // namespace mtpgraft
