#include "donor/safetensors.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <utility>

#include "gguf/foreign.h"
#include "util/checked.h"
#include "util/json_limits.h"

namespace mtpgraft {
namespace {

using ConfigJson = nlohmann::json;

constexpr std::uint64_t kLengthBytes = 8;
// The format allows 100 MB; the header of 100,000 tensors, which no model has in one file, is one of 13 MB.
constexpr std::uint64_t kHeaderBytesMax = std::uint64_t{16} << 20;
constexpr JsonLimits kLimits{.separators = std::size_t{1} << 20,  // nine for a tensor
                             .token_bytes = std::size_t{1} << 16};
constexpr std::size_t kDimensionsMax = 64;
constexpr std::string_view kMetadata = "__metadata__";

constexpr auto kDtypes = std::to_array<std::pair<std::string_view, std::uint64_t>>(
    {{"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
     {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
     {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
     {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}});

// A tensor as the header describes it.
struct Entry {
  SafetensorsTensor tensor;
  std::uint64_t bits = 0;
  std::vector<std::uint64_t> data_offsets;

  [[nodiscard]] const std::string& name() const { return tensor.name; }
};

// Takes the header value by value: a hostile one must not become a tree of values in memory, and fields that stand
// twice are only seen this way.
class HeaderHandler final : public nlohmann::json_sax<ConfigJson> {
 public:
  [[nodiscard]] std::vector<Entry>& entries() { return entries_; }
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] std::string& description() { return description_; }

  bool null() override { return fail("null"); }
  bool boolean(bool /*value*/) override { return fail("a boolean"); }
  bool number_integer(number_integer_t /*value*/) override { return fail("a negative number"); }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return fail("a fraction"); }
  bool binary(binary_t& /*value*/) override { return fail("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (array_ == nullptr) {
      return fail("a number");
    }
    array_->push_back(value);
    return array_->size() <= kDimensionsMax || refuse("too many numbers");
  }

  bool string(string_t& value) override {
    if (depth_ == 2 && in_metadata_) {
      if (field_ == kDescriptionKey) {
        description_ = value;
      }
      return true;
    }
    if (depth_ != 2 || field_ != "dtype" || array_ != nullptr) {
      return fail("a string");
    }
    const auto* known = std::ranges::find(kDtypes, std::string_view(value), &decltype(kDtypes)::value_type::first);
    if (known == kDtypes.end()) {
      return refuse(fmt::format("dtype '{}' is unknown", value));
    }
    entries_.back().tensor.dtype = known->first;
    entries_.back().bits = known->second;
    return true;
  }

  bool start_object(std::size_t /*size*/) override {
    if (depth_ > 1 || array_ != nullptr) {
      return fail("an object");
    }
    if (depth_ == 1) {
      fields_.clear();
      in_metadata_ = name_ == kMetadata;
      if (!in_metadata_) {
        entries_.emplace_back().tensor.name = name_;
      }
    }
    ++depth_;
    return true;
  }

  bool key(string_t& value) override {
    (depth_ == 1 ? name_ : field_) = value;
    if (depth_ == 1) {
      const bool is_second_metadata = has_metadata_ && value == kMetadata;
      has_metadata_ = has_metadata_ || value == kMetadata;
      return !is_second_metadata || refuse("stands twice");
    }
    if (in_metadata_) {
      return true;
    }
    if (value != "dtype" && value != "shape" && value != "data_offsets") {
      return refuse(fmt::format("unknown field '{}'", value));
    }
    return fields_.insert(value).second || refuse(fmt::format("'{}' stands twice", value));
  }

  bool end_object() override {
    if (--depth_ == 1 && !in_metadata_ && fields_.size() < 3) {
      return refuse("lacks dtype, shape or data_offsets");
    }
    return true;
  }

  bool start_array(std::size_t /*size*/) override {
    if (depth_ != 2 || in_metadata_ || array_ != nullptr || field_ == "dtype") {
      return fail("an array");
    }
    array_ = field_ == "shape" ? &entries_.back().tensor.shape : &entries_.back().data_offsets;
    return true;
  }

  bool end_array() override {
    array_ = nullptr;
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const ConfigJson::exception& /*error*/) override {
    problem_ = "is not JSON";
    position_ = position;
    return false;
  }

 private:
  bool refuse(const std::string& what) {
    problem_ = depth_ == 0 ? what : fmt::format("'{}': {}", name_, what);
    return false;
  }
  bool fail(std::string_view what) { return refuse(fmt::format("{} is not expected here", what)); }

  std::vector<Entry> entries_;
  std::set<std::string> fields_;
  std::string name_;
  std::string field_;
  int depth_ = 0;
  bool has_metadata_ = false;
  bool in_metadata_ = false;
  std::vector<std::uint64_t>* array_ = nullptr;
  std::string problem_;
  std::uint64_t position_ = 0;
  std::string description_;
};

std::optional<std::uint64_t> tensor_bits(const Entry& entry) {
  std::optional<std::uint64_t> bits = entry.bits;
  for (const auto extent : entry.tensor.shape) {
    bits = bits ? checked_mul(*bits, extent) : bits;
  }
  return bits;
}

Error malformed(const ReadableFile& file, std::string message, std::uint64_t offset, std::string hint = {}) {
  return {.code = ErrorCode::kMalformed,
          .message = std::move(message),
          .path = file.path(),
          .offset = offset,
          .hint = std::move(hint)};
}

// What it is instead, if its first bytes tell.
Error refuse_start(const ReadableFile& file, std::string message) {
  auto error = find_foreign(file, "a safetensors file");
  return error ? std::move(*error) : malformed(file, std::move(message), 0, "it is not a safetensors file, or cut off");
}

// The JSON text at the start of the file.
Result<std::string> read_header(const ReadableFile& file) {
  if (file.size() < kLengthBytes) {
    return refuse_start(file, fmt::format("has {} bytes, too few for a safetensors file", file.size()));
  }
  std::uint64_t header_bytes = 0;
  MTPGRAFT_CHECK(file.read_at(0, std::as_writable_bytes(std::span(&header_bytes, 1))));
  if (header_bytes > kHeaderBytesMax || header_bytes > file.size() - kLengthBytes) {
    return refuse_start(
        file, fmt::format("declares a header of {} bytes; the file has {}, and no header may have more than {}",
                          header_bytes, file.size(), kHeaderBytesMax));
  }
  std::string header(header_bytes, '\0');
  MTPGRAFT_CHECK(file.read_at(kLengthBytes, std::as_writable_bytes(std::span(header))));
  return header;
}

// The entries in the order of their names, of which none is there twice.
Result<std::vector<Entry>> parse_header(const ReadableFile& file, const std::string& header, std::string* description) {
  // The parser takes a zero byte for the end.
  if (!header.starts_with('{') || header.find('\0') != std::string::npos) {
    return malformed(file, "the header is not a JSON object", kLengthBytes);
  }
  if (const auto excess = find_json_excess(header, kLimits)) {
    return malformed(file, fmt::format("the header {}", excess->message), kLengthBytes + excess->offset);
  }
  HeaderHandler handler;
  if (!ConfigJson::sax_parse(header, &handler)) {
    return malformed(file, fmt::format("the header {}", handler.problem()), kLengthBytes + handler.position());
  }
  if (description != nullptr) {
    *description = std::move(handler.description());
  }
  auto& entries = handler.entries();
  std::ranges::sort(entries, {}, &Entry::name);
  const auto twice = std::ranges::adjacent_find(entries, {}, &Entry::name);
  if (twice != entries.end()) {
    return malformed(file, fmt::format("the header '{}': stands twice", twice->name()), kLengthBytes);
  }
  return std::move(entries);
}

}  // namespace

Result<std::vector<SafetensorsTensor>> parse_safetensors(const ReadableFile& file, std::string* description) {
  MTPGRAFT_TRY(const auto header, read_header(file));
  MTPGRAFT_TRY(auto entries, parse_header(file, header, description));
  std::ranges::sort(entries, {}, &Entry::data_offsets);
  const auto data_offset = kLengthBytes + header.size();
  std::vector<SafetensorsTensor> tensors;
  tensors.reserve(entries.size());
  std::uint64_t end = 0;
  for (auto& entry : entries) {
    auto& tensor = entry.tensor;
    const auto& offsets = entry.data_offsets;
    if (offsets.size() != 2 || offsets[0] != end || offsets[1] < offsets[0]) {
      return malformed(file, fmt::format("tensor '{}' is not where the data before it end", tensor.name),
                       data_offset + end);
    }
    if (offsets[1] > file.size() - data_offset) {
      return explain_truncation(
          malformed(file, fmt::format("tensor '{}' is not inside the file", tensor.name), data_offset + end), file);
    }
    tensor.offset = data_offset + offsets[0];
    tensor.size_bytes = offsets[1] - offsets[0];
    end = offsets[1];
    const auto bits = tensor_bits(entry);
    if (!bits || *bits % 8 != 0 || *bits / 8 != tensor.size_bytes) {
      return malformed(file,
                       fmt::format("tensor '{}' has {} bytes, which its dtype {} and shape do not make", tensor.name,
                                   tensor.size_bytes, tensor.dtype),
                       tensor.offset);
    }
    tensors.push_back(std::move(tensor));
  }
  if (data_offset + end != file.size()) {
    return malformed(file, fmt::format("its tensors end at {}, the file at {}", data_offset + end, file.size()),
                     data_offset + end);
  }
  return tensors;
}

std::string serialize_safetensors_header(const std::vector<SafetensorsTensor>& tensors,
                                         const std::string& description) {
  auto json = nlohmann::ordered_json::object();
  // What the reference implementation writes of PyTorch's tensors; transformers asks for it.
  json[std::string(kMetadata)] = {{"format", "pt"}, {std::string(kDescriptionKey), description}};
  for (const auto& tensor : tensors) {
    json[tensor.name] = {{"dtype", tensor.dtype},
                         {"shape", tensor.shape},
                         {"data_offsets", {tensor.offset, tensor.offset + tensor.size_bytes}}};
  }
  auto text = json.dump(-1, ' ', false, ConfigJson::error_handler_t::replace);
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
  const std::uint64_t length = text.size();
  std::string header(kLengthBytes, '\0');
  std::memcpy(header.data(), &length, kLengthBytes);
  return header + text;
}

}  // namespace mtpgraft
