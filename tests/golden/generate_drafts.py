"""Golden fixtures for layers of multi-token prediction (MTP): tiny models with such layers.

transformers leaves these layers out, so the reference is a plain float64 one (reference_drafts.py). The decoder itself
is run by transformers.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from decoder_cases import Case, deepseek_v3_cases, fp8, longcat_cases, mimo_cases
from decoder_quantised import plain, stored
from generate_decoder import blank_model, public_tensors, random_weight, read_reference
from golden_common import Tensors, single_thread, versions, write_expected, write_json, write_model
from reference_drafts import latent_tables, mimo_tables
from transformers.utils import logging

# Ids that the reference drafts in a chain.
CHAIN = 3
# Log-probabilities of a float32 run may be this far off: a fixture should be no harder than that.
TOLERANCE = 2e-5


@dataclass
class DraftCase:
    name: str
    seed: int
    layers: int
    config: dict
    dtype: torch.dtype
    length: int
    head: float = 1.0  # of the head: rows of a chain pass many norms, and what they round grows with the logits


def cases() -> list[DraftCase]:
    hybrid, grouped = (case.config for case in mimo_cases()[:2])
    small = grouped | {"attention_bias": False, "hidden_size": 38, "sliding_window_size": 4}
    quantised = hybrid | {
        "num_hidden_layers": 2,
        "hybrid_layer_pattern": [0, 1],
        "moe_layer_freq": [0, 1],
        "quantization_config": fp8(8, 16) | {"ignored_layers": ["self_attn.o_proj.weight"]},
    }
    return [
        DraftCase("mimo_v2_three_bf16", 21, 3, hybrid, torch.bfloat16, 150),
        DraftCase("mimo_v2_one_f16", 22, 1, small, torch.float16, 40),
        DraftCase("mimo_v2_fp8", 23, 2, quantised, torch.bfloat16, 60),
        *latent_cases(),
    ]


def latent_cases() -> list[DraftCase]:
    scaled, _, plain_experts = (case.config for case in deepseek_v3_cases())
    longcat = longcat_cases()[0].config
    quantised = plain_experts | {"num_nextn_predict_layers": 1, "torch_dtype": "bfloat16", "n_shared_experts": 2,
                                 "quantization_config": fp8(16, 8)}  # fmt: skip
    del quantised["dtype"]
    return [
        DraftCase("deepseek_v3_bf16", 24, 1, scaled | {"num_hidden_layers": 2}, torch.bfloat16, 48, 0.3),
        DraftCase("deepseek_v3_fp8", 25, 1, quantised, torch.bfloat16, 40, 0.3),
        DraftCase("longcat_flash_bf16", 26, 1, longcat | {"num_layers": 1}, torch.bfloat16, 60, 0.3),
    ]


def mimo_shapes(config: dict) -> dict[str, list[int]]:
    hidden, heads, groups = config["hidden_size"], config["swa_num_attention_heads"], config["swa_num_key_value_heads"]
    key, value = config["swa_head_dim"], config["swa_v_head_dim"]
    attention = {
        "self_attn.q_proj.weight": [heads * key, hidden],
        "self_attn.k_proj.weight": [groups * key, hidden],
        "self_attn.v_proj.weight": [groups * value, hidden],
        "self_attn.o_proj.weight": [hidden, heads * value],
        "self_attn.attention_sink_bias": [heads],
        "pre_mlp_layernorm.weight": [hidden],
    }
    mlp = mlp_shapes("mlp.", hidden, config["intermediate_size"])
    return attention | mlp | {"final_layernorm.weight": [hidden]}


def mlp_shapes(prefix: str, hidden: int, width: int) -> dict[str, list[int]]:
    wide = {f"{prefix}{part}_proj.weight": [width, hidden] for part in ("gate", "up")}
    return wide | {prefix + "down_proj.weight": [hidden, width]}


def latent_shapes(config: dict) -> dict[str, list[int]]:
    hidden, heads, rank = config["hidden_size"], config["num_attention_heads"], config["kv_lora_rank"]
    still, turning, value = (config[key] for key in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"))
    narrow, queries = config["q_lora_rank"], heads * (still + turning)
    shapes = {
        "self_attn.kv_a_proj_with_mqa.weight": [rank + turning, hidden],
        "self_attn.kv_a_layernorm.weight": [rank],
        "self_attn.kv_b_proj.weight": [heads * (still + value), rank],
        "self_attn.o_proj.weight": [hidden, heads * value],
        "post_attention_layernorm.weight": [hidden],
        "norm.weight": [hidden],
    }
    if narrow is None:
        shapes["self_attn.q_proj.weight"] = [queries, hidden]
    else:
        shapes["self_attn.q_a_proj.weight"] = [narrow, hidden]
        shapes["self_attn.q_a_layernorm.weight"] = [narrow]
        shapes["self_attn.q_b_proj.weight"] = [queries, narrow]
    if config["attention_bias"]:
        shapes["self_attn.kv_a_proj_with_mqa.bias"] = [rank + turning]
        shapes["self_attn.o_proj.bias"] = [hidden]
    return shapes


def mixture_shapes(config: dict) -> dict[str, list[int]]:
    hidden, width, count = config["hidden_size"], config["moe_intermediate_size"], config["n_routed_experts"]
    shapes = {"mlp.gate.weight": [count, hidden], "mlp.gate.e_score_correction_bias": [count]}
    for expert in range(count):
        shapes |= mlp_shapes(f"mlp.experts.{expert}.", hidden, width)
    return shapes | mlp_shapes("mlp.shared_experts.", hidden, config["n_shared_experts"] * width)


def draft_shapes(config: dict) -> dict[str, list[int]]:
    hidden = config["hidden_size"]
    shapes = {
        "enorm.weight": [hidden],
        "hnorm.weight": [hidden],
        "eh_proj.weight": [hidden, 2 * hidden],
        "input_layernorm.weight": [hidden],
    }
    if config["model_type"].startswith("mimo"):
        return shapes | mimo_shapes(config)
    shapes |= latent_shapes(config)
    if config["model_type"] == "longcat_flash":
        return shapes | mlp_shapes("mlp.", hidden, config["ffn_hidden_size"])
    return shapes | mixture_shapes(config)


def public_name(name: str, layer: int, config: dict) -> str:
    if config["model_type"] == "deepseek_v3":
        name = "shared_head.norm.weight" if name == "norm.weight" else name
        return f"model.layers.{config['num_hidden_layers'] + layer}.{name}"
    if config["model_type"] == "longcat_flash":
        if name == "norm.weight":
            return "model.mtp.norm.weight"
        name = name.replace("enorm.", "enorm.m.").replace("hnorm.", "hnorm.m.")
        name = name.replace("mlp.", "transformer_layer.mlp.")
    return f"model.mtp.layers.{layer}.{name}"


def repeated(public: Tensors, config: dict) -> Tensors:
    """The decoder's own tables, which lie beside the layer once more."""
    if config["model_type"] == "longcat_flash":
        return {"model.mtp.embed_tokens.weight": public["model.embed_tokens.weight"].clone()}
    if config["model_type"] != "deepseek_v3":
        return {}
    prefix = f"model.layers.{config['num_hidden_layers']}."
    return {
        prefix + "embed_tokens.weight": public["model.embed_tokens.weight"].clone(),
        prefix + "shared_head.head.weight": public["lm_head.weight"].clone(),
    }


def random_draft(name: str, shape: list[int], generator: torch.Generator, dtype: torch.dtype) -> torch.Tensor:
    value = random_weight(name.replace("attention_sink_bias", "sinks"), torch.Size(shape), generator)
    return value if "e_score_correction_bias" in name else value.to(dtype)


def decoder_of(case: DraftCase, unread: Tensors | None = None) -> Case:
    extra = {name: list(value.shape) for name, value in (unread or {}).items()}
    # transformers puts experts together before it notices that no layer wants them.
    extra |= {re.sub(r"experts\.\d+\.(gate|up)_proj\.weight", "experts.gate_up_proj", name): [] for name in extra}
    extra |= {re.sub(r"experts\.\d+\.down_proj\.weight", "experts.down_proj", name): [] for name in extra}
    return Case(case.name, case.seed, case.config, [], case.dtype, extra=extra)


def write_folder(case: DraftCase, folder: Path) -> tuple[list[Tensors], Tensors]:
    """The layers' weights as they are read, by their names within a layer, and all tensors that no decoder reads."""
    generator = torch.Generator().manual_seed(case.seed)
    state = blank_model(case.config).state_dict()
    weights = {name: random_weight(name, state[name].shape, generator) for name in sorted(state)}
    weights["lm_head.weight"] *= case.head
    shapes = draft_shapes(case.config)
    names = [{name: public_name(name, k, case.config) for name in shapes} for k in range(case.layers)]
    drafts = {public: random_draft(name, shapes[name], generator, case.dtype)
              for layer in names for name, public in layer.items()}  # fmt: skip
    public = public_tensors(decoder_of(case), weights)
    drafts |= repeated(public, case.config)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", case.config)
    files = stored(public | drafts, case.config)
    write_model(folder, files)
    read = plain(files, case.config)
    return [{name: read[public] for name, public in layer.items()} for layer in names], drafts


def tables_of(case: DraftCase, folder: Path, layers: list[Tensors], drafts: Tensors, ids: torch.Tensor,
              dtype: torch.dtype) -> list[torch.Tensor]:
    model = read_reference(folder, decoder_of(case, drafts), dtype)
    seen: list[torch.Tensor] = []
    model.model.norm.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0][0]))
    model(ids[None], use_cache=False)
    if case.config["model_type"].startswith("mimo"):
        return mimo_tables(layers, ids, seen[0], model, case.config)
    return latent_tables(layers[0], ids, seen[0], model, case.config, CHAIN)


def make(case: DraftCase, root: Path) -> None:
    folder = root / case.name
    layers, drafts = write_folder(case, folder)
    generator = torch.Generator().manual_seed(2000 + case.seed)
    ids = torch.randint(case.config["vocab_size"], (case.length,), generator=generator)
    tables = tables_of(case, folder, layers, drafts, ids, torch.float64)
    tensors: Tensors = {"ids": ids.to(torch.int32)}
    tensors |= {f"draft.{k}": table.float() for k, table in enumerate(tables)}
    rough = tables_of(case, folder, layers, drafts, ids, torch.float32)
    error = max(float((exact - table).abs().max()) for exact, table in zip(tables, rough))
    write_expected(folder, tensors, versions("transformers", "safetensors") | {"float32_error": f"{error:.2g}"})
    print(case.name, f"float32 off by {error:.2g},", f"{sum(p.stat().st_size for p in folder.iterdir()) / 1000:.0f} kB")
    if error > TOLERANCE:
        raise ValueError(f"{case.name}: float32 is off by {error}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "drafts")
    parser.add_argument("--only", nargs="*", help="names of cases")
    arguments = parser.parse_args()
    single_thread()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    for case in cases():
        if arguments.only is None or case.name in arguments.only:
            make(case, arguments.output)


if __name__ == "__main__":
    main()
