"""What a checkpoint needs to be read as its author meant: stored inside the safetensors metadata, never guessed at use."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass

from poster.errors import CheckpointError
from poster.labels import EXPRESSIONS

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
METADATA_KEY = "poster.contract"
INTERPOLATIONS = ("bilinear", "bicubic", "nearest")
CHANNELS = ("rgb", "bgr", "grey")


@dataclass(frozen=True)
class ModelContract:
    """Architecture plus everything between a face crop and the logits.

    labels: index -> expression (empty for a recognition backbone without an expression head).
    input_size: pixels, both sides. channels: the order the network was fed ("grey" means one channel repeated three times).
    mean, std: per channel in the order fed, of values in 0..1. crop: the margin around the face box as a fraction of
    the box's longer side that the training crops had ("aligned" sets state theirs). head: linear, adaface, arcface, cosface, none.
    temperature: the logits are divided by it before the softmax (calibration; 1 leaves them alone). mirror: the embedding is the mean of
    those of the picture and its mirror image (poster/mirror.py).
    """

    architecture: str
    labels: tuple[str, ...]
    input_size: int = 224
    channels: str = "rgb"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    interpolation: str = "bilinear"
    crop: float = 0.0
    head: str = "linear"
    source: str = "unknown"
    licence: str = "unknown"
    temperature: float = 1.0
    mirror: bool = False

    def __post_init__(self) -> None:
        unknown = [label for label in self.labels if label not in EXPRESSIONS]
        if unknown or len(set(self.labels)) != len(self.labels):
            raise CheckpointError(f"the labels {', '.join(map(str, self.labels))} are not distinct expressions out of {', '.join(EXPRESSIONS)}")
        if not isinstance(self.input_size, int) or not 32 <= self.input_size <= 512:
            raise CheckpointError(f"the input size {self.input_size} is not a whole number of pixels from 32 to 512")
        if self.channels not in CHANNELS:
            raise CheckpointError(f"the channel order {self.channels!r} is not one of {', '.join(CHANNELS)}")
        if self.interpolation not in INTERPOLATIONS:
            raise CheckpointError(f"the interpolation {self.interpolation!r} is not one of {', '.join(INTERPOLATIONS)}")
        numbers = (*self.mean, *self.std, self.crop, self.temperature)
        if len(self.mean) != 3 or len(self.std) != 3 or not all(math.isfinite(n) for n in numbers) or min(*self.std, self.temperature) <= 0:
            raise CheckpointError("mean, std, crop and temperature must be finite numbers, three each for mean and std, std and temperature above 0")
        if not isinstance(self.mirror, bool):
            raise CheckpointError(f"mirror is {self.mirror!r}, neither true nor false")
        if not -0.5 < self.crop <= 2:  # -0.5 leaves nothing of the box
            raise CheckpointError(f"the crop margin {self.crop} is not above -0.5 and at most 2 times the face box")

    @property
    def num_classes(self) -> int:
        return len(self.labels)

    def replace(self, **changes: object) -> ModelContract:
        """A copy with some fields changed, validated again."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]

    def to_metadata(self) -> dict[str, str]:
        """The safetensors metadata (string to string) that holds this contract."""
        return {METADATA_KEY: json.dumps(dataclasses.asdict(self), sort_keys=True)}

    @classmethod
    def from_metadata(cls, metadata: dict[str, str] | None) -> ModelContract:
        """Read back what :meth:`to_metadata` wrote. Raises CheckpointError when it is missing or malformed."""
        text = (metadata or {}).get(METADATA_KEY)
        if text is None:
            raise CheckpointError("the safetensors file carries no contract; make one with `python -m poster convert FILE OUT.safetensors`")
        try:
            fields = json.loads(text)
            known = {f.name for f in dataclasses.fields(cls)}
            fields = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items() if name in known}
            return cls(**fields)
        except CheckpointError:
            raise
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            raise CheckpointError("the contract in the safetensors metadata is malformed; convert the original checkpoint again") from error
