// What a power cut leaves of files and names, on the strictest file system that POSIX allows: of a file what its last
// fsync() has put on storage, and in a directory the names that its last fsync() has. Whatever came later may be lost.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace mtpgraft::fault {

struct Change {
  enum class Kind { kWrite, kResize, kInsert, kCollapse, kPunch } kind;
  std::uint64_t offset;
  std::uint64_t length;
  std::vector<char> bytes;  // of kWrite
};

// A file's bytes, and which of its blocks are holes.
class Content {
 public:
  static Content read(int fd);
  void apply(const Change& change);
  void store(int fd) const;

 private:
  void resize(std::uint64_t size);

  std::vector<char> bytes_;
  std::vector<bool> stored_;  // by block
};

// How much of what storage had not been asked to keep is there after the cut.
enum class Kept { kNothing, kLastChange, kAll };

class Disk {
 public:
  // `holders` is an empty directory on the same file system, for names that may have to be given back.
  explicit Disk(std::string holders) : holders_(std::move(holders)) {}

  // Before the first change of a file that is open for writing.
  void watch(int fd);
  void changed(int fd, Change change);
  void synced(int fd);
  // The system gives up the bytes that it had not written, and takes them for written from now on.
  void sync_failed(int fd);
  void closing(int fd);

  // Before a name is made, or gets another meaning, or goes.
  void hold_name(const std::string& path);
  // Afterwards; `gone` and `made` may be empty.
  void name_changed(const std::string& gone, const std::string& made);
  void directory_synced(const std::string& directory);

  void cut(Kept kept);

 private:
  using Inode = std::pair<dev_t, ino_t>;
  struct File {
    Content durable;
    std::vector<Change> pending;
    int fd;                 // some descriptor that can write it
    bool has_lost = false;  // bytes, in a sync that failed
    [[nodiscard]] bool differs() const { return has_lost || !pending.empty(); }
  };

  static Inode inode_of(int fd);
  std::string new_holder();
  void cut_names(bool keep_last) const;

  std::string holders_;
  int holder_count_ = 0;
  std::map<Inode, File> files_;
  std::map<std::string, std::string> names_;  // changed since the last sync -> holder of what had the name, or empty
  Inode last_file_{};
  bool last_is_name_ = false;
  std::string last_gone_;
  std::string last_made_;
  std::string last_holder_;
};

}  // namespace mtpgraft::fault
