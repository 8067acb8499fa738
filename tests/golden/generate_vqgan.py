"""Golden fixtures of taming, IBQ, LlamaGen and the authors' Janus: tests/golden/{taming,ibq,llamagen,janus}/<case>/.

Reference: reference_vqgan.py, written for this purpose from the papers and the published layouts;
none of these families is in transformers. See README.md for the keys.
"""

from __future__ import annotations

from pathlib import Path

import torch
from golden_common import nearest, read_model, write_json, write_model
from golden_pictures import PictureCase, fit, largest_product, nearest_unit, run_cases, write_runs
from reference_vqgan import Layout, Vqgan

SEARCHES = {"nearest": nearest, "cosine": nearest_unit, "dot": largest_product}


def ddconfig(**changes: object) -> dict:
    base = {"double_z": False, "in_channels": 3, "out_ch": 3, "ch": 32, "num_res_blocks": 1, "dropout": 0.0}
    return {**base, **changes}


def cases() -> list[PictureCase]:
    return [
        PictureCase(
            name="taming/odd_resolution_bf16",
            seed=71,
            dtype=torch.bfloat16,
            sizes=[(28, 36), (16, 16)],
            config={
                "embed_dim": 6,
                "n_embed": 40,
                "ddconfig": ddconfig(z_channels=11, resolution=18, ch_mult=[1, 1], attn_resolutions=[9]),
            },
        ),
        PictureCase(
            name="ibq/one_level_f16",
            seed=72,
            dtype=torch.float16,
            sizes=[(14, 11), (1, 20)],
            config={
                "model_type": "ibq",
                "embed_dim": 16,
                "n_embed": 64,
                "ddconfig": ddconfig(z_channels=12, resolution=64, ch_mult=[1], attn_resolutions=[64]),
            },
        ),
        PictureCase(
            name="llamagen/other_decoder_bf16",
            seed=73,
            dtype=torch.bfloat16,
            sizes=[(44, 36), (16, 8)],
            config={
                "codebook_size": 40,
                "codebook_embed_dim": 5,
                "codebook_l2_norm": True,
                "codebook_show_usage": True,
                "commit_loss_beta": 0.25,
                "entropy_loss_ratio": 0.0,
                "encoder_ch_mult": [1, 2, 1],
                "decoder_ch_mult": [3, 1, 2],
                "z_channels": 9,
                "dropout_p": 0.0,
                "ch": 16,
                "num_res_blocks": 1,
                "norm_num_groups": 4,
            },
        ),
        PictureCase(
            name="janus/authors_layout_f16",
            seed=92,
            dtype=torch.float16,
            sizes=[(22, 34), (10, 6)],
            config={
                "model_type": "multi_modality",
                "architectures": ["MultiModalityCausalLM"],
                "gen_vision_config": {
                    "cls": "VQ-16",
                    "model_type": "gen_vision",
                    "params": {  # the last five are not published: they make it small
                        "image_token_size": 40,
                        "n_embed": 5,
                        "encoder_ch_mult": [2, 1],
                        "decoder_ch_mult": [1, 2],
                        "z_channels": 7,
                        "ch": 16,
                        "norm_num_groups": 4,
                    },
                },
            },
        ),
    ]


def taming_model(config: dict, search: str) -> Vqgan:
    d = config["ddconfig"]
    sides = [d["resolution"] // 2**i for i in range(len(d["ch_mult"]))]
    half = {
        "layout": Layout("taming"),
        "ch": d["ch"],
        "multipliers": d["ch_mult"],
        "blocks": d["num_res_blocks"],
        "attention": {i for i, side in enumerate(sides) if side in d["attn_resolutions"]},
        "z": d["z_channels"],
    }
    return Vqgan(half, half, config["n_embed"], config["embed_dim"], search)


def llamagen_model(config: dict) -> Vqgan:
    def half(multipliers: list[int]) -> dict:
        return {
            "layout": Layout("llamagen", config["norm_num_groups"]),
            "ch": config["ch"],
            "multipliers": multipliers,
            "blocks": config.get("num_res_blocks", 2),
            "attention": {len(multipliers) - 1},
            "z": config["z_channels"],
        }

    halves = half(config["encoder_ch_mult"]), half(config["decoder_ch_mult"])
    return Vqgan(*halves, config["codebook_size"], config["codebook_embed_dim"], "cosine")


def janus_model(config: dict) -> Vqgan:
    params = config["gen_vision_config"]["params"]
    return llamagen_model(
        {**params, "codebook_size": params["image_token_size"], "codebook_embed_dim": params["n_embed"]}
    )


def empty_model(family: str, config: dict) -> Vqgan:
    if family == "janus":
        return janus_model(config).eval()
    if family == "llamagen":
        return llamagen_model(config).eval()
    return taming_model(config, "dot" if family == "ibq" else "nearest").eval()


class Reference:
    def __init__(self, model: Vqgan) -> None:
        self.model = model
        self.latents, self.codes, self.decode = model.latents, model.codes, model.decode


def reload_model(family: str, case: PictureCase, folder: Path) -> Vqgan:
    model = empty_model(family, case.config)
    stored = {n.removeprefix("gen_vision_model."): t.float() for n, t in read_model(folder).items()}
    model.load_state_dict({name: stored[name] for name in model.state_dict()})
    return model


def generate(case: PictureCase, root: Path) -> None:
    family, folder = case.name.split("/")[0], root / case.name
    model = empty_model(family, case.config)
    lengths = {"taming": 0.0, "ibq": 0.05, "llamagen": 0.4, "janus": 0.4}[family]
    last = model.quant_conv if family == "ibq" else None
    fit(case, Reference(model), model.quantize.embedding.weight, lengths, last)
    tensors = {name: tensor.to(case.dtype) for name, tensor in model.state_dict().items()}
    if family in ("llamagen", "janus"):  # statistics that the authors' training leaves in the file
        tensors["quantize.codebook_used"] = torch.zeros(64)
    if family == "janus":
        tensors = {f"gen_vision_model.{name}": tensor for name, tensor in tensors.items()}
        # what else such a file holds, by name
        tensors["language_model.model.embed_tokens.weight"] = torch.zeros(3, 2)
        tensors["gen_head.output_mlp_projector.weight"] = torch.zeros(3, 2)
    write_model(folder, tensors, case.shards)
    write_json(folder / "config.json", case.config)
    single = Reference(reload_model(family, case, folder))
    double = Reference(reload_model(family, case, folder).double())
    search = SEARCHES[model.search]
    table = double.model.table
    write_runs(case, folder, single, double, lambda z: search(z, table), len(table))


if __name__ == "__main__":
    run_cases(__doc__, cases(), generate, Path(__file__).resolve().parent)
