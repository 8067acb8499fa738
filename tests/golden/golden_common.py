"""Helpers shared by the generators of the golden fixtures.

Nothing here knows about the code under test: only numpy, torch and safetensors.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Callable, Iterable

import numpy as np
import torch
from golden_weights import scale_layer
from safetensors.torch import load_file, save_file

Tensors = dict[str, torch.Tensor]


def single_thread() -> None:
    """One thread keeps the float32 runs repeatable."""
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)


def versions(*modules: str) -> dict[str, str]:
    """Version strings for the metadata of a fixture."""
    from importlib.metadata import version

    found = {"python": platform.python_version()}
    for name in ("torch", "numpy", *modules):
        found[name] = version(name)
    return found


def test_wave(length: int, rate: int, seed: int, level: float = 0.3) -> np.ndarray:
    """Broadband test signal: noise with a moving level, three tones, a chirp and a click."""
    rng = np.random.Generator(np.random.PCG64(seed))
    t = np.arange(length) / rate
    wave = 0.5 * rng.standard_normal(length)
    for _ in range(3):
        frequency = rng.uniform(0.01, 0.45) * rate
        wave += rng.uniform(0.2, 0.8) * np.sin(2 * np.pi * (frequency * t + rng.uniform()))
    duration = max(length / rate, 1e-9)
    wave += 0.5 * np.sin(2 * np.pi * (0.01 * rate + 0.1 * rate * t / duration) * t)
    wave *= 0.65 + 0.35 * np.sin(2 * np.pi * rng.uniform(1.5, 4.0) * t / duration)
    if length > 8:
        wave[length // 2] += 2.0
    return (level * wave).astype(np.float32)


def square_distances(points: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Plain sums of squared differences, [points, entries], without expanding the square."""
    rows = [((points[i : i + 1] - table) ** 2).sum(-1) for i in range(points.shape[0])]
    return torch.stack(rows)


def nearest(points: torch.Tensor, table: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Index of the nearest entry and (second best - best) / best of the squared distances."""
    two = torch.topk(square_distances(points, table), 2, dim=-1, largest=False)
    best, second = two.values[:, 0], two.values[:, 1]
    if bool((best <= 0).any()):
        raise ValueError("a point lies exactly on a codebook entry: its margin is undefined")
    return two.indices[:, 0], (second - best) / best


def residual_search(points: torch.Tensor, tables: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Residual vector quantisation of [T, D]; returns codes and margins, both [levels, T]."""
    codes, margins = [], []
    residual = points
    for table in tables:
        index, margin = nearest(residual, table)
        codes.append(index)
        margins.append(margin)
        residual = residual - table[index]
    return torch.stack(codes), torch.stack(margins)


def fitted_codebook(points: torch.Tensor, entries: int, jitter: float, generator: torch.Generator) -> torch.Tensor:
    """A few rounds of k-means from random samples, then noise of `jitter` times the spread."""
    order = torch.randperm(points.shape[0], generator=generator)
    table = points[order[torch.arange(entries) % points.shape[0]]].clone()
    for _ in range(4):
        owner = torch.cdist(points, table).argmin(-1)
        for entry in range(entries):
            mine = points[owner == entry]
            if len(mine):
                table[entry] = mine.mean(0)
    spread = points.std(0).mean()
    return table + jitter * spread * torch.randn(table.shape, generator=generator, dtype=table.dtype)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def store(tensors: Tensors, path: Path, metadata: dict[str, str]) -> None:
    """Metadata of more than one key is written in changing order: it goes into one, as JSON."""
    if len(metadata) > 1:
        metadata = {"golden": json.dumps(metadata, sort_keys=True)}
    save_file(tensors, path, metadata=metadata)
    path.chmod(0o644)


def write_model(folder: Path, tensors: Tensors, shards: int = 1) -> None:
    """model.safetensors, or numbered shards with the usual index file."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("model*.safetensors*"):
        old.unlink()
    tensors = {name: tensors[name].contiguous().clone() for name in sorted(tensors)}
    if shards == 1:
        store(tensors, folder / "model.safetensors", {"format": "pt"})
        return
    groups: list[Tensors] = [{} for _ in range(shards)]
    for position, (name, tensor) in enumerate(tensors.items()):
        groups[position % shards][name] = tensor
    weight_map: dict[str, str] = {}
    for number, group in enumerate(groups, start=1):
        file_name = f"model-{number:05d}-of-{shards:05d}.safetensors"
        store(group, folder / file_name, {"format": "pt"})
        weight_map.update({name: file_name for name in group})
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    write_json(folder / "model.safetensors.index.json", index)


def read_model(folder: Path) -> Tensors:
    """All tensors of a checkpoint folder, sharded or not."""
    tensors: Tensors = {}
    for path in sorted(folder.glob("model*.safetensors")):
        tensors.update(load_file(path))
    return tensors


def write_expected(folder: Path, tensors: Tensors, metadata: dict[str, str]) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} is not finite")
    tensors = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    store(tensors, folder / "expected.safetensors", metadata)


def as_codes(codes: torch.Tensor) -> torch.Tensor:
    return codes.to(torch.int32)


def decibels(reference: torch.Tensor, other: torch.Tensor) -> float:
    """Signal to error ratio of two waves."""
    signal = reference.double().square().sum()
    error = (reference.double() - other.double()).square().sum()
    return float("inf") if error == 0 else float(10 * torch.log10(signal / error))


def first_mismatches(expected: torch.Tensor, other: torch.Tensor) -> int:
    """Frames whose codes differ (later levels follow from the first difference)."""
    return int((expected != other).any(0).sum())


def used_share(all_codes: Iterable[torch.Tensor], sizes: list[int]) -> list[float]:
    """Per level: distinct entries used, over what that many draws could reach at most."""
    joined = torch.cat(list(all_codes), dim=1)
    shares = []
    for level, size in enumerate(sizes):
        shares.append(len(torch.unique(joined[level])) / min(size, joined.shape[1]))
    return shares


class UnitScale:
    """Rescales layers, in the order in which they run, until their output has a wanted spread.

    `target` maps (name, module) to a standard deviation, or None to leave a layer alone.
    """

    def __init__(self, model: torch.nn.Module, target: Callable[[str, torch.nn.Module], float | None]) -> None:
        self.handles = []
        for name, module in model.named_modules():
            wanted = target(name, module)
            if wanted is not None:
                self.handles.append(module.register_forward_hook(self._hook(wanted)))

    @staticmethod
    def _hook(wanted: float) -> Callable:
        done: list[bool] = []

        def hook(module: torch.nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
            if done:
                return output
            done.append(True)
            factor = wanted / float(output.std())
            scale_layer(module, factor)
            return output * factor

        return hook

    def __enter__(self) -> "UnitScale":
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()


class Spread:
    """Records the standard deviation of the outputs of chosen modules, to find dead branches."""

    def __init__(self, model: torch.nn.Module, kinds: tuple[type, ...]) -> None:
        self.seen: dict[str, float] = {}
        self.handles = []
        for name, module in model.named_modules():
            if isinstance(module, kinds):
                self.handles.append(module.register_forward_hook(self._hook(name)))

    def _hook(self, name: str) -> Callable:
        def hook(_module: torch.nn.Module, _inputs: object, output: torch.Tensor) -> None:
            self.seen[name] = float(output.std())

        return hook

    def __enter__(self) -> "Spread":
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()

    def check(self, low: float, high: float) -> None:
        for name, value in self.seen.items():
            if not low <= value <= high:
                raise AssertionError(f"{name}: output spread {value:.4g} outside {low}..{high}")
