"""Trains the codec on one CPU thread; the same command goes on where it stopped.

The learning rate follows a wall-clock budget: it reaches zero when the budget is spent.
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

from data import SAMPLE_RATE, TEACHER_SIZE, CropSampler
from losses import SpectralLoss
from model import AudioTokenizer
from quantize import EARLY_DECAY, LATE_DECAY, fit_quantizer, quantize, spread_loss

HERE = Path(__file__).resolve().parent
LATENT_CHANNELS = 64
START_BATCHES = 40  # batches of latents that k-means sees
REPLACE_EVERY = 20
REFIT_BATCHES = 700  # likewise for the second k-means
GUIDE_FLOOR = -6.0  # of the log-mel that guides the decoder; below is silence
AVERAGE_EVERY = 5
AVERAGE_DECAY = 0.99
LOG_EVERY = 50
LOSSES = ("mel", "magnitude", "commitment", "spread", "guide", "teacher", "grad_norm")
LOG_COLUMNS = ("step", "seconds", "audio_seconds", *LOSSES, "learning_rate")


def initialise(model: AudioTokenizer) -> None:
    """Small residual branches, and latents that live in few channels at first.

    The layout has no projection around the quantiser; a norm that starts with most
    channels silent gives the codebooks a space of low dimension all the same.
    """
    for stack in (model.encoder, model.decoder, model.decoder.vocoder):
        scale = (2 * len(stack.layers)) ** -0.5
        for layer in stack.layers:
            for linear in (layer.self_attn.out_proj, layer.fc2):
                torch.nn.init.normal_(linear.weight, std=scale * linear.in_features**-0.5)
                torch.nn.init.zeros_(linear.bias)
    with torch.no_grad():
        model.encoder.down_sample_norm.weight[LATENT_CHANNELS:] = 0.0
        head = model.decoder.vocoder.head.out
        head.weight[: head.out_features // 2] *= 0.3
        head.bias[: head.out_features // 2] = -2.0


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


class MelGuide(nn.Module):
    """Reads the log-mel off the vocoder's input through one linear layer.

    It gives encoder and decoder a gradient that has not passed the vocoder's phases.
    Only training needs it; nothing of it is shipped.
    """

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.read = nn.Linear(n_mels, n_mels)

    def forward(self, coarse: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(self.read(coarse), target.transpose(1, 2))


class TeacherGuide(nn.Module):
    """Reads off a token what the teacher heard in its 40 ms, through one linear layer.

    It makes the codes keep what tells words apart before what tells recordings apart. Only
    training needs it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.read = nn.Linear(channels, 2 * TEACHER_SIZE)

    def forward(self, latents: Tensor, heard: Tensor) -> Tensor:
        return F.mse_loss(self.read(latents).view_as(heard), heard)


class Trainer:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        torch.manual_seed(args.seed)
        self.rng = np.random.default_rng(args.seed)
        self.config = json.loads(args.config.read_text())
        self.model = AudioTokenizer(self.config)
        initialise(self.model)
        self.guide = MelGuide(self.config["n_mels"])
        self.teacher = TeacherGuide(self.config["d_model"])
        self.loss = SpectralLoss(SAMPLE_RATE)
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.model, args.weight_decay)
            + parameter_groups(self.guide, 0.0)
            + parameter_groups(self.teacher, 0.0),
            lr=args.learning_rate,
            betas=(0.9, 0.96),
            fused=True,
        )
        self.average = [p.detach().clone() for p in self.model.parameters()]
        self.sampler = CropSampler(
            args.packed, int(args.crop_seconds * SAMPLE_RATE), args.real_share, args.changed_share
        )
        self.step, self.seconds, self.audio_seconds = 0, 0.0, 0.0
        self.quantizing, self.refitted, self.stopping = False, False, False
        self.start_rows: list[Tensor] = []
        self.checkpoint = args.out / "checkpoint.pt"
        args.out.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            self.restore()

    def state(self) -> dict[str, Any]:
        names = [name for name, _ in self.model.named_parameters()]
        return {
            "config": self.config,
            "model": self.model.state_dict(),
            "guide": self.guide.state_dict(),
            "teacher": self.teacher.state_dict(),
            "average": dict(zip(names, self.average, strict=True)),
            "optimizer": self.optimizer.state_dict(),
            "torch_rng": torch.get_rng_state(),
            "numpy_rng": self.rng.bit_generator.state,
            "refitted": self.refitted,
            "counters": (self.step, self.seconds, self.audio_seconds, self.quantizing),
        }

    def save(self) -> None:
        unfinished = self.checkpoint.with_suffix(".tmp")
        torch.save(self.state(), unfinished)
        os.replace(unfinished, self.checkpoint)

    def restore(self) -> None:
        state = torch.load(self.checkpoint, weights_only=False)
        self.model.load_state_dict(state["model"])
        self.guide.load_state_dict(state["guide"])
        self.teacher.load_state_dict(state["teacher"])
        self.average = list(state["average"].values())
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["torch_rng"])
        self.rng.bit_generator.state = state["numpy_rng"]
        self.step, self.seconds, self.audio_seconds, self.quantizing = state["counters"]
        self.refitted = state["refitted"]

    def progress(self) -> float:
        return min(1.0, self.seconds / self.args.budget_seconds)

    def learning_rate(self) -> float:
        warm = min(1.0, (self.step + 1) / self.args.warmup_steps)
        return self.args.learning_rate * warm * 0.5 * (1.0 + math.cos(math.pi * self.progress()))

    def quantized(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        if not self.quantizing:
            self.start_rows.append(latents.detach().flatten(0, 1))
            self.start_rows = self.start_rows[-START_BATCHES:]
            if self.step < self.args.quantize_from:
                return latents, latents.new_zeros(())
            rows = torch.cat(self.start_rows)
            fit_quantizer(self.model.encoder.quantizer, rows, from_scratch=True)
            self.quantizing, self.start_rows = True, []
        if not self.refitted and self.progress() >= self.args.refit_at:
            fit_quantizer(self.model.encoder.quantizer, self.many_latents(), from_scratch=False)
            self.refitted = True
        decay = LATE_DECAY if self.refitted else EARLY_DECAY
        replace = self.step % REPLACE_EVERY == 0 and not self.refitted
        return quantize(self.model.encoder.quantizer, latents, decay, replace)

    @torch.no_grad()
    def many_latents(self) -> Tensor:
        rows = []
        for _ in range(REFIT_BATCHES):
            wave = torch.from_numpy(self.sampler.batch(self.args.batch, self.rng)[0])
            rows.append(self.model.encoder(self.model.mel(wave)).flatten(0, 1))
        return torch.cat(rows)

    def mel_of_decoder_frames(self, wave: Tensor) -> Tensor:
        """Log-mel of the frames that the inverse transform puts its windows on."""
        front = self.model.mel
        margin = (front.nfft - front.hop) // 2
        return front.frames(F.pad(wave, (margin, margin)), center=False).clamp_min(GUIDE_FLOOR)

    def train_step(self) -> list[float]:
        batch = self.sampler.batch(self.args.batch, self.rng)
        wave, teacher_heard = (torch.from_numpy(part) for part in batch)
        with torch.no_grad():
            mel, heard = self.model.mel(wave), self.mel_of_decoder_frames(wave)
        encoded = self.model.encoder(mel)
        spread = spread_loss(encoded, self.args.spread_target)
        latents, commitment = self.quantized(encoded)
        coarse = self.model.decoder.coarse_mel(latents)
        guide_loss = self.guide(coarse, heard)
        teacher_loss = self.teacher(latents, teacher_heard)
        decoded = self.model.decoder.vocoder(coarse)
        mel_loss, magnitude_loss = self.loss(decoded, wave)
        total = mel_loss + self.args.magnitude_weight * magnitude_loss
        total = total + self.args.commitment_weight * commitment + self.args.spread_weight * spread
        total = total + self.args.guide_weight * guide_loss
        total = total + self.args.teacher_weight * teacher_loss
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.args.clip_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        if torch.isfinite(norm):
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return [
            v.detach().item()
            for v in (mel_loss, magnitude_loss, commitment, spread, guide_loss, teacher_loss, norm)
        ]

    def update_average(self) -> None:
        decay = min(AVERAGE_DECAY, self.step / (self.step + 100.0))
        torch._foreach_lerp_(self.average, [p.data for p in self.model.parameters()], 1.0 - decay)

    def log(self, sums: np.ndarray, count: int) -> None:
        path = self.args.out / "log.tsv"
        values = [f"{v:.4f}" for v in sums / count]
        row = [str(self.step), f"{self.seconds:.1f}", f"{self.audio_seconds:.0f}", *values]
        header = "" if path.exists() else "\t".join(LOG_COLUMNS) + "\n"
        with open(path, "a", encoding="utf-8") as f:
            f.write(header + "\t".join([*row, f"{self.learning_rate():.6f}"]) + "\n")

    def stop(self, *_: Any) -> None:
        """On a signal: finish the step, save, leave."""
        self.stopping = True

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        sums, count = np.zeros(len(LOSSES)), 0
        last = saved = time.monotonic()
        while self.seconds < self.args.budget_seconds and not self.stopping:
            sums += self.train_step()
            self.step, count = self.step + 1, count + 1
            self.audio_seconds += self.args.batch * self.args.crop_seconds
            now = time.monotonic()
            self.seconds, last = self.seconds + now - last, now
            if self.step % AVERAGE_EVERY == 0:
                self.update_average()
            if self.step % LOG_EVERY == 0:
                self.log(sums, count)
                sums, count = np.zeros(len(LOSSES)), 0
            if now - saved > self.args.save_every:
                self.save()
                saved = time.monotonic()
        self.save()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=HERE / "config.json")
    parser.add_argument("--packed", type=Path, default=Path("packed"))
    parser.add_argument("--out", type=Path, default=Path("run"))
    parser.add_argument("--budget-seconds", type=float, default=15000.0)
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--crop-seconds", type=float, default=0.96)
    parser.add_argument("--real-share", type=float, default=0.2)
    parser.add_argument(
        "--changed-share", type=float, default=0.5, help="crops played faster or slower"
    )
    parser.add_argument("--learning-rate", type=float, default=1.2e-3)
    parser.add_argument("--warmup-steps", type=int, default=150)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--clip-norm", type=float, default=1.0)
    parser.add_argument("--magnitude-weight", type=float, default=1.0)
    parser.add_argument("--commitment-weight", type=float, default=0.1)
    parser.add_argument("--guide-weight", type=float, default=0.7)
    parser.add_argument("--teacher-weight", type=float, default=0.5)
    parser.add_argument("--spread-weight", type=float, default=0.2)
    parser.add_argument("--spread-target", type=float, default=24.0, help="dimensions")
    parser.add_argument("--quantize-from", type=int, default=250, help="step of the k-means start")
    parser.add_argument(
        "--refit-at", type=float, default=0.75, help="share of the budget before a second k-means"
    )
    parser.add_argument("--save-every", type=float, default=180.0, help="seconds")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    Trainer(arguments()).run()


if __name__ == "__main__":
    main()
