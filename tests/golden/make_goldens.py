#!/usr/bin/env python3
"""Makes the golden data that the C++ tests compare with, from the reference implementations in Python.

    python3 -m venv venv && venv/bin/pip install torch==2.11.0 diffusers==0.42.0 'transformers>=5,<6' tokenizers sentencepiece
    venv/bin/python tests/golden/make_goldens.py [PART ...] [--book DIR]

Each file of parts/ has a function make(out, options) and writes its data below tests/golden/data/<part>/. The networks of
the book need a copy of its package text_to_image (--book names the directory that holds it); without it those parts
are skipped and say so.
"""
import argparse
import importlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = sorted(p.stem for p in (HERE / "parts").glob("*.py") if not p.stem.startswith("_"))
    parser.add_argument("parts", nargs="*", help=f"of: {', '.join(names)} (default: all)")
    parser.add_argument("--book", help="directory that holds the book's package text_to_image")
    options = parser.parse_args()
    unknown = set(options.parts) - set(names)
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}; known: {', '.join(names)}")
    sys.path.insert(0, str(HERE / "parts"))
    for name in options.parts or names:
        out = HERE / "data" / name
        out.mkdir(parents=True, exist_ok=True)
        print(f"{name}: ", end="", flush=True)
        importlib.import_module(name).make(out, options)
        size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
        print(f"{size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
