#!/usr/bin/env python3
"""The parts of bench.sh: makes the models, measures, prints the rows of the table."""

import argparse
import functools
import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/support"))
sys.dont_write_bytecode = True

from gguf_file import BLOCK, Q8_0, GgufFile, Sparse, Tensor  # noqa: E402

MTPGRAFT = str(ROOT / "build/release/mtpgraft")
MIB = 1 << 20
MAX_PEAK = 48 * MIB
ONE_CPU = ("taskset", "-c", str(min(os.sched_getaffinity(0))))


class Failure(Exception):
    def __str__(self):
        return "; ".join(super().__str__().replace("|", "/").splitlines())


@dataclass
class Run:
    seconds: float
    peak: int     # bytes
    written: int  # bytes


def written_bytes():
    """By this process, which writes nothing in a run, and the children that it has waited for."""
    counters = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counters["write_bytes"])


def run(argv):
    """Under GNU time, because a child of Python would have at least the memory of Python for its peak."""
    before = written_bytes()
    with tempfile.NamedTemporaryFile("r") as peak, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        result = subprocess.run(["time", "-f", "%M", "-o", peak.name, *map(str, argv)],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        seconds = time.perf_counter() - start
        if result.returncode:
            errors.seek(0)
            raise Failure(errors.read() or f"{argv[0]}: exit code {result.returncode}")
        return Run(seconds, int(peak.read()) * 1024, written_bytes() - before)


def output(*argv):
    result = subprocess.run(argv, capture_output=True, text=True)
    if result.returncode:
        raise Failure(result.stderr or result.stdout or f"{argv[0]}: exit code {result.returncode}")
    return result.stdout or result.stderr  # xxhsum prints its version on stderr


@dataclass
class Command:
    name: str
    argv: list
    prepare: object = lambda: None  # before each run, not timed
    check: object = lambda: None    # after the first run


def alternate(commands, runs):
    """name -> list of Run, or a Failure. Runs all in turns; the first turn fills the caches, and does not count.
    Every other turn is in reverse order: what a disk wrote just before changes its speed."""
    results = {command.name: [] for command in commands}
    for turn in range(runs + 1):
        for command in commands[::-1 if turn % 2 else 1]:
            if isinstance(results[command.name], Failure):
                continue
            if turn == 0:
                print(f"measuring: {command.name}", file=sys.stderr)
            try:
                command.prepare()
                os.sync()
                result = run(command.argv)
                if turn == 0:
                    command.check()
                else:
                    results[command.name].append(result)
            except Failure as failure:
                results[command.name] = failure
    for name, result in results.items():
        if not isinstance(result, Failure):
            print(f"{name}:", *(duration(run.seconds) for run in result), sep="  ", file=sys.stderr)
    return results


class Table:
    failed = False

    def __init__(self, results):
        self.results = results

    def row(self, ours, theirs=None, at_most=None, bandwidth_at_least=None, seconds_at_most=None):
        runs, others = self.results[ours], self.results.get(theirs)
        for name, result in ((ours, runs), (theirs, others)):
            if isinstance(result, Failure):
                Table.failed = True
                cells(ours, f"failed: {name}: {result}")
                return
        seconds = median(run.seconds for run in runs)
        peak = max(run.peak for run in runs)
        if theirs:
            against = median(run.seconds for run in others)
            ratio = against / seconds if bandwidth_at_least else seconds / against
        goal, met = "", True
        if at_most:
            goal, met = f"≤ {at_most:.2f} x", ratio <= at_most
        elif bandwidth_at_least:
            goal, met = f"≥ {bandwidth_at_least:.2f} x bandwidth", ratio >= bandwidth_at_least
        elif seconds_at_most:
            goal, met = f"≤ {duration(seconds_at_most)}", seconds <= seconds_at_most
        if peak > MAX_PEAK:
            met = False
        comparison = (theirs, duration(against), f"{ratio:.2f}") if theirs else ("", "", "")
        verdict = "no" if not met else "yes" if goal else ""
        cells(ours, duration(seconds), *comparison, goal, verdict, f"{peak / MIB:.1f} MiB",
              megabytes(median(run.written for run in runs)))


def cells(*texts):
    print("|", " | ".join(texts + ("",) * (9 - len(texts))), "|", flush=True)


def duration(seconds):
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def megabytes(size):
    return f"{size / 1e6:.1f} MB"


def remover(*paths):
    def remove():
        for path in paths:
            path.unlink(missing_ok=True)
    return remove


def same_bytes(path, other):
    def check():
        run(["cmp", path, other])
    return check


class Models:
    def __init__(self, folder):
        self.folder = folder
        self.target, self.donor = folder / "target.gguf", folder / "donor.gguf"
        self.out = folder / "out.gguf"

    @functools.cached_property
    def plan(self):
        text = output(MTPGRAFT, "graft", "--dry-run", "--json", "-q", self.target, self.donor,
                      "-o", self.folder / "plan.gguf")
        return json.loads(text)["result"]

    @functools.cached_property
    def reference(self):
        """A graft that shares no extent with the target, proven to be right."""
        path = self.folder / "reference.gguf"
        if path.exists():
            return path
        run([MTPGRAFT, "graft", "-q", "--copy=buffered", self.target, self.donor, "-o", path])
        run([MTPGRAFT, "verify", path, "--target", self.target, "--donor", self.donor])
        return path

    def graft(self, name, *options):
        return Command(name, [MTPGRAFT, "graft", "-q", self.target, self.donor, "-o", self.out, *options],
                       remover(self.out), same_bytes(self.out, self.reference))

    def write_head(self):
        head = self.folder / "head.bin"
        return Command("dd of the head, fsync",
                       ["dd", f"if={self.donor}", f"of={head}", "bs=8M", "iflag=count_bytes",
                        f"count={self.plan['head']['bytes']}", "conv=fsync", "status=none"], remover(head))


def make_models(folder, body_mb, head_mb):
    """The bundled models, each enlarged by tensors of random bytes in the blocks that are copied. These are matrices
    of a type that a head may have, and those of the last trunk block have the shapes of the head's."""
    rng = random.Random(1)
    columns, row = BLOCK[Q8_0]
    target, donor = (GgufFile.read(ROOT / f"tests/models/{name}.gguf")
                     for name in ("target-12L-Q4_K_M", "mtp-base-8L-Q8_0"))

    def rows_of(megabytes, tensors, matrices):
        present = sum(len(tensor.data) for tensor in tensors)
        return max(megabytes * 1_000_000 - present, MIB) // matrices // row

    head_rows = rows_of(head_mb, [tensor for tensor in donor.tensors if ".8." in tensor.name], 8)
    trunk_rows = rows_of(body_mb - head_mb, target.tensors, 88)
    for name, model, rows_by_block in (("target", target, {**dict.fromkeys(range(11), trunk_rows), 11: head_rows}),
                                       ("donor", donor, {8: head_rows})):
        added = [Tensor(f"blk.{block}.bulk_{i}.weight", (columns, rows), Q8_0, Sparse(rows * row))
                 for block, rows in rows_by_block.items() for i in range(8)]
        model.tensors += added
        path = folder / f"{name}.gguf"
        model.write(path)
        with open(path, "r+b") as file:
            for tensor in GgufFile.read(path).tensors[-len(added):]:
                file.seek(tensor.data.offset)
                length, piece = len(tensor.data), MIB // row * row
                for start in range(0, length, piece):
                    data = bytearray(rng.randbytes(min(piece, length - start)))
                    data[1::row] = b"\x2c" * (len(data) // row)  # the scales: no NaN, which would be warned of
                    file.write(data)


def print_facts(folder, body_mb, head_mb, runs):
    file_system = output("findmnt", "-n", "-o", "FSTYPE", "-T", folder).strip()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if memory < 4 * body_mb * 1_000_000:
        print("warning: three files of this size do not fit into the page cache", file=sys.stderr)
    processor = next((line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines()
                      if line.startswith("model name")), platform.machine())
    versions = [output(MTPGRAFT, "--version").strip(), output("cp", "--version").splitlines()[0],
                output("cmp", "--version").splitlines()[0], output("xxhsum", "--version").split(" by ")[0]]
    print(f"{date.today()}, Linux {platform.release()}, {file_system}, {len(os.sched_getaffinity(0))} cores of "
          f"{processor}, {memory / (1 << 30):.1f} GiB; {', '.join(versions)}. Body {body_mb} MB, head {head_mb} MB, "
          f"medians of {runs} runs.\n")
    cells("what", "median", "against", "median", "ratio", "goal", "met", "peak memory", "written")
    cells(*["---"] * 9)


def measure_copying(models, name, cp, runs):
    sums = models.folder / "out.sums"
    paths = [models.graft(f"graft --copy={how}, {name}", f"--copy={how}") for how in ("kernel", "buffered")]
    with_sums = models.graft(f"graft --checksums, {name}", "--checksums", str(sums))
    with_sums.prepare = remover(models.out, sums)
    # All of it, as one after the other is what the option saves.
    graft_and_sum = Command("graft, then checksum",
                            ["sh", "-c", '"$0" graft -q "$1" "$2" -o "$3" && "$0" checksum "$3"',
                             MTPGRAFT, models.target, models.donor, models.out], remover(models.out))
    copy = Command(f"{cp}, sync", ["sh", "-c", f'{cp} "$0" "$1" && sync "$1"', models.reference, models.out],
                   remover(models.out))
    table = Table(alternate([*paths, copy, with_sums, graft_and_sum], runs))
    for path in paths:
        table.row(path.name, copy.name, at_most=1.05)
    table.row(with_sums.name, graft_and_sum.name)
    models.out.unlink(missing_ok=True)


def measure_cloning(models, name, runs):
    clone = models.graft(f"graft --copy=clone, {name}", "--copy=clone")
    measure_new_bytes(models, clone)
    copy = Command("cp --reflink=always, sync",
                   ["sh", "-c", 'cp --reflink=always "$0" "$1" && sync "$1"', models.target, models.out],
                   remover(models.out))
    head = models.write_head()
    table = Table(alternate([clone, head, copy], runs))
    table.row(clone.name, head.name, at_most=1.5)
    table.row(clone.name, copy.name)
    clone.prepare()
    run(clone.argv)
    verify = [MTPGRAFT, "verify", models.out, "--target", models.target, "--donor", models.donor]
    trusting = Command(f"verify --trust-shared-extents, {name}", [*verify, "--trust-shared-extents"])
    table = Table(alternate([trusting, Command("verify", verify)], runs))
    table.row(trusting.name, "verify")
    for path in (models.out, models.reference):
        path.unlink(missing_ok=True)


def measure_new_bytes(models, clone):
    """Of the whole file system: what has been shared is counted for each file that has it."""
    os.sync()
    before = os.statvfs(models.folder)
    try:
        run(clone.argv)
    except Failure as failure:
        Table.failed = True
        cells(f"{clone.name}: new bytes on disk", f"failed: {failure}")
        return
    os.sync()
    after = os.statvfs(models.folder)
    new = before.f_bfree * before.f_frsize - after.f_bfree * after.f_frsize
    limit = models.plan["head"]["bytes"] + models.plan["data_offset"] + MIB
    cells(f"{clone.name}: new bytes on disk", megabytes(new), "head + header + 1 MiB", megabytes(limit),
          f"{new / limit:.2f}", "≤ 1.00 x", "yes" if new <= limit else "no")


def measure_in_place(models, name, runs):
    grafted = models.folder / "in-place.gguf"

    def restore():
        # The old one is removed, not written over: its head and header would be where the new ones go.
        grafted.unlink(missing_ok=True)
        shutil.copyfile(models.target, grafted)

    def check():
        run([MTPGRAFT, "verify", grafted, "--donor", models.donor, "--target", models.target])

    graft = Command(f"graft --in-place, {name}", [MTPGRAFT, "graft", "-q", "--in-place", grafted, models.donor],
                    restore, check)
    head = models.write_head()
    table = Table(alternate([graft, head], runs))
    table.row(graft.name, head.name, at_most=3 if name.startswith(("ext4", "here (ext4")) else None)
    grafted.unlink(missing_ok=True)


def measure_reading(models, runs):
    copy = models.folder / "copy.gguf"
    subprocess.run(["cp", models.reference, copy], check=True)
    verify = [MTPGRAFT, "verify", copy, "--target", models.target, "--donor", models.donor]
    programs = {"verify --target": verify, "cmp": ["cmp", models.reference, copy],
                "checksum": [MTPGRAFT, "checksum", models.target], "xxhsum -H128": ["xxhsum", "-H128", models.target]}
    for first, second in (("verify --target", "cmp"), ("checksum", "xxhsum -H128")):
        names = [first, second, f"{first}, one core", f"{second}, one core"]
        commands = [*(Command(name, programs[name]) for name in names[:2]),
                    *(Command(f"{name}, one core", [*ONE_CPU, *programs[name]]) for name in names[:2])]
        table = Table(alternate(commands, runs))
        table.row(names[0], names[1], bandwidth_at_least=0.9)
        table.row(names[2], names[3], bandwidth_at_least=0.9)
    for path in (copy, models.reference):
        path.unlink()
    subprocess.run([sys.executable, ROOT / "tests/support/make_fixtures.py", "-o", models.folder, "big-vocab-30g"],
                   check=True, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    inspect = Command("inspect, 250,000 tokens", [MTPGRAFT, "inspect", models.folder / "big-vocab-30g.gguf"])
    Table(alternate([inspect], 10 * runs)).row(inspect.name, seconds_at_most=0.03)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--cp", default="cp", help="how to copy without cloning")
    parser.add_argument("part", choices=["models", "facts", "copying", "cloning", "in-place", "reading"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("more", nargs="*")
    arguments = parser.parse_args()
    models = Models(arguments.folder)
    try:
        match arguments.part, arguments.more:
            case "models", [body_mb, head_mb]:
                make_models(arguments.folder, int(body_mb), int(head_mb))
            case "facts", [body_mb, head_mb]:
                print_facts(arguments.folder, int(body_mb), int(head_mb), arguments.runs)
            case "copying", [name]:
                measure_copying(models, name, arguments.cp, arguments.runs)
            case "cloning", [name]:
                measure_cloning(models, name, arguments.runs)
            case "in-place", [name]:
                measure_in_place(models, name, arguments.runs)
            case "reading", []:
                measure_reading(models, arguments.runs)
            case _:
                parser.error(f"{arguments.part}: wrong number of arguments")
    except Failure as failure:
        cells(" ".join([arguments.part, *arguments.more]), f"failed: {failure}")
        return 1
    return 1 if Table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
