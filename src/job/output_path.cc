#include "job/output_path.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "job/check_output.h"
#include "mtpgraft/output_name.h"
#include "mtpgraft/summary.h"
#include "util/hub_store.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

// The path after which the output of a model is named: the model's own, or a name in the current directory for one that
// a cache holds.
Result<std::string> name_after(const std::string& path, const GgufFile& model) {
  std::error_code ignored;
  const auto real = link_destination(path);
  const auto* name = model.find_key("general.name");
  const auto model_name = name != nullptr ? name->value.text().value_or("") : "";
  auto named = naming_path(path, real, model_name);
  if (named != path && std::filesystem::equivalent(as_path("."), as_path(parent_of(real)), ignored)) {
    return name_the_output(
        fmt::format("'{}' is stored under a digest, and the current directory is the cache that holds it", path));
  }
  return named;
}

Result<std::string> name_after_target(const GraftRequest& request, const GgufFile& target, std::size_t file_count) {
  MTPGRAFT_TRY(const auto named, name_after(request.target, target));
  auto path = default_output_path(named, file_count);
  if (path == request.target) {
    return name_the_output(fmt::format("'{}' has MTP in its name already", request.target));
  }
  return path;
}

// A place for what is beside a folder: "." and ".." have nothing beside them that is meant.
std::string beside_folder(const std::string& path) {
  auto folder = as_path(path).lexically_normal();
  if (!folder.has_filename()) {
    folder = folder.parent_path();  // of a name that ends with a slash
  }
  const auto name = folder.filename();
  return name.empty() || name == "." || name == ".." ? "" : folder.parent_path().string();
}

// The model that a head is called after, with the directory that its file goes to.
struct HeadName {
  std::string directory;  // empty: the current one
  std::string model_path;
};

Result<HeadName> name_after_donor(const std::string& path, const Donor& donor) {
  if (donor.remote) {
    // "hf://OWNER/NAME@COMMIT:FILE"
    const auto repository = donor.pinned_path.substr(0, donor.pinned_path.find('@'));
    return HeadName{{},
                    donor.pinned_path.empty() ? donor.labels.donor_file
                                              : fmt::format("{}/{}", base_name(repository), donor.labels.donor_file)};
  }
  if (!donor.is_checkpoint) {
    // Of a folder in the cache of Hugging Face the file in it.
    MTPGRAFT_TRY(const auto named, name_after(donor.file->sources().front()->path(), donor.gguf));
    return HeadName{as_path(named).parent_path().string(), named};
  }
  std::error_code ignored;
  const auto full = std::filesystem::absolute(as_path(path), ignored).lexically_normal();
  const auto model_path = full.has_filename() ? full.string() : full.parent_path().string();
  if (!hub_store_of(model_path).empty()) {
    return HeadName{{}, model_path};
  }
  const bool is_folder = std::filesystem::is_directory(as_path(path), ignored);
  return HeadName{is_folder ? beside_folder(path) : as_path(path).parent_path().string(), model_path};
}

// The type that most bytes of the head's matrices have.
std::string type_of_head(const Plan& plan) {
  std::vector<const TensorInfo*> matrices;
  std::vector<const TensorInfo*> all;
  for (const auto& head : plan.head_tensors) {
    all.push_back(&head.info);
    if (head.info.n_dims > 1) {
      matrices.push_back(&head.info);
    }
  }
  return share_types(matrices.empty() ? all : matrices).front().type;
}

bool is_input(const std::string& path, const Job& job) {
  std::error_code ignored;
  const auto inputs = inputs_of(job.sources);
  return std::ranges::any_of(inputs, [&](const ReadableFile* input) {
    return !is_remote(input->path()) && std::filesystem::equivalent(as_path(input->path()), as_path(path), ignored);
  });
}

}  // namespace

Error name_the_output(std::string message) {
  return {.code = ErrorCode::kUsage, .message = std::move(message), .remedy = Remedy::kNameOutput};
}

Result<std::string> choose_output(const GraftRequest& request, const GgufFile& target, std::size_t file_count) {
  if (request.output.in_place) {
    return request.target;
  }
  auto path = first_output_path(request.output.path, file_count);
  if (request.output.path.empty()) {
    MTPGRAFT_TRY(path, name_after_target(request, target, file_count));
  }
  if (!is_first_name(path, file_count)) {
    return name_the_output(
        fmt::format("'{}' is not the name of the first of {} files, which the graft has", path, file_count));
  }
  return path;
}

Result<std::string> choose_head_output(const ExtractRequest& request, const Job& job) {
  if (!request.output.path.empty()) {
    return request.output.path;
  }
  HeadName name;
  if (job.is_for_target) {
    MTPGRAFT_TRY(const auto named, name_after(request.target, job.target));
    name = {as_path(named).parent_path().string(), named};
  } else {
    MTPGRAFT_TRY(name, name_after_donor(request.donor.path, *job.donor));
  }
  if (name.directory.empty() && !hub_store_of(real_path(".")).empty()) {
    return name_the_output("the current directory is in a cache, and nothing is added to it");
  }
  auto path = (as_path(name.directory) / as_path(head_file_name(name.model_path, type_of_head(job.plan)))).string();
  if (is_input(path, job)) {
    return name_the_output(fmt::format("'{}' is the name that the head's file would have, and is read here", path));
  }
  return path;
}

}  // namespace mtpgraft
