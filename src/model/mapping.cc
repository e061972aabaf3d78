#include "model/mapping.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/architectures.h"
#include "util/parse.h"

namespace mtpgraft {
namespace {

// Takes "12." off the front.
std::optional<std::uint64_t> take_index(std::string_view& text) {
  const auto number = take_number<std::uint64_t>(text);
  if (!number || !text.starts_with('.')) {
    return std::nullopt;
  }
  text.remove_prefix(1);
  return number;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) {
    return false;
  }
  text.remove_prefix(prefix.size());
  return true;
}

// What is left of `name` after the rule's; nothing if the rule is for other tensors.
std::optional<std::string_view> match(const TensorRule& rule, std::string_view name, std::uint64_t& part) {
  auto pattern = rule.name;
  const auto star = pattern.find('*');
  if (star != std::string_view::npos) {
    if (!take_prefix(name, pattern.substr(0, star))) {
      return std::nullopt;
    }
    const auto number = take_index(name);
    if (!number) {
      return std::nullopt;
    }
    part = *number;
    pattern.remove_prefix(star + 2);
  }
  if (!take_prefix(name, pattern) || (!name.empty() && name != ".weight" && name != ".bias")) {
    return std::nullopt;
  }
  return name;
}

// How many rules say what the same tensor of a GGUF is joined from.
std::uint64_t count_parts(const Family& family, const TensorRule& joined) {
  auto parts = static_cast<std::uint64_t>(std::ranges::count_if(family.alternates, [&](const TensorRule& rule) {
    return rule.transform == joined.transform && rule.gguf_name == joined.gguf_name;
  }));
  for (const auto& rules : family.rules) {
    parts += static_cast<std::uint64_t>(std::ranges::count_if(rules, [&](const TensorRule& rule) {
      return rule.transform == joined.transform && rule.gguf_name == joined.gguf_name;
    }));
  }
  return parts;
}

bool has_suffix(std::string_view name) { return name.ends_with(".weight") || name.ends_with(".bias"); }

std::optional<HeadTensorSource> find_rule(const Family& family, std::string_view name) {
  const auto root = find_architecture(family.architecture).own_root;
  auto lists = std::vector{family.alternates};
  lists.insert(lists.end(), family.rules.begin(), family.rules.end());
  for (const auto& rules : lists) {
    for (const auto& rule : rules) {
      HeadTensorSource source;
      source.part = rule.part;
      const auto suffix = match(rule, name, source.part);
      if (!suffix) {
        continue;
      }
      source.transform = rule.transform;
      if (rule.transform == Transform::kJoinRows || rule.transform == Transform::kJoinColumns) {
        source.parts = count_parts(family, rule);
      }
      source.gguf_name = rule.gguf_name;
      if (!has_suffix(rule.gguf_name)) {
        source.gguf_name += *suffix;
      }
      source.is_root = std::ranges::find(root, source.gguf_name) != root.end();
      return source;
    }
  }
  return std::nullopt;
}

struct BlockName {
  std::uint64_t block;
  std::string_view name;
  bool is_of_no_layer = false;
};

// Where models with other modalities put "language_model." differs.
std::string_view without_prefixes(std::string_view name) {
  bool has_more = true;
  while (has_more) {
    has_more = take_prefix(name, "language_model.") || take_prefix(name, "model.");
  }
  return name;
}

std::optional<BlockName> split_numbered(std::string_view name) {
  const auto block = take_index(name);
  return block ? std::optional(BlockName{*block, name}) : std::nullopt;
}

// Nothing for a tensor of the trunk.
std::optional<BlockName> split_name(const Family& family, std::string_view full_name, std::uint64_t trunk_blocks) {
  const auto name = without_prefixes(full_name);
  auto rest = name;
  if (family.layout == HeadLayout::kAppended && take_prefix(rest, "layers.")) {
    const auto split = split_numbered(rest);
    return split && split->block >= trunk_blocks ? std::optional(BlockName{split->block - trunk_blocks, split->name})
                                                 : std::nullopt;
  }
  if (!take_prefix(rest, "mtp.")) {
    return std::nullopt;
  }
  switch (family.layout) {
    case HeadLayout::kAppended:
      return find_rule(family, name) ? std::optional(BlockName{0, name, true}) : std::nullopt;
    case HeadLayout::kNumbered:
      return split_numbered(rest);
    case HeadLayout::kFolded:
      return BlockName{0, rest};
    case HeadLayout::kMtp:
      break;
  }
  return take_prefix(rest, "layers.") ? split_numbered(rest) : std::optional(BlockName{0, name, true});
}

// Where a head without config.json begins: at the first block that has what only heads have.
std::uint64_t find_first_block(const Family& family, const std::vector<std::string>& names) {
  if (family.layout != HeadLayout::kAppended) {
    return 0;
  }
  auto first = UINT64_MAX;
  for (const auto& name : names) {
    const auto split = split_name(family, name, 0);
    if (split && split->name == "eh_proj.weight") {
      first = std::min(first, split->block);
    }
  }
  return first;
}

// What follows the rule's name in a checkpoint for the tensor `name` of a GGUF's block; nothing if the rule is for
// others.
std::optional<std::string_view> match_back(const TensorRule& rule, std::string_view name) {
  if (!take_prefix(name, rule.gguf_name)) {
    return std::nullopt;
  }
  const bool is_all = name.empty() || (!has_suffix(rule.gguf_name) && (name == ".weight" || name == ".bias"));
  return is_all ? std::optional(name) : std::nullopt;
}

bool is_join(const TensorRule& rule) {
  return rule.transform == Transform::kJoinRows || rule.transform == Transform::kJoinColumns;
}

// Of several rules for one tensor of a GGUF the first, and all that it is joined by.
std::vector<TensorRule> list_written_rules(const Family& family) {
  std::vector<TensorRule> written;
  for (const auto& rules : family.rules) {
    for (const auto& rule : rules) {
      const auto known = std::ranges::find(written, rule.gguf_name, &TensorRule::gguf_name);
      const bool is_first = known == written.end() && rule.transform != Transform::kLeaveOut;
      if (is_first || (known != written.end() && is_join(rule) && is_join(*known))) {
        written.push_back(rule);
      }
    }
  }
  return written;
}

// Nothing if only the first block of a head has such a tensor, and this is another.
std::optional<std::string> name_in_checkpoint(const Family& family, const TensorRule& rule, std::string_view suffix,
                                              std::uint64_t block, std::uint64_t first_block) {
  const auto number = block - first_block;
  if (rule.name.starts_with("mtp.")) {
    return number == 0 ? std::optional(fmt::format("{}{}", rule.name, suffix)) : std::nullopt;
  }
  switch (family.layout) {
    case HeadLayout::kFolded:
      return number == 0 ? std::optional(fmt::format("mtp.{}{}", rule.name, suffix)) : std::nullopt;
    case HeadLayout::kAppended:
    case HeadLayout::kNumbered:
    case HeadLayout::kMtp:
      break;
  }
  return fmt::format("{}{}.{}{}", written_prefix(family), family.layout == HeadLayout::kAppended ? block : number,
                     rule.name, suffix);
}

Error cannot_name(const BlockTensorName& tensor, std::string why) {
  return {.code = ErrorCode::kUnsupported,
          .message = fmt::format("head tensor 'blk.{}.{}' {}", tensor.block, tensor.name, why),
          .hint = "extract the head to a .gguf file instead"};
}

}  // namespace

Result<std::vector<HeadTensorSource>> map_head(const Family& family, const std::vector<std::string>& names,
                                               std::optional<std::uint64_t> trunk_blocks) {
  const auto first_block = trunk_blocks ? *trunk_blocks : find_first_block(family, names);
  std::vector<HeadTensorSource> head;
  for (const auto& name : names) {
    const auto split = split_name(family, name, first_block);
    // Frequencies are computed anew.
    if (!split || name.ends_with(".rotary_emb.inv_freq")) {
      continue;
    }
    auto source = find_rule(family, split->name);
    if (!source || split->block >= kBlocksMax) {
      return Error{.code = ErrorCode::kUnsupported,
                   .message = fmt::format("head tensor '{}' is none that {} models are known to have", name,
                                          family.architecture),
                   .hint = "give the checkpoint as it was published, or the head as a GGUF"};
    }
    source->name = name;
    source->block = split->block;
    source->is_of_no_layer = split->is_of_no_layer;
    head.push_back(std::move(*source));
  }
  return head;
}

std::vector<HeadTensorSource> repeat_shared(const Family& family, bool shares_layers, std::uint64_t head_blocks,
                                            std::vector<HeadTensorSource> sources) {
  std::vector<HeadTensorSource> repeated;
  for (auto& source : sources) {
    const bool is_shared = source.is_of_no_layer ? family.shares_fusion : shares_layers && source.block == 0;
    for (std::uint64_t block = 1; is_shared && block < head_blocks; ++block) {
      repeated.push_back(source);
      repeated.back().block = block;
    }
    repeated.push_back(std::move(source));
  }
  return repeated;
}

Result<HeadTensorGroups> group_sources(const std::vector<HeadTensorSource>& sources, std::uint64_t first_block) {
  HeadTensorGroups groups;
  for (const auto& source : sources) {
    const auto name =
        source.is_root ? source.gguf_name : fmt::format("blk.{}.{}", first_block + source.block, source.gguf_name);
    auto& group = groups[name];
    const auto is_new = group.sources.emplace(source.part, source.name).second;
    if (!is_new || (group.sources.size() > 1 && group.transform != source.transform)) {
      return Error{.code = ErrorCode::kMalformed,
                   .message = fmt::format("'{}' and another tensor are both '{}'", source.name, name)};
    }
    group.transform = source.transform;
    group.parts = source.parts;
  }
  for (const auto& [name, group] : groups) {
    if (group.parts > group.sources.size()) {
      std::vector<std::string> there;
      for (const auto& [part, source] : group.sources) {
        there.push_back(source);
      }
      return Error{.code = ErrorCode::kIncompatible,
                   .message = fmt::format("'{}' is joined from {} tensors, and of these the checkpoint has only '{}'",
                                          name, group.parts, fmt::join(there, "', '")),
                   .hint = "the files of the checkpoint are not complete; download them again"};
    }
    if (group.sources.rbegin()->first != group.sources.size() - 1) {
      return Error{.code = ErrorCode::kIncompatible,
                   .message = fmt::format("'{}': of {} 0 to {} only {} have a tensor", name,
                                          group.transform == Transform::kStackExperts ? "experts" : "parts",
                                          group.sources.rbegin()->first, group.sources.size())};
    }
  }
  return groups;
}

bool has_inverse(Transform transform) {
  switch (transform) {
    case Transform::kJoinRows:      // where one ends is not known
    case Transform::kPartPairs:     // nor how many rows are rotated
    case Transform::kRescaleQuery:  // nor the factor, and dividing is not exact
    case Transform::kRescaleLatent:
      return false;
    case Transform::kNone:
    case Transform::kSqueeze:
    case Transform::kStackExperts:
    case Transform::kSplitGateUp:
    case Transform::kSplitKeyValue:
    case Transform::kFuseQkv:
    case Transform::kJoinColumns:
    case Transform::kInterleaveHalves:
    case Transform::kSplitIndexer:
    case Transform::kLeaveOut:
      break;
  }
  return true;
}

std::string_view written_prefix(const Family& family) {
  if (!family.written_prefix.empty()) {
    return family.written_prefix;
  }
  return family.layout == HeadLayout::kAppended ? "model.layers."
         : family.layout == HeadLayout::kMtp    ? "mtp.layers."
                                                : "mtp.";
}

std::string second_name(Transform transform, std::string_view first) {
  const auto with = [&](std::string_view part, std::string_view other) {
    const auto at = first.find(part);
    return fmt::format("{}{}{}", first.substr(0, at), other, first.substr(at + part.size()));
  };
  switch (transform) {
    case Transform::kSplitGateUp:
      return with("gate", "up");
    case Transform::kSplitKeyValue:
      return with("_k_b", "_v_b");
    case Transform::kSplitIndexer:
      return with("q_proj", "k_proj");
    case Transform::kNone:
    case Transform::kSqueeze:
    case Transform::kStackExperts:
    case Transform::kFuseQkv:
    case Transform::kJoinRows:
    case Transform::kJoinColumns:
    case Transform::kInterleaveHalves:
    case Transform::kPartPairs:
    case Transform::kRescaleQuery:
    case Transform::kRescaleLatent:
    case Transform::kLeaveOut:
      break;
  }
  return {};
}

Result<std::vector<WrittenTensor>> map_back(const Family& family, std::span<const BlockTensorName> tensors,
                                            std::uint64_t first_block) {
  const auto find = [&](std::uint64_t block, std::string_view name) -> std::optional<std::size_t> {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].block == block && tensors[i].name == name) {
        return i;
      }
    }
    return std::nullopt;
  };
  const auto lacks = [](const BlockTensorName& tensor, std::string_view other) {
    return Error{.code = ErrorCode::kIncompatible,
                 .message = fmt::format("head tensor 'blk.{}.{}' has no '{}' beside it, which stands in one tensor of "
                                        "a checkpoint with it",
                                        tensor.block, tensor.name, other)};
  };
  const auto rules = list_written_rules(family);
  std::vector<WrittenTensor> written;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& tensor = tensors[i];
    bool is_known = false;
    for (const auto& rule : rules) {
      const auto second = second_name(rule.transform, rule.gguf_name);
      if (!second.empty() && tensor.name == second) {
        if (!find(tensor.block, rule.gguf_name)) {
          return lacks(tensor, rule.gguf_name);
        }
        is_known = true;  // written with the first
        continue;
      }
      const auto suffix = match_back(rule, tensor.name);
      auto name = suffix ? name_in_checkpoint(family, rule, *suffix, tensor.block, first_block) : std::nullopt;
      if (suffix && !name) {
        return cannot_name(tensor, fmt::format("is of a further block, and checkpoints of {} have it once for all",
                                               family.architecture));
      }
      if (!name) {
        continue;
      }
      is_known = true;
      auto& made = written.emplace_back(WrittenTensor{std::move(*name), rule.transform, rule.part, {i}});
      if (!second.empty()) {
        const auto other = find(tensor.block, second);
        if (!other) {
          return lacks(tensor, second);
        }
        made.sources.push_back(*other);
      }
    }
    if (!is_known) {
      return cannot_name(tensor,
                         fmt::format("is none that checkpoints of {} models are known to have", family.architecture));
    }
  }
  return written;
}

}  // namespace mtpgraft
