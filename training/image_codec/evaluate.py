"""Scores the shipped weights, or pictures that another program decoded, on the held-out set.

python evaluate.py --model export --save pictures        round trip by this PyTorch model
python evaluate.py --model export --decoded folder       folder/SET-NAME.png by another program
python evaluate.py --model export --textured             the same drawings on textured backdrops
python evaluate.py --model export --pictures folder      any pictures

PSNR (of 8-bit RGB) and SSIM (Gaussian window) are means over pictures of 128 x 128 on white.
"Tile means" is what one colour for each square of 8 x 8, 24 bits instead of one code, would give.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from compose import backdrop_of_kind
from data import BLANK, SIZE, folder_pictures, heldout_drawings, heldout_pictures
from export import as_input, as_picture, load_shipped
from model import VQModel

SHEET_COLUMNS = 6
SHEET_PICTURES = 48
Row = dict[str, Any]


def psnr(picture: np.ndarray, decoded: np.ndarray) -> float:
    return float(peak_signal_noise_ratio(picture, decoded, data_range=255))


def ssim(picture: np.ndarray, decoded: np.ndarray) -> float:
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(
        structural_similarity(picture, decoded, data_range=255, channel_axis=-1, **options)
    )


def tile_means(picture: np.ndarray, side: int) -> np.ndarray:
    rows, columns, channels = picture.shape
    tiles = picture.reshape(rows // side, side, columns // side, side, channels)
    means = tiles.mean(axis=(1, 3), keepdims=True)
    return np.broadcast_to(means.round(), tiles.shape).reshape(picture.shape).astype(np.uint8)


def drawn_part(picture: np.ndarray) -> np.ndarray:
    """Pixels of the box around everything that is not white."""
    rows, columns = np.nonzero((picture != np.array(BLANK)).any(axis=-1))
    window = np.zeros(picture.shape[:2], dtype=bool)
    window[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
    return window


def score(picture: Image.Image, decoded: Image.Image) -> Row:
    a, b = np.asarray(picture), np.asarray(decoded)
    window = drawn_part(a)
    return {
        "psnr": psnr(a, b),
        "ssim": ssim(a, b),
        "psnr_drawn": psnr(a[window], b[window]),
        "psnr_tile_means": psnr(a, tile_means(a, 8)),
    }


def round_trip(model: VQModel, picture: Image.Image) -> tuple[np.ndarray, Image.Image]:
    codes = model.encode(as_input(picture))
    return codes.flatten().numpy(), as_picture(model.decode(codes))


def code_use(rows: list[Row], size: int) -> Row:
    counts = np.bincount(np.concatenate([r["codes"] for r in rows]), minlength=size)
    share = counts[counts > 0] / counts.sum()
    entropy = float(-(share * np.log2(share)).sum())
    return {"codes_met": int((counts > 0).sum()), "entropy_bits": entropy}


def summarise(rows: list[Row], size: int) -> Row:
    keys = ("psnr", "ssim", "psnr_drawn", "psnr_tile_means")
    summary: Row = {key: float(np.mean([r[key] for r in rows])) for key in keys}
    summary["pictures"] = len(rows)
    summary["psnr_worst_tenth"] = float(np.quantile([r["psnr"] for r in rows], 0.1))
    summary["ids_per_picture"] = max(len(r["codes"]) for r in rows)
    return summary | code_use(rows, size)


def contact_sheet(pairs: list[tuple[Image.Image, Image.Image]]) -> Image.Image:
    """Each picture with what came back at its right."""
    width, height = pairs[0][0].size
    lines = -(-len(pairs) // SHEET_COLUMNS)
    sheet = Image.new("RGB", (SHEET_COLUMNS * (2 * width + 8), lines * (height + 4)), (128,) * 3)
    for i, (picture, decoded) in enumerate(pairs):
        left = i % SHEET_COLUMNS * (2 * width + 8)
        top = i // SHEET_COLUMNS * (height + 4)
        sheet.paste(picture, (left, top))
        sheet.paste(decoded, (left + width, top))
    return sheet


def save_pictures(folder: Path, rows: list[Row]) -> None:
    for kind in ("original", "decoded"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for row in rows:
            row[kind].save(folder / kind / f"{row['set']}-{row['name']}.png")
    spread = rows[:: max(1, len(rows) // SHEET_PICTURES)][:SHEET_PICTURES]
    contact_sheet([(r["original"], r["decoded"]) for r in spread]).save(folder / "sheet.png")


def textured_pictures(packed: Path) -> list[tuple[str, str, Image.Image]]:
    rng = np.random.default_rng(0)
    found = []
    for kind, name, drawing in heldout_drawings(packed):
        behind = backdrop_of_kind(1.0, rng, SIZE).astype(np.uint8)
        whole = Image.alpha_composite(Image.fromarray(behind).convert("RGBA"), drawing)
        found.append((kind, name, whole.convert("RGB")))
    return found


def chosen_pictures(args: argparse.Namespace) -> list[tuple[str, str, Image.Image]]:
    if args.pictures:
        return folder_pictures(args.pictures)
    return textured_pictures(args.packed) if args.textured else heldout_pictures(args.packed)


def all_rows(args: argparse.Namespace, model: VQModel) -> list[Row]:
    rows = []
    for kind, name, picture in chosen_pictures(args):
        codes, decoded = round_trip(model, picture)
        if args.decoded:
            decoded = Image.open(args.decoded / f"{kind}-{name}.png").convert("RGB")
        row = {"set": kind, "name": name, "codes": codes, "original": picture, "decoded": decoded}
        rows.append(row | score(picture, decoded))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("export"))
    parser.add_argument("--packed", type=Path, default=Path("packed"))
    parser.add_argument("--decoded", type=Path, help="folder of SET-NAME.png by another program")
    parser.add_argument("--textured", action="store_true")
    parser.add_argument("--pictures", type=Path, help="folder of pictures instead of the held-out")
    parser.add_argument("--save", type=Path, help="keep originals, decoded and a sheet here")
    parser.add_argument("--json", type=Path, help="write all figures here")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_shipped(args.model)
    rows = all_rows(args, model)
    size = model.config["codebook_size"]
    summaries = {"all": summarise(rows, size)}
    for kind in sorted({r["set"] for r in rows}):
        summaries[kind] = summarise([r for r in rows if r["set"] == kind], size)
    for name, summary in summaries.items():
        print(name + ":", ", ".join(f"{k} {v:.4g}" for k, v in summary.items()))
    if args.save:
        save_pictures(args.save, rows)
    if args.json:
        hidden = ("codes", "original", "decoded")
        figures = [{k: v for k, v in r.items() if k not in hidden} for r in rows]
        args.json.write_text(json.dumps({"summary": summaries, "pictures": figures}, indent=1))


if __name__ == "__main__":
    main()
