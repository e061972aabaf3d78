#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_hub_cache.py [--copies] FOLDER CACHE REPOSITORY COMMIT [FILE...]: lays files of FOLDER (else all) out in CACHE as
huggingface_hub does: blobs under their digest, links to them in a snapshot, and what main is. With --copies there are no
blobs, as where the file system has no links."""

import argparse
import hashlib
import os
import shutil
from pathlib import Path


def digest(path):
    """What the hub calls it by: LFS has SHA-256, git SHA-1 of its own."""
    data = path.read_bytes()
    if path.suffix in (".gguf", ".safetensors"):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--copies", action="store_true")
    for name in ("folder", "cache"):
        parser.add_argument(name, type=Path)
    parser.add_argument("repository")
    parser.add_argument("commit")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    store = options.cache / ("models--" + options.repository.replace("/", "--"))
    snapshot = store / "snapshots" / options.commit
    files = options.files or [str(path.relative_to(options.folder)) for path in options.folder.rglob("*") if path.is_file()]
    for name in files:
        source, link = options.folder / name, snapshot / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if options.copies:
            shutil.copyfile(source, link)
            continue
        blob = store / "blobs" / digest(source)
        blob.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, blob)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (store / "refs").mkdir(exist_ok=True)
    (store / "refs/main").write_text(options.commit)


if __name__ == "__main__":
    main()
