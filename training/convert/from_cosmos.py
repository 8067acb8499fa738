"""Discrete image tokenizers of Cosmos: TorchScript archives encoder.jit and decoder.jit.

Their configuration is a dictionary in the authors' code: what the tensors tell is read from them, the
rest is what both published ones have.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import torch
from pickles import ConversionError, Tensors

LEVELS = [8, 8, 8, 5, 5, 5]
RESOLUTION = 1024
KEPT = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
TABLES = (".wavelets", "._arange")


def weights_of(path: Path) -> Tensors:
    """TorchScript runs in an interpreter of its own, and nothing of it is called."""
    if not path.is_file():
        raise ConversionError(f"{path} is not a file")
    try:
        with warnings.catch_warnings():  # PyTorch calls its own format old
            warnings.simplefilter("ignore")
            state = torch.jit.load(str(path), map_location="cpu").state_dict()
    except RuntimeError as problem:
        raise ConversionError(f"{path} cannot be read: {str(problem).splitlines()[0]}") from problem
    return {n: t.detach() for n, t in state.items() if n.startswith(KEPT) and not n.endswith(TABLES)}


def convert_cosmos(source: Path) -> tuple[Tensors, dict]:
    """`source` is the folder with both archives."""
    tensors = {**weights_of(source / "encoder.jit"), **weights_of(source / "decoder.jit")}
    needed = ("encoder.conv_in.weight", "encoder.conv_out.weight", "quant_conv.weight", "decoder.conv_in.weight")
    for name in needed:
        if name not in tensors:
            raise ConversionError(f"{source}: no tensor {name!r}: is it a discrete image tokenizer of Cosmos?")
    return tensors, config_of(tensors, source)


def config_of(tensors: Tensors, source: Path) -> dict:
    channels, inputs = tensors["encoder.conv_in.weight"].shape[:2]
    levels = 1 + max(int(name.split(".")[2]) for name in tensors if name.startswith("encoder.down."))
    halvings = sum(f"encoder.down.{i}.downsample.conv.weight" in tensors for i in range(levels))
    widths = [tensors[f"encoder.down.{i}.block.0.conv1.weight"].shape[0] for i in range(levels)]
    blocks = sum(f"encoder.down.0.block.{j}.conv1.weight" in tensors for j in range(64))
    patch = math.isqrt(inputs // 3)
    if tensors["quant_conv.weight"].shape[0] != len(LEVELS):
        raise ConversionError(f"{source}: the quantizer's levels are unknown: the published ones have six channels")
    if any(".attn.0." in name for name in tensors):
        raise ConversionError(f"{source}: levels that attend: the published ones have none")
    return {
        "model_type": "cosmos",
        "attn_resolutions": [],
        "channels": channels,
        "channels_mult": [width // channels for width in widths],
        "in_channels": 3,
        "spatial_compression": patch * 2**halvings,
        "num_res_blocks": blocks,
        "out_channels": 3,
        "resolution": RESOLUTION,
        "patch_size": patch,
        "patch_method": "haar",
        "z_channels": tensors["encoder.conv_out.weight"].shape[0],
        "quantizer": "FSQ",
        "embedding_dim": len(LEVELS),
        "levels": LEVELS,
        "name": "DI",
    }
