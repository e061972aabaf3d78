#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tiny random models of every architecture to which llama.cpp can give an MTP head.

  make_tiny_archs.py OUT_DIR [ARCH...] [--type f16] [--seed 1] [--aligned] [--list]

For each architecture, in OUT_DIR/ARCH:
  full.gguf         trunk and head
  trunk.gguf        the same trunk without the head: no key that tells of it, arrays as long as the trunk
  declared.gguf     the same trunk with the keys and arrays of full.gguf, but none of the head's tensors
  sidecar.gguf      the head and the tensors it shares with the trunk, with the keys of full.gguf
  bare.gguf         the head's tensors and general.architecture, nothing else

A tensor's values depend on the seed and its name only (in the head: its name within the block), so the trunk's tensors
are equal in all files of one architecture, and the head's wherever its blocks are. With --aligned, the head predicts
what the trunk predicts as far as that is a bigram model: then about all drafts should be accepted, and faults of
meaning show. Deterministic; needs nothing but Python.
"""

import argparse
import random
import struct
import sys
from dataclasses import replace
from math import prod, sqrt
from pathlib import Path

from gguf_file import ARRAY, BF16, BOOL, F16, F32, F32_VALUE, I32, STRING, U32, GgufFile, Tensor

I32_TENSOR = 26
TENSOR_TYPES = {"f32": F32, "f16": F16, "bf16": BF16}
# What llama.cpp calls a file of which most tensors are of that type.
FILE_TYPES = {"f32": 0, "f16": 1, "bf16": 32}

# Extents. Row lengths are multiples of 32, so that everything can be quantised to Q8_0.
EMBEDDING = 64
FEED_FORWARD = 96
EXPERT_FORWARD = 64
EXPERTS = 4
EXPERTS_USED = 2
HEADS = 2
KV_HEADS = 1
HEAD = 32
ROPE = 16
# Of latent attention. The indexer's keys are rotated by half, as in real models: llama.cpp up to b10257 relies on it.
KV_RANK = 64
Q_RANK = 32
LATENT_ROPE = 32
NOPE = 16
INDEXER_HEADS = 2
INDEXER_KEY = 64
INDEXER_TOP = 32
TRUNK_BLOCKS = 4
WINDOW = 16


def encode_floats(values, tensor_type):
    if tensor_type == "f32":
        return struct.pack(f"<{len(values)}f", *values)
    if tensor_type == "f16":
        return struct.pack(f"<{len(values)}e", *values)
    bits = struct.unpack(f"<{len(values)}I", struct.pack(f"<{len(values)}f", *values))
    return struct.pack(f"<{len(values)}H", *(((b + 0x7FFF + ((b >> 16) & 1)) >> 16) & 0xFFFF for b in bits))


# --- vocabulary -------------------------------------------------------------------------------------------------------

def make_vocabulary():
    """All bytes as GPT-2 spells them, two merges, three special tokens, and unused ones up to a multiple of 32."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spelling = {byte: chr(byte) for byte in plain}
    for byte in range(256):
        if byte not in spelling:
            spelling[byte] = chr(256 + len(spelling) - len(plain))
    tokens = [spelling[byte] for byte in range(256)] + ["th", "the", "<|end|>", "<|user|>", "<|bot|>"]
    types = [1] * 258 + [3] * 3
    while len(tokens) % 32 != 0:
        tokens.append(f"<|unused{len(tokens)}|>")
        types.append(5)
    return tokens, types, ["t h", "th e"]


TOKENS, TOKEN_TYPES, MERGES = make_vocabulary()
VOCABULARY = len(TOKENS)
END_TOKEN = 258
TOKENIZER_KEYS = {
    "tokenizer.ggml.model": (STRING, "gpt2"), "tokenizer.ggml.pre": (STRING, "gpt-2"),
    "tokenizer.ggml.tokens": (ARRAY, (STRING, TOKENS)), "tokenizer.ggml.token_type": (ARRAY, (I32, TOKEN_TYPES)),
    "tokenizer.ggml.merges": (ARRAY, (STRING, MERGES)), "tokenizer.ggml.eos_token_id": (U32, END_TOKEN),
    "tokenizer.ggml.bos_token_id": (U32, END_TOKEN), "tokenizer.ggml.padding_token_id": (U32, END_TOKEN),
    "tokenizer.ggml.add_bos_token": (BOOL, False),
}


def is_printable(token):
    return 32 <= token < 127 or token in (256, 257)


# --- what models are made of ------------------------------------------------------------------------------------------

class Model:
    """Collects keys and tensors; which of them a file gets, is chosen when it is written."""

    def __init__(self, architecture, trunk_blocks=TRUNK_BLOCKS, head_blocks=1, tensor_type="f16", seed=1,
                 aligned=False):
        self.architecture = architecture
        self.trunk_blocks = trunk_blocks
        self.head_blocks = head_blocks
        self.tensor_type = tensor_type
        self.seed = seed
        self.aligned = aligned
        self.residual = 0.05 if aligned else 1.0  # what a block adds to the stream
        self.keys = []     # (name, type, value without a head, what a head adds to it)
        self.shared = []   # tensors that trunk and head use: token_embd, output_norm, ...
        self.trunk = []
        self.head = []     # (number of the head's block, tensor with a name relative to "blk.N.")

    # keys

    def key(self, name, value_type, value, of_head=None):
        self.keys.append((f"{self.architecture}.{name}", value_type, value, of_head))

    def counts(self, **values):
        """In names, "__" stands for "."."""
        for name, value in values.items():
            self.key(name.replace("__", "."), U32, value)

    def number(self, name, value):
        self.key(name, F32_VALUE, value)

    def flag(self, name, value):
        self.key(name, BOOL, value)

    def per_layer(self, name, element_type, trunk, head):
        """An array with an entry for each block; `head` are the entries of the head's, [] if it has none there."""
        self.key(name, ARRAY, (element_type, trunk), head)

    def fixed_array(self, name, element_type, value):
        self.key(name, ARRAY, (element_type, value))

    # tensors

    def random(self, name):
        return random.Random(f"{self.seed}/{self.architecture}/{name}")

    def encode(self, name, shape, values, tensor_type=None):
        if tensor_type is None:
            tensor_type = self.tensor_type if len([e for e in shape if e > 1]) > 1 else "f32"
        assert len(values) == prod(shape), name
        return Tensor(name, tuple(shape), TENSOR_TYPES[tensor_type], encode_floats(values, tensor_type))

    def gaussian(self, name, shape, scale, tensor_type=None):
        generator = self.random(name)
        return self.encode(name, shape, [generator.gauss(0, scale) for _ in range(prod(shape))], tensor_type)

    def add_shared(self, tensor):
        self.shared.append(tensor)

    def blocks(self):
        return [Block(self, i) for i in range(self.trunk_blocks + self.head_blocks)]

    def add_embeddings(self, has_norm=True):
        """Only printable tokens are ever predicted: the rows of the others are 0."""
        self.add_shared(self.gaussian("token_embd.weight", (EMBEDDING, VOCABULARY), 1.0))
        if has_norm:
            self.add_shared(self.encode("output_norm.weight", (EMBEDDING,), [1.0] * EMBEDDING))
        generator = self.random("output.weight")
        values = []
        for token in range(VOCABULARY):
            scale = 4 / sqrt(EMBEDDING) if is_printable(token) else 0.0
            values += [generator.gauss(0, 1) * scale for _ in range(EMBEDDING)]
        self.add_shared(self.encode("output.weight", (EMBEDDING, VOCABULARY), values))

    # files

    def general_keys(self):
        return {"general.architecture": (STRING, self.architecture), "general.type": (STRING, "model"),
                "general.name": (STRING, f"tiny-{self.architecture}"), "general.size_label": (STRING, "tiny"),
                "general.file_type": (U32, FILE_TYPES[self.tensor_type]), "general.quantization_version": (U32, 2)}

    def model_keys(self, has_head):
        blocks = self.trunk_blocks + (self.head_blocks if has_head else 0)
        keys = {f"{self.architecture}.block_count": (U32, blocks)}
        if has_head:
            keys[f"{self.architecture}.nextn_predict_layers"] = (U32, self.head_blocks)
        for name, value_type, value, of_head in self.keys:
            if has_head and of_head:
                value = (value[0], value[1] + of_head)
            keys[name] = (value_type, value)
        return keys

    def head_tensors(self):
        return [replace(tensor, name=f"blk.{self.trunk_blocks + block}.{tensor.name}") for block, tensor in self.head]

    def files(self):
        general, head = self.general_keys(), self.head_tensors()
        bodies = {
            "full": (True, self.shared + self.trunk + head),
            "trunk": (False, self.shared + self.trunk),
            "declared": (True, self.shared + self.trunk),
            "sidecar": (True, self.shared + head),
        }
        files = {name: GgufFile(keys=general | self.model_keys(has_head) | TOKENIZER_KEYS, tensors=tensors)
                 for name, (has_head, tensors) in bodies.items()}
        bare = {"general.architecture": general["general.architecture"]}
        return files | {"bare": GgufFile(keys=bare, tensors=head)}

    def write(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, file in self.files().items():
            file.write(folder / f"{name}.gguf")


class Block:
    """One block of a model, in the trunk or in the head."""

    def __init__(self, model, index):
        self.model = model
        self.index = index
        self.head_index = index - model.trunk_blocks
        self.is_head = self.head_index >= 0

    def add(self, name, shape, make):
        seed_name = f"head.{self.head_index}.{name}" if self.is_head else f"blk.{self.index}.{name}"
        tensor = make(seed_name, shape)
        if self.is_head:
            self.model.head.append((self.head_index, replace(tensor, name=name)))
        else:
            self.model.trunk.append(replace(tensor, name=seed_name))

    def matrix(self, name, *shape, scale=1.0, tensor_type=None):
        self.add(name, shape, lambda seed_name, s: self.model.gaussian(seed_name, s, scale / sqrt(s[0]), tensor_type))

    def into_stream(self, name, *shape):
        """A matrix whose product is added to the residual stream."""
        self.matrix(name, *shape, scale=self.model.residual)

    def norm(self, name, *shape):
        self.add(name, shape, lambda seed_name, s: self.constant_around(seed_name, s, 1.0))

    def vector(self, name, *shape, middle=0.0, spread=0.1):
        self.add(name, shape, lambda seed_name, s: self.constant_around(seed_name, s, middle, spread))

    def constant_around(self, seed_name, shape, middle, spread=0.02):
        generator = self.model.random(seed_name)
        values = [middle + generator.uniform(-spread, spread) for _ in range(prod(shape))]
        return self.model.encode(seed_name, shape, values, "f32")

    # parts that architectures share

    def fusion(self, norm="nextn.shared_head_norm.weight"):
        """What only heads have; eh_proj takes the embedding first, the hidden state second."""
        def make(seed_name, shape):
            if not self.model.aligned:
                return self.model.gaussian(seed_name, shape, 1 / sqrt(shape[0]))
            values = []
            for row in range(EMBEDDING):
                values += [1.0 if column == row else 0.0 for column in range(EMBEDDING)] + [0.0] * EMBEDDING
            return self.model.encode(seed_name, shape, values)
        self.add("nextn.eh_proj.weight", (2 * EMBEDDING, EMBEDDING), make)
        self.norm("nextn.enorm.weight", EMBEDDING)
        self.norm("nextn.hnorm.weight", EMBEDDING)
        if norm:
            self.norm(norm, EMBEDDING)

    def attention(self, heads=HEADS, kv_heads=KV_HEADS, head=HEAD, gated=False, norms=False, fused=False):
        if fused:
            self.matrix("attn_qkv.weight", EMBEDDING, (heads + 2 * kv_heads) * head)
        else:
            self.matrix("attn_q.weight", EMBEDDING, heads * head * (2 if gated else 1))
            self.matrix("attn_k.weight", EMBEDDING, kv_heads * head)
            self.matrix("attn_v.weight", EMBEDDING, kv_heads * head)
        self.into_stream("attn_output.weight", heads * head, EMBEDDING)
        if norms:
            self.norm("attn_q_norm.weight", head)
            self.norm("attn_k_norm.weight", head)

    def latent_attention(self, heads=HEADS, kv_rank=KV_RANK, has_q_rank=True):
        if has_q_rank:
            self.matrix("attn_q_a.weight", EMBEDDING, Q_RANK)
            self.norm("attn_q_a_norm.weight", Q_RANK)
            self.matrix("attn_q_b.weight", Q_RANK, heads * (NOPE + LATENT_ROPE))
        else:
            self.matrix("attn_q.weight", EMBEDDING, heads * (NOPE + LATENT_ROPE))
        self.matrix("attn_kv_a_mqa.weight", EMBEDDING, kv_rank + LATENT_ROPE)
        self.norm("attn_kv_a_norm.weight", kv_rank)
        self.matrix("attn_k_b.weight", NOPE, kv_rank, heads)
        self.matrix("attn_v_b.weight", kv_rank, HEAD, heads)
        self.into_stream("attn_output.weight", heads * HEAD, EMBEDDING)

    def indexer(self):
        self.norm("indexer.k_norm.weight", INDEXER_KEY)
        self.vector("indexer.k_norm.bias", INDEXER_KEY)
        self.matrix("indexer.proj.weight", EMBEDDING, INDEXER_HEADS, tensor_type="f32")
        self.matrix("indexer.attn_k.weight", EMBEDDING, INDEXER_KEY)
        self.matrix("indexer.attn_q_b.weight", Q_RANK, INDEXER_HEADS * INDEXER_KEY)

    def delta_net(self, state=32, groups=2, ranks=2, merged=False):
        """Gated delta net, as Qwen3.5 has it; with `merged`, as Qwen3-Next has it."""
        values = state * ranks
        self.matrix("attn_qkv.weight", EMBEDDING, 2 * groups * state + values)
        self.matrix("attn_gate.weight", EMBEDDING, values)
        self.matrix("ssm_conv1d.weight", 4, 2 * groups * state + values, tensor_type="f32")
        self.vector("ssm_dt.bias", ranks)
        self.vector("ssm_a", ranks, middle=-1.0)
        if merged:
            self.matrix("ssm_ba.weight", EMBEDDING, 2 * ranks)
        else:
            self.matrix("ssm_beta.weight", EMBEDDING, ranks)
            self.matrix("ssm_alpha.weight", EMBEDDING, ranks)
        self.norm("ssm_norm.weight", state)
        self.into_stream("ssm_out.weight", values, EMBEDDING)

    def dense(self, width=FEED_FORWARD, has_gate=True):
        if has_gate:
            self.matrix("ffn_gate.weight", EMBEDDING, width)
        self.matrix("ffn_up.weight", EMBEDDING, width)
        self.into_stream("ffn_down.weight", width, EMBEDDING)

    def experts(self, has_gate=True, bias=None, latent=None):
        """With `latent`, experts work on that many values: one matrix makes them of the stream's, another turns back."""
        width = latent or EMBEDDING
        self.matrix("ffn_gate_inp.weight", EMBEDDING, EXPERTS, tensor_type="f32")
        if bias:
            self.vector(bias, EXPERTS)
        if latent:
            self.matrix("ffn_latent_down.weight", EMBEDDING, latent)
            self.into_stream("ffn_latent_up.weight", latent, EMBEDDING)
        if has_gate:
            self.matrix("ffn_gate_exps.weight", width, EXPERT_FORWARD, EXPERTS)
        self.matrix("ffn_up_exps.weight", width, EXPERT_FORWARD, EXPERTS)
        (self.matrix if latent else self.into_stream)("ffn_down_exps.weight", EXPERT_FORWARD, width, EXPERTS)

    def shared_expert(self, width=EXPERT_FORWARD, has_gate=True, gated=False):
        if gated:
            self.matrix("ffn_gate_inp_shexp.weight", EMBEDDING, tensor_type="f32")
        if has_gate:
            self.matrix("ffn_gate_shexp.weight", EMBEDDING, width)
        self.matrix("ffn_up_shexp.weight", EMBEDDING, width)
        self.into_stream("ffn_down_shexp.weight", width, EMBEDDING)


def add_common_keys(model, heads=HEADS, kv_heads=KV_HEADS, key_length=HEAD, value_length=HEAD, rope=HEAD):
    model.counts(context_length=512, embedding_length=EMBEDDING, rope__dimension_count=rope)
    for name, value in (("attention.head_count", heads), ("attention.head_count_kv", kv_heads)):
        if isinstance(value, tuple):
            model.per_layer(name, U32, *value)
        else:
            model.key(name, U32, value)
    model.counts(attention__key_length=key_length, attention__value_length=value_length)
    model.number("rope.freq_base", 10000.0)
    model.number("attention.layer_norm_rms_epsilon", 1e-6)


def add_expert_keys(model, shared=1):
    model.counts(expert_count=EXPERTS, expert_used_count=EXPERTS_USED, expert_feed_forward_length=EXPERT_FORWARD)
    if shared is not None:
        model.counts(expert_shared_count=shared)


# --- architectures ----------------------------------------------------------------------------------------------------

ARCHITECTURES = {}


def architecture(name, **options):
    """For a function that builds the model; `options` are those of Model, the architecture too if `name` is not it."""
    def register(build):
        ARCHITECTURES[name] = (build, {"architecture": name, **options})
        return build
    return register


def add_qwen(model, has_experts, merged=False):
    add_common_keys(model, rope=ROPE)
    if not merged:
        model.fixed_array("rope.dimension_sections", I32, [3, 3, 2, 0])
    model.counts(ssm__conv_kernel=4, ssm__state_size=32, ssm__group_count=2, ssm__time_step_rank=2, ssm__inner_size=64,
                 full_attention_interval=4, feed_forward_length=FEED_FORWARD)
    if has_experts:
        add_expert_keys(model, shared=None)
        model.counts(expert_shared_feed_forward_length=EXPERT_FORWARD)
    model.add_embeddings()
    for block in model.blocks():
        block.norm("attn_norm.weight", EMBEDDING)
        if block.is_head or (block.index + 1) % 4 == 0:
            block.attention(gated=True, norms=True)
        else:
            block.delta_net(merged=merged)
        block.norm("post_attention_norm.weight", EMBEDDING)
        if has_experts:
            block.experts()
            block.shared_expert(gated=True)
        else:
            block.dense()
        if block.is_head:
            block.fusion()


@architecture("qwen35")
def make_qwen35(model):
    add_qwen(model, has_experts=False)


@architecture("qwen35moe")
def make_qwen35moe(model):
    add_qwen(model, has_experts=True)


@architecture("qwen3next")
def make_qwen3next(model):
    add_qwen(model, has_experts=True, merged=True)


@architecture("glm4moe")
def make_glm4moe(model):
    add_common_keys(model, rope=ROPE)
    add_expert_keys(model)
    model.counts(feed_forward_length=FEED_FORWARD, leading_dense_block_count=1, expert_gating_func=2)
    model.flag("expert_weights_norm", True)
    model.number("expert_weights_scale", 1.0)
    model.add_embeddings()
    for block in model.blocks():
        block.norm("attn_norm.weight", EMBEDDING)
        block.attention(norms=True)
        for name, rows in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
            block.vector(f"attn_{name}.bias", rows * HEAD)
        block.norm("post_attention_norm.weight", EMBEDDING)
        if block.index < 1:
            block.dense()
        else:
            block.experts(bias="exp_probs_b.bias")
            block.shared_expert()
        if block.is_head:
            block.fusion()


def add_latent_keys(model, has_q_rank):
    add_common_keys(model, kv_heads=1, key_length=KV_RANK + LATENT_ROPE, value_length=KV_RANK, rope=LATENT_ROPE)
    add_expert_keys(model)
    if has_q_rank:
        model.counts(attention__q_lora_rank=Q_RANK)
    model.counts(attention__kv_lora_rank=KV_RANK,
                 attention__key_length_mla=NOPE + LATENT_ROPE, attention__value_length_mla=HEAD,
                 feed_forward_length=FEED_FORWARD, leading_dense_block_count=1, expert_gating_func=2,
                 vocab_size=VOCABULARY)
    model.flag("expert_weights_norm", True)
    model.number("expert_weights_scale", 1.0)


def add_indexer_keys(model):
    model.counts(attention__indexer__head_count=INDEXER_HEADS, attention__indexer__key_length=INDEXER_KEY,
                 attention__indexer__top_k=INDEXER_TOP)


def add_latent_model(model, has_indexer, has_q_rank=True):
    add_latent_keys(model, has_q_rank)
    if has_indexer:
        add_indexer_keys(model)
    model.add_embeddings()
    for block in model.blocks():
        block.norm("attn_norm.weight", EMBEDDING)
        block.latent_attention(has_q_rank=has_q_rank)
        if has_indexer:
            block.indexer()
        block.norm("ffn_norm.weight", EMBEDDING)
        if block.index < 1:
            block.dense()
        else:
            block.experts(bias="exp_probs_b.bias")
            block.shared_expert()
        if block.is_head:
            block.fusion()


@architecture("deepseek2")
def make_deepseek2(model):
    add_latent_model(model, has_indexer=False)


@architecture("deepseek2-lite", architecture="deepseek2", trunk_blocks=26)
def make_deepseek2_lite(model):
    """Without a rank for the query, which llama.cpp tells by the number of blocks. Its v0.5.0 loads such a head, and
    aborts when it is to draft."""
    add_latent_model(model, has_indexer=False, has_q_rank=False)


@architecture("deepseek32")
def make_deepseek32(model):
    add_latent_model(model, has_indexer=True)


@architecture("glm-dsa")
def make_glm_dsa(model):
    model.per_layer("attention.indexer.types", U32, [1] * TRUNK_BLOCKS, [])
    add_latent_model(model, has_indexer=True)


@architecture("deepseek4")
def make_deepseek4(model):
    """Four streams (hyper-connections), compressed attention in the trunk, plain windowed attention in the head."""
    # A head as long as the indexer's key would make llama.cpp take its cache for that of the indexer.
    streams, groups, rank, window_head = 4, 2, 32, 32
    mix = (2 + streams) * streams
    ratios = [0, 4, 128, 4]
    add_common_keys(model, kv_heads=1, key_length=window_head, value_length=window_head, rope=ROPE)
    add_expert_keys(model)
    model.counts(attention__q_lora_rank=Q_RANK, attention__sliding_window=WINDOW, attention__output_group_count=groups,
                 attention__output_lora_rank=rank, hyper_connection__count=streams,
                 hyper_connection__sinkhorn_iterations=2, hash_layer_count=1, expert_gating_func=4,
                 feed_forward_length=FEED_FORWARD)
    add_indexer_keys(model)
    model.number("attention.compress_rope_freq_base", 160000.0)
    model.number("hyper_connection.epsilon", 1e-6)
    model.number("expert_weights_scale", 1.0)
    model.flag("expert_weights_norm", True)
    model.per_layer("swiglu_clamp_exp", F32_VALUE, [10.0] * TRUNK_BLOCKS, [10.0])
    model.per_layer("attention.compress_ratios", U32, ratios, [0])
    model.add_embeddings()
    model.add_shared(model.gaussian("output_hc_fn.weight", (streams * EMBEDDING, streams), 0.01, "f32"))
    model.add_shared(model.encode("output_hc_base.weight", (streams,), [1.0] * streams))
    model.add_shared(model.encode("output_hc_scale.weight", (1,), [0.1]))
    for block in model.blocks():
        ratio = 0 if block.is_head else ratios[block.index]
        block.norm("attn_norm.weight", EMBEDDING)
        block.vector("attn_sinks.weight", HEADS)
        block.matrix("attn_q_a.weight", EMBEDDING, Q_RANK)
        block.norm("attn_q_a_norm.weight", Q_RANK)
        block.matrix("attn_q_b.weight", Q_RANK, HEADS * window_head)
        block.matrix("attn_kv.weight", EMBEDDING, window_head)
        block.norm("attn_kv_a_norm.weight", window_head)
        block.matrix("attn_output_a.weight", HEADS * window_head // groups, rank * groups)
        block.into_stream("attn_output_b.weight", groups * rank, EMBEDDING)
        for part in ("attn", "ffn"):
            block.matrix(f"hc_{part}_fn.weight", streams * EMBEDDING, mix, scale=0.1, tensor_type="f32")
            block.vector(f"hc_{part}_base.weight", mix)
            block.vector(f"hc_{part}_scale.weight", 3, middle=0.1, spread=0.01)
        if ratio:
            twice = 2 if ratio == 4 else 1
            block.matrix("attn_compressor_kv.weight", EMBEDDING, twice * window_head)
            block.matrix("attn_compressor_gate.weight", EMBEDDING, twice * window_head)
            block.matrix("attn_compressor_ape.weight", twice * window_head, ratio, tensor_type="f32")
            block.norm("attn_compressor_norm.weight", window_head)
        if ratio == 4:
            block.matrix("indexer.proj.weight", EMBEDDING, INDEXER_HEADS, tensor_type="f32")
            block.matrix("indexer.attn_q_b.weight", Q_RANK, INDEXER_HEADS * INDEXER_KEY)
            block.matrix("indexer_compressor_kv.weight", EMBEDDING, 2 * INDEXER_KEY)
            block.matrix("indexer_compressor_gate.weight", EMBEDDING, 2 * INDEXER_KEY)
            block.matrix("indexer_compressor_ape.weight", 2 * INDEXER_KEY, ratio, tensor_type="f32")
            block.norm("indexer_compressor_norm.weight", INDEXER_KEY)
        block.norm("ffn_norm.weight", EMBEDDING)
        if block.index == 0:
            block.add("ffn_gate_tid2eid.weight", (EXPERTS_USED, VOCABULARY), expert_of_token)
            block.experts()
        else:
            block.experts(bias="exp_probs_b.bias")
        block.shared_expert()
        if block.is_head:
            block.fusion()


def expert_of_token(name, shape):
    used, tokens = shape
    experts = [(token + i) % EXPERTS for token in range(tokens) for i in range(used)]
    return Tensor(name, shape, I32_TENSOR, struct.pack(f"<{len(experts)}i", *experts))


@architecture("mimo2", head_blocks=3)
def make_mimo2(model):
    """Windowed blocks have more key-value heads than the others; the trunk ends with a full one. The head is windowed,
    and dense."""
    is_windowed = [0, 1, 1, 0]
    heads, kv_heads = 4, [2 if windowed else 1 for windowed in is_windowed]
    add_common_keys(model, heads=heads, kv_heads=(kv_heads, [2] * 3), rope=ROPE)
    add_expert_keys(model, shared=None)
    model.counts(feed_forward_length=FEED_FORWARD, attention__sliding_window=WINDOW, expert_gating_func=2)
    model.per_layer("attention.sliding_window_pattern", U32, is_windowed, [1] * 3)
    model.number("rope.freq_base_swa", 10000.0)
    model.number("attention.value_scale", 0.707)
    model.flag("expert_weights_norm", True)
    model.add_embeddings()
    for block in model.blocks():
        block.norm("attn_norm.weight", EMBEDDING)
        block.attention(heads=heads, kv_heads=2 if block.is_head else kv_heads[block.index], fused=True)
        if block.is_head or is_windowed[block.index]:
            block.vector("attn_sinks.weight", heads)
        block.norm("ffn_norm.weight", EMBEDDING)
        if block.is_head or block.index == 0:
            block.dense()
        else:
            block.experts(bias="exp_probs_b.bias")
        if block.is_head:
            block.fusion(norm="layer_output_norm.weight")


@architecture("step35", head_blocks=3)
def make_step35(model):
    """Windowed blocks have more query heads than the others; the trunk ends with a full one, the head is windowed."""
    is_windowed = [0, 1, 1, 0]
    query_heads = [4 if windowed else 2 for windowed in is_windowed]
    add_common_keys(model, heads=(query_heads, [4] * 3), kv_heads=([KV_HEADS] * TRUNK_BLOCKS, [KV_HEADS] * 3))
    add_expert_keys(model, shared=None)
    model.counts(feed_forward_length=FEED_FORWARD, expert_shared_feed_forward_length=EXPERT_FORWARD,
                 expert_gating_func=2, attention__sliding_window=WINDOW, leading_dense_block_count=1)
    model.per_layer("attention.sliding_window_pattern", U32, is_windowed, [1] * 3)
    model.per_layer("swiglu_clamp_exp", F32_VALUE, [0.0] * 3 + [7.0], [0.0] * 3)
    model.per_layer("swiglu_clamp_shexp", F32_VALUE, [0.0] * 3 + [16.0], [0.0] * 3)
    model.number("rope.freq_base_swa", 10000.0)
    model.number("expert_weights_scale", 3.0)
    model.flag("expert_weights_norm", True)
    model.add_embeddings()
    for block in model.blocks():
        heads = 4 if block.is_head else query_heads[block.index]
        block.norm("attn_norm.weight", EMBEDDING)
        block.attention(heads=heads, norms=True)
        block.matrix("attn_gate.weight", EMBEDDING, heads)
        block.norm("ffn_norm.weight", EMBEDDING)
        if block.is_head or block.index == 0:
            block.dense()
        else:
            block.experts(bias="exp_probs_b.bias")
            block.shared_expert()
        if block.is_head:
            block.fusion()
            block.add("nextn.shared_head_head.weight", (EMBEDDING, VOCABULARY), lambda name, shape: output_rows(model))


def output_rows(model):
    return next(tensor for tensor in model.shared if tensor.name == "output.weight")


@architecture("hy_v3")
def make_hy_v3(model):
    add_common_keys(model)
    add_expert_keys(model)
    model.counts(feed_forward_length=FEED_FORWARD, leading_dense_block_count=1, expert_gating_func=2,
                 expert_shared_feed_forward_length=EXPERT_FORWARD)
    model.number("expert_weights_scale", 1.0)
    model.flag("expert_weights_norm", True)
    model.add_embeddings()
    for block in model.blocks():
        block.norm("attn_norm.weight", EMBEDDING)
        block.attention(norms=True)
        block.norm("ffn_norm.weight", EMBEDDING)
        if block.index < 1:
            block.dense()
        else:
            block.experts(bias="exp_probs_b")
            block.shared_expert()
        if block.is_head:
            block.fusion()


@architecture("cohere2moe")
def make_cohere2moe(model):
    """Attention and feed-forward side by side, one norm for both."""
    add_common_keys(model)
    add_expert_keys(model)
    model.counts(feed_forward_length=FEED_FORWARD, leading_dense_block_count=1, expert_gating_func=2,
                 expert_shared_feed_forward_length=EXPERT_FORWARD, attention__sliding_window=WINDOW,
                 vocab_size=VOCABULARY)
    model.number("logit_scale", 1.0)
    model.flag("expert_weights_norm", True)
    model.per_layer("attention.sliding_window_pattern", BOOL, [False, True, True, True], [])
    model.add_embeddings()
    for block in model.blocks():
        block.norm("attn_norm.weight", EMBEDDING)
        block.attention()
        if block.index < 1:
            block.dense()
        else:
            block.experts()
            block.shared_expert()
        if block.is_head:
            block.fusion()


@architecture("nemotron_h_moe-latent", architecture="nemotron_h_moe")
def make_nemotron_super(model):
    make_nemotron_h_moe(model, latent=32)


@architecture("nemotron_h_moe")
def make_nemotron_h_moe(model, latent=None):
    """Blocks of one kind each: state space, attention, experts; the head's has attention and experts."""
    kinds = ["mamba", "experts", "attention", "mamba"]
    state, groups, ranks, inner = 32, 2, 2, 64
    add_common_keys(model, kv_heads=([KV_HEADS if kind == "attention" else 0 for kind in kinds], [KV_HEADS]))
    add_expert_keys(model)
    model.number("attention.layer_norm_epsilon", 1e-6)
    model.per_layer("feed_forward_length", U32, [EXPERT_FORWARD if kind == "experts" else 0 for kind in kinds],
                    [EXPERT_FORWARD])
    model.counts(expert_shared_feed_forward_length=EXPERT_FORWARD, ssm__conv_kernel=4, ssm__state_size=state,
                 ssm__group_count=groups, ssm__time_step_rank=ranks, ssm__inner_size=inner, vocab_size=VOCABULARY)
    if latent:
        model.counts(moe_latent_size=latent)
    model.number("expert_weights_scale", 1.0)
    model.flag("expert_weights_norm", True)
    model.add_embeddings()
    for block in model.blocks():
        kind = "head" if block.is_head else kinds[block.index]
        block.norm("attn_norm.weight", EMBEDDING)
        if kind == "mamba":
            channels = inner + 2 * groups * state
            block.matrix("ssm_in.weight", EMBEDDING, 2 * inner + 2 * groups * state + ranks)
            block.matrix("ssm_conv1d.weight", 4, channels, tensor_type="f32")
            block.vector("ssm_conv1d.bias", channels)
            block.vector("ssm_dt.bias", ranks)
            block.vector("ssm_a", 1, ranks, middle=-1.0)
            block.vector("ssm_d", 1, ranks, middle=1.0)
            block.norm("ssm_norm.weight", inner // groups, groups)
            block.into_stream("ssm_out.weight", inner, EMBEDDING)
        if kind in ("attention", "head"):
            block.attention()
        if kind == "head":
            block.norm("post_attention_norm.weight", EMBEDDING)
        if kind in ("experts", "head"):
            block.experts(has_gate=False, bias="exp_probs_b.bias", latent=latent)
            block.shared_expert(has_gate=False)
        if kind == "head":
            block.fusion()


@architecture("bailingmoe3-full-rank", architecture="bailingmoe3")
def make_bailingmoe3_full_rank(model):
    make_bailingmoe3(model, has_q_rank=False)


@architecture("bailingmoe3")
def make_bailingmoe3(model, has_q_rank=True):
    """Kimi's delta attention in three of four blocks, gated latent attention in the others and in the head."""
    inner = HEADS * HEAD
    add_common_keys(model, kv_heads=([0, 0, 0, 1], [1]), key_length=KV_RANK + LATENT_ROPE, value_length=KV_RANK,
                    rope=LATENT_ROPE)
    add_expert_keys(model)
    if has_q_rank:
        model.counts(attention__q_lora_rank=Q_RANK)
    model.counts(attention__kv_lora_rank=KV_RANK,
                 attention__key_length_mla=NOPE + LATENT_ROPE, attention__value_length_mla=HEAD,
                 feed_forward_length=FEED_FORWARD, leading_dense_block_count=1, expert_gating_func=2,
                 vocab_size=VOCABULARY, ssm__conv_kernel=4, kda__head_dim=HEAD,
                 expert_shared_feed_forward_length=EXPERT_FORWARD)
    model.flag("kda.safe_gate", True)
    model.number("kda.gate_lower_bound", -5.0)
    model.flag("expert_weights_norm", True)
    model.number("expert_weights_scale", 1.0)
    model.per_layer("swiglu_clamp_exp", F32_VALUE, [0.0] * 3 + [7.0], [0.0])
    model.add_embeddings()
    for block in model.blocks():
        block.norm("attn_norm.weight", EMBEDDING)
        if block.is_head or block.index == 3:
            block.latent_attention(has_q_rank=has_q_rank)
            block.matrix("attn_gate.weight", EMBEDDING, HEADS)
        else:
            for name in ("q", "k", "v"):
                block.matrix(f"ssm_conv1d_{name}.weight", 4, 1, inner, 1, tensor_type="f32")
                block.matrix(f"attn_{name}.weight", EMBEDDING, inner)
            block.matrix("ssm_f_a.weight", EMBEDDING, inner)
            block.matrix("ssm_beta.weight", EMBEDDING, HEADS)
            block.vector("ssm_a", 1, HEADS, middle=1.0)
            block.vector("ssm_dt.bias", inner)
            block.matrix("ssm_g_a.weight", EMBEDDING, inner)
            block.norm("ssm_norm.weight", HEAD)
            block.into_stream("attn_output.weight", inner, EMBEDDING)
        block.norm("ffn_norm.weight", EMBEDDING)
        if block.index < 1:
            block.dense()
        else:
            block.experts(bias="exp_probs_b.bias")
            block.shared_expert()
        if block.is_head:
            block.fusion(norm="layer_output_norm.weight")


# Heads that llama.cpp loads and leaves unused.

@architecture("glm4")
def make_glm4(model):
    add_common_keys(model)
    model.counts(feed_forward_length=FEED_FORWARD)
    model.add_embeddings()
    for block in model.blocks():
        block.norm("attn_norm.weight", EMBEDDING)
        block.attention()
        block.norm("post_attention_norm.weight", EMBEDDING)
        block.norm("ffn_norm.weight", EMBEDDING)
        block.matrix("ffn_up.weight", EMBEDDING, 2 * FEED_FORWARD)
        block.into_stream("ffn_down.weight", FEED_FORWARD, EMBEDDING)
        block.norm("post_ffw_norm.weight", EMBEDDING)
        if block.is_head:
            block.fusion()


@architecture("exaone4")
def make_exaone4(model):
    add_common_keys(model)
    model.counts(feed_forward_length=FEED_FORWARD)
    model.add_embeddings()
    for block in model.blocks():
        block.attention(norms=True)
        block.norm("post_attention_norm.weight", EMBEDDING)
        block.dense()
        block.norm("post_ffw_norm.weight", EMBEDDING)
        if block.is_head:
            block.fusion()


@architecture("exaone-moe")
def make_exaone_moe(model):
    add_common_keys(model)
    add_expert_keys(model)
    model.counts(feed_forward_length=FEED_FORWARD, leading_dense_block_count=1, expert_gating_func=2,
                 expert_shared_feed_forward_length=EXPERT_FORWARD, attention__sliding_window=WINDOW)
    model.number("expert_weights_scale", 1.0)
    model.flag("expert_weights_norm", True)
    model.per_layer("attention.sliding_window_pattern", BOOL, [True, True, True, False], [])
    model.add_embeddings()
    for block in model.blocks():
        block.norm("attn_norm.weight", EMBEDDING)
        block.attention(norms=True)
        block.norm("ffn_norm.weight", EMBEDDING)
        if block.is_head or block.index < 1:
            block.dense()
        else:
            block.experts(bias="exp_probs_b.bias")
            block.shared_expert()
        if block.is_head:
            block.fusion()


@architecture("bailingmoe2")
def make_bailingmoe2(model):
    add_common_keys(model)
    add_expert_keys(model)
    model.counts(feed_forward_length=FEED_FORWARD, leading_dense_block_count=1, expert_gating_func=2,
                 expert_shared_feed_forward_length=EXPERT_FORWARD)
    model.number("expert_weights_scale", 1.0)
    model.flag("expert_weights_norm", True)
    model.add_embeddings()
    for block in model.blocks():
        block.norm("attn_norm.weight", EMBEDDING)
        block.attention(norms=True, fused=True)
        block.norm("ffn_norm.weight", EMBEDDING)
        if block.index < 1:
            block.dense()
        else:
            block.experts(bias="exp_probs_b.bias")
            block.shared_expert()
        if block.is_head:
            block.fusion()
            block.norm("layer_output_norm.weight", EMBEDDING)


@architecture("dots3note")
def make_dots3note(model):
    """Gated latent attention; windowed blocks have more heads and a smaller rank, and so has the head's. Two arrays are
    as long as the trunk, one as long as the model."""
    is_windowed = [0, 1, 1, 0]
    query_heads = [4 if windowed else 2 for windowed in is_windowed]
    window_rank = 32
    add_common_keys(model, heads=(query_heads, [4]), kv_heads=1, key_length=KV_RANK + LATENT_ROPE, value_length=KV_RANK,
                    rope=LATENT_ROPE)
    add_expert_keys(model)
    model.counts(attention__q_lora_rank=Q_RANK, attention__kv_lora_rank=KV_RANK,
                 attention__key_length_mla=NOPE + LATENT_ROPE, attention__value_length_mla=HEAD,
                 attention__sliding_window=WINDOW, attention__kv_lora_rank_swa=window_rank,
                 attention__key_length_swa=window_rank + LATENT_ROPE, attention__value_length_swa=window_rank,
                 attention__key_length_mla_swa=NOPE + LATENT_ROPE, attention__value_length_mla_swa=HEAD,
                 feed_forward_length=FEED_FORWARD, leading_dense_block_count=1, expert_gating_func=2,
                 vocab_size=VOCABULARY)
    model.per_layer("attention.sliding_window_pattern", BOOL, [bool(windowed) for windowed in is_windowed], [])
    add_indexer_keys(model)
    model.per_layer("attention.indexer.types", BOOL, [not windowed for windowed in is_windowed], [])
    model.number("rope.freq_base_swa", 10000.0)
    model.number("expert_weights_scale", 1.0)
    model.flag("expert_weights_norm", True)
    model.add_embeddings()
    for block in model.blocks():
        windowed = block.is_head or is_windowed[block.index]
        heads = 4 if block.is_head else query_heads[block.index]
        block.norm("attn_norm.weight", EMBEDDING)
        block.latent_attention(heads=heads, kv_rank=window_rank if windowed else KV_RANK)
        block.norm("attn_k_norm.weight", LATENT_ROPE)
        block.matrix("attn_gate.weight", EMBEDDING, heads)
        if not windowed:
            block.indexer()
        block.norm("ffn_norm.weight", EMBEDDING)
        if block.is_head or block.index < 1:
            block.dense()
        else:
            block.experts(bias="exp_probs_b.bias")
            block.shared_expert()
        if block.is_head:
            block.fusion()


# Heads that forks draft with; llama.cpp v0.5.0 loads the trunk only.

@architecture("qwen4exp")
def make_qwen4exp(model):
    """Four streams with low-rank mixers in place of norms; the head's hnorm covers all streams, and a mixer of its own
    stands in for shared_head_norm. There is no output_norm."""
    streams, rank = 4, 32
    wide = streams * EMBEDDING
    add_common_keys(model, rope=ROPE)
    model.fixed_array("rope.dimension_sections", I32, [3, 3, 2, 0])
    add_expert_keys(model, shared=None)
    model.counts(ssm__conv_kernel=4, ssm__state_size=32, ssm__group_count=2, ssm__time_step_rank=2, ssm__inner_size=64,
                 full_attention_interval=4, feed_forward_length=FEED_FORWARD,
                 expert_shared_feed_forward_length=EXPERT_FORWARD, hyper_connection__count=streams,
                 hyper_connection__low_rank=rank)
    add_indexer_keys(model)
    model.per_layer("attention.compress_ratios", U32, [0, 0, 0, 4], [0])
    model.add_embeddings(has_norm=False)
    model.add_shared(model.encode("output_hc_norm.weight", (wide,), [1.0] * wide))
    model.add_shared(model.gaussian("output_hc_down.weight", (wide, rank), 1 / sqrt(wide)))
    model.add_shared(model.gaussian("output_hc_up.weight", (rank, wide), 1 / sqrt(rank)))

    def add_mixer(block, prefix):
        block.norm(f"{prefix}_norm.weight", wide)
        block.matrix(f"{prefix}_down.weight", wide, rank)
        block.matrix(f"{prefix}_up.weight", rank, wide)

    for block in model.blocks():
        for part in ("hc_attn", "hc_ffn"):
            add_mixer(block, part)
            block.matrix(f"{part}_inject.weight", wide, streams, tensor_type="f32")
        if block.is_head or (block.index + 1) % 4 == 0:
            block.attention(gated=True, norms=True)
            block.matrix("indexer.q_proj.weight", EMBEDDING, INDEXER_HEADS * INDEXER_KEY)
            block.matrix("indexer.k_proj.weight", EMBEDDING, INDEXER_KEY)
            block.norm("indexer.q_norm.weight", INDEXER_KEY)
            block.norm("indexer.k_norm.weight", INDEXER_KEY)
        else:
            block.delta_net()
        block.experts()
        block.shared_expert(gated=True)
        if block.is_head:
            block.matrix("nextn.eh_proj.weight", 2 * EMBEDDING, EMBEDDING)
            block.norm("nextn.enorm.weight", EMBEDDING)
            block.norm("nextn.hnorm.weight", wide)
            add_mixer(block, "nextn.hc_head")


def make_model(name, **options):
    """The model of an architecture, to be changed before it is written."""
    build, defaults = ARCHITECTURES[name]
    model = Model(**{**defaults, **options})
    build(model)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("architectures", nargs="*", metavar="ARCH")
    parser.add_argument("--type", default="f16", choices=sorted(TENSOR_TYPES), help="of matrices (default f16)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--aligned", action="store_true", help="a head that predicts what the trunk does")
    parser.add_argument("--list", action="store_true", help="print the architectures")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(ARCHITECTURES))
        return
    if arguments.out is None:
        parser.error("OUT_DIR is needed")
    unknown = [name for name in arguments.architectures if name not in ARCHITECTURES]
    if unknown:
        sys.exit(f"unknown architecture {unknown[0]}; --list lists them")
    for name in arguments.architectures or ARCHITECTURES:
        model = make_model(name, tensor_type=arguments.type, seed=arguments.seed, aligned=arguments.aligned)
        model.write(arguments.out / name)


if __name__ == "__main__":
    main()
