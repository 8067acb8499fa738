"""Golden values of intelligibility: stoi/stoi.safetensors.

The reference is the Python package pystoi. `synthetic.RATE.SAMPLES` are signals that the test makes again from
integers; `speech` and `speech.degraded` are stored, as float16, which widens exactly. `resample.RATE` is the package's
way to 10 kHz.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch
from golden_common import store, test_wave, versions
from pystoi import stoi
from pystoi.utils import resample_oct

HERE = Path(__file__).resolve().parent
CASES = [(8000, 12000), (10000, 15001), (16000, 24100), (22050, 40000), (24000, 31000), (32000, 70000), (44100, 60000),
         (48000, 100003)]


def random_values(seed: int):
    """A linear congruential generator's upper bits, in [-0.5, 0.5)."""
    state = seed
    while True:
        state = (state * 1664525 + 1013904223) % 2**32
        yield (state >> 16) / 65536 - 0.5


def synthetic(rate: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Red noise in syllables of an eighth of a second, each third one a pause; a copy with noise and clipping."""
    values = random_values(rate)
    syllable = rate // 8
    x, y = np.zeros(samples, np.float32), np.zeros(samples, np.float32)
    red = 0.0
    for i in range(samples):
        place = i % syllable / syllable
        level = 0.0002 if i // syllable % 3 == 2 else place * (1 - place)
        red = 0.75 * red + next(values)
        x[i] = level * red
        y[i] = min(max(x[i] + 0.4 * next(values), -0.125), 0.125)
    return x, y


def degraded(speech: np.ndarray) -> np.ndarray:
    """Muffled, then noise at 5 dB below the speech."""
    generator = np.random.Generator(np.random.PCG64(5))
    muffled = np.convolve(speech, np.ones(8) / 8)[: len(speech)]
    return muffled + 0.56 * speech.std() * generator.standard_normal(len(speech))


def main() -> None:
    tensors = {}
    for rate, samples in CASES:
        x, y = synthetic(rate, samples)
        tensors[f"synthetic.{rate}.{samples}"] = torch.tensor([stoi(x.astype(float), y.astype(float), rate)])
    speech, rate = soundfile.read(HERE.parents[1] / "samples/media/speech.flac", start=8000, frames=40000)
    pair = [torch.tensor(wave).half() for wave in (speech, degraded(speech))]
    tensors["speech"], tensors["speech.degraded"] = pair
    x, y = (wave.double().numpy() for wave in pair)
    tensors["speech.stoi"] = torch.tensor([stoi(x, y, rate)])
    for rate in (8000, 16000, 24000, 44100):
        wave = test_wave(701, rate, seed=rate)
        tensors[f"resample.{rate}.input"] = torch.tensor(wave)
        tensors[f"resample.{rate}.output"] = torch.tensor(resample_oct(wave.astype(float), 10000, rate))
    tensors = {name: t if t.dtype == torch.float16 else t.float() for name, t in tensors.items()}
    folder = HERE / "stoi"
    folder.mkdir(exist_ok=True)
    store(tensors, folder / "stoi.safetensors", versions("pystoi", "scipy", "soundfile"))
    for name, tensor in tensors.items():
        print(name, list(tensor.shape) if len(tensor) > 1 else tensor.item())


if __name__ == "__main__":
    main()
