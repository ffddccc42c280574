"""Options that several commands share."""

from __future__ import annotations

import argparse


def add_data(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Which benchmark, where its files are."""
    parser.add_argument("--benchmark", required=default is None, default=default, help="see `python -m eval benchmarks`")
    parser.add_argument("--protocol", help="a protocol of the benchmark (default: its first)")
    parser.add_argument("--data", metavar="DIR", help="the data set's folder (or a Hugging Face repository id)")
    parser.add_argument("--revision", help="commit, branch or tag of a Hugging Face repository")
    parser.add_argument("--allow-doubled", action="store_true", help="keep pictures that stand twice in a set whose contents are not known")


def add_compute(parser: argparse.ArgumentParser, batch_size: bool = True) -> None:
    """Where and how a model runs."""
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ...")
    parser.add_argument("--dtype", default="float32", help="float32, or bfloat16 or float16; tf32 on a GPU")
    parser.add_argument("--runtime", default="auto", help="eager, bf16, cuda, or auto: the fastest here for the dtype, measured once")
    if batch_size:
        parser.add_argument("--batch-size", type=int, default=0, help="images a batch (default: 32 on the CPU, 256 on a GPU)")
