"""What a family of codecs is to the benchmark: how its checkpoint is made and who else can run it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Runner = Callable[[Any], Any]


@dataclass
class Peer:
    """How a reference encodes float32 [1, channels, samples], or [1, 3, rows, columns] of a picture, and
    decodes what it encoded."""

    encode: Runner
    decode: Runner


@dataclass
class Setting:
    """What a peer needs to know besides the checkpoint."""

    threads: int
    mimo_source: Path | None = None


@dataclass
class Family:
    """`peers` by name; those in `compilable` run in PyTorch and can be compiled.

    `picture`: the side of a picture, 0 for sound.
    `large`: a peer's process ends after its turn, so that weights are never held twice.
    """

    name: str
    sample_rate: int
    make: Callable[[Path, Setting], None]
    peers: dict[str, Callable[[Path, Setting], Peer]]
    compilable: tuple[str, ...] = field(default=("transformers",))
    channels: int = 1
    picture: int = 0
    large: bool = False
