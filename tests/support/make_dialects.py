#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes heads as forks of llama.cpp name them, each beside the same head in llama.cpp's names (standard/NAME), which is
what the program must make of it.

  make_dialects.py MODELS OUT
"""

import random
import struct
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from gguf_file import BLOCK, BOOL, F32, STRING, U32, GgufFile, Tensor, tensor_bytes
from make_tiny_archs import make_model

I64_TENSOR = 27


class Names:
    """What a dialect calls a head's tensors; `{}` is the block."""

    def __init__(self, embedding, hidden, **renamed):
        self.embedding, self.hidden, self.renamed = embedding, hidden, renamed

    def translate(self, tensor, block):
        """The tensors that stand for one in llama.cpp's names."""
        stem = tensor.name.removeprefix(f"blk.{block}.nextn.").removesuffix(".weight")
        if stem == "eh_proj" and self.embedding:
            first, second = cut_columns(tensor)
            return [Tensor(self.embedding.format(block), *first), Tensor(self.hidden.format(block), *second)]
        name = self.renamed.get(stem)
        return [Tensor(name.format(block), tensor.shape, tensor.type_id, tensor.data) if name else tensor]


def mixer(pattern):
    return {f"hc_head_{part}": pattern.replace("*", part) + ".weight" for part in ("norm", "down", "up")}


DIALECTS = {
    "fc-embd": Names("blk.{}.nextn.fc_embd.weight", "blk.{}.nextn.fc_hidden.weight", **mixer("blk.{}.nextn.hc_*")),
    "e-proj": Names("blk.{}.nextn.e_proj.weight", "blk.{}.nextn.h_proj.weight"),
    "output-hc": Names(None, None, **mixer("output_hc_*")),
    "ik-mtp": Names("mtp.fc_embd.weight", "mtp.fc_hidden.weight", enorm="mtp.pre_norm_embd.weight",
                    hnorm="mtp.pre_norm_hidden.weight", **mixer("mtp.mixer_*")),
    "hf-mtp": Names("mtp.fc_embedding.weight", "mtp.fc_hidden.weight", enorm="mtp.pre_fc_norm_embedding.weight",
                    hnorm="mtp.pre_fc_norm_hidden.weight", **mixer("mtp.hc_*")),
}


def cut_columns(tensor):
    """The left and the right half of a matrix, as (shape, type, data)."""
    columns, rows = tensor.shape
    weights, size = BLOCK[tensor.type_id]
    half = columns // 2
    assert half % weights == 0
    length = half // weights * size
    data = tensor.read()
    pieces = [data[at:at + length] for at in range(0, len(data), length)]
    return [((half, rows), tensor.type_id, b"".join(pieces[side::2])) for side in (0, 1)]


def translate(model, names, block):
    result = GgufFile(model.version, dict(model.keys))
    result.tensors = [other for tensor in model.tensors for other in names.translate(tensor, block)]
    return result


def filled(name, shape):
    """Any bytes: no one computes with them."""
    return Tensor(name, shape, F32, random.Random(name).randbytes(tensor_bytes(F32, shape)))


def qwen4exp(file, mixer_at_root=True):
    """A model whose head has streams and a mixer of its own; beside the trunk's at the root, if that is there."""
    model = make_model("qwen4exp").files()[file]
    if not mixer_at_root:
        model.tensors = [tensor for tensor in model.tensors if not tensor.name.startswith("output_hc_")]
    return model


def deepseek4_sidecar():
    """A head with another mixer than its trunk's."""
    model = make_model("deepseek4").files()["sidecar"]
    model.tensors = [filled(tensor.name, tensor.shape) if tensor.name.startswith("output_hc_") else tensor
                     for tensor in model.tensors]
    return model


def write_pair(out, name, model, names, block):
    (out / "standard").mkdir(parents=True, exist_ok=True)
    translate(model, names, block).write(out / name)
    model.write(out / "standard" / name)


# What a checkpoint of Qwen3.5 calls the tensors, after "mtp." and in its layer.
FUSION_NAMES = {"eh_proj": "mtp.fc", "enorm": "mtp.pre_fc_norm_embedding", "hnorm": "mtp.pre_fc_norm_hidden",
                "shared_head_norm": "mtp.norm"}
QWEN_NAMES = FUSION_NAMES | {
    "attn_norm": "input_layernorm", "post_attention_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "ffn_gate_inp": "mlp.gate",
    "ffn_gate_shexp": "mlp.shared_expert.gate_proj", "ffn_up_shexp": "mlp.shared_expert.up_proj",
    "ffn_down_shexp": "mlp.shared_expert.down_proj", "ffn_gate_inp_shexp": "mlp.shared_expert_gate"}


def in_checkpoint_names(tensor, block, layer, names):
    """A tensor of the head under the checkpoint's name, a norm without the 1; what has no name in `names` keeps its own
    behind `layer`, and the 1, as Ollama's exports of the first months have it."""
    stem = tensor.name.removeprefix(f"blk.{block}.").removeprefix("nextn.").removesuffix(".weight")
    name = names.get(stem)
    full = name if name and name.startswith("mtp.") else layer + (name or stem)
    data = tensor.read()
    if name and name.endswith("norm") or name and "norm_" in name:
        data = b"".join(struct.pack("<f", value - 1) for value, in struct.iter_unpack("<f", data))
    return Tensor(full + ".weight", tensor.shape, tensor.type_id, data)


def write_checkpoint_names(out, file, donor, layer, names):
    """As a whole model's file that declares no head, beside the same head as a sidecar."""
    standard = GgufFile(donor.version, dict(donor.keys), list(donor.tensors))
    standard.write(out / "standard" / file)
    donor = GgufFile(donor.version, dict(donor.keys))
    donor.tensors = [in_checkpoint_names(tensor, 8, layer, names) if tensor.name.startswith("blk.8.") else tensor
                     for tensor in standard.tensors]
    donor.set("qwen35.block_count", U32, 8)
    del donor.keys["qwen35.nextn_predict_layers"]
    donor.write(out / file)


def write_experts(out):
    """A mixture of experts: one matrix for each expert, and all gates and ups of a layer in one tensor."""
    model = make_model("qwen35moe").files()["full"]
    block = model.keys["qwen35moe.block_count"][1] - 1
    model.write(out / "standard" / "experts.gguf")
    apart, fused = (GgufFile(model.version, dict(model.keys)) for _ in range(2))
    for tensor in model.tensors:
        name = tensor.name.removeprefix(f"blk.{block}.")
        if name == tensor.name:
            apart.tensors.append(tensor)
            fused.tensors.append(tensor)
        elif not name.endswith("_exps.weight"):
            both = in_checkpoint_names(tensor, block, "mtp.layers.0.", QWEN_NAMES)
            apart.tensors.append(both)
            fused.tensors.append(both)
        else:
            kind = name.split("_")[1]
            columns, rows, count = tensor.shape
            data = tensor.read()
            length = len(data) // count
            apart.tensors += [Tensor(f"mtp.layers.0.mlp.experts.{k}.{kind}_proj.weight", (columns, rows),
                                     tensor.type_id, data[k * length:][:length]) for k in range(count)]
            if kind == "down":
                fused.tensors.append(Tensor("mtp.layers.0.mlp.experts.down_proj", tensor.shape, tensor.type_id, data))
            elif kind == "gate":
                up = model.tensor(tensor.name.replace("gate", "up")).read()
                fused.tensors.append(Tensor(
                    "mtp.layers.0.mlp.experts.gate_up_proj", (columns, 2 * rows, count), tensor.type_id,
                    b"".join(part[k * length:][:length] for k in range(count) for part in (data, up))))
    apart.write(out / "experts-apart.gguf")
    fused.write(out / "experts-fused.gguf")


def main():
    models, out = map(Path, sys.argv[1:])
    # Heads that a target of the bundled models takes, in the types that they are published in.
    for kind in ("BF16", "Q8_0", "Q4_K_M"):
        donor = GgufFile.read(models / f"mtp-base-8L-{kind}.gguf")
        for dialect in ("fc-embd", "e-proj", "ik-mtp", "hf-mtp"):
            write_pair(out, f"{dialect}-{kind}.gguf", donor, DIALECTS[dialect], 8)
    for dialect, names in DIALECTS.items():
        write_pair(out, f"qwen4exp-{dialect}.gguf", qwen4exp("sidecar", dialect != "output-hc"), names, 4)
    qwen4exp("trunk").write(out / "qwen4exp.gguf")
    write_pair(out, "whole-qwen4exp.gguf", qwen4exp("full"), DIALECTS["ik-mtp"], 4)

    borrowing = qwen4exp("sidecar")
    borrowing.set("qwen4exp.nextn_shared_target_tensors", BOOL, True)
    borrowing.tensors = [tensor for tensor in borrowing.tensors if tensor.name.startswith("blk.")]
    borrowing.write(out / "borrowing.gguf")
    trimmed = GgufFile.read(models / "mtp-base-8L-Q8_0.gguf")
    trimmed.tensors.append(Tensor("d2t", (64,), I64_TENSOR, bytes(64 * 8)))
    output = trimmed.tensor("output.weight")
    trimmed.tensors[trimmed.tensors.index(output)] = filled(output.name, (output.shape[0], 64))
    trimmed.write(out / "trimmed.gguf")
    unlike = GgufFile.read(out / "fc-embd-Q8_0.gguf")
    hidden = unlike.tensor("blk.8.nextn.fc_hidden.weight")
    unlike.tensors[unlike.tensors.index(hidden)] = filled(hidden.name, hidden.shape)
    unlike.write(out / "unlike.gguf")
    raw = GgufFile.read(models / "mtp-base-8L-Q8_0.gguf")
    for tensor in raw.tensors:
        tensor.name = tensor.name.replace("blk.8.nextn.", "mtp.").replace("blk.8.", "mtp.layers.0.")
    raw.write(out / "raw.gguf")
    for kind in ("BF16", "Q8_0", "Q4_K_M"):
        donor = GgufFile.read(models / f"mtp-base-8L-{kind}.gguf")
        write_checkpoint_names(out, f"checkpoint-names-{kind}.gguf", donor, "mtp.layers.0.", QWEN_NAMES)
        write_checkpoint_names(out, f"half-renamed-{kind}.gguf", donor, "mtp.layers.0.", FUSION_NAMES)
    write_experts(out)
    forked = GgufFile.read(models / "mtp-base-8L-Q8_0.gguf")
    forked.write(out / "standard" / "mtp-architecture.gguf")
    forked.keys = {key.replace("qwen35.", "qwen35_mtp."): value for key, value in forked.keys.items()}
    forked.set("general.architecture", STRING, "qwen35_mtp")
    forked.write(out / "mtp-architecture.gguf")
    make_model("deepseek4").files()["trunk"].write(out / "deepseek4.gguf")
    deepseek4_sidecar().write(out / "mtp-deepseek4.gguf")


if __name__ == "__main__":
    main()
