#include "plan/assembly.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <span>

#include "gguf/format.h"
#include "gguf/serialize.h"
#include "gguf/size_by_others.h"
#include "plan/layout.h"
#include "util/checked.h"

namespace mtpgraft {
namespace {

// Less is copied in a moment.
constexpr std::uint64_t kMinSharedBytes = std::uint64_t{4} << 20;

// Data offsets: one tensor after the other, each padded.
void place_data(Assembly& assembly, std::uint64_t data_offset) {
  auto at = data_offset;
  for (auto& tensor : assembly.tensors) {
    tensor.offset = at;
    at = align_up(at + tensor.in_output().size_bytes, assembly.target.alignment);
  }
}

// The target's own bytes where they say the same.
void add_info(const Assembly& assembly, const TensorEntry& tensor, std::uint64_t data_offset, Layout& layout) {
  const auto& from = *tensor.from;
  layout.begin(Region::Kind::kTensorInfo, layout.keep(tensor.in_output().name));
  const bool is_in_header = tensor.source == Source::kTarget && from.info_end <= assembly.target.infos_end;
  if (is_in_header && tensor.other == nullptr &&
      from.offset - assembly.target.data_offset == tensor.offset - data_offset) {
    layout.add_copy(Source::kTarget, from.info_offset, from.info_end - from.info_offset);
  } else {
    auto info = tensor.in_output();
    info.offset = tensor.offset;
    layout.add(serialize_tensor_info(info, data_offset));
  }
}

Layout lay_out_header(const Assembly& assembly, const std::optional<PaddedKey>& padded_key) {
  Layout layout;
  layout.reserve(assembly.keys.size() + 3 * assembly.tensors.size() + 4);
  layout.begin(Region::Kind::kCounts);
  layout.add(
      serialize_counts(assembly.target.version, assembly.tensors.size(), assembly.keys.size() + (padded_key ? 1 : 0)));
  for (const auto& [key, item, value] : assembly.keys) {
    layout.begin(Region::Kind::kKey, layout.keep(key));
    if (item != nullptr) {
      layout.add_copy(Source::kTarget, item->offset, item->end - item->offset);
    } else {
      layout.add(serialize_key(key, value));
    }
  }
  if (padded_key) {
    layout.begin(Region::Kind::kKey, padded_key->key);
    layout.add(serialize_key(padded_key->key, string_value(padded_key->text)));
  }
  const auto data_offset = assembly.tensors.empty() ? 0 : assembly.tensors.front().offset;
  for (const auto& tensor : assembly.tensors) {
    add_info(assembly, tensor, data_offset, layout);
  }
  return layout;
}

// How much of the padding behind a tensor the target has: up to the next tensor, or the end of the file's data.
std::uint64_t padding_in_target(const GgufFile& target, const TensorInfo& tensor, std::uint64_t padding) {
  const auto next = std::ranges::upper_bound(target.tensors, tensor.offset, {}, &TensorInfo::offset);
  const auto data_end = target.file_at(tensor.offset).data_end;
  const auto end = next != target.tensors.end() ? std::min(next->offset, data_end) : data_end;
  return std::min(padding, end - tensor.offset - tensor.size_bytes);
}

// Of a tensor whose size only offsets tell, the data are all up to the next tensor's: who reads the output cannot know
// better. At the end of the file the other tensors may tell it.
std::uint64_t data_bytes_as_read(const Assembly& assembly, const TensorEntry& tensor, std::uint64_t end) {
  const auto bytes = end - tensor.offset;
  if (&tensor != &assembly.tensors.back()) {
    return bytes;
  }
  std::vector<TensorInfo> others;
  for (const auto& other : std::span(assembly.tensors).first(assembly.tensors.size() - 1)) {
    others.push_back(other.in_output());
    others.back().size_bytes = align_up(others.back().size_bytes, assembly.target.alignment);
  }
  const auto told = find_size_by_others(others, tensor.in_output(), assembly.target.alignment, bytes);
  return std::min(told.value_or(bytes), bytes);
}

// `first_info` is the region of the first tensor's info, which has the name that its data get, too.
void lay_out_data(const Assembly& assembly, std::size_t first_info, Layout& layout) {
  auto info = first_info;
  for (const auto& tensor : assembly.tensors) {
    assert(layout.size() == tensor.offset);
    layout.begin(Region::Kind::kTensorData, layout.region(info++).name);
    if (tensor.values != nullptr) {
      const auto bytes = std::as_bytes(std::span(*tensor.values));
      layout.add({bytes.begin(), bytes.end()});
    } else {
      layout.add_copy(tensor.source, tensor.from->offset, tensor.from->size_bytes);
    }
    auto end = align_up(layout.size(), assembly.target.alignment);
    if (&tensor == &assembly.tensors.back()) {
      end = std::min(end, std::max(layout.size(), assembly.size_max));
    }
    const auto data_end =
        has_table_size(tensor.in_output()) ? layout.size() : tensor.offset + data_bytes_as_read(assembly, tensor, end);
    if (tensor.source == Source::kTarget && tensor.values == nullptr) {
      // With its padding, so that the whole body is one copy.
      const auto padding = padding_in_target(assembly.target, *tensor.from, end - layout.size());
      layout.add_copy(Source::kTarget, tensor.from->offset + tensor.from->size_bytes, padding);
    }
    layout.fill_up_to(end);
    layout.begin_padding_at(data_end);
  }
}

// Where data follow, they begin aligned. Where none do, some writers pad all the same.
std::uint64_t header_end(const Assembly& assembly, std::uint64_t size) {
  const auto aligned = align_up(size, assembly.target.alignment);
  if (!assembly.tensors.empty()) {
    return aligned;
  }
  if (assembly.size_max != UINT64_MAX) {
    const auto padded = align_up(size, std::max(assembly.target.alignment, format::kDefaultAlignment));
    return std::clamp(assembly.size_max, size, padded);
  }
  const auto& first = assembly.target.files.front();
  return first.tensor_count == 0 && first.data_end > assembly.target.infos_end ? aligned : size;
}

void pad_header(const Assembly& assembly, Layout& layout) {
  const auto end = header_end(assembly, layout.size());
  auto padding = assembly.header_padding;
  padding.resize(std::min<std::uint64_t>(padding.size(), end - layout.size()));
  if (!padding.empty()) {
    layout.begin_padding();
    layout.add(std::move(padding));
  }
  layout.pad_up_to(end);
}

}  // namespace

std::uint64_t bytes_of(const std::vector<TensorEntry>& tensors) {
  std::uint64_t bytes = 0;
  for (const auto& tensor : tensors) {
    bytes += tensor.in_output().size_bytes;
  }
  return bytes;
}

TensorEntry keep_tensor(const TensorInfo& tensor) { return {Source::kTarget, &tensor}; }

std::optional<PaddedKey> pad_for_cloning(const Assembly& assembly, const GgufFile& donor) {
  std::map<std::uint64_t, std::uint64_t> bytes_at;  // by the offset of the data that would put them right
  std::uint64_t at = 0;
  for (const auto& tensor : assembly.tensors) {
    const auto& source = tensor.source == Source::kTarget ? assembly.target : donor;
    const auto offset = tensor.from->offset - source.file_at(tensor.from->offset).offset;
    if (tensor.values == nullptr) {
      bytes_at[(offset - at) % kCloneBlockBytes] += tensor.from->size_bytes;
    }
    at = align_up(at + tensor.in_output().size_bytes, assembly.target.alignment);
  }
  const auto most = std::ranges::max_element(bytes_at, {}, &decltype(bytes_at)::value_type::second);
  if (most == bytes_at.end() || most->second < kMinSharedBytes) {
    return std::nullopt;
  }
  return PaddedKey{kPaddingKey, "", most->first};
}

FilePlan assemble(Assembly& assembly) {
  place_data(assembly, 0);
  auto padded_key = assembly.padded_key;
  if (padded_key && !assembly.tensors.empty() && assembly.target.alignment <= kCloneBlockBytes) {
    const auto header_bytes = lay_out_header(assembly, padded_key).size();
    padded_key->text.append((padded_key->data_offset - header_bytes) % kCloneBlockBytes, ' ');
  }
  auto layout = lay_out_header(assembly, padded_key);
  const auto first_info = layout.region_count() - assembly.tensors.size();
  FilePlan plan;
  plan.data_offset = layout.size();
  pad_header(assembly, layout);
  if (!assembly.tensors.empty()) {
    plan.data_offset = layout.size();
    place_data(assembly, layout.size());
  }
  plan.tensor_count = assembly.tensors.size();
  lay_out_data(assembly, first_info, layout);
  std::move(layout).finish(plan);
  return plan;
}

}  // namespace mtpgraft
