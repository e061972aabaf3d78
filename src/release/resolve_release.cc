#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "mtpgraft/output_name.h"
#include "mtpgraft/plan.h"
#include "mtpgraft/remote.h"
#include "mtpgraft/split.h"
#include "release/release_plan.h"
#include "util/glob.h"
#include "util/parse.h"
#include "util/path.h"
#include "util/stored_name.h"

namespace mtpgraft {
namespace {

std::string plain(const std::string& path) { return as_path(path).lexically_normal().string(); }

// One name for all files of a split model: that of the model in one file.
std::string whole_path(const std::string& path) {
  const auto shard = parse_shard_name(path);
  return shard ? shard->prefix + ".gguf" : path;
}

// The same for comparing. Files are never opened by it, since ".." may lead elsewhere behind a symbolic link.
std::string model_path(const std::string& path) { return plain(whole_path(path)); }

// As the option is written, or as the fields of a plan are.
bool is_nearly_from_base(const std::string& donor) {
  auto plain = lowered(donor.substr(std::min(donor.find_first_not_of('-'), donor.size())));
  std::ranges::replace(plain, '_', '-');
  std::ranges::replace(plain, ' ', '-');
  return plain == kFromBase || plain == "frombase";
}

class Resolver {
 public:
  Resolver(const ReleasePlan& plan, const std::string& path, const ListDirectory& list, std::vector<Error>& problems)
      : plan_(plan), path_(path), list_(list), problems_(problems) {}

  std::vector<ReleaseGraft> resolve() {
    std::vector<std::vector<std::string>> targets;
    for (const auto& entry : plan_.entries) {
      targets.push_back(expand(entry.target));
    }
    note_outputs(targets);
    for (std::size_t i = 0; i < targets.size(); ++i) {
      add_grafts(plan_.entries[i], std::move(targets[i]));
    }
    check_outputs();
    std::erase_if(grafts_, [](const ReleaseGraft& graft) { return graft.donor.empty(); });
    return std::move(grafts_);
  }

 private:
  void refuse(const std::string& pointer, std::string_view what, std::string hint = {},
              ErrorCode code = ErrorCode::kMalformed) {
    problems_.push_back({code, fmt::format("{}: {}", pointer, what), path_, {}, std::move(hint)});
  }

  std::vector<std::string> list_names(const std::string& directory) {
    auto names = list_(directory);
    if (!names.ok()) {
      problems_.push_back(names.error());
      return {};
    }
    return std::move(names).value();
  }

  // The paths that a pattern matches, by name, but the later files of split models; any other path as it is.
  std::vector<std::string> expand(const std::string& pattern) {
    if (!is_pattern(pattern)) {
      return {pattern};
    }
    const auto parts = as_path(pattern).relative_path();
    std::vector<std::string> paths{pattern.starts_with('/') ? "/" : ""};
    for (auto part = parts.begin(); part != parts.end(); ++part) {
      const bool is_name = !is_pattern(part->string()) && std::next(part) != parts.end();
      std::vector<std::string> longer;
      for (const auto& path : paths) {
        const auto names = is_name ? std::vector{part->string()} : list_names(path);
        for (const auto& name : names) {
          if (is_name || matches_glob(part->string(), name, LeadingPeriod::kOnlyPeriod)) {
            longer.push_back(path_in(path, name));
          }
        }
      }
      paths = std::move(longer);
    }
    std::erase_if(paths, is_later_shard);
    std::ranges::sort(paths);
    return paths;
  }

  std::string default_output(const std::string& target) const {
    const auto path = as_path(default_output_path(whole_path(target)));
    return plan_.output_directory.empty() ? path.string() : path_in(plan_.output_directory, path.filename().string());
  }

  std::string output_of(const ReleaseEntry& entry, const std::string& target) const {
    if (entry.output.empty()) {
      return default_output(target);
    }
    const auto beside = as_path(target).parent_path().string();
    return path_in(plan_.output_directory.empty() ? beside : plan_.output_directory, entry.output);
  }

  // What the release may have written before, so that no pattern takes it for an input. A target that has MTP in its
  // name would get its own name, and is not meant.
  void note_outputs(const std::vector<std::vector<std::string>>& targets) {
    for (std::size_t i = 0; i < targets.size(); ++i) {
      for (const auto& target : targets[i]) {
        const auto output = model_path(output_of(plan_.entries[i], target));
        if (output != model_path(target)) {
          outputs_.insert(output);
        }
      }
    }
  }

  [[nodiscard]] bool is_output(const std::string& path) const { return outputs_.contains(model_path(path)); }

  // Also one from before a change of the plan, by its place and name.
  [[nodiscard]] bool may_be_output(const ReleaseEntry& entry, const std::string& target) const {
    return is_output(target) ||
           (!plan_.output_directory.empty() && model_path(output_of(entry, target)) == model_path(target));
  }

  // Takes them out of what a pattern matches; refuses the pattern if nothing is left.
  template <class Predicate>
  void leave_out_outputs(const std::string& pointer, const std::string& pattern, std::vector<std::string>& paths,
                         Predicate is_one) {
    if (!is_pattern(pattern)) {
      return;
    }
    const auto left_out = std::erase_if(paths, is_one);
    if (paths.empty()) {
      refuse(pointer,
             fmt::format("no file matches '{}'{}", pattern, left_out > 0 ? ", but for outputs of the release" : ""),
             pattern.find_first_of("[\\") == std::string::npos
                 ? ""
                 : R"(a backslash before * ? [ \ takes away their meaning; in JSON it is written twice)",
             ErrorCode::kIo);
    }
  }

  void add_grafts(const ReleaseEntry& entry, std::vector<std::string> targets) {
    const auto pointer = entry.pointer + "/target";
    leave_out_outputs(pointer, entry.target, targets,
                      [&](const std::string& path) { return may_be_output(entry, path); });
    if (targets.empty()) {
      return;
    }
    if (targets.size() > 1 && !entry.output.empty()) {
      refuse(entry.pointer + "/output",
             fmt::format("one name for {} targets: {}", targets.size(), fmt::join(targets, ", ")),
             "leave it out; each output is then named after its target");
      return;
    }
    const auto donor = find_donor(entry);
    for (const auto& target : targets) {
      ReleaseGraft graft{entry.pointer, target, donor, output_of(entry, target), entry.options};
      if (model_path(graft.output) == model_path(target)) {
        refuse(pointer, fmt::format("'{}' has MTP in its name already", target),
               "give the plan an output_directory, or the graft an output");
        continue;
      }
      if (entry.output.empty() && is_digest_name(target)) {
        refuse(pointer, fmt::format("'{}' is stored under a digest, which is no name for an output", target),
               "give the graft an output");
        continue;
      }
      if (plan_.output_directory.empty() && target.starts_with('/')) {
        refuse(pointer, "an absolute path needs an output_directory, or the lists would name absolute paths");
        continue;
      }
      if (graft.output.find_first_of("\\\n\r") != std::string::npos) {
        refuse(entry.pointer,
               "the output's name has a backslash or a line break, which lists of checksums cannot have");
        continue;
      }
      grafts_.push_back(std::move(graft));
    }
  }

  // Empty if it was refused.
  std::string find_donor(const ReleaseEntry& entry) {
    const auto pointer = entry.pointer + "/donor";
    if (is_remote(entry.donor) || entry.donor == kFromBase) {
      return entry.donor;
    }
    if (is_nearly_from_base(entry.donor) && std::ranges::count(list_names(""), entry.donor) == 0) {
      refuse(pointer, fmt::format("there is no '{}'", entry.donor), R"(did you mean "from-base"?)", ErrorCode::kIo);
      return {};
    }
    auto donors = expand(entry.donor);
    leave_out_outputs(pointer, entry.donor, donors, [&](const std::string& path) { return is_output(path); });
    if (donors.size() == 1) {
      return donors.front();
    }
    if (donors.size() > 1) {
      refuse(pointer, fmt::format("more than one file matches '{}': {}", entry.donor, fmt::join(donors, ", ")));
    }
    return {};
  }

  void check_outputs() {
    std::map<std::string, const ReleaseGraft*> seen;
    for (const auto& graft : grafts_) {
      const auto [other, is_new] = seen.emplace(model_path(graft.output), &graft);
      if (!is_new) {
        refuse(graft.pointer + "/output",
               fmt::format("'{}' is the output of {}, too", graft.output,
                           other->second->pointer == graft.pointer ? fmt::format("'{}'", other->second->target)
                                                                   : other->second->pointer),
               "give each graft its \"output\"");
      }
    }
  }

  const ReleasePlan& plan_;
  const std::string& path_;
  const ListDirectory& list_;
  std::vector<Error>& problems_;
  std::set<std::string> outputs_;
  std::vector<ReleaseGraft> grafts_;
};

}  // namespace

std::vector<ReleaseGraft> resolve_release(const ReleasePlan& plan, const std::string& path, const ListDirectory& list,
                                          std::vector<Error>& problems) {
  return Resolver(plan, path, list, problems).resolve();
}

std::string path_in(const std::string& directory, const std::string& path) {
  return is_remote(path) ? path : (as_path(directory) / as_path(path)).string();
}

}  // namespace mtpgraft
