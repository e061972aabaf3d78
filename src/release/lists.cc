#include "release/lists.h"

#include <fmt/core.h>

#include <algorithm>

#include "mtpgraft/text_file.h"
#include "plan/plan_json.h"
#include "release/release_job.h"
#include "util/json.h"
#include "util/parse.h"
#include "util/path.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

constexpr int kReleaseSchemaVersion = 1;
constexpr std::string_view kTool = "mtpgraft";
constexpr std::size_t kObjectKeysMax = 1000;  // far more than we write
constexpr std::size_t kSha256Digits = 64;
constexpr std::string_view kSha256Separator = "  ";

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json model_json(const ReleasedModel& model) {
  Json json{{"file", model.name}, {"bytes", model.bytes}};
  for (const auto& file : model.files) {
    json["files"].push_back(
        {{"file", base_name(file.path)}, {"bytes", file.bytes}, {"sha256", text_or_null(file.sha256)}});
  }
  return json;
}

Json donor_json(const ReleasedModel& donor) {
  auto json = model_json(donor);
  json["commit"] = text_or_null(donor.commit);
  return json;
}

}  // namespace

Json released_head_json(const ReleasedGraft& graft) {
  return {{"first_block", graft.first_head_block},
          {"blocks", graft.head_block_count},
          {"tensors", graft.head_tensor_count},
          {"bytes", graft.head_bytes},
          {"types", types_json(graft.head_types)},
          {"xxh128", graft.head_digest.empty() ? Json() : Json(graft.head_digest)}};
}

std::string llama_server_line(const ReleasedGraft& graft) {
  return fmt::format("llama-server -m {} {}", shell_quoted(graft.files.front().name), kDraftOptions);
}

std::string make_release_file(const std::vector<ReleasedGraft>& grafts, std::string_view version) {
  Json json{
      {"schema_version", kReleaseSchemaVersion}, {"tool", kTool}, {"version", version}, {"grafts", Json::array()}};
  for (const auto& graft : grafts) {
    const auto record = parse_json<Json>(graft.record);
    auto files = Json::array();
    for (const auto& file : graft.files) {
      files.push_back({{"file", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}});
    }
    json["grafts"].push_back({{"files", std::move(files)},
                              {"checksums", graft.sums_name},
                              {"quant", graft.quant},
                              {"target", model_json(graft.target)},
                              {"donor", donor_json(graft.donor)},
                              {"keys", changes_json(graft.key_changes)},
                              {"head", released_head_json(graft)},
                              {"warnings", warnings_json(graft.warnings)},
                              {"record", record.ok() ? record.value() : Json(nullptr)},
                              {"command", graft.command},
                              {"llama_server", llama_server_line(graft)}});
  }
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + '\n';
}

std::string make_sha256_file(const std::vector<ReleasedGraft>& grafts) {
  std::string text;
  for (const auto& graft : grafts) {
    for (const auto& file : graft.files) {
      text.append(file.sha256).append(kSha256Separator).append(file.name).append("\n");
    }
  }
  return text;
}

bool is_release_file(std::string_view text) {
  const auto parsed = parse_json<Json>(text, {.object_keys = kObjectKeysMax});
  if (!parsed.ok()) {
    return false;
  }
  const auto& json = parsed.value();
  return json.is_object() && json.contains("tool") && json["tool"] == kTool && json.contains("grafts");
}

std::optional<std::vector<std::string>> names_in_sha256_file(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    if (line.size() <= kSha256Digits + kSha256Separator.size() || !is_hex(line.substr(0, kSha256Digits)) ||
        !line.substr(kSha256Digits).starts_with(kSha256Separator)) {
      return std::nullopt;
    }
    names.emplace_back(line.substr(kSha256Digits + kSha256Separator.size()));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return names;
}

Status write_list(FileSystem& files, const std::string& path, std::string_view text, Permissions permissions,
                  Durability durability) {
  if (exists(path)) {
    MTPGRAFT_TRY(const auto file, files.open(path));
    MTPGRAFT_TRY(const auto old, read_text(*file, kListBytesMax));
    if (old == text) {
      return ok_status();
    }
  }
  return write_text(files, path, text, permissions, Overwrite::kYes, durability);
}

}  // namespace mtpgraft
