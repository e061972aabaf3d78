#include "plan/layout.h"

namespace mtpgraft {

std::string_view Layout::keep(std::string name) { return names_->emplace_back(std::move(name)); }

void Layout::begin(Region::Kind kind, std::string_view name) { regions_.push_back({kind, name, size_, 0}); }

void Layout::begin_padding() {
  const auto& last = regions_.back();
  begin(Region::Kind::kPadding, last.kind == Region::Kind::kTensorInfo ? "" : last.name);
}

void Layout::grow(std::uint64_t length) {
  regions_.back().length += length;
  size_ += length;
}

void Layout::add(Bytes bytes) {
  grow(bytes.size());
  auto* last = segments_.empty() ? nullptr : std::get_if<Literal>(&segments_.back());
  if (last != nullptr) {
    append_bytes(last->bytes, bytes.data(), bytes.size());
  } else {
    segments_.emplace_back(Literal{std::move(bytes)});
  }
}

void Layout::add_copy(Source source, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) {
    return;
  }
  grow(length);
  auto* last = segments_.empty() ? nullptr : std::get_if<Copy>(&segments_.back());
  if (last != nullptr && last->source == source && last->offset + last->length == offset) {
    last->length += length;
  } else {
    segments_.emplace_back(Copy{source, offset, length});
  }
}

void Layout::fill_up_to(std::uint64_t size) {
  const auto length = size - size_;
  if (length != 0) {
    grow(length);
    segments_.emplace_back(Zero{length});
  }
}

void Layout::begin_padding_at(std::uint64_t size) {
  const auto length = size_ - size;
  if (length != 0) {
    regions_.back().length -= length;
    regions_.push_back({Region::Kind::kPadding, regions_.back().name, size, length});
  }
}

void Layout::pad_up_to(std::uint64_t size) {
  if (size != size_) {
    begin_padding();
    fill_up_to(size);
  }
}

void Layout::finish(FilePlan& plan) && {
  plan.segments = std::move(segments_);
  plan.regions = std::move(regions_);
  plan.names = std::move(names_);
  plan.output_size = size_;
}

}  // namespace mtpgraft
