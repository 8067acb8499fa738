"""Codecs of pictures in their public sizes. The modules are those the golden fixtures are held to: transformers', or, of
families that are not there, the ones written from their layouts (generate_vqgan.py, generate_cosmos.py)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import generate_cosmos
import generate_vqgan
import torch
from golden_common import read_model, write_json, write_model

from peers.family import Family, Peer, Setting
from peers.transformers_models import janus_peer, make_janus

SIDE = 256


def taming(**changes: Any) -> dict[str, Any]:
    trunk = {
        "double_z": False,
        "in_channels": 3,
        "out_ch": 3,
        "ch": 128,
        "ch_mult": [1, 1, 2, 2, 4],
        "num_res_blocks": 2,
        "attn_resolutions": [],
        "resolution": 512,
        "z_channels": 256,
        "dropout": 0.0,
    }
    return {**trunk, **changes}


CHAMELEON = {"embed_dim": 256, "n_embed": 8192, "ddconfig": taming()}
EMU35 = {
    "model_type": "ibq",
    "embed_dim": 256,
    "n_embed": 131072,
    "ddconfig": taming(ch=256, num_res_blocks=4, attn_resolutions=[16], resolution=256),
}
LLAMAGEN_8 = {
    "codebook_size": 16384,
    "codebook_embed_dim": 8,
    "encoder_ch_mult": [1, 2, 2, 4],
    "decoder_ch_mult": [1, 2, 2, 4],
    "z_channels": 256,
    "ch": 128,
    "num_res_blocks": 2,
    "norm_num_groups": 32,
}
COSMOS_16 = generate_cosmos.cosmos_config(
    channels=128,
    channels_mult=[2, 4, 4],
    num_res_blocks=2,
    patch_size=4,
    spatial_compression=16,
    resolution=1024,
    attn_resolutions=[32],
    z_channels=256,
    embedding_dim=6,
    levels=[8, 8, 8, 5, 5, 5],
)

Build = Callable[[], torch.nn.Module]


def saver(build: Build, config: dict[str, Any]) -> Callable[[Path, Setting], None]:
    def make(folder: Path, _: Setting) -> None:
        write_model(folder, build().state_dict(), 1)
        write_json(folder / "config.json", config)

    return make


def reload(build: Build, folder: Path) -> torch.nn.Module:
    model = build()
    stored = read_model(folder)
    model.load_state_dict({name: stored[name] for name in model.state_dict()})
    return model


def vqgan(name: str, kind: str, config: dict[str, Any]) -> Family:
    def build() -> torch.nn.Module:
        return generate_vqgan.empty_model(kind, config)

    def peer(folder: Path, _: Setting) -> Peer:
        model = reload(build, folder)
        return Peer(model.codes, model.decode)

    return Family(name, 0, saver(build, config), {"torch": peer}, ("torch",), channels=3, picture=SIDE)


def cosmos(name: str, config: dict[str, Any]) -> Family:
    def build() -> torch.nn.Module:
        return generate_cosmos.empty_model(config)

    def peer(folder: Path, _: Setting) -> Peer:
        model = generate_cosmos.Reference(reload(build, folder), generate_cosmos.quantizer_of(config))
        return Peer(model.codes, model.decode)

    return Family(name, 0, saver(build, config), {"torch": peer}, ("torch",), channels=3, picture=SIDE)


def make_emu3(folder: Path, _: Setting) -> None:
    from transformers import Emu3VQVAE
    from transformers.models.emu3.configuration_emu3 import Emu3VQVAEConfig

    Emu3VQVAE(Emu3VQVAEConfig()).save_pretrained(folder)


def emu3_peer(folder: Path, _: Setting) -> Peer:
    from transformers import Emu3VQVAE

    model = Emu3VQVAE.from_pretrained(folder).eval()
    size = torch.tensor([[SIDE, SIDE]])
    return Peer(lambda picture: model.encode(picture, size).image_tokens[0][None], model.decode)


PICTURES = (
    Family(
        "janus-vq16", 0, make_janus, {"transformers": janus_peer}, ("transformers",), channels=3, picture=SIDE
    ),
    vqgan("llamagen-vq8", "llamagen", LLAMAGEN_8),
    vqgan("chameleon", "taming", CHAMELEON),
    vqgan("emu3.5-ibq", "ibq", EMU35),
    cosmos("cosmos-di16", COSMOS_16),
    Family("emu3", 0, make_emu3, {"transformers": emu3_peer}, ("transformers",), channels=3, picture=SIDE),
)
