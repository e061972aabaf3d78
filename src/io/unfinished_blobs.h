#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mtpgraft/file.h"

namespace mtpgraft {

// What is being fetched to a store of the Hugging Face cache (util/hub_store.h), or was when that was interrupted: the
// paths of blobs whose names begin so, in quotes, by name.
std::vector<std::string> find_unfinished_blobs(const std::string& store, std::string_view digest,
                                               const FileSource& files);

}  // namespace mtpgraft
