// Uses every public header from an installed package.
#include <mtpgraft/cache.h>
#include <mtpgraft/context.h>
#include <mtpgraft/convert.h>
#include <mtpgraft/digest.h>
#include <mtpgraft/donor.h>
#include <mtpgraft/execute.h>
#include <mtpgraft/file.h>
#include <mtpgraft/file_plan.h>
#include <mtpgraft/gguf.h>
#include <mtpgraft/head.h>
#include <mtpgraft/head_data.h>
#include <mtpgraft/header_digest.h>
#include <mtpgraft/job.h>
#include <mtpgraft/key_edits.h>
#include <mtpgraft/option_names.h>
#include <mtpgraft/output_name.h>
#include <mtpgraft/plan.h>
#include <mtpgraft/projector.h>
#include <mtpgraft/release.h>
#include <mtpgraft/remote.h>
#include <mtpgraft/result.h>
#include <mtpgraft/split.h>
#include <mtpgraft/strip.h>
#include <mtpgraft/summary.h>
#include <mtpgraft/unfinished.h>
#include <mtpgraft/verify.h>
#include <mtpgraft/version.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) {
    return 2;
  }
  const auto files = mtpgraft::make_file_system();
  const auto file = files->open(argv[1]);
  if (!file.ok()) {
    return 4;
  }
  const auto gguf = mtpgraft::parse_gguf(*file.value());
  if (!gguf.ok()) {
    return 3;
  }
  const auto summary = mtpgraft::summarise(gguf.value());
  std::printf("%s %zu\n", summary.architecture.c_str(), gguf.value().tensors.size());
  return 0;
}
