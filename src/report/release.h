// What `mtpgraft release` prints, and the lists that it writes beside its outputs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/plan.h"
#include "mtpgraft/result.h"
#include "mtpgraft/summary.h"

namespace mtpgraft::report {

struct ReleasedFile {
  std::string path;
  std::string name;  // relative to where the lists are
  std::uint64_t bytes = 0;
  std::string sha256;  // empty in a dry run
};

enum class ReleaseState {
  kToWrite,
  kPresent,  // something of that name is there; a dry run does not look into it
  kWritten,
  kSkipped,  // it was there, every byte as planned
};

struct ReleasedModel {
  std::string path;
  std::string name;  // relative to PLAN.json, never absolute
  std::uint64_t bytes = 0;
};

struct ReleasedGraft {
  ReleasedModel target;
  ReleasedModel donor;
  std::string output;                  // of several files the first
  std::vector<std::string> arguments;  // of the graft alone
  std::string command;                 // the same as one line, for the directory of PLAN.json
  ReleaseState state = ReleaseState::kToWrite;
  bool has_other_sizes = false;  // of what is there: some file, which is then not the planned one
  std::vector<ReleasedFile> files;
  std::string quant;
  std::vector<KeyChange> key_changes;
  std::uint64_t first_head_block = 0;
  std::uint64_t head_block_count = 0;
  std::uint64_t head_tensor_count = 0;
  std::uint64_t head_bytes = 0;
  std::vector<TypeShare> head_types;
  std::string head_digest;
  std::vector<Warning> warnings;
  std::string record;     // empty without one
  std::string sums_name;  // of the file that has the XXH128 checksums

  [[nodiscard]] std::uint64_t bytes() const;
};

struct ReleaseReport {
  std::string plan_path;
  bool dry_run = false;
  std::vector<ReleasedGraft> grafts;
  std::uint64_t needed_bytes = 0;
  std::vector<std::string> lists;  // paths of what is written beside the outputs
  std::vector<Error> problems;     // the worst first
};

std::string llama_server_line(const ReleasedGraft& graft);

// A table for the model card, with the commands to run a file and to check a download.
std::string describe_release(const ReleaseReport& report);
std::string describe_release_plan(const ReleaseReport& report);

// For the answer with --json.
std::string release_to_json(const ReleaseReport& report);

inline constexpr std::string_view kReleaseFileName = "release.json";
inline constexpr std::string_view kSha256FileName = "SHA256SUMS";

// The contents of those two files.
std::string make_release_file(const std::vector<ReleasedGraft>& grafts, std::string_view version);
std::string make_sha256_file(const std::vector<ReleasedGraft>& grafts);

// Of an old one of these files: whether it is one, and the names that it lists; nothing if it is something else.
bool is_release_file(std::string_view text);
std::optional<std::vector<std::string>> names_in_sha256_file(std::string_view text);

}  // namespace mtpgraft::report
