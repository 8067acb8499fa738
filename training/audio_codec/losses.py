"""Spectral losses at several resolutions."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model import htk_filterbank

MEL_FLOOR = 1e-5
MAGNITUDE_EPS = 1e-9


class Resolution(NamedTuple):
    nfft: int
    hop: int  # always nfft / 2
    n_mels: int


# Hops of half a window are enough because every step shifts the frames by a random offset.
RESOLUTIONS = (
    Resolution(256, 128, 24),
    Resolution(512, 256, 48),
    Resolution(1024, 512, 96),
    Resolution(2048, 1024, 160),
)
MAGNITUDE_NFFT = 1024


class SpectralLoss(nn.Module):
    """L1 of log-mel spectra, and L1 of root-compressed magnitudes for what mel bands blur."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        for index, (nfft, _, n_mels) in enumerate(RESOLUTIONS):
            bank = htk_filterbank(nfft // 2 + 1, n_mels, rate, 0.0, rate / 2)
            self.register_buffer(f"bank{index}", bank, persistent=False)
            self.register_buffer(f"window{index}", torch.hann_window(nfft), persistent=False)

    def magnitudes(self, wave: Tensor, index: int, shift: int) -> Tensor:
        nfft, hop, _ = RESOLUTIONS[index]
        missing = -(wave.shape[-1] + shift) % hop
        wave = F.pad(wave, (hop + shift, hop + missing))
        # Frames of two hops each: joined halves go backward faster than `unfold`.
        halves = wave.view(wave.shape[0], -1, hop)
        frames = torch.cat((halves[:, :-1], halves[:, 1:]), dim=-1)
        spectrum = torch.fft.rfft(frames * getattr(self, f"window{index}"), dim=-1)
        real, imaginary = spectrum.real, spectrum.imag
        return (real * real + imaginary * imaginary + MAGNITUDE_EPS).sqrt()

    def log_mel(self, magnitude: Tensor, index: int) -> Tensor:
        mel = magnitude @ getattr(self, f"bank{index}")
        return mel.clamp_min(MEL_FLOOR).log()

    def forward(self, decoded: Tensor, wave: Tensor) -> tuple[Tensor, Tensor]:
        """(log-mel loss, mean over the resolutions; root-magnitude loss at one of them)."""
        mel_loss, magnitude_loss = decoded.new_zeros(()), decoded.new_zeros(())
        for index, (nfft, hop, _) in enumerate(RESOLUTIONS):
            shift = int(torch.randint(hop, ()))
            with torch.no_grad():
                target = self.magnitudes(wave, index, shift)
                target_mel = self.log_mel(target, index)
            magnitude = self.magnitudes(decoded, index, shift)
            mel_loss = mel_loss + F.l1_loss(self.log_mel(magnitude, index), target_mel)
            if nfft == MAGNITUDE_NFFT:
                magnitude_loss = F.l1_loss(magnitude.sqrt(), target.sqrt())
        return mel_loss / len(RESOLUTIONS), magnitude_loss
