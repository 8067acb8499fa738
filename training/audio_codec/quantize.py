"""Learning side of the residual quantiser: k-means start, moving averages, dead rows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from model import Codebook, ResidualQuantizer

EARLY_DECAY = 0.99
LATE_DECAY = 0.998  # after the second k-means: rows that average over more are less noisy
DEAD_SHARE = 0.1  # of the use that all rows would have if used alike
KMEANS_ROUNDS = 12


def sample_rows(rows: Tensor, count: int) -> Tensor:
    if len(rows) >= count:
        return rows[torch.randperm(len(rows))[:count]]
    return rows[torch.randint(len(rows), (count,))]


def sums_by_code(rows: Tensor, index: Tensor, size: int) -> tuple[Tensor, Tensor]:
    sums = rows.new_zeros(size, rows.shape[1]).index_add_(0, index, rows)
    return sums, torch.bincount(index, minlength=size).to(rows.dtype)


def improve_book(book: Codebook, rows: Tensor) -> None:
    """Lloyd's rounds from the present rows; rows without any use start again somewhere."""
    size = len(book.embed)
    for _ in range(KMEANS_ROUNDS):
        sums, counts = sums_by_code(rows, book.nearest(rows), size)
        means = sums / counts.clamp_min(1.0)[:, None]
        book.embed.copy_(torch.where(counts[:, None] > 0, means, sample_rows(rows, size)))
    share = (counts / counts.sum()).clamp_min(DEAD_SHARE / size)
    book.cluster_size.copy_(share)
    book.embed_avg.copy_(book.embed * share[:, None])
    book.inited.fill_(1.0)


@torch.no_grad()
def fit_quantizer(quantizer: ResidualQuantizer, rows: Tensor, from_scratch: bool) -> None:
    for book in quantizer.books:
        replaced = book.cluster_size < DEAD_SHARE / len(book.embed)
        if from_scratch:
            replaced = torch.ones_like(replaced)
        book.embed[replaced] = sample_rows(rows, int(replaced.sum()))
        improve_book(book, rows)
        rows = rows - book.embed[book.nearest(rows)]


@torch.no_grad()
def follow(book: Codebook, rows: Tensor, index: Tensor, decay: float) -> None:
    """Moves the rows of the codebook towards what was assigned to them."""
    sums, counts = sums_by_code(rows, index, len(book.embed))
    share = 1.0 / len(rows)
    book.cluster_size.mul_(decay).add_(counts * share, alpha=1.0 - decay)
    book.embed_avg.mul_(decay).add_(sums * share, alpha=1.0 - decay)
    book.embed.copy_(book.embed_avg / book.cluster_size.clamp_min(1e-7)[:, None])


@torch.no_grad()
def replace_dead(book: Codebook, rows: Tensor) -> int:
    """Rows hardly used are put on current residuals, with the use of an average row."""
    mean_use = 1.0 / len(book.embed)
    dead = (book.cluster_size < DEAD_SHARE * mean_use).nonzero().flatten()
    if len(dead) == 0:
        return 0
    fresh = sample_rows(rows, len(dead))
    book.embed[dead] = fresh
    book.embed_avg[dead] = fresh * mean_use
    book.cluster_size[dead] = mean_use
    return len(dead)


def spread_loss(latents: Tensor, target: float) -> Tensor:
    """Positive while the latents live in fewer than `target` dimensions.

    The participation ratio tr(C)^2 / tr(C^2) of their covariance counts the directions
    in use. Without this term commitment shrinks them to four or five, which four
    codebooks follow almost without error: bits are then paid for and not used.
    """
    rows = latents.flatten(0, 1)
    rows = rows - rows.mean(dim=0)
    covariance = rows.t() @ rows
    ratio = covariance.diagonal().sum().square() / covariance.square().sum()
    return (target / ratio).log().clamp_min(0.0)


def quantize(
    quantizer: ResidualQuantizer, latents: Tensor, decay: float, replace: bool
) -> tuple[Tensor, Tensor]:
    """Straight-through quantised latents [B, T, C] and the commitment loss."""
    rows = latents.reshape(-1, latents.shape[-1])
    residual, total = rows, torch.zeros_like(rows)
    commitment = latents.new_zeros(())
    for book in quantizer.books:
        current = residual.detach()
        index = book.nearest(current)
        chosen = book.embed[index]
        commitment = commitment + F.mse_loss(residual, chosen)
        residual, total = residual - chosen, total + chosen
        follow(book, current, index, decay)
        if replace:
            replace_dead(book, current)
    quantized = rows + (total - rows).detach()
    return quantized.view_as(latents), commitment / len(quantizer.books)
