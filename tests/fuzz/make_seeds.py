#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_seeds.py [--fixtures DIR] OUT: first inputs for the fuzz targets, OUT/TARGET/*, of the bundled models, of the
golden files and, where they have been made, of the fixtures of ctest.

Models are made small: fewer blocks, tokens and columns, and no tensor data, for which the targets put zeros.
"""

import argparse
import hashlib
import json
import re
import sys
from math import prod
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "support"))

from gguf_file import ARRAY, BLOCK, F32, Q8_0, STRING, U16, I32, GgufFile, Sparse, Tensor, tensor_bytes  # noqa: E402
from make_dialects import DIALECTS, translate  # noqa: E402
from reference_graft import graft  # noqa: E402

BETWEEN_FILES = b"\n%%\n"
TRUNK_BLOCKS = 2
TOKENS = 6
SHRINK = 8  # of every extent that is a width

WIDTHS = re.compile(r"(embedding|feed_forward|key|value)_length$")
LATER_BLOCK = re.compile(r"mtp\.layers\.[1-9]")
BLOCK_NAME = re.compile(r"blk\.(\d+)\.(.*)")

# The options of plan_fuzzer.cc.
REPLACE, RECORD, FILL, SPLIT_HEAD, YARN = 1, 2, 4, 8, 16
NO_CONVERSION = 255
# Those of safetensors_fuzzer.cc.
ARCHITECTURES = ("", "qwen35", "qwen35moe", "qwen3next", "glm4moe", "deepseek2", "glm-dsa", "deepseek32", "mimo2",
                 "step35", "hy_v3", "nemotron_h_moe", "deepseek4", "exaone-moe", "dots3note", "qwen4exp")


def smaller(extent):
    return extent // SHRINK if extent >= 32 and extent % SHRINK == 0 else extent


def shrink(model):
    """With the first blocks of the trunk and the head only, and narrow."""
    arch = model.architecture
    blocks, nextn = model.arch_value("block_count", 0), model.arch_value("nextn_predict_layers", 0)
    trunk = blocks - nextn
    small = GgufFile(model.version)
    for key, (type_id, value) in model.keys.items():
        name = key.removeprefix(f"{arch}.")
        if type_id == ARRAY:
            element, items = value
            if len(items) == blocks:
                items = items[:TRUNK_BLOCKS] + items[trunk:]
            elif len(items) == trunk or len(items) > 64:
                items = items[:TOKENS if len(items) > 64 else TRUNK_BLOCKS]
            value = (element, items)
        elif name == "block_count" and blocks:
            value = min(trunk, TRUNK_BLOCKS) + nextn
        elif WIDTHS.search(name):
            value = smaller(value)
        elif type_id == STRING and len(value) > 2000 and key != "mtpgraft.record":
            value = value[:200]
        small.set(key, type_id, value)
    for tensor in model.tensors:
        name = tensor.name
        if (match := BLOCK_NAME.match(name)) and blocks:
            block = int(match[1])
            if TRUNK_BLOCKS <= block < trunk:
                continue
            name = f"blk.{block - max(0, trunk - TRUNK_BLOCKS) if block >= trunk else block}.{match[2]}"
        shape = tuple(map(smaller, tensor.shape))
        type_id = tensor.type_id
        if type_id in BLOCK and shape and shape[0] % BLOCK[type_id][0]:
            type_id = Q8_0 if shape[0] % 32 == 0 else F32
        size = tensor_bytes(type_id, shape) if type_id in BLOCK else len(tensor.data)
        small.tensors.append(Tensor(name, shape, type_id, Sparse(size)))
    return small


def header_of(model, scratch):
    """Without the data, whose last bytes tell nothing: the targets fill them up."""
    model.write(scratch)
    raw = scratch.read_bytes()
    return raw.rstrip(b"\0") + b"\0"


class Seeds:
    def __init__(self, out):
        self.out = out
        self.scratch = out / "scratch"

    def add(self, target, raw):
        folder = self.out / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha1(raw).hexdigest()[:16]).write_bytes(raw)

    def header(self, model):
        return header_of(model, self.scratch)

    def add_plan(self, flags, head_type, *files):
        self.add("plan", bytes([flags | FILL, head_type]) + BETWEEN_FILES.join(files))

    def add_split(self, flags, models):
        count, tensors = len(models), sum(len(model.tensors) for model in models)
        files = []
        for number, model in enumerate(models):
            model.set("split.no", U16, number)
            model.set("split.count", U16, count)
            model.set("split.tensors.count", I32, tensors)
            model.write(self.scratch)
            files.append(self.scratch.read_bytes())
        self.add("split", bytes([flags]) + BETWEEN_FILES.join(files))


def split_model(model, counts):
    """Into files of that many tensors, the rest in the last."""
    files, at = [], 0
    for number, count in enumerate([*counts, len(model.tensors) - sum(counts)]):
        files.append(GgufFile(model.version, dict(model.keys) if number == 0 else {}, model.tensors[at:at + count]))
        at += count
    return files


def header_seeds(seeds, models, fixtures):
    for path in sorted([*TESTS.glob("golden/*.gguf"), *fixtures.glob("legal/*.gguf"), *fixtures.glob("malformed/*.gguf")]):
        seeds.add("header", path.read_bytes())
    for path in fixtures.glob("mmproj*.gguf"):
        model = GgufFile.read(path)
        model.tensors = [Tensor(tensor.name, tensor.shape, F32, b"\0" * tensor_bytes(F32, tensor.shape))
                         for tensor in model.tensors if tensor.name.startswith("mm.") and len(tensor.shape) == 1]
        for name, width in (("mm.2.weight", 8), ("mm.model.fc.weight", 8), ("v.deepstack.1.fc1.weight", 2)):
            model.tensors.append(Tensor(name, (1, width), F32, b"\0" * 4 * width))
        model.write(seeds.scratch)
        seeds.add("header", seeds.scratch.read_bytes())
    for path in models:
        model = shrink(GgufFile.read(path))
        for tensor in model.tensors:
            tensor.shape, tensor.type_id, tensor.data = tuple(1 for _ in tensor.shape), F32, b"data"
        model.tensors = model.tensors[:8] + model.tensors[-20:]
        model.write(seeds.scratch)
        seeds.add("header", seeds.scratch.read_bytes())


def plan_seeds(seeds, models, fixtures):
    def read(name):
        return seeds.header(shrink(GgufFile.read(name)))

    golden = [(TESTS / f"golden/tiny-qwen35-{role}.gguf").read_bytes() for role in ("target", "donor")]
    for flags in (0, RECORD, RECORD | SPLIT_HEAD, RECORD | YARN, RECORD | REPLACE):
        seeds.add_plan(flags, NO_CONVERSION, *golden)
    for head_type in range(4):
        seeds.add_plan(RECORD, head_type, *golden)
    seeds.add_plan(RECORD, NO_CONVERSION, *golden,
                   b'general.name=str:other\ngeneral.tags=str[]:["a","b"]\nqwen35.x=f32[]:[1,2.5]\ngeneral.type')
    donor = GgufFile.read(TESTS / "golden/tiny-qwen35-donor.gguf")
    block = donor.arch_value("block_count") - 1
    for names in DIALECTS.values():
        other = seeds.header(translate(donor, names, block))
        seeds.add_plan(RECORD, NO_CONVERSION, golden[0], other)
        seeds.add("header", other)
    base = {path.stem: path for path in models}
    pairs = [(target, donor) for target in base for donor in base
             if target.startswith("target") and donor == "mtp-base-8L-Q8_0"
             or target == "target-12L-Q4_K_M" and donor.startswith(("donor", "mtp", "head"))
             or target.startswith("moe") and donor.startswith("moe") and target.split("-")[1] == donor.split("-")[1]]
    for index, (target, donor) in enumerate(pairs):
        flags = RECORD | (REPLACE if "head" in target or "grafted" in target else 0)
        seeds.add_plan(flags, index % 8, read(base[target]), read(base[donor]))
    for path in sorted(fixtures.glob("checkpoints/*.gguf")):
        # A trunk of that family.
        donor = shrink(GgufFile.read(path))
        trunk = [Tensor(f"blk.{block}.attn_norm.weight", (8,), F32, Sparse(32)) for block in range(TRUNK_BLOCKS)]
        target = GgufFile(donor.version, dict(donor.keys), trunk)
        target.set(f"{donor.architecture}.block_count", 4, TRUNK_BLOCKS)
        target.keys.pop(f"{donor.architecture}.nextn_predict_layers", None)
        seeds.add_plan(RECORD, NO_CONVERSION, seeds.header(target), seeds.header(donor))


def safetensors_header(path, shrink_extent=lambda extent: extent):
    """Of heads of several blocks only the first."""
    raw = path.read_bytes()
    tensors = json.loads(raw[8:8 + int.from_bytes(raw[:8], "little")])
    tensors.pop("__metadata__", None)
    at = 0
    small = {"__metadata__": {"format": "pt"}}
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1]["data_offsets"]):
        if LATER_BLOCK.search(name):
            continue
        begin, end = tensor["data_offsets"]
        shape = [shrink_extent(extent) for extent in tensor["shape"]]
        size = (end - begin) * prod(shape) // max(1, prod(tensor["shape"]))
        small[name] = {"dtype": tensor["dtype"], "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(small, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text


def safetensors_seeds(seeds, fixtures):
    def small(config, shrink_extent=lambda extent: extent):
        config = json.loads(config.read_text())
        for key in ("hidden_size", "intermediate_size", "head_dim"):
            if key in config:
                config[key] = shrink_extent(config[key])
        return json.dumps(config, separators=(",", ":")).encode()

    bundled = TESTS / "models/hf-base-8L"
    config, header = small(bundled / "config.json", smaller), safetensors_header(bundled / "mtp.safetensors", smaller)
    seeds.add("safetensors", b"\0" + config + BETWEEN_FILES + header)
    for number in range(2):
        seeds.add("safetensors", bytes([number]) + header)
    for folder in sorted(fixtures.glob("checkpoints/*/")):
        if not folder.is_dir():
            continue
        files = sorted(folder.glob("*.safetensors"))
        index = folder / "model.safetensors.index.json"
        config = small(folder / "config.json")
        if index.exists() and len(files) > 1:
            # Of several files the last two, as "a" and "b".
            names = {files[-2].name: "a.safetensors", files[-1].name: "b.safetensors"}
            weights = {name: names[file] for name, file in json.loads(index.read_text())["weight_map"].items()
                       if file in names and not LATER_BLOCK.search(name)}
            parts = [config, safetensors_header(files[-2]),
                     json.dumps({"weight_map": weights}, separators=(",", ":")).encode(),
                     safetensors_header(files[-1])]
        else:
            parts = [config, safetensors_header(files[0])]
        seeds.add("safetensors", b"\0" + BETWEEN_FILES.join(parts))
        seeds.add("safetensors", b"\x60" + BETWEEN_FILES.join(parts))
        architecture = GgufFile.read(folder.with_suffix(".gguf")).architecture
        if architecture in ARCHITECTURES:
            seeds.add("safetensors", bytes([ARCHITECTURES.index(architecture)]) + parts[-1])


def checksum_seeds(seeds):
    digest = hashlib.sha256(b"").hexdigest()
    names = ["token_embd.weight", "metadata: header, keys and tensor infos, up to the padding of the data"]
    tags = "".join(f"XXH128 ({name}) = {digest[:32]}\n" for name in names)
    seeds.add("checksums", f"# a comment\n\n{tags}".encode())
    seeds.add("checksums", f"{digest[:32]}  output.weight\r\n{digest[:32]} *output.weight\n".encode())
    seeds.add("checksums", f"\\XXH128 (a\\nb\\\\c\\rd) = {digest[:32]}\n\\{digest[:32]}  a\\nb\n".encode())
    seeds.add("checksums", f"SHA256 (Model.gguf) = {digest}\n{digest}  Model.gguf\n".encode())
    seeds.add("checksums", (f"xxh64     {digest[:16]}  Model.gguf:output.weight\nsha1      {digest[:40]}  Model.gguf\n"
                            f"sha256    {digest}  Model.gguf:blk.0.attn_q.weight\n").encode())


def split_seeds(seeds):
    target, donor = (GgufFile.read(TESTS / f"golden/tiny-qwen35-{role}.gguf") for role in ("target", "donor"))
    both = graft(target, donor)
    trunk = len(target.tensors)
    for flags in range(4):
        seeds.add_split(flags, split_model(target, [3, 4]))
        seeds.add_split(flags, split_model(both, [trunk]))
        seeds.add_split(flags, split_model(both, [0, trunk]))
        seeds.add_split(flags, split_model(both, [3, trunk]))
        seeds.add_split(flags, split_model(donor, [3]))
    raw = (TESTS / "golden/tiny-qwen35-target.gguf").read_bytes()
    seeds.add("split", b"\0" + raw)
    seeds.add("split", b"\0" + raw + BETWEEN_FILES + raw)


def record_seeds(seeds):
    def record(keys, n_tensors=2, **more):
        digest = "0123456789abcdef" * 2
        text = {"record": 1, "tool": "mtpgraft 0.1.0",
                "target": {"file": "a.gguf", "size": 416, "n_kv": 2, "n_tensors": n_tensors, "data_offset": 352,
                           "header_xxh128": digest},
                "keys": keys,
                "donor": {"file": "b.gguf", "architecture": "tiny", "blocks": [1], "name": "base", **more},
                "head": {"blocks": [1], "tensors": 3, "bytes": 160, "xxh128": digest}}
        return text

    count = {"tiny.block_count": {"type": "u32", "value": 1}, "tiny.nextn_predict_layers": None}
    records = [
        record({}),
        record(count),
        record(count, head_type="Q8_0", ggml="b10256", norm_offset=1),
        record({**count, "general.name": {"type": "string", "hex": "ff00", "count": 1, "place": 1}}),
        record({"tiny.feed_forward_length": {"type": "u32[]", "value": [4]}, "general.x": {"type": "f32", "value": 0.5,
                                                                                        "place": 0}}),
        record({"tiny.tags": {"type": "string[]", "value": ["a", "b"], "place": 2},
                "tiny.flags": {"type": "bool[]", "hex": "0002", "count": 2, "place": 3}}),
    ]
    records.append({**record(count), "edits": [{"key": "general.name", "to": {"type": "string", "value": "new"}},
                                               {"key": "tiny.feed_forward_length", "to": None}]})
    for text in records:
        seeds.add("record", json.dumps(text, separators=(",", ":"))[:-1].encode())
    for edit in ("general.name=str:x", 'general.tags=str[]:["mtp"]', "a.b=f32:0.5", "a=u32[]:[1,2]", "a=bool[]:[true]",
                 "a=i64:-9223372036854775808", "a=u64:18446744073709551615", "a=f64[]:[1e300,-0.0]"):
        seeds.add("record", edit.encode())


def server_seeds(seeds):
    sibling = {"rfilename": "model.safetensors", "size": 100, "lfs": {"sha256": "ab", "size": 100}}
    listings = [{"id": "o/n", "sha": "0123456789abcdef" * 2 + "01234567", "siblings": [{"rfilename": "a/b.gguf"}, sibling]},
                {"branches": [{"name": "main"}], "tags": [{"name": "v1"}]}, [{"id": "o/n"}], {"siblings": 1}]
    paths = ["hf://o/n", "hf://o/n@v1/a.gguf", "hf://o/n@feature/x:*Q8_0*.gguf", "hf://o/n@refs/pr/1/a",
             "https://hub.example/o/n/resolve/refs%2Fpr%2F1/a%20b.gguf?download=true", "http://127.0.0.1:80/x",
             "https://[::1]/x", "http://user@hub.example/x"]

    def answer(first, last, size, body, *fields):
        fields = [f"Content-Range: bytes {first}-{last}/{size}", f"Content-Length: {last - first + 1}", *fields]
        return "\n".join(fields) + "\n\n" + body

    whole = answer(16, 79, 1000, "x" * 64, 'ETag: "v1"', "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT")
    halves = [answer(16, 79, 1000, "x" * 32, 'ETag: W/"v1"'), answer(48, 79, 1000, "x" * 32, 'ETag: "v1"')]
    short = answer(16, 19, 20, "xxxx", "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", "Content-Encoding: identity")
    for i, path in enumerate(paths):
        parts = [json.dumps(listings[i % len(listings)]), path, *([whole], halves, [short])[i % 3]]
        seeds.add("server", BETWEEN_FILES.join(part.encode() for part in parts))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fixtures", type=Path, default=Path("none"))
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    seeds = Seeds(options.out)
    models = sorted([*TESTS.glob("models/*.gguf"), *options.fixtures.glob("*.gguf")])
    models = [path for path in models if not re.match("twin|big|mmproj", path.name)]
    header_seeds(seeds, models, options.fixtures)
    plan_seeds(seeds, models, options.fixtures)
    safetensors_seeds(seeds, options.fixtures)
    checksum_seeds(seeds)
    split_seeds(seeds)
    record_seeds(seeds)
    server_seeds(seeds)
    seeds.scratch.unlink()


if __name__ == "__main__":
    main()
