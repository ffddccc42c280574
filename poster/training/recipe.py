"""A recipe is data: every value a training run depends on, saved with the run and overridable from the command line."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, TypeVar

from poster.contract import ModelContract
from poster.errors import InputError
from poster.heads import create_head


@dataclass(frozen=True)
class Augmentation:
    """How training pictures are varied; probabilities in 0..1, angles in degrees, sizes as fractions of the side.

    light: probability of 0.4 to 1.7 times the light, cut at white.
    gaussian: probability of additive noise with a variance of 30 squared grey levels (POSTER's loader).
    erasing: probability of a rectangle set to the mean colour, ``erasing_min`` to ``erasing_max`` of the area (both papers' RandomErasing).
    randaugment: magnitude 0..30 of two random operations a batch (Cubuk et al. 2020); 0 is none.
    mixup, cutmix: the Beta distribution's parameter (Zhang et al. 2018; Yun et al. 2019); 0 is none.
    """

    flip: float = 0.5
    rotation: float = 12.0
    scale: float = 0.15
    shift: float = 0.06
    brightness: float = 0.12
    contrast: float = 0.25
    light: float = 0.0
    low_resolution: float = 0.2
    noise: float = 0.15
    erase: float = 0.2
    gaussian: float = 0.0
    erasing: float = 0.0
    erasing_min: float = 0.02
    erasing_max: float = 0.1
    randaugment: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0

    def scaled(self, strength: float) -> Augmentation:
        """The geometric, light and noise variations times ``strength`` (0..1); the mirror and the published ones stay as they are."""
        grows = ("rotation", "scale", "shift", "brightness", "contrast", "light", "low_resolution", "noise", "erase")
        return dataclasses.replace(self, **{name: getattr(self, name) * strength for name in grows})


PLAIN = Augmentation(rotation=0, scale=0, shift=0, brightness=0, contrast=0, low_resolution=0, noise=0, erase=0)


@dataclass(frozen=True)
class Head:
    """The classification head (see poster/heads.py); margin and scale of the cosine heads, h and t_alpha of AdaFace.

    quality: whose norm AdaFace takes for the picture's quality: "fused" (the embedding the head reads), "mlp" (the class token before
    the last gate) or "image" (the image stream's last map, averaged).
    """

    kind: str = "linear"
    margin: float = 0.4
    scale: float = 64.0
    h: float = 0.333
    t_alpha: float = 0.01
    quality: str = "fused"

    def build(self, dim: int, num_classes: int) -> Any:
        """The head as a module; raises InputError when the kind or the quality is unknown."""
        if self.kind not in ("linear", "adaface", "arcface", "cosface") or self.quality not in ("fused", "mlp", "image"):
            known = "heads: linear, adaface, arcface, cosface; quality: fused, mlp, image"
            raise InputError(f"head {self.kind!r} with quality {self.quality!r} is unknown; {known}")
        options = {} if self.kind == "linear" else {"margin": self.margin, "scale": self.scale}
        if self.kind == "adaface":
            options |= {"h": self.h, "t_alpha": self.t_alpha}
        return create_head(self.kind, dim, num_classes, **options)


@dataclass(frozen=True)
class Recipe:
    """One training run.

    reproduces: the models, as their papers name them, whose number on ``dataset`` a full run of this recipe is to be compared with.
    dataset: "ferplus", or the layout's benchmark name (poster/data/readers.py reads its training part). region: "whole" or "lower" half of the face.
    contract: how the finished model is fed; its labels are the classes. target: "votes" (soft), "labels" or "poster" (2 x label smoothing 0.2 + plain).
    optimizer: adamw, adam or sgd; sam: the radius rho of sharpness-aware minimisation, 0 for none (Foret et al. 2021).
    schedule: "cosine" (with warm-up; ``restarts`` are epochs at which it starts again, half as high) or "exponential" (times ``gamma`` an epoch).
    ema: decay of the weight average, 0 for none. class_balance: pictures are drawn with probability proportional to (class count) **
    -class_balance; 0 is plain shuffling, 1 the inverse-frequency sampler of both repositories. ramp_epochs: over which the augmentation grows
    from none to its full strength; at full strength from the start, the first epochs learn nearly nothing. auxiliary: weight of a second
    loss on the image stream alone; without it the signal has to find its way through the fusion first. freeze_landmarks: the landmark stream keeps
    what it was taught. compile: through torch.compile, which needs a C++ compiler and minutes at the start. patience: epochs without a better
    validation loss before the run stops, 0 for never. rare_cost: the share of the validation split's accuracy that the finished linear head may
    give up to name rare classes more often (poster/training/rare.py), 0 to leave it as it is. bias_cost: before that, the share of its mean class
    accuracy that a bias fitted to the labels of that split may cost (poster/training/bias.py), 0 to fit none. tutor_share: the share of a tutor's answers in
    the targets, 0 for none (poster/training/tutor.py). tutor_plain: the tutor is asked once, about the pictures
    as they are, whatever light, blur, noise and crop the student sees: it learns that they change nothing. steps: of one epoch, 0 for all pictures once.
    landmark_*: the lesson in which a narrow landmark stream learns 68 points from a teacher.
    """

    name: str
    architecture: str
    about: str = ""
    reproduces: tuple[str, ...] = ()
    dataset: str = "ferplus"
    region: str = "whole"
    contract: ModelContract = field(default_factory=lambda: ModelContract(architecture="posterpp_nano", labels=()))
    head: Head = Head()
    target: str = "votes"
    epochs: int = 17
    steps: int = 0
    batch_size: int = 64
    optimizer: str = "adamw"
    sam: float = 0.0
    lr: float = 1e-3
    schedule: str = "cosine"
    restarts: tuple[int, ...] = ()
    gamma: float = 0.98
    weight_decay: float = 0.05
    warmup_epochs: float = 0.2
    ramp_epochs: float = 6.0
    ema: float = 0.999
    clip_norm: float = 2.0
    class_balance: float = 0.35
    auxiliary: float = 0.5
    freeze_landmarks: bool = True
    patience: int = 0
    rare_cost: float = 0.0
    bias_cost: float = 0.0
    tutor_share: float = 0.0
    tutor_plain: bool = False
    seed: int = 1
    bf16: bool = True
    compile: bool = False
    landmark_epochs: int = 6
    landmark_lr: float = 2e-3
    landmark_pictures: int = 6000
    augmentation: Augmentation = Augmentation()

    def override(self, assignments: list[str]) -> Recipe:
        """Apply ``key=value`` texts; ``augmentation.noise=0`` and ``head.kind=adaface`` reach inside. Raises InputError for what is unknown or unusable."""
        recipe = self
        for text in assignments:
            key, _, value = text.partition("=")
            group, _, inner = key.partition(".")
            if inner and group in ("augmentation", "head"):
                recipe = dataclasses.replace(recipe, **{group: _assign(getattr(recipe, group), inner, value)})
            else:
                recipe = _assign(recipe, key, value)
        return recipe


Part = TypeVar("Part", Recipe, Augmentation, Head)


def _assign(target: Part, key: str, value: str) -> Part:
    usable = (int, float, bool, str)
    fields = {f.name: type(getattr(target, f.name)) for f in dataclasses.fields(target)}
    kind = fields.get(key)
    if kind not in usable or key in ("name", "architecture"):
        raise InputError(f"{key!r} is not a value of a recipe; known are {', '.join(name for name, k in fields.items() if k in usable)}")
    try:
        parsed = {"true": True, "false": False}[value.lower()] if kind is bool else kind(value)
    except (ValueError, KeyError) as error:
        raise InputError(f"{key}={value} is not usable: {key} takes {'true or false' if kind is bool else 'a ' + kind.__name__}") from error
    values: dict[str, Any] = {key: parsed}
    return dataclasses.replace(target, **values)
