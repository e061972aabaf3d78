#include "mtpgraft/text_file.h"

#include <fmt/core.h>

#include <span>

#include "util/text.h"

namespace mtpgraft {

Result<std::string> read_text(const ReadableFile& file, std::uint64_t bytes_max) {
  if (file.size() > bytes_max) {
    return Error{.code = ErrorCode::kMalformed,
                 .message = fmt::format("has {}, too much for this kind of file", format_bytes(file.size())),
                 .path = file.path()};
  }
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  MTPGRAFT_CHECK(file.read_at(0, std::as_writable_bytes(std::span(text))));
  return text;
}

Status write_text(FileSystem& files, const std::string& path, std::string_view text, Permissions permissions,
                  Overwrite overwrite, Durability durability) {
  MTPGRAFT_TRY(const auto staged, files.stage_with(path, text.size(), permissions));
  MTPGRAFT_CHECK(staged->write_at(0, std::as_bytes(std::span(text))));
  MTPGRAFT_CHECK(staged->commit(overwrite, durability));
  return ok_status();
}

}  // namespace mtpgraft
