// --progress=json: what goes to stderr are events, for programs that follow the work.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace mtpgraft::cli {

// From now on all that is said on stderr are events of this command, or of none yet.
void begin_events(std::string_view command);
bool writes_events();

// Writes what `make(command)` returns, whole, and at once. That nobody reads it is no error.
void write_event(const std::function<std::string(std::string_view command)>& make);

}  // namespace mtpgraft::cli
