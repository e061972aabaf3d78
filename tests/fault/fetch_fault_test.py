#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lets the n-th system call on the files of the cache go wrong, for n = 1, 2, 3, ..., while a head is fetched, and while
it is read from the cache.

Whatever happens there, the graft must be right or not there, with a message that names a file of the cache and the cause;
and the next graft, without a fault, must be right with what is left in the cache.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fault_test import CUTS, ERRORS, HARMLESS, MODES, make_inputs

TESTS = Path(__file__).resolve().parent.parent


class Fetch:
    def __init__(self, program, faults, folder, url):
        self.program, self.faults, self.url = program, faults, url
        self.work, self.cache, self.names = folder / "work", folder / "cache", folder / "cache.names"
        self.output = self.work / "G.gguf"

    def run(self, donor, fault=None):
        """Its exit code, its message, and which call went wrong."""
        struck = self.cache.with_name("cache.fault")
        for path in (self.output, struck):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.names, ignore_errors=True)
        self.names.mkdir()
        self.cache.mkdir(exist_ok=True)
        environment = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(self.cache), "HOME": str(self.work)}
        if fault:
            environment |= {"FAULT_DIR": str(self.cache), "LD_PRELOAD": str(self.faults), "FAULT": fault}
        done = subprocess.run([self.program, "graft", "T.gguf", donor, "-o", self.output], cwd=self.work, check=False,
                              capture_output=True, env=environment, timeout=60)
        shutil.rmtree(self.names)
        return done.returncode, done.stderr.decode(), struck.read_text() if struck.exists() else ""

    def judge(self, mode, code, message):
        """What is wrong, or None."""
        if code == 0:
            return None if self.output.read_bytes() == self.expected else "another output"
        if self.output.exists() or len(list(self.work.iterdir())) != self.names_in_work:
            return "something is left"
        if mode in CUTS:
            return None if code == -signal.SIGKILL else "was not killed"
        if mode in HARMLESS:
            return "must succeed"
        first = message.split("\n")[0]
        if code != 4 or os.strerror(ERRORS[mode]) not in first or str(self.cache) not in first:
            return "the message tells neither file nor cause"
        return None

    def try_all(self, every):
        """The number of faults, and that of problems."""
        points = problems = 0
        self.run(self.url.rsplit("/", 1)[1])
        self.expected = self.output.read_bytes()
        self.names_in_work = len(list(self.work.iterdir())) - 1
        for is_cached in (False, True):
            for number, mode in enumerate(MODES):
                point = 1 + number % every
                struck = "first"
                while struck:
                    shutil.rmtree(self.cache, ignore_errors=True)
                    if is_cached:
                        self.run(self.url)
                    code, message, struck = self.run(self.url, f"{mode}:{point}")
                    problem = self.judge(mode, code, message)
                    if not problem and struck:
                        again, message_again, _ = self.run(self.url)
                        problem = self.judge("eintr", again, message_again) and f"the next graft: {message_again}"
                    if problem:
                        problems += 1
                        print(f"FAILED: {'cached' if is_cached else 'fetched'}, {mode}:{point} ({struck}), exit code "
                              f"{code}: {problem}\n    {message.strip()}", file=sys.stderr)
                    points += bool(struck)
                    point += every
        return points, problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path, help="mtpgraft")
    parser.add_argument("faults", type=Path, help="faults.so")
    parser.add_argument("--every", type=int, default=20, help="every so many points (%(default)s)")
    options = parser.parse_args()
    if "libcurl" not in subprocess.run([options.program, "--version"], capture_output=True, text=True, check=True).stdout:
        print("SKIPPED: built without libcurl", file=sys.stderr)
        sys.exit(77)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        (folder / "work").mkdir()
        inputs = make_inputs(folder)
        for name in ("T.gguf", "D.gguf"):
            (folder / "work" / name).write_bytes(inputs[name])
        with subprocess.Popen([sys.executable, "-B", TESTS / "support/bad_server.py", folder / "work", os.devnull],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            url = f"http://127.0.0.1:{server.stdout.readline().split()[0]}/good/D.gguf"
            points, problems = Fetch(options.program.resolve(), options.faults.resolve(), folder, url).try_all(options.every)
            server.stdin.close()
    print(f"{points} faults, {problems} problems, {time.monotonic() - start:.0f} s")
    sys.exit(problems > 0)


if __name__ == "__main__":
    main()
