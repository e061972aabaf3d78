// Tiny models in memory, complete, for tests to take parts out of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "gguf_builder.h"
#include "models.h"

namespace mtpgraft {

inline GgufBuilder edit_model(std::string_view name) {
  const auto model = load_model(name);
  return {model.bytes(), model.gguf};
}

// Of the tiny qwen4exp, whose head is block 4.
inline constexpr std::uint64_t kTinyWidth = 64;
inline constexpr std::size_t kTinyHeadTensors = 32;

// With all of the head but eh_proj.
inline GgufBuilder sidecar() {
  auto builder = edit_model("archs/qwen4exp/sidecar");
  return builder.without_tensor("blk.4.nextn.eh_proj.weight");
}

inline std::span<const std::byte> data_named(const Model& model, std::string_view name) {
  const auto* tensor = model.gguf.find_tensor(name);
  return tensor != nullptr ? std::span(model.bytes()).subspan(tensor->offset, tensor->size_bytes)
                           : std::span<const std::byte>();
}

}  // namespace mtpgraft
