#include "mtpgraft/summary.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "model/architectures.h"
#include "mtpgraft/remote.h"
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

void judge(const GgufFile& file, Summary& summary) {
  const auto architecture = find_architecture(summary.architecture);
  const auto& head = summary.head;
  const bool drafts = architecture.support == MtpSupport::kDrafts;
  const auto how = [&]() -> std::string {
    switch (architecture.support) {
      case MtpSupport::kDrafts:
        return architecture.note.empty() ? fmt::format("drafts with the MTP head of {} models", summary.architecture)
                                         : std::string(architecture.note);
      case MtpSupport::kSkips:
        return fmt::format("loads the head of {} models and leaves it unused", summary.architecture);
      case MtpSupport::kSeparateDrafter:
        return "runs it as a drafter of its own beside its model (-md)";
      case MtpSupport::kUnknown:
        break;
    }
    return fmt::format("b10256 has no MTP code for {} and refuses such a file with a head",
                       summary.architecture.empty() ? "this architecture" : summary.architecture);
  }();
  // Of a file on a server a download, since that is what these commands take.
  const auto path = shell_quoted(is_remote(file.path) ? file.path.substr(file.path.rfind('/') + 1) : file.path);
  const auto give_donor = fmt::format("mtpgraft graft {} DONOR puts a head in, taken from the base model's GGUF", path);
  switch (head.state) {
    case HeadState::kNone:
      summary.runtime =
          drafts ? fmt::format("runs it without drafting; with a head, it drafts with {} models", summary.architecture)
                 : how;
      summary.advice = drafts ? give_donor : "";
      break;
    case HeadState::kPresent:
      summary.runtime = how;
      summary.is_usable = drafts;
      summary.advice = drafts ? fmt::format("llama-server -m {} --spec-type draft-mtp", path) : "";
      break;
    case HeadState::kPlaceholder:
      summary.runtime = architecture.loads_placeholder
                            ? "loads it, but cannot draft"
                            : fmt::format("refuses it: missing tensor 'blk.{}.attn_norm.weight'", head.first_block);
      summary.advice = give_donor + fmt::format("; mtpgraft strip --in-place {} makes it load without one", path);
      break;
    case HeadState::kSidecar:
      summary.is_draft_model = architecture.loads_sidecar || architecture.support == MtpSupport::kSeparateDrafter;
      summary.runtime = architecture.support == MtpSupport::kSeparateDrafter ? how
                        : architecture.loads_sidecar
                            ? "drafts with it beside its model (-md), and crashes if it is run as a model"
                            : "does not load a head without its trunk";
      summary.advice = architecture.support == MtpSupport::kSeparateDrafter ? "" : "it can be a graft's donor";
      break;
    case HeadState::kTensorsOnly:
      summary.runtime = "does not load head tensors without the keys of a model";
      summary.advice = "it can be a graft's donor";
      break;
    case HeadState::kBroken:
      summary.runtime = "refuses it, or never drafts";
      summary.advice = head.has_tensors()
                           ? fmt::format("mtpgraft graft --replace {} DONOR puts a sound head in its place", path)
                           : "";
      break;
    case HeadState::kShard:
      summary.runtime = "loads split models by their first file";
      summary.advice = head.has_tensors() && head.problems.empty()
                           ? "it holds the head, and can be a graft's donor"
                           : "name the first file, ...-00001-of-....gguf, with the others beside it";
      break;
  }
}

}  // namespace

Summary summarise(const GgufFile& file) {
  Summary summary;
  summary.architecture = file.architecture();
  const auto* name = file.find_key("general.name");
  summary.name = name != nullptr ? name->text().value_or("") : "";
  std::vector<std::size_t> all(file.tensors.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  for (const auto& tensor : file.tensors) {
    summary.parameter_count += tensor.element_count();
    summary.tensor_data_bytes += tensor.size_bytes;
  }
  summary.types = types_of(file, all);
  summary.depth = read_depth(file);
  summary.head = find_head(file);
  summary.trunk_blocks = count_trunk_blocks(file, summary.head);
  summary.block_pattern = describe_blocks(file, summary.trunk_blocks);
  summary.head_types = types_of(file, summary.head.tensors);
  judge(file, summary);
  return summary;
}

}  // namespace mtpgraft
