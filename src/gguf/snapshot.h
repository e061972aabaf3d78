// Folders of the Hugging Face cache (util/hub_store.h) in the place of a model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/file.h"

namespace mtpgraft {

// Whether a file of this name can be a model, or the first file of one: a GGUF that is neither a projector nor an
// importance matrix.
bool is_model_name(std::string_view path);

// Whether it is called as the files that have little but a head.
bool is_sidecar_name(std::string_view path);

// The paths of the models in a snapshot, also in its folders.
std::vector<std::string> list_snapshot_models(const std::string& snapshot, const FileSource& files);

// The path of the model that a path means: for a store or a snapshot its only model that is no sidecar, or its only
// sidecar; any other path itself. Fails with kUsage if that leaves a choice, with kIo for folders without a model.
Result<std::string> find_model(const std::string& path, FileSource& files);

}  // namespace mtpgraft
