"""The other half of `make bench`: a whole evaluation against a plain DataLoader loop, and what the decoded cache delivers."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import poster
from eval.bench import ROUNDS, Row, Say, row, timed
from eval.catalogue import find
from eval.inference import Compute
from eval.load import load
from eval.run import evaluate
from poster.contract import ModelContract
from poster.data.images import ImageSet
from poster.preprocess import to_input
from poster.shipped import SHIPPED, model_path

WORKERS = 2
CACHED = 2048  # images of the simulated cache: 300 MB at 224 x 224
BATCH = 256


class PlainSet(Dataset[tuple[torch.Tensor, int]]):
    """What a plain evaluation script has: every picture decoded, resized by PIL and normalised anew."""

    def __init__(self, images: ImageSet, contract: ModelContract) -> None:
        self.images, self.contract = images, contract

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return to_input(self.images.source.read(index)[None], self.contract)[0], int(self.images.targets[index])


def plain_loop(weights: Path, images: ImageSet) -> float:
    """The network as written in float32 over a DataLoader; returns the accuracy in %, nothing more."""
    model = poster.load_model(weights)
    right = 0
    with torch.inference_mode():
        for pixels, targets in DataLoader(PlainSet(images, model.contract), batch_size=32, num_workers=WORKERS):
            right += int((model(pixels).argmax(dim=1) == targets).sum())
    return 100 * right / len(images)


def whole_run(data: str, say: Say) -> tuple[Row, dict[str, float]]:
    """FERPlus end to end with the shipped model, the second run: scores, intervals and diagnosis against a loop that only counts what is right."""
    weights = model_path(SHIPPED)
    accuracy = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"

        def ours() -> None:
            accuracy["ours"] = evaluate(weights, find("ferplus"), data, out, Compute(runtime="auto")).sheet.scores["accuracy"] or 0.0

        def plain() -> None:
            accuracy["plain"] = plain_loop(weights, load(find("ferplus"), data).images)

        say("FERPlus end to end", 0, 1)
        seconds = timed({"plain": plain, "ours": ours}, 1, float("inf"))  # the call that warms up is the first run
        say("FERPlus end to end", 1, 1)
    found = row("FERPlus, whole evaluation, second run", seconds["plain"], seconds["ours"], len(load(find("ferplus"), data).images), 0, None)
    # The loop's work is done by other processes too: processor seconds of this one would not be a fair ratio.
    return Row(**{**found.__dict__, "cpu_ratio": None}), accuracy


def loader(device: str = "cpu") -> Row:
    """Batches of 224 x 224 colour images, uint8 from a memory-mapped file, against decoding and resizing JPEG pictures one by one."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        pixels = open_memmap(Path(folder) / "pixels.npy", mode="w+", dtype=np.uint8, shape=(CACHED, 224, 224, 3))
        pixels[:] = rng.integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
        picture = Path(folder) / "picture.jpg"
        Image.fromarray(rng.integers(0, 256, (100, 100, 3), dtype=np.uint8)).save(picture)

        def decode() -> None:
            for _ in range(CACHED // 8):
                with Image.open(picture) as image:
                    np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR))

        def cached() -> None:
            for start in range(0, CACHED, BATCH):
                block = torch.from_numpy(np.array(pixels[start : start + BATCH]))
                if device != "cpu":
                    block.pin_memory().to(device, non_blocking=True)

        seconds = timed({"decode": decode, "cached": cached}, ROUNDS, time.monotonic() + 20)
        per_image = {"decode": CACHED // 8, "cached": CACHED}
        scaled = {name: [(wall / per_image[name], cpu / per_image[name]) for wall, cpu in one] for name, one in seconds.items()}
    return row("uint8 batches from the cache, 224 px, against PIL", scaled["decode"], scaled["cached"], 1, 0, None)
