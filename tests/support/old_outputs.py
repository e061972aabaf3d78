#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files and JSON of a released version, kept in tests/golden/VERSION: later versions prove that they still take them.

  old_outputs.py make PROGRAM DIR    writes DIR with the released program: inputs, what each command makes of them, and
                                     in outputs.json which command lines made it
  old_outputs.py check PROGRAM DIR   proves with today's program that grafts verify and strip back to the very target,
                                     lists of checksums fit, the plan runs, and no field of JSON is lost

DIR is a few hundred kilobytes: the models are tests/golden/tiny-qwen35-*.gguf and variations of them.
"""

import filecmp
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
from gguf_file import STRING, U32, GgufFile
from make_fixtures import shards_of, write_shards

GOLDEN = Path(__file__).resolve().parent.parent / "golden"

MODEL, DONOR, OTHER = "in/Model-F32.gguf", "in/mtp-Base.gguf", "in/mtp-Other.gguf"
SET = "in/Set-F32-00001-of-00002.gguf"

# (output, target, donor, options)
GRAFTS = [
    ("out/graft.gguf", MODEL, DONOR, ""),
    ("out/set-00001-of-00003.gguf", SET, DONOR, "--link copy"),
    ("out/merged.gguf", SET, DONOR, "--merge"),
    ("out/split-head-00001-of-00002.gguf", MODEL, DONOR, "--split-head"),
    ("out/bf16.gguf", MODEL, DONOR, "--head-type bf16"),
    ("out/checkpoint.gguf", MODEL, "in/checkpoint", ""),
    ("out/safetensors.gguf", MODEL, "in/checkpoint/mtp.safetensors", "--head-type f16 --norm-offset 1"),
    ("out/keys.gguf", MODEL, DONOR,
     "--set general.name=str:New --set a.list=i16[]:[1,-2] --unset tokenizer.ggml.merges"),
    ("out/yarn.gguf", MODEL, DONOR, "--yarn 4"),
    ("out/replaced.gguf", "out/keys.gguf", OTHER, "--replace --yarn 2"),
    ("out/no-record.gguf", MODEL, DONOR, "--no-record"),
    ("out/mended.gguf", "in/placeholder.gguf", DONOR, ""),
]

# What strip gives back: {what it writes with -o back.gguf: the file that it must equal}, if not MODEL.
ORIGINALS = {
    "out/set-00001-of-00003.gguf": {f"back-0000{n}-of-00002.gguf": f"in/Set-F32-0000{n}-of-00002.gguf" for n in (1, 2)},
    "out/merged.gguf": {"back.gguf": "out/merged-trunk.gguf"},
    "out/mended.gguf": {"back.gguf": "in/placeholder.gguf"},
}

# Those that print JSON are compared with today's.
LINES = [
    *(f"graft {target} {donor} -o {output} --json {options}".strip() for output, target, donor, options in GRAFTS),
    f"graft -n --json -v {MODEL} {DONOR} -o out/none.gguf",
    f"graft --json {MODEL} {DONOR} -o out/graft.gguf",
    f"graft --json {MODEL} in/wide.gguf -o out/none.gguf",
    f"graft --json {MODEL} in/rope.gguf -o out/warned.gguf",
    f"graft --json --bogus {MODEL}",
    f"extract --json {DONOR} --for {MODEL} -o out/mtp-for.gguf",
    f"extract --json out/graft.gguf -o out/mtp-own.gguf --checksums out/mtp-own.sums",
    f"extract --json {DONOR} --tensors-only -o out/head.gguf",
    f"extract --json in/checkpoint --for {MODEL} --head-type f16 -o out/mtp-checkpoint.gguf",
    "strip --json out/graft.gguf -o out/stripped.gguf",
    "strip --json out/set-00001-of-00003.gguf -o out/stripped-set.gguf",
    "strip --json -n out/keys.gguf -o out/none.gguf",
    f"strip --json {MODEL} -o out/none.gguf",
    "strip --json out/merged.gguf -o out/merged-trunk.gguf",
    "copy in/placeholder.gguf out/placeholder-stripped.gguf",
    "strip --json --in-place out/placeholder-stripped.gguf",
    "recover --json out/placeholder-stripped.gguf",
    f"inspect --json {MODEL} {SET} {DONOR} in/checkpoint out/graft.gguf out/head.gguf in/placeholder.gguf",
    "inspect --json --kv --tensors out/keys.gguf",
    f"inspect --json in/missing.gguf {MODEL}",
    "verify --json out/graft.gguf",
    "verify --json out/no-record.gguf",
    f"verify --json out/graft.gguf --target {MODEL} --donor {DONOR}",
    f"verify --json out/graft.gguf --target {MODEL} --donor {OTHER}",
    "checksum --json out/graft.gguf",
    "checksum --json --algorithm sha256 out/graft.gguf",
    "checksum out/graft.gguf > out/graft.sums",
    "checksum --algorithm sha256 out/graft.gguf > out/graft.sha256",
    "checksum out/set-00001-of-00003.gguf > out/set-00001-of-00003.sums",
    "verify --json out/graft.gguf -c out/graft.sums --exact",
    "verify --json out/keys.gguf -c out/graft.sums --exact",
    "verify --json out/head.gguf -c out/graft.sums",
    "release --dry-run --json PLAN.json",
    "release --json PLAN.json",
    "release --json PLAN.json",
    "release --json bad.json",
    "cache --json",
    "cache --clear --json",
]

PLAN = {"schema_version": 1, "output_directory": "release", "defaults": {"donor": DONOR}, "grafts": [
    {"target": "in/Mod*.gguf", "options": {"strict": True}},
    {"target": "in/Tuned-F32.gguf", "donor": "in/check*", "options": {
        "yarn": 4, "set": ["general.description=str:with its head"], "head_type": "f16", "norm_offset": 1}},
    {"target": "in/Set-F32-*.gguf", "donor": OTHER, "options": {"link": "copy", "unset": ["general.type"]}},
    {"target": "in/Set-F32-00001-of-00002.gguf", "output": "Merged-F32.gguf", "options": {
        "merge": True, "no_record": True, "copy": "buffered"}}]}
BAD_PLAN = {"schema_version": 1, "output_directory": "out", "grafts": [
    {"target": "in/none.gguf", "donor": DONOR}, {"target": MODEL, "donor": "in/wide.gguf"},
    {"target": MODEL, "donor": DONOR, "output": "b.gguf", "options": {"head_type": "q9_9"}}]}


# inputs

CHECKPOINT_NAMES = {
    "attn_k": "layers.0.self_attn.k_proj", "attn_k_norm": "layers.0.self_attn.k_norm",
    "attn_norm": "layers.0.input_layernorm", "attn_output": "layers.0.self_attn.o_proj",
    "attn_q": "layers.0.self_attn.q_proj", "attn_q_norm": "layers.0.self_attn.q_norm",
    "attn_v": "layers.0.self_attn.v_proj", "ffn_down": "layers.0.mlp.down_proj", "ffn_gate": "layers.0.mlp.gate_proj",
    "ffn_up": "layers.0.mlp.up_proj", "nextn.eh_proj": "fc", "nextn.enorm": "pre_fc_norm_embedding",
    "nextn.hnorm": "pre_fc_norm_hidden", "nextn.shared_head_norm": "norm",
    "post_attention_norm": "layers.0.post_attention_layernorm"}
CONFIG = {"architectures": ["Qwen3_5ForCausalLM"], "model_type": "qwen3_5_text", "vocab_size": 4, "hidden_size": 4,
          "intermediate_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1,
          "head_dim": 4, "max_position_embeddings": 4096, "rms_norm_eps": 1e-06, "attn_output_gate": True,
          "full_attention_interval": 1, "mtp_num_hidden_layers": 1, "rope_parameters": {"rope_theta": 10000.0}}


def halved(tensor):
    values = struct.unpack(f"<{len(tensor.data) // 4}f", tensor.read())
    return struct.pack(f"<{len(values)}f", *(value / 2 for value in values))


def write_checkpoint(folder, donor):
    """The donor's head in F32, which is as good as BF16 here."""
    folder.mkdir()
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for tensor in donor.tensors:
        part = tensor.name.removeprefix("blk.1.").removesuffix(".weight")
        if part in CHECKPOINT_NAMES:
            header[f"mtp.{CHECKPOINT_NAMES[part]}.weight"] = {
                "dtype": "F32", "shape": list(reversed(tensor.shape)),
                "data_offsets": [len(data), len(data) + len(tensor.data)]}
            data += tensor.read()
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    (folder / "mtp.safetensors").write_bytes(struct.pack("<Q", len(encoded)) + encoded + data)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")


def write_inputs(folder):
    (folder / "in").mkdir(parents=True)
    (folder / "out").mkdir()
    target = lambda: GgufFile.read(GOLDEN / "tiny-qwen35-target.gguf")
    donor = lambda: GgufFile.read(GOLDEN / "tiny-qwen35-donor.gguf")
    target().write(folder / MODEL)
    donor().write(folder / DONOR)
    write_shards(folder / "in", "Set-F32", shards_of(target(), [13, 12]))
    write_checkpoint(folder / "in/checkpoint", donor())
    other = donor()
    for tensor in other.tensors:
        tensor.data = halved(tensor)
    other.write(folder / OTHER)
    tuned = target()
    tuned.set("general.name", STRING, "tuned")
    tuned.write(folder / "in/Tuned-F32.gguf")
    placeholder = target()
    placeholder.set("qwen35.block_count", U32, 3)
    placeholder.set_after("qwen35.rope.dimension_count", "qwen35.nextn_predict_layers", U32, 1)
    placeholder.write(folder / "in/placeholder.gguf")
    wide = donor()
    wide.set("qwen35.embedding_length", U32, 8)
    wide.write(folder / "in/wide.gguf")
    rope = donor()
    rope.set("qwen35.rope.freq_base", *donor().keys["qwen35.rope.freq_base"][:1], 1e6)
    rope.write(folder / "in/rope.gguf")
    for name, plan in ("PLAN.json", PLAN), ("bad.json", BAD_PLAN):
        (folder / name).write_text(json.dumps(plan, indent=1) + "\n")


# running

def run(program, folder, arguments):
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": str(folder),
                   "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run([program, *arguments.split()], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True)
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


def run_lines(program, folder, lines):
    """[(line, exit code, what it printed on stdout)] of those with --json."""
    entry = folder / "cache/mtpgraft/03d159b05d7afdc3fffdda7454b40f98"
    entry.mkdir(parents=True)
    (entry / "source").write_text('https://example.org/base.gguf\n"v1"\n20000000000\n')
    printed = []
    for line in lines:
        arguments, _, file = line.partition(" > ")
        if arguments.startswith("copy "):
            shutil.copyfile(*(folder / name for name in arguments.split()[1:]))
            continue
        code, out, err = run(program, folder, arguments)
        if file:
            (folder / file).write_bytes(out)
        if "--json" in arguments:
            printed.append((line, code, out))
        elif code != 0:
            sys.exit(f"exit code {code}: mtpgraft {line}\n{err}")
    shutil.rmtree(folder / "cache")
    return printed


def make(program, folder):
    if folder.exists():
        sys.exit(f"{folder}: is there already")
    write_inputs(folder)
    printed = run_lines(program, folder, LINES)
    (folder / "json").mkdir()
    numbered = {}
    for number, (line, code, out) in enumerate(printed, 1):
        numbered[f"json/{number:02}-{line.split()[0]}.json"] = {"line": line, "exit_code": code}
        # Only that of `cache` names a directory of its own accord.
        (folder / f"json/{number:02}-{line.split()[0]}.json").write_bytes(out.replace(os.fsencode(folder), b"DIR"))
    grafts = [{"output": output, "target": target, "donor": donor, "options": options,
               "restores": ORIGINALS.get(output, {"back.gguf": MODEL})} for output, target, donor, options in GRAFTS]
    outputs = {"lines": LINES, "json": numbered, "grafts": grafts}
    (folder / "outputs.json").write_text(json.dumps(outputs, indent=1) + "\n")


# checking

problems = []


def fail(text):
    problems.append(text)
    print(f"FAILED: {text}", file=sys.stderr)


def expect(program, folder, arguments, code=0):
    found, out, err = run(program, folder, arguments)
    if found != code:
        fail(f"exit code {found}, expected {code}: mtpgraft {arguments}\n{out.decode('utf-8', 'replace')}{err}".rstrip())


def expect_same(folder, one, other):
    if not filecmp.cmp(folder / one, folder / other, shallow=False):
        fail(f"{one} is not {other}")


def kind(value):
    return "number" if type(value) in (int, float) else type(value).__name__


def compare_json(old, new, place):
    """Fields may only be added. Values may differ, but not their types, nor what programs decide by. Findings may be
    fewer: many of one reason are told as that. An error without a hint may get one."""
    if place.endswith("/hint") and old is None:
        return
    if kind(old) != kind(new):
        yield f"{place}: was {kind(old)}, is {kind(new)}"
    elif isinstance(old, dict):
        for name, value in old.items():
            if name not in new:
                yield f"{place}/{name}: is gone"
            elif name in ("schema_version", "command", "ok", "code", "state", "outcome", "id") and value != new[name]:
                yield f"{place}/{name}: was {value!r}, is {new[name]!r}"
            else:
                yield from compare_json(value, new[name], f"{place}/{name}")
    elif isinstance(old, list):
        if len(new) < len(old) and not (place.endswith("/findings") and new):
            yield f"{place}: had {len(old)} elements, has {len(new)}"
        for index, pair in enumerate(zip(old, new)):
            yield from compare_json(*pair, f"{place}/{index}")


def check_json(program, old, outputs, folder):
    """Today's program runs the same command lines on the same inputs."""
    shutil.copytree(old / "in", folder / "in")
    (folder / "out").mkdir()
    for name in "PLAN.json", "bad.json":
        shutil.copyfile(old / name, folder / name)
    printed = run_lines(program, folder, outputs["lines"])
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    for (name, was), (line, code, out) in zip(outputs["json"].items(), printed, strict=True):
        if "--in-place" in line and "insert" not in version:
            continue  # a build for plain POSIX
        if code != was["exit_code"]:
            fail(f"exit code {code}, was {was['exit_code']}: mtpgraft {line}")
        try:
            now = json.loads(out)
        except ValueError:
            fail(f"no JSON: mtpgraft {line}")
            continue
        for difference in compare_json(json.loads((old / name).read_bytes()), now, ""):
            fail(f"{name}: {difference}: mtpgraft {line}")
    was, now = (json.loads((place / "release/release.json").read_bytes()) for place in (old, folder))
    for difference in compare_json(was, now, ""):
        fail(f"release.json: {difference}")
    # The plan of then makes the tensors of then. Of the metadata, the record names the program's version.
    for sums in sorted((old / "release").glob("*.sums")):
        expect(program, folder, f"verify release/{sums.stem} -c {sums.resolve()} --strict --quiet")


def check_files(program, old, outputs, folder):
    shutil.copytree(old, folder, dirs_exist_ok=True)
    for graft in outputs["grafts"]:
        name, options = graft["output"], graft["options"].split()
        expect(program, folder, f"verify {name}")
        # Without a record, verify has to be told how the head was read.
        reading = [f" {option} {value}" for option, value in zip(options, options[1:])
                   if option in ("--head-type", "--norm-offset")]
        line = f"verify {name} --target {graft['target']} --donor {graft['donor']}{''.join(reading)}"
        if {"--set", "--unset", "--yarn"} & set(options):
            expect(program, folder, line, 1)
            line += " --allow-edits"
        expect(program, folder, line)
        expect(program, folder, f"strip -q {name} -o back.gguf")
        if {path.name for path in folder.glob("back*")} != set(graft["restores"]):
            fail(f"strip of {name} writes other files")
            continue
        for back, original in graft["restores"].items():
            expect_same(folder, back, original)
            (folder / back).unlink()
    for name, sums in (("out/graft.gguf", "out/graft.sums"), ("out/graft.gguf", "out/graft.sha256"),
                       ("out/mtp-own.gguf", "out/mtp-own.sums"),
                       ("out/set-00001-of-00003.gguf", "out/set-00001-of-00003.sums"),
                       *((str(path.relative_to(old).with_suffix("")), str(path.relative_to(old)))
                         for path in sorted((old / "release").glob("*.sums")))):
        expect(program, folder, f"verify {name} -c {sums} --exact --strict --quiet")
        expect(program, folder, f"verify {name} --quiet")
    for head in "out/head.gguf", "out/mtp-own.gguf", "out/mtp-for.gguf", "out/mtp-checkpoint.gguf":
        expect(program, folder, f"graft -q --no-record --force {MODEL} {head} -o again.gguf")
        if head != "out/mtp-checkpoint.gguf":  # in F16
            expect_same(folder, "again.gguf", "out/no-record.gguf")


def main():
    action, program, folder = sys.argv[1], str(Path(sys.argv[2]).resolve()), Path(sys.argv[3]).resolve()
    if action == "make":
        return make(program, folder)
    outputs = json.loads((folder / "outputs.json").read_text())
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "json").mkdir()
        check_json(program, folder, outputs, Path(scratch) / "json")
        check_files(program, folder, outputs, Path(scratch) / "files")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
