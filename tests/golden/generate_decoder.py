"""Golden fixtures for the decoder: tiny language models with random weights, run by transformers.

A case is written in the layout of the public checkpoints and read back by transformers in float64. Its norms,
routers and rotary angles stay float32 there, because they belong to the models. A float32 run of the same files must
agree. See README.md for the keys.
"""

from __future__ import annotations

import argparse
import copy
import math
import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from decoder_cases import Case, all_cases
from decoder_quantised import plain, stored
from golden_common import (
    Tensors,
    read_model,
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


def load_longcat(folder: Path, case: Case, dtype: torch.dtype) -> torch.nn.Module:
    """transformers cannot load the public layout: its experts have weights for those that give back their input too."""
    model = blank_model(case.config).to(dtype)
    public = {name: value for name, value in read_model(folder).items() if name not in case.extra}
    count, none = case.config["n_routed_experts"], case.config["zero_expert_num"]
    for layer in range(case.config["num_layers"]):
        prefix = f"model.layers.{layer}.mlp.experts."
        gates, ups, downs = (
            [public.pop(f"{prefix}{expert}.{part}_proj.weight") for expert in range(count)]
            for part in ("gate", "up", "down")
        )
        both = [torch.cat(pair) for pair in zip(gates, ups)]
        public[prefix + "gate_up_proj"] = torch.stack(both + none * [torch.zeros_like(both[0])])
        public[prefix + "down_proj"] = torch.stack(downs)
    model.load_state_dict(public)
    return model.eval()


def read_reference(folder: Path, case: Case, dtype: torch.dtype) -> torch.nn.Module:
    """What transformers makes of a folder, its weights widened before; nothing may be missing."""
    formats = ("quantization_config", "attention_projection_layout")
    if not any(key in case.config for key in formats):
        return read_plain(folder, case, dtype)
    unquantised = {k: v for k, v in case.config.items() if k not in formats}
    with TemporaryDirectory() as temporary:
        write_json(Path(temporary) / "config.json", unquantised)
        write_model(Path(temporary), plain(read_model(folder), case.config))
        return read_plain(Path(temporary), replace(case, config=unquantised), dtype)


def read_plain(folder: Path, case: Case, dtype: torch.dtype) -> torch.nn.Module:
    config = case.config
    if config["model_type"] == "longcat_flash" and not case.saved:
        return load_longcat(folder, case, dtype)
    mimo = config["model_type"].startswith("mimo_v2") and not case.saved
    kind = MiMoV2FlashForCausalLM if mimo else AutoModelForCausalLM
    options: dict = {"experts_implementation": "eager"} | ({"config": mimo_config(config)} if mimo else {})
    model, report = kind.from_pretrained(folder, dtype=dtype, output_loading_info=True, **options)
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        found = [key for key in report[problem] if key not in case.extra]
        if found:
            raise ValueError(f"{folder.name}: {problem}: {found}")
    return model.eval()


def blank_model(config: dict) -> torch.nn.Module:
    if config["model_type"].startswith("mimo_v2"):
        return MiMoV2FlashForCausalLM(mimo_config(config))
    other = ("architectures", "model_type", "torch_dtype", "dtype", "quantization_config")
    # transformers writes into the dictionaries that it is given.
    keys = copy.deepcopy({k: v for k, v in config.items() if k not in other})
    if config["model_type"] == "longcat_flash":
        keys["head_dim"] = keys["qk_rope_head_dim"]
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
    sharp = re.search(r"[qk]_proj|q_b_proj|kv_a_proj|mlp\.gate\.weight|classifier", name)
    gain = 2.5 if "lm_head" in name else 1.5 if sharp else 1.0
    return gain * noise / math.sqrt(shape[-1])


def public_tensors(case: Case, state: Tensors) -> Tensors:
    """Names, shapes and types of the published files."""
    public: Tensors = {}
    for name, value in state.items():
        if name.endswith("experts.gate_up_proj"):
            for expert, both in enumerate(value[: case.config.get("n_routed_experts")]):
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
    mimo = case.config["model_type"].startswith("mimo_v2")
    exact = re.compile("e_score_correction_bias|classifier" + (r"|mlp\.gate\.weight" if mimo else ""))
    return {name: public[name] if exact.search(name) else public[name].to(case.dtype) for name in keep}


def write_case(case: Case, folder: Path) -> None:
    generator = torch.Generator().manual_seed(case.seed)
    model = blank_model(case.config)
    state = model.state_dict()
    tied = case.config.get("tie_word_embeddings", False)
    weights = {}
    for name in sorted(state):
        weights[name] = random_weight(name, state[name].shape, generator)
        if tied and "embed_tokens" in name:
            weights[name] = 0.35 * weights[name]
    folder.mkdir(parents=True, exist_ok=True)
    if case.saved:
        model.load_state_dict(weights)
        model.to(case.dtype).save_pretrained(folder)
        return
    write_json(folder / "config.json", case.config)
    write_model(folder, stored(public_tensors(case, weights), case.config), case.shards)


def lead(scores: torch.Tensor, taken: int) -> float:
    """The least distance between the last one taken and the first one left."""
    ordered = scores.sort(-1, descending=True).values
    return float((ordered[:, taken - 1] - ordered[:, taken]).min())


class RoutingMargins:
    """Watches routers: how close the choice of experts, and of groups of them, came to another."""

    def __init__(self, model: torch.nn.Module, case: Case) -> None:
        self.least = math.inf
        self.taken = case.experts_per_token
        self.sigmoid = case.config["model_type"].startswith(("mimo_v2", "deepseek_v3"))
        grouped = case.config.get("topk_method") != "greedy"
        self.groups = (case.config.get("n_group") or 1) if grouped else 1
        self.kept = case.config.get("topk_group")
        for name, module in model.named_modules():
            if name.endswith(("mlp.gate", "mlp.router")):
                module.register_forward_hook(self._watch)

    def _watch(self, module: torch.nn.Module, _inputs: object, output: tuple) -> None:
        logits = output[0].double()
        scores = logits.sigmoid() if self.sigmoid else logits.softmax(-1)
        if hasattr(module, "e_score_correction_bias"):
            scores = scores + module.e_score_correction_bias.double()
        if self.groups > 1:
            by_group = scores.view(len(scores), self.groups, -1)
            judged = by_group.topk(2 if self.sigmoid else 1, -1).values.sum(-1)
            self.least = min(self.least, lead(judged, self.kept))
            best = judged.topk(self.kept, -1).indices
            scores = by_group.gather(1, best[:, :, None].expand(-1, -1, by_group.shape[-1])).flatten(1)
        self.least = min(self.least, lead(scores, self.taken))


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
    model = read_reference(folder, case, torch.float64)
    margins = RoutingMargins(model, case)
    expected = expectations(model, case)
    error = float32_error(read_reference(folder, case, torch.float32), expected, case)
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
    logging.set_verbosity_error()
    for case in all_cases():
        if arguments.only is None or case.name in arguments.only:
            make(case, arguments.output)


if __name__ == "__main__":
    main()
