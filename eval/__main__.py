"""The command line: ``python -m eval benchmarks | score | compare | ...``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: spinning threads make a busy machine many times slower

from eval import commands
from poster.cli import run


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    top = argparse.ArgumentParser(prog="python -m eval", description="Score facial expression models and compare the scores.")
    subparsers = top.add_subparsers(dest="command", required=True)

    def add(name: str, action: Callable[[argparse.Namespace], dict[str, Any] | None], text: str) -> argparse.ArgumentParser:
        command = subparsers.add_parser(name, help=text, description=text)
        command.add_argument("--json", action="store_true", help="print one JSON object instead of text")
        command.set_defaults(action=action)
        return command

    command = add("benchmarks", commands.benchmarks, "Which benchmarks exist, which are here, how to get the others.")
    command.add_argument("--data", metavar="DIR", help="folder with the data sets, or one of them")

    command = add("score", commands.score, "Score a checkpoint on a benchmark.")
    command.add_argument("weights", help="checkpoint file")
    _data(command)
    _compute(command)
    command.add_argument("--out", metavar="RESULT.json", help="result file; the predictions are written beside it (default: runs/BENCHMARK-PROTOCOL-SHA.json)")
    command.add_argument("--no-probe", action="store_true", help="do not try other channel orders and normalisations")

    command = add("compare", commands.compare, "Is the difference between two results real?")
    command.add_argument("a", metavar="A.json")
    command.add_argument("b", metavar="B.json")
    return top


def _data(command: argparse.ArgumentParser) -> None:
    command.add_argument("--benchmark", required=True, help="see `python -m eval benchmarks`")
    command.add_argument("--protocol", help="a protocol of the benchmark (default: its first)")
    command.add_argument("--data", metavar="DIR", help="the data set's folder (or a Hugging Face repository id)")
    command.add_argument("--revision", help="commit, branch or tag of a Hugging Face repository")
    command.add_argument("--allow-doubled", action="store_true", help="keep pictures that stand twice in a set whose contents are not known")


def _compute(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 ...")
    command.add_argument("--dtype", default="float32", help="float32, or bfloat16 or float16 by autocast")
    command.add_argument("--batch-size", type=int, default=0, help="images a batch (default: 32 on the CPU, 256 on a GPU)")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is 0 done, 2 the user's input, 1 ours."""
    options = parser().parse_args(arguments)
    return run(lambda: options.action(options), options.json)


if __name__ == "__main__":
    sys.exit(main())
