#include <fmt/core.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "io/stream.h"
#include "mtpgraft/verify.h"
#include "util/hash.h"
#include "util/parallel.h"

namespace mtpgraft {
namespace {

constexpr std::uint64_t kBufferBytes = std::uint64_t{1} << 20;
constexpr std::string_view kTag = "XXH128 (";

// Digests of whole ranges, one range per core at a time.
Result<std::vector<Digest>> digest_ranges(const ReadableFile& file, const std::vector<ByteRange>& ranges,
                                          const Progress& progress) {
  std::vector<Digest> digests(ranges.size());
  std::vector<std::vector<std::byte>> buffers(worker_count());
  std::mutex progress_mutex;
  const auto digest_range = [&](std::size_t index, std::size_t worker) -> Status {
    auto& buffer = buffers[worker];
    buffer.resize(kBufferBytes);
    Hasher hasher;
    auto status =
        read_in_pieces(file, ranges[index].offset, ranges[index].length, buffer, [&](std::span<const std::byte> piece) {
          hasher.update(piece);
          const std::lock_guard lock(progress_mutex);
          return advance(progress, piece.size());
        });
    digests[index] = hasher.finish();
    return status;
  };
  MTPGRAFT_CHECK(parallel_for(ranges.size(), digest_range));
  return digests;
}

ByteRange metadata_range(const GgufFile& gguf) { return {0, gguf.infos_end}; }

bool needs_escape(std::string_view name) { return name.find_first_of("\\\n\r") != std::string_view::npos; }

std::string escape(std::string_view name) {
  std::string escaped;
  for (const char c : name) {
    switch (c) {
      case '\\':
        escaped += "\\\\";
        break;
      case '\n':
        escaped += "\\n";
        break;
      case '\r':
        escaped += "\\r";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::optional<std::string> unescape(std::string_view name) {
  std::string plain;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] != '\\') {
      plain += name[i];
      continue;
    }
    if (++i == name.size()) {
      return std::nullopt;
    }
    switch (name[i]) {
      case '\\':
        plain += '\\';
        break;
      case 'n':
        plain += '\n';
        break;
      case 'r':
        plain += '\r';
        break;
      default:
        return std::nullopt;
    }
  }
  return plain;
}

std::optional<Checksum> parse_line(std::string_view line) {
  const bool escaped = line.starts_with('\\');
  line.remove_prefix(escaped ? 1 : 0);
  std::string_view name;
  std::string_view hex;
  if (line.starts_with(kTag)) {
    // A name may hold anything, the digest cannot: split from the right.
    constexpr std::string_view kMiddle = ") = ";
    const auto middle = line.rfind(kMiddle);
    if (middle == std::string_view::npos || middle < kTag.size()) {
      return std::nullopt;
    }
    name = line.substr(kTag.size(), middle - kTag.size());
    hex = line.substr(middle + kMiddle.size());
  } else {
    constexpr std::size_t kHexDigits = 32;
    if (line.size() < kHexDigits + 3 || line[kHexDigits] != ' ' ||
        (line[kHexDigits + 1] != ' ' && line[kHexDigits + 1] != '*')) {
      return std::nullopt;
    }
    hex = line.substr(0, kHexDigits);
    name = line.substr(kHexDigits + 2);
  }
  const auto digest = parse_digest(hex);
  auto plain = escaped ? unescape(name) : std::string(name);
  if (!digest || !plain) {
    return std::nullopt;
  }
  return Checksum{std::move(*plain), *digest};
}

}  // namespace

Result<std::vector<Checksum>> compute_checksums(const ReadableFile& file, const GgufFile& gguf,
                                                const Progress& progress) {
  std::vector<ByteRange> ranges{metadata_range(gguf)};
  for (const auto& tensor : gguf.tensors) {
    ranges.push_back({tensor.offset, tensor.size_bytes});
  }
  MTPGRAFT_TRY(const auto digests, digest_ranges(file, ranges, progress));
  std::vector<Checksum> checksums{{std::string(kMetadataName), digests.front()}};
  for (std::size_t i = 0; i < gguf.tensors.size(); ++i) {
    checksums.push_back({gguf.tensors[i].name, digests[i + 1]});
  }
  return checksums;
}

struct ChecksumCollector::State {
  explicit State(const FilePlan& of) : plan(of) {}

  const FilePlan& plan;
  std::uint64_t offset = 0;
  std::size_t region = 0;
  Hasher hasher;
  std::optional<Digest> metadata;
  std::unordered_map<std::string_view, Digest> digests;  // by tensor

  // Ends the digest of the metadata where the first padding or data follow, and that of a tensor at its end.
  void end_region() {
    const auto& ended = plan.regions[region];
    ++region;
    if (ended.kind == Region::Kind::kTensorData) {
      digests.emplace(ended.name, hasher.finish());
      return;
    }
    const auto is_metadata = [](const Region& of) {
      return of.kind != Region::Kind::kTensorData && of.kind != Region::Kind::kPadding;
    };
    if (is_metadata(ended) && (region == plan.regions.size() || !is_metadata(plan.regions[region]))) {
      metadata = hasher.finish();
    }
  }
};

ChecksumCollector::ChecksumCollector(const FilePlan& plan) : state_(std::make_unique<State>(plan)) {}
ChecksumCollector::~ChecksumCollector() = default;

void ChecksumCollector::observe(std::span<const std::byte> bytes) {
  auto& state = *state_;
  while (!bytes.empty()) {
    const auto& region = state.plan.regions[state.region];
    const auto left = region.offset + region.length - state.offset;
    const auto piece = bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size())));
    if (region.kind != Region::Kind::kPadding) {
      state.hasher.update(piece);
    }
    state.offset += piece.size();
    bytes = bytes.subspan(piece.size());
    if (piece.size() == left) {
      state.end_region();
    }
  }
}

std::vector<Checksum> ChecksumCollector::finish() {
  auto& state = *state_;
  while (state.region < state.plan.regions.size()) {
    state.end_region();  // tensors without data at the end
  }
  std::vector<Checksum> checksums{{std::string(kMetadataName), state.metadata.value_or(Digest{})}};
  for (const auto& region : state.plan.regions) {
    if (region.kind == Region::Kind::kTensorInfo) {
      checksums.push_back({region.name, state.digests.at(region.name)});
    }
  }
  return checksums;
}

std::string format_checksum(const Checksum& checksum) {
  const bool escaped = needs_escape(checksum.name);
  return fmt::format("{}{}{}) = {}", escaped ? "\\" : "", kTag, escaped ? escape(checksum.name) : checksum.name,
                     to_hex(checksum.digest));
}

std::string format_checksums(const std::vector<Checksum>& checksums) {
  std::string text;
  for (const auto& checksum : checksums) {
    text += format_checksum(checksum) + '\n';
  }
  return text;
}

CheckFile parse_checkfile(std::string_view text) {
  CheckFile result;
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty() || line.starts_with('#')) {
      continue;
    }
    if (auto checksum = parse_line(line)) {
      result.checksums.push_back(std::move(*checksum));
    } else {
      result.bad_lines.push_back(number);
    }
  }
  return result;
}

Result<std::vector<CheckResult>> check_listed(const ReadableFile& file, const GgufFile& gguf,
                                              const std::vector<Checksum>& listed, const Progress& progress) {
  std::unordered_map<std::string_view, ByteRange> found{{kMetadataName, metadata_range(gguf)}};
  for (const auto& tensor : gguf.tensors) {
    found.emplace(tensor.name, ByteRange{tensor.offset, tensor.size_bytes});
  }
  std::vector<CheckResult> results(listed.size(), CheckResult::kMissing);
  std::vector<ByteRange> ranges;
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < listed.size(); ++i) {
    if (const auto range = found.find(listed[i].name); range != found.end()) {
      ranges.push_back(range->second);
      indices.push_back(i);
    }
  }
  MTPGRAFT_TRY(const auto digests, digest_ranges(file, ranges, progress));
  for (std::size_t i = 0; i < indices.size(); ++i) {
    results[indices[i]] = digests[i] == listed[indices[i]].digest ? CheckResult::kOk : CheckResult::kDiffers;
  }
  return results;
}

}  // namespace mtpgraft
