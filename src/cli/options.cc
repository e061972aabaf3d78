#include "cli/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>

#include "cli/completion.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/version.h"
#include "util/text.h"

namespace mtpgraft::cli {
namespace {

constexpr std::string_view kDescription =
    "Puts a multi-token-prediction (MTP) head back into a quantised GGUF that lost it, so that llama.cpp drafts with "
    "it. The target's own tensors stay byte for byte what they were.";

constexpr std::string_view kExamples = R"(Examples:
  mtpgraft inspect Model-Q4_K_M.gguf
  mtpgraft graft Model-Q4_K_M.gguf mtp-Base-Q8_0.gguf
)";

// CLI11's help without what it appends to each option (type, "REQUIRED", "Needs: ..."), which breaks the columns.
class HelpFormatter : public CLI::Formatter {
 public:
  [[nodiscard]] std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    auto name = CLI::Formatter::make_option_name(option, is_positional);
    // CLI11 writes a flag that takes a value with its default.
    const auto brace = name.find('{');
    return brace == std::string::npos ? name : name.substr(0, brace) + "[=GLOB]";
  }
  [[nodiscard]] std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_option_text().empty() ? "" : " " + option->get_option_text();
  }
};

std::string did_you_mean(const CLI::App& app, std::string_view word) {
  std::vector<std::string_view> names;
  for (const auto* command : app.get_subcommands({})) {
    names.push_back(command->get_name());
  }
  const auto meant = nearest(word, names);
  return meant.empty() ? "mtpgraft --help lists the commands" : fmt::format("did you mean '{}'?", meant);
}

// What CLI11 reports in terms of what is missing is mostly something that it did not understand.
Error explain(const CLI::ParseError& error, const CLI::App& app) {
  const auto commands = app.get_subcommands();
  const auto hint = fmt::format("mtpgraft {}{}--help", commands.empty() ? "" : commands.front()->get_name(),
                                commands.empty() ? "" : " ");
  const auto words = app.remaining(true);
  const auto option = std::ranges::find_if(words, [](const auto& word) { return word.starts_with('-'); });
  if (option != words.end()) {
    return {ErrorCode::kUsage,
            fmt::format("unknown option '{}'{}", *option,
                        commands.empty() ? ", or one that belongs after the command" : ""),
            {},
            {},
            hint};
  }
  if (!words.empty()) {
    return {ErrorCode::kUsage, fmt::format("unexpected argument '{}'", words.front()), {}, {}, hint};
  }
  const std::string message = error.what();
  if (error.get_name() == "ArgumentMismatch") {
    return {ErrorCode::kUsage, fmt::format("{} needs a value", message.substr(0, message.find(':'))), {}, {}, hint};
  }
  return {ErrorCode::kUsage, message, {}, {}, hint};
}

std::string footer() {
  std::string text(kExamples);
  text += "\nExit codes:\n";
  for (const auto& [codes, meaning] : kExitCodes) {
    text += fmt::format("  {:<15}{}\n", codes, meaning);
  }
  return text;
}

void add_output_options(CLI::App& app, OutputOptions& output) {
  app.add_flag("--json", output.json, "Print one JSON object on stdout, also on failure (docs/json.md)");
  app.add_flag("-q,--quiet", output.quiet, "Leave out warnings, progress and what is printed of success");
}

void add_remote_options(CLI::App& command, RemoteFlags& flags) {
  command.add_flag("--no-cache", flags.no_cache,
                   "Of URLs: keep nothing of what is fetched, and use nothing that is kept");
  command.add_flag("--allow-http", flags.allow_http,
                   "Of URLs: take http:// too, which anybody on the way can read and change");
}

CLI::App* add_inspect(CLI::App& app, InspectOptions& options) {
  auto* command = app.add_subcommand("inspect", "Tell what a GGUF is, and whether it has an MTP head");
  command
      ->add_option("FILE", options.files,
                   "GGUF files and checkpoints, also on servers, as for graft; several are also compared in a table")
      ->required()
      ->type_name(kDonorFiles);
  command->add_flag("--tensors{*}", options.tensors_glob,
                    "List tensors; --tensors='blk.8.*' lists those that match the pattern");
  command->add_flag("--kv{*}", options.keys_glob, "List keys and values; --kv='*.rope.*' lists those that match");
  command
      ->add_option("--mmproj", options.mmproj,
                   "Tell whether this vision or audio projector fits; exit code 3 unless it fits each FILE")
      ->option_text("PROJECTOR")
      ->type_name(kModelFiles);
  add_remote_options(*command, options.remote);
  command->footer(
      "Examples:\n"
      "  mtpgraft inspect Model-Q4_K_M.gguf\n"
      "  mtpgraft inspect hf://Qwen/Qwen3.5-9B\n"
      "  mtpgraft inspect Model-MTP-Q4_K_M.gguf --mmproj mmproj-F16.gguf\n"
      "  mtpgraft inspect --tensors='*.nextn.*' --kv='*nextn*' mtp-Base-Q8_0.gguf\n");
  return command;
}

struct WriteFlags {
  CLI::Option* output;
  CLI::Option* in_place;  // null for commands without
};

WriteFlags add_write_options(CLI::App& command, WriteOptions& options, const char* output_help,
                             const char* in_place_help) {
  WriteFlags flags{};
  flags.output =
      command.add_option("-o,--output", options.output, output_help)->option_text("FILE")->type_name(kModelFiles);
  if (in_place_help != nullptr) {
    flags.in_place = command.add_flag("--in-place", options.in_place, in_place_help)->excludes(flags.output);
  }
  command.add_flag("-n,--dry-run", options.dry_run, "Print the plan with every tensor of the head, write nothing");
  command.add_flag("-f,--force", options.force, "Replace an existing output file");
  command.add_option("--checksums", options.checksums, "Write the output's checksums too, as 'checksum' prints them")
      ->option_text("FILE")
      ->type_name(kAnyFiles);
  const std::map<std::string, CopyMethod> copy_methods{{"auto", CopyMethod::kAuto},
                                                       {"clone", CopyMethod::kClone},
                                                       {"kernel", CopyMethod::kKernel},
                                                       {"buffered", CopyMethod::kBuffered}};
  auto* copy =
      command
          .add_option_function<std::string>(
              "--copy", [&options, copy_methods](const std::string& name) { options.copy = copy_methods.at(name); },
              "auto (default), clone (share blocks or fail), kernel, or buffered")
          ->option_text("WAY")
          ->check(CLI::IsMember(copy_methods));
  auto* no_sync = command.add_flag("--no-sync", options.no_sync, "Do not wait until the output is on the disk");
  if (flags.in_place != nullptr) {
    copy->excludes(flags.in_place);
    no_sync->excludes(flags.in_place);
  }
  return flags;
}

// How the donor is read; for verify, what the record of the file does not tell.
void add_donor_options(CLI::App& command, DonorOptions& options) {
  command
      .add_option("--head-type", options.head_type,
                  "Convert an F32, F16 or BF16 head: f32, f16, bf16, q8_0; with ggml also q6_k, q4_k, ...")
      ->option_text("TYPE")
      ->type_name("{f32,f16,bf16,q8_0,q6_k,q5_k,q4_k}");
  command.add_option("--ggml", options.ggml_path, "llama.cpp's libggml-base.so, or its directory, for those types")
      ->option_text("PATH")
      ->type_name(kAnyFiles);
  command.add_option("--norm-offset", options.norm_offset, "Of safetensors: 1 if 1 is to be added to norms, 0 if not")
      ->option_text("0|1")
      ->check(CLI::IsMember({0, 1}));
  add_remote_options(command, options.remote);
}

void add_edit_options(CLI::App& command, GraftCommandOptions& options) {
  command
      .add_option_function<std::vector<std::string>>(
          "--set",
          [&options](const std::vector<std::string>& texts) {
            for (const auto& text : texts) {
              auto edit = parse_key_edit(text);
              if (!edit.ok()) {
                throw CLI::ValidationError(edit.error().hint.empty()
                                               ? edit.error().message
                                               : fmt::format("{} ({})", edit.error().message, edit.error().hint));
              }
              options.edits.push_back(std::move(edit).value());
            }
          },
          "Give a key a value: qwen35.context_length=u32:262144, general.tags=str[]:[\"a\"]")
      ->option_text("KEY=TYPE:VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->trigger_on_parse();
  command
      .add_option_function<std::vector<std::string>>(
          "--unset",
          [&options](const std::vector<std::string>& keys) {
            for (const auto& key : keys) {
              options.edits.push_back({key, std::nullopt});
            }
          },
          "Leave a key out")
      ->option_text("KEY")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->trigger_on_parse();
  command.add_option("--yarn", options.yarn_factor, "Extend the context by this factor with YaRN: --yarn 4")
      ->option_text("FACTOR");
}

void add_split_options(CLI::App& command, CLI::Option* in_place, GraftCommandOptions& options) {
  auto* merge = command.add_flag_callback(
      "--merge", [&options] { options.split = Split::kMerge; }, "Of a split model: write one file");
  auto* split_head = command.add_flag_callback(
      "--split-head", [&options] { options.split = Split::kHead; },
      "Write a split model: the head is a file of its own");
  merge->excludes(split_head)->excludes(in_place);
  split_head->excludes(in_place);
  const std::map<std::string, Link> links{{"auto", Link::kAuto},
                                          {"hard", Link::kHard},
                                          {"clone", Link::kClone},
                                          {"sym", Link::kSymbolic},
                                          {"copy", Link::kCopy}};
  command
      .add_option_function<std::string>(
          "--link", [&options, links](const std::string& name) { options.write.link = links.at(name); },
          "Of a split model, the files that stay: auto (default: hard, else clone, else copy), hard, clone, sym, or "
          "copy")
      ->option_text("WAY")
      ->check(CLI::IsMember(links));
}

CLI::App* add_graft(CLI::App& app, GraftCommandOptions& options) {
  auto* command = app.add_subcommand("graft", "Write TARGET with the MTP head of DONOR in it to a new file");
  command
      ->add_option("TARGET", options.target,
                   "The GGUF that gets the head; only read, but with --in-place; of a split model the first file")
      ->required()
      ->type_name(kModelFiles);
  command
      ->add_option("DONOR", options.donor.path,
                   "What has the head: a GGUF (full model, mtp-*.gguf, bare tensors) or safetensors (checkpoint "
                   "directory, file); a path, hf://OWNER/NAME[@REVISION][:FILE], or https://HOST/FILE")
      ->required()
      ->type_name(kDonorFiles);
  const auto flags =
      add_write_options(*command, options.write, "Output file (default: X-Q6_K.gguf gives X-MTP-Q6_K.gguf)",
                        "Change TARGET itself, in the time and space that the head takes");
  command->add_flag("--replace", options.replace, "Put the head in the place of one that TARGET has");
  command->add_flag("--strict", options.strict, "Refuse what is otherwise only warned about");
  command
      ->add_flag("--no-record", options.no_record,
                 "Leave out the key mtpgraft.record, which tells the head's origin and digest")
      ->excludes(flags.in_place);
  add_donor_options(*command, options.donor);
  add_edit_options(*command, options);
  add_split_options(*command, flags.in_place, options);
  command->add_flag("-v,--verbose", options.write.verbose,
                    "Print every tensor of the head, and how each range was copied");
  command->footer(
      "Examples:\n"
      "  mtpgraft graft --dry-run Model-Q4_K_M.gguf mtp-Base-Q8_0.gguf\n"
      "  mtpgraft graft Model-Q4_K_M.gguf mtp-Base-Q8_0.gguf            # writes Model-MTP-Q4_K_M.gguf\n"
      "  mtpgraft graft --in-place Model-Q4_K_M.gguf mtp-Base-Q8_0.gguf # no second file\n"
      "  mtpgraft graft Model-Q4_K_M-00001-of-00003.gguf mtp-Base-Q8_0.gguf # writes "
      "Model-MTP-Q4_K_M-00001-of-00004.gguf\n"
      "  mtpgraft graft --replace Model-MTP-Q4_K_M.gguf mtp-Base-BF16.gguf -o Other-MTP-Q4_K_M.gguf\n"
      "  mtpgraft graft Model-Q4_K_M.gguf path/to/base-checkpoint --head-type q8_0  # from safetensors\n"
      "  mtpgraft graft Model-Q4_K_M.gguf hf://Qwen/Qwen3.5-9B                      # only the head is fetched\n"
      "A model that declares a head which it has not is mended by the same command.\n");
  return command;
}

CLI::App* add_extract(CLI::App& app, ExtractOptions& options) {
  auto* command = app.add_subcommand("extract", "Write the MTP head of DONOR to a file of its own");
  command->add_option("DONOR", options.donor.path, "What has the head, as for graft")
      ->required()
      ->type_name(kDonorFiles);
  add_write_options(*command, options.write, "Output file; llama.cpp's -hf looks for names that begin with mtp-",
                    nullptr)
      .output->required();
  command
      ->add_option("--for", options.target, "Number the head for this model, and take keys and shared tensors from it")
      ->option_text("TARGET")
      ->type_name(kModelFiles);
  command->add_flag("--tensors-only", options.tensors_only, "Only the head's tensors: a small donor, not for -md");
  add_donor_options(*command, options.donor);
  command->add_flag("-v,--verbose", options.write.verbose,
                    "Print every tensor of the head, and how each range was copied");
  command->footer(
      "Examples:\n"
      "  mtpgraft extract Base-MTP-Q8_0.gguf -o mtp-Base-Q8_0.gguf    # for llama-server -md, and as a donor\n"
      "  mtpgraft extract Base-MTP-Q8_0.gguf --for Model-Q4_K_M.gguf -o mtp-Model-Q8_0.gguf\n"
      "  mtpgraft extract hf://Qwen/Qwen3.5-9B --for Model-Q4_K_M.gguf -o mtp-Model-BF16.gguf\n");
  return command;
}

CLI::App* add_strip(CLI::App& app, StripCommandOptions& options) {
  auto* command = app.add_subcommand("strip", "Take the MTP head out of a model");
  command->add_option("FILE", options.file, "A model with a head, or one that declares a head it has not")
      ->required()
      ->type_name(kModelFiles);
  add_write_options(*command, options.write, "Output file", "Change FILE itself");
  command->add_flag("-v,--verbose", options.write.verbose, "Print every tensor that is taken out");
  command->footer(
      "Examples:\n"
      "  mtpgraft strip Model-MTP-Q4_K_M.gguf -o Model-Q4_K_M.gguf    # of a graft: the original, byte for byte\n"
      "  mtpgraft strip --in-place Broken-Q4_K_M.gguf                 # missing tensor 'blk.32...': loads again\n");
  return command;
}

CLI::App* add_verify(CLI::App& app, VerifyOptions& options) {
  auto* command = app.add_subcommand("verify", "Check a graft: against its sources, against checksums, or on its own");
  command->add_option("FILE", options.file, "The file to check")->required()->type_name(kModelFiles);
  auto* target = command->add_option("--target", options.target, "Compare every byte with what this and --donor make")
                     ->option_text("FILE")
                     ->type_name(kModelFiles);
  auto* donor =
      command->add_option("--donor", options.donor.path, "See --target")->option_text("FILE")->type_name(kDonorFiles);
  target->needs(donor);
  donor->needs(target);
  command
      ->add_flag("--trust-shared-extents", options.trust_shared_extents,
                 "With --target: do not read what lies in the same blocks on disk")
      ->needs(target);
  add_donor_options(*command, options.donor);
  auto* check = command
                    ->add_option("-c,--check", options.checkfile,
                                 "Check the tensors that this list of checksum or llama-gguf-hash names; - is stdin")
                    ->option_text("FILE")
                    ->type_name(kAnyFiles);
  check->excludes(target)->excludes(donor);
  const auto add_check_flag = [&](const char* name, bool& value, const char* text) {
    command->add_flag(name, value, text)->needs(check);
  };
  add_check_flag("--exact", options.exact, "With -c: no other tensors, and the same keys");
  add_check_flag("--status", options.status, "With -c: print nothing, the exit code tells");
  add_check_flag("--strict", options.strict, "With -c: lines that cannot be read are a failure");
  add_check_flag("--ignore-missing", options.ignore_missing, "With -c: tensors that the file has not are no failure");
  command->footer(
      "Examples:\n"
      "  mtpgraft verify Model-MTP-Q4_K_M.gguf\n"
      "  mtpgraft verify Model-MTP-Q4_K_M.gguf --target Model-Q4_K_M.gguf --donor mtp-Base-Q8_0.gguf\n"
      "  mtpgraft checksum Model-Q4_K_M.gguf > Model.sums && mtpgraft verify Model-MTP-Q4_K_M.gguf -c Model.sums\n");
  return command;
}

CLI::App* add_checksum(CLI::App& app, ChecksumOptions& options) {
  auto* command = app.add_subcommand("checksum", "Print a checksum of each tensor, and one of the metadata");
  command->add_option("FILE", options.file, "A GGUF file")->required()->type_name(kModelFiles);
  const std::map<std::string, DigestAlgorithm> algorithms{{"xxh128", DigestAlgorithm::kXxh128},
                                                          {"sha256", DigestAlgorithm::kSha256}};
  command
      ->add_option_function<std::string>(
          "--algorithm", [&options, algorithms](const std::string& name) { options.algorithm = algorithms.at(name); },
          "xxh128 (default), which finds accidents, or sha256, which finds attackers too")
      ->option_text("NAME")
      ->check(CLI::IsMember(algorithms));
  command->footer(
      "Examples:\n"
      "  mtpgraft checksum Model-Q4_K_M.gguf > Model.sums\n"
      "  mtpgraft verify Model-MTP-Q4_K_M.gguf -c Model.sums --quiet\n"
      "Those of --algorithm sha256 find attackers too, if the list itself comes from where you trust it.\n");
  return command;
}

CLI::App* add_recover(CLI::App& app, RecoverOptions& options) {
  auto* command = app.add_subcommand("recover", "Undo, or finish, a graft --in-place that was interrupted");
  command->add_option("TARGET", options.target, "The file that was to be changed in place")
      ->required()
      ->type_name(kModelFiles);
  command->footer(
      "Example:\n"
      "  mtpgraft recover Model-Q4_K_M.gguf\n"
      "The file is then byte for byte what it was; or the graft, if that was complete but for its journal.\n");
  return command;
}

CLI::App* add_release(CLI::App& app, ReleaseOptions& options) {
  auto* command = app.add_subcommand("release", "Make all the grafts that a plan lists, and lists of their checksums");
  command->add_option("PLAN", options.plan, "A JSON file: targets, donors, options (docs/releases.md)")
      ->required()
      ->type_name(kPlanFiles);
  command->add_flag("-n,--dry-run", options.dry_run, "Check and print the plan, write nothing");
  command->add_option("-j,--jobs", options.jobs, "Grafts that are written at once (default: 1)")
      ->option_text("N")
      ->check(CLI::Range(1, 64));
  command->add_flag("-f,--force", options.force, "Replace outputs and lists that are not what the plan makes");
  command->add_flag("--no-sync", options.no_sync, "Do not wait until the outputs are on the disk");
  command->footer(
      "Examples:\n"
      "  mtpgraft release --dry-run PLAN.json\n"
      "  mtpgraft release PLAN.json > card.new && mv card.new card.md\n"
      "Run again, as after an interrupt, it compares what is there, and keeps it.\n"
      "A plan:\n"
      R"(  {"schema_version": 1, "output_directory": "out", "defaults": {"options": {"strict": true}},)"
      "\n"
      R"(   "grafts": [{"target": "*-Q6_K.gguf", "donor": "mtp-*-BF16.gguf"},)"
      "\n"
      R"(              {"target": "*-Q4_K_M.gguf", "donor": "hf://OWNER/Base", "options": {"head_type": "q8_0"}}]})"
      "\nOf several problems the exit code is that of the worst: 4 before 3 before 5.\n");
  return command;
}

CLI::App* add_cache(CLI::App& app, CacheOptions& options) {
  auto* command = app.add_subcommand("cache", "List, or remove, what is kept of donors that came over the network");
  auto* list = command->add_flag("--list")->description("Print what is there, the longest unused first; the default");
  command->add_flag("--clear", options.clear, "Remove all of it")->excludes(list);
  command->footer(
      "Examples:\n"
      "  mtpgraft cache\n"
      "  mtpgraft cache --clear\n"
      "It is in $XDG_CACHE_HOME/mtpgraft, or ~/.cache/mtpgraft.\n");
  return command;
}

CLI::App* add_completion(CLI::App& app, CompletionOptions& options) {
  auto* command = app.add_subcommand("completion", "Print the script with which a shell completes mtpgraft");
  const std::map<std::string, Shell> shells{{"bash", Shell::kBash}, {"fish", Shell::kFish}, {"zsh", Shell::kZsh}};
  command
      ->add_option_function<std::string>(
          "SHELL",
          [&app, &options, shells](const std::string& name) {
            options.script = completion_script(app, shells.at(name));
          },
          "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember(shells));
  command->footer(
      "Examples:\n"
      "  source <(mtpgraft completion bash)                            # in ~/.bashrc\n"
      "  mtpgraft completion zsh > DIRECTORY/_mtpgraft                 # one of $fpath\n"
      "  mtpgraft completion fish > ~/.config/fish/completions/mtpgraft.fish\n"
      "The scripts are installed with the program; these are for a program that was only copied.\n");
  return command;
}

}  // namespace

Result<GraftCommandOptions> parse_graft_arguments(std::vector<std::string> arguments) {
  CLI::App app;
  GraftCommandOptions options;
  add_graft(app, options);
  std::ranges::reverse(arguments);
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return explain(error, app);
  }
  return options;
}

std::variant<Options, int> parse_options(int argc, const char* const* argv) {
  CLI::App app(std::string(kDescription), "mtpgraft");
  app.set_version_flag("--version", version_text);
  app.footer(footer());
  app.require_subcommand(1);
  app.formatter(std::make_shared<HelpFormatter>());
  app.get_formatter()->column_width(30);
  Options options;
  InspectOptions inspect;
  GraftCommandOptions graft;
  ExtractOptions extract;
  StripCommandOptions strip;
  VerifyOptions verify;
  ChecksumOptions checksum;
  RecoverOptions recover;
  ReleaseOptions release;
  CacheOptions cache;
  CompletionOptions completion;
  const auto* inspect_command = add_inspect(app, inspect);
  const auto* graft_command = add_graft(app, graft);
  const auto* extract_command = add_extract(app, extract);
  const auto* strip_command = add_strip(app, strip);
  const auto* verify_command = add_verify(app, verify);
  const auto* checksum_command = add_checksum(app, checksum);
  const auto* release_command = add_release(app, release);
  const auto* cache_command = add_cache(app, cache);
  add_recover(app, recover);
  for (auto* command : app.get_subcommands({})) {
    add_output_options(*command, options.output);
  }
  // The script is for a shell, which wants neither JSON nor quiet.
  const auto* completion_command = add_completion(app, completion);
  if (argc < 2) {
    fmt::print(stderr, "{}\n\n{}\nmtpgraft --help tells more.\n", kDescription, kExamples);
    return kExitUsage;
  }
  // CLI11 would pass over a word that is no command, and look for one behind it.
  const std::string first = argv[1];
  const bool json = std::find(argv, argv + argc, std::string_view("--json")) != argv + argc;
  const auto is_command = [&](const CLI::App* command) { return command->get_name() == first; };
  if (first != "help" && !first.starts_with('-') && std::ranges::none_of(app.get_subcommands({}), is_command)) {
    return report_error(
        {ErrorCode::kUsage, fmt::format("unknown command '{}'", first), {}, {}, did_you_mean(app, first)}, "", json);
  }
  // From the last to the first, as CLI11 wants them.
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (first == "help") {
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  std::ranges::reverse(arguments);
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      return app.exit(error);  // prints help or version
    }
    const auto commands = app.get_subcommands();
    const auto* command = commands.empty() ? nullptr : commands.front();
    return report_error(explain(error, app), command == nullptr ? "" : command->get_name(),
                        json && command != completion_command);
  }
  const auto* command = app.get_subcommands().front();
  options.command_name = command->get_name();
  if (command == inspect_command) {
    options.command = std::move(inspect);
  } else if (command == graft_command) {
    options.command = std::move(graft);
  } else if (command == extract_command) {
    options.command = std::move(extract);
  } else if (command == strip_command) {
    options.command = std::move(strip);
  } else if (command == verify_command) {
    options.command = std::move(verify);
  } else if (command == checksum_command) {
    options.command = std::move(checksum);
  } else if (command == release_command) {
    options.command = std::move(release);
  } else if (command == cache_command) {
    options.command = cache;
  } else if (command == completion_command) {
    options.command = std::move(completion);
  } else {
    options.command = std::move(recover);
  }
  return options;
}

}  // namespace mtpgraft::cli
