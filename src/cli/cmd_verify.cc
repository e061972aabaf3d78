#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <system_error>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::cli {
namespace {

// The list of some 150,000 tensors, far above any model.
constexpr std::size_t kCheckfileBytesMax = std::size_t{16} << 20;

// A list may come from a pipe, as in `verify FILE -c <(mtpgraft checksum TARGET)`; "-" is stdin.
Result<std::string> read_list(const std::string& path) {
  std::error_code ignored;
  if (path != "-" && std::filesystem::is_directory(path, ignored)) {
    return Error{ErrorCode::kIo, "is a directory", path, {}, "name a list that 'mtpgraft checksum' wrote"};
  }
  std::ifstream file;
  if (path != "-") {
    file.open(path, std::ios::binary);
  }
  std::istream& stream = path == "-" ? std::cin : file;
  std::string text;
  std::array<char, 65536> piece{};
  while (stream.good() && text.size() <= kCheckfileBytesMax) {
    stream.read(piece.data(), piece.size());
    text.append(piece.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (text.size() > kCheckfileBytesMax) {
    return Error{ErrorCode::kMalformed,
                 fmt::format("has more than {} bytes, too many for a list", kCheckfileBytesMax),
                 path,
                 {},
                 "name a list that 'mtpgraft checksum' wrote"};
  }
  if (!stream.eof() || stream.bad()) {
    return Error{ErrorCode::kIo, fmt::format("cannot read: {}", std::generic_category().message(errno)), path};
  }
  return text;
}

// The verdict, by coreutils' rules: no list, or a list of which the file has nothing, proves nothing.
bool passes(const report::CheckReport& report, const VerifyOptions& options) {
  const auto count = [&](CheckResult result) {
    return std::ranges::count(report.lines, result, &report::CheckLine::result);
  };
  return (count(CheckResult::kOk) > 0 || report.all_data == CheckResult::kOk) && count(CheckResult::kDiffers) == 0 &&
         report.all_data != CheckResult::kDiffers && (options.ignore_missing || count(CheckResult::kMissing) == 0) &&
         report.extra.empty() && report.metadata_equal.value_or(true) && (!options.strict || report.bad_lines.empty());
}

Result<report::CheckReport> check_against_list(const VerifyOptions& options, const OpenedModel& model,
                                               const OutputOptions& output) {
  const auto& gguf = model.gguf;
  MTPGRAFT_TRY(auto text, read_list(options.checkfile));
  auto list = parse_checkfile(text);
  text = {};
  if (list.checksums.empty()) {
    return Error{ErrorCode::kMalformed,
                 "no line of it is a checksum",
                 options.checkfile,
                 {},
                 "write it with: mtpgraft checksum FILE > FILE.sums"};
  }
  if (!options.exact) {
    // A graft changes keys by design.
    std::erase_if(list.checksums, [](const Checksum& checksum) { return checksum.name == kMetadataName; });
  }
  MTPGRAFT_TRY(const auto results, check_listed(*model.file, gguf, list.checksums,
                                                make_progress("verify", summarise(gguf).tensor_data_bytes, output)));
  report::CheckReport report;
  report.checkfile = options.checkfile;
  report.bad_lines = std::move(list.bad_lines);
  std::set<std::string_view> listed;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& name = list.checksums[i].name;
    listed.insert(name);
    if (name == kMetadataName) {
      report.metadata_equal = report.metadata_equal.value_or(true) && results[i] == CheckResult::kOk;
    } else if (name == kAllDataName) {
      report.all_data = std::max(report.all_data.value_or(CheckResult::kOk), results[i]);
    } else if (!report.lines.empty() && report.lines.back().name == name) {
      report.lines.back().result = std::max(report.lines.back().result, results[i]);
    } else if (results[i] != CheckResult::kMissing || !options.ignore_missing) {
      report.lines.push_back({name, results[i]});
    }
  }
  const bool has_all_data = report.all_data && report.all_data != CheckResult::kNotComparable;
  const auto head = find_head(gguf);
  const std::set<std::size_t> head_tensors(head.tensors.begin(), head.tensors.end());
  for (std::size_t i = 0; i < gguf.tensors.size(); ++i) {
    if (listed.contains(gguf.tensors[i].name) || has_all_data) {
      continue;
    }
    if (options.exact) {
      report.extra.push_back(gguf.tensors[i].name);
    } else if (!head_tensors.contains(i)) {
      ++report.unlisted_trunk_tensors;
    }
  }
  report.ok = passes(report, options);
  return report;
}

// The summary that coreutils print on stderr too, also with --quiet.
void summarise_check(const report::CheckReport& report, const VerifyOptions& options) {
  const auto tensors = [](std::size_t count) { return fmt::format("{} {}", count, count == 1 ? "tensor" : "tensors"); };
  const auto count = [&](CheckResult result) {
    return static_cast<std::size_t>(std::ranges::count(report.lines, result, &report::CheckLine::result));
  };
  if (!report.bad_lines.empty()) {
    log_problem(fmt::format("{}: {} of its lines cannot be read, the first is line {}", report.checkfile,
                            report.bad_lines.size(), report.bad_lines.front()));
  }
  if (count(CheckResult::kDiffers) > 0) {
    log_problem(fmt::format("{}: other data in {} of {}", options.file, tensors(count(CheckResult::kDiffers)),
                            report.lines.size()));
  }
  if (count(CheckResult::kMissing) > 0) {
    log_problem(
        fmt::format("{}: {} of {} missing", options.file, tensors(count(CheckResult::kMissing)), report.lines.size()));
  }
  if (report.all_data == CheckResult::kDiffers && report.lines.empty()) {
    log_problem(fmt::format("{}: other data, or other tensors, than those of the list", options.file));
  }
  if (options.exact && !report.metadata_equal) {
    log_problem(fmt::format("{}: says nothing of the keys; not checked", report.checkfile));
  }
  if (report.unlisted_trunk_tensors > 0) {
    log_problem(
        fmt::format("{}: {} outside the head not in the list", options.file, tensors(report.unlisted_trunk_tensors)));
  }
  if (!report.extra.empty()) {
    log_problem(fmt::format("{}: {} not listed", options.file, tensors(report.extra.size())));
  }
  if (count(CheckResult::kOk) == 0 && report.all_data != CheckResult::kOk) {
    log_problem(fmt::format("{}: no tensor was verified", report.checkfile));
  }
}

Result<int> verify_list(const VerifyOptions& options, const OutputOptions& output, FileSystem& files) {
  MTPGRAFT_TRY(const auto model, open_model(files, options.file));
  MTPGRAFT_TRY(const auto report, check_against_list(options, model, output));
  MTPGRAFT_CHECK(model.file->check_unchanged());
  if (output.json) {
    MTPGRAFT_CHECK(print_answer(report::check_to_json(options.file, report) + '\n'));
  } else if (!options.status) {
    MTPGRAFT_CHECK(print_answer(report::describe_check(report, output.quiet)));
    summarise_check(report, options);
  }
  return report.ok ? 0 : kExitDifference;
}

Result<VerifyReport> verify_bytes(const VerifyOptions& options, const OutputOptions& output, FileSystem& files) {
  if (options.target.empty()) {
    MTPGRAFT_TRY(const auto model, open_model(files, options.file));
    MTPGRAFT_TRY(auto report, verify_alone(model, make_progress("verify", 0, output)));
    MTPGRAFT_CHECK(model.file->check_unchanged());
    return report;
  }
  MTPGRAFT_TRY(const auto model_files, open_model_files(files, options.file));
  MTPGRAFT_TRY(const auto target, open_model(files, options.target));
  std::uint64_t bytes = 0;
  for (const auto& file : model_files) {
    bytes += file->size();
  }
  auto donor_options = options.donor;
  const auto model = read_model(model_files);
  if (!model.ok() && model.error().code == ErrorCode::kIo) {
    return model.error();
  }
  if (const auto recorded = model.ok() ? find_record_labels(model.value().gguf) : std::nullopt) {
    // What the user says counts, also if it is something else: then the comparison tells.
    if (donor_options.head_type.empty()) {
      donor_options.head_type = recorded->head_type;
    }
    donor_options.recorded_norm_offset = recorded->norm_offset;
  }
  MTPGRAFT_TRY(auto donor, open_donor(donor_options, target.gguf.architecture(), fetch_progress(output), files));
  donor.labels.target_file = base_name(options.target);
  MTPGRAFT_TRY(auto report, verify_graft(model_files, target, {donor.file, donor.gguf}, donor.labels,
                                         options.trust_shared_extents ? SharedExtents::kTrust : SharedExtents::kRead,
                                         make_progress("verify", bytes, output)));
  for (const auto& file : model_files) {
    MTPGRAFT_CHECK(file->check_unchanged());
  }
  MTPGRAFT_CHECK(target.file->check_unchanged());
  MTPGRAFT_CHECK(donor.file->check_unchanged());
  return report;
}

}  // namespace

Result<int> run_verify(const VerifyOptions& options, const OutputOptions& output, FileSystem& files) {
  if (!options.checkfile.empty()) {
    return verify_list(options, output, files);
  }
  MTPGRAFT_TRY(const auto report, verify_bytes(options, output, files));
  if (output.json) {
    MTPGRAFT_CHECK(print_answer(report::verification_to_json(options.file, report) + '\n'));
  } else {
    MTPGRAFT_CHECK(print_answer(report::describe_verification(options.file, report, !output.quiet)));
  }
  return report.ok() ? 0 : kExitDifference;
}

}  // namespace mtpgraft::cli
