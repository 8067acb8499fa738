"""Golden values of single operations: kernels/kernels.safetensors and kernels/kernels.json.

Inputs are float32. Every output is computed in float64 by torch or torchaudio, or by a few lines
written out here, and rounded to float32 once.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from golden_common import Tensors, nearest, single_thread, store, test_wave, versions, write_json
from reference_audio import hann, load_torchaudio, mel_filters, mel_magnitudes, reflect_padded, sinc_resample
from torch.nn import functional as F

RATES = [
    (44100, 24000),
    (48000, 24000),
    (16000, 24000),
    (8000, 24000),
    (24000, 16000),
    (192000, 24000),
    (22050, 24000),
]


class Book:
    """Collects tensors and the description of every entry."""

    def __init__(self) -> None:
        self.tensors: Tensors = {}
        self.entries: list[dict] = []
        self.generator = torch.Generator().manual_seed(77)

    def normal(self, *shape: int, scale: float = 1.0) -> torch.Tensor:
        return scale * torch.randn(shape, generator=self.generator)

    def add(self, name: str, operation: str, parameters: dict, **tensors: torch.Tensor) -> None:
        entry = {"name": name, "operation": operation, "parameters": parameters, "tensors": {}}
        for role, tensor in tensors.items():
            if tensor.is_floating_point():
                tensor = tensor.float()
                if not bool(torch.isfinite(tensor).all()):
                    raise ValueError(f"{name}.{role} is not finite")
            self.tensors[f"{name}.{role}"] = tensor.contiguous().clone()
            entry["tensors"][role] = list(tensor.shape)
        self.entries.append(entry)


# ---------------------------------------------------------------------------------------------
# sound


def add_resampling(book: Book) -> None:
    resample = load_torchaudio().functional.resample
    worst = 0.0
    for source, target in RATES:
        for tag, length in (("", source // 40 + 7), (".short", 5)):
            wave = torch.from_numpy(test_wave(length, source, source + target + length))
            output = resample(wave.double()[None], source, target)[0]
            own = sinc_resample(wave.double(), source, target)
            single = resample(wave[None], source, target)[0]
            if output.shape != own.shape or float((output - own).abs().max()) > 1e-12:
                raise AssertionError(f"resampling {source} -> {target}: the restatement differs")
            worst = max(worst, float((output - single).abs().max()))
            parameters = {"from": source, "to": target, "lowpass_filter_width": 6, "rolloff": 0.99}
            book.add(f"resample.{source}.{target}{tag}", "resample", parameters, input=wave, output=output)
    print(f"resampling: torchaudio's float32 differs from float64 by {worst:.2g} at most")


def add_mel(book: Book) -> None:
    transforms = load_torchaudio().transforms
    n_fft, hop, rate = 960, 240, 24000
    for n_mels in (128, 80):
        filters = mel_filters(n_fft // 2 + 1, 0.0, rate / 2, n_mels, rate)
        official = transforms.MelSpectrogram(rate, n_fft=n_fft, hop_length=hop, n_mels=n_mels, power=1.0)
        for tag, length in (("", 12 * hop + 101), (".short", 300)):
            wave = torch.from_numpy(test_wave(length, rate, n_mels + length))
            sums = mel_magnitudes(reflect_padded(wave, n_fft // 2), n_fft, n_fft, hop, filters)
            extended = F.pad(wave, (0, max(0, n_fft // 2 + 1 - length)))
            single = official(extended[None])[0].T
            if sums.shape != single.shape or float((sums - single).abs().max() / sums.abs().max()) > 2e-5:
                raise AssertionError(f"mel {n_mels}: the restatement differs")
            parameters = {"rate": rate, "n_fft": n_fft, "window": n_fft, "hop": hop, "n_mels": n_mels}
            parameters |= {"f_min": 0, "f_max": rate // 2, "power": 1, "scale": "htk", "norm": None, "floor": 1e-7}
            logs = sums.clamp(min=1e-7).log()
            name = f"mel.{n_fft}.{hop}.{n_mels}{tag}"
            book.add(name, "log_mel", parameters, input=wave, magnitude=sums, output=logs)


def add_stft(book: Book) -> None:
    for n_fft, window, hop, length in ((64, 64, 16, 400), (50, 36, 12, 301)):
        wave = torch.from_numpy(test_wave(length, 24000, n_fft))
        spectrum = torch.stft(wave.double(), n_fft, hop, window, hann(window), return_complex=True)
        parameters = {"n_fft": n_fft, "window": window, "hop": hop, "center": True, "pad_mode": "reflect"}
        parts = {"real": spectrum.real.T, "imag": spectrum.imag.T}
        book.add(f"stft.{n_fft}.{window}.{hop}", "stft", parameters, input=wave, **parts)


def overlap_add(frames: torch.Tensor, hop: int) -> torch.Tensor:
    size = frames.shape[1]
    total = torch.zeros((frames.shape[0] - 1) * hop + size, dtype=frames.dtype)
    for i, frame in enumerate(frames):
        total[i * hop : i * hop + size] += frame
    return total


def add_istft(book: Book) -> None:
    for n_fft, hop, count in ((64, 16, 21), (50, 12, 9), (32, 8, 1)):
        real, imag = book.normal(count, n_fft // 2 + 1), book.normal(count, n_fft // 2 + 1)
        spectrum = torch.complex(real.double(), imag.double())
        window = hann(n_fft)
        total = overlap_add(torch.fft.irfft(spectrum, n_fft) * window, hop)
        envelope = overlap_add(window.square().expand(count, -1), hop)
        trim = (n_fft - hop) // 2
        same = (total / envelope)[trim:-trim]
        parameters = {"n_fft": n_fft, "window": n_fft, "hop": hop}
        name = f"istft.{n_fft}.{hop}.{count}"
        book.add(f"{name}.same", "istft", {**parameters, "padding": "same"}, real=real, imag=imag, output=same)
        if count > 1:
            center = torch.istft(spectrum.T, n_fft, hop, n_fft, window, center=True)
            parameters["padding"] = "center"
            book.add(f"{name}.center", "istft", parameters, real=real, imag=imag, output=center)


# ---------------------------------------------------------------------------------------------
# convolutions


CONVOLUTIONS = [
    # channels in, out, kernel, stride, dilation, groups, left, right, mode, length, bias
    (1, 8, 7, 1, 1, 1, 6, 0, "zeros", 50, True),
    (8, 12, 4, 2, 1, 1, 2, 1, "zeros", 37, True),
    (8, 8, 3, 1, 3, 1, 6, 0, "zeros", 21, True),
    (12, 6, 5, 3, 2, 3, 4, 4, "reflect", 40, True),
    (6, 6, 3, 1, 1, 6, 2, 2, "reflect", 9, False),
    (10, 10, 4, 2, 1, 1, 2, 0, "replicate", 17, False),
    (4, 9, 6, 3, 1, 1, 3, 2, "replicate", 22, True),
    (16, 24, 1, 1, 1, 1, 0, 0, "zeros", 13, True),
    (33, 17, 3, 1, 9, 1, 9, 9, "zeros", 70, True),
    (5, 3, 10, 5, 1, 1, 5, 1, "zeros", 4, True),
    (64, 48, 3, 2, 1, 1, 1, 1, "zeros", 31, True),
]

TRANSPOSED = [
    # channels in, out, kernel, stride, groups, output padding, length, bias
    (8, 4, 4, 2, 1, 0, 19, True),
    (12, 6, 10, 5, 1, 0, 8, True),
    (16, 16, 4, 2, 16, 0, 15, False),
    (12, 12, 6, 3, 4, 0, 7, True),
    (9, 5, 3, 2, 1, 1, 11, True),
    (7, 7, 2, 2, 1, 0, 1, True),
    (48, 40, 3, 1, 1, 0, 12, True),
]


def add_convolutions(book: Book) -> None:
    for i, case in enumerate(CONVOLUTIONS):
        inside, outside, kernel, stride, dilation, groups, left, right, mode, length, biased = case
        hidden = book.normal(2, inside, length)
        weight = book.normal(outside, inside // groups, kernel, scale=1 / math.sqrt(inside // groups * kernel))
        tensors = {"input": hidden, "weight": weight}
        if biased:
            tensors["bias"] = book.normal(outside)
        padded = F.pad(hidden.double(), (left, right), mode="constant" if mode == "zeros" else mode)
        bias = tensors["bias"].double() if biased else None
        output = F.conv1d(padded, weight.double(), bias, stride=stride, dilation=dilation, groups=groups)
        parameters = {"kernel": kernel, "stride": stride, "dilation": dilation, "groups": groups}
        parameters |= {"pad_left": left, "pad_right": right, "pad_mode": mode}
        book.add(f"conv1d.{i}", "conv1d", parameters, **tensors, output=output)


def add_transposed(book: Book) -> None:
    for i, (inside, outside, kernel, stride, groups, extra, length, biased) in enumerate(TRANSPOSED):
        hidden = book.normal(2, inside, length)
        weight = book.normal(inside, outside // groups, kernel, scale=1 / math.sqrt(inside // groups))
        tensors = {"input": hidden, "weight": weight}
        if biased:
            tensors["bias"] = book.normal(outside)
        bias = tensors["bias"].double() if biased else None
        output = F.conv_transpose1d(
            hidden.double(), weight.double(), bias, stride=stride, output_padding=extra, groups=groups
        )
        parameters = {"kernel": kernel, "stride": stride, "groups": groups, "output_padding": extra}
        book.add(f"conv_transpose1d.{i}", "conv_transpose1d", parameters, **tensors, output=output)


# ---------------------------------------------------------------------------------------------
# norms and point by point operations


def add_norms(book: Book) -> None:
    for size, eps in ((24, 1e-5), (37, 1e-2)):
        hidden, weight, bias = book.normal(11, size, scale=2.0) + 1.0, book.normal(size), book.normal(size)
        output = F.layer_norm(hidden.double(), (size,), weight.double(), bias.double(), eps)
        tensors = {"input": hidden, "weight": weight, "bias": bias, "output": output}
        book.add(f"layer_norm.{size}", "layer_norm", {"eps": eps}, **tensors)
        output = F.rms_norm(hidden.double(), (size,), weight.double(), eps)
        book.add(f"rms_norm.{size}", "rms_norm", {"eps": eps}, input=hidden, weight=weight, output=output)
    offset = book.normal(3, 40, scale=0.01) + 300.0
    output = F.layer_norm(offset.double(), (40,), eps=1e-5)
    book.add("layer_norm.far_mean", "layer_norm", {"eps": 1e-5}, input=offset, output=output)
    for channels, groups, eps, length in ((10, 1, 1e-5, 33), (12, 4, 1e-6, 20), (32, 32, 1e-6, 6)):
        hidden, weight, bias = book.normal(2, channels, length) + 0.5, book.normal(channels), book.normal(channels)
        output = F.group_norm(hidden.double(), groups, weight.double(), bias.double(), eps)
        parameters = {"groups": groups, "eps": eps}
        tensors = {"input": hidden, "weight": weight, "bias": bias, "output": output}
        book.add(f"group_norm.{channels}.{groups}", "group_norm", parameters, **tensors)


def add_activations(book: Book) -> None:
    edges = torch.tensor([0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, 30.0, -30.0, 88.0, -88.0, 1e4, -1e4])
    values = torch.cat([edges, torch.linspace(-9, 9, 289), book.normal(200, scale=3.0)])
    double = values.double()
    outputs = {
        "gelu": F.gelu(double),
        "gelu_tanh": F.gelu(double, approximate="tanh"),
        "elu": F.elu(double),
        "silu": F.silu(double),
        "tanh": torch.tanh(double),
        "sigmoid": torch.sigmoid(double),
        "relu": torch.relu(double),
    }
    for name, output in outputs.items():
        book.add(f"activation.{name}", name, {}, input=values, output=output)
    rows = book.normal(9, 23, scale=4.0)
    rows[3] += 500.0
    rows[4] *= 30.0
    rows[5] = 2.0
    book.add("softmax", "softmax", {"axis": -1}, input=rows, output=torch.softmax(rows.double(), -1))


# ---------------------------------------------------------------------------------------------
# attention


def rotary_angles(positions: torch.Tensor, size: int, theta: float) -> torch.Tensor:
    """position / theta^(2i / size), in float32 as the models compute it; [T, size / 2]."""
    frequencies = 1.0 / (theta ** (torch.arange(0, size, 2, dtype=torch.float32) / size))
    return positions.float()[:, None] * frequencies


def rotate(vectors: torch.Tensor, angles: torch.Tensor, interleaved: bool) -> torch.Tensor:
    """vectors [heads, T, head size]; the first 2 * angles.shape[1] dimensions turn."""
    cos, sin = angles.double().cos(), angles.double().sin()
    half = angles.shape[1]
    out = vectors.double().clone()
    for j in range(half):
        a, b = (2 * j, 2 * j + 1) if interleaved else (j, j + half)
        first, second = vectors[..., a].double(), vectors[..., b].double()
        out[..., a] = first * cos[:, j] - second * sin[:, j]
        out[..., b] = second * cos[:, j] + first * sin[:, j]
    return out


def add_rotary(book: Book) -> None:
    for interleaved in (False, True):
        for size, turned, theta, start in ((16, 16, 10000.0, 0), (12, 12, 500.0, 40), (24, 8, 10000.0, 5)):
            vectors = book.normal(3, 20, size)
            positions = torch.arange(start, start + 20)
            output = rotate(vectors, rotary_angles(positions, turned, theta), interleaved)
            style = "interleaved" if interleaved else "half"
            parameters = {"style": style, "rotary_size": turned, "theta": theta, "first_position": start}
            book.add(f"rotary.{style}.{size}.{turned}", "rotary", parameters, input=vectors, output=output)


ATTENTION = [
    # name, query length, key length, heads, key heads, head size, left, right
    ("full", 17, 17, 3, 3, 8, -1, -1),
    ("causal", 23, 23, 4, 2, 6, -1, 0),
    ("causal_window", 40, 40, 2, 1, 10, 5, 0),
    ("window_both", 35, 35, 2, 2, 16, 4, 3),
    ("window_right", 29, 29, 2, 2, 4, -1, 2),
    ("window_left", 29, 29, 2, 2, 4, 6, -1),
    ("causal_later", 5, 21, 2, 2, 8, -1, 0),
    ("window_later", 4, 30, 6, 2, 12, 7, 0),
    ("one", 1, 1, 2, 2, 8, -1, 0),
]


def add_attention(book: Book) -> None:
    for name, queries, keys, heads, key_heads, size, left, right in ATTENTION:
        query = book.normal(heads, queries, size, scale=1.5)
        key, value = book.normal(key_heads, keys, size, scale=1.5), book.normal(key_heads, keys, size)
        offset = torch.arange(keys)[None, :] - (torch.arange(queries) + keys - queries)[:, None]
        allowed = torch.ones(queries, keys, dtype=torch.bool)
        if left >= 0:
            allowed &= offset >= -left
        if right >= 0:
            allowed &= offset <= right
        repeat = heads // key_heads
        output = F.scaled_dot_product_attention(
            query.double(),
            key.double().repeat_interleave(repeat, 0),
            value.double().repeat_interleave(repeat, 0),
            attn_mask=allowed,
        )
        parameters = {"left": left, "right": right, "scale": 1 / math.sqrt(size)}
        book.add(f"attention.{name}", "attention", parameters, query=query, key=key, value=value, output=output)


def add_search(book: Book) -> None:
    """Nearest codebook row; the second half of the table repeats rows, so the first index must win."""
    points = book.normal(40, 12)
    table = book.normal(24, 12)
    double = torch.cat([table, table[torch.randperm(24, generator=book.generator)[:8]]])
    index, margin = nearest(points.double(), table.double())
    parameters = {"distance": "squared euclidean", "ties": "lowest index"}
    tensors = {"points": points, "table": double, "output": index.to(torch.int32), "margin": margin}
    book.add("search", "search", parameters, **tensors)


# ---------------------------------------------------------------------------------------------
# what recurrent codecs and those of the DAC family add


def add_snake(book: Book) -> None:
    for tag, scale in (("", 2.0), (".large", 2000.0)):
        alpha = torch.cat([torch.tensor([1.0, 1e-3, 0.0, -0.5, 30.0]), book.normal(8).abs() + 0.05])
        hidden = book.normal(40, 13, scale=scale)
        angle = (alpha * hidden).double()  # rounded to float32 as in the model
        output = hidden.double() + (alpha.double() + 1e-9).reciprocal() * torch.sin(angle).square()
        book.add(f"snake{tag}", "snake", {}, input=hidden, alpha=alpha, output=output)


LSTMS = [
    # inputs, hidden, batch, steps
    (7, 5, 3, 11),
    (24, 24, 1, 40),
    (20, 33, 2, 17),
]


def add_lstms(book: Book) -> None:
    for inputs, hidden, batch, steps in LSTMS:
        layer = torch.nn.LSTM(inputs, hidden).double()
        tensors = {}
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            parameter = getattr(layer, f"{name}_l0")
            values = book.normal(*parameter.shape, scale=1.5 / math.sqrt(hidden))
            parameter.data = values.double()
            tensors[name] = values
        wave = book.normal(steps, batch, inputs)
        output, (_, cell) = layer(wave.double())
        book.add(f"lstm.{inputs}.{hidden}", "lstm", {}, **tensors, input=wave, output=output, cell=cell[0])


def add_frames(book: Book) -> None:
    for factor, length in ((2, 8), (5, 23)):
        hidden = book.normal(1, 6, length)
        output = F.avg_pool1d(hidden.double(), factor, factor)
        book.add(f"avg_pool1d.{factor}", "avg_pool1d", {"factor": factor}, input=hidden, output=output)
        output = hidden.double().repeat_interleave(factor, dim=-1)
        book.add(f"repeat_interleave.{factor}", "repeat_interleave", {"factor": factor}, input=hidden, output=output)


def add_cosine_search(book: Book) -> None:
    """The search of descript-audio-codec: squared distances between rows and entries of length one."""
    points, table = book.normal(40, 8, scale=3.0), book.normal(30, 8, scale=0.5)
    normal_points, normal_table = F.normalize(points.double()), F.normalize(table.double())
    index, margin = nearest(normal_points, normal_table)
    tensors = {"points": points, "table": table, "output": index.to(torch.int32), "margin": margin}
    book.add("cosine_search", "cosine_search", {"distance": "cosine"}, **tensors, normal=normal_points)


def add_long_group_norm(book: Book) -> None:
    """More positions than one slice of the sum."""
    hidden, weight, bias = book.normal(1, 12, 600) + 3.0, book.normal(12), book.normal(12)
    output = F.group_norm(hidden.double(), 2, weight.double(), bias.double(), 1e-5)
    tensors = {"input": hidden, "weight": weight, "bias": bias, "output": output}
    book.add("group_norm.12.2.long", "group_norm", {"groups": 2, "eps": 1e-5}, **tensors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "kernels")
    folder = parser.parse_args().out
    single_thread()
    load_torchaudio()
    np.seterr(all="raise")
    book = Book()
    for add in (
        add_resampling,
        add_mel,
        add_stft,
        add_istft,
        add_convolutions,
        add_transposed,
        add_norms,
        add_activations,
        add_rotary,
        add_attention,
        add_search,
        add_snake,
        add_lstms,
        add_frames,
        add_cosine_search,
        add_long_group_norm,
    ):
        add(book)
    folder.mkdir(parents=True, exist_ok=True)
    found = versions("torchaudio", "safetensors")
    store(book.tensors, folder / "kernels.safetensors", found)
    write_json(folder / "kernels.json", {"versions": found, "entries": book.entries})
    size = (folder / "kernels.safetensors").stat().st_size
    print(f"{len(book.entries)} entries, {size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
