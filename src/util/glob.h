#pragma once

#include <string_view>

namespace mtpgraft {

// Whether a leading period is matched by "*", "?" and "[...]" too, or only by a period.
enum class LeadingPeriod { kAny, kOnlyPeriod };

// Whether the text has characters that mean something in a pattern.
bool is_pattern(std::string_view text);

// As fnmatch(), byte by byte: "*" and "?" match "/" too, "[a-z]" and "[[:digit:]]" one of a set, "[!a-z]" none of it,
// and a backslash takes away the meaning of what follows it. "[.x.]" and "[=x=]" mean nothing in a set.
bool matches_glob(std::string_view pattern, std::string_view text, LeadingPeriod leading = LeadingPeriod::kAny);

}  // namespace mtpgraft
