#include "model/checkpoint_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "gguf/tensor_types.h"
#include "model/architectures.h"
#include "model/mapping.h"
#include "model/norms.h"
#include "util/parse.h"

namespace mtpgraft {
namespace {

using Indices = std::map<std::string_view, std::size_t>;  // into GgufFile::tensors

// Where the head begins: what no key declares comes after the blocks that there are.
std::uint64_t find_first_block(const GgufFile& file) {
  const auto depth = read_depth(file);
  return depth.nextn_predict_layers.value_or(0) > 0 ? depth.trunk_blocks : depth.block_count.value_or(0);
}

// "attn_q.weight" of block 0 for "mtp.layers.0.attn_q.weight"; nothing if llama.cpp has no such name.
std::optional<BlockTensorName> split_half_renamed(const Architecture& architecture, std::string_view name) {
  constexpr std::string_view kLayers = "mtp.layers.";
  if (!name.starts_with(kLayers)) {
    return std::nullopt;
  }
  name.remove_prefix(kLayers.size());
  const auto block = take_number<std::uint64_t>(name);
  if (!block || *block >= kBlocksMax || !name.starts_with('.')) {
    return std::nullopt;
  }
  name.remove_prefix(1);
  const bool is_known = is_listed(architecture.required, name) || is_listed(architecture.optional, name);
  return is_known ? std::optional(BlockTensorName{*block, name}) : std::nullopt;
}

void drop_extents_of_1(TensorInfo& info) {
  const auto shape = std::exchange(info.shape, {1, 1, 1, 1});
  const auto used = std::span(shape).first(info.n_dims);
  info.n_dims = 0;
  std::ranges::copy_if(used, info.shape.begin(), [&](std::uint64_t extent) {
    info.n_dims += extent != 1 ? 1 : 0;
    return extent != 1;
  });
  info.n_dims = std::max(info.n_dims, 1U);
}

// The first half of each matrix's rows, and the second.
std::string cut_gate_up(const TensorInfo& stored, std::size_t index, std::vector<StandardTensor>& tensors) {
  if (stored.n_dims != 3 || stored.shape[1] % 2 != 0) {
    return fmt::format("'{}' is no stack of gate and up projections of equal size", stored.name);
  }
  if (stored.shape[2] > kMatricesMax) {
    return fmt::format("'{}' has {} experts; at most {} are read", stored.name, stored.shape[2], kMatricesMax);
  }
  const auto half_bytes = stored.size_bytes / stored.shape[2] / 2;
  auto up = tensors.back();
  up.info.name = second_name(Transform::kSplitGateUp, up.info.name);
  tensors.push_back(std::move(up));
  for (const auto half : {std::uint64_t{0}, std::uint64_t{1}}) {
    auto& tensor = tensors[tensors.size() - 2 + half];
    tensor.info.shape[1] /= 2;
    tensor.info.size_bytes /= 2;
    tensor.pieces.clear();
    for (std::uint64_t expert = 0; expert < stored.shape[2]; ++expert) {
      tensor.pieces.push_back({index, (2 * expert + half) * half_bytes, half_bytes});
    }
  }
  return {};
}

// Gives the last of `tensors` its shape and pieces, and puts what is cut off after it. Returns why that is impossible,
// or nothing.
std::string add_pieces(const GgufFile& file, const HeadTensorGroup& group, const Indices& indices,
                       std::vector<StandardTensor>& tensors) {
  auto& tensor = tensors.back();
  const auto& first = file.tensors[indices.at(group.sources.begin()->second)];
  auto name = std::move(tensor.info.name);
  tensor.info = first;
  tensor.info.name = std::move(name);
  for (const auto& [part, source] : group.sources) {
    const auto index = indices.at(source);
    tensor.pieces.push_back({index, 0, file.tensors[index].size_bytes});
  }
  const auto unlike = std::ranges::find_if(tensor.pieces, [&](const TensorPiece& piece) {
    const auto& other = file.tensors[piece.tensor];
    return other.type != first.type || other.n_dims != 2 || other.shape[0] != first.shape[0] || !has_whole_rows(other);
  });
  switch (group.transform) {
    case Transform::kNone:
    case Transform::kFuseQkv:
      return {};
    case Transform::kSqueeze:
      drop_extents_of_1(tensor.info);
      return {};
    case Transform::kJoinColumns:
      tensor.joins_rows = true;
      return {};
    case Transform::kStackExperts:
    case Transform::kJoinRows:
      if (unlike != tensor.pieces.end()) {
        return fmt::format("'{}' and '{}' cannot be joined: they differ in type or in the length of their rows",
                           first.name, file.tensors[unlike->tensor].name);
      }
      for (const auto& piece : std::span(tensor.pieces).subspan(1)) {
        const auto& other = file.tensors[piece.tensor];
        if (group.transform == Transform::kStackExperts && other.shape != first.shape) {
          return fmt::format("'{}' and '{}' are experts of other shapes", first.name, other.name);
        }
        tensor.info.shape[1] += group.transform == Transform::kJoinRows ? other.shape[1] : 0;
        tensor.info.size_bytes += other.size_bytes;
      }
      if (group.transform == Transform::kStackExperts) {
        tensor.info.n_dims = 3;
        tensor.info.shape[2] = tensor.pieces.size();
      }
      return {};
    case Transform::kSplitGateUp:
      return has_whole_rows(first) ? cut_gate_up(first, tensor.pieces.front().tensor, tensors)
                                   : fmt::format("'{}' has no rows that can be cut", first.name);
    case Transform::kSplitKeyValue:
    case Transform::kInterleaveHalves:
    case Transform::kPartPairs:
    case Transform::kSplitIndexer:
    case Transform::kRescaleQuery:
    case Transform::kRescaleLatent:
    case Transform::kLeaveOut:
      break;
  }
  return fmt::format("'{}' is changed for llama.cpp by what config.json says, which is done of a checkpoint only",
                     first.name);
}

}  // namespace

CheckpointNames find_checkpoint_names(const GgufFile& file) {
  CheckpointNames found;
  const auto* family = family_of_architecture(file.architecture());
  if (family == nullptr) {
    return found;
  }
  found.first_block = find_first_block(file);
  const auto architecture = find_architecture(file.architecture());
  Indices indices;
  std::vector<std::string> names;
  auto& tensors = found.tensors;
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    const auto& stored = file.tensors[i];
    if (const auto half = split_half_renamed(architecture, stored.name)) {
      auto& tensor = tensors.emplace_back(StandardTensor{stored, {{i, 0, stored.size_bytes}}});
      tensor.info.name = fmt::format("blk.{}.{}", found.first_block + half->block, half->name);
      found.block_count = std::max(found.block_count, half->block + 1);
    } else if (!split_block_name(stored.name)) {
      indices.emplace(stored.name, i);
      names.push_back(stored.name);
    }
  }
  const auto sources = map_head(*family, names, found.first_block);
  if (!sources.ok()) {
    found.problems.push_back(sources.error().message);
    return found;
  }
  for (const auto& source : sources.value()) {
    found.block_count = std::max(found.block_count, source.block + 1);
  }
  const auto groups =
      group_sources(repeat_shared(*family, false, found.block_count, sources.value()), found.first_block);
  if (!groups.ok()) {
    found.problems.push_back(groups.error().message);
    return found;
  }
  for (const auto& [name, group] : groups.value()) {
    auto& tensor = tensors.emplace_back();
    tensor.info.name = name;
    tensor.is_checkpoints_norm = architecture.norms_are_shifted && is_norm(name);
    if (auto problem = add_pieces(file, group, indices, tensors); !problem.empty()) {
      found.problems.push_back(std::move(problem));
    }
  }
  std::ranges::stable_sort(tensors, {}, [](const StandardTensor& tensor) { return tensor.pieces.front().tensor; });
  return found;
}

}  // namespace mtpgraft
