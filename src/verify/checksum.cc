#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>

#include "io/stream.h"
#include "mtpgraft/verify.h"
#include "util/hash.h"
#include "util/parallel.h"

namespace mtpgraft {
namespace {

constexpr std::uint64_t kBufferBytes = std::uint64_t{1} << 20;

constexpr std::string_view kOpen = " (";
constexpr std::string_view kMiddle = ") = ";
// The digests of llama-gguf-hash, behind the algorithm's name.
constexpr std::size_t kManifestHexColumn = 10;

struct Algorithm {
  DigestAlgorithm id;
  std::string_view tag;       // in lists of xxhsum and coreutils
  std::string_view manifest;  // in those of llama-gguf-hash
  std::size_t hex_digits;
};

// Of lines that name no algorithm, the first with as many digits counts.
constexpr std::array kAlgorithms{
    Algorithm{DigestAlgorithm::kXxh128, "XXH128", "xxh128", 32},
    Algorithm{DigestAlgorithm::kSha256, "SHA256", "sha256", 64}, Algorithm{DigestAlgorithm::kSha1, "SHA1", "sha1", 40},
    Algorithm{DigestAlgorithm::kXxh64, "XXH64", "xxh64", 16}, Algorithm{DigestAlgorithm::kXxh3, "XXH3", "xxh3", 16}};

// A range of the file, and what is asked about it.
struct Job {
  ByteRange range;
  bool is_tensor = false;
  std::vector<DigestAlgorithm> algorithms{};
  std::vector<std::string> digests{};  // the answers, in hexadecimal
};

using Hashers = std::vector<std::shared_ptr<HexHasher>>;

Hashers make_hashers(const std::vector<DigestAlgorithm>& algorithms) {
  Hashers hashers;
  std::ranges::transform(algorithms, std::back_inserter(hashers), make_hasher);
  return hashers;
}

std::vector<std::string> finish(const Hashers& hashers) {
  std::vector<std::string> digests;
  for (const auto& hasher : hashers) {
    digests.push_back(hasher->finish_hex());
  }
  return digests;
}

// Reads each range once, one per core at a time. What `all` asks is about the tensors one behind the other: they are
// then read in this order.
Status run_jobs(const ReadableFile& file, std::vector<Job>& jobs, Job& all, const Progress& progress) {
  const auto all_hashers = make_hashers(all.algorithms);
  std::vector<std::vector<std::byte>> buffers(worker_count());
  std::mutex progress_mutex;
  const auto run_job = [&](std::size_t index, std::size_t worker) -> Status {
    auto& job = jobs[index];
    auto hashers = make_hashers(job.algorithms);
    const auto own_hashers = hashers.size();
    if (job.is_tensor) {
      hashers.insert(hashers.end(), all_hashers.begin(), all_hashers.end());
    }
    if (hashers.empty()) {
      return ok_status();
    }
    auto& buffer = buffers[worker];
    buffer.resize(std::min(kBufferBytes, file.size()));
    auto status =
        read_in_pieces(file, job.range.offset, job.range.length, buffer, [&](std::span<const std::byte> piece) {
          for (const auto& hasher : hashers) {
            hasher->update(piece);
          }
          const std::lock_guard lock(progress_mutex);
          return report_progress(progress, piece.size());
        });
    hashers.resize(own_hashers);
    job.digests = finish(hashers);
    return status;
  };
  if (all_hashers.empty()) {
    return parallel_for(jobs.size(), run_job);
  }
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    MTPGRAFT_CHECK(run_job(i, 0));
  }
  all.digests = finish(all_hashers);
  return ok_status();
}

// Of the metadata, then of each tensor.
std::vector<Job> make_jobs(const GgufFile& gguf) {
  std::vector<Job> jobs{{{0, gguf.infos_end}}};
  for (const auto& tensor : gguf.tensors) {
    jobs.push_back({{tensor.offset, tensor.size_bytes}, true});
  }
  return jobs;
}

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

// What a line says, before its name is understood.
struct Line {
  enum class Form : std::uint8_t { kTagged, kPlain, kManifest };
  Form form;
  const Algorithm* algorithm;
  std::string_view name;
  std::string_view hex;
};

std::optional<Line> split_line(std::string_view line) {
  const auto word = line.substr(0, line.find(' '));
  const auto rest = line.substr(word.size());
  if (const auto* found = std::ranges::find(kAlgorithms, word, &Algorithm::tag);
      found != kAlgorithms.end() && rest.starts_with(kOpen)) {
    // A name may hold anything, the digest cannot: split from the right.
    const auto middle = rest.rfind(kMiddle);
    if (middle == std::string_view::npos || middle < kOpen.size()) {
      return std::nullopt;
    }
    return Line{Line::Form::kTagged, found, rest.substr(kOpen.size(), middle - kOpen.size()),
                rest.substr(middle + kMiddle.size())};
  }
  if (const auto* found = std::ranges::find(kAlgorithms, word, &Algorithm::manifest); found != kAlgorithms.end()) {
    const auto name_column = kManifestHexColumn + found->hex_digits + 2;
    if (line.size() <= name_column || line.substr(name_column - 2, 2) != "  " ||
        line.substr(0, kManifestHexColumn).find_last_not_of(' ') != word.size() - 1) {
      return std::nullopt;
    }
    return Line{Line::Form::kManifest, found, line.substr(name_column),
                line.substr(kManifestHexColumn, found->hex_digits)};
  }
  if (const auto* found = std::ranges::find(kAlgorithms, word.size(), &Algorithm::hex_digits);
      found != kAlgorithms.end() && rest.size() > 2 && (rest[1] == ' ' || rest[1] == '*')) {
    return Line{Line::Form::kPlain, found, rest.substr(2), word};
  }
  return std::nullopt;
}

struct ParsedLine {
  Checksum checksum;
  bool in_manifest;
};

std::optional<ParsedLine> parse_line(std::string_view line) {
  const bool escaped = line.starts_with('\\');
  line.remove_prefix(escaped ? 1 : 0);
  const auto split = split_line(line);
  if (!split || split->hex.size() != split->algorithm->hex_digits ||
      !std::ranges::all_of(split->hex, [](unsigned char c) { return std::isxdigit(c) != 0; })) {
    return std::nullopt;
  }
  const bool in_manifest = split->form == Line::Form::kManifest;
  auto name = escaped && !in_manifest ? unescape(split->name) : std::string(split->name);
  if (!name || (escaped && in_manifest)) {
    return std::nullopt;
  }
  std::string hex(split->hex);
  std::ranges::transform(hex, hex.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ParsedLine{{std::move(*name), split->algorithm->id, std::move(hex)}, in_manifest};
}

// llama-gguf-hash names a tensor "PATH:tensor" and ends with lines that have PATH alone and are about all data; PATH
// may hold anything. In an excerpt that lacks these, a tensor's name is what stands behind the last colon. Lists of
// several files, as of a split model, have several PATHs: what they say of all data is about parts of the model, which
// the lines of the tensors cover.
void resolve_manifest_names(std::vector<Checksum>& manifest) {
  std::vector<std::span<Checksum>> files;
  for (auto left = std::span(manifest); !left.empty();) {
    const auto path = left.back().name;
    auto first = left.size();
    while (first > 0 && (left[first - 1].name == path || left[first - 1].name.starts_with(path + ':'))) {
      --first;
    }
    files.push_back(left.subspan(first));
    left = left.first(first);
  }
  for (const auto file : files) {
    const auto path = file.back().name;
    const bool is_excerpt =
        file.front().name == path && path.find(':') != std::string::npos && !path.ends_with(".gguf");
    for (auto& [name, algorithm, hex] : file) {
      if (name != path) {
        name = name.substr(path.size() + 1);
      } else if (is_excerpt) {
        name = name.substr(path.rfind(':') + 1);
      } else {
        name = files.size() == 1 ? kAllDataName : "";
      }
    }
  }
  std::erase_if(manifest, [](const Checksum& checksum) { return checksum.name.empty(); });
}

}  // namespace

std::string_view tag_of(DigestAlgorithm algorithm) {
  return std::ranges::find(kAlgorithms, algorithm, &Algorithm::id)->tag;
}

Result<std::vector<Checksum>> compute_checksums(const ReadableFile& file, const GgufFile& gguf,
                                                DigestAlgorithm algorithm, const Progress& progress) {
  auto jobs = make_jobs(gguf);
  for (auto& job : jobs) {
    job.algorithms = {algorithm};
  }
  Job all{};
  MTPGRAFT_CHECK(run_jobs(file, jobs, all, progress));
  std::vector<Checksum> checksums{{std::string(kMetadataName), algorithm, jobs.front().digests.front()}};
  for (std::size_t i = 0; i < gguf.tensors.size(); ++i) {
    checksums.push_back({gguf.tensors[i].name, algorithm, jobs[i + 1].digests.front()});
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
  constexpr auto kAlgorithm = DigestAlgorithm::kXxh128;
  std::vector<Checksum> checksums{{std::string(kMetadataName), kAlgorithm, to_hex(state.metadata.value_or(Digest{}))}};
  for (const auto& region : state.plan.regions) {
    if (region.kind == Region::Kind::kTensorInfo) {
      checksums.push_back({region.name, kAlgorithm, to_hex(state.digests.at(region.name))});
    }
  }
  return checksums;
}

std::string format_checksum(const Checksum& checksum) {
  const bool escaped = needs_escape(checksum.name);
  return fmt::format("{}{}{}{}{}{}", escaped ? "\\" : "", tag_of(checksum.algorithm), kOpen,
                     escaped ? escape(checksum.name) : checksum.name, kMiddle, checksum.hex);
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
  std::vector<Checksum> manifest;
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    // The UUID that llama-gguf-hash makes is a name of the model, which says nothing that its digests do not.
    if (line.empty() || line.starts_with('#') || line.starts_with("uuid ")) {
      continue;
    }
    if (auto parsed = parse_line(line)) {
      (parsed->in_manifest ? manifest : result.checksums).push_back(std::move(parsed->checksum));
    } else {
      result.bad_lines.push_back(number);
    }
  }
  resolve_manifest_names(manifest);
  std::ranges::move(manifest, std::back_inserter(result.checksums));
  return result;
}

Result<std::vector<CheckResult>> check_listed(const ReadableFile& file, const GgufFile& gguf,
                                              const std::vector<Checksum>& listed, const Progress& progress) {
  auto jobs = make_jobs(gguf);
  Job all{};
  std::unordered_map<std::string_view, Job*> job_of{{kMetadataName, &jobs.front()}, {kAllDataName, &all}};
  for (std::size_t i = 0; i < gguf.tensors.size(); ++i) {
    job_of.emplace(gguf.tensors[i].name, &jobs[i + 1]);
  }
  for (const auto& checksum : listed) {
    if (const auto found = job_of.find(checksum.name); found != job_of.end()) {
      auto& algorithms = found->second->algorithms;
      if (std::ranges::find(algorithms, checksum.algorithm) == algorithms.end()) {
        algorithms.push_back(checksum.algorithm);
      }
    }
  }
  const auto listed_tensors = static_cast<std::size_t>(
      std::ranges::count_if(jobs, [](const Job& job) { return job.is_tensor && !job.algorithms.empty(); }));
  const bool has_missing = std::ranges::any_of(listed, [&](const auto& of) { return !job_of.contains(of.name); });
  const bool is_comparable = !has_missing && (listed_tensors == 0 || listed_tensors == gguf.tensors.size());
  if (!is_comparable) {
    all.algorithms.clear();
  }
  MTPGRAFT_CHECK(run_jobs(file, jobs, all, progress));
  std::vector<CheckResult> results;
  for (const auto& checksum : listed) {
    const auto found = job_of.find(checksum.name);
    if (found == job_of.end()) {
      results.push_back(CheckResult::kMissing);
    } else if (found->second == &all && !is_comparable) {
      results.push_back(CheckResult::kNotComparable);
    } else {
      const auto& [range, is_tensor, algorithms, digests] = *found->second;
      const auto index = std::ranges::find(algorithms, checksum.algorithm) - algorithms.begin();
      results.push_back(digests[static_cast<std::size_t>(index)] == checksum.hex ? CheckResult::kOk
                                                                                 : CheckResult::kDiffers);
    }
  }
  return results;
}

}  // namespace mtpgraft
