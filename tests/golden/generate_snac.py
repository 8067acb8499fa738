"""Golden fixtures for SNAC, made with the authors' package (snac 1.2.1).

The wave is padded with zeros on the right to a multiple of hop · lcm(first stride, attention
window), as the package does; `decoded` is as long as that. The package draws noise in decoding:
here the noise is its mean, zero. See README.md for the keys.
"""

from __future__ import annotations

import argparse
import json
import math
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import torch
from golden_common import (
    Spread,
    Tensors,
    UnitScale,
    as_codes,
    read_model,
    single_thread,
    test_wave,
    versions,
    write_expected,
    write_json,
    write_model,
)
from golden_cosine import centre_wave, fit_quantiser, search
from golden_report import Tally
from golden_weights import LAYERS, old_spelling, randomise
from snac import SNAC
from snac.attention import LocalMHA
from torch import nn


@dataclass
class Case:
    """One checkpoint and its inputs; lengths are given in samples."""

    name: str
    seed: int
    config: dict
    lengths: list[int]
    dtype: torch.dtype = torch.float32
    shards: int = 1
    old_names: bool = False


def cases() -> list[Case]:
    return [
        Case(
            name="plain_24k",
            seed=61,
            lengths=[96 * 30, 96 * 9 + 41, 1, 96 * 2],
            config={
                "sampling_rate": 24000,
                "encoder_dim": 5,
                "encoder_rates": [2, 4, 3],
                "decoder_dim": 32,
                "decoder_rates": [3, 4, 2],
                "attn_window_size": None,
                "codebook_size": 64,
                "codebook_dim": 8,
                "vq_strides": [4, 2, 1],
                "noise": True,
                "depthwise": True,
            },
        ),
        Case(
            name="attention_32k",
            seed=62,
            lengths=[144 * 16 + 100, 144 * 7, 143, 1],
            config={
                "sampling_rate": 32000,
                "encoder_dim": 16,
                "encoder_rates": [2, 3],
                "decoder_dim": 64,
                "decoder_rates": [3, 2],
                "attn_window_size": 6,
                "codebook_size": 32,
                "codebook_dim": 8,
                "vq_strides": [8, 4, 2, 1],
                "noise": True,
                "depthwise": True,
            },
        ),
        Case(
            name="dense_silent",
            seed=63,
            shards=2,
            lengths=[42 * 40, 42 * 12 + 13, 41, 42],
            config={
                "sampling_rate": 16000,
                "encoder_dim": 6,
                "encoder_rates": [2, 7],
                "decoder_dim": 22,
                "decoder_rates": [7, 2],
                "attn_window_size": None,
                "codebook_size": 32,
                "codebook_dim": 5,
                "vq_strides": [3, 1, 1, 1],
                "noise": False,
                "depthwise": False,
            },
        ),
        Case(
            name="two_heads_bf16",
            seed=64,
            dtype=torch.bfloat16,
            old_names=True,
            lengths=[24 * 40, 24 * 11 + 3, 23, 2],
            config={
                "sampling_rate": 44100,
                "encoder_dim": 32,
                "encoder_rates": [3],
                "decoder_dim": 128,
                "decoder_rates": [3],
                "attn_window_size": 8,
                "codebook_size": 128,
                "codebook_dim": 3,
                "vq_strides": [2, 1],
                "noise": True,
                "depthwise": True,
            },
        ),
        Case(
            name="dense_attention_f16",
            seed=65,
            dtype=torch.float16,
            lengths=[36 * 40, 36 * 12 + 35, 36, 7],
            config={
                "sampling_rate": 22050,
                "encoder_dim": 16,
                "encoder_rates": [3, 2],
                "latent_dim": None,
                "decoder_dim": 64,
                "decoder_rates": [2, 3],
                "attn_window_size": 3,
                "codebook_size": 16,
                "codebook_dim": 12,
                "vq_strides": [2, 1, 2],
                "noise": False,
                "depthwise": False,
            },
        ),
    ]


@contextmanager
def silent_noise() -> Iterator[None]:
    """Noise at its mean; the package asks torch.randn for it."""
    drawn = torch.randn
    torch.randn = torch.zeros
    try:
        yield
    finally:
        torch.randn = drawn


def decode(model: SNAC, rows: list[torch.Tensor]) -> torch.Tensor:
    """Wave [N] of rows [T_k]."""
    with silent_noise():
        return model.decode([row[None] for row in rows])[0, 0]


def multiple(case: Case) -> int:
    """What the length of a padded wave is a multiple of."""
    window = case.config["attn_window_size"] or 1
    step = math.lcm(case.config["vq_strides"][0], window)
    return math.prod(case.config["encoder_rates"]) * step


# ---------------------------------------------------------------------------------------------
# weights


def wanted_spread(name: str, module: nn.Module) -> float | None:
    """Scores of the attention have to differ from one another."""
    if not isinstance(module, LAYERS):
        return None
    return 1.5 if name.endswith("to_qkv") else 1.0


def calibration_latents(case: Case, model: SNAC) -> torch.Tensor:
    """Latents [1, C, T] of a dozen waves of unequal character, one after the other."""
    length, rate = multiple(case) * 16, case.config["sampling_rate"]
    waves = [test_wave(length, rate, 5000 + 20 * case.seed + i) for i in range(12)]
    return torch.cat([model.encoder(torch.from_numpy(w)[None, None]) for w in waves], dim=-1)


def make_model(case: Case) -> SNAC:
    generator = torch.Generator().manual_seed(case.seed)
    model = SNAC(**case.config).eval()
    randomise(model, generator)
    length, rate = multiple(case) * 60, case.config["sampling_rate"]
    wave = torch.from_numpy(test_wave(length, rate, 1000 + case.seed))
    with UnitScale(model.encoder, wanted_spread):
        model.encoder(wave[None, None])
    latents = calibration_latents(case, model)
    fit_quantiser(model.quantizer.quantizers, latents, generator)
    codes = search(model.quantizer.quantizers, latents)[0]
    with UnitScale(model.decoder, wanted_spread):
        decode(model, codes)
    centre_wave(model.decoder, lambda: decode(model, codes))
    return model


# ---------------------------------------------------------------------------------------------
# files


def stored_name(case: Case, name: str) -> str:
    return old_spelling(name) if case.old_names else name


def stored_type(case: Case, name: str) -> torch.dtype:
    """Rotary frequencies stay as they are: they follow from the config, not from training."""
    return torch.float32 if name.endswith("inv_freq") else case.dtype


def write_checkpoint(case: Case, model: SNAC, folder: Path) -> None:
    tensors: Tensors = {}
    for name, tensor in model.state_dict().items():
        tensors[stored_name(case, name)] = tensor.to(stored_type(case, name))
    write_model(folder, tensors, case.shards)
    write_json(folder / "config.json", case.config)


def reload_model(case: Case, folder: Path) -> SNAC:
    """The model as a reader of the files sees it, with float32 arithmetic."""
    model = SNAC.from_config(folder / "config.json")
    stored = {name: tensor.float() for name, tensor in read_model(folder).items()}
    state = model.state_dict()
    names = {name: stored_name(case, name) for name in state}
    if sorted(names.values()) != sorted(stored):
        raise AssertionError(f"{case.name}: other tensors than the package's")
    model.load_state_dict({name: stored[names[name]] for name in state})
    return model.eval()


# ---------------------------------------------------------------------------------------------
# reference runs


class Angles(nn.Module):
    """The model's rotary angles: position × frequency, both float32 in any arithmetic."""

    def __init__(self, frequencies: torch.Tensor) -> None:
        super().__init__()
        self.frequencies = frequencies.float()

    def forward(self, keys: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        places = torch.arange(keys.shape[-2], dtype=torch.float32)
        angles = places[:, None] * self.frequencies
        return torch.cat((angles, angles), dim=-1).to(keys), torch.ones(1).to(keys)


def double_model(case: Case, folder: Path) -> SNAC:
    model = reload_model(case, folder)
    attentions = [module for module in model.modules() if isinstance(module, LocalMHA)]
    frequencies = [attention.rel_pos.inv_freq.clone() for attention in attentions]
    model = model.double()
    for attention, values in zip(attentions, frequencies, strict=True):
        attention.rel_pos = Angles(values)
    return model


def check_lively(model: SNAC, wave: torch.Tensor) -> None:
    with Spread(model, LAYERS) as spread:
        decode(model, [row[0] for row in model.encode(wave)])
    spread.check(0.05, 20.0)


def one_input(case: Case, single: SNAC, double: SNAC, i: int, tally: Tally) -> Tensors:
    wave = test_wave(case.lengths[i], case.config["sampling_rate"], 100 * case.seed + i)
    whole = torch.from_numpy(wave)[None, None]
    padded = double.preprocess(whole.double())
    rows, margins = search(double.quantizer.quantizers, double.encoder(padded))
    own = double.encode(whole.double())
    if not all(torch.equal(row, other[0]) for row, other in zip(rows, own, strict=True)):
        raise AssertionError(f"{case.name}: the search differs from the reference's")
    decoded = decode(double, rows)
    expected = -(-len(wave) // multiple(case)) * multiple(case)
    if decoded.shape[-1] != expected or padded.shape[-1] != expected:
        raise AssertionError(f"{case.name}: unexpected length {decoded.shape}")
    for level, (row, margin, other) in enumerate(
        zip(rows, margins, single.encode(whole), strict=True)
    ):
        tally.add_codes(row[None], other, margin[None], level)
    tally.add_wave(decoded, decode(single, rows))
    out = {f"wave.{i}": torch.from_numpy(wave), f"decoded.{i}": decoded.float()}
    for level, (row, margin) in enumerate(zip(rows, margins, strict=True)):
        out[f"codes.{i}.row{level}"] = as_codes(row)
        out[f"margin.{i}.row{level}"] = margin.float()
    return out


def generate(case: Case, root: Path) -> None:
    folder = root / case.name
    write_checkpoint(case, make_model(case), folder)
    single, double = reload_model(case, folder), double_model(case, folder)
    rate = case.config["sampling_rate"]
    wave = torch.from_numpy(test_wave(case.lengths[0], rate, 7))
    check_lively(single, wave[None, None])
    tally = Tally([case.config["codebook_size"]] * len(case.config["vq_strides"]))
    tensors: Tensors = {}
    for i in range(len(case.lengths)):
        tensors.update(one_input(case, single, double, i, tally))
    report = {**tally.report(), "padded_to": str(multiple(case))}
    write_expected(folder, tensors, {**versions("snac", "einops", "safetensors"), **report})
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(case.name, f"{size / 1000:.0f} kB", json.dumps(report), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "snac")
    parser.add_argument("--case", action="append", help="only these cases")
    arguments = parser.parse_args()
    single_thread()
    for case in cases():
        if not arguments.case or case.name in arguments.case:
            generate(case, arguments.out)


if __name__ == "__main__":
    main()
