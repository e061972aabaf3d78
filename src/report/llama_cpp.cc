#include "report/llama_cpp.h"

#include <fmt/format.h>

#include "model/architectures.h"
#include "model/base_models.h"
#include "model/dialect.h"
#include "mtpgraft/remote.h"
#include "report/words.h"
#include "util/text.h"

namespace mtpgraft::report {
namespace {

std::string describe_refusal(const Summary& summary) {
  if (!summary.dialects.empty()) {
    return fmt::format("loads no head as in {}", find_dialect(summary.dialects.front())->whose);
  }
  if (summary.borrows_tensors) {
    return "does not load it: it borrows token_embd and output of its model; unsloth's fork lends them";
  }
  switch (summary.head.state) {
    case HeadState::kPlaceholder:
      return "refuses it: the head's tensors are missing";
    case HeadState::kSidecar:
      return "does not load this head from a file of its own";
    case HeadState::kTensorsOnly:
      return "does not load head tensors without the keys of a model";
    default:
      return "refuses it, or never drafts";
  }
}

// A repository by its page, as the file has it.
std::string describe_base(const BaseModel& base) {
  if (base.is_guessed) {
    return fmt::format("'{}', by its name probably hf://{}", base.name, base.repository);
  }
  return base.repository.empty() ? name_of(base) : base.url;
}

// "no head; made of https://huggingface.co/Qwen/Qwen3.5-9B".
std::string describe_absence(const Summary& summary) {
  std::vector<std::string> names;
  for (const auto& base : summary.base_models) {
    names.push_back(describe_base(base));
  }
  if (names.empty() && !summary.base_model.empty()) {
    names.push_back(fmt::format("'{}'", summary.base_model));
  }
  return names.empty() ? "no head" : fmt::format("no head; made of {}", list_some(names, " and "));
}

// What puts a head in: what the base model's name is worth, where the file tells one.
std::string propose_graft(const Summary& summary, const std::string& path) {
  const auto& bases = summary.base_models;
  if (bases.size() == 1 && !bases.front().repository.empty()) {
    return fmt::format("{} puts in the head of the model that it was made of, {}hf://{}",
                       graft_command(path, "--from-base"), bases.front().is_guessed ? "by its name probably " : "",
                       bases.front().repository);
  }
  return fmt::format("{} puts a head in, taken from {}", graft_command(path, "DONOR"),
                     bases.size() > 1 ? "one of the models that it was made of" : "the base model's GGUF");
}

// Of a merge, whose head is for the user to choose: a line for each model.
std::string propose_donors(const Summary& summary, const std::string& path) {
  std::string lines;
  for (const auto& base : summary.base_models) {
    if (summary.base_models.size() > 1 && !base.repository.empty()) {
      lines += '\n' + graft_command(path, "hf://" + base.repository);
    }
  }
  return lines;
}

std::string describe_sidecar(const Summary& summary) {
  switch (summary.recognised.kind) {
    case FileKind::kBorrowing:
      return "sidecar that borrows its model's tensors: forks draft with it, and it is a donor";
    case FileKind::kTrimmed:
      return "sidecar with a trimmed vocabulary: forks draft with it";
    default:
      return summary.is_draft_model ? "sidecar, complete: drafts beside its model"
                                    : "head without trunk, good as a donor only";
  }
}

}  // namespace

std::string describe_verdict(const Summary& summary) {
  if (summary.runtime == Runtime::kNoModel || summary.runtime == Runtime::kRunsAsDrafter) {
    return summary.recognised.what;
  }
  switch (summary.head.state) {
    case HeadState::kNone:
      return describe_absence(summary);
    case HeadState::kPresent:
      return summary.is_usable                        ? "drafts"
             : !summary.dialects.empty()              ? "has a head that llama.cpp does not load"
             : summary.runtime == Runtime::kRefuses   ? "has a head, and no known loader reads the file"
             : summary.runtime == Runtime::kForksOnly ? "drafts in forks only"
             : summary.runtime == Runtime::kSkipsHead ? "has a head, which llama.cpp leaves unused"
                                                      : "has a head of an architecture that no table knows";
    case HeadState::kPlaceholder:
      return "placeholder: a head is declared, and its tensors are missing";
    case HeadState::kSidecar:
      return describe_sidecar(summary);
    case HeadState::kTensorsOnly:
      return "head tensors without a model's keys, good as a donor only";
    case HeadState::kBroken:
      return "broken head";
    case HeadState::kShard:
      break;
  }
  return "one file of a split model";
}

std::string describe_runtime(const Summary& summary) {
  const auto architecture = find_architecture(summary.architecture);
  switch (summary.runtime) {
    case Runtime::kRuns:
      return summary.head.state == HeadState::kPlaceholder
                 ? "loads such files, and cannot draft with them"
                 : fmt::format("cannot draft without a head; with one, it drafts with {} models, from {} on",
                               summary.architecture, architecture.since);
    case Runtime::kAborts:
      return "loads such files, and ends the process when it is asked to draft (--spec-type draft-mtp)";
    case Runtime::kDrafts:
      return fmt::format("drafts with the MTP head of {} models, from {} on", summary.architecture, architecture.since);
    case Runtime::kSkipsHead:
      if (summary.head.state == HeadState::kNone) {
        return fmt::format("leaves heads of {} models unused", summary.architecture);
      }
      return fmt::format("loads the head of {} models and leaves it unused", summary.architecture);
    case Runtime::kForksOnly:
      if (summary.head.state == HeadState::kNone) {
        return fmt::format("takes no heads of {} models; {}", summary.architecture, architecture.note);
      }
      return fmt::format("refuses {} models with a head; {}", summary.architecture, architecture.note);
    case Runtime::kRunsAsDrafter:
      return "takes such files as drafters beside their model (-md)";
    case Runtime::kDraftsBeside:
      return "drafts with it beside its model (-md), and crashes if it is run as a model";
    case Runtime::kRefuses:
      return summary.load_problem.empty() ? describe_refusal(summary)
                                          : fmt::format("refuses it: {}", summary.load_problem);
    case Runtime::kNeedsFirstFile:
      return "loads split models by their first file";
    case Runtime::kNoModel:
      return summary.recognised.kind == FileKind::kEmbeddingModel ? "runs such models for their vectors"
                                                                  : "does not run it: it is no language model";
    case Runtime::kUnknown:
      break;
  }
  return fmt::format("{} has no MTP code for {}, and may refuse such a file with a head", kLlamaCppBuild,
                     summary.architecture.empty() ? "this architecture" : summary.architecture);
}

bool can_draft(std::string_view architecture) { return find_architecture(architecture).support == MtpSupport::kDrafts; }

bool can_draft_beside(std::string_view architecture) { return find_architecture(architecture).loads_sidecar; }

std::string describe_next_step(const Summary& summary, const std::string& path, bool is_changeable) {
  const auto& head = summary.head;
  if (!summary.recognised.use.empty()) {
    return summary.recognised.use;
  }
  // A file on a server must be downloaded first: the commands take a local one.
  const auto quoted = shell_quoted(is_remote(path) ? path.substr(path.rfind('/') + 1) : path);
  const auto graft = propose_graft(summary, path);
  const auto donors = propose_donors(summary, path);
  switch (head.state) {
    case HeadState::kNone:
      return summary.runtime == Runtime::kRuns ? graft + donors : "";
    case HeadState::kPresent:
      return summary.is_usable ? fmt::format("llama-server -m {} {}", quoted, kDraftOptions) : "";
    case HeadState::kPlaceholder:
      return (is_changeable
                  ? fmt::format("{}; mtpgraft strip --in-place {} makes it load without one", graft, quoted)
                  : fmt::format("{}; mtpgraft strip {} -o NEW.gguf makes one that loads without", graft, quoted)) +
             donors;
    case HeadState::kSidecar:
      return summary.is_draft_model ? fmt::format("llama-server -m MODEL -md {} {}", quoted, kDraftOptions)
             : summary.recognised.kind == FileKind::kTrimmed ? ""
                                                             : "it can be a graft's donor";
    case HeadState::kTensorsOnly:
      return "it can be a graft's donor";
    case HeadState::kBroken:
      return head.has_tensors() ? graft_command(path, "DONOR", true) + " puts a sound head in its place" : "";
    case HeadState::kShard:
      return head.has_tensors() && head.problems.empty()
                 ? "it holds the head, and can be a graft's donor"
                 : "name the first file, ...-00001-of-....gguf, with the others beside it";
  }
  return {};
}

}  // namespace mtpgraft::report
