// Tags: parts of a GGUF's name that tell which of a repository's models is meant, as "Q8_0" of "Base-Q8_0.gguf".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mtpgraft {

// Whether what a user writes behind a repository can be a tag: not if it is a pattern, a path or a file's name.
bool is_tag(std::string_view name);

// Whether the name of a file, in whatever folder, has the tag, in upper or lower case. It ends at '-', '.' or where the
// name does.
bool has_tag(std::string_view file, std::string_view tag);

// The tag of these files that `tag` was probably meant to be; empty if there is none.
std::string nearest_tag(std::string_view tag, const std::vector<std::string>& files);

}  // namespace mtpgraft
