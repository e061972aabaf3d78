#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>

#include "io/directory.h"
#include "io/file_descriptor.h"
#include "io/in_place.h"
#include "io/io_posix.h"
#include "io/journal_name.h"
#include "io/meant_path.h"
#include "io/readable_file_posix.h"
#include "io/staged_file_posix.h"
#include "mtpgraft/file.h"
#include "util/hub_store.h"
#include "util/parse.h"
#include "util/path.h"

namespace mtpgraft {
namespace {

Status check_no_journal(const std::string& path) {
  MTPGRAFT_TRY(const bool is_being_changed, has_journal(path));
  if (is_being_changed) {
    return Error{.code = ErrorCode::kRefused,
                 .message = "an in-place change of this file is running or was interrupted",
                 .path = link_destination(path),  // recover() takes no links
                 .remedy = Remedy::kRecover};
  }
  return ok_status();
}

// A FileSystem hands out files of this kind only, and takes no others.
Result<const PosixReadableFile*> as_posix(const ReadableFile& file) {
  const auto* posix = dynamic_cast<const PosixReadableFile*>(&file);
  if (posix == nullptr) {
    return Error{.code = ErrorCode::kUsage, .message = "is a file of another file system", .path = file.path()};
  }
  return posix;
}

// Where case is no matter, some file systems (exFAT by FUSE) give each spelling of a name an inode of its own.
bool is_other_spelling(const PosixReadableFile& input, const std::string& path, const struct stat& status) {
  const auto& known = input.status();
  return known.st_dev == status.st_dev && known.st_size == status.st_size &&
         known.st_mtim.tv_sec == status.st_mtim.tv_sec && known.st_mtim.tv_nsec == status.st_mtim.tv_nsec &&
         lowered(base_name(input.path())) == lowered(base_name(path));
}

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<ReadableFile>> open(const std::string& path) override {
    // Before opening it: that would disturb an in-place change which is running.
    const auto journal = check_no_journal(path);
    if (!journal.ok() && journal.error().code == ErrorCode::kRefused) {
      return journal.error();
    }
    // Where one cannot look for a journal, this says better why.
    MTPGRAFT_TRY(auto file, with_meant(path, PosixReadableFile::open(path)));
    MTPGRAFT_CHECK(journal);
    return std::unique_ptr<ReadableFile>(std::move(file));
  }

  [[nodiscard]] bool is_folder(const std::string& path) const override {
    std::error_code ignored;
    return std::filesystem::is_directory(as_path(path), ignored);
  }

  [[nodiscard]] Result<std::vector<std::string>> list_folder(const std::string& path) const override {
    std::vector<std::string> names;
    std::error_code error;
    std::filesystem::directory_iterator entry(as_path(path.empty() ? "." : path), error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      names.push_back(entry->path().filename().string());
    }
    if (error) {
      return input_error(path, "list", error.value());
    }
    return names;
  }

  Result<bool> exists(const std::string& path) override {
    std::error_code ignored;
    return std::filesystem::exists(as_path(path), ignored);
  }

  Status check_inside(const std::string& folder, const std::string& path) const override {
    std::error_code error;
    const auto real = std::filesystem::canonical(as_path(path), error);
    if (error) {
      return io_error(path, "open", error.value());
    }
    const auto inside = std::filesystem::canonical(as_path(folder), error);
    const std::string store(hub_store_of(inside.string()));
    const bool is_blob = !store.empty() && real.parent_path() == as_path(store) / "blobs";
    if (real.parent_path() != inside && !is_blob) {
      return Error{
          .code = ErrorCode::kRefused, .message = "is a symbolic link that leads out of the folder", .path = path};
    }
    return ok_status();
  }

  Result<std::unique_ptr<StagedFile>> stage(const std::string& path, std::uint64_t size) override {
    return stage_with(path, size, kNewFilePermissions);
  }

  Result<std::unique_ptr<StagedFile>> stage_with(const std::string& path, std::uint64_t size,
                                                 Permissions permissions) override {
    MTPGRAFT_TRY(auto staged, PosixStagedFile::create(path, size, permissions));
    return std::unique_ptr<StagedFile>(std::move(staged));
  }

  Result<std::unique_ptr<StagedFile>> stage_link(const std::string& path, const ReadableFile& file,
                                                 LinkMethod method) override {
    MTPGRAFT_TRY(const auto* posix, as_posix(file));
    MTPGRAFT_TRY(auto staged, PosixStagedLink::create(path, *posix, method));
    return std::unique_ptr<StagedFile>(std::move(staged));
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) {
      return errno == ENOENT ? ok_status() : Status(io_error(path, "remove"));
    }
    return sync_directory_of(path);
  }

  Status check_output(const std::string& path, std::span<const ReadableFile* const> inputs,
                      Overwrite overwrite) override {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
      if (errno != ENOENT) {
        return no_output(path, "look at the output");
      }
      if (::lstat(path.c_str(), &status) == 0) {
        if (overwrite == Overwrite::kNo) {
          return output_exists(path);  // a symbolic link to nothing
        }
      } else if (errno != ENOENT) {
        return no_output(path, "look at the output");
      }
      if (::stat(parent_of(path).c_str(), &status) != 0) {
        return no_output(path, "look at the output's directory");
      }
      return check_no_journal(path);
    }
    for (const auto* input : inputs) {
      for (const auto* source : input->sources()) {
        const auto* posix = dynamic_cast<const PosixReadableFile*>(source);
        if (posix != nullptr && (is_same_file(posix->status(), status) || is_other_spelling(*posix, path, status))) {
          return Error{.code = ErrorCode::kRefused,
                       .message = fmt::format("the output is the input '{}'", source->path()),
                       .path = path,
                       .remedy = Remedy::kOutputIsInput};
        }
      }
    }
    if (S_ISDIR(status.st_mode)) {
      return Error{.code = ErrorCode::kRefused,
                   .message = "the output is a directory",
                   .path = path,
                   .remedy = Remedy::kNameFile};
    }
    if (!S_ISREG(status.st_mode)) {
      return Error{.code = ErrorCode::kRefused,
                   .message = "the output exists and is not a regular file",
                   .path = path,
                   .remedy = Remedy::kNameOutput};
    }
    if (overwrite == Overwrite::kNo) {
      return output_exists(path);
    }
    return check_no_journal(path);
  }

  Result<std::uint64_t> free_bytes(const std::string& path) override {
    struct statvfs status {};
    if (retry([&] { return ::statvfs(parent_of(path).c_str(), &status); }) != 0) {
      return errno == ENOSYS ? Result<std::uint64_t>(kUnknownFreeBytes)
                             : no_output(path, "look at the output's directory");
    }
    return status.f_blocks == 0 ? kUnknownFreeBytes : std::uint64_t{status.f_bavail} * status.f_frsize;
  }

  Result<std::uint64_t> file_system_of(const std::string& path) override {
    struct stat status {};
    if (::stat(parent_of(path).c_str(), &status) != 0) {
      return no_output(path, "look at the output's directory");
    }
    return static_cast<std::uint64_t>(status.st_dev);
  }

  Result<std::shared_ptr<void>> lock_names(const std::string& path, const Progress& progress) override {
    return lock_directory_of(path, progress);
  }

  Status make_directory(const std::string& path) override {
    if (::mkdir(path.c_str(), 0777) != 0) {
      return errno == EEXIST ? ok_status() : Status(no_output(path, "make the directory"));
    }
    return sync_directory_of(path);
  }

  Status check_changeable(const std::string& path) override { return mtpgraft::check_changeable(path); }

  Result<std::unique_ptr<ReadableFile>> open_to_change(const std::string& path) override {
    MTPGRAFT_CHECK(check_no_journal(path));
    return with_meant(path, mtpgraft::open_to_change(path));
  }

  Result<InPlaceMethod> in_place_method(const ReadableFile& file, const InPlaceChange& change) override {
    MTPGRAFT_TRY(const auto* posix, as_posix(file));
    return mtpgraft::in_place_method(*posix, change);
  }

  Result<std::unique_ptr<StagedFile>> stage_in_place(const ReadableFile& file, const InPlaceChange& change,
                                                     InPlaceMethod method) override {
    MTPGRAFT_TRY(const auto* posix, as_posix(file));
    return mtpgraft::stage_in_place(*posix, change, method);
  }

  Result<Recovery> recover(const std::string& path) override {
    if (const auto file = file_of_journal(path); !file.empty()) {
      return Error{.code = ErrorCode::kUsage,
                   .message = fmt::format("'{}' is the journal of its change in place: name the file", path),
                   .path = file,
                   .remedy = Remedy::kRecover};
    }
    if (is_remote(path) || is_folder(path)) {
      return Error{.code = is_remote(path) ? ErrorCode::kUsage : ErrorCode::kIo,
                   .message = is_remote(path) ? "is a URL" : "is a folder",
                   .path = path,
                   .hint = "name the file of this machine that was to be changed in place"};
    }
    return with_meant(path, recover_in_place(path));
  }

 private:
  // With what may have been meant, if nothing has this name.
  template <class T>
  Result<T> with_meant(const std::string& path, Result<T> result) {
    struct stat status {};
    if (!result.ok() && result.error().code == ErrorCode::kIo && !result.error().has_advice() &&
        ::stat(path.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
      result.error().hint = find_meant(path, *this);
    }
    return result;
  }

  // By errno: why there can be no output of this name.
  Error no_output(const std::string& path, std::string_view action) {
    const auto number = errno;
    auto error = output_error(path, action, number);
    if (number == ENOENT || number == ENOTDIR) {
      error.message =
          number == ENOENT ? fmt::format("the directory '{}' does not exist", parent_of(path)) : error.message;
      error.hint = find_meant_output(path, *this);
      if (error.hint.empty()) {
        error.hint = advise_folder(path, *this);
        error.remedy = Remedy::kNameOutput;
      }
    }
    return error;
  }
};

}  // namespace

std::unique_ptr<FileSystem> make_file_system() { return std::make_unique<PosixFileSystem>(); }

}  // namespace mtpgraft
