"""The registry: every architecture as a timm model under its name, created by ``timm.create_model("poster_large", num_classes=7)``."""

from __future__ import annotations

import difflib
from typing import Any

import timm
from timm.models import register_model
from torch import nn

from poster.backbones import AdaFace
from poster.errors import InputError
from poster.poster_v1 import PosterV1
from poster.poster_v2 import PosterV2

# What timm hands every model function and these models have no use for.
_TIMM_ONLY = ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir")


def _options(pretrained: bool, kwargs: dict[str, Any]) -> dict[str, Any]:
    if pretrained:
        raise ValueError("no weights belong to an architecture here; open a checkpoint with poster.load_model(path)")
    return {name: value for name, value in kwargs.items() if name not in _TIMM_ONLY}


@register_model
def poster_small(pretrained: bool = False, **kwargs: Any) -> PosterV1:
    """POSTER-s, RAF-DB variant: four pyramid blocks."""
    return PosterV1(**{"depth": 4, **_options(pretrained, kwargs)})


@register_model
def poster_base(pretrained: bool = False, **kwargs: Any) -> PosterV1:
    """POSTER-b, RAF-DB variant: six pyramid blocks."""
    return PosterV1(**{"depth": 6, **_options(pretrained, kwargs)})


@register_model
def poster_large(pretrained: bool = False, **kwargs: Any) -> PosterV1:
    """POSTER-l, RAF-DB variant: eight pyramid blocks."""
    return PosterV1(**{"depth": 8, **_options(pretrained, kwargs)})


@register_model
def poster_small_affectnet(pretrained: bool = False, **kwargs: Any) -> PosterV1:
    """POSTER-s, AffectNet variant: without the token convolution that closes a block."""
    return PosterV1(**{"depth": 4, "mix": False, **_options(pretrained, kwargs)})


@register_model
def poster_base_affectnet(pretrained: bool = False, **kwargs: Any) -> PosterV1:
    """POSTER-b, AffectNet variant."""
    return PosterV1(**{"depth": 6, "mix": False, **_options(pretrained, kwargs)})


@register_model
def poster_large_affectnet(pretrained: bool = False, **kwargs: Any) -> PosterV1:
    """POSTER-l, AffectNet variant."""
    return PosterV1(**{"depth": 8, "mix": False, **_options(pretrained, kwargs)})


@register_model
def posterpp(pretrained: bool = False, **kwargs: Any) -> PosterV2:
    """POSTER++ (POSTER V2), for 7 or 8 classes."""
    return PosterV2(**_options(pretrained, kwargs))


# Both streams of the nano model, for POSTER's pyramid too.
NANO_STREAMS: dict[str, Any] = {"img_size": 48, "halve": False, "depths": (2, 2, 3), "channels": (32, 64, 160), "stem": 24, "landmark_scale": 0.5}
NANO: dict[str, Any] = {
    **NANO_STREAMS,
    "heads": (2, 4, 8),
    "embed_dim": 192,
    "embed_heads": 6,
    "drop_path": (0.0, 0.05, 0.1),
    "layer_scale": 0.1,
}


@register_model
def posterpp_nano(pretrained: bool = False, **kwargs: Any) -> PosterV2:
    """Ours: POSTER++ with both streams and all three levels kept, narrow enough to ship, for 48 x 48 faces."""
    return PosterV2(**{"num_classes": 8, **NANO, **_options(pretrained, kwargs)})


@register_model
def adaface_ir18(pretrained: bool = False, **kwargs: Any) -> AdaFace:
    """AdaFace IR-18, 112 x 112, BGR."""
    return AdaFace((2, 2, 2, 2), **_options(pretrained, kwargs))


@register_model
def adaface_ir50(pretrained: bool = False, **kwargs: Any) -> AdaFace:
    """AdaFace IR-50."""
    return AdaFace((3, 4, 14, 3), **_options(pretrained, kwargs))


@register_model
def adaface_ir101(pretrained: bool = False, **kwargs: Any) -> AdaFace:
    """AdaFace IR-101 (the authors' hundred-layer table)."""
    return AdaFace((3, 13, 30, 3), **_options(pretrained, kwargs))


ARCHITECTURES = (
    "poster_small",
    "poster_base",
    "poster_large",
    "poster_small_affectnet",
    "poster_base_affectnet",
    "poster_large_affectnet",
    "posterpp",
    "posterpp_nano",
    "adaface_ir18",
    "adaface_ir50",
    "adaface_ir101",
)


def create_model(name: str, num_classes: int = 7, **options: Any) -> nn.Module:
    """A registered architecture with random weights: (N, 3, S, S) normalised float32 -> (N, num_classes) logits.

    Options go to the architecture (``head="adaface"``, ``drop_path=...``). Raises InputError for a name that is not registered.
    """
    if name not in ARCHITECTURES:
        near = difflib.get_close_matches(name, ARCHITECTURES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"{name!r} is not an architecture here{hint} Known are {', '.join(ARCHITECTURES)}.")
    return timm.create_model(name, num_classes=num_classes, **options)
