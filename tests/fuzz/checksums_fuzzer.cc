// A list of checksums.
#include "fuzz.h"
#include "mtpgraft/verify.h"
#include "report/json.h"
#include "report/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mtpgraft;
  const auto read = parse_checkfile({reinterpret_cast<const char*>(data), size});
  const auto text = format_checksums(read.checksums);
  const auto again = parse_checkfile(text);
  fuzz::require(again.bad_lines.empty() && again.checksums.size() == read.checksums.size(), "a list is read again");
  for (std::size_t i = 0; i < read.checksums.size(); ++i) {
    const auto& [name, algorithm, hex] = read.checksums[i];
    const auto& same = again.checksums[i];
    fuzz::require(same.name == name && same.algorithm == algorithm && same.hex == hex,
                  "a list is read again as it was");
  }
  ListReport report;
  for (const auto& checksum : read.checksums) {
    report.lines.push_back({checksum.name, CheckResult::kDiffers});
  }
  report.bad_lines = read.bad_lines;
  fuzz::require_printable(report::describe_check(report, false));
  fuzz::require_json(report::check_to_json("model.gguf", "model.sums", report));
  return 0;
}
