// A donor whose head has another type than the file on disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mtpgraft/file.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/plan.h"

namespace mtpgraft {

struct ConvertOptions {
  std::uint32_t type;       // ggml type id for the head's matrices: F32, F16, BF16, Q8_0, or what ggml can make
  std::string ggml_path{};  // ggml's library or its directory; empty: it is looked for, where the type needs it
  // Whether it is looked for beyond MTPGRAFT_GGML: beside a llama-server on PATH, then where the system's libraries
  // are.
  bool searches_ggml = true;
  // Whether quantised matrices become F32, F16 or BF16, if that is the type: what they have lost stays lost.
  bool dequantizes = false;
};

struct ConvertedDonor {
  std::shared_ptr<const ReadableFile> file;  // a whole GGUF, made from the donor while it is read; keeps that open
  std::vector<Warning> warnings;             // name tensors that could not get the type
  std::vector<std::string> dequantized;      // the types of matrices that were quantised
  std::string ggml_version;                  // the ggml that makes the data; empty if none is needed
  std::string ggml_path;                     // its library; likewise
};

// Whether `path` is the very library, or its directory, that a user named: by `named` or, where that is empty, by
// MTPGRAFT_GGML.
bool is_named_ggml(const std::string& path, const std::string& named);

// Makes of `donor`, whose parse is `gguf`, one with the matrices of its head in another type. Converts nothing yet. The
// ggml that it loads stays in the program. Fails with kUsage for a type
// that heads cannot have, with kIncompatible if a matrix is not F32, F16 or BF16 (with
// `dequantizes` if its type is not known), and with kIo or kUnsupported if there
// is no ggml that can make the type.
Result<ConvertedDonor> convert_head(const std::shared_ptr<const ReadableFile>& donor, const GgufFile& gguf,
                                    const ConvertOptions& options);

}  // namespace mtpgraft
