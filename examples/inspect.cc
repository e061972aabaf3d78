// Tells what a model is, and whether it has an MTP head: inspect FILE. Of a split model name the first file.
#include <mtpgraft/split.h>
#include <mtpgraft/summary.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace {

// Names come from the file, and may hold what a terminal obeys.
std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: inspect FILE\n", stderr);
    return 2;
  }
  const auto files = mtpgraft::make_file_system();
  const auto model = mtpgraft::open_model(*files, argv[1]);
  if (!model.ok()) {
    std::fprintf(stderr, "%s: %s\n", argv[1], printable(model.error().message).c_str());
    return 1;
  }
  const auto summary = mtpgraft::summarise(model.value().gguf);
  const auto& head = summary.head;
  std::printf("architecture  %s\n", printable(summary.architecture).c_str());
  std::printf("blocks        %llu, without the head's\n", static_cast<unsigned long long>(summary.trunk_blocks));
  std::printf("head          %s: %zu tensors, %llu bytes\n", std::string(head_state_name(head.state)).c_str(),
              head.tensors.size(), static_cast<unsigned long long>(head.bytes));
  return 0;
}
