#include "model/structure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <span>

#include "model/compatibility.h"

namespace mtpgraft {
namespace {

// Matrices that some files have one below the other in a single tensor; names without ".weight".
struct Joined {
  std::string_view joined;
  std::span<const std::string_view> parts;
};

constexpr auto kQueryKeyValue = std::to_array<std::string_view>({"attn_q", "attn_k", "attn_v"});
constexpr auto kGateUp = std::to_array<std::string_view>({"ffn_gate_exps", "ffn_up_exps"});
constexpr auto kJoined = std::to_array<Joined>({{"attn_qkv", kQueryKeyValue}, {"ffn_gate_up_exps", kGateUp}});

constexpr std::string_view kExpertMarker = "ffn_up_exps.weight";

// As many as a person reads. A hostile file can have a hundred thousand.
constexpr std::size_t kProblemsMax = 100;

std::string_view suffix_of(std::string_view name) {
  const auto dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(dot);
}

// The group that `name` is a part of, or is joined from; null for others.
const Joined* find_joined(std::string_view name) {
  const auto stem = name.substr(0, name.size() - suffix_of(name).size());
  const auto* found = std::ranges::find_if(kJoined, [&](const Joined& group) {
    return group.joined == stem || std::ranges::find(group.parts, stem) != group.parts.end();
  });
  return found != kJoined.end() ? found : nullptr;
}

const Extents* find_extents(const BlockTensors& block, std::string_view name) {
  const auto found = block.find(name);
  return found != block.end() ? &found->second : nullptr;
}

// The extents of the group's matrices joined, whether they are or not; nothing if one is missing or does not fit.
std::optional<Extents> joined_extents(const BlockTensors& block, const Joined& group, std::string_view suffix) {
  if (const auto* joined = find_extents(block, std::string(group.joined).append(suffix))) {
    return *joined;
  }
  std::optional<Extents> sum;
  for (const auto part : group.parts) {
    const auto* extents = find_extents(block, std::string(part).append(suffix));
    const std::size_t row = suffix == ".bias" ? 0 : 1;
    if (extents == nullptr || (sum && row == 1 && (*sum)[0] != (*extents)[0])) {
      return std::nullopt;
    }
    if (sum) {
      (*sum)[row] += (*extents)[row];
    } else {
      sum = *extents;
    }
  }
  return sum;
}

bool has(const BlockTensors& block, std::string_view name) {
  if (block.contains(name)) {
    return true;
  }
  const auto* group = find_joined(name);
  return group != nullptr && joined_extents(block, *group, suffix_of(name)).has_value();
}

// Scales of NVFP4 belong to the trunk's types; the head has its own. Where keys and values of latent attention are
// there by themselves, some files have them joined as well.
bool is_no_part_of_blocks(std::string_view name) { return is_scale(name) || name == "attn_kv_b.weight"; }

std::map<std::uint64_t, BlockTensors> trunk_of(const GgufFile& target, std::uint64_t trunk_blocks) {
  std::map<std::uint64_t, BlockTensors> trunk;
  for (const auto& tensor : target.tensors) {
    const auto split = split_block_name(tensor.name);
    if (split && split->block < trunk_blocks && !split->name.starts_with("nextn.") &&
        !is_no_part_of_blocks(split->name)) {
      trunk[split->block].emplace(split->name, tensor.shape);
    }
  }
  return trunk;
}

// By the number in the head.
std::map<std::uint64_t, BlockTensors> head_of(const GgufFile& donor, const Head& head) {
  std::map<std::uint64_t, BlockTensors> blocks;
  for (const auto i : head.tensors) {
    if (const auto split = split_block_name(donor.tensors[i].name)) {
      blocks[split->block - head.first_block].emplace(split->name, donor.tensors[i].shape);
    }
  }
  return blocks;
}

std::string describe(const Extents& extents) { return fmt::format("[{}]", fmt::join(extents, ", ")); }

bool is_expert_tensor(std::string_view name) {
  return name.find("_exps.") != std::string_view::npos || name.starts_with("ffn_gate_inp.") ||
         name.starts_with("exp_probs_b");
}

// One block of the head on its way through the rules.
class BlockCheck {
 public:
  // `number` is that of the block in the donor.
  BlockCheck(const GgufFile& target, const std::map<std::uint64_t, BlockTensors>& trunk, const BlockTensors& block,
             std::uint64_t number, const GgufFile& donor, const Architecture& architecture, ExpertRule experts,
             StructureReport& report)
      : target_(target),
        trunk_(trunk),
        donor_(donor),
        block_(block),
        prefix_(fmt::format("blk.{}.", number)),
        architecture_(architecture),
        is_known_(architecture.support != MtpSupport::kUnknown),
        experts_(experts),
        report_(report) {}

  void run() {
    if (!trunk_.empty()) {
      check_names();
    }
    for (const auto& [name, extents] : block_) {
      if (is_no_part_of_blocks(name)) {
        continue;
      }
      if (name.starts_with("nextn.")) {
        check_nextn(name, extents);
      } else if (is_expert_tensor(name) && (experts_ == ExpertRule::kOwn || trunk_.empty())) {
        check_experts(name, extents);
      } else if (!trunk_.empty()) {
        check_extents(name, extents);
      }
    }
  }

 private:
  // Of an architecture in no table nobody knows what a loader makes of it.
  void refuse(std::string problem) { add(is_known_ ? report_.refusals : report_.warnings, std::move(problem)); }

  static void add(std::vector<std::string>& problems, std::string problem) {
    if (problems.size() < kProblemsMax) {
      problems.push_back(std::move(problem));
    }
  }

  [[nodiscard]] bool may_lack(std::string_view name) const {
    const auto begins = [&](std::string_view beginning) { return name.starts_with(beginning); };
    return has(block_, name) || is_listed(architecture_.required, name) ||
           std::ranges::any_of(architecture_.trunk_only, begins);
  }

  // What the head has is all that some block of the trunk has.
  void check_names() {
    if (!is_known_) {
      for (const std::string_view name : {"nextn.eh_proj.weight", "nextn.enorm.weight", "nextn.hnorm.weight"}) {
        if (!block_.contains(name)) {
          refuse(fmt::format("the head lacks '{}{}'", prefix_, name));
        }
      }
    }
    auto missing = fewest_missing({}, {});
    // Where blocks have attention or experts, and the head has both, no block is like all of it.
    if (missing.names.empty() && has(block_, kExpertMarker)) {
      missing = fewest_missing(kExpertMarker, "ffn_");
    }
    for (const auto name : missing.names) {
      const bool loads = is_listed(architecture_.optional, name) || name.ends_with(".bias");
      auto problem = fmt::format("the head lacks '{}{}', which blk.{} of the trunk has", prefix_, name, missing.like);
      if (is_known_ && loads) {
        add(report_.warnings, problem + "; it loads, and drafts worse");
      } else {
        refuse(std::move(problem));
      }
    }
  }

  struct Missing {
    std::vector<std::string_view> names;
    std::uint64_t like = 0;
  };

  // What the head lacks of the trunk's block that it is most like: of blocks that have `marker`, if there is one, and
  // of tensors whose names begin so.
  [[nodiscard]] Missing fewest_missing(std::string_view marker, std::string_view beginning) const {
    std::optional<Missing> fewest;
    for (const auto& [number, tensors] : trunk_) {
      if (!marker.empty() && !has(tensors, marker)) {
        continue;
      }
      Missing missing{{}, number};
      for (const auto& [name, extents] : tensors) {
        if (missing.names.size() > kProblemsMax || (fewest && missing.names.size() > fewest->names.size())) {
          break;
        }
        if (name.starts_with(beginning) && !may_lack(name)) {
          missing.names.push_back(name);
        }
      }
      if (!fewest || missing.names.size() <= fewest->names.size()) {
        fewest = std::move(missing);
      }
    }
    return fewest.value_or(Missing());
  }

  void check_extents(const std::string& name, const Extents& extents) {
    const auto* group = find_joined(name);
    const auto joined = group != nullptr ? joined_extents(block_, *group, suffix_of(name)) : std::nullopt;
    std::optional<std::pair<std::uint64_t, Extents>> other;
    bool is_alike = false;
    for (const auto& [number, tensors] : trunk_) {
      const auto* same = find_extents(tensors, name);
      const auto theirs = same != nullptr ? std::optional(*same)
                          : joined        ? joined_extents(tensors, *group, suffix_of(name))
                                          : std::nullopt;
      if (theirs) {
        is_alike = is_alike || *theirs == (same != nullptr ? extents : *joined);
        other = {number, *theirs};
      }
    }
    if (!other) {
      check_without_like(name, extents);
    } else if (!is_alike) {
      report_.differs_in_experts = report_.differs_in_experts || is_expert_tensor(name);
      refuse(fmt::format("head tensor '{}{}' has shape {}, that of blk.{} of the trunk has {}", prefix_, name,
                         describe(extents), other->first, describe(other->second)));
    }
  }

  // The last extent that is not 1 counts the experts, which the keys beside them do too.
  void check_experts(const std::string& name, const Extents& extents) {
    const auto* key = donor_.find_arch_key("expert_count");
    const auto count = key != nullptr ? key->value.unsigned_at().value_or(0) : 0;
    const auto last = std::ranges::find_if(extents.rbegin(), extents.rend(), [](auto extent) { return extent != 1; });
    if (count > 0 && last != extents.rend() && *last != count) {
      refuse(fmt::format("head tensor '{}{}' has shape {}, and expert_count is {}", prefix_, name, describe(extents),
                         count));
    }
  }

  // A tensor that no block of the trunk has: a norm of the head's own, or one that no loader asks for.
  void check_without_like(const std::string& name, const Extents& extents) {
    const bool is_norm = name == "layer_output_norm.weight" || name == "post_attention_norm.weight";
    const bool is_asked_for = is_listed(architecture_.required, name) || is_listed(architecture_.optional, name);
    if (is_known_ ? !is_asked_for : !is_norm) {
      refuse(fmt::format(
          "head tensor '{}{}' has no like in the trunk, and {}", prefix_, name,
          is_known_ ? "llama.cpp, which does not ask for it, refuses the file" : "no loader may ask for it"));
    } else if (is_norm) {
      expect(name, extents, {width(), 1, 1, 1});
    }
  }

  [[nodiscard]] std::uint64_t width() const {
    const auto* embedding = target_.find_tensor("token_embd.weight");
    const auto* key = target_.find_arch_key("embedding_length");
    const auto length = key != nullptr ? key->value.unsigned_at() : std::nullopt;
    return length ? *length : embedding != nullptr ? embedding->shape[0] : 0;
  }

  void expect(const std::string& name, const Extents& extents, const Extents& expected) {
    const bool is_known = std::ranges::find(expected, std::uint64_t{0}) == expected.end();
    if (is_known && extents != expected) {
      refuse(fmt::format("head tensor '{}{}' has shape {}, the target asks for {}", prefix_, name, describe(extents),
                         describe(expected)));
    }
  }

  void check_nextn(const std::string& name, const Extents& extents) {
    if (is_known_ && !is_listed(architecture_.required, name) && !is_listed(architecture_.optional, name)) {
      refuse(fmt::format("llama.cpp does not ask for head tensor '{}{}', and refuses the file", prefix_, name));
      return;
    }
    if (name == "nextn.eh_proj.weight") {
      expect(name, extents, {2 * width(), width(), 1, 1});
    } else if (name == "nextn.hnorm.weight") {
      expect(name, extents, {streams() * width(), 1, 1, 1});
    } else if (name == "nextn.enorm.weight" || name == "nextn.shared_head_norm.weight") {
      expect(name, extents, {width(), 1, 1, 1});
    } else if (name == "nextn.embed_tokens.weight" || name == "nextn.shared_head_head.weight") {
      expect(name, extents, extents_of("token_embd.weight"));
    } else if (name.starts_with("nextn.hc_head_")) {
      expect(name, extents, extents_of("output_hc_" + name.substr(std::string_view("nextn.hc_head_").size())));
    }
  }

  [[nodiscard]] std::uint64_t streams() const {
    const auto* key = target_.find_arch_key("hyper_connection.count");
    return architecture_.hnorm_covers_streams && key != nullptr ? key->value.unsigned_at().value_or(0) : 1;
  }

  // All 0, which stands for any extents, if the target has no such tensor.
  [[nodiscard]] Extents extents_of(std::string_view name) const {
    const auto* tensor = target_.find_tensor(name);
    return tensor != nullptr ? tensor->shape : Extents{};
  }

  const GgufFile& target_;
  const std::map<std::uint64_t, BlockTensors>& trunk_;
  const GgufFile& donor_;
  const BlockTensors& block_;
  std::string prefix_;
  const Architecture& architecture_;
  bool is_known_;
  ExpertRule experts_;
  StructureReport& report_;
};

bool is_of_part(std::string_view name, BlockPart part) {
  switch (part) {
    case BlockPart::kAttention:
      return name.starts_with("attn_") && !name.ends_with("norm.weight");
    case BlockPart::kFeedForward:
      return name.starts_with("ffn_") && !name.ends_with("norm.weight");
    case BlockPart::kAll:
      break;
  }
  return true;
}

}  // namespace

StructureReport check_structure(const GgufFile& target, std::uint64_t trunk_blocks, const GgufFile& donor,
                                const Head& donor_head, const Architecture& architecture, ExpertRule experts) {
  StructureReport report;
  const auto trunk = trunk_of(target, trunk_blocks);
  auto head = head_of(donor, donor_head);
  const auto has_enough = [&] { return std::max(report.refusals.size(), report.warnings.size()) >= kProblemsMax; };
  for (std::uint64_t i = 0; i < donor_head.block_count && !has_enough(); ++i) {
    BlockCheck(target, trunk, head[i], donor_head.first_block + i, donor, architecture, experts, report).run();
  }
  return report;
}

const std::vector<std::uint64_t>& LikeBlocks::find(std::uint64_t index, BlockPart part) const {
  const auto [cached, is_new] = found_.try_emplace({index, part});
  auto& like = cached->second;
  if (!is_new) {
    return like;
  }
  if (trunk_.empty()) {
    trunk_ = trunk_of(target_, trunk_blocks_);
    head_blocks_ = head_of(donor_, head_);
  }
  const auto& block = head_blocks_[index];
  const auto is_alike = [&](const BlockTensors& tensors, const std::string& name, const Extents& extents) {
    if (const auto* own = find_extents(block, name)) {
      return *own == extents;
    }
    const auto* group = find_joined(name);
    const auto joined = group != nullptr ? joined_extents(block, *group, suffix_of(name)) : std::nullopt;
    return joined && joined == joined_extents(tensors, *group, suffix_of(name));
  };
  for (const auto& trunk_block : trunk_) {
    const auto& tensors = trunk_block.second;
    std::size_t of_part = 0;
    const bool fits = std::ranges::all_of(tensors, [&](const auto& tensor) {
      const bool counts = is_of_part(tensor.first, part);
      of_part += counts ? 1 : 0;
      return !counts || is_alike(tensors, tensor.first, tensor.second);
    });
    if (fits && of_part > 0) {
      like.push_back(trunk_block.first);
    }
  }
  return like;
}

}  // namespace mtpgraft
