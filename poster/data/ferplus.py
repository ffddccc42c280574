"""FERPlus from the two official files: the challenge's pictures (fer2013.csv) and the ten annotators' votes (fer2013new.csv)."""

from __future__ import annotations

import lzma
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from poster.errors import DataError
from poster.labels import ORDERS

PICTURE_FILES = ("fer2013.csv", "fer2013.csv.xz", "fer2013.csv.gz", "icml_face_data.csv", "icml_face_data.csv.xz", "icml_face_data.csv.gz")
VOTE_FILE = "fer2013new.csv"
VOTE_COLUMNS = (*ORDERS["ferplus"], "unknown", "not a face")
ROWS = 35887
SIDE = 48
USAGES = ("Training", "PublicTest", "PrivateTest")


@dataclass(frozen=True)
class FerPlus:
    """All rows in file order. images: uint8 (35887, 48, 48), grey; votes: uint8 (35887, 10) in ``VOTE_COLUMNS``; usage: str (35887,)."""

    images: np.ndarray
    votes: np.ndarray
    usage: np.ndarray

    def rows(self, usage: str) -> np.ndarray:
        """The row numbers of Training, PublicTest or PrivateTest."""
        return np.flatnonzero(self.usage == usage)


def find_files(data_dir: Path | str) -> tuple[Path, Path]:
    """The picture file and the vote file inside ``data_dir``. Raises DataError naming what is missing."""
    folder = Path(data_dir)
    pictures = next((folder / name for name in PICTURE_FILES if (folder / name).is_file()), None)
    if pictures is None:
        raise DataError(f"{folder} holds no fer2013.csv (plain, .xz or .gz, or icml_face_data.csv); get it from the FER2013 challenge on Kaggle")
    votes = folder / VOTE_FILE
    if not votes.is_file():
        raise DataError(f"{folder} holds no {VOTE_FILE}; get it from github.com/microsoft/FERPlus and put it beside {pictures.name}")
    return pictures, votes


def read_ferplus(data_dir: Path | str) -> FerPlus:
    """Read both files and join them by row order (the FER+ image names are not row numbers).

    Takes some ten seconds for the 300 MB of text. Raises DataError when a file is missing, short or altered.
    """
    picture_file, vote_file = find_files(data_dir)
    try:
        pictures = pd.read_csv(picture_file, skipinitialspace=True, dtype=str)
        votes = pd.read_csv(vote_file)
    except (ValueError, OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{picture_file.name} or {VOTE_FILE} in {picture_file.parent} cannot be read as CSV; fetch it again") from error
    pictures.columns = pictures.columns.str.strip()
    if not {"pixels", "Usage"} <= set(pictures.columns) or len(pictures) != ROWS:
        raise DataError(f"{picture_file.name} has {len(pictures)} rows; FER2013 has {ROWS} with the columns emotion, pixels, Usage; fetch it again")
    if votes.shape != (ROWS, 12):
        raise DataError(f"{VOTE_FILE} has {votes.shape[0]} rows and {votes.shape[1]} columns; FER+ has {ROWS} and 12; fetch it again")
    usage = pictures["Usage"].to_numpy(dtype=str)
    if (usage != votes["Usage"].to_numpy(dtype=str)).any():
        raise DataError(f"the Usage columns of {picture_file.name} and {VOTE_FILE} differ, so their rows do not belong together; fetch both again")
    try:
        counts = votes.iloc[:, 2:].to_numpy(dtype=np.float64)
        images = np.stack([np.array(text.split(), dtype=np.uint8) for text in pictures["pixels"]])
    except (ValueError, OverflowError, AttributeError, TypeError) as error:
        raise DataError(f"{picture_file.name} holds a row that is not {SIDE} x {SIDE} numbers from 0 to 255; fetch it again") from error
    if images.shape[1] != SIDE * SIDE:
        raise DataError(f"the pictures of {picture_file.name} have {images.shape[1]} pixels instead of {SIDE} x {SIDE}; fetch it again")
    wrong = ~(np.isfinite(counts) & (counts >= 0) & (counts <= 255) & (counts == np.floor(counts))).all(axis=1)
    if wrong.any():
        raise DataError(f"row {int(wrong.argmax())} of {VOTE_FILE} does not hold ten numbers of votes; fetch it again")
    return FerPlus(images.reshape(-1, SIDE, SIDE), counts.astype(np.uint8), usage)


def emotion_votes(votes: np.ndarray, drop_single: bool = False) -> np.ndarray:
    """(N, 10) -> (N, 8) int64: the votes for expressions; single votes set to 0 where ``drop_single`` (FER+ paper's clean-up)."""
    kept = votes.astype(np.int64)
    if drop_single:
        kept = np.where(kept > 1, kept, 0)
    return kept[:, :8]


def majority(votes: np.ndarray) -> np.ndarray:
    """(N, 10) votes -> (N,) labels in FER+ order, -1 where FER+'s majority rule drops the picture.

    The rule (microsoft/FERPlus, ferplus.py): single votes are dropped; the top class must hold more than half of the
    votes that remain and be an expression.
    """
    kept = np.where(votes > 1, votes, 0).astype(np.int64)
    top = kept.argmax(axis=1)
    clear = 2 * kept.max(axis=1) > kept.sum(axis=1)
    return np.where(clear & (top < 8), top, -1)


def identical_to(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which of ``images`` (N, H, W) stand pixel for pixel in ``others``: bool (N,)."""
    known = {picture.tobytes() for picture in others}
    return np.array([picture.tobytes() in known for picture in images], dtype=bool)
