"""MiMo-Audio-Tokenizer at its public size, run by the authors' modules.

Their attention needs a GPU library; PyTorch's scaled_dot_product_attention stands in. They run in
float32 here: the bfloat16 that their host chooses is slower on a CPU without bfloat16 arithmetic.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import generate_mimo
import torch
from reference_audio import load_torchaudio
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from peers.family import Peer, Setting

PUBLIC_SIZE = {
    **generate_mimo.COMMON,
    "sampling_rate": 24000,
    "nfft": 960,
    "window_size": 960,
    "hop_length": 240,
    "n_mels": 128,
    "stride_size": 2,
    "avg_pooler": 2,
    "d_model": 1280,
    "encoder_layers": 32,
    "encoder_attention_heads": 20,
    "encoder_ffn_dim": 5120,
    "encoder_causal": False,
    "encoder_attn_window_size": [-1, -1],
    "encoder_skip_layer_id": 3,
    "decoder_layers": 32,
    "decoder_attention_heads": 20,
    "decoder_ffn_dim": 5120,
    "decoder_causal": True,
    "decoder_attn_window_size": [-1, -1],
    "decoder_kernel_size": 3,
    "decoder_stride_size": 2,
    "vocoder_dim": 256,
    "vocoder_num_layers": 16,
    "vocoder_attention_heads": 16,
    "vocoder_intermediate_dim": 1024,
    "vocoder_attn_window_size": [40, 10],
    "num_quantizers": 20,
    "codebook_size": [1024, 1024] + [128] * 18,
    "rope_theta": 10000,
    "torch_dtype": "bfloat16",
    "architectures": ["MiMoAudioTokenizer"],
}
SEGMENT_TOKENS = 1500
QUERIES = 256


@lru_cache(maxsize=16)
def window_mask(queries: int, keys: int, first: int, window: tuple[int, int]) -> torch.Tensor:
    """Query i stands at position first + i of the keys."""
    return generate_mimo.window_mask(torch.arange(first, first + queries), keys, window)


def windowed(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: tuple[int, int]
) -> torch.Tensor:
    """[1, heads, T, size]; blocks of queries see only the keys that their windows reach."""
    length = query.shape[2]
    left, right = (length if side < 0 else side for side in window)
    parts = []
    for start in range(0, length, QUERIES):
        end = min(start + QUERIES, length)
        low, high = max(0, start - left), min(length, end + right)
        mask = window_mask(end - start, high - low, start - low, (left, right))
        block = query[:, :, start:end]
        parts.append(scaled_dot_product_attention(block, key[:, :, low:high], value[:, :, low:high], mask))
    return torch.cat(parts, dim=2)


def fast_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: tuple[int, int]
) -> torch.Tensor:
    """[T, heads, size] of one sequence, as generate_mimo.plain_attention."""
    query, key, value = (part.transpose(0, 1)[None] for part in (query, key, value))
    if window == (-1, -1):
        out = scaled_dot_product_attention(query, key, value)
    elif window == (-1, 0):
        out = scaled_dot_product_attention(query, key, value, is_causal=True)
    else:
        out = windowed(query, key, value, window)
    return out[0].transpose(0, 1)


@contextmanager
def uninitialised() -> Iterator[None]:
    """Layers are built without the random values that a checkpoint replaces."""
    kinds = (nn.Linear, nn.modules.conv._ConvNd)
    kept = [kind.reset_parameters for kind in kinds]
    for kind in kinds:
        kind.reset_parameters = lambda _: None
    try:
        yield
    finally:
        for kind, method in zip(kinds, kept, strict=True):
            kind.reset_parameters = method


def blank_model(setting: Setting) -> nn.Module:
    if setting.mimo_source is None:
        raise RuntimeError("needs the authors' modules: --mimo-source")
    generate_mimo.plain_attention = fast_attention
    official = generate_mimo.load_official(setting.mimo_source)
    with uninitialised():
        return official.MiMoAudioTokenizer(official.Config(**PUBLIC_SIZE)).eval()


def random_tensor(name: str, like: torch.Tensor) -> torch.Tensor:
    if name.endswith(("istft.window", "inited", "cluster_size")):
        return like
    if "norm" in name:
        return torch.full(like.shape, 1.0 if name.endswith("weight") else 0.0, dtype=torch.bfloat16)
    spread = 0.1 if like.ndim == 1 else 1 / math.sqrt(like[0].numel())
    return (torch.randn(like.shape) * spread).to(torch.bfloat16)


def make(folder: Path, setting: Setting) -> None:
    stored = blank_model(setting).state_dict()
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: random_tensor(name, tensor).contiguous() for name, tensor in stored.items()}
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(PUBLIC_SIZE, indent=1))


def load(folder: Path, setting: Setting) -> nn.Module:
    model = blank_model(setting)
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=True)
    return model


def mel_transform() -> Any:
    c = PUBLIC_SIZE
    return load_torchaudio().transforms.MelSpectrogram(
        sample_rate=c["sampling_rate"],
        n_fft=c["nfft"],
        hop_length=c["hop_length"],
        win_length=c["window_size"],
        f_min=c["fmin"],
        n_mels=c["n_mels"],
        power=1.0,
    )


def peer(folder: Path, setting: Setting) -> Peer:
    model, transform = load(folder, setting), mel_transform()

    def encode(wave: torch.Tensor) -> torch.Tensor:
        mel = transform(wave[0]).clip(min=1e-7).log()[0].T
        return generate_mimo.encode_official(model, mel)

    def decode(codes: torch.Tensor) -> torch.Tensor:
        return torch.cat([model.decode(part)[0] for part in codes.split(SEGMENT_TOKENS, dim=1)], dim=-1)

    return Peer(encode, decode)
