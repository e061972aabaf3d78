// Comparing two models by the names of their keys and tensors, wherever these stand.
#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "gguf/describe.h"
#include "io/composed_file.h"
#include "io/stream.h"
#include "plan/record.h"
#include "util/parallel.h"
#include "verify/difference.h"

namespace mtpgraft {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

Difference of_key(std::string name, std::string message, std::optional<std::uint64_t> offset) {
  return {Difference::Of::kKey, std::move(name), {std::move(message), offset}};
}

Difference of_tensor(const std::string& name, std::string message, std::optional<std::uint64_t> offset) {
  return {Difference::Of::kTensor, name, {std::move(message), offset}};
}

std::string shape_of(const TensorInfo& tensor) {
  std::string text;
  for (std::uint32_t i = 0; i < std::max(tensor.n_dims, 1U); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ", ", tensor.shape[i]);
  }
  return fmt::format("[{}]", text);
}

// The first item of each name. Items must outlive the index.
template <class Item>
std::unordered_map<std::string_view, const Item*> index_by_name(const std::vector<Item>& items,
                                                                std::string Item::*name) {
  std::unordered_map<std::string_view, const Item*> index;
  index.reserve(items.size());
  for (const auto& item : items) {
    index.emplace(item.*name, &item);
  }
  return index;
}

template <class Item, class Same>
bool all_same(const std::vector<Item>& a, const std::vector<Item>& b, Same same) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same);
}

// The same names in another order.
template <class Item>
bool is_reordered(const std::vector<Item>& a, const std::vector<Item>& b, std::string Item::*name) {
  if (all_same(a, b, [&](const Item& one, const Item& other) { return one.*name == other.*name; })) {
    return false;
  }
  std::vector<std::string_view> names;
  std::vector<std::string_view> other_names;
  for (std::size_t i = 0; i < a.size(); ++i) {
    names.push_back(a[i].*name);
    other_names.push_back(b[i].*name);
  }
  std::ranges::sort(names);
  std::ranges::sort(other_names);
  return names == other_names;
}

// A piece of a tensor that is compared.
struct Piece {
  std::size_t pair;
  std::uint64_t offset;  // in the tensor
  std::uint64_t length;
};

struct Changed {
  std::uint64_t bytes = 0;
  std::uint64_t first = UINT64_MAX;  // in the tensor
};

}  // namespace

Result<OpenedModel> open_planned(const Plan& plan, const OpenedModel& target, const OpenedModel& donor) {
  ModelFiles files;
  for (std::size_t i = 0; i < plan.files.size(); ++i) {
    const auto file = std::make_shared<ComposedFile>(
        plan.files.size() == 1 ? "graft" : format_shard_name({"graft", i + 1, plan.files.size()}));
    for (const auto& segment : plan.files[i].segments) {
      if (const auto* literal = std::get_if<Literal>(&segment)) {
        file->add_bytes(literal->bytes);
      } else if (const auto* copy = std::get_if<Copy>(&segment)) {
        file->add_range(copy->source == Source::kTarget ? target.file : donor.file, {copy->offset, copy->length});
      } else {
        file->add_zeros(segment_length(segment));
      }
    }
    files.push_back(file);
  }
  return read_model(files);
}

bool has_same_places(const GgufFile& a, const GgufFile& b) {
  const auto same_key = [](const KeyValue& one, const KeyValue& other) {
    return one.offset == other.offset && one.end == other.end;
  };
  const auto same_tensor = [](const TensorInfo& one, const TensorInfo& other) {
    return one.info_offset == other.info_offset && one.info_end == other.info_end && one.offset == other.offset;
  };
  return all_same(a.keys, b.keys, same_key) && all_same(a.tensors, b.tensors, same_tensor) &&
         a.data_offset == b.data_offset && !is_reordered(a.keys, b.keys, &KeyValue::key) &&
         !is_reordered(a.tensors, b.tensors, &TensorInfo::name);
}

std::vector<Difference> compare_keys(const GgufFile& expected, const GgufFile& actual) {
  const auto of_expected = index_by_name(expected.keys, &KeyValue::key);
  const auto of_actual = index_by_name(actual.keys, &KeyValue::key);
  std::vector<Difference> differences;
  for (const auto& item : expected.keys) {
    const auto found = of_actual.find(item.key);
    if (found == of_actual.end()) {
      differences.push_back(of_key(item.key,
                                   fmt::format("key '{}' is missing: the graft has {}", item.key,
                                               item.key == kRecordKey ? "a record" : describe_value(item.value)),
                                   {}));
    } else if (const auto& other = *found->second; !other.same_value(item)) {
      auto message = fmt::format("key '{}' differs", item.key);
      if (item.key != kRecordKey) {
        const auto [theirs, ours] = describe_both(item.value, other.value);
        message += fmt::format(": it is {}, in the graft {}", ours, theirs);
      }
      differences.push_back(of_key(item.key, std::move(message), other.offset));
    }
  }
  for (const auto& item : actual.keys) {
    if (!of_expected.contains(item.key)) {
      differences.push_back(of_key(item.key, fmt::format("key '{}' is not in the graft", item.key), item.offset));
    }
  }
  return differences;
}

InfoComparison compare_infos(const GgufFile& expected, const GgufFile& actual) {
  const auto of_expected = index_by_name(expected.tensors, &TensorInfo::name);
  const auto of_actual = index_by_name(actual.tensors, &TensorInfo::name);
  InfoComparison result;
  const auto add = [&](const TensorInfo& tensor, std::string message, std::optional<std::uint64_t> offset) {
    result.differences.push_back(of_tensor(tensor.name, std::move(message), offset));
  };
  for (const auto& tensor : expected.tensors) {
    const auto found = of_actual.find(tensor.name);
    if (found == of_actual.end()) {
      add(tensor, fmt::format("tensor '{}' is missing", tensor.name), {});
      continue;
    }
    const auto& other = *found->second;
    if (tensor.shape != other.shape) {
      add(tensor,
          fmt::format("tensor '{}' has the shape {}, in the graft {}", tensor.name, shape_of(other), shape_of(tensor)),
          other.info_offset);
    } else if (tensor.type != other.type) {
      result.retyped.push_back({tensor.name, tensor_type_name(tensor.type), tensor_type_name(other.type)});
      const auto& [name, theirs, ours] = result.retyped.back();
      add(tensor, fmt::format("tensor '{}' has the type {}, in the graft {}", name, ours, theirs), other.info_offset);
    } else {
      result.pairs.push_back({&tensor, &other});
    }
  }
  for (const auto& tensor : actual.tensors) {
    if (!of_expected.contains(tensor.name)) {
      add(tensor, fmt::format("tensor '{}' is not in the graft", tensor.name), tensor.info_offset);
    }
  }
  return result;
}

Result<Comparison> compare_data(const std::vector<TensorPair>& pairs, const ReadableFile& expected,
                                const ReadableFile& actual, const Progress& progress) {
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto bytes = std::min(pairs[i].expected->size_bytes, pairs[i].actual->size_bytes);
    for (std::uint64_t at = 0; at < bytes; at += kPieceBytes) {
      pieces.push_back({i, at, std::min(kPieceBytes, bytes - at)});
    }
  }
  std::vector<Changed> changed(pairs.size());
  std::vector<std::vector<std::byte>> buffers(2 * worker_count());
  std::mutex mutex;
  const auto compare_piece = [&](std::size_t index, std::size_t worker) -> Status {
    const auto& piece = pieces[index];
    auto& ours = buffers[2 * worker];
    auto& theirs = buffers[2 * worker + 1];
    ours.resize(piece.length);
    theirs.resize(piece.length);
    MTPGRAFT_CHECK(actual.read_at(pairs[piece.pair].actual->offset + piece.offset, ours));
    MTPGRAFT_CHECK(expected.read_at(pairs[piece.pair].expected->offset + piece.offset, theirs));
    Changed here;
    const bool differs = ours != theirs;
    for (std::size_t i = 0; differs && i < ours.size(); ++i) {
      if (ours[i] != theirs[i]) {
        ++here.bytes;
        here.first = std::min<std::uint64_t>(here.first, piece.offset + i);
      }
    }
    const std::lock_guard lock(mutex);
    auto& total = changed[piece.pair];
    total.bytes += here.bytes;
    total.first = std::min(total.first, here.first);
    return report_progress(progress, piece.length);
  };
  MTPGRAFT_CHECK(parallel_for(pieces.size(), compare_piece));
  Comparison result;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto& tensor = *pairs[i].actual;
    result.compared_bytes += tensor.size_bytes;
    if (changed[i].bytes > 0) {
      result.differences.push_back(of_tensor(tensor.name,
                                             fmt::format("the data of tensor '{}' differ: {} of {} bytes", tensor.name,
                                                         changed[i].bytes, tensor.size_bytes),
                                             tensor.offset + changed[i].first));
    }
  }
  return result;
}

}  // namespace mtpgraft
