// Runs each file, and each file of each folder, that is given as argument through the fuzz target once.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

#include "fuzz.h"

namespace {

namespace fs = std::filesystem;

bool replay(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  // As large as the input, so that a sanitizer sees every byte read too far.
  const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) {
    std::cerr << "cannot read " << path << "\n";
    return false;
  }
  std::cerr << path.string() << "\n";
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    std::vector<fs::path> paths;
    if (fs::is_directory(argv[i])) {
      paths.assign(fs::directory_iterator(argv[i]), {});
    } else {
      paths.emplace_back(argv[i]);
    }
    for (const auto& path : paths) {
      if (!replay(path)) {
        return 1;
      }
      ++count;
    }
  }
  std::cout << count << " inputs\n";
  return count > 0 ? 0 : 1;
}
