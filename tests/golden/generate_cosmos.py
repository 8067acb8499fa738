"""Golden fixtures of Cosmos' discrete image tokenizers and of MAGVITv2: tests/golden/{cosmos,magvitv2}/<case>/.

Reference: reference_cosmos.py, written for this purpose from the published layouts, with the quantizers of the package
vector-quantize-pytorch. See README.md for the keys.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from golden_common import read_model, write_json, write_model
from golden_pictures import PictureCase, fit, run_cases, write_runs
from reference_cosmos import Cosmos, FiniteScalars, Magvit, Shape, Signs
from torch import nn

HERE = Path(__file__).resolve().parent


def cosmos_config(**changes: object) -> dict:
    """The authors' dictionary; what is odd changes."""
    base = {
        "channels": 32,
        "dropout": 0.0,
        "in_channels": 3,
        "out_channels": 3,
        "num_res_blocks": 1,
        "patch_method": "haar",
        "z_factor": 1,
        "quantizer": "FSQ",
        "num_quantizers": 4,
        "name": "DI",
        "encoder": "Default",
        "decoder": "Default",
    }
    return {**base, **changes}


def cases() -> list[PictureCase]:
    return [
        PictureCase(
            name="cosmos/two_wavelets_bf16",
            seed=101,
            dtype=torch.bfloat16,
            sizes=[(56, 64), (16, 112)],
            config=cosmos_config(
                channels_mult=[1, 1],
                patch_size=4,
                spatial_compression=8,
                resolution=32,
                attn_resolutions=[4],
                z_channels=7,
                embedding_dim=3,
                levels=[4, 5, 3],
            ),
        ),
        PictureCase(
            name="cosmos/one_wavelet_f16",
            seed=102,
            dtype=torch.float16,
            sizes=[(56, 48), (16, 120)],
            config=cosmos_config(
                channels_mult=[1, 1],
                patch_size=2,
                spatial_compression=8,
                resolution=64,
                attn_resolutions=[16],
                z_channels=9,
                embedding_dim=3,
                levels=[3, 4, 3],
            ),
        ),
        PictureCase(
            name="magvitv2/unequal_halves_f16",
            seed=103,
            dtype=torch.float16,
            sizes=[(26, 34), (12, 4)],
            config={
                "_class_name": "MAGVITv2",
                "_diffusers_version": "0.27.2",
                "encoder": {
                    "ch": 32,
                    "ch_mult": [2, 1],
                    "num_res_blocks": [1, 2],
                    "attn_resolutions": [8],
                    "resolution": 16,
                    "z_channels": 5,
                },
                "decoder": {
                    "ch": 32,
                    "ch_mult": [1, 1],
                    "num_res_blocks": [2, 1],
                    "attn_resolutions": [12],
                    "resolution": 12,
                    "z_channels": 5,
                },
            },
        ),
    ]


def cosmos_halves(config: dict) -> tuple[Shape, Shape]:
    """An encoder halves behind its first levels, a decoder doubles behind the first ones that it runs."""
    levels = len(config["channels_mult"])
    halvings = int(math.log2(config["spatial_compression"] / config["patch_size"]))
    nominal = config["resolution"] // config["patch_size"]
    down = [i < halvings for i in range(levels)]
    up = [i >= levels - halvings for i in range(levels)]
    seen_down = [nominal // 2 ** sum(down[:i]) for i in range(levels)]
    seen_up = [nominal // 2 ** (levels - 1) * 2 ** sum(up[i + 1 :]) for i in range(levels)]

    def half(resamples: list[bool], seen: list[int], extra: int) -> Shape:
        return Shape(
            outside=3 * config["patch_size"] ** 2,
            ch=config["channels"],
            multipliers=config["channels_mult"],
            blocks=[config["num_res_blocks"] + extra] * levels,
            attention=[side in config["attn_resolutions"] for side in seen],
            resamples=resamples,
            z=config["z_channels"],
        )

    return half(down, seen_down, 0), half(up, seen_up, 1)


def magvit_half(half: dict, down: bool) -> Shape:
    levels = len(half["ch_mult"])
    return Shape(
        outside=3,
        ch=half["ch"],
        multipliers=half["ch_mult"],
        blocks=half["num_res_blocks"],
        attention=[half["resolution"] // 2**i in half["attn_resolutions"] for i in range(levels)],
        resamples=[i < levels - 1 if down else i > 0 for i in range(levels)],
        z=half["z_channels"],
    )


def empty_model(config: dict) -> nn.Module:
    if "_class_name" in config:
        return Magvit(magvit_half(config["encoder"], True), magvit_half(config["decoder"], False)).eval()
    return Cosmos(*cosmos_halves(config), config["levels"], int(math.log2(config["patch_size"]))).eval()


def quantizer_of(config: dict) -> FiniteScalars | Signs:
    return FiniteScalars(config["levels"]) if "levels" in config else Signs(config["encoder"]["z_channels"])


class Reference:
    def __init__(self, model: nn.Module, quantizer: FiniteScalars | Signs) -> None:
        self.model, self.quantizer, self.latents = model, quantizer, model.latents

    def codes(self, picture: torch.Tensor) -> torch.Tensor:
        latents = self.latents(picture)
        return self.quantizer.codes(latents.flatten(0, 2)).reshape(latents.shape[:3])

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        values = self.quantizer.values(codes, next(self.model.parameters()))
        return self.model.picture(values.reshape(*codes.shape, -1))


def check_known_codes() -> None:
    """Codes that are published for the published levels."""
    rows = torch.tensor([[0.0] * 6, [0.3, -0.3, 1, 0.3, -0.3, 1], [0.5] * 6])
    if FiniteScalars([8, 8, 8, 5, 5, 5]).codes(rows).tolist() != [32036, 55709, 47981]:
        raise AssertionError("the package's finite scalars are not the published ones")


def tables(config: dict) -> dict[str, torch.Tensor]:
    """What the authors' file holds beside the weights."""
    if "_class_name" not in config:
        return {}
    bits = config["encoder"]["z_channels"]
    return {"quantize.embedding": torch.ones(2**bits, bits), "quantize.power_vals": 2 ** torch.arange(bits)}


def reload_model(case: PictureCase, folder: Path) -> nn.Module:
    model = empty_model(case.config)
    stored = read_model(folder)
    model.load_state_dict({name: stored[name].float() for name in model.state_dict()})
    return model


def generate(case: PictureCase, root: Path) -> None:
    check_known_codes()
    folder = root / case.name
    model, quantizer = empty_model(case.config), quantizer_of(case.config)
    fit(case, Reference(model, quantizer), last=model.last)
    weights = {name: tensor.to(case.dtype) for name, tensor in model.state_dict().items()}
    write_model(folder, {**weights, **tables(case.config)}, case.shards)
    write_json(folder / "config.json", case.config)
    single = Reference(reload_model(case, folder), quantizer)
    double = Reference(reload_model(case, folder).double(), quantizer)
    entries = int(quantizer.levels.prod()) if "levels" in case.config else 2 ** case.config["encoder"]["z_channels"]

    def search(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return quantizer.codes(rows), quantizer.margins(rows)

    write_runs(case, folder, single, double, search, entries, ("vector-quantize-pytorch",))


if __name__ == "__main__":
    run_cases(__doc__, cases(), generate, HERE)
