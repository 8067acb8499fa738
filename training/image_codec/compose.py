"""Training crops: a random drawing at a random scale, colour and place on a random backdrop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from data import SIZE, STORED, training_pictures

TEXTURE_SHARE = 0.25
WHITE_SHARE = 0.4
SMALLEST, LARGEST = 0.55, 1.1  # shown side of a drawing, as a share of a whole picture's
CHANGED_COLOURS = 0.3
TRIES = 4  # to find a crop that shows something


def smooth_noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """Three channels of blurred noise at one of several grains, about 0."""
    grain = int(rng.choice((2, 4, 8, 16, 32, 64)))
    small = rng.normal(size=(grain, grain, 3)).astype(np.float32)
    planes = [
        Image.fromarray(small[..., c]).resize((size, size), Image.Resampling.BICUBIC)
        for c in range(3)
    ]
    return np.stack([np.asarray(p) for p in planes], axis=-1)


def stripes(rng: np.random.Generator, size: int) -> np.ndarray:
    angle, period = rng.uniform(0.0, np.pi), rng.uniform(6.0, 64.0)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * (2.0 * np.pi / period))
    sharp = wave if rng.random() < 0.5 else np.sign(wave)
    return sharp[..., None] * rng.normal(size=3).astype(np.float32)


def gradient(rng: np.random.Generator, size: int) -> np.ndarray:
    y, x = np.mgrid[-1.0 : 1.0 : size * 1j, -1.0 : 1.0 : size * 1j].astype(np.float32)
    slope = rng.normal(size=(2, 3)).astype(np.float32)
    return x[..., None] * slope[0] + y[..., None] * slope[1]


def backdrop(rng: np.random.Generator, size: int) -> np.ndarray:
    """[size, size, 3], 0 ... 255"""
    return backdrop_of_kind(rng.random(), rng, size)


def backdrop_of_kind(kind: float, rng: np.random.Generator, size: int) -> np.ndarray:
    """White below WHITE_SHARE, textured from 1 - TEXTURE_SHARE on, else of one colour."""
    if kind < WHITE_SHARE:
        return np.full((size, size, 3), 255.0, dtype=np.float32)
    flat = np.broadcast_to(rng.uniform(0.0, 255.0, 3).astype(np.float32), (size, size, 3))
    if kind < 1.0 - TEXTURE_SHARE:
        return flat
    texture = (smooth_noise, stripes, gradient)[int(rng.integers(3))]
    return np.clip(flat + rng.uniform(10.0, 60.0) * texture(rng, size), 0.0, 255.0)


def change_colours(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Channels in another order, some of them inverted."""
    turned = rgb[..., rng.permutation(3)]
    inverted = rng.random(3) < 0.3
    return np.where(inverted, 255.0 - turned, turned)


class CropSampler:
    def __init__(self, packed: Path) -> None:
        self.pictures = training_pictures(packed)

    def batch(self, count: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """[count, 3, size, size] in -1 ... 1; size SIZE shows whole pictures."""
        crops = np.stack([self.crop(size, rng) for _ in range(count)])
        return np.ascontiguousarray(crops.transpose(0, 3, 1, 2)) / 127.5 - 1.0

    def crop(self, size: int, rng: np.random.Generator) -> np.ndarray:
        for _ in range(TRIES):
            shown = self.shown(size, rng)
            if shown[..., 3].mean() > 12.0:
                break
        rgb, alpha = shown[..., :3], shown[..., 3:] / 255.0
        if rng.random() < CHANGED_COLOURS:
            rgb = change_colours(rgb, rng)
        return backdrop(rng, size) * (1.0 - alpha) + rgb * alpha

    def shown(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """A window of the drawing [size, size, 4] that may reach beyond it."""
        picture = Image.fromarray(self.pictures[rng.integers(len(self.pictures))])
        if rng.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        scale = rng.uniform(SMALLEST, LARGEST) * SIZE / STORED
        side = max(size, round(STORED * scale))
        drawing = picture.resize((round(STORED * scale),) * 2, Image.Resampling.BILINEAR)
        canvas = Image.new("RGBA", (side, side), (255, 255, 255, 0))
        free = side - drawing.width
        canvas.paste(drawing, tuple(int(v) for v in rng.integers(0, free + 1, 2)))
        left, top = (int(v) for v in rng.integers(0, side - size + 1, 2))
        window = canvas.crop((left, top, left + size, top + size))
        return np.asarray(window).astype(np.float32)
