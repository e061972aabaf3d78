#!/usr/bin/env python3
"""Breaks the code in one place after the other and tells which unit test notices; what survives wants a test.

    scripts/mutate.py src/plan src/gguf                 100 mutants of two rooms
    scripts/mutate.py --change main --count 0           every mutant of the lines that differ from main
    scripts/mutate.py src/job --list --count 0          what could be done, without doing it

Works on a copy of the sources in the build directory, so that an interrupted run leaves nothing behind. The same seed
makes the same mutants of the same sources. Whether a survivor is equivalent (no input can tell) is for a person to say.
"""

import argparse
import collections
import filecmp
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = "mtpgraft_tests"
MEMORY_LIMIT = 8 << 30
DOES_NOT_COMPILE, SURVIVED, KILLED = "does not compile", "survived", "killed"


class Failure(Exception):
    pass


@dataclass
class Mutant:
    file: str
    line: int
    start: int
    end: int
    text: str  # what takes the place of [start, end)
    kind: str

    def apply(self, source):
        return source[: self.start] + self.text + source[self.end :]


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def code_of(source):
    """The source with spaces for all that is no code, each character at its place."""
    tokens = r'//[^\n]*|/\*.*?\*/|R"\((.*?)\)"|"(\\.|[^"\\\n])*"|\'(\\.|[^\'\\\n])+\'(?!\w)|^#([^\n]*\\\n)*[^\n]*'
    code = re.sub(tokens, blank, source, flags=re.S | re.M)
    return re.sub(r"\b(static_)?assert\([^;]*;|\[\[.*?\]\]|\btemplate <[^\n]*", blank, code)


def closing(code, opening):
    """Where the bracket at `opening` is closed."""
    depth = 0
    for at in range(opening, len(code)):
        depth += (code[at] in "([{") - (code[at] in ")]}")
        if depth == 0:
            return at
    return len(code)


def end_of(code, start, ends):
    """The first of `ends` from `start` on, brackets passed over; None if the bracket around `start` ends first."""
    at = start
    while at < len(code) and code[at] not in ends:
        if code[at] in "([{":
            at = closing(code, at)
        elif code[at] in ")]}":
            return None
        at += 1
    return at if at < len(code) else None


SWAPS = {
    "comparison": {"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">"},
    "and/or": {"&&": "||", "||": "&&"},
    "arithmetic": {"+": "-", "-": "+", "*": "/", "/": "*", "%": "/", "<<": ">>", ">>": "<<", "+=": "-=", "-=": "+=",
                   "&": "|", "|": "&"},
}
WORDS = {"true": "false", "false": "true", "std::min": "std::max", "std::max": "std::min", "any_of": "all_of",
         "all_of": "any_of", "begin()": "end()", "front()": "back()", "back()": "front()",
         "upper_bound": "lower_bound", "break;": "", "continue;": ""}
CALL = r"(?!return\b|using\b|throw\b|MTPGRAFT_TRY)(?:\+\+|--)?[\w.:>\[\]*-]+(?:<[^;\n]*>)?"


def mutations(code):
    """(start, end, text, kind) of each place that can be broken."""
    # clang-format puts spaces around operators with two sides, and none into templates, pointers and references.
    for kind, swaps in SWAPS.items():
        for match in re.finditer(r"(?<=\s)(\S{1,2})(?=\s)", code):
            operator = match.group()
            if operator in swaps and not re.match(r"\)(\s*const)? && \{", code[match.start() - 2 :]):
                yield *match.span(), swaps[operator], kind
    for match in re.finditer(r"\+\+|--", code):
        yield *match.span(), "--" if match.group() == "++" else "++", "arithmetic"
    for match in re.finditer(r"(?<![\w.'])\d+(?![\w.']|\.\d)", code):
        number = int(match.group())
        yield *match.span(), str(1 - number if number < 2 else number + 1), "constant"
    for word, other in WORDS.items():
        for match in re.finditer(rf"(?<![\w:]){re.escape(word)}(?!\w)", code.replace("ranges::", "       .")):
            yield *match.span(), other or ";", "constant" if other else "dropped statement"
    for match in re.finditer(r"\b(?:if|while) \(", code):
        start, end = match.end(), closing(code, match.end() - 1)
        start = max(start, code.rfind("; ", start, end) + 2)
        condition = code[start:end]
        is_comparison = re.search(r" [!=]= ", condition) and not re.search(r"&&|\|\|", condition)
        if not is_comparison and not re.search(r"(?<![=!<>]) = ", condition):
            yield start, end, f"!({{}})", "negated condition"
    for match in re.finditer(r"\s\? ", code):
        colon = end_of(code, match.end(), ":")
        while colon is not None and "::" in code[colon - 1 : colon + 2]:
            colon = end_of(code, colon + 2, ":")
        last = None if colon is None else re.compile(r"[,;)\]}]").search(code, colon)
        while last is not None and code.count("(", colon, last.start()) > code.count(")", colon, last.start()):
            last = re.compile(r"[,;)\]}]").search(code, last.end())
        if last is not None:
            yield match.start(), last.start(), ("swap", match.end(), colon), "swapped choice"
    for match in re.finditer(r"\breturn (?!\{\};|ok_status|nullptr|std::nullopt;|true;|false;|[01];)", code):
        if (end := end_of(code, match.end(), ";")) is not None:
            yield match.end(), end, "{}", "returned constant"
    for match in re.finditer(rf"(?<=[;{{}}:\n])[ \n]+(?={CALL}(?:\(| [+*/|&-]?= |;))", code):
        before = code[: match.start() + 1].rstrip()
        end = end_of(code, match.end(), ";")
        if end is not None and before[-1:] in (";", "{", "}", ")", ":") and "\n" in match.group():
            if re.match(rf"{CALL}(\(.*\)| [+*/|&-]?= .*)$|(\+\+|--)", code[match.end() : end], re.S):
                yield match.end(), end, "", "dropped statement"


def mutants_of(file, lines=None):
    source = (ROOT / file).read_text()
    code = code_of(source)
    found = {}
    for start, end, text, kind in mutations(code):
        line = source.count("\n", 0, start) + 1
        if isinstance(text, tuple):
            _, first, colon = text
            text = f" ? {source[colon + 1 : end].strip()} : {source[first:colon].strip()}"
        text = text.replace("{}", source[start:end]) if kind == "negated condition" else text
        last_line = line + source.count("\n", start, end)
        if text != source[start:end] and (lines is None or lines & set(range(line, last_line + 1))):
            found[start, end, text] = Mutant(file, line, start, end, text, kind)
    return sorted(found.values(), key=lambda mutant: (mutant.start, mutant.end))


def git(*argv):
    result = subprocess.run(["git", *argv], cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        raise Failure(result.stderr.strip())
    return result.stdout


def changed_lines(revision):
    """file -> numbers of the lines that are new or other since the revision."""
    changes, file = collections.defaultdict(set), None
    for line in git("diff", "-U0", "--no-ext-diff", revision, "--", "src", "include").splitlines():
        if line.startswith("+++ "):
            file = line[len("+++ b/") :] if line != "+++ /dev/null" else None
        elif file and (hunk := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line)):
            first, count = int(hunk[1]), int(hunk[2] or 1)
            changes[file] |= set(range(first, first + count))
    return {file: lines for file, lines in changes.items() if lines}


def sources_in(paths):
    for path in paths:
        given = (Path.cwd() / path).resolve()
        files = sorted(given.rglob("*.cc")) if given.is_dir() else [given]
        if not files or not all(file.is_file() and file.is_relative_to(ROOT) for file in files):
            raise Failure(f"{path}: no source of this project")
        yield from (str(file.relative_to(ROOT)) for file in files)


def one_line(text):
    text = " ".join(text.split())
    return text if len(text) <= 70 else text[:67] + "..."


def describe(mutant, source):
    old, new = one_line(source[mutant.start : mutant.end]), one_line(mutant.text)
    return f"{mutant.file}:{mutant.line}  {mutant.kind}: `{old}`" + (f" -> `{new}`" if new else "")


def run(argv, patience=None, **options):
    """(exit code or None if it was silent for too long, what it printed). No child outlives the call."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                 start_new_session=True, **options)
        try:
            code, size, heard = None, 0, time.monotonic()
            while code is None and (patience is None or time.monotonic() - heard < patience):
                try:
                    code = child.wait(0.5)
                except subprocess.TimeoutExpired:
                    if os.fstat(output.fileno()).st_size > size:
                        size, heard = os.fstat(output.fileno()).st_size, time.monotonic()
        finally:
            # The tests start servers, which are of the same session.
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()
        output.seek(0)
        return code, output.read()


class Tests:
    def __init__(self, build, jobs, excluded):
        self.source, self.build = build / "source", build / "build"
        self.scratch = build / "tmp"
        self.jobs = str(jobs)
        self.excluded = ["Ggml*", *excluded]
        self.killers = collections.defaultdict(list)  # room -> suites that killed there, the last one first
        self.patience = 300

    def prepare(self):
        """The sources as they are, built, and every test passed."""
        files = [file for file in git("ls-files", "-co", "--exclude-standard").splitlines() if (ROOT / file).is_file()]
        wanted = set(files)
        for old in [path for path in self.source.rglob("*") if path.is_file()]:
            if str(old.relative_to(self.source)) not in wanted:
                old.unlink()
        for file in files:
            copy = self.source / file
            if not copy.exists() or not filecmp.cmp(ROOT / file, copy, shallow=False):
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / file, copy)
        linker = ["-DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld"] if shutil.which("ld.lld") else []
        # The tests never change: joined, they are compiled sooner.
        joined = self.build.with_name("joined.cmake")
        joined.write_text(f"cmake_language(DEFER CALL set_target_properties {TARGET} PROPERTIES "
                          "UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 12)\n")
        self.must(["cmake", "-S", self.source, "-B", self.build, "-G", "Ninja", "-DBUILD_TESTING=ON",
                   "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0", "-DCMAKE_CXX_FLAGS=-w",
                   f"-DCMAKE_PROJECT_INCLUDE={joined}", *linker])
        self.must(self.build_command())
        self.must(["ctest", "--test-dir", self.build, "-R", "^(fixtures|reference_grafts|checkpoints)$"])
        self.suites = {}
        for file in sorted((self.source / "tests/unit").glob("*_test.cc")):
            names = re.findall(r"^TEST(?:_F|_P)?\(\s*(\w+)", file.read_text(), re.M)
            self.suites[file.stem.removesuffix("_test")] = list(dict.fromkeys(names))
        start = time.monotonic()
        killer = self.run_tests(["*"])
        if killer:
            raise Failure(f"without any mutant: {killer}")
        # A test that hangs prints nothing; all of them together take longer than any one that does not.
        self.patience = min(30, 10 + time.monotonic() - start)

    def must(self, argv):
        code, output = run(argv)
        if code:
            raise Failure(f"{' '.join(map(str, argv))}:\n{output}")

    def build_command(self):
        return ["cmake", "--build", self.build, "--target", TARGET, "-j", self.jobs]

    def likely(self, file):
        """Tests whose file is named like the source, and those that were good at this room."""
        stem, room = Path(file).stem, Path(file).parent.name
        words = {stem, *stem.split("_")}
        named = [suite for name, suites in self.suites.items() if words & {name, *name.split("_")} for suite in suites]
        return list(dict.fromkeys(self.killers[room][:12] + named))

    def run_tests(self, patterns, without=()):
        """Which test failed first; None if all passed."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
        chosen = f"{':'.join(patterns)}-{':'.join([*self.excluded, *without])}"
        code, output = run([self.build / "tests" / TARGET, f"--gtest_filter={chosen}", "--gtest_fail_fast"],
                           self.patience, preexec_fn=limit, env=os.environ | {"TMPDIR": str(self.scratch)})
        if code == 0:
            return None
        if failed := re.search(r"^\[  FAILED  \] ([\w/.]+)", output, re.M):
            return failed[1]
        started = re.findall(r"^\[ RUN      \] ([\w/.]+)", output, re.M)
        return f"{started[-1] if started else '?'} ({'it does not end' if code is None else 'it crashes'})"

    def judge(self, mutant):
        """(what became of it, the test that killed it)."""
        copy = self.source / mutant.file
        source = copy.read_text()
        try:
            copy.write_text(mutant.apply(source))
            code, _ = run(self.build_command())
            if code:
                return DOES_NOT_COMPILE, None
            suites = [pattern for suite in self.likely(mutant.file) for pattern in (f"{suite}.*", f"*/{suite}.*")]
            killer = (suites and self.run_tests(suites)) or self.run_tests(["*"], suites)
        finally:
            copy.write_text(source)
        if killer:
            ranking = self.killers[Path(mutant.file).parent.name]
            suite = killer.split(" ")[0].rsplit(".", 1)[0].split("/")[0 if killer.count("/") < 2 else 1]
            if suite in ranking:
                ranking.remove(suite)
            ranking.insert(0, suite)
        return (KILLED, killer) if killer else (SURVIVED, None)


def print_table(results):
    rows = collections.defaultdict(collections.Counter)
    for mutant, (outcome, _) in results:
        for row in (Path(mutant.file).parent.as_posix(), "all"):
            rows[row][outcome] += 1
    print("\n| room | mutants | killed | survived | killed, % | does not compile |\n|---|---|---|---|---|---|")
    for room, count in sorted(rows.items(), key=lambda row: (row[0] == "all", row[0])):
        compiled = count[KILLED] + count[SURVIVED]
        share = f"{100 * count[KILLED] / compiled:.0f}" if compiled else "-"
        print(f"| {room} | {compiled} | {count[KILLED]} | {count[SURVIVED]} | {share} | {count[DOES_NOT_COMPILE]} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", metavar="PATH", help="folders, of which every .cc is taken, or files")
    parser.add_argument("--change", metavar="REV", help="the lines of src/ and include/ that differ from this revision")
    parser.add_argument("--count", type=int, default=100, metavar="N",
                        help="so many, in random order, so that a run may be cut short; 0: all (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="of the choice (default: 1)")
    parser.add_argument("--build", type=Path, default=ROOT / "build/mutants", metavar="DIR",
                        help="where the copy is built; kept for the next run (default: build/mutants)")
    parser.add_argument("--exclude", action="append", default=[], metavar="PATTERN",
                        help="tests that are not run, as --gtest_filter spells them, e.g. 'Http*'")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="compilers at once (default: 2)")
    parser.add_argument("--list", action="store_true", help="print the mutants and do nothing")
    arguments = parser.parse_args()
    if bool(arguments.paths) == bool(arguments.change):
        parser.error("give folders or files, or --change REV")

    try:
        chosen = changed_lines(arguments.change) if arguments.change else dict.fromkeys(sources_in(arguments.paths))
        mutants = [mutant for file, lines in sorted(chosen.items()) for mutant in mutants_of(file, lines)]
        if 0 < arguments.count < len(mutants):
            mutants = random.Random(arguments.seed).sample(mutants, arguments.count)
        texts = {file: (ROOT / file).read_text() for file in chosen}
        if arguments.list:
            for mutant in mutants:
                print(describe(mutant, texts[mutant.file]))
            return 0
        tests = Tests(arguments.build.resolve(), arguments.jobs, arguments.exclude)
        tests.source.mkdir(parents=True, exist_ok=True)
        print("building, and running the tests without a mutant", flush=True)
        tests.prepare()
    except Failure as failure:
        print(f"mutate.py: {failure}", file=sys.stderr)
        return 2

    results = []
    try:
        for number, mutant in enumerate(mutants, 1):
            results.append((mutant, tests.judge(mutant)))
            outcome, killer = results[-1][1]
            ending = f"{outcome} by {killer}" if killer else outcome
            print(f"{number}/{len(mutants)} {describe(mutant, texts[mutant.file])}: {ending}", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    survivors = [mutant for mutant, (outcome, _) in results if outcome == SURVIVED]
    if survivors:
        print("\nSurvivors:")
    for mutant in survivors:
        print(f"  {describe(mutant, texts[mutant.file])}")
    print_table(results)
    return 1 if survivors else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
