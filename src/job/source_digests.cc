#include "job/source_digests.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "io/read_ahead.h"
#include "io/stream.h"
#include "mtpgraft/remote.h"
#include "util/sha256.h"

namespace mtpgraft {
namespace {

// One for each path: a checkpoint opens a file as a whole, and again for its tensors.
std::map<std::string_view, const ReadableFile*> files_read(const ReadableFile& model) {
  std::map<std::string_view, const ReadableFile*> files;
  for (const auto& piece : model.reads({0, model.size()})) {
    files.emplace(piece.file->path(), piece.file);
  }
  return files;
}

}  // namespace

std::vector<SourceFile> list_source_files(const ReadableFile& model) {
  std::vector<SourceFile> sources;
  for (const auto& [path, file] : files_read(model)) {
    auto& source = sources.emplace_back(SourceFile{std::string(path), file->size()});
    if (is_remote(path)) {
      const auto fetches = plan_fetches(*file, {{{0, file->size()}}});
      source.sha256 = fetches.empty() ? "" : fetches.front().sha256;
    }
  }
  return sources;
}

Status digest_source(const ReadableFile& file, SourceFile& source, const Progress& progress) {
  Sha256 sha256;
  MTPGRAFT_CHECK(read_ahead(file, 0, file.size(), [&](std::span<const std::byte> bytes) {
    sha256.update(bytes);
    return report_progress(progress, bytes.size());
  }));
  MTPGRAFT_CHECK(file.check_unchanged());
  source.sha256 = sha256.finish_hex();
  return ok_status();
}

Result<SourceDigests> digest_sources(const Sources& sources, const Context& context) {
  SourceDigests digests{list_source_files(*sources.target), list_source_files(*sources.donor)};
  auto files = files_read(*sources.target);
  files.merge(files_read(*sources.donor));
  std::uint64_t bytes = 0;
  for (const auto& [path, file] : files) {
    bytes += is_remote(path) ? 0 : file->size();
  }
  const auto progress = context.begin(Phase::kChecksum, bytes);
  for (const auto& [path, file] : files) {
    if (is_remote(path)) {
      continue;
    }
    SourceFile read;
    MTPGRAFT_CHECK(digest_source(*file, read, progress));
    for (auto* model : {&digests.target, &digests.donor}) {
      const auto source = std::ranges::find(*model, path, &SourceFile::path);
      if (source != model->end()) {
        source->sha256 = read.sha256;
      }
    }
  }
  return digests;
}

}  // namespace mtpgraft
