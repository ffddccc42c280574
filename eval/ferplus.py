"""FERPlus's several test sets: which PrivateTest images count, and with which label. Counts are in catalogue.py and checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poster.data.ferplus import FerPlus, find_files, identical_to, majority, read_ferplus
from poster.data.images import ArraySource, ImageSet, file_stamp
from poster.data.memo import remembered_arrays
from poster.errors import DataError
from poster.labels import ORDERS

LABELS = ORDERS["ferplus"]
DEDUP = "-dedup"  # without the test images that are pixel-identical to a Training image
USAGES = ("Training", "PublicTest", "PrivateTest")


def load_ferplus(data_dir: Path, directory: Path | None = None) -> tuple[FerPlus, str]:
    """All rows of FERPlus and a stamp of its files; parsed once, memory-mapped afterwards."""
    files = find_files(data_dir)

    def parse_ferplus() -> dict[str, NDArray[np.generic]]:
        read = read_ferplus(data_dir)
        usage = np.array([USAGES.index(name) for name in read.usage], dtype=np.uint8)
        return {"images": read.images, "votes": read.votes, "usage": usage}

    arrays = remembered_arrays(files, parse_ferplus, directory)
    return FerPlus(arrays["images"], np.asarray(arrays["votes"]), np.array(USAGES)[arrays["usage"]]), file_stamp(files[0]) + file_stamp(files[1])


def labels_of(votes: NDArray[np.integer], protocol: str) -> NDArray[np.int64]:
    """(N, 10) votes -> (N,) label, -1 where the protocol leaves the image out.

    majority: FER+'s rule. argmax: the answer with most votes, left out when it is unknown or not-a-face; of equals the first column.
    soft: every image with a vote for an expression; the label is the expression with most votes. "-7" leaves out contempt.
    """
    kind = protocol.removesuffix(DEDUP)
    if kind.startswith("majority"):
        labels = majority(votes)
    elif kind.startswith("argmax"):
        labels = np.where(votes.argmax(axis=1) < 8, votes.argmax(axis=1), -1)
    else:
        labels = np.where(votes[:, :8].sum(axis=1) > 0, votes[:, :8].argmax(axis=1), -1)
    return np.where(labels == 7, -1, labels) if kind.endswith("-7") else labels


def protocol_set(data: FerPlus, protocol: str, usage: str = "PrivateTest", stamp: str | None = None, names: dict[str, list[str]] | None = None) -> ImageSet:
    """The images of one protocol. votes: shares among its expressions; agreement: share of all ten annotators for the top answer.

    names: file names by part where the images came as files; the keys are row numbers of the CSV otherwise. Raises DataError
    when the part, or the Training part that a "-dedup" protocol compares with, is not there.
    """
    parts = set(np.unique(data.usage).tolist())
    missing = {usage, *(("Training",) if protocol.endswith(DEDUP) else ())} - parts
    if missing:
        raise DataError(f"the {missing.pop()} part of FERPlus is not there, but {protocol} needs it; add it, or choose another --protocol")
    rows = data.rows(usage)
    labels = labels_of(data.votes[rows], protocol)
    keep = labels >= 0
    in_training = None
    if usage != "Training" and "Training" in parts:
        in_training = identical_to(data.images[rows], data.images[data.rows("Training")])
        keep &= ~in_training if protocol.endswith(DEDUP) else True
        in_training = in_training[keep]
    keys = [f"row {row}" for row in rows] if names is None else names[usage]
    keys = [key for key, kept in zip(keys, keep, strict=True) if kept]
    rows, labels = rows[keep], labels[keep]
    expressions = LABELS[:7] if protocol.removesuffix(DEDUP).endswith("-7") else LABELS
    votes = data.votes[rows].astype(np.float64)
    emotions = votes[:, : len(expressions)]
    return ImageSet(
        keys=tuple(keys),
        targets=labels.astype(np.int64),
        labels=expressions,
        source=ArraySource(data.images[rows], None if stamp is None else f"{stamp}|{usage}|{protocol}"),
        layout="ferplus-csv" if names is None else "ferplus-png",
        votes=emotions / emotions.sum(axis=1, keepdims=True),
        agreement=votes.max(axis=1) / votes.sum(axis=1),
        in_training=in_training,
    )
