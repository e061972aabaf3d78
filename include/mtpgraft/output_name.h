// Names of outputs, from those of their targets. All here is pure: no file is looked at.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mtpgraft {

// "X-Q6_K.gguf" -> "X-MTP-Q6_K.gguf", in the same directory; "X.gguf" -> "X-MTP.gguf", and so does "X.GGUF" or
// "X.gguf.part". A name that has MTP as a word stays as it is. Several files are named by the first:
// "X-Q6_K-00001-of-00003.gguf" -> "X-MTP-Q6_K-00001-of-00004.gguf".
std::string default_output_path(const std::string& target_path, std::size_t file_count = 1);

// The path by which default_output_path() is to name the output of a target. It is the target's own, unless that is
// stored under a digest, as in the caches of Hugging Face and Ollama: `real_path`, which is where the target leads if
// it is a symbolic link, and else the same, has a digest's name, lies below a directory "blobs", or in a snapshot of
// Hugging Face's. Nothing is to be added there, so the name is then one in the current directory: that of the link; of
// one that is called by a digest too, what a file name can have of `model_name`, the key general.name; or "model.gguf".
std::string naming_path(const std::string& target_path, const std::string& real_path, std::string_view model_name);

// The file name of a head's own file, as programs that download look for it: "mtp-Base-Q8_0.gguf" for a head whose
// matrices are Q8_0. `model_path` names the model that it is of or for; what its name tells of MTP and of another type
// is left out: "Base-MTP-BF16.gguf", "mtp-Base-Q8_0.gguf" and a checkpoint's folder "Base" all give that name, and so
// do "Base/model.safetensors" and "models--OWNER--Base".
std::string head_file_name(const std::string& model_path, std::string_view type);

// Finds "Q6_K" in "X-MTP-Q6_K.gguf" and in a shard's name; empty if the name does not tell.
std::string quantisation_in_name(const std::string& path);

// Names the first of `file_count` files: "X.gguf" -> "X-00001-of-00004.gguf". A name that is such a one, or is to be
// the only one, stays as it is.
std::string first_output_path(const std::string& path, std::size_t file_count);

}  // namespace mtpgraft
