"""Weights as published in FP8 and MXFP4, and what they stand for.

FP8: e4m3 values and `weight_scale_inv`, a float32 scale for each block of weight_block_size. MXFP4 (routed experts): two
e2m1 codes a byte, the even column in the low bits, and `weight_scale`, an e8m0 exponent for 32 columns. fused_qkv: the
rows [q | k | v] of tensor-parallel ranks one after the other, quantised rank by rank.
"""

from __future__ import annotations

import re

import torch
from golden_common import Tensors

# What the published checkpoints keep in 16 or 32 bits.
NEVER = re.compile(r"embed_tokens|lm_head|norm|mlp\.gate\.weight|bias|eh_proj|shared_head")
E2M1 = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])


def blocks_of(scales: torch.Tensor, shape: torch.Size, block: list[int]) -> torch.Tensor:
    """Each element's scale."""
    rows = scales.repeat_interleave(block[0], 0)[: shape[0]]
    return rows.repeat_interleave(block[1], 1)[:, : shape[1]]


def to_fp8(weight: torch.Tensor, block: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    rows, columns = weight.shape
    padded = torch.nn.functional.pad(weight.float(), (0, -columns % block[1], 0, -rows % block[0]))
    tiles = padded.view(padded.shape[0] // block[0], block[0], padded.shape[1] // block[1], block[1])
    scales = tiles.abs().amax((1, 3)) / 448
    return (weight.float() / blocks_of(scales, weight.shape, block)).to(torch.float8_e4m3fn), scales


def from_fp8(values: torch.Tensor, scales: torch.Tensor, block: list[int]) -> torch.Tensor:
    return values.float() * blocks_of(scales, values.shape, block)


def to_mxfp4(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    groups = weight.float().view(weight.shape[0], -1, 32)
    exponents = torch.floor(torch.log2(groups.abs().amax(-1))) - 2
    scaled = groups / torch.exp2(exponents)[:, :, None]
    codes = (scaled.abs()[..., None] - E2M1).abs().argmin(-1) + 8 * (scaled < 0)
    codes = codes.view(weight.shape[0], -1).to(torch.uint8)
    return codes[:, 0::2] | codes[:, 1::2] << 4, (exponents + 127).to(torch.uint8)


def from_mxfp4(packed: torch.Tensor, exponents: torch.Tensor) -> torch.Tensor:
    codes = torch.stack((packed & 15, packed >> 4), -1).flatten(1).long()
    values = torch.where(codes < 8, E2M1[codes & 7], -E2M1[codes & 7])
    return values * torch.exp2(exponents.float() - 127).repeat_interleave(32, 1)


def rank_rows(config: dict, layer: int) -> list[int]:
    """Rows of q, k and v in one rank's piece."""
    prefix = "swa_" if config["hybrid_layer_pattern"][layer] else ""
    head, value = config[prefix + "head_dim"], config[prefix + "v_head_dim"]
    heads, shared = config[prefix + "num_attention_heads"], config[prefix + "num_key_value_heads"]
    return [size // ranks_of(config) for size in (heads * head, shared * head, shared * value)]


def ranks_of(config: dict) -> int:
    return min(config["num_key_value_heads"], config["swa_num_key_value_heads"])


def fuse(tensors: Tensors, config: dict) -> Tensors:
    """Ranks one behind the other along a new first axis."""
    out = {name: value for name, value in tensors.items() if not re.search(r"self_attn\.[qkv]_proj", name)}
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}.self_attn."
        parts = [tensors[f"{prefix}{part}_proj.weight"].chunk(ranks_of(config)) for part in "qkv"]
        out[prefix + "qkv_proj.weight"] = torch.stack([torch.cat(pieces) for pieces in zip(*parts)])
    return out


def stored(tensors: Tensors, config: dict) -> Tensors:
    """The tensors of the files."""
    quantisation = config.get("quantization_config")
    if config.get("attention_projection_layout") == "fused_qkv":
        tensors = fuse(tensors, config)
    out: Tensors = {}
    for name, value in tensors.items():
        ranks = value if value.dim() == 3 else value[None]
        if quantisation is None or NEVER.search(name) or name.endswith(tuple(quantisation.get("ignored_layers", ()))):
            out[name] = ranks.flatten(0, 1) if value.dim() == 3 else value
        elif quantisation.get("store_dtype") == "mxfp4" and ".experts." in name:
            out[name], out[name + "_scale"] = to_mxfp4(value)
        else:
            pieces = [to_fp8(rank, quantisation["weight_block_size"]) for rank in ranks]
            out[name] = torch.cat([piece[0] for piece in pieces])
            out[name + "_scale_inv"] = torch.cat([piece[1] for piece in pieces])
    return out


def widened(name: str, files: Tensors, config: dict, ranks: int) -> torch.Tensor:
    value = files[name]
    if name + "_scale" in files:
        return from_mxfp4(value, files[name + "_scale"])
    if name + "_scale_inv" not in files:
        return value
    block = config["quantization_config"]["weight_block_size"]
    pieces = zip(value.chunk(ranks), files[name + "_scale_inv"].chunk(ranks))
    return torch.cat([from_fp8(rank, scales, block) for rank, scales in pieces])


def plain(files: Tensors, config: dict) -> Tensors:
    """The same weights without quantisation, q, k and v apart."""
    out: Tensors = {}
    for name in files:
        if name.endswith(("_scale", "_scale_inv")):
            continue
        if "qkv_proj" not in name:
            out[name] = widened(name, files, config, 1)
            continue
        ranks = ranks_of(config)
        rows = rank_rows(config, int(name.split(".")[2]))
        pieces = [rank.split(rows) for rank in widened(name, files, config, ranks).chunk(ranks)]
        for part, of_ranks in zip("qkv", zip(*pieces)):
            out[name.replace("qkv_proj", f"{part}_proj")] = torch.cat(of_ranks)
    return out
