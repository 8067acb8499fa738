"""A config-driven audio tokenizer of the MiMo-Audio-Tokenizer family.

The modules carry the names of the public checkpoint layout, so `state_dict()` is
what is shipped. Three extension keys make a strictly causal member possible; each
is absent from the official configuration, and then the official behaviour holds:

mel_padding        "causal": frame t ends where hop t ends, nothing is centred
conv_padding       "causal": the encoder's convolutions pad on the left only
decoder_norm_type  "LayerNorm": per-frame norms after the transposed convolutions
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Config = dict[str, Any]
LOG_FLOOR = 1e-7
MAX_MAGNITUDE = 100.0


def htk_filterbank(n_bins: int, n_mels: int, rate: int, fmin: float, fmax: float) -> Tensor:
    """Triangles on the HTK mel scale without area norm, [n_bins, n_mels]."""

    def to_mel(hz: float) -> float:
        return 2595.0 * math.log10(1.0 + hz / 700.0)

    bins = torch.linspace(0, rate // 2, n_bins)
    corners = torch.linspace(to_mel(fmin), to_mel(fmax), n_mels + 2)
    corners = 700.0 * (10.0 ** (corners / 2595.0) - 1.0)
    widths = corners[1:] - corners[:-1]
    slopes = corners.unsqueeze(0) - bins.unsqueeze(1)
    falling = -slopes[:, :-2] / widths[:-1]
    rising = slopes[:, 2:] / widths[1:]
    return torch.minimum(falling, rising).clamp_min(0.0)


class MelFrontEnd(nn.Module):
    """Waveform [B, L] to log-mel [B, n_mels, T]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.nfft = config["nfft"]
        self.hop = config["hop_length"]
        self.causal = config.get("mel_padding", "reflect") == "causal"
        self.token = self.hop * config["stride_size"] * config["avg_pooler"]
        rate = config["sampling_rate"]
        fmax = config.get("fmax") or rate / 2
        bank = htk_filterbank(self.nfft // 2 + 1, config["n_mels"], rate, config["fmin"], fmax)
        self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("window", torch.hann_window(config["window_size"]), persistent=False)

    def forward(self, wave: Tensor) -> Tensor:
        if self.causal:
            missing = -wave.shape[-1] % self.token
            wave = F.pad(wave, (self.nfft - self.hop, missing))
        return self.frames(wave, center=not self.causal)

    def frames(self, wave: Tensor, center: bool) -> Tensor:
        spectrum = torch.stft(
            wave,
            self.nfft,
            self.hop,
            self.window.numel(),
            self.window,
            center=center,
            return_complex=True,
        )
        mel = torch.matmul(spectrum.abs().transpose(1, 2), self.bank)
        return mel.clamp_min(LOG_FLOOR).log().transpose(1, 2)


def rotary_tables(length: int, head_dim: int, theta: float, like: Tensor) -> tuple[Tensor, Tensor]:
    exponents = torch.arange(0, head_dim, 2, device=like.device).float() / head_dim
    angles = torch.outer(torch.arange(length, device=like.device).float(), theta**-exponents)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
    """Turns the pairs (i, i + half) of x [B, T, 2, heads, head_dim] by their angles."""
    cos, sin = (table[:, None, None] for table in tables)
    low, high = x.chunk(2, dim=-1)
    return torch.cat((low * cos - high * sin, high * cos + low * sin), dim=-1)


def window_mask(length: int, window: list[int], causal: bool, device: torch.device) -> Tensor:
    """True where query i may see key j; -1 is "no limit" on that side."""
    left, right = window
    distance = torch.arange(length, device=device)
    distance = distance[:, None] - distance[None, :]
    mask = torch.ones_like(distance, dtype=torch.bool)
    if left >= 0:
        mask &= distance <= left
    if causal:
        right = 0
    if right >= 0:
        mask &= distance >= -right
    return mask


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(dim, dim, bias=False)
        self.v_proj = nn.Linear(dim, dim)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, tables: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        # One product for all three, and one rotation for queries and keys, is faster.
        projections = (self.q_proj, self.k_proj, self.v_proj)
        weight = torch.cat([p.weight for p in projections])
        bias = torch.cat((self.q_proj.bias, torch.zeros_like(self.q_proj.bias), self.v_proj.bias))
        batch, length, dim = x.shape
        split = F.linear(x, weight, bias).view(batch, length, 3, self.heads, dim // self.heads)
        rotated = rotate(split[:, :, :2], tables).permute(2, 0, 3, 1, 4)
        value = split[:, :, 2].transpose(1, 2)
        seen = F.scaled_dot_product_attention(rotated[0], rotated[1], value, attn_mask=mask)
        return self.out_proj(seen.transpose(1, 2).reshape(x.shape))


class TransformerLayer(nn.Module):
    def __init__(self, dim: int, heads: int, ffn_dim: int) -> None:
        super().__init__()
        self.self_attn = Attention(dim, heads)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, ffn_dim)
        self.fc2 = nn.Linear(ffn_dim, dim)
        self.final_layer_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, tables: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x), tables, mask)
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


class TransformerStack(nn.Module):
    """Mix-in: `layers` and `layer_norm` over [B, T, C] with rotary positions and a window."""

    def build_stack(self, config: Config, part: str, dim: int, ffn: int, layers: int) -> None:
        heads = config[f"{part}_attention_heads"]
        self.head_dim = dim // heads
        self.theta = config["rope_theta"]
        self.window = config[f"{part}_attn_window_size"]
        self.causal = config.get(f"{part}_causal", False)
        self.layers = nn.ModuleList(TransformerLayer(dim, heads, ffn) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(dim)

    def run_stack(self, x: Tensor, skip_after: int | None = None) -> Tensor:
        length = x.shape[1]
        tables = rotary_tables(length, self.head_dim, self.theta, x)
        mask = window_mask(length, self.window, self.causal, x.device)
        skipped: Tensor | float = 0.0
        for index, layer in enumerate(self.layers):
            x = layer(x, tables, mask)
            if skip_after is not None and index == skip_after - 1:
                skipped = x
        return self.layer_norm(x + skipped)


class Codebook(nn.Module):
    """Rows found by nearest neighbour; learned by moving averages (see train.py)."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("embed", torch.zeros(size, dim))
        self.register_buffer("embed_avg", torch.zeros(size, dim))
        self.register_buffer("cluster_size", torch.zeros(size))
        self.register_buffer("inited", torch.zeros(1))

    def nearest(self, x: Tensor) -> Tensor:
        """Index of the closest row for every row of x [N, D]; the first one wins ties."""
        return (self.embed.square().sum(1) - 2.0 * x @ self.embed.t()).argmin(dim=1)


class CodebookLayer(nn.Module):
    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self._codebook = Codebook(size, dim)


class ResidualQuantizer(nn.Module):
    """Names follow the public layout: `quantizer.vq.layers.Q._codebook`."""

    def __init__(self, sizes: list[int], dim: int) -> None:
        super().__init__()
        self.vq = nn.Module()
        self.vq.layers = nn.ModuleList(CodebookLayer(size, dim) for size in sizes)

    @property
    def books(self) -> list[Codebook]:
        return [layer._codebook for layer in self.vq.layers]

    def encode(self, x: Tensor) -> Tensor:
        """Rows [N, D] to codes [n_q, N]."""
        codes = []
        for book in self.books:
            index = book.nearest(x)
            x = x - book.embed[index]
            codes.append(index)
        return torch.stack(codes)

    def decode(self, codes: Tensor) -> Tensor:
        return sum(book.embed[row] for book, row in zip(self.books, codes))


class AudioEncoder(TransformerStack):
    def __init__(self, config: Config) -> None:
        super().__init__()
        dim, kernel = config["d_model"], config["kernel_size"]
        stride, pool = config["stride_size"], config["avg_pooler"]
        self.conv1 = nn.Conv1d(config["n_mels"], dim, kernel)
        self.conv2 = nn.Conv1d(dim, dim, kernel, stride)
        self.build_stack(
            config, "encoder", dim, config["encoder_ffn_dim"], config["encoder_layers"]
        )
        self.skip_after = config.get("encoder_skip_layer_id")
        self.down_sample_layer = nn.Sequential(
            nn.Conv1d(dim, dim, pool, pool, bias=False), nn.GELU()
        )
        self.down_sample_norm = nn.LayerNorm(dim)
        self.quantizer = ResidualQuantizer(config["codebook_size"], dim)
        self.causal_padding = config.get("conv_padding", "same") == "causal"
        self.pool = pool

    def padded(self, x: Tensor, conv: nn.Conv1d) -> Tensor:
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        return F.pad(x, (kernel - stride, 0) if self.causal_padding else (1, 1))

    def forward(self, mel: Tensor) -> Tensor:
        """Log-mel [B, n_mels, T] to latents before quantisation [B, tokens, C]."""
        x = F.gelu(self.conv1(self.padded(mel, self.conv1)))
        x = F.gelu(self.conv2(self.padded(x, self.conv2)))
        x = self.run_stack(x.transpose(1, 2), self.skip_after).transpose(1, 2)
        x = F.pad(x, (0, -x.shape[-1] % self.pool))
        return self.down_sample_norm(self.down_sample_layer(x).transpose(1, 2))


class CausalUpsample(nn.Module):
    """Transposed convolution whose frames beyond stride x input are cut off."""

    def __init__(self, dim_in: int, dim_out: int, kernel: int, stride: int, norm_type: str) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose1d(dim_in, dim_out, kernel, stride)
        self.per_frame = norm_type == "LayerNorm"
        self.norm = nn.LayerNorm(dim_out) if self.per_frame else nn.GroupNorm(1, dim_out)
        self.surplus = max(0, kernel - stride)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x.transpose(1, 2))
        x = self.norm(x.transpose(1, 2)) if self.per_frame else self.norm(x).transpose(1, 2)
        return x[:, : x.shape[1] - self.surplus]


class InverseSTFT(nn.Module):
    """Overlap-add with "same" padding: (window - hop) / 2 samples cut at both ends."""

    def __init__(self, nfft: int, hop: int) -> None:
        super().__init__()
        self.nfft, self.hop = nfft, hop
        self.register_buffer("window", torch.hann_window(nfft))

    def overlap_add(self, frames: Tensor) -> Tensor:
        """Frames [B, nfft, T] to samples; the hop divides the window."""
        batch, _, count = frames.shape
        parts = self.nfft // self.hop
        pieces = frames.transpose(1, 2).reshape(batch, count, parts, self.hop)
        total = sum(
            F.pad(pieces[:, :, part], (0, 0, part, parts - 1 - part)) for part in range(parts)
        )
        cut = (self.nfft - self.hop) // 2
        return total.reshape(batch, -1)[:, cut : (count + parts - 1) * self.hop - cut]

    def forward(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """Spectra [B, T, bins] to samples [B, T x hop]."""
        frames = torch.fft.irfft(torch.complex(real, imaginary), self.nfft, dim=-1)
        frames = (frames * self.window).transpose(1, 2)
        envelope = self.window.square()[None, :, None].expand(1, -1, frames.shape[-1])
        return self.overlap_add(frames) / self.overlap_add(envelope)


class ISTFTHead(nn.Module):
    def __init__(self, dim: int, nfft: int, hop: int) -> None:
        super().__init__()
        self.out = nn.Linear(dim, nfft + 2)
        self.istft = InverseSTFT(nfft, hop)

    def forward(self, x: Tensor) -> Tensor:
        log_magnitude, phase = self.out(x).chunk(2, dim=-1)
        magnitude = log_magnitude.exp().clamp_max(MAX_MAGNITUDE)
        return self.istft(magnitude * phase.cos(), magnitude * phase.sin())


class Vocoder(TransformerStack):
    def __init__(self, config: Config) -> None:
        super().__init__()
        dim = config["vocoder_dim"]
        self.embeddings = nn.Linear(config["n_mels"], dim, bias=False)
        ffn, layers = config["vocoder_intermediate_dim"], config["vocoder_num_layers"]
        self.build_stack(config, "vocoder", dim, ffn, layers)
        self.head = ISTFTHead(dim, config["nfft"], config["hop_length"])

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.run_stack(self.embeddings(x)))


class AudioDecoder(TransformerStack):
    def __init__(self, config: Config) -> None:
        super().__init__()
        dim, pool = config["d_model"], config["avg_pooler"]
        norm_type = config.get("decoder_norm_type", "GroupNorm")
        kernel, stride = config["decoder_kernel_size"], config["decoder_stride_size"]
        self.dconv1 = CausalUpsample(dim, dim, pool, pool, norm_type)
        self.build_stack(
            config, "decoder", dim, config["decoder_ffn_dim"], config["decoder_layers"]
        )
        self.dconv2 = CausalUpsample(dim, config["n_mels"], kernel, stride, norm_type)
        self.vocoder = Vocoder(config)

    def coarse_mel(self, latents: Tensor) -> Tensor:
        """Quantised latents [B, tokens, C] to what the vocoder reads [B, T, n_mels]."""
        return self.dconv2(self.run_stack(self.dconv1(latents)))

    def forward(self, latents: Tensor) -> Tensor:
        """Quantised latents [B, tokens, C] to samples [B, L]."""
        return self.vocoder(self.coarse_mel(latents))


class AudioTokenizer(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.mel = MelFrontEnd(config)
        self.encoder = AudioEncoder(config)
        self.decoder = AudioDecoder(config)

    @torch.no_grad()
    def encode(self, wave: Tensor) -> Tensor:
        """Samples [L] to codes [n_q, tokens]."""
        latents = self.encoder(self.mel(wave[None]))
        return self.encoder.quantizer.encode(latents[0])

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        return self.decoder(self.encoder.quantizer.decode(codes)[None])[0]
