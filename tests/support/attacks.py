# SPDX-License-Identifier: Apache-2.0
"""Writes the corpus of hostile files, with an index.json: each attack has a name, tells in one line what it attacks, and
names the commands that get it. tests/cli/attacks.py runs them; docs/attacks.md has what must come out.

Written by the second implementation of the format, never by the program under test. "llama.cpp #N" is the issue or pull
request of ggml-org/llama.cpp in which such a file did harm.
"""

import argparse
import ctypes
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from gguf_file import (ARRAY, BOOL, F32, F32_VALUE, I32, I64, STRING, U8, U16, U32, U64, GgufFile, Tensor, encode_header,
                       encode_info, encode_key, encode_raw_key, encode_string, encode_value)
from make_fixtures import (ARCHITECTURE, DATA, as_first_shard, malformed_files, mmproj, raw_file, shards_of, tiny_qwen35,
                           two_tensors, with_key, with_tensor)
from reference_graft import graft

# What the attacker puts into names: a window title, red text, text from right to left, a line of his own, and a byte
# that is no UTF-8.
UGLY = "\x1b]0;title\a\x1b[31mred\x9b\u202egnp\u2066\u200f\u200b\u2028\r\nmtpgraft: OK\x7f\udcff"


@dataclass
class Hole:
    """Bytes, then zeros up to a length, which take no disk space."""
    start: bytes
    length: int


@dataclass
class Link:
    to: str


@dataclass
class Attack:
    name: str
    what: str
    files: dict  # path -> bytes, Hole or Link; the first path is what commands call FILE
    commands: dict  # label -> command line


# FILE is the attack, TARGET and DONOR are a small model and a head for it, BIG is a real model.
READERS = {
    "inspect": "inspect --kv --tensors FILE",
    "graft to": "graft FILE DONOR -o out.gguf",
    "graft from": "graft TARGET FILE -o out.gguf",
    "extract": "extract FILE -o out.gguf",
    "extract --for": "extract DONOR --for FILE -o out.gguf",
    "strip": "strip FILE -o out.gguf",
    "verify": "verify FILE",
    "verify --target": "verify TARGET --target FILE --donor DONOR",
    "checksum": "checksum FILE",
    "--mmproj": "inspect TARGET --mmproj FILE",
}
# Of what takes a reader tenths of a second, these must do.
FEW_COMMANDS = ("inspect", "graft from")
COSTLY = {"array-of-strings-2^22", "key-names-20-mb", "key-values-20-mb"}
HEADER_COMMANDS = {label: line for label, line in READERS.items() if "--" not in label or label == "--mmproj"}
MODEL_COMMANDS = {label: READERS[label] for label in ("inspect", "graft to", "graft from", "extract", "strip", "verify")}
CHECKPOINT_COMMANDS = {"graft": "graft BIG FILE -o out.gguf", "extract": "extract FILE --for BIG -o out.gguf"}
RECORD_COMMANDS = {label: READERS[label] for label in ("inspect", "strip", "verify")}
EDIT_COMMANDS = {"inspect": READERS["inspect"], "verify": READERS["verify"],
                 "verify --target": "verify FILE --target TARGET --donor DONOR"}
BASE_COMMANDS = {"inspect": READERS["inspect"], "graft": "graft FILE", "graft to": READERS["graft to"]}
LIST_COMMANDS = {"verify -c": "verify TARGET -c FILE"}
PLAN_COMMANDS = {"release": "release FILE", "release -n": "release --dry-run FILE"}
# What shows most of a model's text.
SHOW_COMMANDS = {
    **READERS,
    "compare": "inspect FILE FILE",
    "graft -v": "graft -v FILE DONOR -o out.gguf",
    "graft -n": "graft -n TARGET FILE -o out.gguf",
    "extract -v": "extract -v FILE -o out.gguf",
    "strip -n": "strip -n FILE -o out.gguf",
    "no pattern": "inspect TARGET --tensors=FILE",
    "-o": "graft TARGET DONOR -o FILE",
    "-o missing": "graft TARGET DONOR -o FILE/FILE",
    "-c": "verify TARGET -c FILE",
    "recover": "recover FILE",
    "--head-type": "graft TARGET DONOR --head-type FILE -o out.gguf",
    "--set": "graft TARGET DONOR --set FILE -o out.gguf",
    "--set type": "graft TARGET DONOR --set key=FILE:1 -o out.gguf",
    "--unset": "graft TARGET DONOR --unset FILE -o out.gguf",
    "option": "inspect --FILE",
    "command": "FILE",
}
# Of systems that change nothing in place, too: what a name tells is said first.
PLACE_COMMANDS = {
    "inspect": "inspect FILE",
    "graft --in-place": "graft --in-place FILE DONOR",
    "strip --in-place": "strip --in-place FILE",
}
SPLIT_COMMANDS = {label: READERS[label] for label in ("inspect", "graft to", "verify", "checksum")}


# The header of a GGUF


def wrapped(value):
    """An unsigned 64-bit number as struct's q takes it."""
    return value - 2**64 if value >= 2**63 else value


def many_keys(count, name_bytes):
    """Keys with long names of their own."""
    keys = [encode_key(f"{i:06}".ljust(name_bytes, "x"), U8, 0) for i in range(count)]
    return raw_file(keys=(ARCHITECTURE, *keys))


def many_values(count, value_bytes):
    keys = [encode_key(f"key.{i:06}", STRING, "x" * value_bytes) for i in range(count)]
    return raw_file(keys=(ARCHITECTURE, *keys))


def headers():
    for name, data, fault, _ in malformed_files():
        yield name, fault, data
    yield "lfs-pointer", "a Git LFS pointer in the place of a model", b"version https://git-lfs.github.com/spec/v1\n"
    yield "version-2^31", "version 2^31", raw_file(version=2**31)
    yield "version-max", "version 2^32 - 1", raw_file(version=2**32 - 1)
    yield "tensor-count-2^63", "tensor count 2^63, negative for a signed reader", raw_file(n_tensors=-2**63)
    yield "key-count-2^63", "key count 2^63, negative for a signed reader", raw_file(n_keys=-2**63)
    yield "tensor-count-1000", "more tensors than the file can hold, below any limit", raw_file(n_tensors=1000)
    yield "key-count-1000", "more keys than the file can hold, below any limit", raw_file(n_keys=1000)
    yield ("tensor-count-2^20", "2^20 tensor infos of zeros: each a nameless scalar", Hole(
        encode_header(3, 2**20, 0), 24 + 24 * 2**20 + 64))
    yield "key-names-20-mb", "320 keys with names of 65,535 bytes each", many_keys(320, 65535)
    yield "key-values-20-mb", "320 strings of 65,535 bytes, short enough to be kept", many_values(320, 65535)
    yield ("string-1-tb", "a string of 1 TB, which a sparse file does have", Hole(
        raw_file(keys=(encode_raw_key("lengthy", STRING, struct.pack("<Q", 2**40)),), infos=(), data=None), 2**41))
    yield ("string-1-gib", "a string of 1 GiB, as long as llama.cpp allows, in a sparse file", Hole(
        raw_file(keys=(encode_raw_key("lengthy", STRING, struct.pack("<Q", 2**30)),), infos=(), data=None), 2**31))
    yield ("array-of-strings-2^22", "an array of 2^22 empty strings, the most that is read, in a sparse file", Hole(
        raw_file(keys=(encode_raw_key("lengthy", ARRAY, struct.pack("<IQ", STRING, 2**22)),), infos=(), data=None),
        2**34))
    yield ("array-of-strings-2^30", "an array of 2^30 empty strings in a sparse file", Hole(
        raw_file(keys=(encode_raw_key("lengthy", ARRAY, struct.pack("<IQ", STRING, 2**30)),), infos=(), data=None),
        2**34))
    yield "key-65536-bytes", "a key name of one byte more than the format allows", with_key(
        encode_key("k" * 65536, U32, 1))
    yield "key-65535-bytes-twice", "the longest key name, twice: in a message it would fill the screen", raw_file(
        keys=(encode_key("k" * 65535, U32, 1),) * 2)
    yield "key-ugly-twice", "a key with terminal controls in its name, twice", raw_file(
        keys=(encode_key(UGLY, U32, 1),) * 2)
    yield "key-nul-twice", "a key with a NUL in its name, twice", raw_file(keys=(encode_key("a\0b", U32, 1),) * 2)
    yield "key-length-wraps", "a key name of 2^64 - 1 bytes", with_key(struct.pack("<Q", 2**64 - 1) + b"long")
    yield "string-length-2^63", "a string of 2^63 bytes", with_key(encode_raw_key("lengthy", STRING, struct.pack(
        "<Q", 2**63)))
    yield "array-2^61-of-8", "2^61 numbers of 8 bytes: 2^64, which wraps to 0 bytes", with_key(
        encode_raw_key("lengthy", ARRAY, struct.pack("<IQ", U64, 2**61)))
    yield "array-2^61-of-8-and-1", "2^61 + 1 numbers of 8 bytes: wraps to 8 bytes, which are there", with_key(
        encode_raw_key("lengthy", ARRAY, struct.pack("<IQ", U64, 2**61 + 1) + bytes(8)))
    yield "array-2^63", "an array of 2^63 bools", with_key(encode_raw_key("lengthy", ARRAY, struct.pack(
        "<IQ", BOOL, 2**63)))
    yield "array-of-strings-one-short", "an array that promises a string more than it has", with_key(
        encode_raw_key("lengthy", ARRAY, struct.pack("<IQ", STRING, 3) + 2 * encode_string("x")), infos=(), data=None)
    yield "array-of-strings-wraps", "a string in an array with a length that wraps the position", with_key(
        encode_raw_key("lengthy", ARRAY, struct.pack("<IQQ", STRING, 1, 2**64 - 8)))
    yield "array-nested-deep", "arrays of arrays, 1000 deep, for a reader that recurs", with_key(
        encode_raw_key("nested", ARRAY, struct.pack("<IQ", ARRAY, 1) * 1000))
    for alignment, text in ((3, "3"), (2**31, "2^31"), (2**32 - 1, "max")):
        yield f"alignment-{text}", f"alignment {alignment}", with_key(
            encode_key("general.alignment", U32, alignment), alignment=32)
    yield "alignment-string", "alignment stored as a string", with_key(encode_key("general.alignment", STRING, "32"))
    yield "tensor-name-65-bytes", "a tensor name of 65 bytes", with_tensor("n" * 65, (8,))
    yield "tensor-name-2^63-bytes", "a tensor name of 2^63 bytes", raw_file(
        infos=(struct.pack("<Q", 2**63) + b"n" * 100,))
    yield "tensor-name-empty-twice", "two tensors without a name", two_tensors(0, 32, names=("", ""))
    yield "tensor-name-ugly", "a tensor with terminal controls in its name, and no room for it", with_tensor(
        UGLY[:40], (1 << 40,))
    yield "tensor-name-only-nul", "a tensor name of one NUL", with_tensor("\0", (8,))
    yield "tensor-name-prefix-nul", "two names that differ behind a NUL: one name for C (llama.cpp cuts there)", \
        two_tensors(0, 32, names=("a\0b", "a\0c"))
    yield "key-name-prefix-nul", "a key that a loader in C reads as general.alignment", with_key(
        encode_key("general.alignment\0x", U32, 64))
    yield "key-name-only-nul", "a key's name of one NUL", with_key(encode_key("\0", U32, 64))
    yield ("type-clash-last-cut", "the last tensor's type is one that forks use differently, and the file ends in it",
           raw_file(infos=(encode_info("odd", (64, 8), 42, 0),), data=bytes(143)))
    yield ("type-unknown-last-cut", "a last tensor of a type in no table, shorter than another of its shape",
           raw_file(infos=(encode_info("one", (64, 8), 199, 0), encode_info("two", (64, 8), 199, 640)), data=bytes(1200)))
    yield ("shape-wraps-to-8", "56 by 7905747460161236407: wraps to exactly the 8 elements that are there",
           with_tensor("wide", (56, 0x6DB6DB6DB6DB6DB7)))
    yield ("shape-wraps-negative", "2^32 by 2^31: 2^63, negative for a signed product (llama.cpp #27203)",
           with_tensor("wide", (1 << 32, 1 << 31)))
    yield "shape-bytes-wrap", "2^62 elements of 4 bytes: the elements fit, the bytes wrap to 0", with_tensor(
        "wide", (1 << 62,))
    yield "shape-2^63", "one dimension of 2^63", with_tensor("wide", (-2**63,))
    yield "shape-zero-first", "0 columns", with_tensor("nothing", (0, 8))
    yield ("align-up-wraps", "an unknown type up to the offset 2^64 - 1: aligning its end wraps "
           "(llama.cpp #18674, #24759)", raw_file(infos=(encode_info("opaque", (8,), 199, 0), encode_info(
               "second", (8,), F32, 2**64 - 1)), data=DATA + DATA))
    yield "offset-wraps-back", "an unknown type whose end is before its start", raw_file(
        infos=(encode_info("first", (8,), F32, 0), encode_info("opaque", (8,), 199, 32), encode_info(
            "third", (8,), F32, 0)), data=DATA * 3)
    yield "type-max", "type 2^32 - 1, with no data", raw_file(infos=(encode_info("odd", (8,), 2**32 - 1, 0),), data=b"")
    yield "size-larger-than-file", "a tensor of 1 TiB in a file of some bytes", with_tensor("large", (1 << 38,))
    yield "infos-cut-in-name", "ends inside a tensor's name", raw_file(data=None, infos=(struct.pack("<Q", 8) + b"na",))


# Models that can be read, but whose keys and names lie


def target():
    return tiny_qwen35("tiny-target", 2, 0, seed=21)


def donor():
    return tiny_qwen35("tiny-donor", 1, 1, seed=22)


def headed():
    return graft(target(), donor())


def with_keys(file, *keys):
    for name, type_id, value in keys:
        file.set(name, type_id, value)
    return file


def renamed(file, old, new):
    file.tensor(old).name = new
    return file


def retyped(file, name, type_id, shape, data):
    tensor = file.tensor(name)
    tensor.type_id, tensor.shape, tensor.data = type_id, shape, data
    return file


def extra_tensor(file, name):
    file.tensors.append(Tensor(name, (8,), F32, DATA))
    return file


EH_PROJ = "blk.1.nextn.eh_proj.weight"


def models():
    count, nextn = "qwen35.block_count", "qwen35.nextn_predict_layers"
    for label, type_id, value in (("0", U32, 0), ("max", U32, 2**32 - 1), ("negative", I32, -1), ("2^63", U64, 2**63),
                                  ("string", STRING, "2"), ("f32", F32_VALUE, 2.0), ("array", ARRAY, (U32, [2, 2]))):
        yield f"block-count-{label}", f"block_count is {value!r}", with_keys(target(), (count, type_id, value))
    for label, type_id, value in (("above-blocks", U32, 4), ("all-blocks", U32, 3), ("max", U32, 2**32 - 1),
                                  ("negative", I32, -1), ("2^63", U64, 2**63), ("string", STRING, "1")):
        yield (f"nextn-{label}", f"nextn_predict_layers is {value!r} of 3 blocks",
               with_keys(headed(), (nextn, type_id, value)))
    yield ("nextn-and-blocks-max", "block_count and nextn_predict_layers are both 2^32 - 1",
           with_keys(headed(), (nextn, U32, 2**32 - 1), (count, U32, 2**32 - 1)))
    yield ("nextn-2^20-of-2^20", "a head of 2^20 - 2 blocks, for a loop over them",
           with_keys(headed(), (nextn, U32, 2**20 - 2), (count, U32, 2**20)))
    yield "architecture-missing", "no general.architecture", GgufFile(3, {}, target().tensors)
    yield "architecture-u32", "general.architecture is a number", with_keys(target(), ("general.architecture", U32, 1))
    yield "architecture-ugly", "general.architecture has terminal controls", with_keys(
        target(), ("general.architecture", STRING, UGLY))
    yield "architecture-60-kb", "general.architecture has 60,000 characters", with_keys(
        target(), ("general.architecture", STRING, "a" * 60000))
    yield "architecture-format", "general.architecture is '%s{}'", with_keys(
        target(), ("general.architecture", STRING, "%s{}"))
    for label, block in (("2^32", "4294967296"), ("2^64", "18446744073709551616"), ("negative", "-1"),
                         ("zeros", "00002"), ("plus", "+2"), ("hex", "0x2"), ("space", " 2")):
        yield (f"block-{label}", f"a head tensor of blk.{block}",
               renamed(headed(), "blk.2.nextn.eh_proj.weight", f"blk.{block}.nextn.eh_proj.weight"))
    yield "block-without-dot", "a tensor 'blk.2'", renamed(headed(), "blk.2.nextn.eh_proj.weight", "blk.2")
    yield "block-2^64-1", "a stray tensor of block 2^64 - 1", extra_tensor(headed(), f"blk.{2**64 - 1}.attn_q.weight")
    yield "nextn-of-two-blocks", "the head's tensors lie in two blocks", renamed(
        headed(), "blk.2.nextn.eh_proj.weight", "blk.1.nextn.eh_proj.weight")
    yield "nextn-far-apart", "nextn tensors in blk.2 and blk.4000000000", extra_tensor(
        headed(), "blk.4000000000.nextn.eh_proj.weight")
    undeclared = headed()
    del undeclared.keys[nextn], undeclared.keys[count]
    yield "head-undeclared", "a head and a trunk, and no key that tells of either", undeclared
    yield "head-with-foreign-tensor", "the head has a tensor that no architecture knows", extra_tensor(
        headed(), "blk.2.evil.weight")
    yield "head-with-nameless-tensor", "the head has a tensor 'blk.2.'", extra_tensor(headed(), "blk.2.")
    yield "tensor-ugly", "a tensor of the trunk with terminal controls in its name", extra_tensor(headed(), UGLY[:40])
    yield "head-tensor-ugly", "a tensor of the head with terminal controls in its name", extra_tensor(
        headed(), "blk.2." + UGLY[:36])
    yield "raw-checkpoint-names", "a head under its checkpoint's names", extra_tensor(headed(), "mtp.fc.weight")
    for label, value in (("short", (U32, [1])), ("long", (U32, [1] * 7)), ("empty", (U32, [])),
                         ("of-strings", (STRING, ["1", "1"])), ("of-bools", (BOOL, [True, True])),
                         ("of-f32", (F32_VALUE, [1e38, float("nan")])), ("of-huge", (U64, [2**64 - 1] * 2)),
                         ("of-negative", (I32, [-1, -1])), ("zeros", (U32, [0, 0])),
                         ("of-100000", (U32, [1] * 100000))):
        yield (f"layer-array-{label}", f"attention.head_count_kv as an array, {label}",
               with_keys(target(), ("qwen35.attention.head_count_kv", ARRAY, value)))
    yield ("layer-array-nan-in-head", "swiglu_clamp_exp with NaN for the head, whose f32 is not a number",
           with_keys(donor(), ("qwen35.swiglu_clamp_exp", ARRAY, (F32_VALUE, [1.0, float("nan")]))))
    yield "recurrent-layers-short", "attention.recurrent_layers has one entry for two blocks", with_keys(
        target(), ("qwen35.attention.recurrent_layers", ARRAY, (BOOL, [True])))
    yield "recurrent-layers-string", "attention.recurrent_layers is a string", with_keys(
        target(), ("qwen35.attention.recurrent_layers", STRING, "RRRA"))
    yield "eh-proj-i64", "eh_proj is of integers", retyped(donor(), EH_PROJ, 27, (8, 4), bytes([60]) * 256)
    yield "eh-proj-unknown-type", "eh_proj is of a type that nobody knows", retyped(
        donor(), EH_PROJ, 4242, (8, 4), bytes([60]) * 64)
    yield "eh-proj-one-dimension", "eh_proj is a vector", retyped(donor(), EH_PROJ, F32, (32,), bytes(128))
    yield "eh-proj-swapped", "eh_proj has its dimensions swapped", retyped(donor(), EH_PROJ, F32, (4, 8), bytes([60]) * 128)
    yield "enorm-matrix", "enorm is a matrix", retyped(
        donor(), "blk.1.nextn.enorm.weight", F32, (2, 2), bytes([60]) * 16)
    yield "enorm-i8", "enorm is of bytes", retyped(donor(), "blk.1.nextn.enorm.weight", 24, (4,), bytes(4))
    yield "enorm-f64", "enorm is of doubles", retyped(donor(), "blk.1.nextn.enorm.weight", 28, (4,), bytes(32))
    yield "enorm-nan", "enorm is of NaN", retyped(donor(), "blk.1.nextn.enorm.weight", F32, (4,), struct.pack(
        "<4f", *[float("nan")] * 4))
    for label, value in (("0", 0), ("max", 2**32 - 1)):
        yield f"embedding-length-{label}", f"embedding_length is {value}", with_keys(
            headed(), ("qwen35.embedding_length", U32, value))
    yield "tokens-of-numbers", "tokenizer.ggml.tokens is an array of numbers", with_keys(
        headed(), ("tokenizer.ggml.tokens", ARRAY, (U32, [1, 2, 3, 4])))
    yield "name-ugly", "general.name has terminal controls", with_keys(headed(), ("general.name", STRING, UGLY))
    yield "key-ugly", "a key with terminal controls in name and value", with_keys(headed(), (UGLY, STRING, UGLY))
    yield "base-model-ugly", "general.base_model.0.name has terminal controls", with_keys(
        headed(), ("general.base_model.count", U32, 1), ("general.base_model.0.name", STRING, UGLY))
    yield "base-model-count-max", "general.base_model.count is 2^32 - 1", with_keys(
        headed(), ("general.base_model.count", U32, 2**32 - 1))
    yield "foreign-nextn-key-ugly", "a key '...nextn_predict_layers' with terminal controls", with_keys(
        headed(), (UGLY + ".nextn_predict_layers", U32, 1))


def base_models():
    """What a model says that it was made of, which commands are printed with."""
    def made_of(*keys):
        return with_keys(target(), *((f"general.{name}", STRING, text) for name, text in keys))

    yield "base-models-ugly", "repositories that are words for a shell and a terminal", made_of(
        ("base_model.0.repo_url", "lab/$(touch x)"), ("base_model.0.name", UGLY), ("base_model.1.repo_url", UGLY),
        ("base_model.2.organization", "../.."), ("base_model.2.name", "';touch x'"))
    yield "base-models-1000", "1,000 base models", made_of(
        *((f"base_model.{n}.repo_url", f"lab/model-{n}") for n in range(1000)))
    yield "base-model-long", "a repository's name of 60,000 letters, and a number of 2^64 - 1", made_of(
        (f"base_model.{2**64 - 1}.repo_url", "https://huggingface.co/lab/" + "n" * 60_000))
    yield "base-model-other-server", "a repository of another server that is called like the hub", made_of(
        ("base_model.0.repo_url", "https://huggingface.co.example.org/lab/base"),
        ("base_model.0.url", "https://user:secret@huggingface.co/lab/base"))


def shown_models():
    """All text of a model ugly at once, in a file of such a name."""
    def ugly(file):
        with_keys(file, ("general.name", STRING, UGLY), (UGLY, STRING, UGLY), (UGLY + "s", ARRAY, (STRING, [UGLY])))
        return extra_tensor(file, UGLY[:40])

    name = f"{UGLY}.gguf"
    yield "ugly-model", "a model without a head, its name, keys, values, a tensor and the file's name with controls", name, \
        ugly(target())
    yield "ugly-graft", "the same with a head", name, extra_tensor(ugly(headed()), "blk.2." + UGLY[:36])


def projectors():
    for label, keys in (("ugly-type", [("clip.projector_type", STRING, UGLY)]),
                        ("type-u32", [("clip.projector_type", U32, 1)]),
                        ("no-type", [("clip.projector_type", STRING, "")]),
                        ("encoder-string", [("clip.has_vision_encoder", STRING, "yes")]),
                        ("width-max", [("clip.vision.embedding_length", U64, 2**64 - 1)])):
        yield f"mmproj-{label}", f"a projector: {label.replace('-', ' ')}", with_keys(mmproj(4), *keys)


# safetensors


class Safetensors:
    """The header of the bundled checkpoint's head, to be spoilt; its data are of one value."""

    def __init__(self, models_dir):
        with open(models_dir / "hf-base-8L" / "mtp.safetensors", "rb") as file:
            self.header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        self.header.pop("__metadata__", None)
        self.bytes = max(entry["data_offsets"][1] for entry in self.header.values())

    def file(self, text=None, length=None, data_bytes=None):
        text = json.dumps(self.header).encode() if text is None else text
        start = struct.pack("<Q", len(text) if length is None else length) + text
        data = bytes([60]) * self.bytes
        return start + data if data_bytes is None else Hole(start, len(start) + data_bytes)

    def changed(self, name="mtp.fc.weight", **fields):
        self.header[name] = {**self.header[name], **fields}
        return self.file()


def safetensors(models_dir):
    def fresh():
        return Safetensors(models_dir)

    def of_text(text, **more):
        return fresh().file(text, **more)

    yield "header-length-0", "a header of 0 bytes", of_text(b"")
    yield "header-length-2^63", "a header of 2^63 bytes", of_text(b"{}", length=2**63)
    yield "header-length-max", "a header of 2^64 - 1 bytes: adding 8 wraps", of_text(b"{}", length=2**64 - 1)
    yield "header-longer-than-file", "a header of one byte more than the file has", of_text(b"{}", length=3, data_bytes=0)
    yield "header-100-mb", "a header of 100 MB, as large as the format allows, in a sparse file", of_text(
        b"{", length=100_000_000, data_bytes=100_000_000)
    yield "header-above-cap", "a header of 100,000,001 bytes, one more than the format allows", of_text(
        b"{", length=100_000_001, data_bytes=100_000_001)
    yield "file-7-bytes", "a file of 7 bytes", b"1234567"
    yield "not-json", "a header that is no JSON", of_text(b"{'single': 'quotes'}")
    yield "not-an-object", "a header that is a list", of_text(b"[]", data_bytes=0)
    yield "json-cut", "a header that ends inside a string", of_text(b'{"mtp.fc')
    yield "json-trailing", "something behind the JSON", of_text(b"{} {}")
    yield "json-nul", "a NUL behind the JSON", of_text(b"{}\0{}")
    yield "json-invalid-utf8", "a name that is no UTF-8", of_text(b'{"\xff": {}}')
    yield "json-surrogate", "a name of half a surrogate pair", of_text(b'{"\\ud800": {}}')
    yield "json-deep-lists", "lists 10,000 deep", of_text(b'{"a":' + b"[" * 10000)
    yield "json-deep-objects", "objects 10,000 deep", of_text(b'{"a":' * 10000)
    yield "json-deep-metadata", "lists 10,000 deep in __metadata__", of_text(b'{"__metadata__":{"a":' + b"[" * 10000)
    yield "json-deep-shape", "lists 10,000 deep in a shape", of_text(b'{"a":{"shape":' + b"[" * 10000)
    yield "number-10^400", "a number of 400 digits", of_text(b'{"a":{"shape":[1' + b"0" * 400 + b"]}}")
    yield "number-10-mb", "a number of 10 million digits", of_text(b'{"a":{"shape":[' + b"9" * 10_000_000 + b"]}}")
    yield "name-10-mb", "a name of 10 MB", of_text(b'{"' + b"n" * 10_000_000 + b'":1}')
    yield "tensors-300000", "300,000 empty tensors in a header of 15 MB", of_text(b"{" + b",".join(
        b'"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' % i for i in range(300_000)) + b"}", data_bytes=0)
    yield "tensors-100000", "100,000 empty tensors in a header of 8 MB", of_text(b"{" + b",".join(
        b'"some.tensor.of.layer.%d.self_attn.weight":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' % i
        for i in range(100_000)) + b"}", data_bytes=0)
    yield "metadata-500000", "500,000 entries in __metadata__", of_text(b'{"__metadata__":{' + b",".join(
        b'"%d":"x"' % i for i in range(500_000)) + b"}}", data_bytes=0)
    yield "name-twice", "a tensor name that stands twice", of_text(b'{"a":%s,"a":%s}' % ((
        b'{"dtype":"U8","shape":[0],"data_offsets":[0,0]}',) * 2), data_bytes=0)
    yield "field-twice", "two shapes", of_text(b'{"a":{"dtype":"U8","shape":[0],"shape":[8],"data_offsets":[0,0]}}')
    yield "metadata-twice", "__metadata__ twice", of_text(b'{"__metadata__":{},"__metadata__":{}}', data_bytes=0)
    yield "metadata-list", "__metadata__ is a list", of_text(b'{"__metadata__":[]}', data_bytes=0)
    yield "metadata-of-numbers", "__metadata__ holds a number", of_text(b'{"__metadata__":{"a":1}}', data_bytes=0)
    yield "offsets-reversed", "the end before the beginning", fresh().changed(data_offsets=[64, 0])
    yield "offsets-one", "one offset", fresh().changed(data_offsets=[0])
    yield "offsets-three", "three offsets", fresh().changed(data_offsets=[0, 64, 128])
    yield "offsets-wrap", "an end that wraps", fresh().changed(data_offsets=[2**64 - 8, 2**64 - 1])
    yield "offsets-beyond-end", "an end far behind the file's", fresh().changed(data_offsets=[0, 2**40])
    yield "offsets-negative", "a negative offset", fresh().changed(data_offsets=[-8, 8])
    yield "offsets-float", "an offset of 1.5", fresh().changed(data_offsets=[0, 1.5])
    yield "offsets-string", "an offset in quotes", fresh().changed(data_offsets=["0", "8"])
    first = min(fresh().header.items(), key=lambda item: item[1]["data_offsets"])
    start, end = first[1]["data_offsets"]
    yield "offsets-overlap", "two tensors at one place", fresh().file(json.dumps({
        **fresh().header, "other": {"dtype": "U8", "shape": [end - start], "data_offsets": [start, end]}}).encode())
    yield "offsets-gap", "a gap in front of the first tensor", fresh().changed(first[0], data_offsets=[start + 2, end])
    yield "data-cut", "the file ends a byte too early", fresh().file(data_bytes=fresh().bytes - 1)
    yield "data-trailing", "a byte behind the last tensor", fresh().file(data_bytes=fresh().bytes + 1)
    yield "shape-wraps", "a shape whose bytes wrap to those that are there", fresh().changed(
        shape=[0x6DB6DB6DB6DB6DB7, 7 * 512 * 256])
    yield "shape-wraps-to-0", "2^32 by 2^32, without data", of_text(
        b'{"mtp.fc.weight":{"dtype":"BF16","shape":[4294967296,4294967296],"data_offsets":[0,0]}}', data_bytes=0)
    yield "shape-negative", "a negative extent", fresh().changed(shape=[-256, 512])
    yield "shape-float", "an extent of 1e3", fresh().changed(shape=[1e3, 512])
    yield "shape-100-dimensions", "a shape of 100 dimensions", fresh().changed(shape=[1] * 100)
    yield "shape-5-dimensions", "a head tensor of 5 dimensions", fresh().changed(shape=[1, 1, 1, 256, 512])
    yield "shape-swapped", "eh_proj with its dimensions swapped", fresh().changed(shape=[512, 256])
    yield "dtype-unknown", "a dtype that nobody knows", fresh().changed(dtype="Q4_K" + UGLY.replace("\udcff", ""))
    yield "dtype-number", "a dtype that is a number", fresh().changed(dtype=8)
    yield "dtype-bool", "eh_proj of booleans", fresh().changed(dtype="BOOL", shape=[512, 512])
    name = "mtp.layers.0.mlp.up_proj.weight"
    rows, columns = fresh().header[name]["shape"]

    def quantised(values, **beside):
        """up_proj in another dtype, of as many bytes as it has; `beside` it what has no bytes of its own."""
        spoilt = fresh()
        spoilt.header[name] = {**spoilt.header[name], **values}
        at = spoilt.bytes
        for form, (dtype, shape, length) in beside.items():
            spoilt.header[name + form] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + length]}
            at += length
        spoilt.bytes = at
        return spoilt.file()

    fp8 = {"dtype": "F8_E4M3", "shape": [2 * rows, columns]}
    yield "fp8-no-scales", "FP8 without scales", quantised(fp8)
    yield "fp8-empty-scales", "FP8 with scales of which there is none", quantised(fp8, _scale_inv=("F32", [0], 0))
    yield "fp8-scales-2^40", "FP8 with an extent of 2^40 among those of its scales, and one of 0", quantised(
        fp8, _scale_inv=("F32", [2**40, 0], 0))
    yield "fp8-scales-dtype", "FP8 with scales of booleans", quantised(fp8, _scale=("BOOL", [1], 1))
    yield "fp8-empty", "an FP8 matrix of 2^60 rows without columns, and a scale", of_text(json.dumps({
        "mtp.fc.weight": {"dtype": "F8_E4M3", "shape": [2**60, 0], "data_offsets": [0, 0]},
        "mtp.fc.weight_scale": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode(), data_bytes=4)
    yield "nvfp4-rows", "NVFP4 with rows of no whole groups", quantised(
        {"dtype": "U8", "shape": [2 * rows * columns // 4, 4]}, _scale=("F8_E4M3", [1, 1], 1), _scale_2=("F32", [1], 4))
    yield "gptq", "a matrix packed by GPTQ", of_text(json.dumps({
        "mtp.fc.qweight": {"dtype": "I32", "shape": [1, 1], "data_offsets": [0, 4]},
        "mtp.fc.g_idx": {"dtype": "I32", "shape": [1], "data_offsets": [4, 8]}}).encode(), data_bytes=8)
    yield "field-missing", "a tensor without a shape", of_text(b'{"a":{"dtype":"U8","data_offsets":[0,0]}}', data_bytes=0)
    yield "field-unknown", "a tensor with a stride", fresh().changed(stride=[1])
    yield "nothing", "no tensor at all", of_text(b"{}", data_bytes=0)
    for label, name in (("ugly", "mtp." + UGLY.replace("\udcff", "")), ("layer-2^64", f"mtp.layers.{2**64}.mlp.up_proj.weight"),
                        ("layer-2^32", "mtp.layers.4294967296.mlp.up_proj.weight"),
                        ("layer-negative", "mtp.layers.-1.mlp.up_proj.weight"),
                        ("format", "mtp.{}%s")):
        spoilt = fresh()
        spoilt.header[name] = spoilt.header.pop("mtp.layers.0.mlp.up_proj.weight")
        yield f"name-{label}", f"a tensor name: {label.replace('-', ' ')}", spoilt.file()


    described = {"architecture": "qwen35", "first_block": 8, "norm_offset": 1, "tensors": [], "keys": {}}
    for label, what, text in (
            ("not-json", "is no JSON", "{'architecture': 'qwen35'}"),
            ("deep", "has lists 10,000 deep", "[" * 10000),
            ("blocks", "tells of 2^32 blocks before the head", json.dumps({**described, "first_block": 2**32})),
            ("depth", "tells of 2^32 - 1 blocks in its keys", json.dumps({**described, "keys": {
                "qwen35.block_count": {"type": "u32", "value": 2**32 - 1},
                "qwen35.nextn_predict_layers": {"type": "u32", "value": 2**32 - 1}}})),
            ("foreign-keys", "has keys of another architecture, and of no program", json.dumps({**described, "keys": {
                "general.alignment": {"type": "u32", "value": 0}}})),
            ("short-value", "has a key with fewer bytes than it declares", json.dumps({**described, "keys": {
                "qwen35.block_count": {"type": "u32", "hex": "01"}}})),
            ("offset-2", "tells that 2 is to be added to norms", json.dumps({**described, "norm_offset": 2})),
    ):
        spoilt = fresh()
        spoilt.header["__metadata__"] = {"format": "pt", "mtpgraft": text}
        yield f"described-{label}", f"what an extracted head says of itself {what}", spoilt.file()


def empty_safetensors(names):
    header = {name: {"dtype": "BF16", "shape": [0], "data_offsets": [0, 0]} for name in names}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text


INDEX = "model.safetensors.index.json"


def checkpoints(models_dir):
    """(name, what, files in the folder)"""
    real = json.loads((models_dir / "hf-base-8L" / "config.json").read_text())

    def index(where):
        return {INDEX: json.dumps({"weight_map": {"mtp.fc.weight": where}}).encode()}

    def config(text=None, **changes):
        return {"config.json": json.dumps({**real, **changes}).encode() if text is None else text,
                "mtp.safetensors": Safetensors(models_dir).file()}

    yield "index-absolute", "the index leads to /etc/passwd", index("/etc/passwd")
    yield "index-parent", "the index leads to ../", index("../../mtp.safetensors")
    yield "index-dot-dot", "the index leads to '..'", index("..")
    yield "index-nul", "a NUL in a file name", index("mtp.safetensors\0.txt")
    yield "index-ugly", "terminal controls in a file name that is not there", index(UGLY.replace("\udcff", ""))
    yield "index-ugly-path", "terminal controls in a file name that leaves the folder", index("../" + UGLY.replace(
        "\udcff", ""))
    yield "index-link-out", "a link to a file outside the folder", {
        **index("linked.safetensors"), "linked.safetensors": Link("../donor.gguf")}
    yield "index-missing-file", "a file that is not there", index("missing.safetensors")
    yield "index-missing-tensor", "a tensor that is not in the file", {
        **index("empty.safetensors"), "empty.safetensors": empty_safetensors([])}
    yield "index-number", "a number in the place of a file name", index(1)
    yield "index-no-map", "an index without weight_map", {INDEX: b"{}"}
    yield "index-map-list", "weight_map is a list", {INDEX: b'{"weight_map":[]}'}
    yield "index-list", "the index is a list", {INDEX: b"[]"}
    yield "index-empty", "the index is empty", {INDEX: b""}
    yield "index-deep", "an index 100,000 lists deep", {INDEX: b'{"weight_map":' + b"[" * 100000 + b"]" * 100000 + b"}"}
    yield "index-300000", "an index with 300,000 tensors", {INDEX: json.dumps({"weight_map": {
        f"model.layers.{i}.self_attn.q_proj.weight": "a.safetensors" for i in range(300_000)}}).encode()}
    yield "index-100000", "an index with 100,000 tensors", {INDEX: json.dumps({"weight_map": {
        f"model.layers.{i}.self_attn.q_proj.weight": "a.safetensors" for i in range(100_000)}}).encode()}
    yield "index-300-mb", "an index of 300 MB, in a sparse file", {INDEX: Hole(b"{", 300_000_000)}
    yield "index-60-mb", "an index of 60 MB of spaces", {INDEX: Hole(b"{" + b" " * 1000, 60_000_000)}
    def beside(**files):
        return {INDEX: b'{"weight_map":{"model.norm.weight":"trunk.safetensors"}}', **files}

    own_index = "mtp." + INDEX.removeprefix("model.")
    yield "beside-index-parent", "a further index leads to ../", beside(**{own_index: index("../../mtp.safetensors")[INDEX]})
    yield "beside-index-deep", "a further index 100,000 lists deep", beside(**{
        own_index: b'{"weight_map":' + b"[" * 100000 + b"]" * 100000 + b"}"})
    yield "beside-garbage", "a file that the index does not name is none of safetensors", beside(**{
        "mtp.safetensors": b"\x7fELF" + bytes(1000)})
    yield "beside-link-out", "a link to a file outside the folder, which the index does not name", beside(**{
        "mtp.safetensors": Link("../donor.gguf")})
    yield "beside-twice", "the head is in two files that the index does not name", beside(**{
        name: Safetensors(models_dir).file() for name in ("a.safetensors", "b.safetensors")})
    yield "config-10^400", "10^400 blocks", config(json.dumps(real).replace(
        '"num_hidden_layers": 8', '"num_hidden_layers": 1' + "0" * 400).encode())
    yield "config-blocks-2^64", "2^64 blocks", config(num_hidden_layers=2**64)
    yield "config-blocks-max", "2^32 - 1 blocks", config(num_hidden_layers=2**32 - 1)
    yield "config-blocks-negative", "-1 blocks", config(num_hidden_layers=-1)
    yield "config-blocks-string", "blocks in quotes", config(num_hidden_layers="8")
    yield "config-head-max", "a head of 2^32 - 1 blocks", config(mtp_num_hidden_layers=2**32 - 1)
    yield "config-head-string", "the head's blocks in quotes", config(mtp_num_hidden_layers="1")
    yield "config-numbers-as-strings", "every number in quotes", config(**{
        key: str(value) for key, value in real.items() if type(value) in (int, float) and key != "num_hidden_layers"})
    yield "config-numbers-huge", "every number 2^63", config(**{
        key: 2**63 for key, value in real.items() if type(value) in (int, float) and key not in (
            "num_hidden_layers", "mtp_num_hidden_layers")})
    yield "config-model-type-ugly", "model_type has terminal controls", config(
        model_type=UGLY.replace("\udcff", ""), architectures=[])
    yield "config-model-type-deep", "model_type is a list 100,000 deep", config(
        b'{"model_type":' + b"[" * 100000 + b"]" * 100000 + b"}")
    yield "config-text-config-deep", "text_config holds lists 100,000 deep", config(
        b'{"text_config":{"a":' + b"[" * 100000 + b"]" * 100000 + b"}}")
    yield "config-rope-deep", "rope_parameters holds objects 100,000 deep", config(
        json.dumps(real).encode()[:-1] + b',"rope_parameters":' + b'{"a":' * 100000 + b"1" + b"}" * 100001)
    yield "config-list", "config.json is a list", config(b"[]")
    yield "config-not-json", "config.json is cut off", config(b'{"model_type"')
    yield "config-20-mb", "config.json has 2 million numbers", config(b'{"a":[' + b"1," * 10_000_000 + b"1]}")
    yield "config-invalid-utf8", "config.json has a byte that is no UTF-8", config(b'{"model_type":"\xff"}')


# Split models


def split_names(count):
    return [f"{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1)]


def written(file, scratch):
    file.write(scratch)
    return scratch.read_bytes()


def splits(scratch):
    def shards(changes=(), prefix="", counts=(14, 15)):
        files = list(shards_of(target(), list(counts)))
        for number, key, type_id, value in changes:
            files[number].set(key, type_id, value)
        return {f"{prefix}-{name}": written(file, scratch) for name, file in zip(split_names(len(files)), files)}

    tensors = len(target().tensors)
    half = tensors // 2
    counts = (half, tensors - half)

    def spoilt(*changes, prefix=""):
        return shards(changes, prefix, counts)

    yield "split-no-repeated", "both shards say that they are the first", spoilt((1, "split.no", U16, 0))
    yield "split-no-max", "the second shard says that it is shard 65,535", spoilt((1, "split.no", U16, 65535))
    yield "split-no-u32", "the second shard's split.no is u32, on which llama.cpp aborts", spoilt((1, "split.no", U32, 1))
    yield "split-no-string", "the second shard's split.no is a string", spoilt((1, "split.no", STRING, UGLY))
    yield "split-count-65535", "two files that say they are 65,535", spoilt((0, "split.count", U16, 65535))
    yield "split-count-0", "two files that say they are none", spoilt((0, "split.count", U16, 0))
    yield "split-count-u64", "split.count is 2^64 - 1", spoilt((0, "split.count", U64, 2**64 - 1))
    yield "split-count-negative", "split.count is -1", spoilt((0, "split.count", I32, -1))
    yield "split-tensors-short", "split.tensors.count is 1", spoilt((0, "split.tensors.count", I32, 1))
    yield "split-tensors-negative", "split.tensors.count is -1", spoilt((0, "split.tensors.count", I32, -1))
    yield "split-tensors-2^63", "split.tensors.count is 2^63", spoilt((0, "split.tensors.count", U64, 2**63))
    one = list(shards_of(target(), [tensors]))[0]
    one.set("split.count", U16, 65535)
    yield "split-of-65535", "one file that says it is the first of 65,535, in keys and name", {
        "-00001-of-65535.gguf": written(one, scratch)}
    yield "split-of-99999", "a damaged file whose name promises 99,999", {"-00001-of-99999.gguf": b"GGUF"}
    yield "split-name-format", "a name with %s and {}", {
        path: data for path, data in list(spoilt(prefix="%s{}").items())[:1]}
    yield "split-name-ugly", "a name with terminal controls, and the second shard missing", {
        path: data for path, data in list(spoilt(prefix=UGLY).items())[:1]}
    yield "split-same-tensor", "a tensor that stands in both shards", {
        **spoilt(), "-00002-of-00002.gguf": list(spoilt().values())[0]}
    twice = list(shards_of(target(), list(counts)))
    twice[1].tensors[0].name = twice[0].tensors[0].name
    yield "split-tensor-twice", "a tensor name that two shards have", {
        f"-{name}": written(file, scratch) for name, file in zip(split_names(2), twice)}
    yield "split-shard-cut", "the second shard is cut off", {
        path: data if number == 0 else data[:-40] for number, (path, data) in enumerate(spoilt().items())}
    yield "split-shard-empty", "the second shard is empty", {
        path: data if number == 0 else b"" for number, (path, data) in enumerate(spoilt().items())}


# Records: what a graft says about its original


def xxh128(text):
    class Hash(ctypes.Structure):
        _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]

    function = ctypes.CDLL("libxxhash.so.0").XXH3_128bits
    function.restype = Hash
    function.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    digest = function(text, len(text))
    return f"{digest.high:016x}{digest.low:016x}"


def signed(text):
    """A record whose own digest is right, whatever it says."""
    body = text[:-1]
    return f'{body},"xxh128":"{xxh128(body.encode())}"}}'


def honest_record():
    return {"record": 1, "tool": "mtpgraft 0.1.0",
            "target": {"file": "target.gguf", "size": 10000, "n_kv": 20, "n_tensors": len(target().tensors),
                       "data_offset": 1000, "header_xxh128": "0" * 32},
            "keys": {"qwen35.block_count": {"type": "u32", "value": 2}, "qwen35.nextn_predict_layers": None},
            "donor": {"file": "donor.gguf", "architecture": "qwen35", "blocks": [1], "name": "tiny-donor"},
            "head": {"blocks": [2], "tensors": 15, "bytes": 1, "xxh128": "0" * 32}}


def records(scratch):
    def file(text):
        return written(with_keys(headed(), ("mtpgraft.record", STRING, text)), scratch)

    def of(**changes):
        record = honest_record()
        for path, value in changes.items():
            at = record
            *parents, last = path.split("__")
            for parent in parents:
                at = at[parent]
            at[last] = value
        return file(signed(json.dumps(record, separators=(",", ":"))))

    def keys(**more):
        return of(keys={**honest_record()["keys"], **{key.replace("__", "."): value for key, value in more.items()}})

    yield "record-not-json", "a record that is no JSON", file("not JSON")
    yield "record-empty", "an empty record", file("")
    yield "record-u32", "a record that is a number", written(with_keys(headed(), ("mtpgraft.record", U32, 1)), scratch)
    yield "record-unsigned", "a record without its own digest", file(json.dumps(honest_record()))
    yield "record-60-kb-of-brackets", "lists 30,000 deep, rightly digested", file(signed(
        '{"a":' + "[" * 30000 + "]" * 30000 + "}"))
    yield "record-deep-edits", "edits 30,000 lists deep", file(signed(
        json.dumps(honest_record())[:-1] + ',"edits":' + "[" * 30000 + "]" * 30000 + "}"))
    yield "record-deep-value", "an old value 20,000 lists deep", file(signed(
        json.dumps(honest_record()).replace('"value": 2', '"value": ' + "[" * 20000 + "]" * 20000)))
    yield "record-version-max", "record version 2^64", of(record=2**64)
    yield "record-lists", "target is a list", of(target=[])
    yield "record-strings", "numbers in quotes", of(target__size="10000")
    yield "record-size-2^63", "an original of 2^63 bytes", of(target__size=2**63)
    yield "record-size-negative", "an original of -1 bytes", of(target__size=-1)
    yield "record-size-float", "an original of 1e300 bytes", of(target__size=1e300)
    yield "record-data-offset-max", "an original whose data begin at 2^64 - 1", of(target__data_offset=2**64 - 1)
    yield "record-tensors-2^64", "an original of 2^64 tensors", of(target__n_tensors=2**64)
    yield "record-tensors-0", "an original of no tensors", of(target__n_tensors=0)
    yield "record-header-digest-short", "a header digest of 31 digits", of(target__header_xxh128="0" * 31)
    yield "record-header-digest-letters", "a header digest of letters", of(target__header_xxh128="z" * 32)
    yield "record-file-ugly", "an original's name with terminal controls", of(
        target__file=UGLY.replace("\udcff", ""), donor__file=UGLY.replace("\udcff", ""))
    yield "record-commit-ugly", "a donor's commit with terminal controls", of(
        donor__commit=UGLY.replace("\udcff", "")[:40])
    yield "record-block-count-0", "an old block_count of 0", of(keys={"qwen35.block_count": {"type": "u32", "value": 0}})
    yield "record-block-count-string", "an old block_count that is a string", of(
        keys={"qwen35.block_count": {"type": "string", "value": "2"}})
    yield "record-block-count-none", "an original without block_count", of(keys={"qwen35.block_count": None})
    yield "record-key-absent", "an old value of a key that the file has not", keys(absent={"type": "u32", "value": 1})
    yield "record-place-max", "a key to be put at place 2^64 - 1", keys(
        evil={"type": "u32", "value": 1, "place": 2**64 - 1})
    yield "record-place-negative", "a key to be put at place -1", keys(evil={"type": "u32", "value": 1, "place": -1})
    yield "record-place-string", "a key to be put at place '0'", keys(evil={"type": "u32", "value": 1, "place": "0"})
    yield "record-place-taken", "a key to be put where it is already", keys(
        general__architecture={"type": "string", "value": "qwen35", "place": 5})
    yield "record-key-empty", "an old key without a name", of(
        keys={**honest_record()["keys"], "": {"type": "u32", "value": 1, "place": 0}})
    yield "record-key-30000", "an old key with a name of 60,000 bytes", of(
        keys={**honest_record()["keys"], "k" * 60000: {"type": "u32", "value": 1, "place": 0}})
    yield "record-key-ugly", "an old key with terminal controls", of(
        keys={**honest_record()["keys"], UGLY.replace("\udcff", ""): {"type": "u32", "value": 1, "place": 0}})
    yield "record-key-escapes", "an old key that is a GGUF of its own", of(
        keys={**honest_record()["keys"], "GGUF\x03\0\0\0": {"type": "u32", "value": 1, "place": 0}})
    yield "record-in-a-record", "an old value of the record's own key that is a record, for what strip writes", of(
        keys={**honest_record()["keys"], "mtpgraft.record": {
            "type": "string", "value": signed(json.dumps(honest_record(), separators=(",", ":"))), "place": 0}})
    yield "record-padding-long", "an original whose header ends in 20,000 bytes of padding", of(
        target__padding="41" * 20000)
    yield "record-padding-not-hex", "padding that is no hexadecimal", of(target__padding="4g")
    for value in (0, 3, 2**31):
        yield f"record-alignment-{value}", f"an original with alignment {value}", keys(
            general__alignment={"type": "u32", "value": value, "place": 1})
    yield "record-alignment-u64", "an original with an alignment of another type", keys(
        general__alignment={"type": "u64", "value": 64, "place": 1})
    yield "record-alignment-64", "an original with another alignment than its data have", keys(
        general__alignment={"type": "u32", "value": 64, "place": 1})
    yield "record-value-300-in-u8", "an old value that its type does not hold", keys(
        evil={"type": "u8", "value": 300, "place": 0})
    yield "record-value-1e400", "an old value of 1e400", file(signed(json.dumps(honest_record()).replace(
        '"type": "u32", "value": 2', '"type": "f32", "value": 1e400')))
    yield "record-type-unknown", "an old value of an unknown type", keys(
        evil={"type": UGLY.replace("\udcff", ""), "value": 1, "place": 0})
    yield "record-type-number", "an old value whose type is a number", keys(evil={"type": 4, "value": 1, "place": 0})
    yield "record-hex-odd", "hexadecimal digits of odd number", keys(
        evil={"type": "u8[]", "count": 1, "hex": "0", "place": 0})
    yield "record-hex-letters", "hexadecimal digits that are none", keys(
        evil={"type": "u8[]", "count": 1, "hex": "zz", "place": 0})
    yield "record-hex-short", "an array of 1000 numbers of which one is there", keys(
        evil={"type": "u32[]", "count": 1000, "hex": "00000000", "place": 0})
    yield "record-hex-2^61", "an array of 2^61 numbers of 8 bytes: wraps to 0", keys(
        evil={"type": "u64[]", "count": 2**61, "hex": "", "place": 0})
    yield "record-hex-strings", "an array of strings whose lengths lie", keys(
        evil={"type": "string[]", "count": 1, "hex": "ff" * 8, "place": 0})
    yield "record-hex-scalar", "a scalar of 3 bytes", keys(evil={"type": "u32", "count": 1, "hex": "000000", "place": 0})
    yield "record-hex-string", "a string with a length that lies", keys(
        evil={"type": "string", "count": 1, "hex": "ff" * 8, "place": 0})
    yield "record-head-bytes-2^63", "a head of 2^63 bytes", of(head__bytes=2**63)
    yield "record-head-tensors-0", "a head of no tensors", of(head__tensors=0)
    yield "record-head-blocks-huge", "a head of block 2^64 - 1", of(head__blocks=[2**64 - 1])
    yield "record-head-blocks-negative", "a head of block -1", of(head__blocks=[-1])
    yield "record-head-blocks-string", "a head whose blocks are a string", of(head__blocks="2")
    yield "record-norm-offset-huge", "a norm offset of 2^40", of(donor__norm_offset=2**40)
    yield "record-edits-object", "edits that are no list", of(edits={"key": 1})
    yield "record-edits-of-numbers", "edits that are numbers", of(edits=[1, 2])
    yield "record-restores-head", "an original that declares the head", of(
        keys={"qwen35.block_count": {"type": "u32", "value": 3}})
    yield "record-restores-record", "an original with a record of its own", keys(
        mtpgraft__record={"type": "string", "value": "mine", "place": 0})
    yield "record-restores-split", "an original that is the first of 65,535 files", keys(
        split__count={"type": "u16", "value": 65535, "place": 0}, split__no={"type": "u16", "value": 0, "place": 0})


# Plans of releases


def plans():
    def plan(options="", grafts='{"target": "target.gguf", "donor": "donor.gguf"}'):
        return f'{{"schema_version": 1, "defaults": {{"options": {{{options}}}}}, "grafts": [{grafts}]}}'.encode()

    graft = '{"target": "../target.gguf", "donor": "../donor.gguf", "options": {%s}}'
    yield "plan-deep", "150,000 lists, one in the other", b"[" * 150_000
    yield "plan-deep-objects", "100,000 objects, one in the other", b'{"a":' * 100_000
    yield "plan-deep-value", "a target of 150,000 lists", plan(grafts='{"target": ' + "[" * 150_000)
    yield "plan-keys", "70,000 keys that there are not", plan(",".join(f'"{i}": 1' for i in range(70_000)))
    yield "plan-same-keys", "the same key 80,000 times", plan('"set": ["a"],' * 80_000 + '"strict": true')
    yield "plan-grafts", "60,000 grafts", plan(grafts=",".join(['{"target":"a"}'] * 60_000))
    yield "plan-defaults", "9,000 grafts times 9,000 options", plan(
        '"set": [' + ",".join(['"a=u8:1"'] * 9_000) + "]", ",".join(['{"target":"a","donor":"b"}'] * 9_000))
    yield "plan-1-gb", "a plan of 1 GB, in a sparse file", Hole(plan(), 10**9)
    yield "plan-nul", "a zero byte, and another plan behind it", plan() + b"\0" + plan()
    yield "plan-1e400", "a number that no double can hold", plan('"yarn": 1e400')
    yield "plan-ggml", "a library of the plan's own", plan(grafts=graft % '"head_type": "q4_k", "ggml": "evil.so"')
    yield "plan-ggml-ugly", "the same with terminal controls in its name", plan(
        grafts=graft % f'"head_type": "q4_k", "ggml": {json.dumps(UGLY[:-1])}')
    yield "plan-ggml-directory", "a directory as the library", plan(grafts=graft % '"head_type": "q4_k", "ggml": "/"')


# Changes in place


def places():
    digest = "0123456789abcdef" * 4
    model, journal = raw_file(), "model.gguf.mtpgraft-journal"
    yield "place-link-into-cache", "a link to a file of a cache, which is called by its digest", {
        "model.gguf": Link(f"blobs/{digest}"), f"blobs/{digest}": model}
    yield "place-digest", "a file of Ollama's, called by its digest", {f"sha256-{digest}": model}
    yield "journal-link", "a link at the journal's name, to a file that could be written", {
        "model.gguf": model, journal: Link("other"), "other": model}
    yield "journal-link-to-nothing", "a link at the journal's name, to a file that could be made", {
        "model.gguf": model, journal: Link("nothing")}
    yield "journal-of-another-file", "a journal that names another inode", {
        "model.gguf": model, journal: b"mtpgraft journal 1, step 3\ninode 2\n".ljust(4096, b"\n")}


# Checksum lists


def edited_records(scratch):
    """Records that tell of keys which somebody set."""
    def file(*more_keys, edits, old=None):
        record = honest_record()
        record["keys"] |= old or {}
        record["edits"] = edits
        text = signed(json.dumps(record, separators=(",", ":")))
        return written(with_keys(headed(), *more_keys, ("mtpgraft.record", STRING, text)), scratch)

    def string(value):
        return {"type": "string", "value": value}

    template = "tokenizer.chat_template"
    poison = "{{ messages }}" * 20 + "{{ lipsum.__globals__ }}"
    set_template = (template, STRING, poison)
    yield "edit-template", "a chat template that the record tells of as set on purpose", file(
        set_template, edits=[{"key": template, "to": string(poison)}], old={template: string("{{ messages }}" * 20)})
    yield "edit-not-told", "one that the record has an old value of, and does not call an edit", file(
        set_template, edits=[], old={template: string("{{ messages }}")})
    yield "edit-architecture", "an edit of the architecture, which no graft makes", file(
        edits=[{"key": "general.architecture", "to": string("llama")}])
    yield "edit-gone", "an edit that takes out a key which the target has not", file(
        edits=[{"key": "no.such", "to": None}])
    yield "edit-ugly", "an edit with terminal controls in key and value", file(
        (UGLY[:-1], STRING, UGLY[:-1]), edits=[{"key": UGLY[:-1], "to": string(UGLY[:-1])}], old={UGLY[:-1]: None})
    yield "edits-500", "500 edits", file(
        *((f"k{i}", U32, 1) for i in range(500)),
        edits=[{"key": f"k{i}", "to": {"type": "u32", "value": 1}} for i in range(500)],
        old={f"k{i}": None for i in range(500)})


def lists():
    digest = "0" * 32

    def tagged(name):
        return f"XXH128 ({name}) = {digest}\n".encode("utf-8", "surrogateescape")

    real = target().tensors[0].name
    yield "list-empty", "an empty list", b""
    yield "list-of-comments", "nothing but comments", b"# nothing\n" * 1000
    yield "list-nul", "NULs", bytes(1000)
    yield "list-line-1-gb", "a line of 1 GB, in a sparse file", Hole(tagged(real) + b"x", 10**9)
    yield "list-lines-10^6", "10^6 lines, 42 MB", b"".join(
        b"%032x  t%06d\n" % (i, i) for i in range(10**6))
    yield "list-lines-190000", "190,000 lines of tensors that the file has not: 8 MB, as much as a list may have", b"".join(
        b"%032x  t%06d\n" % (i, i) for i in range(190_000))
    yield "list-same-10^5", "the same tensor 100,000 times, each to be read", tagged(real) * 10**5
    yield "list-newlines", "10^7 empty lines", b"\n" * 10**7
    yield "list-bad-lines", "10^6 lines that are no checksums", b"x\n" * 10**6
    yield "list-cr", "lines that end with CR LF", tagged(real).replace(b"\n", b"\r\n")
    yield "list-cr-inside", "a CR inside a name, to write over the line", tagged(f"{real}\r{real}: OK")
    yield "list-name-ugly", "a name with terminal controls", tagged(UGLY.replace("\r\n", ""))
    yield "list-name-escaped", "a name with escaped newlines that would forge a line", \
        f"\\XXH128 (a\\nother.weight: OK\\r) = {digest}\n".encode()
    yield "list-name-bad-escape", "an escape that there is not", f"\\XXH128 (a\\x) = {digest}\n".encode()
    yield "list-name-nul", "a NUL in a name", tagged(f"{real}\0{real}")
    yield "list-name-8-mb", "a name of 8 MB", tagged("n" * 8 * 10**6)
    yield "list-name-format", "a name with %s and {}", tagged("%s{}%n")
    yield "list-digest-short", "a digest of 31 digits", tagged(real).replace(b"0" * 32, b"0" * 31)
    yield "list-digest-long", "a digest of 33 digits", tagged(real).replace(b"0" * 32, b"0" * 33)
    yield "list-digest-letters", "a digest of letters", tagged(real).replace(b"0" * 32, b"g" * 32)
    yield "list-digest-minus", "a digest with a sign", tagged(real).replace(b"0" * 32, b"-" + b"0" * 31)
    yield "list-other-algorithm", "checksums of another algorithm", f"SHA256 ({real}) = {digest * 2}\n".encode()
    sha256 = "0" * 64
    yield "list-of-file", "the SHA-256 of another file of that name", f"{sha256}  target.gguf\n".encode()
    yield "list-of-file-bsd", "the same as BSD has it, in a directory", f"SHA256 (dir/target.gguf) = {sha256}\n".encode()
    yield "list-of-file-twice", "the file twice, with a tensor between", \
        f"{sha256}  target.gguf\n".encode() + tagged(real) + f"{'1' * 64} *./target.gguf\n".encode()
    yield "list-of-other-files", "a list of other files", f"{sha256}  other.gguf\n{sha256}  LICENSE\n".encode()
    yield "list-of-10^5-files", "100,000 other files", b"".join(b"%064x  f%05d.gguf\n" % (i, i) for i in range(10**5))
    yield "list-of-html", "a web page", b"<!DOCTYPE html>\n<html></html>\n"
    yield "list-of-itself", "a GGUF in the place of a list", raw_file()


def corpus(models_dir, scratch):
    """All attacks, by section."""
    def single(prefix, items, commands, suffix):
        for name, what, data in items:
            data = written(data, scratch) if isinstance(data, GgufFile) else data
            lines = {label: commands[label] for label in FEW_COMMANDS} if name in COSTLY else commands
            yield Attack(prefix + name, what, {f"{prefix}{name}{suffix}": data}, lines)

    def folders(items, commands):
        for name, what, files in items:
            yield Attack(f"checkpoint-{name}", what,
                         {f"checkpoint-{name}/{path}": data for path, data in files.items()},
                         {label: line.replace("FILE", f"checkpoint-{name}") for label, line in commands.items()})

    def sets(items, commands):
        for name, what, files in items:
            yield Attack(name, what, {name + path: data for path, data in files.items()}, commands)

    yield "Headers of GGUF files", single("", headers(), HEADER_COMMANDS, ".gguf")
    yield "Models whose keys and names lie", single("model-", models(), MODEL_COMMANDS, ".gguf")
    yield "What a model was made of", single("", base_models(), BASE_COMMANDS, ".gguf")
    yield "What the screen shows", (
        Attack(name, what, {f"{name}/{path}": written(file, scratch)}, SHOW_COMMANDS)
        for name, what, path, file in shown_models())
    yield "Projectors", single("", projectors(), {"--mmproj": READERS["--mmproj"]}, ".gguf")
    yield "Split models", sets(splits(scratch), SPLIT_COMMANDS)
    yield "safetensors", single("safetensors-", safetensors(models_dir), CHECKPOINT_COMMANDS, ".safetensors")
    yield "Checkpoint folders", folders(checkpoints(models_dir), CHECKPOINT_COMMANDS)
    yield "Records", single("", records(scratch), RECORD_COMMANDS, ".gguf")
    yield "Plans of releases", (
        Attack(name, what, {f"{name}/plan.json": data}, PLAN_COMMANDS) for name, what, data in plans())
    yield "Files that are changed in place", (
        Attack(name, what, {f"{name}/{path}": data for path, data in files.items()}, PLACE_COMMANDS)
        for name, what, files in places())
    yield "Keys that somebody set", single("record-", edited_records(scratch), EDIT_COMMANDS, ".gguf")
    yield "Checksum lists", single("", lists(), LIST_COMMANDS, ".sums")


def write_file(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, Link):
        path.symlink_to(data.to)
    elif isinstance(data, Hole):
        with open(path, "wb") as out:
            out.write(data.start)
            out.truncate(data.length)
    else:
        path.write_bytes(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--models", type=Path, default=Path(__file__).resolve().parent.parent / "models", metavar="DIR",
                        help="the bundled models (default: %(default)s)")
    parser.add_argument("out", type=Path, metavar="OUTDIR")
    arguments = parser.parse_args()
    out = arguments.out
    target().write(out / "target.gguf")
    donor().write(out / "donor.gguf")
    (out / "big.gguf").symlink_to(arguments.models / "target-12L-Q4_K_M.gguf")
    index = []
    for section, attacks in corpus(arguments.models, out / "scratch"):
        for attack in attacks:
            for path, data in attack.files.items():
                write_file(out / os.fsdecode(os.fsencode(path)), data)
            index.append({"section": section, "name": attack.name, "what": attack.what,
                          "file": next(iter(attack.files)), "commands": attack.commands})
    (out / "index.json").write_text(json.dumps(index))


if __name__ == "__main__":
    main()
