#!/usr/bin/env python3
"""What it takes to graft the head of a checkpoint of 27B on a server, here nginx on this machine, into its expansion to
40B: `bench_remote.py`, with build/release/mtpgraft and nginx. The models are sparse, of the real shapes; needs 2 GB."""

import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MTPGRAFT = ROOT / "build/release/mtpgraft"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHARDS = 15
LAYERS = 64
WIDTH, INNER = 5120, 17408
SHAPES = (("mtp.fc", [WIDTH, 2 * WIDTH]), ("down_proj", [WIDTH, INNER]), ("gate_proj", [INNER, WIDTH]),
          ("up_proj", [INNER, WIDTH]), ("k_norm", [256]), ("q_norm", [256]), ("k_proj", [1024, WIDTH]),
          ("v_proj", [1024, WIDTH]), ("q_proj", [12288, WIDTH]), ("o_proj", [WIDTH, 6144]), ("", [WIDTH]))


def size_of(shape):
    size = 2
    for extent in shape:
        size *= extent
    return size


def head_tensors(small):
    """The names of the bundled head, with the shapes of a large one."""
    length = struct.unpack("<Q", small.read(8))[0]
    names = [name for name in json.loads(small.read(length)) if name != "__metadata__"]
    return [(name, next(shape for part, shape in SHAPES if part in name)) for name in names]


def make_checkpoint(folder):
    folder.mkdir(parents=True)
    bundled = ROOT / "tests/models/hf-base-8L"
    with open(bundled / "mtp.safetensors", "rb") as small:
        head = head_tensors(small)
    config = json.loads((bundled / "config.json").read_text())
    config |= {"hidden_size": WIDTH, "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": 24,
               "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 248320,
               "layer_types": ["linear_attention", "linear_attention", "linear_attention", "full_attention"] * 16}
    config["rope_parameters"] |= {"rope_theta": 1e7, "mrope_section": [11, 11, 10]}
    (folder / "config.json").write_text(json.dumps(config))
    weight_map = {}
    for number in range(1, SHARDS + 1):
        name = f"model-{number:05d}-of-{SHARDS:05d}.safetensors"
        tensors = [(f"model.layers.{number}.{i}.weight", [4 * INNER, WIDTH]) for i in range(4)]
        tensors[2:2] = head[:9] if number == SHARDS - 1 else head[9:] if number == SHARDS else []
        header, at = {}, 0
        for tensor, shape in tensors:
            header[tensor] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size_of(shape)]}
            at += size_of(shape)
            weight_map[tensor] = name
        encoded = json.dumps(header).encode()
        with open(folder / name, "wb") as file:
            file.write(struct.pack("<Q", len(encoded)) + encoded)
            file.truncate(8 + len(encoded) + at)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def serve(scratch, port):
    www = scratch / "www"
    make_checkpoint(www / "lab/Base-27B/resolve" / COMMIT)
    files = [{"rfilename": path.name, "size": path.stat().st_size}
             for path in (www / "lab/Base-27B/resolve" / COMMIT).iterdir()]
    revision = www / "api/models/lab/Base-27B/revision/main"
    revision.parent.mkdir(parents=True)
    revision.write_text(json.dumps({"sha": COMMIT, "siblings": files}))
    temporary = "".join(f"{kind}_temp_path {scratch}/{kind};" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (scratch / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {scratch}/pid; error_log {scratch}/error.log; events {{}}\n"
        f"http {{ {temporary} sendfile on; log_format bytes $body_bytes_sent; access_log {scratch}/sent bytes;\n"
        f"server {{ listen 127.0.0.1:{port}; root {www}; }} }}\n")
    return subprocess.Popen(["nginx", "-p", scratch, "-e", scratch / "error.log", "-c", scratch / "nginx.conf"])


def graft(scratch, target, environment, *options):
    sent = scratch / "sent"
    sent.write_text("")
    (scratch / "out.gguf").unlink(missing_ok=True)
    done = subprocess.run(["time", "-f", "%e %M", MTPGRAFT, "graft", scratch / target, "hf://lab/Base-27B", "-o",
                           scratch / "out.gguf", *options], env=environment, capture_output=True, text=True, check=True)
    seconds, peak_kib = done.stderr.split("\n")[-2].split()
    head = re.search(r"15 tensors, ([0-9.]+ MiB)", done.stdout).group(1)
    bytes_sent = [int(line) for line in sent.read_text().split()]
    print(f"| {target} {' '.join(options)} | {head} | {sum(bytes_sent):,} | {len(bytes_sent)} | {seconds} s | "
          f"{int(peak_kib) / 1024:.1f} MiB |", flush=True)


def main():
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as scratch:
        scratch = Path(scratch)
        targets = ["twin-40b-Q4_K_M", "twin-40b-Q6_K"]
        subprocess.run([sys.executable, "-B", ROOT / "tests/support/make_fixtures.py", "--models", ROOT / "tests/models",
                        "-o", scratch, *targets], check=True, stdout=subprocess.DEVNULL)
        port = 18473
        with serve(scratch, port) as server:
            environment = os.environ | {"HF_ENDPOINT": f"http://127.0.0.1:{port}", "XDG_CACHE_HOME": f"{scratch}/cache"}
            print("| target | head | bytes sent | answers | time | peak memory |\n| --- | --- | --- | --- | --- | --- |")
            graft(scratch, "twin-40b-Q4_K_M.gguf", environment)
            graft(scratch, "twin-40b-Q6_K.gguf", environment)
            graft(scratch, "twin-40b-Q6_K.gguf", environment, "--no-cache")
            server.terminate()


if __name__ == "__main__":
    main()
