#include "model/warnings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <span>

#include "gguf/describe.h"
#include "gguf/tensor_types.h"
#include "model/architectures.h"
#include "model/base_models.h"
#include "model/compatibility.h"
#include "model/norms.h"
#include "util/parse.h"

namespace mtpgraft {
namespace {

// Keys that load whatever they say, and spoil the drafts when they differ: the runtime takes the target's.
constexpr auto kSilentKeys = std::to_array<std::string_view>(
    {"rope.freq_base", "rope.dimension_count", "rope.dimension_sections", "attention.layer_norm_rms_epsilon"});

void warn_of_silent_differences(const GgufFile& target, const GgufFile& donor, std::vector<Warning>& warnings) {
  for (const auto key : kSilentKeys) {
    const auto* ours = target.find_arch_key(key);
    const auto* theirs = donor.find_arch_key(key);
    if (ours != nullptr && theirs != nullptr && !ours->same_value(*theirs)) {
      warnings.push_back(
          {"parameter-differs", fmt::format("{}: target {}, donor {}; the head will run with the target's", key,
                                            describe_value(ours->value), describe_value(theirs->value))});
    }
  }
}

// The models that the file says it comes from, and itself.
std::vector<std::string> base_models(const GgufFile& file, std::string_view field) {
  std::vector<std::string> names;
  for (const auto& item : file.keys) {
    if (item.key.starts_with("general.base_model.") && item.key.ends_with(field)) {
      names.emplace_back(item.text().value_or(""));
    }
  }
  return names;
}

std::vector<std::string> lineage(const GgufFile& file, std::string_view field) {
  auto names = base_models(file, field);
  if (const auto* own = file.find_key(std::string("general").append(field))) {
    names.emplace_back(own->text().value_or(""));
  }
  std::erase_if(names, [](const std::string& name) { return bare_name(name).empty(); });
  return names;
}

void warn_of_other_base_model(const GgufFile& target, const GgufFile& donor, std::vector<Warning>& warnings) {
  for (const std::string_view field : {".repo_url", ".name"}) {
    const auto bases = base_models(target, field);
    const auto donors = lineage(donor, field);
    if (bases.empty() || donors.empty()) {
      continue;
    }
    // "qwen3627b" and "qwen3627bmtp" are the same model.
    const bool related = std::ranges::any_of(bases, [&](const auto& base) {
      return std::ranges::any_of(donors, [&](const auto& name) {
        return bare_name(name).find(bare_name(base)) != std::string::npos ||
               bare_name(base).find(bare_name(name)) != std::string::npos;
      });
    });
    if (!related) {
      warnings.push_back(
          {"base-model-differs",
           fmt::format("the target is based on '{}', the donor's head belongs to '{}': a head of another "
                       "model loads and drafts noise",
                       bases.front(), donors.front())});
    }
    return;
  }
}

// The converter stores 1 + w; a head copied from a checkpoint without the 1 has w.
void warn_of_norms(const Architecture& architecture, const GgufFile& donor, const Head& donor_head,
                   const HeadData& head_data, std::vector<Warning>& warnings) {
  if (!architecture.norms_are_shifted) {
    return;
  }
  std::vector<NormMean> norms;
  for (std::size_t i = 0; i < donor_head.tensors.size(); ++i) {
    const auto& name = donor.tensors[donor_head.tensors[i]].name;
    const auto& values = head_data.vectors[i];
    const auto mean = values && is_norm(name) ? mean_of(*values) : std::nullopt;
    if (mean) {
      norms.push_back({name, *mean});
    }
  }
  const auto judged = judge_norms(std::move(norms), head_data.trunk_norms);
  if (judged.verdict == NormVerdict::kRight || judged.verdict == NormVerdict::kUnclear) {
    return;
  }
  std::vector<std::string> wrong;
  for (const auto& norm : judged.norms) {
    if (norm.verdict == NormVerdict::kRaw || norm.verdict == NormVerdict::kDoubled) {
      wrong.push_back(describe_norm(norm));
    }
  }
  warnings.push_back({"norms-unshifted",
                      fmt::format("{} of the head's {} norm weights are not 1 + w, as llama.cpp expects, and such a "
                                  "head drafts noise: {}",
                                  wrong.size(), judged.norms.size(), fmt::join(wrong, "; "))});
}

void warn_of_support(const Architecture& architecture, std::vector<Warning>& warnings) {
  switch (architecture.support) {
    case MtpSupport::kDrafts:
      break;
    case MtpSupport::kSkips:
      warnings.push_back({"head-skipped", fmt::format("llama.cpp {} loads the head of {} models and leaves it unused",
                                                      kLlamaCppBuild, architecture.name)});
      break;
    case MtpSupport::kForksDraft:
      warnings.push_back({"forks-only", fmt::format("llama.cpp {} refuses {} models with a head; {}", kLlamaCppBuild,
                                                    architecture.name, architecture.note)});
      break;
    case MtpSupport::kSeparateDrafter:
    case MtpSupport::kUnknown:
      warnings.push_back(
          {"architecture-unknown",
           fmt::format("llama.cpp {} has no MTP code for {}, and may refuse such a file with a head: only a fork or a "
                       "newer build drafts with it",
                       kLlamaCppBuild, architecture.name)});
      break;
  }
}

// llama.cpp counts the tensors that it asked for, and refuses a file that has more.
void warn_of_unasked_tensors(const Architecture& architecture, const GgufFile& target, std::vector<Warning>& warnings) {
  constexpr auto kAsked =
      std::to_array<std::string_view>({"token_embd.weight", "output_norm.weight", "output.weight", "rope_freqs.weight",
                                       "rope_factors_long.weight", "rope_factors_short.weight"});
  if (architecture.support == MtpSupport::kUnknown) {
    return;
  }
  for (const auto& tensor : target.tensors) {
    const bool is_asked = split_block_name(tensor.name) || is_listed(kAsked, tensor.name) ||
                          is_listed(architecture.root, tensor.name) || is_scale(tensor.name);
    if (!is_asked) {
      warnings.push_back({"tensor-unasked", fmt::format("llama.cpp does not ask for tensor '{}' in {} models, and "
                                                        "refuses files that have others",
                                                        tensor.name, architecture.name)});
      return;
    }
  }
}

// What every model of a known architecture has.
void warn_of_missing_tensors(const Architecture& architecture, const GgufFile& model, std::vector<Warning>& warnings) {
  const auto trunk_blocks = std::min(read_depth(model).trunk_blocks, kBlocksMax);
  std::vector<bool> present(trunk_blocks);
  for (const auto& tensor : model.tensors) {
    const auto split = split_block_name(tensor.name);
    if (split && split->block < trunk_blocks) {
      present[split->block] = true;
    }
  }
  // A head without trunk lacks all of it.
  if (architecture.support == MtpSupport::kUnknown || std::ranges::find(present, true) == present.end()) {
    return;
  }
  const auto warn = [&](const std::string& what) {
    warnings.push_back({"tensor-missing", fmt::format("the model has no {}, and no loader takes it so", what)});
  };
  if (const auto gap = std::ranges::find(present, false); gap != present.end()) {
    warn(fmt::format("tensors of blk.{}", gap - present.begin()));
  }
  for (const std::string_view name : {"token_embd.weight", "output_norm.weight"}) {
    if (model.find_tensor(name) == nullptr && (name == "token_embd.weight" || architecture.has_output_norm)) {
      warn(fmt::format("tensor '{}'", name));
    }
  }
}

void warn_of_unknown_types(const GgufFile& donor, const Head& donor_head, std::vector<Warning>& warnings) {
  const auto unread = std::ranges::find_if(
      donor_head.tensors, [&](std::size_t index) { return is_read_by_none(donor.tensors[index].type); });
  if (unread != donor_head.tensors.end()) {
    warnings.push_back({"type-unknown", "head " + describe_unread_tensor(donor.tensors[*unread])});
  } else if (const auto* other = find_unread_tensor(donor)) {
    warnings.push_back({"type-unknown", "the donor's " + describe_unread_tensor(*other)});
  }
}

}  // namespace

const TensorInfo* find_unread_tensor(const GgufFile& model) {
  const auto found = std::ranges::find_if(model.tensors, is_read_by_none, &TensorInfo::type);
  return found != model.tensors.end() ? &*found : nullptr;
}

std::string describe_unread_tensor(const TensorInfo& tensor) {
  return fmt::format("tensor '{}' has type {}, which {}", tensor.name, tensor_type_name(tensor.type),
                     find_tensor_type(tensor.type) == nullptr ? "no known loader reads"
                                                              : "ggml has removed, so no current loader reads it");
}

std::vector<Warning> find_load_warnings(const GgufFile& model) {
  std::vector<Warning> warnings;
  const auto architecture = find_architecture(model.architecture());
  warn_of_unasked_tensors(architecture, model, warnings);
  warn_of_missing_tensors(architecture, model, warnings);
  if (const auto* unread = find_unread_tensor(model)) {
    warnings.push_back({"type-unknown", describe_unread_tensor(*unread)});
  }
  return warnings;
}

std::vector<Warning> find_warnings(const GgufFile& target, const GgufFile& donor, const Head& donor_head,
                                   const HeadData& head_data) {
  const auto architecture = find_architecture(target.architecture());
  std::vector<Warning> warnings;
  warn_of_support(architecture, warnings);
  std::ranges::move(find_load_warnings(target), std::back_inserter(warnings));
  // A file that is held against itself has said so.
  if (&donor != &target) {
    warn_of_unknown_types(donor, donor_head, warnings);
  }
  warn_of_silent_differences(target, donor, warnings);
  warn_of_other_base_model(target, donor, warnings);
  warn_of_norms(architecture, donor, donor_head, head_data, warnings);
  return warnings;
}

}  // namespace mtpgraft
