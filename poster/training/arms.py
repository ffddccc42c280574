"""What the ablation compares: its arms, each another head or another fusion of one recipe, and a plan of seeds and budget."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from dataclasses import dataclass
from typing import Any

from poster.errors import InputError
from poster.models import NANO, NANO_STREAMS
from poster.shipped import model_path
from poster.training.recipe import Recipe
from poster.training.recipes import RECIPES
from poster.training.start import network


@dataclass(frozen=True)
class Arm:
    """What is compared. head: overrides of the recipe, none for the linear one; fusion: the POSTER whose pyramid takes the place of POSTER++'s fusion,
    on streams of the same shape; "" for POSTER++'s own.
    """

    name: str
    head: tuple[str, ...] = ()
    fusion: str = ""

    def network(self, recipe: Recipe, options: dict[str, Any]) -> Any:
        """The arm's model under the recipe's head, random weights; options: of posterpp_nano, of which a pyramid has the streams' and the embedding's width."""
        if not self.fusion:
            return network(recipe, **options)
        kept = {"embed_dim": NANO["embed_dim"], **NANO_STREAMS}
        return network(recipe, self.fusion, **{name: options.get(name, value) for name, value in kept.items()})


def _head(name: str, kind: str, margin: float, scale: float, *more: str) -> Arm:
    return Arm(name, (f"head.kind={kind}", f"head.margin={margin:g}", f"head.scale={scale:g}", *more))


# Either another head on POSTER++'s fusion, or another fusion under the linear head. Margins of ArcFace and CosFace as in the recipes of POSTER;
# cosine-s16 has no margin and tells it from the scale. The three POSTERs differ in the depth of their pyramid alone: 4, 6 and 8 blocks.
ARMS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm("linear"),
        _head("adaface-m04-s64", "adaface", 0.4, 64),
        _head("adaface-m075-s64", "adaface", 0.75, 64),
        _head("adaface-m04-s16", "adaface", 0.4, 16),
        _head("arcface-m04-s64", "arcface", 0.4, 64),
        _head("cosface-m035-s64", "cosface", 0.35, 64),
        _head("adaface-image-m04-s64", "adaface", 0.4, 64, "head.quality=image"),
        _head("cosine-s16", "cosface", 0, 16),
        Arm("poster-small", fusion="poster_small"),
        Arm("poster-base", fusion="poster_base"),
        Arm("poster-large", fusion="poster_large"),
    )
}
# What an arm or a seed decides, as it begins on the command line.
COMPARED = ("seed=", *(f"head.{value}=" for value in ("kind", "margin", "scale", "quality")))
DESCRIBES = ("about", "reproduces")  # what a recipe says of itself: no number depends on it
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
                "the ablation trains posterpp_nano on FERPlus, every arm for all of its epochs, without compile and rare_cost; leave these values as they are"
            )

    def recipe(self, arm: str, seed: int) -> Recipe:
        """The base with the arm's head and the seed."""
        return self.base.override([*ARMS[arm].head, f"seed={seed}"])

    @functools.cached_property
    def identity(self) -> str:
        """Whose streams are held, with the checksum of the file; "" where none are. Raises CheckpointError where there is no such model."""
        if not self.streams:
            return ""
        path = model_path(self.streams)
        return f"{path.stem} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]})"

    def described(self) -> dict[str, Any]:
        """Everything but the arms and the seeds, of which more may join later."""
        recipe = {key: value for key, value in dataclasses.asdict(self.base).items() if key not in DESCRIBES}
        return {"recipe": recipe, "streams": self.identity, "sample": self.sample, "model": self.model}
