"""The exact commands that repeat a result: the very weights, the benchmark's protocol, the settings it was measured with."""

from __future__ import annotations

import re
import shlex

from leaderboard.record import Record
from poster.shipped import shipped_models

_HUB = re.compile(r"hub ([\w.-]+/[\w.-]+)@([0-9a-f]{40})/(.+)")
_BLOCKS = ("scale", "robustness", "quality", "copies")
SELF_TEST = "sketch"


def commands(record: Record) -> tuple[str, ...]:
    """One shell command a line. DIR stands for the folder with the benchmark's files; a checkpoint that is not public stands under its own name."""
    weights, before = _weights(record)
    lines = [*before, f"sha256sum {shlex.quote(weights)}  # {record.weights_sha256}"]
    if record.contract and record.model not in shipped_models():
        made = f"{record.weights_sha256[:12]}.safetensors"
        labels, channels = ",".join(record.contract["labels"]), record.contract.get("channels", "rgb")
        lines.append(f"python -m poster convert {shlex.quote(weights)} {made} --labels {labels} --channels {channels}")
        weights = made
    score = ["python -m eval score", shlex.quote(weights), "--benchmark", record.benchmark, "--protocol", record.protocol]
    if record.benchmark != SELF_TEST:
        score.append("--data DIR")
    if record.dtype and record.dtype != "float32":
        score += ["--dtype", shlex.quote(record.dtype)]
    if record.device.startswith("cuda"):
        score.append("--device cuda")
    if record.batch_size:
        score.append(f"--batch-size {record.batch_size}")
    if blocks := analyses(record):
        score += ["--analyses", ",".join(blocks)]
        if count := sample(record):
            score.append(f"--sample {count}")
    return (*lines, " ".join(score), *_heatmaps(record, weights))


def _heatmaps(record: Record, weights: str) -> list[str]:
    """The command that measured the heatmaps, for a result that carries it."""
    block = record.analyses.get("heatmaps", {})
    if not all(isinstance(block.get(name), int) for name in ("num_images", "steps", "seed")):
        return []
    line = ["python -m eval heatmaps", shlex.quote(weights), "--benchmark", record.benchmark, "--protocol", record.protocol]
    if record.benchmark != SELF_TEST:
        line.append("--data DIR")
    precision = (block.get("software") or {}).get("precision", "float32")
    return [" ".join([*line, f"--dtype {shlex.quote(str(precision))} --limit {block['num_images']} --steps {block['steps']} --seed {block['seed']}"])]


def analyses(record: Record) -> list[str]:
    """The analyses that came with the result, as ``eval score --analyses`` names them."""
    return [name for name in _BLOCKS if name in record.analyses or (name == "copies" and record.copies)]


def sample(record: Record) -> int:
    """What ``--sample`` was: a number that draws as many images of each expression (eval.probe.stratified); 0 where all were taken.

    Equal totals mean equal images, since no expression's share falls when the sample grows; of the numbers that fit the roundest is named.
    """
    counts = [record.analyses[name]["num_images"] for name in ("scale", "robustness") if "num_images" in record.analyses.get(name, {})]
    if not counts or max(counts) >= record.num_images:
        return 0
    support = [sum(row) for row in record.confusion if sum(row)]
    total, drawn = sum(support), max(counts)
    fits = [count for count in range(1, total) if sum(max(1, round(count * size / total)) for size in support) == drawn]
    return max(fits, key=lambda count: (count % 1000 == 0, count % 100 == 0, count % 10 == 0, -count), default=drawn)


def _weights(record: Record) -> tuple[str, list[str]]:
    """The checkpoint's name in the command, and what fetches it."""
    if record.model in shipped_models():
        return f"poster/weights/{record.model}.safetensors", []
    if found := _HUB.fullmatch(record.source):
        repo, commit, file = found.groups()
        return file, [f"hf download {repo} {shlex.quote(file)} --revision {commit} --local-dir ."]
    return record.source.removeprefix("file ") if record.source.startswith("file ") else "WEIGHTS", []
