"""Checkpoint -> model.safetensors (f16), config.json, and a golden round trip.

python export.py --checkpoint run/checkpoint.pt --packed packed --out export
python export.py --check-only --out export
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from data import heldout_pictures
from model import VQModel

MAX_BYTES = 8_000_000
GOLDEN_WINDOWS = ((32, 32, 64, 64), (32, 16, 64, 96), (24, 40, 72, 56))  # x, y, width, height


def shipped_tensors(state: dict[str, Any]) -> dict[str, Tensor]:
    """Moving averages where there are some, in half precision; the codebook as it is searched."""
    tensors = {**state["model"], **state["average"]}
    book = "quantize.embedding.weight"
    tensors[book] = F.normalize(tensors[book], dim=1)
    return {name: t.to(torch.float16).contiguous() for name, t in sorted(tensors.items())}


def load_shipped(folder: Path, dtype: torch.dtype = torch.float32) -> VQModel:
    """The weights as rounded, computing in `dtype`."""
    model = VQModel(json.loads((folder / "config.json").read_text()))
    tensors = load_file(folder / "model.safetensors")
    model.load_state_dict({name: t.to(dtype) for name, t in tensors.items()})
    return model.to(dtype).eval().requires_grad_(False)


def as_input(picture: Image.Image) -> Tensor:
    """[1, 3, H, W] in -1 ... 1"""
    pixels = torch.from_numpy(np.asarray(picture).copy()).float()
    return pixels.permute(2, 0, 1)[None] / 127.5 - 1.0


def as_picture(values: Tensor) -> Image.Image:
    pixels = (values[0].permute(1, 2, 0) * 127.5 + 128.0).clamp(0.0, 255.0)
    return Image.fromarray(pixels.to(torch.uint8).numpy())


def golden_pictures(packed: Path) -> list[Image.Image]:
    """Windows of the first held-out picture of each set."""
    first: dict[str, Image.Image] = {}
    for kind, _, picture in heldout_pictures(packed):
        first.setdefault(kind, picture)
    pairs = zip(first.values(), GOLDEN_WINDOWS, strict=True)
    return [p.crop((x, y, x + width, y + height)) for p, (x, y, width, height) in pairs]


def expected(model: VQModel, values: Tensor) -> dict[str, Tensor]:
    """Codes, their margins and the decoded picture of values [1, H, W, 3] in -1 ... 1.

    A margin is (second best - best) / best of the squared distances of unit vectors. Where it
    is below 1e-4, another program may rightly find the other code.
    """
    latents = model.latents(values.permute(0, 3, 1, 2).double())
    distances = torch.cdist(latents.flatten(0, 2), model.quantize.rows()).square()
    nearest, codes = distances.topk(2, largest=False)
    codes = codes[:, 0].view(latents.shape[:3])
    margin = (nearest[:, 1] - nearest[:, 0]) / nearest[:, 0]
    return {
        "codes": codes.to(torch.int32),
        "margin": margin.float().view(codes.shape),
        "decoded": model.decode(codes).permute(0, 2, 3, 1).float().contiguous(),
    }


def golden(folder: Path, pictures: list[Image.Image]) -> dict[str, Tensor]:
    """Expectations in float64, rounded once."""
    model = load_shipped(folder, torch.float64)
    tensors = {}
    for i, picture in enumerate(pictures):
        values = as_input(picture).permute(0, 2, 3, 1).contiguous()
        tensors[f"picture.{i}"] = values
        tensors.update({f"{name}.{i}": t for name, t in expected(model, values).items()})
    return tensors


def export(checkpoint: Path, packed: Path, out: Path) -> None:
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)
    pictures = golden_pictures(packed)
    out.mkdir(parents=True, exist_ok=True)
    # Everything is made beside its place and renamed, so that readers never see halves.
    with tempfile.TemporaryDirectory(dir=out.parent) as made:
        folder = Path(made)
        tensors = shipped_tensors(state)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(state["config"], indent=2) + "\n")
        save_file(golden(folder, pictures), folder / "golden.safetensors")
        size = (folder / "model.safetensors").stat().st_size
        if size > MAX_BYTES:
            raise ValueError(f"{size} bytes are more than {MAX_BYTES}")
        print(
            f"{len(tensors)} tensors, {sum(t.numel() for t in tensors.values())} weights, {size} B"
        )
        for path in list(folder.iterdir()):
            moved = out / f".{path.name}.new"
            shutil.move(path, moved)
            os.replace(moved, out / path.name)
    print(f"step, seconds, CPU seconds, megapixels: {state['counters']}")


def check(folder: Path, golden_file: Path) -> None:
    """A float32 run finds the golden's codes but at near ties, and its pictures."""
    model = load_shipped(folder)
    wanted = load_file(golden_file)
    differ, least, error = 0, float("inf"), 0.0
    for i in range(sum(name.startswith("picture.") for name in wanted)):
        margin, codes = wanted[f"margin.{i}"], wanted[f"codes.{i}"]
        wrong = model.encode(wanted[f"picture.{i}"].permute(0, 3, 1, 2)) != codes
        differ += int(wrong.sum())
        least = min(least, float(margin.min()))
        if (margin[wrong] > 1e-4).any():
            raise SystemExit(f"picture {i}: a code differs that is no near tie")
        decoded = model.decode(codes.long()).permute(0, 2, 3, 1)
        error = max(error, float((decoded - wanted[f"decoded.{i}"]).abs().max()))
    print(f"{differ} codes differ, least margin {least:.1e}, largest error of a value {error:.1e}")
    if error > 1e-4:
        raise SystemExit("the pictures do not agree with the golden")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("run/checkpoint.pt"))
    parser.add_argument("--packed", type=Path, default=Path("packed"))
    parser.add_argument("--out", type=Path, default=Path("export"))
    parser.add_argument("--golden", type=Path, help="default: golden.safetensors in --out")
    parser.add_argument("--check-only", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if not args.check_only:
        export(args.checkpoint, args.packed, args.out)
    check(args.out, args.golden or args.out / "golden.safetensors")


if __name__ == "__main__":
    main()
