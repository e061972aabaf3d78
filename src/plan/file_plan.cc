#include "mtpgraft/file_plan.h"

namespace mtpgraft {

std::uint64_t segment_length(const Segment& segment) {
  if (const auto* literal = std::get_if<Literal>(&segment)) {
    return literal->bytes.size();
  }
  if (const auto* copy = std::get_if<Copy>(&segment)) {
    return copy->length;
  }
  return std::get<Zero>(segment).length;
}

}  // namespace mtpgraft
