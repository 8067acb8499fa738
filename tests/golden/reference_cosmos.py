"""Image tokenizers with quantizers that have no codebook, written out plainly: the reference of Cosmos' discrete image
tokenizers and of Show-o's MAGVITv2, neither of which is a package.

Follows the layouts that their authors publish. Blocks are those of reference_vqgan.py; codes come from the package
vector-quantize-pytorch, which both families' quantizers follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from reference_vqgan import Layout, Level, conv, middle, run_middle
from torch import nn
from torch.nn import functional
from vector_quantize_pytorch import FSQ, LFQ

LAYOUT = Layout("taming")


@dataclass(frozen=True)
class Shape:
    """One half; every list has an entry a level, the largest picture first."""

    outside: int  # channels of the pictures
    ch: int
    multipliers: list[int]
    blocks: list[int]
    attention: list[bool]
    resamples: list[bool]  # halves behind the level, or doubles
    z: int

    def level(self, i: int, inputs: int, name: str) -> Level:
        width = self.ch * self.multipliers[i]
        return Level(LAYOUT, inputs, width, self.blocks[i], self.attention[i], name if self.resamples[i] else "")


class Encoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.conv_in = conv(shape.outside, shape.ch)
        self.down, inputs = nn.ModuleList(), shape.ch
        for i, multiplier in enumerate(shape.multipliers):
            self.down.append(shape.level(i, inputs, "downsample"))
            inputs = shape.ch * multiplier
        self.mid = middle(LAYOUT, inputs)
        self.norm_out, self.conv_out = LAYOUT.norm(inputs), conv(inputs, shape.z)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.conv_out(functional.silu(self.norm_out(run_middle(self.mid, x))))


class Decoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        inputs = shape.ch * shape.multipliers[-1]
        self.conv_in, self.mid = conv(shape.z, inputs), middle(LAYOUT, inputs)
        levels = []
        for i in reversed(range(len(shape.multipliers))):
            levels.append(shape.level(i, inputs, "upsample"))
            inputs = shape.ch * shape.multipliers[i]
        self.up = nn.ModuleList(reversed(levels))
        self.norm_out, self.conv_out = LAYOUT.norm(inputs), conv(inputs, shape.outside)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        x = run_middle(self.mid, self.conv_in(z))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(functional.silu(self.norm_out(x)))


def haar(x: torch.Tensor) -> torch.Tensor:
    """[frames, C, rows, columns] to [frames, 4 C, rows / 2, columns / 2]."""
    a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
    return torch.cat([a + b + c + d, a + b - c - d, a - b + c - d, a - b - c + d], dim=1) / 4


def inverse_haar(x: torch.Tensor) -> torch.Tensor:
    ll, lh, hl, hh = x.chunk(4, dim=1)
    out = x.new_empty(x.shape[0], x.shape[1] // 4, 2 * x.shape[2], 2 * x.shape[3])
    out[..., ::2, ::2], out[..., ::2, 1::2] = ll + lh + hl + hh, ll + lh - hl - hh
    out[..., 1::2, ::2], out[..., 1::2, 1::2] = ll - lh + hl - hh, ll - lh - hl + hh
    return out


class Cosmos(nn.Module):
    """`wavelets` of them in front, and behind."""

    def __init__(self, encoder: Shape, decoder: Shape, levels: list[int], wavelets: int) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(encoder), Decoder(decoder)
        self.quant_conv = nn.Conv2d(encoder.z, len(levels), 1)
        self.post_quant_conv = nn.Conv2d(len(levels), decoder.z, 1)
        self.wavelets = wavelets

    @property
    def last(self) -> nn.Module:
        return self.quant_conv

    def latents(self, picture: torch.Tensor) -> torch.Tensor:
        for _ in range(self.wavelets):
            picture = haar(picture)
        return self.quant_conv(self.encoder(picture)).permute(0, 2, 3, 1)

    def picture(self, values: torch.Tensor) -> torch.Tensor:
        x = self.decoder(self.post_quant_conv(values.permute(0, 3, 1, 2)))
        for _ in range(self.wavelets):
            x = inverse_haar(x)
        return x


class Magvit(nn.Module):
    """The kernel-1 convolutions are named as parts of the halves."""

    def __init__(self, encoder: Shape, decoder: Shape) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(encoder), Decoder(decoder)
        self.encoder.quant_conv = nn.Conv2d(encoder.z, encoder.z, 1)
        self.decoder.post_quant_conv = nn.Conv2d(encoder.z, decoder.z, 1)

    @property
    def last(self) -> nn.Module:
        return self.encoder.quant_conv

    def latents(self, picture: torch.Tensor) -> torch.Tensor:
        return self.encoder.quant_conv(self.encoder(picture)).permute(0, 2, 3, 1)

    def picture(self, values: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.decoder.post_quant_conv(values.permute(0, 3, 1, 2)))


class FiniteScalars:
    """The package's FSQ, and how far from the next digit a row is, in half digits."""

    def __init__(self, levels: list[int]) -> None:
        self.quantizer = FSQ(levels, force_quantization_f32=False).eval()
        self.levels = torch.tensor(levels)

    def codes(self, rows: torch.Tensor) -> torch.Tensor:
        return self.quantizer(rows[None])[1][0].long()

    def values(self, codes: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        return self.quantizer.indices_to_codes(codes.reshape(1, -1))[0].to(like)

    def margins(self, rows: torch.Tensor) -> torch.Tensor:
        half = (self.levels - 1) * 1.001 / 2
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)
        bounded = torch.tanh(rows + torch.atanh(offset / half)) * half - offset
        return (1 - 2 * (bounded - bounded.round()).abs()).amin(dim=-1)


class Signs:
    """The package's LFQ, and the least size of a row's numbers."""

    def __init__(self, bits: int) -> None:
        self.quantizer = LFQ(codebook_size=2**bits, dim=bits, force_quantization_f32=False).eval()

    def codes(self, rows: torch.Tensor) -> torch.Tensor:
        return self.quantizer(rows[None])[1][0].long()

    def values(self, codes: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        return self.quantizer.indices_to_codes(codes.reshape(1, -1))[0].to(like)

    def margins(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.abs().amin(dim=-1)
