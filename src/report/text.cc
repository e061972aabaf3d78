#include "report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "gguf/describe.h"
#include "report/llama_cpp.h"
#include "report/words.h"
#include "util/lines.h"
#include "util/text.h"
#include "util/url.h"

namespace mtpgraft::report {
namespace {

std::string bits_per_weight(const Summary& summary) {
  return summary.parameter_count == 0
             ? ""
             : fmt::format(", {:.2f} bits per weight", 8.0 * static_cast<double>(summary.tensor_data_bytes) /
                                                           static_cast<double>(summary.parameter_count));
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

// "at 36416", of split models "at 1184 of file 2".
std::string describe_place(const GgufFile& gguf, const TensorInfo& tensor) {
  const auto& files = gguf.files;
  const auto file = std::ranges::upper_bound(files, tensor.info_offset, {}, &Shard::offset) - 1;
  return fmt::format("at {}{}", tensor.offset - file->offset,
                     gguf.is_split() ? fmt::format(" of file {}", file - files.begin() + 1) : "");
}

void add_head_rows(const InspectedFile& file, std::vector<Row>& rows) {
  const auto& summary = file.summary;
  rows.push_back({"MTP", describe_head(summary)});
  for (const auto& line : describe_dialects(summary)) {
    rows.push_back({"", line});
  }
  for (const auto& problem : summary.head.problems) {
    rows.push_back({"", printable(problem)});
  }
  if (file.claims) {
    if (!file.claims->labels.donor_file.empty()) {
      rows.push_back({"", "grafted from " + quote(file.claims->labels.donor_file)});
    }
    for (const auto& line : describe_claims(file.claims->labels, file.claims->edits)) {
      rows.push_back({"", line});
    }
  }
  if (summary.head.has_tensors()) {
    rows.push_back({"", "its values were not looked at: verify, graft and extract do that"});
  }
}

std::string describe_file(const InspectedFile& file) {
  const auto& [gguf, summary, listed_tensors, listed_keys, mmproj, is_checkpoint, notes, claims, is_changeable,
               warnings] = file;
  std::vector<Row> rows;
  rows.push_back({"verdict", is_checkpoint && summary.head.problems.empty() ? "a checkpoint's head, good as a donor"
                                                                            : printable(describe_verdict(summary))});
  rows.push_back(
      {"model", fmt::format("{}{}", summary.architecture.empty() ? "no architecture" : printable(summary.architecture),
                            summary.name.empty() ? "" : ", " + quote(summary.name))});
  rows.push_back({gguf.is_split() ? "files" : "file",
                  is_checkpoint ? "a safetensors checkpoint; all below is of its head, read as a GGUF"
                                : fmt::format("{}{} ({} bytes), GGUF v{}, {}, alignment {}, data at {}",
                                              gguf.is_split() ? plural(gguf.files.size(), "file") + ", " : "",
                                              format_bytes(gguf.size), gguf.size, gguf.version,
                                              plural(gguf.keys.size(), "key"), gguf.alignment, gguf.data_offset)});
  for (const auto& note : notes) {
    rows.push_back({"", printable(note)});
  }
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
  add_head_rows(file, rows);
  if (mmproj) {
    rows.push_back({"mmproj", describe_projector(*mmproj)});
  }
  rows.push_back({"llama.cpp", is_checkpoint ? "reads no safetensors" : printable(describe_runtime(summary))});
  const bool is_mended_by_graft = !is_checkpoint || summary.head.problems.empty();
  const auto next_step = is_mended_by_graft ? describe_next_step(summary, gguf.path, is_changeable) : "";
  for (const auto line : lines_of(next_step)) {
    rows.push_back({"", printable(line)});
  }
  auto text = printable(gguf.path) + '\n' + format_table(rows, "  ");
  if (!listed_keys.empty()) {
    std::vector<Row> keys;
    for (const auto index : listed_keys) {
      const auto& item = gguf.keys[index];
      keys.push_back({printable(item.key), describe_type(item.value), describe_value(item.value)});
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
  for (const auto& [gguf, summary, listed_tensors, listed_keys, mmproj, is_checkpoint, notes, claims, is_changeable,
                    warnings] : files) {
    const bool has_head = summary.head.has_tensors();
    rows.push_back(
        {printable(gguf.path), printable(summary.architecture), format_bytes(gguf.size),
         fmt::format("{}", gguf.tensors.size()), fmt::format("{}", summary.trunk_blocks),
         std::string(head_state_name(summary.head.state)),
         has_head ? fmt::format("{} {}", format_bytes(summary.head.bytes), summary.head_types.front().type) : "-",
         summary.is_usable        ? "yes"
         : is_checkpoint          ? "no"
         : summary.is_draft_model ? "with -md"
                                  : "no"});
  }
  return format_table(rows, "");
}

// A command to be pasted, or what a plan says; a shell passes over what is behind "#".
std::string describe_choice(const Error& error, const DonorChoice& donor, Front front) {
  const auto size = donor.head_bytes > 0 ? "  # head: " + format_bytes(donor.head_bytes) : "";
  return front == Front::kPlan
             ? fmt::format(R"("donor": "{}"{})", printable(donor.path), size)
             : graft_command(error.path, shell_quoted(donor.path), error.remedy == Remedy::kReplaceHead) + size;
}

}  // namespace

std::string describe_error(const Error& error, Front front) {
  std::string text = "mtpgraft: ";
  if (!error.path.empty()) {
    text += printable(without_secret(error.path)) + ": ";
  }
  text += printable_message(worded_message(error, front));
  text += describe_offset(error.offset);
  for (const auto& detail : error.details) {
    text += "\n  - " + printable_message(detail);
  }
  for (const auto& donor : error.donors) {
    text += "\n  - " + describe_choice(error, donor, front);
  }
  if (const auto hint = advice(error, front); !hint.empty()) {
    text += "\n  hint: " + printable_message(hint);
  }
  return text;
}

std::string describe_inspected(const std::vector<InspectedFile>& files) {
  std::string text;
  for (const auto& file : files) {
    text += text.empty() ? "" : "\n";
    text += describe_file(file);
  }
  if (files.size() > 1) {
    text += '\n';
    text += compare_inspected(files);
  }
  return text;
}

std::string describe_recovery(const std::string& path, Recovery recovery) {
  const auto* const outcome = recovery == Recovery::kRolledBack  ? "rolled back: it is what it was before the graft"
                              : recovery == Recovery::kCompleted ? "completed: the graft was whole but for its journal"
                                                                 : "nothing to recover";
  return fmt::format("{}: {}", printable(path), outcome);
}

namespace {

// "2026-11-22", in UTC.
std::string describe_date(std::int64_t time_s) {
  const std::chrono::year_month_day date{
      std::chrono::floor<std::chrono::days>(std::chrono::sys_seconds{std::chrono::seconds{time_s}})};
  return fmt::format("{:04}-{:02}-{:02}", int{date.year()}, unsigned{date.month()}, unsigned{date.day()});
}

}  // namespace

std::string describe_cache(const CacheReport& report) {
  if (report.freed_bytes) {
    return fmt::format("{}: {} freed\n", printable(report.directory), format_bytes(*report.freed_bytes));
  }
  std::vector<Row> rows{{"last used", "size", "here", "parts", "URL"}};
  std::uint64_t stored_bytes = 0;
  for (const auto& entry : report.entries) {
    const bool is_known = !entry.url.empty();
    rows.push_back({describe_date(entry.used_s), is_known ? format_bytes(entry.size) : "?",
                    format_bytes(entry.stored_bytes), fmt::format("{}", entry.part_count),
                    is_known ? printable_message(entry.url) : "unknown"});
    stored_bytes += entry.stored_bytes;
  }
  return fmt::format("{}{}: {} of {}\n", report.entries.empty() ? "" : format_table(rows, ""),
                     printable(report.directory), format_bytes(stored_bytes), plural(report.entries.size(), "file"));
}

}  // namespace mtpgraft::report
