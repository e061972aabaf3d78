// A checkpoint: config.json, one or two .safetensors files and an index. Before them stands a byte of options.
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "fuzz.h"
#include "mtpgraft/donor.h"
#include "mtpgraft/head.h"
#include "temp_dir.h"

namespace mtpgraft::fuzz {
namespace {

// As many as four bits count: of families that are alike, one.
constexpr std::array<std::string_view, 16> kArchitectures{
    "",      "qwen35", "qwen35moe", "qwen3next",      "glm4moe",   "deepseek2",  "glm-dsa",   "deepseek32",
    "mimo2", "step35", "hy_v3",     "nemotron_h_moe", "deepseek4", "exaone-moe", "dots3note", "qwen4exp"};

// Which files a checkpoint has is asked of the real file system; what is in them comes from memory.
class EmptyFiles {
 public:
  explicit EmptyFiles(std::initializer_list<std::string_view> names) {
    for (const auto name : names) {
      std::ofstream(path(name));
    }
  }
  [[nodiscard]] const std::string& root() const { return directory_.root(); }
  [[nodiscard]] std::string path(std::string_view name) const { return directory_.path(std::string(name)); }

 private:
  TempDir directory_;
};

// With zeros up to where the header says that the last tensor ends.
Bytes fill_up(Bytes file) {
  constexpr std::string_view kOffsets = "\"data_offsets\":[";
  constexpr std::size_t kLengthBytes = 8;
  constexpr std::size_t kDataBytesMax = std::size_t{1} << 20;
  if (file.size() < kLengthBytes) {
    return file;
  }
  const auto text = to_text(file);
  std::size_t end = 0;
  for (auto at = text.find(kOffsets); at != std::string::npos; at = text.find(kOffsets, at)) {
    at += kOffsets.size();
    const auto comma = std::min(text.find(',', at), text.size() - 1);
    end = std::max<std::size_t>(end, std::strtoull(text.c_str() + comma + 1, nullptr, 10));
  }
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), kLengthBytes);
  if (end <= kDataBytesMax && header_bytes < text.size()) {
    file.resize(std::max(file.size(), kLengthBytes + header_bytes + end));
  }
  return file;
}

// Making a file while it is read must not depend on how it is read.
void require_same_in_pieces(const ReadableFile& file) {
  const auto whole = read_all(file);
  std::size_t length = 1;
  for (std::size_t at = 0; at < whole.size(); at += length, length = length % 61 + 7) {
    Bytes piece(std::min(length, whole.size() - at));
    require(file.read_at(at, piece).ok() && std::ranges::equal(piece, std::span(whole).subspan(at, piece.size())),
            "a file reads alike in pieces");
  }
}

void check_checkpoint(const std::string& path, const CheckpointOptions& options, FileSystem& files) {
  const auto head = open_checkpoint(path, options, files);
  if (!head.ok()) {
    return require_sound(head.error());
  }
  if (head.value().file->size() > (std::uint64_t{1} << 20)) {
    return;
  }
  const auto gguf = parse_gguf(*head.value().file);
  require(gguf.ok(), gguf.ok() ? "" : "a checkpoint's head is a GGUF: " + gguf.error().message);
  require(find_head(gguf.value()).has_tensors(), "a checkpoint's head has tensors");
  require_same_in_pieces(*head.value().file);
  check_extract({head.value().file, gguf.value()}, nullptr);
}

void check_files(std::uint8_t flags, const std::vector<Bytes>& parts) {
  static const EmptyFiles lone{"mtp.safetensors"};
  static const EmptyFiles pair{"config.json", "model.safetensors"};
  static const EmptyFiles indexed{"config.json", "a.safetensors", "b.safetensors", "model.safetensors.index.json"};
  CheckpointOptions options{std::string(kArchitectures[(flags & 15U) % kArchitectures.size()]), std::nullopt};
  if ((flags & 0x40U) != 0) {
    options.norm_offset = (flags & 0x20U) != 0 ? 1 : 0;
  }
  MemoryFileSystem files;
  if (parts.size() == 1) {
    files.put(lone.path("mtp.safetensors"), fill_up(parts[0]));
    return check_checkpoint(lone.path("mtp.safetensors"), options, files);
  }
  if (parts.size() == 2) {
    files.put(pair.path("config.json"), parts[0]);
    files.put(pair.path("model.safetensors"), fill_up(parts[1]));
    return check_checkpoint(pair.root(), options, files);
  }
  files.put(indexed.path("config.json"), parts[0]);
  files.put(indexed.path("a.safetensors"), fill_up(parts[1]));
  files.put(indexed.path("model.safetensors.index.json"), parts[2]);
  if (parts.size() > 3) {
    files.put(indexed.path("b.safetensors"), fill_up(parts[3]));
  }
  check_checkpoint(indexed.root(), options, files);
}

}  // namespace
}  // namespace mtpgraft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size >= 1) {
    mtpgraft::fuzz::check_files(data[0], mtpgraft::fuzz::cut_input(data + 1, size - 1));
  }
  return 0;
}
