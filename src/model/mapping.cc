#include "model/mapping.h"

#include <fmt/core.h>

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

struct BlockName {
  std::uint64_t block;
  std::string_view name;
};

// Nothing for a tensor of the trunk. Where models with other modalities put "language_model." differs.
std::optional<BlockName> split_name(const Family& family, std::string_view name, std::uint64_t trunk_blocks) {
  bool has_more = true;
  while (has_more) {
    has_more = take_prefix(name, "language_model.") || take_prefix(name, "model.");
  }
  if (family.is_appended) {
    if (!take_prefix(name, "layers.")) {
      return std::nullopt;
    }
    const auto block = take_index(name);
    return block && *block >= trunk_blocks ? std::optional(BlockName{*block - trunk_blocks, name}) : std::nullopt;
  }
  if (!name.starts_with("mtp.")) {
    return std::nullopt;
  }
  auto in_block = name;
  in_block.remove_prefix(std::string_view("mtp.").size());
  if (take_prefix(in_block, "layers.")) {
    const auto block = take_index(in_block);
    return block ? std::optional(BlockName{*block, in_block}) : std::nullopt;
  }
  return BlockName{0, name};
}

// Where a head without config.json begins: at the first block that has what only heads have.
std::uint64_t find_first_block(const Family& family, const std::vector<std::string>& names) {
  auto first = UINT64_MAX;
  for (const auto& name : names) {
    const auto split = split_name(family, name, 0);
    if (split && split->name == "eh_proj.weight") {
      first = std::min(first, split->block);
    }
  }
  return first;
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

std::optional<HeadTensorSource> find_rule(const Family& family, std::string_view name) {
  for (const auto& rules : family.rules) {
    for (const auto& rule : rules) {
      HeadTensorSource source;
      source.part = rule.part;
      const auto suffix = match(rule, name, source.part);
      if (!suffix) {
        continue;
      }
      source.transform = rule.transform;
      source.gguf_name = rule.gguf_name;
      if (!source.gguf_name.ends_with(".weight") && !source.gguf_name.ends_with(".bias")) {
        source.gguf_name += *suffix;
      }
      return source;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<std::vector<HeadTensorSource>> map_head(const Family& family, const std::vector<std::string>& names,
                                               std::optional<std::uint64_t> trunk_blocks) {
  const auto first_block = trunk_blocks ? *trunk_blocks : family.is_appended ? find_first_block(family, names) : 0;
  std::vector<HeadTensorSource> head;
  for (const auto& name : names) {
    const auto split = split_name(family, name, first_block);
    // Scales belong to the tensor whose name they continue; frequencies are computed anew.
    if (!split || name.ends_with("_scale_inv") || name.ends_with(".rotary_emb.inv_freq")) {
      continue;
    }
    auto source = find_rule(family, split->name);
    if (!source || split->block >= kBlocksMax) {
      return Error{.code = ErrorCode::kUnsupported,
                   .message = fmt::format("head tensor '{}' is none that {} models are known to have", name,
                                          family.architecture),
                   .hint = "of quantised checkpoints only FP8 with block scales can be read; give the original model"};
    }
    source->name = name;
    source->block = split->block;
    head.push_back(std::move(*source));
  }
  return head;
}

Result<HeadTensorGroups> group_sources(const std::vector<HeadTensorSource>& sources, std::uint64_t first_block) {
  HeadTensorGroups groups;
  for (const auto& source : sources) {
    const auto name = fmt::format("blk.{}.{}", first_block + source.block, source.gguf_name);
    auto& group = groups[name];
    const auto is_new = group.sources.emplace(source.part, source.name).second;
    if (!is_new || (group.sources.size() > 1 && group.transform != source.transform)) {
      return Error{.code = ErrorCode::kMalformed,
                   .message = fmt::format("'{}' and another tensor are both '{}'", source.name, name)};
    }
    group.transform = source.transform;
  }
  for (const auto& [name, group] : groups) {
    if (group.sources.rbegin()->first != group.sources.size() - 1) {
      return Error{.code = ErrorCode::kIncompatible,
                   .message = fmt::format("'{}': of {} 0 to {} only {} have a tensor", name,
                                          group.transform == Transform::kStackExperts ? "experts" : "parts",
                                          group.sources.rbegin()->first, group.sources.size())};
    }
  }
  return groups;
}

}  // namespace mtpgraft
