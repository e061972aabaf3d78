#include "io/directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "matchers.h"
#include "temp_dir.h"

namespace mtpgraft {
namespace {

TEST(DirectoryLock, WaitsUntilTheOtherIsGoneOrItIsAskedToStop) {
  const TempDir folder;
  const auto path = folder.path("model.gguf");
  auto held = lock_directory_of(path, {});
  ASSERT_THAT(held, IsOk());
  int asked = 0;
  EXPECT_THAT(lock_directory_of(path, [&](std::uint64_t) { return ++asked < 3; }),
              FailsWith(ErrorCode::kInterrupted, "interrupted"));
  EXPECT_EQ(asked, 3);
  EXPECT_THAT(lock_directory_of(path,
                                [&](std::uint64_t) {
                                  held.value().reset();
                                  return true;
                                }),
              IsOk());
}

}  // namespace
}  // namespace mtpgraft
