"""Golden pictures: files of many formats and what Pillow makes of them, resizing, processors.

`images/files/` holds the files; `images/NAME.txt` describes what `images/NAME.bin` holds, one entry a line:

* `decoded`: FILE ROWS COLUMNS OFFSET, uint8 RGB: exif_transpose(), alpha composited on white, convert("RGB")
* `resized`: FILTER ROWS COLUMNS (of the input) ROWS COLUMNS OFFSET, uint8 RGB: Image.resize() of the pattern below
* `processed`: CONFIG ROWS COLUMNS (of the input) ROWS COLUMNS OFFSET, float32 [row, column, channel]: the processor of
  transformers that `images/processors/CONFIG.json` names, on the pattern
* `restored` (no .bin): CONFIG and the 768 samples that JanusImageProcessor.postprocess() gives back
* `sizes` (no .bin): CONFIG ROWS COLUMNS ROWS COLUMNS, what the processor resizes to

Everything comes from Pillow and transformers; only the rules of Emu3.5 and LlamaGen, which have no package, are
written out here.
"""

from __future__ import annotations

import io
import json
import math
import struct
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps
from transformers.image_transforms import get_resize_output_image_size
from transformers.models.chameleon.image_processing_pil_chameleon import ChameleonImageProcessorPil
from transformers.models.emu3.image_processing_emu3 import Emu3ImageProcessor
from transformers.models.emu3.image_processing_emu3 import smart_resize
from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil

HERE = Path(__file__).resolve().parent / "images"
FILES = HERE / "files"
FILTERS = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]  # by Pillow's number


def pattern(rows: int, columns: int) -> np.ndarray:
    """Smooth gradients, hard edges and noise; integers only, so that a test can make the same."""
    y, x, c = np.meshgrid(np.arange(rows), np.arange(columns), np.arange(3), indexing="ij")
    noise = (x * 7919 + y * 104729 + c * 1299709 + x * y * 31) % 251
    smooth = (x * 5 * (c + 1) + y * 3) % 256
    edges = 255 * ((x // 5 + y // 7 + c) % 2)
    return np.where((x + y) % 3 == 0, noise, np.where(y % 2 == 0, smooth, edges)).astype(np.uint8)


class Blob:
    """A .bin and the .txt that says where what is; equal contents are stored once."""

    def __init__(self, name: str) -> None:
        self.name, self.data, self.lines, self.seen = name, bytearray(), [], {}

    def add(self, *words: object, content: bytes) -> None:
        if content not in self.seen:
            self.seen[content] = len(self.data)
            self.data += content
        self.lines.append(" ".join(map(str, [*words, self.seen[content]])))

    def store(self) -> None:
        (HERE / f"{self.name}.bin").write_bytes(bytes(self.data))
        (HERE / f"{self.name}.txt").write_text("\n".join(self.lines) + "\n")


# ---------------------------------------------------------------------------------------------
# files


def as_reference(path: Path) -> np.ndarray:
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith("I;16"):  # convert() would clip at 255: the high byte instead, as Pillow does for colour
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))


def pictures() -> dict[str, Image.Image]:
    rows, columns = 23, 37
    colour = Image.fromarray(pattern(rows, columns))
    smooth = Image.fromarray(np.add.outer(np.arange(rows) * 5, np.arange(columns) * 3).astype(np.uint8))
    y, x = np.mgrid[0:rows, 0:columns]
    alpha = Image.fromarray(((x * 11 + y * 5) % 256).astype(np.uint8))
    return {
        "rgb": colour,
        "rgba": Image.merge("RGBA", (*colour.split(), alpha)),
        "grey": smooth,
        "grey_alpha": Image.merge("LA", (smooth, alpha)),
        "palette": colour.convert("P", palette=Image.Palette.ADAPTIVE, colors=60),
        "palette4": colour.convert("P", palette=Image.Palette.ADAPTIVE, colors=14),
        "bilevel": smooth.convert("1"),
        "grey16": Image.fromarray((x * 1777 + y * 311).astype(np.uint16)),
        "cmyk": colour.convert("CMYK"),
    }


def save(image: Image.Image, name: str, **options: object) -> None:
    image.save(FILES / name, **options)


def save_jpegs(source: dict[str, Image.Image]) -> None:
    for sampling in (0, 1, 2):
        save(source["rgb"], f"rgb_{sampling}.jpg", quality=85, subsampling=sampling)
    save(source["rgb"], "progressive.jpg", quality=70, progressive=True)
    save(source["rgb"], "restarts.jpg", quality=85, restart_marker_blocks=2)
    save(source["grey"], "grey.jpg", quality=85)
    save(source["cmyk"], "cmyk.jpg", quality=85)


def save_pngs(source: dict[str, Image.Image]) -> None:
    for name in ("rgb", "rgba", "grey", "grey_alpha", "palette", "palette4", "bilevel", "grey16"):
        save(source[name], f"{name}.png")
    save(source["palette"], "palette_key.png", transparency=3)
    save(source["palette"], "palette_alpha.png", transparency=bytes(range(0, 240, 4)))
    save(source["rgb"], "rgb_key.png", transparency=tuple(source["rgb"].getpixel((4, 3))))
    save(source["grey"], "grey_key.png", transparency=source["grey"].getpixel((7, 5)))
    frames = [source["rgb"], source["rgb"].transpose(Image.Transpose.ROTATE_180)]
    save(frames[0], "animated.png", save_all=True, append_images=frames[1:], duration=100)
    (FILES / "rgb16.png").write_bytes(png16(source["rgb"]))
    (FILES / "interlaced.png").write_bytes(interlaced(source["rgb"]))
    upright = (FILES / "rgb.png").read_bytes()
    exif = struct.pack(">HHIHHHIHHI", 0x4D4D, 42, 8, 1, 0x0112, 3, 1, 8, 0, 0)
    (FILES / "oriented_late.png").write_bytes(upright[:-12] + chunk(b"eXIf", exif) + upright[-12:])


def chunk(kind: bytes, data: bytes) -> bytes:
    import zlib

    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(header: bytes, lines: bytes) -> bytes:
    import zlib

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def png16(image: Image.Image) -> bytes:
    """16-bit colour, which Pillow reads but does not write."""
    samples = np.asarray(image).astype(np.uint16) * 257
    samples ^= 0x55  # low bytes that must not matter
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return png(struct.pack(">IIBBBBB", image.width, image.height, 16, 2, 0, 0, 0), lines)


def interlaced(image: Image.Image) -> bytes:
    samples = np.asarray(image)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    lines = b"".join(
        b"\0" + row.tobytes() for top, left, down, right in passes for row in samples[top::down, left::right]
    )
    return png(struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 1), lines)


def save_bmps(source: dict[str, Image.Image]) -> None:
    for name in ("rgb", "grey", "palette", "bilevel"):
        save(source[name], f"{name}.bmp")
    samples = np.asarray(source["rgb"])
    height, width = samples.shape[:2]
    bottom_up = np.dstack([samples[..., ::-1], np.full((height, width), 77, np.uint8)])[::-1].tobytes()
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 32, 0, len(bottom_up), 0, 0, 0, 0)
    (FILES / "rgb32.bmp").write_bytes(b"BM" + struct.pack("<IHHI", 54 + len(bottom_up), 0, 0, 54) + header + bottom_up)
    top_down = b"".join(row[:, ::-1].tobytes() + b"\0" * (-3 * width % 4) for row in samples)
    header = struct.pack("<IiiHHIIiiII", 40, width, -height, 1, 24, 0, len(top_down), 0, 0, 0, 0)
    (FILES / "top_down.bmp").write_bytes(b"BM" + struct.pack("<IHHI", 54 + len(top_down), 0, 0, 54) + header + top_down)


def tiff(samples: np.ndarray, order: str, extra: int, strip: int | None) -> bytes:
    """Uncompressed, with a fourth sample, which Pillow writes as 8-bit alpha alone; in tiles of 16 x 32 without `strip`."""
    rows, columns, count = samples.shape
    wide = samples.astype(samples.dtype.newbyteorder(order))
    if strip is None:
        padded = np.pad(wide, ((0, -rows % 16), (0, -columns % 32), (0, 0)), constant_values=99)
        corners = [(r, c) for r in range(0, rows, 16) for c in range(0, columns, 32)]
        parts = [padded[r : r + 16, c : c + 32].tobytes() for r, c in corners]
    else:
        parts = [wide[r : r + strip].tobytes() for r in range(0, rows, strip)]
    starts = np.cumsum([8] + [len(p) for p in parts])
    bits = 8 * samples.itemsize
    tags: dict[int, tuple[str, list[int]]] = {
        256: ("I", [columns]), 257: ("I", [rows]), 258: ("H", [bits] * count), 259: ("H", [1]), 262: ("H", [2]),
        277: ("H", [count]), 284: ("H", [1]), 338: ("H", [extra]),
    }  # fmt: skip
    if strip is None:
        tags |= {322: ("I", [32]), 323: ("I", [16]), 324: ("I", starts[:-1].tolist()), 325: ("I", [len(p) for p in parts])}
    else:
        tags |= {273: ("I", starts[:-1].tolist()), 278: ("I", [strip]), 279: ("I", [len(p) for p in parts])}
    more = starts[-1] + 2 + 12 * len(tags) + 4
    entries, behind = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        data = struct.pack(f"{order}{len(values)}{kind}", *values)
        where = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(order + "I", more + len(behind))
        behind += b"" if len(data) <= 4 else data
        entries += struct.pack(order + "HHI", tag, 3 if kind == "H" else 4, len(values)) + where
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, starts[-1])
    return head + b"".join(parts) + struct.pack(order + "H", len(tags)) + entries + b"\0\0\0\0" + behind


def save_tiffs(source: dict[str, Image.Image]) -> None:
    for name in ("rgb", "grey", "palette", "bilevel", "grey16", "cmyk"):
        save(source[name], f"{name}.tif")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        save(source["rgb"], f"rgb_{compression}.tif", compression=compression)
    save(source["grey_alpha"], "grey_alpha.tif")
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        save(source["rgba"], f"rgba_{compression}.tif", compression=compression)
    samples = np.asarray(source["rgba"])
    for extra in (0, 1, 2):
        (FILES / f"extra{extra}.tif").write_bytes(tiff(samples, "<", extra, 5))
        (FILES / f"extra{extra}_16.tif").write_bytes(tiff(samples.astype(np.uint16) * 257 ^ 0x55, ">", extra, 23))
    (FILES / "rgba_tiles.tif").write_bytes(tiff(samples, ">", 2, None))


def webp_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def webp_frame(image: Image.Image, column: int, row: int, **options: object) -> bytes:
    """A frame of an animation: the chunks of a still behind VP8X, if there is one, and its place."""
    still = io.BytesIO()
    image.save(still, "webp", **options)
    data = still.getvalue()[12:]
    if data.startswith(b"VP8X"):
        data = data[18:]
    sides = [column // 2, row // 2, image.width - 1, image.height - 1, 100]
    return webp_chunk(b"ANMF", b"".join(struct.pack("<I", n)[:3] for n in sides) + b"\2" + data)


def animated_webp(size: tuple[int, int], alpha: bool, frames: list[bytes]) -> bytes:
    sides = b"".join(struct.pack("<I", n - 1)[:3] for n in size)
    head = webp_chunk(b"VP8X", struct.pack("<I", 2 + 16 * alpha) + sides)
    body = b"WEBP" + head + webp_chunk(b"ANIM", struct.pack("<IH", 0xFF8040C0, 0)) + b"".join(frames)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def save_animated_webps(source: dict[str, Image.Image]) -> None:
    """By Pillow, and with first frames that leave some of the canvas free."""
    for name in ("rgb", "rgba"):
        turned = source[name].transpose(Image.Transpose.ROTATE_180)
        save(source[name], f"animated_{name}.webp", save_all=True, append_images=[turned], duration=100, quality=80)
    second = webp_frame(source["grey"].convert("RGB"), 0, 0, lossless=True)
    for name, alpha, options in (
        ("rgb", False, {"quality": 70}),
        ("rgb", True, {"lossless": True}),
        ("rgba", True, {"quality": 70}),
        ("rgba", True, {"lossless": True}),
    ):
        kind = "lossless" if "lossless" in options else "lossy"
        frames = [webp_frame(source[name], 4, 2, **options), second]
        path = FILES / f"placed_{name}_{kind}.webp"
        path.write_bytes(animated_webp((50, 31), alpha, frames))


def save_others(source: dict[str, Image.Image]) -> None:
    for name in ("rgb", "rgba", "grey"):
        save(source[name], f"{name}_lossless.webp", lossless=True)
        save(source[name], f"{name}_lossy.webp", quality=80)
    save_animated_webps(source)
    for name in ("palette", "grey", "bilevel"):
        save(source[name], f"{name}.gif")
    save(source["palette"], "palette_key.gif", transparency=3)
    save(source["palette"], "animated.gif", save_all=True, append_images=[source["palette"].rotate(180)], duration=100)
    save(source["palette"], "interlaced.gif", interlace=1)


def save_oriented(source: dict[str, Image.Image]) -> None:
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(source["rgb"], f"oriented_{orientation}.jpg", quality=85, exif=exif)
        for extension in ("png", "webp", "tif"):
            if orientation in (3, 6):
                save(source["rgb"], f"oriented_{orientation}.{extension}", exif=exif)


def add_files() -> None:
    FILES.mkdir(parents=True, exist_ok=True)
    source = pictures()
    for step in (save_jpegs, save_pngs, save_bmps, save_tiffs, save_others, save_oriented):
        step(source)
    blob = Blob("decoded")
    for path in sorted(FILES.iterdir()):
        decoded = as_reference(path)
        blob.add(path.name, *decoded.shape[:2], content=decoded.tobytes())
    blob.store()


# ---------------------------------------------------------------------------------------------
# resizing

RESIZES = [
    ((7, 5), (3, 4)),
    ((13, 29), (31, 17)),
    ((40, 64), (16, 16)),
    ((33, 57), (1, 1)),
    ((1, 1), (5, 3)),
    ((2, 300), (9, 7)),
    ((300, 2), (5, 40)),
    ((24, 24), (24, 11)),
    ((24, 24), (50, 24)),
    ((97, 3), (2, 90)),
]


def add_resizes() -> None:
    blob = Blob("resized")
    for (rows, columns), (new_rows, new_columns) in RESIZES:
        image = Image.fromarray(pattern(rows, columns))
        for number, name in enumerate(FILTERS):
            result = np.asarray(image.resize((new_columns, new_rows), resample=number))
            blob.add(name, rows, columns, new_rows, new_columns, content=result.tobytes())
    blob.store()


# ---------------------------------------------------------------------------------------------
# processors

HALF = [0.5, 0.5, 0.5]
CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}


def processors() -> dict[str, object]:
    chameleon = {"size": {"shortest_edge": 24}, "crop_size": {"height": 24, "width": 24}}
    smart = {"min_pixels": 16 * 16, "max_pixels": 32 * 32, "spatial_factor": 4}
    return {
        "chameleon": ChameleonImageProcessorPil(**chameleon),
        "chameleon_small": ChameleonImageProcessorPil(
            size={"shortest_edge": 9}, crop_size={"height": 14, "width": 11}, resample=3
        ),
        "janus": JanusImageProcessorPil(size={"height": 24, "width": 24}, min_size=5, image_mean=HALF, image_std=HALF),
        "janus_clip": JanusImageProcessorPil(size={"height": 21, "width": 21}, min_size=7, **CLIP),
        "emu3": Emu3ImageProcessor(image_mean=HALF, image_std=HALF, **smart),
        "emu3_clip": Emu3ImageProcessor(min_pixels=30 * 30, max_pixels=50 * 50, spatial_factor=8),
    }


INPUTS = [(20, 31), (64, 40), (11, 13), (37, 37), (90, 21)]


def pixel_values(processor: object, rows: int, columns: int) -> np.ndarray:
    values = processor(Image.fromarray(pattern(rows, columns)), return_tensors="np")["pixel_values"]
    return np.asarray(values, np.float32).reshape(3, *np.shape(values)[-2:]).transpose(1, 2, 0)


def add_processors() -> None:
    (HERE / "processors").mkdir(exist_ok=True)
    blob, restored = Blob("processed"), []
    for name, processor in processors().items():
        (HERE / "processors" / f"{name}.json").write_text(json.dumps(processor.to_dict(), indent=1, default=str) + "\n")
        for rows, columns in INPUTS:
            values = np.ascontiguousarray(pixel_values(processor, rows, columns))
            blob.add(name, rows, columns, *values.shape[:2], content=values.tobytes())
        if name.startswith("janus"):
            restored.append(" ".join(map(str, [name, *restored_samples(processor)])))
    blob.store()
    (HERE / "restored.txt").write_text("\n".join(restored) + "\n")


def restored_samples(processor: JanusImageProcessorPil) -> list[int]:
    """Of a ramp from -1.2 to 1.2: value i goes to every channel; channels in turn."""
    ramp = (np.arange(768, dtype=np.float32) - 384) / 320
    image = np.ascontiguousarray(ramp.reshape(16, 16, 3).transpose(2, 0, 1))
    result = processor.postprocess([image], return_tensors="np", input_data_format="channels_first")["pixel_values"][0]
    return np.asarray(result).transpose(1, 2, 0).reshape(-1).tolist()


def emu35_size(rows: int, columns: int, area: int) -> tuple[int, int]:
    high = int(math.sqrt(area * rows / columns))
    wide = int(high * columns / rows)
    return (high + 8) // 16 * 16, (wide + 8) // 16 * 16


def llamagen_size(rows: int, columns: int, edge: int) -> tuple[int, int]:
    while min(rows, columns) >= 2 * edge:
        rows, columns = rows // 2, columns // 2
    scale = edge / min(rows, columns)
    return round(rows * scale), round(columns * scale)


def janus_size(rows: int, columns: int, edge: int, least: int) -> tuple[int, int]:
    image = JanusImageProcessorPil(min_size=least).resize(
        np.zeros((3, rows, columns), np.uint8), size_dict(edge), min_size=least, resample=0
    )
    return image.shape[-2:]


def size_dict(edge: int) -> object:
    from transformers.image_utils import SizeDict

    return SizeDict(height=edge, width=edge)


def add_sizes() -> None:
    generator = np.random.Generator(np.random.PCG64(5))
    lines = []
    for _ in range(120):
        rows, columns = (int(v) for v in np.exp(generator.uniform(np.log(12), np.log(3000), 2)))
        dummy = np.zeros((1, rows, columns), np.uint8)
        sizes = {
            "shortest_edge": get_resize_output_image_size(dummy, 512, False, input_data_format="channels_first"),
            "longest_edge": janus_size(rows, columns, 384, 14),
            "pixel_range": smart_resize(rows, columns, 8, 512 * 512, 1024 * 1024),
            "qwen": smart_resize(rows, columns, 28, 56 * 56, 28 * 28 * 1280),
            "target_area": emu35_size(rows, columns, 1024 * 1024),
            "halving": llamagen_size(rows, columns, 256),
        }
        lines += [f"{name} {rows} {columns} {size[0]} {size[1]}" for name, size in sizes.items()]
    (HERE / "sizes.txt").write_text("\n".join(lines) + "\n")


def main() -> None:
    add_files()
    add_resizes()
    add_processors()
    add_sizes()
    from importlib.metadata import version

    libraries = {name: version(name) for name in ("pillow", "numpy", "transformers")}
    libraries["libjpeg-turbo"] = PIL.features.version("libjpeg_turbo")
    (HERE / "versions.json").write_text(json.dumps(libraries, indent=1) + "\n")


if __name__ == "__main__":
    import PIL.features

    main()
