#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints a section of docs/interop.md: pictures, and two ways of drafting at once, with a graft in llama-server.

    images.py --mtpgraft PROGRAM --server LLAMA-SERVER
"""

import argparse
import base64
import json
import struct
import subprocess
import sys
import tempfile
import zlib
from math import prod
from pathlib import Path
from random import Random

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "e2e")]
from e2e_bench import DRAFTING, MODELS, PROMPTS, TARGET, ask, get, running  # noqa: E402
from gguf_file import ARRAY, BOOL, F32, F32_VALUE, STRING, U32, GgufFile, Tensor  # noqa: E402

TOKENS = 48


# --- The projector, and a picture -------------------------------------------------------------------------------------

def write_projector(path, width):
    """A `qwen3vl_merger` of one block with random values, for a model of `width`."""
    embedding, feed_forward, patch, image = 64, 128, 16, 64
    random = Random(1)
    vision, halves = "clip.vision", (ARRAY, (F32_VALUE, [0.5] * 3))
    keys = {
        "general.architecture": (STRING, "clip"), "general.type": (STRING, "mmproj"),
        "clip.has_vision_encoder": (BOOL, True), "clip.projector_type": (STRING, "qwen3vl_merger"),
        "clip.use_gelu": (BOOL, True), f"{vision}.image_size": (U32, image), f"{vision}.patch_size": (U32, patch),
        f"{vision}.embedding_length": (U32, embedding), f"{vision}.feed_forward_length": (U32, feed_forward),
        f"{vision}.block_count": (U32, 1), f"{vision}.attention.head_count": (U32, 2),
        f"{vision}.attention.layer_norm_epsilon": (F32_VALUE, 1e-6), f"{vision}.projection_dim": (U32, width),
        f"{vision}.spatial_merge_size": (U32, 2),
        f"{vision}.image_mean": halves, f"{vision}.image_std": halves,
    }
    merged = 4 * embedding  # of 2 x 2 patches
    shapes = {
        "v.patch_embd.weight": (patch, patch, 3, embedding), "v.patch_embd.weight.1": (patch, patch, 3, embedding),
        "v.patch_embd.bias": (embedding,), "v.position_embd.weight": (embedding, (image // patch) ** 2),
        "v.post_ln.weight": (embedding,), "v.post_ln.bias": (embedding,),
        "v.blk.0.ln1.weight": (embedding,), "v.blk.0.ln1.bias": (embedding,),
        "v.blk.0.ln2.weight": (embedding,), "v.blk.0.ln2.bias": (embedding,),
        "v.blk.0.attn_qkv.weight": (embedding, 3 * embedding), "v.blk.0.attn_qkv.bias": (3 * embedding,),
        "v.blk.0.attn_out.weight": (embedding, embedding), "v.blk.0.attn_out.bias": (embedding,),
        "v.blk.0.ffn_up.weight": (embedding, feed_forward), "v.blk.0.ffn_up.bias": (feed_forward,),
        "v.blk.0.ffn_down.weight": (feed_forward, embedding), "v.blk.0.ffn_down.bias": (embedding,),
        "mm.0.weight": (merged, merged), "mm.0.bias": (merged,),
        "mm.2.weight": (merged, width), "mm.2.bias": (width,),
    }
    tensors = []
    for name, shape in shapes.items():
        count = prod(shape)
        if name.endswith(("ln1.weight", "ln2.weight", "ln.weight")):
            data = struct.pack(f"<{count}f", *[1.0] * count)
        else:  # so that values stay as large as they are
            scale = 0.05 if len(shape) == 1 else prod(shape[:-1]) ** -0.5
            data = struct.pack(f"<{count}f", *(random.gauss(0, scale) for _ in range(count)))
        tensors.append(Tensor(name, shape, F32, data))
    GgufFile(3, keys, tensors).write(path)


def picture(size=128):
    """A PNG of coloured stripes."""
    rows = b"".join(b"\0" + bytes(value for x in range(size) for value in (x * 2 % 256, y * 2 % 256, (x ^ y) * 2 % 256))
                    for y in range(size))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


# --- What the server makes of them ------------------------------------------------------------------------------------

def session(server, *options):
    """Three turns of one chat, the second with a picture: (kind, text, timings) of each answer."""
    image = "data:image/png;base64," + base64.b64encode(picture()).decode()
    prompts = json.loads(PROMPTS.read_text())
    turns = [("text", prompts[0]),
             ("a picture and text", [{"type": "image_url", "image_url": {"url": image}},
                                     {"type": "text", "text": prompts[1]}]),
             ("text", prompts[2])]
    answers, messages = [], []
    with running(server, *options) as url:
        for kind, content in turns:
            messages.append({"role": "user", "content": content})
            answer = json.loads(get(f"{url}/v1/chat/completions", {
                "messages": messages, "max_tokens": TOKENS, "temperature": 0, "seed": 1, "ignore_eos": True}))
            text = answer["choices"][0]["message"]["content"]
            messages.append({"role": "assistant", "content": text})
            answers.append((kind, text, answer["timings"]))
    return answers


def completions(server, *options):
    """Each prompt, and each again: (text, timings) of each answer."""
    prompts = json.loads(PROMPTS.read_text())
    with running(server, *options) as url:
        return [ask(url, prompt, predict=4 * TOKENS) for prompt in prompts for _ in range(2)]


def table(head, rows):
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [head, ["---"] * len(head), *rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mtpgraft", required=True, type=Path, help="the program")
    parser.add_argument("--server", required=True, type=Path, help="what build_llama_server.sh builds")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mtpgraft-") as folder:
        graft, projector = Path(folder) / "Tiny-MTP.gguf", Path(folder) / "mmproj-Tiny.gguf"
        subprocess.run([arguments.mtpgraft, "graft", "-q", TARGET, MODELS / "mtp-base-8L-Q8_0.gguf", "-o", graft],
                       check=True)
        write_projector(projector, 256)
        made = json.loads(subprocess.run([arguments.mtpgraft, "inspect", "--json", graft, "--mmproj", projector],
                                         check=True, capture_output=True, text=True).stdout)
        fits = "fits" if made["result"]["files"][0]["mmproj"]["fits"] else "does not fit"
        rows = []
        for depth in (1, 2, 3):
            plain = session(arguments.server, "-m", graft, "--mmproj", projector)
            drafting = session(arguments.server, "-m", graft, "--mmproj", projector, *DRAFTING, str(depth))
            assert all(timings.get("draft_n", 0) for _, _, timings in drafting), f"no drafts in a turn: {drafting}"
            for (kind, text, _), (_, drafted_text, timings) in zip(plain, drafting):
                rows.append([depth, kind, timings["prompt_n"], timings.get("draft_n", 0),
                             timings.get("draft_n_accepted", 0), "equal" if text == drafted_text else "differs"])
        types = []
        plain = completions(arguments.server, "-m", graft)
        for kind in ("draft-mtp", "draft-mtp,ngram-mod", "ngram-mod"):
            made = completions(arguments.server, "-m", graft, "--spec-type", kind, "--spec-draft-n-max", "2")
            drafted, accepted = (sum(timings.get(key, 0) for _, timings in made)
                                 for key in ("draft_n", "draft_n_accepted"))
            same = sum(one == other for (one, _), (other, _) in zip(plain, made))
            types.append([f"`{kind}`", drafted, accepted, f"{same} of {len(plain)} equal"])
    print(f"""## llama-server

llama.cpp v0.5.0's server with target-12L-Q4_K_M + mtp-base-8L-Q8_0, greedy, one thread.

### Images

A chat of three turns in one session, of which the second has a picture of 16 tokens, with a tiny projector of random
values (`qwen3vl_merger`, written by `scripts/interop/images.py`). `inspect --mmproj` says that it {fits}. Drafts go
on with the picture and after it. `text`: whether each answer is that without drafting.

{table(["depth", "turn", "new prompt tokens", "drafted", "accepted", "text"], rows)}

### Two ways of drafting

Each of the six prompts twice, {4 * TOKENS} tokens at most, `--spec-draft-n-max 2`.

{table(["`--spec-type`", "drafted", "accepted", "texts without drafting"], types)}""")


if __name__ == "__main__":
    main()
