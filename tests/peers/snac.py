"""SNAC in its authors' package."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from peers.family import Peer, Setting

SNAC_24 = {
    "sampling_rate": 24000,
    "encoder_dim": 48,
    "encoder_rates": [2, 4, 8, 8],
    "decoder_dim": 1024,
    "decoder_rates": [8, 8, 4, 2],
    "attn_window_size": None,
    "codebook_size": 4096,
    "codebook_dim": 8,
    "vq_strides": [4, 2, 1],
    "noise": True,
    "depthwise": True,
}


def model() -> Any:
    return importlib.import_module("snac").SNAC(**SNAC_24).eval()


def make(folder: Path, _: Setting) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.contiguous() for name, tensor in model().state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(SNAC_24))


def peer(folder: Path, _: Setting) -> Peer:
    snac = model()
    snac.load_state_dict(load_file(folder / "model.safetensors"))
    return Peer(snac.encode, snac.decode)
