"""DAC as the authors publish it: a pickle with the weights and the arguments of the model."""

from __future__ import annotations

from pathlib import Path

from pickles import ConversionError, Tensors, load_pickle, mapping, only_tensors

KEYS = (
    "encoder_dim",
    "encoder_rates",
    "latent_dim",
    "decoder_dim",
    "decoder_rates",
    "n_codebooks",
    "codebook_size",
    "codebook_dim",
    "quantizer_dropout",
    "sample_rate",
)


def config_of(kwargs: dict, path: Path) -> dict:
    """The arguments under their own names; they have to be plain values."""
    missing = [key for key in KEYS if key not in kwargs and key != "quantizer_dropout"]
    if missing:
        raise ConversionError(f"{path}: metadata.kwargs lacks {missing}")
    config = {key: kwargs.get(key, False) for key in KEYS}
    for key, value in config.items():
        if not isinstance(value, (int, float, list, tuple, type(None))):
            raise ConversionError(f"{path}: metadata.kwargs.{key} is a {type(value).__name__}")
    return config  # a tuple becomes an array, as a list does


def convert_dac(path: Path, trusted: bool) -> tuple[Tensors, dict]:
    """`weights*.pth`: names stay as they are, metadata.kwargs becomes the config."""
    checkpoint = load_pickle(path, trusted)
    tensors = only_tensors(mapping(checkpoint, path, "state_dict"), path)
    kwargs = mapping(mapping(checkpoint, path, "metadata"), path, "kwargs")
    return tensors, config_of(kwargs, path)
