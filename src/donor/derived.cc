#include "donor/derived.h"

#include <algorithm>
#include <utility>

#include "gguf/serialize.h"
#include "util/checked.h"

namespace mtpgraft {

namespace {

void add_key(const std::shared_ptr<const ReadableFile>& file, const KeyValue& item, const std::string& stored_name,
             ComposedFile& derived) {
  if (item.offset == 0) {
    derived.add_bytes(serialize_key(item.key, item.value));
    return;
  }
  Bytes name;
  append_string(name, item.key);
  derived.add_bytes(std::move(name));
  const auto after_name = item.offset + sizeof(std::uint64_t) + stored_name.size();
  derived.add_range(file, {after_name, item.end - after_name});
}

}  // namespace

std::shared_ptr<const ReadableFile> derive(const std::shared_ptr<const ReadableFile>& file, const GgufFile& gguf,
                                           const std::vector<KeyValue>& keys, std::vector<DerivedTensor> tensors) {
  // Those that say of a split model that it is one.
  const auto is_kept = [&](const KeyValue& item) { return !gguf.is_split() || !item.key.starts_with("split."); };
  const auto key_count = static_cast<std::uint64_t>(std::ranges::count_if(keys, is_kept));
  auto derived = std::make_shared<ComposedFile>(file->path());
  derived->add_bytes(serialize_counts(gguf.version, tensors.size(), key_count));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (is_kept(keys[i])) {
      add_key(file, keys[i], i < gguf.keys.size() ? gguf.keys[i].key : keys[i].key, *derived);
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
