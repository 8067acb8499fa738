"""Mimi in Hugging Face's transformers and in rustymimi, the authors' Rust library."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import check_mimi_original
import numpy as np
import torch
from safetensors.torch import load_file, save_file

from peers.family import Peer, Setting
from peers.transformers_models import load

Tensors = dict[str, torch.Tensor]


def transformers_peer(folder: Path, _: Setting) -> Peer:
    model = load("Mimi", folder)
    encode = lambda wave: model.encode(wave).audio_codes  # noqa: E731
    return Peer(encode, lambda codes: model.decode(codes).audio_values)


def is_transposed(weight: torch.Tensor, bias: torch.Tensor) -> bool:
    """A transposed convolution keeps its weight as [in, out, kernel], a convolution as [out, in, kernel]."""
    return bias.shape[0] == weight.shape[1] and bias.shape[0] != weight.shape[0]


def native_tensors(stored: Tensors, config: dict) -> Tensors:
    """The authors' names, as rustymimi spells them."""
    tensors = check_mimi_original.original_tensors(stored, config)
    upsampling = {
        name.removesuffix("weight")
        for name, weight in tensors.items()
        if name.endswith(".conv.conv.weight")
        and is_transposed(weight, tensors.get(name.removesuffix("weight") + "bias", weight))
    }
    native: Tensors = {}
    for name, tensor in tensors.items():
        layer, _, kind = name.rpartition(".")
        if f"{layer}." in upsampling:
            name = layer.replace("conv.conv", "convtr.convtr") + "." + kind
        name = name.replace("in_projs.0.weight", "in_proj_weight").replace("out_projs.0.", "out_proj.")
        native[name] = tensor.contiguous()
    return native


def rustymimi_peer(folder: Path, _: Setting) -> Peer:
    native = folder / "native.safetensors"
    config = json.loads((folder / "config.json").read_text())
    if not native.exists():
        save_file(native_tensors(load_file(folder / "model.safetensors"), config), native)
    model = importlib.import_module("rustymimi").Tokenizer(
        str(native), num_codebooks=config["num_quantizers"]
    )

    def encode(wave: torch.Tensor) -> np.ndarray:
        return model.encode(wave.numpy())

    return Peer(encode, model.decode)
