// The JSON of a record up to its digest, in a graft that strip and verify read; also a change of a key as users write
// it.
#include "fuzz.h"
#include "gguf_builder.h"
#include "mtpgraft/header_digest.h"
#include "mtpgraft/verify.h"
#include "plan/record.h"
#include "plan/value_json.h"
#include "util/hash.h"

namespace mtpgraft::fuzz {
namespace {

// With the digest at its end that makes it a record: who writes a hostile one can do that, too.
std::string sign(std::string_view text) {
  const auto digest = to_hex(digest_of(std::as_bytes(std::span(text))));
  return std::string(text).append(",\"xxh128\":\"").append(digest).append("\"}");
}

OpenedModel make_graft(std::string_view record) {
  auto bytes = GgufBuilder()
                   .key("general.architecture", "tiny")
                   .key("tiny.block_count", std::uint32_t{2})
                   .key("tiny.nextn_predict_layers", std::uint32_t{1})
                   .key("tiny.feed_forward_length", std::vector<std::uint32_t>{4, 4})
                   .key("mtpgraft.record", record)
                   .floats("token_embd.weight", {4})
                   .floats("blk.0.attn_norm.weight", {4})
                   .floats("blk.1.nextn.eh_proj.weight", {8, 4})
                   .floats("blk.1.nextn.enorm.weight", {4})
                   .floats("blk.1.nextn.hnorm.weight", {4})
                   .build();
  const auto file = std::make_shared<MemoryFile>("graft.gguf", std::move(bytes));
  return {file, parse_gguf(*file).value()};
}

void check_record(std::string_view text) {
  const auto record = read_record(text);
  if (!record) {
    return;
  }
  const auto written = write_record(*record);
  const auto again = read_record(written);
  require(again && write_record(*again) == written, "a record is read as it was written");
  const auto model = make_graft(text);
  check_strip(model);
  require(verify_alone(model, keep_going).ok(), "a graft's record cannot stop verify");
  // What a graft in its place makes of the record.
  GraftOptions options{.replace = true, .labels = record->labels};
  options.target_header = read_target_header(*model.file, model.gguf).value();
  check_graft(model, model, options);
}

void check_edit(std::string_view text) {
  const auto edit = parse_key_edit(text);
  if (!edit.ok()) {
    return require_sound(edit.error());
  }
  require(value_from_json(value_to_json(*edit.value().value)) == edit.value().value, "JSON holds what an edit sets");
}

}  // namespace
}  // namespace mtpgraft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  mtpgraft::fuzz::check_record(mtpgraft::fuzz::sign(text));
  mtpgraft::fuzz::check_edit(text);
  return 0;
}
