// Words that the reports for people share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/gguf.h"
#include "mtpgraft/job.h"
#include "mtpgraft/summary.h"
#include "mtpgraft/verify.h"

namespace mtpgraft::report {

using Row = std::vector<std::string>;

// "1 key", "15 tensors".
std::string plural(std::uint64_t count, std::string_view thing);

// "mtpgraft graft TARGET DONOR", with -o where the target's name leaves no room for "-MTP"; `donor` is as a shell wants
// it.
std::string graft_command(const std::string& target, std::string_view donor, bool replaces = false);

// "OWNER/NAME" of the repository that the head came from; empty for one beside the target.
std::string donor_repository(const FromBase& from_base);

// "[256, 512]".
std::string describe_shape(const TensorInfo& tensor);

// "blk.48", "blk.48-50".
std::string describe_block_range(std::uint64_t first, std::uint64_t count);

// "head at blk.12: 15 tensors, 1.0 MiB: Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)".
std::string describe_head(const Summary& summary);

// In whose names the head is, and what a graft does about it; nothing for llama.cpp's.
std::vector<std::string> describe_dialects(const Summary& summary);

// What a graft's record tells of how it was made: in which type the head is, what was added to its norms, edited keys.
std::vector<std::string> describe_claims(const RecordLabels& labels, const std::vector<EditedKey>& edits);

// What was found, and the edited keys if they are not allowed.
std::vector<Finding> list_findings(const VerifyReport& report);

// The notes of the report, what its record tells, and what can be checked no other way.
std::vector<std::string> list_notes(const VerifyReport& report);

// " (at byte 24)", or nothing.
std::string describe_offset(const std::optional<std::uint64_t>& offset);

// "Q8_0 1020.0 KiB (8), F32 5.5 KiB (7)".
std::string describe_types(const std::vector<TypeShare>& shares);

// What extract makes, in JSON ("slim-sidecar") and for people ("head tensors only,").
std::string_view form_name(ExtractForm form);
std::string_view form_text(ExtractForm form);

// What is done with an extracted head next: "; to graft it:" and a command.
std::string describe_next_step(const ExtractRequest& request, const Job& job);

// Of a dry run: what it leaves out.
inline constexpr std::string_view kValuesUnread =
    "dry run: of the head's values only norms and biases were looked at; the others are before a byte is written\n";

}  // namespace mtpgraft::report
