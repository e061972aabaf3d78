#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what mtpgraft says of heads with what llama.cpp does with them, for every architecture.

Tiny models of each are grafted with --strict, and run. Then each tensor of the head is left out of the donor or given
another shape, one at a time, and tensors are added to it or fused. Prints Markdown; fails if there is a disagreement.

Whole models are made by another writer (tests/support/make_tiny_archs.py), so the expected output is there already, and
what mtpgraft refuses can be run all the same.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
from gguf_file import U32, GgufFile, Tensor  # noqa: E402
from make_tiny_archs import ARCHITECTURES, make_model  # noqa: E402

# What llama.cpp v0.5.0 does with a model that has a head, when it is to draft. That this holds is tested first.
DRAFTS, UNUSED, CRASHES, REFUSED = "drafts", "loads, does not draft", "crashes when it is to draft", "refuses"
EXPECTED = {name: DRAFTS for name in ARCHITECTURES} | {
    "bailingmoe2": UNUSED, "exaone4": UNUSED, "exaone-moe": UNUSED, "glm4": UNUSED,
    "deepseek2-lite": CRASHES, "dots3note": CRASHES,
    "qwen4exp": REFUSED,
}

CELLS = [("trunk", "full"), ("trunk", "sidecar"), ("trunk", "bare"), ("declared", "full"), ("declared", "bare")]
HEADINGS = ["full model", "sidecar", "bare tensors", "declared, full model", "declared, bare tensors", "extracted"]
TAKES, WARNS, REFUSES = "takes", "warns", "refuses"


# --- llama.cpp --------------------------------------------------------------------------------------------------------

@dataclass
class Run:
    """What runtime.cc told of a model, or of one with a sidecar."""
    plain: str = ""         # the tokens that it generates,
    drafted_text: str = ""  # and those that it generates drafting
    drafted: int = 0
    accepted: int = 0
    loads_for_drafts: bool = False
    end: str = ""           # "aborts", "crashes"
    reason: str = ""

    @property
    def outcome(self):
        if self.drafted and self.drafted_text == self.plain:
            return DRAFTS
        if not self.plain or (not self.loads_for_drafts and not self.end):
            return REFUSED
        return CRASHES if self.end else "another text" if self.drafted else UNUSED

    def __str__(self):
        if self.outcome == DRAFTS:
            return f"{self.accepted} of {self.drafted}"
        return f"{self.outcome}: {self.reason}" if self.reason else self.outcome


REASON = re.compile(r"(?:error loading model: |GGML_ASSERT|llama_init_from_model: |binary_op: )(.*)")


def run(runtime, *models):
    # Its backtrace would need a debugger, and seconds.
    made = subprocess.run([runtime, *models], capture_output=True, text=True, errors="replace",
                          env=os.environ | {"GGML_NO_BACKTRACE": "1"}, timeout=300)
    result = Run(end={0: "", -6: "aborts", -11: "crashes"}.get(made.returncode, f"ends with {made.returncode}"))
    for line in made.stdout.splitlines():
        what, rest = line.split(" ", 2)[:2], line.split(" ", 2)[2:]
        if what == ["plain", "text"]:
            result.plain = rest[0]
        elif what == ["draft", "loaded"]:
            result.loads_for_drafts = True
        elif what == ["draft", "text"]:
            result.drafted_text = rest[0]
        elif what == ["draft", "count"]:
            result.drafted, result.accepted = map(int, rest[0].split())
    reason = REASON.search(made.stderr)
    result.reason = " ".join(reason[1].split()) if reason else result.end
    return result


# --- mtpgraft ---------------------------------------------------------------------------------------------------------

@dataclass
class Verdict:
    says: str  # TAKES, REFUSES, or WARNS: takes it, but not with --strict
    text: str = ""


class Grafter:
    def __init__(self, program, folder):
        self.program = program
        self.folder = folder

    def execute(self, *options):
        # In the folder, so that no message has its name.
        return subprocess.run([self.program, *options], cwd=self.folder, capture_output=True, text=True)

    def graft(self, target, donor, out):
        command = ["graft", "--force", "--no-sync", "--no-record", "-o", out, target, donor]
        strict = self.execute(*command, "--strict")
        if strict.returncode == 0:
            return Verdict(TAKES)
        text = first_complaint(strict.stderr)
        return Verdict(WARNS if self.execute(*command).returncode == 0 else REFUSES, text)

    def extract(self, donor, target, out):
        made = self.execute("extract", "--force", "--no-sync", "-o", out, donor, "--for", target)
        if made.returncode != 0:
            return Verdict(REFUSES, first_complaint(made.stderr))
        warning = re.search(r"warning: (.*)", made.stderr)
        return Verdict(WARNS, warning[1]) if warning else Verdict(TAKES)


def first_complaint(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    details = [line[2:] for line in lines if line.startswith("- ")]
    if details:
        return details[0]
    return re.sub(r"^mtpgraft: (\S+\.gguf: )?", "", lines[0]) if lines else "nothing"


# --- the comparison ---------------------------------------------------------------------------------------------------

@dataclass
class Report:
    """Of one architecture."""
    name: str
    cells: list = field(default_factory=list)  # (verdict, run) for each of HEADINGS
    counts: dict = field(default_factory=dict)
    disagreements: list = field(default_factory=list)


def differences(path, expected_path):
    """In what a graft differs from the model that the other writer made; keys may be in another order."""
    ours, expected = GgufFile.read(path), GgufFile.read(expected_path)
    found = []
    for key in dict.fromkeys([*expected.keys, *ours.keys]):
        if ours.keys.get(key) != expected.keys.get(key):
            found.append(f"key {key} is {ours.value(key)}, not {expected.value(key)}")
    if [tensor.name for tensor in ours.tensors] != [tensor.name for tensor in expected.tensors]:
        found.append("other tensors, or in another order")
    else:
        found += [f"tensor {one.name} differs" for one, other in zip(ours.tensors, expected.tensors)
                  if (one.shape, one.type_id, one.read()) != (other.shape, other.type_id, other.read())]
    return found


def compare_cell(grafter, runtime, name, target, donor, full_run):
    """(verdict, run of what was written or, if nothing was, of the whole model, disagreements)"""
    out = f"{target}-{donor}.graft.gguf"
    target_file, donor_file = f"{target}.gguf", f"{donor}.gguf"
    verdict = grafter.graft(target_file, donor_file, out)
    if verdict.says == REFUSES:
        if EXPECTED[name] in (DRAFTS, UNUSED):
            return verdict, full_run, [f"refused, and {full_run.outcome}: {verdict.text}"]
        return verdict, full_run, []

    result = run(runtime, grafter.folder / out)
    found = differences(grafter.folder / out, grafter.folder / "full.gguf")
    if verdict.says == WARNS:
        if result.outcome == DRAFTS:
            found.append(f"warned of, and drafts: {verdict.text}")
        return verdict, result, found
    if result.outcome not in (DRAFTS, UNUSED) or (EXPECTED[name] == DRAFTS and result.outcome != DRAFTS):
        found.append(f"taken, and llama.cpp: {result}")
    elif result.plain != full_run.plain:
        found.append("taken, and generates another text")
    elif (result.drafted, result.accepted) != (full_run.drafted, full_run.accepted):
        found.append(f"taken, and drafts {result}, not {full_run}")
    verified = grafter.execute("verify", out, "--target", target_file, "--donor", donor_file)
    if verified.returncode != 0:
        found.append(f"taken, and not verified: {first_complaint(verified.stderr)}")
    return verdict, result, found


def compare_extracted(grafter, runtime, full_run):
    """As compare_cell, of a sidecar that is extracted and then drafts beside the trunk."""
    verdict = grafter.extract("full.gguf", "trunk.gguf", "extracted.gguf")
    sidecar = "sidecar.gguf" if verdict.says == REFUSES else "extracted.gguf"
    result = run(runtime, grafter.folder / "trunk.gguf", grafter.folder / sidecar)
    drafts = (result.outcome, result.drafted, result.accepted) == (DRAFTS, full_run.drafted, full_run.accepted)
    if drafts == (verdict.says == TAKES):
        return verdict, result, []
    said = f": {verdict.text}" if verdict.text else ""
    return verdict, result, [f"{verdict.says}{said}, and llama.cpp: {result}"]


def compare_pruned(grafter, runtime):
    """The trunk has lost half of its experts: the head does not fit into it, and drafts beside it. A list of
    disagreements."""
    trunk = GgufFile.read(grafter.folder / "trunk.gguf")
    # A table of experts for each token would have to be cut too.
    if not trunk.arch_value("expert_count") or any("tid2eid" in tensor.name for tensor in trunk.tensors):
        return []
    for i, tensor in enumerate(trunk.tensors):
        if re.search(r"(_exps|ffn_gate_inp)\.weight$|exp_probs_b", tensor.name):
            data = tensor.read()
            shape = (*tensor.shape[:-1], tensor.shape[-1] // 2)
            trunk.tensors[i] = replace(tensor, shape=shape, data=data[:len(data) // 2])
    trunk.set(f"{trunk.value('general.architecture')}.expert_count", U32, trunk.arch_value("expert_count") // 2)
    trunk.write(grafter.folder / "pruned.gguf")
    found = []
    verdict = grafter.graft("pruned.gguf", "full.gguf", "pruned.graft.gguf")
    if verdict.says != REFUSES:
        found.append(f"pruned experts: {verdict.says}: {verdict.text}")
    verdict = grafter.extract("full.gguf", "pruned.gguf", "pruned.sidecar.gguf")
    result = run(runtime, grafter.folder / "pruned.gguf", grafter.folder / "pruned.sidecar.gguf")
    if verdict.says != TAKES or result.outcome != DRAFTS:
        found.append(f"pruned experts, extracted: {verdict.says} {verdict.text}, and llama.cpp: {result}")
    return found


def mutants(full, head):
    """(what was done to one tensor of the head, the model with it)"""
    for tensor in head:
        twice = tensor.read() * 2
        rows = replace(tensor, shape=(*tensor.shape[:-1], 2 * tensor.shape[-1]), data=twice)
        columns = replace(tensor, shape=(2 * tensor.shape[0], *tensor.shape[1:]), data=twice)
        yield f"{tensor.name} left out", with_tensors(full, {tensor.name: []})
        yield f"{tensor.name} with its last extent doubled", with_tensors(full, {tensor.name: [rows]})
        if len(tensor.shape) > 1:
            yield f"{tensor.name} with its first extent doubled", with_tensors(full, {tensor.name: [columns]})


def variants(full, head):
    """(what was added to the first block of the head or fused in it, the model with it)"""
    last = head[-1]
    prefix = ".".join(head[0].name.split(".")[:2])
    norm = full.tensor(f"{prefix}.nextn.enorm.weight")
    for name, like in (("nextn.embed_tokens", full.tensor("token_embd.weight")),
                       ("nextn.shared_head_head", full.tensor("output.weight")),
                       ("nextn.shared_head_norm", norm), ("layer_output_norm", norm), ("nextn.unknown", norm)):
        added = replace(like, name=f"{prefix}.{name}.weight")
        if not any(tensor.name == added.name for tensor in head):
            yield f"{added.name} added", with_tensors(full, {last.name: [last, added]})
    for fused, names in (("attn_qkv", ("attn_q", "attn_k", "attn_v")),
                         ("ffn_gate_up_exps", ("ffn_gate_exps", "ffn_up_exps"))):
        parts = [tensor for name in names for tensor in head if tensor.name == f"{prefix}.{name}.weight"]
        if len(parts) == len(names):
            made = fuse(f"{prefix}.{fused}.weight", parts)
            yield f"{made.name} fused", with_tensors(full, {part.name: [] for part in parts} | {parts[0].name: [made]})


def with_tensors(model, instead):
    """`instead`: what stands in the place of a tensor of that name."""
    return GgufFile(model.version, model.keys,
                    [t for tensor in model.tensors for t in instead.get(tensor.name, [tensor])])


def fuse(name, parts):
    """One matrix, or one for each expert, with the rows of all parts."""
    first = parts[0]
    experts = first.shape[2] if len(first.shape) > 2 else 1
    pieces = [part.read() for part in parts]
    data = b"".join(piece[i * len(piece) // experts:(i + 1) * len(piece) // experts]
                    for i in range(experts) for piece in pieces)
    shape = (first.shape[0], sum(part.shape[1] for part in parts), *first.shape[2:])
    return Tensor(name, shape, first.type_id, data)


def compare_tensors(grafter, runtime, report, plain):
    full = GgufFile.read(grafter.folder / "full.gguf")
    trunk_blocks = full.arch_value("block_count") - full.arch_value("nextn_predict_layers")
    head = [tensor for tensor in full.tensors
            if (block := re.match(r"blk\.(\d+)\.", tensor.name)) and int(block[1]) >= trunk_blocks]
    donor, out = "mutant.gguf", "mutant.graft.gguf"
    counts = dict.fromkeys(("tried", "fine", "taken", "refused", "warned, fine", "warned, not fine"), 0)
    for what, mutant in chain(mutants(full, head), variants(full, head)):
        mutant.write(grafter.folder / donor)
        verdict = grafter.graft("trunk.gguf", donor, out)
        # The donor has the trunk of the target: it is itself what a graft of its head is.
        result = run(runtime, grafter.folder / donor)
        is_fine = result.outcome == DRAFTS and result.plain == plain
        counts["tried"] += 1
        counts["fine"] += is_fine
        if verdict.says == WARNS:
            counts["warned, fine" if is_fine else "warned, not fine"] += 1
        else:
            counts["taken" if verdict.says == TAKES else "refused"] += 1
        if verdict.says == TAKES and not is_fine:
            report.disagreements.append(f"{what}: taken, and llama.cpp: {result}")
        elif verdict.says == TAKES:
            found = differences(grafter.folder / out, grafter.folder / donor)
            report.disagreements += [f"{what}: taken: {text}" for text in found]
        if verdict.says == REFUSES and is_fine:
            report.disagreements.append(f"{what}: refused, and drafts {result}: {verdict.text}")
    report.counts = counts


def compare(program, runtime, name, folder):
    start = time.monotonic()
    make_model(name, aligned=True).write(folder)
    grafter = Grafter(program, folder)
    report = Report(name)
    full_run = run(runtime, folder / "full.gguf")
    if full_run.outcome != EXPECTED[name]:
        report.disagreements.append(f"the test: expected that llama.cpp {EXPECTED[name]}, and it: {full_run}")
    trunk_run = run(runtime, folder / "trunk.gguf")
    if not trunk_run.plain or full_run.plain not in ("", trunk_run.plain):
        report.disagreements.append("the test: the trunk and the whole model generate different texts")
    for target, donor in CELLS:
        verdict, result, found = compare_cell(grafter, runtime, name, target, donor, full_run)
        report.cells.append((verdict, result))
        report.disagreements += [f"{target} + {donor}: {text}" for text in found]
    verdict, result, found = compare_extracted(grafter, runtime, full_run)
    report.cells.append((verdict, result))
    report.disagreements += [f"extracted: {text}" for text in found]
    # Where no head drafts, a wrong one is no worse.
    if EXPECTED[name] == DRAFTS:
        if verdict.says == TAKES:
            report.disagreements += compare_pruned(grafter, runtime)
        compare_tensors(grafter, runtime, report, trunk_run.plain)
    note = f"{len(report.disagreements)} disagreements; " if report.disagreements else ""
    print(f"{'not ok' if note else 'ok    '}  {name} ({note}{time.monotonic() - start:.1f} s)", file=sys.stderr)
    return report


# --- the document -----------------------------------------------------------------------------------------------------

def table(head, rows):
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [head, ["---"] * len(head), *rows])


def document(reports):
    notes = []

    def note(text):
        if text not in notes:
            notes.append(text)
        return f"({notes.index(text) + 1})"

    def cell(verdict, result):
        drafts = str(result) if result.outcome == DRAFTS else result.outcome
        return drafts if verdict.says == TAKES else f"{verdict.says} {note(verdict.text)}; {drafts}"

    cells = table(["architecture", *HEADINGS], [[r.name, *(cell(*one) for one in r.cells)] for r in reports])
    counted = [report for report in reports if report.counts]
    counts = table(["architecture", *counted[0].counts],
                   [[report.name, *report.counts.values()] for report in counted]) if counted else "None."
    disagreements = [f"- {report.name}: {text}" for report in reports for text in report.disagreements]
    return f"""## Architectures

What mtpgraft says of the head of each architecture, and what llama.cpp v0.5.0 does with it. Each is a tiny random model
whose head predicts what its trunk does. `16 of 18`: mtpgraft takes the head with `--strict`, `verify` finds all in
place, the keys and tensors are those of the model that another writer makes, and 16 of 18 drafted tokens are accepted,
with the text of the trunk alone. `warns`: only without `--strict`. Else: what mtpgraft says, and what llama.cpp does
with the model all the same. `declared` is a target with the keys of a head, but no tensors of it. `extracted`: the
sidecar that `extract --for` the trunk writes, beside the trunk. Where there are experts, half of those of the trunk were
also cut away: then the head is refused, and extracted it drafts.

{cells}

{chr(10).join(f"{i}. {text}" for i, text in enumerate(notes, 1))}

### Tensors

The donor is the full model with one tensor of the head left out or with one of its extents doubled, with a tensor more,
or with several in one. `fine`: what llama.cpp can draft with, with the text of the trunk alone. `taken` is what
mtpgraft takes with `--strict`, `warned` what it takes only without, `refused` the rest.

{counts}

### Disagreements

What mtpgraft takes with `--strict` and llama.cpp does not, or the other way round.

{chr(10).join(disagreements) or "None."}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mtpgraft", required=True, type=Path, help="the program")
    parser.add_argument("--runtime", required=True, type=Path, help="what build_runtime.sh builds")
    parser.add_argument("--report", type=Path, help="file for the Markdown (default stdout)")
    parser.add_argument("--filter", default="", help="regular expression that selects architectures")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    names = [name for name in ARCHITECTURES if re.search(arguments.filter, name)]
    if not names:
        sys.exit("no architecture is selected")
    program, runtime = arguments.mtpgraft.resolve(), arguments.runtime.resolve()
    with tempfile.TemporaryDirectory(prefix="mtpgraft-") as work, ThreadPoolExecutor(arguments.jobs) as pool:
        reports = list(pool.map(lambda name: compare(program, runtime, name, Path(work) / name), names))
    text = document(reports)
    if arguments.report:
        arguments.report.write_text(text)
    else:
        print(text, end="")
    sys.exit(1 if any(report.disagreements for report in reports) else 0)


if __name__ == "__main__":
    main()
