#include "job/edit_texts.h"

#include <fmt/core.h>

#include <span>
#include <string>
#include <string_view>

#include "gguf/serialize.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

// Far above any chat template; what strip can restore is less.
constexpr std::uint64_t kTextBytesMax = std::uint64_t{1} << 24;

Result<std::string> read_value(const ReadableFile& file, const std::string& key) {
  const auto refuse = [&](std::string_view what, std::optional<std::uint64_t> offset = {}) {
    return Error{.code = ErrorCode::kMalformed,
                 .message = fmt::format("{}: {}", key, what),
                 .path = file.path(),
                 .offset = offset,
                 .hint = "name a text in UTF-8, such as a chat template",
                 .field = RequestField::kSetFile};
  };
  if (file.size() > kTextBytesMax) {
    return refuse(
        fmt::format("has {}, and a key's text at most {}", format_bytes(file.size()), format_bytes(kTextBytesMax)));
  }
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  MTPGRAFT_CHECK(file.read_at(0, std::as_writable_bytes(std::span(text))));
  MTPGRAFT_CHECK(file.check_unchanged());
  if (const auto nul = text.find('\0'); nul != std::string::npos) {
    return refuse("has a zero byte, which no text has", nul);
  }
  if (!is_utf8(text)) {
    return refuse("is not UTF-8");
  }
  return text;
}

}  // namespace

Result<std::vector<std::shared_ptr<const ReadableFile>>> read_texts(std::vector<KeyEdit>& edits, FileSource& files) {
  std::vector<std::shared_ptr<const ReadableFile>> texts;
  for (auto& edit : edits) {
    if (edit.file.empty()) {
      continue;
    }
    if (files.is_folder(edit.file)) {
      return Error{
          .code = ErrorCode::kIo, .message = "is a directory", .path = edit.file, .hint = "name the text file in it"};
    }
    MTPGRAFT_TRY(std::shared_ptr<const ReadableFile> file, files.open(edit.file));
    MTPGRAFT_TRY(const auto text, read_value(*file, edit.key));
    edit.value = string_value(text);
    texts.push_back(std::move(file));
  }
  return texts;
}

}  // namespace mtpgraft
