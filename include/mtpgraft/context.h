// Says where the files of a job are, and who is told how far it is.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "mtpgraft/file.h"

namespace mtpgraft {

// Parts of the work that take time.
enum class Phase : std::uint8_t {
  kPlan,      // opens the files and plans what is to be written; tells of no bytes
  kFetch,     // receives bytes of a donor over the network; may begin while another phase goes on
  kReadHead,  // reads the donor's head for its digest
  kWrite,     // writes all files of an output
  kVerify,    // compares what is there with what is planned
  kCheck,     // checks the grafts of a release before tensor data are read
  kChecksum,  // reads an output again for its checksums, or sources for their digests
  kWait,      // waits for others who give files of the same directory their names; tells of no bytes
};

// Tells of a request to a server that brought nothing, and will be sent again.
struct Retry {
  std::string path;  // the file, as messages have it, or a URL; without query
  int next_try = 2;  // the number of the try that comes, from 2 on
  int tries_max = 0;
  std::string reason;  // as the error's message would be
  std::chrono::milliseconds pause{};
};

// Cheap to copy. The library keeps copies of `start`, not of the context: a donor on a server calls it for as long as
// it is open.
struct Context {
  FileSystem& files;  // must outlive everything that was opened through it, jobs and donors among them

  // Is called when a phase begins. Returns what is told of the bytes done in this phase, and can ask the work to stop.
  // Both may be empty: then nobody is told. `total_bytes` is 0 where it is not known; the bytes that are told of may
  // end below it, as small pieces are not counted. Calls come from the thread that called the library or from threads
  // of its own, which end before that call returns. One progress is called by one thread at a time. Only the progress
  // of kFetch can be called while another one is, by another thread. Callbacks must not throw, and must not call the
  // library for the same job.
  std::function<Progress(Phase phase, std::uint64_t total_bytes)> start{};

  // Is called, if it is set, when a request is to be sent again, by the thread that calls the progress of kFetch. The
  // library keeps copies of it as of `start`.
  std::function<void(const Retry& retry)> tell_retry{};

  // Calls `start` if it is set.
  [[nodiscard]] Progress begin(Phase phase, std::uint64_t total_bytes) const {
    return start ? start(phase, total_bytes) : Progress();
  }
};

}  // namespace mtpgraft
