// The record: the string key "mtpgraft.record" that tells what a graft is made of and how to undo it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mtpgraft/plan.h"

namespace mtpgraft {

inline constexpr std::string_view kRecordKey = "mtpgraft.record";

// A key of the original that the graft changed.
struct OldKey {
  std::string key;
  std::optional<GgufValue> value;    // nothing: there was no such key
  std::optional<std::size_t> place;  // among the original's keys, if the graft has it no more or in another
};

// The target as it was before any graft, and the old values of what was patched. A second graft in the place of the
// first keeps this, so that the record still tells how to get the original back.
struct RecordOrigin {
  std::string file;
  std::uint64_t size = 0;
  std::uint64_t key_count = 0;
  std::uint64_t tensor_count = 0;
  std::uint64_t data_offset = 0;
  std::optional<Digest> header_digest;  // of everything before the tensor data
  std::vector<OldKey> old_keys;
  std::vector<std::byte> padding{};  // in front of the tensor data, without zeros at its end
};

struct RecordHead {
  std::vector<std::uint64_t> blocks;
  std::uint64_t tensor_count = 0;
  std::uint64_t bytes = 0;
  Digest digest;
};

struct Record {
  RecordLabels labels;
  RecordOrigin origin;
  std::string donor_architecture;
  std::vector<std::uint64_t> donor_blocks;
  std::string donor_name;  // general.name, may be empty
  RecordHead head;
  std::vector<KeyEdit> edits;  // what the user changed besides
};

// One line of JSON with a digest of itself at the end; no time, host or path.
std::string write_record(const Record& record);

// Nothing if the text is not a record, or its own digest does not fit.
std::optional<Record> read_record(std::string_view text);

// Nothing if the file has no record that can be read.
std::optional<Record> find_record(const GgufFile& file);

}  // namespace mtpgraft
