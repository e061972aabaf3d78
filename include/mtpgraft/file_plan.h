// The bytes of one output file: which ranges are copied, which are written, and what each byte means.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace mtpgraft {

enum class Source : std::uint8_t { kTarget, kDonor };

// Bytes that the plan itself has.
struct Literal {
  std::vector<std::byte> bytes;
};
// A range of target or donor. A split model counts as one file, as split.h reads it.
struct Copy {
  Source source;
  std::uint64_t offset;  // in the source
  std::uint64_t length;
};
struct Zero {
  std::uint64_t length;
};
using Segment = std::variant<Literal, Copy, Zero>;

std::uint64_t segment_length(const Segment& segment);

// Says what a byte range of the output is, for messages. Regions tile the output as segments do.
struct Region {
  enum class Kind : std::uint8_t {
    kCounts,      // magic, version, numbers of tensors and keys
    kKey,         // with its value
    kTensorInfo,  // a tensor's name, shape, type and offset
    kTensorData,
    kPadding,
    kHeader,  // all before the tensor infos, in a file that is copied as a whole
  };
  Kind kind;
  // The key or tensor; for padding the tensor before it; empty for what belongs to none. Lives as long as a copy of the
  // plan: of 100,000 tensors each has three regions.
  std::string_view name;
  std::uint64_t offset;
  std::uint64_t length;
};

// The bytes of one output file.
struct FilePlan {
  std::vector<Segment> segments;                         // tile [0, output_size)
  std::vector<Region> regions;                           // tile [0, output_size)
  std::shared_ptr<const std::deque<std::string>> names;  // those of the regions
  std::uint64_t output_size = 0;
  std::uint64_t data_offset = 0;  // where tensor data begin
  std::uint64_t tensor_count = 0;
  // The target's file that this one is, unchanged, as an index into GgufFile::files; nothing: it is written anew.
  std::optional<std::size_t> kept_shard;
};

}  // namespace mtpgraft
