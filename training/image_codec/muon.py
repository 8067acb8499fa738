"""Muon (K. Jordan, 2024): momentum whose singular values are all made about one.

For weight matrices inside a network, convolutions flattened to [outputs, rest]. The step is
scaled to the size that AdamW's would have (J. Liu et al., 2025), so both share one learning rate.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

ROUNDS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration, from Jordan's note
LIKE_ADAMW = 0.2


def orthogonalised(matrix: Tensor) -> Tensor:
    """Newton-Schulz iteration; accurate to about a third, which is enough."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    def __init__(self, weights: Iterable[Tensor], momentum: float, weight_decay: float) -> None:
        defaults = {"lr": 0.0, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(weights, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self.move(weight, group)

    def move(self, weight: Tensor, group: dict[str, float]) -> None:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(weight.grad, 1.0 - group["momentum"])
        ahead = weight.grad.lerp(state["momentum"], group["momentum"])
        matrix = ahead.reshape(len(weight), -1)
        size = LIKE_ADAMW * max(matrix.shape) ** 0.5
        weight.mul_(1.0 - group["lr"] * group["weight_decay"])
        weight.add_(orthogonalised(matrix).view(weight.shape), alpha=-group["lr"] * size)
