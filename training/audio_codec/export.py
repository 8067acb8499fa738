"""Exports a checkpoint: averaged weights in bf16, config.json, and a golden round trip.

The golden holds `wave`, the `codes` and the `decoded` samples that this PyTorch model
computes in float32 from the rounded weights. `check` computes it again from the files.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from data import DEFAULT_SPEECH, HELDOUT_VOICES, SAMPLE_RATE, read_audio, read_heldout
from model import AudioTokenizer, Config

MAX_BYTES = 20_000_000
GOLDEN_SECONDS = 2.3  # not a whole number of tokens, so that padding is covered
TRAINING_ONLY = ("embed_avg", "cluster_size", "inited", "istft.window")


def shipped_tensors(state: dict) -> dict[str, Tensor]:
    tensors = {**state["model"], **state["average"]}
    kept = {n: t for n, t in tensors.items() if not n.endswith(TRAINING_ONLY)}
    return {n: t.detach().to(torch.bfloat16).contiguous() for n, t in sorted(kept.items())}


def load_shipped(folder: Path) -> AudioTokenizer:
    """The model as shipped: rounded weights, float32 arithmetic."""
    config: Config = json.loads((folder / "config.json").read_text())
    model = AudioTokenizer(config)
    tensors = {n: t.float() for n, t in load_file(folder / "model.safetensors").items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    wrong = [n for n in missing if not n.endswith(TRAINING_ONLY)] + unexpected
    if wrong:
        raise ValueError(f"tensors that do not fit: {wrong}")
    return model.eval()


def golden_wave(speech: Path) -> Tensor:
    """The first seconds of the first clip of a voice that was never trained on."""
    clip = next(row[0] for row in read_heldout() if row[1] in HELDOUT_VOICES)
    samples = read_audio(speech / f"{clip}.opus")[: int(GOLDEN_SECONDS * SAMPLE_RATE)]
    return torch.from_numpy(samples.copy()).float() / 32768.0


@torch.no_grad()
def margins(model: AudioTokenizer, wave: Tensor) -> Tensor:
    """(second best - best) / best of the squared distances, [n_q, tokens], in float64.

    Where it is below 1e-4, another program may rightly find the other code.
    """
    rows = model.encoder(model.mel(wave[None]))[0].double()
    found = []
    for book in model.encoder.quantizer.books:
        embed = book.embed.double()
        best, second = torch.cdist(rows, embed).square().topk(2, largest=False).values.unbind(1)
        found.append((second - best) / best)
        rows = rows - embed[book.nearest(rows.float())]
    return torch.stack(found).float()


def golden(model: AudioTokenizer, wave: Tensor) -> dict[str, Tensor]:
    codes = model.encode(wave)
    return {
        "wave": wave,
        "codes": codes.to(torch.int32),
        "margin": margins(model, wave),
        "decoded": model.decode(codes),
    }


def describe(folder: Path, tensors: dict[str, Tensor]) -> str:
    size = (folder / "model.safetensors").stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{size} bytes are more than {MAX_BYTES}")
    count = sum(t.numel() for t in tensors.values())
    return f"{folder}: {len(tensors)} tensors, {count} weights, {size} bytes"


def export(checkpoint: Path, speech: Path, out: Path) -> None:
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    # Everything is made beside its place and renamed, so that readers never see halves.
    with tempfile.TemporaryDirectory(dir=out.parent) as made:
        folder = Path(made)
        tensors = shipped_tensors(state)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(state["config"], indent=2) + "\n")
        save_file(golden(load_shipped(folder), golden_wave(speech)), folder / "golden.safetensors")
        print(describe(folder, tensors))
        out.mkdir(exist_ok=True)
        for path in folder.iterdir():
            moved = out / f".{path.name}.new"
            shutil.move(path, moved)
            os.replace(moved, out / path.name)
    print(f"step, seconds, audio seconds, quantising: {state['counters']}")


def check(folder: Path) -> None:
    """The golden belongs to the weights beside it, and chunks change nothing."""
    model = load_shipped(folder)
    expected = load_file(folder / "golden.safetensors")
    found = golden(model, expected["wave"])
    differ = int((found["codes"] != expected["codes"]).sum())
    error = float((found["decoded"] - expected["decoded"]).abs().max())
    token = model.mel.token
    half = found["codes"].shape[1] // 2
    prefix = model.encode(expected["wave"][: half * token])
    causal = torch.equal(prefix, found["codes"][:, :half])
    print(f"{differ} codes differ, largest sample error {error:.2e}, encoder causal: {causal}")
    if differ or error > 1e-4 or not causal:
        raise SystemExit("the export does not agree with its golden")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("run/checkpoint.pt"))
    parser.add_argument("--speech", type=Path, default=DEFAULT_SPEECH)
    parser.add_argument("--out", type=Path, default=Path("export"))
    parser.add_argument("--check-only", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if not args.check_only:
        export(args.checkpoint, args.speech, args.out)
    check(args.out)


if __name__ == "__main__":
    main()
