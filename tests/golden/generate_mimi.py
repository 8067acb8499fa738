"""Golden fixtures for the Mimi codec, made with the MimiModel of transformers.

Every case is a tiny checkpoint with random weights and an unusual configuration. The wave is
padded with zeros on the right to a whole frame before it is encoded, as the authors of Mimi do.
Codes, margins and decoded waves come from a float64 run; a float32 run of the same model must
agree. See README.md for the keys.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from golden_common import (
    Spread,
    Tensors,
    UnitScale,
    as_codes,
    decibels,
    first_mismatches,
    fitted_codebook,
    read_model,
    residual_search,
    single_thread,
    test_wave,
    used_share,
    versions,
    write_expected,
    write_json,
    write_model,
)
from torch import nn
from transformers import MimiConfig, MimiModel

CLAMP = 1e-5
PUBLISHED_PREFIXES = {
    "encoder.encoder_seanet.": "encoder.",
    "encoder.encoder_transformer.": "encoder_transformer.",
    "encoder.downsample.": "downsample.",
    "decoder.upsample.": "upsample.",
    "decoder.decoder_transformer.": "decoder_transformer.",
    "decoder.decoder_seanet.": "decoder.",
}


@dataclass
class Case:
    """One checkpoint and its inputs; lengths are given in samples."""

    name: str
    seed: int
    config: dict
    lengths: list[int]
    reduced: list[int]
    spelling: str  # "hub" or "v5"
    dtype: torch.dtype = torch.float32
    shards: int = 1
    options: dict = field(default_factory=dict)


COMMON = {
    "audio_channels": 1,
    "use_causal_conv": True,
    "trim_right_ratio": 1.0,
    "pad_mode": "constant",
    "hidden_act": "gelu",
    "max_position_embeddings": 512,
}


def cases() -> list[Case]:
    return [
        Case(
            name="odd_ratios",
            seed=11,
            spelling="v5",
            lengths=[60 * 80, 60 * 31 + 17, 23, 60 * 2],
            reduced=[2, 1],
            config={
                "sampling_rate": 24000,
                "num_filters": 4,
                "upsampling_ratios": [5, 2, 3],
                "kernel_size": 5,
                "last_kernel_size": 3,
                "residual_kernel_size": 3,
                "dilation_growth_rate": 3,
                "num_residual_layers": 2,
                "compress": 2,
                "hidden_size": 24,
                "num_attention_heads": 3,
                "num_key_value_heads": 3,
                "head_dim": 12,
                "num_hidden_layers": 3,
                "intermediate_size": 40,
                "sliding_window": 6,
                "norm_eps": 1e-5,
                "layer_scale_initial_scale": 0.4,
                "vector_quantization_hidden_dimension": 14,
                "codebook_dim": 14,
                "codebook_size": 64,
                "num_quantizers": 6,
                "num_semantic_quantizers": 1,
                "upsample_groups": 24,
                "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
            },
        ),
        Case(
            name="shortcut_sharded",
            seed=12,
            spelling="hub",
            shards=2,
            lengths=[56 * 90 + 5, 56 * 40, 55, 56 * 3 + 1],
            reduced=[2, 3],
            config={
                "sampling_rate": 16000,
                "num_filters": 6,
                "upsampling_ratios": [7, 4],
                "kernel_size": 7,
                "last_kernel_size": 5,
                "residual_kernel_size": 5,
                "dilation_growth_rate": 2,
                "num_residual_layers": 2,
                "compress": 3,
                "hidden_size": 20,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "head_dim": 6,
                "num_hidden_layers": 2,
                "intermediate_size": 33,
                "sliding_window": 9,
                "norm_eps": 1e-3,
                "layer_scale_initial_scale": 0.6,
                "vector_quantization_hidden_dimension": 20,
                "codebook_dim": 20,
                "codebook_size": 32,
                "num_quantizers": 7,
                "num_semantic_quantizers": 2,
                "upsample_groups": 5,
                "use_conv_shortcut": True,
                "frame_rate": 16000 / 56,
                "rope_theta": 500.0,
            },
        ),
        Case(
            name="bf16_hub",
            seed=13,
            spelling="hub",
            dtype=torch.bfloat16,
            lengths=[40 * 100, 40 * 27 + 39, 1, 40],
            reduced=[2],
            config={
                "sampling_rate": 24000,
                "num_filters": 6,
                "upsampling_ratios": [4, 5],
                "kernel_size": 4,
                "last_kernel_size": 2,
                "residual_kernel_size": 2,
                "dilation_growth_rate": 4,
                "num_residual_layers": 3,
                "compress": 1,
                "hidden_size": 32,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "head_dim": 10,
                "num_hidden_layers": 2,
                "intermediate_size": 64,
                "sliding_window": 13,
                "norm_eps": 4e-3,
                "layer_scale_initial_scale": 0.3,
                "vector_quantization_hidden_dimension": 8,
                "codebook_dim": 8,
                "codebook_size": 128,
                "num_quantizers": 5,
                "num_semantic_quantizers": 1,
                "upsample_groups": 32,
                "frame_rate": 600.0,
                "rope_theta": 10000.0,
            },
        ),
        Case(
            name="stride3_f16",
            seed=14,
            spelling="hub",
            dtype=torch.float16,
            lengths=[90 * 50 + 44, 90 * 20, 10, 90 * 4 + 89],
            reduced=[2, 4],
            config={
                "sampling_rate": 24000,
                "num_filters": 5,
                "upsampling_ratios": [3, 5, 2],
                "kernel_size": 3,
                "last_kernel_size": 7,
                "residual_kernel_size": 3,
                "dilation_growth_rate": 1,
                "num_residual_layers": 1,
                "compress": 5,
                "hidden_size": 18,
                "num_attention_heads": 3,
                "num_key_value_heads": 1,
                "head_dim": 4,
                "num_hidden_layers": 4,
                "intermediate_size": 50,
                "sliding_window": 7,
                "norm_eps": 1e-5,
                "layer_scale_initial_scale": 0.5,
                "vector_quantization_hidden_dimension": 26,
                "codebook_dim": 26,
                "codebook_size": 64,
                "num_quantizers": 6,
                "num_semantic_quantizers": 3,
                "upsample_groups": 6,
                "frame_rate": 24000 / 90,
                "rope_theta": 100.0,
            },
        ),
        Case(
            name="wide_window",
            seed=15,
            spelling="v5",
            lengths=[36 * 150 + 20, 36 * 8, 35, 36 * 33 + 2],
            reduced=[2],
            config={
                "sampling_rate": 22050,
                "num_filters": 8,
                "upsampling_ratios": [2, 3, 3],
                "kernel_size": 9,
                "last_kernel_size": 1,
                "residual_kernel_size": 7,
                "dilation_growth_rate": 2,
                "num_residual_layers": 2,
                "compress": 4,
                "hidden_size": 16,
                "num_attention_heads": 4,
                "num_key_value_heads": 4,
                "head_dim": 8,
                "num_hidden_layers": 1,
                "intermediate_size": 16,
                "sliding_window": 50,
                "norm_eps": 2e-2,
                "layer_scale_initial_scale": 1.2,
                "vector_quantization_hidden_dimension": 12,
                "codebook_dim": 12,
                "codebook_size": 16,
                "num_quantizers": 9,
                "num_semantic_quantizers": 1,
                "upsample_groups": 8,
                "rope_parameters": {"rope_type": "default", "rope_theta": 2000.0},
            },
        ),
        Case(
            name="original_shape",
            seed=16,
            spelling="hub",
            lengths=[40 * 75, 40 * 26 + 13, 39, 40 * 5 + 1],
            reduced=[2],
            config={
                "sampling_rate": 24000,
                "num_filters": 4,
                "upsampling_ratios": [5, 2, 2],
                "kernel_size": 7,
                "last_kernel_size": 3,
                "residual_kernel_size": 3,
                "dilation_growth_rate": 2,
                "num_residual_layers": 2,
                "compress": 2,
                "hidden_size": 24,
                "num_attention_heads": 4,
                "num_key_value_heads": 4,
                "head_dim": 6,
                "num_hidden_layers": 3,
                "intermediate_size": 48,
                "sliding_window": 11,
                "norm_eps": 1e-5,
                "layer_scale_initial_scale": 0.5,
                "vector_quantization_hidden_dimension": 12,
                "codebook_dim": 12,
                "codebook_size": 64,
                "num_quantizers": 6,
                "num_semantic_quantizers": 1,
                "upsample_groups": 24,
                "frame_rate": 600.0,
                "rope_theta": 10000.0,
            },
        ),
    ]


# ---------------------------------------------------------------------------------------------
# random but lively weights


def randomise(model: MimiModel, generator: torch.Generator) -> None:
    """Random numbers everywhere; UnitScale brings them to a useful size afterwards."""
    for name, parameter in model.named_parameters():
        if name.endswith("layer_scale.scale"):
            low_high = 0.5 + torch.rand(parameter.shape, generator=generator)
            parameter.data.mul_(low_high)
        elif "layernorm" in name:
            noise = 0.3 * torch.randn(parameter.shape, generator=generator)
            parameter.data.copy_(noise + (1.0 if name.endswith("weight") else 0.0))
        elif name.endswith("bias"):
            parameter.data.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
        else:
            fan_in = max(1, parameter[0].numel())
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data.copy_(noise / math.sqrt(fan_in))


def wanted_spread(name: str, module: nn.Module) -> float | None:
    if not isinstance(module, (nn.Conv1d, nn.ConvTranspose1d, nn.Linear)):
        return None
    leaf = name.rsplit(".", 1)[-1]
    if leaf in ("q_proj", "k_proj", "fc1"):
        return 1.6
    return 1.0


def branches(model: MimiModel) -> list:
    quantizer = model.quantizer
    return [quantizer.semantic_residual_vector_quantizer, quantizer.acoustic_residual_vector_quantizer]


def fill_codebook(codebook: nn.Module, table: torch.Tensor, generator: torch.Generator) -> None:
    """Stores table as embed_sum / max(cluster_usage, clamp); some usages lie below the clamp."""
    entries = table.shape[0]
    usage = torch.exp(torch.randn(entries, generator=generator))
    usage[3::8] = 0.0
    usage[5::16] = 0.3 * CLAMP
    codebook.cluster_usage.copy_(usage)
    codebook.embed_sum.copy_(table * usage.clamp(min=CLAMP)[:, None])
    codebook._embed = None


def fit_codebooks(model: MimiModel, latents: torch.Tensor, generator: torch.Generator) -> None:
    """Codebooks drawn from the residuals of the calibration latents [1, C, T]."""
    for branch in branches(model):
        points = latents
        if branch.input_proj is not None:
            with UnitScale(branch.input_proj, lambda _n, m: 1.0 if isinstance(m, nn.Conv1d) else None):
                points = branch.input_proj(latents)
        residual = points[0].transpose(0, 1)
        for layer in branch.layers:
            size = layer.codebook.codebook_size
            table = fitted_codebook(residual, size, 0.15, generator)
            fill_codebook(layer.codebook, table, generator)
            chosen = layer.codebook.quantize(residual)
            residual = residual - layer.codebook.embed[chosen]


def calibration_latents(model: MimiModel, seed: int) -> torch.Tensor:
    """Latents [1, C, T] of a dozen waves of unequal character, one after the other."""
    frame, rate = frame_samples(model.config), model.config.sampling_rate
    waves = [test_wave(frame * 48, rate, 5000 + 20 * seed + i) for i in range(12)]
    return torch.cat([model.encoder(torch.from_numpy(w)[None, None]).latents for w in waves], dim=-1)


def make_model(case: Case) -> MimiModel:
    generator = torch.Generator().manual_seed(case.seed)
    config = MimiConfig(**COMMON, **case.config)
    model = MimiModel._from_config(config, attn_implementation="sdpa").eval()
    randomise(model, generator)
    frame = frame_samples(config)
    wave = test_wave(frame * 400, config.sampling_rate, 1000 + case.seed)
    with UnitScale(model.encoder, wanted_spread):
        model.encoder(torch.from_numpy(wave)[None, None])
    latents = calibration_latents(model, case.seed)
    fit_codebooks(model, latents, generator)
    codes = model.quantizer.encode(latents).transpose(0, 1)
    for branch in branches(model):
        if branch.output_proj is not None:
            branch.output_proj.weight.data.mul_(0.7)
    with UnitScale(model.decoder, wanted_spread):
        model.decode(codes)
    last = model.decoder.decoder_seanet.layers[-1].conv
    last.bias.data -= 0.9 * model.decode(codes).audio_values.mean()
    last.weight.data.mul_(0.3)
    last.bias.data.mul_(0.3)
    return model


# ---------------------------------------------------------------------------------------------
# files


def frame_samples(config: MimiConfig) -> int:
    return math.prod(config.upsampling_ratios) * config.latent_stride


def published_name(name: str) -> str:
    for long, short in PUBLISHED_PREFIXES.items():
        if name.startswith(long):
            return short + name[len(long) :]
    return name


def config_file(case: Case, model: MimiModel) -> dict:
    """The config as transformers 5 writes it, or in the spelling of the published checkpoints."""
    dtype = str(case.dtype).removeprefix("torch.")
    if case.spelling == "v5":
        written = json.loads(model.config.to_json_string())
        written.update(architectures=["MimiModel"], dtype=dtype)
        if "_frame_rate" not in written or written["_frame_rate"] is not None:
            raise AssertionError("transformers no longer writes a null _frame_rate")
        return written
    plain = {**COMMON, **case.config}
    plain.update(architectures=["MimiModel"], model_type="mimi", torch_dtype=dtype)
    plain.update(attention_bias=False, attention_dropout=0.0, initializer_range=0.02)
    plain.update(normalize=False, use_cache=False, transformers_version="4.45.0.dev0")
    plain.setdefault("use_conv_shortcut", False)
    return dict(sorted(plain.items()))


def write_checkpoint(case: Case, model: MimiModel, folder: Path) -> None:
    tensors: Tensors = {}
    for name, tensor in model.state_dict().items():
        tensors[published_name(name)] = tensor.to(case.dtype) if tensor.is_floating_point() else tensor
    write_model(folder, tensors, case.shards)
    write_json(folder / "config.json", config_file(case, model))


def reload_model(case: Case, folder: Path) -> MimiModel:
    """The model as a reader of the files sees it, with float32 arithmetic."""
    model, info = MimiModel.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="sdpa", output_loading_info=True
    )
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[kind]:
            raise AssertionError(f"{case.name}: {kind}: {info[kind]}")
    stored = read_model(folder)
    for name, tensor in model.state_dict().items():
        if not torch.equal(tensor, stored[published_name(name)].to(tensor.dtype)):
            raise AssertionError(f"{case.name}: {name} was not loaded as stored")
    return model.eval()


# ---------------------------------------------------------------------------------------------
# reference runs


def double_model(case: Case, folder: Path) -> MimiModel:
    model = reload_model(case, folder).double()
    for branch in branches(model):
        for layer in branch.layers:
            layer.codebook._embed = None
    return model


def padded(wave: np.ndarray, frame: int) -> torch.Tensor:
    """Zeros on the right, to a whole frame of the whole codec."""
    missing = -len(wave) % frame
    return torch.from_numpy(np.concatenate([wave, np.zeros(missing, np.float32)]))[None, None]


def search(model: MimiModel, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both branches on the raw latent, in its own precision."""
    codes, margins = [], []
    for branch in branches(model):
        points = latents if branch.input_proj is None else branch.input_proj(latents)
        tables = [layer.codebook.embed for layer in branch.layers]
        found = residual_search(points[0].transpose(0, 1), tables)
        codes.append(found[0])
        margins.append(found[1])
    return torch.cat(codes), torch.cat(margins)


def check_window(model: MimiModel) -> None:
    """One transformer layer: an early position reaches W positions, itself included, and no more."""
    window = model.config.sliding_window
    for transformer in (model.encoder.encoder_transformer, model.decoder.decoder_transformer):
        kept = transformer.layers
        transformer.layers = kept[:1]
        generator = torch.Generator().manual_seed(1)
        hidden = torch.randn((1, 3 * window + 5, model.config.hidden_size), generator=generator)
        hidden = hidden.to(next(transformer.parameters()).dtype)
        changed = hidden.clone()
        changed[0, 0] += 3.0 * torch.randn(hidden.shape[-1], generator=generator).to(hidden.dtype)
        change = transformer(hidden).last_hidden_state - transformer(changed).last_hidden_state
        change = change[0].abs().amax(-1)
        transformer.layers = kept
        if not bool((change[:window] > 0).all()) or float(change[window:].max()) != 0.0:
            raise AssertionError(f"the window of {window} is not applied: {change.tolist()}")


def check_lively(model: MimiModel, wave: torch.Tensor) -> None:
    kinds = (nn.Conv1d, nn.ConvTranspose1d, nn.Linear)
    with Spread(model, kinds) as spread:
        codes = model.encode(wave).audio_codes
        model.decode(codes)
    spread.check(0.05, 20.0)


def check_clamped(model: MimiModel, all_codes: list[torch.Tensor]) -> int:
    """How many of the codes chosen name entries whose usage lies below the clamp."""
    hits = 0
    joined = torch.cat(all_codes, dim=1)
    layers = [layer for branch in branches(model) for layer in branch.layers]
    for level, layer in enumerate(layers):
        hits += int((layer.codebook.cluster_usage[joined[level]] < CLAMP).sum())
    if hits == 0:
        raise AssertionError("no entry below the clamp is ever used")
    return hits


def expected_tensors(case: Case, single: MimiModel, double: MimiModel) -> tuple[Tensors, dict[str, str]]:
    frame = frame_samples(single.config)
    out: Tensors = {}
    all_codes, mismatched, worst, least = [], 0, float("inf"), float("inf")
    for i, length in enumerate(case.lengths):
        wave = test_wave(length, single.config.sampling_rate, 100 * case.seed + i)
        whole = padded(wave, frame)
        codes, margins = search(double, double.encoder(whole.double()).latents)
        codes32 = single.encode(whole).audio_codes[0]
        mismatched += first_mismatches(codes, codes32)
        decoded = double.decode(codes[None]).audio_values[0, 0]
        worst = min(worst, decibels(decoded, single.decode(codes[None]).audio_values[0, 0]))
        least = min(least, float(margins.min()))
        if codes.shape[1] * frame != whole.shape[-1] or decoded.shape[-1] != whole.shape[-1]:
            raise AssertionError(f"{case.name}: unexpected lengths {codes.shape} {decoded.shape}")
        out[f"wave.{i}"] = torch.from_numpy(wave)
        out[f"codes.{i}"] = as_codes(codes)
        out[f"margin.{i}"] = margins.float()
        out[f"decoded.{i}"] = decoded.float()
        for levels in case.reduced:
            if levels >= case.config["num_semantic_quantizers"]:
                fewer = single.encode(whole, num_quantizers=levels).audio_codes[0]
                mismatched += first_mismatches(codes[:levels], fewer)
            out[f"codes.{i}.levels{levels}"] = as_codes(codes[:levels])
            part = double.decode(codes[None, :levels]).audio_values[0, 0]
            out[f"decoded.{i}.levels{levels}"] = part.float()
        all_codes.append(codes)
    shares = used_share(all_codes, [case.config["codebook_size"]] * case.config["num_quantizers"])
    if min(shares) < 0.4:
        raise AssertionError(f"{case.name}: codebooks hardly used: {shares}")
    report = {
        "codes": str(sum(c.numel() for c in all_codes)),
        "float32_frames_that_differ": str(mismatched),
        "float32_decode_db": f"{worst:.1f}",
        "least_margin": f"{least:.3g}",
        "least_used_share": f"{min(shares):.2f}",
        "codes_of_clamped_entries": str(check_clamped(double, all_codes)),
        "frame_samples": str(frame),
    }
    return out, report


def generate(case: Case, root: Path) -> None:
    folder = root / case.name
    write_checkpoint(case, make_model(case), folder)
    single, double = reload_model(case, folder), double_model(case, folder)
    check_window(single)
    check_window(double)
    check_lively(single, padded(test_wave(case.lengths[0], 24000, 7), frame_samples(single.config)))
    tensors, report = expected_tensors(case, single, double)
    write_expected(folder, tensors, {**versions("transformers", "safetensors"), **report})
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(case.name, f"{size / 1000:.0f} kB", report, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "mimi")
    parser.add_argument("--case", action="append", help="only these cases")
    arguments = parser.parse_args()
    single_thread()
    for case in cases():
        if not arguments.case or case.name in arguments.case:
            generate(case, arguments.out)


if __name__ == "__main__":
    main()
