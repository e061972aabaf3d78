// A parsed GGUF header: plain values, no pointers into buffers, nothing of the tensor data. docs/gguf-format.md says
// which rules are enforced and where they come from. Offsets are bytes from the start of the file unless called
// relative. Pointers, views and spans that functions return point into the value that was asked, and are valid until it
// is changed or destroyed. Names and texts are as the file has them: not always UTF-8, nor fit for a terminal.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/digest.h"
#include "mtpgraft/file.h"
#include "mtpgraft/result.h"

namespace mtpgraft {

// Ids as they stand in the file.
enum class ValueType : std::uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

// Returns "u32", "string", "array", ...; the text lives as long as the program.
std::string_view value_type_name(ValueType type);

// Returns the bytes of one scalar; 0 for strings and arrays.
std::uint64_t value_type_bytes(ValueType type);

// A key's value. One that is to be written (KeyEdit) has all its bytes: little-endian scalars one after the other, a
// string's characters, or strings that each follow their length (u64).
struct GgufValue {
  ValueType type = ValueType::kU32;
  ValueType element_type = ValueType::kU32;  // an array's elements; the type itself otherwise
  std::uint64_t element_count = 1;           // an array's length; 1 otherwise
  std::vector<std::byte> bytes;              // without type, length and count; maybe not all, see KeyValue

  bool operator==(const GgufValue&) const = default;

  [[nodiscard]] bool is_array() const { return type == ValueType::kArray; }

  // The scalar, or the array's element `index`; nothing if it is of another kind, out of range or not in `bytes`.
  [[nodiscard]] std::optional<std::int64_t> integer_at(std::uint64_t index = 0) const;    // also bool; not u64 > 2^63-1
  [[nodiscard]] std::optional<std::uint64_t> unsigned_at(std::uint64_t index = 0) const;  // not negative ones
  [[nodiscard]] std::optional<double> number_at(std::uint64_t index = 0) const;           // integers and floats
  // As much of a string scalar as `bytes` has; nothing for other types.
  [[nodiscard]] std::optional<std::string_view> text() const;
  // The array's strings that `bytes` has as a whole, from the first on.
  [[nodiscard]] std::vector<std::string_view> strings() const;
};

struct KeyValue {
  std::string key;
  GgufValue value;                 // has the first bytes, at most kKeptValueBytes
  std::uint64_t offset = 0;        // the record: key, type, value
  std::uint64_t value_offset = 0;  // the value without type, length and count: first element or character
  std::uint64_t end = 0;           // one past the record
  Digest digest;                   // covers all bytes of the value

  // Token lists are megabytes and never needed as a whole; per-layer arrays and chat templates fit.
  static constexpr std::uint64_t kKeptValueBytes = 1U << 16;

  [[nodiscard]] std::uint64_t value_bytes() const { return end - value_offset; }
  [[nodiscard]] bool is_complete() const { return value.bytes.size() == value_bytes(); }

  // A string scalar; nothing if it is not complete.
  [[nodiscard]] std::optional<std::string_view> text() const { return is_complete() ? value.text() : std::nullopt; }
  // Nothing if it is not complete.
  [[nodiscard]] std::optional<GgufValue> complete_value() const {
    return is_complete() ? std::optional(value) : std::nullopt;
  }

  // Same type and same bytes.
  [[nodiscard]] bool same_value(const KeyValue& other) const {
    return value.type == other.value.type && value.element_type == other.value.element_type &&
           value.element_count == other.value.element_count && digest == other.digest;
  }
};

struct TensorInfo {
  std::string name;
  std::uint32_t n_dims = 0;
  std::array<std::uint64_t, 4> shape{1, 1, 1, 1};  // ggml order: shape[0] is the row length
  std::uint32_t type = 0;                          // ggml type id; ids above 30 differ between forks
  std::uint64_t offset = 0;                        // where its data begin
  std::uint64_t size_bytes = 0;   // its data without padding; with padding if the type's size is not known
  std::uint64_t info_offset = 0;  // the record in the header
  std::uint64_t info_end = 0;

  [[nodiscard]] std::uint64_t element_count() const { return shape[0] * shape[1] * shape[2] * shape[3]; }
  [[nodiscard]] bool is_vector() const { return shape[1] == 1 && shape[2] == 1 && shape[3] == 1; }
};

// One file of a model.
struct Shard {
  std::string path;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;    // where it begins in the one file that the model is read as (split.h)
  std::uint64_t data_end = 0;  // in that file; otherwise as below
  std::size_t tensor_count = 0;
};

struct GgufFile {
  std::string path;
  std::uint64_t size = 0;     // bytes of all shards together
  std::uint32_t version = 3;  // 2 or 3, which have the same layout
  std::vector<KeyValue> keys;
  std::vector<TensorInfo> tensors;  // in file order, which is also data order
  std::uint64_t alignment = 32;     // power of two
  std::uint64_t infos_end = 0;      // one past the last tensor info
  std::uint64_t data_offset = 0;    // infos_end aligned up; not where no data follow
  std::uint64_t data_end = 0;  // one past the last tensor, or the infos, and as much of the padding as the file has
  // At least one. Keys, version, alignment and the offsets above are those of the first.
  std::vector<Shard> files;

  [[nodiscard]] bool is_split() const { return files.size() > 1; }
  // The file that holds the byte at `offset`, or else the last one. Needs a file that was read.
  [[nodiscard]] const Shard& file_at(std::uint64_t offset) const;
  // Needs an index below files.size().
  [[nodiscard]] std::span<const TensorInfo> tensors_of_file(std::size_t index) const;
  [[nodiscard]] const KeyValue* find_key(std::string_view key) const;        // null if absent
  [[nodiscard]] const TensorInfo* find_tensor(std::string_view name) const;  // null if absent
  [[nodiscard]] std::string_view architecture() const;                       // empty if absent
  // `key` without its "{architecture}." prefix.
  [[nodiscard]] const KeyValue* find_arch_key(std::string_view key) const;
};

// Reads the header with bounded buffers. Fails with kMalformed or kUnsupported, the message naming key or tensor and
// the offset, if no loader would accept the file; with kIo if it cannot be read. Of a split model it reads the one
// file: open_model() in split.h reads all.
Result<GgufFile> parse_gguf(const ReadableFile& file);

// Returns "Q4_K", "BF16", ...; "#199" for ids in no table.
std::string tensor_type_name(std::uint32_t type);

// Returns the id of "Q4_K", "bf16", ..., in any case; nothing for what no type is called.
std::optional<std::uint32_t> tensor_type_id(std::string_view name);

// Whether it is a type that upstream llama.cpp reads, as of b10256.
bool is_upstream_tensor_type(std::uint32_t type);

}  // namespace mtpgraft
