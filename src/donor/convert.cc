#include "mtpgraft/convert.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "donor/convertible.h"
#include "donor/derived.h"
#include "donor/ggml_library.h"
#include "donor/tensor_reader.h"
#include "gguf/dequantize.h"
#include "gguf/quantize.h"
#include "gguf/serialize.h"
#include "gguf/tensor_types.h"
#include "mtpgraft/head.h"
#include "util/parallel.h"

namespace mtpgraft {
namespace {

// Rows are converted in groups of about this many values, which bounds the buffers of a thread.
constexpr std::uint64_t kGroupElements = std::uint64_t{1} << 15;

// Far above any model's; longer rows would need larger buffers.
constexpr std::uint64_t kRowElementsMax = std::uint64_t{1} << 18;

// Below, starting threads costs more than it saves.
constexpr std::uint64_t kParallelElementsMin = std::uint64_t{1} << 17;

// llama-quantize makes these with an importance matrix only; llama-imatrix does not run heads.
constexpr auto kMatrixTypes =
    std::to_array<std::string_view>({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS"});

Status check_wanted_type(std::uint32_t type) {
  const auto name = tensor_type_name(type);
  std::string_view reason;
  if (!is_upstream_tensor_type(type)) {
    reason = "upstream llama.cpp does not read this type";
  } else if ((type >= tensor_type::kI8 && type <= tensor_type::kF64) || name == "Q8_1" || name == "Q8_K") {
    reason = "llama.cpp does not multiply with matrices of this type";
  } else if (type == tensor_type::kNvfp4) {
    reason = "it needs a scale for each tensor besides";
  } else if (std::ranges::find(kMatrixTypes, name) != kMatrixTypes.end()) {
    reason = "this type needs an importance matrix, and there is none of heads";
  } else {
    return ok_status();
  }
  return Error{.code = ErrorCode::kUsage,
               .message = fmt::format("a head cannot be made {}: {}", name, reason),
               .path = "",
               .hint = "F32, F16, BF16, Q8_0, or a type that llama-quantize makes: Q4_K, Q5_K, Q6_K, IQ4_NL, ..."};
}

// What neither llama.cpp's converter nor llama-quantize gives another type.
constexpr auto kKeptMatrices =
    std::to_array<std::string_view>({"ffn_gate_inp.weight", "ffn_gate_inp_shexp.weight", "ffn_gate_tid2eid.weight",
                                     "indexer.proj.weight", "indexer.k_proj.weight", "indexer.q_proj.weight"});

// What llama-quantize makes of rows that are no whole blocks of a type.
constexpr auto kFallbacks = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"IQ3_S", "IQ4_NL"},
    {"IQ4_XS", "IQ4_NL"},
    {"Q2_0", "Q4_0"},
    {"Q2_K", "Q4_0"},
    {"Q3_K", "Q4_0"},
    {"TQ1_0", "Q4_0"},
    {"TQ2_0", "Q4_0"},
    {"Q4_K", "Q5_0"},
    {"Q5_K", "Q5_1"},
    {"Q6_K", "Q8_0"},
});

const TensorType& type_for_rows(const TensorType& wanted, std::uint64_t row_length) {
  if (row_length % wanted.block_elements == 0) {
    return wanted;
  }
  const auto* fallback = std::ranges::find(kFallbacks, wanted.name, &decltype(kFallbacks)::value_type::first);
  return type_for_rows(*find_tensor_type(fallback != kFallbacks.end() ? fallback->second : "F16"), row_length);
}

std::uint64_t row_bytes(const TensorType& type, std::uint64_t row_length) {
  return row_length / type.block_elements * type.block_bytes;
}

// A matrix of a file as data of another type. Rows are converted each by itself, as by llama-quantize.
struct ConvertedMatrix {
  std::shared_ptr<const ReadableFile> file;
  TensorInfo source;
  const TensorType* type;
  std::optional<GgmlLibrary> ggml;  // if the type is not built in, or the source's is not

  Result<std::vector<float>> read_values(const Bytes& stored) const {
    if (auto values = dequantize(source.type, stored)) {
      return *std::move(values);
    }
    const auto& source_type = *find_tensor_type(source.type);
    std::vector<float> values(stored.size() / source_type.block_bytes * source_type.block_elements);
    MTPGRAFT_CHECK(ggml->dequantize(source_type, stored, values));
    return values;
  }

  Result<Bytes> convert_rows(std::uint64_t first, std::uint64_t count) const {
    const auto row_length = source.shape[0];
    const auto source_row_bytes = row_bytes(*find_tensor_type(source.type), row_length);
    const auto offset = source.offset + first * source_row_bytes;
    Bytes stored(count * source_row_bytes);
    MTPGRAFT_CHECK(file->read_at(offset, stored));
    MTPGRAFT_TRY(const auto values, read_values(stored));
    const auto is_finite = [](float value) { return std::isfinite(value); };
    // NaNs would turn blocks into noise, or make ggml end the program.
    if (type->block_elements > 1 && !std::ranges::all_of(values, is_finite)) {
      const auto at = std::ranges::find_if_not(values, is_finite) - values.begin();
      return Error{.code = ErrorCode::kMalformed,
                   .message = fmt::format("head tensor '{}' has a value that is not finite; it cannot become {}",
                                          source.name, type->name),
                   .path = file->path(),
                   .offset = offset + static_cast<std::uint64_t>(at) * (stored.size() / values.size())};
    }
    Bytes converted(count * row_bytes(*type, row_length));
    if (!can_quantize(type->id)) {
      MTPGRAFT_CHECK(ggml->quantize(*type, values, row_length, converted));
    } else {
      quantize(type->id, values, converted);
    }
    return converted;
  }

  // A ComposedFile::Maker.
  Status operator()(std::uint64_t offset, std::span<std::byte> out) const {
    const auto bytes_per_row = row_bytes(*type, source.shape[0]);
    const auto first = offset / bytes_per_row;
    const auto end = (offset + out.size() - 1) / bytes_per_row + 1;
    const auto group_rows = std::max<std::uint64_t>(kGroupElements / source.shape[0], 1);
    const auto convert_group = [&](std::size_t group, std::size_t /*worker*/) -> Status {
      const auto row = first + group * group_rows;
      MTPGRAFT_TRY(const auto rows, convert_rows(row, std::min(group_rows, end - row)));
      const auto rows_offset = row * bytes_per_row;
      const auto from = std::max(rows_offset, offset);
      const auto to = std::min(rows_offset + rows.size(), offset + out.size());
      std::memcpy(out.data() + (from - offset), rows.data() + (from - rows_offset), to - from);
      return ok_status();
    };
    const auto group_count = (end - first - 1) / group_rows + 1;
    if ((end - first) * source.shape[0] >= kParallelElementsMin) {
      return parallel_for(group_count, convert_group);
    }
    for (std::size_t group = 0; group < group_count; ++group) {
      MTPGRAFT_CHECK(convert_group(group, 0));
    }
    return ok_status();
  }
};

// Those whose rows are blocks alone can be read, if ggml knows them.
bool can_dequantize(const TensorInfo& tensor) {
  const auto* type = find_tensor_type(tensor.type);
  return type != nullptr && type->origin == TypeOrigin::kUpstream && type->block_elements > 1 && type->row_bytes == 0 &&
         tensor.type != tensor_type::kNvfp4;
}

// The tensors as they will be, but for their offsets.
Result<std::vector<TensorInfo>> choose_types(const GgufFile& gguf, const TensorType& wanted, bool dequantizes,
                                             std::vector<Warning>& warnings) {
  auto tensors = gguf.tensors;
  for (const auto index : find_head(gguf).tensors) {
    auto& tensor = tensors[index];
    const bool is_quantized = dequantizes && !tensor.is_vector() && can_dequantize(tensor);
    if (!is_convertible(tensor.name, tensor.is_vector()) && !is_quantized) {
      continue;
    }
    const auto& type = type_for_rows(wanted, tensor.shape[0]);
    if (&type != &wanted) {
      warnings.push_back({"head-type-fallback",
                          fmt::format("head tensor '{}' becomes {}: its rows of {} values are no whole blocks of {}",
                                      tensor.name, type.name, tensor.shape[0], wanted.name)});
    }
    if (tensor.type == type.id) {
      continue;
    }
    if (plain_dtype(tensor.type).empty() && !is_quantized) {
      return Error{.code = ErrorCode::kIncompatible,
                   .message = fmt::format("head tensor '{}' has type {}; only F32, F16 and BF16 can become {}",
                                          tensor.name, tensor_type_name(tensor.type), type.name),
                   .path = gguf.path,
                   .offset = tensor.info_offset,
                   .hint = "use a BF16 donor"};
    }
    if (tensor.shape[0] > kRowElementsMax) {
      return Error{.code = ErrorCode::kUnsupported,
                   .message = fmt::format("head tensor '{}' has rows of {} values; at most {} can be converted",
                                          tensor.name, tensor.shape[0], kRowElementsMax),
                   .path = gguf.path,
                   .offset = tensor.info_offset};
    }
    tensor.type = type.id;
    // At most twice as long as the data in the file.
    tensor.size_bytes = tensor_bytes(type, tensor.shape).value();
  }
  return tensors;
}

// The ggml that makes those types, ready to do so; nothing if all are built in.
Result<std::optional<GgmlLibrary>> load_ggml(const std::set<const TensorType*>& made,
                                             const std::set<const TensorType*>& read, const ConvertOptions& options) {
  std::optional<GgmlLibrary> ggml;
  const auto load = [&]() -> Status {
    if (!ggml) {
      MTPGRAFT_TRY(ggml, GgmlLibrary::load(options.ggml_path, options.searches_ggml));
    }
    return ok_status();
  };
  for (const auto* type : made) {
    if (!can_quantize(type->id)) {
      MTPGRAFT_CHECK(load());
      MTPGRAFT_CHECK(ggml->prepare(*type));
    }
  }
  for (const auto* type : read) {
    if (!dequantize(type->id, {})) {
      auto loaded = load();
      if (!loaded.ok()) {
        if (options.ggml_path.empty()) {
          loaded.error().code = ErrorCode::kUnsupported;  // the head is at fault, and not the system
        }
        loaded.error().message =
            fmt::format("the head has matrices of {}, which ggml reads: {}", type->name, loaded.error().message);
        return std::move(loaded.error());
      }
      MTPGRAFT_CHECK(ggml->prepare_to_read(*type));
    }
  }
  return ggml;
}

}  // namespace

bool is_convertible(std::string_view name, bool is_vector) {
  const auto split = split_block_name(name);
  const auto in_block = split ? split->name : "";
  return !is_vector && in_block.ends_with(".weight") && !in_block.ends_with("_norm.weight") &&
         std::ranges::find(kKeptMatrices, in_block) == kKeptMatrices.end();
}

Result<ConvertedDonor> convert_head(const std::shared_ptr<const ReadableFile>& donor, const GgufFile& gguf,
                                    const ConvertOptions& options) {
  MTPGRAFT_CHECK(check_wanted_type(options.type));
  ConvertedDonor converted;
  MTPGRAFT_TRY(const auto tensors,
               choose_types(gguf, *find_tensor_type(options.type), options.dequantizes, converted.warnings));
  std::set<const TensorType*> types;
  std::set<const TensorType*> read;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].type != gguf.tensors[i].type) {
      types.insert(find_tensor_type(tensors[i].type));
      if (const auto* type = find_tensor_type(gguf.tensors[i].type);
          plain_dtype(type->id).empty() && read.insert(type).second) {
        converted.dequantized.emplace_back(type->name);
      }
    }
  }
  MTPGRAFT_TRY(const auto ggml, load_ggml(types, read, options));
  if (ggml) {
    converted.ggml_version = ggml->version();
    converted.ggml_path = ggml->path();
  }
  std::vector<DerivedTensor> derived;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& source = gguf.tensors[i];
    const ByteRange range{source.offset, source.size_bytes};
    auto& tensor = derived.emplace_back(DerivedTensor{tensors[i], {}});
    if (tensors[i].type == source.type) {
      tensor.add_data = [donor, range](ComposedFile& file) { file.add_range(donor, range); };
    } else {
      const auto* type = find_tensor_type(tensors[i].type);
      tensor.add_data = [matrix = ConvertedMatrix{donor, source, type, ggml}, range,
                         length = tensors[i].size_bytes](ComposedFile& file) {
        file.add_made({{matrix.file, range}}, length, matrix);
      };
    }
  }
  converted.file = derive(donor, gguf, gguf.keys, std::move(derived));
  return converted;
}

}  // namespace mtpgraft
