"""The Descript package without the libraries that its training needs."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

from torch import nn


def package_folder(name: str) -> Path:
    """Where an installed package lies, without running its __init__."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"the package {name} is needed (see requirements.txt)")
    return Path(next(iter(spec.submodule_search_locations)))


def stub_audiotools() -> None:
    """The model only derives from its BaseModel and names AudioSignal in annotations."""
    audiotools, ml = types.ModuleType("audiotools"), types.ModuleType("audiotools.ml")
    audiotools.AudioSignal, audiotools.ml, ml.BaseModel = type("AudioSignal", (), {}), ml, nn.Module
    sys.modules.update({"audiotools": audiotools, "audiotools.ml": ml})


def load_dac() -> type[nn.Module]:
    """The class DAC of descript-audio-codec."""
    folder = package_folder("dac")
    stub_audiotools()
    for name in ("dac", "dac.model", "dac.nn"):
        module = types.ModuleType(name)
        module.__path__ = [str(folder / Path(*name.split(".")[1:]))]
        sys.modules[name] = module
    from dac.model.dac import DAC

    return DAC
