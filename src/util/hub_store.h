// Names in the cache that huggingface_hub and llama.cpp keep of the Hugging Face Hub's files:
//
//   models--OWNER--NAME/refs/REVISION           has its commit, in 40 digits
//   models--OWNER--NAME/snapshots/COMMIT/FILE   a link to ../../blobs/DIGEST; a copy where there are no links
//   models--OWNER--NAME/blobs/DIGEST            with ".incomplete" behind it while it is fetched
//
// A store is one folder models--OWNER--NAME.
#pragma once

#include <string>
#include <string_view>

namespace mtpgraft {

// The store of the repository "OWNER/NAME".
std::string hub_store_name(std::string_view repository);

// The repository of a store's name; empty for other names.
std::string hub_store_repository(std::string_view name);

// The beginning of the path that is a store, if the path ends there or goes on to one of its snapshots; else empty.
std::string_view hub_store_of(std::string_view path);

}  // namespace mtpgraft
