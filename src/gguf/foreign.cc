#include "gguf/foreign.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "gguf/cut_name.h"
#include "gguf/foreign_bytes.h"
#include "util/checked.h"
#include "util/parse.h"
#include "util/path.h"
#include "util/stored_name.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kLooksAtBytes = 4096;
constexpr std::string_view kGguf = "GGUF";

constexpr auto kTruncated = "the file is truncated or damaged; download or copy it again";

using Kind = ForeignKind;

Kind recognise_name(const std::string& path, Kind otherwise) {
  if (const auto part = parse_cut_name(path); part && part->is_sure) {
    return {FileKind::kCutPart, fmt::format("a part of '{}', which was cut", base_name(part->whole)),
            fmt::format("join all parts, in their order, to '{}'", part->whole)};
  }
  if (without_partial_endings(path) != path) {
    return {FileKind::kUnfinished, "what a download has so far", "let the download end, and name what it makes of it"};
  }
  return otherwise;
}

// Of files that do not say what they are, or cannot be used before they are whole.
bool may_be_part(FileKind kind) {
  constexpr auto kKinds = std::to_array<FileKind>(
      {FileKind::kUnfinished, FileKind::kCutPart, FileKind::kEmpty, FileKind::kZeros, FileKind::kGzip, FileKind::kZip,
       FileKind::kZstd, FileKind::kArchive, FileKind::kPickle, FileKind::kSafetensors, FileKind::kUnknownFile});
  return std::ranges::find(kKinds, kind) != kKinds.end();
}

// `start` is what the file of so many bytes begins with.
Error refuse(std::string_view start, std::uint64_t file_bytes, const std::string& path, std::string_view wanted) {
  auto kind = start.empty() ? Kind{FileKind::kEmpty, "", "download or copy it again"}
                            : recognise_bytes(start, path, file_bytes);
  // A part of an archive is to be joined before it can be unpacked.
  kind = may_be_part(kind.kind) ? recognise_name(path, std::move(kind)) : kind;
  return {.code = ErrorCode::kMalformed,
          .message = start.empty() ? "the file is empty" : fmt::format("not {}: {}", wanted, kind.what),
          .path = path,
          .offset = 0,
          .hint = std::move(kind.advice),
          .remedy = kind.remedy,
          .file_kind = kind.kind};
}

Result<std::string> read_start(const ReadableFile& file) {
  std::string start(std::min<std::uint64_t>(file.size(), kLooksAtBytes), '\0');
  MTPGRAFT_CHECK(file.read_at(0, std::as_writable_bytes(std::span(start))));
  return start;
}

}  // namespace

Error refuse_foreign(const ReadableFile& file) {
  auto start = read_start(file);
  if (!start.ok()) {
    return std::move(start.error());
  }
  if (!start.value().empty() && kGguf.starts_with(start.value())) {
    return explain_truncation(
        {.code = ErrorCode::kMalformed, .message = "the file ends in its first word", .path = file.path(), .offset = 0},
        file);
  }
  return refuse(start.value(), file.size(), file.path(), "a GGUF file");
}

std::optional<Error> find_foreign(const ReadableFile& file, std::string_view wanted) {
  const auto start = read_start(file);
  return start.ok() ? find_foreign(start.value(), file.size(), file.path(), wanted) : std::nullopt;
}

std::optional<Error> find_foreign(std::string_view start, std::uint64_t file_bytes, const std::string& path,
                                  std::string_view wanted) {
  constexpr auto kTellNothing = std::to_array<FileKind>(
      {FileKind::kUnknownFile, FileKind::kText, FileKind::kJson, FileKind::kSafetensors, FileKind::kImatrix});
  auto error = refuse(start.substr(0, kLooksAtBytes), file_bytes, path, wanted);
  const bool tells = std::ranges::find(kTellNothing, *error.file_kind) == kTellNothing.end();
  return tells ? std::optional(std::move(error)) : std::nullopt;
}

std::string advise_damage(const ReadableFile& file) {
  std::string end(std::min<std::uint64_t>(file.size(), kLooksAtBytes), '\0');
  const bool is_text = !is_remote(file.path()) &&
                       file.read_at(file.size() - end.size(), std::as_writable_bytes(std::span(end))).ok() &&
                       was_text(end);
  return is_text ? "it seems to have been copied as text, which damages it: copy or download it again as binary" : "";
}

Error refuse_version(std::uint32_t version, const std::string& path) {
  constexpr std::uint64_t kVersionAt = 4;
  Error error{.code = ErrorCode::kUnsupported, .message = {}, .path = path, .offset = kVersionAt};
  if (version != 0 && (version & 0xFFFFU) == 0) {
    error.message = "big-endian GGUF files are not supported";
    error.hint =
        fmt::format("gguf-py, which comes with llama.cpp, converts it in place: gguf_convert_endian.py {} little",
                    shell_quoted(path));
    error.file_kind = FileKind::kBigEndian;
  } else if (version == 1) {
    error.message = "GGUF version 1 is not supported";
    error.hint = "llama.cpp no longer reads it either; get a newer GGUF of the model, or convert it again";
    error.file_kind = FileKind::kGgufV1;
  } else {
    error.message = fmt::format("GGUF version {} is not known, only 2 and 3 are", version);
    error.hint = version == 0 ? "the file is damaged where it begins" : "a newer mtpgraft may read it";
    error.file_kind = FileKind::kGgufUnknownVersion;
  }
  return error;
}

Error explain_truncation(Error error, const ReadableFile& file) {
  const auto damage = advise_damage(file);
  auto kind = recognise_name(file.path(),
                             {FileKind::kUnfinished, "",
                              file.is_being_written() ? "another program has it open to write: wait until that is done"
                              : damage.empty()        ? kTruncated
                                                      : damage});
  error.file_kind = kind.kind;
  error.hint = std::move(kind.advice);
  return error;
}

std::string find_download_state(const std::string& path, FileSource& files) {
  // Of axel and lftp: only beside it, as the end of a name they mean other things, too.
  constexpr auto kEndingsBeside = std::to_array<std::string_view>({".st", "-lftp-pget-status"});
  for (const std::span<const std::string_view> endings :
       {std::span<const std::string_view>(kPartialEndings), std::span<const std::string_view>(kEndingsBeside)}) {
    for (const auto ending : endings) {
      auto beside = path + std::string(ending);
      if (const auto found = files.exists(beside); found.ok() && found.value()) {
        return beside;
      }
    }
  }
  return {};
}

Error explain_beside(Error error, FileSource& files) {
  if (!error.file_kind || !may_be_part(*error.file_kind) || is_remote(error.path)) {
    return error;
  }
  if (const auto state = find_download_state(error.path, files); !state.empty()) {
    error.file_kind = FileKind::kUnfinished;
    error.hint = fmt::format("'{}' is beside it: its download is not done; go on with it", base_name(state));
  } else if (const auto part = parse_cut_name(error.path)) {
    const auto names = files.list_folder(parent_of(error.path));
    if (auto advice = names.ok() ? advise_joining(*part, names.value()) : ""; !advice.empty()) {
      error.file_kind = FileKind::kCutPart;
      error.hint = std::move(advice);
    }
  }
  return error;
}

}  // namespace mtpgraft
