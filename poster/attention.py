"""Where a decision came from: relevance maps over the face, drawn only from values that belong to places.

Two sources. ``features``: the image stream's maps at every stage, each value weighted by its positive gradient (LayerCAM,
Jiang et al. 2021). ``attention``: POSTER++'s cross-attention at each level, weighted by its gradient (Chefer et al. 2021) and
summed over the landmark queries, so that an image place counts by what the decision read from it. POSTER's 49 image tokens are
five whole channels each, not places, and are never drawn; its landmark stream's attention is over real places and is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from poster.backbones import AdaFace
from poster.errors import CheckpointError
from poster.poster_v1 import TOKENS, PosterV1
from poster.poster_v2 import PosterV2

SOURCES = ("features", "attention")
Pick = Callable[[object], Tensor | list[Tensor]]


def relevance(model: nn.Module, images: Tensor, targets: Tensor | None = None, source: str = "features") -> list[Tensor]:
    """What speaks for class ``targets`` (N,) (default: the predicted one), one map (N, h, w) a level, not negative, not normalised.

    images: (N, 3, S, S) as the model is fed. Raises CheckpointError for a source the model does not have.
    """
    with torch.enable_grad(), _watch(_taps(model, source)) as seen:
        logits = model(images.requires_grad_())
        targets = logits.argmax(dim=1) if targets is None else targets
        gradients = torch.autograd.grad(logits.gather(1, targets[:, None]).sum(), seen)
    maps = [(gradient.clamp_min(0) * value).detach() for gradient, value in zip(gradients, seen, strict=True)]
    if source == "features":
        return [m.sum(dim=1).clamp_min(0) for m in maps]
    return _attention_maps(model, maps)


def heatmap(model: nn.Module, images: Tensor, targets: Tensor | None = None, source: str = "features", level: int | None = None) -> Tensor:
    """(N, 3, S, S) -> (N, S, S) in 0..1: the levels of :func:`relevance`, each scaled to a maximum of 1, enlarged and averaged; or one of them.

    level: 0 for the finest. Raises CheckpointError for a source or a level the model does not have.
    """
    side = images.shape[-1]
    total = torch.zeros(images.shape[0], side, side)
    levels = relevance(model, images, targets, source)
    if level is not None and not 0 <= level < len(levels):
        raise CheckpointError(f"{type(model).__name__} has {len(levels)} levels of {source!r}, counted from 0; there is no level {level}")
    for one in levels if level is None else [levels[level]]:
        one = one / one.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)
        total += F.interpolate(one[:, None].float(), size=(side, side), mode="bilinear", align_corners=False)[:, 0]
    return total / total.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)


def _taps(model: nn.Module, source: str) -> list[tuple[nn.Module, Pick]]:
    """The modules to listen to, and how to take the wanted tensor out of what they return."""
    if source == "features" and isinstance(model, (PosterV1, PosterV2, AdaFace)):
        stream = model.trunk if isinstance(model, AdaFace) else model.image_stream
        return [(stream, lambda maps: maps[-3:])]
    if source == "attention" and isinstance(model, PosterV2):
        return [(level.attn.attn_drop, lambda value: value) for level in model.levels]
    if source == "attention" and isinstance(model, PosterV1):
        return [(block.large.attn_landmark.attn_drop, lambda value: value) for block in model.blocks]
    raise CheckpointError(f"{type(model).__name__} has no relevance from {source!r}; known are {', '.join(SOURCES)}, attention for POSTER and POSTER++ only")


def _attention_maps(model: nn.Module, maps: list[Tensor]) -> list[Tensor]:
    if isinstance(model, PosterV1):
        # Every block attends over the same 7 x 7 landmark places; key 0 is their mean and no place.
        total = torch.stack([m.mean(dim=1).sum(dim=1)[:, 1:TOKENS] for m in maps]).sum(dim=0)
        return [total.view(-1, 7, 7)]
    per_key = [m.mean(dim=1).sum(dim=1) for m in maps]
    return [keys.view(len(keys), side, side) for keys, side in zip(per_key, model.sides, strict=True)]


@contextmanager
def _watch(taps: list[tuple[nn.Module, Pick]]) -> Iterator[list[Tensor]]:
    """Collect the tapped tensors of the forward pass made inside, in order; no state stays behind in the model."""
    seen: list[Tensor] = []

    def listener(pick: Pick) -> Callable[[nn.Module, object, object], None]:
        def hear(_module: nn.Module, _inputs: object, output: object) -> None:
            value = pick(output)
            seen.extend(value if isinstance(value, list) else [value])

        return hear

    handles = [module.register_forward_hook(listener(pick)) for module, pick in taps]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
