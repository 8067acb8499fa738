#!/usr/bin/env python3
"""Holds the tree to its rules: which folder may include which, one build file a folder, no printing in the library.

The table is the one of ARCHITECTURE.md. Standard library only; run from anywhere.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

MAY_INCLUDE = {
    "kernels": {"kernels"},
    "codec": {"codec", "kernels"},
    "tokenizer": {"tokenizer", "codec", "kernels"},
    "model": {"model", "tokenizer", "codec", "kernels"},
    "media": {"media", "kernels"},
    "cli": {"cli", "media", "model", "tokenizer", "codec", "kernels"},
}
# All that tokenizer/ may see of codec/: what codes are, and how untrusted files are read.
TOKENIZER_SEES = {"codec/codec.h", "codec/checkpoint/json.h", "codec/checkpoint/mapped_file.h"}
TOP_LEVEL = {"kernels", "codec", "tokenizer", "model", "media", "cli", "samples", "tests", "training", "cmake"}
SOURCES = {".h", ".cc", ".cu", ".inc"}
INCLUDE = re.compile(r'^\s*#\s*include\s*"(([a-z_]+)/[^"]*)"')
PRINTS = re.compile(r"\b(std::cout|std::cerr|printf\s*\(|fprintf\s*\(|std::exit|std::abort|\babort\s*\(|\bexit\s*\()")
MEDIA_LIBRARIES = re.compile(r'#\s*include\s*<(sndfile|libav\w+/|libsw\w+/|opencv2/|jpeglib|png\.h|tiffio)')


def sources(folder: str) -> list[pathlib.Path]:
    return sorted(p for p in (ROOT / folder).rglob("*") if p.suffix in SOURCES)


def check_includes() -> list[str]:
    faults = []
    for folder, allowed in MAY_INCLUDE.items():
        for path in sources(folder):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                found = INCLUDE.match(line)
                if found and found.group(2) in MAY_INCLUDE and found.group(2) not in allowed:
                    faults.append(f"{path.relative_to(ROOT)}:{number}: {folder}/ may not include {found.group(2)}/")
                if found and folder == "tokenizer" and found.group(2) == "codec" and found.group(1) not in TOKENIZER_SEES:
                    faults.append(f"{path.relative_to(ROOT)}:{number}: tokenizer/ may not include {found.group(1)}")
                if folder != "media" and MEDIA_LIBRARIES.search(line):
                    faults.append(f"{path.relative_to(ROOT)}:{number}: only media/ sees the media libraries")
    return faults


def check_quiet_library() -> list[str]:
    faults = []
    for folder in ("kernels", "codec", "tokenizer", "model", "media"):
        for path in sources(folder):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if PRINTS.search(line.split("//")[0]) and "snprintf" not in line:
                    faults.append(f"{path.relative_to(ROOT)}:{number}: the library never prints, exits or aborts")
    return faults


def check_folders() -> list[str]:
    folders = {p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith((".", "build", "venv"))}
    return [f"{name}/: not a room of ARCHITECTURE.md" for name in sorted(folders - TOP_LEVEL)]


def check_operations() -> list[str]:
    """Every CUDA file has its CPU twin, its header and a test."""
    faults = []
    for path in sorted((ROOT / "kernels").glob("*.cu")):
        if path.stem == "runtime":
            continue
        for needed in (ROOT / "kernels" / f"{path.stem}.h", ROOT / "kernels" / f"{path.stem}.cc"):
            if not needed.exists():
                faults.append(f"{path.relative_to(ROOT)}: {needed.relative_to(ROOT)} is missing")
    return faults


def main() -> int:
    faults = check_includes() + check_quiet_library() + check_folders() + check_operations()
    for fault in faults:
        print(fault)
    print(f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
