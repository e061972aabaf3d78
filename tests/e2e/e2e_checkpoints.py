#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what mtpgraft makes of checkpoints' heads with what llama.cpp's own converter makes of them.

The converter is that of llama.cpp v0.5.0, run on the small checkpoints of tests/support/make_checkpoints.py: every
tensor of a head must have its name, type, shape and bytes, and every key its value. Then heads are grafted onto tiny
models and run. Prints Markdown; fails if there is a difference that is not declared below. Needs Debian's python3-torch
and python3-yaml.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "support")]
import numpy as np  # noqa: E402

import make_checkpoints  # noqa: E402
from e2e_architectures import CRASHES, DRAFTS, REFUSED, UNUSED, run, table  # noqa: E402
from gguf_file import BF16, F16, F32, GgufFile, Tensor  # noqa: E402
from hf_converter import Converter  # noqa: E402
from make_tiny_archs import VOCABULARY, make_model  # noqa: E402

# Whatever of these the converter writes, mtpgraft must know: a plan compares them, or takes the head's entry from them.
PLAN_KEYS = """block_count nextn_predict_layers embedding_length feed_forward_length attention.head_count
attention.head_count_kv attention.key_length attention.value_length attention.q_lora_rank attention.kv_lora_rank
attention.key_length_mla attention.value_length_mla expert_count expert_feed_forward_length expert_shared_count
expert_shared_feed_forward_length rope.freq_base attention.layer_norm_rms_epsilon attention.sliding_window_pattern
attention.indexer.types attention.compress_ratios swiglu_clamp_exp swiglu_clamp_shexp
hyper_connection.count""".split()


# --- where mtpgraft differs on purpose --------------------------------------------------------------------------------

DECODE = {F32: lambda raw: raw.view("<f4"), F16: lambda raw: raw.view("<f2").astype("<f4"),
          BF16: lambda raw: make_checkpoints.from_bf16(raw.view("<u2"))}


def values(tensor):
    return DECODE[tensor.type_id](np.frombuffer(tensor.read(), "u1")).reshape(tensor.shape[::-1])


def same_values(ours, theirs):
    return np.array_equal(values(ours).squeeze(), values(theirs[ours.name]).squeeze())


def parts_joined(ours, theirs):
    parts = [theirs[ours.name.replace("qkv", part)] for part in "qkv"]
    return ours.read() == b"".join(part.read() for part in parts)


def without_another_one(ours, theirs):
    return np.array_equal(values(ours) + np.float32(1), values(theirs[ours.name]))


def same_shape(ours, theirs):
    return ours.shape == theirs[ours.name].shape


@dataclass
class Deviation:
    cases: str    # regular expressions
    tensors: str
    reason: str
    holds: object  # what is the same nevertheless: of mtpgraft's tensor and the converter's by name


DEVIATIONS = [
    Deviation(r"qwen3(5moe|next|8-flash)", r"ffn_gate_inp_shexp\.weight$", "a dimension of 1 is left out", same_values),
    Deviation(r"qwen35-dense-shifted", r"norm\.weight$", "the 1 that is in the norms is not added again",
              without_another_one),
    Deviation(r"mimo2-separate", r"attn_qkv\.weight$", "queries, keys and values in one, as the head's graph wants",
              parts_joined),
    Deviation(r"mimo2$", r"attn_qkv\.weight$", "the rows in order, as of the trunk; the converter's pattern misses the "
              "head's names and leaves them by processor", same_shape),
    Deviation(r"nemotron", r"ffn_gate_inp\.weight$", "routers in F32, as of the trunk; the converter's rule misses the "
              "folded block", same_values),
    Deviation(r"deepseek4", r"ffn_gate_inp\.weight$", "routers in F32, as of all other families", same_values),
    Deviation(r"deepseek4", r"nextn\.eh_proj\.weight$", "stays BF16; the converter makes Q8_0 of it, as "
              "--head-type q8_0 does", same_shape),
]


# --- how the converter is brought to convert heads that it leaves out -------------------------------------------------

def stack_experts(model):
    """DeepSeek-V4: the converter takes routed experts in MXFP4 only. These are plain: they are stacked."""
    def write(bid, proj, tensor_key):
        names = [f"layers.{bid}.ffn.experts.{k}.{proj}.weight" for k in range(model.hparams["n_routed_experts"])]
        stack = np.stack([model.model_tensors[name]().float().numpy() for name in names])
        data = make_checkpoints.to_bf16(stack).view(np.uint8)
        model.gguf_writer.add_tensor(model.format_tensor_name(tensor_key, bid), data,
                                     raw_dtype=sys.modules["gguf"].GGMLQuantizationType.BF16)
        return names
    model._write_mxfp4_expert_tensor = write


def head_as_trunk_block(c):
    """Qwen3.8-Flash-Next: the head's block takes the place of the trunk's last."""
    last = f"model.language_model.layers.{c.trunk - 1}."
    kept = {name: tensor for name, tensor in c.tensors.items() if not name.startswith(last)}
    c.tensors = {name.replace("mtp.layers.0.", last): tensor for name, tensor in kept.items()}
    c.files = [("", "model.safetensors")]
    return -1


def without_pool(c):
    """GLM-5.3-Flash: as GLM-5, which has no pool of the indexer's keys. The trunk is GLM-5's."""
    c.tensors = {name: tensor for name, tensor in c.tensors.items() if "kpool" not in name}
    c.files = [("", "model.safetensors")]
    c.config |= {**c.config["text_config"], "routed_scaling_factor": 1.0, "norm_topk_prob": True}
    return 0


@dataclass
class Way:
    as_class: str = None                     # of config.json, in the place of the one that is there
    prepare: object = lambda model: None     # changes the converter's object
    change: object = None                    # changes the case; returns by how much blocks are then numbered lower
    is_whole: bool = False                   # not the head alone
    left_out: str = r"^$"                    # tensors that are not compared, and
    keys_too: bool = True
    note: str = ""


WAYS = {
    "deepseek3": Way(as_class="Glm4MoeLiteForCausalLM", note="as GLM-4.7-Flash; the converter leaves the head out"),
    "deepseek4": Way(prepare=stack_experts, note="experts that are not MXFP4 are stacked for it"),
    "nemotron-vl": Way(is_whole=True),
    "qwen38-flash": Way(change=head_as_trunk_block, left_out=r"nextn\.", keys_too=False,
                        note="as a block of the trunk; nextn.* as a fork's converter, read only"),
    "glm53-flash": Way(as_class="GlmMoeDsaForCausalLM", change=without_pool, left_out=r"indexer_compressor",
                       keys_too=False, note="as GLM-5, without the indexer's pool; that and keys read only"),
}
WAYS["qwen38-flash-experts"] = WAYS["qwen38-flash"]


# --- the comparison ---------------------------------------------------------------------------------------------------

@dataclass
class Report:
    name: str
    architecture: str
    tensors: int = 0
    keys: int = 0
    reasons: list = field(default_factory=list)      # of deviations, and the way that the converter was run
    differences: list = field(default_factory=list)
    graft: str = ""


def execute(program, *options):
    return subprocess.run([program, *map(str, options)], capture_output=True, text=True)


def our_head(program, folder, out):
    """(tensors by name, keys by name without the architecture's)"""
    made = execute(program, "extract", "--tensors-only", "--force", "--no-sync", "-o", out, folder)
    shown = execute(program, "inspect", "--json", "--kv", folder)
    if made.returncode or shown.returncode:
        raise RuntimeError(f"mtpgraft refuses it: {made.stderr or shown.stderr}")
    keys = json.loads(shown.stdout)["result"]["files"][0]["keys"]
    return ({tensor.name: tensor for tensor in GgufFile.read(out).tensors},
            {item["key"].split(".", 1)[1]: item["value"] for item in keys if not item["key"].startswith("general.")})


def renumbered(tensor, by):
    name = re.sub(r"^blk\.(\d+)", lambda match: f"blk.{int(match[1]) + by}", tensor.name)
    return Tensor(name, tensor.shape, tensor.type_id, tensor.read())


def compare_tensors(name, way, ours, theirs, report):
    first = min(int(block[1]) for tensor in ours if (block := re.match(r"blk\.(\d+)\.", tensor)))
    theirs = {tensor: value for tensor, value in theirs.items() if tensor in ours
              or (block := re.match(r"blk\.(\d+)\.", tensor)) and int(block[1]) >= first}
    used = set()
    for tensor, made in ours.items():
        if re.search(way.left_out, tensor):
            continue
        report.tensors += 1
        deviation = next((one for one in DEVIATIONS if re.match(one.cases, name) and re.search(one.tensors, tensor)),
                         None)
        try:
            other = theirs.get(tensor)
            is_same = other and (made.shape, made.type_id, made.read()) == (other.shape, other.type_id, other.read())
            if deviation and not is_same and deviation.holds(made, theirs):
                report.reasons.append(deviation.reason)
            elif deviation or not is_same:
                report.differences.append(f"{tensor} {'is as the converter has it' if is_same else 'differs'}")
        except KeyError as error:
            report.differences.append(f"{tensor}: the converter has no {error}")
        used |= {tensor, *(tensor.replace("qkv", part) for part in "qkv" if deviation)}
    report.differences += [f"{tensor} is the converter's only" for tensor in theirs if tensor not in used]


def compare_keys(ours, theirs, report):
    prefix = report.architecture + "."
    for key in dict.fromkeys([*ours, *PLAN_KEYS]):
        value = theirs.value(prefix + key)
        value = list(value[1]) if isinstance(value, tuple) else value
        if key not in ours and value is not None:
            report.differences.append(f"key {key} is the converter's only: {value}")
        elif key in ours:
            report.keys += 1
            if value is None or not np.array_equal(np.float32(ours[key]), np.float32(value)):
                report.differences.append(f"key {key} is {ours[key]}, the converter's {value}")


def compare(program, converter, name, work):
    c = make_checkpoints.CASES[name]()
    report, way = Report(name, c.arch), WAYS.get(name, Way())
    c.write(work, name)
    ours, keys = our_head(program, work / name, work / f"{name}.ours.gguf")
    by = 0
    if way.change:
        by = way.change(c)
        c.write(work / "changed", name)
    folder = work / "changed" / name if way.change else work / name
    converted = work / f"{name}.converted.gguf"
    converter.convert(folder, converted, way.as_class, way.prepare, way.is_whole)
    theirs = GgufFile.read(converted)
    compare_tensors(name, way, ours, {t.name: t for t in (renumbered(t, -by) for t in theirs.tensors)}, report)
    if way.keys_too:
        compare_keys(keys, theirs, report)
    report.reasons = [*dict.fromkeys(report.reasons), *([way.note] if way.note else [])]
    return report


# One has the class of Qwen3.5, and drops the head; the other is a drafter, a model of its own.
WITHOUT_HEAD = {"MiniCPMV4_6ForConditionalGeneration", "DeepseekV4DSparkModel"}


def unknown_classes(program, converter, work):
    """Models whose heads the converter keeps, and mtpgraft does not know."""
    c = make_checkpoints.CASES["qwen35-dense"]()
    c.config = {"model_type": "none"}
    c.write(work, "unknown")
    shown = execute(program, "inspect", "--json", work / "unknown").stdout
    known = set(re.findall(r"\w+", " ".join(json.loads(shown)["error"]["details"])))
    return sorted(set(converter.classes_with_heads()) - known - WITHOUT_HEAD)


# --- grafts -----------------------------------------------------------------------------------------------------------

# Cases with the dimensions of a tiny model of make_tiny_archs.py: its name, arguments of the case, what else is in its
# config.json, and what llama.cpp does with the model that is grafted.
HEAD = {"hidden": 64, "heads": 2, "kv_heads": 1, "head": 32}
EXPERTS = {"experts": 4, "width": 64}
LATENT = {"hidden": 64, "heads": 2, "q_rank": 32, "kv_rank": 64, "nope": 16, "rope": 32, "value": 32}
DENSE = {"intermediate_size": 96}
TINY = {
    "deepseek3": ("deepseek2", {**LATENT, **EXPERTS, "own_vocab": False, "fp8": None, "trunk": 4}, DENSE, DRAFTS),
    "cohere2moe": ("cohere2moe", {**HEAD, **EXPERTS, "dense": 96, "trunk": 4}, {}, DRAFTS),
    "nemotron3-nano": ("nemotron_h_moe", {**HEAD, **EXPERTS, "shared": 64, "kinds": "ME*M"}, {}, DRAFTS),
    "ling3": ("bailingmoe3", {**LATENT, **EXPERTS, "shared": 64, "head": 64, "group": 4}, DENSE, DRAFTS),
    "nemotron3-super": ("nemotron_h_moe-latent", {**HEAD, **EXPERTS, "latent": 32, "shared": 64, "kinds": "ME*M"}, {},
                        DRAFTS),
    "ling3-no-query-rank": ("bailingmoe3-full-rank", {**LATENT, **EXPERTS, "q_rank": None, "shared": 64, "head": 64,
                                                      "group": 4}, DENSE, DRAFTS),
    "deepseek4": ("deepseek4", {"hidden": 64, "heads": 2, "head": 32, "rope": 16, "q_rank": 32, "rank": 32, **EXPERTS,
                                "trunk": 4}, DENSE, DRAFTS),
    "step37": ("step35", {"hidden": 64, "heads": 4, "kv_heads": 1, "head": 32, "ffn": 96, "full_heads": 2,
                          "experts": 4, "width": 64, "shared": 64}, {}, DRAFTS),
    "glm-ocr": ("glm4", {**HEAD, "ffn": 96, "trunk": 4}, {}, UNUSED),
    "ling2": ("bailingmoe2", {**HEAD, **EXPERTS, "shared": 1, "trunk": 4}, DENSE, UNUSED),
    "k-exaone": ("exaone-moe", {**HEAD, **EXPERTS, "ffn": 96, "blocks": 1, "trunk": 4}, {}, UNUSED),
    "exaone45": ("exaone4", {**HEAD, "ffn": 96, "trunk": 4}, {}, UNUSED),
    "dots3note": ("dots3note", {**LATENT, "heads": 4, "kv_rank": 32, **EXPERTS, "ffn": 96,
                                "full": (2, 64, 16, 32), "trunk": 4}, {}, CRASHES),
    "qwen38-flash": ("qwen4exp", {**HEAD, **EXPERTS, "shared": 64, "rank": 32, "index_heads": 2, "index_head": 64,
                                  "trunk": 4}, DENSE, REFUSED),
}


def graft(program, runtime, name, work):
    """What llama.cpp does with the head of a checkpoint in a tiny model; differences from what is expected."""
    architecture, dimensions, config, expected = TINY[name]
    folder = work / "tiny" / name
    make_model(architecture).write(folder)
    make_checkpoints.VOCAB = VOCABULARY
    c = make_checkpoints.CASES[name](**dimensions)
    for part in (c.config, c.config.get("text_config", c.config)):
        part |= {"rope_theta": 10_000, "rms_norm_eps": 1e-6, "norm_eps": 1e-6, **config}
    c.write(folder, "checkpoint")
    out = folder / "graft.gguf"
    made = execute(program, "graft", "--force", "--no-sync", "-o", out, folder / "trunk.gguf", folder / "checkpoint")
    if made.returncode != 0:
        return "refused", [f"the graft is refused: {made.stderr}"]
    verified = execute(program, "verify", out, "--target", folder / "trunk.gguf", "--donor", folder / "checkpoint")
    result, plain = run(runtime, out), run(runtime, folder / "trunk.gguf").plain
    found = [] if verified.returncode == 0 else [f"the graft is not verified: {verified.stderr}"]
    if result.outcome != expected:
        found.append(f"llama.cpp: {result}, expected that it {expected}")
    if expected != REFUSED and result.plain != plain:
        found.append("the graft generates another text than the trunk")
    return result.outcome, found


# --- the document -----------------------------------------------------------------------------------------------------

def document(reports):
    notes = []

    def note(text):
        if text not in notes:
            notes.append(text)
        return f"({notes.index(text) + 1})"

    rows = [[r.name, r.architecture, r.tensors, r.keys or "-", "differs" if r.differences else "equal",
             " ".join(note(text) for text in r.reasons), r.graft or "-"] for r in reports]
    cells = table(["checkpoint", "architecture", "tensors", "keys", "", "but for", "a graft in llama.cpp"], rows)
    differences = [f"- {report.name}: {text}" for report in reports for text in report.differences]
    return f"""## Checkpoints

What mtpgraft makes of the heads of checkpoints, held to llama.cpp v0.5.0's own converter: small checkpoints with the
names, files and kinds of values of published models (`tests/support/make_checkpoints.py`), converted by both. `equal`:
every tensor of the head has the name, type, shape and bytes that the converter gives it, and every key that a graft
looks at its value. The converter ran with Debian's torch 1.13, which has no FP8: such values were decoded for it. The
last column: a head of such a checkpoint, of random values, was grafted onto a tiny model, and that was run.

{cells}

{chr(10).join(f"{i}. {text}" for i, text in enumerate(notes, 1))}

### Differences

{chr(10).join(differences) or "None."}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mtpgraft", required=True, type=Path, help="the program")
    parser.add_argument("--llama-cpp", required=True, type=Path, help="llama.cpp's repository, with conversion/")
    parser.add_argument("--runtime", type=Path, help="what build_runtime.sh builds; without it nothing is grafted")
    parser.add_argument("--report", type=Path, help="file for the Markdown (default stdout)")
    parser.add_argument("--filter", default="", help="regular expression that selects checkpoints")
    arguments = parser.parse_args()
    program = arguments.mtpgraft.resolve()
    converter = Converter(arguments.llama_cpp.resolve(), make_checkpoints.from_f8_e4m3)
    names = [name for name in make_checkpoints.CASES if re.search(arguments.filter, name)]
    reports = []
    with tempfile.TemporaryDirectory(prefix="mtpgraft-") as work:
        for name in names:
            try:
                reports.append(compare(program, converter, name, Path(work)))
            except Exception as error:  # of the converter, whatever it is
                reports.append(Report(name, "?", differences=[f"{type(error).__name__}: {error}"]))
        for report in reports:
            if arguments.runtime and report.name in TINY:
                report.graft, found = graft(program, arguments.runtime.resolve(), report.name, Path(work))
                report.differences += found
        if unknown := unknown_classes(program, converter, Path(work)):
            reports.append(Report("others", "?", differences=[f"mtpgraft does not know {', '.join(unknown)}"]))
    text = document(reports)
    if arguments.report:
        arguments.report.write_text(text)
    else:
        print(text, end="")
    sys.exit(1 if any(report.differences for report in reports) else 0)


if __name__ == "__main__":
    main()
