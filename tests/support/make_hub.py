#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_hub.py MODELS OUT: model repositories as the Hugging Face Hub serves them, laid out for a plain web server.

OUT/local/NAME/      what is in a repository, as someone has it who downloaded all of it
OUT/www/             api/models/OWNER/NAME/revision/REVISION, api/models/OWNER/NAME/refs and api/authors/OWNER (JSON),
                     and OWNER/NAME/resolve/REVISION/FILE
OUT/cdn/             the large files (LFS), each called by its SHA-256
OUT/redirects.map    which path below www/ is which file of the CDN, for nginx's `map`
OUT/next-main        what revision/main of lab/hf-base-8L is after another commit

Around each head lie megabytes of trunk, so that it shows when more than the head is read; they take no disk space.
"""

import hashlib
import json
import os
import struct
import sys
from pathlib import Path

from gguf_file import F32, I32, STRING, U16, U32, GgufFile, Sparse, Tensor
from reference_graft import graft

MIB = 1 << 20


# safetensors

def read_safetensors(path):
    """[(name, dtype, shape, bytes)]"""
    raw = path.read_bytes()
    length = struct.unpack_from("<Q", raw)[0]
    header, data = json.loads(raw[8:8 + length]), raw[8 + length:]
    return [(name, info["dtype"], info["shape"], data[slice(*info["data_offsets"])])
            for name, info in header.items() if name != "__metadata__"]


def trunk(name, mib):
    """A matrix of zeros."""
    return name, "BF16", [mib << 9, 1024], Sparse(mib * MIB)


def write_safetensors(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, dtype, shape, data in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for *_, data in tensors:
            if isinstance(data, Sparse):
                file.seek(len(data), os.SEEK_CUR)
            else:
                file.write(data)
        file.truncate(8 + len(encoded) + at)


# what is in the repositories

def write_checkpoint(folder, config, head):
    """Four files: trunk; trunk around one half of the head; trunk around the other; trunk."""
    layer = "model.layers.{}.mlp.up_proj.weight".format
    shards = [[trunk(layer(0), 8)],
              [trunk(layer(1), 3), *head[:8], trunk(layer(2), 3)],
              [trunk(layer(3), 3), *head[8:], trunk(layer(4), 3)],
              [trunk(layer(5), 8)]]
    weight_map = {}
    for number, tensors in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        write_safetensors(folder / name, tensors)
        weight_map |= {tensor[0]: name for tensor in tensors}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}, indent=2) + "\n")
    (folder / "config.json").write_bytes(config)
    (folder / "README.md").write_text("# A model\n" * 1000)
    (folder / "tokenizer.json").write_text('{"model": {}}\n' + "\n" * 200_000)


def write_beside(folder, config, files, index=True):
    """The index names the trunk alone; the head is in `files`: {NAME: tensors}."""
    tensor = trunk("model.layers.0.mlp.up_proj.weight", 8)
    write_safetensors(folder / "model-00001-of-00001.safetensors", [tensor])
    if index:
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"weight_map": {tensor[0]: "model-00001-of-00001.safetensors"}}))
    (folder / "config.json").write_bytes(config)
    for name, tensors in files.items():
        write_safetensors(folder / name, tensors)


def write_headless(folder, config):
    """As AutoModel saves a fine-tune: config.json may declare a head, and there is none."""
    (folder / "config.json").write_text(json.dumps(config))
    write_safetensors(folder / "model.safetensors", [trunk("model.layers.0.mlp.up_proj.weight", 1)])


def full_model(target, sidecar):
    """With trunk before the head and behind it."""
    model = graft(target, sidecar)
    trunk_count = len(target.tensors)
    blob = [Tensor(f"blk.{n}.trunk.weight", (256, n * 2048), F32, Sparse(n * 2 * MIB)) for n in (3, 1)]
    model.tensors[trunk_count:trunk_count] = blob[:1]
    model.tensors += blob[1:]
    return model


def write_split(folder, name, model, count):
    """Every file begins with a tensor of the same share."""
    for number in range(count):
        share = model.tensors[number * len(model.tensors) // count:(number + 1) * len(model.tensors) // count]
        file = GgufFile(model.version, dict(model.keys) if number == 0 else {}, share)
        file.set("split.no", U16, number)
        file.set("split.count", U16, count)
        file.set("split.tensors.count", I32, len(model.tensors))
        file.write(folder / f"{name}-{number + 1:05}-of-{count:05}.gguf")


def make_models(models, local):
    def folder(name):
        result = local / name
        result.mkdir(parents=True)
        return result

    config = (models / "hf-base-8L/config.json").read_bytes()
    head = read_safetensors(models / "hf-base-8L/mtp.safetensors")
    write_checkpoint(folder("hf-base-8L"), config, head)
    name, dtype, shape, data = head[-1]
    other = bytes([data[0] ^ 1]) + data[1:]
    write_checkpoint(folder("next/hf-base-8L"), config, [*head[:-1], (name, dtype, shape, other)])

    crooked = folder("hf-crooked")
    (crooked / "config.json").write_bytes(config)
    weight_map = {tensor[0]: "../hf-base-8L/model-00002-of-00004.safetensors" for tensor in head}
    (crooked / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))

    write_beside(folder("hf-beside"), config, {"mtp.safetensors": head, "other.safetensors": [trunk("draft.weight", 1)]})
    (local / "hf-beside/._mtp.safetensors").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    write_beside(folder("hf-no-index"), config, {"head.safetensors": head}, index=False)
    parts = {f"model-mtp-0000{n}-of-00002.safetensors": part for n, part in ((1, head[:8]), (2, head[8:]))}
    for name in ("hf-own-index", "hf-own-index-cut"):
        write_beside(folder(name), config, parts)
        (local / name / "model-mtp.safetensors.index.json").write_text(
            json.dumps({"weight_map": {tensor[0]: part for part, tensors in parts.items() for tensor in tensors}}))
    (local / "hf-own-index-cut/model-mtp-00002-of-00002.safetensors").unlink()
    adapter = folder("hf-adapter")
    (adapter / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    write_safetensors(adapter / "adapter_model.safetensors", [("base_model.model.x.lora_A.weight", "F32", [1], bytes(4))])

    target = GgufFile.read(models / "target-12L-Q4_K_M.gguf")
    gguf = folder("Base-GGUF")
    for quant in ("Q8_0", "BF16"):
        sidecar = models / f"mtp-base-8L-{quant}.gguf"
        os.symlink(sidecar, gguf / f"mtp-Base-{quant}.gguf")
        model = full_model(target, GgufFile.read(sidecar))
        if quant == "BF16":
            model.set("general.license", STRING, "." * (2 * MIB))  # a header that does not come with the first bytes
        model.write(gguf / f"Base-MTP-{quant}.gguf")
    os.symlink(models / "target-12L-Q4_K_M.gguf", gguf / "Base-Q4_K_M.gguf")
    split = folder("Base-GGUF/split")
    write_split(split, "Base-MTP-Q8_0", GgufFile.read(gguf / "Base-MTP-Q8_0.gguf"), 4)
    # Nothing at the root; a folder that is called as a tag; upper and lower case, '.' and '-'.
    tags = folder("Tags-GGUF")
    for path, source in {"MTP/mtp-Base-Q8_0.gguf": models / "mtp-base-8L-Q8_0.gguf",
                         "MTP/mtp-Base-BF16.gguf": models / "mtp-base-8L-BF16.gguf",
                         "BF16/Base-MTP.gguf": gguf / "Base-MTP-BF16.gguf",
                         "quants/Base.q8_0.gguf": gguf / "Base-MTP-Q8_0.gguf",
                         "quants/Base.Q4_K_M.gguf": models / "target-12L-Q4_K_M.gguf",
                         "quants/Base.mtp.UD-Q4_K_M.gguf": gguf / "Base-MTP-Q8_0.gguf"}.items():
        (tags / path).parent.mkdir(exist_ok=True)
        (tags / path).symlink_to(source)
    (folder("Headless-GGUF") / "Base-Q4_K_M.gguf").symlink_to(models / "target-12L-Q4_K_M.gguf")
    one = folder("One-GGUF")
    (one / "Base-Q4_K_M.gguf").symlink_to(models / "target-12L-Q4_K_M.gguf")
    (one / "mtp-Base-Q8_0.gguf").symlink_to(models / "mtp-base-8L-Q8_0.gguf")
    make_base_models(json.loads(config), head, target, folder)


# Repositories that a target can name as its base, and how the hub describes them.
BASE = "lab/hf-base-8L"
DESCRIPTIONS = {
    "Tuned": {"cardData": {"base_model": BASE, "license": "mit"}},
    "Tuned-tags": {"cardData": {}, "tags": ["gguf", f"base_model:{BASE}", f"base_model:finetune:{BASE}"]},
    "Tuned-2": {"cardData": {"base_model": ["lab/Tuned"]}},
    "Tuned-3": {"cardData": {"base_model": "https://huggingface.co/lab/Tuned-2"}},
    "Tuned-4": {"cardData": {"base_model": "lab/Tuned-3"}},
    "Circle-A": {"cardData": {"base_model": "lab/Circle-B"}},
    "Circle-B": {"cardData": {"base_model": "lab/circle-a"}},
    "Merged": {"cardData": {"base_model": [BASE, "lab/Tuned"]}},
    "Orphan": {},
    "Crooked-card": {"cardData": {"base_model": {"a": ["\u001b[31m"]}}, "tags": "base_model:\u001b[31m/../x"},
    "Never": {"cardData": {"base_model": BASE}},
    "Lost-GGUF": {"cardData": {"base_model": BASE}},
    "Other-shape": {},
}


def make_base_models(config, head, target, folder):
    for name in DESCRIPTIONS:
        place = folder(name)
        if name == "Never":
            write_headless(place, {key: value for key, value in config.items() if not key.startswith("mtp_")})
        elif name == "Lost-GGUF":
            target.set("qwen35.block_count", U32, 13)
            target.set("qwen35.nextn_predict_layers", U32, 1)
            for quant in ("Q4_K_M", "Q8_0"):
                target.write(place / f"Lost-{quant}.gguf")
        elif name == "Other-shape":
            write_headless(place, dict(config, hidden_size=2 * config["hidden_size"]))
            write_safetensors(place / "model.safetensors", head)
        else:
            write_headless(place, config)


# the hub

def publish(out, repository, folder, revisions, description=None):
    """Returns the path of what the API tells of the commit."""
    siblings = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        entry = {"rfilename": str(path.relative_to(folder)), "size": path.stat().st_size}
        data = path.read_bytes()
        entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        if path.suffix in (".gguf", ".safetensors"):
            entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": entry["size"], "pointerSize": 134}
        siblings.append(entry)
    commit = hashlib.sha1(json.dumps([repository, siblings]).encode()).hexdigest()
    api = out / "www/api/models" / repository / "revision"
    answer = json.dumps({"id": repository, "sha": commit, "private": False, "siblings": siblings, **(description or {})})
    api.mkdir(parents=True, exist_ok=True)
    if revisions:
        refs = {"branches": [{"name": "main"}], "tags": [{"name": name} for name in revisions if name.startswith("v")]}
        (api.parent / "refs").write_text(json.dumps(refs))
    for revision in (commit, *revisions):
        (api / revision).parent.mkdir(parents=True, exist_ok=True)
        (api / revision).write_text(answer)
        for entry in siblings:
            path = out / "www" / repository / "resolve" / revision / entry["rfilename"]
            source = (folder / entry["rfilename"]).resolve()
            if "lfs" in entry:
                with open(out / "redirects.map", "a") as redirects:
                    redirects.write(f'"/{path.relative_to(out / "www")}" {entry["lfs"]["sha256"]};\n')
                path = out / "cdn" / entry["lfs"]["sha256"]
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.symlink_to(source)
    return api / commit


def main():
    models, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    local = out / "local"
    make_models(models, local)
    publish(out, "lab/hf-base-8L", local / "hf-base-8L", ["main", "refs/pr/1"])
    os.symlink(publish(out, "lab/hf-base-8L", local / "next/hf-base-8L", []), out / "next-main")
    publish(out, "lab/hf-crooked", local / "hf-crooked", ["main"])
    publish(out, "lab/hf-head", models / "hf-base-8L", ["main"])
    for owner in ("gated", "private", "busy", "slow"):
        publish(out, f"{owner}/hf-base-8L", local / "hf-base-8L", ["main"])
    publish(out, "lab/Base-GGUF", local / "Base-GGUF", ["main", "v1.0"])
    for name in ("Headless-GGUF", "One-GGUF", "Tags-GGUF", "hf-beside", "hf-no-index", "hf-own-index",
                 "hf-own-index-cut", "hf-adapter"):
        publish(out, f"lab/{name}", local / name, ["main"])
    for name, description in DESCRIPTIONS.items():
        publish(out, f"lab/{name}", local / name, ["main"], description)
    for owner in (out / "www/api/models").iterdir():
        if owner.name == "private":
            continue
        answer = [{"id": f"{owner.name}/{repository.name}"} for repository in sorted(owner.iterdir())]
        (out / "www/api/authors").mkdir(exist_ok=True)
        (out / "www/api/authors" / owner.name).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
