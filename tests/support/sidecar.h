// Small sidecars in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "gguf_builder.h"
#include "models.h"

namespace mtpgraft {

// The keys and an attention norm of a sidecar whose head is block 4.
inline GgufBuilder sidecar(std::string_view architecture = "qwen4exp") {
  GgufBuilder builder;
  const auto key = [&](std::string_view name) { return std::string(architecture).append(name); };
  builder.key("general.architecture", architecture)
      .key(key(".block_count"), std::uint32_t{5})
      .key(key(".nextn_predict_layers"), std::uint32_t{1})
      .floats("token_embd.weight", {8, 4})
      .floats("blk.4.attn_norm.weight", {8});
  return builder;
}

inline GgufBuilder& add_norms(GgufBuilder& builder) {
  return builder.floats("blk.4.nextn.enorm.weight", {8}).floats("blk.4.nextn.hnorm.weight", {32});
}

inline std::span<const std::byte> data_named(const Model& model, std::string_view name) {
  const auto* tensor = model.gguf.find_tensor(name);
  return tensor != nullptr ? std::span(model.bytes()).subspan(tensor->offset, tensor->size_bytes)
                           : std::span<const std::byte>();
}

}  // namespace mtpgraft
