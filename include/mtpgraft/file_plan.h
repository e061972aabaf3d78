// The bytes of one output file: which ranges are copied, which are written, and what each byte means.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace mtpgraft {

enum class Source : std::uint8_t { kTarget, kDonor };

struct Literal {
  std::vector<std::byte> bytes;
};
struct Copy {
  Source source;
  std::uint64_t offset;  // in the source file
  std::uint64_t length;
};
struct Zero {
  std::uint64_t length;
};
using Segment = std::variant<Literal, Copy, Zero>;

std::uint64_t segment_length(const Segment& segment);

// What a byte range of the output is, for messages. Regions tile the output as segments do.
struct Region {
  enum class Kind : std::uint8_t {
    kCounts,
    kKey,
    kTensorInfo,
    kTensorData,
    kPadding,
    kHeader,  // all before the tensor infos, of a file that is copied as a whole
  };
  Kind kind;
  std::string name;  // key or tensor; of padding the tensor before it; empty for what belongs to none
  std::uint64_t offset;
  std::uint64_t length;
};

// The bytes of one output file.
struct FilePlan {
  std::vector<Segment> segments;  // tile [0, output_size)
  std::vector<Region> regions;    // tile [0, output_size)
  std::uint64_t output_size = 0;
  std::uint64_t data_offset = 0;
  std::uint64_t tensor_count = 0;
  // The target's file (index into GgufFile::files) that this one is, unchanged; nothing: it is written anew.
  std::optional<std::size_t> kept_shard;
};

}  // namespace mtpgraft
