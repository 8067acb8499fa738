"""The `encodec` package of the authors, and names of its tensors for the layout of transformers."""

from __future__ import annotations

import math
import re
import sys
import types

import torch
from golden_common import Tensors
from torch import nn

LAYER = r"^(encoder|decoder)\.layers\.(\d+)\."
PART = LAYER + r"(block\.\d+|shortcut)\."
RENAMED = [
    (LAYER + r"lstm\.", r"\1.model.\2.lstm."),
    (PART + r"(conv|norm)\.", r"\1.model.\2.\3.conv.\4."),
    (LAYER + r"(conv|norm)\.", r"\1.model.\2.conv.\3."),
    (r"^quantizer\.layers\.(\d+)\.codebook\.", r"quantizer.vq.layers.\1._codebook."),
    (r"parametrizations\.weight\.original0$", "weight_g"),
    (r"parametrizations\.weight\.original1$", "weight_v"),
]


def load_encodec() -> type[nn.Module]:
    """The class EncodecModel; torchaudio is imported by the package but not used here."""
    stubbed = "torchaudio" not in sys.modules
    if stubbed:
        sys.modules["torchaudio"] = types.ModuleType("torchaudio")
    from encodec import EncodecModel

    if stubbed:
        del sys.modules["torchaudio"]  # other packages look for the real one
    return EncodecModel


def seanet_options(config: dict) -> dict:
    return {
        "channels": config["audio_channels"],
        "dimension": config["hidden_size"],
        "n_filters": config["num_filters"],
        "n_residual_layers": config["num_residual_layers"],
        "ratios": config["upsampling_ratios"],
        "norm": config["norm_type"],
        "kernel_size": config["kernel_size"],
        "last_kernel_size": config["last_kernel_size"],
        "residual_kernel_size": config["residual_kernel_size"],
        "dilation_base": config["dilation_growth_rate"],
        "causal": config["use_causal_conv"],
        "pad_mode": config["pad_mode"],
        "true_skip": not config.get("use_conv_shortcut", True),
        "compress": config["compress"],
        "lstm": config["num_lstm_layers"],
    }


def level_count(config: dict) -> int:
    bits = int(math.log2(config["codebook_size"]))
    frames = math.ceil(config["sampling_rate"] / math.prod(config["upsampling_ratios"]))
    return int(1000 * config["target_bandwidths"][-1] // (frames * bits))


def build(config: dict) -> nn.Module:
    """The package's model for a config of transformers."""
    model_type = load_encodec()
    from encodec.modules import SEANetDecoder, SEANetEncoder
    from encodec.quantization import ResidualVectorQuantizer

    options = seanet_options(config)
    quantizer = ResidualVectorQuantizer(
        dimension=config["hidden_size"], n_q=level_count(config), bins=config["codebook_size"]
    )
    model = model_type(
        SEANetEncoder(**options),
        SEANetDecoder(**options, trim_right_ratio=config["trim_right_ratio"]),
        quantizer,
        target_bandwidths=config["target_bandwidths"],
        sample_rate=config["sampling_rate"],
        channels=config["audio_channels"],
        normalize=config["normalize"],
        segment=config["chunk_length_s"],
        overlap=config["overlap"] or 0.0,
    )
    return model.eval()


def original_name(name: str, wanted: Tensors) -> str:
    """The package's name; transposed convolutions carry another one than convolutions."""
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    other = re.sub(r"\.conv\.(conv|norm)\.", transposed, name)
    return other if name not in wanted and other in wanted else name


def transposed(match: re.Match[str]) -> str:
    return f".convtr.{'norm' if match[1] == 'norm' else 'convtr'}."


def fill(model: nn.Module, stored: Tensors) -> None:
    """Loads tensors of transformers' layout, of either spelling of the weight norm."""
    wanted = model.state_dict()
    tensors = {original_name(name, wanted): tensor for name, tensor in stored.items()}
    model.load_state_dict({name: tensor.to(torch.float32) for name, tensor in tensors.items()})
