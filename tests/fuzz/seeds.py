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


def chunk(name, data, length=None):
    return name + struct.pack("<I", len(data) if length is None else length) + data + b"\0" * (len(data) % 2)


def fmt(tag, channels, rate, bits, extra=b""):
    step = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * step, step, bits) + extra)


def riff(*chunks, length=None, magic=b"RIFF"):
    body = b"WAVE" + b"".join(chunks)
    return magic + struct.pack("<I", len(body) if length is None else length) + body


PCM = fmt(1, 1, 8000, 16)
GUID = struct.pack("<HHIH", 22, 24, 3, 3) + bytes.fromhex("000000001000800000aa00389b71")
DS64 = chunk(b"ds64", struct.pack("<QQQI", 72, 8, 4, 0))

WAV = {
    "s16": riff(PCM, chunk(b"data", bytes(8))),
    "u8_odd": riff(fmt(1, 1, 8000, 8), chunk(b"data", b"abc")),
    "s24_stereo": riff(fmt(1, 2, 44100, 24), chunk(b"data", bytes(12))),
    "f32": riff(fmt(3, 1, 48000, 32), chunk(b"data", struct.pack("<2f", 0.5, float("nan")))),
    "f64": riff(fmt(3, 1, 48000, 64), chunk(b"data", struct.pack("<d", 1e300))),
    "extensible": riff(fmt(0xFFFE, 2, 48000, 24, GUID), chunk(b"data", bytes(12))),
    "streaming": riff(PCM, chunk(b"data", bytes(6), length=2**32 - 1), length=2**32 - 1),
    "truncated": riff(PCM, chunk(b"data", bytes(2), length=8)),
    "rf64": riff(DS64, PCM, chunk(b"data", bytes(8), length=2**32 - 1), length=2**32 - 1, magic=b"RF64"),
    "list_first": riff(chunk(b"LIST", b"INFO"), PCM, chunk(b"data", bytes(4))),
    "twice": riff(PCM, PCM, chunk(b"data", bytes(4)), chunk(b"data", bytes(4))),
    "no_channels": riff(fmt(1, 0, 8000, 16), chunk(b"data", bytes(4))),
    "alaw": riff(fmt(6, 1, 8000, 8), chunk(b"data", bytes(4))),
}


def line(**fields):
    record = {"input": "a.wav", "status": "ok", "kind": "audio", "codec": "mimi", "math": "exact", "sample_rate": 24000,
              "channels": 1, "samples": 3840, "frame_rate": 12.5, "frames": 2, "levels": 2, "codes": [[1, 2], [3, 4]]}
    return json.dumps({**record, **fields}, separators=(",", ":")).encode()


CODES = {
    "whole": line(),
    "part": b'{"input":"a.wav","frame":7,"codes":[[1],[2]]}',
    "multi_rate": line(levels=3, level_rates=[12.5, 25, 50], codes=[[1], [2, 3], [4, 5, 6, 7]], frames=1),
    "chunks": line(channels=2, chunks=[1, 1], scales=[0.5, 1e-8]),
    "bad_chunks": line(channels=2, chunks=[3, -1], scales=[0, "x"]),
    "range": line(codes=[[64, 2], [3, 4]]),
    "ragged": line(codes=[[1, 2], [3]]),
    "types": line(codes=[[1.5, "2"], [None, []]], samples=-1, frames=2**70),
    "deep": b'{"codes":' + b"[" * 20 + b"]" * 20 + b"}",
    "error": b'{"input":"b","status":"error","error":"b: cut","reason":"corrupt_media"}',
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

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False}
BLANK = {"String": "\u2581"}
FALL_BACK = {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": BLANK, "content": " "},
                                              {"type": "ByteFallback"}, {"type": "Fuse"},
                                              {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}


def tokenizer(text, vocab, merges, decoder, model=(), **parts):
    """A tokenizer.json, NUL, a text; "@" in a vocabulary stands for all bytes, see fuzz_tokenizer.cc."""
    file = {**parts, "decoder": decoder, "model": {**dict(model), "vocab": vocab, "merges": merges}}
    return json.dumps(file, separators=(",", ":"), ensure_ascii=False).encode() + b"\0" + text.encode()


def split_at(regex, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}


def sequence(key, *parts):
    return {"type": "Sequence", key: list(parts)}


def added(number, content, **flags):
    return {"id": number, "content": content, **flags}


WORDS = {"@": 0, "th": 256, "the": 257, "\u0120the": 258}
PIECES = {"<unk>": 0, "<s>": 1, "a": 2, "b": 3, "\u2581": 4, "ab": 5, "\u2581ab": 6, "<0xC3>": 7, "<0xA9>": 8}
TEMPLATE = {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<s>"}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1]}}}
GROWING = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
TOKENIZER = {
    "byte_level": tokenizer("the other, it's\n\n 12 caf\u00e9", WORDS, ["t h", ["th", "e"], "\u0120 the"], BYTE_LEVEL,
                            pre_tokenizer=BYTE_LEVEL),
    "patterns": tokenizer(
        "We'LL see 12345  \n", WORDS, ["t h"], BYTE_LEVEL, normalizer={"type": "NFC"},
        pre_tokenizer=sequence("pretokenizers", split_at(r"(?i:'s|'ll)|\p{L}+|\p{N}{1,3}|\s+(?!\S)|\s", "Removed", True),
                               {"type": "Digits", "individual_digits": True},
                               split_at(r"[^\r\n\w]?(?<=a)\d", "Contiguous"),
                               {"type": "ByteLevel", "use_regex": False})),
    "fall_back": tokenizer(
        " ab\u00e9 \u4e00", PIECES, ["a b", "\u2581 ab"], FALL_BACK, {"byte_fallback": True, "unk_token": "<unk>"},
        normalizer=sequence("normalizers", {"type": "Prepend", "prepend": "\u2581"},
                            {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}),
        added_tokens=[added(0, "<unk>", special=True), added(1, "<s>", special=True)], post_processor=TEMPLATE),
    "metaspace": tokenizer("ab ab", PIECES, [["a", "b"]], FALL_BACK, {"fuse_unk": True, "unk_token": "<unk>"},
                           pre_tokenizer={"type": "Metaspace", "prepend_scheme": "first", "split": False}),
    "added": tokenizer(
        "ab <mask> word sword <e> ", PIECES, ["a b"], FALL_BACK, {"ignore_merges": True, "unk_token": "<unk>"},
        pre_tokenizer=sequence("pretokenizers", split_at("a", "MergedWithNext"), split_at("b", "MergedWithPrevious")),
        added_tokens=[added(9, "<mask>", lstrip=True), added(10, "word", single_word=True, normalized=True),
                      added(12, "<e>", rstrip=True)]),
    "growing": tokenizer("aaaa", PIECES, [], FALL_BACK, {"unk_token": "<unk>"},
                         normalizer=sequence("normalizers", *[GROWING] * 40)),
    "growing_token": tokenizer("aaaa", PIECES, [], sequence("decoders", {"type": "ByteFallback"}, *[GROWING] * 40)),
    "backtracks": tokenizer("a" * 60 + "b", {"@": 0}, [], BYTE_LEVEL,
                            pre_tokenizer=sequence("pretokenizers", split_at(r"(a+a+)+$"), BYTE_LEVEL)),
    "verb": tokenizer("a", {"@": 0}, [], BYTE_LEVEL, pre_tokenizer=sequence("pretokenizers", split_at("(*UTF)a{,\u00e9"))),
    "far": tokenizer("", {"a": 70000}, [], FALL_BACK),
    "twice": tokenizer("", {"a": 1, "b": 1}, [], FALL_BACK),
    "no_byte": tokenizer("", {"a": 1}, [], BYTE_LEVEL, pre_tokenizer=BYTE_LEVEL),
    "unigram": tokenizer("", {}, [], FALL_BACK, {"type": "Unigram"}),
}

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "images" / "files"
# What the first byte of an input picks, see fuzz_image.cc; 8 more allows cut files.
IMAGE = {
    name: bytes([reader]) + (GOLDEN / name).read_bytes()[:2000]
    for name, reader in {
        "oriented_6.jpg": 0, "cmyk.jpg": 8, "progressive.jpg": 0, "palette_alpha.png": 1, "interlaced.png": 9,
        "grey_key.png": 1, "oriented_3.png": 1, "oriented_3.webp": 2, "grey_lossy.webp": 2, "palette.bmp": 3,
        "bilevel.bmp": 3, "bilevel.tif": 4, "grey16.tif": 4, "bilevel.gif": 5,
        "placed_rgba_lossy.webp": 2, "extra1.tif": 4,
    }.items()
}
IMAGE["exif"] = bytes([6]) + b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, 6, 0, 0)


def main():
    targets = {"safetensors": SAFETENSORS, "config": CONFIG, "wav": WAV, "codes": CODES, "image": IMAGE,
               "tokenizer": TOKENIZER}
    for target, seeds in targets.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in seeds.items():
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
