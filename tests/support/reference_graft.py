#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""reference_graft.py TARGET DONOR OUT: the plainest graft of an MTP head, written without the program under test.

OUT has no graft record. What `mtpgraft` writes without one must equal it byte for byte.
"""

import re
import struct
import sys

from gguf_file import ARRAY, BF16, F16, F32, U32, GgufFile, Tensor

_HEAD = re.compile(r"blk\.(\d+)\.nextn\.")

# Arrays with one entry for each block, the head's included.
_PER_BLOCK = ("attention.head_count", "attention.head_count_kv", "attention.recurrent_layers",
              "feed_forward_length")


def head_blocks(donor):
    """The donor's head block indices: as declared, else those that hold nextn tensors."""
    nextn = donor.arch_value("nextn_predict_layers") if donor.architecture else None
    if nextn:
        count = donor.arch_value("block_count")
        return list(range(count - nextn, count))
    return sorted({int(match[1]) for tensor in donor.tensors if (match := _HEAD.match(tensor.name))})


def as_runnable(tensor):
    """Runtimes add and multiply norms as F32 only."""
    if len(tensor.shape) > 1 or tensor.type_id == F32:
        return tensor
    raw, count = tensor.read(), tensor.shape[0]
    if tensor.type_id == F16:
        data = struct.pack(f"<{count}f", *struct.unpack(f"<{count}e", raw))
    elif tensor.type_id == BF16:
        data = b"".join(b"\0\0" + raw[i:i + 2] for i in range(0, len(raw), 2))
    else:
        raise ValueError(f"{tensor.name}: a norm of type {tensor.type_id}")
    return Tensor(tensor.name, tensor.shape, F32, data)


def head_entry(key, old, donor, block):
    """What a per-block array holds for the head that is donor block `block`."""
    theirs = donor.arch_value(key) if donor.architecture else None
    if isinstance(theirs, tuple):
        return theirs[1][block]
    if key == "attention.recurrent_layers":
        return False
    if theirs is not None:
        return theirs
    return [entry for entry in old if entry][-1]


def graft(target, donor):
    arch = target.architecture
    blocks = head_blocks(donor)
    declared = target.arch_value("nextn_predict_layers", 0)
    trunk = target.arch_value("block_count") - declared

    result = GgufFile(target.version, dict(target.keys), list(target.tensors))
    for key in _PER_BLOCK:
        full = f"{arch}.{key}"
        type_id, value = target.keys.get(full, (None, None))
        if type_id == ARRAY and len(value[1]) == trunk:
            more = [head_entry(key, value[1], donor, block) for block in blocks]
            result.set(full, ARRAY, (value[0], value[1] + more))
    count, nextn = f"{arch}.block_count", f"{arch}.nextn_predict_layers"
    result.set(count, target.keys[count][0], trunk + len(blocks))
    result.set(nextn, target.keys.get(nextn, (U32,))[0], len(blocks))

    renamed = {block: trunk + i for i, block in enumerate(blocks)}
    for tensor in donor.tensors:
        parts = tensor.name.split(".", 2)
        if parts[0] == "blk" and int(parts[1]) in renamed:
            ours = as_runnable(tensor)
            name = f"blk.{renamed[int(parts[1])]}.{parts[2]}"
            result.tensors.append(Tensor(name, ours.shape, ours.type_id, ours.data))
    return result


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__.splitlines()[0])
    target, donor, out = sys.argv[1:]
    graft(GgufFile.read(target), GgufFile.read(donor)).write(out)


if __name__ == "__main__":
    main()
