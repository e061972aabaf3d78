#include <fmt/core.h>

#include <algorithm>
#include <array>
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
#include "verify/listed_files.h"

namespace mtpgraft {
namespace {

constexpr std::uint64_t kBufferBytes = std::uint64_t{1} << 20;

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

// One for the metadata, then one for each tensor, then one for each file.
std::vector<Job> make_jobs(const GgufFile& gguf) {
  std::vector<Job> jobs{{{0, gguf.infos_end}}};
  for (const auto& tensor : gguf.tensors) {
    jobs.push_back({{tensor.offset, tensor.size_bytes}, true});
  }
  for (const auto& file : gguf.files) {
    jobs.push_back({{file.offset, file.size}});
  }
  return jobs;
}

}  // namespace

Result<std::vector<Checksum>> compute_checksums(const ReadableFile& file, const GgufFile& gguf,
                                                DigestAlgorithm algorithm, const Progress& progress) {
  auto jobs = make_jobs(gguf);
  for (std::size_t i = 0; i <= gguf.tensors.size(); ++i) {
    jobs[i].algorithms = {algorithm};
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
  while (!bytes.empty() && state.region < state.plan.regions.size()) {
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
      checksums.push_back({std::string(region.name), kAlgorithm, to_hex(state.digests.at(region.name))});
    }
  }
  return checksums;
}

Result<std::vector<CheckResult>> check_listed(const ReadableFile& file, const GgufFile& gguf,
                                              const std::vector<Checksum>& listed, const Progress& progress) {
  return check_lines(file, gguf, listed, FilesOfLines(listed.size()), progress);
}

Result<std::vector<CheckResult>> check_lines(const ReadableFile& file, const GgufFile& gguf,
                                             const std::vector<Checksum>& listed, const FilesOfLines& files,
                                             const Progress& progress) {
  auto jobs = make_jobs(gguf);
  Job all{};
  std::unordered_map<std::string_view, Job*> job_of{{kMetadataName, &jobs.front()}, {kAllDataName, &all}};
  for (std::size_t i = 0; i < gguf.tensors.size(); ++i) {
    job_of.emplace(gguf.tensors[i].name, &jobs[i + 1]);
  }
  const auto find_job = [&](std::size_t line) -> Job* {
    if (files[line]) {
      return &jobs[1 + gguf.tensors.size() + *files[line]];
    }
    const auto found = job_of.find(listed[line].name);
    return found != job_of.end() ? found->second : nullptr;
  };
  bool has_missing = false;
  for (std::size_t i = 0; i < listed.size(); ++i) {
    auto* job = find_job(i);
    has_missing = has_missing || job == nullptr;
    if (job != nullptr && std::ranges::find(job->algorithms, listed[i].algorithm) == job->algorithms.end()) {
      job->algorithms.push_back(listed[i].algorithm);
    }
  }
  const auto listed_tensors = static_cast<std::size_t>(
      std::ranges::count_if(jobs, [](const Job& job) { return job.is_tensor && !job.algorithms.empty(); }));
  const bool is_comparable = !has_missing && (listed_tensors == 0 || listed_tensors == gguf.tensors.size());
  if (!is_comparable) {
    all.algorithms.clear();
  }
  MTPGRAFT_CHECK(run_jobs(file, jobs, all, progress));
  std::vector<CheckResult> results;
  for (std::size_t i = 0; i < listed.size(); ++i) {
    const auto* job = find_job(i);
    if (job == nullptr) {
      results.push_back(CheckResult::kMissing);
    } else if (job == &all && !is_comparable) {
      results.push_back(CheckResult::kNotComparable);
    } else {
      const auto& [range, is_tensor, algorithms, digests] = *job;
      const auto index = std::ranges::find(algorithms, listed[i].algorithm) - algorithms.begin();
      results.push_back(digests[static_cast<std::size_t>(index)] == listed[i].hex ? CheckResult::kOk
                                                                                  : CheckResult::kDiffers);
    }
  }
  return results;
}

}  // namespace mtpgraft
