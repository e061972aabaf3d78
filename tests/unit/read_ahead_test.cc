#include "io/read_ahead.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>

#include "matchers.h"
#include "memory_file_system.h"

namespace mtpgraft {
namespace {

constexpr std::uint64_t kPiece = std::uint64_t{256} << 10;

Bytes counting_bytes(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(i * 7 + i / 256);
  }
  return bytes;
}

// As a converted head whose conversion finds no memory.
class ThrowingFile final : public ReadableFile {
 public:
  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] std::uint64_t size() const override { return 64 * kPiece; }
  [[nodiscard]] std::uint64_t stored_bytes() const override { return size(); }
  [[nodiscard]] Status check_unchanged() const override { return ok_status(); }
  Status read_at(std::uint64_t offset, std::span<std::byte> /*out*/) const override {
    if (offset >= 8 * kPiece) {
      throw std::bad_alloc();
    }
    return ok_status();
  }

 private:
  std::string path_ = "throwing";
};

TEST(ReadAhead, HandsOutEveryByteInOrder) {
  const MemoryFile file("file", counting_bytes(9 * kPiece + 5));
  for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{1}, kPiece - 1, kPiece, kPiece + 1, 4 * kPiece,
                                     4 * kPiece + 1, 9 * kPiece + 2}) {
    Bytes got;
    ASSERT_THAT(read_ahead(file, 3, length,
                           [&](std::span<const std::byte> bytes) {
                             got.insert(got.end(), bytes.begin(), bytes.end());
                             return ok_status();
                           }),
                IsOk());
    EXPECT_TRUE(std::ranges::equal(got, std::span(file.bytes()).subspan(3, length))) << length;
  }
}

TEST(ReadAhead, AFailedReadIsToldWhenItsTurnComes) {
  const MemoryFile file("file", counting_bytes(6 * kPiece));
  std::uint64_t used = 0;
  EXPECT_THAT(read_ahead(file, 0, 20 * kPiece,
                         [&](std::span<const std::byte> bytes) {
                           used += bytes.size();
                           return ok_status();
                         }),
              FailsWith(ErrorCode::kIo, "read past the end"));
  EXPECT_EQ(used, file.size()) << "what could be read was handed out";
}

TEST(ReadAhead, AnExceptionOfTheReaderIsAnError) {
  std::uint64_t used = 0;
  EXPECT_THAT(read_ahead(ThrowingFile(), 0, 64 * kPiece,
                         [&](std::span<const std::byte> bytes) {
                           used += bytes.size();
                           return ok_status();
                         }),
              FailsWith(ErrorCode::kIo, "out of memory"));
  EXPECT_EQ(used, 8 * kPiece);
}

TEST(ReadAhead, EndsWhereItsUserEnds) {
  const MemoryFile file("file", counting_bytes(16 * kPiece));
  const auto refuse = [](std::span<const std::byte>) { return Status(Error{.message = "enough"}); };
  EXPECT_THAT(read_ahead(file, 0, file.size(), refuse), FailsWith(ErrorCode::kIo, "enough"));
  const auto fail = [](std::span<const std::byte>) -> Status { throw std::bad_alloc(); };
  EXPECT_THROW((void)read_ahead(file, 0, file.size(), fail).ok(), std::bad_alloc) << "and it does not hang";
}

}  // namespace
}  // namespace mtpgraft
