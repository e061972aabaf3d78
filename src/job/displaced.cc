#include "job/displaced.h"

#include <fmt/format.h>

#include "model/architectures.h"

namespace mtpgraft {
namespace {

Result<std::vector<std::byte>> read_tensor(const ReadableFile& file, const TensorInfo& tensor) {
  std::vector<std::byte> bytes(tensor.size_bytes);
  MTPGRAFT_CHECK(file.read_at(tensor.offset, bytes));
  return bytes;
}

// Far above what a mixer of hyper-connections has; larger ones count as others without being read.
constexpr std::uint64_t kComparedBytesMax = std::uint64_t{16} << 20;

Result<bool> is_same(const OpenedModel& target, const TensorInfo& ours, const OpenedModel& donor,
                     const TensorInfo& theirs) {
  if (ours.type != theirs.type || ours.shape != theirs.shape || ours.size_bytes != theirs.size_bytes ||
      ours.size_bytes > kComparedBytesMax) {
    return false;
  }
  MTPGRAFT_TRY(const auto our_bytes, read_tensor(*target.file, ours));
  MTPGRAFT_TRY(const auto their_bytes, read_tensor(*donor.file, theirs));
  return our_bytes == their_bytes;
}

}  // namespace

Status warn_of_displaced_tensors(const OpenedModel& target, const OpenedModel& donor, std::vector<Warning>& warnings) {
  std::vector<std::string_view> lost;
  for (const auto name : own_root_tensors(target.gguf.architecture(), find_head(donor.gguf).state)) {
    const auto* ours = target.gguf.find_tensor(name);
    const auto* theirs = donor.gguf.find_tensor(name);
    if (ours == nullptr || theirs == nullptr) {
      continue;
    }
    MTPGRAFT_TRY(const auto same, is_same(target, *ours, donor, *theirs));
    if (!same) {
      lost.push_back(name);
    }
  }
  if (!lost.empty()) {
    warnings.push_back(
        {"head-mixer-lost",
         fmt::format(
             "the donor has {} of its own; in a model llama.cpp uses the trunk's, and the head "
             "drafts worse: run the sidecar beside the model (-md) instead, which extract makes of other donors",
             fmt::join(lost, ", "))});
  }
  return ok_status();
}

}  // namespace mtpgraft
