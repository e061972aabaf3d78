// POSIX can neither shift blocks nor tell whether another program has a file open.
#include "io/in_place.h"

#include <sys/stat.h>

#include "io/changeable_name.h"
#include "io/io_posix.h"
#include "io/journal_name.h"

namespace mtpgraft {
namespace {

Error refusal(const std::string& path) {
  return {.code = ErrorCode::kRefused,
          .message = "on this system files are not changed in place",
          .path = path,
          .remedy = Remedy::kWriteNewFile};
}

}  // namespace

Status check_changeable(const std::string& path) {
  MTPGRAFT_CHECK(check_own_name(path));
  return refusal(path);
}

// in_place_method() will refuse it, but for a better reason there may be.
Result<std::unique_ptr<ReadableFile>> open_to_change(const std::string& path) {
  MTPGRAFT_CHECK(check_own_name(path));
  MTPGRAFT_TRY(auto file, PosixReadableFile::open(path));
  return std::unique_ptr<ReadableFile>(std::move(file));
}

Result<InPlaceMethod> in_place_method(const PosixReadableFile& file, const InPlaceChange& /*change*/) {
  return refusal(file.path());
}

Result<std::unique_ptr<StagedFile>> stage_in_place(const PosixReadableFile& file, const InPlaceChange& /*change*/,
                                                   InPlaceMethod /*method*/) {
  return refusal(file.path());
}

Result<Recovery> recover_in_place(const std::string& path) {
  MTPGRAFT_CHECK(check_no_link(path));
  MTPGRAFT_TRY(const bool is_interrupted, has_journal(path));
  if (is_interrupted) {
    return Error{.code = ErrorCode::kRefused,
                 .message = "its change in place was begun on Linux, and can be ended only there",
                 .path = path};
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    return input_error(path, "open");
  }
  return S_ISDIR(status.st_mode) ? Result<Recovery>(io_error(path, "open", EISDIR)) : Recovery::kNothingToDo;
}

}  // namespace mtpgraft
