#include "donor/norm_offset.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "donor/tensor_reader.h"
#include "gguf/format.h"
#include "gguf/tensor_types.h"
#include "io/composed_file.h"
#include "model/architectures.h"
#include "model/norms.h"
#include "mtpgraft/remote.h"

namespace mtpgraft {
namespace {

// Far above any norm.
constexpr std::uint64_t kNormElementsMax = std::uint64_t{1} << 20;

Result<std::vector<NormMean>> read_norm_means(Checkpoint& checkpoint, const HeadTensorGroups& groups) {
  std::vector<CheckpointTensor> tensors;
  std::vector<NormMean> means;
  ComposedFile norms_alone(checkpoint.path());
  for (const auto& [name, group] : groups) {
    const auto& source = group.sources.begin()->second;
    if (!is_norm(name) || !checkpoint.files_of_tensors().contains(source)) {
      continue;
    }
    MTPGRAFT_TRY(auto tensor, checkpoint.find(source));
    if (tensor.shape.size() == 1 && tensor.shape[0] <= kNormElementsMax && is_plain_float(tensor.dtype)) {
      norms_alone.add_range(tensor.file, {tensor.offset, tensor.size_bytes});
      tensors.push_back(std::move(tensor));
      means.push_back({name, 0});
    }
  }
  MTPGRAFT_CHECK(fetch(norms_alone, {{{0, norms_alone.size()}}}));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::vector<float> values(tensors[i].shape[0]);
    MTPGRAFT_CHECK(TensorReader(tensors[i], tensor_type::kF32, 0).read(0, std::as_writable_bytes(std::span(values))));
    means[i].mean = mean_of(values).value_or(0);
  }
  return means;
}

// "self_attn.q_norm.weight" of "model.layers.7.self_attn.q_norm.weight"; empty for what is of no layer.
std::string_view name_in_layer(std::string_view name) {
  constexpr std::string_view kLayers = "layers.";
  const auto layers = name.rfind(kLayers);
  const auto dot = layers != std::string_view::npos ? name.find('.', layers + kLayers.size()) : layers;
  return dot != std::string_view::npos ? name.substr(dot + 1) : "";
}

// The trunk's norms as far as the checkpoint has them here, in the convention of a GGUF. Published checkpoints have
// them without the 1. Whatever cannot be read is left out: of the trunk nothing is needed.
std::vector<TrunkNorm> read_own_trunk(Checkpoint& checkpoint, const HeadTensorGroups& groups) {
  if (is_remote(checkpoint.path())) {
    return {};
  }
  std::map<std::string_view, std::string_view> gguf_names;  // by the name in a layer
  std::set<std::string_view> head_names;
  for (const auto& [name, group] : groups) {
    for (const auto& [part, source] : group.sources) {
      head_names.insert(source);
    }
    if (is_norm(name)) {
      gguf_names[name_in_layer(group.sources.begin()->second)] = split_block_name(name)->name;
    }
  }
  std::vector<TrunkNorm> trunk;
  for (const auto& [name, file] : checkpoint.files_of_tensors()) {
    const auto found = gguf_names.find(name_in_layer(name));
    const auto gguf_name = name.ends_with("model.norm.weight")                         ? kOutputNormName
                           : !name_in_layer(name).empty() && found != gguf_names.end() ? found->second
                                                                                       : "";
    if (gguf_name.empty() || head_names.contains(name)) {
      continue;
    }
    const auto tensor = checkpoint.find(name);
    if (tensor.ok() && tensor.value().shape.size() == 1 && tensor.value().shape[0] <= kNormElementsMax &&
        is_plain_float(tensor.value().dtype)) {
      std::vector<float> values(tensor.value().shape[0]);
      const TensorReader reader(tensor.value(), tensor_type::kF32, 1);
      if (reader.read(0, std::as_writable_bytes(std::span(values))).ok()) {
        add_trunk_norm(trunk, gguf_name, values);
      }
    }
  }
  return trunk;
}

int offset_of(NormVerdict verdict) { return verdict == NormVerdict::kRaw ? 1 : 0; }

Error ask_for_offset(const JudgedNorms& judged, double median, std::optional<int> described, const std::string& path) {
  const auto* const what = judged.verdict == NormVerdict::kMixed     ? "they are not all alike, and this"
                           : judged.verdict == NormVerdict::kDoubled ? "that is 1 too many, and it"
                                                                     : "this";
  Error error{
      .code = ErrorCode::kIncompatible,
      .message = described
                     ? fmt::format("the norm weights have a mean of about {:.2f}, but the file says of itself that {} "
                                   "is to be added to them",
                                   median, *described)
                     : fmt::format("the norm weights have a mean of about {:.2f}: {} does not tell whether they are "
                                   "the checkpoint's own (about 0) or have the 1 that llama.cpp expects (about 1)",
                                   median, what),
      .path = path,
      .remedy = Remedy::kSayNormOffset};
  for (const auto& norm : judged.norms) {
    error.details.push_back(describe_norm(norm));
  }
  return error;
}

}  // namespace

Result<int> choose_norm_offset(Checkpoint& checkpoint, const HeadTensorGroups& groups, const Family& family,
                               const CheckpointOptions& options, std::optional<int> described,
                               std::vector<std::string>& notes) {
  if (options.norm_offset) {
    return *options.norm_offset;
  }
  if (!find_architecture(family.architecture).norms_are_shifted) {
    return 0;
  }
  MTPGRAFT_TRY(auto means, read_norm_means(checkpoint, groups));
  return judge_norm_offset(std::move(means),
                           options.trunk_norms.empty() ? read_own_trunk(checkpoint, groups) : options.trunk_norms,
                           checkpoint.path(), notes, described);
}

Result<int> judge_norm_offset(std::vector<NormMean> means, const std::vector<TrunkNorm>& trunk, const std::string& path,
                              std::vector<std::string>& notes, std::optional<int> described) {
  const auto median = median_of_means(means);
  if (!median) {
    return described.value_or(1);
  }
  const auto judged = judge_norms(std::move(means), trunk);
  const bool is_told = judged.verdict == NormVerdict::kRaw || judged.verdict == NormVerdict::kRight;
  if (described && judged.verdict == NormVerdict::kUnclear) {
    notes.push_back(fmt::format("norm weights have a mean of about {:.2f}: {}, as the file says of itself", *median,
                                *described == 1 ? "1 is added" : "the 1 is in them"));
    return *described;
  }
  if (!is_told || (described && *described != offset_of(judged.verdict))) {
    return ask_for_offset(judged, *median, described, path);
  }
  const int offset = offset_of(judged.verdict);
  notes.push_back(offset == 1 ? fmt::format("norm weights have a mean of about {:.2f}: 1 is added", *median)
                              : fmt::format("norm weights have a mean of about {:.2f}: the 1 is in them", *median));
  return offset;
}

}  // namespace mtpgraft
