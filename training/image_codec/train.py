"""Trains the codec on one CPU thread; the same command goes on where it stopped.

Learning rate and stages follow a wall-clock budget: the rate reaches zero when it is spent.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compose import CropSampler
from data import SIZE
from model import AttnBlock, ResnetBlock, VQModel
from muon import Muon
from quantize import CodebookLearner

HERE = Path(__file__).resolve().parent
CROP = 64
START_ROWS = 60_000  # latents that the first k-means sees
KMEANS_ROUNDS = 8
SLEEPING_LEVELS = 1  # of the highest resolution
REPLACE_EVERY = 20
AVERAGE_DECAY = 0.995
LOG_EVERY = 25
SAVE_SECONDS = 180.0
LOSSES = ("mse", "l1", "slope", "commitment", "grad_norm")
LOG_COLUMNS = ("step", "seconds", "cpu_seconds", "megapixels", *LOSSES, "psnr", "used", "rate")


def initialise(model: VQModel) -> None:
    """Residual branches start silent, so that each block begins as its shortcut; all other
    layers keep the variance of what passes."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
            nn.init.zeros_(module.bias)
    for module in model.modules():
        silent = {ResnetBlock: "conv2", AttnBlock: "proj_out"}.get(type(module))
        if silent:
            nn.init.zeros_(getattr(module, silent).weight)
            nn.init.zeros_(getattr(module, silent).bias)


def costly_blocks(model: VQModel) -> list[ResnetBlock]:
    """Blocks at high resolution: most of the work of a step and little of what a codec needs
    at first."""
    levels = [*model.encoder.conv_blocks[:SLEEPING_LEVELS]]
    levels += model.decoder.conv_blocks[-SLEEPING_LEVELS:]
    return [block for level in levels for block in level.res]


def inner_weights(model: VQModel) -> list[nn.Parameter]:
    """Convolutions between the first and the last of each half: those that Muon moves."""
    outer = ("conv_in", "conv_out", "quant_conv", "post_quant_conv")
    named = model.named_parameters()
    return [p for n, p in named if p.ndim == 4 and n.split(".")[-2] not in outer]


def put_to_sleep(blocks: list[ResnetBlock]) -> None:
    for block in blocks:
        block.forward = block.shortcut


def wake(blocks: list[ResnetBlock]) -> None:
    for block in blocks:
        block.__dict__.pop("forward", None)


def slope_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """L1 of the differences of neighbouring pixels: edges stay sharp."""
    error = found - wanted
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()


class Trainer:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        torch.manual_seed(args.seed)
        self.rng = np.random.default_rng(args.seed)
        self.config = json.loads(args.config.read_text())
        self.model = VQModel(self.config)
        initialise(self.model)
        self.model.to(memory_format=torch.channels_last)
        self.learner = CodebookLearner(self.model.quantize)
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        inner = inner_weights(self.model)
        rest = [p for p in self.trained if all(p is not w for w in inner)]
        self.optimizers = [
            Muon(inner, momentum=0.95, weight_decay=args.weight_decay),
            torch.optim.AdamW(rest, lr=0.0, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
        ]
        self.average = [p.detach().clone() for p in self.trained]
        self.sampler = CropSampler(args.packed)
        self.step, self.seconds, self.cpu_seconds, self.megapixels = 0, 0.0, 0.0, 0.0
        self.quantizing, self.stopping = False, False
        self.start_rows: list[Tensor] = []
        self.checkpoint = args.out / "checkpoint.pt"
        args.out.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            self.restore()

    def state(self) -> dict[str, Any]:
        names = [n for n, p in self.model.named_parameters() if p.requires_grad]
        return {
            "config": self.config,
            "model": self.model.state_dict(),
            "average": dict(zip(names, self.average, strict=True)),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "learner": self.learner.state(),
            "torch_rng": torch.get_rng_state(),
            "numpy_rng": self.rng.bit_generator.state,
            "counters": (self.step, self.seconds, self.cpu_seconds, self.megapixels),
            "quantizing": self.quantizing,
        }

    def save(self) -> None:
        unfinished = self.checkpoint.with_suffix(".tmp")
        torch.save(self.state(), unfinished)
        os.replace(unfinished, self.checkpoint)

    def restore(self) -> None:
        state = torch.load(self.checkpoint, weights_only=False)
        self.model.load_state_dict(state["model"])
        self.average = list(state["average"].values())
        for optimizer, kept in zip(self.optimizers, state.get("optimizers", []), strict=False):
            optimizer.load_state_dict(kept)
        self.learner.restore(state["learner"])
        torch.set_rng_state(state["torch_rng"])
        self.rng.bit_generator.state = state["numpy_rng"]
        self.step, self.seconds, self.cpu_seconds, self.megapixels = state["counters"]
        self.quantizing = state["quantizing"]

    def progress(self) -> float:
        return min(1.0, self.seconds / self.args.budget_seconds)

    def learning_rate(self) -> float:
        warm = min(1.0, (self.step + 1) / self.args.warmup_steps)
        return self.args.learning_rate * warm * 0.5 * (1.0 + math.cos(math.pi * self.progress()))

    def batch(self) -> Tensor:
        whole = self.progress() >= self.args.whole_at
        size, count = (SIZE, self.args.batch // 4) if whole else (CROP, self.args.batch)
        pictures = torch.from_numpy(self.sampler.batch(count, size, self.rng).astype(np.float32))
        return pictures.to(memory_format=torch.channels_last)

    def quantized(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        if not self.quantizing:
            if self.progress() < self.args.quantize_at:
                self.keep_rows(latents.detach().flatten(0, -2))
                return latents, latents.new_zeros(())
            self.learner.fit(torch.cat(self.start_rows), KMEANS_ROUNDS)
            self.quantizing, self.start_rows = True, []
        quantized = self.learner.quantized(latents)
        if self.step % REPLACE_EVERY == 0 and self.progress() < 0.9:
            self.learner.move_unused(latents.detach().flatten(0, -2))
        return quantized

    def keep_rows(self, rows: Tensor) -> None:
        self.start_rows.append(rows)
        while sum(len(r) for r in self.start_rows[1:]) > START_ROWS:
            self.start_rows.pop(0)

    def train_step(self) -> dict[str, float]:
        pictures = self.batch()
        latents, commitment = self.quantized(self.model.latents(pictures))
        found = self.model.pictures(latents)
        mse, l1 = F.mse_loss(found, pictures), F.l1_loss(found, pictures)
        slope = slope_loss(found, pictures)
        total = self.args.mse_weight * mse + self.args.l1_weight * l1
        total = total + self.args.slope_weight * slope + self.args.commitment_weight * commitment
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.trained, self.args.clip_norm)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate()
            if torch.isfinite(norm):
                optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.megapixels += pictures.numel() / 3e6
        values = (mse, l1, slope, commitment, norm)
        return dict(zip(LOSSES, (v.detach().item() for v in values), strict=True))

    def update_average(self) -> None:
        decay = min(AVERAGE_DECAY, self.step / (self.step + 50.0))
        torch._foreach_lerp_(self.average, [p.data for p in self.trained], 1.0 - decay)

    def log(self, losses: list[dict[str, float]]) -> None:
        mean = {name: float(np.mean([row[name] for row in losses])) for name in LOSSES}
        psnr = float(np.mean([10.0 * math.log10(4.0 / row["mse"]) for row in losses]))
        used = float((self.learner.use > 0.1 / len(self.learner.use)).float().mean())
        row = [self.step, round(self.seconds), round(self.cpu_seconds), round(self.megapixels, 1)]
        row += [f"{mean[n]:.5f}" for n in LOSSES]
        row += [f"{psnr:.2f}", f"{used:.3f}", f"{self.learning_rate():.2e}"]
        path = self.args.out / "log.tsv"
        lines = [] if path.exists() else ["\t".join(LOG_COLUMNS)]
        with open(path, "a", encoding="utf-8") as f:
            f.write("\n".join([*lines, "\t".join(str(v) for v in row)]) + "\n")

    def stop(self, *_: object) -> None:
        self.stopping = True

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        put_to_sleep(costly_blocks(self.model))
        losses: list[dict[str, float]] = []
        saved = time.monotonic()
        while not self.stopping and self.progress() < 1.0:
            if self.progress() >= self.args.wake_at:
                wake(costly_blocks(self.model))
            start, cpu_start = time.monotonic(), time.process_time()
            losses.append(self.train_step())
            self.step += 1
            self.update_average()
            self.seconds += time.monotonic() - start
            self.cpu_seconds += time.process_time() - cpu_start
            if self.step % LOG_EVERY == 0:
                self.log(losses)
                losses = []
            if time.monotonic() - saved > SAVE_SECONDS:
                self.save()
                saved = time.monotonic()
        self.save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packed", type=Path, default=Path("packed"))
    parser.add_argument("--config", type=Path, default=HERE / "config.json")
    parser.add_argument("--out", type=Path, default=Path("run"))
    parser.add_argument("--budget-seconds", type=float, default=4200.0)
    parser.add_argument("--quantize-at", type=float, default=0.18, help="share of the budget")
    parser.add_argument("--wake-at", type=float, default=0.45, help="likewise: all blocks work")
    parser.add_argument("--whole-at", type=float, default=0.85, help="likewise: no crops any more")
    parser.add_argument("--batch", type=int, default=16, help="crops a step, a quarter if whole")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--warmup-steps", type=int, default=50)
    parser.add_argument("--weight-decay", type=float, default=1e-3)
    parser.add_argument("--clip-norm", type=float, default=1.0)
    parser.add_argument("--mse-weight", type=float, default=2.0)
    parser.add_argument("--l1-weight", type=float, default=0.5)
    parser.add_argument("--slope-weight", type=float, default=0.25)
    parser.add_argument("--commitment-weight", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    Trainer(args).run()


if __name__ == "__main__":
    main()
