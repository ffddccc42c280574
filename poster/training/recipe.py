"""A recipe is data: every value a training run depends on, saved with the run and overridable from the command line."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

from poster.errors import InputError


@dataclass(frozen=True)
class Augmentation:
    """How training pictures are varied; probabilities in 0..1, angles in degrees, sizes as fractions of the side."""

    flip: float = 0.5
    rotation: float = 12.0
    scale: float = 0.15
    shift: float = 0.06
    brightness: float = 0.12
    contrast: float = 0.25
    low_resolution: float = 0.2
    noise: float = 0.15
    erase: float = 0.2

    def scaled(self, strength: float) -> Augmentation:
        """Everything but the mirror times ``strength`` (0..1)."""
        values = {name: value * strength for name, value in dataclasses.asdict(self).items() if name != "flip"}
        return dataclasses.replace(self, **values)


@dataclass(frozen=True)
class Recipe:
    """One training run. lr: peak learning rate of AdamW under a cosine schedule with warm-up; ema: decay of the weight average.

    class_balance: pictures are drawn with probability proportional to (class count) ** -class_balance; 0 is plain shuffling.
    ramp_epochs: over which the augmentation grows from none to its full strength; at full strength from the start, the first epochs
    learn nearly nothing. auxiliary: weight of a second loss on the image stream alone (its last map, averaged, through a linear layer that is thrown
    away afterwards); without it the signal has to find its way through the fusion first and the first epochs are lost.
    landmark_*: the lesson in which the landmark stream learns 68 points from a teacher before it is frozen.
    """

    name: str
    architecture: str
    epochs: int = 17
    batch_size: int = 64
    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup_epochs: float = 0.2
    ramp_epochs: float = 6.0
    ema: float = 0.999
    clip_norm: float = 2.0
    class_balance: float = 0.35
    auxiliary: float = 0.5
    seed: int = 1
    bf16: bool = True
    landmark_epochs: int = 6
    landmark_lr: float = 2e-3
    landmark_pictures: int = 6000
    augmentation: Augmentation = Augmentation()

    def override(self, assignments: list[str]) -> Recipe:
        """Apply ``key=value`` texts; ``augmentation.noise=0`` reaches inside. Raises InputError for an unknown key or a value of the wrong type."""
        recipe = self
        for text in assignments:
            key, _, value = text.partition("=")
            if key.startswith("augmentation."):
                inner = _assign(recipe.augmentation, key.removeprefix("augmentation."), value)
                recipe = dataclasses.replace(recipe, augmentation=inner)
            else:
                recipe = _assign(recipe, key, value)
        return recipe


Part = TypeVar("Part", "Recipe", Augmentation)


def _assign(target: Part, key: str, value: str) -> Part:
    fields = {f.name: type(getattr(target, f.name)) for f in dataclasses.fields(target)}
    kind = fields.get(key)
    if kind not in (int, float, bool, str):
        raise InputError(f"{key!r} is not a value of a recipe; known are {', '.join(name for name, k in fields.items() if k in (int, float, bool, str))}")
    try:
        parsed = {"true": True, "false": False}[value.lower()] if kind is bool else kind(value)
    except (ValueError, KeyError) as error:
        raise InputError(f"{key}={value} is not usable: {key} takes {'true or false' if kind is bool else 'a ' + kind.__name__}") from error
    values: dict[str, Any] = {key: parsed}
    return dataclasses.replace(target, **values)


RECIPES = {recipe.name: recipe for recipe in (Recipe(name="posterpp_nano", architecture="posterpp_nano"),)}
