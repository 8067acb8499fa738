"""Turns pickled public checkpoints of codecs into the folder that the loader reads.

    python convert_codec.py snac FOLDER --out OUT
    python convert_codec.py dac weights_24khz_8kbps_0.0.4.pth --out OUT
    python convert_codec.py encodec encodec_24khz-d7cc33bc.th --out OUT
    python convert_codec.py transformers FOLDER --out OUT
    python convert_codec.py wavtokenizer model.ckpt --yaml model.yaml --out OUT
    python convert_codec.py llamagen vq_ds16_t2i.pt --out OUT
    python convert_codec.py taming vqgan.ckpt --yaml vqgan.yaml --out OUT
    python convert_codec.py ibq model.ckpt --yaml config.yaml --out OUT
    python convert_codec.py cosmos FOLDER --out OUT

OUT gets config.json and model.safetensors; weights are not changed. Files are loaded without
running code that is in them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from folder import write_folder
from from_bin import convert_snac, convert_transformers
from from_cosmos import convert_cosmos
from from_dac import convert_dac
from from_encodec import convert_encodec
from from_vqgan import convert_llamagen, convert_vqgan
from from_wavtokenizer import DILATION_BASE, convert_wavtokenizer
from pickles import ConversionError, Tensors


def arguments_of(line: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    families = parser.add_subparsers(dest="family", required=True)
    helps = {
        "snac": "folder with pytorch_model.bin and config.json",
        "dac": "weights*.pth of the authors",
        "encodec": "encodec_*.th of the authors",
        "transformers": "folder with pytorch_model.bin (or shards) and config.json",
        "wavtokenizer": "Lightning checkpoint",
        "llamagen": "vq_ds*.pt of the authors",
        "taming": "VQGAN checkpoint of taming transformers or Chameleon",
        "ibq": "checkpoint of SEED-Voken or Emu3.5",
        "cosmos": "folder with encoder.jit and decoder.jit of a discrete image tokenizer",
    }
    for name, text in helps.items():
        family = families.add_parser(name, help=text)
        family.add_argument("input", type=Path, help=text)
        family.add_argument("--out", type=Path, required=True, help="folder to write")
        family.add_argument(
            "--trust-pickle", action="store_true", help="allow a pickle to run code of its own"
        )
        if name == "encodec":
            family.add_argument("--config", type=Path, help="config.json of a model of your own")
        if name in ("taming", "ibq"):
            family.add_argument("--yaml", type=Path, required=True, help="its configuration")
        if name == "wavtokenizer":
            family.add_argument("--yaml", type=Path, required=True, help="its configuration")
            family.add_argument("--dilation-base", type=int, default=DILATION_BASE)
    return parser.parse_args(line)


def converted(options: argparse.Namespace) -> tuple[Tensors, dict]:
    source, trusted = options.input, options.trust_pickle
    if options.family == "snac":
        return convert_snac(source, trusted)
    if options.family == "dac":
        return convert_dac(source, trusted)
    if options.family == "encodec":
        return convert_encodec(source, options.config, trusted)
    if options.family == "transformers":
        return convert_transformers(source, trusted)
    if options.family == "llamagen":
        return convert_llamagen(source, trusted)
    if options.family == "cosmos":
        return convert_cosmos(source)
    if options.family in ("taming", "ibq"):
        return convert_vqgan(options.family, source, options.yaml, trusted)
    return convert_wavtokenizer(source, options.yaml, options.dilation_base, trusted)


def main(line: list[str] | None = None) -> int:
    options = arguments_of(line)
    try:
        tensors, config = converted(options)
        write_folder(options.out, tensors, config)
    except ConversionError as problem:
        print(f"convert_codec: {problem}", file=sys.stderr)
        return 1
    count = sum(tensor.numel() for tensor in tensors.values())
    print(f"{options.out}: {len(tensors)} tensors, {count / 1e6:.1f} M numbers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
