"""Golden fixtures for layers of multi-token prediction (MTP): tiny MiMo-V2-Flash models with such layers.

transformers leaves these layers out, so the reference here is a plain float64 one after the published description
(arXiv 2601.02780): layer k at row t joins the normed embedding of the id at t + 1 + k with the normed residual stream
of the decoder at t, the same for every layer; a pre-norm block of windowed attention with sinks and a gated MLP
follows; a norm and the decoder's head give the id at t + 2 + k. The decoder itself is run by transformers.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from decoder_cases import Case, fp8, mimo_cases
from decoder_quantised import plain, stored
from generate_decoder import blank_model, public_tensors, random_weight, read_reference
from golden_common import Tensors, single_thread, versions, write_expected, write_json, write_model
from transformers.utils import logging


@dataclass
class DraftCase:
    name: str
    seed: int
    layers: int
    config: dict
    dtype: torch.dtype
    length: int


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
    ]


def draft_shapes(config: dict) -> dict[str, list[int]]:
    hidden, heads, groups = config["hidden_size"], config["swa_num_attention_heads"], config["swa_num_key_value_heads"]
    key, value, width = config["swa_head_dim"], config["swa_v_head_dim"], config["intermediate_size"]
    return {
        "enorm.weight": [hidden],
        "hnorm.weight": [hidden],
        "eh_proj.weight": [hidden, 2 * hidden],
        "input_layernorm.weight": [hidden],
        "self_attn.q_proj.weight": [heads * key, hidden],
        "self_attn.k_proj.weight": [groups * key, hidden],
        "self_attn.v_proj.weight": [groups * value, hidden],
        "self_attn.o_proj.weight": [hidden, heads * value],
        "self_attn.attention_sink_bias": [heads],
        "pre_mlp_layernorm.weight": [hidden],
        "mlp.gate_proj.weight": [width, hidden],
        "mlp.up_proj.weight": [width, hidden],
        "mlp.down_proj.weight": [hidden, width],
        "final_layernorm.weight": [hidden],
    }


def decoder_of(case: DraftCase) -> Case:
    return Case(case.name, case.seed, case.config, [], case.dtype)


def write_folder(case: DraftCase, folder: Path) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(case.seed)
    state = blank_model(case.config).state_dict()
    weights = {name: random_weight(name, state[name].shape, generator) for name in sorted(state)}
    drafts = {}
    for k in range(case.layers):
        for name, shape in draft_shapes(case.config).items():
            kind = name.replace("attention_sink_bias", "sinks")
            value = random_weight(kind, torch.Size(shape), generator).to(case.dtype)
            drafts[f"model.mtp.layers.{k}.{name}"] = value
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", case.config)
    files = stored(public_tensors(decoder_of(case), weights) | drafts, case.config)
    write_model(folder, files)
    return plain(files, case.config)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    return x / (x.pow(2).mean(-1, keepdim=True) + epsilon).sqrt() * weight.double()


def turn(x: torch.Tensor, config: dict) -> torch.Tensor:
    """Rotary positions over the first elements of each head, [row, head, element], pairs (j, j + half)."""
    turned = int(config["swa_head_dim"] * config["partial_rotary_factor"])
    half = turned // 2
    # The model's own angles are float32.
    rates = 1.0 / (config["swa_rope_theta"] ** (torch.arange(0, turned, 2, dtype=torch.float32) / turned))
    angles = torch.arange(len(x), dtype=torch.float32)[:, None] * rates
    cos, sin = angles.cos().double()[:, None], angles.sin().double()[:, None]
    first, second = x[..., :half], x[..., half:turned]
    return torch.cat([first * cos - second * sin, second * cos + first * sin, x[..., turned:]], -1)


def attention(x: torch.Tensor, w: dict[str, torch.Tensor], config: dict) -> torch.Tensor:
    rows, heads, groups = len(x), config["swa_num_attention_heads"], config["swa_num_key_value_heads"]

    def project(name: str, count: int) -> torch.Tensor:
        return (x @ w[f"self_attn.{name}.weight"].double().T).view(rows, count, -1)

    query, key = turn(project("q_proj", heads), config), turn(project("k_proj", groups), config)
    value = project("v_proj", groups) * (config["attention_value_scale"] or 1.0)
    key, value = (t.repeat_interleave(heads // groups, 1) for t in (key, value))
    scores = torch.einsum("ihd,jhd->hij", query, key) / math.sqrt(config["swa_head_dim"])
    back = torch.arange(rows)[:, None] - torch.arange(rows)[None, :]
    seen = (back >= 0) & (back <= config["sliding_window_size"])
    scores = scores.masked_fill(~seen, -math.inf)
    sink = w["self_attn.attention_sink_bias"].double()[:, None, None].expand(heads, rows, 1)
    weights = torch.cat([scores, sink], -1).softmax(-1)[..., :-1]
    mixed = torch.einsum("hij,jhd->ihd", weights, value).reshape(rows, -1)
    return mixed @ w["self_attn.o_proj.weight"].double().T


def draft_logits(k: int, ids: torch.Tensor, hidden: torch.Tensor, model: torch.nn.Module, w: dict, config: dict):
    """Logits of layer k at every row whose id is there."""
    eps = config["layernorm_epsilon"]
    rows = len(ids) - 1 - k
    table = model.get_input_embeddings().weight.double()
    joined = [rms_norm(table[ids[1 + k :]], w["enorm.weight"], eps), rms_norm(hidden[:rows], w["hnorm.weight"], eps)]
    x = torch.cat(joined, -1) @ w["eh_proj.weight"].double().T
    x = x + attention(rms_norm(x, w["input_layernorm.weight"], eps), w, config)
    h = rms_norm(x, w["pre_mlp_layernorm.weight"], eps)
    gate, up = (h @ w[f"mlp.{name}_proj.weight"].double().T for name in ("gate", "up"))
    x = x + (F.silu(gate) * up) @ w["mlp.down_proj.weight"].double().T
    x = rms_norm(x, w["final_layernorm.weight"], eps)
    return x @ model.get_output_embeddings().weight.double().T


def make(case: DraftCase, root: Path) -> None:
    folder = root / case.name
    drafts = write_folder(case, folder)
    model = read_reference(folder, decoder_of(case), torch.float64)
    seen: list[torch.Tensor] = []
    model.model.norm.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0][0].double()))
    generator = torch.Generator().manual_seed(2000 + case.seed)
    ids = torch.randint(case.config["vocab_size"], (case.length,), generator=generator)
    model(ids[None], use_cache=False)
    tensors: Tensors = {"ids": ids.to(torch.int32)}
    for k in range(case.layers):
        prefix = f"model.mtp.layers.{k}."
        layer = {name.removeprefix(prefix): value for name, value in drafts.items() if name.startswith(prefix)}
        table = draft_logits(k, ids, seen[0], model, layer, case.config).log_softmax(-1)
        tensors[f"draft.{k}"] = table.float()
    write_expected(folder, tensors, versions("transformers", "safetensors"))
    print(case.name, f"{sum(p.stat().st_size for p in folder.iterdir()) / 1000:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "drafts")
    arguments = parser.parse_args()
    single_thread()
    logging.disable_progress_bar()
    for case in cases():
        make(case, arguments.output)


if __name__ == "__main__":
    main()
