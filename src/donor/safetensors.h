// Reads the header of a .safetensors file, with the checks of the format's reference implementation: 8 bytes length,
// JSON, then the tensors' data without gap or overlap up to the end of the file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/file.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

struct SafetensorsTensor {
  std::string name;
  std::string_view dtype;  // "BF16", "F8_E4M3", ...: a name of the format, kept for good
  std::vector<std::uint64_t> shape;
  std::uint64_t offset = 0;  // of its data, from the start of the file
  std::uint64_t size_bytes = 0;
};

// The key of the metadata in which a head that was extracted is described (head_description.h).
inline constexpr std::string_view kDescriptionKey = "mtpgraft";

// The tensors in the order of their data. Fails with kMalformed. `description`, if it is not null, gets what the
// metadata have under kDescriptionKey, or nothing.
Result<std::vector<SafetensorsTensor>> parse_safetensors(const ReadableFile& file, std::string* description = nullptr);

// The bytes in front of the data: the length and the JSON, padded so that data begin at a multiple of 8. The offsets of
// `tensors` count from the start of the data here.
std::string serialize_safetensors_header(const std::vector<SafetensorsTensor>& tensors, const std::string& description);

}  // namespace mtpgraft
