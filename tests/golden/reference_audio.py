"""Audio operations for the references: torchaudio's own, and float64 restatements of its formulas."""

from __future__ import annotations

import math
from types import ModuleType

import torch


def load_torchaudio() -> ModuleType:
    """Imports torchaudio even if it was built for another minor version of CUDA than torch.

    Only its pure Python parts are used here.
    """
    own_version = torch.version.cuda
    try:
        import torchaudio
    except RuntimeError:
        torch.version.cuda = "13.0"
        try:
            import torchaudio
        finally:
            torch.version.cuda = own_version
    return torchaudio


def hertz_to_mel(hertz: float) -> float:
    return 2595.0 * math.log10(1.0 + hertz / 700.0)


def mel_filters(bins: int, f_min: float, f_max: float, n_mels: int, rate: int) -> torch.Tensor:
    """HTK triangles without area normalisation, [bins, n_mels], float64."""
    frequencies = torch.linspace(0, rate // 2, bins, dtype=torch.float64)
    mels = torch.linspace(hertz_to_mel(f_min), hertz_to_mel(f_max), n_mels + 2, dtype=torch.float64)
    points = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    filters = torch.zeros((bins, n_mels), dtype=torch.float64)
    for band in range(n_mels):
        low, middle, high = points[band : band + 3]
        rising = (frequencies - low) / (middle - low)
        falling = (high - frequencies) / (high - middle)
        filters[:, band] = torch.minimum(rising, falling).clamp(min=0)
    if bool((filters.amax(0) <= 0).any()):
        raise ValueError("a mel band holds no frequency bin")
    return filters


def frames_of(wave: torch.Tensor, n_fft: int, hop: int) -> torch.Tensor:
    return wave.unfold(-1, n_fft, hop)


def hann(length: int) -> torch.Tensor:
    """Periodic Hann window, float64."""
    return 0.5 - 0.5 * torch.cos(2.0 * math.pi * torch.arange(length, dtype=torch.float64) / length)


def mel_magnitudes(wave: torch.Tensor, n_fft: int, window: int, hop: int, filters: torch.Tensor) -> torch.Tensor:
    """Mel sums of magnitudes of [L] as [frames, n_mels], float64, with no padding of its own.

    A window shorter than n_fft stands in the middle of the frame.
    """
    taper = torch.zeros(n_fft, dtype=torch.float64)
    left = (n_fft - window) // 2
    taper[left : left + window] = hann(window)
    spectrum = torch.fft.rfft(frames_of(wave.double(), n_fft, hop) * taper)
    return spectrum.abs() @ filters


def reflect_padded(wave: torch.Tensor, pad: int) -> torch.Tensor:
    """Mirror padding of both ends; a wave too short for it is first extended by zeros."""
    if wave.shape[-1] < pad + 1:
        wave = torch.cat([wave, wave.new_zeros(pad + 1 - wave.shape[-1])])
    left = wave[1 : pad + 1].flip(0)
    right = wave[-pad - 1 : -1].flip(0)
    return torch.cat([left, wave, right])


def sinc_resample(wave: torch.Tensor, source: int, target: int) -> torch.Tensor:
    """Hann windowed sinc, width 6, rolloff 0.99, float64; output has ceil(L * target / source) samples."""
    common = math.gcd(source, target)
    source, target = source // common, target // common
    base = min(source, target) * 0.99
    width = math.ceil(6 * source / base)
    taps = torch.arange(-width, width + source, dtype=torch.float64) / source
    phases = torch.arange(0, -target, -1, dtype=torch.float64)[:, None] / target
    t = ((phases + taps) * base).clamp(-6, 6)
    kernel = torch.sinc(t) * torch.cos(t * math.pi / 12).square() * (base / source)
    padded = torch.cat([wave.new_zeros(width), wave, wave.new_zeros(width + source)]).double()
    rows = padded.unfold(0, kernel.shape[1], source) @ kernel.T
    return rows.reshape(-1)[: math.ceil(target * wave.shape[-1] / source)]
