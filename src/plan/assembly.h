// Puts keys and tensors in order and gives each byte of an output its place.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/plan.h"
#include "plan/key_list.h"

namespace mtpgraft {

// There are as many as tensors in the output, so what stays as it is is not copied.
struct TensorEntry {
  Source source;           // whose data these are
  const TensorInfo* from;  // in the source
  // What the output says of it, but the offset; null: what the source says.
  std::shared_ptr<const TensorInfo> other{};
  // Written in the place of the source's data if the type is another one.
  const std::vector<float>* values = nullptr;
  std::uint64_t offset = 0;  // of its data in the output, as assemble() finds it

  [[nodiscard]] const TensorInfo& in_output() const { return other != nullptr ? *other : *from; }
};

// The target's tensor as it is.
TensorEntry keep_tensor(const TensorInfo& tensor);

// The bytes of their data in the output, without padding.
std::uint64_t bytes_of(const std::vector<TensorEntry>& tensors);

// Of a file that has no record and whose tensors file systems can clone: a string of spaces.
inline constexpr std::string_view kPaddingKey = "mtpgraft.padding";

// A string that stands behind all other keys. As many spaces follow it as give the tensor data the same place in a disk
// block as `data_offset` has, so that file systems can share the blocks.
struct PaddedKey {
  std::string_view key;
  std::string text;
  std::uint64_t data_offset;
};

struct Assembly {
  const GgufFile& target;  // version, alignment, and what is copied
  KeyList keys;
  std::vector<TensorEntry> tensors;
  std::optional<PaddedKey> padded_key;
  std::uint64_t size_max = UINT64_MAX;      // where the padding at the end of the file ends at the latest
  std::vector<std::byte> header_padding{};  // what stands in the padding in front of the data, without zeros at its end
};

// The key with which most bytes of the tensors, which are all of the output's, have the place in a disk block that they
// have in their source; nothing where so few have it that copying them is no matter.
std::optional<PaddedKey> pad_for_cloning(const Assembly& assembly, const GgufFile& donor);

// Sets the offsets of the tensors, too.
FilePlan assemble(Assembly& assembly);

}  // namespace mtpgraft
