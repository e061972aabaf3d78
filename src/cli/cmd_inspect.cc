#include <fmt/core.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "mtpgraft/donor.h"
#include "report/json.h"
#include "report/text.h"
#include "util/glob.h"

namespace mtpgraft::cli {
namespace {

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
  MTPGRAFT_TRY(const auto file, files.open(path));
  MTPGRAFT_TRY(const auto gguf, parse_gguf(*file));
  return read_projector(gguf);
}

// What is looked at, and where it is if on a server.
struct Subject {
  std::string path;
  std::shared_ptr<RemoteSource> source;
};

// A repository of GGUF files, or a pattern, is all of them.
Status add_subjects(const std::string& path, const InspectOptions& options, const OutputOptions& output,
                    FileSystem& files, std::vector<Subject>& subjects) {
  if (!is_remote(path)) {
    subjects.push_back({path, nullptr});
    return ok_status();
  }
  MTPGRAFT_TRY(const auto source, open_source(options.remote, fetch_progress(output), files));
  MTPGRAFT_TRY(const auto paths, list_remote_models(path, *source));
  for (const auto& model : paths) {
    subjects.push_back({model, source});
  }
  return ok_status();
}

// What only a donor can be is read as one: a checkpoint, or a model on a server.
Status open_inspected(const Subject& subject, const OutputOptions& output, FileSystem& files,
                      report::InspectedFile& inspected) {
  const auto& [path, source] = subject;
  if (source || is_checkpoint(path, files)) {
    MTPGRAFT_TRY(auto donor, open_donor({.path = path, .source = source}, "", fetch_progress(output), files));
    inspected.gguf = std::move(donor.gguf);
    inspected.notes = std::move(donor.notes);
    inspected.is_checkpoint = donor.is_checkpoint;
    return ok_status();
  }
  MTPGRAFT_TRY(auto model, open_model(files, path));
  inspected.gguf = std::move(model.gguf);
  return ok_status();
}

Result<report::InspectedFile> inspect(const Subject& subject, const InspectOptions& options,
                                      const std::optional<Projector>& projector, const OutputOptions& output,
                                      FileSystem& files) {
  report::InspectedFile inspected;
  MTPGRAFT_CHECK(open_inspected(subject, output, files, inspected));
  inspected.summary = summarise(inspected.gguf);
  if (const auto labels = find_record_labels(inspected.gguf)) {
    inspected.grafted_from = labels->donor_file;
  }
  if (projector) {
    inspected.mmproj = check_projector(inspected.gguf, *projector);
  }
  inspected.listed_keys = list_matches(inspected.gguf.keys, &KeyValue::key, options.keys_glob);
  inspected.listed_tensors = list_matches(inspected.gguf.tensors, &TensorInfo::name, options.tensors_glob);
  const auto warn_of_none = [&](std::string_view what, const std::string& glob, const std::vector<std::size_t>& found) {
    if (!glob.empty() && glob != "*" && found.empty()) {
      log_warning(fmt::format("{}: no {} matches '{}'", subject.path, what, glob));
    }
  };
  warn_of_none("key", options.keys_glob, inspected.listed_keys);
  warn_of_none("tensor", options.tensors_glob, inspected.listed_tensors);
  return inspected;
}

}  // namespace

Result<int> run_inspect(const InspectOptions& options, const OutputOptions& output, FileSystem& files) {
  std::optional<Projector> projector;
  if (options.mmproj) {
    MTPGRAFT_TRY(projector, open_projector(*options.mmproj, files));
  }
  std::vector<report::InspectedFile> inspected;
  std::vector<report::FailedFile> failed;
  std::vector<Subject> subjects;
  for (const auto& path : options.files) {
    if (auto status = add_subjects(path, options, output, files, subjects); !status.ok()) {
      failed.push_back({path, std::move(status.error())});
    }
  }
  for (const auto& subject : subjects) {
    auto file = inspect(subject, options, projector, output, files);
    if (file.ok()) {
      inspected.push_back(std::move(file).value());
      continue;
    }
    auto& error = file.error();
    if (error.code == ErrorCode::kIo && !subject.source && subject.path.find_first_of("*?[") != std::string::npos) {
      error.hint = "a pattern belongs to its option: --tensors='blk.8.*'";
    }
    failed.push_back({subject.path, std::move(error)});
  }
  if (output.json) {
    MTPGRAFT_CHECK(print_answer(report::inspected_to_json(inspected, failed) + '\n'));
  } else {
    std::string text;
    for (const auto& file : inspected) {
      text += text.empty() ? "" : "\n";
      text += report::describe_inspected(file);
    }
    if (inspected.size() > 1) {
      text += '\n';
      text += report::compare_inspected(inspected);
    }
    MTPGRAFT_CHECK(print_answer(text));
    for (const auto& file : failed) {
      report_error(file.error, "inspect", false);
    }
  }
  if (!failed.empty()) {
    return exit_code(failed.front().error.code);
  }
  return std::ranges::none_of(inspected, &report::InspectedFile::is_misfit) ? 0 : kExitFile;
}

}  // namespace mtpgraft::cli
