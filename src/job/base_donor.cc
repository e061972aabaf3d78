#include "job/base_donor.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "gguf/snapshot.h"
#include "job/explain_donor.h"
#include "model/base_models.h"
#include "model/compatibility.h"
#include "model/dialect.h"
#include "mtpgraft/head_data.h"
#include "util/parse.h"
#include "util/path.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

// From one base model to its own.
constexpr std::size_t kStepsMax = 3;

struct FoundHead {
  Donor donor;
  FromBase how;
  std::uint64_t head_bytes = 0;  // the donor's own, whatever the head is to be converted to; 0: not known
};

// "PATH: what is wrong (why)", as one of several reasons.
std::string as_reason(const Error& error, const std::string& path) {
  return fmt::format("{}: {}{}", path, error.message,
                     error.details.empty() ? "" : fmt::format(" ({})", error.details.front()));
}

class BaseSearch {
 public:
  BaseSearch(const GraftRequest& request, const Context& context, const Job& job)
      : request_(request),
        context_(context),
        job_(job),
        donor_(request.donor),
        must_replace_(needs_replace(job.target, find_head(job.target))) {}

  Result<FoundHead> find() {
    const auto bases = find_base_models(job_.target);
    if (bases.empty()) {
      return no_donor("names no model that it was made of");
    }
    if (bases.size() > 1) {
      // A list tells of the heads as they are.
      donor_.head_type.clear();
      donor_.ggml_path.clear();
    }
    MTPGRAFT_TRY(auto beside, look_beside(bases));
    MTPGRAFT_TRY(auto found, bases.size() > 1 ? choose_base(bases, beside) : find_head_of(bases.front(), beside));
    std::ranges::move(notes_, std::back_inserter(found.donor.notes));
    found.donor.warnings.insert(found.donor.warnings.end(), warnings_.begin(), warnings_.end());
    found.how.warnings = std::move(warnings_);
    return found;
  }

 private:
  [[nodiscard]] Error no_donor(std::string message) const {
    return {.code = ErrorCode::kUsage,
            .message = std::move(message),
            .path = request_.target,
            .details = notes_,
            .remedy = Remedy::kNameDonor};
  }

  [[nodiscard]] Error choice(std::string message, std::vector<DonorChoice> donors,
                             std::vector<std::string> reasons = {}) const {
    return {.code = ErrorCode::kUsage,
            .message = std::move(message),
            .path = request_.target,
            .details = std::move(reasons),
            .remedy = choosing(),
            .donors = std::move(donors)};
  }

  [[nodiscard]] Remedy choosing() const { return must_replace_ ? Remedy::kReplaceHead : Remedy::kChooseDonor; }

  Result<Donor> open(const std::string& path) const {
    auto donor = donor_;
    donor.path = path;
    return open_donor(donor, job_.target.architecture(), context_, {}, remote_, job_.trunk_norms,
                      read_head_sizes(job_.target));
  }

  // Whether the head fits, as the plan of a graft judges it.
  Status judge(const Donor& donor) const {
    MTPGRAFT_TRY(auto head_data, read_head_data(*donor.file, donor.gguf, DigestHead::kNo, {}));
    head_data.trunk_norms = job_.trunk_norms;
    auto plan = make_graft_plan(job_.target, donor.gguf, head_data, {.replace = request_.replace, .labels = {}});
    if (plan.ok()) {
      return ok_status();
    }
    auto& error = plan.error();
    if (is_misfit(donor.gguf, head_data)) {
      error.hint.clear();  // it leads to the base model, and this is it
      error.remedy = error.remedy == Remedy::kNone ? Remedy::kOtherDonor : error.remedy;
    }
    return std::move(error);
  }

  // As against a fault of the target, or a head that is of the right model and damaged.
  [[nodiscard]] bool is_misfit(const GgufFile& donor, const HeadData& head_data) const {
    const auto& target = job_.target;
    const auto head = find_head(donor);
    return !check_donor(donor, head, target).ok() ||
           !check_fit(target, find_head(target), donor, head, head_data, HeadPlace::kInModel).refusals.empty();
  }

  // The heads in the target's folder that are of one of the models, and fit.
  Result<std::vector<FoundHead>> look_beside(const std::vector<BaseModel>& bases) {
    std::vector<FoundHead> found;
    if (request_.donor.norm_offset) {
      return found;  // it is for checkpoints: a GGUF has its norms as they are
    }
    const auto own_name = base_name(request_.target);
    const auto folder = request_.target.substr(0, request_.target.size() - own_name.size());
    auto names = context_.files.list_folder(parent_of(request_.target));
    if (!names.ok()) {
      return found;
    }
    std::ranges::sort(names.value());
    for (const auto& name : names.value()) {
      if (name == own_name || !is_sidecar_name(name) || !is_model_name(name)) {
        continue;
      }
      const auto path = folder + name;
      const auto model = open_donor_model(context_.files, path);
      if (!model.ok()) {
        notes_.push_back(as_reason(model.error(), path));
        continue;
      }
      const auto& gguf = model.value().gguf;
      const auto base = std::ranges::find_if(bases, [&](const auto& each) { return is_of_base_model(gguf, each); });
      if (base == bases.end()) {
        notes_.push_back(describe_other_model(path, gguf));
        continue;
      }
      auto donor = open(path);
      if (donor.ok()) {
        const auto fits = judge(donor.value());
        if (fits.ok()) {
          found.push_back(
              {std::move(donor).value(), {path, FromBase::Place::kBeside, *base}, find_donors_head(gguf).bytes});
          continue;
        }
        donor = fits.error();
      }
      if (ends_search(donor.error())) {
        return donor.error();
      }
      notes_.push_back(as_reason(donor.error(), path));
    }
    return found;
  }

  Result<FoundHead> find_head_of(const BaseModel& base, std::vector<FoundHead>& beside) {
    if (beside.size() == 1) {
      return std::move(beside.front());
    }
    if (beside.size() > 1) {
      return choice(fmt::format("several heads beside it are of the base model {}", name_of(base)), as_choices(beside));
    }
    if (base.repository.empty()) {
      return no_donor(
          fmt::format("names the base model {} ({}), and no repository of the Hugging Face Hub; no "
                      "mtp-*.gguf beside it is of that model",
                      name_of(base), base.key));
    }
    auto found = look_on_hub(base);
    const auto fits = found.ok() ? judge(found.value().donor) : Status(found.error());
    if (fits.ok()) {
      return found;
    }
    auto error = fits.error();
    if (!ends_search(error)) {
      error.details.insert(error.details.end(), notes_.begin(), notes_.end());
    }
    return explain_base_donor(std::move(error), base);
  }

  static std::vector<DonorChoice> as_choices(const std::vector<FoundHead>& found) {
    std::vector<DonorChoice> donors;
    donors.reserve(found.size());
    for (const auto& each : found) {
      donors.push_back({each.how.path, each.head_bytes});
    }
    return donors;
  }

  static std::vector<DonorChoice> repositories_as_choices(const std::vector<std::string>& repositories) {
    std::vector<DonorChoice> donors;
    for (std::size_t i = 0; i < std::min(repositories.size(), kBaseModelsMax); ++i) {
      donors.push_back({hub_path(repositories[i])});
    }
    return donors;
  }

  // Of a merge: which of the heads is meant, only the user can say.
  Result<FoundHead> choose_base(const std::vector<BaseModel>& bases, const std::vector<FoundHead>& beside) {
    auto donors = as_choices(beside);
    std::vector<std::string> reasons;
    std::optional<Error> unknown;
    for (const auto& base : bases) {
      const auto is_base = [&](const FoundHead& each) { return each.how.base.key == base.key; };
      if (std::ranges::any_of(beside, is_base)) {
        continue;
      }
      auto donor = find_fitting(base);
      if (donor.ok()) {
        // Two of them may lead to one head.
        if (std::ranges::find(donors, donor.value()) == donors.end()) {
          donors.push_back(std::move(donor).value());
        }
        continue;
      }
      const auto& error = donor.error();
      if (ends_search(error)) {
        return error;
      }
      reasons.push_back(as_reason(error, "not " + name_of(base)));
      unknown = error.code == ErrorCode::kIo ? std::optional(error) : unknown;
    }
    const auto count = fmt::format("is made of {} models", bases.size());
    std::ranges::copy(notes_, std::back_inserter(reasons));
    if (!donors.empty()) {
      return choice(fmt::format("{}; say whose head it is to get", count), std::move(donors), std::move(reasons));
    }
    Error error{.code = unknown ? ErrorCode::kIo : ErrorCode::kIncompatible,
                .message = fmt::format("{}, and no head of theirs was found that fits", count),
                .path = request_.target,
                .details = std::move(reasons),
                .remedy = Remedy::kNameDonor};
    error.http_status = unknown ? unknown->http_status : 0;
    error.is_retryable = unknown && unknown->is_retryable;
    return error;
  }

  // Without the commit: that is for the user's next command to find.
  Result<DonorChoice> find_fitting(const BaseModel& base) {
    if (base.repository.empty()) {
      return Error{.code = ErrorCode::kIncompatible,
                   .message = fmt::format("{} names no repository of the Hugging Face Hub", base.key)};
    }
    MTPGRAFT_TRY(auto found, look_on_hub(base));
    MTPGRAFT_CHECK(judge(found.donor));
    return DonorChoice{found.how.path.substr(0, found.how.path.find('@')), find_head(found.donor.gguf).bytes};
  }

  // The base model's head, or that of its own base where it has lost it.
  Result<FoundHead> look_on_hub(const BaseModel& base) {
    if (!remote_) {
      MTPGRAFT_TRY(remote_, open_remote_source(request_.donor.remote, context_));
    }
    std::vector<std::string> looked_at{base.repository};
    while (true) {
      const auto path = hub_path(looked_at.back());
      const auto place = remote_->find_cached(path).value_or(path);
      auto found = look_at(base, place);
      auto headless = headless_of(found);
      if (!headless) {
        return found;
      }
      MTPGRAFT_TRY(const auto repository, remote_->find(place));
      // The cache may have other files of it than the head.
      MTPGRAFT_TRY(const bool is_more_known, remote_->describe(repository));
      if (is_more_known) {
        found = look_at(base, place);
        headless = headless_of(found);
        if (!headless) {
          return found;
        }
      }
      auto own_bases = repository.repository->base_models;
      if (headless == Headless::kNever || own_bases.empty()) {
        return explain_headless(path, own_bases, *headless);
      }
      if (own_bases.size() > 1) {
        return several_bases(path, own_bases);
      }
      const auto next = std::move(own_bases.front());
      const auto is_next = [&](const std::string& other) { return lowered(other) == lowered(next); };
      if (std::ranges::any_of(looked_at, is_next)) {
        looked_at.push_back(next);
        return lost("they are each other's base models in a circle", looked_at);
      }
      if (looked_at.size() > kStepsMax) {
        return lost(fmt::format("no more than {} steps are taken", kStepsMax), looked_at);
      }
      warnings_.push_back(
          {"base-without-head", fmt::format("the base model {} has lost its head; its own base model is looked at: {}",
                                            path, hub_path(next))});
      looked_at.push_back(next);
    }
  }

  [[nodiscard]] Result<FoundHead> look_at(const BaseModel& base, const std::string& path) const {
    MTPGRAFT_TRY(auto donor, open(path));
    const bool is_here = plan_fetches(*donor.file, {{{0, donor.file->size()}}}).empty();
    auto pinned = donor.pinned_path;
    return FoundHead{std::move(donor),
                     {std::move(pinned), is_here ? FromBase::Place::kHubCache : FromBase::Place::kHub, base}};
  }

  static std::optional<Headless> headless_of(const Result<FoundHead>& found) {
    if (!found.ok()) {
      return found.error().headless;
    }
    // Of a repository of GGUF files.
    const auto state = find_head(found.value().donor.gguf).state;
    return state == HeadState::kNone          ? std::optional(Headless::kNever)
           : state == HeadState::kPlaceholder ? std::optional(Headless::kLost)
                                              : std::nullopt;
  }

  [[nodiscard]] Error explain_headless(const std::string& path, const std::vector<std::string>& own_bases,
                                       Headless headless) const {
    Error error{.code = ErrorCode::kIncompatible,
                .message = headless == Headless::kNever
                               ? fmt::format("the base model {} has no MTP head", path)
                               : fmt::format("the base model {} has lost its head, and the hub does not tell what it "
                                             "was made of",
                                             path),
                .path = request_.target,
                .remedy = Remedy::kNameDonor,
                .headless = headless,
                .donors = repositories_as_choices(own_bases)};
    std::vector<std::string> names;
    for (const auto& donor : error.donors) {
      names.push_back(donor.path);
    }
    if (!names.empty()) {
      error.message += "; it was itself made of " + list_some(names, " and ");
      error.remedy = choosing();
    }
    return error;
  }

  [[nodiscard]] Error several_bases(const std::string& path, const std::vector<std::string>& own_bases) const {
    return choice(fmt::format("the base model {} has lost its head, and was made of several models", path),
                  repositories_as_choices(own_bases));
  }

  [[nodiscard]] Error lost(std::string_view why, const std::vector<std::string>& looked_at) const {
    return {.code = ErrorCode::kIncompatible,
            .message = fmt::format("its base models have lost their heads, and {}: {}", why,
                                   fmt::join(looked_at, ", made of ")),
            .path = request_.target,
            .remedy = Remedy::kNameDonor,
            .headless = Headless::kLost};
  }

  const GraftRequest& request_;
  const Context& context_;
  const Job& job_;
  DonorRequest donor_;
  bool must_replace_;                     // the target has a head
  std::shared_ptr<RemoteSource> remote_;  // null until it is needed
  std::vector<std::string> notes_;        // of heads beside the target that are passed over
  std::vector<Warning> warnings_;
};

}  // namespace

Status open_graft_donor(const GraftRequest& request, const Context& context, Job& job) {
  if (!request.from_base) {
    MTPGRAFT_TRY(job.donor, open_donor(request.donor, job.target.architecture(), context, {}, nullptr, job.trunk_norms,
                                       read_head_sizes(job.target)));
    return ok_status();
  }
  if (!request.donor.path.empty()) {
    return Error{
        .code = ErrorCode::kUsage, .message = "cannot be given together with from_base", .field = RequestField::kDonor};
  }
  // What no donor could mend is said before one is looked for.
  MTPGRAFT_CHECK(check_lone_target(job.target, request.replace));
  MTPGRAFT_TRY(auto found, BaseSearch(request, context, job).find());
  job.donor = std::move(found.donor);
  job.from_base = std::move(found.how);
  return ok_status();
}

}  // namespace mtpgraft
