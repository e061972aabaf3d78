#include <fmt/format.h>

#include <algorithm>

#include "release/graft_options.h"
#include "release/release_plan.h"

namespace mtpgraft {
namespace {

// A name that begins with a dash would be read as an option.
std::string argument(const std::string& path) { return path.starts_with('-') ? "./" + path : path; }

std::string value_of(const ReleaseOption& option, const std::string& directory) {
  return with_path(option, [&](const std::string& path) { return path.empty() ? path : path_in(directory, path); });
}

Status set_option(const ReleaseOption& option, const std::string& directory, GraftRequest& request) {
  const auto known = std::ranges::find(graft_options(), option.name, &GraftOption::name);
  return known->set(request, value_of(option, directory));
}

}  // namespace

GraftRequest to_request(const ReleaseGraft& graft, const std::string& directory, const std::string& plan_path,
                        std::vector<Error>& problems) {
  GraftRequest request;
  request.target = argument(path_in(directory, graft.target));
  request.from_base = graft.donor == kFromBase;
  request.donor.path = request.from_base ? "" : argument(path_in(directory, graft.donor));
  request.output.path = argument(path_in(directory, graft.output));
  const auto refuse = [&](const ReleaseOption& option, const std::string& what) {
    problems.push_back(
        {.code = ErrorCode::kMalformed, .message = fmt::format("{}: {}", option.pointer, what), .path = plan_path});
  };
  const auto problem_count = problems.size();
  for (const auto& option : graft.options) {
    auto status = set_option(option, directory, request);
    if (!status.ok()) {
      const auto& error = status.error();
      refuse(option, error.hint.empty() ? error.message : fmt::format("{} ({})", error.message, error.hint));
    }
  }
  const auto find = [&](std::string_view name) { return std::ranges::find(graft.options, name, &ReleaseOption::name); };
  if (const auto merge = find("merge");
      problems.size() == problem_count && merge != graft.options.end() && find("split_head") != graft.options.end()) {
    refuse(*merge, "excludes split_head");
  }
  return request;
}

std::vector<std::string> to_arguments(const ReleaseGraft& graft, const std::string& directory) {
  std::vector<std::string> arguments{
      "graft", argument(path_in(directory, graft.target)),
      graft.donor == kFromBase ? "--from-base" : argument(path_in(directory, graft.donor)), "-o",
      argument(path_in(directory, graft.output))};
  for (const auto& option : graft.options) {
    auto name = option.name;
    std::ranges::replace(name, '_', '-');
    const auto value = value_of(option, directory);
    arguments.push_back(value.empty() ? "--" + name : fmt::format("--{}={}", name, value));
  }
  return arguments;
}

}  // namespace mtpgraft
