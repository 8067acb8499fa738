"""Golden fixtures for MiMo-Audio-Tokenizer, made with its official modules.

    python generate_mimo.py --source FOLDER

FOLDER is the official repository's `src` (the folder that holds `mimo_audio_tokenizer`). Nothing
of it is stored here. Its attention needs a GPU library; a plain softmax attention stands in.

Codes, margins and waves come from a float64 run, with a float64 restatement of the mel front end;
a float32 run with torchaudio's front end must agree. The cases named causal_* use configuration
keys of this project; their reference replaces a few of the official modules (see README.md).
"""

from __future__ import annotations

import argparse
import copy
import math
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import torch
from golden_common import (
    Spread,
    Tensors,
    UnitScale,
    as_codes,
    decibels,
    first_mismatches,
    fitted_codebook,
    nearest,
    read_model,
    residual_search,
    single_thread,
    test_wave,
    used_share,
    versions,
    write_expected,
    write_json,
    write_model,
)
from reference_audio import load_torchaudio, mel_filters, mel_magnitudes, reflect_padded
from torch import nn

SEGMENT_FRAMES = 6000
LONGEST_DECODE = 1500
LAYERS = (nn.Conv1d, nn.ConvTranspose1d, nn.Linear)


@dataclass
class Case:
    """One checkpoint and its inputs; lengths are given in samples."""

    name: str
    seed: int
    config: dict
    lengths: list[int]
    reduced: list[int]
    dtype: torch.dtype = torch.float32
    shards: int = 1
    head_spread: float = 1.0
    head_shift: float = 0.0
    keep_mel: bool = True

    @property
    def causal(self) -> bool:
        return self.config.get("mel_padding") == "causal"


COMMON = {
    "model_type": "mimo_audio_tokenizer",
    "max_audio_seconds": 1800,
    "position_embedding_type": "rope",
    "rope_type": "default",
    "threshold_ema_dead_code": 2,
    "scale_embedding": False,
    "fmin": 0,
    "fmax": None,
    "kernel_size": 3,
    "ln_type": "LayerNorm",
    "activation_function": "gelu",
    "vocoder_padding": "same",
}


def whole_attention() -> dict:
    return {"encoder_attn_window_size": [-1, -1], "decoder_attn_window_size": [-1, -1]}


def cases() -> list[Case]:
    return [
        Case(
            name="skip_pool2",
            seed=31,
            lengths=[64 * 60, 64 * 21 + 37, 20, 64 * 3 - 1, 33],
            reduced=[2],
            config={
                **whole_attention(),
                "sampling_rate": 24000,
                "nfft": 64,
                "window_size": 64,
                "hop_length": 16,
                "n_mels": 10,
                "d_model": 24,
                "stride_size": 2,
                "avg_pooler": 2,
                "encoder_layers": 3,
                "encoder_attention_heads": 3,
                "encoder_ffn_dim": 40,
                "encoder_causal": False,
                "encoder_skip_layer_id": 2,
                "decoder_layers": 2,
                "decoder_attention_heads": 2,
                "decoder_ffn_dim": 36,
                "decoder_causal": True,
                "decoder_kernel_size": 3,
                "decoder_stride_size": 2,
                "vocoder_dim": 16,
                "vocoder_num_layers": 2,
                "vocoder_attention_heads": 2,
                "vocoder_intermediate_dim": 24,
                "vocoder_attn_window_size": [5, 2],
                "num_quantizers": 6,
                "codebook_size": [64, 48, 16],
                "rope_theta": 10000,
            },
        ),
        Case(
            name="rms_windows_sharded",
            seed=32,
            shards=2,
            lengths=[36 * 70 + 5, 36 * 24, 7, 36 * 9 + 35, 36 * 9 + 1],
            reduced=[3],
            config={
                "sampling_rate": 22050,
                "nfft": 50,
                "window_size": 40,
                "hop_length": 12,
                "n_mels": 8,
                "fmin": 150,
                "fmax": 9000,
                "scale_embedding": True,
                "ln_type": "RMSNorm",
                "activation_function": "relu",
                "d_model": 18,
                "stride_size": 3,
                "avg_pooler": 1,
                "encoder_layers": 2,
                "encoder_attention_heads": 3,
                "encoder_ffn_dim": 30,
                "encoder_causal": True,
                "encoder_attn_window_size": [7, 3],
                "encoder_skip_layer_id": None,
                "decoder_layers": 3,
                "decoder_attention_heads": 1,
                "decoder_ffn_dim": 24,
                "decoder_causal": True,
                "decoder_attn_window_size": [9, -1],
                "decoder_kernel_size": 5,
                "decoder_stride_size": 3,
                "vocoder_dim": 20,
                "vocoder_num_layers": 3,
                "vocoder_attention_heads": 2,
                "vocoder_intermediate_dim": 32,
                "vocoder_attn_window_size": [-1, 4],
                "num_quantizers": 5,
                "codebook_size": [32],
                "rope_theta": 700,
            },
        ),
        Case(
            name="pool3_bf16",
            seed=33,
            dtype=torch.bfloat16,
            lengths=[60 * 64, 60 * 30 + 11, 24, 25, 60 * 5 + 59],
            reduced=[2, 1],
            head_spread=1.2,
            head_shift=3.3,
            config={
                "sampling_rate": 16000,
                "nfft": 48,
                "window_size": 48,
                "hop_length": 10,
                "n_mels": 9,
                "activation_function": "silu",
                "d_model": 20,
                "stride_size": 2,
                "avg_pooler": 3,
                "encoder_layers": 3,
                "encoder_attention_heads": 2,
                "encoder_ffn_dim": 60,
                "encoder_causal": False,
                "encoder_attn_window_size": [6, 4],
                "encoder_skip_layer_id": 1,
                "decoder_layers": 2,
                "decoder_attention_heads": 5,
                "decoder_ffn_dim": 48,
                "decoder_causal": False,
                "decoder_attn_window_size": [3, 8],
                "decoder_kernel_size": 2,
                "decoder_stride_size": 2,
                "vocoder_dim": 24,
                "vocoder_num_layers": 2,
                "vocoder_attention_heads": 3,
                "vocoder_intermediate_dim": 40,
                "vocoder_attn_window_size": [2, 11],
                "num_quantizers": 7,
                "codebook_size": [64, 64, 32, 32, 16],
                "rope_theta": 10000,
            },
        ),
        Case(
            name="center_window",
            seed=34,
            lengths=[16 * 110, 16 * 60 + 9, 23, 16 * 4 + 3],
            reduced=[2],
            config={
                **whole_attention(),
                "sampling_rate": 24000,
                "nfft": 44,
                "window_size": 36,
                "hop_length": 8,
                "n_mels": 7,
                "fmin": 20,
                "fmax": 11000,
                "d_model": 16,
                "stride_size": 1,
                "avg_pooler": 2,
                "encoder_layers": 4,
                "encoder_attention_heads": 2,
                "encoder_ffn_dim": 32,
                "encoder_causal": True,
                "encoder_skip_layer_id": 3,
                "decoder_layers": 1,
                "decoder_attention_heads": 4,
                "decoder_ffn_dim": 20,
                "decoder_causal": True,
                "decoder_kernel_size": 4,
                "decoder_stride_size": 1,
                "vocoder_dim": 12,
                "vocoder_num_layers": 1,
                "vocoder_attention_heads": 3,
                "vocoder_intermediate_dim": 20,
                "vocoder_attn_window_size": [0, 6],
                "vocoder_padding": "center",
                "num_quantizers": 4,
                "codebook_size": [32, 32, 32, 32],
                "rope_theta": 10000,
            },
        ),
        Case(
            name="two_segments",
            seed=35,
            lengths=[2 * 6122 + 1, 2 * 6000, 2 * 3],
            reduced=[1],
            keep_mel=False,
            config={
                **whole_attention(),
                "sampling_rate": 4000,
                "nfft": 8,
                "window_size": 8,
                "hop_length": 2,
                "n_mels": 3,
                "d_model": 16,
                "stride_size": 2,
                "avg_pooler": 3,
                "encoder_layers": 2,
                "encoder_attention_heads": 2,
                "encoder_ffn_dim": 24,
                "encoder_causal": False,
                "encoder_attn_window_size": [-1, 20],
                "encoder_skip_layer_id": 1,
                "decoder_layers": 2,
                "decoder_attention_heads": 2,
                "decoder_ffn_dim": 24,
                "decoder_causal": True,
                "decoder_kernel_size": 3,
                "decoder_stride_size": 2,
                "vocoder_dim": 12,
                "vocoder_num_layers": 1,
                "vocoder_attention_heads": 2,
                "vocoder_intermediate_dim": 16,
                "vocoder_attn_window_size": [40, 10],
                "num_quantizers": 3,
                "codebook_size": [64, 32],
                "rope_theta": 10000,
            },
        ),
        Case(
            name="causal_pool2",
            seed=43,
            lengths=[64 * 70, 64 * 25 + 37, 5, 64 * 3 + 1],
            reduced=[2],
            config={
                "mel_padding": "causal",
                "conv_padding": "causal",
                "decoder_norm_type": "LayerNorm",
                "sampling_rate": 24000,
                "nfft": 64,
                "window_size": 64,
                "hop_length": 16,
                "n_mels": 10,
                "d_model": 24,
                "stride_size": 2,
                "avg_pooler": 2,
                "encoder_layers": 3,
                "encoder_attention_heads": 3,
                "encoder_ffn_dim": 40,
                "encoder_causal": True,
                "encoder_attn_window_size": [8, 0],
                "encoder_skip_layer_id": 2,
                "decoder_layers": 2,
                "decoder_attention_heads": 2,
                "decoder_ffn_dim": 36,
                "decoder_causal": True,
                "decoder_attn_window_size": [10, 0],
                "decoder_kernel_size": 3,
                "decoder_stride_size": 2,
                "vocoder_dim": 16,
                "vocoder_num_layers": 2,
                "vocoder_attention_heads": 2,
                "vocoder_intermediate_dim": 24,
                "vocoder_attn_window_size": [12, 0],
                "num_quantizers": 6,
                "codebook_size": [64, 48, 16],
                "rope_theta": 10000,
            },
        ),
        Case(
            name="causal_kernel5_bf16",
            seed=37,
            dtype=torch.bfloat16,
            shards=2,
            lengths=[90 * 45 + 13, 90 * 22, 89, 90 * 6 + 30],
            reduced=[2],
            config={
                "mel_padding": "causal",
                "conv_padding": "causal",
                "decoder_norm_type": "LayerNorm",
                "sampling_rate": 16000,
                "nfft": 46,
                "window_size": 38,
                "hop_length": 10,
                "n_mels": 9,
                "fmin": 50,
                "fmax": 7600,
                "kernel_size": 5,
                "ln_type": "RMSNorm",
                "activation_function": "silu",
                "d_model": 20,
                "stride_size": 3,
                "avg_pooler": 3,
                "encoder_layers": 2,
                "encoder_attention_heads": 5,
                "encoder_ffn_dim": 32,
                "encoder_causal": False,
                "encoder_attn_window_size": [5, 0],
                "encoder_skip_layer_id": None,
                "decoder_layers": 2,
                "decoder_attention_heads": 1,
                "decoder_ffn_dim": 40,
                "decoder_causal": False,
                "decoder_attn_window_size": [4, 0],
                "decoder_kernel_size": 5,
                "decoder_stride_size": 3,
                "vocoder_dim": 18,
                "vocoder_num_layers": 2,
                "vocoder_attention_heads": 3,
                "vocoder_intermediate_dim": 20,
                "vocoder_attn_window_size": [7, 0],
                "num_quantizers": 5,
                "codebook_size": [32, 16],
                "rope_theta": 300,
            },
        ),
    ]


# ---------------------------------------------------------------------------------------------
# the official package and the stand-in for its GPU attention


def window_mask(rows: torch.Tensor, keys: int, window: tuple[int, int]) -> torch.Tensor:
    """True where the query in position rows[i] may see key j: i - left <= j <= i + right."""
    left, right = window
    offset = torch.arange(keys)[None, :] - rows[:, None]
    allowed = torch.ones_like(offset, dtype=torch.bool)
    if left >= 0:
        allowed &= offset >= -left
    if right >= 0:
        allowed &= offset <= right
    return allowed


def plain_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: tuple[int, int]
) -> torch.Tensor:
    """Softmax attention of one sequence, [T, heads, size], in slices of queries."""
    scale = 1.0 / math.sqrt(query.shape[-1])
    keys, values = key.permute(1, 2, 0), value.transpose(0, 1)
    parts = []
    for start in range(0, query.shape[0], 512):
        rows = torch.arange(start, min(start + 512, query.shape[0]))
        scores = torch.matmul(query[rows].transpose(0, 1), keys) * scale
        scores = scores.masked_fill(~window_mask(rows, key.shape[0], window)[None], -math.inf)
        parts.append(torch.matmul(torch.softmax(scores, dim=-1), values).transpose(0, 1))
    return torch.cat(parts)


def varlen_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_starts: torch.Tensor,
    key_starts: torch.Tensor,
    _longest_query: int,
    _longest_key: int,
    causal: bool = False,
    window_size: tuple[int, int] = (-1, -1),
) -> torch.Tensor:
    """Packed sequences one after the other; -1 is unlimited, causal sets the right side to 0."""
    left, right = window_size
    right = 0 if causal else right
    parts = []
    for i in range(len(query_starts) - 1):
        own = slice(int(query_starts[i]), int(query_starts[i + 1]))
        other = slice(int(key_starts[i]), int(key_starts[i + 1]))
        parts.append(plain_attention(query[own], key[other], value[other], (left, right)))
    return torch.cat(parts)


def load_official(source: Path) -> types.ModuleType:
    import transformers.activations  # noqa: F401  (looks for the real library: before the stand-in)
    import transformers.modeling_utils  # noqa: F401

    stand_in = types.ModuleType("flash_attn")
    stand_in.flash_attn_varlen_func = varlen_attention
    sys.modules["flash_attn"] = stand_in
    sys.path.insert(0, str(source))
    import mimo_audio_tokenizer
    from mimo_audio_tokenizer import modeling_audio_tokenizer

    modeling_audio_tokenizer.Config = mimo_audio_tokenizer.MiMoAudioTokenizerConfig
    return modeling_audio_tokenizer


# ---------------------------------------------------------------------------------------------
# extensions and float64 replacements


class LeftPaddedConv(nn.Conv1d):
    """kernel - stride zeros on the left, none on the right."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return super().forward(nn.functional.pad(hidden, (self.kernel_size[0] - self.stride[0], 0)))


class FrameNorm(nn.LayerNorm):
    """LayerNorm over the channels of every frame of [N, C, T]."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return super().forward(hidden.transpose(1, 2)).transpose(1, 2)


def make_causal(model: nn.Module, config: dict) -> None:
    encoder, decoder = model.encoder, model.decoder
    for name in ("conv1", "conv2"):
        old = getattr(encoder, name)
        new = LeftPaddedConv(old.in_channels, old.out_channels, old.kernel_size[0], old.stride[0])
        setattr(encoder, name, new)
    encoder.get_output_length = lambda mel_frames: -(-mel_frames // config["stride_size"])
    for convolution in (decoder.dconv1, decoder.dconv2):
        if convolution is not None:
            convolution.norm = FrameNorm(convolution.out_channels, eps=1e-5)


def exact_rms(module: nn.Module) -> None:
    """The official RMSNorm takes its mean in float32 whatever the input: do it in the input's type."""

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        mean = hidden.square().mean(-1, keepdim=True)
        return module.weight * (hidden * torch.rsqrt(mean + module.variance_epsilon))

    module.forward = forward


def exact_head(module: nn.Module) -> None:
    """The official head builds its spectrum in float32 whatever the input."""

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        log_magnitude, phase = module.out(hidden).transpose(1, 2).chunk(2, dim=1)
        magnitude = log_magnitude.exp().clamp(max=100.0)
        return module.istft(torch.polar(magnitude, phase))

    module.forward = forward


def to_double(model: nn.Module) -> nn.Module:
    model = model.double()
    for module in model.modules():
        if type(module).__name__ == "RMSNorm":
            exact_rms(module)
    exact_head(model.decoder.vocoder.head)
    return model


# ---------------------------------------------------------------------------------------------
# random but lively weights


def blank_model(official: types.ModuleType, case: Case) -> nn.Module:
    config = copy.deepcopy({**COMMON, **case.config})
    model = official.MiMoAudioTokenizer(official.Config(**config)).eval()
    if case.causal:
        make_causal(model, config)
    return model.float()


def randomise(model: nn.Module, generator: torch.Generator) -> None:
    for name, module in model.named_modules():
        norm = "norm" in type(module).__name__.lower()
        for kind, parameter in module.named_parameters(recurse=False):
            noise = torch.randn(parameter.shape, generator=generator)
            if norm:
                parameter.data.copy_(0.3 * noise + (1.0 if kind == "weight" else 0.0))
            elif kind == "bias":
                parameter.data.copy_(0.5 * noise)
            else:
                parameter.data.copy_(noise / math.sqrt(max(1, parameter[0].numel())))


def wanted_spread(name: str, module: nn.Module) -> float | None:
    if not isinstance(module, LAYERS):
        return None
    return 1.6 if name.rsplit(".", 1)[-1] in ("q_proj", "k_proj", "fc1") else 1.0


def codebooks(model: nn.Module) -> list[nn.Module]:
    return [layer._codebook for layer in model.encoder.quantizer.vq.layers]


def fit_codebooks(model: nn.Module, latents: torch.Tensor, generator: torch.Generator) -> None:
    """embed is what counts; the training state beside it is filled with other numbers."""
    residual = latents
    for book in codebooks(model):
        table = fitted_codebook(residual, book.embed.shape[0], 0.15, generator)
        book.embed.copy_(table)
        book.embed_avg.copy_(torch.randn(table.shape, generator=generator))
        book.cluster_size.copy_(torch.rand(table.shape[0], generator=generator))
        book.inited.fill_(1.0)
        residual = residual - table[nearest(residual, table)[0]]


def calibration_mels(case: Case) -> list[torch.Tensor]:
    token = token_samples(case.config)
    rate = case.config["sampling_rate"]
    waves = [test_wave(token * 48, rate, 9000 + 20 * case.seed + i) for i in range(12)]
    return [log_mel(case, torch.from_numpy(wave)).float() for wave in waves]


def make_model(official: types.ModuleType, case: Case) -> nn.Module:
    generator = torch.Generator().manual_seed(case.seed)
    model = blank_model(official, case)
    randomise(model, generator)
    mels = calibration_mels(case)
    with UnitScale(model.encoder, wanted_spread):
        latents(model, torch.cat(mels)[:600])
    found = torch.cat([latents(model, mel) for mel in mels])
    fit_codebooks(model, found, generator)
    codes = residual_search(found[:100], [book.embed for book in codebooks(model)])[0]
    with UnitScale(model.decoder, wanted_spread):
        decode(model, codes)
    out = model.decoder.vocoder.head.out
    bins = out.out_features // 2
    out.weight.data[:bins] *= case.head_spread
    out.bias.data[:bins] += case.head_shift
    out.weight.data[bins:] *= 2.0
    return model


# ---------------------------------------------------------------------------------------------
# files


def write_checkpoint(case: Case, model: nn.Module, folder: Path) -> None:
    tensors: Tensors = {}
    for name, tensor in model.state_dict().items():
        # The synthesis window stays as the program computed it.
        keep = name.endswith("istft.window") or not tensor.is_floating_point()
        tensors[name] = tensor if keep else tensor.to(case.dtype)
    write_model(folder, tensors, case.shards)
    config = {**COMMON, **case.config, "architectures": ["MiMoAudioTokenizer"]}
    config["torch_dtype"] = str(case.dtype).removeprefix("torch.")
    write_json(folder / "config.json", dict(sorted(config.items())))


def reload_model(official: types.ModuleType, case: Case, folder: Path) -> nn.Module:
    model = blank_model(official, case)
    stored = {name: tensor.float() for name, tensor in read_model(folder).items()}
    model.load_state_dict(stored, strict=True)
    return model


# ---------------------------------------------------------------------------------------------
# reference runs


def token_samples(config: dict) -> int:
    return config["hop_length"] * config["stride_size"] * config["avg_pooler"]


def prepared(case: Case, wave: torch.Tensor) -> torch.Tensor:
    """The wave as the mel front end cuts it into frames: mirrored, or padded causally."""
    n_fft, hop = case.config["nfft"], case.config["hop_length"]
    if not case.causal:
        return reflect_padded(wave, n_fft // 2)
    missing = -wave.shape[-1] % token_samples(case.config)
    return torch.cat([wave.new_zeros(n_fft - hop), wave, wave.new_zeros(missing)])


def log_mel(case: Case, wave: torch.Tensor) -> torch.Tensor:
    """[frames, n_mels], float64."""
    c = {**COMMON, **case.config}
    top = c["fmax"] if c["fmax"] is not None else c["sampling_rate"] // 2
    filters = mel_filters(c["nfft"] // 2 + 1, c["fmin"], top, c["n_mels"], c["sampling_rate"])
    sums = mel_magnitudes(prepared(case, wave), c["nfft"], c["window_size"], c["hop_length"], filters)
    return sums.clamp(min=1e-7).log()


def official_mel(case: Case, wave: torch.Tensor) -> torch.Tensor:
    """The official front end in float32; only what it cannot do is done before it."""
    c = {**COMMON, **case.config}
    if case.causal:
        wave = prepared(case, wave)
    elif wave.shape[-1] <= c["nfft"] // 2:
        wave = torch.cat([wave, wave.new_zeros(c["nfft"] // 2 + 1 - wave.shape[-1])])
    transform = load_torchaudio().transforms.MelSpectrogram(
        sample_rate=c["sampling_rate"],
        n_fft=c["nfft"],
        hop_length=c["hop_length"],
        win_length=c["window_size"],
        f_min=c["fmin"],
        f_max=c["fmax"],
        n_mels=c["n_mels"],
        power=1.0,
        center=not case.causal,
    )
    return torch.log(torch.clip(transform(wave[None]), min=1e-7))[0].T


def latents(model: nn.Module, mel: torch.Tensor) -> torch.Tensor:
    """What the quantiser sees, [tokens, d_model], for one segment on its own."""
    length = torch.tensor([mel.shape[0]])
    features = mel.T[None].to(model.encoder.conv1.weight.dtype)
    return model.encoder.get_features(features, model.encoder.get_output_length(length))[0]


def segments(mel: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.split(mel, SEGMENT_FRAMES))


def encode_exact(model: nn.Module, mel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    tables = [book.embed for book in codebooks(model)]
    found = [residual_search(latents(model, part), tables) for part in segments(mel)]
    return torch.cat([f[0] for f in found], dim=1), torch.cat([f[1] for f in found], dim=1)


def encode_official(model: nn.Module, mel: torch.Tensor) -> torch.Tensor:
    parts = []
    for part in segments(mel):
        length = torch.tensor([part.shape[0]])
        parts.append(model.encoder.encode(part, input_lens=length, return_codes_only=True)[0])
    return torch.cat(parts, dim=1)


def decode(model: nn.Module, codes: torch.Tensor) -> torch.Tensor:
    """Whole decode of [levels, T]; the sum over the codebooks is taken in the model's type."""
    summed = sum(book.embed[row] for book, row in zip(codebooks(model), codes))
    return model.decoder(summed, torch.tensor([codes.shape[1]]))[0, 0]


def decoded_samples(case: Case, tokens: int) -> int:
    c = {**COMMON, **case.config}
    frames = tokens * c["avg_pooler"] * c["decoder_stride_size"]
    return c["hop_length"] * (frames - (1 if c["vocoder_padding"] == "center" else 0))


def check_prefix(case: Case, double: nn.Module, wave: torch.Tensor, codes: torch.Tensor) -> None:
    """Causal cases: the first tokens do not change when the rest of the wave is cut off."""
    tokens = min(9, codes.shape[1])
    short = wave[: tokens * token_samples(case.config)]
    if not torch.equal(encode_exact(double, log_mel(case, short))[0], codes[:, :tokens]):
        raise AssertionError(f"{case.name}: the encoder is not causal")


def check_lively(case: Case, model: nn.Module) -> None:
    wave = torch.from_numpy(test_wave(case.lengths[0], case.config["sampling_rate"], 7))
    with Spread(model, LAYERS) as spread:
        codes = encode_official(model, log_mel(case, wave).float())
        decode(model, codes)
    spread.check(0.05, 20.0)


def run_input(case: Case, single: nn.Module, double: nn.Module, i: int, out: Tensors, report: dict) -> torch.Tensor:
    wave = torch.from_numpy(test_wave(case.lengths[i], case.config["sampling_rate"], 100 * case.seed + i))
    mel = log_mel(case, wave)
    mel32 = official_mel(case, wave)
    codes, margins = encode_exact(double, mel)
    codes32 = encode_official(single, mel32)
    report["mel_difference"] = max(report["mel_difference"], float((mel - mel32).abs().max()))
    report["frames_that_differ"] += first_mismatches(codes, codes32)
    report["least_margin"] = min(report["least_margin"], float(margins.min()))
    if case.causal:
        check_prefix(case, double, wave, codes)
    out[f"wave.{i}"] = wave
    out[f"codes.{i}"] = as_codes(codes)
    out[f"margin.{i}"] = margins.float()
    if case.keep_mel:
        out[f"mel.{i}"] = mel.float()
    if codes.shape[1] > LONGEST_DECODE:
        raise AssertionError(f"{case.name}: input {i} is too long to be decoded whole")
    for levels in [codes.shape[0], *case.reduced]:
        tag = f"{i}" if levels == codes.shape[0] else f"{i}.levels{levels}"
        decoded = decode(double, codes[:levels])
        if decoded.shape[0] != decoded_samples(case, codes.shape[1]):
            raise AssertionError(f"{case.name}: {decoded.shape} samples decoded")
        official = single.decode(codes[:levels])[0, 0]
        report["decode_db"] = min(report["decode_db"], decibels(decoded, official))
        out[f"codes.{tag}"] = as_codes(codes[:levels])
        out[f"decoded.{tag}"] = decoded.float()
    return codes


def generate(official: types.ModuleType, case: Case, root: Path) -> None:
    folder = root / case.name
    write_checkpoint(case, make_model(official, case), folder)
    single = reload_model(official, case, folder)
    double = to_double(reload_model(official, case, folder))
    check_lively(case, single)
    out: Tensors = {}
    report = {"mel_difference": 0.0, "frames_that_differ": 0, "least_margin": math.inf, "decode_db": math.inf}
    all_codes = [run_input(case, single, double, i, out, report) for i in range(len(case.lengths))]
    shares = used_share(all_codes, [book.embed.shape[0] for book in codebooks(single)])
    if min(shares) < 0.4:
        raise AssertionError(f"{case.name}: codebooks hardly used: {shares}")
    metadata = {
        "codes": str(sum(codes.numel() for codes in all_codes)),
        "float32_frames_that_differ": str(report["frames_that_differ"]),
        "float32_decode_db": f"{report['decode_db']:.1f}",
        "float32_mel_difference": f"{report['mel_difference']:.2g}",
        "least_margin": f"{report['least_margin']:.3g}",
        "least_used_share": f"{min(shares):.2f}",
        "token_samples": str(token_samples(case.config)),
    }
    write_expected(folder, out, {**versions("transformers", "torchaudio", "safetensors"), **metadata})
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(case.name, f"{size / 1000:.0f} kB", metadata, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="folder that holds mimo_audio_tokenizer")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "mimo")
    parser.add_argument("--case", action="append", help="only these cases")
    arguments = parser.parse_args()
    single_thread()
    load_torchaudio()
    official = load_official(arguments.source)
    for case in cases():
        if not arguments.case or case.name in arguments.case:
            generate(official, case, arguments.out)


if __name__ == "__main__":
    main()
