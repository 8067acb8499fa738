"""The folder that the loader reads: config.json and model.safetensors."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pickles import ConversionError, Tensors
from safetensors.torch import save_file


def read_config(path: Path) -> dict:
    if not path.is_file():
        raise ConversionError(f"{path} is missing: it belongs to the checkpoint")
    try:
        config = json.loads(path.read_text())
    except json.JSONDecodeError as problem:
        raise ConversionError(f"{path} is not JSON: {problem}") from problem
    if not isinstance(config, dict):
        raise ConversionError(f"{path} does not hold an object")
    return config


def write_folder(folder: Path, tensors: Tensors, config: dict) -> None:
    """Both files under a passing name first, so that a broken run leaves no half of a model."""
    if any(folder.glob("model*.safetensors*")):
        raise ConversionError(f"{folder} already holds a model; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    # copies: tensors that share memory cannot be stored
    own = {name: tensors[name].detach().clone().contiguous() for name in sorted(tensors)}
    model, settings = folder / "model.safetensors", folder / "config.json"
    save_file(own, partial(model), metadata={"format": "pt"})
    partial(model).chmod(0o644)
    partial(settings).write_text(json.dumps(config, indent=2) + "\n")
    os.replace(partial(settings), settings)
    os.replace(partial(model), model)


def partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")
