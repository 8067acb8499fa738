"""The decoders that generate_decoder.py makes fixtures of, as config.json in the published keys."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch


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
    saved: bool = False  # written by transformers' save_pretrained, not in the published keys


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
    stretched = window | {
        "num_hidden_layers": 2,
        "use_sliding_window": False,
        "rope_theta": 50.0,
        "rope_scaling": yarn(4.0, 480, truncate=False),
    }
    return [
        Case("qwen2_window_bf16", 3, window, [2, 50], torch.bfloat16, drop=[r"^lm_head"]),
        Case("qwen2_yarn_bf16", 13, stretched, [60], torch.bfloat16, drop=[r"^lm_head"]),
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


def fp8(rows: int, columns: int) -> dict:
    return {
        "activation_scheme": "dynamic",
        "fmt": "e4m3",
        "quant_method": "fp8",
        "weight_block_size": [rows, columns],
    }


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
    fused = hybrid | {
        "model_type": "mimo_v2",
        "architectures": ["MiMoV2ForCausalLM"],
        "hybrid_layer_pattern": [0, 1, 1],
        "moe_layer_freq": [0, 1, 1],
        "num_hidden_layers": 3,
        "num_key_value_heads": 2,
        "swa_num_key_value_heads": 4,
        "attention_projection_layout": "fused_qkv",
        "quantization_config": fp8(8, 16) | {"ignored_layers": ["self_attn.o_proj.weight"]},
    }
    microscaled = fused | {
        "hidden_size": 64,
        "moe_intermediate_size": 32,
        "n_routed_experts": 6,
        "num_experts_per_tok": 2,
        "layernorm_epsilon": 1e-6,
    }
    microscaled["quantization_config"] = fused["quantization_config"] | {"store_dtype": "mxfp4", "mxfp4_block_size": 32}
    draft = {"model.mtp.layers.0.enorm.weight": [42], "model.mtp.layers.0.self_attn.q_proj.weight": [72, 42]}
    return [
        Case(
            "mimo_v2_hybrid_bf16", 7, hybrid, [1, 7, 8, 300], torch.bfloat16, shards=2, experts_per_token=4, extra=draft
        ),
        Case("mimo_v2_grouped_f16", 8, grouped, [25], torch.float16, experts_per_token=4),
        Case("mimo_v2_fused_fp8", 17, fused, [1, 30], torch.bfloat16, experts_per_token=4),
        Case("mimo_v2_fused_mxfp4", 18, microscaled, [30], torch.bfloat16, shards=2, experts_per_token=2),
    ]


def yarn(factor: float, context: int, **keys: float) -> dict:
    return {"type": "yarn", "factor": factor, "original_max_position_embeddings": context} | keys


def latent(model_type: str, architecture: str, **keys: object) -> dict:
    """Sizes of no model: odd heads, odd ranks, more positions than YaRN's context."""
    sizes = dense(
        model_type,
        architecture,
        vocab_size=103,
        hidden_size=45,
        intermediate_size=59,
        moe_intermediate_size=21,
        num_hidden_layers=3,
        num_attention_heads=5,
        num_key_value_heads=5,
        kv_lora_rank=27,
        q_lora_rank=22,
        qk_nope_head_dim=11,
        qk_rope_head_dim=6,
        v_head_dim=9,
        n_routed_experts=12,
        num_experts_per_tok=4,
        first_k_dense_replace=1,
        moe_layer_freq=1,
        attention_bias=False,
        rms_norm_eps=1e-5,
        rope_theta=10000,
        tie_word_embeddings=False,
    )
    return sizes | keys


def deepseek_v3_cases() -> list[Case]:
    names = ("deepseek_v3", "DeepseekV3ForCausalLM")
    scaled = latent(
        *names,
        n_shared_experts=1,
        n_group=4,
        topk_group=2,
        scoring_func="sigmoid",
        topk_method="noaux_tc",
        norm_topk_prob=True,
        routed_scaling_factor=2.5,
        num_nextn_predict_layers=1,
        rope_scaling=yarn(40, 16, beta_fast=32, beta_slow=1, mscale=1.0, mscale_all_dim=1.0),
        torch_dtype="bfloat16",
    )
    plain = latent(
        *names,
        num_hidden_layers=2,
        first_k_dense_replace=0,
        n_shared_experts=3,
        n_group=1,
        topk_group=1,
        norm_topk_prob=False,
        routed_scaling_factor=1.5,
        q_lora_rank=None,
        attention_bias=True,
        rope_interleave=False,
        rope_parameters={"rope_type": "default", "rope_theta": 50000.0},
        dtype="float16",
    )
    quantised = scaled | {
        "num_hidden_layers": 2,
        "n_shared_experts": 2,
        "num_nextn_predict_layers": 0,
        "rope_scaling": None,
        "quantization_config": fp8(16, 8),
    }
    wide_blocks = quantised | {"quantization_config": fp8(16, 32)}
    draft = {"model.layers.3.enorm.weight": [45], "model.layers.3.self_attn.o_proj.weight": [45, 45]}
    return [
        Case(
            "deepseek_v3_yarn_bf16", 9, scaled, [1, 9, 300], torch.bfloat16, shards=2, experts_per_token=4, extra=draft
        ),
        Case("deepseek_v3_fp8", 16, quantised, [1, 40], torch.bfloat16, experts_per_token=4),
        Case("deepseek_v3_fp8_wide", 31, wide_blocks, [1, 40], torch.bfloat16, experts_per_token=4),
        Case("deepseek_v3_plain_f16", 10, plain, [1, 35], torch.float16, experts_per_token=4),
    ]


def deepseek_v2_cases() -> list[Case]:
    names = ("deepseek_v2", "DeepseekV2ForCausalLM")
    # The reference turns pairs in place, which needs even steps between heads.
    routing = {"scoring_func": "softmax", "norm_topk_prob": False, "n_shared_experts": 2, "qk_nope_head_dim": 10,
               "kv_lora_rank": 28}  # fmt: skip
    grouped = latent(
        *names,
        **routing,
        n_group=3,
        topk_group=2,
        topk_method="group_limited_greedy",
        routed_scaling_factor=4.0,
        num_hidden_layers=2,
        num_attention_heads=3,
        num_key_value_heads=3,
        qk_rope_head_dim=12,
        rope_theta=100,
        rope_scaling=yarn(10, 500, beta_fast=8, beta_slow=2, mscale=0.707, mscale_all_dim=1.2),
        torch_dtype="float32",
    )
    lite = latent(
        *names,
        **routing,
        num_hidden_layers=2,
        n_group=1,
        topk_group=1,
        topk_method="greedy",
        routed_scaling_factor=1.0,
        q_lora_rank=None,
        rope_scaling=yarn(4, 24),
        torch_dtype="bfloat16",
    )
    return [
        Case("deepseek_v2_grouped_f32", 11, grouped, [1, 50], torch.float32, experts_per_token=4),
        Case("deepseek_v2_lite_bf16", 12, lite, [40], torch.bfloat16, experts_per_token=4),
    ]


def longcat_cases() -> list[Case]:
    sizes = dense(
        "longcat_flash",
        "LongcatFlashForCausalLM",
        attention_bias=False,
        attention_method="MLA",
        vocab_size=97,
        hidden_size=39,
        ffn_hidden_size=53,
        expert_ffn_hidden_size=17,
        num_layers=2,
        num_attention_heads=3,
        kv_lora_rank=19,
        q_lora_rank=14,
        qk_nope_head_dim=7,
        qk_rope_head_dim=8,
        v_head_dim=11,
        mla_scale_q_lora=True,
        mla_scale_kv_lora=True,
        moe_topk=5,
        n_routed_experts=9,
        zero_expert_num=4,
        zero_expert_type="identity",
        routed_scaling_factor=6.0,
        router_bias=False,
        rms_norm_eps=1e-5,
        rope_theta=10000000.0,
    )
    published = {key: value for key, value in sizes.items() if key != "hidden_act"}
    without = sizes | {
        "num_layers": 1,
        "zero_expert_num": 0,
        "kv_lora_rank": 43,
        "routed_scaling_factor": 1.5,
        "rope_scaling": yarn(8, 20, mscale=0.8, mscale_all_dim=0.5),
    }
    draft = {"model.mtp.layers.0.enorm.m.weight": [39], "model.mtp.embed_tokens.weight": [97, 39]}
    return [
        Case(
            "longcat_flash_bf16",
            14,
            published,
            [1, 11, 270],
            torch.bfloat16,
            shards=2,
            experts_per_token=5,
            extra=draft,
        ),
        Case("longcat_flash_yarn_f16", 15, without, [45], torch.float16, experts_per_token=5),
    ]


def saved_cases() -> list[Case]:
    """What transformers makes of a model that was trained further: keys and tensors of its own."""
    by_name = {case.name: case for case in [*mimo_cases(), *longcat_cases(), *deepseek_v3_cases(), *qwen_mixture_cases()]}

    def saved(original: str, name: str, seed: int, lengths: list[int]) -> Case:
        return replace(by_name[original], name=name, seed=seed, lengths=lengths, shards=1, extra={}, saved=True)

    return [
        saved("mimo_v2_hybrid_bf16", "mimo_v2_saved_bf16", 21, [1, 40]),
        saved("longcat_flash_bf16", "longcat_flash_saved_bf16", 22, [30]),
        saved("deepseek_v3_yarn_bf16", "deepseek_v3_saved_bf16", 23, [30]),
        saved("qwen3_moe_bf16", "qwen3_moe_saved_bf16", 24, [30]),
    ]


def all_cases() -> list[Case]:
    return [
        *llama_cases(),
        *qwen_cases(),
        *qwen_mixture_cases(),
        *mimo_cases(),
        *deepseek_v3_cases(),
        *deepseek_v2_cases(),
        *longcat_cases(),
        *saved_cases(),
    ]
