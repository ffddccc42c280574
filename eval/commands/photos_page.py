"""``python -m eval photos-page docs/photos.json``: the page beside a measurement of ``eval photos``, written again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from eval.photos_page import summary, write_page
from eval.result import check_output
from poster.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("answer", metavar="PHOTOS.json", help="`eval photos --out`; the page (.md) goes beside it")


def run(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    path = Path(options.answer)
    page = path.with_suffix(".md")
    check_output(page, ".md")
    try:
        answer = json.loads(path.read_text(encoding="utf-8"))
        text = summary(answer)
        write_page(answer, page)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no output of `python -m eval photos`; make one with --out") from error
    return {"page": str(page)}, f"{text}\n\n{page} is written"
