// Puts keys and tensors in order and gives each byte of an output its place.
#pragma once

#include <memory>
#include <optional>
#include <string>
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

struct Assembly {
  const GgufFile& target;  // version, alignment, and what is copied
  KeyList keys;
  std::vector<TensorEntry> tensors;
  // The record, and where the data of the target began before any graft: spaces after the record give the data here the
  // same place in a disk block.
  std::optional<std::string> record;
  std::uint64_t congruent_offset = 0;
  std::uint64_t size_max = UINT64_MAX;  // where the last tensor's padding ends at the latest
};

// Sets the offsets of the tensors, too.
FilePlan assemble(Assembly& assembly);

}  // namespace mtpgraft
