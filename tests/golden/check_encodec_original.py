"""Compares the EnCodec fixtures with the authors' own package (encodec 0.1.1), in float64.

    python check_encodec_original.py

Codes, scales and the sizes of the chunks must be the same, and so must the waves, except those the
package cannot put together (`cropped_inputs` in the metadata). Nothing is written.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from authors_encodec import build, fill
from golden_common import Tensors, decibels, read_model, single_thread
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

Frames = list[tuple[torch.Tensor, torch.Tensor | None]]


def cropped_inputs(path: Path) -> list[int]:
    with safe_open(path, "pt") as file:
        return json.loads(json.loads(file.metadata()["golden"])["cropped_inputs"])


def as_batch(wave: torch.Tensor) -> torch.Tensor:
    """[1, C, L] from what is stored."""
    return wave[None, None] if wave.dim() == 1 else wave.T[None]


def stored_frames(expected: Tensors, i: int) -> Frames:
    """The fixture's codes and scales as the package wants them."""
    codes = expected[f"codes.{i}"].long()[None]
    if f"chunks.{i}" not in expected:
        return [(codes, None)]
    parts = codes.split(expected[f"chunks.{i}"].tolist(), dim=-1)
    if f"scales.{i}" not in expected:
        return [(part, None) for part in parts]
    scales = expected[f"scales.{i}"].double()
    return [(part, scale.view(1, 1)) for part, scale in zip(parts, scales, strict=True)]


def check_frames(name: str, found: Frames, wanted: Frames) -> int:
    """Number of codes; all of them and the scales have to agree."""
    count = 0
    for (codes, scale), (other, other_scale) in zip(found, wanted, strict=True):
        if not torch.equal(codes, other):
            raise AssertionError(f"{name}: other codes")
        if scale is not None and not torch.equal(scale.float(), other_scale.float()):
            raise AssertionError(f"{name}: other scales")
        count += codes.numel()
    return count


def compare(folder: Path) -> None:
    model = build(json.loads((folder / "config.json").read_text()))
    fill(model, read_model(folder))
    model = model.double()
    expected = load_file(folder / "expected.safetensors")
    cropped = cropped_inputs(folder / "expected.safetensors")
    count, worst = 0, math.inf
    for i in range(len([name for name in expected if name.startswith("wave.")])):
        frames = model.encode(as_batch(expected[f"wave.{i}"]).double())
        wanted = stored_frames(expected, i)
        count += check_frames(f"{folder.name} {i}", frames, wanted)
        if i not in cropped:
            worst = min(worst, wave_agreement(model, wanted, expected[f"decoded.{i}"]))
    if worst < 140.0:  # the stored waves are float32
        raise AssertionError(f"{folder.name}: waves at {worst:.1f} dB")
    print(f"{folder.name}: {count} codes agree, waves at {worst:.1f} dB, not decoded: {cropped}")


def wave_agreement(model: nn.Module, frames: Frames, stored: torch.Tensor) -> float:
    return decibels(model.decode(frames), as_batch(stored))


def main() -> None:
    single_thread()
    for path in sorted((Path(__file__).resolve().parent / "encodec").glob("*/config.json")):
        compare(path.parent)


if __name__ == "__main__":
    main()
