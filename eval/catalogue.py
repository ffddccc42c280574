"""Every benchmark there is: the published counts, the licence, where the owners hand it out; the first protocol of a name is its default."""

from __future__ import annotations

from dataclasses import replace

from eval.benchmark import Benchmark, BenchmarkError
from poster.labels import EXPRESSIONS, ORDERS

FER8, FER7 = ORDERS["ferplus"], ORDERS["ferplus-7"]

# FERPlus, counted from the two official files: protocol, title, counts and fingerprint of all images, then of those not also in Training.
_FERPLUS = (
    (
        "majority",
        "majority label",
        (1090, 893, 396, 384, 273, 18, 83, 16),
        "a630450f21a612f72098865fdabec2e803535c3eaac5189cfab995281281e64f",
        (1051, 857, 287, 357, 243, 13, 72, 14),
        "794200295d1d5c1ab3f3ad3bf36b2ff3a6297899a167cd914394896cfffbb032",
    ),
    (
        "majority-7",
        "majority label without contempt",
        (1090, 893, 396, 384, 273, 18, 83),
        "8c6334a661b620e4987f9acd6788d868599f3cfcdd138e4b2a79fbb3da480df0",
        (1051, 857, 287, 357, 243, 13, 72),
        "070b00e2808e3d4dc1a40ca8027e07d4c6ad9d2c478dd26036b1b920bfd23ad6",
    ),
    (
        "argmax",
        "most voted answer",
        (1262, 928, 444, 444, 325, 23, 93, 27),
        "7d2bcb7b03d6d70056584902660f266149cba2541caf5b918dbba65dda14026a",
        (1214, 891, 329, 414, 288, 17, 81, 25),
        "61eff16e9d62565bc7db1b9a2f45a1858d4c27668f770d3b3dfb3468c9c61533",
    ),
    (
        "argmax-7",
        "most voted answer without contempt",
        (1262, 928, 444, 444, 325, 23, 93),
        "bf7e4bb0edf0048d53b18c733cf5fc2779a68f945e3120556949aee1f8e64d4f",
        (1214, 891, 329, 414, 288, 17, 81),
        "0cee749117be7064c8ab19d3d19c471e355367efca59fbb3ffa3447c95466b8a",
    ),
    (
        "soft",
        "vote distribution",
        (1278, 929, 446, 448, 326, 23, 94, 29),
        "e00b296ee5834c73423786a73f58bdef653218356d61239c3b55f666d0fba613",
        (1230, 892, 331, 417, 289, 17, 82, 27),
        "f6c32e22e58cab1f036015746ca671b0e07c9a2fa3fa6714b5551207ddabe8ad",
    ),
)


def _ferplus(protocol: str, title: str, counts: tuple[int, ...], fingerprint: str) -> Benchmark:
    return Benchmark(
        "ferplus",
        protocol,
        f"FERPlus PrivateTest, {title}",
        FER8 if len(counts) == 8 else FER7,
        layouts=("ferplus-csv", "ferplus-png"),
        licence="images: research only, no open licence known; votes: MIT",
        obtain="fer2013.csv from Kaggle's FER2013 challenge, fer2013new.csv from github.com/microsoft/FERPlus",
        counts=counts,
        fingerprint=fingerprint,
        main_score="soft_cross_entropy" if protocol.startswith("soft") else "accuracy",
    )


def _affectnet(classes: int) -> Benchmark:
    return Benchmark(
        f"affectnet-{classes}",
        "validation",
        f"AffectNet validation part, {classes} expressions",
        EXPRESSIONS[:classes],
        counts=(500,) * classes,
        layouts=("affectnet-npy", "affectnet-list", "imagefolder"),
        licence="research only, on request",
        obtain="request it at mohammadmahoor.com/affectnet (an agreement signed by the institution)",
        unreadable=1 if classes == 8 else 0,  # 3,999 of the 4,000 images are readable
    )


WHOLE = (
    Benchmark(
        "raf-db",
        "test",
        "RAF-DB basic, test part",
        ORDERS["raf-db"],
        counts=(329, 74, 160, 1185, 478, 162, 680),
        layouts=("raf-db", "imagefolder"),
        licence="research only, on request",
        obtain="request it at whdeng.cn/RAF/model1.html (a mail from an institution's address)",
    ),
    *(_ferplus(protocol, title, counts, fingerprint) for protocol, title, counts, fingerprint, _, _ in _FERPLUS),
    *(_ferplus(f"{protocol}-dedup", f"{title}, without copies from Training", counts, hashed) for protocol, title, _, _, counts, hashed in _FERPLUS),
    _affectnet(7),
    _affectnet(8),
    Benchmark(
        "caer-s",
        "test",
        "CAER-S, test part, faces cropped",
        ORDERS["caer-s"],
        num_images=20987,
        layouts=("imagefolder",),
        licence="research only, on request",
        obtain="request it at caer-dataset.github.io; crop the faces first (python -m eval crop)",
    ),
    Benchmark(
        "aihub-korean",
        "test",
        "AI Hub composite images for Korean emotion recognition, lower half of the face, author's split",
        (),
        layouts=("imagefolder",),
        licence="AI Hub terms (Korea)",
        obtain="aihub.or.kr, data set 82; split as in github.com/daunnn/Deep-Learning-Reproducibility-Project",
    ),
    Benchmark(
        "folder",
        "own",
        "Any data set on disk in a layout that is read (no counts are known)",
        (),
        layouts=("raf-db", "ferplus-png", "affectnet-npy", "affectnet-list", "imagefolder"),
        licence="that of the data set",
        obtain="your own: one folder of images a class, or any other layout that is read",
    ),
    Benchmark(
        "huggingface",
        "own",
        "Any Hugging Face data set with an image and a ClassLabel column (no counts are known)",
        (),
        layouts=("huggingface",),
        licence="that of the data set",
        obtain="a repository id (org/name) or a folder made by save_to_disk, as --data",
    ),
    Benchmark(
        "sketch",
        "self-test",
        "Schematic faces drawn by code: a self-test, no measure of anything else",
        EXPRESSIONS,
        counts=(32,) * 8,
        layouts=("sketch",),
        licence="Apache-2.0",
        obtain="built in",
        self_test=True,
    ),
)


def lower_face(benchmark: Benchmark) -> Benchmark:
    """The variant that shows only the lower half of each aligned face: what a VR headset leaves visible."""
    title = f"{benchmark.title}, lower half of the face"
    return replace(benchmark, name=f"{benchmark.name}-lower", title=title, region="lower")


# The AI Hub set is the lower half of the face already.
CATALOGUE: tuple[Benchmark, ...] = WHOLE + tuple(lower_face(benchmark) for benchmark in WHOLE if benchmark.name != "aihub-korean")


def find(name: str, protocol: str | None = None) -> Benchmark:
    """The benchmark of this name; without a protocol its first (default) one. Raises BenchmarkError naming what exists."""
    named = [benchmark for benchmark in CATALOGUE if benchmark.name == name]
    if not named:
        known = ", ".join(dict.fromkeys(benchmark.name for benchmark in CATALOGUE))
        raise BenchmarkError(f"there is no benchmark {name!r}; known are {known}")
    if protocol is None:
        return named[0]
    for benchmark in named:
        if benchmark.protocol == protocol:
            return benchmark
    raise BenchmarkError(f"{name} has no protocol {protocol!r}; it has {', '.join(benchmark.protocol for benchmark in named)}")
