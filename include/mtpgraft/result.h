// Errors as values: every function of the library that can fail returns Result or Status and neither logs nor prints.
// Nothing is thrown but std::bad_alloc where memory is out, and what a value() of the caller throws that is not there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "mtpgraft/file_kind.h"

namespace mtpgraft {

// The kind of failure. Programs branch on this, people read the message.
enum class ErrorCode {
  kUsage,         // the request itself makes no sense, or a function is called out of order
  kMalformed,     // a file is damaged, truncated or not GGUF
  kUnsupported,   // a sound file of a kind that is not handled
  kIncompatible,  // target and donor do not fit, or the target must not be grafted
  kIo,            // the system failed: missing, unreadable, no space, changed while being read
  kRefused,       // the output exists or is an input
  kInterrupted,   // the caller's Progress asked to stop
};

// The field of a request that is at fault. Front ends call it by their own names: the command line "--head-type", a
// release plan "head_type". The message of such an error continues that name: "q9: there is no such tensor type".
enum class RequestField {
  kNone,  // no field, or one that need not be named
  kOutput,
  kChecksums,
  kHeadType,
  kGgml,
  kNormOffset,
  kSet,
  kSetFile,
  kUnset,
  kYarn,
  kStrict,
  kDonor,
  kForTarget,
  kTensorsOnly,
  kNoSharedTensors,
};

// Says what in the request would mend it, or what else to call. Front ends have their own words for it: a program that
// uses the library tells its users of its own buttons. `Error::hint` has what holds for all of them.
enum class Remedy {
  kNone,
  kNameOutput,        // give the output another name, or one at all
  kNameFile,          // give the output the name of a file: it is a directory
  kOutputIsInput,     // give the output a name that no input has
  kNameChecksums,     // give the list of checksums another name, or overwrite it
  kOverwriteOutput,   // ask for Overwrite::kYes, or give the output another name
  kOverwriteChanged,  // the same where the output is there, and is not what would be made
  kOtherDisk,         // write to a disk with more space
  kWriteNewFile,      // write a new file instead of changing this one in place
  kNameNewFile,       // the same of a file whose name says what it holds: the new one needs a name
  kLeaveOutInPlace,   // the same of a split model, whose unchanged files cost nothing
  kRecover,           // undo the change in place that was interrupted, if none is running: recover()
  kCopyAuto,          // CopyMethod::kAuto, which copies what cannot be cloned
  kLinkAuto,          // Link::kAuto, which clones or copies files that cannot be linked
  kCopyShards,        // the same for files that cannot be cloned
  kReplaceHead,       // ask for the donor's head in the place of the one that is there
  kMergeShards,       // ask for one file: Split::kMerge
  kMergeFirst,        // make one file of the split model first, by a graft with Split::kMerge
  kOmitRecord,        // ask for a graft without record: its keys can then not be restored
  kListKeys,          // look at the target's keys
  kSetKeys,           // give the keys of the context's extension one by one; `subject` is the architecture
  kGiveYarnFactor,    // a factor above 1, such as 4
  kSayNormOffset,     // say whether 1 is to be added to norms (1) or is in them (0)
  kAllowGgml,         // name the ggml to load, `subject` if it is known: none is loaded on the word of a file
  kNameGgml,          // name the file of ggml's library, of another llama.cpp where one was found
  kDequantise,        // ask for F32, F16 or BF16 matrices: DonorRequest::head_type
  kHeadBeside,        // extract a sidecar for the target: the head does not fit into it, and drafts beside it
  kExtractForTarget,  // name a target, which gives its keys and shared tensors, or extract the tensors alone
  kMakeList,          // write a list of checksums first
  kOverwriteList,     // move away what has the name of a list, or ask for Overwrite::kYes
  kDropList,          // the same for a list with a file that has left the release
  kVerifyAlone,       // verify the file without target and donor
  kReleasePlan,       // the file is a plan: release() takes it
  kAllowHttp,         // allow http without encryption, where the network is trusted
  kTakeBase,      // take the head of the model that the target names as its base, `subject`: GraftRequest::from_base
  kNameDonor,     // name a donor; the target does not tell of one
  kChooseDonor,   // name one of `donors`
  kOtherDonor,    // name a donor: the one that the target names does not do
  kWithoutCache,  // do without the cache, or clear it; `subject` is its directory where writing to it failed
  kBenchModel,    // name the models in the request for a measurement, not among the server's arguments
  kBenchSidecar,  // the same of a sidecar: BenchRequest::model_draft
  kBenchDrafts,   // the same of what drafts: BenchRequest::depths and draft_arguments
  kNameServer,    // name a llama-server: BenchRequest::server
};

// What a donor is that has no head.
enum class Headless : std::uint8_t {
  kLost,   // it declares one, as fine-tunes do that were saved without it
  kNever,  // nothing says that it had one
};

// A donor that a request could name.
struct DonorChoice {
  std::string path;
  std::uint64_t head_bytes = 0;  // 0: not known

  bool operator==(const DonorChoice&) const = default;
};

struct Error {
  ErrorCode code = ErrorCode::kIo;
  std::string message;                       // lower case, no full stop; neither path nor field are repeated in it
  std::string path{};                        // the file it is about, as it was named; empty if none
  std::optional<std::uint64_t> offset{};     // bytes from the start of that file
  std::string hint{};                        // how to mend it, whatever the front end; may be empty
  std::vector<std::string> details{};        // reasons, where there can be several
  RequestField field = RequestField::kNone;  // the part of the request that is at fault
  Remedy remedy = Remedy::kNone;             // how to mend it by another request; where there is a hint, an alternative
  std::string subject{};                     // what the remedy is about, where `path` does not say it
  std::optional<FileKind> file_kind{};       // what `path` is, where that is why it cannot be used
  std::optional<Headless> headless{};        // `path` is a donor without a head
  std::vector<DonorChoice> donors{};         // what the request could name, where `path` is its target
  int http_status = 0;                       // what a server answered; 0 if none did, or the trouble is another
  bool is_retryable = false;                 // the same request may succeed later, with nothing changed by the user

  [[nodiscard]] bool has_advice() const { return !hint.empty() || remedy != Remedy::kNone; }
  bool operator==(const Error&) const = default;
};

// Either a value or an error. Owns it. Moving the value or error out leaves it in the state that it had.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  // Asking for what is not there is a bug of the caller and throws std::bad_variant_access.
  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  [[nodiscard]] Error& error() { return std::get<1>(state_); }
  [[nodiscard]] const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

// The result of what has no value.
using Status = Result<std::monostate>;

inline Status ok_status() { return std::monostate{}; }

}  // namespace mtpgraft

#define MTPGRAFT_CONCAT_(a, b) a##b
#define MTPGRAFT_CONCAT(a, b) MTPGRAFT_CONCAT_(a, b)

// Evaluates `expression` (a Result or Status) and returns its error from the calling function if it failed.
#define MTPGRAFT_CHECK(expression)                \
  do {                                            \
    auto mtpgraft_status_ = (expression);         \
    if (!mtpgraft_status_.ok()) {                 \
      return std::move(mtpgraft_status_.error()); \
    }                                             \
  } while (false)

// Declares or assigns `left` from the value of `expression`; returns the error if it failed.
#define MTPGRAFT_TRY(left, expression)                                     \
  auto MTPGRAFT_CONCAT(mtpgraft_result_, __LINE__) = (expression);         \
  if (!MTPGRAFT_CONCAT(mtpgraft_result_, __LINE__).ok()) {                 \
    return std::move(MTPGRAFT_CONCAT(mtpgraft_result_, __LINE__).error()); \
  }                                                                        \
  left = std::move(MTPGRAFT_CONCAT(mtpgraft_result_, __LINE__)).value()
