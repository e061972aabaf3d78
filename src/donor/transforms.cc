#include "donor/transforms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "donor/config.h"
#include "donor/row_order.h"
#include "donor/side_by_side.h"
#include "donor/tensor_reader.h"
#include "gguf/tensor_types.h"
#include "model/norms.h"

namespace mtpgraft {
namespace {

using Shape = std::vector<std::uint64_t>;  // as in the checkpoint: the row length last
using ReaderPointer = std::shared_ptr<const TensorReader>;

// The scales of a row are held in memory; real rows have some hundred.
constexpr std::uint64_t kRowScalesMax = std::uint64_t{1} << 20;

// Far above any bias.
constexpr std::uint64_t kLeftOutMax = std::uint64_t{1} << 20;

Error cannot_convert(const CheckpointTensor& tensor, std::string_view why, std::string hint = {}) {
  return {.code = ErrorCode::kUnsupported,
          .message = fmt::format("tensor '{}' of shape [{}]: {}", tensor.name, fmt::join(tensor.shape, ", "), why),
          .path = tensor.file->path(),
          .offset = tensor.offset,
          .hint = std::move(hint)};
}

std::uint64_t row_count(const CheckpointTensor& tensor) {
  std::uint64_t rows = 1;
  for (std::size_t i = 0; i + 1 < tensor.shape.size(); ++i) {
    rows *= tensor.shape[i];
  }
  return rows;
}

std::uint64_t blocks_of(std::uint64_t extent, std::uint64_t side) { return (extent + side - 1) / side; }

// What llama.cpp computes with in F32 whatever the file's type is.
bool is_f32(std::string_view name, std::size_t n_dims) {
  return n_dims <= 1 || name.ends_with("_norm.weight") || name.ends_with(".ffn_gate_inp.weight") ||
         name.ends_with(".ffn_gate_inp_shexp.weight") || name.ends_with(".indexer.proj.weight") ||
         name.ends_with(".indexer_compressor_ape.weight") || !name.ends_with(".weight");
}

// Reads `source` for the GGUF's tensor `name`, which has `n_dims` dimensions. Rows of FP8 are scaled in groups of
// `group_rows`; 0 stands for a matrix.
Result<ReaderPointer> make_reader(const ScaledTensor& source, std::string_view name, std::size_t n_dims,
                                  int norm_offset, const HeadConfig& config, std::uint64_t group_rows = 0) {
  const auto& tensor = source.values;
  const auto kept = matrix_type(tensor.dtype);
  if (!kept) {
    return cannot_convert(tensor, fmt::format("dtype {} is not BF16, F16, F32 or F8_E4M3", tensor.dtype),
                          "give the original model, or its FP8 release");
  }
  const auto type = is_f32(name, n_dims) ? tensor_type::kF32 : *kept;
  const auto added = is_norm(name) ? norm_offset : 0;
  if (is_plain_float(tensor.dtype)) {
    return ReaderPointer(std::make_shared<TensorReader>(tensor, std::nullopt, type, added));
  }
  if (tensor.shape.size() < 2 || !source.scales) {
    return cannot_convert(tensor, "F8_E4M3 without a tensor '..._scale_inv' of scales for its blocks");
  }
  const auto block_rows = config.scaled_rows;
  const auto block_columns = config.scaled_columns;
  if (group_rows == 0) {
    group_rows = tensor.shape[tensor.shape.size() - 2];
  }
  const auto& scales = *source.scales;
  const auto groups = row_count(tensor) / group_rows;
  const auto scale_rows = groups * blocks_of(group_rows, block_rows);
  if (!is_plain_float(scales.dtype) || scales.shape.size() < 2 || row_count(scales) != scale_rows ||
      scales.shape.back() != blocks_of(tensor.shape.back(), block_columns) || scales.shape.back() > kRowScalesMax) {
    return cannot_convert(scales, fmt::format("these are not the scales of blocks of {} x {} of a tensor of shape [{}]",
                                              block_rows, block_columns, fmt::join(tensor.shape, ", ")));
  }
  return ReaderPointer(
      std::make_shared<TensorReader>(tensor, BlockScales{scales, block_rows, block_columns, group_rows}, type, added));
}

MadeTensor make_tensor(const std::string& name, const Shape& shape, const ReaderPointer& values) {
  MadeTensor made;
  made.info.name = name;
  made.info.n_dims = static_cast<std::uint32_t>(shape.size());
  std::ranges::reverse_copy(shape, made.info.shape.begin());
  made.info.type = values->type();
  made.info.size_bytes = made.info.element_count() * values->element_bytes();
  return made;
}

Result<std::vector<MadeTensor>> stack(const std::string& name, const std::vector<ScaledTensor>& sources,
                                      const HeadConfig& config) {
  auto shape = sources.front().values.shape;
  shape.insert(shape.begin(), sources.size());
  std::vector<ReaderPointer> parts;
  for (const auto& source : sources) {
    if (source.values.shape != sources.front().values.shape || source.values.dtype != sources.front().values.dtype) {
      return cannot_convert(source.values, "other experts have another shape or dtype");
    }
    MTPGRAFT_TRY(parts.emplace_back(), make_reader(source, name, shape.size(), 0, config));
  }
  auto made = make_tensor(name, shape, parts.front());
  made.add_data = [parts = std::move(parts), count = row_count(sources.front().values) * shape.back()](auto& file) {
    for (const auto& part : parts) {
      add_elements(file, part, 0, count);
    }
  };
  return std::vector{std::move(made)};
}

Result<std::vector<MadeTensor>> join_rows(const std::string& name, const std::vector<ScaledTensor>& sources,
                                          const HeadConfig& config) {
  const auto& first = sources.front().values;
  Shape shape{0, first.shape.back()};
  std::vector<std::pair<ReaderPointer, std::uint64_t>> parts;
  for (const auto& source : sources) {
    const auto& tensor = source.values;
    if (tensor.shape.size() != 2 || tensor.shape[1] != shape[1] || tensor.dtype != first.dtype) {
      return cannot_convert(tensor, fmt::format("it cannot be joined with '{}'", first.name));
    }
    MTPGRAFT_TRY(auto values, make_reader(source, name, shape.size(), 0, config));
    parts.emplace_back(std::move(values), tensor.shape[0] * shape[1]);
    shape[0] += tensor.shape[0];
  }
  auto made = make_tensor(name, shape, parts.front().first);
  made.add_data = [parts = std::move(parts)](auto& file) {
    for (const auto& [values, count] : parts) {
      add_elements(file, values, 0, count);
    }
  };
  return std::vector{std::move(made)};
}

Result<std::vector<MadeTensor>> join_columns(const std::string& name, const std::vector<ScaledTensor>& sources,
                                             const HeadConfig& config) {
  const auto& first = sources.front().values;
  Shape shape{first.shape.front(), 0};
  std::vector<MatrixPart> parts;
  ReaderPointer values;
  for (const auto& source : sources) {
    const auto& tensor = source.values;
    if (tensor.shape.size() != 2 || tensor.shape[0] != shape[0] || tensor.dtype != first.dtype) {
      return cannot_convert(tensor, fmt::format("it cannot stand beside '{}'", first.name));
    }
    MTPGRAFT_TRY(values, make_reader(source, name, shape.size(), 0, config));
    const auto columns = tensor.shape[1];
    parts.push_back({columns * values->element_bytes(), values->reads(0, shape[0] * columns),
                     [values, columns](auto row, auto out) { return values->read(row * columns, out); }});
    shape[1] += columns;
  }
  auto made = make_tensor(name, shape, values);
  made.add_data = [parts = std::move(parts), rows = shape[0]](auto& file) { add_side_by_side(file, parts, rows); };
  return std::vector{std::move(made)};
}

Result<std::vector<MadeTensor>> make_ordered(const std::string& name, Transform transform, const ScaledTensor& source,
                                             const HeadConfig& config) {
  auto shape = source.values.shape;
  const auto ordered =
      shape.size() <= 2 ? order_rows(transform, name, shape.front(), config) : std::vector<OrderedRows>();
  if (ordered.empty()) {
    return cannot_convert(source.values,
                          transform == Transform::kSplitIndexer
                              ? "indexer_n_heads and indexer_head_dim of config.json do not tell where to cut it"
                              : "head_dim, or hidden_size and num_attention_heads, of config.json do not tell which "
                                "rows are of one attention head",
                          "put the model's config.json beside the file");
  }
  const auto row_elements = shape.size() > 1 ? shape[1] : 1;
  MTPGRAFT_TRY(const auto values, make_reader(source, name, shape.size(), 0, config));
  std::vector<MadeTensor> tensors;
  for (const auto& [made_name, ranges] : ordered) {
    shape.front() = 0;
    for (const auto& range : ranges) {
      shape.front() += range.count;
    }
    auto& made = tensors.emplace_back(make_tensor(made_name, shape, values));
    made.add_data = [values, ranges = ranges, row_elements](auto& file) {
      for (const auto& range : ranges) {
        add_elements(file, values, range.first * row_elements, range.count * row_elements);
      }
    };
  }
  return tensors;
}

// Makes nothing.
Result<std::vector<MadeTensor>> leave_out(const std::string& name, const ScaledTensor& source,
                                          const HeadConfig& config) {
  const auto& tensor = source.values;
  if (tensor.shape.size() != 1 || tensor.shape[0] > kLeftOutMax) {
    return cannot_convert(tensor, "it is no vector that a model can do without");
  }
  MTPGRAFT_TRY(const auto reader, make_reader(source, name, 1, 0, config));
  std::vector<float> values(tensor.shape[0]);
  MTPGRAFT_CHECK(reader->read(0, std::as_writable_bytes(std::span(values))));
  if (std::ranges::any_of(values, [](float value) { return value != 0; })) {
    return cannot_convert(tensor, "llama.cpp does without it, and it is not 0");
  }
  return std::vector<MadeTensor>();
}

// Makes two stacks: one of the first half of each matrix's rows, one of the second.
Result<std::vector<MadeTensor>> split_gate_up(const std::string& name, const ScaledTensor& source,
                                              const HeadConfig& config) {
  auto shape = source.values.shape;
  if (shape.size() != 3 || shape[1] % 2 != 0) {
    return cannot_convert(source.values, "it is no stack of gate and up projections of equal size");
  }
  shape[1] /= 2;
  MTPGRAFT_TRY(const auto values, make_reader(source, name, shape.size(), 0, config));
  std::vector<MadeTensor> tensors;
  for (const auto half : {std::uint64_t{0}, std::uint64_t{1}}) {
    auto& made =
        tensors.emplace_back(make_tensor(half == 0 ? name : second_name(Transform::kSplitGateUp, name), shape, values));
    made.add_data = [values, half, experts = shape[0], count = shape[1] * shape[2]](auto& file) {
      for (std::uint64_t expert = 0; expert < experts; ++expert) {
        add_elements(file, values, (2 * expert + half) * count, count);
      }
    };
  }
  return tensors;
}

// Makes two tensors of each attention head's rows: those for keys, transposed, and those for values.
Result<std::vector<MadeTensor>> split_key_value(const std::string& name, const ScaledTensor& source,
                                                const HeadConfig& config) {
  const auto& shape = source.values.shape;
  const auto heads = config.latent_heads;
  const auto key_rows = config.unrotated_key_width;
  const auto value_rows = config.value_width;
  if (heads == 0 || key_rows == 0 || value_rows == 0) {
    return cannot_convert(source.values,
                          "to split it, num_key_value_heads, qk_nope_head_dim and v_head_dim of config.json are needed",
                          "put the model's config.json beside the file, or name a target, whose keys tell them too");
  }
  const auto head_rows = key_rows + value_rows;
  if (shape.size() != 2 || shape[0] / head_rows != heads || shape[0] % head_rows != 0) {
    return cannot_convert(source.values,
                          fmt::format("the model has {} heads of {} + {} rows", heads, key_rows, value_rows));
  }
  const auto rank = shape[1];
  MTPGRAFT_TRY(const auto values, make_reader(source, name, 3, 0, config));
  if (key_rows * rank > kTransposedBytesMax / values->element_bytes()) {
    return cannot_convert(source.values, "a head's keys are too large to be transposed");
  }
  auto keys_made = make_tensor(name, {heads, rank, key_rows}, values);
  keys_made.add_data = [=](auto& file) {
    for (std::uint64_t head = 0; head < heads; ++head) {
      add_transposed(file, values, head * head_rows * rank, key_rows, rank);
    }
  };
  auto values_made = make_tensor(second_name(Transform::kSplitKeyValue, name), {heads, value_rows, rank}, values);
  values_made.add_data = [=](auto& file) {
    for (std::uint64_t head = 0; head < heads; ++head) {
      add_elements(file, values, (head * head_rows + key_rows) * rank, (head_rows - key_rows) * rank);
    }
  };
  return std::vector{std::move(keys_made), std::move(values_made)};
}

// MiMo's FP8 qkv_proj is stored as parallel processors hold it: the rows of each are its part of the queries, of the
// keys and of the values, and its blocks of scales begin anew. How many processors is told by the number of scales
// only.
Result<std::vector<MadeTensor>> fuse_qkv(const std::string& name, const ScaledTensor& source,
                                         const HeadConfig& config) {
  const auto& tensor = source.values;
  const auto heads = config.attention_heads;
  const auto key_value_heads = config.sliding_key_value_heads;
  const auto width = config.head_width;
  const std::array rows{heads * width, key_value_heads * width, key_value_heads * config.value_width};
  const auto all_rows = tensor.shape.front();
  if (tensor.shape.size() != 2 || rows[0] > all_rows || rows[1] > all_rows - rows[0] ||
      rows[2] != all_rows - rows[0] - rows[1] || !source.scales) {
    return cannot_convert(tensor, fmt::format("config.json says {} + {} + {} rows of queries, keys and values", rows[0],
                                              rows[1], rows[2]));
  }
  for (const auto processors : {std::uint64_t{8}, std::uint64_t{4}}) {
    const auto divides = std::ranges::all_of(rows, [&](std::uint64_t count) { return count % processors == 0; });
    const auto own_rows = all_rows / processors;
    if (!divides || row_count(*source.scales) != processors * blocks_of(own_rows, config.scaled_rows)) {
      continue;
    }
    MTPGRAFT_TRY(const auto values, make_reader(source, name, 2, 0, config, own_rows));
    auto made = make_tensor(name, tensor.shape, values);
    made.add_data = [=, columns = tensor.shape[1]](auto& file) {
      std::uint64_t skipped = 0;
      for (const auto kind : rows) {
        const auto part = kind / processors;
        for (std::uint64_t processor = 0; processor < processors; ++processor) {
          add_elements(file, values, (processor * own_rows + skipped) * columns, part * columns);
        }
        skipped += part;
      }
    };
    return std::vector{std::move(made)};
  }
  return cannot_convert(*source.scales, "it has the scales of neither 8 nor 4 parts of the projection");
}

}  // namespace

Result<std::vector<MadeTensor>> make_tensors(const std::string& name, Transform transform,
                                             std::vector<ScaledTensor> sources, int norm_offset,
                                             const HeadConfig& config) {
  const auto& source = sources.front();
  auto shape = source.values.shape;
  if (shape.empty() || shape.size() > (transform == Transform::kStackExperts ? 3 : 4) ||
      std::ranges::find(shape, 0U) != shape.end()) {
    return cannot_convert(source.values, "it has no values, or too few or too many dimensions");
  }
  switch (transform) {
    case Transform::kStackExperts:
      return stack(name, sources, config);
    case Transform::kJoinRows:
      return join_rows(name, sources, config);
    case Transform::kJoinColumns:
      return join_columns(name, sources, config);
    case Transform::kInterleaveHalves:
    case Transform::kPartPairs:
    case Transform::kSplitIndexer:
      return make_ordered(name, transform, source, config);
    case Transform::kSplitGateUp:
      return split_gate_up(name, source, config);
    case Transform::kSplitKeyValue:
      return split_key_value(name, source, config);
    case Transform::kFuseQkv:
      if (!is_plain_float(source.values.dtype)) {
        return fuse_qkv(name, source, config);
      }
      break;
    case Transform::kSqueeze:
      std::erase(shape, 1U);
      break;
    case Transform::kLeaveOut:
      return leave_out(name, source, config);
    case Transform::kRescaleQuery:
    case Transform::kRescaleLatent:
    case Transform::kNone:
      break;
  }
  MTPGRAFT_TRY(const auto values, make_reader(source, name, shape.size(), norm_offset, config));
  auto made = make_tensor(name, shape, values);
  const float factor = transform == Transform::kRescaleQuery    ? config.query_rank_factor
                       : transform == Transform::kRescaleLatent ? config.latent_rank_factor
                                                                : 1;
  made.add_data = [values, count = made.info.element_count(), factor](auto& file) {
    factor == 1 ? add_elements(file, values, 0, count) : add_multiplied(file, values, count, factor);
  };
  return std::vector{std::move(made)};
}

}  // namespace mtpgraft
