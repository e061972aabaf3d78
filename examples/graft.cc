// Puts the head of a donor into a model: graft TARGET DONOR [OUTPUT]. Target and donor are whatever `mtpgraft graft`
// takes: a GGUF or the first file of a split model; a GGUF, a checkpoint's directory, or one on a server.
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
    std::fprintf(stderr, "%s: %s\n", job.error().path.c_str(), job.error().message.c_str());
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
