"""``python -m eval ablation DIR [--out docs/ablation.md]``: which head is better, from the records of ``poster ablate``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eval.result import check_output
from poster.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="where `python -m poster ablate --out` left its records")
    parser.add_argument("--out", metavar="PAGE.md", help="write the page, and its picture beside it")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from eval.ablation import compare
    from eval.ablation_page import HEADER, answer, better, cells, write_page
    from poster.training.arms import ARMS
    from poster.training.record import Record

    folder = Path(options.folder)
    found = sorted(folder.glob("*.npz"))
    if not found:
        raise InputError(f"{folder} holds no runs (.npz); make them with `python -m poster ablate --data DIR --out {folder}`")
    order = list(ARMS)
    records = sorted((Record.read(path) for path in found), key=lambda record: (order.index(record.arm) if record.arm in order else len(order), record.seed))
    result = compare(records)
    if options.out:
        check_output(Path(options.out), ".md")
        write_page(result, records, folder, Path(options.out))
    rows = [HEADER, *(cells(arm) for arm in result.arms)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    pairs = [{"adaptive": one, "fixed": other, "ahead": asdict(each), "holm": p} for one, other, each, p in result.pairs]
    about = {"num_images": result.num_images, "seeds": list(result.seeds), "arms": [asdict(arm) for arm in result.arms], "pairs": pairs}
    return about | {"answer": answer(result), "better": [arm.name for arm in better(result)], "page": options.out}, "\n".join([*lines, "", answer(result)])
