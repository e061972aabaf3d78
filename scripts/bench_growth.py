#!/usr/bin/env python3
"""Runs mtpgraft on models of n, 2n and 4n keys, tensors and files, and prints a Markdown table of time and memory.

    scripts/bench_growth.py [--program build/release/mtpgraft] [--directory DIR]

Times are seconds of the processor, the best of three runs each, and should double with n. The peak is that of the four
commands. It should stay below 64 MiB and 400 bytes for each tensor; the exit code is 1 where it does not.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/support"))
sys.dont_write_bytecode = True

from gguf_file import F32, I32, STRING, U16, U32, GgufFile, Tensor  # noqa: E402

MIB = 1 << 20
RUNS = 3
SIZES = {"keys": 16_000, "tensors": 32_500, "files": 500}
NAME_BYTES = 63  # the longest that ggml loads
WIDTH = 32


def model(blocks):
    keys = {"general.architecture": (STRING, "growth"), "growth.block_count": (U32, blocks),
            "growth.embedding_length": (U32, WIDTH)}
    return GgufFile(keys=keys)


def tensor(name, *shape):
    count = 1
    for extent in shape:
        count *= extent
    return Tensor(name, shape, F32, b"\0\0\x80\x3f" * count)


def write_donor(path):
    donor = model(3)
    donor.set("growth.nextn_predict_layers", U32, 1)
    donor.tensors = [tensor("blk.2.nextn.eh_proj.weight", 2 * WIDTH, WIDTH)]
    donor.tensors += [tensor(f"blk.2.nextn.{name}.weight", WIDTH) for name in ("enorm", "hnorm", "shared_head_norm")]
    donor.write(path)


def write_target(folder, what, count):
    """Returns the path of its first file."""
    target = model(2)
    target.tensors = [tensor("blk.0.x", 1), tensor("blk.1.x", 1)]
    path = folder / f"{what}-{count}.gguf"
    if what == "keys":
        for i in range(0, count, 2):
            target.set(f"growth.number.{i}", U32, i)
            target.set(f"growth.text.{i}", STRING, f"the value of the key that has the number {i}")
    elif what == "tensors":
        target.tensors += [tensor(f"blk.0.{i}".ljust(NAME_BYTES, "x"), 1) for i in range(count)]
    else:
        target.tensors += [tensor(f"blk.0.{i}", 1) for i in range(count - len(target.tensors))]
        for i, each in enumerate(target.tensors):
            shard = target if i == 0 else GgufFile()
            shard = GgufFile(keys=dict(shard.keys), tensors=[each])
            shard.set("split.no", U16, i)
            shard.set("split.count", U16, count)
            shard.set("split.tensors.count", I32, count)
            shard.write(folder / f"files-{count}-{i + 1:05}-of-{count:05}.gguf")
        return folder / f"files-{count}-00001-of-{count:05}.gguf"
    target.write(path)
    return path


def measure(*command, clean_up):
    """Returns seconds of the processor and peak bytes of the best of the runs."""
    runs = []
    for _ in range(RUNS):
        clean_up()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}: exit code {process.returncode}: {errors.decode()[:2000]}")
        runs.append((usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024))
    return min(runs)


def in_a_process(function, *arguments):
    """What a process has in memory when it starts another counts as the other's peak: this one stays small."""
    with multiprocessing.Pool(1) as pool:
        return pool.apply(function, arguments)


def commands(folder, target, donor):
    """What each command is called with, and the name that its output begins with."""
    written = folder / "graft.gguf"
    yield ["inspect", target], None
    yield ["graft", "--no-sync", "--merge", target, donor, "-o", written], "graft"
    yield ["verify", written, "--target", target, "--donor", donor], None
    yield ["strip", "--no-sync", written, "-o", folder / "stripped.gguf"], "stripped"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=ROOT / "build/release/mtpgraft", type=Path)
    parser.add_argument("--directory", help="where the models are made; default: that of temporary files")
    options = parser.parse_args()
    too_much = False
    print("| | n | inspect | graft | verify | strip | peak |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        folder = Path(directory)
        donor = folder / "donor.gguf"
        write_donor(donor)
        for what, size in SIZES.items():
            for count in (size, 2 * size, 4 * size):
                target = in_a_process(write_target, folder, what, count)
                cells = []
                peak = 0
                for arguments, output in commands(folder, target, donor):
                    def clean_up(output=output):
                        for path in folder.glob(f"{output}*.gguf"):
                            path.unlink()

                    seconds, bytes_ = measure(options.program, *arguments, clean_up=clean_up)
                    cells.append(f"{seconds:.3f} s")
                    peak = max(peak, bytes_)
                tensors = count if what == "tensors" else 0
                too_much |= peak > 64 * MIB + 400 * tensors
                print(f"| {what} | {count:,} | {' | '.join(cells)} | {peak / MIB:.0f} MiB |", flush=True)
                for path in folder.glob("*-of-*.gguf"):
                    path.unlink()
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())
