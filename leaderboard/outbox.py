"""What leaves the store and comes back into it: one result with its submission and its job, as one JSON file and one Parquet file.

The Parquet file holds probabilities only. Targets, votes and file names stay here: with them a stranger could read off the test labels.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL, BigInteger, Column, Connection, Double, RowMapping, Table, Text, insert, select

from leaderboard.names import check_link, check_name, check_text
from leaderboard.record import MAX_RECORD_BYTES, Record, RecordError, is_count, is_plain, is_sha256
from leaderboard.store import Store, charges, db_now, insert_for, jobs, results, submissions, upsert, users
from poster.contract import METADATA_KEY, ModelContract
from poster.labels import EXPRESSIONS

SCHEMA = 1
MAX_PREDICTIONS_BYTES = 64 * 1024 * 1024
NOT_PUBLISHED = {"published", "published_commit", "record"}  # columns: the first two say that it is, the third is the file itself
PLACE = re.compile(r"results/[a-z0-9][a-z0-9-]{0,39}/[0-9a-z]{6,32}\.json")  # where a result lies in the data set
SMALL = ("tries", "cancel_asked")  # columns of 32 bits
LATEST_TIME = 32_503_680_000.0  # the year 3000, in seconds since 1970
_ID = re.compile(r"[0-9a-z]{6,32}")


@dataclass(frozen=True)
class Published:
    """One result as it is published: the rows of three tables, checked. Times in seconds since 1970."""

    record: Record
    submission: Mapping[str, Any]
    job: Mapping[str, Any]
    result: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Where it lies in the data set, without its suffix."""
        return f"results/{self.record.benchmark}/{self.record.id}"

    def to_json(self) -> bytes:
        """The file's bytes, the same every time."""
        rows = {"submission": self.submission, "job": self.job, "result": self.result}
        content = {"schema": SCHEMA, **self.record.to_dict(), "rows": {name: dict(row) for name, row in rows.items()}}
        return (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def waiting(store: Store, limit: int) -> list[Published]:
    """The oldest results that are not published."""
    joined = select(results, jobs, submissions).join(jobs, results.c.job == jobs.c.id).join(submissions, jobs.c.submission == submissions.c.id)
    oldest = joined.where(results.c.published.is_(None)).order_by(results.c.created, results.c.id).limit(limit)
    with store.read() as connection:
        rows = connection.execute(oldest.set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)).mappings().all()

    def part(row: RowMapping, table: Table) -> dict[str, Any]:
        return {column.name: row[f"{table.name}_{column.name}"] for column in table.columns if column.name not in NOT_PUBLISHED}

    return [Published(Record.from_dict(json.loads(row["results_record"])), part(row, submissions), part(row, jobs), part(row, results)) for row in rows]


def parse(path: str, content: bytes) -> Published:
    """Read back what ``to_json`` wrote, trusting nothing. ``path`` is where it lay. Raises ValueError (RecordError, SubmissionError among them)."""
    if len(content) > MAX_RECORD_BYTES:
        raise RecordError(f"the file has {len(content)} bytes; a result has at most {MAX_RECORD_BYTES}")
    try:
        data = json.loads(content)
        record = Record.from_dict(data)
        rows = data["rows"]
        submission, job, result = dict(rows["submission"]), dict(rows["job"]), dict(rows["result"])
        for table, row in ((submissions, submission), (jobs, job), (results, result)):
            if set(row) != {column.name for column in table.columns} - NOT_PUBLISHED:
                raise RecordError(f"the row of {table.name} has other columns")
            for column in table.columns:
                if column.name in row:
                    _check_value(table.name, column, row[column.name])
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordError(f"not a published result ({type(error).__name__})") from error
    _check_submission(submission)
    if job["state"] != "done" or job["fault"] or not is_plain(job["message"]) or not is_plain(job["worker"]):
        raise RecordError("the job is not one that is done")
    same = (
        (record.id, result["id"]), (result["job"], job["id"]), (job["submission"], submission["id"]), (record.benchmark, job["benchmark"]),
        (record.protocol, job["protocol"]), (record.weights_sha256, job["weights_sha256"]), (record.weights_sha256, submission["weights_sha256"]),
        (record.model, submission["name"]), (record.submitted_by, submission["submitted_by"]),
    )  # fmt: skip
    if any(one != other for one, other in same):
        raise RecordError("its parts do not belong together")
    if not all(_ID.fullmatch(text) for text in (record.id, job["id"], submission["id"])):
        raise RecordError("an id is not short lower-case letters and digits")
    if record.predictions not in ("", f"{record.id}.parquet"):
        raise RecordError("its predictions have another name")
    published = Published(record, submission, job, result)
    if path != f"{published.path}.json":
        raise RecordError(f"it belongs at {published.path}.json")
    return published


def _check_value(table: str, column: Column[Any], value: object) -> None:
    fits = {
        Text: lambda: isinstance(value, str) and len(value) <= 10_000 and "\0" not in value,
        BigInteger: lambda: isinstance(value, int) and is_count(value) and (column.name not in SMALL or value < 2**31),
        Double: lambda: value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LATEST_TIME),
    }
    if not fits[type(column.type)]() or (value is None and column.name == "created"):
        raise RecordError(f"{table}.{column.name} holds a value of the wrong kind")


def _check_submission(row: Mapping[str, Any]) -> None:
    for field, what in (("name", "model"), ("submitted_by", "submitter")):
        check_name(row[field], what)
    for field in ("training_data", "epoch_selection"):
        check_text(row[field], field)
    for field in ("paper", "code"):
        check_link(row[field], field)
    if not is_plain(row["source"]) or not is_sha256(row["stored_sha256"]):
        raise RecordError("the source or a sha256 of the submission is malformed")
    ModelContract.from_metadata({METADATA_KEY: row["contract"]})


def restore_row(connection: Connection, published: Published, commit: str) -> None:
    """Put one published result back: its submission (which other results may share), its job, its result, its charge; all or nothing."""
    user = published.submission["submitted_by"]
    connection.execute(upsert(connection, users, {"name": user}, {"name": user}))
    connection.execute(insert_for(connection)(submissions).values(**published.submission).on_conflict_do_nothing())
    connection.execute(insert(jobs).values(**published.job))
    text = json.dumps(published.record.to_dict(), sort_keys=True, allow_nan=False)
    connection.execute(insert(results).values(**published.result, record=text, published=db_now(), published_commit=commit))
    connection.execute(insert(charges).values(job=published.job["id"], username=user, at=published.job["created"]))


def public_predictions(path: Path) -> bytes | None:
    """The Parquet file as it is published: row number and probabilities, nothing of the labels; None where no predictions are kept."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException):
        return None
    table = table.select([name for name in table.column_names if name == "index" or name in EXPRESSIONS]).replace_schema_metadata(None)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def check_predictions(path: Path, record: Record) -> None:
    """Raise RecordError unless the file holds one row of probabilities an image for this record's labels and nothing else."""
    try:
        table = pq.ParquetFile(path)
        names, rows = table.schema_arrow.names, table.metadata.num_rows
        numbers = all(pa.types.is_floating(kind) or pa.types.is_integer(kind) for kind in table.schema_arrow.types)
        unpacked = sum(table.metadata.row_group(group).total_byte_size for group in range(table.metadata.num_row_groups))
        table.close()
    except (OSError, pa.ArrowException, MemoryError, OverflowError) as error:
        raise RecordError("the predictions are not a Parquet file") from error
    if unpacked > MAX_PREDICTIONS_BYTES:
        raise RecordError(f"the predictions unpack to {unpacked} bytes; at most {MAX_PREDICTIONS_BYTES} are allowed")
    if set(names) != {"index", *record.labels} or rows != record.num_images or not numbers:
        raise RecordError("the predictions are not those of this result")
