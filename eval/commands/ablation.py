"""``python -m eval ablation DIR [--out docs/ablation.md]``: which head and which fusion is better, from the records of ``poster ablate``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from eval.result import check_output
from poster.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="where `python -m poster ablate --out` left its records")
    parser.add_argument("--out", metavar="PAGE.md", help="write the page, and its pictures beside it")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    from eval.ablation import compare
    from eval.ablation_page import answer, better, fusion_answer, tables, write_page
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
    blocks = [_columns(rows) for rows in tables(result)]
    answers = [words for words in (answer(result), fusion_answer(result)) if words]
    pairs = [{"adaptive": one, "fixed": other, "ahead": asdict(each), "holm": p} for one, other, each, p in result.pairs]
    depths = [{"deeper": one, "shallower": other, "ahead": asdict(each), "holm": p} for one, other, each, p in result.depths]
    arms = {"arms": [asdict(arm) for arm in result.heads], "fusions": [asdict(arm) for arm in result.fusions]}
    about = {"num_images": result.num_images, "seeds": list(result.seeds), **arms, "pairs": pairs, "depths": depths}
    said = {"answer": answer(result), "fusion_answer": fusion_answer(result), "better": [arm.name for arm in better(result)]}
    return about | said | {"page": options.out}, "\n\n".join([*blocks, *answers])


def _columns(rows: list[tuple[str, ...]]) -> str:
    """The table with its columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
