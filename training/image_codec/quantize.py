"""How the codebook learns: k-means start, moving averages, dead rows replaced."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from model import Quantizer

DECAY = 0.99
DEAD_SHARE = 0.03  # of the use that all rows would have if used alike
CHUNK = 4096  # latents searched at a time


def sample_rows(rows: Tensor, count: int) -> Tensor:
    return rows[
        torch.randperm(len(rows))[:count]
        if len(rows) >= count
        else torch.randint(len(rows), (count,))
    ]


def sums_by_code(rows: Tensor, codes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    sums = rows.new_zeros(size, rows.shape[1]).index_add_(0, codes, rows)
    return sums, torch.bincount(codes, minlength=size).to(rows.dtype)


class CodebookLearner:
    """Holds the moving averages; the codebook itself stays on the unit sphere."""

    def __init__(self, quantizer: Quantizer) -> None:
        self.quantizer = quantizer
        self.book = quantizer.embedding.weight
        self.book.requires_grad_(False)
        size = len(self.book)
        self.use = torch.full((size,), 1.0 / size)
        self.sums = self.book / size

    def state(self) -> dict[str, Tensor]:
        return {"use": self.use, "sums": self.sums}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.use, self.sums = state["use"], state["sums"]

    def nearest(self, rows: Tensor) -> Tensor:
        return torch.cat([self.quantizer.nearest(part) for part in rows.split(CHUNK)])

    @torch.no_grad()
    def fit(self, rows: Tensor, rounds: int) -> None:
        """Spherical k-means."""
        size = len(self.book)
        self.book.copy_(sample_rows(rows, size))
        for _ in range(rounds):
            sums, counts = sums_by_code(rows, self.nearest(rows), size)
            used = counts[:, None] > 0
            self.book.copy_(torch.where(used, F.normalize(sums, dim=1), sample_rows(rows, size)))
        self.use = (counts / len(rows)).clamp_min(DEAD_SHARE / size)
        self.sums = self.book * self.use[:, None]

    @torch.no_grad()
    def follow(self, rows: Tensor, codes: Tensor) -> None:
        sums, counts = sums_by_code(rows, codes, len(self.book))
        self.use.mul_(DECAY).add_(counts / len(rows), alpha=1.0 - DECAY)
        self.sums.mul_(DECAY).add_(sums / len(rows), alpha=1.0 - DECAY)
        self.book.copy_(F.normalize(self.sums, dim=1))

    @torch.no_grad()
    def move_unused(self, rows: Tensor) -> None:
        size = len(self.book)
        dead = (self.use < DEAD_SHARE / size).nonzero()[: len(rows) // 4, 0]
        self.book[dead] = sample_rows(rows, len(dead))
        self.use[dead] = 1.0 / size
        self.sums[dead] = self.book[dead] / size

    def quantized(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Straight-through rows for the latents [..., D], and the commitment loss."""
        rows = latents.detach().flatten(0, -2)
        codes = self.nearest(rows)
        chosen = self.quantizer.rows()[codes].view_as(latents)
        self.follow(rows, codes)
        commitment = F.mse_loss(latents, chosen, reduction="sum") / len(rows)
        return latents + (chosen - latents).detach(), commitment
