// What differs between a file and the graft that it is held against, before it is put into words.
#pragma once

#include <string>
#include <vector>

#include "mtpgraft/verify.h"

namespace mtpgraft {

struct Difference {
  enum class Of : std::uint8_t { kKey, kTensor, kBytes };
  Of of;             // kBytes: sizes, counts, padding, places
  std::string name;  // of the key or tensor
  Finding finding;
};

struct Comparison {
  std::vector<Difference> differences;
  std::uint64_t compared_bytes = 0;
  std::uint64_t shared_bytes = 0;
};

// Byte by byte, each at its place.
Result<Comparison> compare_bytes(const ReadableFile& file, const FilePlan& plan, const ReadableFile& target,
                                 const ReadableFile& donor, SharedExtents shared, const Progress& progress);

// The model that an executed plan would be, read from its sources. They must outlive it. Fails if it is none.
Result<OpenedModel> open_planned(const Plan& plan, const OpenedModel& target, const OpenedModel& donor);

// Whether every key and tensor of one stands where it stands in the other, whatever it is.
bool has_same_places(const GgufFile& a, const GgufFile& b);

// A tensor that both models have with the same name, type and shape.
struct TensorPair {
  const TensorInfo* expected;
  const TensorInfo* actual;
};

// One that has another type in the same shape.
struct RetypedTensor {
  std::string name;
  std::string expected;  // "Q4_K"
  std::string actual;
};

struct InfoComparison {
  std::vector<Difference> differences;
  std::vector<TensorPair> pairs;  // in the order of `expected`
  std::vector<RetypedTensor> retyped{};
};

// By name, wherever they stand. Offsets in findings are those of the model as one file.
InfoComparison compare_infos(const GgufFile& expected, const GgufFile& actual);
std::vector<Difference> compare_keys(const GgufFile& expected, const GgufFile& actual);
Result<Comparison> compare_data(const std::vector<TensorPair>& pairs, const ReadableFile& expected,
                                const ReadableFile& actual, const Progress& progress);

}  // namespace mtpgraft
