"""Golden fixtures of Chameleon's VQGAN: tests/golden/chameleon/<case>/.

Reference: ChameleonVQVAE of transformers, alone and inside ChameleonForConditionalGeneration. It has
no decoder. See README.md for the keys.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from golden_common import nearest, read_model, write_json, write_model
from golden_pictures import PictureCase, fit, run_cases, write_runs
from torch import nn
from transformers import ChameleonConfig, ChameleonForConditionalGeneration, ChameleonVQVAE
from transformers.models.chameleon.configuration_chameleon import ChameleonVQVAEConfig


def cases() -> list[PictureCase]:
    return [
        PictureCase(
            name="in_language_model_bf16",
            seed=61,
            dtype=torch.bfloat16,
            shards=2,
            sizes=[(28, 36), (16, 16), (2, 6)],
            options={"language_model": True},
            config={
                "embed_dim": 7,
                "num_embeddings": 48,
                "latent_channels": 10,
                "resolution": 20,
                "base_channels": 32,
                "channel_multiplier": [2, 1],
                "num_res_blocks": 1,
                "attn_resolutions": [10],
            },
        ),
        PictureCase(
            name="alone_no_attention_f16",
            seed=62,
            dtype=torch.float16,
            sizes=[(40, 32), (8, 44)],
            config={
                "embed_dim": 5,
                "num_embeddings": 32,
                "latent_channels": 9,
                "resolution": 64,
                "base_channels": 32,
                "channel_multiplier": [1, 1, 1],
                "num_res_blocks": 1,
                "attn_resolutions": [64, 16],
                "attn_type": "none",
            },
        ),
    ]


class Chameleon:
    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def latents(self, picture: torch.Tensor) -> torch.Tensor:
        return self.model.quant_conv(self.model.encoder(picture)).permute(0, 2, 3, 1)

    def codes(self, picture: torch.Tensor) -> torch.Tensor:
        return self.model.encode(picture).image_tokens

    def decode(self, _codes: torch.Tensor) -> None:
        return None


def language_model_config(case: PictureCase) -> ChameleonConfig:
    """The least language model around it."""
    names = {"<image>": 1, "<racm3:break>": 2, "<eoss>": 3}
    images = {
        f"IMGIMG{chr(65 + i // 10)}{chr(65 + i % 10)}Z": 4 + i for i in range(case.config["num_embeddings"])
    }
    return ChameleonConfig(
        vocab_size=64,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        vq_config=case.config,
        vocabulary_map={**names, **images},
    )


def write_checkpoint(case: PictureCase, model: ChameleonVQVAE, folder: Path) -> None:
    outer: nn.Module = model
    if case.options.get("language_model"):
        torch.manual_seed(case.seed)
        outer = ChameleonForConditionalGeneration(language_model_config(case))
        outer.model.vqmodel.load_state_dict(model.state_dict())
    write_model(folder, {n: t.to(case.dtype) for n, t in outer.state_dict().items()}, case.shards)
    config = json.loads(outer.config.to_json_string(use_diff=not case.options.get("language_model")))
    write_json(folder / "config.json", {**config, "architectures": [type(outer).__name__]})


def reload_model(folder: Path, config: ChameleonVQVAEConfig) -> ChameleonVQVAE:
    """The model as a reader of the files sees it, with float32 arithmetic."""
    model = ChameleonVQVAE(config).eval()
    stored = {n.removeprefix("model.vqmodel."): t.float() for n, t in read_model(folder).items()}
    model.load_state_dict({n: stored[n] for n in model.state_dict()})
    return model


def generate(case: PictureCase, root: Path) -> None:
    folder = root / case.name
    config = ChameleonVQVAEConfig(**case.config)
    model = ChameleonVQVAE(config).eval()
    fit(case, Chameleon(model), model.quantize.embedding.weight)
    write_checkpoint(case, model, folder)
    single, double = Chameleon(reload_model(folder, config)), Chameleon(reload_model(folder, config).double())
    table = double.model.quantize.embedding.weight
    write_runs(case, folder, single, double, lambda z: nearest(z, table), len(table), ("transformers",))


if __name__ == "__main__":
    run_cases(__doc__, cases(), generate, Path(__file__).resolve().parent / "chameleon")
