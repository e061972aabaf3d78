# SPDX-License-Identifier: Apache-2.0
"""Reads and writes GGUF version 2 and 3 (little-endian), for tests only.

Shares no code with the program under test, so that the two can be compared. Strings are decoded with
"surrogateescape": any bytes survive a round trip. Files that break the format on purpose are put together from
`encode_header`, `encode_key`, `encode_raw_key` and `encode_info`.
"""

import errno
import os
import shutil
import struct
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

(U8, I8, U16, I16, U32, I32, F32_VALUE, BOOL, STRING, ARRAY, U64, I64, F64_VALUE) = range(13)

_FORMAT = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32_VALUE: "f", BOOL: "?",
           U64: "Q", I64: "q", F64_VALUE: "d"}

F32, F16, Q8_0, Q4_K, Q5_K, Q6_K, BF16, NVFP4 = 0, 1, 8, 12, 13, 14, 30, 40

# type id: (weights in a block, bytes of a block)
BLOCK = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18), 42: (64, 18),
}

_COPY_CHUNK = 1 << 20


def tensor_bytes(type_id, shape):
    weights, size = BLOCK[type_id]
    if shape and shape[0] % weights:
        raise ValueError(f"{shape[0]} columns are no multiple of {weights}")
    return prod(shape) // weights * size


def pad(offset, alignment):
    return -(-offset // alignment) * alignment


@dataclass
class FileSlice:
    """Data that stays in another file until it is written."""
    path: Path
    offset: int
    length: int

    def __len__(self):
        return self.length


@dataclass
class Sparse:
    """`start`, then zeros up to `length` that take no disk space."""
    length: int
    start: bytes = b""

    def __len__(self):
        return self.length


@dataclass
class Tensor:
    name: str
    shape: tuple  # ggml order: columns first
    type_id: int
    data: object  # bytes, FileSlice or Sparse

    def read(self):
        if isinstance(self.data, FileSlice):
            with open(self.data.path, "rb") as file:
                file.seek(self.data.offset)
                return file.read(self.data.length)
        if isinstance(self.data, Sparse):
            return self.data.start.ljust(self.data.length, b"\0")
        return self.data


def encode_string(text):
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return len(raw).to_bytes(8, "little") + raw


def encode_value(type_id, value):
    if type_id == STRING:
        return encode_string(value)
    if type_id == ARRAY:
        element, items = value
        start = struct.pack("<IQ", element, len(items))
        if element in (STRING, ARRAY):
            return start + b"".join(encode_value(element, item) for item in items)
        return start + struct.pack(f"<{len(items)}{_FORMAT[element]}", *items)
    return struct.pack("<" + _FORMAT[type_id], value)


def encode_raw_key(name, type_id, payload):
    return encode_string(name) + struct.pack("<I", type_id) + payload


def encode_key(name, type_id, value):
    return encode_raw_key(name, type_id, encode_value(type_id, value))


def encode_info(name, shape, type_id, offset):
    return (encode_string(name) + struct.pack("<I", len(shape))
            + struct.pack(f"<{len(shape)}q", *shape) + struct.pack("<IQ", type_id, offset))


def encode_header(version, n_tensors, n_keys, magic=b"GGUF"):
    return magic + struct.pack("<Iqq", version, n_tensors, n_keys)


class _Cursor:
    def __init__(self, file):
        self.file = file

    def bytes(self, count):
        data = self.file.read(count)
        if len(data) != count:
            raise ValueError("the file ends too early")
        return data

    def unpack(self, layout):
        return struct.unpack("<" + layout, self.bytes(struct.calcsize("<" + layout)))

    def string(self):
        return self.bytes(self.unpack("Q")[0]).decode("utf-8", "surrogateescape")

    def value(self, type_id):
        if type_id == STRING:
            return self.string()
        if type_id == ARRAY:
            element, count = self.unpack("IQ")
            if element in (STRING, ARRAY):
                return element, [self.value(element) for _ in range(count)]
            return element, list(self.unpack(f"{count}{_FORMAT[element]}"))
        return self.unpack(_FORMAT[type_id])[0]


@dataclass
class GgufFile:
    version: int = 3
    keys: dict = field(default_factory=dict)  # name -> (type id, value); an array's value is (element type, list)
    tensors: list = field(default_factory=list)
    pad_end: bool = True    # whether write() pads the last tensor
    trailing: bytes = b""   # written after the last tensor; never read back
    data_offset: int = 0    # as found by read()

    @classmethod
    def read(cls, path):
        """For files that are well-formed. Tensor types may be unknown: the size then follows from the next offset."""
        path = Path(path)
        with open(path, "rb", buffering=_COPY_CHUNK) as file:
            cursor = _Cursor(file)
            if cursor.bytes(4) != b"GGUF":
                raise ValueError(f"{path}: no GGUF file")
            version, n_tensors, n_keys = cursor.unpack("Iqq")
            if version not in (2, 3):
                raise ValueError(f"{path}: version {version}")
            keys = {}
            for _ in range(n_keys):
                name = cursor.string()
                if not name or name in keys:
                    raise ValueError(f"{path}: empty or duplicate key '{name}'")
                type_id = cursor.unpack("I")[0]
                keys[name] = (type_id, cursor.value(type_id))
            infos = []
            for _ in range(n_tensors):
                name = cursor.string()
                shape = cursor.unpack(f"{cursor.unpack('I')[0]}q")
                infos.append((name, shape, *cursor.unpack("IQ")))
            end = file.tell()
        result = cls(version, keys)
        result.data_offset = pad(end, result.alignment) if infos else end
        size = path.stat().st_size
        expected = 0
        for index, (name, shape, type_id, offset) in enumerate(infos):
            if offset != expected:
                raise ValueError(f"{path}: tensor '{name}' at {offset}, expected at {expected}")
            if type_id in BLOCK:
                length = tensor_bytes(type_id, shape)
                expected = pad(offset + length, result.alignment)
            else:
                expected = infos[index + 1][3] if index + 1 < len(infos) else size - result.data_offset
                length = expected - offset
            if result.data_offset + offset + length > size:
                raise ValueError(f"{path}: tensor '{name}' is cut off")
            result.tensors.append(Tensor(name, shape, type_id,
                                         FileSlice(path, result.data_offset + offset, length)))
        return result

    @property
    def alignment(self):
        return self.value("general.alignment", 32)

    @property
    def architecture(self):
        return self.value("general.architecture")

    def value(self, key, default=None):
        return self.keys[key][1] if key in self.keys else default

    def arch_value(self, key, default=None):
        return self.value(f"{self.architecture}.{key}", default)

    def set(self, key, type_id, value):
        """In place when the key is there, else as the last key."""
        self.keys[key] = (type_id, value)

    def set_after(self, neighbour, key, type_id, value):
        items = [item for item in self.keys.items() if item[0] != key]
        at = next(i for i, item in enumerate(items) if item[0] == neighbour)
        items.insert(at + 1, (key, (type_id, value)))
        self.keys = dict(items)

    def tensor(self, name):
        return next(tensor for tensor in self.tensors if tensor.name == name)

    def offsets(self):
        """Of each tensor, from the start of the data section; then the section's padded length."""
        result = [0]
        for tensor in self.tensors:
            result.append(pad(result[-1] + len(tensor.data), self.alignment))
        return result

    def write(self, path):
        offsets = self.offsets()
        head = [encode_header(self.version, len(self.tensors), len(self.keys))]
        head += [encode_key(name, *typed) for name, typed in self.keys.items()]
        head += [encode_info(tensor.name, tensor.shape, tensor.type_id, offset)
                 for tensor, offset in zip(self.tensors, offsets)]
        head = b"".join(head)
        data_offset = pad(len(head), self.alignment) if self.tensors else len(head)
        end = data_offset + offsets[-1]
        if self.tensors and not self.pad_end:
            end = data_offset + offsets[-2] + len(self.tensors[-1].data)
        with open(path, "wb") as out:
            out.write(head)
            for tensor, offset in zip(self.tensors, offsets):
                out.seek(data_offset + offset)
                _copy(tensor.data, out)
            # Not a write of zeros: padding and Sparse data stay holes.
            out.truncate(end)
            out.seek(end)
            out.write(self.trailing)


def _copy(data, out):
    if isinstance(data, Sparse):
        out.write(data.start)
    elif isinstance(data, FileSlice):
        _copy_slice(data, out)
    else:
        out.write(data)


def _copy_slice(piece, out):
    """Leaves holes where the source has them, so that huge sparse files stay cheap."""
    shift = out.tell() - piece.offset
    at, end = piece.offset, piece.offset + piece.length
    with open(piece.path, "rb", buffering=0) as source:
        while at < end:
            try:
                start = os.lseek(source.fileno(), at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # a hole up to the end of the file
                    return
                raise
            if start >= end:
                return
            at = min(os.lseek(source.fileno(), start, os.SEEK_HOLE), end)
            source.seek(start)
            out.seek(start + shift)
            shutil.copyfileobj(_Limited(source, at - start), out, _COPY_CHUNK)


class _Limited:
    def __init__(self, file, left):
        self.file, self.left = file, left

    def read(self, size):
        data = self.file.read(min(size, self.left))
        self.left -= len(data)
        return data
