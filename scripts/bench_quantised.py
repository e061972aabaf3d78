#!/usr/bin/env python3
"""How long the head of a quantised checkpoint takes to be read, beside a head of BF16 with as many bytes.

Makes a checkpoint of each scheme in DIR with random values, reads its head as graft does (which takes the digest of what
the head becomes, and looks for values that are not finite), and prints the rows of docs/benchmarks.md. `cat` reads the same
file and does nothing with it. "Cold" is with the file dropped from the page cache. The files are deleted at the end.
"""

import argparse
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/support"))
sys.dont_write_bytecode = True

from gguf_file import F32, STRING, U32, GgufFile, Tensor  # noqa: E402

HIDDEN, KEYS, HEADS, HEAD = 7168, 1024, 56, 128
POOL = 1 << 26
SCHEMES = ("BF16", "FP8, blocks of 128 x 128", "FP8, one scale a row", "NVFP4 (ModelOpt)", "MLX affine, 4 bits")


def matrices(scheme, total):
    """Name, rows and columns; three of them make the head as large as is asked for."""
    bits = {"BF16": 16, "FP8": 8, "NVF": 4.5, "MLX": 5}[scheme[:4].rstrip(",") if scheme == "BF16" else scheme[:3]]
    attention = [("self_attn.q_proj", 2 * HEADS * HEAD, HIDDEN), ("self_attn.k_proj", KEYS, HIDDEN),
                 ("self_attn.v_proj", KEYS, HIDDEN), ("self_attn.o_proj", HIDDEN, HEADS * HEAD)]
    fixed = sum(rows * columns for _, rows, columns in attention)
    width = int((total * 8 / bits - fixed) / 3 / HIDDEN) // 128 * 128
    return attention + [("mlp.gate_proj", width, HIDDEN), ("mlp.up_proj", width, HIDDEN),
                        ("mlp.down_proj", HIDDEN, width)], width


def stored(scheme, name, rows, columns):
    """(name, dtype, shape, maker of at most POOL bytes) of the tensors that a matrix is stored as."""
    name = f"mtp.layers.0.{name}."
    random = np.random.default_rng(rows)
    codes = lambda: random.integers(0, 256, POOL, "u1")                       # noqa: E731
    floats = lambda: random.uniform(1e-4, 9e-4, POOL // 4).astype("<f4")      # noqa: E731
    halves = lambda: (random.normal(0, .02, POOL // 2).astype("<f4").view("<u4") >> 16).astype("<u2")  # noqa: E731
    fp8 = lambda: codes() & 0xF7                                              # noqa: E731  no code is all ones
    if scheme == "BF16":
        return [(name + "weight", "BF16", (rows, columns), halves)]
    if scheme.startswith("FP8"):
        shape = (-(-rows // 128), -(-columns // 128)) if "blocks" in scheme else (rows, 1)
        return [(name + "weight", "F8_E4M3", (rows, columns), fp8), (name + "weight_scale", "F32", shape, floats)]
    if scheme.startswith("NVFP4"):
        return [(name + "weight", "U8", (rows, columns // 2), codes),
                (name + "weight_scale", "F8_E4M3", (rows, columns // 16), fp8),
                (name + "weight_scale_2", "F32", (1,), floats)]
    return [(name + "weight", "U32", (rows, columns // 8), codes), (name + "scales", "BF16", (rows, columns // 32), halves),
            (name + "biases", "BF16", (rows, columns // 32), halves)]


def make(folder, scheme, total):
    folder.mkdir()
    table, width = matrices(scheme, total)
    config = {"architectures": ["Qwen3_5ForCausalLM"], "model_type": "qwen3_5_text", "num_hidden_layers": 8,
              "hidden_size": HIDDEN, "intermediate_size": width, "mtp_num_hidden_layers": 1}
    if "blocks" in scheme:
        config["quantization_config"] = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    if scheme.startswith("MLX"):
        config["quantization"] = {"bits": 4, "group_size": 32}
    (folder / "config.json").write_text(json.dumps(config))
    norm = lambda: np.full(POOL // 2, 0x3C00, "<u2")  # noqa: E731
    tensors = [("mtp.fc.weight", "BF16", (HIDDEN, 2 * HIDDEN), norm)]
    for name, size in (("mtp.norm", HIDDEN), ("mtp.pre_fc_norm_embedding", HIDDEN), ("mtp.pre_fc_norm_hidden", HIDDEN),
                       ("mtp.layers.0.input_layernorm", HIDDEN), ("mtp.layers.0.post_attention_layernorm", HIDDEN),
                       ("mtp.layers.0.self_attn.q_norm", HEAD), ("mtp.layers.0.self_attn.k_norm", HEAD)):
        tensors.append((name + ".weight", "BF16", (size,), norm))
    for item in table:
        tensors += stored(scheme, *item)
    header, at = {}, 0
    for name, dtype, shape, _ in tensors:
        length = int(np.prod(shape)) * {"F32": 4, "U32": 4, "BF16": 2}.get(dtype, 1)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + length]}
        at += length
    encoded = json.dumps(header).encode()
    path = folder / "model.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for name, _, _, maker in tensors:
            begin, end = header[name]["data_offsets"]
            data = maker().tobytes()
            for piece in range(begin, end, len(data)):
                file.write(data[:end - piece])
        file.flush()
        os.fsync(file.fileno())
    return path


def make_target(path):
    """What a head of these dimensions fits to, as small as can be."""
    keys = {"block_count": (U32, 8), "embedding_length": (U32, HIDDEN), "attention.head_count": (U32, HEADS),
            "attention.head_count_kv": (U32, KEYS // HEAD), "attention.key_length": (U32, HEAD),
            "attention.value_length": (U32, HEAD)}
    ones = np.ones(HIDDEN, "<f4").tobytes()
    GgufFile(keys={"general.architecture": (STRING, "qwen35"), **{f"qwen35.{key}": value for key, value in keys.items()}},
             tensors=[Tensor(name, (HIDDEN,), F32, ones) for name in
                      ["token_embd.weight", "output_norm.weight", *(f"blk.{i}.attn_norm.weight" for i in range(8))]]).write(path)
    return path


def drop(path):
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_plainly(path):
    start = time.perf_counter()
    subprocess.run(["cat", path], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def read_head(program, target, folder):
    """Seconds, those of processors, and peak memory of reading the head for a graft, which ends when that is done."""
    argv = [program, "graft", target, folder, "-o", folder / "graft.gguf", "--progress=json"]
    with subprocess.Popen([*map(str, argv)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        for line in process.stderr:
            event = json.loads(line)
            if event.get("phase") == "read-head" and event["state"] == "end" and event["bytes_total"]:
                status = Path(f"/proc/{process.pid}/status").read_text()
                ticks = sum(map(int, Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
                process.terminate()
                process.communicate()
                return (event["seconds"], ticks / os.sysconf("SC_CLK_TCK"),
                        int(status.split("VmHWM:")[1].split()[0]) << 10)
    sys.exit(f"{folder}: the head was not read")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, metavar="DIR", help="where the files are made; one at a time")
    parser.add_argument("--bytes", type=float, default=7e9, help="size of a head (default: 7e9)")
    parser.add_argument("--runs", type=int, default=3, help="the fastest of so many counts (default: 3)")
    parser.add_argument("--program", default=ROOT / "build/release/mtpgraft")
    parser.add_argument("--schemes", type=int, default=len(SCHEMES), help="only the first so many")
    options = parser.parse_args()
    print("| head | stored | becomes | `cat` | read | cold `cat` | cold read | CPU | memory |\n|---|---|---|---|---|---|---|---|---|")
    for scheme in SCHEMES[:options.schemes]:
        folder = Path(tempfile.mkdtemp(dir=options.directory)) / "model"
        try:
            path = make(folder, scheme, options.bytes)
            target = make_target(folder.parent / "target.gguf")
            plan = [options.program, "graft", target, folder, "-n", "--json"]
            plan = json.loads(subprocess.run([*map(str, plan)], check=True, capture_output=True).stdout)
            cells = []
            for is_cold in (False, True):
                plain, read = [], []
                for _ in range(options.runs):
                    for times, function in ((plain, lambda: (read_plainly(path),)),
                                            (read, lambda: read_head(options.program, target, folder))):
                        if is_cold:
                            drop(path)
                        times.append(function())
                cells += [f"{min(plain)[0]:.2f} s", f"{min(read)[0]:.2f} s"]
            cells.append(f"{min(cpu for _, cpu, _ in read):.2f} s")
            peak = max(peak for _, _, peak in read)
            print(f"| {scheme} | {path.stat().st_size / 1e9:.1f} GB | {plan['result']['head']['bytes'] / 1e9:.1f} GB | "
                  f"{' | '.join(cells)} | {peak >> 20} MiB |", flush=True)
        finally:
            shutil.rmtree(folder.parent)


if __name__ == "__main__":
    main()
