// Whether a head's blocks are built as the trunk's are. The trunk itself is the model: a block of the head has what
// some block of the trunk has, in the same shapes. So the rule holds for architectures that no table knows.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/architectures.h"
#include "mtpgraft/head.h"

namespace mtpgraft {

struct StructureReport {
  std::vector<std::string> refusals;  // llama.cpp does not load the head, or cannot draft with it
  std::vector<std::string> warnings;  // it does, and the head lacks what the trunk has; or nothing is known of it
  bool differs_in_experts = false;    // a refusal says that the head has more or fewer experts than the trunk
};

// Whether a head's experts are as many and as large as the trunk's.
enum class ExpertRule : std::uint8_t {
  kAsTrunk,
  kOwn,  // they need not be: the head stands in a file whose keys are its own
};

// Compares the head of `donor` with the first `trunk_blocks` blocks of `target`. Tensors that `architecture` requires
// by name are not looked for: find_missing_tensors() does that. Where `target` is a file without trunk, only what its
// keys tell is compared.
StructureReport check_structure(const GgufFile& target, std::uint64_t trunk_blocks, const GgufFile& donor,
                                const Head& donor_head, const Architecture& architecture, ExpertRule experts);

// Which tensors must be alike.
enum class BlockPart : std::uint8_t { kAttention, kFeedForward, kAll };

using Extents = std::array<std::uint64_t, 4>;
using BlockTensors = std::map<std::string, Extents, std::less<>>;  // by the name after "blk.N."

// Which blocks of a trunk are like the blocks of a head. Keeps references to all that it is made of.
class LikeBlocks {
 public:
  LikeBlocks(const GgufFile& target, std::uint64_t trunk_blocks, const GgufFile& donor, const Head& donor_head)
      : target_(target), trunk_blocks_(trunk_blocks), donor_(donor), head_(donor_head) {}

  // The trunk blocks whose tensors of that part are tensors of the head's block number `index`, in the same shapes. A
  // block that has none of that part is not like it.
  [[nodiscard]] const std::vector<std::uint64_t>& find(std::uint64_t index, BlockPart part) const;

 private:
  const GgufFile& target_;
  std::uint64_t trunk_blocks_;
  const GgufFile& donor_;
  const Head& head_;
  // Made when they are first asked for: most grafts do not.
  mutable std::map<std::uint64_t, BlockTensors> trunk_;
  mutable std::map<std::uint64_t, BlockTensors> head_blocks_;
  mutable std::map<std::pair<std::uint64_t, BlockPart>, std::vector<std::uint64_t>> found_;
};

}  // namespace mtpgraft
