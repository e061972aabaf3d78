// Which lines of a list are about files, as those of sha256sum are, and not about tensors.
#pragma once

#include <optional>
#include <vector>

#include "mtpgraft/verify.h"

namespace mtpgraft {

// Of each checksum the whole file that it is of, an index into GgufFile::files; nothing: it is of a tensor.
using FilesOfLines = std::vector<std::optional<std::size_t>>;

// Tells the lines of the model's files from those of tensors, and takes out those of other files, whose first name is
// put into `first_other`.
FilesOfLines find_listed_files(const GgufFile& gguf, std::vector<Checksum>& checksums, std::string& first_other);

// As check_listed(), also of whole files.
Result<std::vector<CheckResult>> check_lines(const ReadableFile& file, const GgufFile& gguf,
                                             const std::vector<Checksum>& listed, const FilesOfLines& files,
                                             const Progress& progress);

}  // namespace mtpgraft
