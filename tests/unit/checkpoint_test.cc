#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "matchers.h"
#include "models.h"
#include "mtpgraft/donor.h"
#include "mtpgraft/head.h"
#include "temp_dir.h"

namespace mtpgraft {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const fs::path kBundled = fs::path(MODELS_DIR) / "hf-base-8L";

Result<CheckpointHead> open_head(const fs::path& path, const CheckpointOptions& options = {}) {
  const auto files = make_posix_file_system();
  return open_checkpoint(path.string(), options, *files);
}

GgufFile parse_head(const CheckpointHead& head) {
  auto gguf = parse_gguf(*head.file);
  if (!gguf.ok()) {
    throw std::runtime_error(describe(gguf.error()));
  }
  return std::move(gguf).value();
}

Bytes read_tensor(const ReadableFile& file, const TensorInfo& tensor) {
  Bytes bytes(tensor.size_bytes);
  EXPECT_THAT(file.read_at(tensor.offset, bytes), IsOk());
  return bytes;
}

struct Tensor {
  std::string type_and_shape;
  Bytes bytes;
};

std::map<std::string, Tensor> head_tensors(const ReadableFile& file, const GgufFile& gguf) {
  std::map<std::string, Tensor> tensors;
  for (const auto& tensor : gguf.tensors) {
    if (tensor.name.starts_with("blk.")) {
      tensors[tensor.name] = {fmt::format("{} [{}] in {} dimensions", tensor_type_name(tensor.type),
                                          fmt::join(tensor.shape, ", "), tensor.n_dims),
                              read_tensor(file, tensor)};
    }
  }
  return tensors;
}

void expect_same_head(const fs::path& checkpoint, const fs::path& expected_path) {
  SCOPED_TRACE(checkpoint.string());
  const auto head = open_head(checkpoint);
  ASSERT_THAT(head, IsOk());
  const auto made = head_tensors(*head.value().file, parse_head(head.value()));
  const auto model = parse_model(expected_path.string(), read_bytes(expected_path));
  auto expected = head_tensors(*model.file, model.gguf);
  for (const auto& [name, tensor] : made) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(expected.contains(name)) << "not in " << expected_path;
    EXPECT_EQ(tensor.type_and_shape, expected[name].type_and_shape);
    EXPECT_TRUE(tensor.bytes == expected[name].bytes) << "other bytes";
    expected.erase(name);
  }
  EXPECT_TRUE(expected.empty()) << "lacks " << expected.begin()->first;
}

TEST(Checkpoint, HeadsOfAllFamiliesAreThoseOfTheConverter) {
  const fs::path folder = fs::path(FIXTURES_DIR) / "checkpoints";
  int count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".gguf") {
      ++count;
      expect_same_head(folder / entry.path().stem(), entry.path());
    }
  }
  EXPECT_GE(count, 1);
}

TEST(Checkpoint, RealHeadIsThatOfTheConvertersFile) { expect_same_head(kBundled, model_path(kDonor)); }

}  // namespace
}  // namespace mtpgraft
