"""Models of Hugging Face's transformers: random checkpoints of public sizes, and their peers."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from peers.family import Peer, Setting

ENCODEC_48 = {
    "sampling_rate": 48000,
    "audio_channels": 2,
    "normalize": True,
    "chunk_length_s": 1.0,
    "overlap": 0.01,
    "norm_type": "time_group_norm",
    "use_causal_conv": False,
    "target_bandwidths": [3.0, 6.0, 12.0, 24.0],
}

DAC_24 = {
    "downsampling_ratios": [2, 4, 5, 8],
    "upsampling_ratios": [8, 5, 4, 2],
    "n_codebooks": 32,
    "sampling_rate": 24000,
}


def maker(kind: str, config: dict[str, Any]) -> Callable[[Path, Setting], None]:
    def make(folder: Path, _: Setting) -> None:
        transformers = importlib.import_module("transformers")
        settings = getattr(transformers, f"{kind}Config")(**config)
        getattr(transformers, f"{kind}Model")(settings).eval().save_pretrained(folder)

    return make


def load(kind: str, folder: Path) -> Any:
    return getattr(importlib.import_module("transformers"), f"{kind}Model").from_pretrained(folder).eval()


def encodec_peer(folder: Path, _: Setting) -> Peer:
    model = load("Encodec", folder)
    bandwidth = model.config.target_bandwidths[-1]

    def encode(wave: torch.Tensor) -> Any:
        encoded = model.encode(wave, bandwidth=bandwidth)
        return encoded.audio_codes, encoded.audio_scales

    return Peer(encode, lambda encoded: model.decode(*encoded).audio_values)


def dac_peer(folder: Path, _: Setting) -> Peer:
    model = load("Dac", folder)
    encode = lambda wave: model.encode(wave).audio_codes  # noqa: E731
    return Peer(encode, lambda codes: model.decode(audio_codes=codes).audio_values)


def make_janus(folder: Path, _: Setting) -> None:
    from transformers import JanusVQVAE
    from transformers.models.janus.configuration_janus import JanusVQVAEConfig

    JanusVQVAE(JanusVQVAEConfig(num_patches=16)).save_pretrained(folder)


def janus_peer(folder: Path, _: Setting) -> Peer:
    from transformers import JanusVQVAE

    model = JanusVQVAE.from_pretrained(folder).eval()
    encode = lambda picture: model.encode(picture).image_tokens.view(1, -1)  # noqa: E731
    return Peer(encode, model.decode)
