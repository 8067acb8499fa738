"""Image codecs: LlamaGen's `.pt`, and Lightning checkpoints of taming's VQGAN and of IBQ.

Names of tensors stay. What only training needs (discriminators, perceptual losses, optimizers) is
left out; averaged weights are taken where there are any.
"""

from __future__ import annotations

from pathlib import Path

import torch
import yaml
from pickles import ConversionError, Tensors, load_pickle, mapping, only_tensors

KEPT = ("encoder.", "decoder.", "quantize.", "quant_conv.", "post_quant_conv.")
CODEBOOK = "quantize.embedding.weight"
# constants of LlamaGen's code, by the levels of the encoder
MULTIPLIERS = {5: [1, 1, 2, 2, 4], 4: [1, 2, 2, 4]}


def weights_of(path: Path, trusted: bool) -> Tensors:
    content = mapping(load_pickle(path, trusted), path)
    for key in ("ema", "model", "state_dict"):
        if isinstance(content.get(key), dict):
            content = content[key]
            break
    kept = {name: value for name, value in content.items() if name.startswith(KEPT)}
    tensors = only_tensors(kept, path)
    if CODEBOOK not in tensors:
        raise ConversionError(f"{path} has no tensor {CODEBOOK!r}: is it an image codec of this family?")
    return tensors


def convert_llamagen(source: Path, trusted: bool) -> tuple[Tensors, dict]:
    tensors = weights_of(source, trusted)
    tensors.pop("quantize.codebook_used", None)
    levels = {name.split(".")[2] for name in tensors if name.startswith("encoder.conv_blocks.")}
    if len(levels) not in MULTIPLIERS:
        raise ConversionError(f"{source}: an encoder of {len(levels)} levels is neither VQ-16 nor VQ-8")
    entries, width = tensors[CODEBOOK].shape
    multipliers = MULTIPLIERS[len(levels)]
    config = {
        "model_type": "llamagen",
        "codebook_size": entries,
        "codebook_embed_dim": width,
        "codebook_l2_norm": True,
        "encoder_ch_mult": multipliers,
        "decoder_ch_mult": multipliers,
        "z_channels": tensors["quant_conv.weight"].shape[1],
        "ch": tensors["encoder.conv_in.weight"].shape[0],
        "num_res_blocks": 2,
    }
    return tensors, config


def read_yaml(path: Path) -> dict:
    """Arguments of the model: the whole file, or what stands under model."""
    if not path.is_file():
        raise ConversionError(f"{path} is not a file")
    content = mapping(yaml.safe_load(path.read_text()), path)
    for outer, inner in (("model", "params"), ("model", "init_args")):
        if isinstance(content.get(outer), dict) and inner in content[outer]:
            content = mapping(content[outer], path, inner)
    mapping(content, path, "ddconfig")
    return content


def convert_vqgan(family: str, source: Path, settings: Path, trusted: bool) -> tuple[Tensors, dict]:
    """`family` is "taming" or "ibq"."""
    tensors = weights_of(source, trusted)
    arguments = read_yaml(settings)
    entries, width = tensors[CODEBOOK].shape
    config = {"model_type": family, "n_embed": entries, "embed_dim": width, "ddconfig": arguments["ddconfig"]}
    return {name: tensor for name, tensor in tensors.items() if tensor.dtype != torch.int64}, config
