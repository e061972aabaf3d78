#include "verify/explain.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include "mtpgraft/head.h"

namespace mtpgraft {
namespace {

// More than these are not worth a line each if they have one reason.
constexpr std::size_t kListed = 4;

// Tensors of which some differ.
struct Tally {
  std::size_t total = 0;
  std::set<std::string_view> differing{};

  [[nodiscard]] bool are_many() const { return differing.size() > kListed; }
  [[nodiscard]] bool are_most() const { return are_many() && 2 * differing.size() > total; }
  [[nodiscard]] std::string text() const { return fmt::format("{} of {} tensors", differing.size(), total); }
};

class Explanation {
 public:
  Explanation(const std::vector<Difference>& differences, const Evidence& evidence) : evidence_(evidence) {
    for (const auto& tensor : evidence.plan.head_tensors) {
      head_names_.insert(tensor.name);
    }
    head_.total = head_names_.size();
    trunk_.total = evidence.plan.tensor_count() - head_.total;
    for (const auto& difference : differences) {
      if (difference.of == Difference::Of::kTensor) {
        (is_of_head(difference.name) ? head_ : trunk_).differing.insert(difference.name);
      }
    }
    for (const auto& tensor : evidence.retyped) {
      if (!(is_of_head(tensor.name) ? evidence.is_other_donor : evidence.is_other_target)) {
        retyped_.insert(tensor.name);
        ++ways_[fmt::format("{} -> {}", tensor.expected, tensor.actual)];
      }
    }
  }

  // Says why, and notes what need not be told one by one.
  std::vector<Finding> find_reasons() {
    const bool is_requantised = retyped_.size() > kListed;
    if (is_requantised) {
      add_requantised();
    }
    if (evidence_.is_other_target || (!is_requantised && trunk_.are_most())) {
      add_target();
    }
    if (!evidence_.headless.empty()) {
      add(evidence_.headless);
      drops_head_ = true;
      drops_keys_ = true;
    } else if (evidence_.is_other_donor || (!is_requantised && head_.are_most())) {
      add_donor();
    }
    return std::move(reasons_);
  }

  [[nodiscard]] bool is_explained(const Difference& difference) const {
    switch (difference.of) {
      case Difference::Of::kBytes:
        return drops_trunk_ || drops_head_ || drops_retyped_;
      case Difference::Of::kKey:
        return drops_keys_ ||
               (difference.name == kRecordKey && (evidence_.is_other_target || evidence_.is_other_donor));
      case Difference::Of::kTensor:
        return (is_of_head(difference.name) ? drops_head_ : drops_trunk_) ||
               (drops_retyped_ && retyped_.contains(difference.name));
    }
    return false;
  }

 private:
  [[nodiscard]] bool is_of_head(std::string_view name) const {
    const auto split = split_block_name(name);
    return head_names_.contains(name) || (split && split->block >= evidence_.plan.first_head_block);
  }

  void add(std::string message) { reasons_.push_back({std::move(message), {}}); }

  void add_requantised() {
    std::string list;
    for (const auto& [way, count] : ways_) {
      list += fmt::format("{}{} ({})", list.empty() ? "" : ", ", way, count);
    }
    const auto what = fmt::format("{} of {} tensors have other types than in the graft: {}", retyped_.size(),
                                  trunk_.total + head_.total, list);
    add(evidence_.record != nullptr
            ? "the graft was requantised after it was made: " + what
            : what + ": it was requantised after it was made, or these are not its target and donor");
    drops_retyped_ = true;
  }

  void add_target() {
    drops_trunk_ = trunk_.are_many();
    drops_keys_ = drops_trunk_;
    const auto what = drops_trunk_ ? fmt::format("{} outside the head differ", trunk_.text()) : "";
    if (evidence_.is_other_target) {
      const auto& origin = evidence_.record->origin;
      add(fmt::format("the target is not the one of the record, '{}' of {} bytes{}{}", origin.file, origin.size,
                      what.empty() ? "" : ": ", what));
    } else {
      add(what + (evidence_.record != nullptr ? ", though the target's header is the one of the record"
                                              : ": the target is not the one that it was made of"));
    }
  }

  void add_donor() {
    drops_head_ = head_.are_many();
    const auto what = drops_head_ ? fmt::format("{} of the head differ", head_.text()) : "";
    if (evidence_.is_other_donor) {
      const auto& record = *evidence_.record;
      add(fmt::format("the donor is not the one of the record, '{}', whose head has XXH128 {}{}{}",
                      record.labels.donor_file, to_hex(record.head.digest), what.empty() ? "" : ": ", what));
    } else {
      add(what + (evidence_.record != nullptr ? ", though the donor's are those of the record"
                                              : ": the donor is not the one that it was made of"));
    }
  }

  const Evidence& evidence_;
  std::unordered_set<std::string_view> head_names_;
  std::unordered_set<std::string_view> retyped_;  // not because the sources are others
  std::map<std::string, std::size_t> ways_;       // "Q4_K -> Q8_0", and of how many
  Tally trunk_;
  Tally head_;
  std::vector<Finding> reasons_;
  bool drops_trunk_ = false;
  bool drops_head_ = false;
  bool drops_keys_ = false;
  bool drops_retyped_ = false;
};

}  // namespace

std::vector<Finding> explain(std::vector<Difference> differences, const Evidence& evidence) {
  if (evidence.only_tensors) {
    std::erase_if(differences, [](const Difference& each) { return each.of != Difference::Of::kTensor; });
  }
  if (differences.empty()) {
    return {};
  }
  Explanation explanation(differences, evidence);
  auto findings = explanation.find_reasons();
  for (auto& difference : differences) {
    if (!explanation.is_explained(difference)) {
      findings.push_back(std::move(difference.finding));
    }
  }
  return findings;
}

}  // namespace mtpgraft
