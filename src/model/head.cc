#include "mtpgraft/head.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <span>

#include "model/architectures.h"
#include "model/compatibility.h"
#include "model/dialect.h"
#include "model/layer_arrays.h"
#include "model/structure.h"
#include "util/parse.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kNextnPrefix = "nextn.";

// Of a list of names in one sentence.
constexpr std::size_t kShownNames = 40;

std::optional<std::uint64_t> read_count(const KeyValue* item) {
  if (item == nullptr || item->value.is_array()) {
    return std::nullopt;
  }
  const auto value = item->value.integer_at();
  return value && *value >= 0 ? std::optional(static_cast<std::uint64_t>(*value)) : std::nullopt;
}

// The blocks that have tensors, those among them that have nextn tensors.
struct Blocks {
  std::set<std::uint64_t> all;
  std::set<std::uint64_t> nextn;
};

Blocks find_blocks(const GgufFile& file) {
  Blocks blocks;
  for (const auto& tensor : file.tensors) {
    if (const auto split = split_block_name(tensor.name)) {
      blocks.all.insert(split->block);
      if (split->name.starts_with(kNextnPrefix)) {
        blocks.nextn.insert(split->block);
      }
    }
  }
  return blocks;
}

// The blocks of a head that a key under another architecture's prefix declares, as far as block_count counts them: not
// where the trunk has these blocks.
std::optional<std::uint64_t> read_misnamed_count(const GgufFile& file, std::uint64_t block_count,
                                                 const KeyValue* item) {
  const auto count = read_count(item);
  if (!count || *count == 0 || *count >= block_count) {
    return std::nullopt;
  }
  const auto blocks = find_blocks(file);
  const auto first = block_count - *count;
  const bool is_trunk =
      blocks.all.lower_bound(first) != blocks.all.end() && blocks.nextn.lower_bound(first) == blocks.nextn.end();
  return is_trunk ? std::nullopt : count;
}

void take_blocks(const GgufFile& file, std::uint64_t first_block, std::uint64_t block_count, Head& head) {
  head.first_block = first_block;
  head.block_count = block_count;
  for (std::size_t i = 0; i < file.tensors.size(); ++i) {
    const auto split = split_block_name(file.tensors[i].name);
    if (split && split->block >= first_block && split->block - first_block < block_count) {
      head.tensors.push_back(i);
      head.bytes += file.tensors[i].size_bytes;
    }
  }
}

std::vector<std::string_view> find_raw_names(const GgufFile& file) {
  std::vector<std::string_view> names;
  for (const auto& tensor : file.tensors) {
    if (is_raw_head_name(tensor.name)) {
      names.push_back(tensor.name);
    }
  }
  return names;
}

// Names and keys that make llama.cpp refuse the file ("wrong number of tensors") or ignore the head.
void check_strays(const GgufFile& file, const Depth& depth, const Blocks& blocks, Head& head) {
  const auto raw = find_raw_names(file);
  if (raw.size() == 1) {
    head.problems.push_back(
        fmt::format("tensor '{}' keeps a checkpoint's name; llama.cpp wants 'blk.N.nextn.*'", raw.front()));
  } else if (!raw.empty()) {
    const auto shown = std::span(raw).first(std::min(raw.size(), kShownNames));
    head.problems.push_back(fmt::format("{} tensors keep names of a checkpoint; llama.cpp wants 'blk.N.nextn.*': {}{}",
                                        raw.size(), fmt::join(shown, ", "), shown.size() < raw.size() ? ", ..." : ""));
  }
  // Without tensors it is mended by whoever brings them.
  if (head.has_tensors()) {
    for (const auto* item : find_misnamed_head_keys(file)) {
      head.problems.push_back(
          fmt::format("key '{}' should be '{}.nextn_predict_layers'", item->key, file.architecture()));
    }
  }
  const auto stray = std::ranges::find_if(blocks.nextn, [&](std::uint64_t block) {
    return block < head.first_block || block - head.first_block >= head.block_count;
  });
  if (head.block_count > 0 && stray != blocks.nextn.end()) {
    head.problems.push_back(fmt::format("blk.{} has nextn tensors and is no block of the head, which begins at blk.{}",
                                        *stray, head.first_block));
  }
  if (depth.block_count && !blocks.all.empty() && *blocks.all.rbegin() >= *depth.block_count) {
    head.problems.push_back(
        fmt::format("blk.{} has tensors, but block_count is {}", *blocks.all.rbegin(), *depth.block_count));
  }
}

void find_declared_head(const GgufFile& file, const Architecture& architecture, const Depth& depth,
                        const Blocks& blocks, Head& head) {
  take_blocks(file, depth.trunk_blocks, *depth.nextn_predict_layers, head);
  const bool has_trunk = !blocks.all.empty() && *blocks.all.begin() < depth.trunk_blocks;
  if (!head.has_tensors()) {
    if (has_trunk) {
      head.state = HeadState::kPlaceholder;
    } else {
      head.problems.emplace_back("it declares a head and has neither trunk nor head tensors");
    }
    return;
  }
  head.problems = find_missing_tensors(file, head, architecture);
  if (has_trunk) {
    std::ranges::move(
        check_structure(file, depth.trunk_blocks, file, head, architecture, ExpertRule::kAsTrunk).refusals,
        std::back_inserter(head.problems));
    std::ranges::move(find_array_problems(file, head), std::back_inserter(head.problems));
  }
  head.state = has_trunk ? HeadState::kPresent : HeadState::kSidecar;
}

// The blocks with nextn tensors.
void find_nextn_blocks(const GgufFile& file, const Architecture& architecture, const Blocks& blocks, Head& head) {
  if (blocks.nextn.empty()) {
    return;
  }
  const auto first = *blocks.nextn.begin();
  const auto last = *blocks.nextn.rbegin();
  if (last >= kBlocksMax) {
    head.problems.push_back(
        fmt::format("blk.{} has nextn tensors: llama.cpp takes at most {} blocks", last, kBlocksMax));
    return;
  }
  take_blocks(file, first, last - first + 1, head);
  if (blocks.nextn.size() != head.block_count) {
    head.problems.push_back(fmt::format("its nextn blocks {}-{} have gaps", first, last));
    return;
  }
  head.problems = find_missing_tensors(file, head, architecture);
}

// A head that no key declares: tensors-only donors are made so, anything with a trunk is broken.
void find_undeclared_head(const GgufFile& file, const Architecture& architecture, const Depth& depth,
                          const Blocks& blocks, Head& head) {
  find_nextn_blocks(file, architecture, blocks, head);
  if (!head.has_tensors()) {
    return;
  }
  head.state = HeadState::kTensorsOnly;
  if (*blocks.all.begin() < head.first_block) {
    head.problems.push_back(
        fmt::format("it has a head at blk.{}, but no key '{}.nextn_predict_layers' that declares it{}",
                    head.first_block, file.architecture(), depth.nextn_predict_layers ? " (its value is 0)" : ""));
  }
}

}  // namespace

std::string_view head_state_name(HeadState state) {
  switch (state) {
    case HeadState::kNone:
      return "none";
    case HeadState::kPresent:
      return "present";
    case HeadState::kPlaceholder:
      return "placeholder";
    case HeadState::kSidecar:
      return "sidecar";
    case HeadState::kTensorsOnly:
      return "tensors-only";
    case HeadState::kBroken:
      return "broken";
    case HeadState::kShard:
      return "shard";
  }
  return "";
}

std::vector<std::string> find_missing_tensors(const GgufFile& file, const Head& head,
                                              const Architecture& architecture) {
  std::map<std::uint64_t, std::vector<std::string_view>> names;
  for (const auto index : head.tensors) {
    const auto split = split_block_name(file.tensors[index].name);
    names[split->block].push_back(split->name);
  }
  if (never_drafts(file, architecture)) {
    return {std::string(kNeverDrafts)};
  }
  std::vector<std::string> problems;
  for (auto block = head.first_block; block < head.first_block + head.block_count; ++block) {
    for (const auto& required : architecture.required) {
      const auto is_it = [&](std::string_view name) { return is_listed({&required, 1}, name); };
      if (std::ranges::none_of(names[block], is_it)) {
        problems.push_back(fmt::format("the head lacks 'blk.{}.{}'", block, required));
      }
    }
  }
  return problems;
}

bool is_raw_head_name(std::string_view tensor_name) {
  return tensor_name.starts_with("mtp.") || tensor_name.starts_with("nextn.");
}

std::optional<BlockTensorName> split_block_name(std::string_view tensor_name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!tensor_name.starts_with(kPrefix)) {
    return std::nullopt;
  }
  auto rest = tensor_name.substr(kPrefix.size());
  // Loaders build names from numbers: "blk.07." is no block to them.
  const bool has_leading_zero = rest.size() > 1 && rest[0] == '0' && rest[1] != '.';
  const auto block = take_number<decltype(BlockTensorName::block)>(rest);
  if (!block || !rest.starts_with('.') || has_leading_zero) {
    return std::nullopt;
  }
  return BlockTensorName{*block, rest.substr(1)};
}

std::vector<const KeyValue*> find_misnamed_head_keys(const GgufFile& file) {
  std::vector<const KeyValue*> misnamed;
  if (file.find_arch_key("nextn_predict_layers") == nullptr) {
    for (const auto& item : file.keys) {
      if (item.key.ends_with(".nextn_predict_layers")) {
        misnamed.push_back(&item);
      }
    }
  }
  return misnamed;
}

Depth read_depth(const GgufFile& file) {
  Depth depth;
  depth.block_count = read_count(file.find_arch_key("block_count"));
  depth.nextn_predict_layers = read_count(file.find_arch_key("nextn_predict_layers"));
  if (const auto misnamed = find_misnamed_head_keys(file); !misnamed.empty() && depth.block_count) {
    depth.nextn_predict_layers = read_misnamed_count(file, *depth.block_count, misnamed.front());
  }
  const auto blocks = depth.block_count.value_or(0);
  depth.trunk_blocks = blocks - std::min(blocks, depth.nextn_predict_layers.value_or(0));
  if (find_architecture(file.architecture()).block_count_may_exclude_head && depth.trunk_blocks < blocks) {
    const auto present = find_blocks(file);
    if (present.all.contains(blocks - 1) && present.nextn.empty()) {
      depth.trunk_blocks = blocks;
    }
  }
  return depth;
}

Head find_head(const GgufFile& file) {
  Head head;
  const auto depth = read_depth(file);
  const auto blocks = find_blocks(file);
  const auto architecture = find_architecture(file.architecture());
  if (is_lone_shard(file)) {
    find_nextn_blocks(file, architecture, blocks, head);
    head.state = HeadState::kShard;
    return head;
  }
  if (architecture.support == MtpSupport::kSeparateDrafter) {
    take_blocks(file, 0, std::min(depth.block_count.value_or(0), kBlocksMax), head);
    head.state = HeadState::kSidecar;
    return head;
  }
  if (depth.block_count && depth.nextn_predict_layers.value_or(0) > 0) {
    if (std::max(*depth.block_count, *depth.nextn_predict_layers) > kBlocksMax) {
      head.problems.push_back(
          fmt::format("block_count {} and nextn_predict_layers {}: llama.cpp takes at most {} blocks",
                      *depth.block_count, *depth.nextn_predict_layers, kBlocksMax));
    } else if (depth.trunk_blocks == 0) {
      head.problems.push_back(fmt::format("nextn_predict_layers {} is not below block_count {}",
                                          *depth.nextn_predict_layers, *depth.block_count));
    } else {
      find_declared_head(file, architecture, depth, blocks, head);
    }
  } else {
    find_undeclared_head(file, architecture, depth, blocks, head);
  }
  check_strays(file, depth, blocks, head);
  // Names that cannot be made llama.cpp's are why tensors of those names are missing.
  if (auto problems = find_translation(file).problems; !problems.empty()) {
    head.problems = std::move(problems);
  }
  if (!head.problems.empty()) {
    head.state = HeadState::kBroken;
  }
  return head;
}

Result<OpenedModel> open_donor_model(FileSource& files, const std::string& path) {
  auto model = open_model(files, path);
  // The other files of a shard may be missing.
  if (model.ok() || (model.error().code == ErrorCode::kIo && !parse_shard_name(path))) {
    return model;
  }
  MTPGRAFT_TRY(std::shared_ptr<const ReadableFile> file, files.open(path));
  auto gguf = parse_gguf(*file);
  if (!gguf.ok()) {
    return model;
  }
  const auto head = find_donors_head(gguf.value());
  return head.has_tensors() && head.problems.empty() ? OpenedModel{std::move(file), std::move(gguf.value())} : model;
}

std::uint64_t count_trunk_blocks(const GgufFile& file, const Head& head) {
  return head.has_tensors() ? head.first_block : read_depth(file).trunk_blocks;
}

}  // namespace mtpgraft
