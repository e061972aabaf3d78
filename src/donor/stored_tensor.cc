#include "donor/stored_tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "donor/tensor_reader.h"
#include "util/checked.h"

namespace mtpgraft {
namespace {

using Scheme = QuantisationScheme;

// What publishers use where they do not tell.
constexpr std::array<std::uint64_t, 2> kUsualBlock{128, 128};

constexpr std::uint64_t kNvfp4Group = 16;

// The scales of a row are held in memory; real rows have some hundred.
constexpr std::uint64_t kRowScalesMax = std::uint64_t{1} << 20;

constexpr auto kAffineBits = std::to_array<std::uint64_t>({2, 3, 4, 5, 6, 8});

constexpr const char* kMixedFiles =
    "the files of the checkpoint do not belong together; download them again, or take the head from the base model's";

constexpr const char* kAsPublished = "give the checkpoint as it was published, or the head as a GGUF";

Error unfit(const CheckpointTensor& tensor, std::string_view why, std::string hint = kMixedFiles) {
  return {.code = ErrorCode::kUnsupported,
          .message = fmt::format("tensor '{}' of shape [{}]: {}", tensor.name, fmt::join(tensor.shape, ", "), why),
          .path = tensor.file->path(),
          .offset = tensor.offset,
          .hint = std::move(hint)};
}

template <std::size_t N>
bool allows(const std::array<std::string_view, N>& values, std::string_view value) {
  return values.front().empty() || std::ranges::find(values, value) != values.end();
}

std::uint64_t blocks_of(std::uint64_t extent, std::uint64_t side) { return (extent + side - 1) / side; }

std::string in_config(const QuantisationConfig& config) {
  return fmt::format("{} says {}", config.file, config.name());
}

// What is there of a weight: each part looked up by the name that a scheme gives it.
class Parts {
 public:
  Parts(Checkpoint& checkpoint, const std::string& weight) : checkpoint_(checkpoint), weight_(weight) {}

  [[nodiscard]] std::string name(std::string_view form) const {
    return form == "weight" ? weight_ : name_of_form(weight_, form);
  }
  [[nodiscard]] bool has(std::string_view form) const {
    return !form.empty() && checkpoint_.files_of_tensors().contains(name(form));
  }
  [[nodiscard]] Result<CheckpointTensor> find(std::string_view form) { return checkpoint_.find(name(form)); }

 private:
  Checkpoint& checkpoint_;
  const std::string& weight_;
};

// The form of the values that are there of a weight; one of them is.
std::string_view find_form(const Parts& parts) {
  const auto schemes = quantisation_schemes();
  const auto found = std::ranges::find_if(schemes, [&](const Scheme& scheme) { return parts.has(scheme.values); });
  return found != schemes.end() ? found->values : "weight";
}

// The tensor as `scheme` stores it; nothing if it does not.
Result<std::optional<StoredTensor>> match(Parts& parts, const Scheme& scheme) {
  using Found = std::optional<StoredTensor>;
  const auto has_form = [&](std::string_view form) { return parts.has(form); };
  const bool needs_scales = !scheme.scales.front().empty();
  if (!has_form(scheme.values) || (needs_scales && std::ranges::none_of(scheme.scales, has_form)) ||
      !std::ranges::all_of(scheme.also, [&](std::string_view form) { return form.empty() || has_form(form); })) {
    return Found();
  }
  MTPGRAFT_TRY(auto values, parts.find(scheme.values));
  if (!allows(scheme.dtypes, values.dtype)) {
    return Found();
  }
  StoredTensor tensor{.values = std::move(values), .scheme = &scheme};
  for (const auto form : scheme.scales) {
    if (parts.has(form)) {
      MTPGRAFT_TRY(auto scales, parts.find(form));
      if (allows(scheme.scale_dtypes, scales.dtype)) {
        tensor.scales = std::move(scales);
        break;
      }
    }
  }
  if (needs_scales && !tensor.scales) {
    return Found();
  }
  if (scheme.is_read && !scheme.also.front().empty()) {
    MTPGRAFT_TRY(tensor.more, parts.find(scheme.also.front()));
  }
  return Found(std::move(tensor));
}

// What of a scheme that is read is not there, or of another dtype.
std::string describe_lack(const Parts& parts, const Scheme& scheme, std::string_view dtype) {
  std::vector<std::string> names;
  std::vector<std::string_view> dtypes;
  for (const auto form : scheme.also) {
    if (!form.empty() && !parts.has(form)) {
      return fmt::format("{} ({}) without a tensor '{}'", dtype, scheme.name, parts.name(form));
    }
  }
  for (const auto form : scheme.scales) {
    if (parts.has(form)) {
      std::ranges::copy_if(scheme.scale_dtypes, std::back_inserter(dtypes),
                           [](std::string_view each) { return !each.empty(); });
      return fmt::format("{} ({}) whose scales '{}' have another dtype than {}", dtype, scheme.name, parts.name(form),
                         fmt::join(dtypes, ", "));
    }
    if (!form.empty()) {
      names.push_back(parts.name(form));
    }
  }
  return fmt::format("{} ({}) without a tensor of its scales, '{}'", dtype, scheme.name, fmt::join(names, "' or '"));
}

// The name of a form that is there and is none of `used`, in which null is nothing; empty if there is none.
std::string find_stray(const Parts& parts, std::initializer_list<const CheckpointTensor*> used) {
  for (const auto form : quantised_forms()) {
    const auto is_it = [&](const CheckpointTensor* tensor) {
      return tensor != nullptr && tensor->name == parts.name(form);
    };
    if (parts.has(form) && !is_unused(parts.name(form)) && std::ranges::none_of(used, is_it)) {
      return parts.name(form);
    }
  }
  return {};
}

// For a tensor that no scheme fits.
Error unknown_form(const Parts& parts, const CheckpointTensor& values) {
  const auto has_form = [&](std::string_view form) { return parts.has(form); };
  const auto schemes = quantisation_schemes();
  const auto alike = std::ranges::find_if(schemes, [&](const Scheme& scheme) {
    return scheme.is_read && parts.name(scheme.values) == values.name && allows(scheme.dtypes, values.dtype) &&
           (scheme.encoding == Encoding::kFp8 || std::ranges::any_of(scheme.scales, has_form));
  });
  if (alike != schemes.end()) {
    return unfit(values, describe_lack(parts, *alike, values.dtype),
                 "download what is missing, or give the original model");
  }
  return unfit(
      values,
      fmt::format("dtype {} is not BF16, F16 or F32, nor is it of a known scheme of quantisation", values.dtype),
      "give the model as it was published, or the head as a GGUF");
}

Error refuse(const Checkpoint& checkpoint, const StoredTensor& tensor) {
  const auto base = checkpoint.base_model();
  return unfit(tensor.values, fmt::format("is quantised as {}, which is not read", tensor.scheme->name),
               fmt::format("an unquantised head is likely in the checkpoint of the base model{}; FP8, NVFP4 and MLX "
                           "affine releases of it are read, too",
                           base.empty() ? "" : fmt::format(", hf://{}", base)));
}

Status check_method(const StoredTensor& tensor, const QuantisationConfig& config) {
  const auto names_method = [&](const Scheme& scheme) {
    return std::ranges::any_of(scheme.methods, [&](std::string_view method) {
      return !method.empty() && config.method.find(method) != std::string::npos;
    });
  };
  if (config.method.empty() || names_method(*tensor.scheme) ||
      !std::ranges::any_of(quantisation_schemes(), names_method)) {
    return ok_status();
  }
  return unfit(tensor.values,
               fmt::format("its tensors are those of {}, but {}", tensor.scheme->name, in_config(config)),
               "put the config.json beside it that belongs to the head");
}

// Sets the shape of what is stored in groups of a row.
Status unpack_rows(StoredTensor& tensor, std::uint64_t group) {
  const auto element_bits = tensor.values.dtype == "U32" ? std::uint64_t{32} : std::uint64_t{8};
  const auto row_bits = checked_mul(tensor.shape.back(), element_bits);
  if (!row_bits || *row_bits % tensor.bits != 0 || *row_bits / tensor.bits % group != 0) {
    return unfit(tensor.values,
                 fmt::format("its rows are no whole groups of {} values of {} bits", group, tensor.bits));
  }
  tensor.shape.back() = *row_bits / tensor.bits;
  auto expected = tensor.shape;
  expected.back() /= group;
  if (tensor.scales->shape != expected) {
    return unfit(
        *tensor.scales,
        fmt::format("these are not the scales of groups of {} values of {} bits of '{}'{}: those have shape [{}]",
                    group, tensor.bits, tensor.values.name,
                    tensor.encoding() == Encoding::kAffine ? ", as config.json says" : "", fmt::join(expected, ", ")));
  }
  tensor.blocks = {1, group, tensor.rows()};
  return ok_status();
}

Status unpack_nvfp4(StoredTensor& tensor) {
  tensor.bits = 4;
  tensor.divides_by_more = tensor.scheme->values == "weight_packed";
  MTPGRAFT_CHECK(unpack_rows(tensor, kNvfp4Group));
  const auto matrices = tensor.rows() / tensor.shape[tensor.shape.size() - 2];
  const auto factors = element_count(tensor.more->shape);
  if (!is_plain_float(tensor.more->dtype) || (factors != 1 && factors != matrices)) {
    return unfit(*tensor.more, fmt::format("dtype {} and shape are not those of one factor for each matrix of '{}'",
                                           tensor.more->dtype, tensor.values.name));
  }
  return ok_status();
}

Status unpack_affine(StoredTensor& tensor, const std::string& name, const QuantisationConfig& config) {
  const auto groups = find_affine_groups(config, name);
  if (!groups) {
    return unfit(tensor.values, "MLX affine: bits and group_size are not in the object 'quantization' of a config.json",
                 "put the config.json of the model beside the file");
  }
  if (!groups->mode.empty() && groups->mode != "affine") {
    return unfit(tensor.values,
                 fmt::format("its tensors are those of MLX affine, but config.json says mode {}", groups->mode));
  }
  if (std::ranges::find(kAffineBits, groups->bits) == kAffineBits.end()) {
    return unfit(tensor.values,
                 fmt::format("MLX affine: config.json says {} bits, which MLX does not have", groups->bits));
  }
  tensor.bits = groups->bits;
  MTPGRAFT_CHECK(unpack_rows(tensor, groups->group_size));
  if (tensor.more->shape != tensor.scales->shape || !is_plain_float(tensor.more->dtype)) {
    return unfit(*tensor.more, fmt::format("dtype {} and shape are not those of biases beside '{}'", tensor.more->dtype,
                                           tensor.scales->name));
  }
  return ok_status();
}

}  // namespace

std::uint64_t element_count(const std::vector<std::uint64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, std::multiplies<>());
}

std::uint64_t StoredTensor::rows() const {
  return std::accumulate(shape.begin(), shape.end() - 1, std::uint64_t{1}, std::multiplies<>());
}

Error cannot_convert(const StoredTensor& tensor, std::string_view why, std::string hint) {
  return unfit(tensor.values, why, std::move(hint));
}

const std::string& file_of_weight(Checkpoint& checkpoint, const std::string& name) {
  const Parts parts(checkpoint, name);
  return checkpoint.files_of_tensors().at(parts.name(find_form(parts)));
}

Result<StoredTensor> find_stored(Checkpoint& checkpoint, const std::string& name, const QuantisationConfig& config) {
  Parts parts(checkpoint, name);
  std::optional<StoredTensor> found;
  for (const auto& scheme : quantisation_schemes()) {
    MTPGRAFT_TRY(found, match(parts, scheme));
    if (found) {
      break;
    }
  }
  if (!found) {
    MTPGRAFT_TRY(auto values, parts.find(find_form(parts)));
    if (!is_plain_float(values.dtype)) {
      return unknown_form(parts, values);
    }
    if (const auto stray = find_stray(parts, {&values}); !stray.empty()) {
      return unfit(values, fmt::format("has dtype {} and yet a tensor '{}' beside it", values.dtype, stray),
                   kAsPublished);
    }
    auto shape = values.shape;
    return StoredTensor{.values = std::move(values), .shape = std::move(shape)};
  }
  if (!found->scheme->is_read) {
    return refuse(checkpoint, *found);
  }
  MTPGRAFT_CHECK(check_method(*found, config));
  if (const auto stray = find_stray(parts, {&found->values, &*found->scales, found->more ? &*found->more : nullptr});
      !stray.empty()) {
    return unfit(found->values, fmt::format("'{}' beside it is nothing that {} has", stray, found->scheme->name),
                 kAsPublished);
  }
  found->shape = found->values.shape;
  found->bits = 8;
  if (found->shape.size() < 2 || std::ranges::find(found->shape, 0U) != found->shape.end()) {
    return unfit(found->values, fmt::format("is no matrix, and yet quantised as {}", found->scheme->name));
  }
  if (found->encoding() == Encoding::kNvfp4) {
    MTPGRAFT_CHECK(unpack_nvfp4(*found));
  } else if (found->encoding() == Encoding::kAffine) {
    MTPGRAFT_CHECK(unpack_affine(*found, name, config));
  }
  return std::move(*found);
}

namespace {

// The blocks of FP8 and INT8; nothing if the scales have none of the shapes that `config` allows.
std::optional<ScaleBlocks> find_scale_blocks(const StoredTensor& tensor, const QuantisationConfig& config,
                                             const std::array<std::uint64_t, 2>& block, std::uint64_t group_rows) {
  const auto& scales = tensor.scales->shape;
  const auto count = element_count(scales);
  const auto rows = tensor.rows();
  const auto columns = tensor.columns();
  const auto matrix_rows = tensor.shape[tensor.shape.size() - 2];
  const auto allows_strategy = [&](std::string_view strategy) {
    const bool is_told = config.strategy == "tensor" || config.strategy == "channel" || config.strategy == "block";
    return is_told ? config.strategy == strategy : !config.block || strategy == "block";
  };
  const bool is_for_rows = !scales.empty() && (scales.back() == 1 || scales.size() + 1 == tensor.shape.size());
  if (group_rows == 0 && allows_strategy("tensor")) {
    if (count == 1) {
      return ScaleBlocks{rows, columns, rows};
    }
    if (count == rows / matrix_rows && (is_for_rows || scales.size() == 1)) {
      return ScaleBlocks{matrix_rows, columns, matrix_rows};
    }
  }
  if (group_rows == 0 && count == rows && is_for_rows && allows_strategy("channel")) {
    return ScaleBlocks{1, columns, rows};
  }
  const auto group = group_rows != 0 ? group_rows : matrix_rows;
  const bool fits = scales.size() >= 2 && scales.back() == blocks_of(columns, block[1]) &&
                    count == scales.back() * (rows / group) * blocks_of(group, block[0]);
  return fits && allows_strategy("block") ? std::optional(ScaleBlocks{block[0], block[1], group}) : std::nullopt;
}

}  // namespace

Status set_scale_blocks(StoredTensor& tensor, const QuantisationConfig& config, std::uint64_t group_rows) {
  if (tensor.encoding() == Encoding::kFp8 || tensor.encoding() == Encoding::kInt8) {
    const auto block = config.block.value_or(kUsualBlock);
    const auto blocks = find_scale_blocks(tensor, config, block, group_rows);
    if (!blocks) {
      const auto wanted = config.strategy == "tensor"    ? std::string("a whole tensor")
                          : config.strategy == "channel" ? std::string("single rows")
                                                         : fmt::format("blocks of {} x {}", block[0], block[1]);
      return unfit(*tensor.scales,
                   fmt::format("these are not the scales of {} of a tensor of shape [{}]{}", wanted,
                               fmt::join(tensor.shape, ", "),
                               config.block || !config.strategy.empty() ? ", as config.json says" : ""));
    }
    tensor.blocks = *blocks;
  }
  if (const auto bytes = checked_mul(element_count(tensor.shape), sizeof(float)); !bytes || *bytes > kBytesMax) {
    return unfit(tensor.values, "it is too large for any file");
  }
  if (tensor.scale_columns() > kRowScalesMax) {
    return unfit(*tensor.scales,
                 fmt::format("a row has {} scales; at most {} can be read", tensor.scale_columns(), kRowScalesMax));
  }
  return ok_status();
}

std::string describe_scheme(StoredTensor tensor, const QuantisationConfig& config) {
  std::string name(tensor.scheme->name);
  if (!set_scale_blocks(tensor, config).ok()) {  // blocks begin anew somewhere
    const auto block = config.block.value_or(kUsualBlock);
    tensor.blocks = {block[0], block[1], 0};
  }
  const auto& blocks = tensor.blocks;
  switch (tensor.encoding()) {
    case Encoding::kNvfp4:
      return name;
    case Encoding::kAffine:
      return fmt::format("{}, {} bits, groups of {}", name, tensor.bits, blocks.columns);
    default:
      break;
  }
  if (blocks.rows == 1 && blocks.columns == tensor.columns()) {
    return name + ", one scale a row";
  }
  return blocks.columns == tensor.columns() && blocks.rows == blocks.group_rows
             ? name + ", one scale a tensor"
             : fmt::format("{}, blocks of {} x {}", name, blocks.rows, blocks.columns);
}

}  // namespace mtpgraft
