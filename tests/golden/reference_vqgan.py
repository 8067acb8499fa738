"""VQGAN's encoder and decoder, written out plainly: the reference of the families that transformers
does not have whole (taming, IBQ, LlamaGen).

Follows the papers (arXiv 2012.09841, 2406.06525, 2412.02692) and the layouts their authors publish.
`Layout` says whose names a model has: nothing else depends on it but the groups of the norms.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Layout:
    """Whose names ("taming" or "llamagen"), and the groups of the norms."""

    names: str
    groups: int = 32

    def norm(self, channels: int) -> nn.GroupNorm:
        return nn.GroupNorm(self.groups, channels, eps=1e-6)


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Resnet(nn.Module):
    def __init__(self, layout: Layout, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = layout.norm(inputs), conv(inputs, outputs)
        self.norm2, self.conv2 = layout.norm(outputs), conv(outputs, outputs)
        if inputs != outputs:
            self.nin_shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.conv1(functional.silu(self.norm1(x)))
        h = self.conv2(functional.silu(self.norm2(h)))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class Attention(nn.Module):
    def __init__(self, layout: Layout, channels: int) -> None:
        super().__init__()
        self.norm = layout.norm(channels)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.norm(x)
        q, k, v = (layer(h).flatten(2).transpose(1, 2) for layer in (self.q, self.k, self.v))
        weights = torch.softmax(q @ k.transpose(1, 2) / x.shape[1] ** 0.5, dim=-1)
        return x + self.proj_out((weights @ v).transpose(1, 2).reshape(x.shape))


class Resample(nn.Module):
    def __init__(self, channels: int, down: bool) -> None:
        super().__init__()
        self.down = down
        self.conv = nn.Conv2d(channels, channels, 3, stride=2) if down else conv(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.down:  # zeros on the right and below only
            return self.conv(functional.pad(x, (0, 1, 0, 1)))
        return self.conv(x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))


class Level(nn.Module):
    def __init__(
        self, layout: Layout, inputs: int, outputs: int, blocks: int, attends: bool, resample: str
    ) -> None:
        super().__init__()
        self.block_name = "res" if layout.names == "llamagen" else "block"
        made = [Resnet(layout, inputs if i == 0 else outputs, outputs) for i in range(blocks)]
        setattr(self, self.block_name, nn.ModuleList(made))
        self.attn = nn.ModuleList(Attention(layout, outputs) for _ in range(blocks if attends else 0))
        self.resample_name = resample
        if resample:
            setattr(self, resample, Resample(outputs, resample == "downsample"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for i, block in enumerate(getattr(self, self.block_name)):
            x = block(x)
            if len(self.attn):
                x = self.attn[i](x)
        return getattr(self, self.resample_name)(x) if self.resample_name else x


def middle(layout: Layout, channels: int) -> nn.Module:
    blocks = [
        Resnet(layout, channels, channels),
        Attention(layout, channels),
        Resnet(layout, channels, channels),
    ]
    if layout.names == "llamagen":
        return nn.ModuleList(blocks)
    mid = nn.Module()
    mid.block_1, mid.attn_1, mid.block_2 = blocks
    return mid


def run_middle(mid: nn.Module, x: torch.Tensor) -> torch.Tensor:
    for block in mid.children():
        x = block(x)
    return x


class Encoder(nn.Module):
    def __init__(
        self, layout: Layout, ch: int, multipliers: list[int], blocks: int, attention: set[int], z: int
    ) -> None:
        super().__init__()
        self.conv_in = conv(3, ch)
        levels, inputs = [], ch
        for i, multiplier in enumerate(multipliers):
            resample = "downsample" if i < len(multipliers) - 1 else ""
            levels.append(Level(layout, inputs, ch * multiplier, blocks, i in attention, resample))
            inputs = ch * multiplier
        self.levels_name = "conv_blocks" if layout.names == "llamagen" else "down"
        setattr(self, self.levels_name, nn.ModuleList(levels))
        self.mid = middle(layout, inputs)
        self.norm_out, self.conv_out = layout.norm(inputs), conv(inputs, z)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv_in(x)
        for level in getattr(self, self.levels_name):
            x = level(x)
        return self.conv_out(functional.silu(self.norm_out(run_middle(self.mid, x))))


class Decoder(nn.Module):
    """`conv_blocks` are listed in the order in which they run, `up` from the largest picture on."""

    def __init__(
        self, layout: Layout, ch: int, multipliers: list[int], blocks: int, attention: set[int], z: int
    ) -> None:
        super().__init__()
        inputs = ch * multipliers[-1]
        self.conv_in = conv(z, inputs)
        self.mid = middle(layout, inputs)
        levels = []
        for i in reversed(range(len(multipliers))):
            resample = "upsample" if i > 0 else ""
            levels.append(Level(layout, inputs, ch * multipliers[i], blocks + 1, i in attention, resample))
            inputs = ch * multipliers[i]
        self.in_order = layout.names == "llamagen"
        if self.in_order:
            self.conv_blocks = nn.ModuleList(levels)
        else:
            self.up = nn.ModuleList(reversed(levels))
        self.norm_out, self.conv_out = layout.norm(inputs), conv(inputs, 3)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        x = run_middle(self.mid, self.conv_in(z))
        for level in self.conv_blocks if self.in_order else reversed(self.up):
            x = level(x)
        return self.conv_out(functional.silu(self.norm_out(x)))


class Vqgan(nn.Module):
    """`encoder` and `decoder` are the arguments of the two halves; `search` names how entries are chosen."""

    def __init__(self, encoder: dict, decoder: dict, entries: int, width: int, search: str) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(**encoder), Decoder(**decoder)
        self.quantize = nn.Module()
        self.quantize.embedding = nn.Embedding(entries, width)
        self.quant_conv = nn.Conv2d(encoder["z"], width, 1)
        self.post_quant_conv = nn.Conv2d(width, decoder["z"], 1)
        self.search = search

    @property
    def table(self) -> torch.Tensor:
        return self.quantize.embedding.weight

    def latents(self, picture: torch.Tensor) -> torch.Tensor:
        """[frames, rows, columns, width]."""
        return self.quant_conv(self.encoder(picture)).permute(0, 2, 3, 1)

    def codes(self, picture: torch.Tensor) -> torch.Tensor:
        z, table = self.latents(picture), self.table
        if self.search == "dot":
            return (z @ table.T).argmax(-1)
        if self.search == "cosine":
            z, table = functional.normalize(z, dim=-1), functional.normalize(table, dim=-1)
        distances = z.square().sum(-1, keepdim=True) + table.square().sum(-1) - 2 * z @ table.T
        return distances.argmin(-1)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        rows = self.table[codes]
        if self.search == "cosine":
            rows = functional.normalize(rows, dim=-1)
        return self.decoder(self.post_quant_conv(rows.permute(0, 3, 1, 2)))
