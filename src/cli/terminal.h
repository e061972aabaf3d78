// The terminal, and the signals by which its user ends the program.
#pragma once

namespace mtpgraft::cli {

// Whether the answer is for people, and not for another program.
bool stdout_is_terminal();

// Whether stderr is a terminal that obeys "\r\x1b[K".
bool stderr_erases_lines();

// Gives stdin, stdout and stderr, where the caller has closed them, to nothing, so that no file of the program's gets
// their numbers. Using them fails as before.
void hold_closed_streams();

// From now on SIGINT, SIGTERM and, unless it is ignored, SIGHUP are noted; a second one kills. A pipe that nobody
// reads is an error of the write.
void note_signals();
bool signal_is_noted();

// Ends the program as such a pipe ends others, silently. Does nothing if the caller has them ignore it.
void raise_broken_pipe();

// Ends the program by the noted signal, as its caller expects. Does nothing if there is none.
void raise_noted_signal();

}  // namespace mtpgraft::cli
