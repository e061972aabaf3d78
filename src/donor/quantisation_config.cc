#include "donor/quantisation_config.h"

#include <fmt/core.h>

#include <algorithm>

#include "util/parse.h"

namespace mtpgraft {
namespace {

using ConfigJson = nlohmann::json;

// Null for what is not there, or in no object.
const ConfigJson& field(const ConfigJson& json, const char* name) {
  static const ConfigJson null;
  if (!json.is_object()) {
    return null;
  }
  const auto found = json.find(name);
  return found != json.end() ? *found : null;
}

std::string text_of(const ConfigJson& json) { return json.is_string() ? json.get<std::string>() : std::string(); }

// 0 for what is no number from 1 to 2^32 - 1.
std::uint64_t extent_of(const ConfigJson& json) {
  return json.is_number_unsigned() && json.get<std::uint64_t>() <= UINT32_MAX ? json.get<std::uint64_t>() : 0;
}

std::optional<std::array<std::uint64_t, 2>> block_of(const ConfigJson& json) {
  if (!json.is_array() || json.size() != 2 || extent_of(json[0]) == 0 || extent_of(json[1]) == 0) {
    return std::nullopt;
  }
  return std::array{extent_of(json[0]), extent_of(json[1])};
}

// Of compressed-tensors. Several groups have several rules, and which is a tensor's is told by patterns of names.
void read_groups(const ConfigJson& groups, QuantisationConfig& read) {
  if (!groups.is_object() || groups.size() != 1) {
    return;
  }
  const auto& weights = field(groups.front(), "weights");
  read.strategy = text_of(field(weights, "strategy"));
  if (const auto block = block_of(field(weights, "block_structure"))) {
    read.block = block;
  }
}

}  // namespace

std::string QuantisationConfig::name() const {
  return detail.empty() ? method : method.empty() ? detail : fmt::format("{}, {}", method, detail);
}

QuantisationConfig read_quantisation_config(const ConfigJson& config,
                                            const std::optional<ConfigJson>& hf_quant_config) {
  QuantisationConfig read;
  const auto& stated = field(config, "quantization_config");
  const auto& mlx = field(config, "quantization");
  if (mlx.is_object()) {
    read.file = "config.json";
    read.method = "mlx";
    read.mlx = mlx;
    return read;
  }
  if (stated.is_object() && !stated.empty()) {
    read.file = "config.json";
    read.method = lowered(text_of(field(stated, "quant_method")));
    read.detail = text_of(field(stated, "quant_algo"));
    if (read.detail.empty()) {
      read.detail = text_of(field(stated, "format"));
    }
    read.block = block_of(field(stated, "weight_block_size"));
    if (read.method == "compressed-tensors") {
      read_groups(field(stated, "config_groups"), read);
    }
    if (read.method.empty() && extent_of(field(stated, "bits")) > 0 && extent_of(field(stated, "group_size")) > 0) {
      read.method = "mlx";
      read.mlx = stated;
    }
  }
  if (read.method.empty() && hf_quant_config) {
    read.file = "hf_quant_config.json";
    const auto producer = lowered(text_of(field(field(*hf_quant_config, "producer"), "name")));
    read.method = producer.empty() ? "modelopt" : producer;
    read.detail = text_of(field(field(*hf_quant_config, "quantization"), "quant_algo"));
  }
  return read;
}

std::optional<AffineGroups> find_affine_groups(const QuantisationConfig& config, std::string_view weight) {
  auto module_name = std::string(weight);
  if (weight.ends_with(".weight")) {
    module_name.resize(weight.size() - std::string_view(".weight").size());
  }
  const auto& own = field(config.mlx, module_name.c_str());
  const auto number = [&](const char* name) {
    const auto of_own = extent_of(field(own, name));
    return of_own > 0 ? of_own : extent_of(field(config.mlx, name));
  };
  AffineGroups groups{number("bits"), number("group_size"), text_of(field(own, "mode"))};
  if (groups.mode.empty()) {
    groups.mode = text_of(field(config.mlx, "mode"));
  }
  return groups.bits > 0 && groups.group_size > 0 ? std::optional(groups) : std::nullopt;
}

}  // namespace mtpgraft
