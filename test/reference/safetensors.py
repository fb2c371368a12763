"""Reads and writes safetensors files; values are float64 in memory.

The format: 8 bytes of little-endian header length, a JSON header that gives
each tensor its dtype, shape and byte range, then the bytes.
"""

import json
import struct

import numpy as np

DTYPES = {"f64": "F64", "f32": "F32", "f16": "F16", "bf16": "BF16"}


def _bf16_to_float64(raw):
    bits = np.frombuffer(raw, dtype="<u2").astype(np.uint32) << np.uint32(16)
    return bits.view(np.float32).astype(np.float64)


def _to_bf16(values):
    """Rounds finite values to the nearest bfloat16, ties to even."""
    bits = np.asarray(values, dtype=np.float32).view(np.uint32).astype(np.uint64)
    bits += np.uint64(0x7FFF) + ((bits >> np.uint64(16)) & np.uint64(1))
    return (bits >> np.uint64(16)).astype("<u2")


_DECODE = {
    "F64": lambda raw: np.frombuffer(raw, dtype="<f8"),
    "F32": lambda raw: np.frombuffer(raw, dtype="<f4").astype(np.float64),
    "F16": lambda raw: np.frombuffer(raw, dtype="<f2").astype(np.float64),
    "BF16": _bf16_to_float64,
}
_ENCODE = {
    "F64": lambda values: np.asarray(values, dtype="<f8"),
    "F32": lambda values: np.asarray(values, dtype="<f4"),
    "F16": lambda values: np.asarray(values, dtype="<f2"),
    "BF16": _to_bf16,
}


def load(path):
    """Returns a dict of tensor name to float64 array."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = _DECODE[entry["dtype"]](data[begin:end])
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def save(path, tensors, dtype="f32", metadata=None):
    """Writes `tensors` (name to array), rounded to `dtype`.

    `dtype` is a key of DTYPES, or a function from a tensor's name to one.
    """
    header = {} if metadata is None else {"__metadata__": metadata}
    chunks = []
    offset = 0
    for name, values in tensors.items():
        kind = DTYPES[dtype(name) if callable(dtype) else dtype]
        raw = np.ascontiguousarray(_ENCODE[kind](values)).tobytes()
        header[name] = {
            "dtype": kind,
            "shape": list(np.shape(values)),
            "data_offsets": [offset, offset + len(raw)],
        }
        offset += len(raw)
        chunks.append(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for raw in chunks:
            file.write(raw)
