// What the two halves of the differential fuzzer share: files that must be judged alike, and pairs that must fit.
#pragma once

#include <cstdint>
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

// What must not be. Empty if all is well.
using Fault = std::string;

// What came of a case: the columns of the matrix.
enum class Column : std::uint8_t {
  kBothAccept,
  kBothRefuse,
  kOnlyGgml,   // for a reason on the list of refusals.h
  kForkTypes,  // only mtpgraft accepts, which it may
  kWarned,     // types that no program has: a graft warns, --strict and verify refuse
  kUnknown,    // ggml gave no verdict
  kFault,
};
inline constexpr std::size_t kColumnCount = 7;

struct Finding {
  Column column;
  std::string text{};  // the fault, or what mtpgraft refuses (Refusal::what)
};

// A file whose tensors of types that ggml does not have are spelled as bytes of the same size, so that it can judge all
// the rest.
struct Twin {
  Bytes file;
  std::set<std::uint32_t> types{};  // that were spelled so; empty: it is the same file
  bool has_scalars = false;         // of these types: without dimensions there is no place for the number of bytes
};
Twin make_twin(const Bytes& file, const GgufFile& gguf);

// Compares what both say of one file, or of the files of one split model.
class Comparison {
 public:
  Comparison(GgmlJudge& judge, const Bases& bases);

  // Grafts with an accepted file, too, if it is asked for: that takes longer than all the rest.
  Finding compare_file(const Bytes& file, bool with_grafts);
  Finding compare_shards(const std::vector<Bytes>& files);

  // Of grafts with damaged files: those that ggml judged, and those that were too large to be written.
  [[nodiscard]] std::uint64_t graft_count() const { return graft_count_; }
  [[nodiscard]] std::uint64_t large_graft_count() const { return large_graft_count_; }

 private:
  Finding compare_with_twin(const Bytes& file, const OpenedModel& model, const Verdict& verdict, bool with_grafts);
  // Whether it can be a target, a donor, or a file that `verify` finds nothing in.
  [[nodiscard]] bool is_accepted_by_a_command(const OpenedModel& model) const;
  // Grafts with the file as target and as donor, where it can be one.
  Fault judge_grafts_of(const OpenedModel& model);
  Fault judge_graft(const OpenedModel& target, const OpenedModel& donor);

  GgmlJudge& judge_;
  OpenedModel target_;
  OpenedModel donor_;
  std::uint64_t graft_count_ = 0;
  std::uint64_t large_graft_count_ = 0;
};

// What the loader of llama.cpp asks of the files of a split model, beyond each being sound. Empty if it has that.
Fault find_split_fault(const std::vector<Verdict>& files);

// Outputs are small, but for alignments.
inline constexpr std::uint64_t kLargeOutputBytesMax = std::uint64_t{16} << 20;

// Makes a pair that fits, grafts it, extracts the head and strips the graft, and compares what ggml reads in each
// output with what follows from what it reads in target and donor.
Fault check_pair(GgmlJudge& judge, const Bases& bases, Random& random);

// The model cut into files, with the keys that tell of it.
std::vector<Bytes> split(const GgufSpec& spec, std::size_t count);

OpenedModel open_bytes(const std::string& path, Bytes bytes);
ModelFiles as_files(const std::string& prefix, const std::vector<Bytes>& files);

}  // namespace mtpgraft::fuzz
