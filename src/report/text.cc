#include "report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "gguf/describe.h"
#include "util/text.h"

namespace mtpgraft::report {
namespace {

using Row = std::vector<std::string>;

constexpr std::size_t kShownFindings = 20;

std::string plural(std::uint64_t count, std::string_view thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

std::string describe_shape(const TensorInfo& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.shape.begin(), tensor.shape.begin() + std::max(tensor.n_dims, 1U), ", "));
}

std::string describe_types(const std::vector<TypeShare>& shares) {
  std::vector<std::string> parts;
  parts.reserve(shares.size());
  for (const auto& share : shares) {
    parts.push_back(fmt::format("{} {} ({})", share.type, format_bytes(share.bytes), share.tensor_count));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string describe_block_range(std::uint64_t first, std::uint64_t count) {
  return count == 1 ? fmt::format("blk.{}", first) : fmt::format("blk.{}-{}", first, first + count - 1);
}

std::string describe_head(const Summary& summary) {
  const auto& head = summary.head;
  const auto where = describe_block_range(head.first_block, head.block_count);
  const auto what = fmt::format("{} tensors, {}: {}", head.tensors.size(), format_bytes(head.bytes),
                                describe_types(summary.head_types));
  switch (head.state) {
    case HeadState::kNone:
      return "no head";
    case HeadState::kPresent:
      return fmt::format("head at {}: {}", where, what);
    case HeadState::kPlaceholder:
      return fmt::format("placeholder: declares a head at {}, has none of its tensors", where);
    case HeadState::kSidecar:
      return fmt::format("sidecar, a head without trunk: {}: {}", where, what);
    case HeadState::kTensorsOnly:
      return fmt::format("head tensors only, no model keys: {}: {}", where, what);
    case HeadState::kBroken:
      return "broken";
    case HeadState::kShard:
      return head.has_tensors() ? fmt::format("one file of a split model, with a head at {}: {}", where, what)
                                : "unknown: this is one file of a split model";
  }
  return {};
}

std::string bits_per_weight(const Summary& summary) {
  return summary.parameter_count == 0
             ? ""
             : fmt::format(", {:.2f} bits per weight", 8.0 * static_cast<double>(summary.tensor_data_bytes) /
                                                           static_cast<double>(summary.parameter_count));
}

std::string describe_offset(const std::optional<std::uint64_t>& offset) {
  return offset ? fmt::format(" (at byte {})", *offset) : "";
}

// "mmproj-F16.gguf: qwen3vl_merger, 1152 -> 5120 wide, fits".
std::string describe_projector(const ProjectorFit& fit) {
  const auto& projector = fit.projector;
  auto text = printable(projector.path) + ": ";
  if (!projector.type.empty()) {
    text += printable(projector.type) + ", ";
  }
  if (fit.fits.value_or(false)) {
    return text + fmt::format("{}{} wide, fits",
                              projector.encoder_width ? fmt::format("{} -> ", *projector.encoder_width) : "",
                              *projector.width);
  }
  return text + (fit.fits ? "does not fit: " : "cannot tell whether it fits: ") + printable(fit.reason);
}

}  // namespace

std::string describe_error(const Error& error) {
  std::string text = "mtpgraft: ";
  if (!error.path.empty()) {
    text += printable(error.path) + ": ";
  }
  text += printable(error.message);
  text += describe_offset(error.offset);
  for (const auto& detail : error.details) {
    text += "\n  - " + printable(detail);
  }
  if (!error.hint.empty()) {
    text += "\n  hint: " + printable(error.hint);
  }
  return text;
}

// "at 36416", of split models "at 1184 of file 2".
std::string describe_place(const GgufFile& gguf, const TensorInfo& tensor) {
  const auto files = gguf.files();
  const auto file = std::ranges::upper_bound(files, tensor.info_offset, {}, &Shard::offset) - 1;
  return fmt::format("at {}{}", tensor.offset - file->offset,
                     files.size() > 1 ? fmt::format(" of file {}", file - files.begin() + 1) : "");
}

std::string describe_inspected(const InspectedFile& file) {
  const auto& [gguf, summary, listed_tensors, listed_keys, mmproj] = file;
  std::vector<Row> rows;
  rows.push_back(
      {"model", fmt::format("{}{}", summary.architecture.empty() ? "no architecture" : printable(summary.architecture),
                            summary.name.empty() ? "" : ", " + quoted(summary.name))});
  rows.push_back(
      {gguf.shards.empty() ? "file" : "files",
       fmt::format("{}{} ({} bytes), GGUF v{}, {}, alignment {}, data at {}",
                   gguf.shards.empty() ? "" : plural(gguf.shards.size(), "file") + ", ", format_bytes(gguf.size),
                   gguf.size, gguf.version, plural(gguf.keys.size(), "key"), gguf.alignment, gguf.data_offset)});
  rows.push_back({"tensors", fmt::format("{}, {} parameters{}", gguf.tensors.size(),
                                         format_count(summary.parameter_count), bits_per_weight(summary))});
  rows.push_back({"types", describe_types(summary.types)});
  if (summary.depth.block_count) {
    const auto& nextn = summary.depth.nextn_predict_layers;
    rows.push_back(
        {"blocks", fmt::format("block_count {}, nextn_predict_layers {}: {} trunk blocks{}", *summary.depth.block_count,
                               nextn ? fmt::format("{}", *nextn) : "absent", summary.trunk_blocks,
                               summary.block_pattern.empty() ? "" : ", " + summary.block_pattern)});
  }
  rows.push_back({"MTP", describe_head(summary)});
  for (const auto& problem : summary.head.problems) {
    rows.push_back({"", printable(problem)});
  }
  if (!summary.grafted_from.empty()) {
    rows.push_back({"", "grafted from " + quoted(summary.grafted_from)});
  }
  if (mmproj) {
    rows.push_back({"mmproj", describe_projector(*mmproj)});
  }
  rows.push_back({"llama.cpp", printable(summary.runtime)});
  if (!summary.advice.empty()) {
    rows.push_back({"", printable(summary.advice)});
  }
  auto text = printable(gguf.path) + '\n' + format_table(rows, "  ");
  if (!listed_keys.empty()) {
    std::vector<Row> keys;
    for (const auto index : listed_keys) {
      const auto& item = gguf.keys[index];
      keys.push_back({printable(item.key), describe_type(item), describe_value(item)});
    }
    text += "  keys\n" + format_table(keys, "    ");
  }
  if (!listed_tensors.empty()) {
    std::vector<Row> tensors;
    for (const auto index : listed_tensors) {
      const auto& tensor = gguf.tensors[index];
      tensors.push_back({printable(tensor.name), tensor_type_name(tensor.type), describe_shape(tensor),
                         fmt::format("{} bytes", tensor.size_bytes), describe_place(gguf, tensor)});
    }
    text += "  tensors\n" + format_table(tensors, "    ");
  }
  return text;
}

std::string compare_inspected(const std::vector<InspectedFile>& files) {
  std::vector<Row> rows{{"file", "model", "size", "tensors", "trunk", "MTP", "head", "drafts"}};
  for (const auto& [gguf, summary, listed_tensors, listed_keys, mmproj] : files) {
    const bool has_head = summary.head.has_tensors();
    rows.push_back(
        {printable(gguf.path), printable(summary.architecture), format_bytes(gguf.size),
         fmt::format("{}", gguf.tensors.size()), fmt::format("{}", summary.trunk_blocks),
         std::string(head_state_name(summary.head.state)),
         has_head ? fmt::format("{} {}", format_bytes(summary.head.bytes), summary.head_types.front().type) : "-",
         summary.is_usable        ? "yes"
         : summary.is_draft_model ? "with -md"
                                  : "no"});
  }
  return format_table(rows, "");
}

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
  return copy.clone_obstacle.empty() ? text : fmt::format("{}; not cloned: {}", text, copy.clone_obstacle);
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
std::string describe_totals(const Writing& writing) {
  const auto& totals = writing.totals;
  const auto linked = totals.linked > 0 ? fmt::format("{} linked, ", format_bytes(totals.linked)) : "";
  const auto reused = totals.kept > 0 ? fmt::format("{} kept in place", format_bytes(totals.kept))
                                      : fmt::format("{}{} cloned", linked, format_bytes(totals.cloned));
  const auto bytes = std::accumulate(writing.outputs.begin(), writing.outputs.end(), std::uint64_t{0},
                                     [](std::uint64_t sum, const OutputFile& file) { return sum + file.bytes; });
  return fmt::format("{} in {:.1f} s: {}, {} copied, {} newly allocated on disk", format_bytes(bytes), *writing.seconds,
                     reused, format_bytes(totals.copied), format_bytes(totals.allocated));
}

std::string describe_need(const Writing& writing) {
  return fmt::format("dry run: nothing was written; {} needed, {} free\n", format_bytes(writing.needed_bytes),
                     format_bytes(writing.free_bytes));
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

std::string describe_notes(const std::vector<std::string>& notes) {
  std::string text;
  for (const auto& note : notes) {
    text += fmt::format("donor: {}\n", printable(note));
  }
  return text;
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

std::string describe_in_place(const Writing& writing, const FilePlan& plan) {
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
std::string describe_writing(const Writing& writing, const FilePlan& plan, bool details) {
  auto text = describe_in_place(writing, plan);
  if (!writing.seconds) {
    return text + describe_need(writing);
  }
  if (details && !writing.copies.empty()) {
    text += describe_copies(writing.copies);
  }
  return text + describe_totals(writing);
}

std::string describe_output(const SetPlan& plan) {
  return fmt::format("{} tensors, {} ({} bytes)", plan.tensors_of_files(), format_bytes(plan.bytes_of_files()),
                     plan.bytes_of_files());
}

std::string describe_files(const Writing& writing) {
  if (writing.outputs.size() < 2) {
    return "";
  }
  std::vector<Row> rows;
  for (const auto& [path, way, bytes] : writing.outputs) {
    rows.push_back({printable(path), std::string(way_name(way)), format_bytes(bytes)});
  }
  return "files\n" + format_table(rows, "  ");
}

}  // namespace

std::string describe_graft(const GraftReport& report, bool details) {
  const auto& plan = report.plan;
  const auto& writing = report.writing;
  const auto row = [](const char* role, const std::string& path, const Summary& model, std::string what) {
    return Row{role, printable(path), printable(model.architecture), std::move(what)};
  };
  const std::vector<Row> files{
      row("target", report.target_path, report.target,
          fmt::format("{} trunk blocks, {}", report.target.trunk_blocks, describe_head(report.target))),
      row("donor", report.donor_path, report.donor, describe_head(report.donor)),
      row("output", writing.path, report.target,
          fmt::format("{}, head at {}", describe_output(plan),
                      describe_block_range(plan.first_head_block, plan.head_block_count)))};
  auto text = format_table(files, "") + describe_files(writing) + describe_notes(report.donor_notes) +
              describe_changes(plan.key_changes);
  if (details) {
    text += describe_head_tensors(plan);
  }
  text += describe_converted(plan);
  if (!plan.removed_tensors.empty()) {
    text += fmt::format("{} tensors of the target's old head taken out\n", plan.removed_tensors.size());
  }
  text += describe_warnings(report.warnings) + describe_writing(writing, plan, details);
  if (!writing.seconds) {
    return text;
  }
  if (writing.in_place) {
    return text + fmt::format("; to check it:\n  mtpgraft verify {}\n", shell_quoted(writing.path));
  }
  if (!report.verify_flags) {
    return text + '\n';
  }
  return text + fmt::format("; to prove it byte for byte:\n  mtpgraft verify {} --target {} --donor {}{}\n",
                            shell_quoted(writing.path), shell_quoted(report.target_path),
                            shell_quoted(report.donor_path), *report.verify_flags);
}

std::string describe_extract(const ExtractReport& report, bool details) {
  const auto& plan = report.plan;
  const auto& writing = report.writing;
  const std::vector<Row> files{
      {"donor", printable(report.donor_path), printable(report.donor.architecture), describe_head(report.donor)},
      {"output", printable(writing.path), printable(report.donor.architecture),
       fmt::format("{}, {} at {}", describe_output(plan),
                   report.form == ExtractForm::kSidecar ? "sidecar with a head" : "head tensors only,",
                   describe_block_range(plan.first_head_block, plan.head_block_count))}};
  auto text = format_table(files, "") + describe_notes(report.donor_notes) + describe_changes(plan.key_changes);
  if (details) {
    text += describe_head_tensors(plan);
  }
  text += describe_converted(plan) + describe_warnings(report.warnings) + describe_writing(writing, plan, details);
  if (!writing.seconds) {
    return text;
  }
  return text + (report.form == ExtractForm::kSidecar
                     ? fmt::format("; to draft with it:\n  llama-server -m MODEL -md {} --spec-type draft-mtp\n",
                                   shell_quoted(writing.path))
                     : fmt::format("; to graft it:\n  mtpgraft graft TARGET {}\n", shell_quoted(writing.path)));
}

std::string describe_strip(const StripReport& report, bool details) {
  const auto& plan = report.plan;
  const auto& writing = report.writing;
  const std::vector<Row> files{
      {"file", printable(report.path), printable(report.file.architecture), describe_head(report.file)},
      {"output", printable(writing.path), printable(report.file.architecture), describe_output(plan)}};
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
  if (report.restores_original) {
    text += fmt::format("this is {} again, byte for byte: the header has the digest that the record tells\n",
                        quoted(plan.original->file));
  }
  text += describe_warnings(report.warnings) + describe_writing(writing, plan, details);
  return writing.seconds ? text + '\n' : text;
}

std::string describe_verification(const std::string& path, const VerifyReport& report, bool details) {
  std::string text;
  const auto add_for = [&](const std::string& file, const std::string& line) {
    text += fmt::format("{}: {}\n", printable(file), line);
  };
  const auto add = [&](const std::string& line) { add_for(path, line); };
  if (details) {
    for (const auto& note : report.notes) {
      add(printable(note));
    }
  }
  for (std::size_t i = 0; i < std::min(report.findings.size(), kShownFindings); ++i) {
    const auto& [message, offset, file] = report.findings[i];
    add_for(file.empty() ? path : file, printable(message) + describe_offset(offset));
  }
  if (report.findings.size() > kShownFindings) {
    add(fmt::format("and {} more, which --json lists", report.findings.size() - kShownFindings));
  }
  if (details) {
    const auto shared = report.shared_bytes > 0 ? fmt::format(", {} in the same blocks on disk as the sources",
                                                              format_bytes(report.shared_bytes))
                                                : "";
    add(fmt::format("{}, {} checked{}", report.ok() ? "OK" : "FAILED", format_bytes(report.compared_bytes), shared));
    if (report.ok() && report.unchecked_bytes > 0) {
      add(fmt::format("the other {} of tensor data were not checked; --target and --donor do that, or -c",
                      format_bytes(report.unchecked_bytes)));
    }
  }
  return text;
}

std::string describe_recovery(const std::string& path, Recovery recovery) {
  const auto* const outcome = recovery == Recovery::kRolledBack  ? "rolled back: it is what it was before the graft"
                              : recovery == Recovery::kCompleted ? "completed: the graft was whole but for its journal"
                                                                 : "nothing to recover";
  return fmt::format("{}: {}\n", printable(path), outcome);
}

std::string describe_check(const CheckReport& report, bool quiet) {
  std::string text;
  for (const auto& line : report.lines) {
    const auto name = printable(line.name);
    switch (line.result) {
      case CheckResult::kOk:
        text += quiet ? "" : name + ": OK\n";
        break;
      case CheckResult::kDiffers:
        text += name + ": FAILED\n";
        break;
      case CheckResult::kMissing:
        text += name + ": MISSING\n";
        break;
    }
  }
  for (const auto& name : report.extra) {
    text += printable(name) + ": NOT LISTED\n";
  }
  if (report.metadata_equal) {
    text += *report.metadata_equal ? (quiet ? "" : "metadata: OK\n") : "metadata: FAILED\n";
  }
  return text;
}

}  // namespace mtpgraft::report
