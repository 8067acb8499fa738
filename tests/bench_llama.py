#!/usr/bin/env python3
"""Language models' speed beside llama.cpp's, in one run on one machine: llama-cpp-python 0.3.36, gguf 0.18.

The same shapes with random weights, made once in --cache; the same number of threads; the two take turns, and every
figure is the best of all. Tokens a second: of a prompt of 512 ids, of one sequence at an empty context, of eight at
once. llama.cpp computes products of 8 and 4 bits with inputs rounded to 8 bits; ours are exact sums of what is stored
and, in fast math, products whose inputs are rounded to bf16, as llama.cpp rounds them for weights in bf16.
Compile the package on the machine it runs on, else it may lack the CPU's instructions (its own words are printed).

    python tests/bench_llama.py --program build/tessera --json llama.json
"""

from __future__ import annotations

import argparse
import ctypes
import json
import multiprocessing
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peers.llama_files import WIDTHS, write_gguf

PROMPT = 512
BATCH = 8
COMMON = {
    "vocab_size": 151936,
    "rms_norm_eps": 1e-6,
    "attention_bias": False,
    "hidden_act": "silu",
    "max_position_embeddings": 32768,
    "rope_theta": 1000000.0,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "eos_token_id": 151645,
}
SHAPES: dict[str, dict[str, Any]] = {
    "dense-0.5b": {
        **COMMON,
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "head_dim": 64,
    },
    "moe-1b-a0.3b": {
        **COMMON,
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": "qwen3_moe",
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "moe_intermediate_size": 512,
        "num_hidden_layers": 16,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "head_dim": 64,
        "num_experts": 32,
        "num_experts_per_tok": 4,
        "norm_topk_prob": True,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "router_aux_loss_coef": 0.001,
    },
}
MEASURED = ("prefill", "decode", "batch")
Speeds = dict[str, float]


def ours(program: Path, folder: Path, width: str, threads: int, math: str = "exact") -> Speeds:
    command = [program, "bench", "model", "-m", folder, "--weights", width, "--threads", str(threads), "--json"]
    command += ["--math", math]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found = {line["bench"]: line for line in map(json.loads, lines)}
    decode = found["decode, context 0"]
    return {
        "prefill": found[f"prefill {PROMPT}"]["tokens_per_s"],
        "decode": decode["tokens_per_s"],
        "batch": found[f"decode, batch {BATCH}"]["tokens_per_s"],
        "percent_of_stream": decode["percent_of_stream"],
    }


def best_seconds(body: Callable[[], None], budget: float = 1.5) -> float:
    start, best, turns = time.perf_counter(), float("inf"), 0
    while turns < 3 or time.perf_counter() - start < budget:
        begin = time.perf_counter()
        body()
        best = min(best, time.perf_counter() - begin)
        turns += 1
    return best


class Llama:
    """A model of llama.cpp through the package's plain bindings."""

    def __init__(self, path: Path, threads: int) -> None:
        import llama_cpp

        self.lib = llama_cpp
        self.silence = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self.silence, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch, params.n_seq_max = 4096, PROMPT, PROMPT, BATCH
        params.n_threads = params.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        self.batch = llama_cpp.llama_batch_init(PROMPT, 0, 1)

    def step(self, ids: int, sequences: int) -> None:
        """`ids` at the beginning of each of `sequences`; logits of the last of each."""
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)
        b = self.batch
        b.n_tokens = ids * sequences
        for i in range(b.n_tokens):
            b.token[i], b.pos[i] = (i * 7919 + 13) % COMMON["vocab_size"], i % ids
            b.n_seq_id[i], b.seq_id[i][0] = 1, i // ids
            b.logits[i] = i % ids == ids - 1
        if self.lib.llama_decode(self.context, b) != 0:
            raise RuntimeError("llama_decode failed")

    def speeds(self) -> Speeds:
        return {
            "prefill": PROMPT / best_seconds(lambda: self.step(PROMPT, 1)),
            "decode": 1 / best_seconds(lambda: self.step(1, 1)),
            "batch": BATCH / best_seconds(lambda: self.step(1, BATCH)),
        }


def llama_turn(path: Path, threads: int, pipe: Any) -> None:
    llama = Llama(path, threads)
    pipe.send((llama.speeds(), llama.lib.llama_print_system_info().decode()))


def theirs(path: Path, threads: int) -> tuple[Speeds, str]:
    """In a process of its own, whose memory goes back."""
    receiver, sender = multiprocessing.Pipe(False)
    process = multiprocessing.get_context("spawn").Process(target=llama_turn, args=(path, threads, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    finally:
        process.join()


def keep_best(best: Speeds, speeds: Speeds) -> None:
    for name, speed in speeds.items():
        best[name] = max(best.get(name, 0.0), speed)


def row(shape: str, width: str, args: argparse.Namespace) -> dict[str, Any]:
    folder = args.cache / shape
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(SHAPES[shape], indent=1))
    file = args.cache / f"{shape}-{width}.gguf"
    if not file.exists():
        write_gguf(file, folder / "config.json", width)
    mine: Speeds = {}
    other: Speeds = {}
    for _ in range(args.repeats):
        keep_best(mine, ours(args.program, folder, width, args.threads))
        fast = ours(args.program, folder, width, args.threads, "fast")
        keep_best(mine, {f"fast {name}": fast[name] for name in MEASURED})
        speeds, system = theirs(file, args.threads)
        keep_best(other, speeds)
    ratios = {f"{math}{name}": round(mine[math + name] / other[name], 2) for math in ("", "fast ") for name in MEASURED}
    rounded = [{name: round(value, 1) for name, value in speeds.items()} for speeds in (mine, other)]
    return {
        "shape": shape,
        "weights": width,
        "threads": args.threads,
        "tessera": rounded[0],
        "llama.cpp": rounded[1],
        "ratio": ratios,
        "system": system.strip(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=Path("build/tessera"))
    parser.add_argument("--cache", type=Path, default=Path("build/llama"), help="weights")
    parser.add_argument("--shapes", nargs="*", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--widths", nargs="*", choices=list(WIDTHS), default=list(WIDTHS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows = []
    for shape in args.shapes:
        for width in args.widths:
            rows.append(row(shape, width, args))
            print(json.dumps(rows[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
