#include "donor/derived.h"

#include <algorithm>
#include <utility>

#include "gguf/serialize.h"
#include "util/checked.h"

namespace mtpgraft {

std::shared_ptr<const ReadableFile> derive(const std::shared_ptr<const ReadableFile>& file, const GgufFile& gguf,
                                           std::vector<DerivedTensor> tensors) {
  // Those that say of a split model that it is one.
  const auto is_kept = [&](const KeyValue& item) { return !gguf.is_split() || !item.key.starts_with("split."); };
  const auto key_count = static_cast<std::uint64_t>(std::ranges::count_if(gguf.keys, is_kept));
  auto derived = std::make_shared<ComposedFile>(file->path());
  derived->add_bytes(serialize_counts(gguf.version, tensors.size(), key_count));
  for (const auto& item : gguf.keys) {
    if (is_kept(item)) {
      derived->add_range(file, {item.offset, item.end - item.offset});
    }
  }
  std::uint64_t offset = 0;
  for (auto& tensor : tensors) {
    tensor.info.offset = offset;
    derived->add_bytes(serialize_tensor_info(tensor.info, 0));
    offset = align_up(offset + tensor.info.size_bytes, gguf.alignment);
  }
  for (const auto& tensor : tensors) {
    derived->pad_to(gguf.alignment);
    tensor.add_data(*derived);
  }
  derived->pad_to(gguf.alignment);
  return derived;
}

}  // namespace mtpgraft
