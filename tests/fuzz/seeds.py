"""Writes the seed corpus beside this file: python3 tests/fuzz/seeds.py"""

import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def packed(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def split(header, data):
    """The other way the target reads its input: header, NUL, data."""
    return json.dumps(header, separators=(",", ":")).encode() + b"\0" + data


TWO = {"a": tensor("F32", [2], 0, 8), "b": tensor("BF16", [1, 2], 8, 12)}
TYPES = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4,
         "U16": 2, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "C64": 8}


def every_type():
    header, at = {}, 0
    for name, size in TYPES.items():
        header[name] = tensor(name, [], at, at + size)
        at += size
    return split(header, bytes(at))


SAFETENSORS = {
    "two": packed(TWO, bytes(12)),
    "two_split": split(TWO, bytes(12)),
    "types": every_type(),
    "metadata": packed({"__metadata__": {"format": "pt"}, **TWO}, bytes(12)),
    "none": packed({}),
    "zero": packed({"a": tensor("F32", [0, 3], 0, 0)}),
    "overlap": packed({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 2, 6)}, bytes(6)),
    "hole": packed({"a": tensor("U8", [4], 0, 4), "b": tensor("U8", [4], 5, 9)}, bytes(9)),
    "overflow": packed({"a": tensor("F32", [2**31, 2**31, 4], 0, 0)}),
    "long": packed(TWO, bytes(12), length=2**63),
    "deep": packed(b'{"a":' + b"[" * 20 + b"]" * 20 + b"}"),
    "twice": packed(b'{"a":{},"a":{}}'),
    "nul": packed(b"{}\0{}"),
    "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
}

CONFIG = {
    "codec": json.dumps({"model_type": "mimi", "sampling_rate": 24000.0, "num_filters": 64, "use_causal_conv": True,
                         "upsampling_ratios": [8, 6, 5, 4], "norm_eps": 1e-5, "sliding_window": None,
                         "rope_parameters": {"rope_theta": 10000.0}}).encode(),
    "numbers": b'{"a":-0,"b":9223372036854775808,"c":1e300,"d":-1e-300,"e":[1.0,2,65537]}',
    "strings": '{"é":"\\u0000\\ud83d\\ude00","":"x","a.b":{"c":1}}'.encode(),
    "twice": b'{"a":{"b":1,"b":2}}',
    "deep": b'{"a":' + b"[" * 70 + b"]" * 70 + b"}",
    "list": b"[1]",
    "nul": b'{"a":1}\0{"a":2}',
    "cut": b'{"a":',
}


def main():
    for target, seeds in {"safetensors": SAFETENSORS, "config": CONFIG}.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in seeds.items():
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
