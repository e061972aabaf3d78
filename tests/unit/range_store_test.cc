#include "cache/range_store.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "cache/cache_entry.h"
#include "matchers.h"
#include "memory_file_system.h"
#include "mtpgraft/file.h"
#include "temp_dir.h"

namespace mtpgraft {

void PrintTo(const ByteRange& range, std::ostream* stream) { *stream << range.offset << "+" << range.length; }

namespace {

namespace fs = std::filesystem;

const std::string kUrl = "https://example.org/base.gguf";
constexpr std::uint64_t kSize = 1000;

// Where the system has no files without a name, parts have a hidden one while they are written.
const bool kStagesUnnamed = !file_system_features().empty();

constexpr ByteRange kAll{0, kSize};

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

void write_file(const fs::path& path, std::string_view text) { std::ofstream(path) << text; }

std::string read_file(const fs::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

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
    std::error_code none_after_clearing;
    for (const auto& entry : fs::recursive_directory_iterator(directory_, none_after_clearing)) {
      if (entry.is_regular_file() && entry.path().filename() != "source") {
        parts.push_back(entry.path());
      }
    }
    std::ranges::sort(parts);
    return parts;
  }

  TempDir folder_;
  std::string directory_ = folder_.path("deep/cache");
  std::unique_ptr<FileSystem> files_ = make_file_system();
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

TEST(PartName, IsParsedStrictly) {
  const PartName name{0x0123456789abcdef, {65536, 1048576}};
  EXPECT_EQ(format_part_name(name), "0123456789abcdef-65536-1048576");
  const auto parsed = parse_part_name("0123456789abcdef-65536-1048576");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->state, name.state);
  EXPECT_EQ(parsed->range, name.range);
  for (const auto* wrong :
       {"", "source", "0123456789abcdef", "0123456789abcdef-1", "0123456789abcdef-1-", "0123456789abcdef-1-2-",
        "0123456789abcdef-1-2-3", "0123456789ABCDEF-1-2", "123456789abcdef-1-2", "0123456789abcdef-01-2",
        "0123456789abcdef-+1-2", "0123456789abcdef--1-2", "0123456789abcdef-1-18446744073709551616", "../etc/passwd",
        " 0123456789abcdef-1-2", "0123456789abcdef-1-2 ", "0x23456789abcdef-1-2"}) {
    EXPECT_FALSE(parse_part_name(wrong)) << wrong;
  }
}

TEST(CacheSource, IsParsedStrictly) {
  const auto source = parse_source("https://a/b\n\"etag\"\n123\n");
  ASSERT_TRUE(source);
  EXPECT_EQ(source->url, "https://a/b");
  EXPECT_EQ(source->file, (CachedFile{"\"etag\"", 123}));
  for (const auto* wrong : {"", "\n\n", "u\nv\n", "u\nv\n1", "u\nv\n1\n\n", "u\nv\n01\n", "u\nv\nx\n", "u\nv\n-1\n",
                            "u\nv\n1\nmore\n", "u\nv\n18446744073709551616\n"}) {
    EXPECT_FALSE(parse_source(wrong)) << wrong;
  }
}

TEST_F(RangeStoreTest, KeepsPartsFromOneRunToTheNext) {
  {
    const auto store = open();
    EXPECT_EQ(store->missing(kAll), std::vector{kAll});
    ASSERT_THAT(fetch(*store, {100, 100}), IsOk());
    ASSERT_THAT(fetch(*store, {200, 50}), IsOk());
    ASSERT_THAT(fetch(*store, {120, 60}), IsOk());  // overlaps
    expect_bytes(*store, {110, 140});
  }
  EXPECT_EQ(cache_->find(kUrl), (CachedFile{"v1", kSize}));
  EXPECT_EQ(cache_->find("https://example.org/other.gguf"), std::nullopt);
  const auto store = open();
  EXPECT_EQ(store->missing(kAll), (std::vector<ByteRange>{{0, 100}, {250, 750}}));
  EXPECT_EQ(store->missing({150, 100}), std::vector<ByteRange>{});
  expect_bytes(*store, {100, 150});
  Bytes out(10);
  EXPECT_THAT(store->read_at(245, out), FailsWith(ErrorCode::kIo, "not in the cache"));
}

TEST_F(RangeStoreTest, MakesNothingUntilSomethingIsStored) {
  const auto store = open();
  EXPECT_EQ(store->missing(kAll), std::vector{kAll});
  EXPECT_EQ(cache_->find(kUrl), std::nullopt);
  EXPECT_TRUE(folder_.is_empty());
  ASSERT_THAT(fetch(*store, {0, 10}), IsOk());
  EXPECT_EQ(fs::status(directory_).permissions(), fs::perms::owner_all);
}

TEST_F(RangeStoreTest, APartThatIsNotFinishedLeavesNothing) {
  const auto store = open();
  {
    auto part = store->begin({0, 100});
    ASSERT_THAT(part, IsOk());
    ASSERT_THAT(part.value()->write(bytes_at({0, 60})), IsOk());
  }
  EXPECT_EQ(store->missing(kAll), std::vector{kAll});
  EXPECT_TRUE(part_files().empty());
}

TEST_F(RangeStoreTest, AnEndWithoutAnyCleaningUpLeavesNothing) {
  const auto child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto store = open();
    auto part = store->begin({0, 100});
    static_cast<void>(part.value()->write(bytes_at({0, 60})));
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  if (!kStagesUnnamed) {
    ASSERT_THAT(clear_cache(directory_), IsOk());
  }
  EXPECT_TRUE(part_files().empty());
}

TEST_F(RangeStoreTest, ADamagedPartIsMissingAndRemoved) {
  ASSERT_THAT(fetch(*open(), {100, 100}), IsOk());
  const auto path = part_files().at(0);
  const auto good = read_file(path);
  ASSERT_EQ(good.size(), 132U);
  std::vector<std::string> damaged{good.substr(0, 131), good.substr(0, 10), "", good + "x"};
  for (std::size_t i = 0; i < good.size(); ++i) {
    damaged.push_back(good);
    damaged.back()[i] = static_cast<char>(damaged.back()[i] ^ 1);
  }
  for (const auto& bytes : damaged) {
    write_file(path, bytes);
    const auto store = open();
    EXPECT_EQ(store->missing(kAll), std::vector{kAll});
    EXPECT_FALSE(fs::exists(path));
  }
  write_file(path, good);
  EXPECT_EQ(open()->missing({100, 100}), std::vector<ByteRange>{});
}

TEST_F(RangeStoreTest, ReadsAroundADamagedPartWhereAnotherHasTheBytes) {
  const auto store = open();
  ASSERT_THAT(fetch(*store, {0, 100}), IsOk());
  ASSERT_THAT(fetch(*store, {50, 100}), IsOk());
  auto bytes = read_file(part_files().at(0));
  bytes[60] = static_cast<char>(~bytes[60]);
  write_file(part_files().at(0), bytes);
  expect_bytes(*store, {60, 90});
  Bytes out(10);
  EXPECT_THAT(store->read_at(40, out), FailsWith(ErrorCode::kIo, "not in the cache"));
}

TEST_F(RangeStoreTest, APartThatChangesAfterItWasCheckedIsCheckedAgain) {
  const auto store = open();
  ASSERT_THAT(fetch(*store, {0, 100}), IsOk());
  expect_bytes(*store, {0, 100});
  const auto path = part_files().at(0);
  auto bytes = read_file(path);
  bytes[50] = static_cast<char>(~bytes[50]);
  write_file(path.string() + "x", bytes);
  fs::rename(path.string() + "x", path);
  Bytes out(100);
  EXPECT_THAT(store->read_at(0, out), FailsWith(ErrorCode::kIo, "not in the cache"));
}

TEST_F(RangeStoreTest, PartsOfAnotherStateAreNotUsedButRemoved) {
  const auto old_store = open("v1");
  ASSERT_THAT(fetch(*old_store, {0, 100}), IsOk());
  expect_bytes(*old_store, {0, 100});
  const auto store = open("v2");
  EXPECT_EQ(store->missing(kAll), std::vector{kAll});
  EXPECT_TRUE(part_files().empty());
  ASSERT_THAT(fetch(*store, {0, 50}), IsOk());
  EXPECT_EQ(cache_->find(kUrl), (CachedFile{"v2", kSize}));
  // A program that still reads the old state gets an error, not the bytes of the new one, and may fetch its own.
  Bytes out(10);
  EXPECT_THAT(old_store->read_at(0, out), FailsWith(ErrorCode::kIo, "not in the cache"));
  ASSERT_THAT(fetch(*old_store, {0, 100}), IsOk());
  expect_bytes(*old_store, {0, 100});
  expect_bytes(*store, {0, 50});
  const auto grown = cache_->open(kUrl, {"v2", kSize + 1});
  EXPECT_EQ(grown.value()->missing({0, 10}).size(), 1U);
}

TEST_F(RangeStoreTest, PartsThatPassTheEndOfTheFileAreRemoved) {
  ASSERT_THAT(fetch(*open(), {0, 100}), IsOk());
  const auto path = part_files().at(0);
  const auto state = path.filename().string().substr(0, 16);
  for (const auto* range : {"-950-100", "-18446744073709551615-100", "-0-0"}) {
    fs::copy_file(path, path.parent_path() / (state + range));
  }
  fs::resize_file(path.parent_path() / (state + "-0-0"), 32);
  EXPECT_EQ(open()->missing(kAll), (std::vector<ByteRange>{{100, 900}}));
  EXPECT_EQ(part_files(), std::vector{path});
}

TEST_F(RangeStoreTest, SymbolicLinksAreNotFollowed) {
  ASSERT_THAT(fetch(*open(), {0, 100}), IsOk());
  const auto path = part_files().at(0);
  const auto entry = path.parent_path();
  fs::rename(path, folder_.path("part"));
  fs::create_symlink(folder_.path("part"), path);
  EXPECT_EQ(open()->missing(kAll), std::vector{kAll});
  fs::rename(entry / "source", folder_.path("source"));
  fs::create_symlink(folder_.path("source"), entry / "source");
  EXPECT_EQ(cache_->find(kUrl), std::nullopt);
  // Storing replaces the links, and does not write through them.
  write_file(folder_.path("part"), "mine");
  write_file(folder_.path("source"), "mine");
  ASSERT_THAT(fetch(*open(), {0, 100}), IsOk());
  EXPECT_EQ(read_file(folder_.path("part")), "mine");
  EXPECT_EQ(read_file(folder_.path("source")), "mine");
  EXPECT_EQ(open()->missing({0, 100}), std::vector<ByteRange>{});

  fs::rename(entry, folder_.path("entry"));
  fs::create_directory_symlink(folder_.path("entry"), entry);
  EXPECT_EQ(cache_->find(kUrl), std::nullopt);
  EXPECT_EQ(open()->missing(kAll), std::vector{kAll});
  EXPECT_THAT(fetch(*open(), {0, 100}), FailsWith(ErrorCode::kIo, "directory"));
  EXPECT_THAT(clear_cache(directory_), IsOk());
  EXPECT_TRUE(fs::exists(folder_.path("entry/source")));
}

TEST_F(RangeStoreTest, WhatAnotherUserHasMadeIsNotUsed) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can be another user";
  }
  ASSERT_THAT(fetch(*open(), {0, 100}), IsOk());
  const auto entry = part_files().at(0).parent_path();
  for (const auto& path : {fs::path(folder_.root()), fs::path(directory_).parent_path(), fs::path(directory_), entry}) {
    fs::permissions(path, fs::perms::all);
  }
  ASSERT_EQ(::seteuid(12345), 0);
  const auto found = cache_->find(kUrl);
  const auto missing = open()->missing(kAll);
  const auto stored = fetch(*open(), {0, 100});
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_EQ(found, std::nullopt);
  EXPECT_EQ(missing, std::vector{kAll});
  EXPECT_THAT(stored, FailsWith(ErrorCode::kIo, "cannot open the directory"));
}

TEST_F(RangeStoreTest, ASourceThatIsNoneIsNotBelieved) {
  ASSERT_THAT(fetch(*open(), {0, 100}), IsOk());
  const auto source = part_files().at(0).parent_path() / "source";
  for (const auto& text :
       {std::string(), std::string("nonsense"), "https://example.org/other\nv1\n1000\n" + std::string(),
        kUrl + "\nv1\n" + std::string(100000, '1') + "\n"}) {
    write_file(source, text);
    EXPECT_EQ(cache_->find(kUrl), std::nullopt) << text.substr(0, 50);
    const auto entries = list_cache(directory_);
    ASSERT_EQ(entries.value().size(), 1U);
    EXPECT_EQ(entries.value()[0].url, "");
    EXPECT_EQ(entries.value()[0].stored_bytes, 100U);
  }
  fs::remove(source);
  fs::create_directory(source);
  EXPECT_EQ(cache_->find(kUrl), std::nullopt);
  fs::remove(source);
  ASSERT_EQ(::mkfifo(source.c_str(), 0600), 0);
  EXPECT_EQ(cache_->find(kUrl), std::nullopt);
  // What is whole is used all the same, and `source` mended.
  EXPECT_EQ(open()->missing({0, 100}), std::vector<ByteRange>{});
  ASSERT_THAT(fetch(*open(), {100, 100}), IsOk());
  EXPECT_EQ(cache_->find(kUrl), (CachedFile{"v1", kSize}));
}

TEST_F(RangeStoreTest, TwoStoresOfOneDirectoryDoNotDisturbEachOther) {
  const auto one = open();
  const auto two = open();
  auto part_one = one->begin({0, 100});
  auto part_two = two->begin({0, 100});
  ASSERT_THAT(part_one.value()->write(bytes_at({0, 100})), IsOk());
  ASSERT_THAT(part_two.value()->write(bytes_at({0, 100})), IsOk());
  ASSERT_THAT(part_one.value()->finish(), IsOk());
  expect_bytes(*one, {0, 100});
  ASSERT_THAT(part_two.value()->finish(), IsOk());
  expect_bytes(*one, {0, 100});
  expect_bytes(*two, {0, 100});
  EXPECT_EQ(part_files().size(), 1U);
}

TEST_F(RangeStoreTest, IsUsedByManyThreads) {
  const auto store = open();
  std::vector<std::jthread> threads;
  for (std::uint64_t i = 0; i < 4; ++i) {
    threads.emplace_back([&store, i] {
      for (std::uint64_t at = 0; at < kSize; at += 100) {
        const ByteRange range{(at + i * 200) % kSize, 100};
        if (!store->missing(range).empty()) {
          EXPECT_THAT(fetch(*store, range), IsOk());
        }
        expect_bytes(*store, range);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(open()->missing(kAll), std::vector<ByteRange>{});
}

TEST_F(RangeStoreTest, ClearingUnderAReaderIsAnErrorAndWhatIsFetchedThenIsKept) {
  const auto store = open();
  ASSERT_THAT(fetch(*store, {0, 100}), IsOk());
  expect_bytes(*store, {0, 100});
  auto part = store->begin({100, 100});
  ASSERT_THAT(part.value()->write(bytes_at({100, 100})), IsOk());
  ASSERT_THAT(clear_cache(directory_), IsOk());
  Bytes out(10);
  const auto status = store->read_at(0, out);
  EXPECT_THAT(status, FailsWith(ErrorCode::kIo, "not in the cache"));
  EXPECT_THAT(status.error().hint, testing::HasSubstr("try again"));
  EXPECT_EQ(store->missing(kAll), std::vector{kAll});
  if (!kStagesUnnamed) {
    EXPECT_THAT(part.value()->finish(), FailsWith(ErrorCode::kIo, "cannot create: No such file"));
    return;
  }
  EXPECT_THAT(part.value()->finish(), IsOk());
  expect_bytes(*store, {100, 100});
  EXPECT_EQ(cache_->find(kUrl), (CachedFile{"v1", kSize}));
}

TEST_F(RangeStoreTest, ClearRemovesOnlyWhatIsOfTheCache) {
  EXPECT_EQ(clear_cache(directory_).value(), 0U);
  ASSERT_THAT(fetch(*open("v1"), {0, 100}), IsOk());
  ASSERT_THAT(fetch(*open("v1", "https://example.org/b"), {0, 100}), IsOk());
  const auto entry = part_files().at(0).parent_path();
  write_file(entry / ".mtpgraft-123-0", "staged by one that was killed");
  write_file(entry / "notes.txt", "mine");
  write_file(fs::path(directory_) / "notes.txt", "mine");
  fs::create_directory(fs::path(directory_) / "mine");
  write_file(fs::path(directory_) / "mine/source", "mine");
  EXPECT_GT(clear_cache(directory_).value(), 264U);
  std::vector<std::string> left;
  for (const auto& file : fs::recursive_directory_iterator(directory_)) {
    left.push_back(fs::relative(file, directory_).string());
  }
  EXPECT_THAT(left, testing::UnorderedElementsAre(entry.filename(), entry.filename() / "notes.txt", "notes.txt", "mine",
                                                  "mine/source"));
  EXPECT_TRUE(list_cache(directory_).value().empty());
  fs::remove_all(directory_);
  ASSERT_THAT(fetch(*open(), {0, 100}), IsOk());
  ASSERT_THAT(clear_cache(directory_), IsOk());
  EXPECT_FALSE(fs::exists(directory_));
  EXPECT_EQ(clear_cache(directory_).value(), 0U);
}

TEST_F(RangeStoreTest, ListsWhatIsThereTheLongestUnusedFirst) {
  EXPECT_TRUE(list_cache(directory_).value().empty());
  const auto other = "https://example.org/b";
  ASSERT_THAT(fetch(*open(), {0, 100}), IsOk());
  ASSERT_THAT(fetch(*open(), {100, 100}), IsOk());
  const auto source = part_files().at(0).parent_path() / "source";
  ASSERT_THAT(fetch(*open("v1", other), {0, 50}), IsOk());
  fs::last_write_time(source, fs::last_write_time(source) - std::chrono::hours(24));
  auto entries = list_cache(directory_);
  ASSERT_EQ(entries.value().size(), 2U);
  EXPECT_EQ(entries.value()[0].url, kUrl);
  EXPECT_EQ(entries.value()[0].size, kSize);
  EXPECT_EQ(entries.value()[0].stored_bytes, 200U);
  EXPECT_EQ(entries.value()[0].part_count, 2U);
  EXPECT_EQ(entries.value()[1].url, other);
  EXPECT_GT(entries.value()[1].used_s, entries.value()[0].used_s + 86000);
  // Opening it is using it.
  static_cast<void>(open());
  EXPECT_GT(list_cache(directory_).value()[0].used_s, entries.value()[0].used_s + 86000);
}

TEST_F(RangeStoreTest, SaysWhatToDoWhereItCannotWrite) {
  write_file(folder_.path("deep"), "a file");
  const auto part = open()->begin({0, 100});
  ASSERT_THAT(part, FailsWith(ErrorCode::kIo, "cannot make the directory"));
  EXPECT_EQ(part.error().remedy, Remedy::kWithoutCache);
  EXPECT_EQ(part.error().subject, directory_);
  EXPECT_THAT(list_cache(folder_.path("deep")), FailsWith(ErrorCode::kIo, "cannot open the cache"));
  EXPECT_THAT(clear_cache(folder_.path("deep")), FailsWith(ErrorCode::kIo, "cannot open the cache"));
}

TEST_F(RangeStoreTest, AFullDiskIsAnErrorAndLeavesNothing) {
  const auto disk = folder_.path("disk");
  fs::create_directory(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "a small disk cannot be mounted";
  }
  {
    const auto cache = make_range_cache(disk + "/cache", *files_);
    const std::unique_ptr<RangeStore> store = cache->open(kUrl, {"v1", 1'000'000}).value();
    const auto status = fetch(*store, {0, 200'000});
    EXPECT_THAT(status, FailsWith(ErrorCode::kIo, "No space left on device"));
    EXPECT_EQ(status.error().remedy, Remedy::kWithoutCache);
    EXPECT_EQ(store->missing({0, 200'000}).size(), 1U);
    EXPECT_THAT(fetch(*store, {0, 10'000}), IsOk());  // what was staged has taken no space
  }
  ASSERT_EQ(::umount2(disk.c_str(), MNT_DETACH), 0);
}

TEST_F(RangeStoreTest, NothingIsKeptOfAFileWithoutAValidator) {
  const auto store = open("");
  ASSERT_THAT(fetch(*store, {0, 100}), IsOk());
  expect_bytes(*store, {0, 100});
  EXPECT_TRUE(folder_.is_empty());
  EXPECT_THAT(cache_->open("https://example.org/a\nb", {"v1", kSize}),
              FailsWith(ErrorCode::kUnsupported, "line break"));
}

class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name), old_(::getenv(name) ? ::getenv(name) : "") {
    ::setenv(name, value.c_str(), 1);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { old_.empty() ? ::unsetenv(name_) : ::setenv(name_, old_.c_str(), 1); }

 private:
  const char* name_;
  std::string old_;
};

TEST(TemporaryCache, ServesOneRunAndLeavesNothing) {
  const TempDir folder;
  const Variable variable("TMPDIR", folder.root());
  const auto cache = make_temporary_cache();
  EXPECT_EQ(cache->find(kUrl), std::nullopt);
  auto store = cache->open(kUrl, {"v1", kSize});
  ASSERT_THAT(store, IsOk());
  ASSERT_THAT(fetch(*store.value(), {0, 100}), IsOk());
  ASSERT_THAT(fetch(*store.value(), {300, 100}), IsOk());
  EXPECT_TRUE(folder.is_empty());
  expect_bytes(*store.value(), {0, 100});
  EXPECT_EQ(store.value()->missing({50, 300}), (std::vector<ByteRange>{{100, 200}}));
  Bytes out(10);
  EXPECT_THAT(store.value()->read_at(95, out), FailsWith(ErrorCode::kIo, "not here"));
  // Opened again, it is still there; another state is another file.
  EXPECT_EQ(cache->find(kUrl), (CachedFile{"v1", kSize}));
  EXPECT_EQ(cache->open(kUrl, {"v1", kSize}).value()->missing({0, 100}), std::vector<ByteRange>{});
  EXPECT_EQ(cache->open(kUrl, {"v2", kSize}).value()->missing(kAll), std::vector{kAll});
  expect_bytes(*store.value(), {300, 100});
}

TEST(TemporaryCache, SaysWhichDirectoryItCannotUse) {
  const TempDir folder;
  const Variable variable("TMPDIR", folder.path("none"));
  const auto store = make_temporary_cache()->open(kUrl, {"v1", kSize});
  ASSERT_THAT(store, FailsWith(ErrorCode::kIo, "cannot make a temporary file"));
  EXPECT_THAT(store.error().hint, testing::HasSubstr("TMPDIR"));
}

TEST(DefaultCacheDirectory, IsThatOfTheUser) {
  const Variable home("HOME", "/home/user");
  {
    const Variable cache("XDG_CACHE_HOME", "/scratch");
    EXPECT_EQ(default_cache_directory(), "/scratch/mtpgraft");
  }
  {
    const Variable cache("XDG_CACHE_HOME", "relative");
    EXPECT_EQ(default_cache_directory(), "/home/user/.cache/mtpgraft");
    const Variable no_home("HOME", "");
    EXPECT_EQ(default_cache_directory(), "");
  }
}

}  // namespace
}  // namespace mtpgraft
