"""Sends a program a signal as soon as it has a file open: signal_when_open.py SIGNAL FILE PROGRAM ARGUMENT...

The program is stopped at each system call until then, so that the moment does not depend on the machine. Ends with its
exit code, or 128 and the number of the signal that ended it, as a shell does.
"""

import ctypes
import os
import signal
import sys

PTRACE_TRACEME, PTRACE_DETACH, PTRACE_SYSCALL = 0, 17, 24
ptrace = ctypes.CDLL(None).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]

number, path, *command = sys.argv[1:]
number = signal.Signals["SIG" + number]


def has_it_open(pid):
    folder = f"/proc/{pid}/fd"
    return any(os.path.samestat(os.stat(f"{folder}/{name}"), os.stat(path)) for name in os.listdir(folder))


pid = os.fork()
if pid == 0:
    ptrace(PTRACE_TRACEME, 0, None, None)
    os.execv(command[0], command)
_, status = os.waitpid(pid, 0)
while os.WIFSTOPPED(status) and not (os.path.exists(path) and has_it_open(pid)):
    stopped_by = os.WSTOPSIG(status)
    ptrace(PTRACE_SYSCALL, pid, None, None if stopped_by == signal.SIGTRAP else stopped_by)
    _, status = os.waitpid(pid, 0)
if not os.WIFSTOPPED(status):
    sys.exit(f"it ended before it had {path} open")
ptrace(PTRACE_DETACH, pid, None, number)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(128 - code if code < 0 else code)
