// What an extracted head says of itself in the metadata of its safetensors file, as it has no config.json: enough to be
// read again as the very head that it was.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "donor/config.h"
#include "gguf/serialize.h"
#include "model/mapping.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/head.h"

namespace mtpgraft {

struct HeadDescription {
  GgufFile model;                    // keys of the architecture alone
  std::uint64_t first_block = 0;     // of the head in the model
  int norm_offset = 0;               // is to be added to the norms
  std::vector<std::string> tensors;  // of the head, "0.attn_norm.weight", in the order of the GGUF that it came from
  std::vector<std::string> as_stored{};  // matrices that keep their type (HeadConfig), named as in `tensors`
  std::vector<std::string>
      dequantized{};  // what its matrices were before: "Q8_0", "FP8, one scale a row"; may be empty
};

// "0.attn_norm.weight" for "blk.12.attn_norm.weight"; other names as they are.
std::string name_in_head(std::string_view tensor_name, std::uint64_t first_block);

// Takes over which matrices keep their type, of those that `groups` has.
void keep_types(const HeadDescription& description, const HeadTensorGroups& groups, std::uint64_t first_block,
                HeadConfig& config);

// Adds the keys but the architecture, which is the first.
void add_keys(const GgufFile& model, std::vector<Bytes>& keys);

// The text that tells it; of `gguf` its head and the keys "{architecture}.*" that are no lists of more than a model's
// blocks.
std::string format_description(const GgufFile& gguf, const Head& head, int norm_offset,
                               const std::vector<std::string>& dequantized);

// Nothing if the text is none of format_description(). The keys are sound, but their values are anyone's.
std::optional<HeadDescription> parse_description(std::string_view text);

}  // namespace mtpgraft
