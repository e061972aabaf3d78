#include "gguf/foreign_bytes.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "util/checked.h"
#include "util/parse.h"
#include "util/path.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMagicOfGguf = "GGUF";

constexpr auto kToGguf = "llama.cpp's convert_hf_to_gguf.py makes a GGUF of the folder of such a model";

constexpr auto kGgufOfIt = "llama.cpp no longer reads it; get the model as GGUF";

using Kind = ForeignKind;

struct Magic {
  std::string_view bytes;
  std::size_t offset;
  FileKind kind;
  std::string_view what;
  std::string_view advice;  // {name} is its name as a word of a shell, {plain} the same without .gz, {model} what
                            // else to name
};

constexpr auto kGetGguf = "llama.cpp does not read it; get the model as GGUF";
constexpr auto kUntar = "unpack it: tar -xf {name}";
constexpr std::string_view kNameModel = "{model}";
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
    {"\x89PNG"sv, 0, FileKind::kUnknownFile, "a PNG picture", kNameModel},
    {"\xff\xd8\xff"sv, 0, FileKind::kUnknownFile, "a JPEG picture", kNameModel},
    {"%PDF-"sv, 0, FileKind::kUnknownFile, "a PDF document", kNameModel},
    {"\x7f"
     "ELF"sv,
     0, FileKind::kUnknownFile, "a program", kNameModel},
    {"MZqFpD"sv, 0, FileKind::kArchive, "a llamafile, a program that has a model in it",
     "unzip {name} '*.gguf' takes the model out"},
    {"bplist00"sv, 0, FileKind::kUnfinished, "what iCloud leaves in the place of a file",
     "download the file itself in the Finder"},
    {"MZ"sv, 0, FileKind::kUnknownFile, "a program for Windows", kNameModel},
    {"\x89HDF"sv, 0, FileKind::kUnknownFile, "an HDF5 file, as Keras writes them", kGetGguf},
    {"TFL3"sv, 4, FileKind::kUnknownFile, "a TensorFlow Lite model", kGetGguf},
    {"\x93NUMPY"sv, 0, FileKind::kUnknownFile, "a NumPy array", kNameModel},
    {"\0\0\0\1Bud1"sv, 0, FileKind::kUnknownFile, "what macOS keeps of a folder (.DS_Store)", kNameModel},
    {"\xd0\xcf\x11\xe0"sv, 0, FileKind::kUnknownFile, "a compound file, as Thumbs.db and old documents are",
     kNameModel},
    {"\x4c\0\0\0\1\x14\2\0"sv, 0, FileKind::kUnknownFile, "a shortcut of Windows (.lnk)", kNameModel},
    {"PAR1"sv, 0, FileKind::kUnknownFile, "a table in the format Parquet, a data set", kNameModel},
    {"ARROW1"sv, 0, FileKind::kUnknownFile, "a table in the format Arrow, a data set", kNameModel},
    {"SQLite format 3\0"sv, 0, FileKind::kUnknownFile, "a database of SQLite", kNameModel},
    {"WAVE"sv, 8, FileKind::kUnknownFile, "a sound (WAV)", kNameModel},
    {"ID3"sv, 0, FileKind::kUnknownFile, "a sound (MP3)", kNameModel},
    {"fLaC"sv, 0, FileKind::kUnknownFile, "a sound (FLAC)", kNameModel},
    {"OggS"sv, 0, FileKind::kUnknownFile, "a sound (Ogg)", kNameModel},
    {"ftyp"sv, 4, FileKind::kUnknownFile, "a film (MP4)", kNameModel},
    {"\x1a\x45\xdf\xa3"sv, 0, FileKind::kUnknownFile, "a film (Matroska or WebM)", kNameModel},
    {"WEBP"sv, 8, FileKind::kUnknownFile, "a WebP picture", kNameModel},
    {"GIF8"sv, 0, FileKind::kUnknownFile, "a GIF picture", kNameModel},
    {"!<arch>\n"sv, 0, FileKind::kUnknownFile, "a package of Debian, or a library", kNameModel},
    {"\xcf\xfa\xed\xfe"sv, 0, FileKind::kUnknownFile, "a program for macOS", kNameModel},
    {"\x0d\x0d\x0a"sv, 1, FileKind::kUnknownFile, "compiled Python", kNameModel},
    {"\x5d\0\0"sv, 0, FileKind::kArchive, "compressed with lzma", "unpack it: xz -dc {name} > {plain}"},
    {"\x1f\x9d"sv, 0, FileKind::kArchive, "compressed with compress", "unpack it: gunzip -c {name} > {plain}"},
    {"\xef\xbb\xbfGGUF"sv, 0, FileKind::kUnknownFile, "a GGUF file with a byte order mark of text before it",
     "take the mark off: tail -c +4 {name} > {plain}; if that is damaged, copy it again as binary"},
});

// Without ".gz" and the like; "NEW.gguf" if it is not called so.
std::string plain_name(const std::string& path) {
  for (const std::string_view ending : {".gz", ".gzip", ".zst", ".zstd", ".xz", ".bz2", ".lz4", ".lzma", ".z"}) {
    if (lowered(path).ends_with(ending)) {
      return path.substr(0, path.size() - ending.size());
    }
  }
  return "NEW.gguf";
}

std::string with_name(std::string_view advice, const std::string& path) {
  std::string text(advice);
  for (const auto& [word, by] :
       {std::pair("{name}"sv, shell_quoted(path)), std::pair("{plain}"sv, shell_quoted(plain_name(path))),
        std::pair("{model}"sv, advise_model(path))}) {
    if (const auto at = text.find(word); at != std::string::npos) {
      text.replace(at, word.size(), by);
    }
  }
  return text;
}

// "Model.tar.gz", "Model.tgz"
bool is_packed_tar(const std::string& path) {
  const auto name = lowered(base_name(path));
  const auto dot = name.rfind('.');
  constexpr auto kEndings = std::to_array<std::string_view>({".tgz", ".tbz", ".tbz2", ".txz", ".tzst", ".tlz"});
  return dot != std::string::npos &&
         (name.substr(0, dot).ends_with(".tar") || std::ranges::find(kEndings, name.substr(dot)) != kEndings.end());
}

// By the name of its first file, or of one that is at its beginning.
Kind recognise_zip(std::string_view start, const std::string& path) {
  constexpr std::size_t kFirstNameAt = 30;
  const auto name = start.substr(std::min(kFirstNameAt, start.size()), 200);
  if (start.find("data.pkl") != std::string_view::npos) {
    return {FileKind::kPickle, "a PyTorch file, of pickles in a zip archive", kToGguf};
  }
  if (name.substr(0, name.find('\0')).find(".npy") != std::string_view::npos) {
    return {FileKind::kZip, "NumPy arrays in a zip archive", advise_model(path)};
  }
  if (name.starts_with("[Content_Types].xml") || name.starts_with("mimetype")) {
    return {FileKind::kZip, "an office document", advise_model(path)};
  }
  return {FileKind::kZip, "a zip archive", with_name("unpack it: unzip {name}", path)};
}

// What a program for downloads or uploads has put before the GGUF.
std::optional<Kind> recognise_wrapped(std::string_view start) {
  if (start.find(kMagicOfGguf) == std::string_view::npos) {
    return std::nullopt;
  }
  if (start.starts_with("HTTP/")) {
    return Kind{FileKind::kUnknownFile, "a GGUF file with a server's headers before it",
                "download it again without them: curl without -i"};
  }
  if (start.starts_with("--") && start.find("Content-Disposition:") != std::string_view::npos) {
    return Kind{FileKind::kUnknownFile, "a GGUF file within a form, as browsers upload it",
                "get the file itself: copy it in another way"};
  }
  return std::nullopt;
}

// Formats of protocol buffers, which have no magic.
std::optional<Kind> recognise_protobuf(std::string_view start, const std::string& path) {
  if (start.starts_with('\n') && start.substr(0, 64).find("<unk>") != std::string_view::npos) {
    return Kind{FileKind::kUnknownFile, "a vocabulary of SentencePiece (tokenizer.model)", advise_model(path)};
  }
  if (start.starts_with('\x08') && lowered(path).ends_with(".onnx")) {
    return Kind{FileKind::kUnknownFile, "a model in the format ONNX", kGetGguf};
  }
  return std::nullopt;
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

}  // namespace

ForeignKind recognise_bytes(std::string_view start, const std::string& path, std::uint64_t file_bytes) {
  if (start.starts_with("\x00\x05\x16\x07"sv) || start.starts_with("\x00\x05\x16\x00"sv)) {
    const auto name = base_name(path);
    return {FileKind::kAppleDouble, "what macOS keeps beside a file",
            name.starts_with("._") ? fmt::format("the model is '{}'; this file can be deleted", name.substr(2))
                                   : advise_model(path)};
  }
  if (start.starts_with(kMagicOfGguf)) {
    return {FileKind::kOtherGguf, "a GGUF file", "its name is to end with .gguf"};
  }
  const auto magic = std::ranges::find_if(kMagics, [&](const Magic& candidate) {
    return start.size() > candidate.offset && start.substr(candidate.offset).starts_with(candidate.bytes);
  });
  if (magic != kMagics.end()) {
    return {magic->kind, std::string(magic->what), with_name(is_packed_tar(path) ? kUntar : magic->advice, path)};
  }
  if (start.starts_with("PK\x03\x04")) {
    return recognise_zip(start, path);
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
  for (auto kind : {recognise_wrapped(start), recognise_protobuf(start, path)}) {
    if (kind) {
      return std::move(*kind);
    }
  }
  return {FileKind::kUnknownFile, fmt::format("it begins with '{}'", start.substr(0, 4)),
          "if it was downloaded, compare its size with that on the server's page"};
}

}  // namespace mtpgraft
