"""Golden fixtures of Janus' VQ: tests/golden/janus/<case>/.

Reference: JanusVQVAE of transformers, its search replaced by the authors': both sides brought to
length 1, as its own decoder does with what it looks up. (transformers' search as it is finds other
codes; Janus' language model never saw those.) See README.md for the keys.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from golden_common import read_model, write_json, write_model
from golden_pictures import PictureCase, fit, nearest_unit, run_cases, write_runs
from torch.nn import functional
from transformers import JanusVQVAE
from transformers.models.janus.configuration_janus import JanusVQVAEConfig


def cases() -> list[PictureCase]:
    return [
        PictureCase(
            name="in_language_model_f16",
            seed=91,
            dtype=torch.float16,
            shards=2,
            sizes=[(26, 38), (8, 8)],
            options={"language_model": True},
            config={
                "embed_dim": 5,
                "num_embeddings": 40,
                "latent_channels": 9,
                "base_channels": 32,
                "channel_multiplier": [1, 1],
                "num_res_blocks": 1,
                "num_patches": 8,
            },
        ),
    ]


class Janus:
    def __init__(self, model: JanusVQVAE) -> None:
        self.model = model

    def latents(self, picture: torch.Tensor) -> torch.Tensor:
        return self.model.quant_conv(self.model.encoder(picture)).permute(0, 2, 3, 1)

    def codes(self, picture: torch.Tensor) -> torch.Tensor:
        table = functional.normalize(self.model.quantize.embedding.weight, dim=-1)
        return (functional.normalize(self.latents(picture), dim=-1) @ table.T).argmax(-1)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        # the reference knows one size of picture only
        self.model.quantize.quant_state_dims = list(codes.shape[1:])
        return self.model.decode(codes.flatten(1))


def write_checkpoint(case: PictureCase, model: JanusVQVAE, folder: Path) -> None:
    tensors = {name: tensor.to(case.dtype) for name, tensor in model.state_dict().items()}
    config = json.loads(model.config.to_json_string(use_diff=False))
    if case.options.get("language_model"):
        tensors = {f"model.vqmodel.{name}": tensor for name, tensor in tensors.items()}
        # what else such a file holds, by name
        tensors["model.language_model.embed_tokens.weight"] = torch.zeros(3, 2)
        tensors["model.generation_embeddings.weight"] = torch.zeros(3, 2)
        config = {
            "architectures": ["JanusForConditionalGeneration"],
            "model_type": "janus",
            "vq_config": config,
        }
    write_model(folder, tensors, case.shards)
    write_json(folder / "config.json", config)


def reload_model(case: PictureCase, folder: Path) -> JanusVQVAE:
    model = JanusVQVAE(JanusVQVAEConfig(**case.config)).eval()
    stored = {n.removeprefix("model.vqmodel."): t.float() for n, t in read_model(folder).items()}
    model.load_state_dict({n: stored[n] for n in model.state_dict()})
    return model


def generate(case: PictureCase, root: Path) -> None:
    folder = root / case.name
    model = JanusVQVAE(JanusVQVAEConfig(**case.config)).eval()
    fit(case, Janus(model), model.quantize.embedding.weight, 0.4)
    write_checkpoint(case, model, folder)
    single, double = Janus(reload_model(case, folder)), Janus(reload_model(case, folder).double())
    table = double.model.quantize.embedding.weight
    write_runs(case, folder, single, double, lambda z: nearest_unit(z, table), len(table), ("transformers",))


if __name__ == "__main__":
    run_cases(__doc__, cases(), generate, Path(__file__).resolve().parent / "janus")
