"""Golden values of text tokenizers: text/CASE/tokenizer.json in the layouts of public families, trained on a few
kilobytes, with what the `tokenizers` package makes of nasty strings; text/CASE/tokenizer.model the same with the
`sentencepiece` package.

expected.json: `strings`, and for each case's `ids` those without what the template adds, `special` the ids with it
where that differs (else null), `decoded` the text of the ids where it is not the string itself (else null), `skipped`
that without special tokens where it is another than `decoded`. `pieces` are random ids and their text.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from golden_text import corpus, strings
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).resolve().parent / "text"
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA = QWEN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK3 = [r"\p{N}{1,3}", "[一-龥\u3040-\u309f\u30a0-\u30ff]+",
             r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"""
             r"""|\s*[\r\n]+|\s+(?!\S)|\s+"""]
DEEPSEEK2 = [r"[\r\n]", r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆა-ჺ]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$",
             "[一-龥ࠀ-一가-\ud7ff]+"]


def byte_level(use_regex: bool = False, blank: bool = False):
    return pre_tokenizers.ByteLevel(add_prefix_space=blank, use_regex=use_regex)


def splits(patterns: list[str]):
    return [pre_tokenizers.Split(Regex(p), "isolated") for p in patterns]


def trained(tokenizer: Tokenizer, size: int, special: list[str], **options) -> Tokenizer:
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[AddedToken(s, normalized=False, special=True) for s in special],
                                  show_progress=False, **options)
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def byte_level_bpe(normalizer, steps: list, size: int = 900, **model) -> Tokenizer:
    """Specials come behind the vocabulary, as in the families."""
    tokenizer = Tokenizer(models.BPE(**model))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = steps[0] if len(steps) == 1 else pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return trained(tokenizer, size, [], initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


def add(tokenizer: Tokenizer, *special: str, plain: tuple = ()) -> Tokenizer:
    tokenizer.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in special])
    tokenizer.add_tokens([AddedToken(s, normalized=False, special=False) for s in plain])
    return tokenizer


def qwen() -> Tokenizer:
    tokenizer = byte_level_bpe(normalizers.NFC(), [*splits([QWEN]), byte_level()])
    return add(tokenizer, "<|endoftext|>", "<|im_start|>", "<|im_end|>",
               plain=("<tool_call>", "</tool_call>", "<think>", "</think>"))


def llama3() -> Tokenizer:
    """Every seventh merge is taken away, so that tokens remain which only `ignore_merges` finds."""
    tokenizer = byte_level_bpe(None, [*splits([LLAMA]), byte_level()])
    add(tokenizer, "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    begin = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
        single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|> $B",
        special_tokens=[("<|begin_of_text|>", begin)])])
    value = json.loads(tokenizer.to_str())
    value["model"]["ignore_merges"] = True
    value["model"]["merges"] = [merge for i, merge in enumerate(value["model"]["merges"]) if i % 7 != 3]
    return Tokenizer.from_str(json.dumps(value))


def deepseek3() -> Tokenizer:
    tokenizer = byte_level_bpe(normalizers.Sequence([]), [*splits(DEEPSEEK3), byte_level()])
    add(tokenizer, "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>")
    tokenizer.add_tokens([AddedToken(s, normalized=True, special=False)
                          for s in ("<｜fim▁hole｜>", "<｜User｜>", "<｜Assistant｜>", "<think>", "</think>")])
    return tokenizer


def deepseek2() -> Tokenizer:
    steps = [*splits(DEEPSEEK2), pre_tokenizers.Digits(individual_digits=True), byte_level()]
    return add(byte_level_bpe(normalizers.Sequence([]), steps), "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>")


def o200k() -> Tokenizer:
    return add(byte_level_bpe(None, [*splits([O200K]), byte_level()], size=700), "<|begin_of_text|>", "<|eot|>")


def gpt2() -> Tokenizer:
    return add(byte_level_bpe(None, [byte_level(use_regex=True, blank=True)], size=600), "<|endoftext|>")


def odd() -> Tokenizer:
    """Nobody's layout: every flag of added tokens, digits in groups, other behaviours of splits."""
    steps = [pre_tokenizers.Split(Regex(r"\s"), "merged_with_next"), pre_tokenizers.Split("-", "contiguous"),
             pre_tokenizers.Split(Regex(r"[aeiou]+"), "merged_with_previous"), pre_tokenizers.Digits(individual_digits=False),
             pre_tokenizers.Split(Regex(r"[\w_]+"), "isolated", invert=True), pre_tokenizers.Split("=", "removed"), byte_level()]
    tokenizer = byte_level_bpe(normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+$"), "¶"),
                                                     normalizers.Replace("ß", "ss")]), steps, size=500)
    tokenizer.add_tokens([AddedToken("<mask>", lstrip=True, rstrip=False, normalized=False), AddedToken("word", single_word=True),
                          AddedToken("<s>", rstrip=True, normalized=False), AddedToken("cafe\u0301", normalized=True),
                          AddedToken("norm\u00e9", normalized=False), AddedToken("wordⓐ"), AddedToken("▁▁", normalized=False),
                          AddedToken("▁", normalized=False)])
    tokenizer.add_special_tokens([AddedToken("</s>", lstrip=True, rstrip=True, single_word=False)])
    return tokenizer


def blank_decoder():
    return decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])


def with_bytes(tokenizer: Tokenizer) -> Tokenizer:
    """The 256 tokens of bytes behind the first specials, as in the families."""
    value = json.loads(tokenizer.to_str())
    vocab = sorted(value["model"]["vocab"], key=value["model"]["vocab"].get)
    vocab = vocab[:3] + [f"<0x{byte:02X}>" for byte in range(256)] + vocab[3:]
    value["model"]["vocab"] = {token: i for i, token in enumerate(vocab)}
    for token in value["added_tokens"]:
        token["id"] = vocab.index(token["content"])
    return Tokenizer.from_str(json.dumps(value))


def llama2() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", "never")
    trained(tokenizer, 700, ["<unk>", "<s>", "</s>"], limit_alphabet=150)
    value = json.loads(tokenizer.to_str())
    value["pre_tokenizer"] = None
    tokenizer = with_bytes(Tokenizer.from_str(json.dumps(value)))
    tokenizer.decoder = blank_decoder()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return tokenizer


def metaspace(scheme: str, split: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=scheme == "first", byte_fallback=split))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", scheme, split)
    trained(tokenizer, 500, ["<unk>", "<s>", "</s>"], limit_alphabet=120)
    tokenizer = with_bytes(tokenizer)
    tokenizer.decoder = blank_decoder()
    return tokenizer


def gemma() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    trained(tokenizer, 600, ["<pad>", "<eos>", "<unk>"], limit_alphabet=150)
    tokenizer = with_bytes(tokenizer)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return add(tokenizer, "<bos>", plain=("\n\n", "\n\n\n", "▁▁", "\t\t"))


CASES = {"qwen": qwen, "llama3": llama3, "deepseek3": deepseek3, "deepseek2": deepseek2, "o200k": o200k, "gpt2": gpt2,
         "odd": odd, "llama2": llama2, "gemma": gemma, "metaspace_first": lambda: metaspace("first", False),
         "metaspace_always": lambda: metaspace("always", True)}


def unless(value, same):
    return None if value == same else value


def expected(tokenizer: Tokenizer) -> dict:
    result = {"size": tokenizer.get_vocab_size(), "ids": [], "special": [], "decoded": [], "skipped": [], "pieces": []}
    for text in strings():
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        decoded = tokenizer.decode(ids, skip_special_tokens=False)
        result["ids"].append(ids)
        result["special"].append(unless(tokenizer.encode(text).ids, ids))
        result["decoded"].append(unless(decoded, text))
        result["skipped"].append(unless(tokenizer.decode(ids), decoded))
    draw = random.Random(3)
    if isinstance(tokenizer.decoder, decoders.ByteLevel):  # the others do not say what becomes of broken characters
        for _ in range(40):
            ids = [draw.randrange(result["size"]) for _ in range(draw.randint(1, 12))]
            result["pieces"].append([ids, tokenizer.decode(ids, skip_special_tokens=False)])
    return result


SENTENCEPIECE = {
    "sp_bpe": {"model_type": "bpe", "vocab_size": 700, "byte_fallback": True, "split_digits": True, "character_coverage": 0.98,
               "normalization_rule_name": "identity", "remove_extra_whitespaces": False, "allow_whitespace_only_pieces": True,
               "user_defined_symbols": ["<mask>", "<think>"], "control_symbols": ["<|im_end|>"]},
    "sp_unigram": {"model_type": "unigram", "vocab_size": 600, "byte_fallback": True, "character_coverage": 0.98},
    "sp_unigram_unknown": {"model_type": "unigram", "vocab_size": 500, "character_coverage": 0.98, "add_dummy_prefix": False,
                           "normalization_rule_name": "identity"},
}


def store(folder: Path, value: dict) -> None:
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    (folder / "expected.json").write_text(text.replace('],"', '],\n"') + "\n")


def tokenizers_cases() -> None:
    import tokenizers

    (HERE / "strings.json").write_text(json.dumps(strings(), ensure_ascii=True, indent=0) + "\n")
    for name, make in CASES.items():
        folder = HERE / name
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer = make()
        tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        store(folder, {"tokenizers": tokenizers.__version__, **expected(tokenizer)})


def sentencepiece_cases() -> None:
    import sentencepiece

    for name, options in SENTENCEPIECE.items():
        folder = HERE / name
        folder.mkdir(parents=True, exist_ok=True)
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(line.strip("\n") for line in corpus()), num_threads=1,
                                                 model_prefix=str(folder / "tokenizer"), minloglevel=2, **options)
        (folder / "tokenizer.vocab").unlink()
        processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        result = {"sentencepiece": sentencepiece.__version__, "size": processor.vocab_size(), "ids": [], "decoded": []}
        for text in strings():
            ids = processor.encode(text)
            result["ids"].append(ids)
            result["decoded"].append(unless(processor.decode(ids), text))
        store(folder, result)


def main() -> None:
    HERE.mkdir(exist_ok=True)
    what = sys.argv[1:] or ["tokenizers", "sentencepiece"]
    if "tokenizers" in what:
        tokenizers_cases()
    if "sentencepiece" in what:
        sentencepiece_cases()
    for path in sorted(HERE.rglob("*")):
        if path.is_file():
            print(path.relative_to(HERE), path.stat().st_size)


if __name__ == "__main__":
    main()
