#include "mtpgraft/head_data.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <span>

#include "gguf/dequantize.h"
#include "gguf/tensor_types.h"
#include "gguf/value_scan.h"
#include "io/stream.h"
#include "model/architectures.h"
#include "model/norms.h"
#include "mtpgraft/remote.h"
#include "util/hash.h"
#include "util/parallel.h"

namespace mtpgraft {
namespace {

// Far above any norm; what is longer stays opaque.
constexpr std::uint64_t kVectorBytesMax = std::uint64_t{4} << 20;

constexpr std::uint64_t kBufferBytes = std::uint64_t{512} << 10;

// Of what is made while it is read: enough to be made by several threads.
constexpr std::uint64_t kMadeBufferBytes = std::uint64_t{4} << 20;

bool is_short_vector(const TensorInfo& tensor) { return tensor.is_vector() && tensor.size_bytes <= kVectorBytesMax; }

// Biases and sinks may be zero, also where experts or heads make matrices of them.
bool is_matrix(const TensorInfo& tensor) {
  return !tensor.is_vector() && tensor.name.ends_with(".weight") && !tensor.name.ends_with("_sinks.weight");
}

// Bytes that are made of others stand in no file.
bool is_made(const ReadableFile& file, const FilePiece& piece) {
  const auto sources = file.sources();
  return piece.file == &file && std::ranges::find(sources, &file) == sources.end();
}

void find_in_file(const ReadableFile& file, const TensorInfo& tensor, ValueFlaw& flaw) {
  const auto pieces = file.pieces({tensor.offset + flaw.offset, 1});
  if (!is_made(file, pieces.front())) {
    flaw.path = pieces.front().file->path();
    flaw.file_offset = pieces.front().range.offset;
  }
}

// Reads the head of one donor, tensor by tensor.
class HeadReader {
 public:
  HeadReader(const ReadableFile& file, const GgufFile& donor, const Progress& progress)
      : file_(file), donor_(donor), progress_(progress) {}

  // The values of a short vector, or nothing; the whole tensor is hashed and looked at if `digest` says so.
  Status read(std::size_t index, DigestHead digest) {
    const auto& tensor = donor_.tensors[index];
    auto& values = data_.vectors.emplace_back();
    std::vector<std::byte> bytes;
    if (is_short_vector(tensor)) {
      bytes.resize(tensor.size_bytes);
      MTPGRAFT_CHECK(file_.read_at(tensor.offset, bytes));
      values = dequantize(tensor.type, bytes);
    }
    if (tensor.is_vector() && !values && tensor.type != tensor_type::kF32) {
      return Error{.code = ErrorCode::kUnsupported,
                   .message = fmt::format(
                       "head tensor '{}' has one dimension and type {}; it must become F32, which is possible "
                       "from F16, BF16 and Q8_0 only",
                       tensor.name, tensor_type_name(tensor.type)),
                   .path = donor_.path,
                   .offset = tensor.info_offset,
                   .hint = "use a donor with F32 norms"};
    }
    if (tensor.size_bytes == 0 || (digest == DigestHead::kNo && !values)) {
      return ok_status();
    }
    const auto type = type_to_scan(tensor);
    std::vector<PieceScan> scans;
    if (values) {
      hasher_.update(std::as_bytes(std::span(*values)));
      scans.push_back(scan_piece(type, bytes));
    } else {
      MTPGRAFT_TRY(scans, read_whole(tensor, type));
    }
    note(index, type, join_pieces(type, scans));
    return ok_status();
  }

  HeadData finish(DigestHead digest) && {
    if (digest == DigestHead::kYes) {
      data_.digest = hasher_.finish();
    }
    return std::move(data_);
  }

 private:
  // Converted, a hole of 64 KiB is shorter: as long as that many values of F32, the widest that it can have been.
  [[nodiscard]] ScannedType type_to_scan(const TensorInfo& tensor) const {
    auto type = scanned_type(tensor);
    if (is_made(file_, file_.pieces({tensor.offset, 1}).front())) {
      const auto values = kZeroRunBytesMin / sizeof(float);
      type.zero_run_bytes_min =
          std::min(kZeroRunBytesMin, std::max<std::uint64_t>(values * tensor.size_bytes / tensor.element_count(), 2));
    }
    return type;
  }

  Result<std::vector<PieceScan>> read_whole(const TensorInfo& tensor, const ScannedType& type) {
    return is_made(file_, file_.pieces({tensor.offset, 1}).front()) ? read_made(tensor, type)
                                                                    : read_stored(tensor, type);
  }

  void take(std::span<const std::byte> piece, const ScannedType& type, std::vector<PieceScan>& scans) {
    hasher_.update(piece);
    scans.push_back(scan_piece(type, piece));
  }

  // Each piece is hashed and looked at while it is in the cache of the core. A second thread made it slower.
  Result<std::vector<PieceScan>> read_stored(const TensorInfo& tensor, const ScannedType& type) {
    auto& buffer = buffers_.front();
    buffer.resize(piece_bytes(tensor, type, kBufferBytes));
    std::vector<PieceScan> scans;
    MTPGRAFT_CHECK(
        read_in_pieces(file_, tensor.offset, tensor.size_bytes, buffer, [&](std::span<const std::byte> piece) {
          take(piece, type, scans);
          return report_progress(progress_, piece.size());
        }));
    return scans;
  }

  // To make a piece takes about as long as to hash it: while one is hashed, the next is made.
  Result<std::vector<PieceScan>> read_made(const TensorInfo& tensor, const ScannedType& type) {
    const auto piece_length = piece_bytes(tensor, type, kMadeBufferBytes);
    std::vector<PieceScan> scans;
    std::uint64_t made = 0;
    const auto make_next = [&](std::vector<std::byte>& buffer) {
      buffer.resize(std::min(piece_length, tensor.size_bytes - made));
      made += buffer.size();
      return file_.read_at(tensor.offset + made - buffer.size(), buffer);
    };
    MTPGRAFT_CHECK(make_next(buffers_.front()));
    for (std::size_t current = 0; !buffers_[current].empty(); current = 1 - current) {
      MTPGRAFT_CHECK(parallel_for(2, [&](std::size_t index, std::size_t /*worker*/) {
        if (index == 1) {
          return make_next(buffers_[1 - current]);
        }
        take(buffers_[current], type, scans);
        return ok_status();
      }));
      MTPGRAFT_CHECK(report_progress(progress_, buffers_[current].size()));
    }
    return scans;
  }

  // Whole blocks, so that each piece can be looked at alone.
  static std::uint64_t piece_bytes(const TensorInfo& tensor, const ScannedType& type, std::uint64_t bytes_max) {
    return std::min(bytes_max / type.block_bytes * type.block_bytes, tensor.size_bytes);
  }

  void note(std::size_t index, const ScannedType& type, const TensorScan& scan) {
    const auto& tensor = donor_.tensors[index];
    const auto add = [&](ValueFlaw flaw) {
      flaw.tensor = index;
      find_in_file(file_, tensor, flaw);
      data_.flaws.push_back(std::move(flaw));
    };
    if (scan.is_zero && (is_matrix(tensor) || is_norm(tensor.name))) {
      add({.kind = ValueFlaw::Kind::kZeros});
    } else if (scan.zero_run_count > 0 && is_matrix(tensor)) {
      add({.kind = ValueFlaw::Kind::kZeroRun,
           .count = scan.zero_run_count,
           .block = scan.zero_run.offset / type.block_bytes,
           .offset = scan.zero_run.offset,
           .bytes = scan.zero_run.length});
    }
    if (scan.not_finite) {
      add({.kind = ValueFlaw::Kind::kNotFinite,
           .count = scan.not_finite->count,
           .block = scan.not_finite->block,
           .offset = scan.not_finite->offset,
           .is_nan = scan.not_finite->is_nan});
    }
    const auto name = tensor_type_name(tensor.type);
    if (type.layout == nullptr && std::ranges::find(data_.unknown_types, name) == data_.unknown_types.end()) {
      data_.unknown_types.push_back(name);
    }
  }

  const ReadableFile& file_;
  const GgufFile& donor_;
  const Progress& progress_;
  std::array<std::vector<std::byte>, 2> buffers_;
  Hasher hasher_;
  HeadData data_;
};

}  // namespace

Result<HeadData> read_head_data(const ReadableFile& file, const GgufFile& donor, DigestHead digest,
                                const Progress& progress) {
  const auto head = find_head(donor).tensors;
  std::vector<ByteRange> ranges;
  for (const auto index : head) {
    const auto& tensor = donor.tensors[index];
    if (digest == DigestHead::kYes || is_short_vector(tensor)) {
      ranges.push_back({tensor.offset, tensor.size_bytes});
    }
  }
  MTPGRAFT_CHECK(fetch(file, ranges));
  HeadReader reader(file, donor, progress);
  for (const auto index : head) {
    MTPGRAFT_CHECK(reader.read(index, digest));
  }
  return std::move(reader).finish(digest);
}

Result<std::vector<TrunkNorm>> read_trunk_norms(const ReadableFile& file, const GgufFile& gguf) {
  const auto architecture = find_architecture(gguf.architecture());
  if (!architecture.norms_are_shifted) {
    return std::vector<TrunkNorm>();
  }
  const auto head = find_head(gguf);
  const auto trunk_blocks = count_trunk_blocks(gguf, head);
  std::vector<TrunkNorm> norms;
  for (const auto& tensor : gguf.tensors) {
    const auto split = split_block_name(tensor.name);
    const bool is_of_trunk = split ? split->block < trunk_blocks : tensor.name == kOutputNormName;
    const bool is_of_head =
        !split || is_listed(architecture.required, split->name) || is_listed(architecture.optional, split->name);
    if (!is_of_trunk || !is_of_head || !is_norm(tensor.name) || !is_short_vector(tensor)) {
      continue;
    }
    std::vector<std::byte> bytes(tensor.size_bytes);
    MTPGRAFT_CHECK(file.read_at(tensor.offset, bytes));
    if (const auto values = dequantize(tensor.type, bytes)) {
      add_trunk_norm(norms, split ? split->name : tensor.name, *values);
    }
  }
  return norms;
}

}  // namespace mtpgraft
