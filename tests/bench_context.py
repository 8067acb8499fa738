#!/usr/bin/env python3
"""What decoding costs by the length of the context: hybrid windows, full attention and multi-head latent attention
(MLA) at equal size, without drafts and with those of the model's own layers of multi-token prediction (2.5 ids a
step). Random weights of about 0.4 billion parameters in bfloat16; `tessera bench model` measures. Prints a table in
Markdown and writes a plot.

    python tests/bench_context.py --program build/tessera --plot context.svg
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
from pathlib import Path
from typing import Any

LAYERS = 24
COMMON = {
    "vocab_size": 32768,
    "hidden_size": 1024,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 16,
    "hidden_act": "silu",
    "max_position_embeddings": 262144,
    "attention_bias": False,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "eos_token_id": 2,
}


def mimo(pattern: list[int]) -> dict[str, Any]:
    return {
        **COMMON,
        "architectures": ["MiMoV2FlashForCausalLM"],
        "model_type": "mimo_v2_flash",
        "intermediate_size": 3584,
        "moe_intermediate_size": 512,
        "swa_num_attention_heads": 16,
        "num_key_value_heads": 4,
        "swa_num_key_value_heads": 4,
        "head_dim": 96,
        "swa_head_dim": 96,
        "v_head_dim": 64,
        "swa_v_head_dim": 64,
        "partial_rotary_factor": 0.334,
        "rope_theta": 5000000,
        "swa_rope_theta": 10000,
        "sliding_window": 128,
        "sliding_window_size": 128,
        "attention_chunk_size": 128,
        "hybrid_layer_pattern": pattern,
        "attention_value_scale": 0.707,
        "add_swa_attention_sink_bias": True,
        "add_full_attention_sink_bias": False,
        "moe_layer_freq": [0] * LAYERS,
        "n_routed_experts": 8,
        "num_experts_per_tok": 2,
        "n_shared_experts": None,
        "n_group": 1,
        "topk_group": 1,
        "scoring_func": "sigmoid",
        "topk_method": "noaux_tc",
        "norm_topk_prob": True,
        "routed_scaling_factor": None,
        "layernorm_epsilon": 1e-5,
        "num_nextn_predict_layers": 3,
    }


def latent() -> dict[str, Any]:
    return {
        **COMMON,
        "architectures": ["DeepseekV3ForCausalLM"],
        "model_type": "deepseek_v3",
        "intermediate_size": 3584,
        "moe_intermediate_size": 512,
        "num_key_value_heads": 16,
        "kv_lora_rank": 256,
        "q_lora_rank": 512,
        "qk_nope_head_dim": 64,
        "qk_rope_head_dim": 32,
        "v_head_dim": 64,
        "n_routed_experts": 8,
        "num_experts_per_tok": 2,
        "first_k_dense_replace": LAYERS,
        "moe_layer_freq": 1,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000,
        "n_shared_experts": 1,
        "n_group": 1,
        "topk_group": 1,
        "scoring_func": "sigmoid",
        "topk_method": "noaux_tc",
        "norm_topk_prob": True,
        "routed_scaling_factor": 1.0,
        "num_nextn_predict_layers": 1,
    }


SHAPES = {
    "hybrid": mimo([0 if i % 6 == 0 else 1 for i in range(LAYERS)]),
    "full": mimo([0] * LAYERS),
    "MLA": latent(),
}
COLOURS = {"hybrid": "#1b7f5c", "full": "#b3402a", "MLA": "#2f5fb3"}
Curve = dict[int, dict[str, float]]


def measure(program: Path, folder: Path, config: dict[str, Any], threads: int) -> tuple[int, Curve]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    command = [program, "bench", "model", "-m", folder, "--threads", str(threads), "--json"]
    lines = [json.loads(line) for line in subprocess.run(command, check=True, capture_output=True).stdout.splitlines()]
    parameters = next(line["parameters"] for line in lines if line["bench"] == "model")
    curve = {}
    for line in lines:
        name, _, context = line["bench"].rpartition(" ")
        if name == "decode, context":
            curve[int(context)] = {"off": line["tokens_per_s"], "mtp": line["mtp_tokens_per_s"]}
    return parameters, curve


def best(curves: list[Curve]) -> Curve:
    return {
        context: {kind: max(curve[context][kind] for curve in curves) for kind in ("off", "mtp")} for context in curves[0]
    }


def table(curves: dict[str, Curve]) -> str:
    names = [f"{shape}{mtp}" for shape in curves for mtp in ("", ", MTP")]
    rows = ["| context | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for context in sorted({c for curve in curves.values() for c in curve}):
        cells = [
            f"{curve[context][kind]:.1f}" if context in curve else "–"
            for curve in curves.values()
            for kind in ("off", "mtp")
        ]
        rows.append(f"| {context} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def plot(curves: dict[str, Curve]) -> str:
    """Milliseconds an id over the context, both in powers; drafts are dashed."""
    width, height, left, bottom = 640, 400, 60, 40
    costs = [1000 / speed for curve in curves.values() for row in curve.values() for speed in row.values()]
    low, high = math.log10(min(costs)) - 0.1, math.log10(max(costs)) + 0.1

    def x(context: int) -> float:
        return left + (width - left - 20) * math.log2(max(context, 512) / 512) / 9

    def y(cost: float) -> float:
        return height - bottom - (height - bottom - 20) * (math.log10(cost) - low) / (high - low)

    def text(at_x: float, at_y: float, words: str, more: str = "") -> str:
        return f'<text x="{at_x:.0f}" y="{at_y:.0f}" font-size="12" font-family="sans-serif" {more}>{words}</text>'

    parts = [text(left, 14, "milliseconds an id by context; dashed: with drafts, 2.5 ids a step")]
    for context, name in ((512, "0"), (1024, "1k"), (4096, "4k"), (16384, "16k"), (65536, "64k"), (262144, "256k")):
        parts.append(text(x(context), height - 20, name, 'text-anchor="middle"'))
    for cost in (c * 10**p for p in range(-1, 5) for c in (1, 2, 5)):
        if low < math.log10(cost) < high:
            parts.append(text(left - 8, y(cost) + 4, f"{cost:g}", 'text-anchor="end"'))
            parts.append(f'<path d="M{left} {y(cost):.1f}H{width - 20}" stroke="#ddd"/>')
    for i, (shape, curve) in enumerate(curves.items()):
        for kind, dash in (("off", ""), ("mtp", "6 4")):
            points = " ".join(f"{x(c):.1f},{y(1000 / row[kind]):.1f}" for c, row in sorted(curve.items()))
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{COLOURS[shape]}" stroke-width="2" '
                f'stroke-dasharray="{dash}"/>'
            )
        parts.append(text(left + 10, 40 + 16 * i, shape, f'fill="{COLOURS[shape]}"'))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
    return head + f'<rect width="{width}" height="{height}" fill="white"/>' + "".join(parts) + "</svg>\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=Path("build/tessera"))
    parser.add_argument("--cache", type=Path, default=Path("build/context"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2, help="runs of each shape, of which every figure is the best")
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    curves = {}
    for shape, config in SHAPES.items():
        runs = [measure(args.program, args.cache / shape, config, args.threads) for _ in range(args.repeats)]
        parameters, curves[shape] = runs[0][0], best([curve for _, curve in runs])
        print(f"{shape}: {parameters / 1e6:.0f} million parameters", flush=True)
    print(table(curves))
    if args.plot:
        args.plot.write_text(plot(curves))


if __name__ == "__main__":
    main()
