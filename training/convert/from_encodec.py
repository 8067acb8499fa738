"""EnCodec as the authors publish it: a bare state dict, brought to the layout of transformers.

The file does not say how it was trained. The two published models are told apart by their tensors;
for any other, a config.json in the layout of transformers has to be given.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from folder import read_config
from pickles import ConversionError, Tensors, load_pickle, mapping, only_tensors

COMMON = {
    "architectures": ["EncodecModel"],
    "codebook_dim": 128,
    "codebook_size": 1024,
    "compress": 2,
    "dilation_growth_rate": 2,
    "hidden_size": 128,
    "kernel_size": 7,
    "last_kernel_size": 7,
    "model_type": "encodec",
    "num_filters": 32,
    "num_lstm_layers": 2,
    "num_residual_layers": 1,
    "pad_mode": "reflect",
    "residual_kernel_size": 3,
    "torch_dtype": "float32",
    "trim_right_ratio": 1.0,
    "upsampling_ratios": [8, 5, 4, 2],
    "use_conv_shortcut": True,
}
PUBLISHED = {
    "24 kHz": {
        **COMMON,
        "audio_channels": 1,
        "chunk_length_s": None,
        "norm_type": "weight_norm",
        "normalize": False,
        "overlap": None,
        "sampling_rate": 24000,
        "target_bandwidths": [1.5, 3.0, 6.0, 12.0, 24.0],
        "use_causal_conv": True,
    },
    "48 kHz": {
        **COMMON,
        "audio_channels": 2,
        "chunk_length_s": 1.0,
        "norm_type": "time_group_norm",
        "normalize": True,
        "overlap": 0.01,
        "sampling_rate": 48000,
        "target_bandwidths": [3.0, 6.0, 12.0, 24.0],
        "use_causal_conv": False,
    },
}
SIDE = r"^(encoder|decoder)\.model\.(\d+)\."
RENAMED = [
    (SIDE + r"lstm\.(.+)$", r"\1.layers.\2.lstm.\3"),
    (SIDE + r"(block\.\d+|shortcut)\.conv\.(conv|norm)\.(.+)$", r"\1.layers.\2.\3.\4.\5"),
    (SIDE + r"conv\.(conv|norm)\.(.+)$", r"\1.layers.\2.\3.\4"),
    (SIDE + r"convtr\.convtr\.(.+)$", r"\1.layers.\2.conv.\3"),
    (SIDE + r"convtr\.norm\.(.+)$", r"\1.layers.\2.norm.\3"),
    (r"^quantizer\.vq\.layers\.(\d+)\._codebook\.(.+)$", r"quantizer.layers.\1.codebook.\2"),
]


def renamed(name: str) -> str:
    for pattern, replacement in RENAMED:
        if re.match(pattern, name):
            return re.sub(pattern, replacement, name)
    raise ConversionError(f"unknown tensor {name!r}: is this an EnCodec model of the authors?")


def level_count(config: dict) -> int:
    bits = int(math.log2(config["codebook_size"]))
    frames = math.ceil(config["sampling_rate"] / math.prod(config["upsampling_ratios"]))
    return int(1000 * config["target_bandwidths"][-1] // (frames * bits))


def facts(tensors: Tensors) -> dict:
    """What the tensors (new names) say about some keys of a config."""
    first = next(
        tensors[f"encoder.layers.0.conv.{kind}"]
        for kind in ("weight_v", "parametrizations.weight.original1", "weight")
        if f"encoder.layers.0.conv.{kind}" in tensors
    )
    groups = "encoder.layers.0.norm.weight" in tensors
    table = tensors["quantizer.layers.0.codebook.embed"]
    return {
        "audio_channels": first.shape[1],
        "num_filters": first.shape[0],
        "kernel_size": first.shape[2],
        "norm_type": "time_group_norm" if groups else "weight_norm",
        "codebook_size": table.shape[0],
        "hidden_size": table.shape[1],
        "levels": len([name for name in tensors if name.endswith("codebook.embed")]),
    }


def differences(config: dict, found: dict) -> list[str]:
    """Where a config and the tensors disagree."""
    said = {**config, "levels": level_count(config)}
    return [
        f"{key} is {said.get(key)!r} in the config, {value!r} in the tensors"
        for key, value in found.items()
        if said.get(key) != value
    ]


def published_config(found: dict) -> dict:
    for config in PUBLISHED.values():
        if not differences(config, found):
            return config
    raise ConversionError(
        f"this is neither published model (tensors say {found}): give its config with --config"
    )


def given_config(path: Path, found: dict) -> dict:
    config = read_config(path)
    wrong = differences(config, found)
    if wrong:
        raise ConversionError(f"{path} does not fit the checkpoint: " + "; ".join(wrong))
    return config


def convert_encodec(path: Path, config: Path | None, trusted: bool) -> tuple[Tensors, dict]:
    """`encodec_*.th`."""
    state = only_tensors(mapping(load_pickle(path, trusted), path), path)
    tensors = {renamed(name): tensor for name, tensor in state.items()}
    try:
        found = facts(tensors)
    except (KeyError, StopIteration) as problem:
        raise ConversionError(f"{path} lacks tensors of an EnCodec model: {problem}") from problem
    if config is None:
        return tensors, published_config(found)
    return tensors, given_config(config, found)
