"""Random but lively weights for any of the references, weight-normalised or plain.

A weight-normalised layer is filled through its two stored tensors, with rows of the direction
tensor at arbitrary length: a reader that forgets to divide by that length goes wrong.
"""

from __future__ import annotations

import math

import torch
from torch import nn

CONVOLUTIONS = (nn.Conv1d, nn.ConvTranspose1d)
LAYERS = (*CONVOLUTIONS, nn.Linear)


def norm_parts(layer: nn.Module) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Lengths (g) and directions (v) of a weight-normalised layer, of either spelling."""
    if hasattr(layer, "weight_g"):
        return layer.weight_g.data, layer.weight_v.data
    if hasattr(layer, "parametrizations"):
        pair = layer.parametrizations.weight
        return pair.original0.data, pair.original1.data
    return None


def row_lengths(weight: torch.Tensor) -> torch.Tensor:
    """Norm over all axes but the first, kept as ones: the shape of a stored g."""
    return weight.flatten(1).norm(dim=1).reshape(-1, *[1] * (weight.dim() - 1))


def fill_weight(layer: nn.Module, weight: torch.Tensor, generator: torch.Generator | None) -> None:
    """Gives a layer this weight; directions get a random length unless there is no generator."""
    parts = norm_parts(layer)
    if parts is None:
        layer.weight.data.copy_(weight)
        return
    lengths, directions = parts
    lengths.copy_(row_lengths(weight))
    stretch = torch.ones_like(lengths)
    if generator is not None:
        stretch = torch.exp(0.5 * torch.randn(lengths.shape, generator=generator)).to(weight)
    directions.copy_(weight * stretch)


def full_weight(layer: nn.Module) -> torch.Tensor:
    """The weight a layer works with."""
    parts = norm_parts(layer)
    if parts is None:
        return layer.weight.data
    return parts[1] * (parts[0] / row_lengths(parts[1]))


def scale_layer(layer: nn.Module, factor: float) -> None:
    """Multiplies what a layer puts out."""
    parts = norm_parts(layer)
    (layer.weight.data if parts is None else parts[0]).mul_(factor)
    if layer.bias is not None:
        layer.bias.data.mul_(factor)


def random_like(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(tensor.shape, generator=generator)


def random_layer(layer: nn.Module, generator: torch.Generator) -> None:
    shape = full_weight(layer)
    weight = random_like(shape, generator) / math.sqrt(max(1, shape[0].numel()))
    fill_weight(layer, weight, generator)
    if layer.bias is not None:
        layer.bias.data.copy_(0.5 * random_like(layer.bias, generator))


def random_lstm(lstm: nn.LSTM, generator: torch.Generator) -> None:
    """Weights large enough for the gates to open and close."""
    for name, parameter in lstm.named_parameters():
        spread = 0.5 if "bias" in name else 1.5 / math.sqrt(lstm.hidden_size)
        parameter.data.copy_(spread * random_like(parameter, generator))


def random_norm(norm: nn.Module, generator: torch.Generator) -> None:
    norm.weight.data.copy_(1.0 + 0.3 * random_like(norm.weight, generator))
    norm.bias.data.copy_(0.3 * random_like(norm.bias, generator))


def random_alpha(alpha: torch.Tensor, generator: torch.Generator) -> None:
    """Rates of the Snake activation; every seventh is negative, one in eleven is exactly zero."""
    alpha.copy_(0.6 * torch.exp(0.4 * random_like(alpha, generator)))
    flat = alpha.view(-1)
    flat[4::7] *= -1.0
    flat[6::11] = 0.0


def randomise(model: nn.Module, generator: torch.Generator) -> None:
    """Random numbers everywhere; UnitScale brings them to a useful size afterwards."""
    for module in model.modules():
        if isinstance(module, LAYERS):
            random_layer(module, generator)
        elif isinstance(module, nn.LSTM):
            random_lstm(module, generator)
        elif isinstance(module, (nn.GroupNorm, nn.LayerNorm)):
            random_norm(module, generator)
    for name, parameter in model.named_parameters():
        if name.endswith(".alpha"):
            random_alpha(parameter.data, generator)


def one_spread(_name: str, module: nn.Module) -> float | None:
    """A target for UnitScale: every layer puts out a standard deviation of one."""
    return 1.0 if isinstance(module, LAYERS) else None


def old_spelling(name: str) -> str:
    """The name that the weight norm of before torch 2.0 gives a tensor."""
    for new, old in (("original0", "weight_g"), ("original1", "weight_v")):
        name = name.replace(f"parametrizations.weight.{new}", old)
    return name
