// Whether a donor's head fits a target: every refusal of a graft stands here and in roles.cc, except those about
// per-layer arrays, which fall out of extending them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/architectures.h"
#include "mtpgraft/head.h"

namespace mtpgraft {

// Where a head is to stand.
enum class HeadPlace : std::uint8_t {
  kInModel,
  kBeside,  // in a sidecar, whose keys may say another number of experts than the model's
};

inline constexpr std::string_view kNeverDrafts =
    "models without attention.q_lora_rank ('lite') never draft: asked to, llama.cpp ends the process";

struct Fit {
  std::vector<std::string> refusals;
  std::vector<Warning> warnings;
  bool is_other_model = false;      // a refusal says that the donor's dimensions are not the target's
  bool differs_in_experts = false;  // the head has more or fewer experts than the trunk
  bool fits_beside = false;         // it does not fit into the model, and would in a sidecar
};

// `{arch}.key`: a scalar, or the first entry of a per-layer array that is not 0, as exports write 0 for layers without
// the thing.
std::optional<std::uint64_t> hyper_parameter(const GgufFile& file, std::string_view key);

// Whether llama.cpp never drafts with the model, whatever its head: it lacks a key that the graph needs.
bool never_drafts(const GgufFile& model, const Architecture& architecture);

// Scales of NVFP4, each a tensor of its own.
inline bool is_scale(std::string_view tensor_name) {
  return tensor_name.ends_with(".scale") || tensor_name.ends_with(".input_scale");
}

// A tensor of a head in names of a checkpoint or of another program, outside of all blocks.
bool is_raw_head_name(std::string_view tensor_name);

// "llama.nextn_predict_layers" in a qwen35 file: loaders do not look for it. Empty where the file has the right key.
std::vector<const KeyValue*> find_misnamed_head_keys(const GgufFile& file);

// What every block of `head` must have in models of this architecture, and has not; one sentence each.
std::vector<std::string> find_missing_tensors(const GgufFile& file, const Head& head, const Architecture& architecture);

// For a file that is one of a split set; `role` is what it was to be: "target", "file".
Error shard_error(const GgufFile& file, std::string_view role);

// Says of a file of HeadState::kNone that it has none, and what it is if it is no model; the sentence's subject is the
// file.
std::string describe_headless(const GgufFile& file, const Head& head);

// Whether each file, on its own, can play its part. The first problem is the error.
Status check_target(const GgufFile& target, const Head& head, bool replace);
Status check_donor(const GgufFile& donor, const Head& head, const GgufFile& target);

// Both must have passed the checks above.
Fit check_fit(const GgufFile& target, const Head& target_head, const GgufFile& donor, const Head& donor_head,
              const HeadData& head_data, HeadPlace place);

// The error that tells all refusals, if there are any.
Status refuse_misfit(const GgufFile& target, const GgufFile& donor, const Fit& fit);

}  // namespace mtpgraft
