"""What a run was made from: the files it was given and the one it made, by their sha256, so that a chain of runs can be told and repeated."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from poster.digest import file_sha256
from poster.errors import InputError
from poster.shipped import model_path

ANCESTRY = "ancestry.json"


@dataclasses.dataclass(frozen=True)
class Ancestry:
    """sha256 of each file. start: the trained models a run went on from, none for random weights. weights: what it made, "" until it is finished."""

    start: tuple[str, ...] = ()
    tutor: tuple[str, ...] = ()
    teacher: str = ""
    backbone: str = ""
    weights: str = ""

    @classmethod
    def of(cls, start: Sequence[str], tutors: Sequence[Path], teacher: Path | None, backbone: Path | None) -> Ancestry:
        """start: names of shipped models or files. Raises InputError where a file cannot be read."""
        return cls(
            tuple(file_sha256(model_path(each)) for each in start),
            tuple(map(file_sha256, tutors)),
            file_sha256(teacher) if teacher else "",
            file_sha256(backbone) if backbone else "",
        )

    def made(self, weights: Path) -> Ancestry:
        """Finished, with that file."""
        return dataclasses.replace(self, weights=file_sha256(weights))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Ancestry:
        """Raises InputError where the file is not what :meth:`write` makes."""
        try:
            found = json.loads(path.read_text())
            start, tutor = (tuple(map(str, found[name])) for name in ("start", "tutor"))
            return cls(start, tutor, str(found["teacher"]), str(found["backbone"]), str(found["weights"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} does not say what the run was made from; run it again in another --out") from error
