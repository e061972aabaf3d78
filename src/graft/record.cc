#include "graft/record.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <span>

#include "util/hash.h"

namespace mtpgraft {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kRecordVersion = 1;

std::string dump(const Json& json) { return json.dump(-1, ' ', true, Json::error_handler_t::replace); }

Digest digest_text(std::string_view text) { return digest_of(std::as_bytes(std::span(text))); }

// The text ends with this field, which covers all that stands before it.
constexpr std::string_view kSelfDigest = R"(,"xxh128":")";

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
  json["keys"] = Json::parse(record.origin.old_keys_json);
  json["donor"] = {{"file", record.labels.donor_file},
                   {"architecture", record.donor_architecture},
                   {"blocks", record.donor_blocks},
                   {"name", record.donor_name}};
  json["head"] = {{"blocks", record.head.blocks},
                  {"tensors", record.head.tensor_count},
                  {"bytes", record.head.bytes},
                  {"xxh128", to_hex(record.head.digest)}};
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
  try {
    const auto json = Json::parse(text);
    if (json.at("record") != kRecordVersion) {
      return std::nullopt;
    }
    Record record;
    const auto& target = json.at("target");
    const auto& donor = json.at("donor");
    const auto& head = json.at("head");
    const auto digest = parse_digest(head.at("xxh128").get<std::string>());
    if (!digest) {
      return std::nullopt;
    }
    record.labels = {json.at("tool"), target.at("file"), donor.at("file")};
    record.origin = {target.at("file"),      target.at("size"),        target.at("n_kv"),
                     target.at("n_tensors"), target.at("data_offset"), dump(json.at("keys"))};
    record.donor_architecture = donor.at("architecture");
    donor.at("blocks").get_to(record.donor_blocks);
    record.donor_name = donor.at("name");
    record.head = {head.at("blocks"), head.at("tensors"), head.at("bytes"), *digest};
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

}  // namespace mtpgraft
