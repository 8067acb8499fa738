"""Golden fixtures for WavTokenizer, made with its official modules.

    python generate_wavtokenizer.py --source FOLDER

FOLDER is a copy of the official repository. Nothing of it is stored here. The config is that of
this project's converter, the names of the tensors are the official ones. See README.md.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from authors_wavtokenizer import build, decode, encode, load_source
from golden_common import (
    Spread,
    Tensors,
    UnitScale,
    as_codes,
    fitted_codebook,
    read_model,
    residual_search,
    single_thread,
    test_wave,
    versions,
    write_expected,
    write_json,
    write_model,
)
from golden_report import Tally
from golden_weights import LAYERS, random_like, randomise
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
    loudness: float = 0.0  # added to the logarithms of the magnitudes


def cases() -> list[Case]:
    return [
        Case(
            name="frame75_f16",
            seed=71,
            dtype=torch.float16,
            lengths=[30 * 90, 30 * 41 + 17, 29, 30 * 3],
            config={
                "model_type": "wavtokenizer",
                "sampling_rate": 24000,
                "audio_channels": 1,
                "n_filters": 4,
                "dimension": 24,
                "ratios": [5, 3, 2],
                "kernel_size": 7,
                "last_kernel_size": 7,
                "residual_kernel_size": 3,
                "n_residual_layers": 1,
                "dilation_base": 2,
                "compress": 2,
                "lstm": 2,
                "codebook_size": 64,
                "num_quantizers": 1,
                "backbone": {
                    "dim": 64,
                    "intermediate_dim": 44,
                    "num_layers": 3,
                    "adanorm_num_embeddings": 4,
                },
                "head": {"n_fft": 100, "hop_length": 30, "padding": "same"},
            },
        ),
        Case(
            name="frame40_bf16",
            seed=72,
            dtype=torch.bfloat16,
            shards=2,
            loudness=2.5,
            lengths=[72 * 60, 72 * 25 + 71, 1, 72, 72 * 2 + 1],
            config={
                "model_type": "wavtokenizer",
                "sampling_rate": 22050,
                "audio_channels": 1,
                "n_filters": 3,
                "dimension": 20,
                "ratios": [3, 4, 3, 2],
                "kernel_size": 5,
                "last_kernel_size": 3,
                "residual_kernel_size": 4,
                "n_residual_layers": 2,
                "dilation_base": 3,
                "compress": 3,
                "lstm": 1,
                "codebook_size": 128,
                "num_quantizers": 1,
                "backbone": {
                    "dim": 64,
                    "intermediate_dim": 50,
                    "num_layers": 2,
                    "adanorm_num_embeddings": 3,
                },
                "head": {"n_fft": 288, "hop_length": 72, "padding": "same"},
            },
        ),
    ]


# ---------------------------------------------------------------------------------------------
# random but lively weights


def wanted_spread(name: str, module: nn.Module) -> float | None:
    """Scores of the attention have to differ from one another."""
    if not isinstance(module, LAYERS):
        return None
    return 1.6 if name.endswith((".q", ".k")) else 1.0


def randomise_rest(model: nn.Module, generator: torch.Generator) -> None:
    """Layer scales, and conditioned norms whose rows differ: only the first is ever used."""
    for name, parameter in model.backbone.named_parameters():
        if name.endswith("gamma"):
            parameter.data.copy_(0.3 + torch.rand(parameter.shape, generator=generator))
        elif name.endswith("scale.weight"):
            parameter.data.copy_(1.0 + 0.3 * random_like(parameter, generator))
        elif name.endswith("shift.weight"):
            parameter.data.copy_(0.3 * random_like(parameter, generator))


def codebook_of(model: nn.Module) -> nn.Module:
    return model.feature_extractor.encodec.quantizer.vq.layers[0]._codebook


def fill_codebook(model: nn.Module, latents: torch.Tensor, generator: torch.Generator) -> None:
    """A codebook for latents [T, C]; the averages of training are stale on purpose."""
    codebook = codebook_of(model)
    codebook.embed.copy_(fitted_codebook(latents, codebook.codebook_size, 0.15, generator))
    codebook.embed_avg.copy_(random_like(codebook.embed, generator))
    codebook.cluster_size.copy_(torch.rand(codebook.codebook_size, generator=generator) * 9.0)
    codebook.inited.fill_(1.0)


def spread_phases(model: nn.Module, case: Case) -> None:
    """Phases over most of a turn, magnitudes that may reach the limit."""
    out = model.head.out
    half = len(out.bias) // 2
    out.weight.data[half:] *= 2.0
    out.bias.data[half:] *= 2.0
    out.bias.data[:half] += case.loudness


def latents_of(model: nn.Module, wave: torch.Tensor) -> torch.Tensor:
    """[T, C] of [L]."""
    return model.feature_extractor.encodec.encoder(wave[None, None])[0].T


def hop(case: Case) -> int:
    return math.prod(case.config["ratios"])


def make_model(case: Case) -> nn.Module:
    generator = torch.Generator().manual_seed(case.seed)
    rate = case.config["sampling_rate"]
    model = build(case.config)
    randomise(model, generator)
    randomise_rest(model, generator)
    wave = torch.from_numpy(test_wave(hop(case) * 300, rate, 1000 + case.seed))
    with UnitScale(model.feature_extractor.encodec.encoder, wanted_spread):
        latents_of(model, wave)
    waves = [test_wave(hop(case) * 60, rate, 5000 + 20 * case.seed + i) for i in range(12)]
    latents = torch.cat([latents_of(model, torch.from_numpy(wave)) for wave in waves])
    fill_codebook(model, latents, generator)
    codes = residual_search(latents[:240], [codebook_of(model).embed])[0]
    with UnitScale(model.backbone, wanted_spread), UnitScale(model.head, wanted_spread):
        decode(model, codes)
    spread_phases(model, case)
    return model


# ---------------------------------------------------------------------------------------------
# files


def stored_type(case: Case, name: str) -> torch.dtype:
    """The window of the synthesis stays as it is: it follows from the config."""
    return torch.float32 if name == "head.istft.window" else case.dtype


def write_checkpoint(case: Case, model: nn.Module, folder: Path) -> None:
    state = model.state_dict().items()
    tensors = {name: tensor.to(stored_type(case, name)) for name, tensor in state}
    write_model(folder, tensors, case.shards)
    write_json(folder / "config.json", case.config)


def reload_model(case: Case, folder: Path) -> nn.Module:
    """The model as a reader of the files sees it, with float32 arithmetic."""
    model = build(case.config)
    model.load_state_dict({name: tensor.float() for name, tensor in read_model(folder).items()})
    return model


# ---------------------------------------------------------------------------------------------
# reference runs


def check_lively(model: nn.Module, wave: torch.Tensor) -> None:
    with Spread(model, LAYERS) as spread:
        decode(model, encode(model, wave[None]))
    spread.check(0.05, 20.0)


def check_limit(model: nn.Module, case: Case, codes: torch.Tensor) -> float:
    """Share of magnitudes at the limit of 100."""
    features = model.backbone(model.codes_to_features(codes), bandwidth_id=torch.tensor([0]))
    logarithms = model.head.out(features)[..., : case.config["head"]["n_fft"] // 2 + 1]
    share = float((logarithms > math.log(100.0)).double().mean())
    if case.loudness > 0 and not 0.0 < share < 0.1:
        raise AssertionError(f"{case.name}: {share:.3f} of the magnitudes are at the limit")
    return share


def one_input(case: Case, single: nn.Module, double: nn.Module, i: int, tally: Tally) -> Tensors:
    wave = test_wave(case.lengths[i], case.config["sampling_rate"], 100 * case.seed + i)
    whole = torch.from_numpy(wave)
    latents = latents_of(double, whole.double())
    codes, margins = residual_search(latents, [codebook_of(double).embed])
    if not torch.equal(codes, encode(double, whole[None].double())):
        raise AssertionError(f"{case.name}: the search differs from the reference's")
    decoded = decode(double, codes)
    if codes.shape[1] != -(-len(wave) // hop(case)) or len(decoded) != codes.shape[1] * hop(case):
        raise AssertionError(f"{case.name}: unexpected lengths {codes.shape} {decoded.shape}")
    tally.add_codes(codes, encode(single, whole[None]), margins)
    tally.add_wave(decoded, decode(single, codes))
    return {
        f"wave.{i}": whole,
        f"codes.{i}": as_codes(codes),
        f"margin.{i}": margins.float(),
        f"decoded.{i}": decoded.float(),
    }


def generate(case: Case, root: Path) -> None:
    folder = root / case.name
    write_checkpoint(case, make_model(case), folder)
    single, double = reload_model(case, folder), reload_model(case, folder).double()
    rate = case.config["sampling_rate"]
    check_lively(single, torch.from_numpy(test_wave(case.lengths[0], rate, 7)))
    tally = Tally([case.config["codebook_size"]])
    tensors: Tensors = {}
    for i in range(len(case.lengths)):
        tensors.update(one_input(case, single, double, i, tally))
    share = check_limit(double, case, tensors["codes.0"].long())
    report = {**tally.report(), "magnitudes_at_the_limit": f"{share:.3f}"}
    write_expected(folder, tensors, {**versions("einops", "safetensors"), **report})
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(case.name, f"{size / 1000:.0f} kB", report, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(__file__).resolve().parent / "wavtokenizer"
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=default)
    parser.add_argument("--case", action="append", help="only these cases")
    arguments = parser.parse_args()
    single_thread()
    load_source(arguments.source)
    for case in cases():
        if not arguments.case or case.name in arguments.case:
            generate(case, arguments.out)


if __name__ == "__main__":
    main()
