// What the two halves of the differential fuzzer share: files that must be judged alike, and pairs that must fit.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ggml_judge.h"
#include "mtpgraft/split.h"
#include "random_gguf.h"

namespace mtpgraft::fuzz {

// Models that files are made of by changing them.
struct Bases {
  GgufSpec target;
  GgufSpec donor;
  std::vector<GgufSpec> others;
};

// Of one kind of file.
struct Counts {
  std::uint64_t both_accept = 0;
  std::uint64_t both_refuse = 0;
  std::uint64_t fork_types = 0;                         // only mtpgraft accepts, which it may
  std::map<std::string_view, std::uint64_t> refused{};  // only ggml accepts, by Refusal::what
};

// What must not be. Empty if all is well.
using Fault = std::string;

// A file whose tensors of types that ggml does not have are spelled as bytes of the same size, so that it can judge all
// the rest.
struct Twin {
  Bytes file;
  std::set<std::uint32_t> types;  // that were spelled so; empty: it is the same file
};
Twin make_twin(const Bytes& file, const GgufFile& gguf);

// Compares what both say of one file, or of the files of one split model.
class Comparison {
 public:
  Comparison(GgmlJudge& judge, const Bases& bases);

  // Grafts with an accepted file, too, if it is asked for: that takes longer than all the rest.
  Fault compare_file(const Bytes& file, bool with_grafts, Counts& counts);
  Fault compare_shards(const std::vector<Bytes>& files, Counts& counts);

 private:
  Fault compare_accepted(const Bytes& file, const GgufFile& gguf, const Verdict& verdict);
  // Whether it can be a target, a donor, or a file that `verify` finds nothing in.
  [[nodiscard]] bool is_accepted_by_a_command(const OpenedModel& model) const;
  // Grafts with the file as target and as donor, where it can be one.
  Fault judge_grafts_of(const OpenedModel& model);

  GgmlJudge& judge_;
  OpenedModel target_;
  OpenedModel donor_;
};

// Makes a pair that fits, grafts it, extracts the head and strips the graft, and compares what ggml reads in each
// output with what it reads in their sources.
Fault check_pair(GgmlJudge& judge, const Bases& bases, Random& random);

// The model cut into files, with the keys that tell of it.
std::vector<Bytes> split(const GgufSpec& spec, std::size_t count);

OpenedModel open_bytes(const std::string& path, Bytes bytes);
ModelFiles as_files(const std::string& prefix, const std::vector<Bytes>& files);

}  // namespace mtpgraft::fuzz
