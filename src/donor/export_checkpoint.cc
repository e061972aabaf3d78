#include "donor/export_checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "donor/exported_tensors.h"
#include "donor/head_description.h"
#include "donor/safetensors.h"
#include "gguf/serialize.h"
#include "model/architectures.h"
#include "model/compatibility.h"
#include "model/head_values.h"
#include "model/mapping.h"
#include "model/norms.h"
#include "plan/head_tensors.h"
#include "plan/layout.h"

namespace mtpgraft {
namespace {

Result<const Family*> find_family_of(const GgufFile& donor) {
  const auto architecture = donor.architecture();
  if (const auto* family = family_of_architecture(architecture)) {
    return family;
  }
  Error error{.code = ErrorCode::kUnsupported,
              .message = architecture.empty()
                             ? "does not tell of what architecture the head is, after which its tensors are called"
                             : fmt::format("what the head of {} models is called in a checkpoint is not known; known "
                                           "are",
                                           architecture),
              .path = donor.path,
              .hint = "extract the head to a .gguf file instead"};
  for (const auto& family : families()) {
    error.details.emplace_back(family.architecture);
  }
  return error;
}

// Whether the norms are 1 + w is judged as for a graft: what is not, has no w.
Status check_norms(const GgufFile& donor, const Head& head, const HeadData& data) {
  if (!find_architecture(donor.architecture()).norms_are_shifted) {
    return ok_status();
  }
  std::vector<NormMean> norms;
  for (std::size_t i = 0; i < head.tensors.size(); ++i) {
    const auto& name = donor.tensors[head.tensors[i]].name;
    const auto mean = data.vectors[i] && is_norm(name) ? mean_of(*data.vectors[i]) : std::nullopt;
    if (mean) {
      norms.push_back({name, *mean});
    }
  }
  const auto judged = judge_norms(std::move(norms), data.trunk_norms);
  if (judged.verdict == NormVerdict::kRight || judged.verdict == NormVerdict::kUnclear) {
    return ok_status();
  }
  Error error{.code = ErrorCode::kIncompatible,
              .message = "the head's norm weights are not all 1 + w, as a GGUF has them, and a checkpoint has w",
              .path = donor.path,
              .hint = "use a donor that llama.cpp's converter made, or the checkpoint"};
  for (const auto& norm : judged.norms) {
    error.details.push_back(describe_norm(norm));
  }
  return error;
}

// What a sidecar has outside of its block, and is the head's own.
void add_own_root(const GgufFile& donor, Head& head, HeadData& data) {
  const auto own = find_architecture(donor.architecture()).own_root;
  for (std::size_t i = 0; i < donor.tensors.size() && head.state == HeadState::kSidecar; ++i) {
    if (std::ranges::find(own, donor.tensors[i].name) != own.end()) {
      head.tensors.push_back(i);
      data.vectors.emplace_back();
    }
  }
}

TensorInfo describe(const ExportedTensor& stored, std::uint64_t data_offset) {
  TensorInfo info;
  info.name = stored.tensor.name;
  info.n_dims = static_cast<std::uint32_t>(stored.tensor.shape.size());
  std::ranges::reverse_copy(stored.tensor.shape, info.shape.begin());
  info.type = stored.type;
  info.offset = data_offset + stored.tensor.offset;
  info.size_bytes = stored.tensor.size_bytes;
  return info;
}

Plan make_plan(const GgufFile& donor, const Head& head, const ExportedTensors& stored, const std::string& header) {
  Plan plan;
  Layout layout;
  layout.begin(Region::Kind::kHeader);
  Bytes bytes;
  append_bytes(bytes, header.data(), header.size());
  layout.add(std::move(bytes));
  for (const auto& each : stored) {
    layout.begin(Region::Kind::kTensorData, layout.keep(each.tensor.name));
    layout.add_copy(Source::kDonor, each.tensor.offset, each.tensor.size_bytes);
    const auto& from = donor.tensors[each.source];
    plan.head_tensors.push_back({each.tensor.name, from.name, describe(each, header.size()), from.type});
    plan.head_bytes += each.tensor.size_bytes;
  }
  auto& file = plan.files.emplace_back();
  std::move(layout).finish(file);
  file.data_offset = header.size();
  file.tensor_count = stored.size();
  plan.first_head_block = head.first_block;
  plan.head_block_count = head.block_count;
  return plan;
}

}  // namespace

Result<ExportedHead> export_checkpoint(const std::shared_ptr<const ReadableFile>& file, const GgufFile& donor,
                                       const HeadData& head_data, const std::vector<std::string>& dequantized) {
  auto head = find_head(donor);
  MTPGRAFT_CHECK(check_donor(donor, head, donor));
  MTPGRAFT_CHECK(check_head_data(donor, head, head_data));
  MTPGRAFT_TRY(const auto* family, find_family_of(donor));
  MTPGRAFT_CHECK(refuse_values(donor, head_data));
  MTPGRAFT_CHECK(check_norms(donor, head, head_data));
  auto data_of_all = head_data;
  add_own_root(donor, head, data_of_all);
  std::vector<BlockTensorName> names;
  for (const auto index : head.tensors) {
    const auto& name = donor.tensors[index].name;
    names.push_back(split_block_name(name).value_or(BlockTensorName{head.first_block, name}));
  }
  auto written = map_back(*family, names, head.first_block);
  if (!written.ok()) {
    written.error().path = donor.path;
    return written.error();
  }
  MTPGRAFT_TRY(const auto stored, make_exported_tensors(file, donor, head, data_of_all, written.value()));
  std::vector<SafetensorsTensor> tensors;
  std::ranges::transform(stored, std::back_inserter(tensors), &ExportedTensor::tensor);
  const auto offset = find_architecture(donor.architecture()).norms_are_shifted ? 1 : 0;
  const auto header = serialize_safetensors_header(tensors, format_description(donor, head, offset, dequantized));
  ExportedHead exported{make_plan(donor, head, stored, header), {}};
  exported.plan.warnings = warn_of_values(donor, head_data);
  auto data = std::make_shared<ComposedFile>(donor.path);
  // None of their bytes, but inputs all the same: no output may replace them.
  data->add_range(file, {0, 0});
  for (const auto& each : stored) {
    each.add_data(*data);
  }
  exported.data = std::move(data);
  return exported;
}

}  // namespace mtpgraft
