// Signs of downloads and copies that are not done. They prove nothing, so they are warnings: a tensor of zeros may be
// stored as a hole, and the state of a download may outlive it.
#pragma once

#include <vector>

#include "mtpgraft/file.h"
#include "mtpgraft/head.h"
#include "mtpgraft/split.h"

namespace mtpgraft {

// Looks whether other programs have the files open for writing, at the names of the files that the model comes from and
// at what is beside them, and, in files that are stored sparse, for holes in the tensors that `used`, ranges of
// model.file, overlap. Only files of this machine are looked at.
std::vector<Warning> find_unfinished(const OpenedModel& model, const std::vector<ByteRange>& used, FileSource& files);

}  // namespace mtpgraft
