// A tensor of a checkpoint as it is stored: its values, and the tensors beside it that they are made with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "donor/checkpoint.h"
#include "donor/quantisation_config.h"
#include "donor/quantisation_schemes.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// Of a tensor, and of a head: sums of offsets below it cannot overflow.
inline constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 62;

// One scale for each block of rows and columns. The rows lie in groups of equal length (the matrices of a stack, the
// parts of a tensor that is stored for several processors), and blocks begin anew with each.
struct ScaleBlocks {
  std::uint64_t rows = 1;
  std::uint64_t columns = 1;
  std::uint64_t group_rows = 1;

  [[nodiscard]] std::uint64_t group_blocks() const { return (group_rows + rows - 1) / rows; }
};

std::uint64_t element_count(const std::vector<std::uint64_t>& shape);

struct StoredTensor {
  CheckpointTensor values;
  std::vector<std::uint64_t> shape{};          // of the values, the row length last
  const QuantisationScheme* scheme = nullptr;  // null: the values are stored as they are
  std::optional<CheckpointTensor> scales{};
  std::optional<CheckpointTensor> more{};  // NVFP4: factors of whole matrices; affine: biases like the scales
  bool divides_by_more = false;
  std::uint64_t bits = 0;  // stored for a value
  ScaleBlocks blocks{};    // set by set_scale_blocks()

  [[nodiscard]] Encoding encoding() const { return scheme != nullptr ? scheme->encoding : Encoding::kPlain; }
  [[nodiscard]] bool is_quantised() const { return scheme != nullptr; }
  [[nodiscard]] std::uint64_t columns() const { return shape.back(); }
  [[nodiscard]] std::uint64_t rows() const;
  // Scales for a row of blocks.
  [[nodiscard]] std::uint64_t scale_columns() const { return (columns() + blocks.columns - 1) / blocks.columns; }
};

// Finds what the weight `name`, which is one of find_weights(), is stored as. Fails with kUnsupported, naming the
// scheme, for one that is not read, and where scales lack or what is there contradicts `config`.
Result<StoredTensor> find_stored(Checkpoint& checkpoint, const std::string& name, const QuantisationConfig& config);

// The path of the file that has the values of such a weight.
const std::string& file_of_weight(Checkpoint& checkpoint, const std::string& name);

// Says which scale belongs to which value, by the shape of the scales. Of FP8 and INT8, blocks are those of `config`,
// else 128 x 128, and begin anew every `group_rows`; 0 stands for a matrix. Fails with kUnsupported.
Status set_scale_blocks(StoredTensor& tensor, const QuantisationConfig& config, std::uint64_t group_rows = 0);

// "FP8, blocks of 128 x 128", for people, of a tensor that is quantised.
std::string describe_scheme(StoredTensor tensor, const QuantisationConfig& config);

Error cannot_convert(const StoredTensor& tensor, std::string_view why,
                     std::string hint = "give the checkpoint as it was published, or the head as a GGUF");

}  // namespace mtpgraft
