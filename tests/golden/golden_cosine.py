"""The quantiser that DAC and SNAC share: a search by angle in a small space, level by level.

Works on the reference's own modules: each level has `in_proj`, `out_proj` and `codebook`, and in
SNAC a `stride` by which its input is averaged and its output repeated.
"""

from __future__ import annotations

from typing import Callable

import torch
from golden_common import UnitScale, fitted_codebook, nearest
from golden_weights import fill_weight, full_weight, one_spread, scale_layer
from torch import nn
from torch.nn import functional


def pooled(level: nn.Module, residual: torch.Tensor) -> torch.Tensor:
    stride = getattr(level, "stride", 1)
    return residual if stride == 1 else functional.avg_pool1d(residual, stride, stride)


def repeated(level: nn.Module, rows: torch.Tensor) -> torch.Tensor:
    return rows.repeat_interleave(getattr(level, "stride", 1), dim=-1)


def fit_projection_back(level: nn.Module, generator: torch.Generator) -> None:
    """An output projection that roughly undoes the input projection, so that residuals shrink.

    The ridge keeps a projection that nearly loses a direction from being undone with great force.
    """
    forward = full_weight(level.in_proj)[:, :, 0]
    square = forward @ forward.T
    ridge = 0.3 * square.diagonal().mean() * torch.eye(len(square))
    back = forward.T @ torch.linalg.inv(square + ridge)
    noise = torch.randn(back.shape, generator=generator) * back.std()
    back = back + 0.2 * noise
    fill_weight(level.out_proj, back[:, :, None], generator)
    level.out_proj.bias.data.copy_(-back @ level.in_proj.bias.data)


def fit_level(level: nn.Module, points: torch.Tensor, generator: torch.Generator) -> None:
    """Directions from the points [T, D]; the lengths of the rows vary, they matter in decoding."""
    directions = functional.normalize(points)
    entries = level.codebook.weight.shape[0]
    table = functional.normalize(fitted_codebook(directions, entries, 0.15, generator))
    lengths = points.norm(dim=1).mean() * torch.exp(
        0.3 * torch.randn((entries, 1), generator=generator)
    )
    level.codebook.weight.data.copy_(table * lengths)


def quantised(level: nn.Module, projected: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """What a level takes off the residual; the detour over `projected` is the reference's."""
    rows = level.codebook.weight[index].T[None]
    return repeated(level, level.out_proj(projected + (rows - projected)))


def search(levels: nn.ModuleList, latents: torch.Tensor) -> tuple[list, list]:
    """Codes and margins of every level for latents [1, C, T], in the latents' precision."""
    codes, margins = [], []
    residual = latents
    for level in levels:
        projected = level.in_proj(pooled(level, residual))
        table = functional.normalize(level.codebook.weight)
        index, margin = nearest(functional.normalize(projected[0].T), table)
        residual = residual - quantised(level, projected, index)
        codes.append(index)
        margins.append(margin)
    return codes, margins


def fit_quantiser(levels: nn.ModuleList, latents: torch.Tensor, generator: torch.Generator) -> None:
    """Projections of unit spread and codebooks drawn from the residuals of [1, C, T]."""
    residual = latents
    for level in levels:
        with UnitScale(level.in_proj, one_spread):
            projected = level.in_proj(pooled(level, residual))
        fit_projection_back(level, generator)
        fit_level(level, projected[0].T, generator)
        table = functional.normalize(level.codebook.weight)
        index = nearest(functional.normalize(projected[0].T), table)[0]
        residual = residual - quantised(level, projected, index)


def centre_wave(decoder: nn.Module, decode: Callable[[], torch.Tensor]) -> None:
    """Moves the wave before the final tangent hyperbolic to the middle, off both ends."""
    last = [layer for layer in decoder.modules() if isinstance(layer, nn.Conv1d)][-1]
    scale_layer(last, 0.5)
    last.bias.data -= torch.atanh(decode().clamp(-0.999, 0.999)).mean()
