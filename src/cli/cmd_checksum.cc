#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/terminal.h"
#include "report/json.h"
#include "report/text.h"
#include "util/text.h"

namespace mtpgraft::cli {
namespace {

constexpr Names<DigestAlgorithm, 2> kAlgorithmNames{
    {{"sha256", DigestAlgorithm::kSha256}, {"xxh128", DigestAlgorithm::kXxh128}}};

struct ChecksumOptions {
  std::string file;
  DigestAlgorithm algorithm = DigestAlgorithm::kXxh128;
};

// A list for `verify -c` has the names as they are; only a person gets them printable.
std::string list_of(const std::vector<Checksum>& checksums) {
  if (!stdout_is_terminal()) {
    return format_checksums(checksums);
  }
  std::string text;
  for (const auto& checksum : checksums) {
    text += printable(format_checksum(checksum)) + '\n';
  }
  return text;
}

Result<int> run_checksum(const ChecksumOptions& options, const OutputOptions& output, FileSystem& files) {
  const auto context = make_context(files, output, {});
  set_phase_paths({{Phase::kChecksum, options.file}});
  MTPGRAFT_TRY(const auto model, open_model(files, options.file));
  MTPGRAFT_TRY(const auto checksums, compute_checksums(*model.file, model.gguf, options.algorithm,
                                                       context.begin(Phase::kChecksum, model.file->size())));
  MTPGRAFT_CHECK(model.file->check_unchanged());
  MTPGRAFT_CHECK(print_answer(
      output, [&] { return report::checksums_to_json(options.file, options.algorithm, checksums); },
      [&] { return list_of(checksums); }, Quiet::kPrints));
  return 0;
}

}  // namespace

void add_checksum(CLI::App& app, Program& program) {
  const auto options = std::make_shared<ChecksumOptions>();
  auto* command = add_command(app, program, "checksum", "Print a checksum of each tensor, and one of the metadata",
                              options, run_checksum);
  command->add_option("FILE", options->file, "A GGUF file")->required()->type_name(kModelFiles);
  add_choice(*command, "--algorithm", "xxh128 (default), which finds accidents, or sha256, which finds attackers too",
             kAlgorithmNames, options->algorithm)
      ->option_text("NAME");
  command->footer(
      "Examples:\n"
      "  mtpgraft checksum Model-Q4_K_M.gguf > Model.sums\n"
      "  mtpgraft verify Model-MTP-Q4_K_M.gguf -c Model.sums --quiet\n"
      "Those of --algorithm sha256 find attackers too, if the list itself comes from where you trust it.\n");
}

}  // namespace mtpgraft::cli
