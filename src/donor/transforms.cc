#include "donor/transforms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "donor/config.h"
#include "donor/convertible.h"
#include "donor/row_order.h"
#include "donor/side_by_side.h"
#include "donor/tensor_reader.h"
#include "gguf/tensor_types.h"
#include "model/norms.h"

namespace mtpgraft {
namespace {

using Shape = std::vector<std::uint64_t>;  // as in the checkpoint: the row length last
using ReaderPointer = std::shared_ptr<const TensorReader>;

// Far above any bias.
constexpr std::uint64_t kLeftOutMax = std::uint64_t{1} << 20;

// The GGUF's type of a quantised matrix.
std::uint32_t dequantised_type(std::string_view name, std::size_t n_dims, const HeadConfig& config) {
  const bool is_rounded_later = config.dequantises_to_f32 && is_convertible(name, n_dims <= 1);
  return becomes_f32(name, n_dims) || is_rounded_later ? tensor_type::kF32 : tensor_type::kBF16;
}

// Reads `source` for the GGUF's tensor `name`, which has `n_dims` dimensions. Blocks of scales begin anew every
// `group_rows`; 0 stands for a matrix.
Result<ReaderPointer> make_reader(const StoredTensor& source, std::string_view name, std::size_t n_dims,
                                  int norm_offset, const HeadConfig& config, std::uint64_t group_rows = 0) {
  const auto added = is_norm(name) ? norm_offset : 0;
  if (!source.is_quantised()) {
    const bool is_f32 = becomes_f32(name, n_dims) && !config.as_stored.contains(std::string(name));
    const auto type = is_f32 ? tensor_type::kF32 : *matrix_type(source.values.dtype);
    return ReaderPointer(std::make_shared<TensorReader>(source, type, added));
  }
  auto placed = source;
  MTPGRAFT_CHECK(set_scale_blocks(placed, config.quantisation, group_rows));
  return ReaderPointer(
      std::make_shared<TensorReader>(std::move(placed), dequantised_type(name, n_dims, config), added));
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

Result<std::vector<MadeTensor>> stack(const std::string& name, const std::vector<StoredTensor>& sources,
                                      const HeadConfig& config) {
  auto shape = sources.front().shape;
  shape.insert(shape.begin(), sources.size());
  std::vector<ReaderPointer> parts;
  for (const auto& source : sources) {
    MTPGRAFT_TRY(parts.emplace_back(), make_reader(source, name, shape.size(), 0, config));
    if (source.shape != sources.front().shape || parts.back()->type() != parts.front()->type()) {
      return cannot_convert(source, "other experts have another shape or dtype");
    }
  }
  auto made = make_tensor(name, shape, parts.front());
  made.add_data = [parts = std::move(parts), count = sources.front().rows() * shape.back()](auto& file) {
    for (const auto& part : parts) {
      add_elements(file, part, 0, count);
    }
  };
  return std::vector{std::move(made)};
}

Result<std::vector<MadeTensor>> join_rows(const std::string& name, const std::vector<StoredTensor>& sources,
                                          const HeadConfig& config) {
  Shape shape{0, sources.front().shape.back()};
  std::vector<std::pair<ReaderPointer, std::uint64_t>> parts;
  for (const auto& source : sources) {
    MTPGRAFT_TRY(auto values, make_reader(source, name, shape.size(), 0, config));
    if (source.shape.size() != 2 || source.shape[1] != shape[1] ||
        (!parts.empty() && values->type() != parts.front().first->type())) {
      return cannot_convert(source, fmt::format("it cannot be joined with '{}'", sources.front().values.name));
    }
    parts.emplace_back(std::move(values), source.shape[0] * shape[1]);
    shape[0] += source.shape[0];
  }
  auto made = make_tensor(name, shape, parts.front().first);
  made.add_data = [parts = std::move(parts)](auto& file) {
    for (const auto& [values, count] : parts) {
      add_elements(file, values, 0, count);
    }
  };
  return std::vector{std::move(made)};
}

Result<std::vector<MadeTensor>> join_columns(const std::string& name, const std::vector<StoredTensor>& sources,
                                             const HeadConfig& config) {
  Shape shape{sources.front().shape.front(), 0};
  std::vector<MatrixPart> parts;
  ReaderPointer values;
  for (const auto& source : sources) {
    const auto first = values;
    MTPGRAFT_TRY(values, make_reader(source, name, shape.size(), 0, config));
    if (source.shape.size() != 2 || source.shape[0] != shape[0] || (first && values->type() != first->type())) {
      return cannot_convert(source, fmt::format("it cannot stand beside '{}'", sources.front().values.name));
    }
    const auto columns = source.shape[1];
    parts.push_back({columns * values->element_bytes(), values->reads(0, shape[0] * columns),
                     [values, columns](auto row, auto out) { return values->read(row * columns, out); }});
    shape[1] += columns;
  }
  auto made = make_tensor(name, shape, values);
  made.add_data = [parts = std::move(parts), rows = shape[0]](auto& file) { add_side_by_side(file, parts, rows); };
  return std::vector{std::move(made)};
}

Result<std::vector<MadeTensor>> make_ordered(const std::string& name, Transform transform, const StoredTensor& source,
                                             const HeadConfig& config) {
  auto shape = source.shape;
  const auto ordered =
      shape.size() <= 2 ? order_rows(transform, name, shape.front(), config) : std::vector<OrderedRows>();
  if (ordered.empty()) {
    return cannot_convert(source,
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
Result<std::vector<MadeTensor>> leave_out(const std::string& name, const StoredTensor& source,
                                          const HeadConfig& config) {
  if (source.shape.size() != 1 || source.shape[0] > kLeftOutMax) {
    return cannot_convert(source, "it is no vector that a model can do without");
  }
  MTPGRAFT_TRY(const auto reader, make_reader(source, name, 1, 0, config));
  std::vector<float> values(source.shape[0]);
  MTPGRAFT_CHECK(reader->read(0, std::as_writable_bytes(std::span(values))));
  if (std::ranges::any_of(values, [](float value) { return value != 0; })) {
    return cannot_convert(source, "llama.cpp does without it, and it is not 0");
  }
  return std::vector<MadeTensor>();
}

// Makes two stacks: one of the first half of each matrix's rows, one of the second.
Result<std::vector<MadeTensor>> split_gate_up(const std::string& name, const StoredTensor& source,
                                              const HeadConfig& config) {
  auto shape = source.shape;
  if (shape.size() != 3 || shape[1] % 2 != 0) {
    return cannot_convert(source, "it is no stack of gate and up projections of equal size");
  }
  if (shape[0] > kMatricesMax) {
    return cannot_convert(source, fmt::format("it has {} experts; at most {} are read", shape[0], kMatricesMax));
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
Result<std::vector<MadeTensor>> split_key_value(const std::string& name, const StoredTensor& source,
                                                const HeadConfig& config) {
  const auto& shape = source.shape;
  const auto heads = config.latent_heads;
  const auto key_rows = config.unrotated_key_width;
  const auto value_rows = config.value_width;
  if (heads == 0 || key_rows == 0 || value_rows == 0) {
    return cannot_convert(source,
                          "to split it, num_key_value_heads, qk_nope_head_dim and v_head_dim of config.json are needed",
                          "put the model's config.json beside the file, or name a target, whose keys tell them too");
  }
  const auto head_rows = key_rows + value_rows;
  if (heads > kMatricesMax) {
    return cannot_convert(source, fmt::format("it is of {} attention heads; at most {} are read", heads, kMatricesMax));
  }
  if (shape.size() != 2 || shape[0] / head_rows != heads || shape[0] % head_rows != 0) {
    return cannot_convert(source, fmt::format("the model has {} heads of {} + {} rows", heads, key_rows, value_rows));
  }
  const auto rank = shape[1];
  MTPGRAFT_TRY(const auto values, make_reader(source, name, 3, 0, config));
  if (key_rows * rank > kTransposedBytesMax / values->element_bytes()) {
    return cannot_convert(source, "a head's keys are too large to be transposed");
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

// FP8 that has neither one scale nor one for each row.
bool has_scales_of_blocks(const StoredTensor& source) {
  const auto count = source.scales ? element_count(source.scales->shape) : 0;
  return source.encoding() == Encoding::kFp8 && count != 1 && count != source.rows();
}

// MiMo's FP8 qkv_proj is stored as parallel processors hold it: the rows of each are its part of the queries, of the
// keys and of the values, and its blocks of scales begin anew. How many processors is told by the number of scales
// only.
Result<std::vector<MadeTensor>> fuse_qkv(const std::string& name, const StoredTensor& source,
                                         const HeadConfig& config) {
  const auto heads = config.attention_heads;
  const auto key_value_heads = config.sliding_key_value_heads;
  const auto width = config.head_width;
  const std::array rows{heads * width, key_value_heads * width, key_value_heads * config.value_width};
  const auto all_rows = source.shape.front();
  if (source.shape.size() != 2 || rows[0] > all_rows || rows[1] > all_rows - rows[0] ||
      rows[2] != all_rows - rows[0] - rows[1]) {
    return cannot_convert(source, fmt::format("config.json says {} + {} + {} rows of queries, keys and values", rows[0],
                                              rows[1], rows[2]));
  }
  for (const auto processors : {std::uint64_t{8}, std::uint64_t{4}}) {
    const auto divides = std::ranges::all_of(rows, [&](std::uint64_t count) { return count % processors == 0; });
    const auto own_rows = all_rows / processors;
    const auto reader = divides ? make_reader(source, name, 2, 0, config, own_rows) : Result<ReaderPointer>(nullptr);
    if (!divides || !reader.ok()) {
      continue;
    }
    const auto& values = reader.value();
    auto made = make_tensor(name, source.shape, values);
    made.add_data = [=, columns = source.shape[1]](auto& file) {
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
  return cannot_convert(source, "it has the scales of neither 8 nor 4 parts of the projection");
}

}  // namespace

bool becomes_f32(std::string_view name, std::size_t n_dims) {
  return n_dims <= 1 || name.ends_with("_norm.weight") || name.ends_with(".ffn_gate_inp.weight") ||
         name.ends_with(".ffn_gate_inp_shexp.weight") || name.ends_with(".indexer.proj.weight") ||
         name.ends_with(".indexer_compressor_ape.weight") || !name.ends_with(".weight");
}

Result<std::vector<MadeTensor>> make_tensors(const std::string& name, Transform transform,
                                             std::vector<StoredTensor> sources, int norm_offset,
                                             const HeadConfig& config) {
  const auto& source = sources.front();
  auto shape = source.shape;
  if (shape.empty() || shape.size() > (transform == Transform::kStackExperts ? 3 : 4) ||
      std::ranges::find(shape, 0U) != shape.end()) {
    return cannot_convert(source, "it has no values, or too few or too many dimensions");
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
      if (has_scales_of_blocks(source)) {
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
