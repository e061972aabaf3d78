#include "donor/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <utility>

#include "donor/model_card.h"
#include "gguf/foreign.h"
#include "util/hub_store.h"
#include "util/json.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

using ConfigJson = nlohmann::json;

// The largest indexes have 140,000 tensors and 15 MB.
constexpr std::uint64_t kJsonBytesMax = std::uint64_t{32} << 20;
constexpr JsonLimits kJsonLimits{.separators = std::size_t{1} << 19,  // two for a tensor
                                 .token_bytes = std::size_t{1} << 16};

// Of a folder that no index orders; each costs a request on the hub. Heads are in one, or in a few.
constexpr std::size_t kFilesBesideMax = 64;

// The front matter of a README.md; the longest have some kilobytes.
constexpr std::uint64_t kCardBytesMax = std::uint64_t{64} << 10;

constexpr std::string_view kIndex = "model.safetensors.index.json";

// What says which tensors a checkpoint has, the best first.
constexpr auto kDescribingFiles = std::to_array<std::string_view>({kIndex, "model.safetensors", "mtp.safetensors"});

constexpr const char* kLinksHint =
    "a checkpoint's files are in its folder, or in the Hugging Face cache; hf download --local-dir DIR makes a folder";

Result<ConfigJson> read_json(const ReadableFile& file) {
  const auto& path = file.path();
  const auto malformed = [&](std::string what, std::optional<std::uint64_t> offset = {}) {
    return Error{.code = ErrorCode::kMalformed, .message = std::move(what), .path = path, .offset = offset};
  };
  if (file.size() > kJsonBytesMax) {
    return malformed(fmt::format("has {} bytes; JSON of a checkpoint may have at most {}", file.size(), kJsonBytesMax));
  }
  std::string text(file.size(), '\0');
  MTPGRAFT_CHECK(file.read_at(0, std::as_writable_bytes(std::span(text))));
  auto json = parse_json<ConfigJson>(text, kJsonLimits);
  if (!json.ok() && json.error().code == ErrorCode::kUnsupported) {
    return malformed(std::move(json.error().message), json.error().offset);
  }
  if (!json.ok() || !json.value().is_object()) {
    auto foreign = find_foreign(file, "JSON");
    return foreign ? std::move(*foreign) : malformed("is not a JSON object");
  }
  return json;
}

// Models with other modalities have what concerns the text in an object of its own. What is null there is not said.
ConfigJson with_text_config(ConfigJson config) {
  for (const auto* const name : {"text_config", "llm_config", "lm_config", "language_config"}) {
    const auto text = config.find(name);
    if (text == config.end() || !text->is_object()) {
      continue;
    }
    const ConfigJson inner = *text;
    for (const auto& [key, value] : inner.items()) {
      if (!value.is_null() || !config.contains(key)) {
        config[key] = value;
      }
    }
  }
  return config;
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

// Those of a folder's files that end so, in order. A leading period marks what macOS puts beside files, and what others
// have not done yet.
std::vector<std::string> list_paths(const std::string& folder, const std::vector<std::string>& names,
                                    std::string_view ending) {
  std::vector<std::string> paths;
  for (const auto& name : names) {
    if (name.ends_with(ending) && !name.starts_with('.')) {
      paths.push_back((as_path(folder) / as_path(name)).string());
    }
  }
  std::ranges::sort(paths);
  return paths;
}

std::set<std::string> paths_of(const std::map<std::string, std::string>& files_of_tensors) {
  std::set<std::string> paths;
  for (const auto& [name, path] : files_of_tensors) {
    paths.insert(path);
  }
  return paths;
}

}  // namespace

Checkpoint::Checkpoint(std::string path, FileSource& files)
    : path_(std::move(path)),
      is_folder_(files.is_folder(path_)),
      folder_(is_folder_ ? path_ : as_path(path_).parent_path().string()),
      files_(&files) {}

Status Checkpoint::read_config() {
  const auto path = (as_path(folder_) / "config.json").string();
  MTPGRAFT_TRY(const bool is_there, files_->exists(path));
  if (!is_there) {
    return ok_status();
  }
  MTPGRAFT_TRY(descriptions_.emplace_back(), files_->open(path));
  MTPGRAFT_TRY(config_, read_json(*descriptions_.back()));
  config_ = with_text_config(std::move(*config_));
  return ok_status();
}

Result<QuantisationConfig> Checkpoint::read_quantisation() {
  auto read = read_quantisation_config(config_.value_or(ConfigJson()), std::nullopt);
  const auto path = (as_path(folder_) / "hf_quant_config.json").string();
  // A server is asked for nothing more.
  if (read.is_told() || is_remote(path_)) {
    return read;
  }
  MTPGRAFT_TRY(const bool is_there, files_->exists(path));
  if (!is_there) {
    return read;
  }
  MTPGRAFT_TRY(descriptions_.emplace_back(), files_->open(path));
  MTPGRAFT_TRY(const auto json, read_json(*descriptions_.back()));
  return read_quantisation_config(ConfigJson(), json);
}

std::string Checkpoint::base_model() const {
  const auto path = (as_path(folder_) / "README.md").string();
  if (is_remote(path_)) {  // a server is asked for nothing more
    return {};
  }
  const auto card = files_->open(path);
  if (!card.ok()) {
    return {};
  }
  std::string text(std::min(card.value()->size(), kCardBytesMax), '\0');
  return card.value()->read_at(0, std::as_writable_bytes(std::span(text))).ok() ? base_model_of_card(text) : "";
}

Status Checkpoint::read_index(const std::string& path) {
  MTPGRAFT_TRY(descriptions_.emplace_back(), files_->open(path));
  MTPGRAFT_TRY(const auto index, read_json(*descriptions_.back()));
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object()) {
    return Error{.code = ErrorCode::kMalformed, .message = "has no object 'weight_map'", .path = path};
  }
  std::map<std::string, std::string> files_of_tensors;
  for (const auto& [name, file] : map->items()) {
    if (!file.is_string()) {
      return Error{.code = ErrorCode::kMalformed,
                   .message = fmt::format("weight_map: '{}' has no file name", name),
                   .path = path};
    }
    const auto file_name = file.get<std::string>();
    if (!is_plain_name(file_name)) {
      return Error{.code = ErrorCode::kMalformed,
                   .message = fmt::format("weight_map: '{}' is in '{}', which is not the name of a file in the folder",
                                          name, file_name),
                   .path = path};
    }
    files_of_tensors.emplace(name, (as_path(path).parent_path() / as_path(file_name)).string());
  }
  files_of_tensors_.merge(std::move(files_of_tensors));
  return ok_status();
}

Result<Checkpoint::OpenFile*> Checkpoint::open_file(const std::string& path) {
  auto& open = open_files_[path];
  if (!open.file) {
    if (is_folder_) {
      // A folder that was downloaded is not to be trusted with links.
      auto inside = files_->check_inside(path_, path);
      if (!inside.ok() && inside.error().code == ErrorCode::kRefused) {
        inside.error().hint = kLinksHint;
        return std::move(inside.error());
      }
    }
    auto opened = files_->open(path);
    if (!opened.ok()) {
      auto& error = opened.error();
      // In a snapshot it tells what became of the download.
      const auto is_there = files_->exists(path);
      if (is_folder_ && !is_remote(path_) && is_there.ok() && !is_there.value() &&
          hub_store_of(real_path(path_)).empty()) {
        error.hint = "the checkpoint is not complete; download this file too";
      }
      return std::move(error);
    }
    open.file = std::move(opened).value();
    MTPGRAFT_TRY(open.tensors, parse_safetensors(*open.file, &open.description));
    std::ranges::sort(open.tensors, {}, &SafetensorsTensor::name);
  }
  return &open;
}

Status Checkpoint::add_file(const std::string& path) {
  MTPGRAFT_TRY(const auto* open, open_file(path));
  for (const auto& tensor : open->tensors) {
    const auto [known, is_new] = files_of_tensors_.emplace(tensor.name, path);
    if (!is_new && beside_.files_without_index.contains(known->second)) {
      beside_.second_places.emplace(tensor.name, path);
    }
  }
  return ok_status();
}

Status Checkpoint::add_files_beside() {
  const auto listed = is_folder_ ? files_->list_folder(path_) : std::vector<std::string>();
  if (!listed.ok()) {
    return listed.error().code == ErrorCode::kUnsupported ? ok_status() : Status(listed.error());
  }
  const auto add = [&](Status status) -> Status {
    const auto is_of_content = [](ErrorCode code) {
      return code == ErrorCode::kMalformed || code == ErrorCode::kUnsupported || code == ErrorCode::kRefused;
    };
    if (status.ok() || !is_of_content(status.error().code)) {
      return status;
    }
    beside_.unreadable.push_back(std::move(status.error()));
    return ok_status();
  };
  for (const auto& path : list_paths(path_, listed.value(), ".safetensors.index.json")) {
    if (as_path(path).filename() != as_path(kIndex)) {
      MTPGRAFT_CHECK(add(read_index(path)));
    }
  }
  const auto indexed = paths_of(files_of_tensors_);
  std::size_t read = 0;
  for (const auto& path : list_paths(path_, listed.value(), ".safetensors")) {
    if (!indexed.contains(path) && ++read <= kFilesBesideMax) {
      beside_.files_without_index.insert(path);
      MTPGRAFT_CHECK(add(add_file(path)));
    }
  }
  return ok_status();
}

Result<std::string> find_checkpoint(const std::string& folder, FileSource& files) {
  for (const auto name : kDescribingFiles) {
    auto path = (as_path(folder) / name).string();
    MTPGRAFT_TRY(const bool is_there, files.exists(path));
    if (is_there) {
      return path;
    }
  }
  return std::string();
}

Result<Checkpoint> Checkpoint::open(const std::string& path, FileSource& files) {
  Checkpoint checkpoint(path, files);
  MTPGRAFT_CHECK(checkpoint.read_config());
  if (!checkpoint.is_folder_) {
    checkpoint.described_by_ = base_name(path);
    MTPGRAFT_CHECK(checkpoint.add_file(path));
    return checkpoint;
  }
  MTPGRAFT_TRY(const auto described_by, find_checkpoint(path, files));
  if (!described_by.empty()) {
    checkpoint.described_by_ = base_name(described_by);
    MTPGRAFT_CHECK(checkpoint.described_by_ == kIndex ? checkpoint.read_index(described_by)
                                                      : checkpoint.add_file(described_by));
    return checkpoint;
  }
  if (auto error = refuse_folder(path, files); error.file_kind != FileKind::kCheckpoint) {
    return error;
  }
  MTPGRAFT_CHECK(checkpoint.add_files_beside());
  if (checkpoint.files_of_tensors_.empty()) {
    return !checkpoint.beside_.unreadable.empty()
               ? checkpoint.beside_.unreadable.front()
               : Error{.code = ErrorCode::kIo,
                       .message = "its .safetensors files have no tensors",
                       .path = path,
                       .hint = "give a .gguf or .safetensors file, or a folder as hf download --local-dir DIR makes it",
                       .file_kind = FileKind::kCheckpoint};
  }
  return checkpoint;
}

std::vector<std::shared_ptr<const ReadableFile>> Checkpoint::files() const {
  auto files = descriptions_;
  for (const auto& path : paths_of(files_of_tensors_)) {
    if (const auto open = open_files_.find(path); open != open_files_.end() && open->second.file) {
      files.push_back(open->second.file);
    } else if (auto file = files_->open(path); file.ok()) {
      files.push_back(std::move(file.value()));
    }
  }
  return files;
}

Result<CheckpointTensor> Checkpoint::find(const std::string& name) {
  const auto& path = files_of_tensors_.at(name);
  MTPGRAFT_TRY(const auto* open, open_file(path));
  const auto found = std::ranges::lower_bound(open->tensors, name, {}, &SafetensorsTensor::name);
  if (found == open->tensors.end() || found->name != name) {
    return Error{.code = ErrorCode::kMalformed,
                 .message = fmt::format("has no tensor '{}', which the index says is in it", name),
                 .path = path,
                 .hint = "the files of the checkpoint do not belong together; download them again"};
  }
  return CheckpointTensor{*found, open->file};
}

std::optional<HeadDescription> Checkpoint::describe(std::span<const std::string_view> names) const {
  std::set<std::string_view> paths;
  for (const auto name : names) {
    paths.insert(files_of_tensors_.at(std::string(name)));
  }
  const auto open = paths.size() == 1 ? open_files_.find(std::string(*paths.begin())) : open_files_.end();
  return open != open_files_.end() ? parse_description(open->second.description) : std::nullopt;
}

}  // namespace mtpgraft
