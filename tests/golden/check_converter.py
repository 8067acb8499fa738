"""Checks training/convert: small pickles in, folders out, every tensor compared.

    python check_converter.py

The pickles are made with the authors' packages (snac, descript-audio-codec, encodec) from the
golden checkpoints, in the shape in which the public ones come; that of WavTokenizer, whose package
is not installed, is made from the fixture itself. Both published EnCodec models are made at full
size with random weights. Nothing is written but a temporary folder.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Callable

import torch
import yaml
from authors_dac import load_dac
from authors_encodec import build, fill, load_encodec
from generate_cosmos import cosmos_config
from generate_cosmos import empty_model as cosmos_model
from generate_vqgan import llamagen_model
from golden_common import Tensors, read_model, single_thread
from golden_weights import old_spelling
from safetensors.torch import load_file
from snac import SNAC
from torch import nn
from transformers import EncodecConfig, EncodecModel

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "training" / "convert"))

from convert_codec import main as convert  # noqa: E402

UNUSED = (
    "feature_extractor.encodec.decoder.model.0.conv.conv.bias",
    "multiperioddisc.discriminators.0.bias",
    "melspec_loss.mel_spec.window",
)


class Code:
    """A pickle that would run code when it is loaded."""

    def __reduce__(self) -> tuple:
        return (print, ("code in a pickle ran",))


def run(*line: object) -> tuple[int, str]:
    """Exit status of the converter and what it complains of."""
    complaint = io.StringIO()
    with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(io.StringIO()):
        status = convert([str(part) for part in line])
    return status, complaint.getvalue()


def expect(condition: bool, text: str) -> None:
    if not condition:
        raise AssertionError(text)


def same_tensors(folder: Path, wanted: Tensors) -> None:
    found = load_file(folder / "model.safetensors")
    expect(sorted(found) == sorted(wanted), f"{folder.name}: other names")
    for name, tensor in wanted.items():
        same = found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)
        expect(same, f"{folder.name}: {name} differs")


def config_in(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text())


def refused(part: str, *line: object) -> None:
    status, complaint = run(*line)
    expect(status == 1 and part in complaint, f"{line[0]}: {complaint or 'no complaint'}")


# ---------------------------------------------------------------------------------------------


def check_snac(work: Path) -> None:
    for name in ("plain_24k", "attention_32k"):
        golden, source = HERE / "snac" / name, work / f"snac_{name}"
        model = SNAC.from_config(golden / "config.json")
        model.load_state_dict(read_model(golden))
        source.mkdir()
        torch.save(model.state_dict(), source / "pytorch_model.bin")
        (source / "config.json").write_text((golden / "config.json").read_text())
        expect(run("snac", source, "--out", work / name) == (0, ""), "snac: not converted")
        same_tensors(work / name, read_model(golden))
        expect(config_in(work / name) == config_in(golden), "snac: other config")
    refused("already holds a model", "snac", source, "--out", work / name)
    (source / "config.json").unlink()
    refused("config.json is missing", "snac", source, "--out", work / "none")


def check_dac(work: Path) -> None:
    golden, path = HERE / "dac" / "original_odd", work / "weights.pth"
    config = config_in(golden)
    model = load_dac()(**config)
    model.load_state_dict(read_model(golden))
    metadata = {"kwargs": {**config, "encoder_rates": tuple(config["encoder_rates"])}}
    torch.save({"state_dict": model.state_dict(), "metadata": metadata}, path)
    expect(run("dac", path, "--out", work / "dac") == (0, ""), "dac: not converted")
    same_tensors(work / "dac", read_model(golden))
    expect(config_in(work / "dac") == config, "dac: other config")
    torch.save({"state_dict": model.state_dict()}, path)
    refused("no entry 'metadata'", "dac", path, "--out", work / "none")


def check_encodec(work: Path) -> None:
    for name in ("causal_hub", "stereo_chunked", "centred_identity"):
        golden, path = HERE / "encodec" / name, work / f"{name}.th"
        model = build(config_in(golden))
        fill(model, read_model(golden))
        torch.save(model.state_dict(), path)
        out, config = work / f"encodec_{name}", golden / "config.json"
        line = ("encodec", path, "--out", out, "--config", config)
        expect(run(*line) == (0, ""), "encodec: not converted")
        same_tensors(out, read_model(golden))
        expect(config_in(out) == config_in(golden), "encodec: other config")
    refused("give its config", "encodec", path, "--out", work / "none")
    other = HERE / "encodec" / "causal_hub" / "config.json"
    refused("does not fit", "encodec", path, "--out", work / "none", "--config", other)


def check_published_encodec(work: Path) -> None:
    """The models are known by their tensors; transformers loads what comes out."""
    published = load_encodec()
    makers: dict[str, Callable] = {
        "24": published.encodec_model_24khz,
        "48": published.encodec_model_48khz,
    }
    for rate, maker in makers.items():
        out, path = work / f"published_{rate}", work / f"published_{rate}.th"
        state = maker(pretrained=False).state_dict()
        torch.save(state, path)
        expect(run("encodec", path, "--out", out) == (0, ""), "encodec: not converted")
        config = config_in(out)
        expect(config["sampling_rate"] == 1000 * int(rate), "encodec: taken for another model")
        tensors = load_file(out / "model.safetensors")
        expect(len(tensors) == len(state), "encodec: tensors are missing")
        check_transformers_takes(config, tensors)
    refused("is it of this family", "dac", path, "--out", work / "none")


def check_transformers_takes(config: dict, tensors: Tensors) -> None:
    state = EncodecModel(EncodecConfig(**config)).state_dict()
    wanted = {old_spelling(name): tensor.shape for name, tensor in state.items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    expect(wanted == found, "encodec: not what transformers expects")


def check_transformers(work: Path) -> None:
    golden, source = HERE / "dac" / "odd_sharded", work / "hub"
    tensors = read_model(golden)
    names = sorted(tensors)
    source.mkdir()
    parts = {f"pytorch_model-0000{n + 1}-of-00002.bin": names[n::2] for n in range(2)}
    for file, some in parts.items():
        torch.save({name: tensors[name] for name in some}, source / file)
    index = {"weight_map": {name: file for file, some in parts.items() for name in some}}
    (source / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    (source / "config.json").write_text((golden / "config.json").read_text())
    expect(run("transformers", source, "--out", work / "st") == (0, ""), "shards: not converted")
    same_tensors(work / "st", tensors)
    index["weight_map"][names[0]] = "../elsewhere.bin"
    (source / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    refused("outside its folder", "transformers", source, "--out", work / "none")


def wavtokenizer_yaml(config: dict) -> str:
    parts = {
        "feature_extractor": {"dowmsamples": config["ratios"], "vq_bins": config["codebook_size"]},
        "backbone": {"input_channels": config["dimension"], **config["backbone"]},
        "head": {"dim": config["backbone"]["dim"], **config["head"]},
    }
    arguments = {name: {"class_path": "x", "init_args": part} for name, part in parts.items()}
    arguments["sample_rate"] = config["sampling_rate"]
    return yaml.safe_dump({"model": {"class_path": "x", "init_args": arguments}})


def check_wavtokenizer(work: Path) -> None:
    for name in ("frame75_f16", "frame40_bf16"):
        golden, path = HERE / "wavtokenizer" / name, work / f"{name}.ckpt"
        config, tensors = config_in(golden), read_model(golden)
        state = OrderedDict(tensors)
        state.update({unused: torch.zeros(3) for unused in UNUSED})
        torch.save({"state_dict": state, "epoch": 3, "optimizer_states": [{}]}, path)
        settings = work / f"{name}.yaml"
        settings.write_text(wavtokenizer_yaml(config))
        base = config["dilation_base"]
        line = ("wavtokenizer", path, "--yaml", settings, "--dilation-base", base)
        expect(run(*line, "--out", work / name) == (0, ""), "wavtokenizer: not converted")
        same_tensors(work / name, tensors)
        expect(config_in(work / name) == config, "wavtokenizer: other config")
    wrong = {**config, "ratios": config["ratios"][::-1]}
    settings.write_text(wavtokenizer_yaml(wrong))
    refused("do not fit the ratios", *line, "--out", work / "none")


def check_vqgan(work: Path) -> None:
    for family, name in (("taming", "odd_resolution_bf16"), ("ibq", "one_level_f16")):
        golden, path = HERE / family / name, work / f"{family}.ckpt"
        config, tensors = config_in(golden), read_model(golden)
        torch.save({"state_dict": {**tensors, "loss.discriminator.main.0.bias": torch.zeros(2)}}, path)
        settings = work / f"{family}.yaml"
        settings.write_text(yaml.safe_dump({"model": {"target": "x", "params": {"lossconfig": {}, **config}}}))
        line = (family, path, "--yaml", settings)
        expect(run(*line, "--out", work / family) == (0, ""), f"{family}: not converted")
        same_tensors(work / family, tensors)
        expect(config_in(work / family) == {"model_type": family, **config}, f"{family}: other config")
    settings.write_text("model: {params: {embed_dim: 3}}")
    refused("no entry 'ddconfig'", *line, "--out", work / "none")


def check_llamagen(work: Path) -> None:
    """Both published sizes, random weights; the averaged ones are taken."""
    for name, multipliers in (("vq16", [1, 1, 2, 2, 4]), ("vq8", [1, 2, 2, 4])):
        config = {
            "codebook_size": 16384,
            "codebook_embed_dim": 8,
            "encoder_ch_mult": multipliers,
            "decoder_ch_mult": multipliers,
            "z_channels": 256,
            "ch": 128,
            "num_res_blocks": 2,
        }
        state = llamagen_model({**config, "norm_num_groups": 32}).state_dict()
        path, out = work / f"{name}.pt", work / name
        extra = {"quantize.codebook_used": torch.zeros(65536)}
        torch.save({"model": {}, "ema": {**state, **extra}, "optimizer": {}, "steps": 3}, path)
        expect(run("llamagen", path, "--out", out) == (0, ""), "llamagen: not converted")
        same_tensors(out, state)
        wanted = {"model_type": "llamagen", "codebook_l2_norm": True, **config}
        expect(config_in(out) == wanted, "llamagen: other config")
        millions = sum(tensor.numel() for tensor in state.values()) / 1e6
        expect(abs(millions - {"vq16": 71.9, "vq8": 70.1}[name]) < 0.06, f"{name}: {millions} M numbers")


def check_cosmos(work: Path) -> None:
    """A small one of six channels in both archives, and one with other channels, whose levels nobody knows."""
    config = cosmos_config(
        channels_mult=[2, 1],
        patch_size=4,
        spatial_compression=8,
        resolution=1024,
        attn_resolutions=[],
        z_channels=7,
        embedding_dim=6,
        levels=[8, 8, 8, 5, 5, 5],
    )
    model = cosmos_model(config)
    picture, values = torch.zeros(1, 48, 4, 4), torch.zeros(1, 6, 2, 2)
    halves = {
        "encoder": (OrderedDict(encoder=model.encoder, quant_conv=model.quant_conv), picture),
        "decoder": (OrderedDict(post_quant_conv=model.post_quant_conv, decoder=model.decoder), values),
    }
    for name, (parts, example) in halves.items():
        torch.jit.trace(nn.Sequential(parts), example).save(str(work / f"{name}.jit"))
    expect(run("cosmos", work, "--out", work / "out") == (0, ""), "cosmos: not converted")
    same_tensors(work / "out", model.state_dict())
    out = config_in(work / "out")
    same = {k: v for k, v in config.items() if k in out} == {k: v for k, v in out.items() if k != "model_type"}
    expect(same and out["model_type"] == "cosmos", "cosmos: other config")
    (work / "decoder.jit").unlink()
    refused("is not a file", "cosmos", work, "--out", work / "none")


def check_code(work: Path) -> None:
    """A pickle with code in it is refused, and loaded only on request."""
    path = work / "code.pth"
    torch.save({"state_dict": {"a": torch.zeros(1)}, "metadata": {"kwargs": Code()}}, path)
    refused("may run code", "dac", path, "--out", work / "none")
    refused("holds a NoneType", "dac", path, "--out", work / "none", "--trust-pickle")


def main() -> None:
    single_thread()
    checks = [check_snac, check_transformers, check_wavtokenizer, check_code]
    checks += [check_vqgan, check_llamagen, check_cosmos]
    checks += [check_published_encodec, check_encodec, check_dac]
    for check in checks:
        with tempfile.TemporaryDirectory() as work:
            check(Path(work))
        print(check.__name__, "passed", flush=True)


if __name__ == "__main__":
    main()
