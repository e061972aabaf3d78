#include "report/words.h"

#include <fmt/format.h>

#include <algorithm>

#include "gguf/describe.h"
#include "model/dialect.h"
#include "mtpgraft/output_name.h"
#include "mtpgraft/remote.h"
#include "mtpgraft/split.h"
#include "report/llama_cpp.h"
#include "util/text.h"

namespace mtpgraft::report {

std::string plural(std::uint64_t count, std::string_view thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

std::string graft_command(const std::string& target, std::string_view donor, bool replaces) {
  // A file on a server must be downloaded first: the commands take a local one.
  const auto local = is_remote(target) ? target.substr(target.rfind('/') + 1) : target;
  const auto shard = parse_shard_name(local);
  const bool names_its_output = default_output_path(local, shard ? shard->count : 1) != local;
  return fmt::format("mtpgraft graft{} {} {}{}", replaces ? " --replace" : "", shell_quoted(local), donor,
                     names_its_output ? "" : " -o NEW.gguf");
}

std::string donor_repository(const FromBase& from_base) {
  constexpr std::string_view kHub = "hf://";
  const auto& path = from_base.path;
  return path.starts_with(kHub) ? path.substr(kHub.size(), path.find('@') - kHub.size()) : "";
}

std::string describe_shape(const TensorInfo& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.shape.begin(), tensor.shape.begin() + std::max(tensor.n_dims, 1U), ", "));
}

std::string describe_types(const std::vector<TypeShare>& shares) {
  std::vector<std::string> parts;
  parts.reserve(shares.size());
  for (const auto& share : shares) {
    parts.push_back(fmt::format("{} {} ({})", share.type, format_bytes(share.bytes), share.tensor_count));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string describe_block_range(std::uint64_t first, std::uint64_t count) {
  return count == 1 ? fmt::format("blk.{}", first) : fmt::format("blk.{}-{}", first, first + count - 1);
}

std::string describe_head(const Summary& summary) {
  const auto& head = summary.head;
  const auto where = describe_block_range(head.first_block, head.block_count);
  const auto what = fmt::format("{} tensors, {}: {}", head.tensors.size(), format_bytes(head.bytes),
                                describe_types(summary.head_types));
  switch (head.state) {
    case HeadState::kNone:
      return "no head";
    case HeadState::kPresent:
      return fmt::format("head at {}: {}", where, what);
    case HeadState::kPlaceholder:
      return fmt::format("placeholder: declares a head at {}, has none of its tensors", where);
    case HeadState::kSidecar:
      return fmt::format("{}sidecar, a head without trunk: {}: {}", summary.borrows_tensors ? "borrowing " : "", where,
                         what);
    case HeadState::kTensorsOnly:
      return fmt::format("head tensors only, no model keys: {}: {}", where, what);
    case HeadState::kBroken:
      return "broken";
    case HeadState::kShard:
      return head.has_tensors() ? fmt::format("one file of a split model, with a head at {}: {}", where, what)
                                : "unknown: this is one file of a split model";
  }
  return {};
}

std::vector<std::string> describe_dialects(const Summary& summary) {
  std::vector<std::string> lines;
  for (const auto id : summary.dialects) {
    const auto& dialect = *find_dialect(id);
    lines.push_back(dialect.change.empty()
                        ? fmt::format("as in {} ({})", dialect.whose, id)
                        : fmt::format("in the names of {} ({}): {}", dialect.whose, id, dialect.change));
  }
  return lines;
}

namespace {

// In messages; --json has all.
constexpr std::size_t kShownEdits = 20;

// "key 'general.name' is edited: "Old" -> "New"".
std::string describe_edit(const EditedKey& edit) {
  const auto is_edited = fmt::format("key '{}' is edited: ", printable(edit.key));
  if (edit.from && edit.to) {
    const auto [from, to] = describe_both(edit.from->value, edit.to->value);
    return fmt::format("{}{} -> {}", is_edited, from, to);
  }
  return is_edited + fmt::format("{} -> {}", edit.from ? describe_value(edit.from->value) : "new",
                                 edit.to ? describe_value(edit.to->value) : "none");
}

}  // namespace

std::vector<std::string> describe_claims(const RecordLabels& labels, const std::vector<EditedKey>& edits) {
  std::vector<std::string> lines;
  if (!labels.donor_commit.empty()) {
    lines.push_back(fmt::format("the donor was read at commit {}", labels.donor_commit));
  }
  if (!labels.head_type.empty()) {
    lines.push_back(fmt::format(
        "the head was converted to {}{}", printable_message(labels.head_type),
        labels.ggml_version.empty() ? "" : fmt::format(" by ggml {}", printable_message(labels.ggml_version))));
  }
  if (labels.norm_offset) {
    lines.push_back(fmt::format("{} was added to the head's norms", *labels.norm_offset));
  }
  for (std::size_t i = 0; i < std::min(edits.size(), kShownEdits); ++i) {
    lines.push_back(describe_edit(edits[i]));
  }
  if (edits.size() > kShownEdits) {
    lines.push_back(fmt::format("and {} more edited keys, which --json lists", edits.size() - kShownEdits));
  }
  return lines;
}

std::vector<Finding> list_findings(const VerifyReport& report) {
  std::vector<Finding> findings;
  for (const auto& edit : report.edits) {
    if (!report.edits_allowed) {
      findings.push_back({describe_edit(edit), {}});
    }
  }
  findings.insert(findings.end(), report.findings.begin(), report.findings.end());
  return findings;
}

std::vector<std::string> list_notes(const VerifyReport& report) {
  auto notes = report.notes;
  if (report.labels) {
    const auto claims = describe_claims(*report.labels, report.edits_allowed ? report.edits : std::vector<EditedKey>());
    notes.insert(notes.end(), claims.begin(), claims.end());
  }
  if (report.has_no_record) {
    notes.emplace_back("no record: the head's bytes cannot be checked without --target and --donor");
  }
  return notes;
}

std::string describe_offset(const std::optional<std::uint64_t>& offset) {
  return offset ? fmt::format(" (at byte {})", *offset) : "";
}

std::string_view form_name(ExtractForm form) {
  switch (form) {
    case ExtractForm::kSidecar:
      return "sidecar";
    case ExtractForm::kTensorsOnly:
      return "tensors-only";
    case ExtractForm::kSlimSidecar:
      return "slim-sidecar";
    case ExtractForm::kCheckpoint:
      break;
  }
  return "checkpoint";
}

std::string_view form_text(ExtractForm form) {
  switch (form) {
    case ExtractForm::kSidecar:
      return "sidecar with a head";
    case ExtractForm::kTensorsOnly:
      return "head tensors only,";
    case ExtractForm::kSlimSidecar:
      return "sidecar without shared tensors, with a head";
    case ExtractForm::kCheckpoint:
      break;
  }
  return "head in a checkpoint's names,";
}

std::string describe_next_step(const ExtractRequest& request, const Job& job) {
  const auto donor = summarise(job.donor->gguf);
  const auto path = shell_quoted(job.output.path);
  if (job.extract_form == ExtractForm::kCheckpoint) {
    return fmt::format(
        "; to put it back into a checkpoint, copy it\n"
        "beside the files of that and name its tensors in \"weight_map\" of model.safetensors.index.json; to graft "
        "it:\n"
        "  mtpgraft graft TARGET {}\n",
        path);
  }
  const bool drafts = job.extract_form == ExtractForm::kSidecar && can_draft_beside(donor.architecture) &&
                      (!request.target.empty() || donor.dialects.empty());
  return drafts ? fmt::format("; to draft with it:\n  llama-server -m {} -md {} {}\n",
                              request.target.empty() ? "MODEL" : shell_quoted(request.target), path, kDraftOptions)
                : fmt::format("; to graft it:\n  mtpgraft graft TARGET {}\n", path);
}

}  // namespace mtpgraft::report
