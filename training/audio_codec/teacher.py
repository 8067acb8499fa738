"""What Whisper's encoder hears in the training clips, for the codec's latents to be guided by.

python teacher.py --packed packed    writes packed/teacher.f16: one row of 128 values every 20 ms

Whisper-base's last encoder layer, each of its 512 channels brought to mean 0 and variance 1,
projected on the 128 directions that vary most. Clips are heard in pieces of at most 28 s, several
short ones in one piece with silence between them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data import SAMPLE_RATE, TEACHER_HOP, TEACHER_SIZE
from evaluate import EVALUATION_RATE, assemble_whisper, at_evaluation_rate

GAP = 10 * TEACHER_HOP
PIECE = 28 * SAMPLE_RATE
FIT_PIECES = 60

Span = tuple[int, int, int]  # start in the file, samples, start in the piece


def spans_of(table: np.ndarray) -> Iterator[Span]:
    """Clips on the frames' grid of the file; long ones in several spans."""
    for start, length, _ in table:
        first, last = start // TEACHER_HOP * TEACHER_HOP, start + length
        for position in range(first, last, PIECE):
            yield position, min(PIECE, last - position), 0


def pieces_of(table: np.ndarray) -> Iterator[list[Span]]:
    piece: list[Span] = []
    used = 0
    for start, length, _ in spans_of(table):
        if used + length > PIECE and piece:
            yield piece
            piece, used = [], 0
        piece.append((start, length, used))
        used += -(-length // TEACHER_HOP) * TEACHER_HOP + GAP
    yield piece


class Listener:
    def __init__(self, folder: Path) -> None:
        from faster_whisper import WhisperModel

        assemble_whisper(folder)
        self.model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)

    def hear(self, wave: np.ndarray) -> np.ndarray:
        """Float32 [1500, 512] of at most 30 s at 24 kHz."""
        padded = np.zeros(30 * EVALUATION_RATE, dtype=np.float32)
        low = at_evaluation_rate(wave)
        padded[: len(low)] = low
        features = self.model.feature_extractor(padded)[..., :3000]
        return np.asarray(self.model.encode(features), dtype=np.float32)[0]


def fill(audio: np.ndarray, piece: list[Span]) -> np.ndarray:
    wave = np.zeros(piece[-1][2] + piece[-1][1], dtype=np.float32)
    for start, length, at in piece:
        wave[at : at + length] = audio[start : start + length] / 32768.0
    return wave


def projection(heard: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(mean [512], matrix [512, 128]); projected rows have mean square 1 together."""
    rows = np.concatenate(heard)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    _, vectors = np.linalg.eigh(np.cov(((rows - mean) / deviation).T))
    matrix = vectors[:, -TEACHER_SIZE:] / deviation[:, None]
    return mean, matrix / ((rows - mean) @ matrix).std()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packed", type=Path, default=Path("packed"))
    args = parser.parse_args()
    audio = np.memmap(args.packed / "audio.i16", dtype=np.int16, mode="r")
    pieces = list(pieces_of(np.load(args.packed / "clips.npy")))
    frames = len(audio) // TEACHER_HOP + 1
    shape = (frames, TEACHER_SIZE)
    out = np.memmap(args.packed / "teacher.tmp", dtype=np.float16, mode="w+", shape=shape)
    with tempfile.TemporaryDirectory() as folder:
        listener = Listener(Path(folder))
    every = max(1, len(pieces) // FIT_PIECES)
    fitting = (fill(audio, piece) for piece in pieces[::every])
    mean, matrix = projection([listener.hear(w)[: len(w) // TEACHER_HOP] for w in fitting])
    for piece in pieces:
        heard = (listener.hear(fill(audio, piece)) - mean) @ matrix
        for start, length, at in piece:
            count = -(-length // TEACHER_HOP)
            first, source = start // TEACHER_HOP, at // TEACHER_HOP
            out[first : first + count] = heard[source : source + count]
    out.flush()
    (args.packed / "teacher.tmp").rename(args.packed / "teacher.f16")


if __name__ == "__main__":
    main()
