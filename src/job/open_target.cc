#include "job/open_target.h"

#include <memory>
#include <utility>

#include "gguf/foreign.h"

namespace mtpgraft {
namespace {

Result<OpenedModel> open_to_change(const std::string& path, FileSystem& files) {
  const Error split{.code = ErrorCode::kRefused,
                    .message = "a split model is not changed in place",
                    .path = path,
                    .remedy = Remedy::kLeaveOutInPlace};
  if (files.is_folder(path)) {
    return refuse_folder(path, files);
  }
  auto opened = files.open_to_change(path);
  if (!opened.ok()) {
    // To be told of another name, and then that this is one of several files, would be twice in vain.
    const auto model = open_model(files, path);
    return model.ok() && model.value().gguf.is_split() ? split : opened.error();
  }
  const std::shared_ptr<const ReadableFile> file = std::move(opened).value();
  auto gguf = parse_gguf(*file);
  if (!gguf.ok()) {
    return explain_beside(std::move(gguf.error()), files);
  }
  if (is_lone_shard(gguf.value())) {
    return split;
  }
  return OpenedModel{file, std::move(gguf.value())};
}

}  // namespace

Result<OpenedModel> open_target(const std::string& path, const OutputRequest& output, FileSystem& files) {
  if (path.empty()) {
    return Error{.code = ErrorCode::kUsage, .message = "the model has no name"};
  }
  return output.in_place ? open_to_change(path, files) : open_model(files, path);
}

}  // namespace mtpgraft
