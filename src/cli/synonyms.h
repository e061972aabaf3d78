// What commands and options are called elsewhere. Words that were only mistyped need no entry: see nearest().
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace mtpgraft::cli {

struct Synonym {
  std::string_view word;
  std::string_view meant;   // a command, or an option; empty if there is none
  std::string_view hint{};  // what to do where there is none
};

inline constexpr std::string_view kLlamaServer = "that is an option of llama-server, which runs the model";
inline constexpr std::string_view kNoQuestions = "nothing is asked: leave it out";
inline constexpr std::string_view kToken = "the token of the Hub is the variable HF_TOKEN, or that of 'hf auth login'";

inline constexpr std::string_view kCompare =
    "mtpgraft verify GRAFT --target TARGET --donor DONOR compares a graft with what it was made of";
inline constexpr std::string_view kShowPlan =
    "mtpgraft graft --dry-run TARGET DONOR shows what would be done; mtpgraft release PLAN.json carries out a plan";
inline constexpr std::string_view kRepair =
    "mtpgraft inspect FILE says what is wrong with a model; mtpgraft recover FILE undoes a graft --in-place that was "
    "interrupted";

inline constexpr auto kCommandSynonyms = std::to_array<Synonym>({
    {"list", "inspect"},
    {"ls", "inspect"},
    {"show", "inspect"},
    {"info", "inspect"},
    {"dump", "inspect"},
    {"describe", "inspect"},
    {"view", "inspect"},
    {"print", "inspect"},
    {"cat", "inspect"},
    {"stat", "inspect"},
    {"status", "inspect"},
    {"file", "inspect"},
    {"read", "inspect"},
    {"metadata", "inspect"},
    {"remove", "strip"},
    {"rm", "strip"},
    {"uninstall", "strip"},
    {"delete", "strip"},
    {"del", "strip"},
    {"drop", "strip"},
    {"ungraft", "strip"},
    {"clean", "", "mtpgraft cache --clear deletes what was kept of donors on servers"},
    {"check", "verify"},
    {"test", "verify"},
    {"validate", "verify"},
    {"diff", "verify"},
    {"compare", "", kCompare},
    {"cmp", "", kCompare},
    {"add", "graft"},
    {"merge", "graft"},
    {"apply", "graft"},
    {"install", "graft"},
    {"insert", "graft"},
    {"attach", "graft"},
    {"join", "graft"},
    {"inject", "graft"},
    {"patch", "graft"},
    {"combine", "graft"},
    {"make", "graft"},
    {"get", "extract"},
    {"download", "extract"},
    {"fetch", "extract"},
    {"split", "", "llama.cpp's llama-gguf-split splits and joins models; 'mtpgraft extract' takes the head out of one"},
    {"export", "extract"},
    {"pull", "extract"},
    {"cut", "extract"},
    {"head", "extract"},
    {"hash", "checksum"},
    {"checksums", "checksum"},
    {"sha256", "checksum"},
    {"sha256sum", "checksum"},
    {"md5", "checksum"},
    {"md5sum", "checksum"},
    {"sum", "checksum"},
    {"digest", "checksum"},
    {"batch", "release"},
    {"plan", "", kShowPlan},
    {"dry-run", "", kShowPlan},
    {"dryrun", "", kShowPlan},
    {"build", "release"},
    {"publish", "release"},
    {"repair", "", kRepair},
    {"undo", "strip"},
    {"restore", "strip"},
    {"rollback", "strip"},
    {"revert", "strip"},
    {"resume", "recover"},
    {"fix", "", kRepair},
    {"completions", "completion"},
    {"update", "", "mtpgraft does not update itself: install the new version as you installed this one"},
    {"upgrade", "", "mtpgraft does not update itself: install the new version as you installed this one"},
    {"run", "", "llama-server runs a model; 'mtpgraft inspect FILE' prints its command line"},
    {"serve", "", "llama-server runs a model; 'mtpgraft inspect FILE' prints its command line"},
    {"chat", "", "llama-cli and llama-server run a model; 'mtpgraft inspect FILE' prints the command line"},
    {"convert", "", "llama.cpp's convert_hf_to_gguf.py makes a GGUF of a checkpoint"},
    {"quantize", "", "llama.cpp's llama-quantize does that; a head alone: mtpgraft graft --head-type q8_0"},
    {"login", "", kToken},
});

// Arguments that have no option name: what `meant` says of an option that somebody gave them.
inline constexpr std::string_view kModelArgument = "TARGET";
inline constexpr std::string_view kDonorArgument = "DONOR";

// Of several entries for a word the first holds that the command has.
inline constexpr auto kOptionSynonyms = std::to_array<Synonym>({
    {"--overwrite", "--force"},
    {"--clobber", "--force"},
    {"--out", "--output"},
    {"--outfile", "--output"},
    {"--output-file", "--output"},
    {"--out-file", "--output"},
    {"--dest", "--output"},
    {"--to", "--output"},
    {"--outdir", "", "the directory is \"output_directory\" in the plan; with other commands -o names a file"},
    {"--output-dir", "", "the directory is \"output_directory\" in the plan; with other commands -o names a file"},
    {"--simulate", "--dry-run"},
    {"--preview", "--dry-run"},
    {"--check", "--dry-run"},
    {"--test", "--dry-run"},
    {"--what-if", "--dry-run"},
    {"--no-op", "--dry-run"},
    {"--type", "--head-type"},
    {"--dtype", "--head-type"},
    {"--outtype", "--head-type"},
    {"--quant", "--head-type"},
    {"--quantize", "--head-type"},
    {"--head-quant", "--head-type"},
    {"--tensor-type", "--head-type"},
    {"--replace-head", "--replace"},
    {"--in-situ", "--in-place"},
    {"--modify", "--in-place"},
    {"--original", "--target"},
    {"--original", kModelArgument},
    {"-t", "--target"},
    {"-t", kModelArgument},
    {"-d", "--donor"},
    {"-d", kDonorArgument},
    {"-md", kDonorArgument},
    {"--model-draft", kDonorArgument},
    {"--from", kDonorArgument},
    {"--target", "--for"},
    {"--target", kModelArgument},
    {"--model", kModelArgument},
    {"-m", kModelArgument},
    {"--base", kModelArgument},
    {"--file", kModelArgument},
    {"--input", kModelArgument},
    {"-i", kModelArgument},
    {"--in", kModelArgument},
    {"--plan", kModelArgument},
    {"--donor", kDonorArgument},
    {"--draft", kDonorArgument},
    {"--mtp", kDonorArgument},
    {"--head", kDonorArgument},
    {"--silent", "--quiet"},
    {"-s", "--quiet"},
    {"--no-progress", "--quiet"},
    {"--debug", "--verbose"},
    {"-vv", "--verbose"},
    {"--metadata", "--kv"},
    {"--keys", "--kv"},
    {"--key", "--kv"},
    {"--meta", "--kv"},
    {"--list-tensors", "--tensors"},
    {"--layers", "--tensors"},
    {"--threads", "--jobs"},
    {"-t", "--jobs"},
    {"--parallel", "--jobs"},
    {"--workers", "--jobs"},
    {"--hash", "--algorithm"},
    {"--algo", "--algorithm"},
    {"--type", "--algorithm"},
    {"--sums", "--checksums"},
    {"--sums", "--check"},
    {"--checksum", "--checksums"},
    {"--checksum", "--check"},
    {"--checksums", "--check"},
    {"--check-sums", "--checksums"},
    {"--check-sums", "--check"},
    {"--sha256", "",
     "a list is made by: mtpgraft checksum --algorithm sha256 FILE; a digest is checked by: echo 'DIGEST  FILE' | "
     "mtpgraft verify FILE -c -"},
    {"--list", "--check"},
    {"--delete", "--clear"},
    {"--purge", "--clear"},
    {"--remove", "--unset"},
    {"--remove", "--clear"},
    {"--override-kv", "--set"},
    {"--add-kv", "--set"},
    {"--rope-scale", "--yarn"},
    {"--insecure", "--allow-http"},
    {"--http", "--allow-http"},
    {"--no-check-certificate", "--allow-http"},
    {"--yes", "", kNoQuestions},
    {"-y", "", kNoQuestions},
    {"--all", "", "mtpgraft inspect has --kv, which lists all keys, and --tensors, which lists all tensors"},
    {"--keep", "", "inputs are kept anyway: only --in-place changes one"},
    {"--name", "", "-o names the output"},
    {"--format", "", "--json prints JSON; text is the default"},
    {"--draft-n", "", kLlamaServer},
    {"--draft-max", "", kLlamaServer},
    {"--draft-min", "", kLlamaServer},
    {"--model-draft", "", kLlamaServer},
    {"--spec-type", "", kLlamaServer},
    {"--n-gpu-layers", "", kLlamaServer},
    {"-md", "", kLlamaServer},
    {"-ngl", "", kLlamaServer},
    {"--ctx-size", "", kLlamaServer},
    {"-fa", "", kLlamaServer},
    {"--flash-attn", "", kLlamaServer},
    {"-ngld", "", kLlamaServer},
    {"-ctk", "", kLlamaServer},
    {"-ctv", "", kLlamaServer},
    {"-np", "", kLlamaServer},
    {"-hf", "", "a donor on the Hugging Face Hub is named as hf://OWNER/NAME; a target is a file of this machine"},
    {"--token", "", kToken},
    {"--hf-token", "", kToken},
    {"--revision", "", "a revision follows the repository: hf://OWNER/NAME@REVISION"},
    {"--cache-dir", "", "XDG_CACHE_HOME names the directory of the cache"},
});

// The first entry for the word that is possible; null if there is none.
inline const Synonym* find_synonym(std::string_view word, const auto& synonyms, const auto& is_possible) {
  const auto found = std::ranges::find_if(
      synonyms, [&](const Synonym& synonym) { return synonym.word == word && is_possible(synonym); });
  return found == synonyms.end() ? nullptr : &*found;
}

}  // namespace mtpgraft::cli
