// Collects the segments and regions of an output in the order of its bytes.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/serialize.h"
#include "mtpgraft/file_plan.h"

namespace mtpgraft {

class Layout {
 public:
  [[nodiscard]] std::uint64_t size() const { return size_; }

  // Keeps a name for begin() and for the plan.
  std::string_view keep(std::string name);

  // Names the bytes added until the next begin(). `name` is one that is kept, or lives as long as the program.
  void begin(Region::Kind kind, std::string_view name = {});

  // Takes memory for as many regions at once.
  void reserve(std::size_t region_count) { regions_.reserve(region_count); }

  [[nodiscard]] std::size_t region_count() const { return regions_.size(); }
  [[nodiscard]] const Region& region(std::size_t index) const { return regions_[index]; }

  void add(Bytes bytes);
  // Names the bytes added until the next begin() as padding of what stands before them.
  void begin_padding();
  // Joined with the last segment if it goes on where that one ends.
  void add_copy(Source source, std::uint64_t offset, std::uint64_t length);
  // Zeros up to this size, as more of what was begun last.
  void fill_up_to(std::uint64_t size);
  // Names what was begun last padding from this size on.
  void begin_padding_at(std::uint64_t size);
  // Zeros up to this size, as a region of padding.
  void pad_up_to(std::uint64_t size);

  void finish(FilePlan& plan) &&;

 private:
  void grow(std::uint64_t length);

  std::vector<Segment> segments_;
  std::vector<Region> regions_;
  std::shared_ptr<std::deque<std::string>> names_ = std::make_shared<std::deque<std::string>>();
  std::uint64_t size_ = 0;
};

}  // namespace mtpgraft
