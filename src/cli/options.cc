#include "cli/options.h"

#include <algorithm>

#include "cli/output.h"
#include "cli/progress.h"
#include "util/wrong_output.h"

namespace mtpgraft::cli {

void add_remote_options(CLI::App& command, RemoteFlags& flags) {
  command.add_flag("--no-cache", flags.no_cache,
                   "Of URLs: keep nothing of what is fetched, and use nothing that is kept");
  command.add_flag("--allow-http", flags.allow_http,
                   "Of URLs: take http:// too, which anybody on the way can read and change");
}

void add_donor_options(CLI::App& command, DonorRequest& request) {
  command
      .add_option("--head-type", request.head_type,
                  "Convert an F32, F16 or BF16 head: f32, f16, bf16, q8_0; with ggml also q6_k, q4_k, ...")
      ->option_text("TYPE")
      ->type_name("{f32,f16,bf16,q8_0,q6_k,q5_k,q4_k}");
  command.add_option("--ggml", request.ggml_path, "llama.cpp's libggml-base.so, or its directory, for those types")
      ->option_text("PATH")
      ->type_name(kAnyFiles);
  command
      .add_option("--norm-offset", request.norm_offset,
                  "Of safetensors, and of norms in their names: 1 if 1 is to be added, 0 if not")
      ->option_text("0|1")
      ->check(CLI::IsMember({0, 1}));
  add_remote_options(command, request.remote);
}

void add_write_options(CLI::App& command, WriteOptions& options, const char* output_text, const char* in_place_text) {
  options.output_option =
      command.add_option("-o,--output", options.output, output_text)->option_text("FILE")->type_name(kModelFiles);
  if (in_place_text != nullptr) {
    options.in_place_option =
        command.add_flag("--in-place", options.request.in_place, in_place_text)->excludes(options.output_option);
  }
  command.add_flag("-n,--dry-run", options.dry_run, "Print the plan with every tensor of the head, write nothing");
  command.add_flag_callback(
      "-f,--force", [&options] { options.request.overwrite = Overwrite::kYes; }, "Replace an existing output file");
  command.add_option("--checksums", options.checksums, "Write the output's checksums too, as 'checksum' prints them")
      ->option_text("FILE")
      ->type_name(kAnyFiles);
  auto* copy = add_choice(command, "--copy", "auto (default), clone (share blocks or fail), kernel, or buffered",
                          kCopyMethodNames, options.request.copy)
                   ->option_text("WAY");
  auto* no_sync = command.add_flag_callback(
      "--no-sync", [&options] { options.request.durability = Durability::kNoSync; },
      "Do not wait until the output is on the disk");
  if (options.in_place_option != nullptr) {
    copy->excludes(options.in_place_option);
    no_sync->excludes(options.in_place_option);
  }
}

Result<std::optional<Error>> check_and_write(Job& job, const WriteOptions& options, const OutputOptions& output,
                                             const Context& context) {
  const auto& path = job.output.path;
  set_phase_paths({{Phase::kWrite, path}, {Phase::kWait, path}});
  auto obstacle = check(job, context);
  if (!options.dry_run || output.json) {
    MTPGRAFT_CHECK(obstacle);
  }
  // What the headers tell is said before gigabytes are read.
  const auto told = job.warnings;
  log_warnings(told);
  if (!options.dry_run) {
    set_phase_paths({{Phase::kChecksum, ""}});  // of the sources, if they are read
    MTPGRAFT_CHECK(complete(job, context));
    set_phase_paths({{Phase::kChecksum, path}});
    auto untold = job.warnings;
    std::erase_if(untold, [&](const Warning& warning) {
      return std::ranges::find(told, warning.message, &Warning::message) != told.end();
    });
    log_warnings(untold);
    MTPGRAFT_CHECK(write(job, context));
  }
  return obstacle.ok() ? std::nullopt : std::optional(std::move(obstacle.error()));
}

bool shows_details(const WriteOptions& options) { return options.dry_run || options.verbose; }

Result<int> exit_code(const std::optional<Error>& obstacle) {
  return obstacle ? Result<int>(*obstacle) : Result<int>(0);
}

Result<OutputRequest> make_output_request(const WriteOptions& options) {
  const auto usage = [](std::string message, std::string hint) {
    return Error{.code = ErrorCode::kUsage, .message = std::move(message), .hint = std::move(hint)};
  };
  if (options.checksums == "" || options.checksums == "-") {
    return usage("--checksums needs the name of a file", "for stdout: mtpgraft checksum OUTPUT");
  }
  if (options.output == "") {
    return usage("the name after -o is empty", "give the output a name with -o");
  }
  if (options.output == "-") {
    return usage("a GGUF cannot go to stdout", "give the output a name with -o");
  }
  for (const auto* name : {&options.output, &options.checksums}) {
    if (auto wrong = *name ? find_wrong_output(**name) : std::nullopt) {
      return std::move(*wrong);
    }
  }
  auto request = options.request;
  request.path = options.output.value_or("");
  request.checksums = options.checksums.value_or("");
  return request;
}

}  // namespace mtpgraft::cli
