// What systems of the POSIX family do each in its own way, or not at all: one file for each implements it. Functions
// return as system calls do: negative with errno set if they fail, ENOTSUP where the system has nothing of the kind.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "mtpgraft/file.h"

namespace mtpgraft::system {

// A file without a name in this directory, which the system deletes unless it gets one.
int open_unnamed(const std::string& directory, mode_t mode);

// One that is known to get a name when it is asked for: link_opened() will do.
int open_nameable(const std::string& directory, mode_t mode);

// Renames a file unless there is one of the new name, without a race.
int rename_exclusively(const char* from, const char* to);

// Gives an open file the name `name`. `path` is one that it has already, if any; the system may go by that.
int link_opened(int fd, const std::string& path, const char* name);

// Whether another program can write to an open file: by a descriptor, or by a mapping that outlives it. False where the
// system does not tell.
bool is_open_for_writing(int fd);

// Has the system kill this process when the thread that started it ends; ends it if that is over by now. Safe after
// fork().
void end_with_parent(pid_t parent);

// Shares the blocks of a range that is its own clonable_part().
int clone_range(int in, int out, const CopyRange& range);

int reserve(int fd, std::uint64_t offset, std::uint64_t length);

// Returns how many bytes were copied.
bool copies_faster_in_kernel(int fd);
std::int64_t copy_in_kernel(int in, int out, const CopyRange& range);

// Hints; what is not understood is left out.
void start_reading(int fd, std::uint64_t offset, std::uint64_t length);
void start_writing(int fd, std::uint64_t offset, std::uint64_t length);
void finish_writing(int fd, std::uint64_t offset, std::uint64_t length);
void drop_from_cache(int fd, std::uint64_t offset, std::uint64_t length);

}  // namespace mtpgraft::system
