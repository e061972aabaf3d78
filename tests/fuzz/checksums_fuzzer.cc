// A list of checksums.
#include "fuzz.h"
#include "mtpgraft/verify.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mtpgraft;
  const auto read = parse_checkfile({reinterpret_cast<const char*>(data), size});
  const auto text = format_checksums(read.checksums);
  const auto again = parse_checkfile(text);
  fuzz::require(again.bad_lines.empty() && again.checksums.size() == read.checksums.size(), "a list is read again");
  for (std::size_t i = 0; i < read.checksums.size(); ++i) {
    fuzz::require(
        again.checksums[i].name == read.checksums[i].name && again.checksums[i].digest == read.checksums[i].digest,
        "a list is read again as it was");
  }
  return 0;
}
