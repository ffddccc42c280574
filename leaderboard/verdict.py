"""What an evaluation ended with: the child's last answer and its files, checked against what was asked, as a record or a refusal."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboard.accepted import Submission
from leaderboard.jobs import Fault, Job
from leaderboard.names import sentence
from leaderboard.record import Record, RecordError
from leaderboard.store import new_id

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """What the child said of a job: the record and the predictions file, or a refusal."""

    record: Record | None = None
    predictions: Path | None = None
    fault: Fault = Fault.OURS
    sentence: str = ""


def read_verdict(answer: dict[str, Any], submission: Submission, job: Job, folder: Path, stored_sha256: str) -> Verdict:
    """What the child's last answer and its files mean. A result that is held back by its diagnosis is the submitter's to mend."""
    if "refused" in answer:
        return Verdict(fault=Fault(answer.get("fault", "ours")), sentence=sentence(str(answer["refused"])))
    path = folder / "result.json"
    try:
        data = json.loads(path.read_bytes())
        diagnosis = data.get("diagnosis") or {}
        predictions = path.with_name(Path(data.get("predictions") or "none").name)
        id = new_id()
        about = {
            "id": id, "model": submission.name, "architecture": submission.contract.architecture, "parameters": submission.parameters,
            "source": submission.source, "training_data": submission.training_data, "epoch_selection": submission.epoch_selection,
            "paper": submission.paper, "code": submission.code, "submitted_by": submission.submitted_by, "weights_sha256": submission.weights_sha256,
        }  # fmt: skip
        if data.get("weights_sha256") != stored_sha256:
            raise RecordError("the weights that were scored are not those that were stored")
        kept = predictions if predictions.is_file() else None
        record = Record.from_dict({**data, **about, "predictions": f"{id}.parquet" if kept else ""})
        if (record.benchmark, record.protocol) != (job.benchmark, job.protocol):
            raise RecordError(f"the child scored {record.benchmark}/{record.protocol}")
    except (OSError, ValueError, AttributeError) as error:
        log.error("job %s: the child's result is not usable: %s", job.id, error)
        return Verdict(fault=Fault.OURS, sentence="The evaluation ended without a usable result; this was not charged, run it again.")
    if diagnosis.get("held_back"):
        return Verdict(fault=Fault.SUBMITTER, sentence=f"Held back: {sentence(str(diagnosis.get('sentence') or 'the diagnosis speaks against it'))}")
    return Verdict(record=record, predictions=kept)
