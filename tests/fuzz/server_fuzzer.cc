// What a server says: the hub's description of a repository, a path that a user gives, and answers to the request for a
// range, each a header and a body, one after the other until the range is complete.
#include <algorithm>

#include "fuzz.h"
#include "mtpgraft/donor.h"
#include "net/http_exchange.h"
#include "net/http_text.h"
#include "net/hub.h"
#include "util/parse.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kEndpoint = "https://hub.example";

// Stays inside what it is appended to.
bool is_inside(const std::string& name) {
  return !name.empty() && !name.starts_with('/') && ("/" + name + "/").find("/../") == std::string::npos &&
         name.find('\n') == std::string::npos;
}

void check_repository(const std::string& json) {
  const auto repository = parse_repository(json, {"o/n", "", ""});
  if (!repository.ok()) {
    fuzz::require_sound(repository.error());
  } else {
    const auto& files = repository.value().files;
    fuzz::require(is_commit(repository.value().commit), "a repository has a commit");
    fuzz::require(std::ranges::is_sorted(files, {}, &RepositoryFile::name), "files stand by name");
    for (const auto& file : files) {
      fuzz::require(is_inside(file.name), "a file is in its repository");
      const auto url = hub_file_url(kEndpoint, "o/n", repository.value().commit, file.name);
      fuzz::require(origin_of(url) == origin_of(kEndpoint), "a file is on its hub");
    }
  }
  (void)parse_hub_names(json);
}

void check_path(const std::string& text) {
  if (const auto path = parse_hub_path(text); path.ok()) {
    const auto& [repository, revision, name] = path.value();
    fuzz::require(name.empty() || is_inside(name), "a name is in its repository");
    const auto again = parse_hub_path(path.value().repository_path() + ":" + name);
    fuzz::require(again.ok() && again.value().repository == repository && again.value().revision == revision &&
                      again.value().name == name,
                  "a path is read again as it was");
    fuzz::require(origin_of(hub_api_url(kEndpoint, path.value())) == origin_of(kEndpoint),
                  "a repository is on its hub");
  } else {
    fuzz::require_sound(path.error());
  }
  if (const auto path = parse_hub_url(text, kEndpoint); !path.ok()) {
    fuzz::require_sound(path.error());
  } else if (path.value()) {
    fuzz::require(path.value()->name.empty() || is_inside(path.value()->name), "a URL's name is in its repository");
  }
  const HttpFile file{text, text};
  const auto origin = origin_of(text);
  const bool is_safe = origin.starts_with("https:") || (!origin.empty() && is_loopback(origin));
  fuzz::require(check_url(file, text, "", false).ok() == is_safe, "only https, or this machine, is asked");
  fuzz::require(!check_url(file, text, "https://elsewhere.example/x", true).ok() || origin.starts_with("https:"),
                "https leads to nothing else");
}

void check_answers(const std::vector<Bytes>& answers) {
  HttpFile file{"the model", "https://hub.example/f"};
  std::uint64_t used = 0;
  bool is_finished = false;
  const HttpRange wanted{&file,
                         {16, 64},
                         [&](std::span<const std::byte> bytes) {
                           used += bytes.size();
                           fuzz::require(used <= 64, "no more is taken than was asked for");
                           return ok_status();
                         },
                         [&] {
                           is_finished = true;
                           return ok_status();
                         }};
  RangeExchange exchange(wanted);
  for (const auto& answer : answers) {
    const auto text = fuzz::to_text(answer);
    const auto end = std::min(text.find("\n\n"), text.size());
    HttpHead head{.status = 206};
    for (std::size_t from = 0; from < end;) {
      const auto to = std::min(text.find('\n', from), end);
      const auto line = text.substr(from, to - from);
      const auto colon = std::min(line.find(": "), line.size());
      for (const auto& field : kHttpFields) {
        if (lowered(line.substr(0, colon)) == field.name) {
          head.*(field.value) = line.substr(std::min(colon + 2, line.size()));
        }
      }
      from = to + 1;
    }
    auto status = exchange.begin(head, "GET x");
    if (status.ok()) {
      status = exchange.take(std::span(answer).subspan(std::min(end + 2, text.size())), "GET x");
    }
    if (!status.ok()) {
      fuzz::require_sound(status.error());
      return;
    }
    if (exchange.is_complete(true)) {
      fuzz::require(exchange.finish().ok() && is_finished, "a complete range is finished");
      fuzz::require(!file.validator.empty() && file.size && used == std::min<std::uint64_t>(64, *file.size - 16),
                    "a range is complete when all of it was taken");
      return;
    }
  }
}

}  // namespace
}  // namespace mtpgraft

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mtpgraft;
  auto parts = fuzz::cut_input(data, size);
  parts.resize(std::max<std::size_t>(parts.size(), 2));
  check_repository(fuzz::to_text(parts[0]));
  check_path(fuzz::to_text(parts[1]));
  check_answers({parts.begin() + 2, parts.end()});
  return 0;
}
