#include "mtpgraft/unfinished.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <unordered_set>

#include "gguf/foreign.h"
#include "util/parse.h"
#include "util/stored_name.h"

namespace mtpgraft {
namespace {

void warn_of_names(const std::string& path, FileSource& files, std::vector<Warning>& warnings) {
  const auto lower = lowered(path);
  const auto own =
      std::ranges::find_if(kPartialEndings, [&](std::string_view ending) { return lower.ends_with(lowered(ending)); });
  if (own != kPartialEndings.end()) {
    warnings.push_back(
        {"download-unfinished", fmt::format("'{}' has the name of a download that is not done: the ending '{}' "
                                            "is removed when it is complete",
                                            path, *own)});
  }
  if (const auto state = find_download_state(path, files); !state.empty()) {
    warnings.push_back({"download-unfinished", fmt::format("'{}' is beside '{}', as while a download is not done: "
                                                           "parts of it may be missing",
                                                           state, path)});
  }
}

bool overlaps(const TensorInfo& tensor, const std::vector<ByteRange>& sorted) {
  // The last range that begins before the tensor's end.
  const auto behind = std::ranges::lower_bound(sorted, tensor.offset + tensor.size_bytes, {}, &ByteRange::offset);
  return behind != sorted.begin() && (behind - 1)->offset + (behind - 1)->length > tensor.offset;
}

// The first one's, which is enough to look twice at the file.
void warn_of_holes(const OpenedModel& model, std::vector<ByteRange> used, std::vector<Warning>& warnings) {
  std::ranges::sort(used, {}, &ByteRange::offset);
  for (const auto& tensor : model.gguf.tensors) {
    if (!overlaps(tensor, used)) {
      continue;
    }
    for (const auto& [file, range] : model.file->reads({tensor.offset, tensor.size_bytes})) {
      if (const auto hole = file->find_hole(range)) {
        warnings.push_back({"file-holes", fmt::format("'{}' has a hole in tensor '{}', from byte {} on: it reads as "
                                                      "zeros, as what a download has not fetched yet",
                                                      file->path(), tensor.name, *hole)});
        return;
      }
    }
  }
}

}  // namespace

std::vector<Warning> find_unfinished(const OpenedModel& model, const std::vector<ByteRange>& used, FileSource& files) {
  std::vector<Warning> warnings;
  bool has_sparse = false;
  std::unordered_set<std::string> seen;
  for (const auto* source : model.file->sources()) {
    if (!is_remote(source->path()) && seen.insert(source->path()).second) {
      if (source->is_being_written()) {
        warnings.push_back({"open-for-writing",
                            fmt::format("'{}' is open for writing in another program: a change by a memory mapping "
                                        "would not be noticed",
                                        source->path())});
      }
      warn_of_names(source->path(), files, warnings);
      has_sparse = has_sparse || source->stored_bytes() < source->size();
    }
  }
  if (has_sparse) {
    warn_of_holes(model, used, warnings);
  }
  return warnings;
}

}  // namespace mtpgraft
