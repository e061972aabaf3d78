#include "release/digest_inputs.h"

#include <algorithm>
#include <string_view>

#include "job/source_digests.h"

namespace mtpgraft {

std::uint64_t bytes_to_digest(const std::vector<ReleaseJob>& jobs) {
  std::map<std::string_view, std::uint64_t> sizes;
  for (const auto& job : jobs) {
    for (const auto* model : {&job.released.target, &job.released.donor}) {
      for (const auto& file : model->files) {
        sizes.emplace(file.path, is_remote(file.path) ? 0 : file.bytes);
      }
    }
  }
  std::uint64_t bytes = 0;
  for (const auto& [path, size] : sizes) {
    bytes += size;
  }
  return bytes;
}

Status digest_inputs(ReleaseJob& job, KnownDigests& known, const Progress& progress, FileSystem& files) {
  for (auto* model : {&job.released.target, &job.released.donor}) {
    for (auto& source : model->files) {
      if (is_remote(source.path)) {
        continue;
      }
      if (const auto found = known.find(source.path); found != known.end()) {
        source.sha256 = found->second;
        continue;
      }
      MTPGRAFT_TRY(const auto file, files.open(source.path));
      const auto stamp = file->stamp();
      if (stamp && std::ranges::find(job.inputs, *stamp) == job.inputs.end()) {
        return other_input(job);
      }
      MTPGRAFT_CHECK(digest_source(*file, source, progress));
      known.emplace(source.path, source.sha256);
    }
  }
  return ok_status();
}

}  // namespace mtpgraft
