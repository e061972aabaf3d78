#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the corpus of hostile files through the program, and prints the table that docs/attacks.md holds: for each attack
what it is, and exit code and message of each command. Exits with 1 if a run crashed, took too much time or memory, left
an output that it should not, or let a control character out, in a pipe or on a terminal.
"""

import argparse
import json
import os
import pty
import re
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

SOURCE_DIR = Path(__file__).resolve().parents[2]

SECONDS_MAX = 1.0  # of the processor
MEMORY_MAX = 64 << 20
# These stop what runs away.
ADDRESS_SPACE_MAX = 4 << 30
CPU_SECONDS_MAX = 2
ADMITTED_EXITS = {0, 1, 2, 3, 4, 5}
MESSAGE_BYTES_MAX = 2000
SHOWN_LINES = 6
STREAM_BYTES_READ = 1 << 20

INTRODUCTION = """\
# Attacks

Hostile files that the tests give to every command which reads such a file, and the exact message that comes back. The
page is written by `tests/cli/attacks.py --table PROGRAM`, and `ctest -R cli.attacks` compares it with what the program
says; the files are made by `tests/support/attacks.py`, a second implementation of the formats. Each run ends within
{seconds:.0f} second of processor time and {memory} MiB of resident memory, leaves no output unless it succeeds, then one that can
be read, and lets no control character out.

`graft to` and `graft from` have the attack as target and as donor. Where no commands are named, all that get the file
say the same. "Accepted" is exit code 0: the file is odd, but right for that command. `FILE` is the attack's own path. Of
exit code 1 the findings are shown, which go to stdout.

{count} attacks, {runs} runs.
"""


def unprintable(data):
    """What a terminal would not just show: everything but printable text and newlines."""
    text = data.decode("utf-8", "surrogateescape")
    return sorted({c for c in text if c != "\n" and not c.isprintable()} | {c for c in text if "\udc80" <= c <= "\udcff"})


def command_line(attack, line):
    names = {"TARGET": "target.gguf", "DONOR": "donor.gguf", "BIG": "big.gguf"}
    return [names.get(word) or word.replace("FILE", attack["file"]) for word in line.split()]


class Runner:
    def __init__(self, program, folder):
        self.program = program
        self.folder = folder
        self.runs = 0
        self.failures = []
        self.slowest = (0, "")
        self.largest = (0, "")

    def run(self, attack, line, *options):
        """The exit code, and what the table shows of the output."""
        arguments = command_line(attack, line) + list(options)
        with open(self.folder / "stdout", "w+b") as out, open(self.folder / "stderr", "w+b") as err:
            child = subprocess.Popen([self.program, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=err)
            resource.prlimit(child.pid, resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
            _, status, usage = os.wait4(child.pid, 0)
            code = child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            stdout, stderr = out.read(STREAM_BYTES_READ), err.read(STREAM_BYTES_READ)
        self.runs += 1
        fail = lambda what: self.failures.append(f"{attack['name']}: {what}: mtpgraft {ascii(' '.join(arguments))}")
        self.check(attack["name"], fail, code, usage)
        # What checksum prints for other programs has names as they are.
        for stream in (stderr,) if arguments[0] == "checksum" else (stdout, stderr):
            if bad := unprintable(stream):
                fail(f"control characters {bad}")
        if "--json" in options:
            if not stdout.isascii() or stdout.count(b"\n") != 1:
                fail("JSON that is not one line of ASCII")
        elif code not in (0, 1) and "--mmproj" not in arguments:
            if stdout:
                fail("text on stdout")
            if not stderr.startswith(b"mtpgraft: ") or len(stderr) > MESSAGE_BYTES_MAX:
                fail(f"a message of {len(stderr)} bytes: {stderr[:100]!r}")
        self.check_output(fail, code)
        message = stderr
        if code != 0 and stdout and "--json" not in options:
            message = b"".join(line for line in stdout.splitlines(True) if code == 1 or b"  mmproj " in line) + stderr
        return code, message.decode("utf-8", "replace").replace(shown(attack["file"]), "FILE")

    def check(self, name, fail, code, usage):
        seconds, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10
        self.slowest = max(self.slowest, (seconds, name))
        self.largest = max(self.largest, (memory, name))
        if code not in ADMITTED_EXITS:
            fail(f"exit code {code}")
        if seconds > SECONDS_MAX:
            fail(f"{seconds:.2f} s")
        if memory > MEMORY_MAX:
            fail(f"{memory >> 20} MiB")

    def check_output(self, fail, code):
        output = self.folder / "out.gguf"
        if not output.exists():
            return
        if code != 0:
            fail("an output is left")
        if subprocess.run([self.program, "inspect", "-q", output], capture_output=True).returncode != 0:
            fail("the output cannot be read")
        output.unlink()

    def run_on_terminal(self, attack, line):
        """As run(), with a terminal for both streams."""
        arguments = command_line(attack, line)
        ours, theirs = pty.openpty()
        child = subprocess.Popen([self.program, *arguments], cwd=self.folder, stdin=theirs, stdout=theirs, stderr=theirs,
                                 env={**os.environ, "TERM": "xterm"})
        os.close(theirs)
        seen = b""
        try:
            while chunk := os.read(ours, 1 << 16):
                seen += chunk
        except OSError:  # EIO: nobody has the other end open
            pass
        os.close(ours)
        child.wait()
        (self.folder / "out.gguf").unlink(missing_ok=True)
        self.runs += 1
        # The terminal's own line ends, and the program's way to erase its progress line.
        seen = seen.replace(b"\r\n", b"\n").replace(b"\r\x1b[K", b"")
        if not seen or (bad := unprintable(seen)):
            self.failures.append(f"{attack['name']}: on a terminal {bad if seen else 'nothing'}: {ascii(arguments)}")


def shown(path):
    """As the program shows a path."""
    escaped = {"\n": "\\n", "\t": "\\t"}
    return "".join(c if c.isprintable() else escaped.get(c) or "".join(
        f"\\x{byte:02x}" for byte in c.encode("utf-8", "surrogateescape")) for c in path)


def cell(text):
    return re.sub(r"([\\|*_`<])", r"\\\1", text)


def describe(outcomes):
    """Of each outcome the commands that have it, the most frequent first, without names if it is the only one."""
    groups = {}
    for label, outcome in outcomes.items():
        groups.setdefault(outcome, []).append(label)
    parts = []
    for (code, message), labels in sorted(groups.items(), key=lambda item: -len(item[1])):
        lines = [re.sub(r"^(mtpgraft|FILE): ", "", line.strip()) for line in message.splitlines()]
        if len(lines) > SHOWN_LINES:
            lines[SHOWN_LINES - 1:] = [f"and {len(lines) - SHOWN_LINES + 1} lines more"]
        text = ": ".join([f"exit {code}" if code else "accepted"] + ([" / ".join(map(cell, lines))] if lines else []))
        parts.append(text if len(groups) == 1 else f"**{', '.join(labels)}** {text}")
    return "<br>".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path)
    parser.add_argument("--table", action="store_true", help="print the table (else only what fails)")
    parser.add_argument("--only", default="", metavar="REGEX", help="only attacks whose name matches")
    parser.add_argument("--statistics", action="store_true", help="print numbers on stderr")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_MAX, ADDRESS_SPACE_MAX))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: what it needs of memory would count as that of the children of this one.
        subprocess.run([sys.executable, "-B", SOURCE_DIR / "tests/support/attacks.py", folder], check=True)
        runner = Runner(arguments.program.resolve(), folder)
        names = Counter()
        rows = []
        section = ""
        for attack in json.loads((folder / "index.json").read_text()):
            if not re.search(arguments.only, attack["name"]):
                continue
            names[attack["name"]] += 1
            if attack["section"] != section:
                section = attack["section"]
                rows.append(f"\n## {section}\n\n| name | attack | message |\n|---|---|---|\n")
            outcomes = {label: runner.run(attack, line) for label, line in attack["commands"].items()}
            rows.append(f"| {cell(attack['name'])} | {cell(attack['what'])} | {describe(outcomes)} |\n")
            if "ugly" in attack["name"]:
                for line in attack["commands"].values():
                    runner.run(attack, line, "--json")
                    runner.run_on_terminal(attack, line)
        runner.failures += [f"{name}: this name stands twice" for name, count in names.items() if count > 1]
    if arguments.table:
        print(INTRODUCTION.format(seconds=SECONDS_MAX, memory=MEMORY_MAX >> 20, count=len(names), runs=runner.runs),
              *rows, sep="", end="")
    for failure in runner.failures:
        print(failure, file=sys.stderr)
    if arguments.statistics:
        print(f"{len(names)} attacks, {runner.runs} runs; the slowest {runner.slowest[0]:.2f} s ({runner.slowest[1]}), "
              f"the largest {runner.largest[0] >> 20} MiB ({runner.largest[1]})", file=sys.stderr)
    return 1 if runner.failures else 0


if __name__ == "__main__":
    sys.exit(main())
