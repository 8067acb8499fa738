"""How the authors of EnCodec cut a wave into chunks and put decoded chunks together again.

A restatement, so that one rule can be added: where a chunk reaches beyond the end of the wave (the
authors' code stops with an error there), it is cropped.
"""

from __future__ import annotations

import torch


def chunk_and_stride(config: dict) -> tuple[int, int] | None:
    """Both truncated from floating point; None for a model that takes the wave as a whole."""
    if config["chunk_length_s"] is None:
        return None
    chunk = int(config["chunk_length_s"] * config["sampling_rate"])
    return chunk, max(1, int((1.0 - config["overlap"]) * chunk))


def cut(wave: torch.Tensor, config: dict) -> list[torch.Tensor]:
    """Chunks of [1, C, L]: one at every multiple of the stride below L; the last may be short."""
    sizes = chunk_and_stride(config)
    if sizes is None:
        return [wave]
    chunk, stride = sizes
    return [wave[..., offset : offset + chunk] for offset in range(0, wave.shape[-1], stride)]


def scale_of(chunk: torch.Tensor) -> torch.Tensor:
    """Root of the mean square of the mean of the channels, [1, 1]."""
    return chunk.mean(1).square().mean(-1, keepdim=True).sqrt() + 1e-8


def crossing(lengths: list[int], stride: int) -> bool:
    """Whether a chunk before the last ends behind the end of the wave."""
    total = stride * (len(lengths) - 1) + lengths[-1]
    return any(stride * i + length > total for i, length in enumerate(lengths))


def overlap_add(parts: list[torch.Tensor], stride: int) -> torch.Tensor:
    """Decoded chunks [C, n] under a triangle as long as the first, divided by its sum."""
    total = stride * (len(parts) - 1) + parts[-1].shape[-1]
    length = parts[0].shape[-1]
    place = torch.linspace(0, 1, length + 2, dtype=parts[0].dtype)[1:-1]
    triangle = 0.5 - (place - 0.5).abs()
    out = parts[0].new_zeros((parts[0].shape[0], total))
    weights = parts[0].new_zeros(total)
    for number, part in enumerate(parts):
        start = number * stride
        size = min(part.shape[-1], total - start)
        out[:, start : start + size] += triangle[:size] * part[:, :size]
        weights[start : start + size] += triangle[:size]
    return out / weights
