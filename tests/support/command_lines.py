#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the command lines of command_lines.txt and prints a line for each: where it stands, arguments, exit code,
digests of stdout, of stderr, and of every file that it wrote. So one sees whether a change of the code changes what the
program does.

  command_lines.py PROGRAM --compare command_lines.expected   prints the lines that differ, and fails if there are any
  command_lines.py PROGRAM --keep DIR                         also writes what each printed, for `diff -r`
  command_lines.py PROGRAM --show 'split'                     prints what the command lines in question printed

Whatever may differ between two runs, machines or file systems is replaced before: see SUBSTITUTIONS.
"""

import argparse
import ctypes
import difflib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

sys.dont_write_bytecode = True
import gguf_file
import make_fixtures

HERE = Path(__file__).resolve().parent

# What varies is replaced in stdout, stderr and files of text, in this order. {ROOT} is where the command lines run.
SUBSTITUTIONS = [(re.compile(pattern), by) for pattern, by in [
    # Times, and the ways of copying: they depend on whether the file system shares blocks between files.
    (rb" in \d+\.\d+ s: .* on disk(; |$)", rb" in SECONDS: WAYS\1"),
    (rb"copied through a buffer|copied in the kernel|cloned(?=\n|; not cloned)", rb"WAY"),
    (rb"; not cloned: .*", rb""),
    (rb'"(seconds|bytes_cloned|bytes_copied|bytes_allocated)": ?[\d.e+-]+', rb'"\1":N'),
    # Space: what is free, and what is needed beside the blocks that are shared.
    (rb'"(free_bytes|needed_bytes)": ?\d+', rb'"\1":N'),
    (rb"[\d.]+ ([KMGT]iB|bytes?) (needed|free)", rb"N \2"),
    # The build: the commit, and what `--version` tells of compiler and libraries.
    (rb"(mtpgraft \d+\.\d+\.\d+) \([0-9a-f]+[^)]*\)", rb"\1 (COMMIT)"),
    (rb"(?m)^(compiler|libraries|features) +.*", rb"\1  BUILD"),
]]


def normalise(data, root):
    data = data.replace(os.fsencode(root), b"ROOT")
    for pattern, by in SUBSTITUTIONS:
        data = pattern.sub(by, data)
    return data


def digest(data):
    return hashlib.sha256(data).hexdigest()[:12] if data else "-"


# inputs

# The name in command_lines.txt: a bundled model, or a case of make_fixtures.py.
MODELS = {
    "Model-Q4_K_M.gguf": "models/target-12L-Q4_K_M.gguf",
    "mtp-Base-BF16.gguf": "models/mtp-base-8L-BF16.gguf",
    "mtp-Base-Q8_0.gguf": "models/mtp-base-8L-Q8_0.gguf",
    "mtp-Base-Q4_K_M.gguf": "models/mtp-base-8L-Q4_K_M.gguf",
    "mtp-Random-F16.gguf": "models/mtp-random-8L-F16.gguf",
    "head-only.gguf": "models/head-only-base-8L-BF16.gguf",
    "checkpoint": "models/hf-base-8L",
    "tiny-F32.gguf": "golden/tiny-qwen35-target.gguf",
    "mtp-tiny.gguf": "golden/tiny-qwen35-donor.gguf",
    "all-types-tensors.gguf": "golden/all-types-tensors.gguf",
    "all-value-types.gguf": "golden/all-value-types.gguf",
    "minimal-v2.gguf": "golden/minimal-v2.gguf",
    "no-tensors.gguf": "golden/no-tensors.gguf",
}


class Inputs:
    """Each is made once, and is there under its name."""

    def __init__(self, folder, sources):
        self.folder, self.sources = folder, sources
        folder.mkdir()

    def get(self, name):
        path = self.folder / name
        if path.exists():
            return path
        if name in MODELS:
            source = self.sources / "tests" / MODELS[name]
            (shutil.copytree if source.is_dir() else shutil.copyfile)(source, path)
            return path
        case = name.split("/")[0].removesuffix(".gguf")
        if case not in make_fixtures.CASES:
            sys.exit(f"command_lines.txt: there is no input '{name}'")
        make_fixtures.CASES[case][1](make_fixtures.Models(self.sources / "tests/models"), self.folder)
        return path


# scenes

@dataclass
class Scene:
    """Command lines that run one after the other in a directory of their own."""
    name: str
    needs: str = ""
    steps: list = field(default_factory=list)  # (number of the line, words, text)


def read_scenes(path):
    scenes = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            name, _, needs = line.partition("]")
            scenes.append(Scene(name[1:], needs.strip()))
        elif line.startswith("write "):
            scenes[-1].steps.append((number, line.split(" ", 2), line))
        else:
            scenes[-1].steps.append((number, line.split(), line))
    return scenes


class Stage:
    """Runs a scene. What is not the program are the commands below, called by their names."""

    def __init__(self, program, root, inputs, scene):
        self.program, self.root, self.inputs, self.scene = program, root, inputs, scene
        self.folder = root / scene.name
        self.folder.mkdir()
        self.environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC",
                            "HOME": str(self.folder / "home"), "XDG_CACHE_HOME": str(self.folder / "cache")}
        self.results = []

    def run(self):
        known = self.state()
        for number, words, text in self.scene.steps:
            if words[0] == "mtpgraft":
                result, known = self.command(words[1:], text, known)
                self.results.append(result)
                continue
            try:
                getattr(self, "do_" + words[0])(*words[1:])
            except Exception as error:
                sys.exit(f"command_lines.txt:{number}: {text}: {error!r}")
            known = self.state(known)
        return self.results

    def do_use(self, *names):
        """Inputs that are only read."""
        for name in names:
            self.inputs.get(name)
            (self.folder / Path(name).name).symlink_to(Path("../inputs") / name)

    def do_copy(self, name, to):
        """A copy of an input, or of a file that is there."""
        source = self.folder / name
        source = source if source.exists() else self.inputs.get(name)
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, self.folder / to)

    def do_write(self, name, text):
        with open(self.folder / name, "w", encoding="utf-8") as file:
            file.write(text.replace("\\n", "\n") + "\n")

    def do_keep(self, name):
        """What the last command printed on stdout, in a file."""
        (self.folder / name).write_bytes(self.results[-1].raw)

    def do_flip(self, name, offset):
        with open(self.folder / name, "r+b") as file:
            file.seek(int(offset))
            byte = file.read(1)[0]
            file.seek(int(offset))
            file.write(bytes([byte ^ 1]))

    def do_cut(self, name, size):
        os.truncate(self.folder / name, int(size))

    def do_set(self, name, key, kind, value):
        """Of a GGUF a key: set FILE KEY u32|str VALUE."""
        model = gguf_file.GgufFile.read(self.folder / name)
        model.set(key, *((gguf_file.U32, int(value)) if kind == "u32" else (gguf_file.STRING, value)))
        model.write(self.folder / f"{name}.new")
        os.replace(self.folder / f"{name}.new", self.folder / name)

    def do_mkdir(self, name):
        (self.folder / name).mkdir(parents=True)

    def do_touch(self, name, seconds):
        os.utime(self.folder / name, (int(seconds), int(seconds)))

    def do_remove(self, *names):
        for name in names:
            path = self.folder / name
            (shutil.rmtree if path.is_dir() and not path.is_symlink() else os.remove)(path)

    def state(self, known=None):
        """name -> (inode, what it is); of what `known` has unchanged, without reading it again."""
        result = {}
        for folder, folders, names in os.walk(self.folder):
            for name in names + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
                path = os.path.join(folder, name)
                stat = os.lstat(path)
                stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
                name = os.path.relpath(path, self.folder)
                old = (known or {}).get(name)
                result[name] = old if old and old[0] == stamp else (stamp, self.describe(path, stat))
        return result

    def describe(self, path, stat):
        if os.path.islink(path):
            return "->" + os.readlink(path)
        mode = stat.st_mode & 0o7777
        mode = "" if mode == 0o644 else f"({mode:o})"
        return self.digest_of(path) + mode + ("(hard link)" if stat.st_nlink > 1 else "")

    def digest_of(self, path):
        with open(path, "rb", buffering=0) as file:
            start = file.read(1 << 20)
            if not start.startswith(b"GGUF"):
                return digest(normalise(start + file.read(), self.root))
            hashed = hashlib.sha256(start)
            while piece := file.read(1 << 20):
                hashed.update(piece)
            return hashed.hexdigest()[:12]

    def command(self, arguments, text, known):
        stdin = None
        if len(arguments) > 1 and arguments[-2] == "<":
            stdin = (self.folder / arguments[-1]).read_bytes()
            arguments = arguments[:-2]
        try:
            done = subprocess.run([self.program, *arguments], cwd=self.folder, env=self.environment, umask=0o022,
                                  timeout=60, capture_output=True, **({"input": stdin} if stdin is not None else
                                                                      {"stdin": subprocess.DEVNULL}))
            code, raw, err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired:
            code, raw, err = "timeout", b"", b""
        now = self.state(known)
        written = [f"{name}={what}" for name, (stamp, what) in sorted(now.items())
                   if name not in known or known[name][1] != what or known[name][0][0] != stamp[0]]
        written += [f"{name} removed" for name in sorted(known) if name not in now]
        result = Result(f"{self.scene.name}.{len(self.results) + 1:02}", text, code, raw,
                        normalise(raw, self.root), normalise(err, self.root), written)
        return result, now


@dataclass
class Result:
    place: str
    text: str
    code: object
    raw: bytes
    stdout: bytes
    stderr: bytes
    written: list

    def line(self):
        files = ", ".join(self.written) or "nothing"
        return (f"{self.place}: {self.text} | exit {self.code} | stdout {digest(self.stdout)} | "
                f"stderr {digest(self.stderr)} | wrote {files}")

    def page(self):
        """For people: JSON is laid out, a member in a line, so that one sees what differs."""
        out = self.stdout.decode("utf-8", "backslashreplace")
        try:
            out = json.dumps(json.loads(re.sub(r":N\b", ':"N"', out)), indent=1, ensure_ascii=False) + "\n"
        except ValueError:
            pass
        err = self.stderr.decode("utf-8", "backslashreplace")
        files = "".join(name + "\n" for name in self.written)
        return (f"{self.text}\nexit {self.code}\n--- stdout {digest(self.stdout)}\n{out}"
                f"--- stderr {digest(self.stderr)}\n{err}--- wrote\n{files}")


# what the file system can

def changes_in_place(program):
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    return re.search(r"^features .*\binsert\b", version, re.MULTILINE) is not None


def shifts_blocks(folder):
    """Whether `--in-place` inserts blocks in files there. It would rather share blocks where that is possible."""
    insert_range, ficlone, size = 0x20, 0x40049409, 1 << 16
    with tempfile.TemporaryFile(dir=folder) as one, tempfile.TemporaryFile(dir=folder) as two:
        for file in one, two:
            file.write(b"x" * size)
            file.flush()
        libc = ctypes.CDLL(None, use_errno=True)
        libc.fallocate64.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
        if libc.fallocate64(one.fileno(), insert_range, 0, 4096) != 0:
            return False
        try:
            fcntl.ioctl(two.fileno(), ficlone, one.fileno())
        except OSError:
            return True
        return False


def run_all(arguments, root):
    program = str(Path(arguments.program).resolve())
    inputs = Inputs(root / "inputs", arguments.sources)
    scenes = read_scenes(arguments.list)
    in_place = changes_in_place(program)
    lacking = {"needs changes in place": not in_place, "needs block shifting": not (in_place and shifts_blocks(root))}
    left_out = [scene.name for scene in scenes if lacking.get(scene.needs)]
    scenes = [scene for scene in scenes if scene.name not in left_out]
    # Before any thread needs them, as two may need the same.
    for scene in scenes:
        for _, words, _ in scene.steps:
            for name in words[1:] if words[0] == "use" else words[1:2] if words[0] == "copy" else ():
                if name in MODELS or name.split("/")[0].removesuffix(".gguf") in make_fixtures.CASES:
                    inputs.get(name)
    before = fingerprint(inputs.folder)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = list(pool.map(lambda scene: Stage(program, root, inputs, scene).run(), scenes))
    if fingerprint(inputs.folder) != before:
        sys.exit("an input was changed")
    return [result for scene in results for result in scene], left_out


def fingerprint(folder):
    return sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*"))


def compare(lines, left_out, path):
    expected = [line for line in path.read_text(encoding="utf-8").splitlines() if line.split(".")[0] not in left_out]
    differences = [line for line in difflib.unified_diff(expected, lines, "expected", "found", n=0, lineterm="")
                   if not line.startswith("@@")]
    for name in left_out:
        print(f"SKIPPED: '{name}': not on this file system, or not in this build", file=sys.stderr)
    if not differences:
        return 0
    print("\n".join(differences))
    changed = sum(line.startswith("+") for line in differences[2:])
    print(f"{changed} of {len(lines)} command lines differ", file=sys.stderr)
    return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", metavar="PROGRAM", help="the mtpgraft to run")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="print what differs from these lines, and fail")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write what each command line printed to DIR")
    parser.add_argument("--show", metavar="TEXT", help="print what those printed that have TEXT in their line")
    parser.add_argument("--work", type=Path, metavar="DIR", help="run in DIR, which must be new, and leave it there")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="scenes at once (default: %(default)s)")
    parser.add_argument("--list", type=Path, default=HERE / "command_lines.txt", metavar="FILE",
                        help="the command lines (default: those beside this script)")
    parser.add_argument("--sources", type=Path, default=HERE.parent.parent, metavar="DIR",
                        help="the project's directory")
    arguments = parser.parse_args()

    if arguments.work:
        arguments.work.mkdir(parents=True)
        root = arguments.work.resolve()
    else:
        root = Path(tempfile.mkdtemp(prefix="mtpgraft-")).resolve()
    try:
        results, left_out = run_all(arguments, root)
    finally:
        if not arguments.work:
            shutil.rmtree(root)
    lines = [result.line() for result in results]
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        for result in results:
            (arguments.keep / f"{result.place}.txt").write_text(result.page(), encoding="utf-8")
        (arguments.keep / "lines.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if arguments.show:
        for result in results:
            if arguments.show in result.line():
                print(f"=== {result.place}\n{result.page()}")
    if arguments.compare:
        return compare(lines, left_out, arguments.compare)
    if not arguments.show:
        print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
