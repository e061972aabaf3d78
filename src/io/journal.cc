#include "io/journal.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "io/file_descriptor.h"
#include "io/posix_io.h"
#include "mtpgraft/digest.h"
#include "util/hash.h"

namespace mtpgraft {
namespace {

constexpr std::string_view kSuffix = ".mtpgraft-journal";
constexpr std::size_t kTextBytes = 4096;

// The lines below the first, which must not change with the step.
std::string describe(const Journal& journal) {
  return fmt::format(
      "inode {}\nold_size {}\nnew_size {}\ninserted_bytes {}\nold_header_bytes {}\nnew_header_bytes {}\n",
      journal.inode, journal.old_size, journal.new_size, journal.inserted_bytes, journal.old_header.size(),
      journal.new_header.size());
}

std::string digest_line(const std::string& text, const Journal& journal) {
  Hasher hasher;
  hasher.update(std::as_bytes(std::span(text)));
  hasher.update(journal.old_header);
  hasher.update(journal.new_header);
  return fmt::format("xxh128 {}\n", to_hex(hasher.finish()));
}

}  // namespace

std::string journal_path(const std::string& path) {
  auto name = real_path(path);
  name += kSuffix;
  return name;
}

bool has_journal(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(journal_path(path), error);
}

std::vector<std::byte> write_journal(const Journal& journal) {
  const auto description = describe(journal);
  auto text = fmt::format("{}{}\n{}{}", kJournalMagic, static_cast<char>(journal.step), description,
                          digest_line(description, journal));
  text.resize(kTextBytes, '\n');
  const auto text_bytes = std::as_bytes(std::span(text));
  std::vector<std::byte> bytes(kTextBytes);
  std::ranges::copy(text_bytes, bytes.begin());
  bytes.insert(bytes.end(), journal.old_header.begin(), journal.old_header.end());
  bytes.insert(bytes.end(), journal.new_header.begin(), journal.new_header.end());
  return bytes;
}

Result<Journal> parse_journal(const std::string& path, std::span<const std::byte> bytes) {
  const Error damaged{ErrorCode::kMalformed,
                      "the journal of an in-place graft is damaged",
                      path,
                      {},
                      "the file it belongs to cannot be mended with it; take the file from its source again, then "
                      "delete the journal"};
  if (bytes.size() < kTextBytes) {
    return damaged;
  }
  const std::string text(reinterpret_cast<const char*>(bytes.data()), kTextBytes);
  Journal journal;
  journal.step = static_cast<JournalStep>(text[kJournalStepOffset]);
  std::uint64_t old_header_bytes = 0;
  std::uint64_t new_header_bytes = 0;
  for (const auto& [name, value] : {std::pair<std::string_view, std::uint64_t*>{"\ninode ", &journal.inode},
                                    {"\nold_size ", &journal.old_size},
                                    {"\nnew_size ", &journal.new_size},
                                    {"\ninserted_bytes ", &journal.inserted_bytes},
                                    {"\nold_header_bytes ", &old_header_bytes},
                                    {"\nnew_header_bytes ", &new_header_bytes}}) {
    const auto at = text.find(name);
    if (at == std::string::npos) {
      return damaged;
    }
    std::from_chars(text.data() + at + name.size(), text.data() + text.size(), *value);
  }
  const auto headers = bytes.subspan(kTextBytes);
  if (old_header_bytes > headers.size() || new_header_bytes != headers.size() - old_header_bytes) {
    return damaged;
  }
  const auto old_header = headers.first(old_header_bytes);
  const auto new_header = headers.subspan(old_header_bytes);
  journal.old_header.assign(old_header.begin(), old_header.end());
  journal.new_header.assign(new_header.begin(), new_header.end());
  const bool is_step = journal.step >= JournalStep::kAppend && journal.step <= JournalStep::kHeader;
  // Writing it again must give the same bytes, its digest included.
  return is_step && std::ranges::equal(write_journal(journal), bytes) ? Result<Journal>(std::move(journal)) : damaged;
}

Status set_journal_step(const std::string& path, JournalStep step) {
  const auto journal = journal_path(path);
  const FileDescriptor fd(::open(journal.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return io_error(journal, "open");
  }
  const auto byte = static_cast<std::byte>(step);
  MTPGRAFT_CHECK(write_fully(fd.get(), journal, kJournalStepOffset, {&byte, 1}));
  return sync_file(fd.get(), journal);
}

Status delete_journal(const std::string& path) {
  const auto journal = journal_path(path);
  if (::unlink(journal.c_str()) != 0) {
    return io_error(journal, "delete");
  }
  return sync_directory_of(journal);
}

}  // namespace mtpgraft
