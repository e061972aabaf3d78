#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lets the n-th system call on a model's files go wrong, for n = 1, 2, 3, ... until the command gets through.

For each command line and each way to fail (the modes of faults.cc) the real program runs with faults.so. Afterwards the
inputs must be what they were, the output whole or not there, nothing left behind, and the message must name file and
cause. Power cuts in a change in place are followed by `recover`, which is cut short at each of its calls, too.

Without --all only every few points are tried, others for each command and mode, so that this stays short; but every cut
of a change in place, and every end of copying in the kernel, as there one point is all that tells a fault. Which of
several threads makes the n-th call can differ from run to run; what must hold afterwards does not.
"""

import argparse
import collections
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from gguf_file import I32, U16, U32, GgufFile, Tensor  # noqa: E402

ERRORS = {"eio": errno.EIO, "dead": errno.EIO, "enospc": errno.ENOSPC, "edquot": errno.EDQUOT, "eperm": errno.EPERM,
          "sync": errno.EIO}
COPIES = ("copy_nothing", "copy_exdev", "copy_unsupported")
HARMLESS = ("eintr", "short_read", "short_write", *COPIES)
CUTS = ("cut_none", "cut_last", "cut_all")
MODES = (*ERRORS, *HARMLESS, *CUTS)

# Calls that may fail without harm, if the result is right all the same: hints, questions with another way to go on, links
# in whose place there are copies, closing what is synced or thrown away, and removing what was only a trial. Without
# fstat and ioctl it is not known what two files share, and `verify` says so.
OPTIONAL = {"access", "close", "fstat", "fstatfs", "ioctl", "link", "lseek", "posix_fadvise", "stat", "symlink",
            "sync_file_range", "unlink"}

JOURNAL = ".mtpgraft-journal"
HIDDEN = ".mtpgraft-"
GOLDEN = Path(__file__).resolve().parent.parent / "golden"
I8 = 24


def make_inputs(folder):
    """Small models: name -> bytes."""
    def target(body_bytes=0):
        model = GgufFile.read(GOLDEN / "tiny-qwen35-target.gguf")
        if body_bytes:
            data = bytes(range(1, 252)) * (body_bytes // 251 + 1)
            model.tensors.append(Tensor("blk.0.bulk.weight", (body_bytes,), I8, data[:body_bytes]))
        return model

    def encode(model):
        model.write(folder / "model")
        # Without holes, as a file is that was downloaded.
        return (folder / "model").read_bytes()

    def shards(model, counts):
        first = 0
        for number, count in enumerate(counts):
            shard = GgufFile(model.version, dict(model.keys) if number == 0 else {}, model.tensors[first:first + count])
            shard.set("split.no", U16, number)
            shard.set("split.count", U16, len(counts))
            shard.set("split.tensors.count", I32, len(model.tensors))
            first += count
            yield f"S-{number + 1:05d}-of-{len(counts):05d}.gguf", encode(shard)

    placeholder = target()
    for key in ("block_count", "nextn_predict_layers"):
        placeholder.set(f"qwen35.{key}", U32, placeholder.arch_value(key, 0) + 1)
    count = len(target().tensors)
    return {
        "T.gguf": encode(target()),
        "Big.gguf": encode(target(100_000)),
        "Long.gguf": encode(target(1_300_000)),  # as long as it takes to be read ahead by a thread
        "Placeholder.gguf": encode(placeholder),
        "D.gguf": (GOLDEN / "tiny-qwen35-donor.gguf").read_bytes(),
        **dict(shards(target(), [10, count - 20, 10])),
    }


def without_free_space(answer):
    """Others write to the disk, too."""
    return re.sub(rb"[0-9.]+ ([KMGT]iB|bytes) free", b"N free", answer)


class Scenario:
    def __init__(self, name, command, inputs, *, fs="here", changes=None, may_stay=(), hides=False, prepare=(),
                 replaces=(), lacks=""):
        self.name = f"{name} on {fs}" if fs != "here" else name
        self.command = command.split()
        self.inputs = inputs          # names
        self.fs = fs
        self.changes = changes        # the file that is changed in place
        self.may_stay = may_stay      # outputs that are complete before others are begun
        self.hides = hides            # whether a hidden name may be left if the program is killed
        self.prepare = prepare        # (arguments, fault) of the commands before
        self.replaces = replaces      # outputs that exist before
        self.lacks = lacks            # what the file system cannot do (FAULT_LACKS)
        # Where a name cannot be given and be kept free at once, an empty file holds it for a moment.
        self.holds_name = "link" in lacks and "noreplace" in lacks and not replaces


def all_scenarios():
    shards = [f"S-{i:05d}-of-00003.gguf" for i in (1, 2, 3)]
    graft_shards = [f"G-{i:05d}-of-00004.gguf" for i in (1, 2, 3, 4)]
    graft = "graft T.gguf D.gguf -o G.gguf"
    in_place = "graft --in-place T.gguf D.gguf"
    made = ((graft, None),)
    return [
        Scenario("inspect", "inspect T.gguf", ["T.gguf"]),
        Scenario("checksum", "checksum T.gguf", ["T.gguf"]),
        Scenario("verify", "verify G.gguf", ["T.gguf", "D.gguf"], prepare=made),
        Scenario("verify --target", "verify G.gguf --target T.gguf --donor D.gguf", ["T.gguf", "D.gguf"], prepare=made),
        Scenario("verify -c", "verify G.gguf -c T.sums", ["T.gguf", "D.gguf"],
                 prepare=((f"{graft} --checksums T.sums", None),)),
        Scenario("graft", graft, ["T.gguf", "D.gguf"]),
        Scenario("graft --dry-run", f"{graft} --dry-run", ["T.gguf", "D.gguf"]),
        Scenario("graft, buffered", f"{graft} --copy=buffered", ["T.gguf", "D.gguf"]),
        Scenario("graft, by the kernel", f"{graft} --copy=kernel", ["T.gguf", "D.gguf"]),
        Scenario("graft, read ahead", "graft Long.gguf D.gguf -o G.gguf", ["Long.gguf", "D.gguf"]),
        Scenario("graft --force", f"{graft} --force", ["T.gguf", "D.gguf"], replaces=["G.gguf"], hides=True),
        Scenario("graft without O_TMPFILE", graft, ["T.gguf", "D.gguf"], hides=True, lacks="tmpfile"),
        Scenario("graft without links", graft, ["T.gguf", "D.gguf"], hides=True, lacks="link"),
        Scenario("graft without links --force", f"{graft} --force", ["T.gguf", "D.gguf"], replaces=["G.gguf"],
                 hides=True, lacks="link"),
        *(Scenario(f"{name}, by an empty file", command, ["T.gguf", "D.gguf"], hides=True, lacks="link noreplace",
                   may_stay=stays)
          for name, command, stays in (
              ("graft", graft, ()), ("graft --checksums", f"{graft} --checksums G.sums", ["G.gguf"]),
              ("graft --split-head", "graft T.gguf D.gguf --split-head -o G.gguf", ()))),
        Scenario("graft of shards without links", "graft S-00001-of-00003.gguf D.gguf -o G.gguf",
                 [*shards, "D.gguf"], hides=True, lacks="link"),
        Scenario("graft --checksums", f"{graft} --checksums G.sums", ["T.gguf", "D.gguf"], may_stay=["G.gguf"]),
        Scenario("graft --split-head", "graft T.gguf D.gguf --split-head -o G.gguf", ["T.gguf", "D.gguf"], hides=True),
        Scenario("graft of shards, hard links", "graft S-00001-of-00003.gguf D.gguf -o G.gguf", [*shards, "D.gguf"],
                 hides=True),
        Scenario("graft of shards, symbolic links", "graft --link=sym S-00001-of-00003.gguf D.gguf -o G.gguf",
                 [*shards, "D.gguf"], hides=True),
        Scenario("graft of shards, copies", "graft --link=copy S-00001-of-00003.gguf D.gguf -o G.gguf",
                 [*shards, "D.gguf"]),
        Scenario("graft of shards --force", "graft --force S-00001-of-00003.gguf D.gguf -o G.gguf",
                 [*shards, "D.gguf"], replaces=graft_shards, hides=True),
        Scenario("graft of shards --merge", "graft --merge S-00001-of-00003.gguf D.gguf -o G.gguf",
                 [*shards, "D.gguf"]),
        Scenario("extract", "extract G.gguf -o H.gguf", ["T.gguf", "D.gguf"], prepare=made),
        Scenario("extract --for", "extract D.gguf --for T.gguf -o H.gguf", ["T.gguf", "D.gguf"]),
        Scenario("strip", "strip G.gguf -o O.gguf", ["T.gguf", "D.gguf"], prepare=made),
        Scenario("strip --in-place, same size", "strip --in-place Placeholder.gguf", ["Placeholder.gguf"],
                 changes="Placeholder.gguf"),
        Scenario("graft --in-place", in_place, ["T.gguf", "D.gguf"], fs="ext4", changes="T.gguf"),
        Scenario("graft --in-place --checksums", f"{in_place} --checksums T.sums", ["T.gguf", "D.gguf"], fs="ext4",
                 changes="T.gguf", may_stay=["T.gguf"]),
        Scenario("strip --in-place", "strip --in-place T.gguf", ["T.gguf", "D.gguf"], fs="ext4", changes="T.gguf",
                 prepare=((in_place, None),)),
        *(Scenario(f"recover {what}", "recover T.gguf", ["T.gguf", "D.gguf"], fs="ext4", changes="T.gguf",
                   prepare=((in_place, fault),))
          for what, fault in (("before the insertion", "cut_all:10"), ("after the insertion", "cut_all:15"),
                              ("before the end", "cut_all:18"))),
        Scenario("graft --copy=clone", "graft --copy=clone Big.gguf D.gguf -o G.gguf", ["Big.gguf", "D.gguf"],
                 fs="xfs"),
        Scenario("graft --checksums, cloned", "graft Big.gguf D.gguf -o G.gguf --checksums G.sums",
                 ["Big.gguf", "D.gguf"], fs="xfs", may_stay=["G.gguf"]),
        Scenario("verify --trust-shared-extents", "verify G.gguf --target Big.gguf --donor D.gguf "
                 "--trust-shared-extents", ["Big.gguf", "D.gguf"], fs="xfs",
                 prepare=(("graft Big.gguf D.gguf -o G.gguf", None),)),
        Scenario("graft --in-place", "graft --in-place Big.gguf D.gguf", ["Big.gguf", "D.gguf"], fs="xfs",
                 changes="Big.gguf", hides=True),
        Scenario("strip --in-place", "strip --in-place Big.gguf", ["Big.gguf", "D.gguf"], fs="xfs", changes="Big.gguf",
                 hides=True, prepare=(("graft --in-place Big.gguf D.gguf", None),)),
    ]


class Mounts:
    """Directories on the file systems of the scenarios: the temporary one, and fresh ones in images."""
    MAKE = {"ext4": ("64M", "mkfs.ext4", "-q", "-F", "-m", "0"), "xfs": ("300M", "mkfs.xfs", "-q")}

    def __init__(self, scratch):
        self.scratch = scratch
        self.folders = {"here": scratch}
        self.lacking = {}

    def folder(self, fs):
        if fs not in self.folders and fs not in self.lacking:
            self._mount(fs)
        return self.folders.get(fs)

    def _mount(self, fs):
        size, *make = self.MAKE[fs]
        folder, image = self.scratch / fs, self.scratch / f"{fs}.img"
        if os.geteuid() != 0:
            self.lacking[fs] = "only root can mount a file system"
            return
        with open(image, "wb") as file:
            file.truncate({"M": 1 << 20}[size[-1]] * int(size[:-1]))
        folder.mkdir()
        try:
            for command in ([*make, image], ["mount", "-o", "loop", image, folder]):
                subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.lacking[fs] = f"no {fs}: {getattr(error, 'stderr', '') or error}".strip()
            return
        self.folders[fs] = folder

    def close(self):
        for fs in self.folders.keys() - {"here"}:
            subprocess.run(["umount", self.folders[fs]], check=False)


Outcome = collections.namedtuple("Outcome", "code stdout stderr fault files")


class Place:
    """The directory that a scenario runs in, and what the program does there."""

    def __init__(self, options, scenario, folder, inputs):
        self.options, self.scenario = options, scenario
        self.work = folder / "work"
        self.names = folder / "work.names"
        self.fault_file = folder / "work.fault"
        self.inputs = {name: inputs[name] for name in scenario.inputs}
        self.environment = {"PATH": os.environ["PATH"], "FAULT_DIR": str(self.work),
                            "LD_PRELOAD": str(options.faults)}
        self.environment["FAULT_LACKS"] = scenario.lacks

    def reset(self):
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        for name, data in self.inputs.items():
            (self.work / name).write_bytes(data)
        for name in self.scenario.replaces:
            (self.work / name).write_bytes(b"old " + name.encode())
        for arguments, fault in self.scenario.prepare:
            self.run(arguments.split(), fault)

    def run(self, arguments, fault=None):
        shutil.rmtree(self.names, ignore_errors=True)
        self.names.mkdir()
        self.fault_file.unlink(missing_ok=True)
        try:
            done = subprocess.run([self.options.program, *arguments], cwd=self.work, capture_output=True, check=False,
                                  env={**self.environment, "FAULT": fault or "eio:1000000000"},
                                  stdin=subprocess.DEVNULL, timeout=60)
        except subprocess.TimeoutExpired:
            sys.exit(f"FAILED: {self.scenario.name}, {fault}: hangs")
        shutil.rmtree(self.names)
        struck = self.fault_file.read_text() if self.fault_file.exists() else ""
        return Outcome(done.returncode, done.stdout, done.stderr.decode(), struck, self.files())

    def files(self):
        return {entry.name: b"-> " + os.fsencode(os.readlink(entry.path)) if entry.is_symlink()
                else Path(entry.path).read_bytes() for entry in os.scandir(self.work)}


class Trial(Place):
    """A scenario under all its faults."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.points = collections.Counter()
        self.problems = 0
        self.reset()
        self.before = self.files()
        done = self.run(self.scenario.command)
        self.after, self.stdout = done.files, done.stdout
        if done.code != 0:
            raise SystemExit(f"{self.scenario.name} fails without a fault:\n{done.stderr}")
        # The old and the new state of a change in place. One that `recover` is to end has begun with the inputs.
        changes = self.scenario.changes
        if changes:
            old = {name: data for name, data in self.before.items() if name != changes + JOURNAL}
            self.ends = [old, self.after]
            if changes + JOURNAL in self.before:
                self.ends = [{**self.inputs}, self.grafted()]

    def grafted(self):
        self.reset_to_inputs()
        self.run(self.scenario.prepare[-1][0].split())
        return self.files()

    def reset_to_inputs(self):
        prepare, self.scenario.prepare = self.scenario.prepare, ()
        self.reset()
        self.scenario.prepare = prepare

    def try_mode(self, mode):
        in_full = self.options.all or mode in COPIES or (self.scenario.changes and mode in CUTS)
        every = 1 if in_full else self.options.every
        point = 1 + zlib.crc32(f"{self.scenario.name} {mode}".encode()) % every
        while True:
            self.reset()
            outcome = self.run(self.scenario.command, f"{mode}:{point}")
            problem = self.judge(mode, outcome)
            if problem:
                self.report(f"{mode}:{point}", outcome, problem)
            if not outcome.fault:
                return
            self.points[mode] += 1
            if self.scenario.changes and mode in CUTS:
                self.cut_recovery(mode, point)
            point += every

    def report(self, fault, outcome, problem):
        self.problems += 1
        print(f"FAILED: {self.scenario.name}, {fault} ({outcome.fault or 'not reached'}), exit code {outcome.code}: "
              f"{problem}\n    {outcome.stderr.strip()}", file=sys.stderr)

    def judge(self, mode, outcome):
        """What is wrong, or None."""
        if not outcome.fault or mode in HARMLESS:
            if outcome.code != 0:
                return "must succeed"
            return self.judge_success(outcome)
        if mode in CUTS:
            if outcome.code != -signal.SIGKILL:
                return "was not killed"
        elif outcome.code == 0:
            call, _, name = outcome.fault.partition(" ")
            # Not permitted: then the name is given in another way.
            is_other_way = mode == "eperm" and call == "renameat2"
            if not (call in OPTIONAL or is_other_way) or (call == "stat" and name.endswith(JOURNAL)):
                return "does not report the failure"
            return self.judge_success(outcome, same_answer=call not in ("fstat", "ioctl"))
        else:
            problem = self.judge_message(mode, outcome)
            if problem:
                return problem
        return self.judge_change(mode, outcome) if self.scenario.changes else self.judge_outputs(mode, outcome)

    def judge_success(self, outcome, same_answer=True):
        files = {name: data for name, data in outcome.files.items()
                 if not (name.startswith(HIDDEN) and outcome.fault.startswith("unlink"))}
        if files != self.after:
            return f"another result: {self.differences(files, self.after)}"
        answers = without_free_space(outcome.stdout), without_free_space(self.stdout)
        if same_answer and self.after == self.before and answers[0] != answers[1]:
            return "another answer"
        return None

    def judge_message(self, mode, outcome):
        first = outcome.stderr.split("\n")[0]
        if outcome.code != 4:
            return "should exit with 4"
        if os.strerror(ERRORS[mode]) not in first:
            return "the message does not tell the cause"
        if not any(name in first for name in (*self.before, *self.after, *self.scenario.command[1:])):
            return "the message names no file"
        return None

    @staticmethod
    def differences(files, expected):
        names = [f"{name}: {'left over' if name not in expected else 'missing' if name not in files else 'differs'}"
                 for name in sorted({*files, *expected}) if files.get(name) != expected.get(name)]
        return ", ".join(names)

    def judge_outputs(self, mode, outcome):
        """Of a command that writes new files, after an error or a cut."""
        cannot_clean_up = mode in (*CUTS, "dead") or outcome.fault.startswith("unlink")
        # A cut at the end, too, brings back a name that was removed.
        may_hide = self.scenario.hides and (cannot_clean_up or mode == "sync")
        files = {name: data for name, data in outcome.files.items() if not (name.startswith(HIDDEN) and may_hide)}
        if self.scenario.holds_name and cannot_clean_up:
            files = {name: data for name, data in files.items() if data or name not in self.after}
        for name, data in self.before.items():
            if name not in self.scenario.replaces and files.get(name) != data:
                return f"the input {name} has changed"
        for name, data in files.items():
            if data not in (self.before.get(name), self.after.get(name)):
                return f"{name} is left, and incomplete"
        made = [name for name in files if files[name] != self.before.get(name)]
        outputs = [name for name in self.after if self.after[name] != self.before.get(name)]
        first = min(outputs, default="")
        if cannot_clean_up or self.scenario.replaces or mode == "sync":
            # Old and new files never make up one model.
            is_new = first in files and files[first] == self.after[first]
            if is_new and {*made} not in ({*outputs}, {*self.scenario.may_stay}):
                return f"{first} is there without {', '.join({*outputs} - {*made})}"
            if first in self.scenario.replaces and files.get(first) == self.before[first] and made:
                return f"the old {first} stands beside new files"
            if self.scenario.replaces == ["G.gguf"] and "G.gguf" not in files:
                return "the old output is gone, and no new one there"
        elif made and {*made} != {*self.scenario.may_stay}:
            return f"left: {', '.join(made)}"
        return None

    def judge_change(self, mode, outcome):
        """Of a change in place, after an error or a cut."""
        files = outcome.files
        if self.scenario.changes + JOURNAL in files:
            recovered = self.run(["recover", self.scenario.changes])
            if recovered.code != 0:
                return f"recover fails: {recovered.stderr.strip()}"
            files = recovered.files
        if self.scenario.hides and mode in (*CUTS, "dead"):
            files = {name: data for name, data in files.items() if not name.startswith(HIDDEN)}
        ends = [*self.ends]
        if self.scenario.may_stay:
            ends += [{**self.ends[0], name: self.after[name]} for name in self.scenario.may_stay]
        if files not in ends:
            return f"neither old nor new: {self.differences(files, self.ends[0])}"
        return None

    def cut_recovery(self, mode, point):
        """Cuts `recover` after such a cut, at each of its calls."""
        at = 1
        while True:
            self.reset()
            outcome = self.run(self.scenario.command, f"{mode}:{point}")
            if self.scenario.changes + JOURNAL not in outcome.files:
                return
            outcome = self.run(["recover", self.scenario.changes], f"{mode}:{at}")
            if not outcome.fault:
                return
            self.points["recover, " + mode] += 1
            problem = self.judge_change(mode, outcome)
            if problem:
                self.report(f"{mode}:{point}, then recover with {mode}:{at}", outcome, problem)
            at += 1


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path, help="mtpgraft")
    parser.add_argument("faults", type=Path, help="faults.so")
    parser.add_argument("--all", action="store_true", help="try every point")
    parser.add_argument("--every", type=int, default=10, help="without --all: every so many points (%(default)s)")
    parser.add_argument("--only", default="", help="only scenarios with this in their name")
    parser.add_argument("--mode", choices=MODES, action="append", help="only this mode")
    options = parser.parse_args()
    options.program, options.faults = options.program.resolve(), options.faults.resolve()
    return options


def main():
    options = parse_options()
    start = time.monotonic()
    points = collections.Counter()
    problems = 0
    scenarios = [scenario for scenario in all_scenarios() if options.only in scenario.name]
    tried = 0
    with tempfile.TemporaryDirectory() as scratch:
        mounts = Mounts(Path(scratch).resolve())
        try:
            inputs = make_inputs(mounts.scratch)
            for scenario in scenarios:
                folder = mounts.folder(scenario.fs)
                if folder is None:
                    continue
                tried += 1
                trial = Trial(options, scenario, folder, inputs)
                for mode in options.mode or MODES:
                    trial.try_mode(mode)
                points += trial.points
                problems += trial.problems
        finally:
            mounts.close()
    for fs, reason in mounts.lacking.items():
        if os.environ.get("CI") == "true":
            problems += 1
            print(f"FAILED: scenarios on {fs}: {reason} (CI=true)", file=sys.stderr)
        else:
            print(f"SKIPPED: scenarios on {fs}: {reason}", file=sys.stderr)
    print(f"{tried} scenarios, {points.total()} fault points in {time.monotonic() - start:.0f} s, "
          f"{problems} problems")
    for mode, count in points.items():
        print(f"  {mode:18}{count:6}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
