"""Reading pickled checkpoints: without running code that is in them, unless one asks for it."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch

Tensors = dict[str, torch.Tensor]


class ConversionError(Exception):
    """Something about the input that its owner has to know; shown without a traceback."""


def load_pickle(path: Path, trusted: bool = False) -> object:
    """What a checkpoint holds; `trusted` allows pickles that name classes other than torch's."""
    if not path.is_file():
        raise ConversionError(f"{path} is not a file")
    try:
        return torch.load(path, map_location="cpu", weights_only=not trusted)
    except pickle.UnpicklingError as problem:
        if trusted:
            raise ConversionError(f"{path} cannot be read: {problem}") from problem
        raise ConversionError(
            f"{path} holds more than tensors and plain values. Loading it may run code that is in "
            "the file; if you trust where it comes from, add --trust-pickle.\n"
            f"First line of the reason: {str(problem).splitlines()[0]}"
        ) from problem
    except (EOFError, RuntimeError, ModuleNotFoundError, AttributeError) as problem:
        raise ConversionError(f"{path} cannot be read: {problem}") from problem


def mapping(value: object, path: Path, key: str | None = None) -> dict:
    """The value itself, or what it holds under a key; it has to be a dictionary."""
    if key is not None:
        if not isinstance(value, dict) or key not in value:
            raise ConversionError(f"{path} has no entry {key!r}: is it of this family?")
        value = value[key]
    if not isinstance(value, dict):
        raise ConversionError(f"{path} holds a {type(value).__name__}, not a dictionary")
    return value


def only_tensors(state: dict, path: Path) -> Tensors:
    """A state dict; anything else among its values is an error."""
    for name, value in state.items():
        if not isinstance(value, torch.Tensor):
            raise ConversionError(f"{path}: {name!r} is a {type(value).__name__}, not a tensor")
    if not state:
        raise ConversionError(f"{path} holds no tensors")
    return dict(state)
