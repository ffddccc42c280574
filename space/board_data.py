"""The leaderboard as the JSON the page's own table reads: every row once, numbers as shown, nothing that needs another request."""

from __future__ import annotations

import json
from typing import Any

from leaderboard.board import SELF_TEST, Board, Row
from leaderboard.claims import TEST_SETS
from leaderboard.compute import load_costs, load_published
from leaderboard.figures import setting

SPOKEN = {"poster_large": "POSTER", "posterpp": "POSTER++"}


def board_json(board: Board) -> str:
    """{"benchmarks": [{name, title, note}], "rows": [...], "notes": {figure: what to know}}; percentages rounded as :func:`shown` says."""
    titles = {row.benchmark: row.title for row in board.rows}
    notes = {name: known.note for name, known in TEST_SETS.items()} | {SELF_TEST: "schematic faces drawn by code: a self-test, no measure of anything else"}
    benchmarks = [{"name": name, "title": titles[name], "note": notes.get(name, "")} for name in board.benchmarks]
    data = {"benchmarks": benchmarks, "rows": [lean(row) for row in board.rows], "notes": cost_notes()}
    return json.dumps(data, allow_nan=False, separators=(",", ":"))


def lean(row: Row) -> dict[str, Any]:
    """A row without what is empty or stands with its benchmark: at ten thousand rows that is most of it."""
    return {name: value for name, value in row_data(row).items() if value not in (None, "") and name != "title"}


def cost_notes() -> dict[str, str]:
    """What a reader of the cost figures must know: how it was counted here, and why papers say otherwise."""
    costs, papers = load_costs(), load_published()
    ours = " and ".join(f"{costs.of[one.architecture].flops / 1e9:.1f} GFLOPs for {SPOKEN[one.architecture]}" for one in papers)
    theirs = " and ".join(f"{one.gflops:g} ({one.counted_as.split('; ')[1]})" for one in papers)
    front = "On the dotted Pareto front no other model of the benchmark is both cheaper and more accurate."
    return {
        "parameters": f"{front} Parameters of the modules that are called, counted here.",
        "flops": f"{front} Counted here alike for all, two operations a multiply-add: {ours}. The papers print {theirs}, which do not compare.",
        "speed": f"{front} Images a second as a multiple of POSTER++, timed in turns in one run: {setting()}.",
    }


def row_data(row: Row) -> dict[str, Any]:
    """One row under short, stable names; ``key`` names it in addresses."""
    low, high = row.interval or (None, None)
    return {
        "key": row.key,
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
        "calibration": shown(row.calibration_error),
        "corrupted": shown(row.corrupted),
        "deletion": fine(row.deletion_auc),
        "deletion_low": fine(row.deletion_auc_low),
        "deletion_high": fine(row.deletion_auc_high),
        "insertion": fine(row.insertion_auc),
        "insertion_low": fine(row.insertion_auc_low),
        "insertion_high": fine(row.insertion_auc_high),
        "architecture": row.architecture,
        "parameters": row.parameters,
        "flops": row.flops,
        "speed": row.speed,
        "weights": row.weights_sha256,
        "submitted_by": row.submitted_by,
        "finished": row.finished[:10],
    }


def fine(share: float | None) -> float | None:
    """A share of 1 to three digits, as fine as the interval of a heatmap's measure deserves."""
    return None if share is None else round(share, 3)


def shown(percent: float | None, status: str = "measured") -> float | None:
    """A published number as published; what was measured here to a tenth of a point, as fine as its interval deserves."""
    return None if percent is None else round(percent, 1 if status == "measured" else 2)
