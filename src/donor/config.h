// What a checkpoint's config.json says.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "donor/quantisation_config.h"
#include "model/families.h"

namespace mtpgraft {

// The first of `names` that the config has; null if it has none of them.
const nlohmann::json* find_first(const nlohmann::json& config, std::initializer_list<std::string_view> names);

// A number that a u32 holds.
std::optional<std::uint64_t> as_count(const nlohmann::json& value);

// The first of `names` that the config has, if it is a number that a u32 holds.
std::optional<std::uint64_t> config_count(const nlohmann::json& config, std::initializer_list<std::string_view> names);
std::optional<double> config_number(const nlohmann::json& config, std::initializer_list<std::string_view> names);
bool config_flag(const nlohmann::json& config, std::string_view name);

std::optional<std::uint64_t> count_trunk_layers(const nlohmann::json& config);

// The sizes by which tensors are cut, 0 where the config does not tell, and how quantised ones are read.
// NOLINTNEXTLINE(bugprone-exception-escape): moving JSON asserts
struct HeadConfig {
  std::uint64_t attention_heads = 0;          // num_attention_heads
  std::uint64_t latent_heads = 0;             // those of latent attention
  std::uint64_t sliding_key_value_heads = 0;  // swa_num_key_value_heads
  std::uint64_t head_width = 0;               // head_dim
  std::uint64_t rotated_width = 0;            // of each head's rows
  std::uint64_t unrotated_key_width = 0;      // qk_nope_head_dim
  std::uint64_t value_width = 0;              // v_head_dim
  std::uint64_t indexer_query_rows = 0;       // of index_qk_proj
  float query_rank_factor = 1;                // what norms are multiplied by
  float latent_rank_factor = 1;
  std::set<std::string> as_stored{};  // matrices of the GGUF that keep their type though they usually become F32
  QuantisationConfig quantisation{};
  bool dequantises_to_f32 = false;  // matrices that get another type later, so that they are rounded once
};

HeadConfig read_head_config(const Family& family, const nlohmann::json& config);

// The family that `architectures` or, if none of these is known, `model_type` names; null if none is known.
const Family* find_family(const nlohmann::json& config);
const UnreadableFamily* find_unreadable_family(const nlohmann::json& config);

// What the config calls the model: the first of `architectures`, else `model_type`; empty if it has neither.
std::string class_or_type(const nlohmann::json& config);

}  // namespace mtpgraft
