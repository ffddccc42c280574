"""What the ablation compares: its arms, each a head written as overrides of one recipe, and a plan of seeds and budget."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from dataclasses import dataclass
from typing import Any

from poster.errors import InputError
from poster.shipped import model_path
from poster.training.recipe import Recipe
from poster.training.recipes import RECIPES

# An arm is a head and nothing else. Margins of ArcFace and CosFace as in the recipes of POSTER; cosine-s16 has no margin and tells it from the scale.
ARMS: dict[str, tuple[str, ...]] = {
    "linear": (),
    "adaface-m04-s64": ("head.kind=adaface", "head.margin=0.4", "head.scale=64"),
    "adaface-m075-s64": ("head.kind=adaface", "head.margin=0.75", "head.scale=64"),
    "adaface-m04-s16": ("head.kind=adaface", "head.margin=0.4", "head.scale=16"),
    "arcface-m04-s64": ("head.kind=arcface", "head.margin=0.4", "head.scale=64"),
    "cosface-m035-s64": ("head.kind=cosface", "head.margin=0.35", "head.scale=64"),
    "adaface-image-m04-s64": ("head.kind=adaface", "head.margin=0.4", "head.scale=64", "head.quality=image"),
    "cosine-s16": ("head.kind=cosface", "head.margin=0", "head.scale=16"),
}
# What an arm or a seed decides, as it begins on the command line.
COMPARED = ("seed=", *(f"head.{value}=" for value in ("kind", "margin", "scale", "quality")))
# Every arm learns the same hard labels: a margin belongs to one class.
BASE = RECIPES["posterpp_nano"].override(["target=labels"])
# On held streams the network that learns is half as wide and one block deep: twice the pictures in the same time. The auxiliary loss would teach nothing.
NARROW: dict[str, Any] = {"embed_dim": 96, "embed_heads": 3, "depth": 1}


@dataclass(frozen=True)
class Plan:
    """arms by name; seeds; streams: a trained model whose streams all arms share, held, "" where each trains its own from the start;
    sample: validation pictures the curves are drawn from, 0 for all; model: options of the architecture.
    """

    base: Recipe
    arms: tuple[str, ...] = tuple(ARMS)
    seeds: tuple[int, ...] = (1, 2, 3)
    streams: str = ""
    sample: int = 1000
    model: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = [arm for arm in self.arms if arm not in ARMS]
        if unknown or not self.arms or not self.seeds:
            raise InputError(f"the arms {', '.join(unknown) or '(none)'} are unknown; known are {', '.join(ARMS)}; and at least one seed is needed")
        if self.base.dataset != "ferplus" or self.base.architecture != "posterpp_nano" or self.base.patience or self.base.compile or self.base.rare_cost:
            raise InputError(
                "the ablation trains posterpp_nano on FERPlus, every arm for the whole of its epochs, without compile and rare_cost; leave these values as they are"
            )

    def recipe(self, arm: str, seed: int) -> Recipe:
        """The base with the arm's head and the seed."""
        return self.base.override([*ARMS[arm], f"seed={seed}"])

    @functools.cached_property
    def identity(self) -> str:
        """Whose streams are held, with the checksum of the file; "" where none are. Raises CheckpointError where there is no such model."""
        if not self.streams:
            return ""
        path = model_path(self.streams)
        return f"{path.stem} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]})"

    def described(self) -> dict[str, Any]:
        """Everything but the arms and the seeds, of which more may join later."""
        return {"recipe": dataclasses.asdict(self.base), "streams": self.identity, "sample": self.sample, "model": self.model}
