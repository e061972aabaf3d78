# SPDX-License-Identifier: Apache-2.0
"""Prints what a GGUF holds, as JSON, by llama.cpp's own readers: `readers.py ggml LIBGGML_BASE FILE`, by the library in C;
`readers.py gguf-py FOLDER FILE`, by the Python package."""

import ctypes
import hashlib
import json
import math
import sys
import types

TYPES = ["u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"]


def read_with_ggml(library, path):
    """Through the C functions, with the data loaded by them as well."""
    ggml = ctypes.CDLL(library)

    class Params(ctypes.Structure):
        _fields_ = [("no_alloc", ctypes.c_bool), ("context", ctypes.POINTER(ctypes.c_void_p))]

    def call(name, result, *arguments):
        function = getattr(ggml, name)
        function.restype = result
        return function(*arguments)

    data = ctypes.c_void_p()
    params = Params(False, ctypes.pointer(data))
    gguf = ctypes.c_void_p(call("gguf_init_from_file", ctypes.c_void_p, path.encode(), params))
    if not gguf.value:
        raise SystemExit("gguf_init_from_file refuses it")

    def at(index):
        return gguf, ctypes.c_int64(index)

    numbers = dict(u8=ctypes.c_uint8, i8=ctypes.c_int8, u16=ctypes.c_uint16, i16=ctypes.c_int16, u32=ctypes.c_uint32,
                   i32=ctypes.c_int32, f32=ctypes.c_float, u64=ctypes.c_uint64, i64=ctypes.c_int64, f64=ctypes.c_double,
                   bool=ctypes.c_bool)

    def text(raw):
        return raw.decode("utf-8", "replace")

    keys = {}
    for i in range(call("gguf_get_n_kv", ctypes.c_int64, gguf)):
        kind = TYPES[call("gguf_get_kv_type", ctypes.c_int, *at(i))]
        key = {"type": kind}
        if kind == "array":
            element = key["element_type"] = TYPES[call("gguf_get_arr_type", ctypes.c_int, *at(i))]
            count = call("gguf_get_arr_n", ctypes.c_size_t, *at(i))
            if element == "string":
                key["value"] = [text(call("gguf_get_arr_str", ctypes.c_char_p, *at(i), ctypes.c_size_t(j)))
                                for j in range(count)]
            else:
                address = call("gguf_get_arr_data", ctypes.c_void_p, *at(i))
                key["value"] = list((numbers[element] * count).from_address(address)) if count else []
        elif kind == "string":
            key["value"] = text(call("gguf_get_val_str", ctypes.c_char_p, *at(i)))
        else:
            key["value"] = call(f"gguf_get_val_{kind}", numbers[kind], *at(i))
        keys[text(call("gguf_get_key", ctypes.c_char_p, *at(i)))] = key

    tensors = []
    start = call("gguf_get_data_offset", ctypes.c_size_t, gguf)
    for i in range(call("gguf_get_n_tensors", ctypes.c_int64, gguf)):
        name = call("gguf_get_tensor_name", ctypes.c_char_p, *at(i))
        tensor = ctypes.c_void_p(call("ggml_get_tensor", ctypes.c_void_p, data, name))
        content = ctypes.string_at(call("ggml_get_data", ctypes.c_void_p, tensor),
                                   call("ggml_nbytes", ctypes.c_size_t, tensor))
        tensors.append({
            "name": text(name),
            "type_id": call("gguf_get_tensor_type", ctypes.c_int, *at(i)),
            "shape": list((ctypes.c_int64 * 4).from_address(call("gguf_get_tensor_ne", ctypes.c_void_p, *at(i)))),
            "offset": start + call("gguf_get_tensor_offset", ctypes.c_size_t, *at(i)),
            "sha256": hashlib.sha256(content).hexdigest()})
    return {"keys": keys, "tensors": tensors}


def read_with_gguf_py(folder, path):
    # The package itself imports more than its reader needs.
    package = types.ModuleType("gguf")
    package.__path__ = [f"{folder}/gguf"]
    sys.modules["gguf"] = package
    from gguf.gguf_reader import GGUFReader

    reader = GGUFReader(path)
    keys = {}
    for name, field in reader.fields.items():
        if name.startswith("GGUF."):
            continue
        kinds = [TYPES[kind] for kind in field.types]
        value = field.contents()
        key = keys[name] = {"type": kinds[0], "value": value}
        if kinds[0] == "array":
            key["element_type"] = kinds[1] if len(kinds) > 1 else None
    tensors = [{"name": tensor.name, "type_id": int(tensor.tensor_type), "shape": [int(n) for n in tensor.shape],
                "offset": int(tensor.data_offset), "sha256": hashlib.sha256(tensor.data.tobytes()).hexdigest()}
               for tensor in reader.tensors]
    return {"keys": keys, "tensors": tensors}


def exact(value):
    """What JSON and JavaScript cannot hold becomes text."""
    if isinstance(value, dict):
        return {name: exact(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [exact(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and abs(value) > 2**53:
        return str(value)
    return value


if __name__ == "__main__":
    read = {"ggml": read_with_ggml, "gguf-py": read_with_gguf_py}[sys.argv[1]]
    json.dump(exact(read(*sys.argv[2:])), sys.stdout)
