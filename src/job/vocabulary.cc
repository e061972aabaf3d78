#include "job/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "gguf/cursor.h"

namespace mtpgraft {
namespace {

// Far above any token; of what is longer only the length is compared.
constexpr std::uint64_t kTokenBytesMax = std::uint64_t{1} << 16;

Result<std::string> read_entry(Cursor& cursor) {
  MTPGRAFT_TRY(const auto length, cursor.read<std::uint64_t>("the length of a token"));
  if (length > kTokenBytesMax) {
    MTPGRAFT_CHECK(cursor.skip(length, "a token"));
    return std::to_string(length);
  }
  return cursor.read_text(length, "a token");
}

// The first entry in which two lists differ, as far as both go; nothing if the shorter one begins the longer.
Result<std::optional<std::uint64_t>> first_difference(const OpenedModel& target, const KeyValue& ours,
                                                      const OpenedModel& donor, const KeyValue& theirs) {
  Cursor our_cursor(*target.file);
  Cursor their_cursor(*donor.file);
  MTPGRAFT_CHECK(our_cursor.skip(ours.value_offset, "the header"));
  MTPGRAFT_CHECK(their_cursor.skip(theirs.value_offset, "the header"));
  const auto count = std::min(ours.value.element_count, theirs.value.element_count);
  for (std::uint64_t i = 0; i < count; ++i) {
    MTPGRAFT_TRY(const auto our_entry, read_entry(our_cursor));
    MTPGRAFT_TRY(const auto their_entry, read_entry(their_cursor));
    if (our_entry != their_entry) {
      return std::optional(i);
    }
  }
  return std::optional<std::uint64_t>{};
}

}  // namespace

Status compare_vocabularies(const OpenedModel& target, const OpenedModel& donor, std::vector<Warning>& warnings,
                            std::vector<std::string>& notes) {
  const auto is_list = [](const KeyValue* item) {
    return item != nullptr && item->value.is_array() && item->value.element_type == ValueType::kString;
  };
  for (const std::string_view key : {"tokenizer.ggml.tokens", "tokenizer.ggml.merges"}) {
    const auto* ours = target.gguf.find_key(key);
    const auto* theirs = donor.gguf.find_key(key);
    if (!is_list(ours) || !is_list(theirs) || ours->same_value(*theirs)) {
      continue;
    }
    MTPGRAFT_TRY(const auto first, first_difference(target, *ours, donor, *theirs));
    const auto our_count = ours->value.element_count;
    const auto their_count = theirs->value.element_count;
    if (first) {
      warnings.push_back({"tokenizer-differs",
                          fmt::format("{} differs from entry {} on (target {} entries, donor {}): a head trained on "
                                      "other tokens drafts noise",
                                      key, *first, our_count, their_count)});
    } else if (our_count > their_count) {
      notes.push_back(
          fmt::format("{}: the target has {} more than the donor, behind the donor's last: the head never "
                      "drafts these, and drafts as well",
                      key, our_count - their_count));
    } else if (our_count == their_count) {
      warnings.push_back(
          {"tokenizer-differs", fmt::format("{} differs in an entry of more than {} bytes", key, kTokenBytesMax)});
    } else {
      warnings.push_back(
          {"tokenizer-differs", fmt::format("{}: the target lacks the last {} of the donor's {} entries: drafts of "
                                            "these are no tokens of the target",
                                            key, their_count - our_count, their_count)});
    }
  }
  return ok_status();
}

}  // namespace mtpgraft
