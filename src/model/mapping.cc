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
  std::uint64_t parts = 0;
  for (const auto& rules : family.rules) {
    parts += static_cast<std::uint64_t>(std::ranges::count_if(rules, [&](const TensorRule& rule) {
      return rule.transform == joined.transform && rule.gguf_name == joined.gguf_name;
    }));
  }
  return parts;
}

std::optional<HeadTensorSource> find_rule(const Family& family, std::string_view name) {
  const auto root = find_architecture(family.architecture).own_root;
  for (const auto& rules : family.rules) {
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
      if (!source.gguf_name.ends_with(".weight") && !source.gguf_name.ends_with(".bias")) {
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

}  // namespace

Result<std::vector<HeadTensorSource>> map_head(const Family& family, const std::vector<std::string>& names,
                                               std::optional<std::uint64_t> trunk_blocks) {
  const auto first_block = trunk_blocks ? *trunk_blocks : find_first_block(family, names);
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

}  // namespace mtpgraft
