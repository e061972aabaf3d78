#include "mtpgraft/summary.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "gguf/describe.h"
#include "model/architectures.h"
#include "model/compatibility.h"
#include "model/dialect.h"
#include "model/structure.h"
#include "model/warnings.h"
#include "util/text.h"

namespace mtpgraft {

std::vector<TypeShare> share_types(const std::vector<const TensorInfo*>& tensors) {
  std::vector<TypeShare> shares;
  for (const auto* tensor : tensors) {
    const auto type = tensor_type_name(tensor->type);
    auto share = std::ranges::find(shares, type, &TypeShare::type);
    if (share == shares.end()) {
      shares.push_back({type, 0, 0});
      share = shares.end() - 1;
    }
    ++share->tensor_count;
    share->bytes += tensor->size_bytes;
  }
  std::ranges::sort(shares, std::greater{}, &TypeShare::bytes);
  return shares;
}

namespace {

std::vector<TypeShare> types_of(const GgufFile& file, const std::vector<std::size_t>& indices) {
  std::vector<const TensorInfo*> tensors;
  tensors.reserve(indices.size());
  for (const auto index : indices) {
    tensors.push_back(&file.tensors[index]);
  }
  return share_types(tensors);
}

// "RRRARRRA" -> "2 x RRRA"; as it is if nothing repeats.
std::string fold(const std::string& letters) {
  for (std::size_t period = 1; period <= letters.size() / 2; ++period) {
    const bool repeats =
        letters.size() % period == 0 && letters.substr(period) == letters.substr(0, letters.size() - period);
    if (repeats) {
      return fmt::format("{} x {}", letters.size() / period, letters.substr(0, period));
    }
  }
  return letters;
}

// From the tensors themselves, so that it holds for every hybrid architecture: recurrent blocks have ssm_* tensors.
std::string describe_blocks(const GgufFile& file, std::uint64_t trunk_blocks) {
  if (trunk_blocks == 0 || trunk_blocks > kBlocksMax) {
    return {};
  }
  std::string letters(trunk_blocks, '?');
  for (const auto& tensor : file.tensors) {
    const auto split = split_block_name(tensor.name);
    if (!split || split->block >= trunk_blocks) {
      continue;
    }
    auto& letter = letters[split->block];
    if (split->name.starts_with("ssm_")) {
      letter = 'R';
    } else if (split->name.starts_with("attn_") && letter != 'R') {
      letter = 'A';
    }
  }
  const auto recurrent = std::ranges::count(letters, 'R');
  if (recurrent == 0) {
    return {};
  }
  return fmt::format("{} recurrent, {} attention ({})", recurrent, std::ranges::count(letters, 'A'), fold(letters));
}

Runtime runtime_of(MtpSupport support) {
  switch (support) {
    case MtpSupport::kDrafts:
      return Runtime::kDrafts;
    case MtpSupport::kSkips:
      return Runtime::kSkipsHead;
    case MtpSupport::kForksDraft:
      return Runtime::kForksOnly;
    case MtpSupport::kSeparateDrafter:
      return Runtime::kRunsAsDrafter;
    case MtpSupport::kUnknown:
      break;
  }
  return Runtime::kUnknown;
}

Runtime runtime_of_placeholder(const Architecture& architecture, const Depth& depth) {
  switch (architecture.placeholder) {
    case PlaceholderSupport::kAborts:
      return Runtime::kAborts;
    case PlaceholderSupport::kLoads:
      return Runtime::kRuns;
    case PlaceholderSupport::kRefuses:
      break;
  }
  const bool counts_trunk_only = depth.block_count == depth.trunk_blocks;
  return architecture.block_count_may_exclude_head && counts_trunk_only ? Runtime::kRuns : Runtime::kRefuses;
}

Runtime runtime_of(const Architecture& architecture, const Summary& summary) {
  const auto usual = runtime_of(architecture.support);
  switch (summary.head.state) {
    case HeadState::kNone:
      return usual == Runtime::kDrafts ? Runtime::kRuns : usual;
    case HeadState::kPresent:
      return usual;
    case HeadState::kPlaceholder:
      return usual == Runtime::kUnknown ? usual : runtime_of_placeholder(architecture, summary.depth);
    case HeadState::kSidecar:
      return usual == Runtime::kRunsAsDrafter || usual == Runtime::kUnknown ? usual
             : summary.recognised.kind == FileKind::kSidecar                ? Runtime::kDraftsBeside
             : usual == Runtime::kForksOnly && !summary.borrows_tensors     ? usual
                                                                            : Runtime::kRefuses;
    case HeadState::kTensorsOnly:
    case HeadState::kBroken:
      return Runtime::kRefuses;
    case HeadState::kShard:
      break;
  }
  return Runtime::kNeedsFirstFile;
}

// Loaders take no other type; a graft has the right one.
std::string find_depth_problem(const GgufFile& file) {
  for (const std::string_view name : {"block_count", "nextn_predict_layers"}) {
    const auto* item = file.find_arch_key(name);
    if (item != nullptr && item->value.type != ValueType::kU32) {
      return fmt::format("key '{}' is {}, and llama.cpp takes no other type than u32", item->key,
                         type_name(item->value));
    }
  }
  return {};
}

std::string base_model_of(const GgufFile& file) {
  for (const std::string_view field : {"repo_url", "name"}) {
    if (const auto text = text_of(file, fmt::format("general.base_model.0.{}", field)); !text.empty()) {
      return std::string(text);
    }
  }
  return {};
}

}  // namespace

Summary summarise(const GgufFile& file) {
  Summary summary;
  summary.architecture = file.architecture();
  summary.name = text_of(file, "general.name");
  std::vector<std::size_t> all(file.tensors.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  for (const auto& tensor : file.tensors) {
    summary.parameter_count += tensor.element_count();
    summary.tensor_data_bytes += tensor.size_bytes;
  }
  summary.types = types_of(file, all);
  summary.depth = read_depth(file);
  const auto translation = find_translation(file);
  const auto named = standard_names(file, translation);
  summary.dialects = translation.dialects;
  summary.head = find_head(named ? *named : file);
  summary.trunk_blocks = count_trunk_blocks(file, summary.head);
  summary.block_pattern = describe_blocks(file, summary.trunk_blocks);
  summary.head_types = types_of(named ? *named : file, summary.head.tensors);
  summary.base_model = base_model_of(file);
  summary.base_models = find_base_models(file);
  auto architecture = find_architecture(summary.architecture);
  if (never_drafts(file, architecture)) {
    architecture.support = MtpSupport::kSkips;
  }
  const auto state = summary.head.state;
  summary.borrows_tensors =
      (state == HeadState::kSidecar || state == HeadState::kTensorsOnly) && borrows_shared_tensors(file);
  summary.recognised = recognise(file, summary.head);
  const auto kind = summary.recognised.kind;
  // Names that forks give the head are told of as such.
  const auto& model = named ? *named : file;
  if (state == HeadState::kSidecar && kind != FileKind::kDrafter) {
    // Its keys and tensors must tell of one model.
    const auto structure = check_structure(model, 0, model, summary.head, architecture, ExpertRule::kOwn);
    summary.load_problem = structure.refusals.empty() ? "" : structure.refusals.front();
  }
  if (const auto warnings = find_load_warnings(model); !warnings.empty()) {
    summary.load_problem = warnings.front().message;
  }
  if (auto problem = find_depth_problem(model); !problem.empty()) {
    summary.load_problem = std::move(problem);
  }
  const bool has_foreign_head = summary.head.has_tensors() && !summary.dialects.empty();
  summary.runtime = kind == FileKind::kDrafter                                        ? Runtime::kRunsAsDrafter
                    : kind == FileKind::kOtherGguf || !summary.recognised.use.empty() ? Runtime::kNoModel
                    : state != HeadState::kShard && (has_foreign_head || !summary.load_problem.empty())
                        ? Runtime::kRefuses
                        : runtime_of(architecture, summary);
  summary.is_usable = summary.runtime == Runtime::kDrafts;
  summary.is_draft_model = summary.runtime == Runtime::kDraftsBeside || kind == FileKind::kDrafter;
  return summary;
}

}  // namespace mtpgraft
