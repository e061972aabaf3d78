// What a caller lends to work on files: where they are, and who is told how far it is.
#pragma once

#include <cstdint>
#include <functional>

#include "mtpgraft/file.h"

namespace mtpgraft {

// Parts of the work that take time.
enum class Phase : std::uint8_t {
  kPlan,      // opening files, and what is to be written of them
  kFetch,     // what comes over the network for a donor
  kReadHead,  // the donor's head, for its digest
  kWrite,
  kVerify,    // comparing what is there with what is planned
  kCheck,     // of a release, all that can be checked before tensor data are read
  kChecksum,  // an output that must be read again for its checksums
  kWait,      // for another program that gives files of the same directory their names
};

struct Context {
  FileSystem& files;  // must outlive everything that was opened through it
  // Called when a phase begins; its progress is called from one thread at a time, and may ask the work to stop. An
  // empty function, or an empty progress, means that nobody is told. `total_bytes` is 0 where it is not known.
  std::function<Progress(Phase phase, std::uint64_t total_bytes)> start{};

  [[nodiscard]] Progress begin(Phase phase, std::uint64_t total_bytes) const {
    return start ? start(phase, total_bytes) : Progress();
  }
};

}  // namespace mtpgraft
