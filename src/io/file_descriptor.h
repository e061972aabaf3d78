#pragma once

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace mtpgraft {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }

  // Some file systems report a failed write only here. The result is ::close()'s; an interrupted one has closed the
  // file all the same.
  int close_checked() {
    const int result = ::close(std::exchange(fd_, -1));
    return result != 0 && errno == EINTR ? 0 : result;
  }

 private:
  int fd_;
};

}  // namespace mtpgraft
