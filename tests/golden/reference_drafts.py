"""Layers of multi-token prediction in plain PyTorch, after the published descriptions.

MiMo-V2 (arXiv 2601.02780): layer k at row t joins the normed embedding of the id at t + 1 + k with the normed residual
stream of the decoder at t, the same for every layer; a pre-norm block of windowed attention with sinks and a gated MLP
follows; a norm and the decoder's head give the id at t + 2 + k.

DeepSeek-V3 (arXiv 2412.19437, 2.2) and LongCat-Flash: one layer. At row t it joins the normed embedding of the id at
t + 1 with the normed output of the decoder's final norm at t, the embedding first; latent attention with keys and
values of every head made from the latent; routed experts (DeepSeek) or a gated MLP (LongCat); a norm and the decoder's
head give the id at t + 2. Drafting on, row t + 1 reads the layer's own row t behind its norm in place of the decoder's,
as the published inference stacks do.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

Weights = dict[str, torch.Tensor]

# Experts are others where scores are closer than this.
LEAST_ROUTING_MARGIN = 1e-5
LATENT_EPSILON = 1e-6


def rms_norm(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    return x / (x.pow(2).mean(-1, keepdim=True) + epsilon).sqrt() * weight.to(x.dtype)


def linear(x: torch.Tensor, w: Weights, name: str) -> torch.Tensor:
    y = x @ w[name + ".weight"].to(x.dtype).T
    return y + w[name + ".bias"].to(x.dtype) if name + ".bias" in w else y


def gated_mlp(x: torch.Tensor, w: Weights, prefix: str) -> torch.Tensor:
    gate, up = (linear(x, w, f"{prefix}{part}_proj") for part in ("gate", "up"))
    return linear(F.silu(gate) * up, w, prefix + "down_proj")


def joined(ids: torch.Tensor, hidden: torch.Tensor, model: torch.nn.Module, w: Weights, epsilon: float) -> torch.Tensor:
    embeddings = model.get_input_embeddings().weight.to(hidden.dtype)[ids]
    both = [rms_norm(embeddings, w["enorm.weight"], epsilon), rms_norm(hidden, w["hnorm.weight"], epsilon)]
    return linear(torch.cat(both, -1), w, "eh_proj")


def head(x: torch.Tensor, model: torch.nn.Module) -> torch.Tensor:
    return (x @ model.get_output_embeddings().weight.to(x.dtype).T).log_softmax(-1)


def mimo_turn(x: torch.Tensor, config: dict) -> torch.Tensor:
    """Rotary positions over the first elements of each head, [row, head, element], pairs (j, j + half)."""
    turned = int(config["swa_head_dim"] * config["partial_rotary_factor"])
    half = turned // 2
    # The model's own angles are float32.
    rates = 1.0 / (config["swa_rope_theta"] ** (torch.arange(0, turned, 2, dtype=torch.float32) / turned))
    angles = torch.arange(len(x), dtype=torch.float32)[:, None] * rates
    cos, sin = angles.cos().to(x.dtype)[:, None], angles.sin().to(x.dtype)[:, None]
    first, second = x[..., :half], x[..., half:turned]
    return torch.cat([first * cos - second * sin, second * cos + first * sin, x[..., turned:]], -1)


def mimo_attention(x: torch.Tensor, w: Weights, config: dict) -> torch.Tensor:
    rows, heads, groups = len(x), config["swa_num_attention_heads"], config["swa_num_key_value_heads"]

    def project(name: str, count: int) -> torch.Tensor:
        return linear(x, w, "self_attn." + name).view(rows, count, -1)

    query, key = mimo_turn(project("q_proj", heads), config), mimo_turn(project("k_proj", groups), config)
    value = project("v_proj", groups) * (config["attention_value_scale"] or 1.0)
    key, value = (t.repeat_interleave(heads // groups, 1) for t in (key, value))
    scores = torch.einsum("ihd,jhd->hij", query, key) / math.sqrt(config["swa_head_dim"])
    back = torch.arange(rows)[:, None] - torch.arange(rows)[None, :]
    seen = (back >= 0) & (back <= config["sliding_window_size"])
    scores = scores.masked_fill(~seen, -math.inf)
    sink = w["self_attn.attention_sink_bias"].to(x.dtype)[:, None, None].expand(heads, rows, 1)
    weights = torch.cat([scores, sink], -1).softmax(-1)[..., :-1]
    mixed = torch.einsum("hij,jhd->ihd", weights, value).reshape(rows, -1)
    return linear(mixed, w, "self_attn.o_proj")


def mimo_tables(layers: list[Weights], ids: torch.Tensor, hidden: torch.Tensor, model: torch.nn.Module, config: dict):
    """By layer: log-probabilities at every row whose id is there. `hidden`: the residual stream."""
    epsilon = config["layernorm_epsilon"]
    tables = []
    for k, w in enumerate(layers):
        x = joined(ids[1 + k :], hidden[: len(ids) - 1 - k], model, w, epsilon)
        x = x + mimo_attention(rms_norm(x, w["input_layernorm.weight"], epsilon), w, config)
        x = x + gated_mlp(rms_norm(x, w["pre_mlp_layernorm.weight"], epsilon), w, "mlp.")
        tables.append(head(rms_norm(x, w["final_layernorm.weight"], epsilon), model))
    return tables


class LatentAttention:
    """Sizes and rotary angles of a decoder's own attention."""

    def __init__(self, model: torch.nn.Module, config: dict, rows: int) -> None:
        own = model.model.layers[0].self_attn
        self.scaling = (own[0] if isinstance(own, torch.nn.ModuleList) else own).scaling
        cos, sin = model.model.rotary_emb(torch.zeros(1, rows, 1), torch.arange(rows)[None])
        self.turned = config["qk_rope_head_dim"]
        self.cos, self.sin = (t[0, :, None, : self.turned // 2] for t in (cos, sin))
        self.interleaved = config.get("rope_interleave", True)
        self.config = config
        self.growth = config["model_type"] == "longcat_flash"

    def grown(self, x: torch.Tensor, rank: int) -> torch.Tensor:
        return x * math.sqrt(self.config["hidden_size"] / rank) if self.growth else x

    def turn(self, x: torch.Tensor) -> torch.Tensor:
        half = self.turned // 2
        first, second = (x[..., 0::2], x[..., 1::2]) if self.interleaved else (x[..., :half], x[..., half:])
        cos, sin = (t[: len(x)].to(x.dtype) for t in (self.cos, self.sin))
        return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)

    def queries(self, x: torch.Tensor, w: Weights) -> torch.Tensor:
        rank, heads = self.config["q_lora_rank"], self.config["num_attention_heads"]
        if rank is None:
            q = linear(x, w, "self_attn.q_proj")
        else:
            narrow = linear(x, w, "self_attn.q_a_proj")
            narrow = rms_norm(narrow, w["self_attn.q_a_layernorm.weight"], LATENT_EPSILON)
            q = self.grown(linear(narrow, w, "self_attn.q_b_proj"), rank)
        still, turning = q.view(len(x), heads, -1).split([self.config["qk_nope_head_dim"], self.turned], -1)
        return torch.cat([still, self.turn(turning)], -1)

    def __call__(self, x: torch.Tensor, w: Weights) -> torch.Tensor:
        c, rows = self.config, len(x)
        heads, rank = c["num_attention_heads"], c["kv_lora_rank"]
        latent, turning = linear(x, w, "self_attn.kv_a_proj_with_mqa").split([rank, self.turned], -1)
        latent = self.grown(rms_norm(latent, w["self_attn.kv_a_layernorm.weight"], LATENT_EPSILON), rank)
        widened = linear(latent, w, "self_attn.kv_b_proj").view(rows, heads, -1)
        still, value = widened.split([c["qk_nope_head_dim"], c["v_head_dim"]], -1)
        key = torch.cat([still, self.turn(turning[:, None]).expand(-1, heads, -1)], -1)
        scores = torch.einsum("ihd,jhd->hij", self.queries(x, w), key) * self.scaling
        later = torch.ones(rows, rows, dtype=torch.bool).triu(1)
        mixed = torch.einsum("hij,jhd->ihd", scores.masked_fill(later, -math.inf).softmax(-1), value)
        return linear(mixed.reshape(rows, -1), w, "self_attn.o_proj")


def lead(scores: torch.Tensor, taken: int) -> float:
    ordered = scores.sort(-1, descending=True).values
    return float((ordered[:, taken - 1] - ordered[:, taken]).min())


def chosen_experts(scores: torch.Tensor, bias: torch.Tensor, config: dict) -> torch.Tensor:
    biased = scores + bias
    groups, kept, taken = config["n_group"], config["topk_group"], config["num_experts_per_tok"]
    margins = []
    if groups > 1:
        by_group = biased.view(len(scores), groups, -1)
        judged = by_group.topk(2, -1).values.sum(-1)
        margins.append(lead(judged, kept))
        allowed = torch.zeros_like(judged).scatter(1, judged.topk(kept, -1).indices, 1.0)
        biased = by_group.masked_fill(allowed[:, :, None] == 0, -math.inf).flatten(1)
    margins.append(lead(biased, taken))
    if min(margins) < LEAST_ROUTING_MARGIN:
        raise ValueError(f"routing margin {min(margins)}")
    return biased.topk(taken, -1).indices


def experts(x: torch.Tensor, w: Weights, config: dict) -> torch.Tensor:
    scores = linear(x, w, "mlp.gate").sigmoid()
    taken = chosen_experts(scores, w["mlp.gate.e_score_correction_bias"].to(x.dtype), config)
    weights = scores.gather(1, taken)
    if config["norm_topk_prob"]:
        weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
    weights = weights * config["routed_scaling_factor"]
    out = gated_mlp(x, w, "mlp.shared_experts.")
    for row in range(len(x)):
        for expert, weight in zip(taken[row].tolist(), weights[row]):
            out[row] += weight * gated_mlp(x[row], w, f"mlp.experts.{expert}.")
    return out


def latent_tables(
    w: Weights, ids: torch.Tensor, hidden: torch.Tensor, model: torch.nn.Module, config: dict, steps: int
) -> list[torch.Tensor]:
    """By place in a draft: log-probabilities at every row whose ids are there. `hidden`: the residual stream."""
    epsilon = config["rms_norm_eps"]
    attention = LatentAttention(model, config, len(ids))
    decoded = rms_norm(hidden, model.model.norm.weight, epsilon)

    def rows_of(read: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        x = joined(read, states, model, w, epsilon)
        x = x + attention(rms_norm(x, w["input_layernorm.weight"], epsilon), w)
        h = rms_norm(x, w["post_attention_layernorm.weight"], epsilon)
        x = x + (experts(h, w, config) if "mlp.gate.weight" in w else gated_mlp(h, w, "mlp."))
        return rms_norm(x, w["norm.weight"], epsilon)

    first = rows_of(ids[1:], decoded[:-1])
    tables = [head(first, model)]
    chains = [torch.cat([decoded[: t + 1], first[t : t + 1]]) for t in range(len(first))]
    for k in range(1, steps):
        chains = chains[: len(ids) - 1 - k]
        last = [rows_of(ids[1 : t + 2 + k], states)[-1:] for t, states in enumerate(chains)]
        tables.append(head(torch.cat(last), model))
        chains = [torch.cat(pair) for pair in zip(chains, last)]
    return tables
