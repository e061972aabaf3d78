#include <fmt/format.h>

#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/words.h"
#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::cli {
namespace {

struct GraftCommand {
  GraftRequest request;
  WriteOptions write;
};

Result<int> run_graft(const GraftCommand& options, const OutputOptions& output, FileSystem& files) {
  auto request = options.request;
  MTPGRAFT_TRY(request.output, make_output_request(options.write));
  const auto context = make_context(files, output, {{Phase::kWrite, "graft"}});
  set_phase_paths({{Phase::kPlan, request.target}});
  if (!request.from_base) {
    set_phase_paths({{Phase::kFetch, request.donor.path}, {Phase::kReadHead, request.donor.path}});
  }
  MTPGRAFT_TRY(auto job, prepare_graft(request, context));
  if (job.from_base) {
    set_phase_paths({{Phase::kFetch, job.from_base->path}, {Phase::kReadHead, job.from_base->path}});
  }
  MTPGRAFT_TRY(const auto obstacle, check_and_write(job, options.write, output, context));
  MTPGRAFT_CHECK(print_answer(
      output, [&] { return report::graft_to_json(request, job); },
      [&] { return report::describe_graft(request, job, shows_details(options.write)); }, Quiet::kOmits,
      report::describe_completion(job.output)));
  return exit_code(obstacle);
}

// Where the target is a model, that tells more of what is missing.
void require_donor(const GraftCommand& options) {
  const auto& request = options.request;
  const bool is_missing = request.donor.path.empty() && !request.from_base;
  if (is_missing && (request.target.ends_with(".json") || !exists(request.target))) {
    throw CLI::RequiredError("DONOR");
  }
}

void add_edit_options(CLI::App& command, GraftRequest& request) {
  const auto add_list = [&](const char* name, const char* text, const char* value,
                            const std::function<void(const std::string&)>& add) {
    command
        .add_option_function<std::vector<std::string>>(
            name,
            [add](const std::vector<std::string>& values) {
              for (const auto& each : values) {
                add(each);
              }
            },
            text)
        ->option_text(value)
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->trigger_on_parse();
  };
  const auto add_parsed = [&request](Result<KeyEdit> edit) {
    if (!edit.ok()) {
      throw CLI::ValidationError(edit.error().hint.empty()
                                     ? edit.error().message
                                     : fmt::format("{} ({})", edit.error().message, edit.error().hint));
    }
    request.edits.push_back(std::move(edit).value());
  };
  add_list("--set", "Give a key a value: qwen35.context_length=u32:262144, general.tags=str[]:[\"a\"]",
           "KEY=TYPE:VALUE", [add_parsed](const std::string& text) { add_parsed(parse_key_edit(text)); });
  add_list("--set-file", "Give a key the text of a file: tokenizer.chat_template=template.jinja", "KEY=FILE",
           [add_parsed](const std::string& text) { add_parsed(parse_file_edit(text)); });
  add_list("--unset", "Leave a key out", "KEY", [&request](const std::string& key) {
    request.edits.push_back({key, std::nullopt});
  });
  command.add_option("--yarn", request.yarn_factor, "Extend the context by this factor with YaRN: --yarn 4")
      ->option_text("FACTOR");
}

void add_split_options(CLI::App& command, CLI::Option* in_place, GraftRequest& request, Link& link) {
  auto* merge = command.add_flag_callback(
      "--merge", [&request] { request.split = Split::kMerge; }, "Of a split model: write one file");
  auto* split_head = command.add_flag_callback(
      "--split-head", [&request] { request.split = Split::kHead; },
      "Write a split model: the head is a file of its own");
  merge->excludes(split_head)->excludes(in_place);
  split_head->excludes(in_place);
  add_choice(command, "--link",
             "Of a split model, the files that stay: auto (default: hard, else clone, else copy), hard, clone, sym, or "
             "copy",
             kLinkNames, link)
      ->option_text("WAY");
}

}  // namespace

void add_graft(CLI::App& app, Program& program) {
  const auto options = std::make_shared<GraftCommand>();
  auto& request = options->request;
  auto* command = add_command(app, program, "graft", "Write TARGET with the MTP head of DONOR in it to a new file",
                              options, run_graft, require_donor);
  command
      ->add_option("TARGET", request.target,
                   "The GGUF that gets the head; only read, but with --in-place; of a split model the first file")
      ->required()
      ->type_name(kModelFiles);
  auto* donor =
      command
          ->add_option("DONOR", request.donor.path,
                       "What has the head: a GGUF (full model, mtp-*.gguf, bare tensors) or safetensors (checkpoint "
                       "directory, file); a path, hf://OWNER/NAME[@REVISION][:FILE or TAG], or https://HOST/FILE")
          ->type_name(kDonorFiles);
  command
      ->add_flag("--from-base", request.from_base,
                 "Instead of DONOR: the model that TARGET names as its base, beside TARGET (mtp-*.gguf), in the "
                 "Hugging Face cache, or on the hub")
      ->excludes(donor);
  add_write_options(*command, options->write, "Output file (default: X-Q6_K.gguf gives X-MTP-Q6_K.gguf)",
                    "Change TARGET itself, in the time and space that the head takes");
  auto* in_place = options->write.in_place_option;
  command->add_flag("--replace", request.replace, "Put the head in the place of one that TARGET has");
  command->add_flag("--strict", request.strict, "Refuse what is otherwise only warned about");
  command
      ->add_flag("--no-record", request.no_record,
                 "Leave out the key mtpgraft.record, which tells the head's origin and digest")
      ->excludes(in_place);
  command->add_flag("--source-digests", request.source_digests,
                    "Tell the SHA-256 of TARGET's and DONOR's files; those on this machine are read whole for it");
  add_donor_options(*command, request.donor);
  add_edit_options(*command, request);
  add_split_options(*command, in_place, request, options->write.request.link);
  command->add_flag("-v,--verbose", options->write.verbose,
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
      "  mtpgraft graft Model-Q4_K_M.gguf --from-base                               # of the model it was made of\n"
      "A model that declares a head which it has not is mended by the same command.\n");
}

}  // namespace mtpgraft::cli
