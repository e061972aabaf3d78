#include "gguf/foreign.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "gguf/cut_name.h"
#include "gguf/foreign_text.h"
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

constexpr auto kToGguf = "llama.cpp's convert_hf_to_gguf.py makes a GGUF of the folder of such a model";

constexpr auto kGgufOfIt = "llama.cpp no longer reads it; get the model as GGUF";

using Kind = ForeignKind;

struct Magic {
  std::string_view bytes;
  std::size_t offset;
  FileKind kind;
  std::string_view what;
  std::string_view advice;  // {name} is its name as a word of a shell, {plain} the same without .gz
};

constexpr auto kUntar = "unpack it: tar -xf {name}";
constexpr auto kUnpackAdvice = "unpack it, and name the .gguf file in it";

constexpr auto kMagics = std::to_array<Magic>({
    {"\x1f\x8b"sv, 0, FileKind::kGzip, "compressed with gzip", "unpack it: gunzip -c {name} > {plain}"},
    {"\x28\xb5\x2f\xfd"sv, 0, FileKind::kZstd, "compressed with zstd", "unpack it: zstd -dc {name} > {plain}"},
    {"\xfd"
     "7zXZ"sv,
     0, FileKind::kArchive, "compressed with xz", "unpack it: xz -dc {name} > {plain}"},
    {"BZh"sv, 0, FileKind::kArchive, "compressed with bzip2", "unpack it: bunzip2 -c {name} > {plain}"},
    {"\x04\x22\x4d\x18"sv, 0, FileKind::kArchive, "compressed with lz4", "unpack it: lz4 -dc {name} > {plain}"},
    {"7z\xbc\xaf\x27\x1c"sv, 0, FileKind::kArchive, "a 7z archive", kUnpackAdvice},
    {"Rar!\x1a\x07"sv, 0, FileKind::kArchive, "a rar archive", kUnpackAdvice},
    {"ustar"sv, 257, FileKind::kArchive, "a tar archive", kUntar},
    {"\x80\x02"sv, 0, FileKind::kPickle, "a pickle, as PyTorch writes them", kToGguf},
    {"\x80\x03"sv, 0, FileKind::kPickle, "a pickle, as PyTorch writes them", kToGguf},
    {"\x80\x04"sv, 0, FileKind::kPickle, "a pickle, as PyTorch writes them", kToGguf},
    {"\x80\x05"sv, 0, FileKind::kPickle, "a pickle, as PyTorch writes them", kToGguf},
    {"lmgg"sv, 0, FileKind::kGgml, "in the format ggml, from before GGUF", kGgufOfIt},
    {"fmgg"sv, 0, FileKind::kGgml, "in the format ggmf, from before GGUF", kGgufOfIt},
    {"tjgg"sv, 0, FileKind::kGgml, "in the format ggjt, from before GGUF", kGgufOfIt},
    {"algg"sv, 0, FileKind::kGgml, "a LoRA in the format ggla, from before GGUF", "llama.cpp no longer reads it"},
    {"\x89PNG"sv, 0, FileKind::kUnknownFile, "a PNG picture", "name the .gguf file"},
    {"\xff\xd8\xff"sv, 0, FileKind::kUnknownFile, "a JPEG picture", "name the .gguf file"},
    {"%PDF-"sv, 0, FileKind::kUnknownFile, "a PDF document", "name the .gguf file"},
    {"\x7f"
     "ELF"sv,
     0, FileKind::kUnknownFile, "a program", "name the .gguf file"},
    {"MZqFpD"sv, 0, FileKind::kArchive, "a llamafile, a program that has a model in it",
     "unzip {name} '*.gguf' takes the model out"},
    {"bplist00"sv, 0, FileKind::kUnfinished, "what iCloud leaves in the place of a file",
     "download the file itself in the Finder"},
    {"MZ"sv, 0, FileKind::kUnknownFile, "a program for Windows", "name the .gguf file"},
    {"\x89HDF"sv, 0, FileKind::kUnknownFile, "an HDF5 file, as Keras writes them", kToGguf},
    {"TFL3"sv, 4, FileKind::kUnknownFile, "a TensorFlow Lite model", "llama.cpp does not read it; get a GGUF"},
    {"\x93NUMPY"sv, 0, FileKind::kUnknownFile, "a NumPy array", "name the .gguf file"},
});

// Without ".gz" and the like; "NEW.gguf" if it is not called so.
std::string plain_name(const std::string& path) {
  for (const std::string_view ending : {".gz", ".gzip", ".zst", ".zstd", ".xz", ".bz2", ".lz4"}) {
    if (lowered(path).ends_with(ending)) {
      return path.substr(0, path.size() - ending.size());
    }
  }
  return "NEW.gguf";
}

std::string with_name(std::string_view advice, const std::string& path) {
  std::string text(advice);
  for (const auto& [word, name] : {std::pair("{name}"sv, path), std::pair("{plain}"sv, plain_name(path))}) {
    if (const auto at = text.find(word); at != std::string::npos) {
      text.replace(at, word.size(), shell_quoted(name));
    }
  }
  return text;
}

// "Model.tar.gz", "Model.tgz"
bool is_packed_tar(const std::string& path) {
  const auto name = lowered(base_name(path));
  const auto dot = name.rfind('.');
  return dot != std::string::npos && (name.substr(0, dot).ends_with(".tar") || name.substr(dot).starts_with(".t"));
}

Kind recognise_safetensors(const std::string& path) {
  return {FileKind::kSafetensors, "safetensors",
          lowered(path).ends_with(".safetensors")
              ? fmt::format("a donor can be safetensors, a target is a GGUF: {}", kToGguf)
              : fmt::format("as a donor its name must end with .safetensors; {}", kToGguf)};
}

bool is_safetensors(std::string_view start, std::uint64_t file_bytes) {
  std::uint64_t header_bytes = 0;
  for (std::size_t i = 8; i-- > 0 && start.size() > 8;) {
    header_bytes = header_bytes << 8U | static_cast<unsigned char>(start[i]);
  }
  return header_bytes >= 2 && start.size() > 8 && start[8] == '{' && range_fits(8, header_bytes, file_bytes);
}

// Written by llama-imatrix until it wrote GGUF: a count of entries, and each with the length of its name before it.
bool is_old_imatrix(std::string_view start) {
  constexpr std::size_t kNameAt = 8;
  return start.size() > kNameAt &&
         (start.substr(kNameAt).starts_with("blk.") || start.substr(kNameAt).starts_with("output.weight"));
}

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

Kind recognise(std::string_view start, const std::string& path, std::uint64_t file_bytes) {
  if (start.starts_with("\x00\x05\x16\x07"sv) || start.starts_with("\x00\x05\x16\x00"sv)) {
    const auto name = base_name(path);
    return {FileKind::kAppleDouble, "what macOS keeps beside a file",
            name.starts_with("._") ? fmt::format("the model is '{}'; this file can be deleted", name.substr(2))
                                   : "name the .gguf file"};
  }
  if (start.starts_with(kGguf)) {
    return {FileKind::kOtherGguf, "a GGUF file", "its name is to end with .gguf"};
  }
  const auto magic = std::ranges::find_if(kMagics, [&](const Magic& candidate) {
    return start.size() > candidate.offset && start.substr(candidate.offset).starts_with(candidate.bytes);
  });
  if (magic != kMagics.end()) {
    return {magic->kind, std::string(magic->what), with_name(is_packed_tar(path) ? kUntar : magic->advice, path)};
  }
  if (start.starts_with("PK\x03\x04")) {
    return start.find("data.pkl") != std::string_view::npos
               ? Kind{FileKind::kPickle, "a PyTorch file, of pickles in a zip archive", kToGguf}
               : Kind{FileKind::kZip, "a zip archive", with_name("unpack it: unzip {name}", path)};
  }
  if (is_safetensors(start, file_bytes)) {
    return recognise_safetensors(path);
  }
  if (is_old_imatrix(start)) {
    return {FileKind::kImatrix, "an importance matrix, in the format before GGUF",
            with_name("llama-quantize --imatrix {name} takes it; name the model", path)};
  }
  if (std::ranges::all_of(start, [](char c) { return c == '\0'; })) {
    return {FileKind::kZeros, "nothing but zeros where it begins",
            "a download that is not done, or a disk that failed, leaves such a file: if nothing is writing it, get it "
            "again"};
  }
  if (is_text(start)) {
    return recognise_text(start, path);
  }
  return {FileKind::kUnknownFile, fmt::format("it begins with '{}'", start.substr(0, 4)),
          "if it was downloaded, compare its size with that on the server's page"};
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
  auto kind =
      start.empty() ? Kind{FileKind::kEmpty, "", "download or copy it again"} : recognise(start, path, file_bytes);
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
  auto kind = recognise_name(
      file.path(),
      {FileKind::kUnfinished, "",
       file.is_being_written() ? "another program has it open to write: wait until that is done" : kTruncated});
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
