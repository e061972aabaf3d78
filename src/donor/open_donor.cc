#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "donor/checkpoint.h"
#include "donor/dialect.h"
#include "donor/model_choice.h"
#include "donor/norm_offset.h"
#include "gguf/foreign.h"
#include "gguf/snapshot.h"
#include "io/meant_path.h"
#include "mtpgraft/cache.h"
#include "mtpgraft/convert.h"
#include "mtpgraft/donor.h"
#include "mtpgraft/head_data.h"
#include "mtpgraft/version.h"
#include "net/hub.h"
#include "net/hub_cache.h"
#include "util/hub_store.h"
#include "util/parse.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

Status convert(const DonorRequest& request, Donor& donor) {
  const auto type = tensor_type_id(request.head_type);
  if (!type) {
    return Error{
        .code = ErrorCode::kUsage,
        .message = fmt::format("{}: there is no such tensor type", request.head_type),
        .hint = "f32, f16, bf16, q8_0; with ggml also q6_k, q5_k, q4_k and others (q4_k_m is a mixture of types)",
        .field = RequestField::kHeadType};
  }
  MTPGRAFT_TRY(auto converted, convert_head(donor.file, donor.gguf,
                                            {*type, request.ggml_path, request.searches_ggml, request.dequantizes}));
  donor.file = std::move(converted.file);
  donor.warnings = std::move(converted.warnings);
  donor.labels.head_type = tensor_type_name(*type);
  donor.labels.ggml_version = converted.ggml_version;
  if (!converted.dequantized.empty()) {
    donor.notes.push_back(
        fmt::format("matrices were {}: what that has lost stays lost", fmt::join(converted.dequantized, ", ")));
    donor.dequantized = std::move(converted.dequantized);
  }
  donor.notes.push_back(converted.ggml_version.empty()
                            ? fmt::format("matrices converted to {}", donor.labels.head_type)
                            : fmt::format("matrices converted to {} by ggml {}, {}", donor.labels.head_type,
                                          converted.ggml_version, converted.ggml_path));
  MTPGRAFT_TRY(donor.gguf, parse_gguf(*donor.file));
  return ok_status();
}

struct NormChoice {
  std::optional<int> asked;
  std::optional<int> recorded;
  const std::vector<TrunkNorm>& trunk_norms;

  [[nodiscard]] std::optional<int> offset() const { return asked ? asked : recorded; }
};

// What is added to the norms that have a checkpoint's names: in one file, others may have llama.cpp's and the 1.
Result<int> choose_norm_offset(const Donor& donor, const Translation& translation, const NormChoice& choice,
                               std::vector<std::string>& notes) {
  std::vector<NormMean> means;
  for (const auto& tensor : translation.tensors) {
    if (tensor.is_checkpoints_norm) {
      MTPGRAFT_TRY(const auto values, read_norm(*donor.file, donor.gguf, tensor));
      means.push_back({tensor.info.name, mean_of(values).value_or(0)});
    }
  }
  if (means.empty() || choice.offset()) {
    return choice.offset().value_or(0);
  }
  auto trunk_norms = choice.trunk_norms;
  if (trunk_norms.empty()) {
    MTPGRAFT_TRY(trunk_norms, read_trunk_norms(*donor.file, donor.gguf));
  }
  return judge_norm_offset(std::move(means), trunk_norms, donor.file->path(), notes);
}

// Gives a head in other names llama.cpp's. Where that is impossible, find_head() tells why.
Status translate(const NormChoice& choice, Donor& donor) {
  const auto translation = find_translation(donor.gguf);
  const bool has_checkpoints_norms =
      std::ranges::any_of(translation.tensors, [](const auto& tensor) { return tensor.is_checkpoints_norm; });
  if (choice.asked && !has_checkpoints_norms) {
    return Error{.code = ErrorCode::kUsage,
                 .message = "is for safetensors and for norms under a checkpoint's names: others are taken as they are",
                 .field = RequestField::kNormOffset};
  }
  if (translation.tensors.empty()) {
    return ok_status();
  }
  for (const auto id : translation.dialects) {
    if (const auto* dialect = find_dialect(id); !dialect->change.empty()) {
      donor.notes.push_back(fmt::format("the head is in the names of {}: {}", dialect->whose, dialect->change));
    }
  }
  if (has_checkpoints_norms) {
    donor.labels.norm_offset = choice.offset();
  }
  MTPGRAFT_TRY(const auto norm_offset, choose_norm_offset(donor, translation, choice, donor.notes));
  MTPGRAFT_TRY(donor.file, rename_tensors(donor.file, donor.gguf, translation, norm_offset));
  donor.stored = std::move(donor.gguf);
  MTPGRAFT_TRY(donor.gguf, parse_gguf(*donor.file));
  return ok_status();
}

// For a path that cannot be opened and may be meant for one on a server.
std::string hint_at_server(const std::string& path, FileSource& files) {
  const auto starts_with = [&](const std::string& word) { return path.starts_with(word); };
  constexpr auto kBeginnings = std::to_array<const char*>({"hf:", "hf/", "hf.co", "http", "huggingface.co", "www."});
  if ((path.find("://") != std::string::npos && !lowered(path).starts_with("file:")) ||
      std::ranges::any_of(kBeginnings, starts_with)) {
    return "a model on a server is https://HOST/PATH, or hf://OWNER/NAME on the Hugging Face Hub";
  }
  const auto slash = path.find('/');
  const bool is_like_repository = slash != std::string::npos && slash > 0 && slash + 1 < path.size() &&
                                  path.find('/', slash + 1) == std::string::npos && path.front() != '.' &&
                                  path.front() != '~' && !path.ends_with(".gguf") &&
                                  !files.is_folder(path.substr(0, slash)) && !has_near_folder(path, files);
  return is_like_repository ? fmt::format("if the repository of the Hugging Face Hub is meant: hf://{}", path) : "";
}

// The path of the donor that a path means: for a folder of the Hugging Face cache the checkpoint in it, or its only
// model that has a head.
Result<std::string> find_local_donor(const std::string& path, FileSource& files) {
  MTPGRAFT_TRY(const auto snapshot, find_snapshot_folder(path, files));
  if (!snapshot) {
    return path;
  }
  MTPGRAFT_TRY(auto models, list_local_models(*snapshot, files));
  if (models.size() == 1) {
    return models.front();
  }
  std::vector<std::string> with_head;
  for (const auto& model : models) {
    MTPGRAFT_TRY(const auto head_bytes, find_head_bytes(model, files));
    if (head_bytes > 0) {
      with_head.push_back(model);
    }
  }
  const auto count = with_head.size();
  if (count == 1) {
    return with_head.front();
  }
  return Error{.code = count == 0 ? ErrorCode::kIncompatible : ErrorCode::kUsage,
               .message = count == 0 ? "none of its models has a head"
                                     : fmt::format("is not one model; {} of it have a head", count),
               .path = path,
               .hint = count == 0 ? "name a donor that has one" : "name one of them",
               .details = std::move(with_head),
               .file_kind = FileKind::kHubCache};
}

// The head may be in a file that the Hugging Face cache does not have.
Result<CheckpointHead> open_remote_checkpoint(const std::string& path, const CheckpointOptions& options,
                                              RemoteSource& source) {
  auto head = open_checkpoint(path, options, source);
  if (!head.ok() && head.error().code == ErrorCode::kIncompatible) {
    MTPGRAFT_TRY(const auto place, source.find(path));
    MTPGRAFT_TRY(const bool is_told_more, source.describe(place));
    return is_told_more ? open_checkpoint(path, options, source) : std::move(head);
  }
  return head;
}

// What the record calls it: as a download of it is called.
std::string remote_name(const RemotePath& place) {
  const bool is_repository = place.repository != nullptr && place.name.empty();
  const auto path = is_repository ? place.path.substr(0, place.path.find('@')) : place.path;
  return path.substr(path.rfind('/') + 1);
}

// The same, of a path on this machine: a snapshot of the Hugging Face cache is called as its repository.
std::string local_name(const std::string& path) {
  const auto real = real_path(path);
  const auto store = hub_store_of(real);
  const bool is_snapshot = !store.empty() && base_name(parent_of(real)) == "snapshots";
  return base_name(is_snapshot ? hub_store_repository(base_name(store)) : path);
}

// Of a path in a snapshot of the Hugging Face cache, which is called by its commit; else empty.
std::string snapshot_commit(const std::string& path) {
  constexpr std::string_view kBetween = "/snapshots/";
  for (const auto& folder : {real_path(path), real_path(parent_of(path))}) {
    const auto store = hub_store_of(folder);
    auto rest = std::string_view(folder).substr(store.size());
    if (!store.empty() && rest.starts_with(kBetween)) {
      rest.remove_prefix(kBetween.size());
      const auto commit = rest.substr(0, rest.find('/'));
      return is_commit(commit) ? std::string(commit) : "";
    }
  }
  return {};
}

// What a file on a server is, and what of it is not known.
Status note_origin(const std::string& path, Donor& donor) {
  if (!donor.remote) {
    return ok_status();
  }
  MTPGRAFT_TRY(const auto place, donor.remote->find(path));
  donor.labels.donor_file = remote_name(place);
  if (place.repository == nullptr) {
    return ok_status();
  }
  if (place.repository->is_described) {
    donor.repository_bytes = place.repository->bytes();
  }
  donor.labels.donor_commit = place.repository->commit;
  donor.pinned_path = fmt::format("{}@{}{}{}", place.repository->path.substr(0, place.repository->path.find('@')),
                                  place.repository->commit, place.name.empty() ? "" : ":", place.name);
  donor.notes.push_back(fmt::format("{}, commit {}", path, place.repository->commit));
  const auto files = plan_fetches(*donor.file, {{{0, donor.file->size()}}});
  if (const auto sources = donor.file->sources(); files.empty() && !sources.empty()) {
    donor.notes.push_back(fmt::format("found in the Hugging Face cache: {}", parent_of(sources.front()->path())));
  }
  const auto hashed = std::ranges::count_if(files, [](const RemoteFetch& file) { return !file.sha256.empty(); });
  if (hashed > 0) {
    donor.notes.push_back(fmt::format("only parts of {} {} are read: the SHA-256 that the hub has of {} is not checked",
                                      hashed, hashed == 1 ? "file" : "files", hashed == 1 ? "it" : "them"));
  }
  return ok_status();
}

}  // namespace

Result<std::vector<std::string>> list_local_models(const std::string& path, FileSource& files) {
  if (!files.is_folder(path)) {
    return std::vector{path};
  }
  MTPGRAFT_TRY(const auto snapshot, find_snapshot_folder(path, files));
  const auto& folder = snapshot ? *snapshot : path;
  MTPGRAFT_TRY(const auto checkpoint, find_checkpoint(folder, files));
  auto models = !checkpoint.empty() ? std::vector<std::string>()
                : snapshot          ? list_snapshot_models(folder, files)
                                    : list_folder_models(folder, files);
  return models.empty() ? std::vector{folder} : models;
}

Result<std::shared_ptr<RemoteSource>> open_remote_source(const RemoteFlags& flags, const Context& context) {
  MTPGRAFT_TRY(std::shared_ptr<RemoteSource> source,
               make_remote_source({.allow_http = flags.allow_http,
                                   .cache_directory = flags.no_cache ? "" : default_cache_directory(),
                                   .reads_hub_cache = !flags.no_cache,
                                   .user_agent = fmt::format("mtpgraft/{}", version()),
                                   .start_progress =
                                       [start = context.start](std::uint64_t total_bytes) {
                                         return start ? start(Phase::kFetch, total_bytes) : Progress();
                                       },
                                   .tell_retry = context.tell_retry},
                                  context.files));
  return source;
}

Result<Donor> open_donor(const DonorRequest& request, std::string_view architecture, const Context& context,
                         std::optional<int> recorded_norm_offset, const std::shared_ptr<RemoteSource>& remote,
                         const std::vector<TrunkNorm>& trunk_norms, const HeadSizes& head_sizes) {
  if (request.path.empty()) {
    return Error{.code = ErrorCode::kUsage, .message = "the donor has no name"};
  }
  Donor donor;
  auto path = request.path;
  FileSource* source = &context.files;
  if (is_remote(path)) {
    donor.remote = remote;
    if (!donor.remote) {
      MTPGRAFT_TRY(donor.remote, open_remote_source(request.remote, context));
    }
    source = donor.remote.get();
    MTPGRAFT_TRY(path, choose_remote_model(path, *donor.remote));
  } else {
    MTPGRAFT_TRY(path, find_local_donor(path, context.files));
  }
  donor.is_checkpoint = is_checkpoint(path, *source);
  const NormChoice norms{request.norm_offset, recorded_norm_offset, trunk_norms};
  if (donor.is_checkpoint) {
    donor.labels.norm_offset = norms.offset();
    const CheckpointOptions options{std::string(architecture), norms.offset(), trunk_norms, head_sizes,
                                    !request.head_type.empty() && !request.rounds_twice};
    MTPGRAFT_TRY(auto head, donor.remote ? open_remote_checkpoint(path, options, *donor.remote)
                                         : open_checkpoint(path, options, *source));
    donor.file = std::move(head.file);
    donor.notes = std::move(head.notes);
    donor.quantisation = std::move(head.quantisation);
    donor.dequantized = donor.quantisation->earlier;
    donor.dequantized.insert(donor.dequantized.end(), donor.quantisation->schemes.begin(),
                             donor.quantisation->schemes.end());
    donor.labels.is_rounded_once = options.is_converted && donor.quantisation->quantised_count > 0;
    MTPGRAFT_TRY(donor.gguf, parse_gguf(*donor.file));
  } else {
    auto model = open_donor_model(*source, path);
    if (!model.ok()) {
      auto& error = model.error();
      if (auto hint = hint_at_server(path, *source); !donor.remote && error.code == ErrorCode::kIo && !hint.empty()) {
        error.hint = std::move(hint);
      }
      return model.error();
    }
    donor.file = std::move(model.value().file);
    donor.gguf = std::move(model.value().gguf);
    MTPGRAFT_CHECK(translate(norms, donor));
  }
  donor.labels.tool = fmt::format("mtpgraft {}", version());
  donor.labels.donor_file = local_name(path);
  donor.labels.donor_commit = snapshot_commit(path);
  MTPGRAFT_CHECK(note_origin(path, donor));
  if (!request.head_type.empty()) {
    MTPGRAFT_CHECK(convert(request, donor));
  }
  return donor;
}

}  // namespace mtpgraft
