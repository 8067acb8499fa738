"""WavTokenizer: a Lightning checkpoint and its yaml file.

Sizes of the encoder are constants in the authors' code and so not in the yaml; they are read from
the tensors. What only training needs (discriminators, losses, optimizers) and the SEANet decoder
that the model never runs are left out.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
import yaml
from pickles import ConversionError, Tensors, load_pickle, mapping, only_tensors

KEPT = ("feature_extractor.", "backbone.", "head.")
UNUSED = "feature_extractor.encodec.decoder."
ENCODER = "feature_extractor.encodec.encoder.model."
CODEBOOK = "feature_extractor.encodec.quantizer.vq.layers.{}._codebook.embed"
DILATION_BASE = 2  # a constant of the authors' code; of no effect with one residual layer


def read_yaml(path: Path) -> dict:
    """Arguments of the model, also where Lightning wraps them."""
    if not path.is_file():
        raise ConversionError(f"{path} is not a file")
    content = mapping(yaml.safe_load(path.read_text()), path)
    if "model" in content:
        content = mapping(mapping(content, path, "model"), path, "init_args")
    for part in ("feature_extractor", "backbone", "head"):
        mapping(mapping(content, path, part), path, "init_args")
    return content


def direction(tensors: Tensors, name: str) -> torch.Tensor:
    """The direction tensor of a weight-normalised convolution, of either spelling."""
    for ending in ("weight_v", "parametrizations.weight.original1", "weight"):
        if f"{name}.{ending}" in tensors:
            return tensors[f"{name}.{ending}"]
    raise ConversionError(f"the checkpoint has no weight {name!r}")


def layer_numbers(tensors: Tensors, pattern: str) -> list[int]:
    """Places in the encoder whose tensors match, in order."""
    found = {
        int(match[1])
        for name in tensors
        if (match := re.match(re.escape(ENCODER) + r"(\d+)\." + pattern, name))
    }
    return sorted(found)


def encoder_sizes(tensors: Tensors, ratios: list[int]) -> dict:
    """Keys of the config that the tensors of the encoder give."""
    convolutions = layer_numbers(tensors, r"conv\.conv\.bias$")
    blocks = layer_numbers(tensors, r"block\.1\.conv\.conv\.bias$")
    if len(convolutions) != len(ratios) + 2 or not blocks or len(blocks) % len(ratios):
        raise ConversionError(f"the encoder does not fit the ratios {ratios} of the yaml")
    first, *strided, last = (direction(tensors, f"{ENCODER}{n}.conv.conv") for n in convolutions)
    kernels = [weight.shape[2] for weight in strided]
    if kernels != [2 * ratio for ratio in reversed(ratios)]:
        raise ConversionError(f"strided kernels {kernels} do not fit the ratios {ratios}")
    inner = direction(tensors, f"{ENCODER}{blocks[0]}.block.1.conv.conv")
    return {
        "audio_channels": first.shape[1],
        "n_filters": first.shape[0],
        "dimension": last.shape[0],
        "kernel_size": first.shape[2],
        "last_kernel_size": last.shape[2],
        "residual_kernel_size": inner.shape[2],
        "n_residual_layers": len(blocks) // len(ratios),
        "compress": inner.shape[1] // inner.shape[0],
        "lstm": len([name for name in tensors if re.search(r"lstm\.weight_ih_l\d+$", name)]),
    }


def codebook_sizes(tensors: Tensors) -> dict:
    levels = 0
    while CODEBOOK.format(levels) in tensors:
        levels += 1
    if levels == 0:
        raise ConversionError("the checkpoint has no codebook")
    return {"codebook_size": tensors[CODEBOOK.format(0)].shape[0], "num_quantizers": levels}


def chosen(options: dict, keys: tuple[str, ...], where: str) -> dict:
    missing = [key for key in keys if key not in options]
    if missing:
        raise ConversionError(f"{where} of the yaml lacks {missing}")
    return {key: options[key] for key in keys}


def config_of(tensors: Tensors, arguments: dict, dilation_base: int) -> dict:
    extractor = arguments["feature_extractor"]["init_args"]
    ratios = chosen(extractor, ("dowmsamples",), "feature_extractor")["dowmsamples"]
    backbone = ("dim", "intermediate_dim", "num_layers", "adanorm_num_embeddings")
    head = ("n_fft", "hop_length", "padding")
    return {
        "model_type": "wavtokenizer",
        "sampling_rate": arguments.get("sample_rate", 24000),
        "ratios": ratios,
        **encoder_sizes(tensors, ratios),
        "dilation_base": dilation_base,
        **codebook_sizes(tensors),
        "backbone": chosen(arguments["backbone"]["init_args"], backbone, "backbone"),
        "head": chosen(arguments["head"]["init_args"], head, "head"),
    }


def check_decoder(tensors: Tensors, config: dict) -> None:
    """The yaml has to belong to the checkpoint."""
    shape = tuple(tensors["head.out.weight"].shape) if "head.out.weight" in tensors else None
    wanted = (config["head"]["n_fft"] + 2, config["backbone"]["dim"])
    if shape != wanted:
        raise ConversionError(f"head.out.weight is {shape}, the yaml says {wanted}")
    layers = {name.split(".")[2] for name in tensors if name.startswith("backbone.convnext.")}
    if len(layers) != config["backbone"]["num_layers"]:
        raise ConversionError(f"{len(layers)} ConvNeXt layers, the yaml says otherwise")


def convert_wavtokenizer(
    path: Path, settings: Path, dilation_base: int, trusted: bool
) -> tuple[Tensors, dict]:
    """`*.ckpt` and its yaml."""
    state = mapping(load_pickle(path, trusted), path, "state_dict")
    kept = {n: t for n, t in state.items() if n.startswith(KEPT) and not n.startswith(UNUSED)}
    tensors = only_tensors(kept, path)
    config = config_of(tensors, read_yaml(settings), dilation_base)
    check_decoder(tensors, config)
    return tensors, config
