#include "cli/donor_input.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "cache/range_store.h"
#include "mtpgraft/convert.h"
#include "mtpgraft/donor.h"

namespace mtpgraft::cli {
namespace {

Status convert(const DonorOptions& options, DonorInput& donor) {
  const auto type = tensor_type_id(options.head_type);
  if (!type) {
    return Error{ErrorCode::kUsage,
                 fmt::format("--head-type {}: there is no such tensor type", options.head_type),
                 {},
                 {},
                 "f32, f16, bf16, q8_0; with ggml also q6_k, q5_k, q4_k and others (q4_k_m is a mixture of types)"};
  }
  MTPGRAFT_TRY(auto converted, convert_head(donor.file, donor.gguf, {*type, options.ggml_path}));
  donor.file = std::move(converted.file);
  donor.warnings = std::move(converted.warnings);
  donor.labels.head_type = tensor_type_name(*type);
  donor.labels.ggml_version = converted.ggml_version;
  donor.notes.push_back(converted.ggml_version.empty()
                            ? fmt::format("matrices converted to {}", donor.labels.head_type)
                            : fmt::format("matrices converted to {} by ggml {}, {}", donor.labels.head_type,
                                          converted.ggml_version, converted.ggml_path));
  MTPGRAFT_TRY(donor.gguf, parse_gguf(*donor.file));
  return ok_status();
}

// For a path that cannot be opened and may be meant for one on a server.
std::string hint_at_server(const std::string& path) {
  const auto starts_with = [&](const std::string& word) { return path.starts_with(word); };
  constexpr auto kBeginnings = std::to_array<const char*>({"hf:", "hf/", "http", "huggingface.co", "www."});
  if (path.find("://") != std::string::npos || std::ranges::any_of(kBeginnings, starts_with)) {
    return "a model on a server is https://HOST/PATH, or hf://OWNER/NAME on the Hugging Face Hub";
  }
  const auto slash = path.find('/');
  const bool is_like_repository = slash != std::string::npos && slash > 0 && slash + 1 < path.size() &&
                                  path.find('/', slash + 1) == std::string::npos && path.front() != '.' &&
                                  !path.ends_with(".gguf");
  return is_like_repository ? fmt::format("if the repository of the Hugging Face Hub is meant: hf://{}", path) : "";
}

// What the record calls it: as a download of it is called.
std::string remote_name(const RemotePath& place) {
  const bool is_repository = place.repository != nullptr && place.name.empty();
  const auto path = is_repository ? place.path.substr(0, place.path.find('@')) : place.path;
  return path.substr(path.rfind('/') + 1);
}

// What a file on a server is, and what of it is not known.
Status note_origin(const std::string& path, DonorInput& donor) {
  if (!donor.remote) {
    return ok_status();
  }
  MTPGRAFT_TRY(const auto place, donor.remote->find(path));
  donor.labels.donor_file = remote_name(place);
  if (place.repository == nullptr) {
    return ok_status();
  }
  donor.repository_bytes = place.repository->bytes();
  donor.pinned_path = fmt::format("{}@{}{}{}", place.repository->path.substr(0, place.repository->path.find('@')),
                                  place.repository->commit, place.name.empty() ? "" : ":", place.name);
  donor.notes.push_back(fmt::format("{}, commit {}", path, place.repository->commit));
  const auto files = plan_fetches(*donor.file, {{{0, donor.file->size()}}});
  const auto hashed = std::ranges::count_if(files, [](const RemoteFetch& file) { return !file.sha256.empty(); });
  if (hashed > 0) {
    donor.notes.push_back(fmt::format("only parts of {} {} are read: the SHA-256 that the hub has of {} is not checked",
                                      hashed, hashed == 1 ? "file" : "files", hashed == 1 ? "it" : "them"));
  }
  return ok_status();
}

}  // namespace

Result<std::shared_ptr<RemoteSource>> open_source(const RemoteFlags& flags, const StartProgress& start_progress,
                                                  FileSystem& files) {
  MTPGRAFT_TRY(std::shared_ptr<RemoteSource> source,
               make_remote_source({.allow_http = flags.allow_http,
                                   .cache_directory = flags.no_cache ? "" : default_cache_directory(),
                                   .user_agent = "mtpgraft/" MTPGRAFT_VERSION,
                                   .start_progress = start_progress},
                                  files));
  return source;
}

Result<DonorInput> open_donor(const DonorOptions& options, std::string_view architecture,
                              const StartProgress& start_progress, FileSystem& files) {
  DonorInput donor;
  auto path = options.path;
  FileSource* source = &files;
  if (is_remote(path)) {
    donor.remote = options.source;
    if (!donor.remote) {
      MTPGRAFT_TRY(donor.remote, open_source(options.remote, start_progress, files));
    }
    source = donor.remote.get();
    MTPGRAFT_TRY(path, choose_remote_model(path, *donor.remote));
  }
  donor.is_checkpoint = is_checkpoint(path, *source);
  if (options.norm_offset && !donor.is_checkpoint) {
    return Error{ErrorCode::kUsage, "--norm-offset is for safetensors: norms of a GGUF are taken as they are"};
  }
  if (donor.is_checkpoint) {
    // The norms of a GGUF, as extract makes one of a checkpoint, have what was added.
    const auto norm_offset = options.norm_offset ? options.norm_offset : options.recorded_norm_offset;
    donor.labels.norm_offset = norm_offset;
    MTPGRAFT_TRY(auto head, open_checkpoint(path, {std::string(architecture), norm_offset}, *source));
    donor.file = std::move(head.file);
    donor.notes = std::move(head.notes);
    MTPGRAFT_TRY(donor.gguf, parse_gguf(*donor.file));
  } else {
    auto model = open_donor_model(*source, path);
    if (!model.ok()) {
      if (!model.error().has_advice()) {
        model.error().hint = hint_at_server(path);
      }
      return model.error();
    }
    donor.file = std::move(model.value().file);
    donor.gguf = std::move(model.value().gguf);
  }
  donor.labels.tool = "mtpgraft " MTPGRAFT_VERSION;
  donor.labels.donor_file = base_name(path);
  MTPGRAFT_CHECK(note_origin(path, donor));
  if (!options.head_type.empty()) {
    MTPGRAFT_CHECK(convert(options, donor));
  }
  return donor;
}

std::optional<report::Fetch> describe_fetch(const DonorInput& donor, std::span<const ByteRange> ranges) {
  if (!donor.remote) {
    return std::nullopt;
  }
  return report::Fetch{plan_fetches(*donor.file, ranges), donor.repository_bytes, donor.remote->received_bytes()};
}

void note_received(const DonorInput& donor, std::optional<report::Fetch>& fetch) {
  if (fetch) {
    fetch->received_bytes = donor.remote->received_bytes();
  }
}

std::string base_name(const std::string& path) {
  std::error_code ignored;
  const auto full = std::filesystem::absolute(path, ignored).lexically_normal();
  return full.has_filename() ? full.filename().string() : full.parent_path().filename().string();
}

}  // namespace mtpgraft::cli
