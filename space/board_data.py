"""The leaderboard as the JSON the page's own table reads: every row once, numbers as shown, nothing that needs another request."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from leaderboard.board import Board, Row
from leaderboard.claims import TEST_SETS


def board_json(board: Board) -> str:
    """{"benchmarks": [{name, title, note}], "rows": [...]}; percentages rounded as :func:`shown` says."""
    titles = {row.benchmark: row.title for row in board.rows}
    benchmarks = [{"name": name, "title": titles[name], "note": TEST_SETS[name].note if name in TEST_SETS else ""} for name in board.benchmarks]
    return json.dumps({"benchmarks": benchmarks, "rows": [row_data(row) for row in board.rows]}, allow_nan=False, separators=(",", ":"))


def row_data(row: Row) -> dict[str, Any]:
    """One row under short, stable names; ``key`` names it in addresses."""
    low, high = row.interval or (None, None)
    return {
        "key": row.id or hashlib.sha256(f"{row.model}|{row.benchmark}|{row.source}".encode()).hexdigest()[:10],
        "model": row.model,
        "benchmark": row.benchmark,
        "title": row.title,
        "accuracy": shown(row.accuracy, row.status),
        "low": shown(low),
        "high": shown(high),
        "tie": row.tie_group,
        "status": row.status,
        "source": row.source,
        "link": row.link,
        "protocol": row.protocol,
        "images": row.num_images or None,
        "epoch": row.epoch_selection,
        "training": row.training_data,
        "mean_class": shown(row.mean_class_accuracy),
        "f1": shown(row.macro_f1),
        "parameters": row.parameters,
        "weights": row.weights_sha256,
        "submitted_by": row.submitted_by,
        "finished": row.finished[:10],
    }


def shown(percent: float | None, status: str = "measured") -> float | None:
    """A published number as published; what was measured here to a tenth of a point, as fine as its interval deserves."""
    return None if percent is None else round(percent, 1 if status == "measured" else 2)
