#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes heads as forks of llama.cpp name them, each beside the same head in llama.cpp's names (standard/NAME), which is
what the program must make of it.

  make_dialects.py MODELS OUT
"""

import random
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from gguf_file import BLOCK, BOOL, F32, Q8_0, STRING, U32, GgufFile, Tensor, tensor_bytes

STREAMS, WIDTH, RANK, VOCABULARY = 2, 64, 32, 96
WIDE = STREAMS * WIDTH
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


def filled(name, shape, type_id=F32, seed=1):
    """Any bytes: no one computes with them."""
    source = random.Random(f"{name} {seed}")
    return Tensor(name, shape, type_id, source.randbytes(tensor_bytes(type_id, shape)))


def common_keys(model, architecture, **counts):
    model.set("general.architecture", STRING, architecture)
    for name, count in counts.items():
        model.set(f"{architecture}.{name}", U32, count)


def qwen4exp_sidecar():
    """A head of streams with its mixer, and what it shares with its model."""
    model = GgufFile()
    common_keys(model, "qwen4exp", block_count=5, nextn_predict_layers=1, embedding_length=WIDTH)
    block = "blk.4."
    model.tensors = [
        filled("token_embd.weight", (WIDTH, VOCABULARY), Q8_0),
        filled("output.weight", (WIDTH, VOCABULARY), Q8_0),
        filled(block + "attn_q.weight", (WIDTH, WIDTH), Q8_0),
        filled(block + "nextn.eh_proj.weight", (2 * WIDTH, WIDTH), Q8_0),
        filled(block + "nextn.enorm.weight", (WIDTH,)),
        filled(block + "nextn.hnorm.weight", (WIDE,)),
        filled(block + "nextn.hc_head_norm.weight", (WIDE,)),
        filled(block + "nextn.hc_head_down.weight", (WIDE, RANK), Q8_0),
        filled(block + "nextn.hc_head_up.weight", (RANK, WIDE), Q8_0),
    ]
    return model


def deepseek4(is_sidecar):
    """A trunk of one block, or a head with another mixer than that trunk's."""
    model = GgufFile()
    common_keys(model, "deepseek4", block_count=2 if is_sidecar else 1, embedding_length=WIDTH)
    shared = [filled("token_embd.weight", (WIDTH, VOCABULARY)), filled("output.weight", (WIDTH, VOCABULARY)),
              filled("output_norm.weight", (WIDTH,))]
    shared += [filled(f"output_hc_{part}.weight", shape, seed="head" if is_sidecar else "trunk")
               for part, shape in (("fn", (WIDE, STREAMS)), ("base", (STREAMS,)), ("scale", (1,)))]
    if not is_sidecar:
        model.tensors = shared + [filled("blk.0.attn_norm.weight", (WIDTH,))]
        return model
    model.set("deepseek4.nextn_predict_layers", U32, 1)
    model.tensors = shared + [filled("blk.1.attn_norm.weight", (WIDTH,)),
                              filled("blk.1.nextn.eh_proj.weight", (2 * WIDTH, WIDTH)),
                              filled("blk.1.nextn.enorm.weight", (WIDTH,)),
                              filled("blk.1.nextn.hnorm.weight", (WIDTH,))]
    return model


def write_pair(out, name, model, names, block):
    (out / "standard").mkdir(parents=True, exist_ok=True)
    translate(model, names, block).write(out / name)
    model.write(out / "standard" / name)


def main():
    models, out = map(Path, sys.argv[1:])
    # Heads that a target of the bundled models takes, in the types that they are published in.
    for kind in ("BF16", "Q8_0", "Q4_K_M"):
        donor = GgufFile.read(models / f"mtp-base-8L-{kind}.gguf")
        for dialect in ("fc-embd", "e-proj", "ik-mtp", "hf-mtp"):
            write_pair(out, f"{dialect}-{kind}.gguf", donor, DIALECTS[dialect], 8)
    for dialect, names in DIALECTS.items():
        write_pair(out, f"qwen4exp-{dialect}.gguf", qwen4exp_sidecar(), names, 4)

    borrowing = qwen4exp_sidecar()
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
    unlike.tensors[unlike.tensors.index(hidden)] = filled(hidden.name, hidden.shape, F32)
    unlike.write(out / "unlike.gguf")
    raw = GgufFile.read(models / "mtp-base-8L-Q8_0.gguf")
    for tensor in raw.tensors:
        tensor.name = tensor.name.replace("blk.8.nextn.", "mtp.").replace("blk.8.", "mtp.layers.0.")
    raw.write(out / "raw.gguf")
    deepseek4(is_sidecar=False).write(out / "deepseek4.gguf")
    deepseek4(is_sidecar=True).write(out / "mtp-deepseek4.gguf")


if __name__ == "__main__":
    main()
