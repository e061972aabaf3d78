#include "report/llama_cpp.h"

#include <fmt/format.h>

#include "model/architectures.h"
#include "mtpgraft/remote.h"
#include "util/text.h"

namespace mtpgraft::report {
namespace {

std::string describe_refusal(const Summary& summary) {
  switch (summary.head.state) {
    case HeadState::kPlaceholder:
      return fmt::format("refuses it: missing tensor 'blk.{}.attn_norm.weight'", summary.head.first_block);
    case HeadState::kSidecar:
      return "does not load a head without its trunk";
    case HeadState::kTensorsOnly:
      return "does not load head tensors without the keys of a model";
    default:
      return "refuses it, or never drafts";
  }
}

}  // namespace

std::string describe_runtime(const Summary& summary) {
  switch (summary.runtime) {
    case Runtime::kRuns:
      return summary.head.state == HeadState::kPlaceholder
                 ? "loads it, but cannot draft"
                 : fmt::format("runs it without drafting; with a head, it drafts with {} models", summary.architecture);
    case Runtime::kDrafts: {
      const auto note = find_architecture(summary.architecture).note;
      return note.empty() ? fmt::format("drafts with the MTP head of {} models", summary.architecture)
                          : std::string(note);
    }
    case Runtime::kSkipsHead:
      return fmt::format("loads the head of {} models and leaves it unused", summary.architecture);
    case Runtime::kRunsAsDrafter:
      return "runs it as a drafter of its own beside its model (-md)";
    case Runtime::kDraftsBeside:
      return "drafts with it beside its model (-md), and crashes if it is run as a model";
    case Runtime::kRefuses:
      return describe_refusal(summary);
    case Runtime::kNeedsFirstFile:
      return "loads split models by their first file";
    case Runtime::kUnknown:
      break;
  }
  return fmt::format("b10256 has no MTP code for {} and refuses such a file with a head",
                     summary.architecture.empty() ? "this architecture" : summary.architecture);
}

std::string describe_next_step(const Summary& summary, const std::string& path) {
  const auto& head = summary.head;
  // A file on a server must be downloaded first: the commands take a local one.
  const auto quoted = shell_quoted(is_remote(path) ? path.substr(path.rfind('/') + 1) : path);
  const auto graft = fmt::format("mtpgraft graft {} DONOR puts a head in, taken from the base model's GGUF", quoted);
  switch (head.state) {
    case HeadState::kNone:
      return summary.runtime == Runtime::kRuns ? graft : "";
    case HeadState::kPresent:
      return summary.is_usable ? fmt::format("llama-server -m {} --spec-type draft-mtp", quoted) : "";
    case HeadState::kPlaceholder:
      return fmt::format("{}; mtpgraft strip --in-place {} makes it load without one", graft, quoted);
    case HeadState::kSidecar:
      return summary.runtime == Runtime::kRunsAsDrafter ? "" : "it can be a graft's donor";
    case HeadState::kTensorsOnly:
      return "it can be a graft's donor";
    case HeadState::kBroken:
      return head.has_tensors()
                 ? fmt::format("mtpgraft graft --replace {} DONOR puts a sound head in its place", quoted)
                 : "";
    case HeadState::kShard:
      return head.has_tensors() && head.problems.empty()
                 ? "it holds the head, and can be a graft's donor"
                 : "name the first file, ...-00001-of-....gguf, with the others beside it";
  }
  return {};
}

}  // namespace mtpgraft::report
