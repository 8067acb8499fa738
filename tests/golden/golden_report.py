"""Counts what the metadata of a codec case says about its reference runs."""

from __future__ import annotations

import torch
from golden_common import decibels, first_mismatches, used_share

NEAR_TIE = 1e-4


class Tally:
    """Collects codes, margins and waves of all inputs of a case; codes are [levels, T]."""

    def __init__(self, entries: list[int]) -> None:
        self.entries = entries
        self.codes: list[list[torch.Tensor]] = [[] for _ in entries]
        self.differing = 0
        self.worst = float("inf")
        self.least = float("inf")
        self.ties = 0

    def add_codes(self, codes: torch.Tensor, single: torch.Tensor, margins: torch.Tensor,
                  level: int = 0) -> None:
        """`single` are the codes of the float32 run; `level` is the first row's."""
        self.differing += first_mismatches(codes, single)
        self.least = min(self.least, float(margins.min()))
        self.ties += int((margins < NEAR_TIE).sum())
        for row, values in enumerate(codes):
            self.codes[level + row].append(values)

    def compare(self, codes: torch.Tensor, single: torch.Tensor) -> None:
        """Counts differences only."""
        self.differing += first_mismatches(codes, single)

    def add_wave(self, decoded: torch.Tensor, single: torch.Tensor) -> None:
        self.worst = min(self.worst, decibels(decoded, single))

    def shares(self) -> list[float]:
        return [
            used_share([torch.cat(rows)[None]], [size])[0]
            for rows, size in zip(self.codes, self.entries, strict=True)
        ]

    def report(self) -> dict[str, str]:
        share = min(self.shares())
        if share < 0.4:
            raise AssertionError(f"codebooks hardly used: {self.shares()}")
        return {
            "codes": str(sum(values.numel() for rows in self.codes for values in rows)),
            "float32_frames_that_differ": str(self.differing),
            "float32_decode_db": f"{self.worst:.1f}",
            "least_margin": f"{self.least:.3g}",
            "margins_below_1e-4": str(self.ties),
            "least_used_share": f"{share:.2f}",
        }
