#include "io/range_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "matchers.h"
#include "memory_file_system.h"
#include "mtpgraft/file.h"
#include "temp_dir.h"

namespace mtpgraft {

bool operator==(const ByteRange& a, const ByteRange& b) { return a.offset == b.offset && a.length == b.length; }
void PrintTo(const ByteRange& range, std::ostream* stream) { *stream << range.offset << "+" << range.length; }

namespace {

namespace fs = std::filesystem;

const std::string kUrl = "https://example.org/base.gguf";
constexpr std::uint64_t kSize = 1000;

// The bytes that the file on the server has there.
std::byte byte_at(std::uint64_t offset) { return static_cast<std::byte>(offset * 7 + offset / 256); }

Bytes bytes_at(const ByteRange& range) {
  Bytes bytes;
  for (auto at = range.offset; at < range.offset + range.length; ++at) {
    bytes.push_back(byte_at(at));
  }
  return bytes;
}

Status fetch(RangeStore& store, const ByteRange& range) {
  MTPGRAFT_TRY(const auto part, store.begin(range));
  const auto bytes = bytes_at(range);
  const auto half = bytes.size() / 2;
  MTPGRAFT_CHECK(part->write(std::span(bytes).first(half)));
  MTPGRAFT_CHECK(part->write(std::span(bytes).subspan(half)));
  return part->finish();
}

void expect_bytes(RangeStore& store, const ByteRange& range) {
  Bytes out(range.length);
  EXPECT_THAT(store.read_at(range.offset, out), IsOk());
  EXPECT_EQ(out, bytes_at(range));
}

std::vector<ByteRange> all_missing() { return {{0, kSize}}; }

class RangeStoreTest : public testing::Test {
 protected:
  std::unique_ptr<RangeStore> open(const std::string& validator = "v1", const std::string& url = kUrl) {
    auto store = cache_->open(url, {validator, kSize});
    EXPECT_THAT(store, IsOk());
    return std::move(store).value();
  }

  // All files of the cache but `source`.
  [[nodiscard]] std::vector<fs::path> part_files() const {
    std::vector<fs::path> parts;
    for (const auto& entry : fs::recursive_directory_iterator(directory_)) {
      if (entry.is_regular_file() && entry.path().filename() != "source") {
        parts.push_back(entry.path());
      }
    }
    std::ranges::sort(parts);
    return parts;
  }

  [[nodiscard]] fs::path entry_directory() const { return fs::directory_iterator(directory_)->path(); }

  TempDir folder_;
  std::string directory_ = folder_.path("deep/cache");
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
  std::unique_ptr<RangeCache> cache_ = make_range_cache(directory_, *files_);
};

TEST(Uncovered, GivesTheGapsInOrder) {
  const auto gaps = [](std::vector<ByteRange> parts) { return uncovered({100, 100}, std::move(parts)); };
  EXPECT_EQ(gaps({}), (std::vector<ByteRange>{{100, 100}}));
  EXPECT_EQ(gaps({{0, 100}, {200, 5}}), (std::vector<ByteRange>{{100, 100}}));
  EXPECT_EQ(gaps({{150, 10}, {90, 20}}), (std::vector<ByteRange>{{110, 40}, {160, 40}}));
  EXPECT_EQ(gaps({{190, 100}, {100, 60}, {110, 10}}), (std::vector<ByteRange>{{160, 30}}));
  EXPECT_EQ(gaps({{100, 50}, {150, 50}}), std::vector<ByteRange>{});
  EXPECT_EQ(uncovered({100, 0}, {}), std::vector<ByteRange>{});
}

TEST_F(RangeStoreTest, KeepsPartsFromOneRunToTheNext) {
  {
    const auto store = open();
    EXPECT_EQ(store->missing({0, kSize}), all_missing());
    ASSERT_THAT(fetch(*store, {100, 100}), IsOk());
    ASSERT_THAT(fetch(*store, {200, 50}), IsOk());
    ASSERT_THAT(fetch(*store, {120, 60}), IsOk());  // overlaps
    expect_bytes(*store, {110, 140});
  }
  const auto store = make_range_cache(directory_, *files_)->open(kUrl, {"v1", kSize}).value().release();
  const std::unique_ptr<RangeStore> owner(store);
  EXPECT_EQ(store->missing({0, kSize}), (std::vector<ByteRange>{{0, 100}, {250, 750}}));
  EXPECT_EQ(store->missing({150, 100}), std::vector<ByteRange>{});
  expect_bytes(*store, {100, 150});
  Bytes out(10);
  EXPECT_THAT(store->read_at(245, out), FailsWith(ErrorCode::kIo, "not in the cache"));
}

}  // namespace
}  // namespace mtpgraft
