// Names of outputs, from those of their targets. All here is pure: no file is looked at.
#pragma once

#include <cstddef>
#include <string>

namespace mtpgraft {

// "X-Q6_K.gguf" -> "X-MTP-Q6_K.gguf", in the same directory; "X.gguf" -> "X-MTP.gguf". A name that has
// MTP as a word stays as it is. Several files are named by the first: "X-Q6_K-00001-of-00003.gguf" ->
// "X-MTP-Q6_K-00001-of-00004.gguf".
std::string default_output_path(const std::string& target_path, std::size_t file_count = 1);

// Finds "Q6_K" in "X-MTP-Q6_K.gguf" and in a shard's name; empty if the name does not tell.
std::string quantisation_in_name(const std::string& path);

// Names the first of `file_count` files: "X.gguf" -> "X-00001-of-00004.gguf". A name that is such a one, or is to be
// the only one, stays as it is.
std::string first_output_path(const std::string& path, std::size_t file_count);

}  // namespace mtpgraft
