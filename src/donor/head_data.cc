#include "mtpgraft/head_data.h"

#include <fmt/core.h>

#include <algorithm>
#include <span>

#include "gguf/dequantize.h"
#include "gguf/tensor_types.h"
#include "io/stream.h"
#include "mtpgraft/remote.h"
#include "util/hash.h"

namespace mtpgraft {
namespace {

// Far above any norm; what is longer stays opaque.
constexpr std::uint64_t kVectorBytesMax = std::uint64_t{4} << 20;

constexpr std::uint64_t kBufferBytes = std::uint64_t{1} << 20;

bool is_short_vector(const TensorInfo& tensor) { return tensor.is_vector() && tensor.size_bytes <= kVectorBytesMax; }

}  // namespace

Result<HeadData> read_head_data(const ReadableFile& file, const GgufFile& donor, DigestHead digest,
                                const Progress& progress) {
  HeadData data;
  Hasher hasher;
  std::vector<std::byte> buffer(digest == DigestHead::kYes ? std::min(kBufferBytes, file.size()) : 0);
  const auto head = find_head(donor).tensors;
  std::vector<ByteRange> ranges;
  for (const auto index : head) {
    const auto& tensor = donor.tensors[index];
    if (digest == DigestHead::kYes || is_short_vector(tensor)) {
      ranges.push_back({tensor.offset, tensor.size_bytes});
    }
  }
  MTPGRAFT_CHECK(fetch(file, ranges));
  for (const auto index : head) {
    const auto& tensor = donor.tensors[index];
    auto& values = data.vectors.emplace_back();
    if (is_short_vector(tensor)) {
      std::vector<std::byte> bytes(tensor.size_bytes);
      MTPGRAFT_CHECK(file.read_at(tensor.offset, bytes));
      values = dequantize(tensor.type, bytes);
    }
    if (tensor.is_vector() && !values && tensor.type != tensor_type::kF32) {
      return Error{.code = ErrorCode::kUnsupported,
                   .message = fmt::format(
                       "head tensor '{}' has one dimension and type {}; it must become F32, which is possible "
                       "from F16, BF16 and Q8_0 only",
                       tensor.name, tensor_type_name(tensor.type)),
                   .path = donor.path,
                   .offset = tensor.info_offset,
                   .hint = "use a donor with F32 norms"};
    }
    if (digest == DigestHead::kNo) {
      continue;
    }
    if (values) {
      hasher.update(std::as_bytes(std::span(*values)));
    } else {
      MTPGRAFT_CHECK(
          read_in_pieces(file, tensor.offset, tensor.size_bytes, buffer, [&](std::span<const std::byte> piece) {
            hasher.update(piece);
            return report_progress(progress, piece.size());
          }));
    }
  }
  if (digest == DigestHead::kYes) {
    data.digest = hasher.finish();
  }
  return data;
}

}  // namespace mtpgraft
