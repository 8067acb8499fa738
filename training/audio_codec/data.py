"""Speech data: held-out lists, decoding into one int16 memory map, random crops.

python data.py heldout   writes heldout.tsv (done once; the list is committed)
python data.py pack      decodes all training clips into audio.i16 + clips.npy
python teacher.py        adds teacher.f16
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

SAMPLE_RATE = 24000
HERE = Path(__file__).resolve().parent
HELDOUT_LIST = HERE / "heldout.tsv"
REAL_HELDOUT_LIST = HERE / "heldout_real.tsv"
# Nothing of these voices, blends included, is ever trained on.
HELDOUT_VOICES = ("am_onyx", "bf_alice")
CLIPS_PER_HELDOUT_VOICE = 15
CLIPS_PER_SEEN_VOICE = 1
EXTRA_CLIPS_OF_MAIN_VOICES = 1
MAIN_VOICES = ("am_michael", "af_bella", "bm_george", "bf_emma")
# The Spanish prompts are left out: the same speaker reads the held-out English ones.
REAL_TRAINING_VOICES = ("fr_CA_f_June", "it_IT_m_Carlo", "ru_RU_f_IvrvoiceRU")
REAL_HELDOUT_VOICE = "en_US_f_Allison"
LEAD_KEPT = SAMPLE_RATE * 12 // 100
TAIL_KEPT = SAMPLE_RATE * 25 // 100
# Played faster or slower, a voice becomes another speaker's: pitch and formants move together.
RATE_CHANGES = (20, 21, 22, 23, 25, 26, 27, 28)  # source samples for 24 that are heard
RATE_MARGIN = 480  # samples at either end that the periodic resampling spoils
TEACHER_HOP = SAMPLE_RATE // 50
TEACHER_SIZE = 128
DEFAULT_SPEECH = Path("data/speech-kokoro")
DEFAULT_PROMPTS = Path("/usr/share/asterisk/sounds")
DEFAULT_PROMPT_TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")


class Clip(NamedTuple):
    id: str
    voice: str
    seconds: float
    text: str


def read_clips(speech: Path) -> list[Clip]:
    with open(speech / "list.tsv", encoding="utf-8", newline="") as f:
        rows = csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Clip(r["id"], r["voice"], float(r["seconds"]), r["text"]) for r in rows]


def shuffle_key(name: str) -> str:
    """A fixed pseudo-random order that does not depend on any library version."""
    return hashlib.sha256(name.encode()).hexdigest()


def is_good_test_clip(clip: Clip) -> bool:
    words = clip.text.split()
    plain = re.fullmatch(r"[A-Za-z ,.;'!?-]+", clip.text) is not None
    return len(words) >= 6 and 2.0 <= clip.seconds <= 8.0 and plain


def choose_heldout(clips: list[Clip]) -> list[Clip]:
    chosen: list[Clip] = []
    voices = sorted({c.voice for c in clips if "+" not in c.voice})
    for voice in voices:
        count = CLIPS_PER_HELDOUT_VOICE if voice in HELDOUT_VOICES else CLIPS_PER_SEEN_VOICE
        count += EXTRA_CLIPS_OF_MAIN_VOICES if voice in MAIN_VOICES else 0
        good = [c for c in clips if c.voice == voice and is_good_test_clip(c)]
        chosen += sorted(good, key=lambda c: shuffle_key(c.id))[:count]
    return sorted(chosen)


def read_heldout(path: Path = HELDOUT_LIST) -> list[tuple[str, str, str]]:
    """Rows (id, voice, text)."""
    with open(path, encoding="utf-8", newline="") as f:
        rows = csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(r["id"], r["voice"], r["text"]) for r in rows]


def write_heldout(path: Path, rows: list[tuple[str, str, str]]) -> None:
    lines = ["id\tvoice\ttext"] + ["\t".join(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_prompt_texts(path: Path) -> dict[str, str]:
    """Lines `name: text` of the prompt package; entries may go over several lines."""
    texts: dict[str, str] = {}
    last = ""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as f:
        for line in f:
            line = line.rstrip()
            match = re.match(r"^([\w/-]+)\s*:\s*(.*)$", line)
            if match:
                last = match.group(1)
                texts[last] = match.group(2)
            elif last and line.startswith(" "):
                texts[last] += " " + line.strip()
            else:
                last = ""
    return texts


def is_good_prompt(text: str) -> bool:
    words = text.split()
    plain = re.fullmatch(r"[A-Za-z ,.'!?-]+", text) is not None
    return plain and 6 <= len(words) <= 25


def choose_prompts(prompts: Path, texts: dict[str, str], count: int) -> list[tuple[str, str, str]]:
    folder = prompts / REAL_HELDOUT_VOICE
    good = [n for n, t in texts.items() if is_good_prompt(t) and (folder / f"{n}.g722").exists()]
    chosen = sorted(sorted(good, key=shuffle_key)[:count])
    return [(n, REAL_HELDOUT_VOICE, texts[n]) for n in chosen]


def training_clips(clips: list[Clip], heldout: list[tuple[str, str, str]]) -> list[Clip]:
    """Everything but held-out ids, held-out voices and held-out sentences."""
    ids = {row[0] for row in heldout}
    texts = {row[2] for row in heldout}

    def allowed(clip: Clip) -> bool:
        if set(clip.voice.split("+")) & set(HELDOUT_VOICES):
            return False
        return clip.id not in ids and clip.text not in texts

    return [c for c in clips if allowed(c)]


def read_audio(path: Path) -> np.ndarray:
    """Mono int16 at 24 kHz, whatever the file is."""
    if path.suffix == ".opus":
        import soundfile

        samples, rate = soundfile.read(path, dtype="int16")
        if rate == SAMPLE_RATE and samples.ndim == 1:
            return samples
    source = ["-f", "g722"] if path.suffix == ".g722" else []
    command = [
        "ffmpeg",
        "-v",
        "error",
        *source,
        "-i",
        str(path),
        "-ac",
        "1",
        "-ar",
        str(SAMPLE_RATE),
    ]
    raw = subprocess.run([*command, "-f", "s16le", "-"], check=True, capture_output=True).stdout
    return np.frombuffer(raw, dtype=np.int16)


def training_files(speech: Path, prompts: Path) -> Iterator[Path]:
    for clip in training_clips(read_clips(speech), read_heldout()):
        yield speech / f"{clip.id}.opus"
    for voice in REAL_TRAINING_VOICES:
        yield from sorted((prompts / voice).rglob("*.g722"))


def speech_bounds(samples: np.ndarray) -> tuple[int, int]:
    """Start and length without the long silence around the words; a little of it stays."""
    block = SAMPLE_RATE // 100
    blocks = samples[: len(samples) // block * block].astype(np.float32).reshape(-1, block)
    level = np.sqrt(np.square(blocks).mean(axis=1))
    loud = np.flatnonzero(level > 0.02 * level.max())
    start = max(0, loud[0] * block - LEAD_KEPT)
    end = min(len(samples), loud[-1] * block + TAIL_KEPT)
    return int(start), int(end - start)


def pack(speech: Path, prompts: Path, out: Path) -> None:
    """One long int16 file and a table of (start, length, is_real)."""
    out.mkdir(parents=True, exist_ok=True)
    table: list[tuple[int, int, int]] = []
    position = 0
    with open(out / "audio.i16", "wb") as f:
        for path in training_files(speech, prompts):
            samples = read_audio(path)
            if len(samples) < SAMPLE_RATE // 2 or np.abs(samples).max() < 500:
                continue  # beeps, silences and single syllables teach nothing
            start, length = speech_bounds(samples)
            samples = samples[start : start + length]
            f.write(samples.tobytes())
            table.append((position, len(samples), int(path.suffix == ".g722")))
            position += len(samples)
    np.save(out / "clips.npy", np.array(table, dtype=np.int64))
    seconds = [sum(n for _, n, real in table if real == kind) / SAMPLE_RATE for kind in (0, 1)]
    print(
        f"{len(table)} clips, {seconds[0] / 3600:.2f} h synthetic, {seconds[1] / 3600:.2f} h real"
    )


def change_rate(samples: np.ndarray, length: int) -> np.ndarray:
    """Band-limited resampling of the whole piece to `length` samples."""
    spectrum = np.fft.rfft(samples)
    wanted = np.zeros(length // 2 + 1, dtype=spectrum.dtype)
    kept = min(len(spectrum), len(wanted))
    wanted[:kept] = spectrum[:kept]
    return np.fft.irfft(wanted, length).astype(np.float32) * (length / len(samples))


class CropSampler:
    """Random crops, and what the teacher heard in them; long clips are drawn as often as
    their length says."""

    def __init__(self, packed: Path, crop: int, real_share: float, changed_share: float) -> None:
        self.audio = np.memmap(packed / "audio.i16", dtype=np.int16, mode="r")
        teacher = np.memmap(packed / "teacher.f16", dtype=np.float16, mode="r")
        self.teacher = teacher.reshape(-1, TEACHER_SIZE)
        table = np.load(packed / "clips.npy")
        self.crop = crop
        self.real_share = real_share
        self.changed_share = changed_share
        self.groups = [table[table[:, 2] == kind] for kind in (0, 1)]
        self.chances = [np.cumsum(g[:, 1] / g[:, 1].sum()) for g in self.groups]

    def batch(self, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """(samples [B, crop], teacher's rows [B, crop / TEACHER_HOP, TEACHER_SIZE])"""
        crops, heard = zip(*(self.one(rng) for _ in range(size)), strict=True)
        return np.stack(crops), np.stack(heard)

    def one(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        kind = int(rng.random() < self.real_share and len(self.groups[1]) > 0)
        row = np.searchsorted(self.chances[kind][:-1], rng.random())
        start, length, _ = (int(v) for v in self.groups[kind][row])
        rate = int(rng.choice(RATE_CHANGES)) if rng.random() < self.changed_share else 24
        offset = int(rng.integers(0, max(1, length - self.crop * rate // 24)))
        crop = self.samples(start, length, offset, rate)
        # Recordings come at all levels, the synthetic voices at one.
        gain = 10.0 ** (rng.uniform(-12.0, 4.0) / 20.0)
        clipped = np.clip(crop * (gain / 32768.0), -1.0, 1.0)
        return clipped, self.heard(start, length, offset, rate)

    def samples(self, start: int, length: int, offset: int, rate: int) -> np.ndarray:
        if rate == 24:
            return self.cut(start, length, offset, self.crop)
        whole = self.crop + 2 * RATE_MARGIN
        source = self.cut(start, length, offset - RATE_MARGIN * rate // 24, whole * rate // 24)
        return change_rate(source, whole)[RATE_MARGIN:-RATE_MARGIN]

    def cut(self, start: int, length: int, offset: int, count: int) -> np.ndarray:
        """Samples of the clip from `offset`, which may lie before it; zeros around the clip."""
        piece = self.audio[start + max(0, offset) : start + max(0, min(length, offset + count))]
        crop = np.zeros(count, dtype=np.float32)
        lead = max(0, -offset)
        crop[lead : lead + len(piece)] = piece
        return crop

    def heard(self, start: int, length: int, offset: int, rate: int) -> np.ndarray:
        centres = (np.arange(self.crop // TEACHER_HOP) + 0.5) * (TEACHER_HOP * rate / 24)
        at = start + np.minimum(offset + centres.astype(np.int64), length - 1)
        return self.teacher[at // TEACHER_HOP].astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("heldout", "pack"))
    parser.add_argument("--speech", type=Path, default=DEFAULT_SPEECH)
    parser.add_argument("--prompts", type=Path, default=DEFAULT_PROMPTS)
    parser.add_argument("--prompt-texts", type=Path, default=DEFAULT_PROMPT_TEXTS)
    parser.add_argument("--out", type=Path, default=Path("packed"))
    args = parser.parse_args()
    if args.what == "pack":
        pack(args.speech, args.prompts, args.out)
        return
    chosen = choose_heldout(read_clips(args.speech))
    write_heldout(HELDOUT_LIST, [(c.id, c.voice, c.text) for c in chosen])
    prompts = choose_prompts(args.prompts, read_prompt_texts(args.prompt_texts), 30)
    write_heldout(REAL_HELDOUT_LIST, prompts)


if __name__ == "__main__":
    main()
