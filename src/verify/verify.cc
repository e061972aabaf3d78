#include "mtpgraft/verify.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "gguf/tensor_types.h"
#include "model/compatibility.h"
#include "model/head_values.h"
#include "model/structure.h"
#include "mtpgraft/head_data.h"
#include "mtpgraft/header_digest.h"
#include "plan/record.h"

namespace mtpgraft {
namespace {

void check_record(const GgufFile& gguf, const Head& head, const HeadData& head_data, VerifyReport& report) {
  const auto* item = gguf.find_key(kRecordKey);
  if (item == nullptr) {
    report.has_no_record = true;
    return;
  }
  const auto record = find_record(gguf);
  if (!record) {
    report.findings.push_back(
        {fmt::format("key '{}' is damaged: its own digest does not fit", kRecordKey), item->offset});
    return;
  }
  std::vector<std::uint64_t> blocks;
  for (std::uint64_t i = 0; i < head.block_count; ++i) {
    blocks.push_back(head.first_block + i);
  }
  const auto& recorded = record->head;
  const auto head_offset = head.has_tensors() ? gguf.tensors[head.tensors.front()].offset : gguf.data_offset;
  if (recorded.blocks != blocks || recorded.tensor_count != head.tensors.size() || recorded.bytes != head.bytes) {
    report.findings.push_back(
        {fmt::format("the record tells of a head of {} tensors and {} bytes, the file has {} and {}",
                     recorded.tensor_count, recorded.bytes, head.tensors.size(), head.bytes),
         item->offset});
  } else if (recorded.digest != head_data.digest) {
    report.findings.push_back({fmt::format("the head's data have XXH128 {}, the record says {}",
                                           to_hex(head_data.digest.value_or(Digest{})), to_hex(recorded.digest)),
                               head_offset});
  } else {
    report.notes.push_back(fmt::format("the head's {} bytes fit the record's digest", head.bytes));
  }
  report.notes.push_back(fmt::format("grafted by {} from '{}' into '{}'", record->labels.tool,
                                     record->labels.donor_file, record->labels.target_file));
}

// The rules that a loader applies to the head, by holding the file against itself as target and donor.
void check_head_rules(const GgufFile& gguf, const Head& head, const HeadData& head_data, VerifyReport& report) {
  const auto fit = check_fit(gguf, head, gguf, head, head_data, HeadPlace::kInModel);
  const auto infos_offset = gguf.tensors[head.tensors.front()].info_offset;
  for (const auto& refusal : fit.refusals) {
    report.findings.push_back({refusal, infos_offset});
  }
  for (const auto& warning : fit.warnings) {
    report.notes.push_back(warning.message);
  }
}

void check_vectors(const GgufFile& gguf, const Head& head, VerifyReport& report) {
  for (const auto index : head.tensors) {
    const auto& tensor = gguf.tensors[index];
    if (tensor.is_vector() && tensor.type != tensor_type::kF32) {
      report.findings.push_back(
          {fmt::format("head tensor '{}' has one dimension and type {}; llama.cpp aborts at the first "
                       "draft unless it is F32",
                       tensor.name, tensor_type_name(tensor.type)),
           tensor.info_offset});
    }
  }
}

// Where everything differs, the reason is mostly that the files are not those of the graft.
void name_other_sources(const Record& record, const GgufFile& target, const HeadData& head_data, VerifyReport& report) {
  const auto target_record = find_record(target);
  const auto& first = target.files.front();
  const auto is_target = [&](std::uint64_t size, std::uint64_t tensor_count) {
    return record.origin.size == size && record.origin.tensor_count == tensor_count;
  };
  if (!is_target(first.size, first.tensor_count) && !is_target(target.size, target.tensors.size()) &&
      !(target_record && is_target(target_record->origin.size, target_record->origin.tensor_count))) {
    report.findings.push_back({fmt::format("the target is not the one of the record, '{}' of {} bytes",
                                           record.origin.file, record.origin.size),
                               {}});
  }
  if (record.head.digest != head_data.digest) {
    report.findings.push_back({fmt::format("the donor is not the one of the record, '{}', whose head has XXH128 {}",
                                           record.labels.donor_file, to_hex(record.head.digest)),
                               {}});
  }
}

// Shard by shard.
void sort_findings(VerifyReport& report) {
  std::ranges::stable_sort(report.findings, {}, [](const Finding& finding) {
    return std::pair(std::string_view(finding.path), finding.offset);
  });
}

// Where a flaw of the donor's head is in `file`, which has the head as `tensor`; a vector may have become F32.
std::uint64_t offset_of(const ValueFlaw& flaw, const TensorInfo& donors, const TensorInfo& tensor) {
  return tensor.offset + (donors.type == tensor.type
                              ? flaw.offset
                              : flaw.block * find_tensor_type(donors.type)->block_elements * sizeof(float));
}

// Equal bytes are no proof of a head that can draft. `file` is the graft, null if it is not sound.
std::vector<Finding> find_flaws(const std::vector<ValueFlaw>& flaws, const GgufFile& donor, const Plan& plan,
                                const GgufFile* file) {
  std::unordered_map<std::string_view, const TensorInfo*> in_file;
  for (std::size_t i = 0; file != nullptr && i < file->tensors.size(); ++i) {
    in_file.emplace(file->tensors[i].name, &file->tensors[i]);
  }
  std::unordered_map<std::string_view, std::string_view> planned;
  for (const auto& tensor : plan.head_tensors) {
    planned.emplace(tensor.donor_name, tensor.name);
  }
  std::vector<Finding> findings;
  for (const auto& flaw : flaws) {
    const auto& tensor = donor.tensors[flaw.tensor];
    auto& finding = findings.emplace_back(Finding{describe_flaw(donor, flaw), {}});
    const auto name = planned.find(tensor.name);
    const auto found = name != planned.end() ? in_file.find(name->second) : in_file.end();
    if (found != in_file.end()) {
      finding.offset = offset_of(flaw, tensor, *found->second);
    }
  }
  return findings;
}

// From offsets in the one file that a split model is read as to those in its files.
void find_shards(const GgufFile& gguf, std::vector<Finding>& findings) {
  for (auto& finding : findings) {
    if (finding.offset && gguf.is_split()) {
      const auto& shard = gguf.file_at(*finding.offset);
      finding.path = shard.path;
      *finding.offset -= shard.offset;
    }
  }
}

// The bytes of all tensors with their padding.
std::uint64_t data_bytes(const GgufFile& gguf) {
  std::uint64_t bytes = 0;
  const auto& files = gguf.files;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto tensors = gguf.tensors_of_file(i);
    bytes += tensors.empty() ? 0 : files[i].data_end - tensors.front().offset;
  }
  return bytes;
}

Result<VerifyReport> compare_files(const ModelFiles& files, const Plan& plan, const OpenedModel& target,
                                   const OpenedModel& donor, SharedExtents shared, const Progress& progress) {
  VerifyReport report;
  if (files.size() != plan.files.size()) {
    report.findings.push_back(
        {fmt::format("the model has {} files, the graft {}", files.size(), plan.files.size()), {}});
  }
  for (std::size_t i = 0; i < std::min(files.size(), plan.files.size()); ++i) {
    MTPGRAFT_TRY(auto compared,
                 compare_with_plan(*files[i], plan.files[i], *target.file, *donor.file, shared, progress));
    for (auto& finding : compared.findings) {
      finding.path = files.size() > 1 ? files[i]->path() : "";
      report.findings.push_back(std::move(finding));
    }
    report.compared_bytes += compared.compared_bytes;
    report.shared_bytes += compared.shared_bytes;
  }
  return report;
}

}  // namespace

Result<VerifyReport> verify_graft(const ModelFiles& files, const OpenedModel& target, const OpenedModel& donor,
                                  const RecordLabels& fallback, SharedExtents shared, const Progress& progress) {
  MTPGRAFT_TRY(auto head_data, read_head_data(*donor.file, donor.gguf, DigestHead::kYes, progress));
  // These are findings here, not reasons against a plan.
  const auto flaws = std::exchange(head_data.flaws, {});
  const auto parsed = read_model(files);
  if (!parsed.ok() && (files.empty() || parsed.error().code == ErrorCode::kIo)) {
    return parsed.error();
  }
  const auto record = parsed.ok() ? find_record(parsed.value().gguf) : std::nullopt;
  if (parsed.ok() && !record) {
    const auto state = find_head(parsed.value().gguf).state;
    if (state == HeadState::kSidecar || state == HeadState::kTensorsOnly) {
      return Error{.code = ErrorCode::kIncompatible,
                   .message = "is a head without trunk, not a graft",
                   .path = parsed.value().gguf.path,
                   .remedy = Remedy::kVerifyAlone};
    }
  }
  // A target with a head can only have been grafted with --replace.
  GraftOptions options{.replace = true, .labels = record ? record->labels : fallback};
  if (target.gguf.is_split() != (files.size() > 1)) {
    options.split = files.size() == 1 ? Split::kMerge : Split::kHead;
  }
  MTPGRAFT_TRY(options.target_header, digest_header(*target.file, target.gguf));
  options.edits = record ? record->edits : std::vector<KeyEdit>{};
  MTPGRAFT_TRY(auto plan, make_graft_plan(target.gguf, donor.gguf, head_data, options));
  if (!parsed.ok() || parsed.value().gguf.find_key(kRecordKey) == nullptr) {
    // Grafted without a record, or the damage is such that it cannot be found: the size decides between the two.
    options.labels.reset();
    MTPGRAFT_TRY(auto plain, make_graft_plan(target.gguf, donor.gguf, head_data, options));
    const auto size = files.front()->size();
    if (size == plain.files.front().output_size || (parsed.ok() && size != plan.files.front().output_size)) {
      plan = std::move(plain);
    }
  }
  MTPGRAFT_TRY(auto report, compare_files(files, plan, target, donor, shared, progress));
  if (!parsed.ok()) {
    // Before the differences of the bytes that it comes from.
    const auto& error = parsed.error();
    report.findings.insert(report.findings.begin(),
                           {"not a sound GGUF: " + error.message, error.offset, files.size() > 1 ? error.path : ""});
  } else if (record && !report.ok()) {
    name_other_sources(*record, target.gguf, head_data, report);
  }
  auto flawed = find_flaws(flaws, donor.gguf, plan, parsed.ok() ? &parsed.value().gguf : nullptr);
  if (parsed.ok()) {
    find_shards(parsed.value().gguf, flawed);
  }
  std::ranges::move(flawed, std::back_inserter(report.findings));
  std::ranges::move(note_unknown_types(head_data), std::back_inserter(report.notes));
  sort_findings(report);
  return report;
}

Result<VerifyReport> verify_alone(const OpenedModel& model, const Progress& progress) {
  const auto& gguf = model.gguf;
  VerifyReport report;
  report.notes.emplace_back("the structure is sound");
  const auto head = find_head(gguf);
  switch (head.state) {
    case HeadState::kNone:
      report.findings.push_back({"the file has no head", {}});
      return report;
    case HeadState::kPlaceholder:
      report.findings.push_back(
          {fmt::format("the file declares a head at blk.{}, but has none of its tensors", head.first_block), {}});
      return report;
    case HeadState::kShard:
      return shard_error(gguf, "file");
    case HeadState::kBroken:
      for (const auto& problem : head.problems) {
        report.findings.push_back({problem, gguf.infos_end});
      }
      if (!head.has_tensors()) {
        return report;
      }
      break;
    case HeadState::kPresent:
    case HeadState::kSidecar:
    case HeadState::kTensorsOnly:
      break;
  }
  MTPGRAFT_TRY(auto head_data, read_head_data(*model.file, gguf, DigestHead::kYes, progress));
  MTPGRAFT_TRY(head_data.trunk_norms, read_trunk_norms(*model.file, gguf));
  for (const auto& flaw : head_data.flaws) {
    report.findings.push_back({describe_flaw(gguf, flaw), gguf.tensors[flaw.tensor].offset + flaw.offset});
  }
  std::ranges::move(note_unknown_types(head_data), std::back_inserter(report.notes));
  if (head.state == HeadState::kPresent) {
    check_head_rules(gguf, head, head_data, report);
  } else if (head.state != HeadState::kBroken) {
    const auto structure =
        check_structure(gguf, 0, gguf, head, find_architecture(gguf.architecture()), ExpertRule::kOwn);
    for (const auto& refusal : structure.refusals) {
      report.findings.push_back({refusal, gguf.infos_end});
    }
    report.notes.push_back(
        fmt::format("a head at blk.{} without a trunk: its shapes are checked when it is grafted", head.first_block));
  }
  check_vectors(gguf, head, report);
  check_record(gguf, head, head_data, report);
  report.compared_bytes = find_record(gguf) ? head.bytes : 0;
  report.unchecked_bytes = data_bytes(gguf) - report.compared_bytes;
  find_shards(gguf, report.findings);
  sort_findings(report);
  return report;
}

}  // namespace mtpgraft
