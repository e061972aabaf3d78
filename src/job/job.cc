#include "mtpgraft/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "donor/export_checkpoint.h"
#include "gguf/snapshot.h"
#include "io/stream.h"
#include "job/base_donor.h"
#include "job/check_output.h"
#include "job/displaced.h"
#include "job/edit_texts.h"
#include "job/exchanged.h"
#include "job/explain_donor.h"
#include "job/extract_form.h"
#include "job/open_target.h"
#include "job/output_path.h"
#include "job/source_digests.h"
#include "job/vocabulary.h"
#include "model/dialect.h"
#include "model/head_values.h"
#include "mtpgraft/head_data.h"
#include "mtpgraft/header_digest.h"
#include "mtpgraft/output_name.h"
#include "mtpgraft/split.h"
#include "mtpgraft/unfinished.h"
#include "plan/record.h"
#include "plan/requantised.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

// llama.cpp's -hf takes a file with this in its name for a sidecar.
void warn_of_name(const std::string& path, std::vector<Warning>& warnings) {
  if (base_name(path).find("mtp-") != std::string::npos) {
    warnings.push_back(
        {"name-ignored", fmt::format("'{}' contains 'mtp-' in lower case: llama.cpp's -hf takes such files for "
                                     "sidecars and does not list them as models",
                                     base_name(path))});
  }
}

Error refuse_warnings(const std::vector<Warning>& warnings) {
  Error error{.code = ErrorCode::kIncompatible,
              .message = "refuses what is otherwise warned about",
              .field = RequestField::kStrict};
  for (const auto& warning : warnings) {
    error.details.push_back(warning.message);
  }
  return error;
}

std::optional<Fetch> plan_fetch(const Job& job) {
  const auto& donor = *job.donor;
  if (!donor.remote) {
    return std::nullopt;
  }
  return Fetch{plan_fetches(*job.sources.donor, copied_ranges(job.plan, Source::kDonor)), donor.repository_bytes,
               donor.remote->received_bytes()};
}

// Plans, and returns what was planned with.
Result<HeadData> make_plan(Job& job, DigestHead digest, const Progress& progress) {
  const auto& donor = *job.donor;
  MTPGRAFT_TRY(auto head_data, read_head_data(*donor.file, donor.gguf, digest, progress));
  head_data.trunk_norms = job.trunk_norms;
  if (job.extract_form == ExtractForm::kCheckpoint) {
    MTPGRAFT_CHECK(check_exact(donor));
    MTPGRAFT_TRY(auto exported, export_checkpoint(donor.file, donor.gguf, head_data, donor.dequantized));
    job.plan = std::move(exported.plan);
    job.sources = {exported.data, exported.data};
  } else if (job.extract_form) {
    MTPGRAFT_TRY(job.plan, make_extract_plan(donor.gguf, head_data, job.is_for_target ? &job.target : nullptr,
                                             *job.extract_form));
  } else {
    MTPGRAFT_TRY(job.plan, make_graft_plan(job.target, donor.gguf, head_data, job.options));
  }
  return head_data;
}

Status collect_warnings(Job& job) {
  job.warnings = job.plan.warnings;
  job.warnings.insert(job.warnings.end(), job.donor->warnings.begin(), job.donor->warnings.end());
  if (!job.extract_form) {
    warn_of_name(job.output.path, job.warnings);
  }
  return job.strict && !job.warnings.empty() ? Status(refuse_warnings(job.warnings)) : ok_status();
}

// What is still fetched is written to by others, at places that would be others then.
Status refuse_unfinished(const OutputRequest& request, const std::vector<Warning>& warnings) {
  const auto found = std::ranges::find(warnings, "download-unfinished", &Warning::id);
  if (!request.in_place || found == warnings.end()) {
    return ok_status();
  }
  return Error{.code = ErrorCode::kRefused,
               .message = found->message,
               .hint = "change it in place when the download is done",
               .remedy = Remedy::kWriteNewFile,
               .is_retryable = true};
}

// What only the tensors and lists of both files tell.
Status compare_models(Job& job) {
  const OpenedModel target{job.sources.target, job.target};
  const OpenedModel donor{job.sources.donor, job.donor->gguf};
  MTPGRAFT_CHECK(compare_vocabularies(target, donor, job.donor->warnings, job.donor->notes));
  const auto trimmed = find_trimmed_vocabulary(donor.gguf);
  if (!trimmed.empty() && (!job.extract_form || job.is_for_target)) {
    job.donor->notes.push_back(
        fmt::format("the head's trimmed vocabulary ('{}') stays behind: it drafts with the "
                    "target's whole one",
                    fmt::join(trimmed, "', '")));
  }
  return job.extract_form ? ok_status() : warn_of_displaced_tensors(target, donor, job.donor->warnings);
}

// Looks for signs that target or donor, as far as the plan copies them, are not all there.
std::vector<Warning> find_unfinished_sources(const Job& job, FileSource& files) {
  if (job.extract_form == ExtractForm::kCheckpoint) {
    const auto& gguf = job.donor->gguf;
    std::vector<ByteRange> of_head;
    for (const auto index : find_head(gguf).tensors) {
      of_head.push_back({gguf.tensors[index].offset, gguf.tensors[index].size_bytes});
    }
    return find_unfinished({job.donor->file, gguf}, of_head, files);
  }
  const auto& target = job.sources.target;
  const auto& donor = job.sources.donor;
  auto of_target = copied_ranges(job.plan, Source::kTarget);
  auto of_donor = copied_ranges(job.plan, Source::kDonor);
  if (donor == target) {
    of_target.insert(of_target.end(), of_donor.begin(), of_donor.end());
    return find_unfinished({target, job.target}, of_target, files);
  }
  auto warnings = find_unfinished({target, job.target}, of_target, files);
  std::ranges::move(find_unfinished({donor, job.donor->gguf}, of_donor, files), std::back_inserter(warnings));
  return warnings;
}

// Says what became of the graft before strip got it, as its header is not what it was.
void warn_of_other_header(const GgufFile& file, const Original& original, std::vector<Warning>& warnings) {
  const auto record = find_record(file);
  if (!record || !has_other_sizes(*record, file, find_head(file))) {
    warnings.push_back({"header-differs", fmt::format("the header is not that of the original '{}': keys were changed "
                                                      "after the graft",
                                                      original.file)});
    return;
  }
  // What differs in size for this reason is no trailing bytes.
  std::erase_if(warnings, [](const Warning& warning) { return warning.id == "trailing-bytes"; });
  warnings.push_back(
      {"requantised",
       fmt::format(
           "the tensors have other sizes than the record tells: the graft was requantised after it was made, or "
           "the record is not its own. The original '{}' cannot be restored, the result has the types that the tensors "
           "have now",
           original.file)});
}

// Whether the plan restores the header and the size of the file that the record describes; warns where it should and
// does not.
Result<bool> restores_original(const Job& job, std::vector<Warning>& warnings) {
  const auto& original = job.plan.original;
  if (!original) {
    return false;
  }
  const auto& first = job.plan.files.front();
  MTPGRAFT_TRY(const auto digest, digest_planned_header(first, *job.sources.target));
  if (original->header_digest && digest != *original->header_digest) {
    warn_of_other_header(job.target, *original, warnings);
  }
  return digest == original->header_digest && first.output_size == original->size;
}

// What an earlier graft called program and files, and where it put the head. How the head is read says the request.
void rename(const RecordLabels& named, RecordLabels& labels) {
  labels.tool = named.tool;
  labels.target_file = named.target_file;
  labels.donor_file = named.donor_file;
  labels.donor_commit = named.donor_commit;
  labels.pads_head_file = named.pads_head_file;
  if (!labels.ggml_version.empty() && !named.ggml_version.empty()) {
    labels.ggml_version = named.ggml_version;
  }
}

Status check_and_write(Job& job, const Context& context) {
  MTPGRAFT_CHECK(check(job, context));
  return write(job, context);
}

Result<Job> prepare_as_named(const GraftRequest& request, const Context& context) {
  auto& files = context.files;
  const auto progress = context.begin(Phase::kPlan, 0);
  std::error_code ignored;
  if (std::filesystem::equivalent(as_path(request.target), as_path(request.donor.path), ignored)) {
    return Error{.code = request.output.in_place ? ErrorCode::kRefused : ErrorCode::kIncompatible,
                 .message = "is named as target and as donor",
                 .path = request.donor.path,
                 .hint = "the head comes from another file: name the one that has it, as the base model's GGUF"};
  }
  Job job;
  job.request = request.output;
  job.strict = request.strict;
  MTPGRAFT_TRY(auto target, open_target(request.target, request.output, files));
  job.target = std::move(target.gguf);
  MTPGRAFT_TRY(job.trunk_norms, read_trunk_norms(*target.file, job.target));
  MTPGRAFT_CHECK(report_progress(progress, 0));
  MTPGRAFT_CHECK(open_graft_donor(request, context, job));
  MTPGRAFT_CHECK(report_progress(progress, 0));
  job.sources = {std::move(target.file), job.donor->file};
  job.options = {.replace = request.replace, .labels = {}, .edits = request.edits, .split = request.split};
  job.digests_sources = request.source_digests;
  MTPGRAFT_TRY(job.sources.texts, read_texts(job.options.edits, files));
  if (!request.no_record) {
    job.donor->labels.target_file = base_name(request.target);
    job.options.labels = job.donor->labels;
    if (request.labels) {
      rename(*request.labels, *job.options.labels);
    }
    MTPGRAFT_TRY(job.options.target_header, read_target_header(*job.sources.target, job.target));
  }
  if (request.yarn_factor) {
    MTPGRAFT_TRY(const auto yarn, make_yarn_edits(job.target, *request.yarn_factor));
    // Before the others, which may say it better.
    job.options.edits.insert(job.options.edits.begin(), yarn.begin(), yarn.end());
  }
  // Without the digest first: what does not fit is refused before gigabytes are read.
  MTPGRAFT_CHECK(make_plan(job, DigestHead::kNo, context.begin(Phase::kReadHead, 0)));
  job.fetch = plan_fetch(job);
  MTPGRAFT_TRY(job.output.path, choose_output(request, job.target, job.plan.files.size()));
  MTPGRAFT_CHECK(compare_models(job));
  std::ranges::move(find_unfinished_sources(job, context.files), std::back_inserter(job.donor->warnings));
  MTPGRAFT_CHECK(collect_warnings(job));
  MTPGRAFT_CHECK(refuse_unfinished(request.output, job.warnings));
  MTPGRAFT_CHECK(report_progress(progress, 0));
  return job;
}

}  // namespace

std::uint64_t Output::bytes_to_write() const {
  std::uint64_t bytes = 0;
  for (const auto& file : files) {
    bytes += file.is_link() ? 0 : file.bytes;
  }
  return bytes;
}

Result<Job> prepare_graft(const GraftRequest& request, const Context& context) {
  auto target = find_model(request.target, context.files);
  if (!target.ok()) {
    return explain_exchange(target.error(), request, context);
  }
  auto named = request;
  named.target = std::move(target).value();
  if (request.donor.path.empty() && !request.from_base && !request.target.empty()) {
    return explain_no_donor(named, context);
  }
  auto job = prepare_as_named(named, context);
  return job.ok() ? std::move(job) : explain_exchange(job.error(), named, context);
}

Result<Job> prepare_extract(const ExtractRequest& request, const Context& context) {
  if (request.output.in_place) {
    return Error{.code = ErrorCode::kUsage,
                 .message = "a head is not extracted in place",
                 .path = request.output.path,
                 .remedy = Remedy::kWriteNewFile};
  }
  const auto progress = context.begin(Phase::kPlan, 0);
  Job job;
  job.request = request.output;
  MTPGRAFT_TRY(job.extract_form, choose_extract_form(request));
  const bool is_checkpoint = job.extract_form == ExtractForm::kCheckpoint;
  job.is_for_target = !request.target.empty();
  if (job.is_for_target) {
    MTPGRAFT_TRY(auto target, open_model(context.files, request.target));
    MTPGRAFT_TRY(job.trunk_norms, read_trunk_norms(*target.file, target.gguf));
    job.sources.target = std::move(target.file);
    job.target = std::move(target.gguf);
  }
  auto donor = request.donor;
  donor.dequantizes = is_checkpoint;
  MTPGRAFT_TRY(job.donor, open_donor(donor, job.target.architecture(), context, {}, nullptr, job.trunk_norms,
                                     read_head_sizes(job.target)));
  MTPGRAFT_CHECK(report_progress(progress, 0));
  job.sources.donor = job.donor->file;
  if (!job.is_for_target) {
    job.sources.target = job.sources.donor;
    job.target = job.donor->gguf;
  }
  if (is_checkpoint && !job.donor->remote) {
    MTPGRAFT_TRY(job.trunk_norms, read_trunk_norms(*job.donor->file, job.donor->gguf));
  }
  MTPGRAFT_CHECK(make_plan(job, DigestHead::kNo, context.begin(Phase::kReadHead, 0)));
  job.fetch = plan_fetch(job);
  MTPGRAFT_TRY(job.output.path, choose_head_output(request, job));
  if (!is_checkpoint) {
    MTPGRAFT_CHECK(compare_models(job));
  }
  std::ranges::move(find_unfinished_sources(job, context.files), std::back_inserter(job.donor->warnings));
  MTPGRAFT_CHECK(collect_warnings(job));
  MTPGRAFT_CHECK(report_progress(progress, 0));
  return job;
}

Result<Job> prepare_strip(const StripRequest& request, const Context& context) {
  if (request.output.path.empty() && !request.output.in_place) {
    return name_the_output("the output has no name");
  }
  const auto progress = context.begin(Phase::kPlan, 0);
  Job job;
  job.request = request.output;
  MTPGRAFT_TRY(auto model, open_target(request.file, request.output, context.files));
  MTPGRAFT_CHECK(report_progress(progress, 0));
  job.sources = {model.file, std::move(model.file)};
  job.target = std::move(model.gguf);
  MTPGRAFT_TRY(job.plan, make_strip_plan(job.target, {.keep_size = request.output.in_place}));
  job.output.path =
      request.output.in_place ? request.file : first_output_path(request.output.path, job.plan.files.size());
  job.warnings = job.plan.warnings;
  std::ranges::move(find_unfinished_sources(job, context.files), std::back_inserter(job.warnings));
  MTPGRAFT_CHECK(refuse_unfinished(request.output, job.warnings));
  MTPGRAFT_TRY(job.restores_original, restores_original(job, job.warnings));
  MTPGRAFT_CHECK(report_progress(progress, 0));
  return job;
}

Status complete(Job& job, const Context& context) {
  if (job.head_digest) {
    return ok_status();
  }
  MTPGRAFT_CHECK(check_open(job));
  if (!job.donor) {
    return ok_status();
  }
  MTPGRAFT_TRY(const auto head_data,
               make_plan(job, DigestHead::kYes, context.begin(Phase::kReadHead, job.plan.head_bytes)));
  MTPGRAFT_CHECK(collect_warnings(job));
  if (job.digests_sources) {
    MTPGRAFT_TRY(job.source_digests, digest_sources(job.sources, context));
  }
  std::ranges::move(note_unknown_types(head_data), std::back_inserter(job.donor->notes));
  job.head_digest = head_data.digest;
  return ok_status();
}

Result<Job> graft(const GraftRequest& request, const Context& context) {
  MTPGRAFT_TRY(auto job, prepare_graft(request, context));
  MTPGRAFT_CHECK(check_and_write(job, context));
  return job;
}

Result<Job> extract(const ExtractRequest& request, const Context& context) {
  MTPGRAFT_TRY(auto job, prepare_extract(request, context));
  MTPGRAFT_CHECK(check_and_write(job, context));
  return job;
}

Result<Job> strip(const StripRequest& request, const Context& context) {
  MTPGRAFT_TRY(auto job, prepare_strip(request, context));
  MTPGRAFT_CHECK(check_and_write(job, context));
  return job;
}

}  // namespace mtpgraft
