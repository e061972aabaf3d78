#include "io/in_place.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "io/block_insertion_linux.h"
#include "io/changeable_name.h"
#include "io/io_posix.h"
#include "io/journal_linux.h"
#include "io/recovery_linux.h"
#include "io/staged_file_posix.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

// Gives the file the owner, permissions and extended attributes of another.
Status adopt_attributes(const PosixStagedFile& staged, const PosixReadableFile& file) {
  const auto& path = file.path();
  const auto& status = file.status();
  const auto out = staged.descriptor();
  // The owner first: changing it takes away the set-id bits.
  if (::fchown(out, status.st_uid, status.st_gid) != 0 || ::fchmod(out, status.st_mode & 07777) != 0) {
    return io_error(path, "keep owner and permissions");
  }
  // Access control lists are among these. Those that the system keeps for itself it sets by itself.
  std::array<char, 65536> names{};
  const auto names_length = ::flistxattr(file.descriptor(), names.data(), names.size());
  if (names_length < 0 && !is_unsupported(errno)) {
    return io_error(path, "keep its attributes");
  }
  for (std::ptrdiff_t at = 0; at < names_length;) {
    const char* const name = names.data() + at;
    std::array<char, 65536> value{};
    const auto length = ::fgetxattr(file.descriptor(), name, value.data(), value.size());
    if ((length < 0 || ::fsetxattr(out, name, value.data(), static_cast<std::size_t>(length), 0) != 0) &&
        !is_unsupported(errno)) {
      return io_error(path, fmt::format("keep the attribute '{}'", name));
    }
    at += static_cast<std::ptrdiff_t>(std::strlen(name)) + 1;
  }
  return ok_status();
}

// A new file that is to take the place of `file`.
Result<std::unique_ptr<PosixStagedFile>> stage_replacement(const PosixReadableFile& file, std::uint64_t size) {
  auto staged = PosixStagedFile::create(file.path(), size, file.permissions());
  if (!staged.ok()) {
    staged.error().remedy = Remedy::kWriteNewFile;
    return staged;
  }
  MTPGRAFT_CHECK(adopt_attributes(*staged.value(), file));
  return staged;
}

}  // namespace

Status check_changeable(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    return input_error(path, "open");
  }
  if (S_ISDIR(status.st_mode)) {
    return io_error(path, "open for writing", EISDIR);
  }
  if (status.st_nlink > 1) {
    return Error{.code = ErrorCode::kRefused,
                 .message = fmt::format("has {} names (hard links): the others would change with it, or be left behind",
                                        std::uint64_t{status.st_nlink}),
                 .path = path,
                 .remedy = Remedy::kWriteNewFile};
  }
  if ((status.st_mode & 0222) == 0) {
    return Error{.code = ErrorCode::kRefused,
                 .message = "is read-only",
                 .path = path,
                 .hint = "chmod u+w it first",
                 .remedy = Remedy::kWriteNewFile};
  }
  return check_own_name(path);
}

Result<std::unique_ptr<ReadableFile>> open_to_change(const std::string& path) {
  MTPGRAFT_CHECK(check_changeable(path));
  MTPGRAFT_TRY(auto file, open_with_lease(path));
  return std::unique_ptr<ReadableFile>(std::move(file));
}

Result<InPlaceMethod> in_place_method(const PosixReadableFile& file, const InPlaceChange& change) {
  const bool is_edit = change.kept.offset == change.kept.source_offset && change.new_size == file.size();
  // To write a few blocks of a header is less than to make a clone and to adopt the attributes.
  if (!is_edit && clonable_part(change.kept).length > 0) {
    MTPGRAFT_TRY(const auto probe, stage_replacement(file, kCloneBlockBytes));
    MTPGRAFT_TRY(const auto obstacle, probe->clone_from(file, {0, 0, kCloneBlockBytes}));
    if (!obstacle) {
      return InPlaceMethod::kClone;
    }
  }
  MTPGRAFT_CHECK(check_change(file, change));
  return InPlaceMethod::kInsert;
}

Result<std::unique_ptr<StagedFile>> stage_in_place(const PosixReadableFile& file, const InPlaceChange& change,
                                                   InPlaceMethod method) {
  if (method == InPlaceMethod::kInsert) {
    return stage_change(file, change);
  }
  MTPGRAFT_TRY(auto staged, stage_replacement(file, change.new_size));
  return std::unique_ptr<StagedFile>(std::move(staged));
}

Result<Recovery> recover_in_place(const std::string& path) {
  struct stat status {};
  const int number = ::stat(path.c_str(), &status) == 0 ? 0 : errno;
  if (number == 0 && S_ISDIR(status.st_mode)) {
    return io_error(path, "open", EISDIR);
  }
  MTPGRAFT_CHECK(check_no_link(path));
  MTPGRAFT_TRY(const bool is_interrupted, has_journal(path));
  if (number != 0) {
    auto error = input_error(path, "open", number);
    if (number == ENOENT && is_interrupted) {
      error.hint = "its journal is here; give the file its name back, or the journal the file's new name";
    }
    return error;
  }
  if (!is_interrupted) {
    return Recovery::kNothingToDo;
  }
  auto opened = open_with_lease(path);
  if (!opened.ok()) {
    if (opened.error().code == ErrorCode::kRefused) {
      opened.error().hint = "if mtpgraft is still changing the file, wait for it; else end that program";
      opened.error().remedy = Remedy::kNone;
    }
    return opened.error();
  }
  const auto& file = *opened.value();
  MTPGRAFT_TRY(auto journal, JournalFile::open(file));
  return end_change(file, journal);
}

}  // namespace mtpgraft
