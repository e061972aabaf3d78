// Puts the head of a donor into a model: graft TARGET DONOR [OUTPUT]. The target is a GGUF, or the first file of a
// split model; the donor also a checkpoint's directory, or one of all these on a server (https://, hf://).
#include <mtpgraft/job.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fputs("usage: graft TARGET DONOR [OUTPUT]\n", stderr);
    return 2;
  }
  const auto files = mtpgraft::make_file_system();
  mtpgraft::GraftRequest request{.target = argv[1], .donor = {.path = argv[2]}};
  request.output.path = argc == 4 ? argv[3] : "";

  const auto job = mtpgraft::graft(request, {*files});
  if (!job.ok()) {
    const auto& error = job.error();
    std::fprintf(stderr, "%s%s%s\n", error.path.c_str(), error.path.empty() ? "" : ": ", error.message.c_str());
    for (const auto& detail : error.details) {
      std::fprintf(stderr, "  %s\n", detail.c_str());
    }
    return 1;
  }
  for (const auto& warning : job.value().warnings) {
    std::fprintf(stderr, "warning: %s\n", warning.message.c_str());
  }
  for (const auto& file : job.value().output.files) {
    std::printf("%s\n", file.path.c_str());
  }
  return 0;
}
