"""The EnCodec checkpoints of generate_encodec.py and their inputs."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch


@dataclass
class Case:
    """One checkpoint and its inputs; lengths are in samples, `levels` belong to the bandwidths."""

    name: str
    seed: int
    config: dict
    levels: list[int]
    lengths: list[int]
    reduced: list[int]
    spelling: str  # "hub" or "v5"
    dtype: torch.dtype = torch.float32
    shards: int = 1
    cropped: list[int] = field(default_factory=list)


MONO = {
    "audio_channels": 1,
    "normalize": False,
    "chunk_length_s": None,
    "overlap": None,
    "norm_type": "weight_norm",
    "trim_right_ratio": 1.0,
    "pad_mode": "reflect",
    "use_causal_conv": True,
    "use_conv_shortcut": True,
}


def causal_cases() -> list[Case]:
    return [
        Case(
            name="causal_hub",
            seed=66,
            spelling="hub",
            levels=[1, 2, 4, 6],
            lengths=[40 * 90, 40 * 33 + 17, 1, 40 * 2],
            reduced=[2],
            config={
                **MONO,
                "sampling_rate": 24000,
                "target_bandwidths": [3.0, 6.0, 12.0, 18.0],
                "num_filters": 3,
                "num_residual_layers": 1,
                "upsampling_ratios": [5, 4, 2],
                "hidden_size": 20,
                "codebook_dim": 20,
                "codebook_size": 32,
                "kernel_size": 7,
                "last_kernel_size": 7,
                "residual_kernel_size": 3,
                "dilation_growth_rate": 2,
                "compress": 2,
                "num_lstm_layers": 2,
            },
        ),
        Case(
            name="dilated_sharded",
            seed=52,
            spelling="v5",
            shards=2,
            levels=[2, 5],
            lengths=[24 * 95, 24 * 40 + 23, 23, 24 * 3, 2],
            reduced=[2, 1],
            config={
                **MONO,
                "sampling_rate": 16000,
                "target_bandwidths": [5.5, 13.5],
                "num_filters": 4,
                "num_residual_layers": 2,
                "upsampling_ratios": [3, 2, 4],
                "hidden_size": 18,
                "codebook_dim": 18,
                "codebook_size": 16,
                "kernel_size": 5,
                "last_kernel_size": 3,
                "residual_kernel_size": 5,
                "dilation_growth_rate": 3,
                "compress": 3,
                "num_lstm_layers": 3,
            },
        ),
        Case(
            name="constant_bf16",
            seed=61,
            spelling="hub",
            dtype=torch.bfloat16,
            levels=[2, 8],
            lengths=[10 * 150, 10 * 51 + 1, 3, 10 * 7],
            reduced=[2],
            config={
                **MONO,
                "pad_mode": "constant",
                "sampling_rate": 8000,
                "target_bandwidths": [9.6, 38.4],
                "num_filters": 7,
                "num_residual_layers": 1,
                "upsampling_ratios": [2, 5],
                "hidden_size": 30,
                "codebook_dim": 30,
                "codebook_size": 64,
                "kernel_size": 4,
                "last_kernel_size": 9,
                "residual_kernel_size": 2,
                "dilation_growth_rate": 2,
                "compress": 1,
                "num_lstm_layers": 1,
            },
        ),
        Case(
            name="replicate_trim_f16",
            seed=54,
            spelling="v5",
            dtype=torch.float16,
            levels=[3, 4],
            lengths=[30 * 100, 30 * 30 + 29, 1, 30],
            reduced=[3, 2],
            config={
                **MONO,
                "pad_mode": "replicate",
                "trim_right_ratio": 0.4,
                "sampling_rate": 22050,
                "target_bandwidths": [8.9, 12.0],
                "num_filters": 5,
                "num_residual_layers": 3,
                "upsampling_ratios": [3, 5, 2],
                "hidden_size": 12,
                "codebook_dim": 12,
                "codebook_size": 16,
                "kernel_size": 7,
                "last_kernel_size": 1,
                "residual_kernel_size": 7,
                "dilation_growth_rate": 2,
                "compress": 2,
                "num_lstm_layers": 2,
            },
        ),
    ]


def centred_cases() -> list[Case]:
    """Not causal, in one piece."""
    return [
        Case(
            name="centred_identity",
            seed=55,
            spelling="hub",
            levels=[4],
            lengths=[60 * 70, 60 * 20 + 31, 1, 59],
            reduced=[2],
            config={
                **MONO,
                "use_causal_conv": False,
                "use_conv_shortcut": False,
                "sampling_rate": 32000,
                "target_bandwidths": [12.816],
                "num_filters": 4,
                "num_residual_layers": 1,
                "upsampling_ratios": [4, 5, 3],
                "hidden_size": 16,
                "codebook_dim": 16,
                "codebook_size": 64,
                "kernel_size": 7,
                "last_kernel_size": 7,
                "residual_kernel_size": 3,
                "dilation_growth_rate": 2,
                "compress": 2,
                "num_lstm_layers": 2,
            },
        ),
        Case(
            name="centred_even_kernels",
            seed=63,
            spelling="v5",
            levels=[2, 7],
            lengths=[21 * 110, 21 * 40 + 5, 2, 21 * 2],
            reduced=[2],
            config={
                **MONO,
                "use_causal_conv": False,
                "sampling_rate": 11025,
                "target_bandwidths": [5.25, 18.375],
                "num_filters": 6,
                "num_residual_layers": 2,
                "upsampling_ratios": [7, 3],
                "hidden_size": 22,
                "codebook_dim": 22,
                "codebook_size": 32,
                "kernel_size": 6,
                "last_kernel_size": 2,
                "residual_kernel_size": 4,
                "dilation_growth_rate": 3,
                "compress": 2,
                "num_lstm_layers": 1,
            },
        ),
    ]


def chunked_cases() -> list[Case]:
    return [
        Case(
            name="stereo_chunked",
            seed=57,
            spelling="hub",
            levels=[1, 2, 4],
            lengths=[123 * 5 + 77, 123 * 2 + 1, 124, 123, 1, 40],
            reduced=[2],
            config={
                **MONO,
                "audio_channels": 2,
                "normalize": True,
                "chunk_length_s": 0.018,
                "overlap": 0.01,
                "norm_type": "time_group_norm",
                "use_causal_conv": False,
                "sampling_rate": 7000,
                "target_bandwidths": [2.92, 5.84, 11.68],
                "num_filters": 4,
                "num_residual_layers": 1,
                "upsampling_ratios": [3, 2, 2],
                "hidden_size": 20,
                "codebook_dim": 20,
                "codebook_size": 32,
                "kernel_size": 7,
                "last_kernel_size": 7,
                "residual_kernel_size": 3,
                "dilation_growth_rate": 2,
                "compress": 2,
                "num_lstm_layers": 2,
            },
        ),
        Case(
            name="wide_overlap_bf16",
            seed=58,
            spelling="v5",
            dtype=torch.bfloat16,
            shards=2,
            levels=[3, 6],
            lengths=[43 * 15 + 33, 43 * 3 + 7, 60, 1, 100],
            reduced=[3, 2],
            cropped=[1],
            config={
                **MONO,
                "normalize": True,
                "chunk_length_s": 0.0125,
                "overlap": 0.57,
                "norm_type": "time_group_norm",
                "use_causal_conv": False,
                "use_conv_shortcut": False,
                "sampling_rate": 8000,
                "target_bandwidths": [9.6, 19.2],
                "num_filters": 6,
                "num_residual_layers": 2,
                "upsampling_ratios": [2, 5],
                "hidden_size": 18,
                "codebook_dim": 18,
                "codebook_size": 16,
                "kernel_size": 5,
                "last_kernel_size": 3,
                "residual_kernel_size": 3,
                "dilation_growth_rate": 2,
                "compress": 3,
                "num_lstm_layers": 1,
            },
        ),
        Case(
            name="chunked_causal_f16",
            seed=59,
            spelling="hub",
            dtype=torch.float16,
            levels=[2, 5],
            lengths=[62 * 12 + 50, 62 * 2 + 9, 90, 12],
            reduced=[2],
            cropped=[1],
            config={
                **MONO,
                "audio_channels": 2,
                "chunk_length_s": 0.01,
                "overlap": 0.3,
                "sampling_rate": 9000,
                "target_bandwidths": [9.0, 22.5],
                "num_filters": 5,
                "num_residual_layers": 1,
                "upsampling_ratios": [5, 2],
                "hidden_size": 14,
                "codebook_dim": 14,
                "codebook_size": 32,
                "kernel_size": 7,
                "last_kernel_size": 5,
                "residual_kernel_size": 3,
                "dilation_growth_rate": 2,
                "compress": 2,
                "num_lstm_layers": 2,
            },
        ),
    ]


def cases() -> list[Case]:
    return [*causal_cases(), *centred_cases(), *chunked_cases()]
