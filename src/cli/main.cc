#include <cstdio>
#include <exception>
#include <new>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "util/text.h"

namespace mtpgraft::cli {
namespace {

Result<int> dispatch(const Options& options, FileSystem& files) {
  struct Visitor {
    const OutputOptions& output;
    FileSystem& files;
    Result<int> operator()(const InspectOptions& command) const { return run_inspect(command, output, files); }
    Result<int> operator()(const GraftCommandOptions& command) const { return run_graft(command, output, files); }
    Result<int> operator()(const ExtractOptions& command) const { return run_extract(command, output, files); }
    Result<int> operator()(const StripCommandOptions& command) const { return run_strip(command, output, files); }
    Result<int> operator()(const VerifyOptions& command) const { return run_verify(command, output, files); }
    Result<int> operator()(const ChecksumOptions& command) const { return run_checksum(command, output, files); }
    Result<int> operator()(const ReleaseOptions& command) const { return run_release(command, output, files); }
    Result<int> operator()(const CacheOptions& command) const { return run_cache(command, output); }
    Result<int> operator()(const CompletionOptions& command) const { return run_completion(command); }
    Result<int> operator()(const RecoverOptions& command) const { return run_recover(command, output, files); }
  };
  return std::visit(Visitor{options.output, files}, options.command);
}

int run(int argc, const char* const* argv) {
  const auto parsed = parse_options(argc, argv);
  if (const auto* code = std::get_if<int>(&parsed)) {
    return *code;
  }
  const auto& options = std::get<Options>(parsed);
  set_up_log(options.output);
  note_signals();
  const auto files = make_posix_file_system();
  Result<int> outcome = Error{ErrorCode::kIo, "out of memory"};
  try {
    outcome = dispatch(options, *files);
  } catch (const std::bad_alloc&) {
    // The error is set already; making another text could fail again.
  }
  const int code =
      outcome.ok() ? outcome.value() : report_error(outcome.error(), options.command_name, options.output.json);
  if (!outcome.ok() && outcome.error().code == ErrorCode::kInterrupted) {
    raise_noted_signal();
  }
  return code;
}

}  // namespace
}  // namespace mtpgraft::cli

int main(int argc, char** argv) {
  try {
    return mtpgraft::cli::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mtpgraft: internal error: %s\n", mtpgraft::printable(error.what()).c_str());
    return mtpgraft::cli::kExitSystem;
  }
}
