#!/usr/bin/env python3
"""Encode and decode times beside other programs', in one run on one machine.

Checkpoints have the sizes of the public ones and random weights (times do not depend on them); they
are made once in --cache. Ours and the peers take turns, --repeats times, since a machine's speed
changes; a turn is three runs of each direction, and every figure is the best of all. A peer begins no
run after --turn-seconds, the first excepted: `runs` says how many there were. Speeds are seconds of
sound, or pictures, a second. `others` is the share of the CPUs that other processes used meanwhile
(what a program left idle, too): with more than a few percent the row says little. A peer that cannot
take part is named with the reason.

    python tests/bench_peers.py --program build/tessera --json peers.json
    python tests/bench_peers.py --families mimo --seconds 20 --mimo-source FOLDER

FOLDER is the `src` of the MiMo-Audio repository (it holds `mimo_audio_tokenizer`); without it, or
with --compile left out, those peers are not measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent / "golden"))

from peers.families import FAMILIES
from peers.family import Family, Setting
from peers.process import Job, PeerFailed, PeerProcess, Turn, cpu_seconds

RUNS = 3  # in a turn: as many as `tessera bench codec` makes
Best = dict[str, dict[str, float]]


def busy_seconds() -> float:
    """CPU seconds of the whole machine so far."""
    with open("/proc/stat", encoding="ascii") as f:
        ticks = [int(v) for v in f.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def wave_file(family: Family, seconds: float, cache: Path) -> Path:
    import soundfile

    count = int(seconds * family.sample_rate)
    t = np.arange(count) / family.sample_rate
    tone = 0.2 * np.sin(2 * np.pi * (150 * t + 8 * np.sin(t))) + 0.1 * np.sin(2 * np.pi * 450 * t)
    noise = np.random.default_rng(1).standard_normal((family.channels, count)) * 0.01
    path = cache / f"{family.sample_rate}x{family.channels}.wav"
    soundfile.write(path, (tone + noise).T.astype(np.float32), family.sample_rate, subtype="FLOAT")
    return path


def input_file(family: Family, seconds: float, cache: Path) -> Path:
    if not family.picture:
        return wave_file(family, seconds, cache)
    path = cache / f"{family.picture}.npy"  # times do not depend on what is in a picture
    picture = np.random.default_rng(1).uniform(-1, 1, (family.channels, family.picture, family.picture))
    np.save(path, picture.astype(np.float32))
    return path


def make_checkpoint(family: Family, folder: Path, setting: Setting) -> None:
    if not (folder / "config.json").exists():
        import torch

        torch.manual_seed(0)
        family.make(folder, setting)


def ours(folder: Path, files: list[Path], args: argparse.Namespace, math: str) -> dict[str, float]:
    command = [args.program, "bench", "codec", *files, "-m", folder, "--threads", str(args.threads), "--json"]
    command += ["--math", math]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    times: dict[str, float] = {}
    for line in map(json.loads, lines):
        if line["bench"] == "machine" and line["math"] != math:
            raise SystemExit(f"this CPU has no {math} math")
        for direction in ("encode", "decode"):
            if line["bench"].startswith(direction):
                times[direction] = line["s"]
    return times


def keep_best(best: dict[str, float], times: dict[str, float]) -> None:
    for name, seconds in times.items():
        best[name] = min(best.get(name, seconds), seconds)


class Bench:
    """One family: whose turn it is, the best times, and the CPU time that was ours or a peer's."""

    def __init__(self, family: Family, args: argparse.Namespace) -> None:
        self.family, self.args = family, args
        self.setting = Setting(args.threads, args.mimo_source)
        self.folder = args.cache / family.name
        make_checkpoint(family, self.folder, self.setting)
        self.input = input_file(family, args.seconds, args.cache)
        self.amount = 1 if family.picture else args.seconds
        self.best: Best = {}
        self.failed: dict[str, str] = {}
        self.runs: dict[str, int] = {}
        self.spans = {"wall": 0.0, "busy": 0.0, "own": 0.0}

    def jobs(self) -> list[Job]:
        wanted = [(name, False) for name in self.family.peers]
        if self.args.compile:
            wanted += [(name, True) for name in self.family.compilable]
        wanted = [
            (name, compiled) for name, compiled in wanted if not self.args.peers or name in self.args.peers
        ]
        return [Job(self.family.name, n, c, self.folder, self.input, self.setting) for n, c in wanted]

    def run(self) -> None:
        processes: dict[str, PeerProcess] = {}
        jobs = self.jobs()
        try:
            for _ in range(self.args.repeats):
                self.our_turn()
                for job in jobs:
                    self.peer_turn(job, processes)
        finally:
            for process in processes.values():
                process.close()

    def our_turn(self) -> None:
        start, busy, own = time.perf_counter(), busy_seconds(), cpu_seconds()
        self.runs["tessera"] = self.runs.get("tessera", 0) + RUNS
        files = [] if self.family.picture else [self.input]
        keep_best(self.best.setdefault("tessera", {}), ours(self.folder, files, self.args, "exact"))
        if self.args.fast:
            keep_best(self.best.setdefault("fast", {}), ours(self.folder, files, self.args, "fast"))
        self.count("tessera", start, busy, cpu_seconds() - own)

    def peer_turn(self, job: Job, processes: dict[str, PeerProcess]) -> None:
        if job.name in self.failed:
            return
        try:
            if job.name not in processes:
                processes[job.name] = PeerProcess(job, self.args.load_limit)
            start, busy = time.perf_counter(), busy_seconds()
            times, spent = processes[job.name].take(Turn(RUNS, self.args.turn_seconds))
        except PeerFailed as error:
            self.failed[job.name] = str(error)
            return
        self.count(job.name, start, busy, spent)
        self.runs[job.name] = self.runs.get(job.name, 0) + len(times)
        for run in times:
            keep_best(self.best.setdefault(job.name, {}), run)
        if self.family.large:
            processes.pop(job.name).close()

    def count(self, name: str, start: float, busy: float, own: float) -> None:
        print(
            f"{self.family.name}: {name} took {time.perf_counter() - start:.1f} s",
            file=sys.stderr,
            flush=True,
        )
        self.spans["wall"] += (time.perf_counter() - start) * (os.cpu_count() or 1)
        self.spans["busy"] += busy_seconds() - busy
        self.spans["own"] += own

    def row(self, direction: str) -> dict[str, Any]:
        digits = 3 if self.family.picture else 1
        speed = {name: round(self.amount / times[direction], digits) for name, times in self.best.items()}
        mine = speed.pop("tessera")
        fast = speed.pop("fast", None)
        fastest = min((t[direction] for n, t in self.best.items() if n not in ("tessera", "fast")), default=None)
        others = max(0.0, self.spans["busy"] - self.spans["own"]) / self.spans["wall"]
        return {
            "codec": self.family.name,
            "direction": direction,
            "amount": self.amount,
            "threads": self.args.threads,
            "tessera_x": mine,
            **({} if fast is None else {"tessera_fast_x": fast, "fast_over_exact": round(fast / mine, 2)}),
            "peers_x": {**speed, **self.failed},
            "runs": self.runs,
            "ratio": round(fastest / self.best["tessera"][direction], 2) if fastest else None,
            "others": round(others, 2),
        }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", type=Path, default=Path("build/tessera"))
    parser.add_argument("--cache", type=Path, default=Path("build/peers"), help="checkpoints and waves")
    parser.add_argument("--families", nargs="*", choices=[f.name for f in FAMILIES])
    parser.add_argument("--peers", nargs="*", help="only these")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the wave")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2, help="turns of each program")
    parser.add_argument("--turn-seconds", type=float, default=60.0)
    parser.add_argument("--fast", action="store_true", help="ours with --math fast, too (a bf16 unit is needed)")
    parser.add_argument("--compile", action="store_true", help="PyTorch peers with torch.compile, too")
    parser.add_argument(
        "--load-limit", type=float, default=900.0, help="seconds to load, compile and warm up"
    )
    parser.add_argument("--mimo-source", type=Path, help="the authors' modules of MiMo-Audio-Tokenizer")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def use_threads(count: int) -> None:
    """Read by the peers' libraries when their processes import them."""
    for name in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)


def chosen(args: argparse.Namespace) -> list[Family]:
    names = args.families or [f.name for f in FAMILIES if f.name != "mimo" or args.mimo_source]
    return [family for family in FAMILIES if family.name in names]


def main() -> None:
    args = arguments()
    use_threads(args.threads)
    args.cache.mkdir(parents=True, exist_ok=True)
    rows = []
    for family in chosen(args):
        bench = Bench(family, args)
        bench.run()
        for direction in ("encode", "decode"):
            rows.append(bench.row(direction))
            print(json.dumps(rows[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
