#include "util/spelling.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "util/environment.h"
#include "util/look_alikes.h"
#include "util/parse.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kUnexpanded = "no shell expands variables in single quotes";

using Respell = std::optional<Spelling> (*)(const std::string& path);

std::optional<Spelling> with_home(const std::string& path) {
  if (path != "~" && !path.starts_with("~/")) {
    return std::nullopt;
  }
  const auto home = environment("HOME");
  return home.empty() ? std::nullopt
                      : std::optional(Spelling{home + path.substr(1), "no shell expands a ~ in quotes, or after ="});
}

std::optional<Spelling> with_variables(const std::string& path) {
  std::string expanded;
  for (std::size_t at = 0; at < path.size();) {
    const bool has_brace = path.compare(at, 2, "${") == 0;
    const auto begin = at + (has_brace ? 2 : 1);
    const auto is_part = [](char c) {
      return c == '_' || (c >= '0' && c <= '9') || (lowered({&c, 1})[0] != c || (c >= 'a' && c <= 'z'));
    };
    const auto end = static_cast<std::size_t>(
        std::find_if_not(path.begin() + static_cast<std::ptrdiff_t>(std::min(begin, path.size())), path.end(),
                         is_part) -
        path.begin());
    const auto value = path[at] == '$' && end > begin ? environment(path.substr(begin, end - begin).c_str()) : "";
    if (value.empty()) {
      expanded += path[at++];
      continue;
    }
    expanded += value;
    at = end + (has_brace && end < path.size() && path[end] == '}' ? 1 : 0);
  }
  return expanded == path ? std::nullopt : std::optional(Spelling{expanded, std::string(kUnexpanded)});
}

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto code = text[at] == '%' ? from_hex(text.substr(at + 1, 2)) : std::nullopt;
    if (code && code->size() == 1) {
      decoded += static_cast<char>(code->front());
      at += 2;
    } else {
      decoded += text[at];
    }
  }
  return decoded;
}

std::optional<Spelling> without_file_url(const std::string& path) {
  constexpr std::string_view kScheme = "file:";
  if (!lowered(path).starts_with(kScheme)) {
    return std::nullopt;
  }
  const auto rest = std::string_view(path).substr(kScheme.size());
  // An authority, "localhost" or none, is before the path.
  const auto begin = rest.starts_with("//") ? rest.find('/', 2) : 0;
  if (begin == std::string_view::npos || rest.find_first_not_of('/', begin) == std::string_view::npos) {
    return std::nullopt;
  }
  return Spelling{percent_decoded(rest.substr(begin)), "files of this machine have paths, not URLs"};
}

std::optional<Spelling> without_percents(const std::string& path) {
  const auto decoded = percent_decoded(path);
  return decoded == path ? std::nullopt
                         : std::optional(Spelling{decoded, "names have the characters, not %20 and the like"});
}

std::optional<Spelling> with_typed_characters(const std::string& path) {
  const auto retyped = retype(path);
  return retyped.what.empty()
             ? std::nullopt
             : std::optional(Spelling{retyped.text, fmt::format("there is {} in it", retyped.what.front())});
}

std::optional<Spelling> without_edges(const std::string& path) {
  constexpr std::string_view kEdges = " \t\r\n\"'`,;:";
  const auto begin = path.find_first_not_of(kEdges);
  if (begin == std::string::npos) {
    return std::nullopt;
  }
  const auto trimmed = path.substr(begin, path.find_last_not_of(kEdges) - begin + 1);
  return trimmed == path ? std::nullopt
                         : std::optional(Spelling{trimmed, "there are spaces, line ends, quotes or commas around it"});
}

std::optional<Spelling> with_slashes(const std::string& path) {
  auto spelled = path;
  for (auto at = spelled.find('\\'); at != std::string::npos; at = spelled.find('\\', at)) {
    constexpr std::string_view kEscaped = " ()[]'\"&$";
    if (at + 1 < spelled.size() && kEscaped.find(spelled[at + 1]) != std::string_view::npos) {
      spelled.erase(at++, 1);
    } else {
      spelled[at] = '/';
    }
  }
  const bool has_drive = spelled.size() > 2 && spelled[1] == ':' && spelled[2] == '/';
  if (has_drive) {
    spelled = "/mnt/" + lowered(spelled.substr(0, 1)) + spelled.substr(2);  // as WSL has the drives of Windows
  }
  return spelled == path ? std::nullopt
                         : std::optional(Spelling{
                               spelled, has_drive ? "drives are folders here"
                                                  : "a backslash is no separator here, and escapes nothing in quotes"});
}

std::optional<Spelling> without_key(const std::string& path) {
  const auto equals = path.find('=');
  // A quote after it was one of two.
  const auto begin = equals == std::string::npos ? equals : path.find_first_not_of("\"'", equals + 1);
  if (begin == std::string::npos) {
    return std::nullopt;
  }
  return Spelling{path.substr(begin), fmt::format("names are given without '{}'", path.substr(0, equals + 1))};
}

// First what is certain to be meant otherwise, then what may be part of a name.
constexpr std::size_t kCertainSteps = 2;
constexpr auto kSteps = std::to_array<Respell>({with_home, without_file_url, with_variables, without_percents,
                                                with_typed_characters, without_edges, with_slashes, without_key});

// What all of `steps` make of a path, each of what the one before has made, until one is there; with the first reason.
std::optional<Spelling> respell(const std::string& path, std::span<const Respell> steps,
                                const std::function<bool(const std::string&)>& is_there) {
  std::optional<Spelling> found;
  for (const auto step : steps) {
    if (auto spelling = step(found ? found->path : path)) {
      found = Spelling{std::move(spelling->path), found ? found->reason : std::move(spelling->reason)};
      if (is_there && is_there(found->path)) {
        return found;
      }
    }
  }
  return is_there ? std::nullopt : found;
}

}  // namespace

std::optional<Spelling> find_spelling(const std::string& path,
                                      const std::function<bool(const std::string&)>& is_there) {
  return respell(path, kSteps, is_there);
}

std::string_view unexpanded(const std::string& path) { return with_variables(path) ? kUnexpanded : ""; }

std::optional<Spelling> certain_spelling(const std::string& path) {
  return respell(path, std::span(kSteps).first(kCertainSteps), nullptr);
}

std::optional<Spelling> find_slip(const std::string& path) {
  const auto name = path.substr(path.rfind('/') + 1);
  if (path.size() > 2 && path[1] == ':' && (path[2] == '\\' || path[2] == '/')) {
    return with_slashes(path);
  }
  if (name.starts_with('=')) {
    return without_key(path);
  }
  if (name.find('\\') != std::string::npos) {
    return with_slashes(path);
  }
  return without_edges(name) ? without_edges(path) : std::nullopt;
}

}  // namespace mtpgraft
