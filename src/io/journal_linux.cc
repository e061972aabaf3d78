#include "io/journal_linux.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "io/file_descriptor.h"
#include "io/io_posix.h"
#include "mtpgraft/digest.h"
#include "util/hash.h"

namespace mtpgraft {
namespace {

constexpr std::size_t kTextBytes = 4096;

// The first block. Its digest leaves out the first line, which changes with the step.
std::string format_journal(const Journal& journal) {
  const auto lines =
      fmt::format("inode {}\nold_size {}\nnew_size {}\ninserted_bytes {}\nold_header_bytes {}\nnew_header_bytes {}\n",
                  journal.inode, journal.old_size, journal.new_size, journal.inserted_bytes, journal.old_header.size(),
                  journal.new_header.size());
  Hasher hasher;
  hasher.update(std::as_bytes(std::span(lines)));
  hasher.update(journal.old_header);
  hasher.update(journal.new_header);
  auto text = fmt::format("{}{}\n{}xxh128 {}\n", kJournalMagic, static_cast<char>(journal.step), lines,
                          to_hex(hasher.finish()));
  text.resize(kTextBytes, '\n');
  return text;
}

}  // namespace

std::uint64_t journal_size(const Journal& journal) {
  return kTextBytes + journal.old_header.size() + journal.new_header.size();
}

Status write_journal(const Journal& journal, StagedFile& file) {
  const auto text = format_journal(journal);
  MTPGRAFT_CHECK(file.write_at(0, std::as_bytes(std::span(text))));
  MTPGRAFT_CHECK(file.write_at(kTextBytes, journal.old_header));
  return file.write_at(kTextBytes + journal.old_header.size(), journal.new_header);
}

Result<Journal> read_journal(const ReadableFile& file) {
  const Error damaged{.code = ErrorCode::kMalformed,
                      .message = "the journal of an in-place change is damaged",
                      .path = file.path(),
                      .hint =
                          "the file it belongs to cannot be mended with it; take the file from its source again, then "
                          "delete the journal"};
  if (file.size() < kTextBytes) {
    return damaged;
  }
  std::string text(kTextBytes, '\0');
  MTPGRAFT_CHECK(file.read_at(0, std::as_writable_bytes(std::span(text))));
  Journal journal;
  journal.step = static_cast<JournalStep>(text[kJournalStepOffset]);
  std::uint64_t old_header_bytes = 0;
  for (const auto& [name, value] : {std::pair<std::string_view, std::uint64_t*>{"\ninode ", &journal.inode},
                                    {"\nold_size ", &journal.old_size},
                                    {"\nnew_size ", &journal.new_size},
                                    {"\ninserted_bytes ", &journal.inserted_bytes},
                                    {"\nold_header_bytes ", &old_header_bytes}}) {
    const auto at = text.find(name);
    if (at == std::string::npos) {
      return damaged;
    }
    std::from_chars(text.data() + at + name.size(), text.data() + text.size(), *value);
  }
  const auto header_bytes = file.size() - kTextBytes;
  if (old_header_bytes > header_bytes) {
    return damaged;
  }
  journal.old_header.resize(old_header_bytes);
  journal.new_header.resize(header_bytes - old_header_bytes);
  MTPGRAFT_CHECK(file.read_at(kTextBytes, journal.old_header));
  MTPGRAFT_CHECK(file.read_at(kTextBytes + old_header_bytes, journal.new_header));
  const bool is_step = journal.step >= JournalStep::kAppend && journal.step <= JournalStep::kHeader;
  // Written again it must be the same text, its digest included.
  return is_step && format_journal(journal) == text ? Result<Journal>(std::move(journal)) : damaged;
}

Status enter_step(const std::string& path, Journal& journal, JournalStep step) {
  const auto name = journal_path(path);
  const FileDescriptor fd(retry([&] { return ::open(name.c_str(), O_WRONLY | O_CLOEXEC); }));
  if (!fd.valid()) {
    return io_error(name, "open");
  }
  const auto byte = static_cast<std::byte>(step);
  MTPGRAFT_CHECK(write_fully(fd.get(), name, kJournalStepOffset, {&byte, 1}));
  MTPGRAFT_CHECK(sync_file(fd.get(), name));
  journal.step = step;
  return ok_status();
}

Status delete_journal(const std::string& path) {
  const auto journal = journal_path(path);
  if (::unlink(journal.c_str()) != 0) {
    return io_error(journal, "delete");
  }
  return sync_directory_of(journal);
}

}  // namespace mtpgraft
