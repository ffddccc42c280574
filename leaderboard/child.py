"""The process that evaluates one checkpoint for a worker: told what to do on stdin, answers in JSON lines, ends when its worker does.

It knows no database and holds no token. stdin: one JSON line with the task, then nothing until the worker dies or closes it.
stdout: {"progress": 0..1, "message": "..."} as it goes on, {"scored": true} among them once the scores are stored and only analyses follow, and
at the end {"done": {...}}, {"refused": "...", "fault": "submitter" or "ours"} or, where the machine is full or broken, {"broken": "..."}.
stderr: lines for the job's log.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leaderboard.process import BROKEN
from poster.errors import DataError, InputError

PROBE_EACH = 2  # schematic faces of each of the eight expressions: sixteen
OF_WHAT_IS_LEFT = 0.8  # share of the time after the scores that the analyses may take: nothing begins in the last moments
STAGES = {"decoding": (0.0, 0.1), "scoring": (0.1, 0.3), "robustness": (0.3, 0.85), "resolutions": (0.85, 0.95), "picture quality": (0.95, 1.0)}
Say = Callable[[dict[str, Any]], None]


def main() -> int:
    """Do the task on stdin; exit code 0 done, 2 refused, 1 a bug (its traceback on stderr)."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to the log, not between the answers
    task = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def say(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message, allow_nan=False) + "\n")

    try:
        say({"done": TASKS[task.pop("task")](say, **task)})
    except InputError as error:
        from eval.benchmark import BenchmarkError

        if isinstance(error.__cause__, OSError) and error.__cause__.errno in BROKEN:  # the data set's cache does not fit on the disk
            say({"broken": str(error)})
            return 1
        say({"refused": str(error), "fault": "ours" if isinstance(error, DataError | BenchmarkError) else "submitter"})
        return 2
    except OSError as error:
        if error.errno not in BROKEN:
            raise
        say({"broken": f"{error.strerror}"})
        return 1
    return 0


def _end_with_parent() -> None:
    """The worker holds the other end of stdin; a worker killed with -9 closes it too, and no orphan keeps the device busy."""
    os.read(0, 1)  # not sys.stdin: its lock, held here for ever, would abort the interpreter on its way out
    os._exit(3)


def score(
    say: Say, weights: str, benchmark: str, protocol: str, data: str, device: str, out: str, submission: str, engine: str, sample: int, seconds: float
) -> dict[str, Any]:
    """Evaluate a checkpoint; the result is the JSON file ``out``, its predictions beside it. engine: local or ray.

    sample: images for the analyses, 0 for none of them; they are made when the scores are stored, and end before ``seconds`` are over.
    """
    started = time.monotonic()
    from eval.catalogue import find
    from eval.inference import Compute, infer
    from eval.run import evaluate
    from poster.memory import keep_freed

    keep_freed()
    whole = 1.0 if sample else STAGES["scoring"][1]

    def progress(what: str, done: int, total: int) -> None:
        begin, end = STAGES[what]
        say({"progress": (begin + (end - begin) * done / total) / whole, "message": f"{what} {done:,} of {total:,}"})

    say({"progress": 0.0, "message": "loading"})
    note("loading")
    inference = infer
    if engine == "ray":
        from leaderboard.cluster import infer_on_cluster as inference
    chosen = find(benchmark, protocol)
    run = evaluate(Path(weights), chosen, data or None, Path(out), Compute(device), submission=submission, progress=progress, inference=inference)
    note(f"scored {run.result.num_images:,} images in {run.result.seconds:.1f} s on {run.result.device}, {run.result.dtype}")
    for warning in run.result.warnings:
        note(f"note: {warning}")
    if sample and not run.result.diagnosis["held_back"]:
        from leaderboard.analyses import add_analyses

        say({"scored": True, "progress": STAGES["scoring"][1], "message": "scored"})
        left = OF_WHAT_IS_LEFT * (seconds - (time.monotonic() - started))
        add_analyses(run, sample, left, Path(out), progress, note)
    return {"result": out}


def note(words: str) -> None:
    """A line for the job's log."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


def probe(say: Say, weights: str, device: str) -> dict[str, Any]:
    """Sixteen schematic faces through the model: does it run, are its outputs numbers, do they depend on the picture, how fast is it.

    Returns seconds_per_image, answers (different most probable labels), spread (largest difference of a probability between two pictures),
    predictions (for each picture in turn the most probable label and its probability).
    """
    import poster
    from eval.inference import Compute, ScoringError, infer
    from eval.probability import softmax
    from poster.data.cache import decoded
    from poster.data.memo import inventory
    from poster.data.sketch import sketch_set

    say({"progress": 0.1, "message": "loading"})
    model = poster.load_model(Path(weights))
    contract = model.contract
    if not contract.labels:
        raise ScoringError("the checkpoint is a recognition network without an expression head; submit one that outputs expressions")
    images = sketch_set(PROBE_EACH)
    pixels = decoded(images.source, inventory(images).fingerprint, contract.input_size, contract.interpolation, "whole")
    say({"progress": 0.5, "message": "running"})
    started = time.perf_counter()
    outputs = infer(model, pixels, contract, Compute(device), images.keys)
    seconds = time.perf_counter() - started
    if outputs.logits.shape[1] != len(contract.labels):
        raise ScoringError(
            f"the model has {outputs.logits.shape[1]} outputs but the contract {len(contract.labels)} labels; give the label order it was trained with"
        )
    probabilities = softmax(outputs.logits)
    spread = float((probabilities.max(axis=0) - probabilities.min(axis=0)).max())
    if spread < 1e-4:
        raise ScoringError("the model gives the same probabilities for every picture, so its weights are not those of a trained network; check the file")
    best = probabilities.argmax(axis=1).tolist()
    return {
        "seconds_per_image": seconds / len(pixels),
        "answers": len(set(best)),
        "spread": spread,
        "predictions": [[contract.labels[index], float(row[index])] for index, row in zip(best, probabilities, strict=True)],
    }


TASKS: dict[str, Callable[..., dict[str, Any]]] = {"score": score, "probe": probe}

if __name__ == "__main__":
    sys.exit(main())
