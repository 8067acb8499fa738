"""Golden values of structural similarity: ssim/ssim.safetensors, `ROWS.COLUMNS.KIND` one figure each.

The reference is scikit-image's structural_similarity with channel_axis=2 and data_range=255. The test makes the
pictures again from integers: nothing else is stored.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from golden_common import store, versions
from skimage.metrics import structural_similarity

HERE = Path(__file__).resolve().parent
SIZES = [(7, 7), (7, 31), (40, 8), (33, 50), (64, 97)]
KINDS = ["noise", "shift", "other", "flat", "same"]


def random_bytes(seed: int, count: int) -> np.ndarray:
    """Bits 16 to 23 of a linear congruential generator."""
    state, out = seed, np.zeros(count, np.int64)
    for i in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        out[i] = state >> 16 & 255
    return out


def picture(seed: int, rows: int, columns: int) -> np.ndarray:
    """A slope, a step and noise of a third of the range, by whole numbers."""
    y, x, c = np.meshgrid(np.arange(rows), np.arange(columns), np.arange(3), indexing="ij")
    noise = random_bytes(seed, rows * columns * 3).reshape(rows, columns, 3) // 3
    return (noise + 2 * x + (c + 1) * y + 40 * (x + y > columns)) % 256


def copy_of(x: np.ndarray, kind: str) -> np.ndarray:
    rows, columns, _ = x.shape
    noise = random_bytes(5 * rows + columns, x.size).reshape(x.shape)
    return {
        "noise": np.clip(x + noise // 8 - 16, 0, 255),
        "shift": np.clip(x + 30, 0, 255),
        "other": 255 - x,
        "flat": np.full_like(x, 128),
        "same": x,
    }[kind]


def main() -> None:
    tensors = {}
    for rows, columns in SIZES:
        x = picture(rows + columns, rows, columns)
        for kind in KINDS:
            y = copy_of(x, kind)
            figure = structural_similarity(x.astype(np.uint8), y.astype(np.uint8), channel_axis=2, data_range=255)
            tensors[f"{rows}.{columns}.{kind}"] = torch.tensor([figure], dtype=torch.float32)
            print(rows, columns, kind, figure)
    folder = HERE / "ssim"
    folder.mkdir(exist_ok=True)
    store(tensors, folder / "ssim.safetensors", versions("scikit-image", "scipy"))


if __name__ == "__main__":
    main()
