#include "mtpgraft/split.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <unordered_set>

#include "gguf/foreign.h"
#include "gguf/snapshot.h"
#include "io/composed_file.h"
#include "util/parse.h"

namespace mtpgraft {
namespace {

constexpr const char* kNamesHint = "the files of a split model stand in one directory, named as they were made";

std::optional<std::uint64_t> read_number(const GgufFile& file, std::string_view key) {
  const auto* item = file.find_key(key);
  return item != nullptr && !item->value.is_array() ? item->value.unsigned_at() : std::nullopt;
}

// Whether it is the file of a split model that has the model's keys.
bool is_first_shard(const GgufFile& file) {
  return read_number(file, kSplitCountKey).value_or(0) > 1 && read_number(file, kSplitNumberKey) == 0;
}

Error malformed(const GgufFile& file, const KeyValue* item, std::string message, std::string hint = {}) {
  return {.code = ErrorCode::kMalformed,
          .message = std::move(message),
          .path = file.path,
          .offset = item != nullptr ? std::optional(item->offset) : std::nullopt,
          .hint = std::move(hint)};
}

// llama.cpp takes no other type.
Status check_key(const GgufFile& file, std::string_view key, ValueType type, std::uint64_t expected) {
  const auto* item = file.find_key(key);
  if (item == nullptr) {
    return malformed(file, item, fmt::format("the shard has no key '{}'", key));
  }
  if (item->value.type != type) {
    return malformed(
        file, item,
        fmt::format("key '{}' is {}, it must be {}", key, value_type_name(item->value.type), value_type_name(type)));
  }
  if (item->value.unsigned_at() != expected) {
    return malformed(file, item,
                     fmt::format("key '{}' is {}, expected {}", key, item->value.integer_at().value_or(0), expected),
                     kNamesHint);
  }
  return ok_status();
}

// The tensors of a shard behind those of the shards before it.
void append_shard(const GgufFile& part, std::uint64_t offset, GgufFile& whole) {
  for (auto tensor : part.tensors) {
    tensor.offset += offset;
    tensor.info_offset += offset;
    tensor.info_end += offset;
    whole.tensors.push_back(std::move(tensor));
  }
  whole.data_end = offset + part.data_end;
  whole.files.push_back({part.path, part.size, offset, whole.data_end, part.tensors.size()});
  whole.size += part.size;
}

Status check_unique_tensors(const GgufFile& whole) {
  std::unordered_set<std::string_view> seen;
  for (const auto& tensor : whole.tensors) {
    if (!seen.insert(tensor.name).second) {
      const auto& shard = whole.file_at(tensor.info_offset);
      return Error{.code = ErrorCode::kMalformed,
                   .message = fmt::format("tensor '{}' stands in another shard, too", tensor.name),
                   .path = shard.path,
                   .offset = tensor.info_offset - shard.offset};
    }
  }
  return ok_status();
}

}  // namespace

std::optional<ShardName> parse_shard_name(std::string_view path) {
  constexpr std::size_t kDigits = 5;
  constexpr std::string_view kPattern = "-00001-of-00001.gguf";
  if (path.size() < kPattern.size()) {
    return std::nullopt;
  }
  const auto suffix = path.substr(path.size() - kPattern.size());
  ShardName name{std::string(path.substr(0, path.size() - kPattern.size())), 0, 0};
  name.number = parse_number<std::uint64_t>(suffix.substr(1, kDigits)).value_or(0);
  name.count = parse_number<std::uint64_t>(suffix.substr(10, kDigits)).value_or(0);
  const bool is_shard = name.number >= 1 && name.number <= name.count && format_shard_name(name) == path;
  return is_shard ? std::optional(std::move(name)) : std::nullopt;
}

bool is_later_shard(std::string_view path) {
  const auto shard = parse_shard_name(path);
  return shard && shard->number > 1;
}

std::string format_shard_name(const ShardName& name) {
  return fmt::format("{}-{:05}-of-{:05}.gguf", name.prefix, name.number, name.count);
}

std::vector<std::string> model_paths(const std::string& first, std::size_t file_count) {
  std::vector<std::string> paths{first};
  auto name = parse_shard_name(first).value_or(ShardName{first, 1, file_count});
  while (paths.size() < file_count) {
    ++name.number;
    paths.push_back(format_shard_name(name));
  }
  return paths;
}

bool is_lone_shard(const GgufFile& file) {
  const auto* count = file.find_key(kSplitCountKey);
  return !file.is_split() &&
         (count != nullptr ? count->value.integer_at().value_or(0) > 1 : file.find_key(kSplitNumberKey) != nullptr);
}

Result<ModelFiles> open_model_files(FileSource& files, const std::string& given) {
  MTPGRAFT_TRY(const auto path, find_model(given, files));
  ModelFiles opened;
  auto name = parse_shard_name(path);
  auto file = files.open(path);
  if (!file.ok()) {
    auto& error = file.error();
    if (name && error.code == ErrorCode::kIo && !error.has_advice()) {
      error.hint = kNamesHint;
    }
    return std::move(error);
  }
  opened.push_back(std::move(file).value());
  const auto first = parse_gguf(*opened.front());
  if (!first.ok() && first.error().code == ErrorCode::kIo) {
    return first.error();
  }
  // Where the file itself cannot be read, only its name tells which others belong to it.
  const bool is_set =
      name && name->number == 1 &&
      (!first.ok() || (is_first_shard(first.value()) && read_number(first.value(), kSplitCountKey) == name->count));
  while (is_set && name->number < name->count) {
    ++name->number;
    auto shard = files.open(format_shard_name(*name));
    if (!shard.ok()) {
      auto& error = shard.error();
      error.message = fmt::format("shard {} of {}: {}", name->number, name->count, error.message);
      if (const auto state = find_download_state(error.path, files); !state.empty()) {
        error.hint = fmt::format("'{}' is there: its download is not done; go on with it", state);
      } else if (!error.has_advice()) {
        error.hint = kNamesHint;
      }
      return error;
    }
    opened.push_back(std::move(shard).value());
  }
  return opened;
}

Result<OpenedModel> read_model(const ModelFiles& files) {
  if (files.empty()) {
    return Error{.code = ErrorCode::kUsage, .message = "a model has at least one file"};
  }
  MTPGRAFT_TRY(auto first, parse_gguf(*files.front()));
  if (!is_first_shard(first)) {
    return OpenedModel{files.front(), std::move(first)};
  }
  MTPGRAFT_CHECK(check_key(first, kSplitNumberKey, ValueType::kU16, 0));
  const auto count = *read_number(first, kSplitCountKey);
  MTPGRAFT_CHECK(check_key(first, kSplitCountKey, ValueType::kU16, count));
  const auto name = parse_shard_name(first.path);
  if (!name || name->number != 1 || name->count != count) {
    const bool is_joined = first.size > first.data_end;
    return malformed(
        first, first.find_key(kSplitCountKey),
        fmt::format("is the first of {0} files by its keys, so its name must end with '-00001-of-{0:05}.gguf'", count),
        is_joined
            ? "more stands behind its tensors: the files of a split model are not joined by cat; name the first of "
              "them, or join them with llama-gguf-split --merge"
            : kNamesHint);
  }
  auto file = std::make_shared<ComposedFile>(first.path);
  auto whole = first;
  whole.size = 0;
  whole.tensors.clear();
  whole.files.clear();
  for (std::size_t i = 0; i < files.size(); ++i) {
    MTPGRAFT_TRY(const auto part, i == 0 ? Result<GgufFile>(first) : parse_gguf(*files[i]));
    MTPGRAFT_CHECK(check_key(part, kSplitNumberKey, ValueType::kU16, i));
    file->pad_to(kCloneBlockBytes);
    append_shard(part, file->size(), whole);
    file->add_range(files[i], {0, files[i]->size()});
  }
  MTPGRAFT_CHECK(check_unique_tensors(whole));
  MTPGRAFT_CHECK(check_key(first, kSplitTensorsKey, ValueType::kI32, whole.tensors.size()));
  return OpenedModel{std::move(file), std::move(whole)};
}

Result<OpenedModel> open_model(FileSource& files, const std::string& path) {
  MTPGRAFT_TRY(const auto opened, open_model_files(files, path));
  auto model = read_model(opened);
  return model.ok() ? std::move(model) : explain_beside(std::move(model.error()), files);
}

}  // namespace mtpgraft
