"""What is stored of a run, as one JSON file with the predictions beside it; every score in it is computed from the predictions."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.metrics import confusion_matrix
from eval.predictions import Predictions, ResultError
from eval.scores import ScoreSheet
from poster.data.memo import write_atomically

SCHEMA = 1  # old versions must still load: tests/historic


@dataclass(frozen=True)
class Result:
    """One run of one checkpoint on one benchmark protocol.

    confusion: (K, K) counts, rows true. predictions_file: Parquet, relative to the JSON file. software: versions; seconds: wall clock of
    the whole run; finished: UTC, ISO 8601. analyses: blocks that came with the run (diagnosis, problems, robustness, quality ...).
    """

    benchmark: str
    version: int
    protocol: str
    title: str
    labels: tuple[str, ...]
    weights_sha256: str
    model: str
    confusion: tuple[tuple[int, ...], ...]
    predictions_file: str
    fingerprint: str
    software: dict[str, Any]
    device: str
    dtype: str
    threads: int
    batch_size: int
    seconds: float
    finished: str
    submission: str | None = None
    contract: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    diagnosis: dict[str, Any] = field(default_factory=dict)
    analyses: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        width = len(self.labels)
        if width < 2 or len(self.confusion) != width or any(len(row) != width for row in self.confusion):
            raise ResultError(f"the confusion matrix is not {width} x {width}, one row and column a label")
        if any(type(count) is not int or count < 0 for row in self.confusion for count in row) or self.num_images == 0:
            raise ResultError("the confusion matrix does not hold counts of at least one image")

    @property
    def num_images(self) -> int:
        """Images scored."""
        return sum(map(sum, self.confusion))

    def to_json(self, sheet: ScoreSheet, predictions: str | None = None) -> dict[str, Any]:
        """The JSON object of the stored file and of ``eval score --json``; ``predictions`` replaces the relative path."""
        scored = sheet.to_json()
        scored["notes"] = list(sheet.notes)
        return {
            "schema": SCHEMA,
            "benchmark": self.benchmark,
            "version": self.version,
            "protocol": self.protocol,
            "title": self.title,
            "num_images": self.num_images,
            "labels": list(self.labels),
            **{name: scored[name] for name in ("scores", "intervals", "undefined", "per_class", "confusion", "reliability", "notes")},
            "model": self.model,
            "weights_sha256": self.weights_sha256,
            "submission": self.submission,
            "contract": self.contract,
            "fingerprint": self.fingerprint,
            "predictions": predictions or self.predictions_file,
            "warnings": list(self.warnings),
            "diagnosis": self.diagnosis,
            "analyses": self.analyses,
            "software": self.software,
            "device": self.device,
            "dtype": self.dtype,
            "threads": self.threads,
            "batch_size": self.batch_size,
            "seconds": round(self.seconds, 3),
            "finished": self.finished,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Result:
        """Read the object back; the scores in it are not trusted, they are computed again. Raises ResultError."""
        try:
            if fields["schema"] not in range(1, SCHEMA + 1):
                raise ResultError(f"the result has schema {fields['schema']}, this version reads up to {SCHEMA}; update the program")
            return cls(
                benchmark=fields["benchmark"],
                version=fields["version"],
                protocol=fields["protocol"],
                title=fields["title"],
                labels=tuple(fields["labels"]),
                weights_sha256=fields["weights_sha256"],
                model=fields["model"],
                confusion=tuple(tuple(row) for row in fields["confusion"]),
                predictions_file=fields["predictions"],
                fingerprint=fields["fingerprint"],
                software=dict(fields["software"]),
                device=fields["device"],
                dtype=fields["dtype"],
                threads=fields["threads"],
                batch_size=fields["batch_size"],
                seconds=float(fields["seconds"]),
                finished=fields["finished"],
                submission=fields.get("submission"),
                contract=dict(fields.get("contract") or {}),
                warnings=tuple(fields.get("warnings") or ()),
                diagnosis=dict(fields.get("diagnosis") or {}),
                analyses=dict(fields.get("analyses") or {}),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, ResultError):
                raise
            raise ResultError("the file is not a result of `eval score`: a field is missing or malformed") from error


def check_output(path: Path, suffix: str) -> None:
    """Make the folder of an output file. Raises ResultError for another ending, or a place that cannot be written."""
    if path.suffix != suffix:
        raise ResultError(f"the output {path.name} must end in {suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(f"the folder {path.parent} cannot be made ({error.strerror}); choose another output") from error
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise ResultError(f"the output {path} cannot be written; choose another place")


def save(result: Result, sheet: ScoreSheet, path: Path) -> None:
    """Write the JSON file, complete or not at all."""
    write_atomically(path, (json.dumps(result.to_json(sheet), indent=1, allow_nan=False) + "\n").encode())


def load(path: Path) -> Result:
    """Read a result file of this or an older version. Raises ResultError."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ResultError(f"there is no result file {path}; make one with `python -m eval score ... --out {path}`") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ResultError(f"{path} is not a JSON file made by `python -m eval score`") from error
    if not isinstance(fields, dict):
        raise ResultError(f"{path} is not a result: it holds no JSON object")
    return Result.from_json(fields)


def confusion_of(predictions: Predictions) -> tuple[tuple[int, ...], ...]:
    """The confusion matrix as a result stores it."""
    return tuple(tuple(row) for row in confusion_matrix(predictions.targets, predictions.predicted, len(predictions.labels)).tolist())


def load_predictions(result: Result, path: Path) -> Predictions:
    """The predictions that belong to the result file at ``path``. Raises ResultError when they are missing or give another confusion matrix."""
    predictions = Predictions.read(path.parent / Path(result.predictions_file).name)
    if predictions.labels != result.labels or confusion_of(predictions) != result.confusion:
        raise ResultError(f"the predictions beside {path.name} do not belong to it: they give another confusion matrix")
    return predictions
