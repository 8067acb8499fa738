"""Golden fixtures for EnCodec, made with the modules of transformers' EncodecModel.

Chunks are cut, scaled and put together as the authors do it (transformers pads the last chunk).
Codes, margins and decoded waves come from a float64 run; a float32 run of the same model must
agree. check_encodec_original.py compares all cases with the authors' package. See README.md for
the keys.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from encodec_cases import Case, cases
from encodec_chunks import chunk_and_stride, crossing, cut, overlap_add, scale_of
from golden_common import (
    Spread,
    Tensors,
    UnitScale,
    as_codes,
    fitted_codebook,
    nearest,
    read_model,
    residual_search,
    single_thread,
    test_wave,
    versions,
    write_expected,
    write_json,
    write_model,
)
from golden_report import Tally
from golden_weights import CONVOLUTIONS, old_spelling, one_spread, randomise, scale_layer
from transformers import EncodecConfig, EncodecModel


@dataclass
class Encoded:
    """Codes and margins [levels, T] of one chunk, and its scale if the model has one."""

    codes: torch.Tensor
    margins: torch.Tensor
    scale: torch.Tensor | None


# ---------------------------------------------------------------------------------------------
# random but lively weights


def inputs(case: Case, length: int, seed: int) -> torch.Tensor:
    """[1, C, L]; a second channel shares part of the first and is quieter."""
    first = test_wave(length, case.config["sampling_rate"], seed)
    if case.config["audio_channels"] == 1:
        return torch.from_numpy(first)[None, None]
    other = test_wave(length, case.config["sampling_rate"], 70000 + seed)
    second = (0.4 * first + 0.5 * other).astype(np.float32)
    return torch.from_numpy(np.stack([first, second]))[None]


def scaled(model: EncodecModel, chunk: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    if not model.config.normalize:
        return chunk, None
    scale = scale_of(chunk)
    return chunk / scale[:, None], scale


def latents_of(model: EncodecModel, case: Case, wave: torch.Tensor) -> torch.Tensor:
    """Latents [1, C, T] of all chunks, one after the other."""
    parts = [model.encoder(scaled(model, chunk)[0]) for chunk in cut(wave, case.config)]
    return torch.cat(parts, dim=-1)


def calibration_latents(model: EncodecModel, case: Case) -> torch.Tensor:
    length = model.config.hop_length * 60
    waves = [inputs(case, length, 5000 + 20 * case.seed + i) for i in range(12)]
    return torch.cat([latents_of(model, case, wave) for wave in waves], dim=-1)


def fit_codebooks(model: EncodecModel, latents: torch.Tensor, generator: torch.Generator) -> None:
    """Codebooks drawn from the residuals; the averages of training are stale on purpose."""
    residual = latents[0].T
    for layer in model.quantizer.layers:
        codebook = layer.codebook
        table = fitted_codebook(residual, codebook.codebook_size, 0.15, generator)
        codebook.embed.copy_(table)
        codebook.embed_avg.copy_(torch.randn(table.shape, generator=generator))
        codebook.cluster_size.copy_(torch.rand(len(table), generator=generator) * 9.0)
        residual = residual - table[nearest(residual, table)[0]]


def centre_output(model: EncodecModel, codes: torch.Tensor) -> None:
    """A wave of moderate level without a constant part; the last layer may end in a norm."""
    last = model.decoder.layers[-1]
    layer = last.norm if hasattr(last, "norm") else last.conv
    level = model.decoder(model.quantizer.decode(codes[:, None]))[0].mean(-1)
    layer.bias.data -= 0.9 * level
    scale_layer(layer, 1.0 if model.config.normalize else 0.3)


def make_model(case: Case) -> EncodecModel:
    generator = torch.Generator().manual_seed(case.seed)
    model = EncodecModel(EncodecConfig(**case.config)).eval()
    randomise(model, generator)
    wave = inputs(case, model.config.hop_length * 300, 1000 + case.seed)
    with UnitScale(model.encoder, one_spread):
        model.encoder(wave / wave.std())
    latents = calibration_latents(model, case)
    fit_codebooks(model, latents, generator)
    tables = [layer.codebook.embed for layer in model.quantizer.layers]
    codes = residual_search(latents[0, :, :400].T, tables)[0]
    with UnitScale(model.decoder, one_spread):
        model.decoder(model.quantizer.decode(codes[:, None]))
    centre_output(model, codes)
    return model


# ---------------------------------------------------------------------------------------------
# files


def config_file(case: Case, model: EncodecModel) -> dict:
    """The config as transformers 5 writes it, or as the first published checkpoints have it."""
    written = json.loads(model.config.to_json_string())
    written["architectures"] = ["EncodecModel"]
    dtype = str(case.dtype).removeprefix("torch.")
    if case.spelling == "v5":
        written["dtype"] = dtype
        return dict(sorted(written.items()))
    written.update(torch_dtype=dtype, transformers_version="4.31.0.dev0")
    if written["use_conv_shortcut"]:
        del written["use_conv_shortcut"]  # the key is younger than the checkpoints
    return dict(sorted(written.items()))


def stored_name(case: Case, name: str) -> str:
    return old_spelling(name) if case.spelling == "hub" else name


def write_checkpoint(case: Case, model: EncodecModel, folder: Path) -> None:
    state = model.state_dict().items()
    tensors = {stored_name(case, name): tensor.to(case.dtype) for name, tensor in state}
    write_model(folder, tensors, case.shards)
    write_json(folder / "config.json", config_file(case, model))


def reload_model(case: Case, folder: Path) -> EncodecModel:
    """The model as a reader of the files sees it, with float32 arithmetic."""
    model, info = EncodecModel.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[kind]:
            raise AssertionError(f"{case.name}: {kind}: {info[kind]}")
    stored = read_model(folder)
    for name, tensor in model.state_dict().items():
        if not torch.equal(tensor, stored[stored_name(case, name)].float()):
            raise AssertionError(f"{case.name}: {name} was not loaded as stored")
    return model.eval()


# ---------------------------------------------------------------------------------------------
# reference runs


def encode(model: EncodecModel, case: Case, wave: torch.Tensor) -> list[Encoded]:
    tables = [layer.codebook.embed for layer in model.quantizer.layers]
    found = []
    for chunk in cut(wave, case.config):
        chunk, scale = scaled(model, chunk)
        codes, margins = residual_search(model.encoder(chunk)[0].T, tables)
        found.append(Encoded(codes, margins, scale))
    return found


def encode_as_is(model: EncodecModel, case: Case, wave: torch.Tensor, levels: int) -> torch.Tensor:
    """Codes [levels, T] by the reference's own code, chunk by chunk."""
    bandwidth = case.config["target_bandwidths"][case.levels.index(levels)]
    if chunk_and_stride(case.config) is None:
        return model.encode(wave, bandwidth=bandwidth).audio_codes[0, 0]
    parts = [model._encode_frame(chunk, bandwidth)[0][0] for chunk in cut(wave, case.config)]
    return torch.cat(parts, dim=-1)


def decode(model: EncodecModel, case: Case, chunks: list[Encoded], levels: int) -> torch.Tensor:
    """Wave [C, N] from the first levels; scales go through float32, as a file would keep them."""
    dtype = model.quantizer.layers[0].codebook.embed.dtype
    parts = []
    for chunk in chunks:
        scale = None if chunk.scale is None else chunk.scale.float().to(dtype)
        parts.append(model._decode_frame(chunk.codes[None, :levels], scale)[0])
    sizes = chunk_and_stride(case.config)
    if sizes is None:
        return parts[0]
    whole = overlap_add(parts, sizes[1])
    if not crossing([part.shape[-1] for part in parts], sizes[1]):
        check_overlap(model, parts, sizes[1], whole)
    return whole


def check_overlap(
    model: EncodecModel, parts: list[torch.Tensor], stride: int, whole: torch.Tensor
) -> None:
    if not torch.equal(model._linear_overlap_add(parts, stride), whole):
        raise AssertionError("overlap-add differs from the reference's")


def channels_last(wave: torch.Tensor) -> torch.Tensor:
    """[C, N] as stored: [N] for one channel, else [N, C]."""
    return wave[0] if len(wave) == 1 else wave.T


def check_lively(model: EncodecModel, case: Case) -> None:
    wave = inputs(case, case.lengths[0], 7)
    with Spread(model, CONVOLUTIONS) as spread:
        decode(model, case, encode(model, case, wave), max(case.levels))
    spread.check(0.05, 20.0)


def chunk_tensors(i: int, chunks: list[Encoded]) -> Tensors:
    out = {f"chunks.{i}": torch.tensor([c.codes.shape[1] for c in chunks], dtype=torch.int32)}
    if chunks[0].scale is not None:
        out[f"scales.{i}"] = torch.cat([c.scale.flatten() for c in chunks]).float()
    return out


def check_frames(case: Case, wave: torch.Tensor, chunks: list[Encoded]) -> None:
    hop = math.prod(case.config["upsampling_ratios"])
    for chunk, part in zip(chunks, cut(wave, case.config), strict=True):
        if chunk.codes.shape[1] != -(-part.shape[-1] // hop):
            raise AssertionError(f"{case.name}: unexpected number of frames")


def one_input(
    case: Case, single: EncodecModel, double: EncodecModel, i: int, tally: Tally
) -> Tensors:
    wave = inputs(case, case.lengths[i], 100 * case.seed + i)
    chunks = encode(double, case, wave.double())
    check_frames(case, wave, chunks)
    codes = torch.cat([chunk.codes for chunk in chunks], dim=-1)
    margins = torch.cat([chunk.margins for chunk in chunks], dim=-1)
    levels = max(case.levels)
    decoded = decode(double, case, chunks, levels)
    tally.add_codes(codes, encode_as_is(single, case, wave, levels), margins)
    tally.add_wave(decoded, decode(single, case, chunks, levels))
    out = {
        f"wave.{i}": channels_last(wave[0]),
        f"codes.{i}": as_codes(codes),
        f"margin.{i}": margins.float(),
        f"decoded.{i}": channels_last(decoded).float(),
    }
    if chunk_and_stride(case.config) is not None:
        out.update(chunk_tensors(i, chunks))
    for fewer in case.reduced:
        if fewer in case.levels:
            tally.compare(codes[:fewer], encode_as_is(single, case, wave, fewer))
        out[f"codes.{i}.levels{fewer}"] = as_codes(codes[:fewer])
        part = decode(double, case, chunks, fewer)
        out[f"decoded.{i}.levels{fewer}"] = channels_last(part).float()
    return out


def cropped_inputs(case: Case, tensors: Tensors) -> list[int]:
    """Inputs that the reference cannot decode, because a chunk ends behind the end."""
    sizes = chunk_and_stride(case.config)
    if sizes is None:
        return []
    hop = math.prod(case.config["upsampling_ratios"])
    lengths = [(tensors[f"chunks.{i}"] * hop).tolist() for i in range(len(case.lengths))]
    return [i for i, decoded in enumerate(lengths) if crossing(decoded, sizes[1])]


def check_levels(case: Case, model: EncodecModel) -> None:
    """The bandwidths mean as many levels as the case says."""
    for bandwidth, levels in zip(case.config["target_bandwidths"], case.levels, strict=True):
        if model.quantizer.get_num_quantizers_for_bandwidth(bandwidth) != levels:
            raise AssertionError(f"{case.name}: {bandwidth} kbit/s are not {levels} levels")
    if len(model.quantizer.layers) != max(case.levels):
        raise AssertionError(f"{case.name}: unexpected number of levels")


def generate(case: Case, root: Path) -> None:
    folder = root / case.name
    write_checkpoint(case, make_model(case), folder)
    single, double = reload_model(case, folder), reload_model(case, folder).double()
    check_levels(case, single)
    check_lively(single, case)
    tally = Tally([case.config["codebook_size"]] * max(case.levels))
    tensors: Tensors = {}
    for i in range(len(case.lengths)):
        tensors.update(one_input(case, single, double, i, tally))
    cropped = cropped_inputs(case, tensors)
    if cropped != case.cropped:
        raise AssertionError(f"{case.name}: other inputs are cropped: {cropped}")
    report = {**tally.report(), "cropped_inputs": json.dumps(cropped)}
    bandwidths = dict(zip(map(str, case.config["target_bandwidths"]), case.levels, strict=True))
    report["levels_of_bandwidths"] = json.dumps(bandwidths)
    write_expected(folder, tensors, {**versions("transformers", "safetensors"), **report})
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(case.name, f"{size / 1000:.0f} kB", report, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "encodec")
    parser.add_argument("--case", action="append", help="only these cases")
    arguments = parser.parse_args()
    single_thread()
    for case in cases():
        if not arguments.case or case.name in arguments.case:
            generate(case, arguments.out)


if __name__ == "__main__":
    main()
