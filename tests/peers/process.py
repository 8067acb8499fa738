"""A peer in a process of its own: it loads, warms up, and then takes its turns."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from peers.family import Peer, Setting


class PeerFailed(Exception):
    """A peer cannot take part; says why in one line."""


@dataclass
class Job:
    """`compiled`: the peer is given to torch.compile, and warmed up before the first turn."""

    family: str
    peer: str
    compiled: bool
    folder: Path
    input: Path
    setting: Setting

    @property
    def name(self) -> str:
        return self.peer + (" compiled" if self.compiled else "")


@dataclass
class Turn:
    """At most this many runs; none begins after this many seconds, but for the first."""

    runs: int
    seconds: float


def cpu_seconds() -> float:
    return sum(os.times()[:4])


def one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:200]


def time_of(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def run_once(peer: Peer, data: Any) -> dict[str, float]:
    encoding, codes = time_of(lambda: peer.encode(data))
    decoding, _ = time_of(lambda: peer.decode(codes))
    return {"encode": encoding, "decode": decoding}


def take_turn(peer: Peer, data: Any, turn: Turn) -> list[dict[str, float]]:
    start, times = time.perf_counter(), []
    while len(times) < turn.runs and (not times or time.perf_counter() - start < turn.seconds):
        times.append(run_once(peer, data))
    return times


def load_peer(job: Job) -> Peer:
    import torch

    from peers.families import family_named

    torch.set_num_threads(job.setting.threads)
    peer = family_named(job.family).peers[job.peer](job.folder, job.setting)
    if job.compiled:
        peer = Peer(torch.compile(peer.encode, dynamic=False), torch.compile(peer.decode, dynamic=False))
    return peer


def read_input(path: Path) -> Any:
    import soundfile
    import torch

    if path.suffix == ".npy":
        return torch.from_numpy(np.load(path))[None]
    samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(np.ascontiguousarray(samples.T))[None]


def serve(job: Job, pipe: Connection) -> None:
    """Sends ("ready", CPU seconds so far), then the times of each Turn asked for."""
    import torch

    try:
        with torch.inference_mode():
            peer, data = load_peer(job), read_input(job.input)
            # What is compiled is compiled for one length.
            whole = job.compiled or job.input.suffix == ".npy"
            run_once(peer, data if whole else data[..., : data.shape[-1] // 16])
            pipe.send(("ready", cpu_seconds()))
            while turn := pipe.recv():
                pipe.send((take_turn(peer, data, turn), cpu_seconds()))
    except (EOFError, BrokenPipeError):
        pass  # nobody asks any more
    except Exception as error:  # noqa: BLE001  (whatever a peer may raise becomes its row's remark)
        pipe.send((PeerFailed(one_line(error)), cpu_seconds()))


class PeerProcess:
    """Raises PeerFailed where the peer cannot load, compile or run, or is not ready after `limit` seconds."""

    def __init__(self, job: Job, limit: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=serve, args=(job, other), daemon=True)
        self._process.start()
        other.close()
        try:
            _, self._cpu = self._answer(limit)
        except PeerFailed:
            self.close()
            raise

    def take(self, turn: Turn) -> tuple[list[dict[str, float]], float]:
        """Times of every run, and the CPU seconds they took."""
        self._pipe.send(turn)
        times, cpu = self._answer(None)
        spent, self._cpu = cpu - self._cpu, cpu
        return times, spent

    def close(self) -> None:
        self._process.terminate()
        self._process.join()

    def _answer(self, limit: float | None) -> tuple[Any, float]:
        if not self._pipe.poll(limit):
            raise PeerFailed(f"not ready after {limit:.0f} s")
        try:
            answer, cpu = self._pipe.recv()
        except EOFError:
            raise PeerFailed("its process died") from None
        if isinstance(answer, PeerFailed):
            raise answer
        return answer, cpu
