// Collects the segments and regions of an output in the order of its bytes.
#pragma once

#include <string>

#include "gguf/serialize.h"
#include "mtpgraft/file_plan.h"

namespace mtpgraft {

class Layout {
 public:
  [[nodiscard]] std::uint64_t size() const { return size_; }

  // Names the bytes added until the next begin().
  void begin(Region::Kind kind, std::string name = {});

  void add(Bytes bytes);
  // Names the bytes added until the next begin() as padding of what stands before them.
  void begin_padding();
  // Joined with the last segment if it goes on where that one ends.
  void add_copy(Source source, std::uint64_t offset, std::uint64_t length);
  // Zeros up to this size, as a region of padding.
  void pad_up_to(std::uint64_t size);

  void finish(FilePlan& plan) &&;

 private:
  void grow(std::uint64_t length);

  std::vector<Segment> segments_;
  std::vector<Region> regions_;
  std::uint64_t size_ = 0;
};

}  // namespace mtpgraft
