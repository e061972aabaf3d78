#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <map>
#include <utility>

#include "io/composed_file.h"
#include "mtpgraft/remote.h"
#include "net/http_text.h"
#include "net/hub.h"
#include "net/hub_cache.h"
#include "net/hub_client.h"
#include "net/remote_file.h"
#include "util/checked.h"
#include "util/parse.h"
#include "util/stored_name.h"
#include "util/text.h"
#include "util/url.h"

namespace mtpgraft {
namespace {

constexpr std::uint64_t kDocumentBytesMax = 64'000'000;

// Names that are shown where a repository does not have the one that was asked for.
constexpr std::size_t kShownNames = 12;

// Documents are read as a whole, everything else in ranges.
bool is_document(std::string_view path) { return path.ends_with(".json"); }

// Adds what was probably meant, or else what there is.
Error with_alternatives(Error error, std::string_view name, std::span<const std::string_view> names) {
  const auto meant = nearest(name, names);
  if (!meant.empty()) {
    error.hint = fmt::format("did you mean '{}'?", meant);
  } else if (!names.empty()) {
    const auto shown = names.first(std::min(names.size(), kShownNames));
    error.hint =
        fmt::format("there {} {}{}", names.size() == 1 ? "is" : "are", fmt::join(shown, ", "),
                    shown.size() < names.size() ? fmt::format(" and {} more", names.size() - shown.size()) : "");
  }
  return error;
}

Error no_such_file(const Repository& repository, std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& file : repository.files) {
    names.push_back(file.name);
  }
  const auto extension = name.substr(std::min(name.rfind('.'), name.size()));
  std::erase_if(names, [&](std::string_view other) { return !other.ends_with(extension); });
  return with_alternatives({.code = ErrorCode::kIo,
                            .message = fmt::format("has no file '{}' (commit {})", name, repository.commit),
                            .path = repository.path},
                           name, names);
}

class HttpSource final : public RemoteSource {
 public:
  HttpSource(HubSettings hub, HubCache hub_cache, std::shared_ptr<RemoteSession> session)
      : hub_(std::move(hub)), hub_cache_(std::move(hub_cache)), session_(std::move(session)) {}

  Result<RemotePath> find(const std::string& given) override {
    const auto path = plain_url(given);
    if (auto known = find_known(path)) {
      return std::move(*known);
    }
    MTPGRAFT_TRY(const auto parsed, parse_as_hub_path(path));
    if (parsed) {
      return find_in_hub(*parsed);
    }
    if (origin_of(path).empty()) {
      return Error{.code = ErrorCode::kUsage,
                   .message = "is no URL of a file that can be asked for",
                   .path = url_without_query(path),
                   .hint = "give it as https://HOST/PATH, without a user name"};
    }
    RemotePath plain{url_without_query(path)};
    urls_.emplace(plain.path, path);
    return plain;
  }

  Result<bool> describe(const RemotePath& path) override {
    if (path.repository == nullptr || path.repository->is_described || hub_.is_offline) {
      return false;
    }
    const auto status = learn_all(*path.repository);
    // What is here has to do.
    const bool is_unreachable = !status.ok() && status.error().is_retryable && status.error().http_status == 0;
    return status.ok() || is_unreachable ? Result<bool>(status.ok()) : status.error();
  }

  std::optional<std::string> find_cached(const std::string& path) override {
    const auto parsed = parse_as_hub_path(plain_url(path));
    auto place = parsed.ok() && parsed.value() ? *parsed.value() : HubPath();
    place.revision = hub_cache_.find_commit(place);
    const auto snapshot = place.revision.empty() ? std::nullopt : hub_cache_.find_snapshot(place, place.revision);
    return snapshot && has_model(*snapshot) ? std::optional(place.path()) : std::nullopt;
  }

  Result<std::unique_ptr<ReadableFile>> open(const std::string& path) override {
    MTPGRAFT_TRY(auto cached, open_cached(path));
    if (cached) {
      return cached;
    }
    MTPGRAFT_TRY(const auto place, place_of(path));
    if (is_document(path)) {
      MTPGRAFT_TRY(const auto text, read_document(place));
      if (!text) {
        return explain_status(404, fmt::format("GET {}", url_without_query(place.url)), {place.path, place.url}, "",
                              !hub_.token.empty());
      }
      const auto bytes = std::as_bytes(std::span(*text));
      auto document = std::make_unique<ComposedFile>(path);
      document->add_bytes({bytes.begin(), bytes.end()});
      return std::unique_ptr<ReadableFile>(std::move(document));
    }
    MTPGRAFT_TRY(auto file, RemoteFile::open(place, session_));
    return std::unique_ptr<ReadableFile>(std::move(file));
  }

  [[nodiscard]] bool is_folder(const std::string& path) const override {
    const auto known = find_known(path);
    if (!known || known->name.empty()) {
      return known.has_value();
    }
    return std::ranges::any_of(known->repository->files, [prefix = known->name + '/'](const auto& file) {
      return file.name.starts_with(prefix);
    });
  }

  [[nodiscard]] Result<std::vector<std::string>> list_folder(const std::string& path) const override {
    const auto known = find_known(path);
    return known ? names_in_folder(*known->repository, known->name) : FileSource::list_folder(path);
  }

  Result<bool> exists(const std::string& path) override {
    MTPGRAFT_TRY(const auto found, find(path));
    if (found.repository != nullptr) {
      // A head is not to be read without its configuration; of all else the caller asks when it has found nothing.
      if (found.repository->find(found.name) == nullptr && last_part(found.name) == "config.json") {
        MTPGRAFT_CHECK(describe(found));
      }
      return found.repository->find(found.name) != nullptr;
    }
    MTPGRAFT_TRY(const auto place, place_of(path));
    MTPGRAFT_TRY(const auto text, read_document(place));
    return text.has_value();
  }

  Status check_inside(const std::string& /*folder*/, const std::string& /*path*/) const override { return ok_status(); }

  [[nodiscard]] std::uint64_t received_bytes() const override { return session_->received_bytes; }

 private:
  // A path in one of the repositories that were looked up.
  [[nodiscard]] std::optional<RemotePath> find_known(const std::string& path) const {
    for (const auto& repository : repositories_) {
      if (path == repository.path) {
        return RemotePath{path, &repository};
      }
      if (path.starts_with(repository.path + '/')) {
        return RemotePath{path, &repository, path.substr(repository.path.size() + 1)};
      }
    }
    return std::nullopt;
  }

  // The repository is one of those that were looked up; it changes where it is.
  Status learn_all(const Repository& repository) {
    MTPGRAFT_TRY(const auto parsed, parse_hub_path(repository.path));
    MTPGRAFT_TRY(auto described, ask_hub(parsed));
    *std::ranges::find(repositories_, repository.path, &Repository::path) = std::move(described);
    return ok_status();
  }

  // Nothing for URLs of other servers.
  [[nodiscard]] Result<std::optional<HubPath>> parse_as_hub_path(const std::string& path) const {
    if (!path.starts_with("hf://")) {
      return parse_hub_url(path, hub_.endpoint);
    }
    MTPGRAFT_TRY(auto parsed, parse_hub_path(path));
    return std::optional(std::move(parsed));
  }

  // Null if it is not in the Hugging Face cache.
  Result<std::unique_ptr<ReadableFile>> open_cached(const std::string& path) {
    MTPGRAFT_TRY(const auto found, find(path));
    const auto* file = found.repository != nullptr ? found.repository->find(found.name) : nullptr;
    if (file == nullptr) {
      return std::unique_ptr<ReadableFile>();
    }
    MTPGRAFT_TRY(const auto parsed, parse_hub_path(found.repository->path));
    return hub_cache_.open(parsed, found.repository->commit, *file);
  }

  Result<RemotePath> find_in_hub(const HubPath& path) {
    auto known = std::ranges::find(repositories_, path.repository_path(), &Repository::path);
    if (known == repositories_.end()) {
      MTPGRAFT_TRY(auto repository, look_up(path));
      known = repositories_.insert(known, std::move(repository));
    }
    return RemotePath{path.name.empty() ? known->path : fmt::format("{}/{}", known->path, path.name), &*known,
                      path.name};
  }

  Result<Repository> look_up(const HubPath& path) {
    const auto url = hub_api_url(hub_.endpoint, path);
    const bool is_known = has_document(url);
    const bool is_fixed = is_commit(path.revision);
    if (hub_.is_offline || (is_fixed && !is_known)) {
      const auto commit = hub_cache_.find_commit(path);
      auto snapshot = commit.empty() ? std::nullopt : hub_cache_.find_snapshot(path, commit);
      if (snapshot && (!is_known || (!is_fixed && has_model(*snapshot)))) {
        return std::move(*snapshot);
      }
    }
    auto described = ask_hub(path);
    if (!described.ok() && described.error().is_retryable && described.error().http_status == 0) {
      if (const auto commit = hub_cache_.find_commit(path); !commit.empty()) {
        described.error().hint = fmt::format(
            "the Hugging Face cache has files of it: HF_HUB_OFFLINE=1 takes these, as "
            "does hf://{}@{}",
            path.repository, commit);
      }
    }
    return described;
  }

  Result<Repository> ask_hub(const HubPath& path) {
    const auto url = hub_api_url(hub_.endpoint, path);
    MTPGRAFT_TRY(
        const auto text,
        read_cached_document({.path = path.repository_path(), .url = url, .is_fixed = is_commit(path.revision)}));
    if (text.status != 200) {
      return explain_missing(path, text,
                             explain_status(text.status, fmt::format("GET {}", url_without_query(url)),
                                            {path.repository_path(), url}, text.error_code, !hub_.token.empty()));
    }
    MTPGRAFT_TRY(auto repository, parse_repository(text.body, path));
    // So that it is here, too, for who names the commit, which needs no asking.
    const auto fixed_url = hub_api_url(hub_.endpoint, {path.repository, repository.commit, {}});
    if (fixed_url != url) {
      MTPGRAFT_CHECK(keep_document(fixed_url, text));
    }
    return repository;
  }

  // The names at a URL of the hub; none if it has no answer.
  std::vector<std::string> list_names(const std::string& url) {
    const std::lock_guard lock(session_->mutex);
    const auto answer = session_->http->get({url, url}, kDocumentBytesMax, "", session_->start_progress(0));
    return answer.ok() && answer.value().status == 200 ? parse_hub_names(answer.value().body)
                                                       : std::vector<std::string>{};
  }

  // A repository that cannot be described may be another one, or the revision is.
  Error explain_missing(const HubPath& path, const HttpDocument& answer, Error error) {
    if (answer.status != 404 && answer.error_code != "RepoNotFound") {
      return error;
    }
    if (const auto revisions = list_names(hub_refs_url(hub_.endpoint, path.repository)); !revisions.empty()) {
      const auto revision = path.revision.empty() ? "main" : path.revision;
      error.message += fmt::format(": the repository has no revision '{}'", revision);
      if (revision.size() >= 7 && is_hex(revision)) {
        error.hint = "a commit is named by all of its 40 digits";
        return error;
      }
      return with_alternatives(std::move(error), revision,
                               std::vector<std::string_view>(revisions.begin(), revisions.end()));
    }
    if (answer.error_code.empty()) {
      error.hint = "there is no such repository, or it is private: look at owner and name";
    }
    const auto repositories = list_names(hub_models_url(hub_.endpoint, path.repository));
    const std::vector<std::string_view> names(repositories.begin(), repositories.end());
    if (const auto meant = nearest(path.repository, names); !meant.empty()) {
      error.hint = fmt::format("did you mean 'hf://{}'?", meant);
    }
    return error;
  }

  Result<RemoteFile::Place> place_of(const std::string& path) {
    MTPGRAFT_TRY(const auto found, find(path));
    if (found.repository == nullptr) {
      return RemoteFile::Place{.path = path, .url = urls_.at(found.path)};
    }
    const auto& repository = *found.repository;
    const auto* file = repository.find(found.name);
    if (file == nullptr) {
      const bool is_told_more = !repository.is_described && !hub_.is_offline;
      MTPGRAFT_CHECK(is_told_more ? learn_all(repository) : ok_status());
      MTPGRAFT_TRY(const auto parsed, parse_hub_path(repository.path));
      return is_told_more              ? place_of(path)
             : repository.is_described ? no_such_file(repository, found.name)
                                       : hub_cache_.explain_missing(parsed, repository.commit, found.name);
    }
    MTPGRAFT_TRY(const auto parsed, parse_hub_path(repository.path));
    return RemoteFile::Place{.path = path,
                             .url = hub_file_url(hub_.endpoint, parsed.repository, repository.commit, file->name),
                             .size = file->size > 0 ? std::optional(file->size) : std::nullopt,
                             .sha256 = file->sha256,
                             .is_fixed = true};
  }

  // Nothing if the server has no such document.
  Result<std::optional<std::string>> read_document(const RemoteFile::Place& place) {
    const auto known = documents_.find(place.url);
    if (known != documents_.end()) {
      return known->second;
    }
    MTPGRAFT_TRY(auto document, read_cached_document(place));
    // Many servers answer 403 for what is not there. In a repository it is there.
    if (document.status != 200 && place.is_fixed) {
      return explain_status(document.status, fmt::format("GET {}", url_without_query(place.url)),
                            {place.path, place.url}, document.error_code, !hub_.token.empty());
    }
    return documents_[place.url] = document.status == 200 ? std::optional(std::move(document.body)) : std::nullopt;
  }

  [[nodiscard]] bool is_of_hub(const std::string& url) const { return origin_of(url) == origin_of(hub_.endpoint); }

  [[nodiscard]] bool has_document(const std::string& url) const {
    const std::lock_guard lock(session_->mutex);
    return session_->cache->find(url).has_value();
  }

  // As if the server had sent it.
  Result<HttpDocument> read_cached_document(const RemoteFile::Place& place) {
    const std::lock_guard lock(session_->mutex);
    const auto cached = session_->cache->find(place.url);
    std::string body;
    bool is_here = false;
    if (cached && cached->size <= kDocumentBytesMax) {
      MTPGRAFT_TRY(const auto store, session_->cache->open(place.url, *cached));
      body.resize(cached->size);
      is_here =
          store->missing({0, body.size()}).empty() && store->read_at(0, std::as_writable_bytes(std::span(body))).ok();
    }
    if (is_here && (place.is_fixed || (hub_.is_offline && is_of_hub(place.url)))) {
      return HttpDocument{200, std::move(body), cached->validator, {}};
    }
    MTPGRAFT_TRY(auto document, session_->http->get({place.path, place.url}, kDocumentBytesMax,
                                                    is_here ? cached->validator : "", session_->start_progress(0)));
    if (document.status == 304) {
      return HttpDocument{200, std::move(body), cached->validator, {}};
    }
    MTPGRAFT_CHECK(document.status == 200 ? keep_document(place.url, document) : ok_status());
    return document;
  }

  // In the cache.
  Status keep_document(const std::string& url, const HttpDocument& document) {
    if (document.validator.empty() || document.body.empty()) {
      return ok_status();
    }
    MTPGRAFT_TRY(const auto store, session_->cache->open(url, {document.validator, document.body.size()}));
    const ByteRange all{0, document.body.size()};
    if (store->missing(all).empty()) {
      return ok_status();
    }
    MTPGRAFT_TRY(const auto part, store->begin(all));
    MTPGRAFT_CHECK(part->write(std::as_bytes(std::span(document.body))));
    return part->finish();
  }

  HubSettings hub_;
  HubCache hub_cache_;
  std::shared_ptr<RemoteSession> session_;
  std::list<Repository> repositories_;                           // at lasting addresses
  std::map<std::string, std::string> urls_;                      // by path; with their query
  std::map<std::string, std::optional<std::string>> documents_;  // by URL
};

}  // namespace

Result<std::unique_ptr<RemoteSource>> make_remote_source(const RemoteOptions& options, FileSystem& files) {
  MTPGRAFT_TRY(auto hub, read_hub_settings());
  auto session = std::make_shared<RemoteSession>();
  session->http = make_hub_client({.allow_http = options.allow_http,
                                   .token = hub.token,
                                   .token_origin = origin_of(hub.endpoint),
                                   .timeout_seconds = hub.timeout_seconds,
                                   .user_agent = options.user_agent,
                                   .tell_retry = options.tell_retry},
                                  hub.is_offline);
  session->cache =
      options.cache_directory.empty() ? make_temporary_cache() : make_range_cache(options.cache_directory, files);
  session->start_progress = options.start_progress;
  if (!session->start_progress) {
    session->start_progress = [](std::uint64_t) { return [](std::uint64_t) { return true; }; };
  }
  HubCache hub_cache(options.reads_hub_cache ? hub_cache_directory() : "", files);
  return std::unique_ptr<RemoteSource>(
      std::make_unique<HttpSource>(std::move(hub), std::move(hub_cache), std::move(session)));
}

}  // namespace mtpgraft
