#include <fmt/core.h>

#include <algorithm>
#include <unordered_set>

#include "gguf/cursor.h"
#include "gguf/foreign.h"
#include "gguf/format.h"
#include "gguf/size_by_others.h"
#include "gguf/tensor_types.h"
#include "mtpgraft/gguf.h"
#include "util/checked.h"

namespace mtpgraft {
namespace {

class Parser {
 public:
  explicit Parser(const ReadableFile& file) : cursor_(file) {
    gguf_.path = file.path();
    gguf_.size = file.size();
  }

  Result<GgufFile> parse() && {
    MTPGRAFT_CHECK(read_counts());
    for (std::uint64_t i = 0; i < key_count_; ++i) {
      MTPGRAFT_CHECK(read_key(i));
    }
    MTPGRAFT_CHECK(check_unique_keys());
    MTPGRAFT_CHECK(check_architecture());
    MTPGRAFT_CHECK(read_alignment());
    for (std::uint64_t i = 0; i < tensor_count_; ++i) {
      MTPGRAFT_CHECK(read_tensor_info(i));
    }
    MTPGRAFT_CHECK(check_unique_tensors());
    MTPGRAFT_CHECK(place_tensors());
    return std::move(gguf_);
  }

 private:
  Error fail(std::string message, std::uint64_t offset, std::string hint = {}) const {
    auto error = cursor_.fail(std::move(message), offset);
    error.hint = std::move(hint);
    return error;
  }

  Status read_counts() {
    if (cursor_.remaining() < sizeof(format::kMagic)) {
      return refuse_foreign(cursor_.file());
    }
    MTPGRAFT_TRY(const auto magic, cursor_.read<std::uint32_t>("the GGUF magic"));
    if (magic != format::kMagic) {
      return refuse_foreign(cursor_.file());
    }
    MTPGRAFT_TRY(gguf_.version, cursor_.read<std::uint32_t>("the format version"));
    if (gguf_.version < format::kVersionMin || gguf_.version > format::kVersionMax) {
      return refuse_version(gguf_.version, gguf_.path);
    }
    MTPGRAFT_TRY(tensor_count_, cursor_.read<std::uint64_t>("the tensor count"));
    MTPGRAFT_TRY(key_count_, cursor_.read<std::uint64_t>("the key count"));
    MTPGRAFT_CHECK(check_count("tensor", tensor_count_, format::kTensorsMax, format::kInfoRecordBytesMin, 8));
    return check_count("key", key_count_, format::kKeysMax, format::kKeyRecordBytesMin, 16);
  }

  Status check_count(std::string_view what, std::uint64_t count, std::uint64_t limit, std::uint64_t record_bytes_min,
                     std::uint64_t offset) const {
    if (count > limit) {
      return fail(fmt::format("{} count {} is out of range (limit {})", what, static_cast<std::int64_t>(count), limit),
                  offset);
    }
    if (count > cursor_.remaining() / record_bytes_min) {
      return cursor_.truncated(
          fmt::format("{} count {} is more than the file's {} bytes can hold", what, count, gguf_.size), offset);
    }
    return ok_status();
  }

  Status read_key(std::uint64_t index) {
    KeyValue& item = gguf_.keys.emplace_back();
    auto& value = item.value;
    item.offset = cursor_.offset();
    const auto where = fmt::format("key {} of {}", index + 1, key_count_);
    MTPGRAFT_TRY(const auto length, cursor_.read<std::uint64_t>(where));
    if (length == 0 || length > format::kKeyBytesMax) {
      return fail(fmt::format("{} has a name of {} bytes, outside 1-{}", where, length, format::kKeyBytesMax),
                  item.offset);
    }
    MTPGRAFT_TRY(item.key, cursor_.read_text(length, where));
    const auto what = fmt::format("key '{}'", item.key);
    if (!format::is_key_name(item.key)) {
      return fail(fmt::format("{} has a NUL in its name, where loaders cut it", what), item.offset);
    }
    MTPGRAFT_TRY(value.type, read_value_type(what));
    value.element_type = value.type;
    if (value.is_array()) {
      MTPGRAFT_TRY(value.element_type, read_value_type(what));
      if (value.element_type == ValueType::kArray) {
        return fail(fmt::format("{} is an array of arrays, which llama.cpp does not read", what), item.offset);
      }
      MTPGRAFT_TRY(value.element_count, cursor_.read<std::uint64_t>(what));
      if (value.element_type == ValueType::kString && value.element_count > format::kStringElementsMax) {
        return fail(fmt::format("{} is an array of {} strings (limit {})", what, value.element_count,
                                format::kStringElementsMax),
                    item.offset);
      }
      const auto bytes_min = std::max<std::uint64_t>(value_type_bytes(value.element_type), 1) *
                             (value.element_type == ValueType::kString ? 8 : 1);
      if (value.element_count > format::kArrayElementsMax || value.element_count > cursor_.remaining() / bytes_min) {
        return cursor_.truncated(
            fmt::format("{} is an array of {} elements, more than the file can hold", what, value.element_count),
            item.offset);
      }
    }
    const bool is_string = value.type == ValueType::kString;
    std::uint64_t length_bytes = value_type_bytes(value.element_type) * value.element_count;
    if (is_string) {
      MTPGRAFT_TRY(length_bytes, read_string_length(what));
    }
    item.value_offset = cursor_.offset();
    cursor_.begin_value(KeyValue::kKeptValueBytes);
    if (value.is_array() && value.element_type == ValueType::kString) {
      MTPGRAFT_CHECK(skip_strings(value.element_count, what));
    } else {
      MTPGRAFT_CHECK(skip_value(length_bytes, what));
    }
    item.digest = cursor_.end_value(value.bytes);
    item.end = cursor_.offset();
    kept_bytes_ += item.key.size() + value.bytes.size();
    if (kept_bytes_ > format::kKeptBytesMax) {
      return fail(fmt::format("the keys up to '{}' have more than {} bytes of names and short values", item.key,
                              format::kKeptBytesMax),
                  item.offset);
    }
    return ok_status();
  }

  Status skip_value(std::uint64_t length, const std::string& what) {
    if (!range_fits(cursor_.offset(), length, format::kHeaderBytesMax)) {
      return fail(fmt::format("{} makes a header of more than {} bytes", what, format::kHeaderBytesMax),
                  cursor_.offset());
    }
    return cursor_.skip(length, what);
  }

  Status skip_strings(std::uint64_t count, const std::string& what) {
    for (std::uint64_t passed = 0;; ++passed) {
      passed += cursor_.skip_buffered_strings(count - passed);
      MTPGRAFT_CHECK(skip_value(0, what));
      if (passed == count) {
        return ok_status();
      }
      MTPGRAFT_TRY(const auto length, read_string_length(what));
      MTPGRAFT_CHECK(skip_value(length, what));
    }
  }

  Result<ValueType> read_value_type(const std::string& what) {
    const auto offset = cursor_.offset();
    MTPGRAFT_TRY(const auto id, cursor_.read<std::uint32_t>(what));
    if (id > static_cast<std::uint32_t>(ValueType::kF64)) {
      return fail(fmt::format("{} has the unknown value type {}", what, id), offset);
    }
    return static_cast<ValueType>(id);
  }

  Result<std::uint64_t> read_string_length(const std::string& what) {
    const auto offset = cursor_.offset();
    MTPGRAFT_TRY(const auto length, cursor_.read<std::uint64_t>(what));
    if (length > format::kStringBytesMax || length > cursor_.remaining()) {
      return cursor_.truncated(fmt::format("{} has a string of {} bytes, but only {} are left in the file", what,
                                           length, cursor_.remaining()),
                               offset);
    }
    return length;
  }

  Status check_unique_keys() const {
    std::unordered_set<std::string_view> seen;
    for (const auto& item : gguf_.keys) {
      if (!seen.insert(item.key).second) {
        return fail(fmt::format("key '{}' stands there twice", item.key), item.offset,
                    "llama.cpp refuses such files; remove one with gguf_new_metadata.py --remove-metadata");
      }
    }
    return ok_status();
  }

  // Names of keys begin with it.
  Status check_architecture() const {
    const auto architecture = gguf_.architecture();
    if (architecture.size() > format::kArchitectureBytesMax) {
      return fail(fmt::format("key 'general.architecture' has a value of {} bytes (limit {})", architecture.size(),
                              format::kArchitectureBytesMax),
                  gguf_.find_key("general.architecture")->offset);
    }
    if (architecture.find('\0') != std::string_view::npos) {
      return fail("key 'general.architecture' has a NUL in its value, where loaders cut it",
                  gguf_.find_key("general.architecture")->offset);
    }
    return ok_status();
  }

  Status read_alignment() {
    gguf_.alignment = format::kDefaultAlignment;
    const auto* item = gguf_.find_key("general.alignment");
    if (item == nullptr) {
      return ok_status();
    }
    if (item->value.type != ValueType::kU32) {
      return fail(fmt::format("key 'general.alignment' is {}, it must be u32", value_type_name(item->value.type)),
                  item->offset);
    }
    gguf_.alignment = static_cast<std::uint64_t>(item->value.integer_at().value_or(0));
    if (!is_power_of_two(gguf_.alignment)) {
      return fail(fmt::format("key 'general.alignment' is {}, not a power of two", gguf_.alignment), item->offset);
    }
    return ok_status();
  }

  Status read_tensor_info(std::uint64_t index) {
    TensorInfo& tensor = gguf_.tensors.emplace_back();
    tensor.info_offset = cursor_.offset();
    const auto where = fmt::format("tensor {} of {}", index + 1, tensor_count_);
    MTPGRAFT_TRY(const auto length, cursor_.read<std::uint64_t>(where));
    if (length > format::kTensorNameBytesMax) {
      MTPGRAFT_TRY(const auto start, cursor_.read_text(std::min<std::uint64_t>(length, 64), where));
      return fail(fmt::format("{}, '{}{}', has a name of {} bytes; llama.cpp loads at most {}", where, start,
                              length > 64 ? "..." : "", length, format::kTensorNameBytesMax),
                  tensor.info_offset);
    }
    MTPGRAFT_TRY(tensor.name, cursor_.read_text(length, where));
    if (tensor.name.find('\0') != std::string::npos) {
      return fail(fmt::format("tensor '{}' has a NUL in its name, where loaders cut it", tensor.name),
                  tensor.info_offset);
    }
    const auto what = fmt::format("tensor '{}'", tensor.name);
    MTPGRAFT_TRY(tensor.n_dims, cursor_.read<std::uint32_t>(what));
    if (tensor.n_dims > format::kTensorDimsMax) {
      return fail(
          fmt::format("{} has {} dimensions, at most {} are possible", what, tensor.n_dims, format::kTensorDimsMax),
          tensor.info_offset);
    }
    std::uint64_t elements = 1;
    for (std::uint32_t i = 0; i < tensor.n_dims; ++i) {
      MTPGRAFT_TRY(const auto extent, cursor_.read<std::uint64_t>(what));
      tensor.shape[i] = extent;
      const auto product = checked_mul(elements, extent);
      if (extent == 0 || !product || *product > static_cast<std::uint64_t>(INT64_MAX)) {
        const auto signed_extent = static_cast<std::int64_t>(extent);
        const auto* const fault = signed_extent <= 0 ? "" : ", which makes 2^63 elements or more";
        return fail(fmt::format("{} has an impossible shape: dimension {} is {}{}", what, i, signed_extent, fault),
                    tensor.info_offset);
      }
      elements = *product;
    }
    MTPGRAFT_TRY(tensor.type, cursor_.read<std::uint32_t>(what));
    MTPGRAFT_TRY(tensor.offset, cursor_.read<std::uint64_t>(what));  // relative until place_tensors()
    tensor.info_end = cursor_.offset();
    return ok_status();
  }

  Status check_unique_tensors() const {
    std::unordered_set<std::string_view> seen;
    for (const auto& tensor : gguf_.tensors) {
      if (!seen.insert(tensor.name).second) {
        return fail(fmt::format("tensor '{}' stands there twice", tensor.name), tensor.info_offset);
      }
    }
    return ok_status();
  }

  // Data must lie without gaps in the order of the infos: ggml accepts nothing else. Turns relative offsets into
  // offsets from the start of the file and finds the sizes.
  Status place_tensors() {
    gguf_.infos_end = cursor_.offset();
    gguf_.data_offset = gguf_.infos_end;
    const auto data_offset = checked_align_up(gguf_.infos_end, gguf_.alignment);
    // Writers pad the header also where no data follow, by the default if not by the key. No reader asks for it.
    const auto padded = checked_align_up(gguf_.infos_end, std::max(gguf_.alignment, format::kDefaultAlignment));
    gguf_.data_end = std::min(padded.value_or(gguf_.size), gguf_.size);
    gguf_.files = {{gguf_.path, gguf_.size, 0, gguf_.data_end, gguf_.tensors.size()}};
    if (gguf_.tensors.empty()) {
      return ok_status();
    }
    if (!data_offset || *data_offset > gguf_.size) {
      return cursor_.truncated("the file ends before the tensor data begin", gguf_.infos_end);
    }
    gguf_.data_offset = *data_offset;
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i < gguf_.tensors.size(); ++i) {
      auto& tensor = gguf_.tensors[i];
      if (tensor.offset != expected) {
        return fail(fmt::format("tensor '{}' has data offset {}, expected {}: data must follow the order of the tensor "
                                "list without gaps",
                                tensor.name, tensor.offset, expected),
                    tensor.info_offset);
      }
      const auto data_bytes = gguf_.size - gguf_.data_offset;
      const bool is_last = i + 1 == gguf_.tensors.size();
      MTPGRAFT_TRY(tensor.size_bytes, find_size(tensor, is_last ? data_bytes : gguf_.tensors[i + 1].offset, is_last));
      if (!range_fits(expected, tensor.size_bytes, data_bytes)) {
        return cursor_.truncated(fmt::format("tensor '{}' needs {} bytes from {} on, but the file ends at {}",
                                             tensor.name, tensor.size_bytes, gguf_.data_offset + expected, gguf_.size),
                                 tensor.info_offset);
      }
      tensor.offset += gguf_.data_offset;
      const auto end = checked_align_up(expected + tensor.size_bytes, gguf_.alignment);
      if (!end) {
        return fail(fmt::format("tensor '{}' is impossibly large", tensor.name), tensor.info_offset);
      }
      expected = *end;
    }
    gguf_.data_end = std::min(gguf_.data_offset + expected, gguf_.size);
    gguf_.files.front().data_end = gguf_.data_end;
    return ok_status();
  }

  // Whether data of that size, padded or (at the end of the file) not, end where the next tensor's begin.
  bool reaches(std::uint64_t offset, std::uint64_t bytes, std::uint64_t next) const {
    const auto end = checked_add(offset, bytes);
    return end && (*end == next || checked_align_up(*end, gguf_.alignment) == next);
  }

  // `next` is where the following tensor's data begin, or the end of the file, relative to the data section.
  Result<std::uint64_t> find_size(const TensorInfo& tensor, std::uint64_t next, bool is_last) const {
    const auto* type = find_tensor_type(tensor.type);
    std::optional<std::uint64_t> bytes;
    if (type != nullptr && type->block_elements != 0 && tensor.shape[0] % type->block_elements == 0) {
      bytes = tensor_bytes(*type, tensor.shape);
    }
    const bool is_opaque = type == nullptr || type->block_elements == 0 || type->origin == TypeOrigin::kClash;
    const auto others = std::span<const TensorInfo>(gguf_.tensors).first(gguf_.tensors.size() - 1);
    const bool is_as_table =
        bytes && (is_last ? has_table_sizes(others, tensor.type) : reaches(tensor.offset, *bytes, next));
    if (is_opaque && !is_as_table) {
      if (is_last) {
        const auto available = next - std::min(next, tensor.offset);
        const auto told = find_size_by_others(others, tensor, gguf_.alignment, available);
        return told.value_or(std::max<std::uint64_t>(available, 1));
      }
      if (next <= tensor.offset) {
        return fail(
            fmt::format("tensor '{}' has type {} of unknown size, and the next tensor's offset {} does not tell",
                        tensor.name, tensor.type, next),
            tensor.info_offset);
      }
      return next - tensor.offset;
    }
    if (tensor.shape[0] % type->block_elements != 0) {
      return fail(fmt::format("tensor '{}' has rows of {} elements, not a multiple of {}'s block of {}", tensor.name,
                              tensor.shape[0], type->name, type->block_elements),
                  tensor.info_offset);
    }
    if (!bytes) {
      return fail(fmt::format("tensor '{}' is impossibly large", tensor.name), tensor.info_offset);
    }
    return *bytes;
  }

  Cursor cursor_;
  GgufFile gguf_;
  std::uint64_t tensor_count_ = 0;
  std::uint64_t key_count_ = 0;
  std::uint64_t kept_bytes_ = 0;
};

}  // namespace

Result<GgufFile> parse_gguf(const ReadableFile& file) {
  auto parsed = Parser(file).parse();
  if (!parsed.ok() && parsed.error().code == ErrorCode::kMalformed && !parsed.error().has_advice()) {
    parsed.error().hint = advise_damage(file);
  }
  return parsed;
}

}  // namespace mtpgraft
