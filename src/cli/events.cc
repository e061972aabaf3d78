#include "cli/events.h"

#include <cstdio>
#include <new>
#include <optional>

namespace mtpgraft::cli {
namespace {

std::optional<std::string> events_command;

}  // namespace

void begin_events(std::string_view command) { events_command = command; }

bool writes_events() { return events_command.has_value(); }

void write_event(const std::function<std::string(std::string_view command)>& make) {
  try {
    const auto line = make(*events_command);
    // In one call, as threads may write at the same time.
    std::fwrite(line.data(), 1, line.size(), stderr);
    std::fflush(stderr);
  } catch (const std::bad_alloc&) {
    // The work goes on; the next event tells more.
  }
}

}  // namespace mtpgraft::cli
