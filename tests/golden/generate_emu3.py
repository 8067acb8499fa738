"""Golden fixtures of Emu3's vision tokenizer: tests/golden/emu3/<case>/.

Reference: Emu3VQVAE of transformers; one case is written in the authors' names (they are a renaming of
transformers', 1x1 convolutions in place of linear layers). See README.md for the keys.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from golden_common import Tensors, nearest, read_model, write_json, write_model
from golden_pictures import PictureCase, fit, run_cases, write_runs
from transformers import Emu3VQVAE
from transformers.models.emu3.configuration_emu3 import Emu3VQVAEConfig


def cases() -> list[PictureCase]:
    return [
        PictureCase(
            name="alone_f16",
            seed=81,
            dtype=torch.float16,
            sizes=[(22, 26), (8, 14, 12), (4, 2), (12, 8, 6)],
            config={
                "codebook_size": 48,
                "embed_dim": 6,
                "latent_channels": 6,
                "temporal_downsample_factor": 4,
                "base_channels": 32,
                "channel_multiplier": [1, 1],
                "num_res_blocks": 1,
                "attn_resolutions": [0],
                "hidden_size": 32,
                "num_attention_heads": 2,
            },
        ),
        PictureCase(
            name="authors_names_bf16",
            seed=82,
            dtype=torch.bfloat16,
            sizes=[(16, 20), (4, 8, 10)],
            options={"authors": True},
            config={
                "codebook_size": 32,
                "embed_dim": 4,
                "latent_channels": 4,
                "temporal_downsample_factor": 2,
                "base_channels": 32,
                "channel_multiplier": [1, 1],
                "num_res_blocks": 1,
                "attn_resolutions": [1],
                "hidden_size": 32,
                "num_attention_heads": 1,
            },
        ),
    ]


class Emu3:
    """One frame is a picture; the reference's own functions tell the two apart by the rank."""

    def __init__(self, model: Emu3VQVAE) -> None:
        self.model = model
        self.time = model.config.temporal_downsample_factor

    def frames(self, picture: torch.Tensor) -> torch.Tensor:
        return (picture.repeat(self.time, 1, 1, 1) if len(picture) == 1 else picture)[None]

    def latents(self, picture: torch.Tensor) -> torch.Tensor:
        hidden = self.model.encoder(self.frames(picture)).permute(0, 2, 1, 3, 4)
        return self.model.quant_conv(hidden)[0].permute(1, 2, 3, 0)

    def codes(self, picture: torch.Tensor) -> torch.Tensor:
        whole = picture if len(picture) == 1 else picture[None]
        size = torch.tensor([list(picture.shape[-2:])])
        if len(picture) == 1:
            return self.model.encode(whole, size).image_tokens[0][None]
        # the reference cuts codes of a video along the wrong axes: quantized here as it does before
        hidden = self.model.encoder(whole).permute(0, 2, 1, 3, 4)
        return self.model.quantize(self.model.quant_conv(hidden).permute(0, 2, 1, 3, 4))[0]

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        if len(codes) == 1:
            return self.model.decode(codes)
        return self.model.decode(codes[None])[0]


AUTHORS = [
    (r"\.(down|up)_block\.(down|up)\.", r".\2."),
    (r"\.middle_block\.attn_norm\.", ".mid.attn_1.norm."),
    (r"\.middle_block\.", ".mid."),
    (r"\.attn_norms\.(\d+)\.", r".attn.\1.norm."),
    (r"\.([qkv])_proj\.", r".\1."),
    (r"\.out_proj\.", ".proj_out."),
]


def authors_names(tensors: Tensors) -> Tensors:
    renamed = {}
    for name, tensor in tensors.items():
        linear = "_proj.weight" in name
        for pattern, to in AUTHORS:
            name = re.sub(pattern, to, name)
        renamed[name] = tensor[:, :, None, None] if linear else tensor
    return renamed


def authors_config(config: dict) -> dict:
    renamed = {"base_channels": "ch", "channel_multiplier": "ch_mult", "latent_channels": "z_channels"}
    kept = {
        renamed.get(k, k): v for k, v in config.items() if k not in ("hidden_size", "num_attention_heads")
    }
    return {
        **kept,
        "model_type": "Emu3VisionVQ",
        "architectures": ["Emu3VisionVQModel"],
        "in_channels": 3,
        "out_channels": 3,
        "double_z": False,
        "dropout": 0.0,
    }


def write_checkpoint(case: PictureCase, model: Emu3VQVAE, folder: Path) -> None:
    tensors = {n: t if t.dtype == torch.int64 else t.to(case.dtype) for n, t in model.state_dict().items()}
    config = json.loads(model.config.to_json_string(use_diff=False))
    if case.options.get("authors"):
        tensors, config = authors_names(tensors), authors_config(case.config)
    write_model(folder, tensors, case.shards)
    write_json(folder / "config.json", config)


def reload_model(case: PictureCase, folder: Path) -> Emu3VQVAE:
    model = Emu3VQVAE(Emu3VQVAEConfig(**case.config)).eval()
    stored = read_model(folder)
    names = list(model.state_dict())
    aliases = {
        n: next(iter(authors_names({n: torch.zeros(1, 1)}))) if case.options.get("authors") else n
        for n in names
    }
    model.load_state_dict({n: stored[aliases[n]].reshape(model.state_dict()[n].shape) for n in names})
    return model.float()


def generate(case: PictureCase, root: Path) -> None:
    folder = root / case.name
    model = Emu3VQVAE(Emu3VQVAEConfig(**case.config)).eval()
    fit(case, Emu3(model), model.quantize.embedding.weight)
    write_checkpoint(case, model, folder)
    single, double = Emu3(reload_model(case, folder)), Emu3(reload_model(case, folder).double())
    table = double.model.quantize.embedding.weight
    write_runs(case, folder, single, double, lambda z: nearest(z, table), len(table), ("transformers",))


if __name__ == "__main__":
    run_cases(__doc__, cases(), generate, Path(__file__).resolve().parent / "emu3")
