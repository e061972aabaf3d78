#include "util/wrong_output.h"

#include <fmt/core.h>

#include "util/parse.h"
#include "util/path.h"
#include "util/spelling.h"
#include "util/text.h"

namespace mtpgraft {
namespace {

Error wrong(std::string message, const std::string& path, std::string hint) {
  return {.code = ErrorCode::kUsage, .message = std::move(message), .path = path, .hint = std::move(hint)};
}

}  // namespace

std::optional<Error> find_wrong_output(const std::string& path) {
  const auto scheme = lowered(path.substr(0, path.find("://")));
  if (scheme.size() < path.size() && scheme != "file") {
    return wrong("this is a URL, and what is written is a file of this machine", path, "give the name of a file");
  }
  const auto name = base_name(path);
  const auto folder = path.substr(0, path.size() - name.size());
  if (folder.ends_with("./")) {
    return std::nullopt;
  }
  const auto literal = fmt::format("to have just this name, write {}", shell_quoted(folder + "./" + name));
  if (path.starts_with('-')) {
    return wrong("this is an option, or looks like one, and the name of a file is missing", path,
                 "give the name of a file; " + literal);
  }
  if (const auto spelling = find_slip(path)) {
    return wrong("this is hardly the name that was meant", path,
                 fmt::format("did you mean {}? {}; {}", quoted_name(spelling->path), spelling->reason, literal));
  }
  return std::nullopt;
}

}  // namespace mtpgraft
