// A graft against what its target and donor make.
#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <unordered_map>
#include <utility>

#include "gguf/tensor_types.h"
#include "model/head_values.h"
#include "mtpgraft/head_data.h"
#include "mtpgraft/header_digest.h"
#include "plan/record.h"
#include "verify/difference.h"
#include "verify/explain.h"
#include "verify/findings.h"

namespace mtpgraft {
namespace {

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

// Byte by byte, each at its place.
Result<Comparison> compare_places(const ModelFiles& files, const Plan& plan, const OpenedModel& target,
                                  const OpenedModel& donor, SharedExtents shared, const Progress& progress) {
  Comparison all;
  if (files.size() != plan.files.size()) {
    all.differences.push_back(
        {Difference::Of::kBytes,
         "",
         {fmt::format("the model has {} files, the graft {}", files.size(), plan.files.size()), {}}});
  }
  for (std::size_t i = 0; i < std::min(files.size(), plan.files.size()); ++i) {
    MTPGRAFT_TRY(auto compared, compare_bytes(*files[i], plan.files[i], *target.file, *donor.file, shared, progress));
    for (auto& difference : compared.differences) {
      difference.finding.path = files.size() > 1 ? files[i]->path() : "";
      all.differences.push_back(std::move(difference));
    }
    all.compared_bytes += compared.compared_bytes;
    all.shared_bytes += compared.shared_bytes;
  }
  return all;
}

std::uint64_t trailing_bytes(const GgufFile& gguf) {
  std::uint64_t bytes = 0;
  for (const auto& file : gguf.files) {
    bytes += file.offset + file.size - file.data_end;
  }
  return bytes;
}

// What is not byte for byte the graft, though its keys and tensors may all be.
std::vector<Difference> tell_places(const GgufFile& expected, const GgufFile& actual, bool all_equal) {
  std::vector<Difference> differences;
  const auto add = [&](std::string message) {
    differences.push_back({Difference::Of::kBytes, "", {std::move(message), {}}});
  };
  if (expected.version != actual.version) {
    add(fmt::format("it is GGUF version {}, the graft {}", actual.version, expected.version));
  }
  if (expected.files.size() != actual.files.size()) {
    add(fmt::format("the model has {} files, the graft {}", actual.files.size(), expected.files.size()));
  }
  if (const auto bytes = trailing_bytes(actual); bytes > 0) {
    add(fmt::format("there are {} bytes after the last tensor", bytes));
  }
  add(all_equal ? "all keys and tensors are equal, but stand at other places in the file than in the graft"
                : "all other keys and tensors are equal, but stand at other places in the file than in the graft");
  return differences;
}

// By the names of keys and tensors, `infos` being the comparison of the latter.
Result<Comparison> compare_names(const OpenedModel& expected, const OpenedModel& actual, const InfoComparison& infos,
                                 const Progress& progress) {
  auto differences = compare_keys(expected.gguf, actual.gguf);
  differences.insert(differences.end(), infos.differences.begin(), infos.differences.end());
  MTPGRAFT_TRY(auto all, compare_data(infos.pairs, *expected.file, *actual.file, progress));
  std::ranges::move(all.differences, std::back_inserter(differences));
  std::ranges::move(tell_places(expected.gguf, actual.gguf, differences.empty()), std::back_inserter(differences));
  all.differences = std::move(differences);
  std::vector<Finding> findings;
  for (auto& difference : all.differences) {
    findings.push_back(std::move(difference.finding));
  }
  find_shards(actual.gguf, findings);
  for (std::size_t i = 0; i < findings.size(); ++i) {
    all.differences[i].finding = std::move(findings[i]);
  }
  return all;
}

bool is_of_target(const Record& record, const OpenedModel& target, const Digest& header) {
  const auto& origin = record.origin;
  // A graft in the place of another keeps what the first was made of.
  const auto earlier = find_record(target.gguf);
  if (earlier && earlier->origin.size == origin.size && earlier->origin.header_digest == origin.header_digest) {
    return true;
  }
  // Without a digest it is a merged model.
  return origin.header_digest ? *origin.header_digest == header
                              : origin.size == target.gguf.size && origin.tensor_count == target.gguf.tensors.size();
}

// A graft without a record keeps what the target has under that name, if it is something else.
bool has_own_record(const GgufFile& graft, const GgufFile& target) {
  const auto* item = graft.find_key(kRecordKey);
  const auto* targets = target.find_key(kRecordKey);
  return item != nullptr && (targets == nullptr || find_record(target) || !item->same_value(*targets));
}

Result<Plan> plan_again(const OpenedModel& target, const OpenedModel& donor, const HeadData& head_data,
                        GraftOptions& options, VerifyReport& report) {
  auto plan = make_graft_plan(target.gguf, donor.gguf, head_data, options);
  if (plan.ok() || plan.error().code != ErrorCode::kUsage || options.edits.empty()) {
    return plan;
  }
  // A record that no graft of these makes.
  report.findings.push_back({fmt::format("the record tells of a change that cannot be: {}", plan.error().message), {}});
  options.edits.clear();
  return make_graft_plan(target.gguf, donor.gguf, head_data, options);
}

// `gguf` is the parse of the files, null if they are not sound; `record` is theirs, if it can be read.
Result<Plan> plan_for(const ModelFiles& files, const GgufFile* gguf, const std::optional<Record>& record,
                      const OpenedModel& target, const OpenedModel& donor, const HeadData& head_data,
                      GraftOptions& options, VerifyReport& report) {
  if (target.gguf.is_split() != (files.size() > 1)) {
    options.split = files.size() == 1 ? Split::kMerge : Split::kHead;
  }
  options.edits = record ? record->edits : std::vector<KeyEdit>{};
  MTPGRAFT_TRY(auto plan, plan_again(target, donor, head_data, options, report));
  if (gguf != nullptr && has_own_record(*gguf, target.gguf)) {
    return plan;
  }
  // Grafted without a record, or the damage is such that it cannot be found: the size decides between the two.
  options.labels.reset();
  MTPGRAFT_TRY(auto plain, make_graft_plan(target.gguf, donor.gguf, head_data, options));
  const auto size = files.front()->size();
  const bool is_plain =
      size == plain.files.front().output_size || (gguf != nullptr && size != plan.files.front().output_size);
  return is_plain ? std::move(plain) : std::move(plan);
}

// At their places where all of the model stands where it is planned, else by name.
Result<Comparison> compare_model(const ModelFiles& files, const Result<OpenedModel>& model, const OpenedModel& target,
                                 const OpenedModel& donor, SharedExtents shared, Evidence& evidence,
                                 const Progress& progress) {
  const auto expected = open_planned(evidence.plan, target, donor);
  if (!expected.ok() && expected.error().code == ErrorCode::kIo) {
    return expected.error();
  }
  if (model.ok() && expected.ok()) {
    auto infos = compare_infos(expected.value().gguf, model.value().gguf);
    evidence.retyped = infos.retyped;
    if (!has_same_places(expected.value().gguf, model.value().gguf)) {
      return compare_names(expected.value(), model.value(), infos, progress);
    }
  }
  return compare_places(files, evidence.plan, target, donor, shared, progress);
}

void add_flaws(const std::vector<ValueFlaw>& flaws, const HeadData& head_data, const GgufFile& donor, const Plan& plan,
               const GgufFile* file, VerifyReport& report) {
  auto flawed = find_flaws(flaws, donor, plan, file);
  if (file != nullptr) {
    find_shards(*file, flawed);
  }
  std::ranges::move(flawed, std::back_inserter(report.findings));
  std::ranges::move(note_unknown_types(head_data), std::back_inserter(report.notes));
}

// The record's names of the program and the files are believed, whatever they are.
void note_other_names(const RecordLabels& labels, const RecordLabels& named, VerifyReport& report) {
  if (labels.tool != named.tool || labels.target_file != named.target_file || labels.donor_file != named.donor_file) {
    report.notes.push_back(describe_labels(labels));
  }
}

Status refuse_no_trunk(const GgufFile& gguf) {
  const auto state = find_head(gguf).state;
  if (state == HeadState::kSidecar || state == HeadState::kTensorsOnly) {
    return Error{.code = ErrorCode::kIncompatible,
                 .message = "is a head without trunk, not a graft",
                 .path = gguf.path,
                 .remedy = Remedy::kVerifyAlone};
  }
  return ok_status();
}

// Where graft and donor are of one architecture and the target is of another, it is the target that is the wrong one.
Status check_architecture(const GgufFile& gguf, const GgufFile& target, const GgufFile& donor) {
  if (gguf.architecture() == target.architecture() || gguf.architecture() != donor.architecture()) {
    return ok_status();
  }
  return Error{.code = ErrorCode::kIncompatible,
               .message = fmt::format("is a model of {}, and the graft one of {}: it is not made of this target",
                                      target.architecture(), gguf.architecture()),
               .path = target.path,
               .hint = "name the model that the graft was made of as the target"};
}

Result<bool> is_target_itself(const OpenedModel& model, const OpenedModel& target) {
  if (model.gguf.size != target.gguf.size) {
    return false;
  }
  MTPGRAFT_TRY(const auto own, read_target_header(*model.file, model.gguf));
  MTPGRAFT_TRY(const auto targets, read_target_header(*target.file, target.gguf));
  return own.digest == targets.digest;
}

// Tells a model that was never grafted, which otherwise looks as if it had another donor's head.
Result<std::string> describe_headless(const OpenedModel& model, const OpenedModel& target) {
  if (find_head(model.gguf).state != HeadState::kNone) {
    return std::string();
  }
  MTPGRAFT_TRY(const bool is_target, is_target_itself(model, target));
  return std::string(is_target ? "it has no MTP head: it is the target itself, and not the graft"
                               : "it has no MTP head, so that it is no graft");
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
  const auto* gguf = parsed.ok() ? &parsed.value().gguf : nullptr;
  const auto record = gguf != nullptr ? find_record(*gguf) : std::nullopt;
  if (gguf != nullptr && !record) {
    MTPGRAFT_CHECK(refuse_no_trunk(*gguf));
  }
  if (gguf != nullptr) {
    MTPGRAFT_CHECK(check_architecture(*gguf, target.gguf, donor.gguf));
  }
  // A target with a head can only have been grafted with --replace.
  GraftOptions options{.replace = true, .labels = record ? record->labels : fallback};
  MTPGRAFT_TRY(options.target_header, read_target_header(*target.file, target.gguf));
  VerifyReport report;
  MTPGRAFT_TRY(const auto plan, plan_for(files, gguf, record, target, donor, head_data, options, report));
  Evidence evidence{.plan = plan, .record = record ? &*record : nullptr};
  if (gguf != nullptr) {
    MTPGRAFT_TRY(evidence.headless, describe_headless(parsed.value(), target));
  }
  if (record) {
    report.labels = record->labels;
    report.edits = plan.edited_keys;
    evidence.is_other_target = !is_of_target(*record, target, options.target_header->digest);
    evidence.is_other_donor = record->head.digest != head_data.digest;
    if (!evidence.is_other_target && !evidence.is_other_donor) {
      note_other_names(record->labels, fallback, report);
    }
  }
  MTPGRAFT_TRY(auto compared, compare_model(files, parsed, target, donor, shared, evidence, progress));
  report.compared_bytes = compared.compared_bytes;
  report.shared_bytes = compared.shared_bytes;
  if (gguf == nullptr) {
    // Before the differences of the bytes that it comes from.
    const auto& error = parsed.error();
    report.findings.push_back({"not a sound GGUF: " + error.message, error.offset, files.size() > 1 ? error.path : ""});
  }
  std::ranges::move(explain(std::move(compared.differences), evidence), std::back_inserter(report.findings));
  add_flaws(flaws, head_data, donor.gguf, plan, gguf, report);
  sort_findings(report);
  return report;
}

Result<VerifyReport> verify_tensors(const ModelFiles& files, const OpenedModel& target, const OpenedModel& donor,
                                    const Progress& progress) {
  MTPGRAFT_TRY(auto head_data, read_head_data(*donor.file, donor.gguf, DigestHead::kYes, progress));
  const auto flaws = std::exchange(head_data.flaws, {});
  MTPGRAFT_TRY(const auto model, read_model(files));
  MTPGRAFT_CHECK(check_architecture(model.gguf, target.gguf, donor.gguf));
  GraftOptions options{.replace = true, .labels = {}};
  options.split = target.gguf.is_split() ? Split::kMerge : Split::kAsTarget;
  MTPGRAFT_TRY(const auto plan, make_graft_plan(target.gguf, donor.gguf, head_data, options));
  MTPGRAFT_TRY(const auto expected, open_planned(plan, target, donor));
  const auto infos = compare_infos(expected.gguf, model.gguf);
  MTPGRAFT_TRY(auto compared, compare_names(expected, model, infos, progress));
  VerifyReport report;
  report.edits_allowed = true;
  report.compared_bytes = compared.compared_bytes;
  const auto record = find_record(model.gguf);
  Evidence evidence{.plan = plan, .record = record ? &*record : nullptr, .retyped = infos.retyped};
  evidence.only_tensors = true;
  MTPGRAFT_TRY(evidence.headless, describe_headless(model, target));
  if (record) {
    MTPGRAFT_TRY(const auto header, read_target_header(*target.file, target.gguf));
    evidence.is_other_target = !is_of_target(*record, target, header.digest);
    evidence.is_other_donor = record->head.digest != head_data.digest;
    report.labels = record->labels;
  }
  report.findings = explain(std::move(compared.differences), evidence);
  report.notes.emplace_back("keys were not compared");
  add_flaws(flaws, head_data, donor.gguf, plan, &model.gguf, report);
  sort_findings(report);
  return report;
}

}  // namespace mtpgraft
