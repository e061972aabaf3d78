"""when.py CONDITION ACTION COMMAND...: runs ACTION in a shell when CONDITION has become true of the command, which waits
meanwhile and is $pid. Ends with the command's exit code, 128 + N for signal N.

  read=BYTES    it has read so much
  staged=DIR    it has an output in DIR that has no name yet, or a hidden one, larger than the block with which cloning is tried
  there=FILE    the file is there
  gone=FILE     the file is not there
  lease         it holds a lease

It is traced from one system call of its first thread to the next, so that no moment is missed; it has one core, so that
files which are verified are read by that thread.
"""
import ctypes
import os
import re
import signal
import subprocess
import sys

PTRACE_TRACEME, PTRACE_DETACH, PTRACE_SYSCALL = 0, 17, 24
ptrace = ctypes.CDLL(None).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
(kind, _, value), action, command = sys.argv[1].partition("="), sys.argv[2], sys.argv[3:]

pid = os.fork()
if pid == 0:
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    ptrace(PTRACE_TRACEME, 0, None, None)
    os.execv(command[0], command)
_, status = os.waitpid(pid, 0)


def bytes_read():
    with open(f"/proc/{pid}/io") as io:
        return int(re.search(r"rchar: (\d+)", io.read())[1])


def has_staged():
    for fd in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{fd}"
        try:
            directory, name = os.path.split(os.readlink(path))
            if directory == os.path.realpath(value) and name.startswith(("#", ".mtpgraft-")) and os.stat(path).st_size > 4096:
                return True
        except FileNotFoundError:
            pass
    return False


def holds_lease():
    with open("/proc/locks") as locks:
        return re.search(rf"LEASE .* {pid} ", locks.read()) is not None


start = bytes_read()
is_true = {
    "read": lambda: bytes_read() - start >= int(value),
    "staged": has_staged,
    "there": lambda: os.path.exists(value),
    "gone": lambda: not os.path.exists(value),
    "lease": holds_lease,
}[kind]
while os.WIFSTOPPED(status) and not is_true():
    stopped_by = os.WSTOPSIG(status)
    ptrace(PTRACE_SYSCALL, pid, None, None if stopped_by == signal.SIGTRAP else stopped_by)
    _, status = os.waitpid(pid, 0)
if not os.WIFSTOPPED(status):
    sys.exit(f"it was over before: {sys.argv[1]}")
subprocess.run(["bash", "-c", action], env=os.environ | {"pid": str(pid)})
ptrace(PTRACE_DETACH, pid, None, None)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(128 - code if code < 0 else code)
