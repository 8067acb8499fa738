"""Checkpoints whose pickle needs no other names: SNAC, and `.bin` files of transformers."""

from __future__ import annotations

from pathlib import Path

from folder import read_config
from pickles import ConversionError, Tensors, load_pickle, mapping, only_tensors

INDEX = "pytorch_model.bin.index.json"
SNAC_KEYS = ("encoder_rates", "decoder_rates", "vq_strides", "codebook_size", "sampling_rate")


def load_bin(path: Path, trusted: bool) -> Tensors:
    return only_tensors(mapping(load_pickle(path, trusted), path), path)


def shard_names(index: Path) -> list[str]:
    """Files that an index names; none of them may lie outside the folder."""
    weights = mapping(read_config(index), index, "weight_map")
    names = sorted(set(weights.values()))
    for name in names:
        if Path(name).name != name:
            raise ConversionError(f"{index} names a file outside its folder: {name!r}")
    return names


def load_folder(source: Path, trusted: bool) -> Tensors:
    """Tensors of pytorch_model.bin, or of the shards that its index names."""
    if (source / INDEX).is_file():
        tensors: Tensors = {}
        for name in shard_names(source / INDEX):
            tensors.update(load_bin(source / name, trusted))
        return tensors
    return load_bin(source / "pytorch_model.bin", trusted)


def convert_transformers(source: Path, trusted: bool) -> tuple[Tensors, dict]:
    """The same names and the same config, in another container."""
    config = read_config(source / "config.json")
    if "model_type" not in config:
        raise ConversionError(f"{source / 'config.json'} has no model_type")
    return load_folder(source, trusted), config


def convert_snac(source: Path, trusted: bool) -> tuple[Tensors, dict]:
    """A folder with pytorch_model.bin and config.json, as published."""
    config = read_config(source / "config.json")
    missing = [key for key in SNAC_KEYS if key not in config]
    if missing:
        raise ConversionError(f"{source / 'config.json'} is not SNAC's: it lacks {missing}")
    tensors = load_folder(source, trusted)
    if "quantizer.quantizers.0.codebook.weight" not in tensors:
        raise ConversionError(f"{source} does not hold a SNAC model")
    return tensors, config
