#include "job/explain_donor.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "model/base_models.h"
#include "model/compatibility.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

// "the target's key general.base_model.0.repo_url names Qwen/Qwen3.5-9B".
std::string describe_origin(const BaseModel& base) {
  return base.is_guessed ? fmt::format("no key names a repository; {} and the organization make it probably {}",
                                       base.key, hub_path(base.repository))
                         : fmt::format("the target's key {} names {}", base.key, name_of(base));
}

// What the request could name as the donor of a model that was made of these.
void propose_donors(const std::vector<BaseModel>& bases, Remedy choosing, Error& error) {
  for (const auto& base : bases) {
    if (!base.repository.empty()) {
      error.donors.push_back({hub_path(base.repository)});
      error.remedy = choosing;
    }
    if (base.is_guessed) {
      error.details.push_back(describe_origin(base));
    }
  }
}

}  // namespace

std::string hub_path(const std::string& repository) { return "hf://" + repository; }

bool ends_search(const Error& error) {
  return error.code == ErrorCode::kInterrupted || error.field != RequestField::kNone;
}

bool needs_replace(const GgufFile& target, const Head& head) {
  const auto status = check_target(target, head, false);
  return !status.ok() && status.error().remedy == Remedy::kReplaceHead;
}

Status check_lone_target(const GgufFile& target, bool replace) {
  const auto head = find_head(target);
  auto status = check_target(target, head, replace);
  if (!status.ok() && (head.state == HeadState::kSidecar || head.state == HeadState::kTensorsOnly)) {
    status.error().hint = "name the model that is to have a head";
  }
  return status;
}

Error explain_no_donor(const GraftRequest& request, const Context& context) {
  Error error{
      .code = ErrorCode::kUsage, .message = "no donor is named", .path = request.target, .remedy = Remedy::kNameDonor};
  const auto model = open_model(context.files, request.target);
  if (!model.ok()) {
    return error;
  }
  const auto& target = model.value().gguf;
  if (const auto status = check_lone_target(target, true); !status.ok()) {
    return status.error();
  }
  const bool must_replace = needs_replace(target, find_head(target));
  if (must_replace && !request.replace) {
    error.message += ", and the target has a head already";
    error.remedy = Remedy::kReplaceHead;
  }
  auto bases = find_base_models(target);
  propose_donors(bases, must_replace ? Remedy::kReplaceHead : Remedy::kChooseDonor, error);
  if (bases.size() == 1 && !bases.front().repository.empty()) {
    error.donors.clear();
    error.remedy = must_replace ? Remedy::kReplaceHead : Remedy::kTakeBase;
    error.subject = bases.front().repository;
  }
  return error;
}

Error explain_base_donor(Error error, const BaseModel& base) {
  if (ends_search(error)) {
    return error;
  }
  error.details.push_back(describe_origin(base));
  if (error.code == ErrorCode::kIncompatible && !error.has_advice()) {
    error.remedy = Remedy::kOtherDonor;
  }
  return error;
}

std::string describe_other_model(const std::string& path, const GgufFile& sidecar) {
  const auto names = names_in_keys(sidecar);
  return fmt::format("{} is not taken: its keys name {}", path, names.empty() ? "no model" : list_some(names, " and "));
}

}  // namespace mtpgraft
