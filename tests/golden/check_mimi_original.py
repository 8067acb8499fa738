"""Compares Mimi fixtures with the authors' own package (moshi), offline and streamed.

    python check_mimi_original.py --source FOLDER

FOLDER is the `moshi` folder of the authors' repository (it holds the package `moshi`). Only cases
that the package can express take part: head size = hidden / heads, as many key heads as heads,
depthwise up-sampling, projections, one semantic level, no convolution shortcut, eps 1e-5.

Nothing is written. For streaming, the number of codes that differ is printed twice: with the key
cache as it is (a ring of as many entries as the window, which loses a key too early) and with a
ring that is larger by the positions of one step less one.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
import types
from pathlib import Path

import torch
from golden_common import Tensors, decibels, read_model, single_thread
from safetensors.torch import load_file

RENAMED = [
    (r"^(encoder|decoder)\.layers\.(\d+)\.conv\.", r"\1.model.\2.conv.conv."),
    (r"^(encoder|decoder)\.layers\.(\d+)\.block\.(\d+)\.conv\.", r"\1.model.\2.block.\3.conv.conv."),
    (r"_transformer\.layers\.", "_transformer.transformer.layers."),
    (r"self_attn\.o_proj\.", "self_attn.out_projs.0."),
    (r"input_layernorm\.", "norm1."),
    (r"post_attention_layernorm\.", "norm2."),
    (r"mlp\.fc([12])\.", r"linear\1."),
    (r"self_attn_layer_scale\.", "layer_scale_1."),
    (r"mlp_layer_scale\.", "layer_scale_2."),
    (r"^downsample\.conv\.", "downsample.conv.conv.conv."),
    (r"^upsample\.conv\.", "upsample.convtr.convtr.convtr."),
    (r"semantic_residual_vector_quantizer\.", "rvq_first."),
    (r"acoustic_residual_vector_quantizer\.", "rvq_rest."),
    (r"(rvq_\w+)\.layers\.(\d+)\.codebook\.", r"\1.vq.layers.\2._codebook."),
    (r"\.initialized$", "._initialized"),
    (r"\.embed_sum$", ".embedding_sum"),
]


def expressible(config: dict) -> bool:
    return (
        config["head_dim"] * config["num_attention_heads"] == config["hidden_size"]
        and config["num_key_value_heads"] == config["num_attention_heads"]
        and config["upsample_groups"] == config["hidden_size"]
        and config["vector_quantization_hidden_dimension"] != config["hidden_size"]
        and config["num_semantic_quantizers"] == 1
        and not config["use_conv_shortcut"]
        and config["norm_eps"] == 1e-5
    )


def load_package(source: Path) -> None:
    """The parts needed, without the package's own __init__ files and what they import."""
    os.environ["NO_TORCH_COMPILE"] = "1"
    for name, folder in (("moshi", "moshi"), ("moshi.models", "moshi/models")):
        module = types.ModuleType(name)
        module.__path__ = [str(source / folder)]
        sys.modules[name] = module


def build(config: dict) -> torch.nn.Module:
    from moshi.models.compression import MimiModel
    from moshi.modules import SEANetDecoder, SEANetEncoder
    from moshi.modules.transformer import ProjectedTransformer
    from moshi.quantization import SplitResidualVectorQuantizer

    hidden = config["hidden_size"]
    seanet = {
        "dimension": hidden,
        "causal": True,
        "n_filters": config["num_filters"],
        "n_residual_layers": config["num_residual_layers"],
        "compress": config["compress"],
        "dilation_base": config["dilation_growth_rate"],
        "kernel_size": config["kernel_size"],
        "residual_kernel_size": config["residual_kernel_size"],
        "last_kernel_size": config["last_kernel_size"],
        "pad_mode": config["pad_mode"],
        "ratios": config["upsampling_ratios"],
    }
    transformer = {
        "d_model": hidden,
        "num_heads": config["num_attention_heads"],
        "num_layers": config["num_hidden_layers"],
        "causal": True,
        "layer_scale": config["layer_scale_initial_scale"],
        "context": config["sliding_window"],
        "conv_layout": True,
        "max_period": config["rope_theta"],
        "gating": "none",
        "norm": "layer_norm",
        "positional_embedding": "rope",
        "dim_feedforward": config["intermediate_size"],
        "input_dimension": hidden,
        "output_dimensions": [hidden],
        "device": "cpu",
    }
    quantizer = SplitResidualVectorQuantizer(
        dimension=config["codebook_dim"],
        n_q=config["num_quantizers"],
        bins=config["codebook_size"],
        input_dimension=hidden,
        output_dimension=hidden,
    )
    model = MimiModel(
        SEANetEncoder(**seanet),
        SEANetDecoder(**seanet),
        quantizer,
        channels=1,
        sample_rate=config["sampling_rate"],
        frame_rate=config["frame_rate"],
        encoder_frame_rate=config["sampling_rate"] / math.prod(config["upsampling_ratios"]),
        causal=True,
        resample_method="conv",
        encoder_transformer=ProjectedTransformer(**transformer),
        decoder_transformer=ProjectedTransformer(**transformer),
    )
    return model.eval()


def interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of a query or key projection from half-split pairs to neighbouring pairs."""
    rows, columns = weight.shape
    return weight.view(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns)


def original_tensors(stored: Tensors, config: dict) -> Tensors:
    out: Tensors = {}
    heads = config["num_attention_heads"]
    for name, tensor in stored.items():
        tensor = tensor.float()
        if re.search(r"self_attn\.[kv]_proj", name):
            continue
        new = name
        if "self_attn.q_proj" in name:
            key = stored[name.replace("q_proj", "k_proj")].float()
            value = stored[name.replace("q_proj", "v_proj")].float()
            tensor = torch.cat([interleaved(tensor, heads), interleaved(key, heads), value])
            new = name.replace("q_proj", "in_projs.0")
        for pattern, replacement in RENAMED:
            new = re.sub(pattern, replacement, new)
        out[new] = tensor
    return out


def fit_names(tensors: Tensors, wanted: Tensors) -> Tensors:
    """Transposed convolutions carry another name than convolutions."""
    fitted: Tensors = {}
    for name, tensor in tensors.items():
        other = name.replace(".conv.conv.", ".convtr.convtr.")
        fitted[other if name not in wanted and other in wanted else name] = tensor
    return fitted


def streamed_codes(model: torch.nn.Module, wave: torch.Tensor) -> torch.Tensor:
    frame = model.frame_size
    wave = torch.nn.functional.pad(wave, (0, -wave.shape[-1] % frame))
    with model.streaming(1):
        parts = [model.encode(wave[..., i : i + frame]) for i in range(0, wave.shape[-1], frame)]
    return torch.cat(parts, dim=-1)[0]


def streamed_wave(model: torch.nn.Module, codes: torch.Tensor) -> torch.Tensor:
    with model.streaming(1):
        parts = [model.decode(codes[None, :, t : t + 1]) for t in range(codes.shape[1])]
    return torch.cat(parts, dim=-1)[0, 0]


def enlarge_rings(more: int) -> None:
    from moshi.modules.transformer import RingKVCache

    original = RingKVCache.__init__

    def init(self, batch, heads, size, capacity, *rest, **named):  # noqa: ANN001, ANN002, ANN003, ANN202
        original(self, batch, heads, size, capacity + more, *rest, **named)

    RingKVCache.__init__ = init


def compare(folder: Path, config: dict) -> None:
    model = build(config)
    tensors = fit_names(original_tensors(read_model(folder), config), model.state_dict())
    model.load_state_dict(tensors)
    model.set_num_codebooks(config["num_quantizers"])
    expected = load_file(folder / "expected.safetensors")
    count = len([name for name in expected if name.startswith("wave.")])
    totals = {"codes": 0, "offline": 0, "streamed": 0, "streamed, larger ring": 0}
    worst = {"offline": math.inf, "streamed": math.inf, "streamed, larger ring": math.inf}
    for step in ("offline", "streamed", "streamed, larger ring"):
        if step == "streamed, larger ring":
            enlarge_rings(round(model.encoder_frame_rate / model.frame_rate) - 1)
        for i in range(count):
            wave, codes = expected[f"wave.{i}"][None, None], expected[f"codes.{i}"].long()
            found = model.encode(wave)[0] if step == "offline" else streamed_codes(model, wave)
            sound = model.decode(codes[None])[0, 0] if step == "offline" else streamed_wave(model, codes)
            totals["codes"] += codes.numel() if step == "offline" else 0
            totals[step] += int((found != codes).sum())
            worst[step] = min(worst[step], decibels(expected[f"decoded.{i}"], sound))
    print(folder.name, "codes that differ:", totals, "least dB:", {k: round(v, 1) for k, v in worst.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True)
    arguments = parser.parse_args()
    single_thread()
    load_package(arguments.source)
    for path in sorted((Path(__file__).resolve().parent / "mimi").glob("*/config.json")):
        config = json.loads(path.read_text())
        if expressible(config):
            compare(path.parent, config)


if __name__ == "__main__":
    main()
