"""GGUF files of random weights in the shape of a config.json, as llama.cpp reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

# A width's name here and there. llama.cpp's 8 and 4 bits: groups of 32 with a float16 scale, as ours with a bfloat16.
WIDTHS = {"stored": "BF16", "int8": "Q8_0", "int4": "Q4_0"}


def add_sizes(writer: Any, c: dict[str, Any]) -> None:
    writer.add_context_length(c["max_position_embeddings"])
    writer.add_embedding_length(c["hidden_size"])
    writer.add_block_count(c["num_hidden_layers"])
    writer.add_feed_forward_length(c["intermediate_size"])
    writer.add_head_count(c["num_attention_heads"])
    writer.add_head_count_kv(c["num_key_value_heads"])
    writer.add_key_length(c["head_dim"])
    writer.add_value_length(c["head_dim"])
    writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
    writer.add_rope_freq_base(c["rope_theta"])
    writer.add_vocab_size(c["vocab_size"])
    writer.add_tokenizer_model("no_vocab")
    if "num_experts" in c:
        writer.add_expert_count(c["num_experts"])
        writer.add_expert_used_count(c["num_experts_per_tok"])
        writer.add_expert_feed_forward_length(c["moe_intermediate_size"])


def layer_shapes(c: dict[str, Any], i: int) -> dict[str, tuple[int, ...]]:
    hidden, head = c["hidden_size"], c["head_dim"]
    queries, keys = c["num_attention_heads"] * head, c["num_key_value_heads"] * head
    shapes: dict[str, tuple[int, ...]] = {
        "attn_norm": (hidden,),
        "attn_q": (queries, hidden),
        "attn_k": (keys, hidden),
        "attn_v": (keys, hidden),
        "attn_q_norm": (head,),
        "attn_k_norm": (head,),
        "attn_output": (hidden, queries),
        "ffn_norm": (hidden,),
    }
    if "num_experts" in c:
        experts, width = c["num_experts"], c["moe_intermediate_size"]
        shapes["ffn_gate_inp"] = (experts, hidden)
        mlp, end = (experts,), "_exps"
    else:
        width, mlp, end = c["intermediate_size"], (), ""
    for name in ("ffn_gate", "ffn_up"):
        shapes[name + end] = (*mlp, width, hidden)
    shapes["ffn_down" + end] = (*mlp, hidden, width)
    return {f"blk.{i}.{name}.weight": shape for name, shape in shapes.items()}


def tensor_shapes(c: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (c["vocab_size"], c["hidden_size"])}
    for i in range(c["num_hidden_layers"]):
        shapes.update(layer_shapes(c, i))
    shapes["output_norm.weight"] = (c["hidden_size"],)
    if not c["tie_word_embeddings"]:
        shapes["output.weight"] = (c["vocab_size"], c["hidden_size"])
    return shapes


def write_gguf(path: Path, config: Path, width: str) -> None:
    """Norms and routers stay float32, as llama.cpp's own converter leaves them."""
    import gguf

    c = json.loads(config.read_text())
    kind = gguf.GGMLQuantizationType[WIDTHS[width]]
    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "qwen3moe" if "num_experts" in c else "qwen3")
    add_sizes(writer, c)
    for name, shape in tensor_shapes(c).items():
        values = random.standard_normal(shape, dtype=np.float32) * np.float32(0.02)
        if len(shape) == 1 or "gate_inp" in name:
            writer.add_tensor(name, values + np.float32(len(shape) == 1))
        else:
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
