#include "report/remedy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "report/words.h"
#include "util/text.h"
#include "util/url.h"

namespace mtpgraft::report {
namespace {

struct FieldWords {
  RequestField field;
  std::string_view option;
  std::string_view plan;  // also its name in JSON
};

constexpr auto kFields = std::to_array<FieldWords>({
    {RequestField::kOutput, "-o", "output"},
    {RequestField::kChecksums, "--checksums", "checksums"},
    {RequestField::kHeadType, "--head-type", "head_type"},
    {RequestField::kGgml, "--ggml", "ggml"},
    {RequestField::kNormOffset, "--norm-offset", "norm_offset"},
    {RequestField::kSet, "--set", "set"},
    {RequestField::kSetFile, "--set-file", "set_file"},
    {RequestField::kUnset, "--unset", "unset"},
    {RequestField::kYarn, "--yarn", "yarn"},
    {RequestField::kStrict, "--strict", "strict"},
    {RequestField::kDonor, "DONOR", "donor"},
    {RequestField::kForTarget, "--for", "target"},
    {RequestField::kTensorsOnly, "--tensors-only", "form"},
    {RequestField::kNoSharedTensors, "--no-shared-tensors", "form"},
});

// {path} is the error's path, quoted for a shell; {subject} its subject; {command} a graft of the target {path} with
// --from-base. Empty: there is nothing to do in that front.
struct Words {
  std::string_view alone;
  std::string_view after_hint{};  // after "HINT, or "; empty if that is the same
};

struct RemedyWords {
  Remedy remedy;
  std::string_view id;
  Words command_line;
  Words plan;
};

#define MTPGRAFT_OTHER_PLACE "give the plan another output_directory, or the graft another output"

constexpr auto kRemedies = std::to_array<RemedyWords>({
    {Remedy::kNameOutput,
     "name-output",
     {"give the output a name with -o", "give another name with -o"},
     {MTPGRAFT_OTHER_PLACE}},
    {Remedy::kNameFile, "name-file", {"give a file name with -o"}, {MTPGRAFT_OTHER_PLACE}},
    {Remedy::kOutputIsInput,
     "output-is-input",
     {"inputs are never written; give another name with -o"},
     {"inputs are never written; " MTPGRAFT_OTHER_PLACE}},
    {Remedy::kNameChecksums,
     "name-checksums",
     {"give --checksums another name, or use --force if it is an old list", "give --checksums another name"},
     {"give the plan another output_directory, or use --force if it is an old list",
      "give the plan another output_directory"}},
    {Remedy::kOverwriteOutput,
     "overwrite-output",
     {"use --force to replace it, or -o for another name", "use --force to replace it"},
     {"use --force to replace it, or " MTPGRAFT_OTHER_PLACE, "use --force to replace it"}},
    {Remedy::kOverwriteChanged,
     "overwrite-changed",
     {"use --force to replace it, if it is not to be kept"},
     {"if the plan is right, use --force to replace it"}},
    {Remedy::kOtherDisk, "other-disk", {"write to another disk with -o"}, {MTPGRAFT_OTHER_PLACE}},
    {Remedy::kWriteNewFile,
     "write-new-file",
     {"write a new file instead: leave out --in-place", "leave out --in-place"},
     {"write a new file instead"}},
    {Remedy::kNameNewFile, "name-new-file", {"make a new file: -o FILE instead of --in-place"}, {"make a new file"}},
    {Remedy::kLeaveOutInPlace,
     "leave-out-in-place",
     {"leave out --in-place: the files that stay as they are get a second name, and are not copied"},
     {"write new files instead: those that stay as they are get a second name, and are not copied"}},
    {Remedy::kRecover,
     "recover",
     {"if none is running: mtpgraft recover {path}"},
     {"if none is running: mtpgraft recover {path}"}},
    {Remedy::kCopyAuto,
     "copy-auto",
     {"use --copy=auto, which copies what cannot be cloned"},
     {R"(use "copy": "auto", which copies what cannot be cloned)"}},
    {Remedy::kLinkAuto,
     "link-auto",
     {"use --link=auto, which clones or copies where that is impossible"},
     {R"(use "link": "auto", which clones or copies where that is impossible)"}},
    {Remedy::kCopyShards,
     "copy-shards",
     {"use --link=auto, which copies what cannot be cloned"},
     {R"(use "link": "auto", which copies what cannot be cloned)"}},
    {Remedy::kReplaceHead,
     "replace-head",
     {"use --replace to put the donor's head in its place"},
     {R"(use "replace": true to put the donor's head in its place)"}},
    {Remedy::kMergeShards,
     "merge-shards",
     {"use --merge, which writes one file"},
     {R"(use "merge": true, which writes one file)"}},
    {Remedy::kMergeFirst,
     "merge-first",
     {"join the files first: graft --replace --merge"},
     {R"(join the files first, by a graft with "replace": true and "merge": true)"}},
    {Remedy::kOmitRecord,
     "omit-record",
     {"with --no-record keys can be changed, but not be restored by 'strip'"},
     {R"(with "no_record": true keys can be changed, but not be restored by 'strip')"}},
    {Remedy::kListKeys, "list-keys", {"'mtpgraft inspect --kv' and the name of the target list its keys"}, {""}},
    {Remedy::kSetKeys,
     "set-keys",
     {"give the keys yourself: --set {subject}.rope.scaling.type=str:yarn, and the same for "
      "{subject}.rope.scaling.factor (f32), {subject}.rope.scaling.original_context_length (u32) and "
      "{subject}.context_length (u32)"},
     {R"(give the keys yourself: "set": ["{subject}.rope.scaling.type=str:yarn", ...], and the same for )"
      "{subject}.rope.scaling.factor (f32), {subject}.rope.scaling.original_context_length (u32) and "
      "{subject}.context_length (u32)"}},
    {Remedy::kGiveYarnFactor, "give-yarn-factor", {"--yarn 4, for example"}, {R"("yarn": 4, for example)"}},
    {Remedy::kSayNormOffset,
     "say-norm-offset",
     {"say it: --norm-offset 1 for the checkpoint's own, --norm-offset 0 for such with the 1"},
     {R"(say it: "norm_offset": 1 for the checkpoint's own, "norm_offset": 0 for such with the 1)"}},
    {Remedy::kAllowGgml,
     "allow-ggml",
     {"name it: --ggml /path/to/libggml-base.so; or give --head-type, which takes that of the installed llama.cpp"},
     {"if you trust it: mtpgraft release --ggml {subject} {path}"}},
    {Remedy::kNameGgml,
     "name-ggml",
     {"--ggml /path/to/libggml-base.so; every build and release of llama.cpp has that file",
      "the ggml of another llama.cpp with --ggml"},
     {"give release --ggml /path/to/libggml-base.so; every build and release of llama.cpp has that file",
      "the ggml of another llama.cpp with --ggml"}},
    {Remedy::kDequantise, "dequantise", {"--head-type bf16 dequantises it"}, {R"("head_type": "bf16" dequantises it)"}},
    {Remedy::kHeadBeside,
     "head-beside",
     {"mtpgraft extract --for TARGET DONOR -o mtp-NAME.gguf makes a sidecar, which drafts with -md"},
     {"take this graft out of the plan, and extract a sidecar for the target, which drafts with -md"}},
    {Remedy::kExtractForTarget,
     "extract-for-target",
     {"--for TARGET takes it from the target; --tensors-only makes a donor without it; of a checkpoint only the head "
      "is read"},
     {"extract it for a target, which has it; of a checkpoint only the head is read"}},
    {Remedy::kMakeList,
     "make-list",
     {"its lines are to be 'DIGEST  NAME', as sha256sum writes them; 'mtpgraft checksum TARGET > TARGET.sums' writes "
      "a list of the model that the graft was made of"},
     {""}},
    {Remedy::kOverwriteList,
     "overwrite-list",
     {"move it away, or use --force to replace it"},
     {"move it away, or use --force to replace it"}},
    {Remedy::kDropList,
     "drop-list",
     {"if that has left the release, delete this list, or use --force, which replaces it"},
     {"if that has left the release, delete this list, or use --force, which replaces it"}},
    {Remedy::kVerifyAlone, "verify-alone", {"mtpgraft verify FILE checks it on its own"}, {""}},
    {Remedy::kReleasePlan, "release-plan", {"mtpgraft release {path} carries it out"}, {"name a GGUF instead"}},
    {Remedy::kAllowHttp,
     "allow-http",
     {"--allow-http if you trust the network"},
     {R"("allow_http": true if you trust the network)"}},
    {Remedy::kTakeBase,
     "take-base",
     {"add --from-base: it takes the head of the model that it was made of, hf://{subject} ({command})"},
     {R"("donor": "from-base" takes the head of the model that it was made of, hf://{subject})"}},
    {Remedy::kNameDonor,
     "name-donor",
     {"name what has the head as DONOR: the base model's GGUF or checkpoint, or its repository, hf://OWNER/NAME"},
     {R"(name what has the head as "donor": the base model's GGUF or checkpoint, or its repository, hf://OWNER/NAME)"}},
    {Remedy::kChooseDonor,
     "choose-donor",
     {"name one of these as DONOR, and keep your other options"},
     {R"(name one of these as "donor")"}},
    {Remedy::kOtherDonor,
     "other-donor",
     {"--from-base has taken that donor; name another one as DONOR", "name another donor than --from-base takes"},
     {R"("from-base" has taken that donor; name another one as "donor")",
      R"(name another "donor" than "from-base" takes)"}},
    {Remedy::kWithoutCache,
     "without-cache",
     {"the cache is '{subject}'; --no-cache does without it, XDG_CACHE_HOME names another place, 'mtpgraft cache "
      "--clear' frees its space",
      "use --no-cache"},
     {R"(the cache is '{subject}'; "no_cache": true does without it, XDG_CACHE_HOME names another place, )"
      "'mtpgraft cache --clear' frees its space",
      R"(use "no_cache": true)"}},
    {Remedy::kBenchModel, "bench-model", {"name models before the --: mtpgraft bench MODEL -- -ngl 99"}, {""}},
    {Remedy::kBenchSidecar, "bench-sidecar", {"name it with --model-draft, before the --"}, {""}},
    {Remedy::kBenchDrafts,
     "bench-drafts",
     {"before the --, --depths says how many tokens to draft, --draft-args all else that makes the server draft"},
     {""}},
    {Remedy::kNameServer,
     "name-server",
     {"name it with --server, or with the variable MTPGRAFT_LLAMA_SERVER; releases of llama.cpp have it"},
     {""}},
});

#undef MTPGRAFT_OTHER_PLACE

// kReplaceHead where `subject` is the model that the target was made of.
constexpr RemedyWords kReplaceByBase{
    Remedy::kReplaceHead,
    "replace-head",
    {"--replace with --from-base puts the head of the model that it was made of, hf://{subject}, in its place "
     "({command})"},
    {R"("replace": true with "donor": "from-base" puts the head of the model that it was made of, hf://{subject}, in )"
     "its place"}};

// kReplaceHead where there are `donors`.
constexpr RemedyWords kReplaceByChoice{Remedy::kReplaceHead,
                                       "replace-head",
                                       {"name one of these as DONOR, with --replace, and keep your other options"},
                                       {R"(name one of these as "donor")"}};

const FieldWords* find_field(RequestField field) {
  const auto found = std::ranges::find(kFields, field, &FieldWords::field);
  return found == kFields.end() ? nullptr : found;
}

const RemedyWords* find_remedy(Remedy remedy) {
  const auto found = std::ranges::find(kRemedies, remedy, &RemedyWords::remedy);
  return found == kRemedies.end() ? nullptr : found;
}

const RemedyWords* find_words(const Error& error) {
  if (error.remedy != Remedy::kReplaceHead) {
    return find_remedy(error.remedy);
  }
  return !error.donors.empty()    ? &kReplaceByChoice
         : !error.subject.empty() ? &kReplaceByBase
                                  : find_remedy(error.remedy);
}

}  // namespace

std::string_view field_name(RequestField field, Front front) {
  const auto* words = find_field(field);
  return words == nullptr ? "" : front == Front::kPlan ? words->plan : words->option;
}

std::string_view field_id(RequestField field) { return field_name(field, Front::kPlan); }

std::string worded_message(const Error& error, Front front) {
  const auto name = front == Front::kCommandLine ? field_name(error.field, front) : "";
  return name.empty() ? error.message : fmt::format("{} {}", name, error.message);
}

std::string advice(const Error& error, Front front) {
  const auto* remedy = find_words(error);
  if (remedy == nullptr) {
    return error.hint;
  }
  const auto& words = front == Front::kPlan ? remedy->plan : remedy->command_line;
  const auto& template_text = error.hint.empty() || words.after_hint.empty() ? words.alone : words.after_hint;
  const auto text =
      fmt::format(fmt::runtime(template_text), fmt::arg("path", shell_quoted(without_secret(error.path))),
                  fmt::arg("subject", error.subject),
                  fmt::arg("command", graft_command(error.path, "--from-base", error.remedy == Remedy::kReplaceHead)));
  return error.hint.empty() || text.empty() ? error.hint + text : fmt::format("{}, or {}", error.hint, text);
}

std::string_view remedy_id(Remedy remedy) {
  const auto* words = find_remedy(remedy);
  return words == nullptr ? "" : words->id;
}

}  // namespace mtpgraft::report
