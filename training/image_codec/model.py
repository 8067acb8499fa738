"""The VQ autoencoder of LlamaGen, sized by a configuration; tensor names are LlamaGen's.

A picture is [B, 3, H, W] in -1 ... 1, H and W multiples of the factor. Latents are unit
vectors: the nearest row of the normalised codebook is the code. Facts of the layout: down-sampling
pads one row below and one column to the right, the last level and the middle attend,
levels of the decoder are numbered in the order in which they run. `norm_num_groups` is 32 in the
published models, whose narrowest layers have 128 channels; with one channel a group a norm would
forget how bright a picture is.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Config = dict[str, Any]
NORM_EPS = 1e-6


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def norm(channels: int, groups: int) -> nn.GroupNorm:
    return nn.GroupNorm(groups, channels, eps=NORM_EPS)


class ResnetBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = norm(inputs, groups), conv3x3(inputs, outputs)
        self.norm2, self.conv2 = norm(outputs, groups), conv3x3(outputs, outputs)
        if inputs != outputs:
            self.nin_shortcut = nn.Conv2d(inputs, outputs, 1)

    def shortcut(self, x: Tensor) -> Tensor:
        return self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return h + self.shortcut(x)


class AttnBlock(nn.Module):
    """One head over all positions of the picture."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = norm(channels, groups)
        self.q, self.k, self.v = (nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (part(h).flatten(2).transpose(1, 2) for part in (self.q, self.k, self.v))
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.proj_out(h.transpose(1, 2).reshape(x.shape))


class Downsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """Blocks of one resolution, each followed by attention if the level attends, then the
    change of resolution (None at the end)."""

    def __init__(self, widths: list[int], groups: int, attends: bool) -> None:
        """A block leads from each of the widths to the next."""
        super().__init__()
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.res = nn.ModuleList(ResnetBlock(*pair, groups) for pair in pairs)
        self.attn = nn.ModuleList(AttnBlock(pair[1], groups) for pair in pairs if attends)

    def forward(self, x: Tensor) -> Tensor:
        for i, block in enumerate(self.res):
            x = block(x)
            if self.attn:
                x = self.attn[i](x)
        for name in ("downsample", "upsample"):
            if hasattr(self, name):
                x = getattr(self, name)(x)
        return x


def middle(channels: int, groups: int) -> nn.ModuleList:
    first, last = (ResnetBlock(channels, channels, groups) for _ in range(2))
    return nn.ModuleList((first, AttnBlock(channels, groups), last))


class Encoder(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = [config["ch"] * m for m in config["encoder_ch_mult"]]
        groups = config["norm_num_groups"]
        self.conv_in = conv3x3(config["in_channels"], config["ch"])
        self.conv_blocks = nn.ModuleList()
        inputs = config["ch"]
        for i, width in enumerate(widths):
            last = i == len(widths) - 1
            level = Level([inputs] + [width] * config["num_res_blocks"], groups, attends=last)
            if not last:
                level.downsample = Downsample(width)
            self.conv_blocks.append(level)
            inputs = width
        self.mid = middle(inputs, groups)
        self.norm_out, self.conv_out = norm(inputs, groups), conv3x3(inputs, config["z_channels"])

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for block in (*self.conv_blocks, *self.mid):
            x = block(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Decoder(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = [config["ch"] * m for m in reversed(config["decoder_ch_mult"])]
        groups = config["norm_num_groups"]
        inputs = widths[0]
        self.conv_in = conv3x3(config["z_channels"], inputs)
        self.mid = middle(inputs, groups)
        self.conv_blocks = nn.ModuleList()
        for i, width in enumerate(widths):
            level = Level([inputs] + [width] * (config["num_res_blocks"] + 1), groups, i == 0)
            if i < len(widths) - 1:
                level.upsample = Upsample(width)
            self.conv_blocks.append(level)
            inputs = width
        self.norm_out, self.conv_out = norm(inputs, groups), conv3x3(inputs, config["out_channels"])

    def forward(self, z: Tensor) -> Tensor:
        x = self.conv_in(z)
        for block in (*self.mid, *self.conv_blocks):
            x = block(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Quantizer(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config["codebook_size"], config["codebook_embed_dim"])

    def rows(self) -> Tensor:
        """The codebook as it is searched and looked up: unit rows."""
        return F.normalize(self.embedding.weight, dim=-1)

    def nearest(self, unit: Tensor) -> Tensor:
        """Unit vectors [N, D] -> codes [N]; the nearest of unit rows has the largest product."""
        return (unit @ self.rows().T).argmax(dim=1)


class VQModel(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.quantize = Quantizer(config)
        z, d = config["z_channels"], config["codebook_embed_dim"]
        self.quant_conv, self.post_quant_conv = nn.Conv2d(z, d, 1), nn.Conv2d(d, z, 1)

    def latents(self, pictures: Tensor) -> Tensor:
        """Unit vectors [B, h, w, D]."""
        z = self.quant_conv(self.encoder(pictures))
        return F.normalize(z.permute(0, 2, 3, 1), dim=-1)

    def pictures(self, latents: Tensor) -> Tensor:
        """[B, h, w, D] -> [B, 3, H, W], not clipped."""
        return self.decoder(self.post_quant_conv(latents.permute(0, 3, 1, 2)))

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        """Codes [B, h, w]."""
        latents = self.latents(pictures)
        return self.quantize.nearest(latents.flatten(0, 2)).view(latents.shape[:3])

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        return self.pictures(self.quantize.rows()[codes])
