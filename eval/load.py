"""A benchmark and a folder -> its images, checked: counts, fingerprint, doubled and damaged pictures. Nothing else is scored under its name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from eval import ferplus
from eval.benchmark import Benchmark, BenchmarkError
from poster.data import ferplus_png, huggingface, readers
from poster.data.images import ImageSet, Inventory
from poster.data.memo import inventory
from poster.data.sketch import sketch_set
from poster.errors import DataError

FERPLUS_NAMES = ("ferplus", "fer2013", "fer+")


def folder_names(benchmark: str) -> tuple[str, ...]:
    """What a benchmark's folder may be called: "affectnet-8-lower" lies in "AffectNet-8" or "AffectNet".

    >>> folder_names("affectnet-8-lower")
    ('affectnet-8', 'affectnet')
    """
    name = benchmark.removesuffix("-lower")
    return (name, *(word for word in ("affectnet", "aihub") if name.startswith(word)))


@dataclass(frozen=True)
class Loaded:
    """A benchmark's images as they lie on this disk, with their fingerprint and what a reader of the result should know."""

    benchmark: Benchmark
    images: ImageSet
    fingerprint: str
    warnings: tuple[str, ...]


def load(benchmark: Benchmark, data_dir: str | None, split: str = "test", allow_doubled: bool = False, revision: str | None = None) -> Loaded:
    """Read and check. Raises DataError when the data are missing or broken, BenchmarkError when they are not what the benchmark says.

    allow_doubled: keep identical pictures (they are reported) in sets whose fingerprint is not known. split "train" is read
    unchecked, for looking for copies and for linear probes.
    """
    images = read(benchmark, data_dir, split, revision)
    if split != "test":
        return Loaded(benchmark, images, inventory(images).fingerprint, images.notes)
    check_counts(benchmark, images)
    taken = inventory(images)
    check_contents(benchmark, taken, allow_doubled)
    warnings = list(images.notes)
    if taken.doubled and benchmark.fingerprint is None:
        warnings.append(f"Pictures that stand twice: {len(taken.doubled)}, {taken.doubled[0][1]} for example.")
    if benchmark.superseded_by:
        warnings.append(f"This version of the benchmark is superseded by {benchmark.superseded_by}.")
    return Loaded(benchmark, images, taken.fingerprint, tuple(warnings))


def read(benchmark: Benchmark, data_dir: str | None, split: str = "test", revision: str | None = None) -> ImageSet:
    """The images without any check of counts. Raises DataError when they are not there or broken."""
    if "sketch" in benchmark.layouts:
        return sketch_set() if split == "test" else sketch_set(64, seed=1)
    if data_dir is None:
        raise DataError(f"{benchmark.name} needs --data DIR: {benchmark.obtain}")
    labels = benchmark.labels or None
    if "huggingface" in benchmark.layouts:
        return huggingface.read(data_dir, split, labels, revision)
    folder = Path(data_dir)
    if not folder.is_dir():
        raise DataError(f"the folder {folder} does not exist; give the data set's folder with --data")
    if benchmark.name.startswith("ferplus"):
        return read_ferplus(benchmark, folder, split)
    return readers.read(folder, benchmark.layouts, split, labels, folder_names(benchmark.name))


def read_ferplus(benchmark: Benchmark, folder: Path, split: str) -> ImageSet:
    """FERPlus from the CSV files or from Microsoft's folders of pictures."""
    usage = {"test": "PrivateTest", "validation": "PublicTest"}.get(split, "Training")
    places = readers.candidates(folder, FERPLUS_NAMES)
    unpacked = next((place for place in places if ferplus_png.here(place)), None)
    if unpacked is not None:
        data, names, stamp = ferplus_png.read_ferplus_png(unpacked)
        return ferplus.protocol_set(data, benchmark.protocol, usage, stamp, names)
    place = next((place for place in places if (place / "fer2013new.csv").is_file()), folder)
    data, stamp = ferplus.load_ferplus(place)
    return ferplus.protocol_set(data, benchmark.protocol, usage, stamp)


def check_counts(benchmark: Benchmark, images: ImageSet) -> None:
    """Compare images per class with the published counts. Raises BenchmarkError saying which differ."""
    if len(images) < 2:
        raise BenchmarkError(f"the set has {len(images)} image; at least 2 are needed for a score")
    expected, found = benchmark.num_images, len(images)
    if expected is not None and not expected - benchmark.unreadable <= found <= expected:
        raise BenchmarkError(_mismatch(benchmark, f"{found:,} images instead of {expected:,}", images))
    if benchmark.counts is not None:
        published = dict(zip(benchmark.labels, benchmark.counts, strict=True))
        wrong = {label: count for label, count in images.counts().items() if count != published[label]}
        if sum(abs(count - published[label]) for label, count in wrong.items()) > benchmark.unreadable:
            described = ", ".join(f"{label} {count} instead of {published[label]}" for label, count in wrong.items())
            raise BenchmarkError(_mismatch(benchmark, described, images))


def _mismatch(benchmark: Benchmark, described: str, images: ImageSet) -> str:
    own = "" if benchmark.name.startswith("ferplus") else ", or score it as your own set with --benchmark folder"
    return f"this is not {benchmark.title} ({described}); restore the original files{own}"


def check_contents(benchmark: Benchmark, taken: Inventory, allow_doubled: bool) -> None:
    """Compare the fingerprint where it is known, else look for doubled pictures. Raises BenchmarkError."""
    if benchmark.fingerprint is not None:
        if taken.fingerprint != benchmark.fingerprint:
            raise BenchmarkError(
                f"the counts are those of {benchmark.title}, but pictures or labels were altered (fingerprint {taken.fingerprint[:12]} instead of"
                f" {benchmark.fingerprint[:12]}); restore the original files"
            )
    elif taken.doubled and not allow_doubled:
        first, second = taken.doubled[0]
        raise BenchmarkError(
            f"{second} is the same picture as {first} ({len(taken.doubled)} such pairs); remove the copies, or pass --allow-doubled if the set came so"
        )


def without(images: ImageSet, damaged: list[int], benchmark: Benchmark) -> ImageSet | None:
    """The set without its damaged images where the original is known to have that many, those counted that are not there at all; else None."""
    if len(damaged) > benchmark.unreadable:
        return None
    kept = images.take([index for index in range(len(images)) if index not in damaged])
    try:
        check_counts(benchmark, kept)
    except BenchmarkError:
        return None
    return replace(kept, notes=(*images.notes, f"{images.keys[damaged[0]]} cannot be read and was left out, as in every copy of the original."))
