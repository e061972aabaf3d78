"""at_journal.py ACTION TARGET COMMAND...: stops COMMAND, which changes TARGET in place, when the journal is there and
nothing else is changed, runs ACTION with bash, which may use $pid and $target, lets it go on, and exits with its code.
An action that opens the target would wait for ever. COMMAND is traced from one system call to the next, so that none
is missed.
"""
import ctypes
import os
import signal
import subprocess
import sys

PTRACE_TRACEME, PTRACE_DETACH, PTRACE_SYSCALL = 0, 17, 24
ptrace = ctypes.CDLL(None).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
action, target, *command = sys.argv[1:]
old_size = os.path.getsize(target)
journal = target + ".mtpgraft-journal"

pid = os.fork()
if pid == 0:
    ptrace(PTRACE_TRACEME, 0, None, None)
    os.execv(command[0], command)
_, status = os.waitpid(pid, 0)
while os.WIFSTOPPED(status) and not os.path.exists(journal):
    stopped_by = os.WSTOPSIG(status)
    ptrace(PTRACE_SYSCALL, pid, None, None if stopped_by == signal.SIGTRAP else stopped_by)
    _, status = os.waitpid(pid, 0)
if not os.WIFSTOPPED(status):
    sys.exit("it ended without a journal")
assert os.path.getsize(target) == old_size, "the target has changed before the journal was there"
ptrace(PTRACE_DETACH, pid, None, signal.SIGSTOP)
os.waitpid(pid, os.WUNTRACED)
subprocess.run(["bash", "-c", action], env=os.environ | {"pid": str(pid), "target": target}, check=True)
os.kill(pid, signal.SIGCONT)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(128 - code if code < 0 else code)
