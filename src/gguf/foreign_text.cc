#include "gguf/foreign_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "util/parse.h"
#include "util/path.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kUtf8Mark = "\xef\xbb\xbf";

constexpr auto kTryLater = "the server was busy or at fault: download it again later";

constexpr auto kAskAgain = "look at the link, and whether the server wants a token; then download the file itself";

std::string first_line(std::string_view text) {
  constexpr std::size_t kShownBytes = 80;
  const auto line = text.substr(0, text.find_first_of("\r\n"));
  return line.size() <= kShownBytes ? std::string(line) : std::string(line.substr(0, kShownBytes)) + "...";
}

ForeignKind recognise_pointer(std::string_view text, const std::string& path) {
  const auto size = text.find("\nsize ");
  const auto digits = size == std::string_view::npos ? "" : first_line(text.substr(size + 6));
  const auto bytes = parse_number<std::uint64_t>(digits);
  return {FileKind::kLfsPointer,
          bytes ? fmt::format("a Git LFS pointer to a file of {}", format_bytes(*bytes)) : "a Git LFS pointer",
          fmt::format(
              "git lfs pull --include {} in the repository's folder gets the file itself (it needs git-lfs), as does "
              "a download by its link with /resolve/",
              shell_quoted(base_name(path)))};
}

// What servers send in the place of a file, with the status that most programs do not look at.
bool is_server_reply(std::string_view text) {
  constexpr auto kReplies = std::to_array<std::string_view>(
      {"entry not found", "not found", "repository not found", "invalid username or password", "access to model",
       "access to this", "unauthorized", "forbidden", "access denied", "too many requests", "rate limit",
       "internal server error", "bad gateway", "service unavailable", "gateway time", "http/", "invalid credentials",
       "cannot access", "error"});
  constexpr auto kStatuses = std::to_array<std::string_view>({"401", "403", "404", "429", "500", "502", "503", "504"});
  const auto lower = lowered(first_line(text));
  const auto status = std::string_view(lower).substr(0, lower.find_first_not_of("0123456789abcdef"));
  return std::ranges::any_of(kReplies, [&](std::string_view reply) { return lower.starts_with(reply); }) ||
         std::ranges::find(kStatuses, status) != kStatuses.end();
}

// By what a server answered: the same request may succeed later.
std::string advise_asking(std::string_view text) {
  constexpr auto kPassing = std::to_array<std::string_view>(
      {"too many requests", "rate limit", "rate-limit", "internal server error", "internal error", "bad gateway",
       "unavailable", "gateway time", "timed out", "try again", "error code: 1015", "error code: 52"});
  constexpr auto kStatuses = std::to_array<std::string_view>({"429 ", "500 ", "502 ", "503 ", "504 "});
  const auto lower = lowered(first_line(text)) + " ";
  const bool passes =
      std::ranges::any_of(kPassing, [&](auto words) { return lower.find(words) != std::string::npos; }) ||
      std::ranges::any_of(kStatuses, [&](auto status) {
        return lower.starts_with(status) || (lower.starts_with("http/") && lower.find(status) != std::string::npos);
      });
  return passes ? kTryLater : kAskAgain;
}

ForeignKind recognise_json(std::string_view text, const std::string& path) {
  const auto has = [&](std::string_view key) {
    return text.find(fmt::format("\"{}\"", key)) != std::string_view::npos;
  };
  if (const auto layer = text.find("vnd.ollama.image.model\""); layer != std::string_view::npos) {
    constexpr std::string_view kDigest = "sha256:";
    constexpr std::size_t kDigits = 64;
    const auto digest = text.find(kDigest, layer);
    return {FileKind::kJson, "what Ollama writes of a model",
            digest == std::string_view::npos ? "the model is in Ollama's folder blobs"
                                             : fmt::format("the model is in Ollama's folder blobs: sha256-{}",
                                                           printable(text.substr(digest + kDigest.size(), kDigits)))};
  }
  if (has("grafts")) {
    return {FileKind::kJson, "a plan", {}, Remedy::kReleasePlan};
  }
  if (has("model_type") || has("architectures") || has("weight_map")) {
    return {
        FileKind::kJson, "a checkpoint's description in JSON",
        fmt::format("as a donor, and for inspect, name the checkpoint's folder: {}", shell_quoted(parent_of(path)))};
  }
  if (has("error") || has("detail") || has("message")) {
    return {FileKind::kServerReply, fmt::format("what a server answered: {}", first_line(text)), advise_asking(text)};
  }
  return {FileKind::kJson, "JSON", advise_model(path)};
}

}  // namespace

bool is_text(std::string_view start) {
  const auto is_control = [](char c) {
    return static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\r' && c != '\t';
  };
  return std::ranges::none_of(start, is_control) &&
         (static_cast<unsigned char>(start.front()) < 0x80 || start.starts_with(kUtf8Mark));
}

ForeignKind recognise_text(std::string_view start, const std::string& path) {
  auto text = start;
  if (text.starts_with(kUtf8Mark)) {
    text.remove_prefix(kUtf8Mark.size());
  }
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  if (text.starts_with("version https://git-lfs") || text.starts_with("version https://hawser")) {
    return recognise_pointer(text, path);
  }
  const auto lower = lowered(text.substr(0, 1024));
  if (lower.starts_with("<!doctype html") || lower.starts_with("<html") || lower.find("<head") != std::string::npos) {
    return {FileKind::kWebPage, "a web page",
            "download the file, not its page: on Hugging Face the link of the file has /resolve/ where the page has "
            "/blob/"};
  }
  const bool is_xml = lower.starts_with("<?xml");
  if (lower.starts_with("<error") || (is_xml && lower.find("<error") != std::string::npos)) {
    return {FileKind::kServerReply, fmt::format("what a server answered: {}", first_line(text)), advise_asking(text)};
  }
  if (text.starts_with("{%") || text.starts_with("{{") || text.starts_with("{#")) {
    return {FileKind::kText, "a chat template (Jinja)", advise_model(path)};
  }
  if (text.starts_with("R0dVRg")) {
    return {FileKind::kText, "a GGUF file in base64",
            fmt::format("base64 -di {} > NEW.gguf makes it one", shell_quoted(path))};
  }
  if (lower.starts_with("47475546")) {
    return {FileKind::kText, "a GGUF file in hexadecimal digits",
            fmt::format("xxd -r -p {} > NEW.gguf makes it one", shell_quoted(path))};
  }
  if (lower.starts_with("# xet version")) {
    return {FileKind::kLfsPointer, "a pointer to a file in Xet storage",
            "'hf download' gets the file itself, as does a download by its link with /resolve/"};
  }
  if (text.empty()) {
    return {FileKind::kText, "nothing but spaces and line ends", advise_model(path)};
  }
  if (text.starts_with('{') || (text.starts_with('[') && text.find_first_of("[{\"0123456789]", 1) == 1)) {
    return recognise_json(text, path);
  }
  if (is_server_reply(text)) {
    return {FileKind::kServerReply, fmt::format("what a server answered: '{}'", first_line(text)), advise_asking(text)};
  }
  return {FileKind::kText, fmt::format("text: '{}'", first_line(text)), advise_model(path)};
}

std::string advise_model(const std::string& path) {
  return lowered(path).ends_with(".gguf")
             ? "only its name is that of a GGUF: get the model's file again from where it comes, or name the model"
             : "name the model, a .gguf file";
}

bool was_text(std::string_view piece) {
  constexpr std::size_t kForeignMin = 64;
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  // What the bytes from 0x80 on become, of Latin 1 and of Windows 1252.
  constexpr std::string_view kLeads = "\xc2\xc3\xc5\xc6\xcb\xe2";
  const auto is_inner = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80; };
  const auto is_high = [](char c) { return static_cast<unsigned char>(c) >= 0x80; };
  // Characters at the ends may be cut.
  while (!piece.empty() && is_inner(piece.front())) {
    piece.remove_prefix(1);
  }
  while (!piece.empty() && is_high(piece.back())) {
    piece.remove_suffix(1);
  }
  std::string rest(piece);
  std::size_t replaced = 0;
  for (std::size_t at = 0; (at = rest.find(kReplacement, at)) != std::string::npos; ++replaced) {
    rest.erase(at, kReplacement.size());
  }
  const bool has_leads_of_bytes = std::ranges::all_of(
      rest, [&](char c) { return !is_high(c) || is_inner(c) || kLeads.find(c) != std::string_view::npos; });
  const auto characters = static_cast<std::size_t>(std::ranges::count_if(rest, is_high)) / 2;
  return is_utf8(rest) && (replaced >= kForeignMin || (has_leads_of_bytes && characters >= kForeignMin));
}

}  // namespace mtpgraft
