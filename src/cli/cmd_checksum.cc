#include "cli/commands.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "report/json.h"
#include "util/text.h"

namespace mtpgraft::cli {

Result<int> run_checksum(const ChecksumOptions& options, const OutputOptions& output, FileSystem& files) {
  MTPGRAFT_TRY(const auto model, open_model(files, options.file));
  const auto& file = model.file;
  MTPGRAFT_TRY(const auto checksums, compute_checksums(*file, model.gguf, options.algorithm,
                                                       make_progress("checksum", file->size(), output)));
  MTPGRAFT_CHECK(file->check_unchanged());
  if (output.json) {
    MTPGRAFT_CHECK(print_answer(report::checksums_to_json(options.file, options.algorithm, checksums) + '\n'));
    return 0;
  }
  // A list for `verify -c` has the names as they are.
  std::string text;
  for (const auto& checksum : checksums) {
    const auto line = format_checksum(checksum);
    text += (stdout_is_terminal() ? printable(line) : line) + '\n';
  }
  MTPGRAFT_CHECK(print_answer(text));
  return 0;
}

}  // namespace mtpgraft::cli
