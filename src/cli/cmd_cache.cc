#include "cli/options.h"
#include "cli/output.h"
#include "report/json.h"
#include "report/text.h"

namespace mtpgraft::cli {
namespace {

struct CacheOptions {
  bool clear = false;  // else it is listed
};

Result<int> run_cache(const CacheOptions& options, const OutputOptions& output, FileSystem& /*files*/) {
  report::CacheReport report{default_cache_directory(), {}, {}};
  if (report.directory.empty()) {
    return Error{.code = ErrorCode::kUsage,
                 .message = "there is no cache: neither XDG_CACHE_HOME nor HOME is set",
                 .hint = "set XDG_CACHE_HOME to the directory that the cache is in"};
  }
  if (options.clear) {
    MTPGRAFT_TRY(report.freed_bytes, clear_cache(report.directory));
  }
  MTPGRAFT_TRY(report.entries, list_cache(report.directory));
  MTPGRAFT_CHECK(print_answer(
      output, [&] { return report::cache_to_json(report); }, [&] { return report::describe_cache(report); },
      options.clear ? Quiet::kOmits : Quiet::kPrints));
  return 0;
}

}  // namespace

void add_cache(CLI::App& app, Program& program) {
  const auto options = std::make_shared<CacheOptions>();
  auto* command = add_command(app, program, "cache",
                              "List, or remove, what is kept of donors that came over the network", options, run_cache);
  auto* list = command->add_flag("--list")->description("Print what is there, the longest unused first; the default");
  command->add_flag("--clear", options->clear, "Remove all of it")->excludes(list);
  command->footer(
      "Examples:\n"
      "  mtpgraft cache\n"
      "  mtpgraft cache --clear\n"
      "It is in $XDG_CACHE_HOME/mtpgraft, or ~/.cache/mtpgraft.\n");
}

}  // namespace mtpgraft::cli
