"""What the generators of image codecs share: pictures, weights, and the runs of a case.

A family gives a `Reference`: the parts of its model, whichever program it comes from.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Protocol

import numpy as np
import torch
from golden_common import (
    Tensors,
    UnitScale,
    as_codes,
    fitted_codebook,
    nearest,
    single_thread,
    versions,
    write_expected,
)
from golden_report import Tally
from golden_weights import random_layer, random_norm
from torch import nn
from torch.nn import functional

PICTURE_LAYERS = (nn.Conv2d, nn.Conv3d, nn.Linear)


class Reference(Protocol):
    """Pictures are [frames, 3, rows, columns], latents [frames, rows, columns, D], codes without D."""

    model: nn.Module

    def latents(self, picture: torch.Tensor) -> torch.Tensor: ...

    def codes(self, picture: torch.Tensor) -> torch.Tensor: ...

    def decode(self, codes: torch.Tensor) -> torch.Tensor | None: ...


@dataclass
class PictureCase:
    """One checkpoint and the sizes of its inputs: (rows, columns), or (frames, rows, columns)."""

    name: str
    seed: int
    config: dict
    sizes: list[tuple[int, ...]]
    dtype: torch.dtype = torch.float32
    shards: int = 1
    options: dict = field(default_factory=dict)


def test_picture(size: tuple[int, ...], seed: int) -> np.ndarray:
    """Float32 [frames, rows, columns, 3] in -1 ... 1: waves that move, an edge, a disc, noise."""
    frames, rows, columns = (1, *size)[-3:]
    rng = np.random.Generator(np.random.PCG64(seed))
    t, y, x = np.meshgrid(np.arange(frames), np.arange(rows), np.arange(columns), indexing="ij")
    planes = []
    for _ in range(3):
        angle, period = rng.uniform(0, 2 * math.pi), rng.uniform(4, 24)
        phase = 2 * math.pi * (np.cos(angle) * x + np.sin(angle) * y + rng.uniform(0, 3) * t) / period
        plane = 0.5 * np.sin(phase + rng.uniform(0, 6))
        plane += rng.uniform(-0.6, 0.6) * (x + 2 * t > rng.uniform(0, columns))
        radius = np.hypot(x - rng.uniform(0, columns) - t, y - rng.uniform(0, rows))
        plane += rng.uniform(-0.8, 0.8) * (radius < 0.3 * min(rows, columns))
        planes.append(plane + 0.15 * rng.standard_normal(x.shape))
    return np.clip(np.stack(planes, -1), -1, 1).astype(np.float32)


def channels_first(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(0, 3, 1, 2).contiguous()


def randomise(model: nn.Module, generator: torch.Generator) -> None:
    """Random numbers everywhere; UnitScale brings them to a useful size afterwards."""
    for module in model.modules():
        if isinstance(module, PICTURE_LAYERS):
            random_layer(module, generator)
        elif isinstance(module, (nn.GroupNorm, nn.BatchNorm3d)):
            random_norm(module, generator)
        if isinstance(module, nn.BatchNorm3d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.3, 2.0, generator=generator)
            module.num_batches_tracked.fill_(7)


def picture_spread(_name: str, module: nn.Module) -> float | None:
    return 1.0 if isinstance(module, PICTURE_LAYERS) else None


def codebook(points: torch.Tensor, entries: int, lengths: float, generator: torch.Generator) -> torch.Tensor:
    """Entries from points [N, D]; with `lengths` > 0 directions, of lengths that vary by that much."""
    if not lengths:
        return fitted_codebook(points, entries, 0.15, generator)
    rows = fitted_codebook(functional.normalize(points, dim=-1), entries, 0.15, generator)
    stretch = torch.exp(lengths * torch.randn((entries, 1), generator=generator))
    return functional.normalize(rows, dim=-1) * stretch


def fit(
    case: PictureCase,
    reference: Reference,
    table: nn.Parameter | None = None,
    lengths: float = 0.0,
    last: nn.Module | None = None,
) -> None:
    """Lively layers, and a codebook, if there is one, of what the encoder gives for pictures of unequal character.

    `last` is the layer that gives the latents, if they are to have a mean of zero.
    """
    generator = torch.Generator().manual_seed(case.seed)
    randomise(reference.model, generator)
    pictures = [channels_first(test_picture(case.sizes[0], 900 + 20 * case.seed + i)) for i in range(6)]
    with UnitScale(reference.model, picture_spread):
        reference.latents(pictures[0])
    points = torch.cat([reference.latents(p).flatten(0, 2) for p in pictures])
    if last is not None:
        last.bias.data.sub_(points.mean(0))
        points = points - points.mean(0)
    if table is not None:
        table.data.copy_(codebook(points, len(table), lengths, generator))
    with UnitScale(reference.model, picture_spread):
        reference.decode(reference.codes(pictures[1]))


Search = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def nearest_unit(points: torch.Tensor, table: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return nearest(functional.normalize(points, dim=-1), functional.normalize(table, dim=-1))


def largest_product(points: torch.Tensor, table: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Index of the largest product, and by how much of the row's spread it leads."""
    products = points @ table.T
    two = torch.topk(products, 2, dim=-1)
    return two.indices[:, 0], (two.values[:, 0] - two.values[:, 1]) / products.std(dim=-1)


def one_input(
    case: PictureCase, single: Reference, double: Reference, search: Callable, i: int, tally: Tally
) -> Tensors:
    picture = test_picture(case.sizes[i], 100 * case.seed + i)
    whole = channels_first(picture)
    latents = double.latents(whole.double())
    found, margins = search(latents.flatten(0, 2))
    codes = found.reshape(latents.shape[:3])
    if not torch.equal(codes, double.codes(whole.double()).reshape(codes.shape)):
        raise AssertionError(f"{case.name}: the search differs from the reference's")
    tally.add_codes(found[None], single.codes(whole).reshape(1, -1), margins[None])
    out = {
        f"picture.{i}": torch.from_numpy(picture),
        f"codes.{i}": as_codes(codes),
        f"margin.{i}": margins.float().reshape(codes.shape),
    }
    decoded = double.decode(codes)
    if decoded is not None:
        tally.add_wave(decoded, single.decode(codes))
        out[f"decoded.{i}"] = decoded.permute(0, 2, 3, 1).float()
    return out


def write_runs(
    case: PictureCase,
    folder: Path,
    single: Reference,
    double: Reference,
    search: Callable,
    entries: int,
    packages: tuple[str, ...] = (),
) -> None:
    """expected.safetensors of a case: float64 runs of the reference, beside a float32 run."""
    tally = Tally([entries])
    tensors: Tensors = {}
    for i in range(len(case.sizes)):
        tensors.update(one_input(case, single, double, search, i, tally))
    report = tally.report()
    write_expected(folder, tensors, {**versions("safetensors", *packages), **report})
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(case.name, f"{size / 1000:.0f} kB", report, flush=True)


def run_cases(
    description: str | None, cases: list[PictureCase], generate: Callable[[PictureCase, Path], None], root: Path
) -> None:
    """A generator's command line: --out FOLDER, --case NAME …"""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, default=root)
    parser.add_argument("--case", action="append", help="only these cases")
    arguments = parser.parse_args()
    single_thread()
    for case in cases:
        if not arguments.case or case.name in arguments.case:
            generate(case, arguments.out)
