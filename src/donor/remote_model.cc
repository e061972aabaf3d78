#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <string_view>
#include <vector>

#include "donor/checkpoint.h"
#include "donor/model_choice.h"
#include "donor/model_tag.h"
#include "gguf/snapshot.h"
#include "model/dialect.h"
#include "mtpgraft/donor.h"
#include "mtpgraft/split.h"
#include "util/glob.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kSafetensors = ".safetensors";
constexpr const char* kOtherRepository = "name the repository of the base model, or of GGUF files that have a head";

// Lists only the first file of a split model.
template <class Predicate>
std::vector<RepositoryFile> list_files(const Repository& repository, Predicate is_one) {
  std::vector<RepositoryFile> files;
  for (const auto& file : repository.files) {
    if (!is_later_shard(file.name) && is_one(file.name)) {
      files.push_back(file);
    }
  }
  return files;
}

std::vector<std::string> describe_files(const std::vector<RepositoryFile>& files) {
  std::vector<std::string> lines;
  lines.reserve(files.size());
  for (const auto& file : files) {
    lines.push_back(fmt::format("{} ({})", file.name, format_bytes(file.size)));
  }
  return lines;
}

Error choice(const RemotePath& place, std::string message, std::vector<std::string> names) {
  return {.code = ErrorCode::kUsage,
          .message = std::move(message),
          .path = place.path,
          .hint = fmt::format("name one: {}:FILE", place.repository->path),
          .details = std::move(names)};
}

struct FileWithHead {
  std::string name;
  std::uint64_t head_bytes;
};

Result<std::vector<FileWithHead>> find_heads(std::span<const RepositoryFile> files, const Repository& repository,
                                             RemoteSource& source) {
  std::vector<FileWithHead> heads;
  for (const auto& file : files) {
    MTPGRAFT_TRY(const auto head_bytes, find_head_bytes(fmt::format("{}/{}", repository.path, file.name), source));
    if (head_bytes > 0) {
      heads.push_back({file.name, head_bytes});
    }
  }
  return heads;
}

// Whether one of the files, none of which has a head, says that it should.
bool declare_heads(std::span<const RepositoryFile> files, const Repository& repository, RemoteSource& source) {
  return std::ranges::any_of(files, [&](const auto& file) {
    const auto model = open_donor_model(source, fmt::format("{}/{}", repository.path, file.name));
    return model.ok() && find_donors_head(model.value().gguf).state == HeadState::kPlaceholder;
  });
}

// What a path means, of a split model the first file.
struct Candidates {
  RemotePath place;
  std::vector<RepositoryFile> files{};  // to choose from; empty: `place` is what is meant
  bool prefers_sidecars = false;        // full models are chosen only where no sidecar has a head
};

Error nothing_matches(const RemotePath& place, std::string message) {
  const auto models = list_files(*place.repository, is_model_name);
  auto error = choice(place, std::move(message), describe_files(models));
  error.code = ErrorCode::kIo;
  std::vector<std::string> names;
  std::ranges::transform(models, std::back_inserter(names), &RepositoryFile::name);
  if (const auto meant = nearest_tag(place.name, names); is_tag(place.name) && !meant.empty()) {
    error.hint = fmt::format("did you mean {}:{}?", place.repository->path, meant);
  }
  return error;
}

Result<Candidates> match_pattern(RemotePath place) {
  const auto list_matches = [&](bool in_any_folder) {
    return list_files(*place.repository, [&](std::string_view name) {
      const auto matched = in_any_folder ? name.substr(name.rfind('/') + 1) : name;
      return (is_model_name(name) || name.ends_with(kSafetensors)) && matches_glob(place.name, matched);
    });
  };
  auto files = list_matches(false);
  if (files.empty() && place.name.find('/') == std::string::npos) {
    files = list_matches(true);
  }
  if (files.empty()) {
    return nothing_matches(place, "matches no model; the repository has");
  }
  return Candidates{std::move(place), std::move(files)};
}

bool has_safetensors(const std::string& folder, const RemoteSource& source) {
  const auto names = source.list_folder(folder);
  return names.ok() &&
         std::ranges::any_of(names.value(), [](const auto& name) { return name.ends_with(kSafetensors); });
}

Result<Candidates> find_candidates(const std::string& path, RemoteSource& source) {
  MTPGRAFT_TRY(auto place, source.find(path));
  const auto* repository = place.repository;
  if (repository == nullptr || repository->find(place.name) != nullptr) {
    return Candidates{std::move(place)};
  }
  if (is_pattern(place.name)) {
    return match_pattern(std::move(place));
  }
  const bool is_folder = source.is_folder(place.path);
  if (is_folder) {
    MTPGRAFT_TRY(const auto checkpoint, find_checkpoint(place.path, source));
    if (!checkpoint.empty()) {
      return Candidates{std::move(place)};
    }
  }
  const bool may_be_tag = is_tag(place.name);
  const auto folder = place.name.empty() ? "" : place.name + '/';
  auto files = list_files(*repository, [&](std::string_view name) {
    return is_model_name(name) && (name.starts_with(folder) || (may_be_tag && has_tag(name, place.name)));
  });
  if (!files.empty()) {
    return Candidates{std::move(place), std::move(files), may_be_tag};
  }
  if (is_folder && !has_safetensors(place.path, source)) {
    return Error{.code = ErrorCode::kIncompatible,
                 .message = fmt::format("has neither a safetensors checkpoint nor GGUF files{}",
                                        repository->is_described ? "" : " in the Hugging Face cache"),
                 .path = place.path,
                 .hint = kOtherRepository};
  }
  if (!is_folder && may_be_tag && !list_files(*repository, is_model_name).empty()) {
    return nothing_matches(place, fmt::format("no model's name has the tag '{}'; the repository has", place.name));
  }
  if (!is_folder && may_be_tag && has_safetensors(repository->path, source)) {
    return Error{.code = ErrorCode::kUsage,
                 .message = fmt::format("has no GGUF files of which '{}' could be one: it is a checkpoint", place.name),
                 .path = place.path,
                 .hint = fmt::format("name it without that: {}", repository->path)};
  }
  return Candidates{std::move(place)};  // opening it tells what there is instead
}

std::string path_of(const Candidates& candidates, const std::string& name) {
  return fmt::format("{}/{}", candidates.place.repository->path, name);
}

Result<std::string> choose_known_model(const std::string& path, RemoteSource& source) {
  MTPGRAFT_TRY(auto candidates, find_candidates(path, source));
  const auto& place = candidates.place;
  auto& files = candidates.files;
  // Of what the cache has, the only one may be there by chance.
  if (files.empty() || (files.size() == 1 && place.repository->is_described)) {
    return files.empty() ? place.path : path_of(candidates, files.front().name);
  }
  const auto full_models = std::stable_partition(files.begin(), files.end(), [&](const auto& file) {
    return candidates.prefers_sidecars && is_sidecar_name(file.name);
  });
  MTPGRAFT_TRY(auto heads, find_heads({files.begin(), full_models}, *place.repository, source));
  if (heads.empty()) {
    MTPGRAFT_TRY(heads, find_heads({full_models, files.end()}, *place.repository, source));
  }
  if (heads.empty()) {
    return Error{.code = ErrorCode::kIncompatible,
                 .message = fmt::format("none of its {} models has a head", files.size()),
                 .path = place.path,
                 .hint = kOtherRepository,
                 .headless = declare_heads(files, *place.repository, source) ? Headless::kLost : Headless::kNever};
  }
  if (heads.size() == 1) {
    return path_of(candidates, heads.front().name);
  }
  std::vector<std::string> lines;
  lines.reserve(heads.size());
  for (const auto& [name, head_bytes] : heads) {
    lines.push_back(fmt::format("{} (head: {})", name, format_bytes(head_bytes)));
  }
  return choice(place, "is not one model; of its files these have a head", std::move(lines));
}

}  // namespace

Result<std::uint64_t> find_head_bytes(const std::string& path, FileSource& source) {
  const auto model = open_donor_model(source, path);
  if (!model.ok()) {
    const auto code = model.error().code;
    const bool is_no_model = code == ErrorCode::kMalformed || code == ErrorCode::kUnsupported;
    return is_no_model ? Result<std::uint64_t>(0) : model.error();
  }
  const auto head = find_donors_head(model.value().gguf);
  return head.has_tensors() && head.problems.empty() ? head.bytes : 0;
}

Result<std::vector<std::string>> list_remote_models(const std::string& path, RemoteSource& source) {
  MTPGRAFT_TRY(auto candidates, find_candidates(path, source));
  if (!candidates.files.empty()) {
    MTPGRAFT_CHECK(source.describe(candidates.place));
    MTPGRAFT_TRY(candidates, find_candidates(path, source));
  }
  std::vector<std::string> paths;
  for (const auto& file : candidates.files) {
    paths.push_back(path_of(candidates, file.name));
  }
  return paths.empty() ? std::vector{candidates.place.path} : paths;
}

Result<std::string> choose_remote_model(const std::string& path, RemoteSource& source) {
  MTPGRAFT_TRY(const auto place, source.find(path));
  auto chosen = choose_known_model(path, source);
  // What is wrong with a file of the cache is not to be passed over.
  if (chosen.ok() || chosen.error().path != place.path) {
    return chosen;
  }
  MTPGRAFT_TRY(const bool knows_more, source.describe(place));
  return knows_more ? choose_known_model(path, source) : std::move(chosen);
}

}  // namespace mtpgraft
