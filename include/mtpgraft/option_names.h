// The names of the ways of copying and linking, on the command line and in release plans.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "mtpgraft/job.h"

namespace mtpgraft {

template <class T, std::size_t N>
using Names = std::array<std::pair<std::string_view, T>, N>;

// By name.
inline constexpr Names<CopyMethod, 4> kCopyMethodNames{{{"auto", CopyMethod::kAuto},
                                                        {"buffered", CopyMethod::kBuffered},
                                                        {"clone", CopyMethod::kClone},
                                                        {"kernel", CopyMethod::kKernel}}};
inline constexpr Names<Link, 5> kLinkNames{{{"auto", Link::kAuto},
                                            {"clone", Link::kClone},
                                            {"copy", Link::kCopy},
                                            {"hard", Link::kHard},
                                            {"sym", Link::kSymbolic}}};

}  // namespace mtpgraft
