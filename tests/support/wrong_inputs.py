#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files and folders that people give in the place of a model, and what mtpgraft is to say of them.

    wrong_inputs.py PROGRAM MODELS_DIR          runs every case in an empty folder; prints those that fail
    wrong_inputs.py PROGRAM MODELS_DIR --show   prints what the program says of each, for people to read

All are made of the bundled models. Nothing is fetched.
"""

import base64
import gzip
import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from gguf_file import (ARRAY, BOOL, F32, F32_VALUE, I32, STRING, U16, U32, GgufFile, Tensor,  # noqa: E402
                       encode_header, encode_key)

TARGET, DONOR, BASE = "target-12L-Q4_K_M.gguf", "mtp-base-8L-Q8_0.gguf", "base.gguf"


# Formats that are known by their first bytes, and what is said of them.
BINARY = {"store": b"\0\0\0\1Bud1", "Thumbs.db": b"\xd0\xcf\x11\xe0", "x.lnk": b"\x4c\0\0\0\1\x14\2\0", "x.parquet": b"PAR1",
          "x.arrow": b"ARROW1\0\0", "x.db": b"SQLite format 3\0", "x.wav": b"RIFF\0\0\0\1WAVE", "x.mp3": b"ID3\4\0",
          "x.mp4": b"\0\0\0\x18ftypmp42", "x.webp": b"RIFF\0\0\0\1WEBP", "x.gif": b"GIF89a\1\0", "x.deb": b"!<arch>\ndebian\1",
          "x.pyc": b"\xcb\r\r\n\0", "x.onnx": b"\x08\x08\x12\x07pytorch", "tokenizer.model": b"\n\x0e\n\x05<unk>\x15\0",
          "x.flac": b"fLaC\0", "x.ogg": b"OggS\0", "x.mkv": b"\x1a\x45\xdf\xa3"}


def small(keys, tensors=(), version=3):
    """A GGUF of a few keys and F32 tensors."""
    file = GgufFile(version)
    for name, value in keys.items():
        if isinstance(value, bool):
            file.set(name, BOOL, value)
        elif isinstance(value, int):
            file.set(name, U32, value)
        elif isinstance(value, float):
            file.set(name, F32_VALUE, value)
        elif isinstance(value, list):
            file.set(name, ARRAY, (STRING if isinstance(value[0], str) else I32, value))
        else:
            file.set(name, STRING, value)
    for name in tensors:
        file.tensors.append(Tensor(name, (32,), F32, bytes(128)))
    return file


def write(path, file):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if isinstance(file, GgufFile):
        file.write(path)
    elif isinstance(file, str):
        Path(path).write_text(file)
    else:
        Path(path).write_bytes(file)


def safetensors(name="mtp.fc.weight"):
    header = json.dumps({name: {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(8)


def zipped(*names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, bytes(100))
    return out.getvalue()


def tarred(name):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = 100
        archive.addfile(info, io.BytesIO(bytes(100)))
    return out.getvalue()


def make_gguf_files():
    target = GgufFile.read(TARGET)
    tokens = {"general.architecture": "qwen35", "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": ["a", "b"]}
    write("lora.gguf", small({"general.type": "adapter", "general.architecture": "qwen35", "adapter.type": "lora",
                              "adapter.lora.alpha": 16.0}, ["blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.lora_b"]))
    write("imatrix.gguf", small({"general.type": "imatrix", "imatrix.datasets": ["wiki.txt"],
                                 "imatrix.chunk_count": 100}, ["blk.0.attn_q.weight.in_sum2", "blk.0.attn_q.weight.counts"]))
    write("imatrix.dat", struct.pack("<ii", 1, 18) + b"blk.0.attn_q.weight" + bytes(64))
    write("mmproj-F16.gguf", small({"general.architecture": "clip", "general.type": "mmproj",
                                    "clip.has_vision_encoder": True, "clip.vision.projector_type": "qwen3vl_merger"},
                                   ["mm.2.bias"]))
    write("old-mmproj.gguf", small({"general.architecture": "clip", "clip.has_vision_encoder": True}, ["mm.2.bias"]))
    write("vocab.gguf", small(tokens))
    write("bge.gguf", small({"general.architecture": "bert", "bert.block_count": 1, "bert.pooling_type": 2},
                            ["token_embd.weight", "blk.0.attn_q.weight"]))
    write("qwen-embedding.gguf", small({"general.architecture": "qwen3", "qwen3.block_count": 1,
                                        "qwen3.pooling_type": 3}, ["token_embd.weight", "blk.0.attn_q.weight"]))
    write("vector.gguf", small({"general.architecture": "controlvector", "controlvector.layer_count": 1},
                               ["direction.1"]))
    write("qwen-reranker.gguf", small({"general.architecture": "qwen3", "qwen3.block_count": 1,
                                       "qwen3.pooling_type": 4}, ["token_embd.weight", "blk.0.attn_q.weight"]))
    write("vocoder.gguf", small({"general.architecture": "wavtokenizer-dec"}, ["token_embd.weight"]))
    write("flux.gguf", small({"general.architecture": "flux"}, ["img_in.weight"]))
    write("keys-only.gguf", small({"general.name": "something"}))
    for name, architecture, tensors in (("eagle3.gguf", "eagle3", ["blk.0.attn_q.weight"]),
                                        ("dflash.gguf", "dflash", ["blk.0.attn_q.weight"]),
                                        ("dspark.gguf", "dflash", ["blk.0.attn_q.weight", "markov_w1.weight"]),
                                        ("assistant.gguf", "gemma4-assistant", ["blk.0.nextn.eh_proj.weight"])):
        write(name, small({"general.architecture": architecture, f"{architecture}.block_count": 1}, tensors))
    shard = GgufFile.read(TARGET)
    shard.set("split.no", U16, 1)
    shard.set("split.count", U16, 2)
    shard.set("split.tensors.count", I32, len(shard.tensors))
    shard.write("lone-00002-of-00002.gguf")
    shard.set("split.no", U16, 0)
    shard.write("first-00001-of-00002.gguf")
    write("joined.gguf", Path("first-00001-of-00002.gguf").read_bytes() + b"GGUF" + bytes(100))
    os.makedirs("loading", exist_ok=True)
    shutil.copy("first-00001-of-00002.gguf", "loading/first-00001-of-00002.gguf")
    write("loading/first-00002-of-00002.gguf.part", b"GGUF")
    write("big-endian.gguf", b"GGUF" + struct.pack(">IQQ", 3, 0, 0))
    write("v1.gguf", b"GGUF" + struct.pack("<III", 1, 0, 0))
    write("v9.gguf", encode_header(9, 0, 0))
    target.set("general.name", STRING, "other")


def make_pieces():
    data = Path(TARGET).read_bytes()
    half = len(data) // 2
    for first, second in (("Big.gguf.part1of2", "Big.gguf.part2of2"), ("Big.gguf-split-a", "Big.gguf-split-b"),
                          ("Big-part-a.gguf", "Big-part-b.gguf"), ("Big.gguf.001", "Big.gguf.002")):
        write(first, data[:half])
        write(second, data[half:])
    write("cut.gguf", data[:half])
    write("latin.gguf", data.decode("latin-1").encode())
    write("replaced.gguf", data.decode(errors="replace").encode())
    write("header-only.gguf", data[:5000])
    write("loading.gguf", data[:half])
    write("loading.gguf.aria2", bytes(50))
    write("some.gguf.part", data[:half])
    write("some.gguf.crdownload", bytes(5000))
    write("zeros.gguf", bytes(100000))
    write("empty.gguf", b"")
    write("G.gguf", b"GG")
    write("random.gguf", bytes(range(200, 256)) * 100)


def make_foreign_files():
    data = Path(DONOR).read_bytes()[:100000]
    write("model.gguf.gz", gzip.compress(data))
    write("model.zip", zipped("model.gguf"))
    write("model.gguf.zst", b"\x28\xb5\x2f\xfd" + bytes(100))
    write("model.tar", tarred("model.gguf"))
    write("both.tar.gz", gzip.compress(tarred("model.gguf")))
    write("model.llamafile", b"MZqFpD='\n\n" + bytes(100))
    write("link.gguf", "[InternetShortcut]\nURL=https://example.com\n")
    write(".model.gguf.icloud", b"bplist00" + bytes(100))
    write("model.7z", b"7z\xbc\xaf\x27\x1c" + bytes(100))
    write("model.xz", b"\xfd7zXZ\0" + bytes(100))
    write("pointer.gguf", "version https://git-lfs.github.com/spec/v1\noid sha256:" + "ab" * 32 + "\nsize 5300000000\n")
    write("page.gguf", "<!doctype html>\n<html class=\"\"><head><title>Qwen</title></head></html>")
    write("not-found.gguf", "Entry not found")
    write("denied.gguf", '{"error":"Access to model meta/secret is restricted. You must have access to it."}')
    write("s3.gguf", '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>')
    write("model.safetensors", safetensors())
    write("renamed.gguf", safetensors())
    write("adapter_model.safetensors", safetensors("model.layers.0.self_attn.q_proj.lora_A.weight"))
    write("pytorch_model.bin", zipped("archive/data.pkl", "archive/version"))
    write("old.pth", pickle.dumps({"a": 1}, protocol=2) + bytes(100))
    write("llama.ggjt.bin", b"tjgg" + bytes(100))
    write("ggml-model.bin", b"lmgg" + bytes(100))
    write("config.json", json.dumps({"architectures": ["Qwen3_5ForCausalLM"], "model_type": "qwen3_5"}))
    write("plan.json", json.dumps({"version": 1, "grafts": []}))
    write("notes.gguf", "These are notes.\n")
    write("._model.gguf", b"\0\5\x16\7\0\2\0\0Mac OS X" + bytes(100))
    write("busy.gguf", "Too Many Requests")
    write("limited.gguf", '{"error":"We had to rate limit your IP. To continue using our service, log in."}')
    write("failed.gguf", "Internal Server Error")
    write("503.gguf", "503 Service Unavailable")
    write("500M.gguf", '{"error":"Access to model x-500M is restricted."}')
    write("chat.jinja", "{% for message in messages %}{{ message.content }}{% endfor %}")
    write("web.webloc", '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist><plist><dict/></plist>')
    write("openvino.xml", '<?xml version="1.0"?>\n<net name="Model0" version="11"><layers/></net>')
    write("base64.gguf", base64.b64encode(data))
    write("hex.gguf", data.hex())
    write("xet.gguf", '# xet version 0\nfilesize = 123\nhash = "ab"\n')
    write("blank.gguf", " \n")
    write("model.tflite", b"\x1c\0\0\0TFL3" + bytes(100))
    write("model.h5", b"\x89HDF\r\n\x1a\n" + bytes(100))
    write("weights.npz", zipped("a.npy"))
    write("paper.docx", zipped("[Content_Types].xml", "word/document.xml"))
    write("marked.gguf", b"\xef\xbb\xbf" + data)
    write("headers.gguf", b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n" + data)
    write("form.gguf", b'--abc\r\nContent-Disposition: form-data; name="f"\r\n\r\n' + data)
    for name, start in BINARY.items():
        write(name, start + bytes(range(200, 256)) * 4)
    write("picture.gguf", b"\x89PNG\r\n\x1a\n" + bytes(100))
    write("program.gguf", b"\x7fELF" + bytes(100))


def make_folders(models_dir):
    shutil.copytree(Path(models_dir) / "hf-base-8L", "checkpoint")
    write("ggufs/a.gguf", Path(DONOR).read_bytes())
    write("ggufs/._a.gguf", b"\0\5\x16\7")
    write("two/a.gguf", Path(DONOR).read_bytes())
    write("two/b.gguf", Path(TARGET).read_bytes())
    write("peft/adapter_config.json", "{}")
    write("peft/adapter_model.safetensors", safetensors())
    write("diffusers/model_index.json", "{}")
    write("diffusers/unet/config.json", "{}")
    write("pickles/config.json", "{}")
    write("half/config.json", "{}")
    write("shards/config.json", "{}")
    write("shards/model-00001-of-00002.safetensors", safetensors())
    write("pickles/pytorch_model.bin", zipped("archive/data.pkl"))
    write("models--Qwen--Q/snapshots/abc/q.gguf", Path(DONOR).read_bytes())
    (Path("models--Qwen--Q") / "blobs").mkdir()
    for name in "ab":
        write(f"models--Qwen--Two/snapshots/abc/{name}.gguf", Path(DONOR).read_bytes())
    write("hub/models--Qwen--Q/refs/main", "abc")
    Path("nothing").mkdir()
    write("other/readme.txt", "hello")
    write("ollama/blobs/sha256-" + "ab" * 32, Path(DONOR).read_bytes())
    write("ollama/manifests/x", "{}")
    write("J.gguf.mtpgraft-journal", "")
    write("parts/Big.gguf.part1of2", b"GGUF")
    write("parts/Big.gguf.part2of2", b"x")
    write("manifest", json.dumps({"layers": [{"mediaType": "application/vnd.ollama.image.model",
                                              "digest": "sha256:" + "ab" * 32}]}))


def make_all(models_dir):
    for name in (TARGET, DONOR):
        shutil.copy(Path(models_dir) / name, name)
    shutil.copy(Path(models_dir) / "head-only-base-8L-BF16.gguf", "bare-head.gguf")
    make_gguf_files()
    make_pieces()
    make_foreign_files()
    make_folders(models_dir)


@dataclass
class Case:
    command: str      # the words after `mtpgraft`
    exit_code: int
    kind: str         # "" if the error is not about a file's kind
    hint: str         # a part of the hint, or of what inspect says; "" for none


def inspected(name, kind, hint):
    return Case(f"inspect {name}", 0, kind, hint)


def refused(name, kind, hint, exit_code=3):
    """As inspect, target and donor alike."""
    return [Case(f"inspect {name}", exit_code, kind, hint), Case(f"graft {name} {DONOR}", exit_code, kind, hint),
            Case(f"graft {TARGET} {name} -o new.gguf", exit_code, kind, hint)]


def no_model(name, kind, hint):
    """Files that can be read, are no models, and neither have a head nor take one."""
    return [inspected(name, kind, hint), Case(f"graft {name} {DONOR} -o new.gguf", 3, kind, "name the model"),
            Case(f"graft {TARGET} {name} -o new.gguf", 3, kind, "give the base model's GGUF")]


CASES = [
    *no_model("lora.gguf", "lora-adapter", "llama-server -m MODEL --lora lora.gguf"),
    *no_model("imatrix.gguf", "imatrix", "llama-quantize --imatrix imatrix.gguf"),
    *no_model("mmproj-F16.gguf", "mmproj", "--mmproj mmproj-F16.gguf"),
    *no_model("old-mmproj.gguf", "mmproj", "--mmproj old-mmproj.gguf"),
    *no_model("vocab.gguf", "vocabulary", "tokenizers"),
    *no_model("bge.gguf", "embedding-model", "--embeddings"),
    *no_model("qwen-embedding.gguf", "embedding-model", "--embeddings"),
    *no_model("qwen-reranker.gguf", "embedding-model", "--reranking"),
    *no_model("vocoder.gguf", "media-model", "llama-tts -m MODEL -mv vocoder.gguf"),
    *no_model("vector.gguf", "control-vector", "--control-vector"),
    *no_model("flux.gguf", "media-model", "other programs"),
    *no_model("eagle3.gguf", "drafter", "llama-server -m MODEL -md eagle3.gguf --spec-type draft-eagle3"),
    *no_model("dflash.gguf", "drafter", "-md dflash.gguf --spec-type draft-dflash"),
    *no_model("dspark.gguf", "drafter", "-md dspark.gguf --spec-type draft-dspark"),
    *no_model("assistant.gguf", "drafter", "-md assistant.gguf --spec-type draft-mtp"),
    inspected("keys-only.gguf", "other-gguf", ""),
    inspected(TARGET, "model", "mtpgraft graft"),
    inspected(DONOR, "sidecar", "-md"),
    inspected("bare-head.gguf", "bare-head", "donor"),
    inspected("lone-00002-of-00002.gguf", "shard", "name the first file"),
    Case(f"graft lone-00002-of-00002.gguf {DONOR}", 3, "shard", "name the first file"),
    Case("inspect joined.gguf", 3, "", "not joined by cat"),
    Case("inspect loading/first-00001-of-00002.gguf", 4, "", "loading/first-00002-of-00002.gguf.part' is there"),
    Case("inspect first-00001-of-00002.gguf", 4, "", "one directory"),
    *refused("big-endian.gguf", "big-endian", "gguf_convert_endian.py"),
    *refused("v1.gguf", "gguf-v1", "newer GGUF"),
    *refused("v9.gguf", "gguf-unknown-version", "newer mtpgraft"),
    *refused("Big.gguf.part1of2", "cut-part", "cat Big.gguf.part1of2 Big.gguf.part2of2 > Big.gguf"),
    *refused("Big.gguf.part2of2", "cut-part", "cat Big.gguf.part1of2 Big.gguf.part2of2 > Big.gguf"),
    *refused("Big.gguf-split-a", "cut-part", "cat Big.gguf-split-a Big.gguf-split-b > Big.gguf"),
    *refused("Big-part-b.gguf", "cut-part", "cat Big-part-a.gguf Big-part-b.gguf > Big.gguf"),
    *refused("Big.gguf.001", "cut-part", "cat Big.gguf.001 Big.gguf.002 > Big.gguf"),
    *refused("cut.gguf", "unfinished", "download or copy it again"),
    *refused("header-only.gguf", "unfinished", "download or copy it again"),
    *refused("loading.gguf", "unfinished", "loading.gguf.aria2"),
    *refused("some.gguf.part", "unfinished", "let the download end"),
    *refused("some.gguf.crdownload", "unfinished", "let the download end"),
    *refused("zeros.gguf", "zeros", "download"),
    *refused("empty.gguf", "empty", "again"),
    *refused("G.gguf", "unfinished", "again"),
    *refused("random.gguf", "unknown", "compare its size"),
    *refused("model.gguf.gz", "gzip", "gunzip -c model.gguf.gz > model.gguf"),
    *refused("model.zip", "zip", "unzip model.zip"),
    *refused("model.gguf.zst", "zstd", "zstd -dc model.gguf.zst"),
    *refused("model.tar", "archive", "tar -xf model.tar"),
    *refused("both.tar.gz", "gzip", "tar -xf both.tar.gz"),
    *refused("model.llamafile", "archive", "unzip model.llamafile"),
    *refused("link.gguf", "text", "name the model"),
    *refused(".model.gguf.icloud", "unfinished", "Finder"),
    *refused("model.7z", "archive", "unpack"),
    *refused("model.xz", "archive", "xz -dc model.xz"),
    *refused("pointer.gguf", "lfs-pointer", "git lfs pull --include pointer.gguf"),
    *refused("page.gguf", "web-page", "/resolve/"),
    *refused("not-found.gguf", "server-reply", "look at the link"),
    *refused("denied.gguf", "server-reply", "token"),
    *refused("s3.gguf", "server-reply", "look at the link"),
    Case(f"graft model.safetensors {DONOR}", 3, "safetensors", "convert_hf_to_gguf.py"),
    *refused("renamed.gguf", "safetensors", "its name must end with .safetensors"),
    *refused("pytorch_model.bin", "pickle", "convert_hf_to_gguf.py"),
    *refused("old.pth", "pickle", "convert_hf_to_gguf.py"),
    *refused("llama.ggjt.bin", "ggml", "get the model as GGUF"),
    *refused("ggml-model.bin", "ggml", "get the model as GGUF"),
    *refused("config.json", "json", "folder"),
    *refused("plan.json", "json", "mtpgraft release plan.json"),
    *refused("notes.gguf", "text", "name the model"),
    *refused("._model.gguf", "apple-double", "the model is 'model.gguf'"),
    *refused("picture.gguf", "unknown", "only its name is that of a GGUF"),
    *refused("program.gguf", "unknown", "only its name is that of a GGUF"),
    *refused("latin.gguf", "", "copied as text"),
    *refused("replaced.gguf", "", "copied as text"),
    *refused("busy.gguf", "server-reply", "again later"),
    *refused("limited.gguf", "server-reply", "again later"),
    *refused("failed.gguf", "server-reply", "again later"),
    *refused("503.gguf", "server-reply", "again later"),
    *refused("500M.gguf", "server-reply", "token"),
    *refused("chat.jinja", "text", "name the model"),
    *refused("web.webloc", "text", "name the model"),
    *refused("openvino.xml", "text", "name the model"),
    *refused("base64.gguf", "text", "base64 -di base64.gguf > NEW.gguf"),
    *refused("hex.gguf", "text", "xxd -r -p hex.gguf > NEW.gguf"),
    *refused("xet.gguf", "lfs-pointer", "/resolve/"),
    *refused("blank.gguf", "text", "only its name is that of a GGUF"),
    *refused("model.tflite", "unknown", "get the model as GGUF"),
    *refused("model.h5", "unknown", "get the model as GGUF"),
    *refused("weights.npz", "zip", "name the model"),
    *refused("paper.docx", "zip", "name the model"),
    *refused("marked.gguf", "unknown", "tail -c +4 marked.gguf > NEW.gguf"),
    *refused("headers.gguf", "unknown", "curl without -i"),
    *refused("form.gguf", "unknown", "get the file itself"),
    *[case for name in BINARY for case in refused(name, "unknown", "get the model as GGUF" if name == "x.onnx" else "name the model")],
    *refused("imatrix.dat", "imatrix", "llama-quantize --imatrix imatrix.dat"),
    inspected("checkpoint", "checkpoint", ""),
    *[Case(f"{command} checkpoint", 4, "checkpoint", "can only be a donor") for command in ("checksum", "verify")],
    Case("recover checkpoint", 4, "", "name the file of this machine"),
    Case("recover hf://x/y", 2, "", "name the file of this machine"),
    Case("recover J.gguf.mtpgraft-journal", 2, "", "mtpgraft recover J.gguf"),
    *refused("ollama", "folder", "ollama show --modelfile", exit_code=4),
    *refused("ollama/blobs", "folder", "ollama show --modelfile", exit_code=4),
    Case(f"graft checkpoint {DONOR}", 4, "checkpoint", "convert_hf_to_gguf.py checkpoint"),
    inspected("ggufs", "sidecar", ""),
    inspected("two", "sidecar", ""),
    Case(f"graft {TARGET} two -o new.gguf", 4, "gguf-folder", "two/a.gguf"),
    Case(f"graft two {DONOR}", 4, "gguf-folder", "two/b.gguf"),
    *refused("peft", "peft-folder", "name the model that it is for", exit_code=4),
    Case("inspect adapter_model.safetensors", 3, "lora-adapter", "name the model that it is for"),
    Case(f"graft {TARGET} adapter_model.safetensors -o new.gguf", 3, "lora-adapter", "name the model that it is for"),
    *refused("diffusers", "diffusers-folder", "no MTP head", exit_code=4),
    *refused("half", "folder", "download its .safetensors files", exit_code=4),
    Case(f"graft {TARGET} shards -o new.gguf", 3, "", "give the head as a GGUF"),
    *refused("pickles", "pickle-folder", "convert_hf_to_gguf.py pickles", exit_code=4),
    Case(f"graft models--Qwen--Two {DONOR}", 2, "hub-cache", "name one of them"),
    Case(f"graft {TARGET} models--Qwen--Two -o new.gguf", 2, "hub-cache", "name one of them"),
    *refused("parts", "folder", "cat parts/Big.gguf.part1of2", exit_code=4),
    *refused("manifest", "json", "sha256-abab"),
    *refused("models--Qwen--Q/blobs", "hub-cache", "snapshots/abc/q.gguf", exit_code=4),
    *refused("hub", "hub-cache", "hub/models--Qwen--Q", exit_code=4),
    *refused("nothing", "empty-folder", "name a .gguf file", exit_code=4),
    *refused("other", "folder", "name a .gguf file", exit_code=4),
    # The same file twice, and roles exchanged.
    Case(f"graft --in-place {TARGET} {TARGET}", 5, "", "another file"),
    Case(f"graft {TARGET} {TARGET}", 3, "", "another file"),
    Case(f"graft {TARGET} {TARGET} --replace", 3, "", "another file"),
    Case(f"graft {DONOR} {TARGET} -o new.gguf", 3, "sidecar", "the model comes first"),
    Case("strip lora.gguf -o new.gguf", 3, "lora-adapter", ""),
    Case("verify lora.gguf", 1, "", ""),
    Case(f"inspect {TARGET} --mmproj lora.gguf", 3, "lora-adapter", "mmproj-*.gguf"),
    Case(f"inspect {TARGET} --mmproj page.gguf", 3, "web-page", "/resolve/"),
    Case("checksum page.gguf", 3, "web-page", "/resolve/"),
    Case("strip ggufs -o new.gguf", 4, "gguf-folder", "ggufs/a.gguf"),
    Case("verify nothing", 4, "empty-folder", "name a .gguf file"),
    Case("release page.gguf", 3, "web-page", "/resolve/"),
    Case("release model.gguf.gz", 3, "gzip", "gunzip"),
    Case(f"release {TARGET}", 3, "other-gguf", "grafts"),
    Case(f"verify {DONOR} -c page.gguf", 3, "web-page", "/resolve/"),
    Case(f"verify {DONOR} -c model.zip", 3, "zip", "unzip"),
    Case("extract lora.gguf -o new.gguf", 3, "lora-adapter", "give the base model's GGUF"),
]


def run(program, case):
    done = subprocess.run([program, *case.command.split(), "--json"], capture_output=True, text=True)
    answer = json.loads(done.stdout)
    error = answer.get("error") or {}
    text = error.get("hint") or ""
    kind = error.get("file_kind") or ""
    if not error and case.command.startswith("inspect"):
        first = answer["result"]["files"][0]
        kind = first["kind"]
        text = str(first["mtp"]["advice"] or "") + first["mtp"]["llama_cpp"]
    problems = []
    if done.returncode != case.exit_code:
        problems.append(f"exit code {done.returncode}, expected {case.exit_code}")
    if kind != case.kind:
        problems.append(f"kind '{kind}', expected '{case.kind}'")
    if case.hint not in text:
        problems.append(f"'{case.hint}' is not in '{text}'")
    return problems


def main():
    program, models_dir = (os.path.abspath(argument) for argument in sys.argv[1:3])
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        make_all(models_dir)
        before = sorted(str(path) for path in Path(".").rglob("*"))
        for case in CASES:
            if "--show" in sys.argv:
                done = subprocess.run([program, *case.command.split()], capture_output=True, text=True)
                print(f"$ mtpgraft {case.command}\n{done.stdout}{done.stderr}[{done.returncode}]\n")
                continue
            if problems := run(program, case):
                failures += 1
                print(f"mtpgraft {case.command}:", *problems, sep="\n    ")
        after = sorted(str(path) for path in Path(".").rglob("*"))
        if after != before:
            failures += 1
            print("files were left:", *sorted(set(after) - set(before)))
        os.chdir("/")
    print(f"{len(CASES)} cases, {failures} failed")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
