"""Golden fixtures for DAC: the DacModel of transformers, and the layout of the authors' package.

The wave is padded with zeros on the right to a multiple of the product of the encoder's rates (not
of the feature extractor's hop), then encoded; `decoded` is what the decoder returns, which is
shorter than the padded wave when a rate is odd.

Every case in the layout of transformers is also run through the authors' package with the same
weights: codes must be the same, waves equal to float64 precision. See README.md for the keys.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from authors_dac import load_dac
from golden_common import (
    Spread,
    Tensors,
    UnitScale,
    as_codes,
    decibels,
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
from golden_weights import (
    CONVOLUTIONS,
    fill_weight,
    full_weight,
    one_spread,
    randomise,
)
from torch import nn
from transformers import DacConfig, DacModel

DAC = load_dac()


@dataclass
class Case:
    """One checkpoint and its inputs; lengths are given in samples."""

    name: str
    seed: int
    config: dict
    lengths: list[int]
    reduced: list[int]
    spelling: str  # "hub", "v5" or "original"
    dtype: torch.dtype = torch.float32
    shards: int = 1


COMMON = {"commitment_loss_weight": 0.25, "codebook_loss_weight": 1.0, "quantizer_dropout": 0.0}


def cases() -> list[Case]:
    return [
        Case(
            name="even_hub",
            seed=41,
            spelling="hub",
            lengths=[16 * 120, 16 * 37 + 5, 1, 16 * 3],
            reduced=[2],
            config={
                "sampling_rate": 44100,
                "encoder_hidden_size": 5,
                "downsampling_ratios": [2, 4, 2],
                "decoder_hidden_size": 24,
                "n_codebooks": 6,
                "codebook_size": 32,
                "codebook_dim": 8,
            },
        ),
        Case(
            name="odd_sharded",
            seed=42,
            spelling="v5",
            shards=2,
            lengths=[60 * 70, 60 * 21 + 37, 59, 60],
            reduced=[2, 1],
            config={
                "sampling_rate": 24000,
                "encoder_hidden_size": 4,
                "downsampling_ratios": [3, 4, 5],
                "decoder_hidden_size": 28,
                "n_codebooks": 9,
                "codebook_size": 64,
                "codebook_dim": 5,
            },
        ),
        Case(
            name="latent_bf16",
            seed=43,
            spelling="hub",
            dtype=torch.bfloat16,
            lengths=[10 * 130, 10 * 44 + 9, 3, 10 * 2],
            reduced=[2],
            config={
                "sampling_rate": 16000,
                "encoder_hidden_size": 9,
                "downsampling_ratios": [2, 5],
                "decoder_hidden_size": 22,
                "hidden_size": 14,
                "n_codebooks": 12,
                "codebook_size": 16,
                "codebook_dim": 14,
            },
        ),
        Case(
            name="seven_f16",
            seed=44,
            spelling="v5",
            dtype=torch.float16,
            lengths=[14 * 90, 14 * 30 + 1, 13, 14 * 8],
            reduced=[2],
            config={
                "sampling_rate": 22050,
                "encoder_hidden_size": 8,
                "downsampling_ratios": [2, 7],
                "decoder_hidden_size": 36,
                "n_codebooks": 3,
                "codebook_size": 128,
                "codebook_dim": 3,
            },
        ),
        Case(
            name="original_even",
            seed=45,
            spelling="original",
            lengths=[32 * 80, 32 * 25 + 31, 31, 32 * 4],
            reduced=[2],
            config={
                "encoder_dim": 4,
                "encoder_rates": [2, 4, 4],
                "latent_dim": 32,
                "decoder_dim": 24,
                "decoder_rates": [4, 4, 2],
                "n_codebooks": 5,
                "codebook_size": 32,
                "codebook_dim": 8,
                "quantizer_dropout": False,
                "sample_rate": 44100,
            },
        ),
        Case(
            name="original_odd",
            seed=46,
            spelling="original",
            lengths=[30 * 90, 30 * 33 + 14, 1, 30 * 2, 30 * 2 - 1],
            reduced=[2],
            config={
                "encoder_dim": 6,
                "encoder_rates": [3, 2, 5],
                "latent_dim": 18,
                "decoder_dim": 16,
                "decoder_rates": [3, 5, 2],
                "n_codebooks": 7,
                "codebook_size": 16,
                "codebook_dim": 4,
                "quantizer_dropout": 0.5,
                "sample_rate": 16000,
            },
        ),
    ]


# ---------------------------------------------------------------------------------------------
# one face for both references


class Codec:
    """The parts of a reference, whichever it is."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    @property
    def levels(self) -> nn.ModuleList:
        return self.model.quantizer.quantizers

    def encode(self, wave: torch.Tensor, levels: int | None = None) -> torch.Tensor:
        """Codes [levels, T] by the reference's own code."""
        if isinstance(self.model, DacModel):
            return self.model.encode(wave, n_quantizers=levels).audio_codes[0]
        return self.model.encode(wave, n_quantizers=levels)[1][0]

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return self.model.decoder(self.model.quantizer.from_codes(codes[None])[0])[0, 0]


def empty_model(case: Case) -> nn.Module:
    if case.spelling == "original":
        return DAC(**case.config).eval()
    return DacModel(DacConfig(**COMMON, **case.config)).eval()


def rates(case: Case) -> list[int]:
    key = "encoder_rates" if case.spelling == "original" else "downsampling_ratios"
    return case.config[key]


def hop(case: Case) -> int:
    return math.prod(rates(case))


def rate(case: Case) -> int:
    return case.config.get("sampling_rate", case.config.get("sample_rate"))


def decoded_length(case: Case, frames: int) -> int:
    """An odd rate loses one sample at its own level."""
    for factor in case.config.get("decoder_rates", rates(case)[::-1]):
        frames = frames * factor - factor % 2
    return frames


def padded(wave: np.ndarray, frame: int) -> torch.Tensor:
    missing = -len(wave) % frame
    return torch.from_numpy(np.concatenate([wave, np.zeros(missing, np.float32)]))[None, None]


# ---------------------------------------------------------------------------------------------
# weights


def calibration_latents(case: Case, codec: Codec) -> torch.Tensor:
    """Latents [1, C, T] of a dozen waves of unequal character, one after the other."""
    waves = [test_wave(hop(case) * 90, rate(case), 5000 + 20 * case.seed + i) for i in range(12)]
    parts = [codec.model.encoder(torch.from_numpy(wave)[None, None]) for wave in waves]
    return torch.cat(parts, dim=-1)


def make_model(case: Case) -> nn.Module:
    generator = torch.Generator().manual_seed(case.seed)
    model = empty_model(case)
    codec = Codec(model)
    randomise(model, generator)
    wave = torch.from_numpy(test_wave(hop(case) * 400, rate(case), 1000 + case.seed))
    with UnitScale(model.encoder, one_spread):
        model.encoder(wave[None, None])
    latents = calibration_latents(case, codec)
    fit_quantiser(codec.levels, latents, generator)
    codes = torch.stack(search(codec.levels, latents)[0])
    with UnitScale(model.decoder, one_spread):
        codec.decode(codes)
    centre_wave(model.decoder, lambda: codec.decode(codes))
    return model


# ---------------------------------------------------------------------------------------------
# files


def config_file(case: Case, model: nn.Module) -> dict:
    """What the `.pth` keeps under metadata.kwargs, or a config of transformers, old or new."""
    if case.spelling == "original":
        return case.config
    dtype = str(case.dtype).removeprefix("torch.")
    written = json.loads(model.config.to_json_string())
    written["architectures"] = ["DacModel"]
    if case.spelling == "v5":
        written["dtype"] = dtype
    else:
        written.update(torch_dtype=dtype, transformers_version="4.45.0.dev0")
    return dict(sorted(written.items()))


def write_checkpoint(case: Case, model: nn.Module, folder: Path) -> None:
    tensors = {name: tensor.to(case.dtype) for name, tensor in model.state_dict().items()}
    write_model(folder, tensors, case.shards)
    write_json(folder / "config.json", config_file(case, model))


def reload_hugging_face(case: Case, folder: Path) -> nn.Module:
    model, info = DacModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[kind]:
            raise AssertionError(f"{case.name}: {kind}: {info[kind]}")
    return model


def reload_model(case: Case, folder: Path) -> nn.Module:
    """The model as a reader of the files sees it, with float32 arithmetic."""
    stored = {name: tensor.float() for name, tensor in read_model(folder).items()}
    if case.spelling == "original":
        model = DAC(**json.loads((folder / "config.json").read_text()))
        model.load_state_dict(stored)
    else:
        model = reload_hugging_face(case, folder)
    for name, tensor in model.state_dict().items():
        if not torch.equal(tensor, stored[name]):
            raise AssertionError(f"{case.name}: {name} was not loaded as stored")
    return model.eval()


# ---------------------------------------------------------------------------------------------
# the same weights in the authors' package


def leaves(model: nn.Module) -> list[nn.Module]:
    """Layers and activations in the order of definition, which both references share."""
    parts = (model.encoder, model.quantizer, model.decoder)
    modules = [module for part in parts for module in part.modules()]
    kinds = (*CONVOLUTIONS, nn.Embedding)
    return [m for m in modules if isinstance(m, kinds) or type(m).__name__ == "Snake1d"]


def authors_model(model: DacModel) -> nn.Module:
    """The package's model with the weights of transformers' one, in float64."""
    config = model.config
    other = DAC(
        encoder_dim=config.encoder_hidden_size,
        encoder_rates=list(config.downsampling_ratios),
        latent_dim=config.hidden_size,
        decoder_dim=config.decoder_hidden_size,
        decoder_rates=list(config.upsampling_ratios),
        n_codebooks=config.n_codebooks,
        codebook_size=config.codebook_size,
        codebook_dim=config.codebook_dim,
        sample_rate=config.sampling_rate,
    )
    other = other.double().eval()
    for ours, theirs in zip(leaves(model), leaves(other), strict=True):
        if isinstance(ours, CONVOLUTIONS):
            fill_weight(theirs, full_weight(ours), None)
            theirs.bias.data.copy_(ours.bias)
        else:
            theirs.load_state_dict(ours.state_dict())
    return other


def check_authors(case: Case, model: DacModel, tensors: Tensors) -> None:
    """The package finds the same codes and the same waves."""
    other = Codec(authors_model(model))
    for i in range(len(case.lengths)):
        wave = padded(tensors[f"wave.{i}"].numpy(), hop(case))
        codes = tensors[f"codes.{i}"].long()
        if not torch.equal(other.encode(wave.double()), codes):
            raise AssertionError(f"{case.name}: the authors' package finds other codes")
        found = decibels(other.decode(codes), tensors[f"decoded.{i}"])
        if found < 140.0:  # the stored wave is float32
            raise AssertionError(f"{case.name}: the authors' package decodes at {found:.1f} dB")


# ---------------------------------------------------------------------------------------------
# reference runs


def check_lively(codec: Codec, wave: torch.Tensor) -> None:
    with Spread(codec.model, CONVOLUTIONS) as spread:
        codec.decode(codec.encode(wave))
    spread.check(0.05, 20.0)


def one_input(case: Case, single: Codec, double: Codec, i: int, tally: Tally) -> Tensors:
    wave = test_wave(case.lengths[i], rate(case), 100 * case.seed + i)
    whole = padded(wave, hop(case))
    found = search(double.levels, double.model.encoder(whole.double()))
    codes, margins = torch.stack(found[0]), torch.stack(found[1])
    if not torch.equal(codes, double.encode(whole.double())):
        raise AssertionError(f"{case.name}: the search differs from the reference's")
    decoded = double.decode(codes)
    if codes.shape[1] * hop(case) != whole.shape[-1]:
        raise AssertionError(f"{case.name}: unexpected number of frames {codes.shape}")
    if decoded.shape[-1] != decoded_length(case, codes.shape[1]):
        raise AssertionError(f"{case.name}: unexpected length {decoded.shape}")
    tally.add_codes(codes, single.encode(whole), margins)
    tally.add_wave(decoded, single.decode(codes))
    out = {
        f"wave.{i}": torch.from_numpy(wave),
        f"codes.{i}": as_codes(codes),
        f"margin.{i}": margins.float(),
        f"decoded.{i}": decoded.float(),
    }
    for levels in case.reduced:
        tally.compare(codes[:levels], single.encode(whole, levels))
        out[f"codes.{i}.levels{levels}"] = as_codes(codes[:levels])
        out[f"decoded.{i}.levels{levels}"] = double.decode(codes[:levels]).float()
    return out


def generate(case: Case, root: Path) -> None:
    folder = root / case.name
    write_checkpoint(case, make_model(case), folder)
    single, double = Codec(reload_model(case, folder)), Codec(reload_model(case, folder).double())
    check_lively(single, padded(test_wave(case.lengths[0], rate(case), 7), hop(case)))
    tally = Tally([case.config["codebook_size"]] * case.config["n_codebooks"])
    tensors: Tensors = {}
    for i in range(len(case.lengths)):
        tensors.update(one_input(case, single, double, i, tally))
    if case.spelling != "original":
        check_authors(case, double.model, tensors)
    report = {**tally.report(), "frame_samples": str(hop(case))}
    packages = ("transformers", "descript-audio-codec", "safetensors")
    write_expected(folder, tensors, {**versions(*packages), **report})
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(case.name, f"{size / 1000:.0f} kB", report, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "dac")
    parser.add_argument("--case", action="append", help="only these cases")
    arguments = parser.parse_args()
    single_thread()
    for case in cases():
        if not arguments.case or case.name in arguments.case:
            generate(case, arguments.out)


if __name__ == "__main__":
    main()
