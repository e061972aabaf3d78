#include <fmt/core.h>

#include <algorithm>

#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "mtpgraft/projector.h"
#include "mtpgraft/unfinished.h"
#include "report/json.h"
#include "report/text.h"
#include "util/glob.h"

namespace mtpgraft::cli {
namespace {

struct InspectOptions {
  std::vector<std::string> files;
  std::string tensors_glob;  // empty: do not list
  std::string keys_glob;
  std::optional<std::string> mmproj;
  RemoteFlags remote;
};

template <class T>
std::vector<std::size_t> list_matches(const std::vector<T>& items, std::string T::*name, const std::string& glob) {
  std::vector<std::size_t> matches;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!glob.empty() && matches_glob(glob, items[i].*name)) {
      matches.push_back(i);
    }
  }
  return matches;
}

Result<Projector> open_projector(const std::string& path, FileSystem& files) {
  MTPGRAFT_TRY(const auto model, open_model(files, path));
  return read_projector(model.gguf);
}

// What is looked at, and where it is if on a server.
struct Subject {
  std::string path;
  std::shared_ptr<RemoteSource> source;
};

// A folder or a repository of GGUF files, or a pattern, is all of them.
Status add_subjects(const std::string& path, const RemoteFlags& remote, const Context& context,
                    std::vector<Subject>& subjects) {
  if (!is_remote(path)) {
    MTPGRAFT_TRY(auto models, list_local_models(path, context.files));
    for (auto& model : models) {
      subjects.push_back({std::move(model), nullptr});
    }
    return ok_status();
  }
  MTPGRAFT_TRY(const auto source, open_remote_source(remote, context));
  MTPGRAFT_TRY(const auto paths, list_remote_models(path, *source));
  for (const auto& model : paths) {
    subjects.push_back({model, source});
  }
  return ok_status();
}

// What only a donor can be is read as one: a checkpoint, or a model on a server.
Status open_inspected(const Subject& subject, const Context& context, report::InspectedFile& inspected) {
  const auto& [path, source] = subject;
  const auto look_for_gaps = [&](const OpenedModel& model) {
    inspected.warnings = find_unfinished(model, {{0, model.file->size()}}, context.files);
    log_warnings(inspected.warnings);
  };
  if (source || is_checkpoint(path, context.files)) {
    MTPGRAFT_TRY(auto donor, open_donor({.path = path}, "", context, std::nullopt, source));
    look_for_gaps({donor.file, donor.gguf});
    // The file, not what a graft makes of it.
    inspected.gguf = std::move(donor.stored ? *donor.stored : donor.gguf);
    inspected.notes = std::move(donor.notes);
    inspected.is_checkpoint = donor.is_checkpoint;
    return ok_status();
  }
  MTPGRAFT_TRY(auto model, open_model(context.files, path));
  look_for_gaps(model);
  inspected.gguf = std::move(model.gguf);
  return ok_status();
}

Result<report::InspectedFile> inspect(const Subject& subject, const InspectOptions& options,
                                      const std::optional<Projector>& projector, const Context& context) {
  report::InspectedFile inspected;
  MTPGRAFT_CHECK(open_inspected(subject, context, inspected));
  inspected.summary = summarise(inspected.gguf);
  if (inspected.summary.head.state == HeadState::kPlaceholder && !subject.source) {
    inspected.is_changeable = !inspected.gguf.is_split() && context.files.check_changeable(subject.path).ok();
  }
  inspected.claims = find_graft_claims(inspected.gguf);
  if (projector) {
    inspected.mmproj = check_projector(inspected.gguf, *projector);
  }
  inspected.listed_keys = list_matches(inspected.gguf.keys, &KeyValue::key, options.keys_glob);
  inspected.listed_tensors = list_matches(inspected.gguf.tensors, &TensorInfo::name, options.tensors_glob);
  const auto warn_of_none = [&](std::string_view what, const std::string& glob, const std::vector<std::size_t>& found) {
    if (!glob.empty() && glob != "*" && found.empty()) {
      log_warning({"nothing-matches", fmt::format("{}: no {} matches '{}'", subject.path, what, glob)});
    }
  };
  warn_of_none("key", options.keys_glob, inspected.listed_keys);
  warn_of_none("tensor", options.tensors_glob, inspected.listed_tensors);
  return inspected;
}

Result<int> run_inspect(const InspectOptions& options, const OutputOptions& output, FileSystem& files) {
  const auto context = make_context(files, output, {});
  std::optional<Projector> projector;
  if (options.mmproj) {
    MTPGRAFT_TRY(projector, open_projector(*options.mmproj, files));
  }
  std::vector<report::InspectedFile> inspected;
  std::vector<report::FailedFile> failed;
  std::vector<Subject> subjects;
  for (const auto& path : options.files) {
    set_phase_paths({{Phase::kFetch, path}});
    if (auto status = add_subjects(path, options.remote, context, subjects); !status.ok()) {
      failed.push_back({path, std::move(status.error())});
    }
  }
  for (const auto& subject : subjects) {
    set_phase_paths({{Phase::kFetch, subject.path}});
    auto file = inspect(subject, options, projector, context);
    if (file.ok()) {
      inspected.push_back(std::move(file).value());
      continue;
    }
    auto& error = file.error();
    if (error.code == ErrorCode::kIo && !subject.source && !error.has_advice() && is_pattern(subject.path)) {
      error.hint = "a pattern belongs to its option: --tensors='blk.8.*'";
    }
    failed.push_back({subject.path, std::move(error)});
  }
  MTPGRAFT_CHECK(print_answer(
      output, [&] { return report::inspected_to_json(inspected, failed); },
      [&] { return report::describe_inspected(inspected); }, Quiet::kPrints));
  for (const auto& file : failed) {
    if (!output.json) {
      report_error(file.error, "inspect", false);
    }
  }
  if (!failed.empty()) {
    return exit_code(failed.front().error.code);
  }
  return std::ranges::none_of(inspected, &report::InspectedFile::is_misfit) ? 0 : kExitFile;
}

}  // namespace

void add_inspect(CLI::App& app, Program& program) {
  const auto options = std::make_shared<InspectOptions>();
  auto* command =
      add_command(app, program, "inspect", "Tell what a GGUF is, and whether it has an MTP head", options, run_inspect);
  command
      ->add_option("FILE", options->files,
                   "GGUF files and checkpoints, also on servers, as for graft; several are also compared in a table")
      ->required()
      ->type_name(kDonorFiles);
  command->add_flag("--tensors{*}", options->tensors_glob,
                    "List tensors; --tensors='blk.8.*' lists those that match the pattern");
  command->add_flag("--kv{*}", options->keys_glob, "List keys and values; --kv='*.rope.*' lists those that match");
  command
      ->add_option("--mmproj", options->mmproj,
                   "Tell whether this vision or audio projector fits; exit code 3 unless it fits each FILE")
      ->option_text("PROJECTOR")
      ->type_name(kModelFiles);
  add_remote_options(*command, options->remote);
  command->footer(
      "Examples:\n"
      "  mtpgraft inspect Model-Q4_K_M.gguf\n"
      "  mtpgraft inspect hf://Qwen/Qwen3.5-9B\n"
      "  mtpgraft inspect Model-MTP-Q4_K_M.gguf --mmproj mmproj-F16.gguf\n"
      "  mtpgraft inspect --tensors='*.nextn.*' --kv='*nextn*' mtp-Base-Q8_0.gguf\n");
}

}  // namespace mtpgraft::cli
