"""Pictures: the held-out list, rendering into one memory map, random compositions.

python data.py heldout   writes heldout.tsv (done once; the list is committed)
python data.py pack      renders all pictures into heldout.npz and training-*.npz
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).resolve().parent
HELDOUT_LIST = HERE / "heldout.tsv"
SIZE = 128  # pixels of a picture that the codec is meant for
STORED = 160  # pixels of a packed picture
HELDOUT_ONE_IN = 25
CLIPART_ONE_IN = 2  # half of the drawings are enough
PART = 1500  # training pictures a file
MAX_SVG_BYTES = 200_000  # larger ones take seconds to render
PEOPLE = ("1F468", "1F469", "1F9D1")  # man, woman, person: one picture in three dresses
SKIN_TONE = re.compile(r"1F3F[B-F]")
BLANK = (255, 255, 255)


class Picture(NamedTuple):
    set: str
    name: str
    group: str  # pictures of one group are all trained on or all held out
    path: Path


def hashed(name: str) -> int:
    """A fixed pseudo-random number that does not depend on any library version."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def emoji_group(code_points: str) -> str:
    first = code_points.upper().split("-")[0]
    return "emoji " + (PEOPLE[0] if first in PEOPLE else first)


def emoji(kind: str, folder: Path, suffix: str) -> list[Picture]:
    """All without skin tones, which would repeat a picture five times."""
    paths = sorted(folder.glob(f"*{suffix}"))
    plain = [p for p in paths if not SKIN_TONE.search(p.stem.upper())]
    return [Picture(kind, p.stem.upper(), emoji_group(p.stem), p) for p in plain]


def clipart_group(stem: str) -> str:
    return "clipart " + re.sub(r"[\d_]+", " ", stem).strip()


def clipart(folder: Path) -> list[Picture]:
    """Files of the same name are the same drawing in several folders."""
    by_name = {p.stem: p for p in sorted(folder.rglob("*.svg"), reverse=True) if p.is_file()}
    pictures = [Picture("clipart", n, clipart_group(n), p) for n, p in sorted(by_name.items())]
    kept = [p for p in pictures if hashed("kept " + p.name) % CLIPART_ONE_IN == 0]
    return [p for p in kept if p.path.stat().st_size <= MAX_SVG_BYTES]


def all_pictures(sources: Path, drawings: Path) -> list[Picture]:
    fluent = emoji("fluent", sources / "fluent-emoji-3d", ".webp")
    openmoji = emoji("openmoji", sources / "openmoji-svg", ".svg")
    return fluent + openmoji + clipart(drawings)


def choose_heldout(pictures: list[Picture]) -> list[Picture]:
    return [p for p in pictures if hashed(p.group) % HELDOUT_ONE_IN == 0]


def read_heldout(path: Path = HELDOUT_LIST) -> set[tuple[str, str]]:
    """(set, name)"""
    with open(path, encoding="utf-8", newline="") as f:
        rows = csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {(r["set"], r["name"]) for r in rows}


def write_heldout(path: Path, pictures: list[Picture]) -> None:
    lines = ["set\tname\tgroup"] + [f"{p.set}\t{p.name}\t{p.group}" for p in pictures]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def split(pictures: list[Picture]) -> tuple[list[Picture], list[Picture]]:
    """(training, held out) by the committed list; no group is in both."""
    listed = read_heldout()
    heldout = [p for p in pictures if (p.set, p.name) in listed]
    groups = {p.group for p in heldout}
    return [p for p in pictures if p.group not in groups], heldout


def rendered_svg(path: Path) -> Image.Image:
    side = str(STORED)
    command = ["rsvg-convert", "-w", side, "-h", side, "--keep-aspect-ratio", str(path)]
    found = subprocess.run(command, capture_output=True, timeout=20, check=True)
    return Image.open(io.BytesIO(found.stdout))


def drawn(path: Path) -> Image.Image:
    """RGBA of STORED x STORED with the picture in its middle."""
    picture = (rendered_svg(path) if path.suffix == ".svg" else Image.open(path)).convert("RGBA")
    picture.thumbnail((STORED, STORED), Image.Resampling.LANCZOS)
    canvas = Image.new("RGBA", (STORED, STORED), (255, 255, 255, 0))
    canvas.paste(picture, ((STORED - picture.width) // 2, (STORED - picture.height) // 2))
    return canvas


def is_blank(canvas: np.ndarray) -> bool:
    """Some drawings render to nothing, or to a speck."""
    return bool((canvas[..., 3] > 16).mean() < 0.03)


def pack(pictures: list[Picture], path: Path) -> None:
    found, names = [], []
    for picture in pictures:
        try:
            canvas = np.asarray(drawn(picture.path))
        except (subprocess.SubprocessError, OSError):
            continue  # broken drawings
        if not is_blank(canvas):
            found.append(canvas)
            names.append((picture.set, picture.name))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp.npz")
    np.savez(unfinished, pictures=np.stack(found), names=np.array(names))
    unfinished.rename(path)
    print(f"{path}: {len(found)} of {len(pictures)} pictures")


def training_pictures(packed: Path) -> np.ndarray:
    """[N, STORED, STORED, 4], all parts that are there."""
    parts = sorted(packed.glob("training-[0-9]*.npz"))
    return np.concatenate([np.load(p)["pictures"] for p in parts if ".tmp" not in p.name])


def on_colour(rgba: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    backdrop = Image.new("RGBA", rgba.size, (*colour, 255))
    return Image.alpha_composite(backdrop, rgba).convert("RGB")


def heldout_drawings(packed: Path) -> list[tuple[str, str, Image.Image]]:
    """(set, name, RGBA of SIZE x SIZE)"""
    file = np.load(packed / "heldout.npz")
    small = [
        Image.fromarray(p).resize((SIZE, SIZE), Image.Resampling.LANCZOS) for p in file["pictures"]
    ]
    return [(str(s), str(n), p) for (s, n), p in zip(file["names"], small, strict=True)]


def heldout_pictures(packed: Path) -> list[tuple[str, str, Image.Image]]:
    """(set, name, RGB of SIZE x SIZE on white): what the scores are about."""
    return [(s, n, on_colour(p, BLANK)) for s, n, p in heldout_drawings(packed)]


def folder_pictures(folder: Path) -> list[tuple[str, str, Image.Image]]:
    """Any pictures: the middle square, SIZE x SIZE."""
    found = []
    for path in sorted(folder.iterdir()):
        picture = on_colour(Image.open(path).convert("RGBA"), BLANK)
        found.append(("other", path.stem, ImageOps.fit(picture, (SIZE, SIZE))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("heldout", "pack"))
    parser.add_argument("--sources", type=Path, default=Path("data"))
    parser.add_argument("--clipart", type=Path, default=Path("/usr/share/openclipart/svg"))
    parser.add_argument("--out", type=Path, default=Path("packed"))
    args = parser.parse_args()
    pictures = all_pictures(args.sources, args.clipart)
    if args.what == "heldout":
        write_heldout(HELDOUT_LIST, choose_heldout(pictures))
        return
    training, heldout = split(pictures)
    pack(heldout, args.out / "heldout.npz")
    shuffled = sorted(training, key=lambda p: hashed("order " + p.name))
    for i in range(0, len(shuffled), PART):
        pack(shuffled[i : i + PART], args.out / f"training-{i // PART}.npz")


if __name__ == "__main__":
    main()
