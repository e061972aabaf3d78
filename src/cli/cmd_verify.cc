#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <system_error>

#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "mtpgraft/summary.h"
#include "report/json.h"
#include "report/text.h"
#include "util/path.h"
#include "util/text.h"
#include "util/transient.h"
#include "util/url.h"

namespace mtpgraft::cli {
namespace {

struct VerifyOptions {
  VerifyRequest request;
  std::string checkfile;  // empty: verified without a list
  ListOptions list;
  bool status = false;
};

// The list of some 150,000 tensors, far above any model.
constexpr std::size_t kCheckfileBytesMax = std::size_t{16} << 20;

// A list may come from a pipe, as in `verify FILE -c <(mtpgraft checksum TARGET)`; "-" is stdin.
Result<std::string> read_list(const std::string& path, FileSystem& files) {
  std::error_code ignored;
  if (path != "-" && std::filesystem::is_directory(as_path(path), ignored)) {
    return Error{.code = ErrorCode::kIo,
                 .message = "is a directory",
                 .path = path,
                 .hint = "name a list that 'mtpgraft checksum' wrote"};
  }
  std::ifstream file;
  if (path != "-") {
    file.open(as_path(path), std::ios::binary);
  }
  std::istream& stream = path == "-" ? std::cin : file;
  std::string text;
  std::array<char, 65536> piece{};
  while (stream.good() && text.size() <= kCheckfileBytesMax) {
    stream.read(piece.data(), piece.size());
    text.append(piece.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (text.starts_with("GGUF")) {
    const auto name = path == "-" ? "FILE" : shell_quoted(path);
    return Error{.code = ErrorCode::kMalformed,
                 .message = "is a GGUF, and no list of checksums",
                 .path = path,
                 .hint = fmt::format("make a list of it: mtpgraft checksum {} > LIST, then -c LIST", name)};
  }
  if (text.size() > kCheckfileBytesMax) {
    return Error{.code = ErrorCode::kMalformed,
                 .message = fmt::format("has more than {} bytes, too many for a list", kCheckfileBytesMax),
                 .path = path,
                 .hint = "name a list that 'mtpgraft checksum' wrote"};
  }
  if (!stream.eof() || stream.bad()) {
    Error error{.code = ErrorCode::kIo,
                .message = fmt::format("cannot read: {}", std::generic_category().message(errno)),
                .path = path,
                .is_retryable = is_transient(errno)};
    if (const auto opened = files.open(path); !opened.ok()) {
      error.hint = opened.error().hint;
    }
    return error;
  }
  return text;
}

// The summary that coreutils print on stderr too, also with --quiet.
void summarise_check(const ListReport& report, const VerifyOptions& options) {
  const auto tensors = [](std::size_t count) { return fmt::format("{} {}", count, count == 1 ? "tensor" : "tensors"); };
  const auto count = [&](CheckResult result) {
    return static_cast<std::size_t>(std::ranges::count(report.lines, result, &ListedTensor::result));
  };
  for (const auto& line : report.files) {
    if (line.result != CheckResult::kOk) {
      log_problem(report.may_be_md5
                      ? fmt::format("{}: its XXH128 is not that of the list; but if the 32 digits there are MD5, only "
                                    "'md5sum -c' tells",
                                    line.name)
                      : fmt::format("{}: is not the file of the list: its digest is another one", line.name));
    }
  }
  if (report.files.empty() && report.lines.empty() && report.other_files > 0) {
    log_problem(fmt::format("{}: names '{}'{}, and not '{}'", options.checkfile, report.first_other_file,
                            report.other_files == 1 ? "" : fmt::format(" and {} more", report.other_files - 1),
                            base_name(options.request.file)));
    return;
  }
  if (!report.bad_lines.empty()) {
    log_problem(fmt::format("{}: {} of its lines cannot be read, the first is line {}", options.checkfile,
                            report.bad_lines.size(), report.bad_lines.front()));
  }
  if (count(CheckResult::kDiffers) > 0) {
    log_problem(fmt::format("{}: other data in {} of {}", options.request.file, tensors(count(CheckResult::kDiffers)),
                            report.lines.size()));
  }
  if (count(CheckResult::kMissing) > 0) {
    log_problem(fmt::format("{}: {} of {} missing", options.request.file, tensors(count(CheckResult::kMissing)),
                            report.lines.size()));
  }
  if (report.all_data == CheckResult::kDiffers && report.lines.empty()) {
    log_problem(fmt::format("{}: other data, or other tensors, than those of the list", options.request.file));
  }
  if (options.list.exact && !report.metadata_equal && report.files.empty()) {
    log_problem(fmt::format("{}: says nothing of the keys; not checked", options.checkfile));
  }
  if (report.unlisted_trunk_tensors > 0) {
    log_problem(fmt::format("{}: {} outside the head not in the list", options.request.file,
                            tensors(report.unlisted_trunk_tensors)));
  }
  if (!report.extra.empty()) {
    log_problem(fmt::format(
        "{}: {} not listed", options.request.file,
        report.files.empty() ? tensors(report.extra.size()) : fmt::format("{} of its files", report.extra.size())));
  }
  if (count(CheckResult::kOk) == 0 && report.all_data != CheckResult::kOk && report.files.empty()) {
    log_problem(fmt::format("{}: no tensor was verified", options.checkfile));
  }
}

// A checkpoint's file is for a list of files only: its tensors have other names in a GGUF.
Result<OpenedModel> open_listed(const std::string& path, FileSystem& files) {
  if (!path.ends_with(".safetensors")) {
    return open_model(files, path);
  }
  MTPGRAFT_TRY(std::shared_ptr<const ReadableFile> file, files.open(path));
  GgufFile whole;
  whole.path = path;
  whole.size = file->size();
  whole.files = {{.path = path, .size = file->size(), .data_end = file->size()}};
  return OpenedModel{std::move(file), std::move(whole)};
}

Result<int> verify_list(const VerifyOptions& options, const OutputOptions& output, const Context& context) {
  const auto& path = options.request.file;
  auto opened = open_listed(path, context.files);
  if (!opened.ok() && opened.error().code != ErrorCode::kIo && open_model(context.files, options.checkfile).ok()) {
    return Error{.code = ErrorCode::kUsage,
                 .message = "the file and the list were given in each other's places",
                 .hint = fmt::format("mtpgraft verify {} -c {}", shell_quoted(options.checkfile), shell_quoted(path))};
  }
  MTPGRAFT_TRY(const auto model, std::move(opened));
  if (options.checkfile == path) {
    return Error{.code = ErrorCode::kUsage,
                 .message = "the list is the very file that is to be checked",
                 .hint = "name a list that comes from elsewhere: a file proves nothing of itself"};
  }
  MTPGRAFT_TRY(const auto list, read_list(options.checkfile, context.files));
  const auto progress = context.begin(Phase::kVerify, summarise(model.gguf).tensor_data_bytes);
  MTPGRAFT_TRY(const auto report, check_against_list(model, list, options.checkfile, options.list, progress));
  MTPGRAFT_CHECK(model.file->check_unchanged());
  if (!options.status || output.json) {
    MTPGRAFT_CHECK(print_answer(
        output, [&] { return report::check_to_json(path, options.checkfile, report); },
        [&] { return report::describe_check(report, output.quiet); }, Quiet::kPrints));
  }
  if (!options.status && !output.json) {
    summarise_check(report, options);
  }
  return report.ok ? 0 : kExitDifference;
}

Error exchange_error(const VerifyRequest& request, const VerifyRequest& right) {
  const bool is_shown = !has_secret(right.file) && !has_secret(right.donor.path);
  return {.code = ErrorCode::kUsage,
          .message = report::describe_exchange(request, right),
          .hint = is_shown ? report::verify_command(right) : ""};
}

Result<int> run_verify(const VerifyOptions& options, const OutputOptions& output, FileSystem& files) {
  const auto context = make_context(files, output, {});
  set_phase_paths({{Phase::kVerify, options.request.file}, {Phase::kFetch, options.request.donor.path}});
  if (!options.checkfile.empty()) {
    return verify_list(options, output, context);
  }
  const auto& path = options.request.file;
  MTPGRAFT_TRY(const auto exchanged, find_exchanged(options.request, context));
  if (exchanged && exchanged->is_certain) {
    return exchange_error(options.request, exchanged->right);
  }
  MTPGRAFT_TRY(const auto report, verify(options.request, context));
  if (exchanged && !report.ok()) {
    return exchange_error(options.request, exchanged->right);
  }
  log_warnings(report.warnings);
  MTPGRAFT_CHECK(print_answer(
      output, [&] { return report::verification_to_json(path, report); },
      [&] { return report::describe_verification(path, report, !output.quiet); }, Quiet::kPrints));
  return report.ok() ? 0 : kExitDifference;
}

}  // namespace

void add_verify(CLI::App& app, Program& program) {
  const auto options = std::make_shared<VerifyOptions>();
  auto& request = options->request;
  auto* command =
      add_command(app, program, "verify", "Check a graft: against its sources, against checksums, or on its own",
                  options, run_verify);
  command->add_option("FILE", request.file, "The file to check")->required()->type_name(kModelFiles);
  auto* target = command->add_option("--target", request.target, "Compare every byte with what this and --donor make")
                     ->option_text("FILE")
                     ->type_name(kModelFiles);
  auto* donor =
      command->add_option("--donor", request.donor.path, "See --target")->option_text("FILE")->type_name(kDonorFiles);
  target->needs(donor);
  donor->needs(target);
  command
      ->add_flag_callback(
          "--trust-shared-extents", [&request] { request.shared = SharedExtents::kTrust; },
          "With --target: do not read what lies in the same blocks on disk")
      ->needs(target);
  command->add_flag("--allow-edits", request.allow_edits, "With --target: keys that were set on purpose are no failure")
      ->needs(target);
  command->add_flag("--tensors-only", request.tensors_only, "With --target: compare tensors by name, and no keys")
      ->needs(target);
  add_donor_options(*command, request.donor);
  auto* check =
      command
          ->add_option(
              "-c,--check", options->checkfile,
              "Check the tensors or files that this list names (checksum, sha256sum, llama-gguf-hash); - is stdin")
          ->option_text("FILE")
          ->type_name(kAnyFiles);
  check->excludes(target)->excludes(donor);
  const auto add_check_flag = [&](const char* name, bool& value, const char* text) {
    command->add_flag(name, value, text)->needs(check);
  };
  add_check_flag("--exact", options->list.exact, "With -c: no other tensors, and the same keys");
  add_check_flag("--status", options->status, "With -c: print nothing, the exit code tells");
  add_check_flag("--strict", options->list.strict, "With -c: lines that cannot be read are a failure");
  add_check_flag("--ignore-missing", options->list.ignore_missing,
                 "With -c: tensors that the file has not are no failure");
  command->footer(
      "Examples:\n"
      "  mtpgraft verify Model-MTP-Q4_K_M.gguf\n"
      "  mtpgraft verify Model-MTP-Q4_K_M.gguf --target Model-Q4_K_M.gguf --donor mtp-Base-Q8_0.gguf\n"
      "  mtpgraft checksum Model-Q4_K_M.gguf > Model.sums && mtpgraft verify Model-MTP-Q4_K_M.gguf -c Model.sums\n");
}

}  // namespace mtpgraft::cli
