"""kill_rounds.py MTPGRAFT ROUNDS SEED: ends commands that write at random moments, in the working directory.

Each line of output is a kind of command, and how its rounds ended. After SIGINT, SIGTERM and SIGHUP there is what was
there before, and the program has ended by the signal; or all of the new, and it has ended with 0; or it says that only
the checksums are missing. SIGKILL may leave a hidden file, no checksums, or files of a split model without the first,
which are no model.
"""
import collections
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

PROGRAM, ROUNDS, SEED = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
TARGET, SET, GRAFT = "in/target.gguf", "in/four-00001-of-00004.gguf", "in/graft.gguf"
DONOR, OTHER = "in/donor.gguf", "in/other.gguf"
# What is written, and what was there before it with --force.
KINDS = {
    "graft": ["graft", TARGET, DONOR, "-o", "out/x.gguf"],
    "graft --force": ["graft", "--force", TARGET, DONOR, "-o", "out/x.gguf"],
    "graft --split-head": ["graft", "--split-head", TARGET, DONOR, "-o", "out/x.gguf"],
    "graft --split-head --force": ["graft", "--split-head", "--force", TARGET, DONOR, "-o", "out/x.gguf"],
    "graft of a split model": ["graft", SET, DONOR, "-o", "out/x.gguf"],
    "graft of a split model --force": ["graft", "--force", SET, DONOR, "-o", "out/x.gguf"],
    "graft of a split model, --link=copy": ["graft", "--link=copy", SET, DONOR, "-o", "out/x.gguf"],
    "graft --checksums": ["graft", TARGET, DONOR, "-o", "out/x.gguf", "--checksums", "out/x.sums"],
    "graft of a split model --checksums": ["graft", SET, DONOR, "-o", "out/x.gguf", "--checksums", "out/x.sums"],
    "extract": ["extract", GRAFT, "-o", "out/x.gguf"],
    "extract of a checkpoint's file": ["extract", GRAFT, "--head-type", "bf16", "-o", "out/x.safetensors"],
    "strip": ["strip", GRAFT, "-o", "out/x.gguf"],
}


def contents():
    return {path.name: path.read_bytes() for path in pathlib.Path("out").iterdir()}


def run(arguments):
    shutil.rmtree("out", ignore_errors=True)
    os.mkdir("out")
    subprocess.run([PROGRAM, *arguments, "-q"], check=True)
    return contents()


def fill(files):
    # Names are taken away and new files made: kept shards are links to the target's.
    shutil.rmtree("out")
    os.mkdir("out")
    for name, data in files.items():
        pathlib.Path("out", name).write_bytes(data)


def is_model(files):
    return any(name in ("x.gguf", "x.safetensors") or name.startswith("x-00001-of-") for name in files)


def kill_in_rounds(kind, arguments, count):
    new = run(arguments)
    old = run([OTHER if word == DONOR else word for word in arguments]) if "--force" in arguments else {}
    models = {name: data for name, data in new.items() if name.endswith(".gguf")}
    start = time.monotonic()
    run(arguments)
    longest = time.monotonic() - start
    ends = collections.Counter()
    for number in range(count):
        fill(old)
        sent = SIGNALS[number % len(SIGNALS)]
        process = subprocess.Popen([PROGRAM, *arguments, "-q"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        delay = random.uniform(0, 1.05 * longest)
        time.sleep(delay)
        process.send_signal(sent)
        code = process.wait()
        said = process.stderr.read().decode()
        now = contents()
        where = f"{kind}, {sent.name} after {delay:.4f} s, seed {SEED}: exit code {code}, files {sorted(now)}, {said!r}"
        hidden = [name for name in now if name.startswith(".mtpgraft-")]
        visible = {name: data for name, data in now.items() if name not in hidden}
        if sent == signal.SIGKILL:
            ends["hidden files left by SIGKILL"] += len(hidden)
            # Of a set, only the first file makes it a model.
            good = visible in (old, new, models)
            if not good and kind.count("split"):
                known = all(data in (new.get(name), old.get(name)) for name, data in visible.items())
                good = known and not is_model(visible)
                ends["files without the first"] += good
        else:
            good = visible == (new if code == 0 else old) and code in (0, -sent) and not hidden
            if not good and visible == models and "only its checksums are missing" in said:
                good = code == -sent and not hidden
        if not good:
            sys.exit(f"FAILED: {where}")
        if visible == new:
            ends["new"] += 1
        elif visible == old:
            ends["as before"] += 1
        elif visible == models:
            ends["without the checksums"] += 1
    print(f"{kind}: {count} rounds within {longest * 1000:.0f} ms: " +
          ", ".join(f"{count} {end}" for end, count in ends.items() if count), flush=True)
    return ends


random.seed(SEED)
inputs = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in pathlib.Path("in").iterdir()}
total = collections.Counter()
for index, (kind, arguments) in enumerate(KINDS.items()):
    total += kill_in_rounds(kind, arguments, (ROUNDS + index) // len(KINDS))
if ROUNDS >= 50 and not (total["as before"] and total["new"]):
    sys.exit(f"FAILED: of {ROUNDS} signals all came too early, or too late, seed {SEED}")
for path, (data, mtime) in inputs.items():
    if path.read_bytes() != data or path.stat().st_mtime_ns != mtime:
        sys.exit(f"FAILED: the input {path} has changed, seed {SEED}")
