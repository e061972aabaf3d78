// A graft, or another model with a head, on its own.
#include <fmt/core.h>

#include <algorithm>
#include <iterator>

#include "gguf/tensor_types.h"
#include "model/compatibility.h"
#include "model/head_values.h"
#include "model/structure.h"
#include "model/warnings.h"
#include "mtpgraft/head_data.h"
#include "mtpgraft/header_digest.h"
#include "mtpgraft/strip.h"
#include "mtpgraft/verify.h"
#include "plan/record.h"
#include "plan/requantised.h"
#include "verify/findings.h"

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
        {fmt::format("the record tells of a head of {} tensors and {} bytes, the file has {} and {}{}",
                     recorded.tensor_count, recorded.bytes, head.tensors.size(), head.bytes,
                     recorded.tensor_count == head.tensors.size()
                         ? ": it was requantised after the graft, or the record is not its own"
                         : ""),
         item->offset});
  } else if (recorded.digest != head_data.digest) {
    report.findings.push_back({fmt::format("the head's data have XXH128 {}, the record says {}",
                                           to_hex(head_data.digest.value_or(Digest{})), to_hex(recorded.digest)),
                               head_offset});
  } else {
    report.notes.push_back(fmt::format("the head's {} bytes fit the record's digest", head.bytes));
  }
  report.notes.push_back(describe_labels(record->labels));
}

// Says what became of a graft whose header is not the one that it had, as far as the record tells.
Status note_changed_header(const OpenedModel& model, const Head& head, VerifyReport& report) {
  const auto record = find_record(model.gguf);
  const auto plan = make_strip_plan(model.gguf, {});
  if (!record || !record->origin.header_digest || !plan.ok() || !plan.value().original) {
    return ok_status();
  }
  MTPGRAFT_TRY(const auto header, digest_planned_header(plan.value().files.front(), *model.file));
  if (header != *record->origin.header_digest) {
    report.notes.emplace_back(
        has_other_sizes(*record, model.gguf, head)
            ? "the tensors were requantised after the graft: their sizes are not those of the record"
            : "keys, or types of tensors, were changed after the graft");
  }
  return ok_status();
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

void check_types(const GgufFile& gguf, VerifyReport& report) {
  if (const auto* unread = find_unread_tensor(gguf)) {
    report.findings.push_back({describe_unread_tensor(*unread), unread->info_offset});
  }
}

}  // namespace

Result<VerifyReport> verify_alone(const OpenedModel& model, const Progress& progress) {
  const auto& gguf = model.gguf;
  VerifyReport report;
  report.notes.emplace_back("the structure is sound");
  if (auto claims = find_graft_claims(gguf)) {
    report.labels = std::move(claims->labels);
    report.edits = std::move(claims->edits);
  }
  report.edits_allowed = true;  // there is nothing to hold them against
  const auto head = find_head(gguf);
  switch (head.state) {
    case HeadState::kNone:
      report.findings.push_back({"the file " + describe_headless(gguf, head), {}});
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
    const auto architecture = find_architecture(gguf.architecture());
    const auto structure = check_structure(gguf, 0, gguf, head, architecture, ExpertRule::kOwn);
    for (const auto& refusal : structure.refusals) {
      report.findings.push_back({refusal, gguf.infos_end});
    }
    report.notes.push_back(
        fmt::format("a head at blk.{} without a trunk: its shapes are checked when it is grafted", head.first_block));
  }
  check_vectors(gguf, head, report);
  check_types(gguf, report);
  check_record(gguf, head, head_data, report);
  MTPGRAFT_CHECK(note_changed_header(model, head, report));
  report.compared_bytes = find_record(gguf) ? head.bytes : 0;
  report.unchecked_bytes = data_bytes(gguf) - report.compared_bytes;
  find_shards(gguf, report.findings);
  sort_findings(report);
  return report;
}

}  // namespace mtpgraft
