"""Golden fixtures for the decoder: tiny language models with random weights, run by transformers.

A case is written in the layout of the public checkpoints and read back by transformers in float64. Its norms,
routers and rotary angles stay float32 there, because they belong to the models. A float32 run of the same files must
agree. See README.md for the keys.
"""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import torch
from golden_common import (
    Tensors,
    single_thread,
    versions,
    write_expected,
    write_json,
    write_model,
)
from transformers import AutoConfig, AutoModelForCausalLM, MiMoV2FlashConfig, MiMoV2FlashForCausalLM
from transformers.utils import logging

# Log-probabilities of a float32 run may be this far off.
TOLERANCE = 2e-5
# Routers take other experts where scores are closer than this.
LEAST_ROUTING_MARGIN = 2e-6


@dataclass
class Case:
    name: str
    seed: int
    config: dict  # config.json, as published
    lengths: list[int]
    dtype: torch.dtype
    greedy: int = 12
    shards: int = 1
    experts_per_token: int = 0
    drop: list[str] = field(default_factory=list)  # patterns of tensors that the public files lack
    extra: dict[str, list[int]] = field(default_factory=dict)  # tensors that no model reads


def dense(model_type: str, architecture: str, **keys: object) -> dict:
    common = {
        "architectures": [architecture],
        "model_type": model_type,
        "hidden_act": "silu",
        "max_position_embeddings": 512,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    return common | keys


def llama_cases() -> list[Case]:
    scaled = dense(
        "llama",
        "LlamaForCausalLM",
        vocab_size=131,
        hidden_size=60,
        intermediate_size=77,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=14,
        rms_norm_eps=1e-5,
        attention_bias=True,
        mlp_bias=True,
        tie_word_embeddings=False,
        rope_theta=500000.0,
        rope_scaling={
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
        torch_dtype="bfloat16",
    )
    oldest = dense(
        "llama",
        "LlamaForCausalLM",
        vocab_size=67,
        hidden_size=48,
        intermediate_size=90,
        num_hidden_layers=2,
        num_attention_heads=3,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        torch_dtype="float16",
    )
    return [
        Case("llama_scaled_bf16", 1, scaled, [1, 9, 300], torch.bfloat16, shards=2),
        Case("llama_tied_f16", 2, oldest, [1, 40], torch.float16, drop=[r"^lm_head"]),
    ]


def qwen_cases() -> list[Case]:
    window = dense(
        "qwen2",
        "Qwen2ForCausalLM",
        vocab_size=109,
        hidden_size=40,
        intermediate_size=72,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        rms_norm_eps=1e-6,
        rope_theta=1000000.0,
        use_sliding_window=True,
        sliding_window=6,
        max_window_layers=1,
        tie_word_embeddings=True,
        torch_dtype="bfloat16",
    )
    normed = dense(
        "qwen3",
        "Qwen3ForCausalLM",
        vocab_size=83,
        hidden_size=44,
        intermediate_size=50,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_key_value_heads=1,
        head_dim=20,
        rms_norm_eps=1e-6,
        attention_bias=False,
        rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 20000.0},
        use_sliding_window=False,
        sliding_window=4,
        max_window_layers=0,
        tie_word_embeddings=False,
        dtype="float32",
    )
    return [
        Case("qwen2_window_bf16", 3, window, [2, 50], torch.bfloat16, drop=[r"^lm_head"]),
        Case("qwen3_f32", 4, normed, [1, 30], torch.float32),
    ]


def qwen_mixture_cases() -> list[Case]:
    renormalised = dense(
        "qwen3_moe",
        "Qwen3MoeForCausalLM",
        vocab_size=101,
        hidden_size=36,
        intermediate_size=70,
        moe_intermediate_size=19,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=10,
        rms_norm_eps=1e-6,
        attention_bias=False,
        rope_theta=1000000.0,
        num_experts=11,
        num_experts_per_tok=3,
        norm_topk_prob=True,
        decoder_sparse_step=1,
        mlp_only_layers=[2],
        use_sliding_window=False,
        sliding_window=None,
        tie_word_embeddings=False,
        torch_dtype="bfloat16",
    )
    plain = renormalised | {
        "norm_topk_prob": False,
        "decoder_sparse_step": 2,
        "mlp_only_layers": [],
        "num_experts": 6,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 2,
        "use_sliding_window": True,
        "sliding_window": 5,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
    }
    return [
        Case("qwen3_moe_bf16", 5, renormalised, [1, 8, 60], torch.bfloat16, shards=2, experts_per_token=3),
        Case("qwen3_moe_plain_f32", 6, plain, [20], torch.float32, experts_per_token=2, drop=[r"^lm_head"]),
    ]


def mimo_cases() -> list[Case]:
    hybrid = dense(
        "mimo_v2_flash",
        "MiMoV2FlashForCausalLM",
        vocab_size=113,
        hidden_size=42,
        intermediate_size=64,
        moe_intermediate_size=20,
        num_hidden_layers=5,
        num_attention_heads=4,
        swa_num_attention_heads=4,
        num_key_value_heads=1,
        swa_num_key_value_heads=2,
        head_dim=18,
        swa_head_dim=18,
        v_head_dim=13,
        swa_v_head_dim=13,
        partial_rotary_factor=0.334,
        rope_theta=5000000,
        swa_rope_theta=10000,
        sliding_window=7,
        sliding_window_size=7,
        attention_chunk_size=7,
        hybrid_layer_pattern=[0, 1, 1, 0, 1],
        attention_value_scale=0.707,
        add_swa_attention_sink_bias=True,
        add_full_attention_sink_bias=False,
        attention_bias=False,
        moe_layer_freq=[0, 1, 1, 1, 1],
        n_routed_experts=12,
        num_experts_per_tok=4,
        n_shared_experts=None,
        n_group=1,
        topk_group=1,
        scoring_func="sigmoid",
        topk_method="noaux_tc",
        norm_topk_prob=True,
        routed_scaling_factor=None,
        layernorm_epsilon=1e-5,
        tie_word_embeddings=False,
        torch_dtype="bfloat16",
    )
    grouped = hybrid | {
        "hybrid_layer_pattern": [1, 0, 1],
        "moe_layer_freq": [1, 0, 1],
        "num_hidden_layers": 3,
        "n_group": 4,
        "topk_group": 2,
        "norm_topk_prob": False,
        "routed_scaling_factor": 2.5,
        "attention_bias": True,
        "attention_value_scale": None,
        "layernorm_epsilon": 1e-6,
        "torch_dtype": "float16",
    }
    draft = {"model.mtp.layers.0.enorm.weight": [42], "model.mtp.layers.0.self_attn.q_proj.weight": [72, 42]}
    return [
        Case("mimo_v2_hybrid_bf16", 7, hybrid, [1, 7, 8, 300], torch.bfloat16, shards=2, experts_per_token=4, extra=draft),
        Case("mimo_v2_grouped_f16", 8, grouped, [25], torch.float16, experts_per_token=4),
    ]


def mimo_config(config: dict) -> MiMoV2FlashConfig:
    """The same model in the keys that transformers reads: it ignores most of the public ones."""
    kinds = {0: "full_attention", 1: "sliding_attention"}
    same = ("vocab_size", "hidden_size", "intermediate_size", "moe_intermediate_size", "num_hidden_layers",
            "num_attention_heads", "num_key_value_heads", "head_dim", "v_head_dim", "attention_bias",
            "attention_value_scale", "n_routed_experts", "num_experts_per_tok", "n_group", "topk_group",
            "norm_topk_prob", "routed_scaling_factor", "sliding_window_size", "tie_word_embeddings")  # fmt: skip

    def rope(theta: float) -> dict:
        factor = config["partial_rotary_factor"]
        return {"rope_type": "default", "rope_theta": float(theta), "partial_rotary_factor": factor}

    return MiMoV2FlashConfig(
        **{key: config[key] for key in same},
        rms_norm_eps=config["layernorm_epsilon"],
        layer_types=[kinds[k] for k in config["hybrid_layer_pattern"]],
        mlp_layer_types=["sparse" if sparse else "dense" for sparse in config["moe_layer_freq"]],
        rope_parameters={
            "full_attention": rope(config["rope_theta"]),
            "sliding_attention": rope(config["swa_rope_theta"]),
        },
        max_position_embeddings=config["max_position_embeddings"],
    )


def read_reference(folder: Path, config: dict, dtype: torch.dtype) -> torch.nn.Module:
    """What transformers makes of a folder; nothing may be missing."""
    mimo = config["model_type"] == "mimo_v2_flash"
    kind = MiMoV2FlashForCausalLM if mimo else AutoModelForCausalLM
    options: dict = {"experts_implementation": "eager"} | ({"config": mimo_config(config)} if mimo else {})
    model, report = kind.from_pretrained(folder, dtype=dtype, output_loading_info=True, **options)
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if report[problem]:
            raise ValueError(f"{folder.name}: {problem}: {report[problem]}")
    return model.eval()


def blank_model(config: dict) -> torch.nn.Module:
    if config["model_type"] == "mimo_v2_flash":
        return MiMoV2FlashForCausalLM(mimo_config(config))
    keys = {k: v for k, v in config.items() if k not in ("architectures", "model_type", "torch_dtype", "dtype")}
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(config["model_type"], **keys))


def random_weight(name: str, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Spreads that keep every part of the model in play."""
    noise = torch.randn(shape, generator=generator)
    if name.endswith("sinks"):
        return 1.0 + noise
    if name.endswith("e_score_correction_bias"):
        return 0.2 * noise
    if "norm" in name:
        return 1.0 + 0.2 * noise
    if len(shape) == 1:
        return 0.3 * noise
    if "embed_tokens" in name:
        return noise
    gain = 2.5 if "lm_head" in name else 1.5 if re.search(r"[qk]_proj|mlp\.gate\.weight", name) else 1.0
    return gain * noise / math.sqrt(shape[-1])


def public_tensors(case: Case, state: Tensors) -> Tensors:
    """Names, shapes and types of the published files."""
    public: Tensors = {}
    for name, value in state.items():
        if name.endswith("experts.gate_up_proj"):
            for expert, both in enumerate(value):
                for part, half in zip(("gate_proj", "up_proj"), both.chunk(2)):
                    public[name.replace("gate_up_proj", f"{expert}.{part}.weight")] = half
        elif name.endswith("experts.down_proj"):
            for expert, down in enumerate(value):
                public[name.replace("down_proj", f"{expert}.down_proj.weight")] = down
        else:
            public[name.replace("self_attn.sinks", "self_attn.attention_sink_bias")] = value
    for name, shape in case.extra.items():
        public[name] = torch.ones(shape)
    keep = [name for name in public if not any(re.search(pattern, name) for pattern in case.drop)]
    mimo = case.config["model_type"] == "mimo_v2_flash"
    exact = re.compile(r"e_score_correction_bias|mlp\.gate\.weight") if mimo else re.compile("$^")
    return {name: public[name] if exact.search(name) else public[name].to(case.dtype) for name in keep}


def write_case(case: Case, folder: Path) -> None:
    generator = torch.Generator().manual_seed(case.seed)
    state = blank_model(case.config).state_dict()
    tied = case.config.get("tie_word_embeddings", False)
    weights = {}
    for name in sorted(state):
        weights[name] = random_weight(name, state[name].shape, generator)
        if tied and "embed_tokens" in name:
            weights[name] = 0.35 * weights[name]
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", case.config)
    write_model(folder, public_tensors(case, weights), case.shards)


class RoutingMargins:
    """Watches routers: the least distance between the last expert taken and the first one left."""

    def __init__(self, model: torch.nn.Module, taken: int) -> None:
        self.least = math.inf
        for name, module in model.named_modules():
            if name.endswith("mlp.gate"):
                module.register_forward_hook(self._watch(taken))

    def _watch(self, taken: int):
        def hook(module: torch.nn.Module, _inputs: object, output: tuple) -> None:
            logits = output[0].double()
            scores = logits.softmax(-1)
            if hasattr(module, "e_score_correction_bias"):
                scores = logits.sigmoid() + module.e_score_correction_bias.double()
            ordered = scores.sort(-1, descending=True).values
            self.least = min(self.least, float((ordered[:, taken - 1] - ordered[:, taken]).min()))

        return hook


def log_probabilities(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    return model(torch.tensor([ids]), use_cache=False).logits[0].double().log_softmax(-1)


def expectations(model: torch.nn.Module, case: Case) -> Tensors:
    generator = torch.Generator().manual_seed(1000 + case.seed)
    tensors: Tensors = {}
    for i, length in enumerate(case.lengths):
        ids = torch.randint(case.config["vocab_size"], (length,), generator=generator)
        table = log_probabilities(model, ids.tolist())
        tensors[f"ids.{i}"] = ids.to(torch.int32)
        tensors[f"scores.{i}"] = table[torch.arange(length - 1), ids[1:]].float()
        tensors[f"last.{i}"] = table[-1].float()
        written, margins = ids.tolist(), []
        for _ in range(case.greedy):
            two = table[-1].topk(2)
            written.append(int(two.indices[0]))
            margins.append(two.values[0] - two.values[1])
            table = log_probabilities(model, written)
        tensors[f"greedy.{i}"] = torch.tensor(written[length:], dtype=torch.int32)
        tensors[f"greedy_margin.{i}"] = torch.stack(margins).float()
    return tensors


def float32_error(model: torch.nn.Module, expected: Tensors, case: Case) -> float:
    worst = 0.0
    for i in range(len(case.lengths)):
        ids = expected[f"ids.{i}"].long()
        table = log_probabilities(model, ids.tolist())
        worst = max(worst, float((table[-1] - expected[f"last.{i}"]).abs().max()))
        if len(ids) > 1:
            scores = table[torch.arange(len(ids) - 1), ids[1:]]
            worst = max(worst, float((scores - expected[f"scores.{i}"]).abs().max()))
    return worst


def make(case: Case, root: Path) -> None:
    folder = root / case.name
    write_case(case, folder)
    model = read_reference(folder, case.config, torch.float64)
    margins = RoutingMargins(model, case.experts_per_token)
    expected = expectations(model, case)
    error = float32_error(read_reference(folder, case.config, torch.float32), expected, case)
    least = min(float(expected[f"greedy_margin.{i}"].min()) for i in range(len(case.lengths)))
    notes = {"float32_error": f"{error:.2g}", "least_greedy_margin": f"{least:.2g}"}
    if case.experts_per_token:
        notes["least_routing_margin"] = f"{margins.least:.2g}"
    write_expected(folder, expected, versions("transformers", "safetensors") | notes)
    print(case.name, notes, f"{sum(p.stat().st_size for p in folder.iterdir()) / 1000:.0f} kB")
    if error > TOLERANCE:
        raise ValueError(f"{case.name}: float32 is off by {error}")
    if margins.least < LEAST_ROUTING_MARGIN:
        raise ValueError(f"{case.name}: routing margin {margins.least}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "decoder")
    parser.add_argument("--only", nargs="*", help="names of cases")
    arguments = parser.parse_args()
    single_thread()
    logging.disable_progress_bar()
    for case in llama_cases() + qwen_cases() + qwen_mixture_cases() + mimo_cases():
        if arguments.only is None or case.name in arguments.only:
            make(case, arguments.output)


if __name__ == "__main__":
    main()
