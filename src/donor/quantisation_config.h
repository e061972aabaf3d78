// What the files beside a checkpoint's tensors say of how these are quantised.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace mtpgraft {

// NOLINTNEXTLINE(bugprone-exception-escape): moving JSON asserts
struct QuantisationConfig {
  std::string file;      // "config.json", "hf_quant_config.json"; empty: nothing is said
  std::string method;    // "fp8", "compressed-tensors", "modelopt", "mlx", ..., in small letters; empty: it is not told
  std::string detail;    // the format or algorithm: "float-quantized", "NVFP4"; may be empty
  std::string strategy;  // "tensor", "channel" or "block"; empty: it is not told, or differs between tensors
  std::optional<std::array<std::uint64_t, 2>> block{};  // rows and columns that share a scale
  nlohmann::json mlx{};                                 // the object `quantization`; null if there is none

  [[nodiscard]] bool is_told() const { return !file.empty(); }
  // "modelopt, NVFP4"; for people.
  [[nodiscard]] std::string name() const;
};

// `hf_quant_config` is that file of ModelOpt; nothing if there is none.
QuantisationConfig read_quantisation_config(const nlohmann::json& config,
                                            const std::optional<nlohmann::json>& hf_quant_config);

struct AffineGroups {
  std::uint64_t bits = 0;
  std::uint64_t group_size = 0;
  std::string mode;
};

// What MLX's config says of a tensor, whose own entry goes before that for all; nothing where it says none.
std::optional<AffineGroups> find_affine_groups(const QuantisationConfig& config, std::string_view weight);

}  // namespace mtpgraft
