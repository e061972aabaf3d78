// What the commands hand to the reports. Reports format; they compute nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mtpgraft/cache.h"
#include "mtpgraft/gguf.h"
#include "mtpgraft/plan.h"
#include "mtpgraft/projector.h"
#include "mtpgraft/summary.h"

namespace mtpgraft::report {

struct InspectedFile {
  GgufFile gguf;
  Summary summary;
  std::vector<std::size_t> listed_tensors;  // indices into gguf.tensors
  std::vector<std::size_t> listed_keys;     // indices into gguf.keys
  std::optional<ProjectorFit> mmproj;       // nothing: not asked for
  bool is_checkpoint = false;               // gguf is what its head amounts to
  std::vector<std::string> notes{};         // how it was read, if it is a checkpoint or on a server
  std::optional<GraftClaims> claims{};      // what its record tells; nothing if the file is no graft
  bool is_changeable = true;                // in place, as far as its name tells; asked of placeholders only
  std::vector<Warning> warnings{};          // signs that it is not all there

  [[nodiscard]] bool is_misfit() const { return mmproj && !mmproj->fits.value_or(false); }
};

struct CacheReport {
  std::string directory;
  std::vector<CacheEntry> entries;           // what is there, after it was cleared
  std::optional<std::uint64_t> freed_bytes;  // nothing: it was not to be cleared
};

}  // namespace mtpgraft::report
