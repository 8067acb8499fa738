#!/usr/bin/env python3
"""The commands of language models and text tokenizers, from outside. Standard library only. See run_cli_tests.py."""

import json
import math
import os
import re
import shutil
import struct
import unittest
from pathlib import Path

from run_cli_tests import GOLDEN, CliTest, lines_of, png_bytes

DRAFTED = str(GOLDEN / "drafts" / "mimo_v2_three_bf16")
PLAIN = GOLDEN / "decoder" / "qwen3_f32"
REPEATS = GOLDEN / "decoder" / "llama_tied_f16"
TOKENIZER = GOLDEN / "text" / "qwen"
RESULT_KEYS = ["prompt_tokens", "ids", "finish_reason", "math", "weights", "timing", "mtp"]


def golden_tensor(folder, name):
    """A one-dimensional tensor of expected.safetensors."""
    data = (folder / "expected.safetensors").read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    entry = json.loads(data[8 : 8 + size])[name]
    begin, end = (8 + size + offset for offset in entry["data_offsets"])
    kind = {"F32": "f", "I32": "i"}[entry["dtype"]]
    return list(struct.unpack(f"<{(end - begin) // 4}{kind}", data[begin:end]))


class Generate(CliTest):
    def generate(self, *arguments, **options):
        return lines_of(self.run_it("generate", *arguments, "--json", **options))[0]

    def test_greedy_ids_are_the_references(self):
        ids = golden_tensor(PLAIN, "ids.0")
        expected = golden_tensor(PLAIN, "greedy.0")
        line = self.generate("--prompt-ids", ",".join(map(str, ids)), "-m", PLAIN, "--max-tokens", len(expected),
                             "--temperature", 0)
        self.assertEqual(list(line), RESULT_KEYS)
        self.assertEqual(line["prompt_tokens"], len(ids))
        # config.json names an id that ends the text.
        stop = json.loads((PLAIN / "config.json").read_text())["eos_token_id"]
        end = expected.index(stop) + 1 if stop in expected else len(expected)
        self.assertEqual(line["ids"], expected[:end])
        self.assertEqual(line["finish_reason"], "stop" if stop in expected else "length")
        self.assertEqual(list(line["timing"]), ["prefill_s", "first_token_s", "decode_s", "tokens_per_s"])

    def test_scores_a_prompt(self):
        ids = golden_tensor(PLAIN, "ids.0")
        prompt = self.folder / "ids.txt"
        prompt.write_text(" ".join(map(str, ids)) + "\n")
        line = self.generate("--prompt-ids", f"@{prompt}", "-m", PLAIN, "--echo", "--logprobs", "--max-tokens", 0)
        self.assertEqual(line["ids"], ids)
        self.assertIsNone(line["logprobs"][0])
        expected = golden_tensor(PLAIN, "scores.0")
        self.assertEqual(len(line["logprobs"]), len(ids))
        for got, score in zip(line["logprobs"][1:], expected):
            self.assertAlmostEqual(got, score, delta=2e-4)

    def test_drafts_change_no_id(self):
        for temperature in (0, 0.9):
            lines = [self.generate("--prompt-ids", "1,2,3", "-m", DRAFTED, "--max-tokens", 40, "--temperature",
                                   temperature, "--seed", 4, "--logprobs", "--mtp", mtp, "--threads", threads)
                     for mtp, threads in (("off", 1), ("auto", 2), ("1", 1), ("3", 2))]
            for line in lines[1:]:
                self.assertEqual(line["ids"], lines[0]["ids"])
                self.assertEqual(line["logprobs"], lines[0]["logprobs"])
            self.assertEqual(lines[0]["mtp"]["drafted"], 0)
            self.assertEqual(lines[3]["mtp"]["source"], "layers")
            self.assertGreater(lines[3]["mtp"]["drafted"], 0)
            self.assertGreaterEqual(lines[3]["mtp"]["mean_accepted_length"], 1)

    def test_what_repeats_is_drafted_where_there_are_no_layers(self):
        lines = [self.generate("--prompt-ids", "1,2,3,1,2,3,1", "-m", model, "--max-tokens", 60, "--temperature", 0,
                               "--logprobs", "--mtp", mtp)
                 for model, mtp in ((REPEATS, "off"), (REPEATS, "auto"), (DRAFTED, "off"), (DRAFTED, "lookup"))]
        self.assertEqual([line["mtp"]["source"] for line in lines], ["none", "lookup", "none", "lookup"])
        for off, on in (lines[:2], lines[2:]):
            self.assertEqual(on["ids"], off["ids"])
            self.assertEqual(on["logprobs"], off["logprobs"])
        self.assertGreater(lines[1]["mtp"]["accepted"], 0)

    def test_quantised_weights_are_recorded_and_priced(self):
        kept = {weights: self.generate("--prompt-ids", "1,2,3,4,5", "-m", PLAIN, "--max-tokens", 0, "--echo",
                                       "--logprobs", "--weights", weights)
                for weights in ("stored", "int8", "int4")}
        for weights, line in kept.items():
            self.assertEqual(line["weights"], weights)
        off = {weights: max(abs(a - b) for a, b in zip(line["logprobs"][1:], kept["stored"]["logprobs"][1:]))
               for weights, line in kept.items()}
        self.assertLess(0, off["int8"])
        self.assertLess(off["int8"], off["int4"])
        lines = lines_of(self.run_it("bench", "model", "-m", PLAIN, "--weights", "int8", "--json"))
        quality = next(line for line in lines if line["bench"] == "quality")
        self.assertAlmostEqual(quality["log_likelihood"], quality["log_likelihood_stored"], delta=0.2)
        self.assertGreater(quality["percent_same_likeliest"], 50)
        self.run_it("bench", "kernels", "--weights", "int8", code=2)

    def test_bench_needs_a_config_alone(self):
        config = json.loads((Path(DRAFTED) / "config.json").read_text())
        (self.folder / "config.json").write_text(json.dumps({**config, "num_nextn_predict_layers": 3}))
        lines = {line["bench"]: line for line in lines_of(self.run_it("bench", "model", "-m", self.folder, "--json"))}
        self.assertEqual(lines["model"]["draft_layers"], 3)
        self.assertGreater(lines["decode, context 0"]["mtp_tokens_per_s"], 0)
        self.assertTrue(all(line["same_ids"] for name, line in lines.items() if name.startswith("mtp")))

    def test_the_seed_is_what_changes_a_draw(self):
        def draw(seed):
            return self.generate("--prompt-ids", "5", "-m", DRAFTED, "--max-tokens", 20, "--temperature", 2, "--seed",
                                 seed)["ids"]

        self.assertEqual(draw(1), draw(1))
        self.assertNotEqual(draw(1), draw(2))

    def test_without_json_ids_come_as_they_are(self):
        line = self.generate("--prompt-ids", "1,2", "-m", DRAFTED, "--max-tokens", 5, "--temperature", 0)
        text = self.run_it("generate", "--prompt-ids", "1,2", "-m", DRAFTED, "--max-tokens", 5, "--temperature", 0)
        self.assertEqual([int(word) for word in text.split()], line["ids"])
        output = self.folder / "out.txt"
        self.run_it("generate", "--prompt-ids", "1,2", "-m", DRAFTED, "--max-tokens", 5, "--temperature", 0, "-o", output)
        self.assertEqual(output.read_bytes(), text)
        self.run_it("generate", "--prompt-ids", "1", "-m", DRAFTED, "-o", output, code=1)

    def test_stops_at_an_id(self):
        line = self.generate("--prompt-ids", "1,2", "-m", DRAFTED, "--max-tokens", 9, "--temperature", 0)
        stop = line["ids"][4]
        short = self.generate("--prompt-ids", "1,2", "-m", DRAFTED, "--max-tokens", 9, "--temperature", 0, "--stop", stop)
        self.assertEqual(short["ids"], line["ids"][: line["ids"].index(stop) + 1])
        self.assertEqual(short["finish_reason"], "stop")

    def test_bad_prompts_are_named(self):
        for prompt, word, reason in (("1,9999", "position 1", "bad_ids"), (",", "empty", "empty_prompt"),
                                     ("1,x", "x", "bad_ids"), ("@nowhere", "nowhere", "unreadable"),
                                     ("99999999999", "99999999999", "bad_ids")):
            line = self.generate("--prompt-ids", prompt, "-m", DRAFTED, code=65)
            self.assertEqual(line["reason"], reason)
            self.assertIn(word, self.err)
        self.generate("--prompt-ids", "1,2,3", "-m", DRAFTED, "--context", 2, code=65)
        self.assertIn("context", self.err)
        self.assertEqual(len(self.generate("--prompt-ids", "1,2,3", "-m", DRAFTED, "--context", 7)["ids"]), 4)

    def test_caches_larger_than_memory_are_refused(self):
        many = 2 * 10**9
        line = self.generate("--prompt-ids", "1,2,3", "-m", DRAFTED, "--context", many, "--max-tokens", many, code=65)
        self.assertEqual(line["reason"], "too_large")
        needed, left = map(int, re.findall(r"\((\d+) bytes\)", line["error"]))
        self.assertGreater(needed, left)
        self.assertIn("at most ", self.err)

    def test_usage(self):
        for arguments, word in ((("a", "b"), "one PROMPT"), ((), "missing"), (("a", "--prompt-ids", "1"), "without"),
                                (("a", "--mtp", "some"), "--mtp"), (("a", "--logprobs"), "--json"),
                                (("a", "--image", "x.png"), "--image"),
                                (("--prompt-ids", "1", "--stop", "9" * 12), "--stop"), (("a", "--top-p", "0"), "--top-p")):
            self.run_it("generate", *arguments, "-m", DRAFTED, code=2)
            self.assertIn(word, self.err)
        self.run_it("generate", "a", "-m", DRAFTED, code=1)
        self.assertIn("tokenizer", self.err)
        self.run_it("generate", "--prompt-ids", "1", code=1)  # the model of the environment is a codec
        self.assertIn("model_type", self.err)
        self.run_it("generate", "--prompt-ids", "1", "-m", PLAIN, "--mtp", 2, code=2)
        self.assertIn("multi-token", self.err)

    def test_broken_checkpoints(self):
        broken = self.folder / "broken"
        shutil.copytree(GOLDEN / "decoder" / "mimo_v2_hybrid_bf16", broken)
        next(broken.glob("model-00002*")).unlink()
        self.run_it("generate", "--prompt-ids", "1", "-m", broken, code=1)
        self.assertIn("model-00002", self.err)


class Texts(CliTest):
    """A tiny decoder with a real tokenizer beside it."""

    def setUp(self):
        super().setUp()
        self.text = self.folder / "a.txt"
        self.text.write_text("Hello wörld \U0001F469‍\U0001F467 <|im_end|>x")

    def test_texts_to_ids_and_back(self):
        line = lines_of(self.run_it("tokenize", self.text, "-m", TOKENIZER))[0]
        self.assertEqual(list(line), ["input", "status", "kind", "ids"])
        self.assertEqual(line["kind"], "text")
        lines = self.folder / "ids.jsonl"
        lines.write_text(json.dumps(line) + "\n")
        back = self.run_it("detokenize", lines, "-m", TOKENIZER, "-o", "-")
        self.assertEqual(back.decode(), self.text.read_text().replace("<|im_end|>", ""))
        self.run_it("detokenize", lines, "-m", TOKENIZER / "tokenizer.json", "-o", f"{self.folder}/out/")
        self.assertEqual((self.folder / "out" / "a.txt").read_bytes(), back)
        piped = lines_of(self.run_it("tokenize", "-", "-m", TOKENIZER, stdin=self.text.read_bytes()))[0]
        self.assertEqual(piped["ids"], line["ids"])

    def test_bad_texts_and_ids(self):
        bad = self.folder / "bad.txt"
        bad.write_bytes(b"ab\xff")
        lines = lines_of(self.run_it("tokenize", bad, self.text, "nowhere.txt", self.folder, "-m", TOKENIZER, code=65))
        self.assertEqual([line["status"] for line in lines], ["error", "ok", "error", "error"])
        self.assert_error(lines[0], "bad_utf8")
        self.assert_error(lines[2], "unreadable")
        ids = self.folder / "ids.jsonl"
        ids.write_text('{"ids":[999999]}\nnot json\n{"ids":[1.5]}\n{"input":"b","ids":[39]}\n')
        self.run_it("detokenize", ids, "-m", TOKENIZER, "-o", "out/", code=65)
        self.assertEqual(self.err.count("\n"), 3)
        self.assertEqual([p.name for p in (self.folder / "out").iterdir()], ["b.txt"])
        self.run_it("tokenize", self.text, "-m", TOKENIZER, "--quality", code=2)

    def test_a_folder_of_texts(self):
        lines = lines_of(self.run_it("tokenize", "-r", self.folder, "-m", TOKENIZER))
        self.assertEqual([line["input"] for line in lines], [str(self.text)])

    def test_vocabulary(self):
        vocabulary = lines_of(self.run_it("vocab", "--json", "-m", TOKENIZER))[0]
        self.assertEqual(vocabulary["ranges"][0]["name"], "text")
        end = vocabulary["specials"]["<|im_end|>"]
        self.assertIn("<|im_end|>", self.run_it("vocab", end, "-m", TOKENIZER).decode())
        decoder = lines_of(self.run_it("vocab", "--json", "-m", PLAIN))[0]
        self.assertEqual(decoder["size"], json.loads((PLAIN / "config.json").read_text())["vocab_size"])

    def test_inspect(self):
        line = lines_of(self.run_it("inspect", PLAIN, "--json"))[0]
        self.assertEqual((line["kind"], line["family"]), ("checkpoint", "qwen3"))
        self.assertEqual(line["layers"], json.loads((PLAIN / "config.json").read_text())["num_hidden_layers"])
        self.assertIn("tokens: ", self.run_it("inspect", TOKENIZER).decode())

    def test_a_text_is_continued(self):
        """The ids of a decoder that has fewer than the tokenizer: those prompts are refused, others go on."""
        model = self.folder / "model"
        shutil.copytree(DRAFTED, model)
        shutil.copy(TOKENIZER / "tokenizer.json", model)
        size = json.loads((model / "config.json").read_text())["vocab_size"]
        prompt = "ZQ"
        line = lines_of(self.run_it("tokenize", "-", "-m", model, stdin=prompt.encode()))[0]
        self.assertLess(max(line["ids"]), size)
        raw = lines_of(self.run_it("generate", "--prompt-ids", ",".join(map(str, line["ids"])), "-m", model, "--json",
                                   "--max-tokens", 20, "--temperature", 0, "--echo"))[0]
        full = lines_of(self.run_it("generate", prompt, "-m", model, "--json", "--max-tokens", 20, "--temperature", 0,
                                    "--echo"))[0]
        self.assertEqual(full["ids"], raw["ids"])
        self.assertTrue(full["text"].startswith(prompt))
        printed = self.run_it("generate", "-", "-m", model, "--max-tokens", 20, "--temperature", 0, "--echo",
                              stdin=prompt.encode())
        self.assertEqual(printed.decode(), full["text"] + "\n")
        continued = full["text"][len(prompt):]
        stop = next(c for c in continued[3:] if c.isprintable())
        short = lines_of(self.run_it("generate", prompt, "-m", model, "--json", "--max-tokens", 20, "--temperature", 0,
                                     "--stop", f"{stop}"))[0] if not stop.isdigit() else None
        if short:
            self.assertEqual(short["text"], continued[: continued.index(stop)])
            self.assertEqual(short["finish_reason"], "stop")
        self.run_it("generate", "wörld zebra 漢字 quick brown", "-m", model, code=65)


CHAMELEON = GOLDEN / "chameleon" / "in_language_model_bf16"


class Unified(CliTest):
    """A picture codec inside a language model: its codes are ids too."""

    @staticmethod
    def tokenizer(codes):
        def letters(code):
            return "".join("ABCDEFGHIJ"[int(digit)] for digit in str(code))

        names = ["<s>", "<pad>", "</s>", "<unk>", *(f"IMGIMG{letters(i)}Z" for i in range(codes)), "<racm3:break>", "<eoss>"]
        plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
        signs = [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]  # of bytes, as GPT-2 spells them
        vocabulary = {name: i for i, name in enumerate(names + signs)}
        return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
                "post_processor": None, "decoder": {"type": "ByteLevel"},
                "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                          "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                          "vocab": vocabulary, "merges": []}}

    def test_ids_of_a_picture(self):
        model = self.folder / "model"
        shutil.copytree(CHAMELEON, model)
        plain = lines_of(self.run_it("inspect", model, "--json"))[0]
        (model / "tokenizer.json").write_text(json.dumps(self.tokenizer(plain["codebook_sizes"][0])))
        side = 32 * plain["pixels_per_code"]
        for width, height in ((side, side), (side, side // 2)):
            picture = self.folder / f"{height}.png"
            picture.write_bytes(png_bytes(width, height))
            (model / "preprocessor_config.json").unlink(missing_ok=True)
            line = lines_of(self.run_it("tokenize", picture, "-m", model))[0]
            if height == width:
                self.assertEqual(len(line["ids"]), 1026)
                first = 4 + plain["codebook_sizes"][0]
                self.assertEqual((line["ids"][0], line["ids"][-1]), (first, first + 1))
                self.assertEqual([i - 4 for i in line["ids"][1:-1]], line["codes"][0])
            else:
                self.assertNotIn("ids", line)
                self.assertIn("32 x 32", line["warning"])
        vocabulary = lines_of(self.run_it("vocab", "--json", "-m", model))[0]
        picture = next(r for r in vocabulary["ranges"] if r["name"] == "image.0")
        self.assertEqual((picture["first"], picture["count"], picture["codec"]), (4, plain["codebook_sizes"][0], "image"))


if __name__ == "__main__":
    unittest.main()
