#include "mtpgraft/unfinished.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "gguf_builder.h"
#include "matchers.h"
#include "models.h"
#include "temp_dir.h"

namespace mtpgraft {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Two tensors of 1 MiB, which begin in the middle of a block.
Bytes two_tensors() {
  return GgufBuilder().tensor("one", {1024, 1024}, 24, 1 << 20).tensor("two", {1024, 1024}, 24, 1 << 20).build();
}

// The file without [from, to), as a download leaves it.
void write_with_hole(const std::string& path, const Bytes& bytes, std::size_t from, std::size_t to) {
  std::ofstream stream(path, std::ios::binary);
  const auto* data = reinterpret_cast<const char*>(bytes.data());
  stream.write(data, static_cast<std::streamsize>(from));
  stream.seekp(static_cast<std::streamoff>(to));
  stream.write(data + to, static_cast<std::streamsize>(bytes.size() - to));
  stream.flush();
  std::filesystem::resize_file(path, bytes.size());
}

class Holes : public testing::Test {
 protected:
  // Nothing if this file system has no holes.
  std::optional<std::vector<Warning>> find(std::size_t from, std::size_t to, const std::vector<ByteRange>& used) {
    const auto path = folder_.path("model.gguf");
    write_with_hole(path, two_tensors(), from, to);
    const auto files = make_file_system();
    const auto model = open_model(*files, path).value();
    if (model.file->stored_bytes() >= model.file->size()) {
      return std::nullopt;
    }
    return find_unfinished(model, used, *files);
  }

  TempDir folder_;
};

constexpr std::size_t kMiB = 1 << 20;

TEST_F(Holes, AreToldWithTensorAndByte) {
  const auto size = two_tensors().size();
  const auto in_second = find(kMiB + 65536, kMiB + 262144, {{0, size}});
  if (!in_second) {
    GTEST_SKIP() << "no holes here";
  }
  ASSERT_EQ(in_second->size(), 1U);
  EXPECT_EQ(in_second->front().id, "file-holes");
  EXPECT_THAT(in_second->front().message, HasSubstr("model.gguf' has a hole in tensor 'two', from byte 1114112 on"));
  // What is cut behind the first hole is not said again; it is at the end here.
  const auto at_end = find(kMiB + 65536, size, {{0, size}});
  ASSERT_EQ(at_end->size(), 1U);
  EXPECT_THAT(at_end->front().message, HasSubstr("'two', from byte 1114112"));
}

TEST_F(Holes, AreLookedForInTheTensorsThatAreUsed) {
  const auto first_only = find(kMiB + 65536, kMiB + 262144, {{128, 4096}});
  if (!first_only) {
    GTEST_SKIP() << "no holes here";
  }
  EXPECT_THAT(*first_only, IsEmpty());
  EXPECT_EQ(find(kMiB + 65536, kMiB + 262144, {{kMiB + 65536 + 262144, 1}})->size(), 1U);
  EXPECT_THAT(*find(kMiB + 65536, kMiB + 262144, {}), IsEmpty());
}

std::vector<std::string> messages(const std::string& path, const std::vector<std::string>& beside = {}) {
  MemoryFileSystem files;
  files.put(path, two_tensors());
  for (const auto& name : beside) {
    files.put(name, {});
  }
  std::vector<std::string> messages;
  for (const auto& warning : find_unfinished(open_model(files, path).value(), {}, files)) {
    EXPECT_EQ(warning.id, "download-unfinished");
    messages.push_back(warning.message);
  }
  return messages;
}

TEST(UnfinishedNames, AreTold) {
  EXPECT_THAT(messages("a.gguf"), IsEmpty());
  for (const std::string ending : {".part", ".PART", ".partial", ".incomplete", ".crdownload", ".download", ".!qB",
                                   ".aria2", "-partial", ".downloadInProgress", ".xltd"}) {
    EXPECT_THAT(messages("dir/a.gguf" + ending),
                ElementsAre(HasSubstr("'dir/a.gguf" + ending + "' has the name of a download that is not done")));
  }
}

TEST(UnfinishedNames, AreToldOfFilesBesideIt) {
  for (const std::string ending : {".aria2", ".part", ".crdownload", ".downloadInProgress", ".!qB", ".st"}) {
    EXPECT_THAT(messages("a.gguf", {"a.gguf" + ending}), ElementsAre(HasSubstr("'a.gguf" + ending + "' is beside")));
  }
  EXPECT_THAT(messages("a.gguf", {"b.gguf.aria2", "a.aria2"}), IsEmpty());
}

TEST(UnfinishedNames, AreToldOfEveryFileOfAModel) {
  MemoryFileSystem files;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    const auto name = format_shard_name({"split-3", i, 3});
    files.put(name, read_bytes(std::filesystem::path(FIXTURES_DIR) / "split" / format_shard_name({"with-head", i, 3})));
  }
  files.put("split-3-00003-of-00003.gguf.aria2", {});
  const auto model = open_model(files, "split-3-00001-of-00003.gguf").value();
  const auto warnings = find_unfinished(model, {}, files);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings.front().message, HasSubstr("'split-3-00003-of-00003.gguf.aria2' is beside"));
}

}  // namespace
}  // namespace mtpgraft
