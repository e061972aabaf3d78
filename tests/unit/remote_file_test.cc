#include "net/remote_file.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "io/composed_file.h"
#include "matchers.h"
#include "memory_file_system.h"
#include "mtpgraft/remote.h"

namespace mtpgraft {

void PrintTo(const RemoteFetch& fetch, std::ostream* stream) { *stream << fetch.path; }

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

// A server with one file, which notes what it is asked for.
class FakeHttp final : public HttpClient {
 public:
  explicit FakeHttp(Bytes bytes) : bytes_(std::move(bytes)) {}

  Result<HttpDocument> get(const HttpFile&, std::uint64_t, const std::string&, const Progress&) override {
    return Error{ErrorCode::kIo, "no documents here"};
  }
  Result<bool> is_unchanged(HttpFile& file, const Progress&) override {
    ++questions_;
    return file.validator == validator_;
  }
  Status get_ranges(std::span<HttpRange> ranges, const Progress& progress) override {
    for (auto& [file, range, use, finish] : ranges) {
      asked_.push_back(range);
      file->size = bytes_.size();
      file->validator = validator_;
      const auto length = std::min(range.length, bytes_.size() - range.offset);
      MTPGRAFT_CHECK(use(std::span(bytes_).subspan(range.offset, length)));
      MTPGRAFT_CHECK(finish());
      if (!progress(length)) {
        return Error{ErrorCode::kInterrupted, "interrupted"};
      }
    }
    return ok_status();
  }

  std::vector<ByteRange> take_asked() { return std::exchange(asked_, {}); }
  [[nodiscard]] int questions() const { return questions_; }
  void change() { validator_ = "\"second\""; }

 private:
  Bytes bytes_;
  std::vector<ByteRange> asked_;
  int questions_ = 0;
  std::string validator_ = "\"first\"";
};

class RemoteFileTest : public ::testing::Test {
 protected:
  RemoteFileTest() {
    Bytes bytes(kSize);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::byte>(i * 7 + i / 4096);
    }
    bytes_ = bytes;
    session_ = std::make_shared<RemoteSession>();
    auto http = std::make_unique<FakeHttp>(std::move(bytes));
    http_ = http.get();
    session_->http = std::move(http);
    session_->cache = make_temporary_cache();
    session_->start_progress = [](std::uint64_t) { return [](std::uint64_t) { return true; }; };
  }

  std::shared_ptr<RemoteFile> open(RemoteFile::Place place = {
                                       .path = "hf://o/n/a", .url = "https://h/a", .size = kSize}) {
    auto file = RemoteFile::open(std::move(place), session_);
    EXPECT_THAT(file, IsOk());
    return std::move(file).value();
  }

  void expect_bytes(const ReadableFile& file, const ByteRange& range) {
    Bytes out(range.length);
    ASSERT_THAT(file.read_at(range.offset, out), IsOk());
    EXPECT_EQ(std::memcmp(out.data(), &bytes_[range.offset], out.size()), 0);
  }

  static constexpr std::uint64_t kSize = 24 * kMebibyte;
  Bytes bytes_;
  std::shared_ptr<RemoteSession> session_;
  FakeHttp* http_;
};

TEST_F(RemoteFileTest, OfKnownSizeAsksForNothingUntilItIsRead) {
  const auto file = open();
  EXPECT_EQ(file->size(), kSize);
  EXPECT_THAT(http_->take_asked(), IsEmpty());
  expect_bytes(*file, {1000, 10});
  EXPECT_THAT(http_->take_asked(), ElementsAre(ByteRange{1000, 10}));
}

TEST_F(RemoteFileTest, LearnsItsSizeFromTheFirstAnswer) {
  const auto file = open({.path = "https://h/a", .url = "https://h/a"});
  EXPECT_EQ(file->size(), kSize);
  EXPECT_THAT(http_->take_asked(), ElementsAre(ByteRange{0, 16384}));
  expect_bytes(*file, {8, 5000});
  EXPECT_THAT(http_->take_asked(), IsEmpty());
}

TEST_F(RemoteFileTest, GetsNothingTwice) {
  const auto file = open();
  expect_bytes(*file, {100'000, 100});
  expect_bytes(*file, {100'050, 100});
  EXPECT_THAT(http_->take_asked(), ElementsAre(ByteRange{100'000, 100}, ByteRange{100'100, 50}));
  expect_bytes(*file, {100'010, 100});
  EXPECT_THAT(http_->take_asked(), IsEmpty());
  EXPECT_EQ(session_->received_bytes, 150U);
}

TEST_F(RemoteFileTest, HasNoBytesBehindItsEnd) {
  const auto file = open();
  Bytes out(2);
  EXPECT_THAT(file->read_at(kSize - 1, out), FailsWith(ErrorCode::kIo, "has no bytes"));
  EXPECT_THAT(http_->take_asked(), IsEmpty());
}

TEST_F(RemoteFileTest, FetchesRangesJoinedAndInParts) {
  const auto file = open();
  const auto ranges =
      std::to_array<ByteRange>({{5000, 1000}, {6000, 100}, {6612, 10}, {8000, 10}, {kMebibyte, 20 * kMebibyte}});
  ASSERT_THAT(fetch(*file, ranges), IsOk());
  EXPECT_THAT(http_->take_asked(),
              ElementsAre(ByteRange{5000, 1622}, ByteRange{8000, 10}, ByteRange{kMebibyte, 8 * kMebibyte},
                          ByteRange{9 * kMebibyte, 8 * kMebibyte}, ByteRange{17 * kMebibyte, 4 * kMebibyte}))
      << "a gap of 512 bytes costs less than a request";
  for (const auto& range : ranges) {
    expect_bytes(*file, range);
  }
  EXPECT_THAT(http_->take_asked(), IsEmpty());
}

TEST_F(RemoteFileTest, TellsAComposedFileWhatItWouldFetch) {
  const auto file = open({.path = "hf://o/n/a", .url = "https://h/a", .size = kSize, .sha256 = "abc"});
  expect_bytes(*file, {2000, 500});
  (void)http_->take_asked();
  ComposedFile composed("composed");
  composed.add_bytes(Bytes(100));
  composed.add_range(file, {1000, 2000});
  composed.add_made({{file, {50'000, 300}}, {file, {60'000, 20}}}, 7,
                    [](std::uint64_t, std::span<std::byte>) { return ok_status(); });
  const auto fetches = plan_fetches(composed, {{{50, 2053}}});
  ASSERT_EQ(fetches.size(), 1U);
  EXPECT_EQ(fetches[0].path, "hf://o/n/a");
  EXPECT_EQ(fetches[0].file_bytes, kSize);
  EXPECT_EQ(fetches[0].sha256, "abc");
  EXPECT_THAT(fetches[0].ranges, ElementsAre(ByteRange{1000, 2000}, ByteRange{50'000, 300}, ByteRange{60'000, 20}))
      << "the 500 bytes between are cheaper to get again";
  EXPECT_THAT(http_->take_asked(), IsEmpty());
  EXPECT_THAT(fetch(composed, {{{50, 2053}}}), IsOk());
  EXPECT_EQ(http_->take_asked(), fetches[0].ranges);
  EXPECT_THAT(plan_fetches(composed, {{{50, 2053}}})[0].ranges, IsEmpty());
}

class CachedRemoteFile : public RemoteFileTest {
 protected:
  CachedRemoteFile() { expect_bytes(*open(kPlace), {0, 100}); }

  const RemoteFile::Place kPlace{.path = "https://h/a", .url = "https://h/a"};
};

TEST_F(CachedRemoteFile, IsAskedForChangesAndNotForBytes) {
  (void)http_->take_asked();
  const auto file = open(kPlace);
  EXPECT_EQ(http_->questions(), 1);
  expect_bytes(*file, {50, 1000});
  EXPECT_THAT(http_->take_asked(), IsEmpty());
}

TEST_F(CachedRemoteFile, IsNotAskedAtAllIfItsUrlIsFixed) {
  (void)http_->take_asked();
  expect_bytes(*open({.path = "https://h/a", .url = "https://h/a", .size = kSize, .is_fixed = true}), {50, 1000});
  EXPECT_EQ(http_->questions(), 0);
  EXPECT_THAT(http_->take_asked(), IsEmpty());
}

TEST_F(CachedRemoteFile, IsReadAnewIfItHasChanged) {
  (void)http_->take_asked();
  const auto before = open(kPlace)->stamp();
  EXPECT_EQ(open(kPlace)->stamp(), before);
  http_->change();
  const auto file = open(kPlace);
  EXPECT_THAT(http_->take_asked(), ElementsAre(ByteRange{0, 16384}));
  EXPECT_NE(file->stamp(), before);
}

TEST_F(RemoteFileTest, EndsWhereItIsInterrupted) {
  session_->start_progress = [](std::uint64_t) { return [](std::uint64_t) { return false; }; };
  const auto file = open();
  EXPECT_THAT(fetch(*file, {{{0, 10}, {100'000, 10}}}), FailsWith(ErrorCode::kInterrupted, ""));
  EXPECT_EQ(http_->take_asked().size(), 1U);
}

}  // namespace
}  // namespace mtpgraft
