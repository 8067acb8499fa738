"""The official modules of WavTokenizer, without the libraries that only its training needs."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import torch
from torch import nn


def stub_torchaudio() -> None:
    """Imported by modules that are not used here."""
    parts = ("torchaudio", "torchaudio.functional", "torchaudio.functional.functional")
    modules = {name: types.ModuleType(name) for name in parts}
    modules[parts[0]].functional = modules[parts[1]]
    modules[parts[2]]._hz_to_mel = modules[parts[2]]._mel_to_hz = None
    sys.modules.update(modules)


def load_source(source: Path) -> None:
    """Makes the repository's packages `encoder` and `decoder` importable."""
    if not (source / "decoder" / "pretrained.py").is_file():
        raise SystemExit(f"{source} does not hold the official repository")
    stub_torchaudio()
    sys.path.insert(0, str(source))


def build_extractor(config: dict) -> nn.Module:
    """The official feature extractor at another size (its constructor has no argument for it)."""
    from decoder.feature_extractors import EncodecFeatures
    from encoder import EncodecModel
    from encoder.modules import SEANetEncoder
    from encoder.quantization import ResidualVectorQuantizer

    encoder = SEANetEncoder(
        causal=False,
        n_residual_layers=config["n_residual_layers"],
        norm="weight_norm",
        pad_mode="reflect",
        lstm=config["lstm"],
        dimension=config["dimension"],
        channels=config["audio_channels"],
        n_filters=config["n_filters"],
        ratios=config["ratios"],
        kernel_size=config["kernel_size"],
        residual_kernel_size=config["residual_kernel_size"],
        last_kernel_size=config["last_kernel_size"],
        dilation_base=config["dilation_base"],
        true_skip=False,
        compress=config["compress"],
    )
    quantizer = ResidualVectorQuantizer(
        dimension=config["dimension"],
        n_q=config["num_quantizers"],
        bins=config["codebook_size"],
    )
    extractor = EncodecFeatures.__new__(EncodecFeatures)
    nn.Module.__init__(extractor)
    extractor.frame_rate = 25
    extractor.bandwidths = [6.6] * 4
    extractor.encodec = EncodecModel(
        encoder, nn.Identity(), quantizer, [6.6], config["sampling_rate"], 1
    )
    return extractor


def build(config: dict) -> nn.Module:
    """The official model for a config of this project."""
    from decoder.heads import ISTFTHead
    from decoder.models import VocosBackbone
    from decoder.pretrained import WavTokenizer

    backbone = VocosBackbone(input_channels=config["dimension"], **config["backbone"])
    head = ISTFTHead(dim=config["backbone"]["dim"], **config["head"])
    return WavTokenizer(build_extractor(config), backbone, head).eval()


def encode(model: nn.Module, wave: torch.Tensor) -> torch.Tensor:
    """Codes [1, T] of [1, L] by the official call."""
    return model.encode_infer(wave, bandwidth_id=torch.tensor([0]))[1][:, 0].clone()


def decode(model: nn.Module, codes: torch.Tensor) -> torch.Tensor:
    """Wave [N] of [1, T] by the official calls."""
    features = model.codes_to_features(codes)
    return model.decode(features, bandwidth_id=torch.tensor([0]))[0].clone()
