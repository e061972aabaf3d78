#include "util/transient.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "io/io_posix.h"
#include "io/stream.h"
#include "util/threads.h"

namespace mtpgraft {
namespace {

TEST(Transient, IsWhatMayPassByItself) {
  for (const int number : {EINTR, EAGAIN, EBUSY, ETXTBSY, ENOMEM, ENFILE, ESTALE, ETIMEDOUT, ECONNRESET}) {
    EXPECT_TRUE(is_transient(number)) << number;
    EXPECT_TRUE(io_error("file", "read", number).is_retryable) << number;
  }
}

TEST(Transient, IsNotWhatSomebodyHasToMend) {
  for (const int number : {0, EACCES, EPERM, ENOENT, ENOTDIR, EISDIR, EEXIST, EROFS, ENOSPC, EDQUOT, EFBIG, ELOOP,
                           ENAMETOOLONG, EMFILE, EIO, EPIPE, EINVAL}) {
    EXPECT_FALSE(is_transient(number)) << number;
    EXPECT_FALSE(io_error("file", "read", number).is_retryable) << number;
  }
}

TEST(Transient, AreInterruptionsAndShortMemory) {
  EXPECT_TRUE(report_progress([](std::uint64_t) { return false; }, 1).error().is_retryable);
  EXPECT_TRUE(without_exceptions([]() -> Status { throw std::bad_alloc(); }).error().is_retryable);
  EXPECT_FALSE(without_exceptions([]() -> Status { throw std::runtime_error("bug"); }).error().is_retryable);
}

}  // namespace
}  // namespace mtpgraft
