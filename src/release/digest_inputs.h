// The SHA-256 of what the grafts of a release are made of, for those that ask for it. Each file is read once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "release/release_job.h"

namespace mtpgraft {

// Of files of this machine, by path.
using KnownDigests = std::map<std::string, std::string>;

// Counts the bytes that are to be read; 0 if no graft asks for digests.
std::uint64_t bytes_to_digest(const std::vector<ReleaseJob>& jobs);

// Fills in those of target and donor, and reads what is not known yet.
Status digest_inputs(ReleaseJob& job, KnownDigests& known, const Progress& progress, FileSystem& files);

}  // namespace mtpgraft
