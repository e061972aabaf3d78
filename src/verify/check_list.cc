#include <algorithm>
#include <set>

#include "mtpgraft/head.h"
#include "mtpgraft/verify.h"
#include "util/path.h"
#include "verify/listed_files.h"
#include "verify/wrong_list.h"

namespace mtpgraft {
namespace {

bool passes(const ListReport& report, const ListOptions& options) {
  const auto count = [&](CheckResult result) {
    return std::ranges::count(report.lines, result, &ListedTensor::result) +
           std::ranges::count(report.files, result, &ListedTensor::result) + (report.all_data == result ? 1 : 0);
  };
  return count(CheckResult::kOk) > 0 && count(CheckResult::kDiffers) == 0 &&
         (options.ignore_missing || count(CheckResult::kMissing) == 0) && report.extra.empty() &&
         report.metadata_equal.value_or(true) && (!options.strict || report.bad_lines.empty());
}

// Lists of several algorithms have a name several times, one line after the other.
void add_result(std::vector<ListedTensor>& lines, const std::string& name, CheckResult result) {
  if (!lines.empty() && lines.back().name == name) {
    lines.back().result = std::max(lines.back().result, result);
  } else {
    lines.push_back({name, result});
  }
}

// A list that has one file of a split model is one of its files, all of them.
void find_unlisted_files(const GgufFile& gguf, const FilesOfLines& files_of_lines, ListReport& report) {
  std::set<std::size_t> found;
  for (const auto& file : files_of_lines) {
    if (file) {
      found.insert(*file);
    }
  }
  for (std::size_t i = 0; i < gguf.files.size() && !found.empty(); ++i) {
    if (!found.contains(i)) {
      report.extra.push_back(base_name(gguf.files[i].path));
    }
  }
}

// Unlisted tensors are the head's, or say that the list may be cut short.
void find_unlisted_tensors(const GgufFile& gguf, const std::vector<Checksum>& listed, const ListOptions& options,
                           ListReport& report) {
  std::set<std::string_view> names;
  for (const auto& checksum : listed) {
    names.insert(checksum.name);
  }
  const auto head = find_head(gguf);
  const std::set<std::size_t> head_tensors(head.tensors.begin(), head.tensors.end());
  for (std::size_t i = 0; i < gguf.tensors.size(); ++i) {
    if (names.contains(gguf.tensors[i].name)) {
      continue;
    }
    if (options.exact) {
      report.extra.push_back(gguf.tensors[i].name);
    } else if (!head_tensors.contains(i)) {
      ++report.unlisted_trunk_tensors;
    }
  }
}

}  // namespace

Result<ListReport> check_against_list(const OpenedModel& model, std::string_view text, const std::string& list_path,
                                      const ListOptions& options, const Progress& progress) {
  const auto& gguf = model.gguf;
  auto list = parse_checkfile(text);
  if (list.checksums.empty() || (list.may_be_md5 && names_md5(list_path))) {
    return explain_wrong_list(text, list_path, gguf.path);
  }
  ListReport report;
  auto& lines = list.checksums;
  if (!options.exact) {
    // A graft changes keys by design.
    std::erase_if(lines, [](const Checksum& line) { return line.name == kMetadataName; });
  }
  const auto line_count = lines.size();
  const auto files = find_listed_files(gguf, lines, report.first_other_file);
  report.may_be_md5 = list.may_be_md5;
  report.other_files = line_count - lines.size();
  MTPGRAFT_TRY(const auto results, check_lines(*model.file, gguf, lines, files, progress));
  report.bad_lines = std::move(list.bad_lines);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& name = lines[i].name;
    if (files[i]) {
      add_result(report.files, name, results[i]);
    } else if (name == kMetadataName) {
      report.metadata_equal = report.metadata_equal.value_or(true) && results[i] == CheckResult::kOk;
    } else if (name == kAllDataName) {
      report.all_data = std::max(report.all_data.value_or(CheckResult::kOk), results[i]);
    } else if (results[i] != CheckResult::kMissing || !options.ignore_missing) {
      add_result(report.lines, name, results[i]);
    }
  }
  find_unlisted_files(gguf, files, report);
  const bool has_all_data = report.all_data && report.all_data != CheckResult::kNotComparable;
  // A file's digest is about all in it.
  if (report.files.empty() && !has_all_data) {
    find_unlisted_tensors(gguf, lines, options, report);
  }
  report.ok = passes(report, options);
  return report;
}

}  // namespace mtpgraft
