"""One measured result as JSON: committed, stored, published and read back; every field is checked, every score computed from the confusion matrix."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from leaderboard.evidence import checked_analyses, checked_contract, checked_copies, checked_reliability
from leaderboard.names import check_link, check_name, check_text
from poster.labels import EXPRESSIONS

log = logging.getLogger(__name__)

MAX_RECORD_BYTES = 256 * 1024
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PLAIN = re.compile(r"[\w .:+()/,@=#-]{0,300}")  # versions, devices, dates: no markup


class RecordError(ValueError):
    """A result that is not what this project writes."""


@dataclass(frozen=True)
class Record:
    """A result and what the submitter said about the model.

    confusion[i][j]: images of class ``labels[i]`` predicted as ``labels[j]``. seconds: wall-clock of the evaluation.
    predictions: name of the Parquet file beside the record, "" when none is kept. finished: ISO 8601, UTC. contract, reliability, analyses,
    copies: what came with the result, checked and cut down by leaderboard/evidence.py; {} for none. fingerprint: of the data set's files.
    """

    id: str
    model: str
    benchmark: str
    version: int
    protocol: str
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    weights_sha256: str
    architecture: str = ""
    parameters: int = 0
    predictions: str = ""
    source: str = ""
    training_data: str = "unknown"
    epoch_selection: str = "unknown"
    paper: str = ""
    code: str = ""
    submitted_by: str = ""
    software: Mapping[str, str] | None = None
    device: str = ""
    dtype: str = ""
    seconds: float = 0.0
    finished: str = ""
    fingerprint: str = ""
    batch_size: int = 0
    contract: Mapping[str, Any] = field(default_factory=dict)
    reliability: Mapping[str, Any] = field(default_factory=dict)
    analyses: Mapping[str, Any] = field(default_factory=dict)
    copies: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.model, "model")
        check_name(self.id, "result id")
        for value, what in ((self.training_data, "training data"), (self.epoch_selection, "epoch selection")):
            check_text(value, what)
        for value, what in ((self.paper, "paper"), (self.code, "code")):
            check_link(value, what)
        for value, what in ((self.benchmark, "benchmark"), (self.protocol, "protocol")):
            if not _SLUG.fullmatch(value):
                raise RecordError(f"the {what} is not a short lower-case name")
        if not is_sha256(self.weights_sha256):
            raise RecordError("weights_sha256 is not 64 hexadecimal digits")
        for value, what in (
            (self.architecture, "architecture"), (self.source, "source"), (self.device, "device"), (self.dtype, "dtype"),
            (self.finished, "finished"), (self.predictions, "predictions"), (self.submitted_by, "submitted_by"),
            *((f"{key} {value}", "software") for key, value in (self.software or {}).items()),
        ):  # fmt: skip
            if not is_plain(value):
                raise RecordError(f"{what} is not plain text of at most 300 characters")
        if not is_count(self.version) or not is_count(self.parameters) or not is_count(self.batch_size):
            raise RecordError("version, parameters and batch_size must be whole numbers, 0 or more")
        if self.fingerprint and not is_sha256(self.fingerprint):
            raise RecordError("the fingerprint is not 64 hexadecimal digits")
        checks = (("contract", checked_contract), ("reliability", checked_reliability), ("analyses", checked_analyses), ("copies", checked_copies))
        for name, check in checks:
            object.__setattr__(self, name, check(getattr(self, name)))
        if not isinstance(self.seconds, (int, float)) or not math.isfinite(self.seconds) or self.seconds < 0:
            raise RecordError("seconds is not a finite number, 0 or more")
        if not self.labels or len(set(self.labels)) != len(self.labels) or not set(self.labels) <= set(EXPRESSIONS):
            raise RecordError("the labels are not distinct expressions")
        if len(self.confusion) != len(self.labels) or any(len(row) != len(self.labels) or not all(map(is_count, row)) for row in self.confusion):
            raise RecordError("the confusion matrix is not a square of counts, one row a label")
        if not 0 < self.num_images <= 10_000_000:
            raise RecordError("the confusion matrix counts no image, or more than any test set has")

    @property
    def num_images(self) -> int:
        return sum(map(sum, self.confusion))

    @property
    def correct(self) -> int:
        """Images on the diagonal."""
        return sum(row[index] for index, row in enumerate(self.confusion))

    def to_dict(self) -> dict[str, Any]:
        """What :meth:`from_dict` reads; JSON types only, tuples as lists, with the number of images for readers. Blocks there are none of are left out."""
        found = json.loads(json.dumps(asdict(self)))
        for name in ("contract", "reliability", "analyses", "copies"):
            if not found[name]:
                del found[name]
        return {**found, "num_images": self.num_images}

    @classmethod
    def from_dict(cls, data: Any, id: str = "", model: str = "") -> Record:
        """A Record from the JSON of ``eval score`` or of :meth:`to_dict`; ``id`` and ``model`` fill in what ``eval score`` does not know.

        Unknown fields are left out (scores among them: they are computed anew). Raises RecordError, or SubmissionError for a text.
        """
        if not isinstance(data, dict):
            raise RecordError("not a JSON object")
        known = {one.name for one in fields(cls)}
        if isinstance(found := data.get("diagnosis"), dict) and "copies" not in data:
            data = {**data, "copies": found.get("copies")}
        if not data.get("architecture") and isinstance(found := data.get("contract"), dict):
            data = {**data, "architecture": found.get("architecture")}
        values = {"id": id, "model": model, **{name: value for name, value in data.items() if name in known and value is not None}}
        values["predictions"] = Path(str(values.get("predictions", ""))).name
        try:
            values["labels"] = tuple(values["labels"])
            values["confusion"] = tuple(tuple(row) for row in values["confusion"])
            record = cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise RecordError(f"a field is missing or of the wrong type ({error})") from error
        if data.get("num_images", record.num_images) != record.num_images:
            raise RecordError(f"num_images says {data['num_images']!r} but the confusion matrix counts {record.num_images}")
        return record


def is_count(value: object) -> bool:
    """A whole number, 0 to 10^12, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**12


def is_plain(value: object) -> bool:
    """Text that is neither markup nor long: versions, devices, dates, sources."""
    return isinstance(value, str) and _PLAIN.fullmatch(value) is not None


def is_sha256(value: object) -> bool:
    """64 lower-case hexadecimal digits."""
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def parse_json(text: bytes, **defaults: str) -> Record:
    """A Record from untrusted bytes. Raises ValueError (RecordError, SubmissionError among them) for anything else."""
    if len(text) > MAX_RECORD_BYTES:
        raise RecordError(f"the file has {len(text)} bytes; a result has at most {MAX_RECORD_BYTES}")
    try:
        return Record.from_dict(json.loads(text), **defaults)
    except RecursionError as error:
        raise RecordError("the JSON is nested too deeply") from error


def read_folder(folder: Path) -> Iterator[Record]:
    """Every well-formed ``*.json`` of a folder, by file name; a malformed or hostile one is skipped with a log line."""
    for path in sorted(folder.glob("*.json")):
        try:
            if path.stat().st_size > MAX_RECORD_BYTES:
                raise RecordError(f"larger than {MAX_RECORD_BYTES} bytes")
            yield parse_json(path.read_bytes(), id=path.stem, model=path.stem)
        except (OSError, ValueError) as error:
            log.warning("skipped %r: %s", path.name, str(error)[:300])
