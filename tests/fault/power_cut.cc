#include "power_cut.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "real_calls.h"

namespace mtpgraft::fault {
namespace {

constexpr std::uint64_t kBlockBytes = 4096;

std::uint64_t blocks(std::uint64_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes; }

template <class Vector>
auto at(Vector& vector, std::uint64_t index) {
  return vector.begin() + static_cast<std::ptrdiff_t>(index);
}

}  // namespace

Content Content::read(int fd) {
  Content content;
  content.resize(static_cast<std::uint64_t>(REAL(lseek64)(fd, 0, SEEK_END)));
  for (std::uint64_t block = 0; block < content.stored_.size(); ++block) {
    const auto offset = block * kBlockBytes;
    content.stored_[block] =
        REAL(lseek64)(fd, static_cast<off64_t>(offset), SEEK_DATA) < static_cast<off64_t>(offset + kBlockBytes) &&
        REAL(lseek64)(fd, static_cast<off64_t>(offset), SEEK_DATA) >= 0;
  }
  (void)!REAL(pread64)(fd, content.bytes_.data(), content.bytes_.size(), 0);
  return content;
}

void Content::resize(std::uint64_t size) {
  bytes_.resize(size);
  stored_.resize(blocks(size));
}

void Content::apply(const Change& change) {
  const auto end = change.offset + change.length;
  switch (change.kind) {
    case Change::Kind::kResize:
      resize(change.length);
      break;
    case Change::Kind::kWrite:
      resize(std::max<std::uint64_t>(bytes_.size(), end));
      std::ranges::copy(change.bytes, at(bytes_, change.offset));
      std::fill(at(stored_, change.offset / kBlockBytes), at(stored_, blocks(end)), true);
      break;
    case Change::Kind::kInsert:
      if (change.offset < bytes_.size()) {
        bytes_.insert(at(bytes_, change.offset), change.length, '\0');
        stored_.insert(at(stored_, change.offset / kBlockBytes), change.length / kBlockBytes, false);
      }
      break;
    case Change::Kind::kCollapse:
      if (end < bytes_.size()) {
        bytes_.erase(at(bytes_, change.offset), at(bytes_, end));
        stored_.erase(at(stored_, change.offset / kBlockBytes), at(stored_, end / kBlockBytes));
      }
      break;
    case Change::Kind::kPunch:
      if (end <= bytes_.size()) {
        std::fill(at(bytes_, change.offset), at(bytes_, end), '\0');
        std::fill(at(stored_, change.offset / kBlockBytes), at(stored_, end / kBlockBytes), false);
      }
      break;
  }
}

void Content::store(int fd) const {
  (void)!REAL(ftruncate64)(fd, 0);
  (void)!REAL(ftruncate64)(fd, static_cast<off64_t>(bytes_.size()));
  for (std::uint64_t block = 0; block < stored_.size(); ++block) {
    const auto offset = block * kBlockBytes;
    if (stored_[block]) {
      const auto length = std::min<std::uint64_t>(kBlockBytes, bytes_.size() - offset);
      (void)!REAL(pwrite64)(fd, bytes_.data() + offset, length, static_cast<off64_t>(offset));
    }
  }
}

Disk::Inode Disk::inode_of(int fd) {
  struct stat64 status {};
  REAL(fstat64)(fd, &status);
  return {status.st_dev, status.st_ino};
}

void Disk::watch(int fd) {
  const auto inode = inode_of(fd);
  if (const auto found = files_.find(inode); found != files_.end()) {
    found->second.fd = fd;
    return;
  }
  // A descriptor that can read too is used itself: opening the file once more would end its lease.
  const bool can_read = (REAL(fcntl64)(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
  const auto path = "/proc/self/fd/" + std::to_string(fd);
  const int reading = can_read ? fd : REAL(open64)(path.c_str(), O_RDONLY | O_CLOEXEC);
  files_.emplace(inode, File{Content::read(reading), {}, fd});
  if (!can_read) {
    REAL(close)(reading);
  }
}

void Disk::changed(int fd, Change change) {
  last_file_ = inode_of(fd);
  last_is_name_ = false;
  files_.at(last_file_).pending.push_back(std::move(change));
}

void Disk::synced(int fd) {
  if (const auto found = files_.find(inode_of(fd)); found != files_.end()) {
    for (const auto& change : found->second.pending) {
      found->second.durable.apply(change);
    }
    found->second.pending.clear();
  }
}

void Disk::sync_failed(int fd) {
  if (const auto found = files_.find(inode_of(fd)); found != files_.end()) {
    found->second.has_lost = true;
    std::erase_if(found->second.pending, [](const Change& change) { return change.kind == Change::Kind::kWrite; });
  }
}

void Disk::closing(int fd) {
  struct stat64 status {};
  REAL(fstat64)(fd, &status);
  const auto found = files_.find({status.st_dev, status.st_ino});
  if (found == files_.end() || found->second.fd != fd) {
    return;
  }
  if (status.st_nlink == 0) {
    files_.erase(found);  // the next file may get its inode number
  } else if (found->second.differs()) {
    found->second.fd = REAL(fcntl64)(fd, F_DUPFD_CLOEXEC, 0);
  }
}

std::string Disk::new_holder() { return holders_ + '/' + std::to_string(holder_count_++); }

void Disk::hold_name(const std::string& path) {
  if (names_.contains(path)) {
    return;
  }
  const auto holder = new_holder();
  const bool existed = REAL(link)(path.c_str(), holder.c_str()) == 0;
  names_[path] = existed ? holder : "";
}

void Disk::name_changed(const std::string& gone, const std::string& made) {
  last_is_name_ = true;
  last_gone_ = gone;
  last_made_ = made;
  if (!made.empty()) {
    last_holder_ = new_holder();
    REAL(link)(made.c_str(), last_holder_.c_str());
  }
}

void Disk::directory_synced(const std::string& directory) {
  std::erase_if(names_, [&](const auto& name) { return name.first.substr(0, name.first.rfind('/')) == directory; });
}

void Disk::cut_names(bool keep_last) const {
  for (const auto& [path, holder] : names_) {
    REAL(unlink)(path.c_str());
    if (!holder.empty()) {
      REAL(link)(holder.c_str(), path.c_str());
    }
  }
  if (keep_last && !last_gone_.empty()) {
    REAL(unlink)(last_gone_.c_str());
  }
  if (keep_last && !last_made_.empty()) {
    REAL(unlink)(last_made_.c_str());
    REAL(link)(last_holder_.c_str(), last_made_.c_str());
  }
}

void Disk::cut(Kept kept) {
  if (kept == Kept::kAll) {
    return;
  }
  for (auto& [inode, file] : files_) {
    const bool keeps_last = kept == Kept::kLastChange && !last_is_name_ && inode == last_file_ && !file.pending.empty();
    if (keeps_last) {
      file.durable.apply(file.pending.back());
    }
    if (file.differs()) {
      file.durable.store(file.fd);
    }
  }
  cut_names(kept == Kept::kLastChange && last_is_name_);
}

}  // namespace mtpgraft::fault
