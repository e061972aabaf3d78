// Files in memory, for tests: they behave as file.h promises, tell what was done with them, and hand out exact buffers,
// so that a sanitizer sees every byte read too far.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mtpgraft/file.h"
#include "util/checked.h"

namespace mtpgraft {

using Bytes = std::vector<std::byte>;

class MemoryFile final : public ReadableFile {
 public:
  MemoryFile(std::string path, Bytes bytes) : path_(std::move(path)), bytes_(std::move(bytes)) {}

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  [[nodiscard]] std::uint64_t stored_bytes() const override { return bytes_.size(); }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!range_fits(offset, out.size(), bytes_.size())) {
      return Error{ErrorCode::kIo, "read past the end of the file", path_, offset};
    }
    if (!out.empty()) {
      std::memcpy(out.data(), bytes_.data() + offset, out.size());
    }
    return ok_status();
  }

  [[nodiscard]] Status check_unchanged() const override {
    return changed_ ? Status(Error{ErrorCode::kIo, "the file changed", path_}) : ok_status();
  }

  [[nodiscard]] Permissions permissions() const override { return permissions_of_file; }
  Permissions permissions_of_file = kNewFilePermissions;

  // From now on check_unchanged() fails.
  void pretend_change() { changed_ = true; }

 private:
  std::string path_;
  Bytes bytes_;
  bool changed_ = false;
};

class MemoryFileSystem final : public FileSystem {
 public:
  void put(const std::string& path, Bytes bytes) { files_[path] = std::move(bytes); }

  // What disks differ in.
  struct Abilities {
    std::uint64_t free_bytes = UINT64_MAX;
    bool links = true;
    bool clones = false;
    InPlaceMethod in_place = InPlaceMethod::kClone;
  };
  Abilities abilities;

  // Null if nothing was put or committed there.
  [[nodiscard]] const Bytes* find(const std::string& path) const {
    const auto found = files_.find(path);
    return found != files_.end() ? &found->second : nullptr;
  }
  [[nodiscard]] std::size_t commit_count() const { return commit_count_; }
  [[nodiscard]] std::size_t write_count() const { return write_count_; }

  Result<std::unique_ptr<ReadableFile>> open(const std::string& path) override {
    const auto* bytes = find(path);
    if (bytes == nullptr) {
      return Error{ErrorCode::kIo, "cannot open: no such file", path};
    }
    return std::unique_ptr<ReadableFile>(std::make_unique<MemoryFile>(path, *bytes));
  }

  [[nodiscard]] bool is_folder(const std::string&) const override { return false; }
  Result<bool> exists(const std::string& path) override { return find(path) != nullptr; }
  Status check_inside(const std::string&, const std::string&) const override { return ok_status(); }

  Result<std::unique_ptr<StagedFile>> stage(const std::string& path, std::uint64_t size) override {
    return std::unique_ptr<StagedFile>(std::make_unique<Staged>(*this, path, size));
  }

  Result<std::unique_ptr<StagedFile>> stage_link(const std::string& path, const ReadableFile& file,
                                                 LinkMethod) override {
    if (!abilities.links) {
      return Error{ErrorCode::kIo, "cannot link", path};
    }
    auto staged = std::make_unique<Staged>(*this, path, 0);
    staged->take(*find(file.path()));
    return std::unique_ptr<StagedFile>(std::move(staged));
  }
  Status remove(const std::string& path) override {
    files_.erase(path);
    return ok_status();
  }

  Status check_output(const std::string& path, std::span<const ReadableFile* const> inputs,
                      Overwrite overwrite) override {
    const bool is_input = std::ranges::any_of(inputs, [&](const auto* input) { return input->path() == path; });
    if (is_input || (overwrite == Overwrite::kNo && find(path) != nullptr)) {
      return Error{ErrorCode::kRefused, is_input ? "the output is an input" : "the output exists", path};
    }
    return ok_status();
  }

  Result<std::uint64_t> free_bytes(const std::string&) override { return abilities.free_bytes; }

  Result<std::unique_ptr<ReadableFile>> open_to_change(const std::string& path) override { return open(path); }
  Result<InPlaceMethod> in_place_method(const ReadableFile&, const InPlaceChange&) override {
    return abilities.in_place;
  }
  Result<std::unique_ptr<StagedFile>> stage_in_place(const ReadableFile& file, const InPlaceChange& change,
                                                     InPlaceMethod) override {
    return stage(file.path(), change.new_size);
  }
  Result<Recovery> recover(const std::string&) override { return Recovery::kNothingToDo; }

 private:
  class Staged final : public StagedFile {
   public:
    Staged(MemoryFileSystem& files, std::string path, std::uint64_t size)
        : files_(files), path_(std::move(path)), bytes_(size) {}

    void take(Bytes bytes) { bytes_ = std::move(bytes); }

    Status write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
      ++files_.write_count_;
      if (!range_fits(offset, bytes.size(), bytes_.size())) {
        return Error{ErrorCode::kIo, "write past the promised size", path_, offset};
      }
      std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
      return ok_status();
    }

    Result<std::optional<std::string>> clone_from(const ReadableFile& source, const CopyRange& range) override {
      if (!files_.abilities.clones) {
        return StagedFile::clone_from(source, range);
      }
      MTPGRAFT_CHECK(source.read_at(range.source_offset, std::span(bytes_).subspan(range.offset, range.length)));
      return std::optional<std::string>();
    }

    Result<std::uint64_t> commit(Overwrite overwrite, Durability /*durability*/) override {
      if (overwrite == Overwrite::kNo && files_.find(path_) != nullptr) {
        return Error{ErrorCode::kRefused, "the output exists", path_};
      }
      ++files_.commit_count_;
      const auto size = bytes_.size();
      files_.put(path_, std::move(bytes_));
      return size;
    }

   private:
    MemoryFileSystem& files_;
    std::string path_;
    Bytes bytes_;
  };

  std::map<std::string, Bytes> files_;
  std::size_t commit_count_ = 0;
  std::size_t write_count_ = 0;
};

inline bool keep_going(std::uint64_t /*bytes*/) { return true; }

}  // namespace mtpgraft
