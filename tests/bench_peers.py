#!/usr/bin/env python3
"""Encode and decode times beside other programs', in one run on one machine.

Checkpoints have the sizes of the public ones and random weights (times do not depend on them); they
are made once in --cache. Every figure is the best of --repeats; ours and the peer's take turns, since
a machine's speed changes. `others` is the share of the CPUs that other processes used meanwhile:
with more than a few percent the row says little.

    python tests/bench_peers.py --program build/tessera --json peers.json
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

Runner = Callable[[torch.Tensor], Any]


@dataclass
class Peer:
    """How a reference encodes [1, channels, samples or rows, columns] and decodes what it encoded."""

    name: str
    encode: Runner
    decode: Runner


@dataclass
class Family:
    name: str
    sample_rate: int
    make: Callable[[Path], None]
    peers: Callable[[Path], list[Peer]]
    channels: int = 1
    picture: int = 0  # the side of a picture; figures are pictures a second then


def save_transformers(model: Any, folder: Path) -> None:
    model.save_pretrained(folder)


def transformers_model(kind: str, **config: Any) -> Any:
    transformers = importlib.import_module("transformers")
    settings = getattr(transformers, f"{kind}Config")(**config)
    return getattr(transformers, f"{kind}Model")(settings).eval()


def load(kind: str, folder: Path) -> Any:
    return getattr(importlib.import_module("transformers"), f"{kind}Model").from_pretrained(folder).eval()


def mimi_peers(folder: Path) -> list[Peer]:
    model = load("Mimi", folder)
    encode = lambda wave: model.encode(wave).audio_codes  # noqa: E731
    return [Peer("transformers", encode, lambda codes: model.decode(codes).audio_values)]


def encodec_peers(folder: Path) -> list[Peer]:
    model = load("Encodec", folder)
    bandwidth = model.config.target_bandwidths[-1]

    def encode(wave: torch.Tensor) -> Any:
        encoded = model.encode(wave, bandwidth=bandwidth)
        return encoded.audio_codes, encoded.audio_scales

    return [Peer("transformers", encode, lambda e: model.decode(*e).audio_values)]


def dac_peers(folder: Path) -> list[Peer]:
    model = load("Dac", folder)
    encode = lambda wave: model.encode(wave).audio_codes  # noqa: E731
    decode = lambda codes: model.decode(audio_codes=codes).audio_values  # noqa: E731
    return [Peer("transformers", encode, decode)]


def make_janus(folder: Path) -> None:
    from transformers import JanusVQVAE
    from transformers.models.janus.configuration_janus import JanusVQVAEConfig

    JanusVQVAE(JanusVQVAEConfig(num_patches=16)).save_pretrained(folder)


def janus_peers(folder: Path) -> list[Peer]:
    from transformers import JanusVQVAE

    model = JanusVQVAE.from_pretrained(folder).eval()
    encode = lambda picture: model.encode(picture).image_tokens.view(1, -1)  # noqa: E731
    return [Peer("transformers", encode, model.decode)]


SNAC_24 = {
    "sampling_rate": 24000,
    "encoder_dim": 48,
    "encoder_rates": [2, 4, 8, 8],
    "decoder_dim": 1024,
    "decoder_rates": [8, 8, 4, 2],
    "attn_window_size": None,
    "codebook_size": 4096,
    "codebook_dim": 8,
    "vq_strides": [4, 2, 1],
    "noise": True,
    "depthwise": True,
}


def snac_model() -> Any:
    torch.manual_seed(0)
    return importlib.import_module("snac").SNAC(**SNAC_24).eval()


def make_snac(folder: Path) -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.contiguous() for name, tensor in snac_model().state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(SNAC_24))


def snac_peers(_: Path) -> list[Peer]:
    model = snac_model()
    return [Peer("snac", model.encode, model.decode)]


ENCODEC_48 = {
    "sampling_rate": 48000,
    "audio_channels": 2,
    "normalize": True,
    "chunk_length_s": 1.0,
    "overlap": 0.01,
    "norm_type": "time_group_norm",
    "use_causal_conv": False,
    "target_bandwidths": [3.0, 6.0, 12.0, 24.0],
}

FAMILIES = (
    Family("mimi", 24000, lambda f: save_transformers(transformers_model("Mimi"), f), mimi_peers),
    Family(
        "encodec-24k", 24000, lambda f: save_transformers(transformers_model("Encodec"), f), encodec_peers
    ),
    Family(
        "encodec-48k",
        48000,
        lambda f: save_transformers(transformers_model("Encodec", **ENCODEC_48), f),
        encodec_peers,
        channels=2,
    ),
    Family(
        "dac-24k",
        24000,
        lambda f: save_transformers(
            transformers_model(
                "Dac",
                downsampling_ratios=[2, 4, 5, 8],
                upsampling_ratios=[8, 5, 4, 2],
                n_codebooks=32,
                sampling_rate=24000,
            ),
            f,
        ),
        dac_peers,
    ),
    Family("snac-24k", 24000, make_snac, snac_peers),
    Family("janus-vq16", 0, make_janus, janus_peers, channels=3, picture=256),
)


def busy_seconds() -> float:
    """CPU seconds of the whole machine so far."""
    with open("/proc/stat", encoding="ascii") as f:
        ticks = [int(v) for v in f.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def wave_file(family: Family, seconds: float, cache: Path) -> tuple[Path, np.ndarray]:
    import soundfile

    count = int(seconds * family.sample_rate)
    t = np.arange(count) / family.sample_rate
    tone = 0.2 * np.sin(2 * np.pi * (150 * t + 8 * np.sin(t))) + 0.1 * np.sin(2 * np.pi * 450 * t)
    noise = np.random.default_rng(1).standard_normal((family.channels, count)) * 0.01
    wave = (tone + noise).astype(np.float32)
    path = cache / f"{family.sample_rate}x{family.channels}.wav"
    soundfile.write(path, wave.T, family.sample_rate, subtype="FLOAT")
    return path, wave


def input_of(family: Family, args: argparse.Namespace) -> tuple[list[Path], np.ndarray]:
    """Files for us, if we are to have any, and what the peers read."""
    if family.picture:  # times do not depend on what is in a picture
        return [], np.random.default_rng(1).uniform(-1, 1, (3, family.picture, family.picture)).astype(np.float32)
    path, wave = wave_file(family, args.seconds, args.cache)
    return [path], wave


def time_of(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    with torch.inference_mode():
        result = run()
    return time.perf_counter() - start, result


def ours(program: Path, folder: Path, files: list[Path], args: argparse.Namespace, math: str) -> dict[str, float]:
    command = [program, "bench", "codec", *files, "-m", folder, "--threads", str(args.threads), "--json"]
    if math != "exact":
        command += ["--math", math]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    times: dict[str, float] = {}
    for line in map(json.loads, lines):
        if line.get("threads") != args.threads:
            continue
        for direction in ("encode", "decode"):
            if line["bench"].startswith(direction):
                times[direction] = line["s"]
    return times


def keep_best(best: dict[str, float], times: dict[str, float]) -> None:
    for name, seconds in times.items():
        best[name] = min(best.get(name, seconds), seconds)


def peer_times(peer: Peer, wave: torch.Tensor) -> dict[str, float]:
    encoding, codes = time_of(lambda: peer.encode(wave))
    decoding, _ = time_of(lambda: peer.decode(codes))
    return {"encode": encoding, "decode": decoding}


def bench(family: Family, args: argparse.Namespace) -> list[dict[str, Any]]:
    folder = args.cache / family.name
    if not (folder / "config.json").exists():
        torch.manual_seed(0)
        family.make(folder)
    files, data = input_of(family, args)
    batch = torch.from_numpy(data)[None]
    amount = 1 if family.picture else args.seconds
    peers = family.peers(folder)
    best: dict[str, dict[str, float]] = {"tessera": {}, **{p.name: {} for p in peers}}
    start, busy, own = time.perf_counter(), busy_seconds(), sum(os.times()[:4])
    for _ in range(args.repeats):
        keep_best(best["tessera"], ours(args.program, folder, files, args, "exact"))
        for peer in peers:
            keep_best(best[peer.name], peer_times(peer, batch))
    elapsed = (time.perf_counter() - start) * (os.cpu_count() or 1)
    others = max(0.0, (busy_seconds() - busy - (sum(os.times()[:4]) - own)) / elapsed)
    rows = []
    for direction in ("encode", "decode"):
        fastest = min(best[p.name][direction] for p in peers)
        rows.append(
            {
                "codec": family.name,
                "direction": direction,
                "tessera_x": round(amount / best["tessera"][direction], 1 if amount > 1 else 3),
                "peers_x": {p.name: round(amount / best[p.name][direction], 1 if amount > 1 else 3) for p in peers},
                "ratio": round(fastest / best["tessera"][direction], 2),
                "others": round(others, 2),
            }
        )
    return rows


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, default=Path("build/tessera"))
    parser.add_argument("--cache", type=Path, default=Path("build/peers"))
    parser.add_argument("--families", nargs="*", default=[f.name for f in FAMILIES])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    args.cache.mkdir(parents=True, exist_ok=True)
    rows = []
    for family in FAMILIES:
        if family.name not in args.families:
            continue
        for row in bench(family, args):
            rows.append(row)
            print(json.dumps(row), flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
