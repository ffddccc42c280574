"""`python -m eval bench --device cuda`: batch sweep, precisions and CUDA graphs against the plain path, and a data set scored from the cache."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch

import poster
from eval.bench import Row, Say, row, timed
from eval.inference import Compute, infer, placed, prepared
from eval.speed import count_flops, once
from poster.contract import ModelContract
from poster.labels import ORDERS
from poster.runtime import both

NETWORKS = ("posterpp", "poster_large")
BATCHES = (1, 8, 32, 128, 256, 512, 1024)
PRECISIONS = ("float32", "tf32", "bfloat16")
ROUNDS, CALLS = 5, 5
SIDE = 8192  # of the matrices whose product is the peak
IMAGES = 3068  # RAF-DB's test set


def peaks(device: str) -> dict[str, float]:
    """Operations a second of a matrix product, by precision."""
    found = {}
    before = torch.backends.cuda.matmul.allow_tf32
    for name in PRECISIONS:
        torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
        a, b = torch.randn(2, SIDE, SIDE, device=device, dtype=torch.bfloat16 if name == "bfloat16" else torch.float32)

        def product(a: torch.Tensor = a, b: torch.Tensor = b) -> None:
            for _ in range(CALLS):
                a @ b
            torch.cuda.synchronize(device)

        found[name] = CALLS * 2 * SIDE**3 / min(wall for wall, _ in timed({"": product}, ROUNDS, float("inf"))[""])
    torch.backends.cuda.matmul.allow_tf32 = before
    return found


def networks(device: str, say: Say) -> Iterator[Row]:
    """Images already on the device; plain is the network as written, float32 without TF32, eager, channels first."""
    ceiling, plan = peaks(device), [(name, batch) for name in NETWORKS for batch in BATCHES]
    for number, (name, batch) in enumerate(plan):
        say(f"{name}, batch {batch}", number, len(plan))
        torch.manual_seed(0)
        model = poster.create_model(name).eval().to(device)
        images = torch.randn(batch, 3, model.img_size, model.img_size, device=device)

        def plain(model: torch.nn.Module = model, images: torch.Tensor = images) -> None:
            for _ in range(CALLS):
                both(model, images)
            torch.cuda.synchronize(device)

        calls = {dtype: placed(model, Compute(device, dtype, batch)) for dtype in PRECISIONS}
        ours = {dtype: (lambda call=call, images=images: [once(call, images) for _ in range(CALLS)]) for dtype, call in calls.items()}
        before = torch.backends.cudnn.allow_tf32
        torch.backends.cudnn.allow_tf32 = False  # each runtime sets its own; this is the plain path's
        with torch.inference_mode():
            seconds = timed({"plain": plain, **ours}, ROUNDS, float("inf"))
        torch.backends.cudnn.allow_tf32 = before
        flops = count_flops(model, model.img_size)
        for dtype in PRECISIONS:
            found = row(f"{name}, batch {batch}, cuda {dtype}", seconds["plain"], seconds[dtype], batch * CALLS, flops, ceiling[dtype])
            yield Row(**{**found.__dict__, "cpu_ratio": None})


def from_cache(device: str, say: Say) -> Iterator[Row]:
    """RAF-DB's number of test images from a decoded array, through pinned upload and normalisation on the device, to logits on the host."""
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 224, 224, 3), dtype=np.uint8)
    names = tuple(map(str, range(IMAGES)))
    for number, name in enumerate(NETWORKS):
        say(f"{name} from the cache", number, len(NETWORKS))
        model = poster.create_model(name).eval()
        contract = ModelContract(name, ORDERS["raf-db"])
        plain_model = poster.create_model(name).eval().to(device)

        def plain(contract: ModelContract = contract, model: torch.nn.Module = plain_model) -> None:
            with torch.inference_mode():
                for start in range(0, IMAGES, 256):
                    both(model, prepared(pixels[start : start + 256], contract, Compute(device)))[0].cpu()

        for dtype in PRECISIONS:
            compute = Compute(device, dtype)

            def ours(model: torch.nn.Module = model, contract: ModelContract = contract, compute: Compute = compute) -> None:
                infer(model, pixels, contract, compute, names)

            seconds = timed({"plain": plain, "ours": ours}, 3, time.monotonic() + 60)
            found = row(f"{name}, {IMAGES:,} images from the cache, cuda {dtype}", seconds["plain"], seconds["ours"], IMAGES, 0, None)
            yield Row(**{**found.__dict__, "cpu_ratio": None})
