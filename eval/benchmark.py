"""A benchmark is data: classes, protocol, counts, fingerprint, licence, where its owners hand it out."""

from __future__ import annotations

from dataclasses import dataclass

from poster.errors import InputError
from poster.labels import EXPRESSIONS


class BenchmarkError(InputError):
    """A benchmark that does not exist, is not here, or is not what it claims to be."""


@dataclass(frozen=True)
class Benchmark:
    """One protocol of one benchmark.

    labels: empty where the data set itself says (a folder of the user's). counts, num_images: images per label and in all as
    published, None where unknown. fingerprint: SHA-256 over contents and labels (poster.data.images), None where the
    data were never here. layouts: which of poster.data.readers are accepted. region: "whole" or "lower" (the lower half of the
    aligned face). unreadable: damaged images the original set is known to have.
    """

    name: str
    protocol: str
    title: str
    labels: tuple[str, ...]
    layouts: tuple[str, ...]
    licence: str
    obtain: str
    counts: tuple[int, ...] | None = None
    num_images: int | None = None
    fingerprint: str | None = None
    version: int = 1
    main_score: str = "accuracy"
    region: str = "whole"
    unreadable: int = 0
    self_test: bool = False
    superseded_by: str | None = None

    def __post_init__(self) -> None:
        wrong = [label for label in self.labels if label not in EXPRESSIONS]
        if wrong:
            raise ValueError(f"{self.name}: {', '.join(wrong)} is no expression")
        if self.counts is not None and len(self.counts) != len(self.labels):
            raise ValueError(f"{self.name}: {len(self.counts)} counts for {len(self.labels)} labels")
        if self.counts is not None:
            if self.num_images not in (None, sum(self.counts)):
                raise ValueError(f"{self.name}: the counts add up to {sum(self.counts)}, not {self.num_images}")
            object.__setattr__(self, "num_images", sum(self.counts))
        if self.region not in ("whole", "lower") or not self.layouts:
            raise ValueError(f"{self.name}: the region or the layouts are wrong")

    @property
    def id(self) -> str:
        """Name and protocol: "ferplus/majority"."""
        return f"{self.name}/{self.protocol}"
