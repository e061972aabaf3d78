// The SHA-256 of the files that an output is made of.
#pragma once

#include <vector>

#include "mtpgraft/job.h"

namespace mtpgraft {

// The files that the bytes of a model come from, with the digests that a server tells. Reads nothing.
std::vector<SourceFile> list_source_files(const ReadableFile& model);

// Reads all of `file` and fills in its digest. Fails with kIo if it changed meanwhile.
Status digest_source(const ReadableFile& file, SourceFile& source, const Progress& progress);

// Reads each file of this machine once, though it may be both.
Result<SourceDigests> digest_sources(const Sources& sources, const Context& context);

}  // namespace mtpgraft
