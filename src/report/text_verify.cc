// What verify prints.
#include <fmt/format.h>

#include <algorithm>

#include "report/text.h"
#include "report/words.h"
#include "util/text.h"

namespace mtpgraft::report {
namespace {

constexpr std::size_t kShownFindings = 20;

std::string describe_lines(const std::vector<ListedTensor>& lines, bool quiet) {
  std::string text;
  for (const auto& line : lines) {
    const auto name = printable_message(line.name);
    switch (line.result) {
      case CheckResult::kOk:
        text += quiet ? "" : name + ": OK\n";
        break;
      case CheckResult::kDiffers:
        text += name + ": FAILED\n";
        break;
      case CheckResult::kMissing:
      case CheckResult::kNotComparable:
        text += name + ": MISSING\n";
        break;
    }
  }
  return text;
}

}  // namespace

std::string describe_verification(const std::string& path, const VerifyReport& report, bool details) {
  std::string text;
  const auto add_for = [&](const std::string& file, const std::string& line) {
    text += fmt::format("{}: {}\n", printable(file), line);
  };
  const auto add = [&](const std::string& line) { add_for(path, line); };
  if (details) {
    for (const auto& note : list_notes(report)) {
      add(printable(note));
    }
  }
  const auto findings = list_findings(report);
  for (std::size_t i = 0; i < std::min(findings.size(), kShownFindings); ++i) {
    const auto& [message, offset, file] = findings[i];
    add_for(file.empty() ? path : file, printable_message(message) + describe_offset(offset));
  }
  if (findings.size() > kShownFindings) {
    add(fmt::format("and {} more, which --json lists", findings.size() - kShownFindings));
  }
  if (details) {
    const auto shared = report.shared_bytes > 0 ? fmt::format(", {} in the same blocks on disk as the sources",
                                                              format_bytes(report.shared_bytes))
                                                : "";
    add(fmt::format("{}, {} checked{}", report.ok() ? "OK" : "FAILED", format_bytes(report.compared_bytes), shared));
    if (!report.ok() && report.findings.empty()) {
      add("all else is what target and donor make; --allow-edits accepts the edited keys, if they are meant");
    }
    if (report.ok() && report.unchecked_bytes > 0) {
      add(fmt::format("the other {} of tensor data were not checked; --target and --donor do that, or -c",
                      format_bytes(report.unchecked_bytes)));
    }
  }
  return text;
}

std::string describe_check(const ListReport& report, bool quiet) {
  auto text = describe_lines(report.files, quiet) + describe_lines(report.lines, quiet);
  if (report.all_data == CheckResult::kDiffers) {
    text += "all tensor data: FAILED\n";
  } else if (report.all_data && !quiet) {
    text += report.all_data == CheckResult::kOk
                ? "all tensor data: OK\n"
                : "all tensor data: not checked, the list is about other tensors than the file has\n";
  }
  for (const auto& name : report.extra) {
    text += printable(name) + ": NOT LISTED\n";
  }
  if (report.metadata_equal) {
    text += *report.metadata_equal ? (quiet ? "" : "metadata: OK\n") : "metadata: FAILED\n";
  }
  return text;
}

std::string verify_command(const VerifyRequest& request) {
  auto command = fmt::format("mtpgraft verify {}", shell_quoted(request.file));
  const auto add = [&](std::string_view name, const std::string& value) {
    command += value.empty() ? "" : fmt::format(" {} {}", name, shell_quoted(value));
  };
  const auto& donor = request.donor;
  add("--target", request.target);
  add("--donor", donor.path);
  add("--head-type", donor.head_type);
  add("--norm-offset", donor.norm_offset ? fmt::format("{}", *donor.norm_offset) : "");
  add("--ggml", donor.ggml_path);
  command += request.allow_edits ? " --allow-edits" : "";
  command += request.tensors_only ? " --tensors-only" : "";
  return command;
}

std::string describe_exchange(const VerifyRequest& request, const VerifyRequest& right) {
  if (request.donor.path == right.donor.path) {
    return "FILE and --target are exchanged";
  }
  if (request.target == right.target) {
    return "FILE and --donor are exchanged";
  }
  return request.file == right.file ? "--target and --donor are exchanged"
                                    : "FILE, --target and --donor are in each other's places";
}

}  // namespace mtpgraft::report
