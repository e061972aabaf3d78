#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes GGUF files for tests: variations of the bundled models, tiny models of other architectures, huge sparse files,
golden files with their expected parse, and malformed files.

Deterministic: the same models give the same bytes. A case is a function; its docstring is what --list shows.
"""

import argparse
import hashlib
import json
import random
import struct
import sys
from dataclasses import dataclass
from math import prod
from pathlib import Path

from gguf_file import (ARRAY, BF16, BLOCK, BOOL, F16, F32, F32_VALUE, F64_VALUE, I8, I16, I32, I64, NVFP4, Q4_K, Q5_K,
                       Q6_K, Q8_0, STRING, U8, U16, U32, U64, GgufFile, Sparse, Tensor, encode_header, encode_info,
                       encode_key, encode_raw_key, encode_string, pad, tensor_bytes)
from reference_graft import graft

CASES = {}  # name -> (description, function(models, out_dir))


class Models:
    """The bundled models, read anew for each use, so that a case may change what it gets."""

    def __init__(self, folder):
        self.folder = folder

    def target(self):
        return GgufFile.read(self.folder / "target-12L-Q4_K_M.gguf")

    def donor(self, quant="BF16"):
        return GgufFile.read(self.folder / f"mtp-base-8L-{quant}.gguf")

    def random_donor(self):
        return GgufFile.read(self.folder / "mtp-random-8L-F16.gguf")

    def head_only(self):
        return GgufFile.read(self.folder / "head-only-base-8L-BF16.gguf")


def add_case(name, description, make):
    CASES[name] = (description, lambda models, out: make(models).write(out / f"{name}.gguf"))


def case(make):
    """Registers a function(models) that returns the file to write."""
    add_case(make.__name__.replace("_", "-"), make.__doc__, make)
    return make


def folder_case(make):
    """Registers a function(out_dir) that writes a folder of its own name."""
    def run(_, out):
        folder = out / make.__name__
        folder.mkdir(parents=True, exist_ok=True)
        make(folder)
    CASES[make.__name__] = (make.__doc__, run)
    return make


# Targets made from target-12L-Q4_K_M


def recurrent(trunk, nextn=0):
    return BOOL, [(i + 1) % 4 != 0 for i in range(trunk)] + [False] * nextn


@case
def target_placeholder(models):
    """declares a head (block_count 13, nextn_predict_layers 1) that it does not have"""
    file = models.target()
    file.set("qwen35.block_count", U32, 13)
    file.set_after("qwen35.rope.dimension_count", "qwen35.nextn_predict_layers", U32, 1)
    return file


@case
def target_recurrent_layers(models):
    """has attention.recurrent_layers, one bool for each of 12 layers"""
    file = models.target()
    file.set_after("qwen35.full_attention_interval", "qwen35.attention.recurrent_layers", ARRAY, recurrent(12))
    return file


@case
def target_placeholder_recurrent_layers(models):
    """placeholder whose recurrent_layers already has the head's entry"""
    file = target_placeholder(models)
    file.set_after("qwen35.full_attention_interval", "qwen35.attention.recurrent_layers", ARRAY, recurrent(12, 1))
    return file


@case
def target_head_count_kv_array(models):
    """attention.head_count_kv is a u32 array of 12"""
    file = models.target()
    file.set("qwen35.attention.head_count_kv", ARRAY, (U32, [2] * 12))
    return file


@case
def target_head_count_kv_array_i32(models):
    """attention.head_count_kv is an i32 array of 12"""
    file = models.target()
    file.set("qwen35.attention.head_count_kv", ARRAY, (I32, [2] * 12))
    return file


@case
def target_head_count_kv_array_zeros(models):
    """head_count_kv is an i32 array with 0 for recurrent layers, which llama.cpp itself refuses"""
    file = models.target()
    file.set("qwen35.attention.head_count_kv", ARRAY, (I32, [0, 0, 0, 2] * 3))
    return file


@case
def target_align_64(models):
    """general.alignment 64, laid out so"""
    file = models.target()
    file.set("general.alignment", U32, 64)
    return file


@case
def target_align_4096(models):
    """general.alignment 4096, laid out so"""
    file = models.target()
    file.set("general.alignment", U32, 4096)
    return file


@case
def target_v2(models):
    """GGUF version 2"""
    file = models.target()
    file.version = 2
    return file


@case
def target_shuffled_keys(models):
    """the same keys in another order, general.architecture not first"""
    file = models.target()
    items = list(file.keys.items())
    random.Random(1).shuffle(items)
    file.keys = dict(items)
    return file


@case
def target_odd_keys(models):
    """further keys of every value type, with extreme and ugly values, in the middle and at the end"""
    file = models.target()
    at = "general.name"
    for name, type_id, value in ODD_KEYS:
        file.set_after(at, f"odd.{name}", type_id, value)
        at = f"odd.{name}"
    for name, type_id, value in ODD_KEYS:
        file.set(f"odd.end.{name}", type_id, value)
    return file


ODD_KEYS = [
    ("u8", U8, 255), ("i8", I8, -128), ("u16", U16, 65535), ("i16", I16, -32768), ("u32", U32, 2**32 - 1),
    ("i32", I32, -2**31), ("u64", U64, 2**64 - 1), ("i64", I64, -2**63), ("f32", F32_VALUE, -1.5),
    ("f64", F64_VALUE, 1e300), ("true", BOOL, True), ("false", BOOL, False),
    ("f32.nan", F32_VALUE, float("nan")), ("f64.infinity", F64_VALUE, float("-inf")),
    ("empty.string", STRING, ""), ("empty.numbers", ARRAY, (U32, [])), ("empty.strings", ARRAY, (STRING, [])),
    ("invalid.utf8", STRING, b"\xff\xfe bad \xc3 bytes"),
    ("control", STRING, "bell\a nul\0 tab\t line\n \x1b[31mred\x1b[0m \x1b]0;title\a\x1b[2J\x7f\u0085"),
    ("long", STRING, "long " * 1000), ("u8.array", ARRAY, (U8, [i % 256 for i in range(300)])),
    ("i64.array", ARRAY, (I64, [-1, 0, 2**63 - 1])), ("bool.array", ARRAY, (BOOL, [True, False, True])),
    ("string.array", ARRAY, (STRING, ["", "a", b"\xff", "\x1b[0m"])),
    ("key with spaces, ünïcode and \x1b[1mescapes", STRING, "value"),
]


@case
def target_trailing_bytes(models):
    """5000 bytes follow the last tensor"""
    file = models.target()
    file.trailing = random.Random(2).randbytes(5000)
    return file


@case
def target_unpadded_end(models):
    """ends with a tensor of 16 bytes, without its padding"""
    file = models.target()
    last = file.tensor("blk.0.ssm_a")
    file.tensors.remove(last)
    file.tensors.append(last)
    file.pad_end = False
    return file


@case
def target_with_head(models):
    """the graft of mtp-base-8L-Q8_0 onto target-12L-Q4_K_M"""
    return graft(models.target(), models.donor("Q8_0"))


@case
def target_with_head_first(models):
    """as target-with-head, with the head's tensors before the trunk's"""
    file = target_with_head(models)
    file.tensors.sort(key=lambda tensor: not tensor.name.startswith("blk.12."))
    return file


@case
def target_extra_tensor(models):
    """has a tensor foo.weight that no architecture knows"""
    file = models.target()
    file.tensors.append(Tensor("foo.weight", (8,), F32, struct.pack("<8f", *range(8))))
    return file


@case
def target_odd_sizes(models):
    """has tensors of 1, 33, 31, 32 and 65 bytes, so that padding of every kind comes after them"""
    file = models.target()
    integers = 24  # of one byte
    for size in (1, 33, 31, 32, 65):
        file.tensors.append(Tensor(f"odd.{size}", (size,), integers, bytes(range(size))))
    return file


@case
def target_undeclared_head(models):
    """head tensors and block_count 13, but no nextn_predict_layers"""
    file = target_with_head(models)
    del file.keys["qwen35.nextn_predict_layers"]
    return file


@case
def target_broken_head(models):
    """as target-with-head, without nextn.eh_proj"""
    file = target_with_head(models)
    file.tensors.remove(file.tensor("blk.12.nextn.eh_proj.weight"))
    return file


@case
def target_i32_block_count(models):
    """block_count stored as i32"""
    file = models.target()
    file.set("qwen35.block_count", I32, 12)
    return file


@case
def target_head_norms_f16(models):
    """as target-with-head, with the head's norms in F16"""
    file = target_with_head(models)
    recode_norms(file, "blk.12.", F16)
    return file


@case
def target_shard(models):
    """says that it is the first of 2 shards"""
    return as_first_shard(models.target())


@case
def target_base_model(models):
    """general.base_model.0 is tiny-qwen35-base-8L"""
    return with_base_model(models.target(), "tiny-qwen35-base-8L", "https://huggingface.co/x/tiny-qwen35-base-8l")


def as_first_shard(file):
    file.set("split.no", U16, 0)
    file.set("split.count", U16, 2)
    file.set("split.tensors.count", I32, len(file.tensors))
    return file


def with_base_model(file, name, url):
    file.set("general.base_model.count", U32, 1)
    file.set("general.base_model.0.name", STRING, name)
    file.set("general.base_model.0.repo_url", STRING, url)
    return file


# Split models


def shards_of(file, counts):
    """The files of a split model, with so many tensors each."""
    first = 0
    for number, count in enumerate(counts):
        shard = GgufFile(file.version, dict(file.keys) if number == 0 else {}, file.tensors[first:first + count])
        shard.set("split.no", U16, number)
        shard.set("split.count", U16, len(counts))
        shard.set("split.tensors.count", I32, len(file.tensors))
        first += count
        yield shard


def write_shards(folder, prefix, shards):
    shards = list(shards)
    for number, shard in enumerate(shards, 1):
        shard.write(folder / f"{prefix}-{number:05d}-of-{len(shards):05d}.gguf")


def make_split(models, out):
    folder = out / "split"
    folder.mkdir(parents=True, exist_ok=True)
    target, headed = models.target(), target_with_head(models)
    write_shards(folder, "four-Q4_K_M", shards_of(target, [40, 40, 40, 42]))
    write_shards(folder, "bare", shards_of(target, [0, 100, 62]))
    aligned = list(shards_of(target, [40, 60, 62]))
    for shard, alignment in zip(aligned, (64, 32, 4096)):
        shard.set("general.alignment", U32, alignment)
    aligned[1].trailing = b"\xaa" * 1000
    write_shards(folder, "aligned", aligned)
    write_shards(folder, "with-head", shards_of(headed, [100, 62, 15]))
    write_shards(folder, "with-mixed-head", shards_of(headed, [100, 70, 7]))
    donor = models.donor("Q8_0")
    donor.tensors.sort(key=lambda tensor: tensor.name.startswith(HEAD))
    write_shards(folder, "donor", shards_of(donor, [len(donor.tensors) - 15, 15]))


CASES["split"] = ("split/: target, graft and donor in several files", make_split)


# Donors made from mtp-base-8L-BF16

HEAD = "blk.8."


def floats(tensor):
    return struct.unpack(f"<{tensor.shape[0]}f", tensor.read())


def to_bf16(value):
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    return struct.pack("<H", (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)


def to_q8_0(values):
    blocks = []
    for i in range(0, len(values), 32):
        part = values[i:i + 32]
        scale = max(map(abs, part)) / 127
        blocks.append(struct.pack("<e32b", scale, *(round(value / scale) for value in part)))
    return b"".join(blocks)


def encode_floats(values, type_id):
    if type_id == BF16:
        return b"".join(map(to_bf16, values))
    if type_id == Q8_0:
        return to_q8_0(values)
    return struct.pack(f"<{len(values)}{'e' if type_id == F16 else 'f'}", *values)


def norms(file, prefix):
    return [tensor for tensor in file.tensors if tensor.name.startswith(prefix) and len(tensor.shape) == 1]


def recode_norms(file, prefix, type_id):
    for tensor in norms(file, prefix):
        tensor.data = encode_floats(floats(tensor), type_id)
        tensor.type_id = type_id


def add_norm_cases():
    for suffix, type_id in (("bf16", BF16), ("f16", F16), ("q8_0", Q8_0)):
        def make(models, type_id=type_id):
            file = models.donor()
            recode_norms(file, HEAD, type_id)
            return file
        add_case(f"donor-norms-{suffix}", f"the head's norms in {suffix.upper()}", make)


add_norm_cases()


@case
def donor_norms_unshifted(models):
    """1 subtracted from the head's norms, as a converter does that forgets the +1"""
    file = models.donor()
    for tensor in norms(file, HEAD):
        tensor.data = encode_floats([value - 1 for value in floats(tensor)], F32)
    return file


@case
def donor_nan(models):
    """a NaN in a matrix of the head"""
    file = models.donor()
    tensor = file.tensor("blk.8.ffn_up.weight")
    data = bytearray(tensor.read())
    data[1000:1002] = b"\xc0\x7f"
    tensor.data = bytes(data)
    return file


@case
def donor_hole(models):
    """64 KiB of zeros in a matrix of the head, as a download leaves them that was interrupted"""
    file = models.donor()
    tensor = file.tensor("blk.8.ffn_up.weight")
    data = bytearray(tensor.read())
    data[4096:4096 + 65536] = bytes(65536)
    tensor.data = bytes(data)
    return file


@case
def donor_align_64(models):
    """general.alignment 64, laid out so"""
    file = models.donor()
    file.set("general.alignment", U32, 64)
    return file


@case
def donor_head_first_order(models):
    """head infos in another order, other tensors between them"""
    file = models.donor()
    random.Random(3).shuffle(file.tensors)
    return file


@case
def donor_wrong_width(models):
    """embedding_length 512, consistent shapes, random data"""
    return resized(models, width=512)


@case
def donor_ffn(models):
    """feed_forward_length 1024, consistent shapes, random data"""
    return resized(models, ffn=1024)


def resized(models, width=256, ffn=768):
    file = models.donor()
    file.set("qwen35.embedding_length", U32, width)
    file.set("qwen35.feed_forward_length", U32, ffn)
    dims = Dims("qwen35", width=width, ffn=ffn, heads=4, kv_heads=2, head_size=64, vocab=1024)
    shapes = dict(global_tensors(dims) + head(dims, 8))
    rng = random.Random(4)
    file.tensors = [random_tensor(rng, tensor.name, shapes[tensor.name], tensor.type_id) for tensor in file.tensors]
    return file


@case
def donor_wrong_arch(models):
    """says that it is qwen35moe, keys renamed to match"""
    file = models.donor()
    file.keys = {key.replace("qwen35.", "qwen35moe.", 1): typed for key, typed in file.keys.items()}
    file.set("general.architecture", STRING, "qwen35moe")
    return file


@case
def donor_other_tokenizer(models):
    """two tokens swapped"""
    file = models.donor()
    tokens = file.value("tokenizer.ggml.tokens")[1]
    tokens[300], tokens[301] = tokens[301], tokens[300]
    return file


@case
def donor_other_merges(models):
    """two merges swapped"""
    file = models.donor()
    merges = file.value("tokenizer.ggml.merges")[1]
    merges[10], merges[11] = merges[11], merges[10]
    return file


@case
def donor_rope(models):
    """rope.freq_base 1e6 instead of 1e4"""
    file = models.donor()
    file.set("qwen35.rope.freq_base", F32_VALUE, 1e6)
    return file


@case
def donor_eps(models):
    """layer_norm_rms_epsilon 1e-5 instead of 1e-6"""
    file = models.donor()
    file.set("qwen35.attention.layer_norm_rms_epsilon", F32_VALUE, 1e-5)
    return file


@case
def donor_no_eh_proj(models):
    """nextn.eh_proj missing"""
    return without(models.donor(), "nextn.eh_proj.weight")


@case
def donor_no_shared_head_norm(models):
    """nextn.shared_head_norm missing, which runtimes allow"""
    return without(models.donor(), "nextn.shared_head_norm.weight")


def without(file, name):
    file.tensors.remove(file.tensor(HEAD + name))
    return file


@case
def donor_fused_qkv(models):
    """one attn_qkv [256, 768] in place of attn_q, attn_k and attn_v"""
    file = models.donor()
    parts = [file.tensor(f"{HEAD}attn_{part}.weight") for part in "qkv"]
    fused = Tensor(f"{HEAD}attn_qkv.weight", (256, 768), BF16, b"".join(part.read() for part in parts))
    file.tensors = [tensor for tensor in file.tensors if tensor not in parts] + [fused]
    return file


@case
def donor_transposed_eh_proj(models):
    """nextn.eh_proj has shape [256, 512]"""
    file = models.donor()
    file.tensor(f"{HEAD}nextn.eh_proj.weight").shape = (256, 512)
    return file


@case
def donor_two_heads(models):
    """two head blocks, blk.8 and blk.9, the second with random weights"""
    file = models.donor()
    file.set("qwen35.block_count", U32, 10)
    file.set("qwen35.nextn_predict_layers", U32, 2)
    for tensor in models.random_donor().tensors:
        if tensor.name.startswith(HEAD):
            file.tensors.append(Tensor("blk.9." + tensor.name[len(HEAD):], tensor.shape, tensor.type_id, tensor.data))
    return file


@case
def donor_tensors_only_no_keys(models):
    """the head's tensors and no key at all"""
    file = models.head_only()
    file.keys = {}
    return file


@case
def donor_own_embeddings(models):
    """the head brings embed_tokens and shared_head_head, F16"""
    file = models.donor()
    for name, source in (("embed_tokens", "token_embd"), ("shared_head_head", "output")):
        raw = file.tensor(f"{source}.weight").read()
        widened = bytearray(2 * len(raw))
        widened[2::4], widened[3::4] = raw[0::2], raw[1::2]
        values = struct.unpack(f"<{256 * 1024}f", widened)
        file.tensors.append(Tensor(f"{HEAD}nextn.{name}.weight", (256, 1024), F16, encode_floats(values, F16)))
    return file


@case
def donor_nvfp4_scales(models):
    """eh_proj in NVFP4, random, with its separate scale tensor"""
    file = models.donor()
    retype_eh_proj(file, NVFP4, tensor_bytes(NVFP4, (512, 256)))
    file.tensors.append(Tensor(f"{HEAD}nextn.eh_proj.scale", (1,), F32, struct.pack("<f", 0.5)))
    return file


@case
def donor_fork_type(models):
    """eh_proj in IQ4_K (type 139, 144 bytes for 256 weights), which only ik_llama.cpp knows"""
    file = models.donor()
    retype_eh_proj(file, 139, 512 * 256 // 256 * 144)
    return file


@case
def donor_unknown_type(models):
    """eh_proj in type 199, 1000 bytes, which nobody knows"""
    file = models.donor()
    retype_eh_proj(file, 199, 1000)
    return file


def retype_eh_proj(file, type_id, size):
    tensor = file.tensor(f"{HEAD}nextn.eh_proj.weight")
    tensor.type_id = type_id
    tensor.data = random.Random(5).randbytes(size)


@case
def donor_shard(models):
    """says that it is the first of 2 shards"""
    return as_first_shard(models.donor())


@case
def donor_no_head(models):
    """a model without a head"""
    file = models.target()
    file.set("general.name", STRING, "tiny-qwen35-without-head")
    return file


@case
def donor_recurrent_layers(models):
    """has attention.recurrent_layers, 8 trunk layers and the head's false"""
    file = models.donor()
    file.set_after("qwen35.full_attention_interval", "qwen35.attention.recurrent_layers", ARRAY, recurrent(8, 1))
    return file


@case
def donor_head_count_kv_array(models):
    """attention.head_count_kv is a u32 array of 9, with 0 for recurrent layers"""
    file = models.donor()
    file.set("qwen35.attention.head_count_kv", ARRAY, (U32, [0, 0, 0, 2] * 2 + [2]))
    return file


@case
def donor_base_model(models):
    """general.base_model.0 is another model than the target's"""
    return with_base_model(models.donor(), "Something Else 9B", "https://huggingface.co/x/something-else-9b")


# Names and shapes of the qwen35, qwen35moe and qwen3next architectures


@dataclass(frozen=True)
class Dims:
    arch: str
    width: int
    heads: int
    kv_heads: int
    head_size: int
    vocab: int
    ffn: int = 0
    state: int = 0    # size of a linear-attention head
    groups: int = 0   # its key heads
    rank: int = 0     # its value heads
    experts: int = 0
    experts_used: int = 0
    expert_ffn: int = 0


def global_tensors(dims):
    return [("output.weight", (dims.width, dims.vocab)), ("output_norm.weight", (dims.width,)),
            ("token_embd.weight", (dims.width, dims.vocab))]


def attention(dims):
    width, inner = dims.width, dims.heads * dims.head_size
    kv = dims.kv_heads * dims.head_size
    # The query projection also makes the output gate, hence twice as wide.
    return [("attn_q.weight", (width, 2 * inner)), ("attn_k.weight", (width, kv)), ("attn_v.weight", (width, kv)),
            ("attn_output.weight", (inner, width)), ("attn_q_norm.weight", (dims.head_size,)),
            ("attn_k_norm.weight", (dims.head_size,))]


def linear_attention(dims):
    width, inner = dims.width, dims.rank * dims.state
    mixed = 2 * dims.groups * dims.state + inner
    if dims.arch == "qwen3next":
        gates = [("ssm_ba.weight", (width, 2 * dims.rank))]
    else:
        gates = [("ssm_alpha.weight", (width, dims.rank)), ("ssm_beta.weight", (width, dims.rank))]
    return gates + [("attn_qkv.weight", (width, mixed)), ("attn_gate.weight", (width, inner)),
                    ("ssm_conv1d.weight", (4, mixed)), ("ssm_a", (dims.rank,)), ("ssm_dt.bias", (dims.rank,)),
                    ("ssm_norm.weight", (dims.state,)), ("ssm_out.weight", (inner, width))]


def feed_forward(dims):
    width = dims.width
    result = [("attn_norm.weight", (width,)), ("post_attention_norm.weight", (width,))]
    if not dims.experts:
        return result + [("ffn_gate.weight", (width, dims.ffn)), ("ffn_up.weight", (width, dims.ffn)),
                         ("ffn_down.weight", (dims.ffn, width))]
    inner, count = dims.expert_ffn, dims.experts
    return result + [
        ("ffn_gate_inp.weight", (width, count)), ("ffn_gate_inp_shexp.weight", (width,)),
        ("ffn_gate_exps.weight", (width, inner, count)), ("ffn_up_exps.weight", (width, inner, count)),
        ("ffn_down_exps.weight", (inner, width, count)), ("ffn_gate_shexp.weight", (width, inner)),
        ("ffn_up_shexp.weight", (width, inner)), ("ffn_down_shexp.weight", (inner, width))]


def block(index, tensors):
    return sorted((f"blk.{index}.{name}", shape) for name, shape in tensors)


def trunk(dims, count, interval=4):
    return [tensor for i in range(count)
            for tensor in block(i, (linear_attention(dims) if (i + 1) % interval else attention(dims))
                                + feed_forward(dims))]


def head(dims, index):
    width = dims.width
    nextn = [("nextn.eh_proj.weight", (2 * width, width)), ("nextn.enorm.weight", (width,)),
             ("nextn.hnorm.weight", (width,)), ("nextn.shared_head_norm.weight", (width,))]
    return block(index, attention(dims) + feed_forward(dims) + nextn)


def model_keys(dims, name, trunk_blocks, nextn, interval=4, context=4096, rope_base=1e4, rope_sections=None):
    """In the order in which converters write them."""
    arch = dims.arch
    keys = {"general.architecture": (STRING, arch), "general.type": (STRING, "model"), "general.name": (STRING, name)}

    def add(key, type_id, value):
        keys[f"{arch}.{key}"] = (type_id, value)

    add("block_count", U32, trunk_blocks + nextn)
    add("context_length", U32, context)
    add("embedding_length", U32, dims.width)
    if dims.ffn:
        add("feed_forward_length", U32, dims.ffn)
    add("attention.head_count", U32, dims.heads)
    add("attention.head_count_kv", U32, dims.kv_heads)
    if rope_sections:
        add("rope.dimension_sections", ARRAY, (I32, rope_sections))
    add("rope.freq_base", F32_VALUE, rope_base)
    add("attention.layer_norm_rms_epsilon", F32_VALUE, 1e-6)
    if dims.experts:
        add("expert_count", U32, dims.experts)
        add("expert_used_count", U32, dims.experts_used)
        add("expert_feed_forward_length", U32, dims.expert_ffn)
        add("expert_shared_feed_forward_length", U32, dims.expert_ffn)
    add("attention.key_length", U32, dims.head_size)
    add("attention.value_length", U32, dims.head_size)
    add("ssm.conv_kernel", U32, 4)
    add("ssm.state_size", U32, dims.state)
    add("ssm.group_count", U32, dims.groups)
    add("ssm.time_step_rank", U32, dims.rank)
    add("ssm.inner_size", U32, dims.rank * dims.state)
    add("full_attention_interval", U32, interval)
    add("rope.dimension_count", U32, dims.head_size // 4)
    if nextn:
        add("nextn_predict_layers", U32, nextn)
    return keys


def random_weights(rng, type_id, count):
    """Magnitudes between 1/128 and 1/32 with random signs. Sets exponents in random bits: much faster than arithmetic
    on single weights."""
    if type_id == Q8_0:
        scale = struct.pack("<e", 0.035 / 127)
        return b"".join(scale + rng.randbytes(32) for _ in range(count // 32))
    size, keep = (2, 0x83) if type_id == F16 else (BLOCK[type_id][1], 0x80)
    exponent = 0x24 if type_id == F16 else 0x3C
    result = bytearray(rng.randbytes(size * count))
    result[size - 1::size] = result[size - 1::size].translate(bytes(byte & keep | exponent for byte in range(256)))
    return bytes(result)


def random_tensor(rng, name, shape, type_id):
    count = prod(shape)
    if name.endswith("norm.weight"):
        data = encode_floats([1 + rng.uniform(-0.1, 0.1) for _ in range(count)], type_id)
    elif name.endswith("ssm_a"):
        data = encode_floats([-rng.uniform(0.1, 2) for _ in range(count)], type_id)
    else:
        data = random_weights(rng, type_id, count)
    return Tensor(name, shape, type_id, data)


# Projectors of vision encoders


def mmproj(width):
    """The keys and tensors of a Qwen3.6 projector that tell what it goes with, for a model of that width."""
    keys = {"general.architecture": (STRING, "clip"), "general.type": (STRING, "mmproj"),
            "clip.has_vision_encoder": (BOOL, True), "clip.projector_type": (STRING, "qwen3vl_merger"),
            "clip.vision.embedding_length": (U32, 64), "clip.vision.projection_dim": (U32, width)}
    shapes = [("mm.0.weight", (256, 256)), ("mm.0.bias", (256,)), ("mm.2.weight", (256, width)), ("mm.2.bias", (width,))]
    rng = random.Random(15)
    return GgufFile(3, keys, [random_tensor(rng, name, shape, F32 if len(shape) == 1 else F16)
                              for name, shape in shapes])


@case
def mmproj_256(_):
    """vision projector for a model that is 256 wide, as the bundled ones are"""
    return mmproj(256)


@case
def mmproj_512(_):
    """vision projector for a model that is 512 wide"""
    return mmproj(512)


# Complete tiny models of the mixture-of-experts architectures


def moe_dims(arch):
    return Dims(arch, width=64, heads=2, kv_heads=1, head_size=32, vocab=1024, state=32, groups=2, rank=4,
                experts=4, experts_used=2, expert_ffn=32)


def moe_type(name, shape):
    if len(shape) == 1 or "ssm_conv1d" in name or "ffn_gate_inp" in name:
        return F32
    if "_exps" in name or "token_embd" in name or "eh_proj" in name:
        return F16
    return Q8_0


def moe_model(models, arch, trunk_blocks, nextn, seed):
    dims = moe_dims(arch)
    role = "donor" if nextn else "target"
    keys = model_keys(dims, f"tiny-{arch}-{role}", trunk_blocks, nextn,
                      rope_sections=None if arch == "qwen3next" else [2, 1, 1, 0])
    keys.update((key, typed) for key, typed in models.target().keys.items() if key.startswith("tokenizer."))
    keys["general.quantization_version"] = (U32, 2)
    shapes = global_tensors(dims) + trunk(dims, trunk_blocks) + (head(dims, trunk_blocks) if nextn else [])
    rng = random.Random(seed)
    return GgufFile(3, keys, [random_tensor(rng, name, shape, moe_type(name, shape)) for name, shape in shapes])


@case
def moe_qwen35moe_target(models):
    """tiny random qwen35moe model, 8 layers, no head"""
    return moe_model(models, "qwen35moe", 8, 0, seed=14)


@case
def moe_qwen35moe_donor(models):
    """tiny random qwen35moe model, 4 layers, with a head"""
    return moe_model(models, "qwen35moe", 4, 1, seed=11)


@case
def moe_qwen35moe_donor_fused(models):
    """as moe-qwen35moe-donor, with ffn_gate_up_exps in the head"""
    file = moe_qwen35moe_donor(models)
    gate, up = (file.tensor(f"blk.4.ffn_{part}_exps.weight") for part in ("gate", "up"))
    width, inner, count = gate.shape
    size = len(gate.data) // count
    # Per expert: the rows of the gate, then those of the up projection.
    data = b"".join(part.data[i * size:(i + 1) * size] for i in range(count) for part in (gate, up))
    at = file.tensors.index(gate)
    file.tensors.remove(up)
    file.tensors[at] = Tensor("blk.4.ffn_gate_up_exps.weight", (width, 2 * inner, count), gate.type_id, data)
    return file


@case
def moe_qwen35moe_grafted(models):
    """the graft of moe-qwen35moe-donor onto moe-qwen35moe-target"""
    return graft(moe_qwen35moe_target(models), moe_qwen35moe_donor(models))


@case
def moe_qwen35moe_grafted_fused(models):
    """the graft of moe-qwen35moe-donor-fused onto moe-qwen35moe-target"""
    return graft(moe_qwen35moe_target(models), moe_qwen35moe_donor_fused(models))


@case
def moe_qwen3next_target(models):
    """tiny random qwen3next model, 8 layers, no head, with attention.recurrent_layers"""
    file = moe_model(models, "qwen3next", 8, 0, seed=12)
    file.set_after("qwen3next.full_attention_interval", "qwen3next.attention.recurrent_layers", ARRAY, recurrent(8))
    return file


@case
def moe_qwen3next_donor(models):
    """tiny random qwen3next model, 4 layers, with a head, without attention.recurrent_layers"""
    return moe_model(models, "qwen3next", 4, 1, seed=13)


@case
def moe_qwen3next_grafted(models):
    """the graft of moe-qwen3next-donor onto moe-qwen3next-target"""
    return graft(moe_qwen3next_target(models), moe_qwen3next_donor(models))


# Files of real size, almost all of it holes


def giant_dims(vocab):
    """Those of Qwen3.6-27B."""
    return Dims("qwen35", width=5120, ffn=17408, heads=24, kv_heads=4, head_size=256, vocab=vocab, state=128,
                groups=16, rank=48)


def giant_tokenizer(vocab):
    keys = {"tokenizer.ggml.model": (STRING, "gpt2"), "tokenizer.ggml.pre": (STRING, "qwen35")}
    keys["tokenizer.ggml.tokens"] = (ARRAY, (STRING, [f"Ġ{i:05x}" for i in range(vocab)]))
    keys["tokenizer.ggml.token_type"] = (ARRAY, (I32, [1] * vocab))
    keys["tokenizer.ggml.merges"] = (ARRAY, (STRING, [f"Ġ{i >> 8:03x} {i & 255:02x}" for i in range(vocab - 733)]))
    keys["tokenizer.ggml.eos_token_id"] = (U32, vocab - 1)
    return keys


def giant(name, shapes, type_of, vocab, trunk_blocks, nextn):
    keys = model_keys(giant_dims(vocab), name, trunk_blocks, nextn, context=262144, rope_base=1e7,
                      rope_sections=[11, 11, 10, 0])
    keys.update(giant_tokenizer(vocab))
    keys["general.quantization_version"] = (U32, 2)
    tensors = []
    for tensor_name, shape in shapes:
        type_id = type_of(tensor_name, shape)
        # Different first bytes, so that a misplaced tensor shows; of no type are they NaN.
        start = bytes(byte & 0x3F for byte in hashlib.sha256(f"{name} {tensor_name}".encode()).digest())
        size = tensor_bytes(type_id, shape)
        is_norm = tensor_name.endswith("norm.weight")
        data = struct.pack("<f", 1 + start[0] / 1000) * shape[0] if is_norm else Sparse(size, start)
        tensors.append(Tensor(tensor_name, shape, type_id, data))
    return GgufFile(3, keys, tensors)


def mixture(quant, blocks):
    """Which types llama-quantize mixes: more bits for some tensors of the first, last and every third layer."""
    base = {"Q4_K_M": Q4_K, "Q5_K_M": Q5_K, "Q6_K": Q6_K}[quant]

    def type_of(name, shape):
        if len(shape) == 1 or "ssm_conv1d" in name:
            return F32
        if name == "output.weight":
            return Q6_K
        if any(part in name for part in ("attn_v", "attn_qkv", "ffn_down")):
            layer = int(name.split(".")[1])
            if layer < blocks // 8 or layer >= 7 * blocks // 8 or (layer - blocks // 8) % 3 == 2:
                return Q6_K
        return base
    return type_of


def giant_target(name, quant, blocks, vocab):
    dims = giant_dims(vocab)
    return giant(name, global_tensors(dims) + trunk(dims, blocks), mixture(quant, blocks), vocab, blocks, 0)


def giant_head(name, type_id, vocab):
    dims = giant_dims(vocab)
    return giant(name, global_tensors(dims) + head(dims, 64),
                 lambda _, shape: F32 if len(shape) == 1 else type_id, vocab, 64, 1)


def add_giant_cases():
    for quant in ("Q4_K_M", "Q5_K_M", "Q6_K"):
        add_case(f"twin-40b-{quant}", f"sparse: 96 layers of Qwen3.6-27B's width, {quant}, 1275 tensors, no head",
                 lambda _, quant=quant: giant_target("twin-40b", quant, 96, 248320))
    for quant, type_id in (("BF16", BF16), ("Q8_0", Q8_0), ("Q4_K", Q4_K)):
        add_case(f"twin-27b-head-{quant}", f"sparse: donor for twin-40b, head only, {quant}",
                 lambda _, type_id=type_id: giant_head("twin-27b", type_id, 248320))
    add_case("big-vocab-30g", "sparse: 30 GB, 250,000 tokens, no head",
             lambda _: giant_target("big-vocab", "Q6_K", 90, 250000))


add_giant_cases()


# Golden files


def expected_parse(path):
    """What any parser must find in a file."""
    file = GgufFile.read(path)
    keys, tensors = [], []
    for name, (type_id, value) in file.keys.items():
        entry = {"name": name, "type": type_id}
        if type_id == ARRAY:
            entry["element_type"], value = value
        keys.append({**entry, "value": value})
    for tensor in file.tensors:
        tensors.append({"name": tensor.name, "shape": list(tensor.shape), "type": tensor.type_id,
                        "offset": tensor.data.offset, "bytes": len(tensor.data),
                        "sha256": hashlib.sha256(tensor.read()).hexdigest()})
    return {"version": file.version, "alignment": file.alignment, "data_offset": file.data_offset,
            "file_size": path.stat().st_size, "keys": keys, "tensors": tensors}


def tiny_tensors(count):
    return [Tensor(f"t{i}", (8,), F32, struct.pack("<8f", *(i + n / 8 for n in range(8)))) for i in range(count)]


def one_block_tensors():
    """Without Q8_1 and Q8_K, which no file holds: they are made at run time."""
    rng = random.Random(20)
    return [Tensor(f"type.{type_id}", (BLOCK[type_id][0],), type_id, rng.randbytes(BLOCK[type_id][1]))
            for type_id in sorted(BLOCK) if type_id not in (9, 15)]


GOLDEN_KEYS = [
    ("u8", U8, 200), ("i8", I8, -100), ("u16", U16, 60000), ("i16", I16, -30000), ("u32", U32, 4000000000),
    ("i32", I32, -2000000000), ("f32", F32_VALUE, 0.15625), ("bool", BOOL, True), ("string", STRING, "Grüße, 世界"),
    ("u64", U64, 2**64 - 1), ("i64", I64, -2**63), ("f64", F64_VALUE, 0.1), ("empty", STRING, ""),
    ("a.u8", ARRAY, (U8, [0, 255])), ("a.i8", ARRAY, (I8, [-128, 127])), ("a.u16", ARRAY, (U16, [1, 65535])),
    ("a.i16", ARRAY, (I16, [-1, 1])), ("a.u32", ARRAY, (U32, [3, 2**32 - 1])), ("a.i32", ARRAY, (I32, [-5])),
    ("a.f32", ARRAY, (F32_VALUE, [1.5, -2.5])), ("a.bool", ARRAY, (BOOL, [True, False, True])),
    ("a.string", ARRAY, (STRING, ["", "x", "yz"])), ("a.u64", ARRAY, (U64, [2**63])), ("a.i64", ARRAY, (I64, [-7])),
    ("a.f64", ARRAY, (F64_VALUE, [1e-300])), ("a.empty", ARRAY, (U32, [])), ("a.empty.string", ARRAY, (STRING, [])),
]


def tiny_qwen35(name, trunk_blocks, nextn, seed):
    # Four floats are half of the alignment: each norm is followed by padding.
    dims = Dims("qwen35", width=4, ffn=4, heads=1, kv_heads=1, head_size=4, vocab=4, state=4, groups=1, rank=1)
    keys = model_keys(dims, name, trunk_blocks, nextn, interval=1, rope_sections=[1, 0, 0, 0])
    keys.update({"tokenizer.ggml.model": (STRING, "gpt2"),
                 "tokenizer.ggml.tokens": (ARRAY, (STRING, ["a", "b", "ab", "<end>"])),
                 "tokenizer.ggml.merges": (ARRAY, (STRING, ["a b"]))})
    # The sidecar form: a donor needs no trunk.
    shapes = global_tensors(dims) + (head(dims, trunk_blocks) if nextn else trunk(dims, trunk_blocks, interval=1))
    rng = random.Random(seed)
    return GgufFile(3, keys, [random_tensor(rng, *tensor, F32) for tensor in shapes])


@folder_case
def golden(folder):
    """golden/: small files, each with the parse that a reader must give (.json)"""
    architecture = {"general.architecture": (STRING, "test")}
    files = {
        "minimal-v3": GgufFile(3, architecture, tiny_tensors(1)),
        "minimal-v2": GgufFile(2, architecture, tiny_tensors(1)),
        "all-value-types": GgufFile(3, {name: typed for name, *typed in GOLDEN_KEYS}, tiny_tensors(2)),
        "all-types-tensors": GgufFile(3, architecture, one_block_tensors()),
        "no-tensors": GgufFile(3, architecture),
        "tiny-qwen35-target": tiny_qwen35("tiny-target", 2, 0, seed=21),
        "tiny-qwen35-donor": tiny_qwen35("tiny-donor", 1, 1, seed=22),
    }
    for name, file in files.items():
        path = folder / f"{name}.gguf"
        file.write(path)
        text = json.dumps(expected_parse(path), ensure_ascii=False, indent=1)
        path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")


# Malformed and odd files

ARCHITECTURE = encode_key("general.architecture", STRING, "qwen35")
DATA = struct.pack("<8f", *range(8))


def raw_file(keys=(ARCHITECTURE,), infos=(encode_info("a", (8,), F32, 0),), data=DATA, version=3,
             n_tensors=None, n_keys=None, magic=b"GGUF", alignment=32):
    head_bytes = encode_header(version, len(infos) if n_tensors is None else n_tensors,
                               len(keys) if n_keys is None else n_keys, magic)
    head_bytes += b"".join(keys) + b"".join(infos)
    if data is None:
        return head_bytes
    return head_bytes.ljust(pad(len(head_bytes), alignment), b"\0") + data


def with_key(key, **more):
    return raw_file(keys=(ARCHITECTURE, key), **more)


def with_tensor(name, shape, type_id=F32, data=DATA):
    return raw_file(infos=(encode_info(name, shape, type_id, 0),), data=data)


def two_tensors(first, second, data=DATA + DATA, names=("first", "second")):
    infos = tuple(encode_info(name, (8,), F32, offset) for name, offset in zip(names, (first, second)))
    return raw_file(infos=infos, data=data)


def malformed_files():
    """(name, bytes, fault, what a good message mentions)"""
    yield "bad-magic", raw_file(magic=b"GGML"), "the magic is GGML", ["GGUF"]
    for version in (0, 1, 4):
        yield f"version-{version}", raw_file(version=version), f"version {version}", ["version"]
    yield ("big-endian", b"GGUF" + struct.pack(">Iqq", 3, 1, 1) + raw_file()[24:], "version 3 in big-endian order",
           ["endian"])
    yield "tensor-count-negative", raw_file(n_tensors=-1), "tensor count -1", ["tensor"]
    yield "tensor-count-huge", raw_file(n_tensors=1 << 40), "tensor count 2^40", []
    yield "key-count-negative", raw_file(n_keys=-1), "key count -1", ["key"]
    yield "key-count-huge", raw_file(n_keys=1 << 40), "key count 2^40", []
    yield "key-count-one-too-low", with_key(encode_key("extra", U32, 1), n_keys=1), "a key is not counted", []
    yield "key-empty", with_key(encode_key("", U32, 1)), "a key has an empty name", ["key"]
    yield ("key-too-long", with_key(struct.pack("<Q", 1 << 32) + b"long", data=None, infos=(), n_keys=2),
           "a key's name is longer than the file", ["key"])
    yield ("key-duplicate", with_key(encode_key("general.architecture", STRING, "other")), "a key occurs twice",
           ["general.architecture"])
    yield "value-type-13", with_key(encode_raw_key("strange", 13, bytes(8))), "unknown value type 13", ["strange", "13"]
    yield ("value-type-huge", with_key(encode_raw_key("strange", 2**32 - 1, bytes(8))), "unknown value type 2^32 - 1",
           ["strange"])
    yield ("array-type-13", with_key(encode_raw_key("strange", ARRAY, struct.pack("<IQ", 13, 1) + bytes(8))),
           "an array of the unknown value type 13", ["strange", "13"])
    yield ("array-nested", with_key(encode_key("nested", ARRAY, (ARRAY, [(U32, [1, 2])]))), "an array of arrays",
           ["nested"])
    yield ("array-too-long", with_key(encode_raw_key("lengthy", ARRAY, struct.pack("<IQ", U32, 1 << 40))),
           "an array is longer than the file", ["lengthy"])
    yield ("array-length-wraps", with_key(encode_raw_key("lengthy", ARRAY, struct.pack("<IQ", U32, (1 << 62) + 1))),
           "an array's bytes wrap to 4 in 64 bits", ["lengthy"])
    yield ("array-of-strings-too-long", with_key(encode_raw_key("lengthy", ARRAY, struct.pack("<IQ", STRING, 1 << 40))),
           "an array of more strings than the file can hold", ["lengthy"])
    yield ("string-too-long", with_key(encode_raw_key("lengthy", STRING, struct.pack("<Q", 1 << 40))),
           "a string is longer than the file", ["lengthy"])
    yield ("string-length-wraps", with_key(encode_raw_key("lengthy", STRING, struct.pack("<Q", 2**64 - 1))),
           "a string of 2^64 - 1 bytes", ["lengthy"])
    for alignment in (0, 24):
        yield (f"alignment-{alignment}", with_key(encode_key("general.alignment", U32, alignment), alignment=8),
               f"alignment {alignment}", ["general.alignment"])
    yield ("alignment-u64", with_key(encode_key("general.alignment", U64, 32)), "alignment stored as u64",
           ["general.alignment"])
    yield ("alignment-not-laid-out", with_key(encode_key("general.alignment", U32, 64), data=DATA + DATA, infos=(
        encode_info("first", (8,), F32, 0), encode_info("second", (8,), F32, 32)), alignment=64),
           "alignment 64, tensors laid out for 32", ["second"])
    yield "tensor-name-64-bytes", with_tensor("n" * 64, (8,)), "a tensor name of 64 bytes", ["n" * 60]
    yield "tensor-name-nul", with_tensor("be\0fore", (8,)), "a NUL in a tensor name", ["be"]
    yield "tensor-duplicate", two_tensors(0, 32, names=("twice", "twice")), "a tensor name occurs twice", ["twice"]
    yield "dimensions-5", with_tensor("deep", (8, 1, 1, 1, 1)), "5 dimensions", ["deep"]
    yield "dimensions-huge", raw_file(infos=(encode_string("deep") + struct.pack("<I", 2**32 - 1),)), \
        "2^32 - 1 dimensions", ["deep"]
    yield "shape-negative", with_tensor("minus", (-8,)), "a negative size", ["minus"]
    yield "shape-zero", with_tensor("nothing", (8, 0)), "8 columns, 0 rows", ["nothing"]
    yield "shape-wraps", with_tensor("wide", (1 << 40, 1 << 40)), "2^40 by 2^40: bytes wrap to 0 in 64 bits", ["wide"]
    yield ("shape-wraps-to-data", with_tensor("wide", (1 << 31, 1 << 31, 1, 1), data=DATA),
           "2^31 by 2^31: 2^64 bytes", ["wide"])
    yield ("row-not-whole-blocks", with_tensor("ragged", (128,), Q4_K, data=bytes(96)), "Q4_K with 128 columns",
           ["ragged"])
    yield "offset-first", with_offset(32), "the first tensor is not at 0", ["a"]
    yield "offset-gap", two_tensors(0, 64, DATA * 3), "a gap between two tensors", ["second"]
    yield "offset-overlap", two_tensors(0, 16), "two tensors overlap", ["second"]
    yield "offset-same", two_tensors(0, 0), "two tensors at one place", ["second"]
    yield "offset-order", two_tensors(32, 0), "data in another order than the infos", ["first"]
    yield "offset-huge", two_tensors(0, 2**64 - 32), "an offset of 2^64 - 32", ["second"]
    yield "data-cut", two_tensors(0, 32, (DATA + DATA)[:-1]), "the last tensor lacks its last byte", ["second"]
    yield "data-missing", raw_file(data=None), "ends after the tensor infos", []
    yield "info-cut", raw_file(data=None)[:-4], "ends inside a tensor info", []
    yield "value-cut", raw_file(infos=(), data=None, n_tensors=1)[:-3], "ends inside a value", []
    yield "header-cut", raw_file()[:16], "ends inside the header", []
    yield "three-bytes", b"GGU", "3 bytes long", []
    yield "empty", b"", "0 bytes long", []


def with_offset(offset):
    return raw_file(infos=(encode_info("a", (8,), F32, offset),), data=DATA + DATA)


@folder_case
def malformed(folder):
    """malformed/: one fault each; index.json names the fault and what a message should mention"""
    index = []
    for name, data, fault, mentions in malformed_files():
        (folder / f"{name}.gguf").write_bytes(data)
        index.append({"file": f"{name}.gguf", "fault": fault, "mentions": mentions})
    write_index(folder, index)


def legal_files():
    """(name, bytes, oddity)"""
    yield "bool-2", with_key(encode_raw_key("truth", BOOL, b"\2")), "a bool with the value 2, which reads as true"
    yield "array-empty", with_key(encode_key("nothing", ARRAY, (U32, []))), "an empty array of numbers"
    yield "array-empty-strings", with_key(encode_key("nothing", ARRAY, (STRING, []))), "an empty array of strings"
    yield "string-nul", with_key(encode_key("text", STRING, "a\0b")), "a NUL inside a string value"
    yield "string-invalid-utf8", with_key(encode_key("text", STRING, b"\xff\xc3")), "invalid UTF-8 in a string value"
    yield "key-odd-name", with_key(encode_key("a key ünd more", U32, 1)), "spaces and UTF-8 in a key"
    for alignment in (1, 8):
        infos = (encode_info("a", (8,), F32, 0), encode_info("b", (1,), F32, 32), encode_info("c", (8,), F32, 40 if
                 alignment == 8 else 36))
        yield (f"alignment-{alignment}", with_key(
            encode_key("general.alignment", U32, alignment), infos=infos, alignment=alignment,
            data=DATA + DATA[:4].ljust(8 if alignment == 8 else 4, b"\0") + DATA), f"alignment {alignment}")
    yield "type-removed", with_tensor("old", (32,), 4, data=bytes(32)), "type 4 (Q4_2), which ggml has removed"
    yield "dimensions-0", with_tensor("scalar", (), data=DATA), "a tensor of 0 dimensions: one element"
    yield "dimensions-trailing-1", with_tensor("flat", (8, 1, 1, 1)), "a vector written with 4 dimensions"
    yield "tensor-name-63-bytes", with_tensor("n" * 63, (8,)), "the longest tensor name"
    yield "no-tensors", raw_file(infos=(), data=None), "no tensors, the end not padded"
    yield "trailing-byte", raw_file(data=DATA + b"x"), "a byte after the last tensor"
    yield "trailing-bytes", raw_file(data=DATA + bytes(range(256)) * 20), "5120 bytes after the last tensor"
    yield "unpadded-end", with_tensor("short", (3,), data=DATA[:12]), "the last tensor is not padded"
    yield "version-2", raw_file(version=2), "version 2"


@folder_case
def legal(folder):
    """legal/: oddities that must be accepted; index.json names them"""
    index = []
    for name, data, oddity in legal_files():
        (folder / f"{name}.gguf").write_bytes(data)
        index.append({"file": f"{name}.gguf", "oddity": oddity})
    write_index(folder, index)


def write_index(folder, entries):
    (folder / "index.json").write_text(json.dumps(entries, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="Writes GGUF files for tests.")
    parser.add_argument("--models", type=Path, default=Path(__file__).resolve().parent.parent / "models",
                        metavar="DIR", help="the bundled models (default: %(default)s)")
    parser.add_argument("-o", dest="out", type=Path, metavar="OUTDIR", help="where to write")
    parser.add_argument("--list", action="store_true", help="print the cases and leave")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    arguments = parser.parse_args()
    if arguments.list:
        for name, (description, _) in CASES.items():
            print(f"{name}: {description}")
        return
    if not arguments.out or not arguments.cases:
        parser.error("give -o OUTDIR and at least one CASE, or --list")
    unknown = [name for name in arguments.cases if name not in CASES]
    if unknown:
        parser.error(f"no case '{unknown[0]}'; --list shows them all")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.cases:
        CASES[name][1](Models(arguments.models), arguments.out)


if __name__ == "__main__":
    sys.exit(main())
