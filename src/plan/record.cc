#include "plan/record.h"

#include <fmt/core.h>

#include <span>

#include "gguf/format.h"
#include "net/hub.h"
#include "plan/value_json.h"
#include "util/hash.h"
#include "util/json.h"
#include "util/parse.h"

namespace mtpgraft {
namespace {

constexpr int kRecordVersion = 1;

std::string dump(const Json& json) { return json.dump(-1, ' ', true, Json::error_handler_t::replace); }

Digest digest_text(std::string_view text) { return digest_of(std::as_bytes(std::span(text))); }

Json old_keys_to_json(const std::vector<OldKey>& old_keys) {
  auto json = Json::object();
  for (const auto& [key, value, place] : old_keys) {
    auto& entry = json[key] = value ? value_to_json(*value) : Json(nullptr);
    if (place) {
      entry["place"] = *place;
    }
  }
  return json;
}

// Where get() would take -1 or 1e300 and convert it, this throws.
std::uint64_t count_from_json(const Json& json) { return json.get_ref<const Json::number_unsigned_t&>(); }

std::vector<std::uint64_t> counts_from_json(const Json& json) {
  std::vector<std::uint64_t> counts;
  for (const auto& count : json) {
    counts.push_back(count_from_json(count));
  }
  return counts;
}

// No graft changes these: with them, what strip writes would be no GGUF.
bool is_never_old(std::string_view key) { return !format::is_key_name(key) || key == "general.alignment"; }

// Strip gives back a key of the record's name only if it is something else, or a trunk would have a graft's record.
bool is_record(const OldKey& old) {
  const auto text = old.value ? old.value->text() : std::nullopt;
  return old.key == kRecordKey && (!old.value || (text && read_record(*text)));
}

std::optional<std::vector<OldKey>> old_keys_from_json(const Json& json) {
  std::vector<OldKey> old_keys;
  for (const auto& [key, entry] : json.items()) {
    OldKey old{key, std::nullopt, std::nullopt};
    if (is_never_old(key)) {
      return std::nullopt;
    }
    if (!entry.is_null()) {
      old.value = value_from_json(entry);
      if (!old.value) {
        return std::nullopt;
      }
      if (entry.contains("place")) {
        old.place = count_from_json(entry.at("place"));
      }
    }
    if (is_record(old)) {
      return std::nullopt;
    }
    old_keys.push_back(std::move(old));
  }
  return old_keys;
}

// The type that a quantised head had before it was converted.
constexpr std::string_view kDequantised = "F32";

// The text ends with this field, which covers all that stands before it.
constexpr std::string_view kSelfDigest = R"(,"xxh128":")";

// Throws where something is missing or of another type.
RecordLabels read_labels(const Json& json) {
  const auto& donor = json.at("donor");
  RecordLabels labels{json.at("tool"),         json.at("target").at("file"),
                      donor.at("file"),        donor.value("head_type", ""),
                      donor.value("ggml", ""), std::nullopt};
  labels.pads_head_file = json.at("head").value("padded", false);
  labels.is_rounded_once = donor.value("dequantised", "") == kDequantised;
  // What is no commit is not passed on: verify then finds that the record is not the graft's.
  if (auto commit = donor.value("commit", ""); is_commit(commit)) {
    labels.donor_commit = std::move(commit);
  }
  if (donor.contains("norm_offset")) {
    labels.norm_offset = count_from_json(donor.at("norm_offset")) == 0 ? 0 : 1;
  }
  return labels;
}

}  // namespace

std::string write_record(const Record& record) {
  Json json;
  json["record"] = kRecordVersion;
  json["tool"] = record.labels.tool;
  json["target"] = {{"file", record.origin.file},
                    {"size", record.origin.size},
                    {"n_kv", record.origin.key_count},
                    {"n_tensors", record.origin.tensor_count},
                    {"data_offset", record.origin.data_offset}};
  if (record.origin.header_digest) {
    json["target"]["header_xxh128"] = to_hex(*record.origin.header_digest);
  }
  if (!record.origin.padding.empty()) {
    json["target"]["padding"] = to_hex(record.origin.padding);
  }
  json["keys"] = old_keys_to_json(record.origin.old_keys);
  json["donor"] = {{"file", record.labels.donor_file},
                   {"architecture", record.donor_architecture},
                   {"blocks", record.donor_blocks},
                   {"name", record.donor_name}};
  if (!record.labels.head_type.empty()) {
    json["donor"]["head_type"] = record.labels.head_type;
  }
  if (!record.labels.ggml_version.empty()) {
    json["donor"]["ggml"] = record.labels.ggml_version;
  }
  if (record.labels.is_rounded_once) {
    json["donor"]["dequantised"] = kDequantised;
  }
  if (record.labels.norm_offset) {
    json["donor"]["norm_offset"] = *record.labels.norm_offset;
  }
  if (!record.labels.donor_commit.empty()) {
    json["donor"]["commit"] = record.labels.donor_commit;
  }
  json["head"] = {{"blocks", record.head.blocks},
                  {"tensors", record.head.tensor_count},
                  {"bytes", record.head.bytes},
                  {"xxh128", to_hex(record.head.digest)}};
  if (record.labels.pads_head_file) {
    json["head"]["padded"] = true;
  }
  for (const auto& edit : record.edits) {
    json["edits"].push_back({{"key", edit.key}, {"to", edit.value ? value_to_json(*edit.value) : Json(nullptr)}});
  }
  auto text = dump(json);
  text.pop_back();
  return fmt::format("{0}{1}{2}\"}}", text, kSelfDigest, to_hex(digest_text(text)));
}

std::optional<Record> read_record(std::string_view text) {
  text = text.substr(0, text.find_last_not_of(' ') + 1);
  const auto body = text.substr(0, text.rfind(kSelfDigest));
  if (text != fmt::format("{}{}{}\"}}", body, kSelfDigest, to_hex(digest_text(body)))) {
    return std::nullopt;
  }
  const auto parsed = parse_json<Json>(text);
  if (!parsed.ok()) {
    return std::nullopt;
  }
  const auto& json = parsed.value();
  try {
    if (json.at("record") != kRecordVersion) {
      return std::nullopt;
    }
    Record record;
    const auto& target = json.at("target");
    const auto& donor = json.at("donor");
    const auto& head = json.at("head");
    const auto digest = parse_digest(head.at("xxh128").get<std::string>());
    auto old_keys = old_keys_from_json(json.at("keys"));
    auto padding = from_hex(target.value("padding", ""));
    if (!digest || !old_keys || !padding) {
      return std::nullopt;
    }
    record.labels = read_labels(json);
    record.origin = {target.at("file"),
                     count_from_json(target.at("size")),
                     count_from_json(target.at("n_kv")),
                     count_from_json(target.at("n_tensors")),
                     count_from_json(target.at("data_offset")),
                     parse_digest(target.value("header_xxh128", "")),
                     std::move(*old_keys),
                     std::move(*padding)};
    record.donor_architecture = donor.at("architecture");
    record.donor_blocks = counts_from_json(donor.at("blocks"));
    record.donor_name = donor.at("name");
    for (const auto& edit : json.value("edits", Json::array())) {
      const auto& to = edit.at("to");
      auto value = to.is_null() ? std::nullopt : value_from_json(to);
      if (!to.is_null() && !value) {
        return std::nullopt;
      }
      record.edits.push_back({edit.at("key"), std::move(value)});
    }
    record.head = {counts_from_json(head.at("blocks")), count_from_json(head.at("tensors")),
                   count_from_json(head.at("bytes")), *digest};
    return record;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

std::optional<Record> find_record(const GgufFile& file) {
  const auto* item = file.find_key(kRecordKey);
  const auto text = item != nullptr ? item->text() : std::nullopt;
  return text ? read_record(*text) : std::nullopt;
}

std::optional<RecordLabels> find_record_labels(const GgufFile& file) {
  auto record = find_record(file);
  return record ? std::optional(std::move(record->labels)) : std::nullopt;
}

}  // namespace mtpgraft
