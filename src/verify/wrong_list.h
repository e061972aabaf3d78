// What a list of checksums is that cannot be used, and what to do with it: it is of another algorithm, or has another
// form.
#pragma once

#include <string>
#include <string_view>

#include "mtpgraft/result.h"

namespace mtpgraft {

// Whether the name of a list says that its digests are MD5: "MD5SUMS", "Model.gguf.md5".
bool names_md5(const std::string& list_path);

// The error of a list whose text has no checksum that could be compared with the model's.
Error explain_wrong_list(std::string_view text, const std::string& list_path, const std::string& model_path);

}  // namespace mtpgraft
