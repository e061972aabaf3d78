// The terminal, and the signals by which its user ends the program.
#pragma once

namespace mtpgraft::cli {

// Whether the answer is for people, and not for another program.
bool stdout_is_terminal();

// Whether stderr is a terminal that obeys "\r\x1b[K".
bool stderr_erases_lines();

// From now on SIGINT, SIGTERM and, unless it is ignored, SIGHUP are noted; a second one kills.
void note_signals();
bool signal_is_noted();

// Ends the program by the noted signal, as its caller expects. Does nothing if there is none.
void raise_noted_signal();

}  // namespace mtpgraft::cli
