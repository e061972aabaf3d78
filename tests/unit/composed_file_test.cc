#include "io/composed_file.h"

#include "matchers.h"
#include "memory_file_system.h"

namespace mtpgraft {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Bytes counting(std::size_t size, int first) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(first + static_cast<int>(i));
  }
  return bytes;
}

// 4 literal bytes, bytes 10 to 19 of `a`, 6 zeros, bytes 5 to 9 of `b`, 3 made bytes that need byte 1 of `b`.
class ComposedFileTest : public testing::Test {
 protected:
  ComposedFileTest() {
    file_.add_bytes(counting(4, 200));
    file_.add_range(a_, {10, 10});
    file_.add_zeros(0);
    file_.add_zeros(6);
    file_.pad_to(4);
    file_.add_range(b_, {5, 5});
    file_.add_made({{b_, {1, 1}}}, 3, [](std::uint64_t offset, std::span<std::byte> out) {
      for (auto& byte : out) {
        byte = static_cast<std::byte>(150 + offset++);
      }
      return ok_status();
    });
    for (const auto& [bytes, from, to] : {std::tuple(counting(4, 200), 0, 4),
                                          {counting(30, 0), 10, 20},
                                          {Bytes(6), 0, 6},
                                          {counting(20, 100), 5, 10},
                                          {counting(3, 150), 0, 3}}) {
      all_.insert(all_.end(), bytes.begin() + from, bytes.begin() + to);
    }
  }

  // As "file offset+length", in order.
  static std::vector<std::string> text_of(const std::vector<FilePiece>& pieces) {
    std::vector<std::string> texts;
    for (const auto& [file, range] : pieces) {
      texts.push_back(file->path() + " " + std::to_string(range.offset) + "+" + std::to_string(range.length));
    }
    return texts;
  }

  std::shared_ptr<MemoryFile> a_ = std::make_shared<MemoryFile>("a", counting(30, 0));
  std::shared_ptr<MemoryFile> b_ = std::make_shared<MemoryFile>("b", counting(20, 100));
  ComposedFile file_{"composed"};
  Bytes all_;
};

TEST_F(ComposedFileTest, ReadsAsItsPartsFromAnyByteToAnyOther) {
  ASSERT_EQ(file_.size(), 28U);
  ASSERT_EQ(all_.size(), 28U);
  for (std::size_t from = 0; from <= 28; ++from) {
    for (std::size_t to = from; to <= 28; ++to) {
      Bytes bytes(to - from);
      ASSERT_THAT(file_.read_at(from, bytes), IsOk());
      EXPECT_TRUE(std::ranges::equal(bytes, std::span(all_).subspan(from, to - from))) << from << " to " << to;
    }
  }
  Bytes byte(1);
  EXPECT_THAT(file_.read_at(28, byte), FailsWith(ErrorCode::kIo, "has no bytes 28-29"));
}

// What a clone or a fetch asks for.
TEST_F(ComposedFileTest, LeadsToTheFilesBehindEachPart) {
  EXPECT_THAT(text_of(file_.pieces({0, 28})),
              ElementsAre("composed 0+4", "a 10+10", "composed 14+6", "b 5+5", "composed 25+3"));
  EXPECT_THAT(text_of(file_.pieces({6, 16})), ElementsAre("a 12+8", "composed 14+6", "b 5+2"));
  EXPECT_THAT(text_of(file_.pieces({4, 10})), ElementsAre("a 10+10"));
  EXPECT_THAT(text_of(file_.pieces({13, 2})), ElementsAre("a 19+1", "composed 14+1"));
  EXPECT_THAT(text_of(file_.pieces({14, 0})), IsEmpty());
}

TEST_F(ComposedFileTest, TellsWhatReadingItReads) {
  EXPECT_THAT(text_of(file_.reads({0, 28})), ElementsAre("a 10+10", "b 5+5", "b 1+1"));
  EXPECT_THAT(text_of(file_.reads({19, 2})), ElementsAre("b 5+1"));
  EXPECT_THAT(text_of(file_.reads({26, 1})), ElementsAre("b 1+1"));
  EXPECT_THAT(file_.sources(), ElementsAre(a_.get(), b_.get()));
}

TEST_F(ComposedFileTest, IsPaddedUpToTheNextBlockAndNoFurther) {
  ComposedFile padded("padded");
  for (const auto& [length, size] : {std::pair(0U, 0U), {1U, 16U}, {15U, 32U}, {16U, 48U}, {17U, 80U}}) {
    padded.add_zeros(length);
    padded.pad_to(16);
    EXPECT_EQ(padded.size(), size);
  }
}

TEST_F(ComposedFileTest, HasChangedIfOneOfItsFilesHas) {
  EXPECT_THAT(file_.check_unchanged(), IsOk());
  b_->pretend_change();
  EXPECT_THAT(file_.check_unchanged(), FailsWith(ErrorCode::kIo, "the file changed"));
}

TEST_F(ComposedFileTest, HasThePermissionsThatAllOfItsFilesHave) {
  EXPECT_EQ(file_.permissions(), kNewFilePermissions);
  a_->permissions_of_file = 0640;
  b_->permissions_of_file = 0604;
  EXPECT_EQ(file_.permissions(), 0600U);
}

// A file of parts may be a part of another.
TEST_F(ComposedFileTest, LeadsThroughFilesOfPartsToTheirs) {
  ComposedFile outer("outer");
  outer.add_bytes(counting(1, 0));
  outer.add_range(std::shared_ptr<const ReadableFile>(std::shared_ptr<void>(), &file_), {12, 9});
  EXPECT_THAT(text_of(outer.pieces({0, 10})), ElementsAre("outer 0+1", "a 18+2", "composed 14+6", "b 5+1"));
  EXPECT_THAT(text_of(outer.reads({2, 8})), ElementsAre("a 19+1", "b 5+1"));
}

}  // namespace
}  // namespace mtpgraft
