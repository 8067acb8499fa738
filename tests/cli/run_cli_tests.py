#!/usr/bin/env python3
"""The command line, held to its contract from outside. Standard library only.

TESSERA_BIN: the program. The checkpoints are the small ones of tests/golden; TESSERA_TEST_MODEL names another for
most tests (any audio codec that streams), TESSERA_TEST_STEREO_MODEL one of two channels that encodes chunks with scales,
TESSERA_TEST_MULTI_RATE_MODEL one with rows of unequal length.
"""

import array
import base64
import collections
import html.parser
import io
import json
import math
import os
import pathlib
import pty
import re
import resource
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import wave
import zlib

BIN = os.path.abspath(os.environ.get("TESSERA_BIN", "build/tessera"))
GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"
SAMPLES = GOLDEN.parent.parent / "samples"
MODEL = os.path.abspath(os.environ.get("TESSERA_TEST_MODEL", GOLDEN / "mimi" / "bf16_hub"))
OTHER_MODEL = str(GOLDEN / "mimo" / "causal_pool2")
OTHER_RATE_MODEL = str(GOLDEN / "mimi" / "shortcut_sharded")
STEREO_MODEL = os.path.abspath(os.environ.get("TESSERA_TEST_STEREO_MODEL", GOLDEN / "encodec" / "stereo_chunked"))
MULTI_RATE_MODEL = os.path.abspath(os.environ.get("TESSERA_TEST_MULTI_RATE_MODEL", GOLDEN / "snac" / "plain_24k"))
PICTURE_MODEL = str(GOLDEN / "llamagen" / "other_decoder_bf16")
ENCODER_MODEL = str(GOLDEN / "chameleon" / "alone_no_attention_f16")
SHARED_KEYS = ["input", "status", "kind", "codec", "math", "sample_rate", "channels", "samples", "frame_rate", "frames",
               "levels"]
PICTURE_QUALITY_KEYS = ["psnr_db", "ssim", "bits_per_pixel", "entropy_bits_per_pixel", "code_use"]
QUALITY_KEYS = ["mel_distance", "si_sdr_db", "snr_db", "stoi", "kbps", "entropy_kbps", "code_use"]


def tone(seconds, rate=24000, channels=1, pitch=220.0):
    """Samples of a gliding tone, interleaved, every channel a little different."""
    frames = int(seconds * rate)
    values = array.array("f")
    for i in range(frames):
        t = i / rate
        for channel in range(channels):
            glide = pitch * (1 + 0.3 * math.sin(3 * t + channel))
            values.append(0.4 * math.sin(2 * math.pi * glide * t) + 0.1 * math.sin(2 * math.pi * 3 * glide * t))
    return values


def s16(values):
    return array.array("h", [max(-32768, min(32767, round(v * 32768))) for v in values])


def wav_bytes(values, rate=24000, channels=1, repeat=1):
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(s16(values).tobytes() * repeat)
    return buffer.getvalue()


def float_wav_bytes(values, rate=24000, channels=1):
    data = array.array("f", values).tobytes()
    form = struct.pack("<HHIIHH", 3, channels, rate, rate * 4 * channels, 4 * channels, 32)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def png_bytes(width, height):
    """Waves of three colours."""
    return packed_png(width, height, b"".join(
        b"\0" + bytes(int(127 + 120 * math.sin(0.3 * (channel + 1) * x + 0.2 * y))
                      for x in range(width) for channel in range(3)) for y in range(height)))


def black_png(width, height):
    return packed_png(width, height, bytes(height * (1 + 3 * width)))


def packed_png(width, height, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png_samples(data):
    """Of an RGB file whose rows have filter 0."""
    position, packed = 8, b""
    while position < len(data):
        size, kind = struct.unpack(">I4s", data[position:position + 8])
        packed += data[position + 8:position + 8 + size] if kind == b"IDAT" else b""
        position += 12 + size
    width, height = struct.unpack(">II", data[16:24])
    rows, step = zlib.decompress(packed), 1 + 3 * width
    return b"".join(rows[y * step + 1:(y + 1) * step] for y in range(height))


def read_wav(path_or_bytes):
    source = io.BytesIO(path_or_bytes) if isinstance(path_or_bytes, bytes) else str(path_or_bytes)
    with wave.open(source, "rb") as file:
        return file.getframerate(), file.getnchannels(), file.getnframes()


def read_tensors(path):
    """I32 and F32 tensors of a safetensors file: name -> (shape, flat values)."""
    data = pathlib.Path(path).read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = (start + offset for offset in entry["data_offsets"])
            tensors[name] = entry["shape"], array.array({"I32": "i", "F32": "f"}[entry["dtype"]], data[begin:end])
    return tensors


def lines_of(output):
    return [json.loads(line) for line in output.decode().splitlines()]


class Page(html.parser.HTMLParser):
    """What a page is made of; refuses elements that are not closed in their order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.tables = [], [], []
        self.feed(text)
        self.close()
        if self.open:
            raise ValueError(f"not closed: {self.open}")

    def handle_starttag(self, tag, attributes):
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open.pop() != tag:
            raise ValueError(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data


class CliTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="tessera-cli-"))
        cls.tools = pathlib.Path(tempfile.mkdtemp(prefix="tessera-cli-"))
        (cls.shared / "a.wav").write_bytes(wav_bytes(tone(0.5)))
        (cls.shared / "b.wav").write_bytes(wav_bytes(tone(0.31, pitch=330)))
        (cls.shared / "c.wav").write_bytes(wav_bytes(tone(0.2, 44100, 2), 44100, 2))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.shared)
        shutil.rmtree(cls.tools)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tessera-cli-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.a, self.b, self.c = (str(self.shared / name) for name in ("a.wav", "b.wav", "c.wav"))

    def environment(self, **extra):
        variables = dict(os.environ, TESSERA_MODEL=MODEL)
        variables.pop("TESSERA_ISA", None)
        variables.pop("TESSERA_BF16", None)
        variables.update(extra)
        return variables

    def start(self, *arguments, **options):
        extra = options.pop("variables", {})
        process = subprocess.Popen([BIN, *map(str, arguments)], env=self.environment(**extra), cwd=self.folder, **options)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe and not pipe.closed:
                pipe.close()

    def run_it(self, *arguments, code=0, stdin=b"", **options):
        process = self.start(*arguments, stdin=subprocess.PIPE, stdout=options.pop("stdout", subprocess.PIPE),
                             stderr=subprocess.PIPE, **options)
        out, err = process.communicate(stdin, timeout=300)
        self.assertEqual(process.returncode, code, f"{arguments}\n{(out or b'')[:2000]!r}\n{err!r}")
        self.err = err.decode(errors="replace")
        return out

    def tokenize(self, *arguments, **options):
        return lines_of(self.run_it("tokenize", *arguments, **options))

    def faults(self, **which):
        """Variables that make the program meet faults; see faults.c."""
        library = self.tools / "faults.so"
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if not compiler:
            self.skipTest("there is no C compiler")
        if not library.exists():
            source = pathlib.Path(__file__).resolve().parent / "faults.c"
            subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        return {"LD_PRELOAD": str(library), **{f"TESSERA_FAULT_{name.upper()}": str(v) for name, v in which.items()}}

    def names(self):
        """Every file under the test's folder, hidden ones too."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    def assert_error(self, line, reason=None):
        self.assertEqual(list(line), ["input", "status", "error", "reason"])
        self.assertEqual(line["status"], "error")
        self.assertTrue(line["error"])
        self.assertNotIn("\n", line["error"])
        if reason:
            self.assertEqual(line["reason"], reason)

    def check_code_use(self, line):
        info = lines_of(self.run_it("inspect", "--json"))[0]
        rates = info.get("level_rates", [info["frame_rate"]] * info["levels"])
        bits = 0
        self.assertEqual(len(line["quality"]["code_use"]), len(line["codes"]))
        for level, (row, use) in enumerate(zip(line["codes"], line["quality"]["code_use"])):
            shares = [count / len(row) for count in collections.Counter(row).values()]
            entropy = -sum(share * math.log2(share) for share in shares)
            self.assertEqual(list(use), ["level", "codebook", "used", "entropy_bits"])
            self.assertEqual((use["level"], use["codebook"], use["used"]),
                             (level, info["codebook_sizes"][level], len(shares)))
            self.assertAlmostEqual(use["entropy_bits"], entropy, places=4)
            bits += entropy * rates[level]
        self.assertAlmostEqual(line["quality"]["entropy_kbps"], bits / 1000, delta=6e-4)
        self.assertEqual(line["quality"]["kbps"], info["bit_rates"][len(line["codes"]) - 1]["kbps"])


class Program(CliTest):
    def test_no_command_is_wrong_usage(self):
        self.assertEqual(self.run_it(code=2), b"")
        self.assertIn("tokenize", self.err)

    def test_help_goes_to_standard_output(self):
        for option in ("--help", "-h"):
            text = self.run_it(option).decode()
            for name in ("tokenize", "detokenize", "vocab", "inspect", "bench"):
                self.assertIn(name, text)
            self.assertEqual(self.err, "")

    def test_version_stands_before_or_after_the_command(self):
        self.assertRegex(self.run_it("--version").decode(), r"^tessera \d+\.\d+\.\d+\n$")
        self.assertEqual(self.run_it("--version"), self.run_it("tokenize", "--version"))

    def test_unknown_command(self):
        for name in ("tokenise", "serve", "speak", "eval", "prep"):
            self.assertEqual(self.run_it(name, code=2), b"")
            self.assertIn(f'unknown command "{name}"', self.err)

    def test_option_before_the_command(self):
        self.run_it("--json", "tokenize", code=2)
        self.assertIn("before the command", self.err)

    def test_every_shared_option_is_in_every_help(self):
        shared = ["-m, --model", "--device", "--math", "--threads", "-o, --output", "--json", "-q, --quiet",
                  "-v, --verbose", "--progress", "--seed", "--overwrite", "--help", "--version"]
        for name in ("tokenize", "detokenize", "vocab", "inspect", "bench"):
            text = self.run_it(name, "--help").decode()
            for option in shared:
                self.assertIn(option, text, name)
            self.assertTrue(all(len(line) <= 110 for line in text.splitlines()), name)

    def test_wrong_usage(self):
        cases = [(["tokenize"], "INPUT"), (["tokenize", "--wrong", "x"], "--wrong"),
                 (["tokenize", self.a, "--levels", "x"], "--levels"), (["tokenize", self.a, "--levels"], "--levels"),
                 (["tokenize", self.a, "--levels", "-1"], "--levels"), (["tokenize", self.a, "--levels", "99"], "--levels"),
                 (["tokenize", self.a, "--start", "nan"], "--start"), (["tokenize", self.a, "--duration", "0"], "--duration"),
                 (["tokenize", self.a, "--format", "csv"], "--format"), (["tokenize", self.a, "--math", "sloppy"], "--math"),
                 (["tokenize", self.a, "--bf16", "tpu"], "--bf16"),
                 (["tokenize", self.a, "--device", "tpu"], "--device"), (["tokenize", self.a, "--isa", "sse"], "--isa"),
                 (["tokenize", "-", "--pcm", "s16"], "--rate"), (["tokenize", "-", "--rate", "8000"], "--pcm"),
                 (["tokenize", self.a, "--format", "npy"], "-o"), (["tokenize", self.a, "-o", "."], "folder"),
                 (["tokenize", self.a, "--format", "npy", "-o", "x/", "--stream"], "--stream"),
                 (["tokenize", self.a, self.b, "--format", "npy", "-o", "x.npy"], "give a folder"),
                 (["tokenize", self.a, self.b, "--format", "safetensors", "-o", "x.safetensors"], "give a folder"),
                 (["tokenize", self.a, "--threads", "1.5"], "--threads"),
                 (["detokenize"], "CODES"), (["detokenize", "x.jsonl"], "-o"),
                 (["detokenize", "x.jsonl", "-o", "out.xyz"], ".wav"), (["detokenize", "-", "-o", "-", "--json"], "--json"),
                 (["detokenize", "-", "-o", "x.flac", "--sample-format", "f32"], "--sample-format"),
                 (["vocab", "minus"], "minus"), (["inspect", "--report", "r"], "--report"), (["bench"], "kernels"),
                 (["inspect", "--report", "r", self.a, "-o", "x"], "-o does not go with it"),
                 (["inspect", self.a, "--compare", MODEL], "--report"),
                 (["inspect", "--report", "r", self.a, "--levels", "1000"], "1000 levels"),
                 (["inspect", "--report", "r", self.a, "--compare", MODEL + "@999"], "999 levels"),
                 (["bench", "disk"], "disk"), (["completion"], "bash"), (["completion", "tcsh"], "tcsh"),
                 (["manual", "speak"], "speak")]
        for arguments, word in cases:
            with self.subTest(arguments=arguments):
                self.assertEqual(self.run_it(*arguments, code=2), b"")
                self.assertIn(word, self.err)
        self.assertEqual(self.names(), [])

    def test_options_stand_anywhere_and_the_last_wins(self):
        first = self.run_it("tokenize", "--levels", "2", self.a)
        self.assertEqual(first, self.run_it("tokenize", self.a, "--levels", "2"))
        self.assertEqual(first, self.run_it("tokenize", self.a, "--levels=3", "--levels=2"))
        self.assertEqual(first, self.run_it("tokenize", "--levels", "2", "--", self.a))

    def test_completions_and_manual_pages_name_every_option(self):
        options = re.findall(r"--[a-z-]+", self.run_it("tokenize", "--help").decode())
        for shell in ("bash", "zsh", "fish"):
            script = self.run_it("completion", shell).decode()
            for option in set(options) - {"--help", "--version"}:
                self.assertIn(option if shell != "fish" else f"-l {option[2:]}", script)
        page = self.run_it("manual", "tokenize").decode()
        self.assertTrue(page.startswith(".TH"))
        for option in set(options) - {"--help", "--version"}:
            self.assertIn(option.replace("-", "\\-"), page)
        self.assertIn(".SH EXIT STATUS", self.run_it("manual").decode())

    def test_bash_completion_works(self):
        (self.folder / "tessera.bash").write_bytes(self.run_it("completion", "bash"))
        script = ("source tessera.bash; COMP_WORDS=(tessera tokenize --form); COMP_CWORD=2; _tessera; echo ${COMPREPLY[@]};"
                  "COMP_WORDS=(tessera tokenize --format s); COMP_CWORD=3; _tessera; echo ${COMPREPLY[@]};"
                  "COMP_WORDS=(tessera tok); COMP_CWORD=1; _tessera; echo ${COMPREPLY[@]}")
        done = subprocess.run(["bash", "-c", script], cwd=self.folder, capture_output=True, check=True)
        self.assertEqual(done.stdout.decode().split(), ["--format", "safetensors", "tokenize"])

    def test_missing_and_bad_checkpoints_are_failures(self):
        shutil.copytree(MODEL, self.folder / "other")
        (self.folder / "other/config.json").write_text('{"model_type": "whisper"}')
        shutil.copytree(MODEL, self.folder / "broken")
        (self.folder / "broken/config.json").write_text('{"model_type": ')
        for path, word in (("nothing", "nothing"), ("other", "whisper"), ("broken", "config.json")):
            self.assertEqual(self.run_it("tokenize", self.a, "-m", path, code=1), b"")
            self.assertIn(word, self.err)
            self.assertEqual(len(self.err.splitlines()), 1)
        shutil.copytree(MODEL, self.folder / "cut")
        weights = self.folder / "cut/model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
        self.run_it("tokenize", self.a, "-m", "cut", code=1)
        self.assertIn(weights.name, self.err)

    def test_absent_gpu_is_a_failure(self):
        if os.path.exists("/dev/nvidiactl"):
            self.skipTest("there is a GPU")
        self.run_it("tokenize", self.a, "--device", "cuda:0", code=1)
        self.assertEqual(len(self.err.splitlines()), 1)


class Tokenize(CliTest):
    def test_line(self):
        (line,) = self.tokenize(self.a)
        self.assertEqual(list(line), SHARED_KEYS + ["codes"])
        self.assertEqual((line["input"], line["status"], line["kind"], line["math"]), (self.a, "ok", "audio", "exact"))
        self.assertEqual(line["samples"], round(0.5 * line["sample_rate"]))
        self.assertEqual(line["levels"], len(line["codes"]))
        self.assertTrue(all(len(row) == line["frames"] for row in line["codes"]))
        self.assertEqual(line["frames"], math.ceil(line["samples"] / line["sample_rate"] * line["frame_rate"] - 1e-9))
        self.assertEqual(self.err, "")

    def test_fast_math_is_recorded(self):
        speech = [str(SAMPLES / "media" / "speech.flac"), "--duration", "4", "-m", SAMPLES / "model" / "audio_codec"]
        (exact,) = self.tokenize(*speech)
        for unit in ("emulated-amx", "emulated-avx512-bf16"):
            with self.subTest(unit=unit):
                (fast,) = self.tokenize(*speech, "--math", "fast", "--threads", "1", variables={"TESSERA_BF16": unit})
                self.assertEqual((fast["math"], self.err), ("fast", ""))
                self.assertEqual({k: v for k, v in fast.items() if k not in ("math", "codes")},
                                 {k: v for k, v in exact.items() if k not in ("math", "codes")})
                first = list(zip(exact["codes"][0], fast["codes"][0]))
                self.assertGreaterEqual(sum(a == b for a, b in first) / len(first), 0.9)
                self.assertNotEqual(fast["codes"], exact["codes"])
                stream = self.tokenize(*speech, "--math", "fast", "--stream", "--bf16", unit)
                self.assertEqual([sum((part["codes"][i] for part in stream[:-1]), []) for i in range(fast["levels"])],
                                 fast["codes"])
                self.assertEqual(stream[-1]["math"], "fast")

    def test_fast_math_of_pictures_and_back(self):
        (line,) = self.tokenize(SAMPLES / "media" / "astronaut.jpg", "--math", "fast", "--bf16", "emulated-avx512-bf16",
                                "-m", SAMPLES / "model" / "image_codec")
        self.assertEqual(line["math"], "fast")
        model = ["-m", SAMPLES / "model" / "audio_codec", "--bf16", "emulated-amx"]
        (self.folder / "codes.jsonl").write_bytes(self.run_it("tokenize", self.a, *model))
        for name in ("exact", "fast"):
            (line,) = lines_of(self.run_it("detokenize", "codes.jsonl", "-o", name + ".wav", "--json", "--math", name,
                                           *model))
            self.assertEqual(line["math"], name)
        self.assertNotEqual((self.folder / "fast.wav").read_bytes(), (self.folder / "exact.wav").read_bytes())

    def test_fast_math_without_a_unit_is_exact_and_says_so(self):
        (exact,) = self.tokenize(self.a)
        (line,) = self.tokenize(self.a, "--math", "fast", "--bf16", "none")
        self.assertEqual(line, exact)
        self.assertEqual(len(self.err.splitlines()), 1)
        self.assertIn("no bf16 unit", self.err)
        self.tokenize(self.a, self.b, self.c, "--math", "fast", "--bf16", "none", "--threads", "3")
        self.assertEqual(len(self.err.splitlines()), 1)
        self.tokenize(self.a, "--math", "fast", "--bf16", "none", "-q")
        self.assertEqual(self.err, "")

    def test_lines_are_compact_and_in_the_order_of_the_inputs(self):
        out = self.run_it("tokenize", self.b, self.a, self.c, self.b, "--batch", "4", "--threads", "4")
        self.assertNotIn(b" ", out.replace(str(self.shared).encode(), b""))
        self.assertEqual([line["input"] for line in lines_of(out)], [self.b, self.a, self.c, self.b])

    def test_same_bytes_whatever_batch_threads_and_instruction_set(self):
        inputs = [self.a, self.b, self.c] * 3
        first = self.run_it("tokenize", *inputs)
        for options in (["--batch", "1"], ["--batch", "3"], ["--batch", "64", "--threads", "3"], ["--threads", "1"],
                        ["--isa", "avx2"], ["--seed", "7"]):
            if options == ["--isa", "avx2"] and os.uname().machine != "x86_64":
                continue
            self.assertEqual(self.run_it("tokenize", *inputs, *options), first, options)
        self.assertEqual(self.run_it("tokenize", *inputs), first)

    def test_the_environment_chooses_model_and_instruction_set(self):
        self.run_it("tokenize", self.a, variables={"TESSERA_ISA": "sse"}, code=1)
        (line,) = self.tokenize(self.a, variables={"TESSERA_MODEL": OTHER_MODEL})
        self.assertNotEqual(line["codec"], "mimi")
        (line,) = self.tokenize(self.a, "-m", MODEL, variables={"TESSERA_MODEL": OTHER_MODEL})
        self.assertEqual(line["levels"], self.tokenize(self.a)[0]["levels"])

    def test_levels(self):
        (whole,) = self.tokenize(self.a)
        (two,) = self.tokenize(self.a, "--levels", "2")
        self.assertEqual((two["levels"], two["codes"]), (2, whole["codes"][:2]))

    def test_stream_is_the_same_as_whole(self):
        (whole,) = self.tokenize(self.c)
        *parts, last = self.tokenize(self.c, "--stream")
        self.assertGreater(len(parts), 1)
        frame = 0
        rows = [[] for _ in whole["codes"]]
        for part in parts:
            self.assertEqual(list(part), ["input", "frame", "codes"])
            self.assertEqual(part["frame"], frame)
            frame += len(part["codes"][0])
            for row, more in zip(rows, part["codes"]):
                row += more
        self.assertEqual(rows, whole["codes"])
        self.assertEqual(list(last), SHARED_KEYS)
        self.assertEqual(last, {key: whole[key] for key in SHARED_KEYS})

    def test_stream_comes_while_the_input_is_open(self):
        process = self.start("tokenize", "--stream", "--pcm", "s16", "--rate", "24000", "-", stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
        process.stdin.write(s16(tone(0.5)).tobytes())
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], 60)
        self.assertTrue(ready)
        self.assertIn("frame", json.loads(process.stdout.readline()))
        process.stdin.write(s16(tone(0.1)).tobytes())
        process.stdin.close()
        # Not communicate(): readline() may have taken more than its line into the reader's buffer.
        self.assertEqual(lines_of(process.stdout.read())[-1]["samples"], 14400)
        self.assertEqual(process.wait(60), 0)

    def test_standard_input(self):
        (whole,) = self.tokenize(self.a)
        data = pathlib.Path(self.a).read_bytes()
        (line,) = self.tokenize("-", stdin=data)
        self.assertEqual((line["input"], line["codes"]), ("-", whole["codes"]))
        with open(self.a, "rb") as file:
            done = subprocess.run([BIN, "tokenize", "-"], stdin=file, env=self.environment(), capture_output=True)
        self.assertEqual(lines_of(done.stdout)[0]["codes"], whole["codes"])

    def test_raw_pcm(self):
        (whole,) = self.tokenize(self.a)
        data = s16(tone(0.5))
        (line,) = self.tokenize("--pcm", "s16", "--rate", "24000", "-", stdin=data.tobytes())
        self.assertEqual(line["codes"], whole["codes"])
        floats = array.array("f", [v / 32768 for v in data])
        (line,) = self.tokenize("--pcm", "f32", "--rate", "24000", "-", stdin=floats.tobytes())
        self.assertEqual(line["codes"], whole["codes"])

    def test_start_and_duration(self):
        values = tone(0.5)
        (self.folder / "part.wav").write_bytes(wav_bytes(values[4800:9600]))
        (part,) = self.tokenize("part.wav")
        (line,) = self.tokenize(self.a, "--start", "0.2", "--duration", "0.2")
        self.assertEqual((line["samples"], line["codes"]), (4800, part["codes"]))

    def test_folders_and_lists(self):
        (self.folder / "in/deep").mkdir(parents=True)
        for name in ("in/2.wav", "in/1.wav", "in/deep/3.WAV", "in/.hidden.wav", "in/deep/notes.txt"):
            shutil.copy(self.a, self.folder / name)
        found = ["in/1.wav", "in/2.wav", "in/deep/3.WAV"]
        self.assertEqual([line["input"] for line in self.tokenize("-r", "in")], found)
        (self.folder / "list.txt").write_text("in/2.wav\n\nin/1.wav\n")
        self.assertEqual([line["input"] for line in self.tokenize("--input-list", "list.txt", "in/deep/3.WAV")],
                         ["in/deep/3.WAV", "in/2.wav", "in/1.wav"])
        self.assertEqual([line["input"] for line in self.tokenize("--input-list", "-", stdin=b"in/1.wav\n")], ["in/1.wav"])
        (line,) = self.tokenize("in", code=65)
        self.assert_error(line, "unreadable")
        self.assertIn("--recursive", line["error"])
        (self.folder / "empty").mkdir()
        self.assert_error(self.tokenize("-r", "empty", code=65)[0], "empty_folder")
        self.assert_error(self.tokenize("--input-list", "absent.txt", code=65)[0], "unreadable")

    def test_bad_inputs_never_stop_the_others(self):
        good = pathlib.Path(self.a).read_bytes()
        bad = {
            "empty.wav": (b"", "empty_media"),
            "no_samples.wav": (wav_bytes([]), "empty_media"),
            "cut.wav": (good[:len(good) // 2], "truncated_media"),
            "text.wav": (b"This is not sound at all.\n" * 50, "unknown_format"),
            "nan.wav": (float_wav_bytes([0.1] * 100 + [math.nan] + [0.1] * 5000), "bad_sample"),
            "infinite.wav": (float_wav_bytes([0.1] * 3000 + [math.inf]), "bad_sample"),
        }
        inputs = []
        for name, (data, _) in bad.items():
            (self.folder / name).write_bytes(data)
            inputs += [self.a, name]
        (self.folder / "locked.wav").write_bytes(good)
        os.chmod(self.folder / "locked.wav", 0)
        locked = [] if os.geteuid() == 0 else ["locked.wav"]
        lines = self.tokenize(*inputs, "absent.wav", *locked, self.b, code=65)
        self.assertEqual([line["input"] for line in lines], [*inputs, "absent.wav", *locked, self.b])
        for line in lines:
            if line["input"] in (self.a, self.b):
                self.assertEqual(line["status"], "ok")
            else:
                self.assert_error(line, bad.get(line["input"], (None, "unreadable"))[1])
                self.assertIn(line["input"], line["error"])
                self.assertIn(line["error"], self.err)
        self.assertEqual(len({tuple(map(tuple, line["codes"])) for line in lines if line["input"] == self.a}), 1)

    def test_odd_media(self):
        (self.folder / "eight.wav").write_bytes(wav_bytes(tone(0.1, 48000, 8), 48000, 8))
        (self.folder / "slow.wav").write_bytes(wav_bytes(tone(0.2, 8000), 8000))
        (self.folder / "fast.wav").write_bytes(wav_bytes(tone(0.05, 192000), 192000))
        (self.folder / "one.wav").write_bytes(wav_bytes([0.5]))
        shutil.copy(self.a, self.folder / "wrong.mp3")
        lines = self.tokenize("eight.wav", "slow.wav", "fast.wav", "one.wav", "wrong.mp3")
        rate = lines[0]["sample_rate"]
        self.assertEqual([line["samples"] for line in lines],
                         [round(0.1 * rate), round(0.2 * rate), round(0.05 * rate), math.ceil(rate / 24000), rate // 2])
        self.assertEqual(lines[4]["codes"], self.tokenize(self.a)[0]["codes"])

    def test_rates_without_common_divisor(self):
        (line,) = self.tokenize("-", stdin=wav_bytes(tone(0.5, 44099), 44099))
        self.assertEqual(line["samples"], math.ceil(len(tone(0.5, 44099)) * line["sample_rate"] / 44099))

    def test_rates_that_cannot_be_resampled(self):
        odd = 99999989
        bad, good = self.tokenize("-", self.a, stdin=wav_bytes(tone(0.0001, odd), odd), code=65)
        self.assert_error(bad, "unsupported_rate")
        self.assertIn(f"{odd} Hz", bad["error"])
        self.assertEqual(good["status"], "ok")

    def test_allow_truncated(self):
        good = pathlib.Path(self.a).read_bytes()
        (self.folder / "cut.wav").write_bytes(good[:len(good) // 2])
        (line,) = self.tokenize("cut.wav", "--allow-truncated")
        self.assertEqual(list(line), SHARED_KEYS + ["warning", "codes"])
        self.assertIn("truncated", line["warning"])
        self.assertEqual(self.err, "tessera: warning: " + line["warning"] + "\n")
        self.assertEqual(self.err.count("cut.wav"), 1)

    def test_streaming_wav_headers_are_no_truncation(self):
        data = bytearray(pathlib.Path(self.a).read_bytes())
        data[4:8] = data[40:44] = b"\xff" * 4
        (line,) = self.tokenize("-", stdin=bytes(data))
        self.assertEqual(line["codes"], self.tokenize(self.a)[0]["codes"])

    def test_quality(self):
        (line,) = self.tokenize(self.a, "--quality")
        self.assertEqual(list(line), SHARED_KEYS + ["quality", "codes"])
        self.assertEqual(list(line["quality"]), QUALITY_KEYS)
        self.assertGreater(line["quality"]["mel_distance"], 0)
        self.assertTrue(-1 <= line["quality"]["stoi"] <= 1)
        *_, last = self.tokenize(self.a, "--quality", "--stream")
        self.assertEqual(last["quality"], line["quality"])
        (self.folder / "silence.wav").write_bytes(wav_bytes([0.0] * 4800))
        (line,) = self.tokenize("silence.wav", "--quality")
        self.assertIsNone(line["quality"]["si_sdr_db"])
        self.assertIsNone(line["quality"]["stoi"])
        (line,) = self.tokenize(self.c, "--quality")  # 0.2 s are too short
        self.assertIsNone(line["quality"]["stoi"])

    def test_quality_depends_on_no_threads(self):
        paths = [self.a, self.b, self.c, self.a]
        alone = self.run_it("tokenize", *paths, "--quality", "--threads", "1")
        self.assertEqual(self.run_it("tokenize", *paths, "--quality", "--threads", "3"), alone)

    def test_bit_rates_and_use_of_codes_are_what_the_codes_say(self):
        for levels in ([], ["--levels", "1"]):
            (line,) = self.tokenize(self.a, "--quality", *levels)
            self.check_code_use(line)
            self.assertLessEqual(line["quality"]["entropy_kbps"], line["quality"]["kbps"])

    def test_quality_is_what_its_definition_says(self):
        (line,) = self.tokenize(self.a, "--quality")
        (self.folder / "a.jsonl").write_bytes(self.run_it("tokenize", self.a))
        self.run_it("detokenize", "a.jsonl", "-o", "a.wav", "--sample-format", "f32")
        data = (self.folder / "a.wav").read_bytes()
        copy = array.array("f", data[data.index(b"data") + 8:])
        original = [v / 32768 for v in s16(tone(0.5))]
        if line["sample_rate"] != 24000:
            self.skipTest("the codec resamples")
        noise = sum((x - y) ** 2 for x, y in zip(original, copy))
        snr = 10 * math.log10(sum(x * x for x in original) / noise)
        self.assertAlmostEqual(line["quality"]["snr_db"], snr, places=3)

    def test_output_file(self):
        expected = self.run_it("tokenize", self.a, self.b)
        self.assertEqual(self.run_it("tokenize", self.a, self.b, "-o", "codes.jsonl"), b"")
        self.assertEqual((self.folder / "codes.jsonl").read_bytes(), expected)
        self.assertEqual(self.run_it("tokenize", self.a, self.b, "-o", "-"), expected)
        self.assertEqual(self.names(), ["codes.jsonl"])

    def test_existing_output_is_kept(self):
        (self.folder / "codes.jsonl").write_text("precious")
        self.run_it("tokenize", self.a, "-o", "codes.jsonl", code=1)
        self.assertIn("--overwrite", self.err)
        self.assertEqual((self.folder / "codes.jsonl").read_text(), "precious")
        self.run_it("tokenize", self.a, "-o", "codes.jsonl", "--overwrite")
        self.assertIn("codes", (self.folder / "codes.jsonl").read_text())

    def assert_kept(self, process, rest):
        """A file that appears while the program works is not replaced, and nothing else is left."""
        deadline = time.time() + 60
        while not [name for name in self.names() if ".tmp-" in name]:
            self.assertLess(time.time(), deadline)
            time.sleep(0.05)
        (self.folder / "out.wav").write_text("precious")
        _, err = process.communicate(rest, timeout=60)
        self.assertEqual(process.returncode, 1, err)
        self.assertIn(b"exists already", err)
        self.assertEqual((self.folder / "out.wav").read_text(), "precious")

    def test_a_file_that_appears_meanwhile_is_kept(self):
        data = pathlib.Path(self.a).read_bytes()
        codes = self.run_it("tokenize", "--stream", self.a).splitlines(keepends=True)
        cases = [(["tokenize", "-"], b"", data), (["detokenize", "-"], b"".join(codes[:-1]), codes[-1])]
        for arguments, first, rest in cases:
            for fault in (None, "plain", "nolink"):
                with self.subTest(arguments=arguments, fault=fault):
                    variables = self.faults(rename=fault) if fault else {}
                    process = self.start(*arguments, "-o", "out.wav", variables=variables, stdin=subprocess.PIPE,
                                         stderr=subprocess.PIPE)
                    process.stdin.write(first)
                    process.stdin.flush()
                    self.assert_kept(process, rest)
                    self.assertEqual(self.names(), ["out.wav"])
                    (self.folder / "out.wav").unlink()
                    self.run_it(*arguments, "-o", "out.wav", stdin=first + rest, variables=variables)
                    self.assertEqual(self.names(), ["out.wav"])
                    (self.folder / "out.wav").unlink()

    def test_a_link_to_nowhere_is_kept(self):
        os.symlink("nowhere", self.folder / "x.jsonl")
        self.run_it("tokenize", self.a, "-o", "x.jsonl", code=1)
        self.assertIn("--overwrite", self.err)
        self.run_it("tokenize", self.a, "-o", "x.jsonl", "--overwrite")
        self.assertEqual(self.names(), ["x.jsonl"])

    def test_output_appears_even_when_some_input_was_bad(self):
        self.run_it("tokenize", "absent.wav", self.a, "-o", "codes.jsonl", code=65)
        self.assertEqual(len((self.folder / "codes.jsonl").read_text().splitlines()), 2)

    def test_full_disk(self):
        for arguments in (["-o", "/dev/full"], []):
            with open("/dev/full", "wb") as full:
                self.run_it("tokenize", self.a, *arguments, code=1, stdout=full)
            self.assertIn("No space left", self.err)
        self.run_it("tokenize", self.a, "-o", "/dev/null")
        self.run_it("tokenize", self.a, "-o", "no/such/folder.jsonl", code=1)
        self.assertEqual(self.names(), [])

    def test_npy(self):
        (whole,) = self.tokenize(self.a)
        shutil.copytree(self.shared, self.folder / "twin")
        self.run_it("tokenize", "--format", "npy", self.a, "twin/a.wav", self.b, "-o", "out")
        self.assertEqual(self.names(), ["out/a-2.npy", "out/a.npy", "out/b.npy", *sorted(f"twin/{n}.wav" for n in "abc")])
        data = (self.folder / "out/a.npy").read_bytes()
        self.assertEqual(data[:8], b"\x93NUMPY\x01\x00")
        length = struct.unpack("<H", data[8:10])[0]
        self.assertEqual((10 + length) % 64, 0)
        header = eval(data[10:10 + length])  # noqa: S307: NumPy's header is a Python literal
        self.assertEqual(header, {"descr": "<i4", "fortran_order": False, "shape": (whole["levels"], whole["frames"])})
        self.assertEqual(list(array.array("i", data[10 + length:])), sum(whole["codes"], []))

    def test_the_name_says_whether_arrays_go_to_a_file_or_a_folder(self):
        self.run_it("tokenize", "--format", "npy", self.a, "-o", "codes")
        self.run_it("tokenize", "--format", "npy", self.a, "-o", "codes.npy")
        self.run_it("tokenize", "--format", "safetensors", self.a, "-o", "v1.2")
        (self.folder / "old.npy").mkdir()
        self.run_it("tokenize", "--format", "npy", self.a, self.b, "-o", "old.npy")
        self.run_it("tokenize", "--format", "npy", self.b, "-o", "new.npy/")
        self.assertEqual(self.names(), ["codes.npy", "codes/a.npy", "new.npy/b.npy", "old.npy/a.npy", "old.npy/b.npy",
                                        "v1.2/a.safetensors"])
        self.assertIn("name ends", self.run_it("tokenize", "--help").decode())

    def test_threads_that_do_not_start(self):
        inputs = [self.a, self.b] * 4
        expected = self.run_it("tokenize", *inputs)
        for most in (1, 2, 3):  # one is the codec's own
            faults = self.faults(threads=most)
            out = self.run_it("tokenize", *inputs, "--threads", "2", "--batch", "2", variables=faults)
            self.assertEqual(out, expected)
        self.run_it("tokenize", *inputs, "--threads", "2", variables=self.faults(threads=0), code=1)
        self.assertEqual(len(self.err.splitlines()), 1)

    def test_safetensors(self):
        (whole,) = self.tokenize(self.a)
        self.run_it("tokenize", "--format", "safetensors", self.a, "-o", "a.safetensors")
        data = (self.folder / "a.safetensors").read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + length])
        self.assertEqual(header["codes"]["dtype"], "I32")
        self.assertEqual(header["codes"]["shape"], [whole["levels"], whole["frames"]])
        self.assertEqual(list(array.array("i", data[8 + length:])), sum(whole["codes"], []))
        self.assertEqual(header["__metadata__"]["codec"], whole["codec"])
        self.assertEqual(header["__metadata__"]["samples"], str(whole["samples"]))

    def test_array_outputs_name_what_went_wrong(self):
        out = self.run_it("tokenize", "--format", "npy", "absent.wav", self.a, "-o", "out", "--json", code=65)
        error, ok = lines_of(out)
        self.assert_error(error, "unreadable")
        self.assertEqual(ok["output"], "out/a.npy")
        self.assertNotIn("codes", ok)
        self.run_it("tokenize", "--format", "npy", self.a, self.b, "-o", "out", code=1)
        self.assertEqual(self.names(), ["out/a.npy"])

    def test_names_that_are_no_text(self):
        name = os.fsdecode(b"bad\xff\nname.wav")
        shutil.copy(self.a, self.folder / name)
        (line,) = self.tokenize(name)
        self.assertEqual(line["status"], "ok")
        self.tokenize(os.fsdecode(b"ab\nsent\xff.wav"), code=65)
        self.assertEqual(len(self.err.splitlines()), 1)

    def test_progress(self):
        self.run_it("tokenize", self.a, self.b, "--progress", "always")
        self.assertIn("2/2 inputs", self.err)
        for options in ([], ["--progress", "never"], ["--quiet"]):
            self.run_it("tokenize", self.a, *options)
            self.assertEqual(self.err, "")
        self.run_it("tokenize", self.a, "--verbose")
        self.assertIn("levels", self.err)
        leader, follower = pty.openpty()
        process = self.start("tokenize", self.a, stdout=subprocess.DEVNULL, stderr=follower)
        self.assertEqual(process.wait(60), 0)
        self.assertIn(b"1/1 inputs", os.read(leader, 4096))
        os.close(leader)
        os.close(follower)

    def test_closed_pipe_is_quiet(self):
        inputs = [self.a] * 60
        process = self.start("tokenize", *inputs, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.readline()
        process.stdout.close()
        with process.stderr:
            self.assertEqual(process.stderr.read(), b"")
        self.assertEqual(process.wait(60), 1)


class Detokenize(CliTest):
    def setUp(self):
        super().setUp()
        self.codes = self.folder / "codes.jsonl"
        self.codes.write_bytes(self.run_it("tokenize", self.a, self.b))
        self.before = self.names()

    def new_names(self):
        return [name for name in self.names() if name not in self.before]

    def test_folder(self):
        self.assertEqual(self.run_it("detokenize", "codes.jsonl", "-o", "out/"), b"")
        self.assertEqual(self.new_names(), ["out/a.wav", "out/b.wav"])
        for line in lines_of(self.codes.read_bytes()):
            rate, channels, frames = read_wav(self.folder / "out" / pathlib.Path(line["input"]).name)
            self.assertEqual((rate, channels, frames), (line["sample_rate"], 1, line["samples"]))

    def test_one_file_of_each_format(self):
        self.codes.write_bytes(self.run_it("tokenize", self.a))
        for name, magic in (("x.wav", b"RIFF"), ("x.flac", b"fLaC"), ("x.ogg", b"OggS"), ("x.opus", b"OggS")):
            self.run_it("detokenize", "codes.jsonl", "-o", name)
            self.assertEqual((self.folder / name).read_bytes()[:4], magic)
        self.run_it("detokenize", "codes.jsonl", "-o", "f.wav", "--sample-format", "f32")
        data = (self.folder / "f.wav").read_bytes()
        self.assertEqual(struct.unpack("<H", data[20:22])[0], 3)

    def test_pipes(self):
        one = self.run_it("tokenize", self.a)
        wav = self.run_it("detokenize", "-", "-o", "-", stdin=one)
        self.run_it("detokenize", "-", "-o", "one.wav", stdin=one)
        self.assertEqual(wav[44:], (self.folder / "one.wav").read_bytes()[44:])
        streamed = self.run_it("detokenize", "--stream", "-", "-o", "-", stdin=self.run_it("tokenize", "--stream", self.a))
        self.assertEqual(streamed, wav)
        (again,) = self.tokenize("-", stdin=wav)
        self.assertEqual(again["samples"], lines_of(one)[0]["samples"])

    def test_sound_comes_while_the_codes_are_open(self):
        lines = self.run_it("tokenize", "--stream", self.a).splitlines(keepends=True)
        process = self.start("detokenize", "--stream", "-", "-o", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdin.write(b"".join(lines[:-1]))
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], 60)
        self.assertTrue(ready)
        self.assertEqual(os.read(process.stdout.fileno(), 4), b"RIFF")
        process.communicate(lines[-1], timeout=60)
        self.assertEqual(process.returncode, 0)

    def test_many_inputs_do_not_fit_in_one_file(self):
        self.run_it("detokenize", "codes.jsonl", "-o", "out.wav", code=2)
        self.assertIn("out/", self.err)
        self.run_it("detokenize", "-", "-o", "out.wav", stdin=self.codes.read_bytes(), code=2)
        self.assertEqual(self.new_names(), [])

    def test_names(self):
        (line,) = lines_of(self.run_it("tokenize", self.a))
        inputs = ["x/a.wav", "y/a.flac", "../../escape.wav", "..", "", "-", "nul\0.wav", "n" * 300 + ".wav", "/"]
        self.codes.write_text("".join(json.dumps(dict(line, input=name)) + "\n" for name in inputs))
        self.run_it("detokenize", "codes.jsonl", "-o", "out/")
        self.assertEqual(sorted(os.listdir(self.folder / "out")),
                         sorted(["a.wav", "a-2.wav", "escape.wav", "output.wav", "output-2.wav", "stdin.wav", "nul_.wav",
                                 "n" * 200 + ".wav", "output-3.wav"]))
        self.assertEqual(os.listdir(self.folder.parent).count("escape.wav"), 0)

    def test_json(self):
        out = lines_of(self.run_it("detokenize", "codes.jsonl", "-o", "out", "--json"))
        self.assertEqual([line["output"] for line in out], ["out/a.wav", "out/b.wav"])
        self.assertEqual([line["samples"] for line in out], [l["samples"] for l in lines_of(self.codes.read_bytes())])

    def test_existing_output_is_kept(self):
        (self.folder / "out").mkdir()
        (self.folder / "out/b.wav").write_text("precious")
        self.run_it("detokenize", "codes.jsonl", "-o", "out/", code=1)
        self.assertIn("out/b.wav", self.err)
        self.assertEqual(self.new_names(), ["out/b.wav"])
        self.run_it("detokenize", "codes.jsonl", "-o", "out/", "--overwrite")
        self.assertEqual(read_wav(self.folder / "out/b.wav")[1], 1)
        self.run_it("detokenize", "codes.jsonl", "-o", "out/b.wav", code=1)

    def test_same_bytes_again(self):
        self.run_it("detokenize", "codes.jsonl", "-o", "one/")
        self.run_it("detokenize", "codes.jsonl", "-o", "two/", "--threads", "1", "--stream")
        for name in ("a.wav", "b.wav"):
            self.assertEqual((self.folder / "one" / name).read_bytes(), (self.folder / "two" / name).read_bytes())

    def test_levels(self):
        self.codes.write_bytes(self.run_it("tokenize", self.a))
        self.run_it("detokenize", "codes.jsonl", "-o", "two.wav", "--levels", "2")
        two = self.run_it("tokenize", self.a, "--levels", "2")
        self.run_it("detokenize", "-", "-o", "of_two.wav", stdin=two)
        self.assertEqual((self.folder / "two.wav").read_bytes(), (self.folder / "of_two.wav").read_bytes())
        self.run_it("detokenize", "-", "-o", "x.wav", "--levels", "3", stdin=two, code=65)

    def test_bare_codes(self):
        (line,) = lines_of(self.run_it("tokenize", self.a))
        self.run_it("detokenize", "-", "-o", "bare.wav", stdin=json.dumps({"codes": line["codes"]}).encode())
        _, _, frames = read_wav(self.folder / "bare.wav")
        self.assertEqual(frames, round(line["frames"] * line["sample_rate"] / line["frame_rate"]))

    def test_arrays_go_back(self):
        self.run_it("detokenize", "codes.jsonl", "-o", "out/")
        self.run_it("tokenize", "--format", "safetensors", self.a, "-o", "a.safetensors")
        self.run_it("detokenize", "a.safetensors", "-o", "a.wav")
        self.assertEqual((self.folder / "a.wav").read_bytes(), (self.folder / "out/a.wav").read_bytes())
        self.run_it("tokenize", "--format", "npy", self.a, "-o", "a.npy")
        self.run_it("detokenize", "a.npy", "-o", "n.wav")
        self.assertEqual(read_wav(self.folder / "n.wav")[0], read_wav(self.folder / "a.wav")[0])

    def test_codes_of_another_codec(self):
        for model in (OTHER_MODEL, OTHER_RATE_MODEL):
            theirs = self.tokenize(self.a, "-m", model)[0]
            self.run_it("detokenize", "codes.jsonl", "-o", "out/", "-m", model, code=65)
            self.assertEqual(self.new_names(), [])
            ours = lines_of(self.codes.read_bytes())[0]
            self.assertIn(ours["codec"], self.err)
            self.assertIn(theirs["codec"], self.err)
        error = lines_of(self.run_it("detokenize", "codes.jsonl", "-o", "out/", "-m", OTHER_MODEL, "--json", code=65))[0]
        self.assert_error(error, "wrong_codec")

    def test_bad_lines_never_stop_the_others(self):
        (line,) = lines_of(self.run_it("tokenize", self.a))
        codes = line["codes"]
        size = self.run_json("inspect", MODEL)["codebook_sizes"]
        broken = [
            "not json", '{"input": "cut.wav", "codes": [[1,2', "[1,2]", "3", "null", '"x"', "[" * 5000 + "]" * 5000,
            '{"input":"x","codes":' + "[" * 500 + "]" * 500 + "}", '{"input":"x"}', '{"input":"x","codes":[]}',
            '{"input":"x","codes":[[]]}', '{"input":"x","codes":[[1.5]]}', '{"input":"x","codes":[["1"]]}',
            '{"input":"x","codes":[[-1]]}', '{"input":"x","codes":[[99999999999999999999]]}', '{"input":5,"codes":[[1]]}',
            '{"input":"x","samples":-5,"codes":[[1]]}', '{"input":"x","codes":[[1e999]]}', '{"input":"\xff"}',
            json.dumps(dict(line, codes=codes[:1] + [row[:-1] for row in codes[1:]])),
            json.dumps(dict(line, codes=[[size[0]] + codes[0][1:]] + codes[1:])),
            json.dumps(dict(line, codes=codes[:-1])), json.dumps(dict(line, codes=[row[:-1] for row in codes])),
            json.dumps(dict(line, codes=codes + codes * 10, levels=11 * len(codes))), json.dumps(dict(line, kind="image")),
            json.dumps(dict(line, frame_rate=1.25)), json.dumps({"input": "x", "frame": 0, "codes": codes}),
            json.dumps({"input": "y", "frame": 3, "codes": codes}),
            json.dumps({"input": "c.mp3", "status": "error", "error": "c.mp3: truncated", "reason": "corrupt_media"}),
        ]
        good = json.dumps(line)
        for text in broken:
            with self.subTest(text=text[:100]):
                shutil.rmtree(self.folder / "out", ignore_errors=True)
                self.codes.write_bytes(text.encode("latin-1") + b"\n\n" + good.encode() + b"\n")
                self.run_it("detokenize", "codes.jsonl", "-o", "out/", code=65)
                self.assertEqual(self.new_names(), ["out/a.wav"])
                self.assertIn("line 1", self.err)
                self.assertEqual(len(self.err.splitlines()), 1)

    def run_json(self, *arguments):
        return json.loads(self.run_it(*arguments, "--json"))

    def test_ids_out_of_range_say_where(self):
        (line,) = lines_of(self.run_it("tokenize", self.a))
        line["codes"][1][2] = 100000
        self.run_it("detokenize", "-", "-o", "x.wav", stdin=json.dumps(line).encode(), code=65)
        self.assertIn("100000 (level 1, frame 2)", self.err)
        self.assertEqual(self.new_names(), [])

    def test_streams_that_were_cut(self):
        lines = self.run_it("tokenize", "--stream", self.a).splitlines(keepends=True)
        for kept in (lines[:-1], lines[1:], lines[:2] + lines[3:]):
            self.run_it("detokenize", "-", "-o", "x.wav", stdin=b"".join(kept), code=65)
            self.assertEqual(self.new_names(), [])

    def test_broken_arrays(self):
        self.run_it("tokenize", "--format", "npy", self.a, "-o", "a.npy")
        self.run_it("tokenize", "--format", "safetensors", self.a, "-o", "a.safetensors")
        npy = (self.folder / "a.npy").read_bytes()
        tensors = (self.folder / "a.safetensors").read_bytes()
        self.before = self.names() + ["broken"]
        for data in (npy[:9], npy[:50], npy[:-4], npy.replace(b"<i4", b"<f4"), npy.replace(b"(", b"9"),
                     npy.replace(b"False", b"True "), tensors[:40], tensors[:-4], tensors.replace(b"I32", b"F32")):
            (self.folder / "broken").write_bytes(data)
            self.run_it("detokenize", "broken", "-o", "x.wav", code=65)
            self.assertEqual(self.new_names(), [])

    def test_a_file_that_stops_being_readable(self):
        codes = self.codes.read_bytes()
        self.codes.write_bytes(codes * ((1 << 18) // len(codes)))
        out = self.run_it("detokenize", "codes.jsonl", "-o", "out/", "--json", code=65,
                          variables=self.faults(read="codes.jsonl"))
        *_, last = lines_of(out)
        self.assert_error(last, "unreadable")

    def test_unreadable_and_full(self):
        self.run_it("detokenize", "absent.jsonl", "codes.jsonl", "-o", "out/", code=65)
        self.assertEqual(self.new_names(), ["out/a.wav", "out/b.wav"])
        one = self.run_it("tokenize", self.a)
        with open("/dev/full", "wb") as full:
            self.run_it("detokenize", "-", "-o", "-", stdin=one, stdout=full, code=1)
        self.run_it("detokenize", "-", "-o", "/dev/full", stdin=one, code=1)
        (self.folder / "file").write_text("")
        self.run_it("detokenize", "codes.jsonl", "-o", "file/", code=1)


class Interruption(CliTest):
    def assert_stops(self, process):
        started = time.time()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 130, err)
        self.assertLess(time.time() - started, 10)
        return out, err

    def long_wav(self):
        path = self.folder / "long.wav"
        path.write_bytes(wav_bytes(tone(2), repeat=600))
        return path

    def test_in_the_middle_of_a_file(self):
        self.long_wav()
        for extra in ([], ["long.wav", "--batch", "2", "--threads", "2"], ["--format", "npy"]):
            output = "out/" if "npy" in extra else "codes.jsonl"
            process = self.start("tokenize", "long.wav", *extra, "-o", output, stderr=subprocess.PIPE)
            time.sleep(0.7)
            self.assert_stops(process)
            self.assertEqual(self.names(), ["long.wav"])

    def test_while_outputs_are_planned(self):
        line = b'{"input":"x","frame":0,"codes":[[1]]}\n'
        with open(self.folder / "long.jsonl", "wb") as file:
            for _ in range(100):
                file.write(line * 40000)
        process = self.start("detokenize", "long.jsonl", "-o", "out/", stderr=subprocess.PIPE)
        time.sleep(0.5)
        started = time.time()
        self.assert_stops(process)
        self.assertLess(time.time() - started, 3)
        self.assertEqual(self.names(), ["long.jsonl"])

    def test_while_waiting_for_input(self):
        for arguments in (["tokenize", "-"], ["tokenize", "--stream", "--pcm", "s16", "--rate", "16000", "-"],
                          ["detokenize", "-", "-o", "x.wav"]):
            process = self.start(*arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(0.5)
            self.assert_stops(process)
        self.assertEqual(self.names(), [])

    def test_in_the_middle_of_decoding(self):
        lines = self.run_it("tokenize", "--stream", self.a).splitlines(keepends=True)
        process = self.start("detokenize", "-", "-o", "x.wav", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(b"".join(lines[:-1]))
        process.stdin.flush()
        time.sleep(0.5)
        self.assert_stops(process)
        self.assertEqual(self.names(), [])

    def test_terminate(self):
        self.long_wav()
        process = self.start("tokenize", "long.wav", "-o", "x.jsonl")
        time.sleep(0.5)
        process.terminate()
        self.assertEqual(process.wait(20), 130)
        self.assertEqual(self.names(), ["long.wav"])


class Pictures(CliTest):
    """An image codec of 4 pixels a code, without a preprocessor_config.json."""

    def setUp(self):
        super().setUp()
        for name, (width, height) in {"a.png": (37, 26), "b.png": (12, 40)}.items():
            (self.folder / name).write_bytes(png_bytes(width, height))

    def environment(self, **extra):
        return super().environment(**{"TESSERA_MODEL": PICTURE_MODEL, **extra})

    def test_line(self):
        line, other = self.tokenize("a.png", "b.png")
        self.assertEqual(list(line), ["input", "status", "kind", "codec", "math", "width", "height", "grid", "levels", "codes"])
        self.assertEqual((line["kind"], line["codec"], line["width"], line["height"], line["grid"], line["levels"]),
                         ("image", "llamagen", 36, 24, [6, 9], 1))
        self.assertEqual([len(row) for row in line["codes"]], [54])
        self.assertEqual(other["grid"], [10, 3])
        self.assertTrue(all(0 <= code < 40 for code in line["codes"][0]))

    def test_same_bytes_whatever_batch_threads_and_instruction_set(self):
        expected = self.run_it("tokenize", "a.png", "b.png")
        for options in (["--threads", 1], ["--threads", 3, "--batch", 2], ["--isa", "avx2"]):
            self.assertEqual(self.run_it("tokenize", "a.png", "b.png", *options), expected)

    def test_there_and_back(self):
        self.run_it("tokenize", "a.png", "b.png", "-o", "codes.jsonl")
        lines = lines_of(self.run_it("detokenize", "codes.jsonl", "-o", "out/", "--json"))
        self.assertEqual([(line["output"], line["width"], line["height"]) for line in lines],
                         [("out/a.png", 36, 24), ("out/b.png", 12, 40)])
        picture = (self.folder / "out/a.png").read_bytes()
        self.assertEqual(struct.unpack(">II", picture[16:24]), (36, 24))
        one = self.run_it("tokenize", "a.png")
        self.assertEqual(self.run_it("detokenize", "-", "-o", "-", stdin=one), picture)
        self.run_it("detokenize", "-", "-o", "one.jpg", stdin=one)
        self.assertEqual((self.folder / "one.jpg").read_bytes()[:3], b"\xff\xd8\xff")
        self.run_it("detokenize", "codes.jsonl", "-o", "one.png", code=2)
        self.run_it("tokenize", "a.png", "-o", "a.safetensors", "--format", "safetensors")
        self.run_it("detokenize", "a.safetensors", "-o", "array.png")
        self.assertEqual((self.folder / "array.png").read_bytes(), picture)

    def test_quality(self):
        (line,) = self.tokenize("--quality", "a.png")
        quality = line["quality"]
        self.assertEqual(list(quality), PICTURE_QUALITY_KEYS)
        self.assertGreater(quality["psnr_db"], 0)
        self.assertTrue(-1 < quality["ssim"] < 1)
        self.assertAlmostEqual(quality["bits_per_pixel"], math.log2(40) / 16, places=4)
        shares = [count / 54 for count in collections.Counter(line["codes"][0]).values()]
        entropy = -sum(share * math.log2(share) for share in shares)
        self.assertEqual((quality["code_use"][0]["codebook"], quality["code_use"][0]["used"]), (40, len(shares)))
        self.assertAlmostEqual(quality["code_use"][0]["entropy_bits"], entropy, places=4)
        self.assertAlmostEqual(quality["entropy_bits_per_pixel"], entropy / 16, places=4)

    def test_too_little_memory(self):
        (self.folder / "large.png").write_bytes(black_png(1500, 2000))
        limited = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_AS, (4 * 10**8, 4 * 10**8))}
        refused, done = self.tokenize("large.png", "b.png", "--threads", 1, code=65, **limited)
        self.assert_error(refused, "too_large")
        needed, left = map(int, re.findall(r"\((\d+) bytes\)", refused["error"]))
        self.assertGreater(needed, left)
        self.assertLess(left, 4 * 10**8)
        self.assertIn("large.png: encoding 1500 by 2000 pixels takes", refused["error"])
        width, height = map(int, re.search(r"about (\d+) by (\d+) fit", refused["error"]).groups())
        self.assertEqual(done["status"], "ok")
        (self.folder / "fits.png").write_bytes(black_png(width, height))
        self.tokenize("fits.png", "--threads", 1, **limited)
        (info,) = lines_of(self.run_it("inspect", "--json", "large.png", "--threads", 1))
        self.assertEqual(info["memory"]["encode_bytes"], needed)
        line = json.dumps(done | {"input": "x", "width": 1500, "height": 2000, "grid": [500, 375],
                                  "codes": [[0] * 187500]}).encode()
        (refused,) = lines_of(self.run_it("detokenize", "-", "-o", "out/", "--json", "--threads", 1, stdin=line, code=65,
                                          **limited))
        self.assert_error(refused, "too_large")

    def test_processor_of_the_checkpoint(self):
        shutil.copytree(PICTURE_MODEL, self.folder / "model")
        (self.folder / "model/preprocessor_config.json").write_text(json.dumps({
            "do_resize": True, "size": {"height": 16, "width": 20}, "resample": 3, "do_rescale": True,
            "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
        (line,) = self.tokenize("-m", "model", "a.png")
        self.assertEqual((line["width"], line["height"], line["grid"]), (20, 16, [4, 5]))

    def test_bad_inputs_never_stop_the_others(self):
        (self.folder / "tiny.png").write_bytes(png_bytes(3, 9))
        lines = self.tokenize("tiny.png", self.a, "absent.png", "b.png", code=65)
        for line, reason in zip(lines, ("unsupported_media", "unknown_format", "unreadable")):
            self.assert_error(line, reason)
        self.assertEqual(lines[3]["status"], "ok")

    def test_folders_hold_pictures(self):
        (self.folder / "notes.txt").write_text("x")
        lines = self.tokenize("-r", ".")
        self.assertEqual([os.path.basename(line["input"]) for line in lines], ["a.png", "b.png"])

    def test_wrong_usage(self):
        for options in (["--stream"], ["--start", "1"], ["--levels", "2"], ["--format", "npy", "-o", "x/"]):
            self.run_it("tokenize", "a.png", *options, code=2)
        one = self.run_it("tokenize", "a.png")
        self.run_it("detokenize", "-", "-o", "x.wav", stdin=one, code=2)
        self.run_it("tokenize", "a.png", "--quality", "-m", ENCODER_MODEL, code=2)

    def test_codes_that_do_not_fit(self):
        good = self.tokenize("a.png")[0]
        for change, reason in (({"grid": [5, 9]}, "bad_codes"), ({"grid": None}, "bad_codes"), ({"grid": [54]}, "bad_codes"),
                               ({"codec": "emu3"}, "wrong_codec"), ({"kind": "audio"}, "wrong_codec"),
                               ({"codes": [[40] * 54]}, "bad_codes"), ({"width": 72}, "wrong_codec")):
            line = json.dumps(good | change).encode()
            (found,) = lines_of(self.run_it("detokenize", "-", "-o", "out/", "--json", stdin=line, code=65))
            self.assert_error(found, reason)
        sound = self.run_it("tokenize", "-m", MODEL, self.a)
        self.run_it("detokenize", "-", "-o", "out/", stdin=sound, code=65)
        self.run_it("detokenize", "-", "-o", "out/", "-m", MODEL, stdin=self.run_it("tokenize", "a.png"), code=65)

    def test_encoder_alone(self):
        (line,) = self.tokenize("-m", ENCODER_MODEL, "a.png")
        self.run_it("detokenize", "-", "-o", "out/", "-m", ENCODER_MODEL, stdin=json.dumps(line).encode(), code=1)

    def test_described(self):
        info, picture = lines_of(self.run_it("inspect", "--json", PICTURE_MODEL, "a.png"))
        self.assertEqual((info["kind"], info["family"], info["codebook_sizes"], info["pixels_per_code"], info["decodes"]),
                         ("checkpoint", "llamagen", [40], 4, True))
        self.assertEqual((picture["kind"], picture["format"], picture["width"], picture["height"]),
                         ("picture", "png", 37, 26))
        self.assertEqual([(m["width"], m["height"]) for m in info["memory"]], [(s, s) for s in (256, 512, 1024, 2048)])
        self.assertTrue(all(0 < m["encode_bytes"] < m["decode_bytes"] for m in info["memory"]))
        self.assertEqual((picture["memory"]["width"], picture["memory"]["height"]), (36, 24))
        self.assertIn("2048 by 2048 pixels: encode", self.run_it("inspect", PICTURE_MODEL).decode())
        self.assertIn("36 by 24 pixels: encode", self.run_it("inspect", "a.png").decode())
        (picture,) = lines_of(self.run_it("inspect", "--json", "-m", MODEL, "a.png"))
        self.assertIsNone(picture["memory"])
        (vocabulary,) = lines_of(self.run_it("vocab", "--json"))
        self.assertEqual(vocabulary["ranges"], [{"name": "image.0", "first": 0, "count": 40, "codec": "image", "level": 0}])

    def test_bench(self):
        benches = [line["bench"] for line in lines_of(self.run_it("bench", "codec", "--json", "--threads", 1))]
        self.assertEqual(benches[-3:], ["load", "encode synthetic", "decode synthetic"])


class Embedded(CliTest):
    """No checkpoint named: each file goes to the embedded codec of its kind."""

    def setUp(self):
        super().setUp()
        (self.folder / "a.png").write_bytes(png_bytes(200, 150))
        shutil.copy(self.a, self.folder / "b.wav")

    def environment(self, **extra):
        return super().environment(**{"TESSERA_MODEL": "", **extra})

    def test_sound_and_pictures_in_one_run(self):
        sound, picture = self.tokenize("b.wav", "a.png", "-o", "codes.jsonl") or lines_of(
            (self.folder / "codes.jsonl").read_bytes())
        self.assertEqual((sound["kind"], picture["kind"], picture["grid"]), ("audio", "image", [16, 16]))
        self.assertEqual(self.tokenize("a.png"), [picture])
        self.assertEqual(sorted(line["input"] for line in self.tokenize("-r", ".")), ["./a.png", "./b.wav"])
        made = lines_of(self.run_it("detokenize", "codes.jsonl", "-o", "out/", "--json"))
        self.assertEqual([line["output"] for line in made], ["out/b.wav", "out/a.png"])
        self.run_it("detokenize", "-", "-o", "one.png", stdin=json.dumps(picture).encode())
        self.assertEqual((self.folder / "one.png").read_bytes(), (self.folder / "out/a.png").read_bytes())
        self.run_it("detokenize", "-", "-o", "one.wav", stdin=json.dumps(picture).encode(), code=65)


class Describe(CliTest):
    def run_json(self, *arguments, **options):
        return lines_of(self.run_it(*arguments, "--json", **options))

    def test_vocabulary(self):
        (vocabulary,) = self.run_json("vocab")
        self.assertEqual(list(vocabulary), ["size", "ranges", "specials", "layout"])
        (info,) = self.run_json("inspect")
        first = 0
        for level, (entry, count) in enumerate(zip(vocabulary["ranges"], info["codebook_sizes"])):
            self.assertEqual(entry, {"name": f"audio.{level}", "first": first, "count": count, "codec": "audio",
                                     "level": level})
            first += count
        self.assertEqual((vocabulary["size"], len(vocabulary["ranges"])), (first, info["levels"]))
        self.assertEqual(vocabulary["layout"], "flat")
        self.assertIn("audio.0", self.run_it("vocab").decode())

    def test_explained_ids(self):
        (info,) = self.run_json("inspect")
        size = info["codebook_sizes"][0]
        zero, next_level = self.run_json("vocab", 0, size)
        self.assertEqual(zero, {"id": 0, "name": "audio.0", "codec": "audio", "level": 0, "code": 0})
        self.assertEqual((next_level["level"], next_level["code"]), (1, 0))
        lines = self.run_json("vocab", 10**9, 1, code=65)
        self.assertEqual([line.get("status") for line in lines], ["error", None])

    def test_checkpoint(self):
        (info,) = self.run_json("inspect", MODEL)
        self.assertEqual(info["kind"], "checkpoint")
        self.assertEqual(len(info["bit_rates"]), info["levels"])
        bits = sum(math.log2(size) for size in info["codebook_sizes"])
        self.assertAlmostEqual(info["bit_rates"][-1]["kbps"], bits * info["frame_rate"] / 1000, places=2)
        self.assertEqual(info, self.run_json("inspect", "-m", MODEL)[0] | {"input": MODEL})
        self.assertIn("kbit/s", self.run_it("inspect", MODEL).decode())
        self.run_it("inspect", self.folder, code=1)

    def test_media(self):
        (info,) = self.run_json("inspect", self.c)
        self.assertEqual((info["kind"], info["sample_rate"], info["channels"], info["samples"]), ("media", 44100, 2, 8820))
        self.assertIn("44100", self.run_it("inspect", self.c).decode())
        good, bad = self.run_json("inspect", self.a, "absent.wav", code=65)
        self.assert_error(bad, "unreadable")

    def test_codes(self):
        (self.folder / "codes.jsonl").write_bytes(self.run_it("tokenize", self.a, "absent.wav", self.b, code=65))
        (info,) = self.run_json("inspect", "codes.jsonl")
        self.assertEqual((info["kind"], info["inputs"], info["errors"]), ("codes", 2, 1))
        self.assertAlmostEqual(info["seconds"], 0.81, places=3)
        self.run_it("tokenize", "--format", "safetensors", self.a, "-o", "a.safetensors")
        self.assertEqual(self.run_json("inspect", "a.safetensors")[0]["kind"], "codes")

    def test_report(self):
        shutil.copytree(self.shared, self.folder / "in")
        self.run_it("inspect", "--report", "r", "in/a.wav", "in/c.wav", "absent.wav", code=65)
        pictures = sorted(f"{stem}.{kind}.png" for stem in "ac" for kind in ("original", "reconstruction", "difference"))
        self.assertEqual(sorted(os.listdir(self.folder / "r")), sorted([*pictures, "index.html"]))
        for name in pictures:
            self.check_png((self.folder / "r" / name).read_bytes())
        page = (self.folder / "r/index.html").read_text()
        self.assertEqual(page.count("data:audio/wav;base64,"), 4)
        self.assertEqual(page.count("data:image/png;base64,"), 6)
        self.assertNotIn("http", page)
        self.run_it("inspect", "--report", "r", "in/a.wav", code=1)
        self.run_it("inspect", "--report", "r", "in/a.wav", "--overwrite")

    def test_report_that_compares(self):
        shutil.copytree(self.shared, self.folder / "in & out")
        options = ["--compare", OTHER_MODEL, "--compare", MODEL + "@1", "--compare", STEREO_MODEL]
        records = self.run_json("inspect", "--report", "r", "-r", "in & out", *options)
        models = [MODEL, OTHER_MODEL, MODEL, STEREO_MODEL]
        self.assertEqual([(r["input"], r["model"]) for r in records],
                         [(f"in & out/{name}.wav", model) for name in "abc" for model in models])
        (line,) = self.tokenize(self.a, "--quality")
        self.assertEqual(records[0]["quality"], line["quality"])
        self.assertEqual((records[0]["levels"], records[2]["levels"]), (line["levels"], 1))
        self.assertEqual(records[2]["quality"], self.tokenize(self.a, "--quality", "--levels", "1")[0]["quality"])
        page = Page((self.folder / "r/index.html").read_text())
        self.assertTrue(all(source.startswith("data:") for source in page.sources))
        self.assertEqual(sum(source.startswith("data:audio/wav") for source in page.sources), 3 * 5)
        self.assertEqual(sum(source.startswith("data:image/png") for source in page.sources), 3 * 4 * 3)
        self.check_comparison(page, records)

    def test_report_of_pictures(self):
        for name, size in {"a.png": (37, 26), "b.png": (12, 40), "tiny.png": (3, 3)}.items():
            (self.folder / name).write_bytes(png_bytes(*size))
        records = self.run_json("inspect", "--report", "r", "-m", PICTURE_MODEL, "a.png", "b.png", "tiny.png", code=65)
        self.assert_error(records[2], "unsupported_media")
        kinds = ("original", "reconstruction", "difference")
        self.assertEqual(sorted(os.listdir(self.folder / "r")),
                         sorted([f"{stem}.{kind}.png" for stem in "ab" for kind in kinds]
                                + ["code_use.entries.png", "index.html"]))
        for kind in kinds:
            header = (self.folder / f"r/a.{kind}.png").read_bytes()
            self.assertEqual(struct.unpack(">II", header[16:24]), (36, 24))
        (line,) = self.tokenize("-m", PICTURE_MODEL, "a.png", "--quality")
        self.assertEqual(records[0]["quality"], line["quality"])
        self.assertEqual((records[0]["width"], records[0]["grid"]), (36, [6, 9]))
        text = (self.folder / "r/index.html").read_text()
        page = Page(text)
        self.assertEqual(len(page.sources), 2 * 3 + 1)
        self.assertTrue(all(source.startswith("data:image/png") for source in page.sources))
        scale = int(re.search("difference × (\\d+)", text).group(1))
        original, copy, difference = (png_samples((self.folder / f"r/a.{kind}.png").read_bytes()) for kind in kinds)
        self.assertEqual(difference, bytes(scale * abs(x - y) for x, y in zip(original, copy)))
        self.assertTrue(127 < max(difference) <= 255)
        codecs, inputs, use = page.tables
        self.assertEqual((len(codecs), len(inputs), len(use)), (2, 3, 2))
        cells = dict(zip(inputs[0], inputs[1]))
        self.assertAlmostEqual(float(cells["SSIM"]), line["quality"]["ssim"], delta=6e-5)
        self.assertAlmostEqual(float(cells["PSNR, dB"]), line["quality"]["psnr_db"], delta=6e-3)

    def test_report_of_sounds_and_pictures(self):
        (self.folder / "b.png").write_bytes(png_bytes(40, 32))
        shutil.copy(self.b, self.folder / "b.wav")
        records = self.run_json("inspect", "--report", "r", "-r", ".", "--compare", PICTURE_MODEL, "--compare", OTHER_MODEL)
        self.assertEqual([(r["input"], r["model"]) for r in records],
                         [("./b.png", PICTURE_MODEL), ("./b.wav", MODEL), ("./b.wav", OTHER_MODEL)])
        names = os.listdir(self.folder / "r")
        self.assertIn("b.original.png", names)
        self.assertIn("b-2.causal_pool2.original.png", names)
        page = Page((self.folder / "r/index.html").read_text())
        self.assertEqual(sum(source.startswith("data:image/png") for source in page.sources), 3 + 1 + 2 * 3)
        self.assertEqual(len(page.tables), 2 + 2 + 2 + 1)
        self.run_it("inspect", "--report", "x", "-m", ENCODER_MODEL, "b.png", code=2)
        self.run_it("inspect", "--report", "x", "-m", PICTURE_MODEL, "--levels", 2, "b.png", code=2)

    def check_comparison(self, page, records):
        codecs, inputs, *use = page.tables
        self.assertEqual((len(codecs), len(inputs), len(use)), (1 + 4, 1 + 12, 4))
        self.assertEqual(len({row[0] for row in codecs}), 5)
        for table, row, record in [(inputs, 1 + i, record) for i, record in enumerate(records)]:
            cells = dict(zip(table[0], table[row]))
            self.assertAlmostEqual(float(cells["mel distance"]), record["quality"]["mel_distance"], delta=6e-4)
        for i in range(4):
            cells = dict(zip(codecs[0], codecs[1 + i]))
            mine = [record["quality"] for record in records[i::4]]
            for name, key, delta in (("mel distance", "mel_distance", 6e-4), ("SNR, dB", "snr_db", 6e-3),
                                     ("STOI", "stoi", 6e-4)):
                values = [quality[key] for quality in mine if quality[key] is not None]
                self.assertAlmostEqual(float(cells[name]), sum(values) / len(values), delta=delta)
            self.assertEqual(float(cells["kbit/s, nominal"]), mine[0]["kbps"])
            self.assertGreater(float(cells["kbit/s, entropy-coded"]), max(q["entropy_kbps"] for q in mine) * 0.5)

    def test_report_of_an_awkward_name(self):
        name = "<b>\"&.wav"
        shutil.copy(self.a, self.folder / name)
        self.run_it("inspect", "--report", "r", name)
        Page((self.folder / "r/index.html").read_text())

    def test_report_plays_the_first_minute(self):
        long = wav_bytes(tone(1, 8000), 8000, repeat=61)
        (self.folder / "long.wav").write_bytes(long)
        self.run_it("inspect", "--report", "r", "long.wav")
        text = (self.folder / "r/index.html").read_text()
        self.assertIn("the first minute", text)
        sound = base64.b64decode(re.search(r"data:audio/wav;base64,([^\"]*)", text).group(1))
        rate, _, frames = read_wav(sound)
        self.assertEqual(frames, 60 * rate)

    def check_png(self, data):
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
        position, packed, size = 8, b"", None
        while position < len(data):
            length, kind = struct.unpack(">I4s", data[position:position + 8])
            body = data[position + 8:position + 8 + length]
            (check,) = struct.unpack(">I", data[position + 8 + length:position + 12 + length])
            self.assertEqual(check, zlib.crc32(kind + body))
            if kind == b"IHDR":
                size = struct.unpack(">II", body[:8])
            if kind == b"IDAT":
                packed += body
            position += 12 + length
        self.assertEqual(len(zlib.decompress(packed)), size[1] * (1 + 3 * size[0]))

    def test_bench_codec(self):
        results = self.run_json("bench", "codec", self.a, "--threads", "2")
        self.assertEqual(results[0]["bench"], "machine")
        for key in ("cpu", "cores", "isa", "threads", "build"):
            self.assertIn(key, results[0])
        names = {result["bench"] for result in results}
        self.assertTrue({"load", f"encode {self.a}", f"decode {self.a}", "stream"} <= names)

    def test_bench_codec_tells_what_operations_take(self):
        results = self.run_json("bench", "codec", self.a, "--threads", "1", "--verbose")
        for name in (f"encode {self.a}", f"decode {self.a}"):
            lines = [result for result in results if result.get("of") == name]
            self.assertEqual([line["bench"] for line in lines[-2:]], ["  all else", "  the whole"])
            self.assertTrue(any(line["bench"].startswith("  product ") for line in lines))
            self.assertAlmostEqual(sum(line["percent_of_time"] for line in lines[:-1]), 100, delta=0.1)
            self.assertTrue(all(0 < line.get("percent_of_peak", 1) < 110 for line in lines))
        self.assertFalse(any("of" in result for result in self.run_json("bench", "codec", self.a, "--threads", "1")))

    def test_bench_codec_says_how_far_fast_math_is_from_exact(self):
        results = self.run_json("bench", "codec", self.a, "--threads", "2", "--math", "fast", "--bf16", "emulated-amx",
                                "-m", SAMPLES / "model" / "audio_codec")
        self.assertEqual((results[0]["math"], results[0]["bf16"]), ("fast", "emulated-amx"))
        (line,) = [result for result in results if result["bench"] == f"agreement {self.a}"]
        self.assertEqual(line["bf16"], "emulated-amx")
        self.assertEqual(len(line["equal_codes"]), 4)
        self.assertGreaterEqual(line["equal_codes"][0], 0.8)
        self.assertTrue(25 <= line["decode_snr_db"] <= 80, line)

    def test_output_files(self):
        for arguments in (["vocab"], ["vocab", "--json"], ["vocab", "0", "1"], ["inspect"], ["inspect", self.a, "--json"]):
            expected = self.run_it(*arguments)
            self.assertEqual(self.run_it(*arguments, "-o", "-"), expected)
            self.assertEqual(self.run_it(*arguments, "-o", "out"), b"")
            self.assertEqual((self.folder / "out").read_bytes(), expected)
            self.run_it(*arguments, "-o", "out", code=1)
            self.assertIn("--overwrite", self.err)
            self.run_it(*arguments, "-o", "out", "--overwrite")
            (self.folder / "out").unlink()
        self.assertEqual(self.run_it("inspect", "--json", "absent.wav", self.a, "-o", "out", code=65), b"")
        self.assertEqual(len(lines_of((self.folder / "out").read_bytes())), 2)
        self.assertEqual(self.names(), ["out"])
        self.assertEqual(self.run_it("bench", "codec", self.b, "--threads", "1", "--json", "-o", "bench"), b"")
        self.assertEqual(lines_of((self.folder / "bench").read_bytes())[0]["bench"], "machine")
        self.run_it("bench", "codec", "-o", "bench", code=1)
        self.run_it("vocab", "-o", "no/such/folder", code=1)


class OtherShapes(CliTest):
    """Codecs that are not one row of frames after the other."""

    model = None

    def environment(self, **extra):
        return super().environment(**{"TESSERA_MODEL": self.model, **extra})

    def run_json(self, *arguments, **options):
        return lines_of(self.run_it(*arguments, "--json", **options))

    def samples_of(self, name):
        """Of a 32-bit float WAV."""
        data = (self.folder / name).read_bytes()
        return array.array("f", data[data.index(b"data") + 8:])

    def check_ways_back(self, path, channels):
        """Every form of the codes gives the same sound, trimmed to what was encoded."""
        line = self.run_it("tokenize", path)
        (self.folder / "whole.jsonl").write_bytes(line)
        (self.folder / "parts.jsonl").write_bytes(self.run_it("tokenize", "--stream", path))
        self.run_it("tokenize", path, "--format", "safetensors", "-o", "array.safetensors")
        sounds = []
        for name in ("whole.jsonl", "parts.jsonl", "array.safetensors"):
            for extra in ([], ["--stream"]):
                self.run_it("detokenize", name, "-o", "x.wav", "--overwrite", *extra)
                sounds.append((self.folder / "x.wav").read_bytes())
        self.assertEqual(len(set(sounds)), 1)
        rate, count, frames = read_wav(sounds[0])
        (line,) = lines_of(line)
        self.assertEqual((rate, count, frames), (line["sample_rate"], channels, line["samples"]))
        self.run_it("detokenize", "whole.jsonl", "-o", "x.flac")
        self.assertEqual(self.run_json("inspect", "x.flac")[0]["channels"], channels)
        for name in ("whole.jsonl", "array.safetensors"):
            (info,) = self.run_json("inspect", name)
            self.assertEqual((info["channels"], info["frames"]), (channels, line["frames"]))

    def check_stream(self, path, extra_keys):
        (whole,) = self.tokenize(path)
        *parts, last = self.tokenize(path, "--stream")
        self.assertGreater(len(parts), 1)
        self.assertTrue(all(list(part) == ["input", "frame", *extra_keys, "codes"] for part in parts))
        for key in (*extra_keys,):
            self.assertEqual(sum((part[key] for part in parts), []), whole[key])
        rows = [sum((part["codes"][level] for part in parts), []) for level in range(whole["levels"])]
        self.assertEqual(rows, whole["codes"])
        frame = 0
        for part in parts:
            self.assertEqual(part["frame"], frame)
            frame += len(part["codes"][0])
        self.assertFalse({"codes", "chunks", "scales"} & set(last))
        self.assertEqual(last, {key: whole[key] for key in last})

    def check_bad_lines(self, line, broken):
        good = json.dumps(dict(line, input="a.wav"))
        for changes in broken:
            with self.subTest(changes=str(changes)[:100]):
                shutil.rmtree(self.folder / "out", ignore_errors=True)
                bad = {key: value for key, value in dict(line, input="bad.wav", **changes).items() if value is not None}
                (self.folder / "codes.jsonl").write_text(json.dumps(bad) + "\n" + good + "\n")
                self.run_it("detokenize", "codes.jsonl", "-o", "out/", code=65)
                self.assertEqual(os.listdir(self.folder / "out"), ["a.wav"])
                self.assertEqual(len(self.err.splitlines()), 1)
                self.assertIn("line 1", self.err)

    def check_report(self, path, channels):
        self.run_it("inspect", "--report", "r", path)
        page = (self.folder / "r/index.html").read_text()
        sound = base64.b64decode(re.search(r"data:audio/wav;base64,([^\"]*)", page).group(1))
        (line,) = self.tokenize(path)
        self.assertEqual(read_wav(sound), (line["sample_rate"], channels, line["samples"]))
        (self.folder / "r/index.html").unlink()
        self.run_it("inspect", "--report", "r", path, code=1)  # the pictures are there

    def golden_inputs(self):
        """Number, codes by row, the line the program makes of the same wave, and the reference's tensors."""
        if not os.path.exists(f"{self.model}/expected.safetensors"):
            self.skipTest("the checkpoint has no golden file")
        tensors = read_tensors(f"{self.model}/expected.safetensors")
        (info,) = self.run_json("inspect")
        for i in range(sum(name.startswith("wave.") for name in tensors)):
            wave = float_wav_bytes(tensors[f"wave.{i}"][1], info["sample_rate"], info["channels"])
            (self.folder / f"{i}.wav").write_bytes(wave)
            (line,) = self.tokenize(f"{i}.wav")
            (self.folder / f"{i}.jsonl").write_text(json.dumps(line))
            self.run_it("detokenize", f"{i}.jsonl", "-o", f"{i}.copy.wav", "--sample-format", "f32")
            self.check_wave(self.samples_of(f"{i}.copy.wav"), tensors[f"decoded.{i}"][1])
            yield i, line, tensors

    def check_wave(self, found, expected):
        """The program trims what the reference leaves behind the end."""
        self.assertLessEqual(len(found), len(expected))
        noise = sum((x - y) ** 2 for x, y in zip(expected, found))
        self.assertLessEqual(noise, 1e-10 * sum(x * x for x in expected[:len(found)]))

    def check_bench(self, path, seconds):
        results = {result["bench"]: result for result in self.run_json("bench", "codec", path, "--threads", "1")}
        self.assertAlmostEqual(results[f"encode {path}"]["clip_s"], seconds, places=3)
        self.assertIn("stream", results)


class Stereo(OtherShapes):
    model = STEREO_MODEL

    def setUp(self):
        super().setUp()
        left, right = tone(0.2, 48000, pitch=150), tone(0.2, 48000, pitch=410)
        both = array.array("f", [value for pair in zip(left, right) for value in pair])
        (self.folder / "in").mkdir()
        for name, values, channels in (("left", left, 1), ("both", both, 2), ("swapped", both[1:] + both[:1], 2),
                                       ("same", [v for v in left for _ in "lr"], 2)):
            (self.folder / "in" / f"{name}.wav").write_bytes(wav_bytes(values, 48000, channels))

    def test_line(self):
        (line,) = self.tokenize("in/both.wav")
        self.assertEqual(list(line), SHARED_KEYS + ["chunks", "scales", "codes"])
        self.assertEqual((line["channels"], line["samples"]), (2, math.ceil(0.2 * line["sample_rate"])))
        self.assertGreater(len(line["chunks"]), 2)
        self.assertEqual(sum(line["chunks"]), line["frames"])
        self.assertEqual(len(line["scales"]), len(line["chunks"]))
        self.assertTrue(all(scale > 0 for scale in line["scales"]))
        self.assertTrue(all(len(row) == line["frames"] for row in line["codes"]))

    def test_channels(self):
        left, both, swapped, same = self.tokenize(*(f"in/{name}.wav" for name in ("left", "both", "swapped", "same")))
        keys = ("channels", "samples", "chunks", "scales", "codes")
        self.assertEqual([left[key] for key in keys], [same[key] for key in keys])
        self.assertNotEqual(both["codes"], same["codes"])
        self.assertNotEqual(both["codes"], swapped["codes"])
        (raw,) = self.tokenize("--pcm", "s16", "--rate", "48000", "-", stdin=s16(tone(0.2, 48000, pitch=150)).tobytes())
        self.assertEqual(raw["codes"], left["codes"])

    def test_the_reference_gives_the_same(self):
        for i, line, tensors in self.golden_inputs():
            (levels, frames), codes = tensors[f"codes.{i}"]
            self.assertEqual((line["levels"], line["frames"]), (levels, frames))
            self.assertEqual(sum(line["codes"], []), list(codes))
            self.assertEqual(line["chunks"], list(tensors[f"chunks.{i}"][1]))
            for scale, expected in zip(line["scales"], tensors[f"scales.{i}"][1]):
                self.assertAlmostEqual(scale, expected, delta=1e-6 * expected)

    def test_more_channels_are_refused(self):
        (self.folder / "three.wav").write_bytes(wav_bytes(tone(0.1, 48000, 3), 48000, 3))
        bad, good = self.tokenize("three.wav", "in/both.wav", code=65)
        self.assert_error(bad, "unsupported_channels")
        self.assertEqual(good["status"], "ok")

    def test_stream(self):
        self.check_stream("in/both.wav", ["chunks", "scales"])

    def test_ways_back(self):
        self.check_ways_back("in/both.wav", 2)

    def test_arrays(self):
        (line,) = self.tokenize("in/both.wav")
        self.run_it("tokenize", "in/both.wav", "--format", "safetensors", "-o", "x.safetensors")
        data = (self.folder / "x.safetensors").read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + length])
        chunks = len(line["chunks"])
        for name, dtype, code, key in (("chunks", "I32", "i", "chunks"), ("scales", "F32", "f", "scales")):
            self.assertEqual((header[name]["dtype"], header[name]["shape"]), (dtype, [chunks]))
            begin, end = (8 + length + offset for offset in header[name]["data_offsets"])
            self.assertEqual(list(array.array(code, data[begin:end])), line[key])
        self.assertNotIn("chunks", header["__metadata__"])
        self.run_it("tokenize", "in/both.wav", "--format", "npy", "-o", "x.npy", code=2)
        self.assertIn("safetensors", self.err)
        self.assertNotIn("x.npy", self.names())
        (self.folder / "cut.safetensors").write_bytes(data.replace(b'"scales"', b'"scalex"'))
        self.run_it("detokenize", "cut.safetensors", "-o", "x.wav", code=65)
        self.assertIn("scales", self.err)

    def test_bad_lines(self):
        (line,) = self.tokenize("in/both.wav")
        chunks, scales = line["chunks"], line["scales"]
        self.check_bad_lines(line, [
            {"chunks": chunks[:-1], "scales": scales[:-1]}, {"chunks": chunks[:-1] + [chunks[-1] + 1]},
            {"chunks": [line["frames"]]}, {"chunks": [0] + chunks, "scales": [1] + scales}, {"chunks": None},
            {"chunks": [2 ** 62] * len(chunks)}, {"chunks": "all"}, {"chunks": [1.5]}, {"chunks": [-1]},
            {"scales": None}, {"scales": scales[:-1]}, {"scales": [0] + scales[1:]}, {"scales": [-1] + scales[1:]},
            {"scales": [1e300] + scales[1:]}, {"scales": [1e-300] + scales[1:]}, {"scales": ["1"] + scales[1:]},
            {"scales": None, "chunks": None}, {"channels": 1}, {"chunks": chunks[::-1], "scales": scales[::-1]},
        ])

    def test_mono_codecs_know_no_scales(self):
        (line,) = self.tokenize("in/left.wav", "-m", MODEL)
        bad = json.dumps(dict(line, chunks=[line["frames"]], scales=[1.0])).encode()
        self.run_it("detokenize", "-m", MODEL, "-", "-o", "x.wav", stdin=bad, code=65)
        self.assertIn("scales", self.err)

    def test_levels(self):
        (whole,) = self.tokenize("in/both.wav")
        (one,) = self.tokenize("in/both.wav", "--levels", "1")
        self.assertEqual((one["codes"], one["scales"]), (whole["codes"][:1], whole["scales"]))

    def test_quality_is_the_mean_of_the_channels(self):
        values = tone(0.2, self.rate(), 2)
        (self.folder / "x.wav").write_bytes(wav_bytes(values, self.rate(), 2))
        (line,) = self.tokenize("x.wav", "--quality")
        *_, last = self.tokenize("x.wav", "--quality", "--stream")
        self.assertEqual(last["quality"], line["quality"])
        (self.folder / "x.jsonl").write_bytes(self.run_it("tokenize", "x.wav"))
        self.run_it("detokenize", "x.jsonl", "-o", "copy.wav", "--sample-format", "f32")
        copy = self.samples_of("copy.wav")
        original = [v / 32768 for v in s16(values)]
        figures = []
        for channel in (0, 1):
            x, y = original[channel::2], copy[channel::2]
            self.assertEqual(len(x), len(y))
            figures.append(10 * math.log10(sum(v * v for v in x) / sum((v - w) ** 2 for v, w in zip(x, y))))
        self.assertAlmostEqual(line["quality"]["snr_db"], sum(figures) / 2, places=3)

    def test_quality_of_one_silent_channel(self):
        values = tone(0.2, self.rate(), 2)
        values[1::2] = array.array("f", [0.0] * (len(values) // 2))
        (self.folder / "x.wav").write_bytes(wav_bytes(values, self.rate(), 2))
        self.assertIsNotNone(self.tokenize("x.wav", "--quality")[0]["quality"]["snr_db"])

    def rate(self):
        return self.run_json("inspect")[0]["sample_rate"]

    def test_inspect(self):
        (info,) = self.run_json("inspect")
        self.assertEqual((info["channels"], info["segmented"], info["scaled"]), (2, True, True))
        self.assertNotIn("level_rates", info)
        self.assertGreater(len(info["bandwidths"]), 1)
        for row in info["bandwidths"]:
            self.assertEqual(list(row), ["kbps", "levels"])
            self.assertTrue(1 <= row["levels"] <= info["levels"])
        text = self.run_it("inspect").decode()
        self.assertIn("bandwidths", text)
        self.assertIn("channels: 2", text)

    def test_report_and_bench(self):
        self.check_report("in/both.wav", 2)
        self.check_bench("in/both.wav", 0.2)


class MultiRate(OtherShapes):
    model = MULTI_RATE_MODEL

    def multiples(self):
        return self.run_json("inspect")[0]["level_multiples"]

    def test_line(self):
        (line,) = self.tokenize(self.c)
        self.assertEqual(list(line), SHARED_KEYS + ["level_rates", "codes"])
        multiples = self.multiples()
        self.assertGreater(max(multiples), 1)
        self.assertEqual(line["level_rates"], [line["frame_rate"] * multiple for multiple in multiples])
        self.assertEqual([len(row) for row in line["codes"]], [line["frames"] * multiple for multiple in multiples])
        (one,) = self.tokenize(self.c, "--levels", "2")
        self.assertEqual((one["level_rates"], one["codes"]), (line["level_rates"][:2], line["codes"][:2]))

    def test_stream(self):
        self.check_stream(self.a, [])

    def test_ways_back(self):
        self.check_ways_back(self.a, 1)

    def test_levels(self):
        (self.folder / "x.jsonl").write_bytes(self.run_it("tokenize", self.a))
        self.run_it("detokenize", "x.jsonl", "-o", "x.wav", "--levels", "1")
        self.run_it("tokenize", self.a, "--levels", "1", "--format", "npy", "-o", "one.npy")
        self.run_it("detokenize", "one.npy", "-o", "y.wav")
        self.assertEqual((self.folder / "y.wav").read_bytes()[44:][:1000], (self.folder / "x.wav").read_bytes()[44:][:1000])

    def test_arrays(self):
        (line,) = self.tokenize(self.a)
        self.run_it("tokenize", self.a, "--format", "safetensors", "-o", "x.safetensors")
        data = (self.folder / "x.safetensors").read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8:8 + length])
        for level, row in enumerate(line["codes"]):
            entry = header[f"codes.{level}"]
            self.assertEqual((entry["dtype"], entry["shape"]), ("I32", [len(row)]))
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            self.assertEqual(list(array.array("i", data[begin:end])), row)
        self.assertEqual(json.loads(header["__metadata__"]["level_rates"]), line["level_rates"])
        self.run_it("tokenize", self.a, "--format", "npy", "-o", "x.npy", code=2)
        self.assertIn("safetensors", self.err)

    def test_bare_codes(self):
        (line,) = self.tokenize(self.a)
        self.run_it("detokenize", "-", "-o", "bare.wav", stdin=json.dumps({"codes": line["codes"]}).encode())
        _, _, samples = read_wav(self.folder / "bare.wav")
        self.assertEqual(samples, round(line["frames"] * line["sample_rate"] / line["frame_rate"]))

    def test_bad_lines(self):
        (line,) = self.tokenize(self.a)
        codes, rates = line["codes"], line["level_rates"]
        last = codes[-1]
        self.check_bad_lines(line, [
            {"codes": codes[:-1] + [last[:-1]]}, {"codes": codes[:-1] + [last[:line["frames"]]]},
            {"codes": codes[:-1] + [last + last], "level_rates": None}, {"codes": codes[:-1] + [[]]},
            {"codes": [row[:line["frames"]] for row in codes], "level_rates": None},
            {"level_rates": rates[:-1]}, {"level_rates": [rates[0]] * len(rates)}, {"level_rates": "fast"},
            {"level_rates": [0] * len(rates)}, {"level_rates": [rate * 2 for rate in rates]},
            {"chunks": [line["frames"]], "scales": [1.0]}, {"level_rates": rates + rates},
        ])

    def test_the_reference_gives_the_same(self):
        for i, line, tensors in self.golden_inputs():
            for level, row in enumerate(line["codes"]):
                self.assertEqual(row, list(tensors[f"codes.{i}.row{level}"][1]))

    def test_other_descriptions(self):
        (info,) = self.run_json("inspect")
        bits = sum(math.log2(size) * rate for size, rate in zip(info["codebook_sizes"], info["level_rates"]))
        self.assertAlmostEqual(info["bit_rates"][-1]["kbps"], bits / 1000, places=2)
        self.assertFalse(info["segmented"])
        self.assertEqual(len(self.run_json("vocab")[0]["ranges"]), info["levels"])
        self.check_code_use(self.tokenize(self.a, "--quality")[0])
        self.check_report(self.a, 1)
        self.check_bench(self.a, 0.5)


class Speed(CliTest):
    def test_start_up(self):
        """Not a benchmark: a guard against work at start that nobody asked for."""
        best = min(self.timed("--version") for _ in range(5))
        self.assertLess(best, 1.0)

    def timed(self, *arguments):
        start = time.perf_counter()
        self.run_it(*arguments)
        return time.perf_counter() - start


if __name__ == "__main__":
    if not stat.S_ISREG(os.stat(BIN).st_mode):
        sys.exit(f"{BIN}: set TESSERA_BIN to the program")
    unittest.main(verbosity=1)
