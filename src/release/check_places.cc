#include "release/check_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string_view>

#include "mtpgraft/text_file.h"
#include "mtpgraft/verify.h"
#include "release/lists.h"
#include "release/release_plan.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

bool is_sums_file(std::string_view text) {
  const auto sums = parse_checkfile(text);
  return sums.bad_lines.empty() && !sums.checksums.empty();
}

class ListChecker {
 public:
  ListChecker(const std::vector<ReleasedGraft>& grafts, const std::string& directory, Overwrite overwrite,
              FileSystem& files)
      : grafts_(grafts), directory_(directory), overwrite_(overwrite), files_(files) {}

  ListFindings check(bool all_planned) && {
    for (const auto& graft : grafts_) {
      if (!graft.files.empty()) {
        check_list(path_of(graft.sums_name), is_sums_file);
      }
    }
    check_list(path_of(kSha256FileName), [&](std::string_view text) {
      const auto names = names_in_sha256_file(text);
      if (names && all_planned) {
        check_dropped(*names);
      }
      return names.has_value();
    });
    check_list(path_of(kReleaseFileName), is_release_file);
    return std::move(findings_);
  }

 private:
  [[nodiscard]] std::string path_of(std::string_view name) const { return path_in(directory_, std::string(name)); }

  void check_list(const std::string& path, const std::function<bool(std::string_view)>& is_list) {
    findings_.paths.push_back(path);
    if (!exists(path)) {
      return;
    }
    const auto file = files_.open(path);
    const auto text = file.ok() ? read_text(*file.value(), kListBytesMax) : Result<std::string>(file.error());
    if ((text.ok() && is_list(text.value())) || overwrite_ == Overwrite::kYes) {
      return;
    }
    findings_.problems.push_back(text.ok() ? Error{.code = ErrorCode::kRefused,
                                                   .message = "exists, and is not a list of a release",
                                                   .path = path,
                                                   .remedy = Remedy::kOverwriteList}
                                           : text.error());
  }

  // Files of the old list that this release does not make would lie unlisted beside it.
  void check_dropped(const std::vector<std::string>& names) {
    std::set<std::string_view> made;
    for (const auto& graft : grafts_) {
      for (const auto& file : graft.files) {
        made.insert(file.name);
      }
    }
    for (const auto& name : names) {
      if (made.contains(name)) {
        continue;
      }
      if (overwrite_ == Overwrite::kNo) {
        findings_.problems.push_back({.code = ErrorCode::kRefused,
                                      .message = fmt::format("names '{}', which the plan does not make", name),
                                      .path = path_of(kSha256FileName),
                                      .remedy = Remedy::kDropList});
      } else if (exists(path_of(name))) {
        findings_.warnings.push_back(
            {"left-release", fmt::format("{}: is no longer part of the release", path_of(name))});
      }
    }
  }

  const std::vector<ReleasedGraft>& grafts_;
  const std::string& directory_;
  Overwrite overwrite_;
  FileSystem& files_;
  ListFindings findings_;
};

}  // namespace

ListFindings check_lists(const std::vector<ReleasedGraft>& grafts, const std::string& directory, bool all_planned,
                         Overwrite overwrite, FileSystem& files) {
  return ListChecker(grafts, directory, overwrite, files).check(all_planned);
}

std::vector<Error> check_names(const std::vector<ReleaseJob>& jobs, const std::vector<std::string>& lists,
                               const std::vector<FileStamp>& plan_stamps, FileSystem& files) {
  std::vector<Error> problems;
  const auto refuse = [&](const std::string& path, std::string what) {
    problems.push_back(
        {.code = ErrorCode::kRefused, .message = std::move(what), .path = path, .remedy = Remedy::kNameOutput});
  };
  auto inputs = plan_stamps;
  for (const auto& job : jobs) {
    inputs.insert(inputs.end(), job.inputs.begin(), job.inputs.end());
  }
  std::set<std::string> seen;
  const auto check_name = [&](const std::string& path, const std::optional<FileStamp>& kept) {
    if (!seen.insert(as_path(path).lexically_normal().string()).second) {
      refuse(path, "would be written twice");
    }
    if (!exists(path)) {
      return;
    }
    const auto file = files.open(path);
    const auto stamp = file.ok() ? file.value()->stamp() : std::nullopt;
    if (!file.ok()) {
      problems.push_back(file.error());
    } else if (stamp && stamp != kept &&
               std::ranges::any_of(inputs, [&](const auto& input) { return input.identity == stamp->identity; })) {
      refuse(path, "is to be written, and is an input of the release");
    }
  };
  for (const auto& job : jobs) {
    for (std::size_t i = 0; i < job.released.files.size(); ++i) {
      check_name(job.released.files[i].path, job.kept[i]);
    }
  }
  for (const auto& path : lists) {
    check_name(path, std::nullopt);
  }
  return problems;
}

}  // namespace mtpgraft
