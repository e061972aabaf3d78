#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "gguf/describe.h"
#include "model/base_models.h"
#include "report/llama_cpp.h"
#include "report/text.h"
#include "report/words.h"
#include "util/parse.h"
#include "util/path.h"
#include "util/text.h"

namespace mtpgraft::report {

std::string_view way_name(OutputFile::Way way) {
  switch (way) {
    case OutputFile::Way::kWritten:
      return "written";
    case OutputFile::Way::kHardLinked:
      return "hard-linked";
    case OutputFile::Way::kSymlinked:
      return "symlinked";
    case OutputFile::Way::kCloned:
      return "cloned";
    case OutputFile::Way::kCopied:
      return "copied";
  }
  return "";
}

namespace {

// Ranges that are shown for a file; --json has them all.
constexpr std::size_t kShownRanges = 8;

// "2.8 GiB cloned, 4.0 KiB in the kernel".
std::string describe_copy(const CopiedSegment& copy) {
  std::string text;
  const auto add = [&](std::uint64_t bytes, std::string_view way) {
    if (bytes > 0) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", format_bytes(bytes), way);
    }
  };
  add(copy.cloned_bytes, "cloned");
  add(copy.copied.kept, "kept in place");
  add(copy.copied.in_kernel, "copied in the kernel");
  add(copy.copied.buffered, "copied through a buffer");
  add(copy.copied.holes, "of holes");
  return copy.clone_obstacle.empty() ? text : fmt::format("{}; not cloned: {}", text, printable(copy.clone_obstacle));
}

std::string describe_copies(const std::vector<CopiedSegment>& copies) {
  std::vector<Row> rows;
  rows.reserve(copies.size());
  for (const auto& copy : copies) {
    rows.push_back({copy.source == Source::kTarget ? "target" : "donor", fmt::format("{}", copy.range.source_offset),
                    "->", fmt::format("{}", copy.range.offset), fmt::format("{} bytes", copy.range.length),
                    describe_copy(copy)});
  }
  return "copies\n" + format_table(rows, "  ");
}

// "7.4 MiB in 0.0 s: 6.4 MiB cloned, 1.0 MiB copied, 1.0 MiB newly allocated on disk".
std::string describe_totals(const Output& writing) {
  const auto& totals = writing.totals;
  const auto linked = totals.linked > 0 ? fmt::format("{} linked, ", format_bytes(totals.linked)) : "";
  const auto reused = totals.kept > 0 ? fmt::format("{} kept in place", format_bytes(totals.kept))
                                      : fmt::format("{}{} cloned", linked, format_bytes(totals.cloned));
  const auto bytes = std::accumulate(writing.files.begin(), writing.files.end(), std::uint64_t{0},
                                     [](std::uint64_t sum, const OutputFile& file) { return sum + file.bytes; });
  return fmt::format("{} in {:.1f} s: {}, {} copied, {} newly allocated on disk", format_bytes(bytes), *writing.seconds,
                     reused, format_bytes(totals.copied), format_bytes(totals.allocated));
}

std::string describe_need(const Output& writing) {
  const auto is_known = writing.free_bytes != kUnknownFreeBytes;
  return fmt::format("dry run: nothing was written; {} needed, {} free\n", format_bytes(writing.needed_bytes),
                     is_known ? format_bytes(writing.free_bytes) : "an unknown number of bytes");
}

std::string describe_changes(const std::vector<KeyChange>& changes) {
  std::vector<Row> rows;
  rows.reserve(changes.size());
  for (const auto& change : changes) {
    rows.push_back({printable(change.key), change.type, change.from.empty() ? "new" : printable(change.from), "->",
                    printable(change.to)});
  }
  return rows.empty() ? "" : "keys\n" + format_table(rows, "  ");
}

const std::string& donor_path(const GraftRequest& request, const Job& job) {
  return job.from_base ? job.from_base->path : request.donor.path;
}

// "donor: of the base model Qwen/Qwen3.5-9B, found on the Hugging Face Hub; the target's KEY names it".
std::string describe_base(const std::optional<FromBase>& from_base) {
  if (!from_base) {
    return "";
  }
  const auto& base = from_base->base;
  const auto* const where = from_base->place == FromBase::Place::kBeside     ? "beside the target"
                            : from_base->place == FromBase::Place::kHubCache ? "in the Hugging Face cache"
                                                                             : "on the Hugging Face Hub";
  const auto named = name_of(base);
  const auto repository = donor_repository(*from_base);
  const bool is_base = repository.empty() || lowered(repository) == lowered(base.repository);
  const auto whose = is_base ? fmt::format("of the base model {}", named)
                             : fmt::format("of {}, which the base model {} goes back to", repository, named);
  const auto origin = base.is_guessed ? fmt::format("a guess by the target's {} and organization", base.key)
                                      : fmt::format("the target's {} names {}", base.key, is_base ? "it" : named);
  return printable(fmt::format("donor: {}, found {}; {}", whose, where, origin)) + '\n';
}

std::string describe_notes(const std::vector<std::string>& notes) {
  std::string text;
  for (const auto& note : notes) {
    text += fmt::format("donor: {}\n", printable(note));
  }
  return text;
}

// "0.04 % of the repository's 19.3 GiB".
std::string describe_share(std::uint64_t bytes, std::uint64_t repository_bytes) {
  return fmt::format(
      "{:.2f} % of the repository's {}",
      repository_bytes == 0 ? 0 : 100.0 * static_cast<double>(bytes) / static_cast<double>(repository_bytes),
      format_bytes(repository_bytes));
}

std::string describe_fetch(const std::optional<Fetch>& fetch, bool is_dry_run) {
  if (!fetch) {
    return "";
  }
  const auto share = [&](std::uint64_t bytes) {
    return fetch->repository_bytes ? ", " + describe_share(bytes, *fetch->repository_bytes) : "";
  };
  if (!is_dry_run && fetch->received_bytes == 0) {
    return "donor: nothing fetched, all that is read of it was in the cache\n";
  }
  if (!is_dry_run) {
    return fmt::format("donor: {} fetched{}\n", format_bytes(fetch->received_bytes), share(fetch->received_bytes));
  }
  std::vector<Row> rows;
  std::uint64_t bytes = 0;
  std::uint64_t cached_bytes = 0;
  for (const auto& file : fetch->files) {
    cached_bytes += file.cached_bytes;
    for (std::size_t i = 0; i < file.ranges.size(); ++i) {
      const auto& [offset, length] = file.ranges[i];
      bytes += length;
      if (i < kShownRanges) {
        rows.push_back({i == 0 ? printable(file.path) : "", fmt::format("bytes {}-{}", offset, offset + length - 1),
                        format_bytes(length)});
      }
    }
    if (file.ranges.size() > kShownRanges) {
      rows.push_back({"", fmt::format("and {} more", plural(file.ranges.size() - kShownRanges, "range"))});
    }
  }
  return (rows.empty() ? "" : "fetch\n" + format_table(rows, "  ")) +
         fmt::format("{} to fetch{}; {} of the head were read before\n", format_bytes(bytes), share(bytes),
                     format_bytes(cached_bytes));
}

std::string describe_digests(const std::optional<SourceDigests>& digests) {
  if (!digests) {
    return "";
  }
  std::vector<Row> rows;
  const auto add = [&](const char* role, const std::vector<SourceFile>& files) {
    for (const auto& file : files) {
      rows.push_back({role, file.sha256.empty() ? "not known" : file.sha256, printable(file.path)});
    }
  };
  add("target", digests->target);
  add("donor", digests->donor);
  return "SHA-256\n" + format_table(rows, "  ");
}

std::string describe_head_tensors(const Plan& plan) {
  std::vector<Row> rows;
  rows.reserve(plan.head_tensors.size());
  for (const auto& head : plan.head_tensors) {
    const bool converted = head.donor_type != head.info.type;
    rows.push_back({printable(head.donor_name), "->", printable(head.name),
                    converted
                        ? fmt::format("{} -> {}", tensor_type_name(head.donor_type), tensor_type_name(head.info.type))
                        : tensor_type_name(head.info.type),
                    describe_shape(head.info), fmt::format("{} bytes", head.info.size_bytes)});
  }
  return "tensors\n" + format_table(rows, "  ");
}

std::string describe_converted(const Plan& plan) {
  const auto converted = std::ranges::count_if(
      plan.head_tensors, [](const HeadTensor& head) { return head.donor_type != head.info.type; });
  return converted == 0 ? ""
                        : fmt::format("{} head {} of one dimension converted to F32, which llama.cpp needs to draft\n",
                                      converted, converted == 1 ? "tensor" : "tensors");
}

std::string describe_warnings(const std::vector<Warning>& warnings) {
  return warnings.empty() ? "" : fmt::format("{} on stderr\n", plural(warnings.size(), "warning") + ",");
}

std::string describe_in_place(const Output& writing, const FilePlan& plan) {
  if (!writing.in_place) {
    return "";
  }
  if (*writing.in_place == InPlaceMethod::kClone) {
    return "in place: a new file that shares the target's blocks takes its name\n";
  }
  const auto body = plan_body(plan);
  if (plan.data_offset > body.source_offset) {
    return fmt::format("in place: {} are inserted at the target's front, {} appended\n",
                       format_bytes(plan.data_offset - body.source_offset),
                       format_bytes(plan.output_size - plan.data_offset - body.length));
  }
  return plan.data_offset < body.source_offset
             ? fmt::format("in place: {} are taken out at the file's front, and its end is cut\n",
                           format_bytes(body.source_offset - plan.data_offset))
             : "in place: only the header is written\n";
}

// What stands at the end of every report of a written file: how, or that nothing was.
std::string describe_writing(const Output& writing, const FilePlan& plan, bool details) {
  auto text = describe_in_place(writing, plan);
  if (!writing.seconds) {
    return text + describe_need(writing);
  }
  if (details && !writing.copies.empty()) {
    text += describe_copies(writing.copies);
  }
  return text + describe_totals(writing);
}

std::string describe_output(const Plan& plan) {
  return fmt::format("{} tensors, {} ({} bytes)", plan.tensor_count(), format_bytes(plan.output_size()),
                     plan.output_size());
}

std::string describe_files(const Output& writing) {
  if (writing.files.size() < 2) {
    return "";
  }
  std::vector<Row> rows;
  for (const auto& [path, way, bytes] : writing.files) {
    rows.push_back({printable(path), std::string(way_name(way)), format_bytes(bytes)});
  }
  return "files\n" + format_table(rows, "  ");
}

// The record tells how the graft was made, but without one verify must be told, and edits it cannot be told.
std::optional<VerifyRequest> proof_of(const GraftRequest& request, const Job& job) {
  const bool is_edited = !job.plan.edited_keys.empty();
  if (request.no_record && is_edited) {
    return std::nullopt;
  }
  VerifyRequest proof{.file = job.output.path, .target = request.target, .donor = {}, .allow_edits = is_edited};
  proof.donor.path = job.donor->pinned_path.empty() ? donor_path(request, job) : job.donor->pinned_path;
  proof.donor.ggml_path = request.donor.ggml_path;
  if (request.no_record) {
    proof.donor.norm_offset = request.donor.norm_offset;
  }
  // verify looks for a ggml only if it is told the type.
  if (request.no_record || !job.donor->labels.ggml_version.empty()) {
    proof.donor.head_type = request.donor.head_type;
  }
  return proof;
}

}  // namespace

std::string describe_graft(const GraftRequest& request, const Job& job, bool details) {
  const auto& plan = job.plan;
  const auto& writing = job.output;
  const auto target = summarise(job.target);
  const auto donor = summarise(job.donor->gguf);
  const auto row = [](const char* role, const std::string& path, const Summary& model, std::string what) {
    return Row{role, printable(path), printable(model.architecture), std::move(what)};
  };
  const std::vector<Row> files{row("target", request.target, target,
                                   fmt::format("{} trunk blocks, {}", target.trunk_blocks, describe_head(target))),
                               row("donor", donor_path(request, job), donor, describe_head(donor)),
                               row("output", writing.path, target,
                                   fmt::format("{}, head at {}", describe_output(plan),
                                               describe_block_range(plan.first_head_block, plan.head_block_count)))};
  auto text = format_table(files, "") + describe_files(writing) + describe_base(job.from_base) +
              describe_notes(job.donor->notes) + describe_fetch(job.fetch, !writing.seconds) +
              describe_changes(plan.key_changes);
  if (details) {
    text += describe_head_tensors(plan);
  }
  text += describe_digests(job.source_digests) + describe_converted(plan);
  if (!plan.removed_tensors.empty()) {
    text += fmt::format("{} tensors of the target's old head taken out\n", plan.removed_tensors.size());
  }
  text += describe_warnings(job.warnings) + describe_writing(writing, plan.files.front(), details);
  if (!writing.seconds) {
    return text + std::string(kValuesUnread);
  }
  std::vector<std::pair<std::string_view, std::string>> next;
  if (can_draft(target.architecture)) {
    next.emplace_back("to draft with it",
                      fmt::format("llama-server -m {} {}", shell_quoted(writing.path), kDraftOptions));
  }
  if (writing.in_place) {
    next.emplace_back("to check it", fmt::format("mtpgraft verify {}", shell_quoted(writing.path)));
  } else if (const auto proof = proof_of(request, job)) {
    next.emplace_back("to prove it byte for byte", verify_command(*proof));
  }
  for (std::size_t i = 0; i < next.size(); ++i) {
    text += fmt::format("{}{}:\n  {}\n", i == 0 ? "; " : "", next[i].first, next[i].second);
  }
  return next.empty() ? text + '\n' : text;
}

std::string describe_completion(const Output& output) {
  if (!output.seconds) {
    return "";
  }
  const auto text = fmt::format("{} is complete", quote(output.path));
  return output.files.size() < 2    ? text
         : output.files.size() == 2 ? fmt::format("{}, and so is the other file", text)
                                    : fmt::format("{}, and so are the other {} files", text, output.files.size() - 1);
}

std::string describe_extract(const ExtractRequest& request, const Job& job, bool details) {
  const auto& plan = job.plan;
  const auto& writing = job.output;
  const auto donor = summarise(job.donor->gguf);
  const std::vector<Row> files{
      {"donor", printable(request.donor.path), printable(donor.architecture), describe_head(donor)},
      {"output", printable(writing.path), printable(donor.architecture),
       fmt::format("{}, {} at {}", describe_output(plan), form_text(job.extract_form.value_or(request.form)),
                   describe_block_range(plan.first_head_block, plan.head_block_count))}};
  auto text = format_table(files, "") + describe_notes(job.donor->notes) + describe_fetch(job.fetch, !writing.seconds) +
              describe_changes(plan.key_changes);
  if (details) {
    text += describe_head_tensors(plan);
  }
  if (job.extract_form != ExtractForm::kCheckpoint) {
    text += describe_converted(plan);
  }
  text += describe_warnings(job.warnings) + describe_writing(writing, plan.files.front(), details);
  if (!writing.seconds) {
    return text + std::string(kValuesUnread);
  }
  return text + describe_next_step(request, job);
}

std::string describe_strip(const StripRequest& request, const Job& job, bool details) {
  const auto& plan = job.plan;
  const auto& writing = job.output;
  const auto file = summarise(job.target);
  const std::vector<Row> files{
      {"file", printable(request.file), printable(file.architecture), describe_head(file)},
      {"output", printable(writing.path), printable(file.architecture), describe_output(plan)}};
  auto text = format_table(files, "") + describe_files(writing) + describe_changes(plan.key_changes);
  if (details && !plan.removed_tensors.empty()) {
    text += "tensors taken out\n";
    for (const auto& name : plan.removed_tensors) {
      text += "  " + printable(name) + '\n';
    }
  }
  if (!plan.removed_tensors.empty()) {
    text += fmt::format("{} of the head taken out, {}\n", plural(plan.removed_tensors.size(), "tensor"),
                        format_bytes(plan.removed_bytes));
  }
  if (job.restores_original) {
    text +=
        fmt::format("header and size are those of {} again; the tensor data are those of {}, and were not checked\n",
                    quote(plan.original->file), printable(base_name(request.file)));
  }
  text += describe_warnings(job.warnings) + describe_writing(writing, plan.files.front(), details);
  if (!writing.seconds) {
    return text;
  }
  return text + (job.restores_original ? fmt::format("; to check the tensor data, with what 'mtpgraft checksum' "
                                                     "printed of the original, or under its name with its SHA256SUMS:\n"
                                                     "  mtpgraft verify {} -c LIST\n",
                                                     shell_quoted(writing.path))
                                       : "\n");
}

}  // namespace mtpgraft::report
