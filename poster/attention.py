"""Where a decision came from: relevance maps over the face, drawn only from values that belong to places.

Sources, each for any class and at any level (0 is the finest); docs/heatmaps.md says what they measure:

``integrated``: gradients summed on the way from the blurred picture to the picture (Integrated Gradients), at the pixels and at the image
stream's maps. The only source that also says what speaks AGAINST the class; the default, since it measures best on the shipped model.
``features``: the image stream's maps, each value times its positive gradient (LayerCAM, Jiang et al. 2021).
``landmarks``: the same for the landmark stream's maps (POSTER and POSTER++; of POSTER's only the last map is read).
``attention``: POSTER++'s cross-attention at each level, weighted by its gradient and summed over the landmark queries, so that an image place counts
by what the decision read from it; POSTER's attention of image queries over landmark places.
``relevance``: the whole model. POSTER++: Chefer's rules from the class token through the transformer and the cross-attention of each level, times
the gradient-weighted maps of the image stream. POSTER: its landmark attention, and gradients at the image stream's last map.
``steering``: POSTER++'s landmark stream by the same rules: how much of the decision each landmark place steered as a query.

POSTER's 49 image tokens are five whole channels each, not places, and are never drawn.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poster import attention_rules as rules
from poster.attention_taps import attention_maps, image_maps, landmark_maps, values, values_and_gradients
from poster.errors import CheckpointError
from poster.mirror import with_mirror_images
from poster.overlay import FAINT
from poster.poster_v1 import PosterV1
from poster.poster_v2 import PosterV2
from poster.runtime import lean

DEFAULT = "integrated"
SOURCES = ("integrated", "features", "landmarks", "attention", "relevance", "steering")
POINTS = 4  # pictures between the blurred and the whole one; 8 measure no better
TOGETHER = 16  # of these pictures in one pass; few large passes cost a fraction of many small ones, and this bounds their memory
PATH_BLUR = 1 / 8  # of the side: the standard deviation of the blurred picture, which has a face's outline and no expression
PIXEL_BLUR = 1 / 32  # of the side: what single pixels say is noisy, what patches of some pixels say is not
AGAINST = FAINT  # the part of a heatmap's scale below which values speak against the class, in their order


def sources(model: nn.Module) -> tuple[str, ...]:
    """What can be drawn for this model. Raises CheckpointError for a recognition backbone, whose output is no expression."""
    image_maps(model)
    if isinstance(model, PosterV2):
        return SOURCES
    return SOURCES[:-1] if isinstance(model, PosterV1) else ("integrated", "features")


def relevance(model: nn.Module, images: Tensor, targets: Tensor | None = None, source: str = DEFAULT) -> list[Tensor]:
    """What speaks for class ``targets`` (N,) (default: the predicted one), one map (N, h, w) a level, finest first, not normalised.

    images: (N, 3, S, S) as the model is fed. Not negative, except for "integrated", where negative values speak against the class.
    Of a model that also looks at the mirror image, the mean of both, every level enlarged to (N, S, S). Raises CheckpointError for a source the
    model does not have.
    """
    source = DEFAULT if source == "default" else source
    if source not in (known := sources(model)):
        raise CheckpointError(f"{type(model).__name__} has no relevance from {source!r}; known are default, {', '.join(known)}")
    if targets is None:
        with torch.no_grad():
            targets = model(images).argmax(dim=1)
    if getattr(model, "mirror", False):
        n, levels = len(images), _single(model, with_mirror_images(images), targets.repeat(2), source, POINTS // 2)
        # A place lies over the first of its pixels, of a mirror image over the last: only pixels can be turned back.
        both = [rules.enlarged(one, images.shape[-1]) for one in levels]
        return [(one[:n] + one[n:].flip(-1)) / 2 for one in both]
    return _single(model, images, targets, source, POINTS)


def _single(model: nn.Module, images: Tensor, targets: Tensor, source: str, points: int) -> list[Tensor]:
    """:func:`relevance` of pictures that are looked at once each. points: for "integrated"; the mean of two looks needs half as many of each."""
    if source == "integrated":
        return _integrated(lean(model), images, targets, points)
    if source == "features":
        return _positive(*values_and_gradients(model, images, targets, image_maps(model)))
    if source == "landmarks":
        return _positive(*values_and_gradients(model, images, targets, landmark_maps(model)))
    if isinstance(model, PosterV1):
        return _poster(model, images, targets, whole=source == "relevance")
    assert isinstance(model, PosterV2)
    if source == "attention":
        seen, gradients = values_and_gradients(model, images, targets, attention_maps(model))
        keys = [rules.weighted(value, gradient).sum(dim=1) for value, gradient in zip(seen[:-1], gradients[:-1], strict=True)]
        return [one.view(-1, side, side) for one, side in zip(keys, model.sides, strict=True)]
    return _whole(model, images, targets, landmarks=source == "steering")


def heatmap(model: nn.Module, images: Tensor, targets: Tensor | None = None, source: str = DEFAULT, level: int | None = None) -> Tensor:
    """(N, 3, S, S) -> (N, S, S) in 0..1: the levels of :func:`relevance`, each scaled to a maximum of 1, enlarged and averaged; or one of them.

    level: 0 for the finest. What speaks against the class, where a source knows it, has values below AGAINST, the strongest opponent 0.
    Raises CheckpointError for a source or a level the model does not have.
    """
    side = images.shape[-1]
    levels = relevance(model, images, targets, source)
    if level is not None and not 0 <= level < len(levels):
        raise CheckpointError(f"{type(model).__name__} has {len(levels)} levels of {source!r}, counted from 0; there is no level {level}")
    total = images.new_zeros((images.shape[0], side, side))
    for one in levels if level is None else [levels[level]]:
        one = one / one.abs().amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)
        total += rules.enlarged(one, side)
    lowest, highest = total.amin(dim=(1, 2), keepdim=True), total.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    if not bool((lowest < 0).any()):
        return total / highest
    against = AGAINST * (1 - total / lowest.clamp_max(-1e-12))
    return torch.where(total > 0, AGAINST + (1 - AGAINST) * total / highest, against)


def _positive(seen: list[Tensor], gradients: list[Tensor]) -> list[Tensor]:
    """LayerCAM of every tapped map; the images, last in both lists, are left out."""
    pairs = zip(seen[:-1], gradients[:-1], strict=True)
    return [rules.gradient_times_value(value, gradient.clamp_min(0)).clamp_min(0) for value, gradient in pairs]


def _integrated(model: nn.Module, images: Tensor, targets: Tensor, points: int) -> list[Tensor]:
    """Pixels, then the image stream's two finer maps: what changed from the blurred picture times the mean gradient on the way, signed."""
    taps, side, n = image_maps(model), images.shape[-1], len(images)
    start = rules.blurred(images, PATH_BLUR * side)
    changes = [both[:n] - both[n:] for both in values(model, torch.cat([images, start]), taps)]
    sums = [torch.zeros_like(change) for change in changes]
    for ways in ((torch.arange(points) + 0.5) / points).split(max(1, TOGETHER // n)):
        path = torch.cat([start.lerp(images, float(way)) for way in ways])
        _, gradients = values_and_gradients(model, path, targets.repeat(len(ways)), taps)
        sums = [total + gradient.unflatten(0, (len(ways), n)).sum(dim=0) / points for total, gradient in zip(sums, gradients, strict=True)]
    *maps, pixels = [rules.gradient_times_value(change, mean) for change, mean in zip(changes, sums, strict=True)]
    return [rules.blurred(pixels[:, None], PIXEL_BLUR * side)[:, 0], *maps[:2]]


def _poster(model: PosterV1, images: Tensor, targets: Tensor, whole: bool) -> list[Tensor]:
    """POSTER: [landmark attention (N, 7, 7)], before it the image stream's last map (N, 14, 14) for the whole model."""
    stream = image_maps(model)
    seen, gradients = values_and_gradients(model, images, targets, [*stream, *attention_maps(model)])
    # Every block attends over the same 7 x 7 landmark places; key 0 is their mean and no place.
    keys = [rules.weighted(value, gradient).sum(dim=1)[:, 1:] for value, gradient in zip(seen[3:-1], gradients[3:-1], strict=True)]
    attention = torch.stack(keys).sum(dim=0).view(-1, model.side, model.side)
    return [rules.gradient_times_value(seen[2], gradients[2]).clamp_min(0), attention] if whole else [attention]


def _whole(model: PosterV2, images: Tensor, targets: Tensor, landmarks: bool) -> list[Tensor]:
    """POSTER++ by Chefer's rules: the image stream's maps (three sides), or the landmark stream's places, weighted by what became of them."""
    taps = [*image_maps(model), *attention_maps(model), *((block.attn.attn_drop, lambda value: [value]) for block in model.blocks)]
    seen, gradients = values_and_gradients(model, images, targets, taps)
    attention = [rules.weighted(value, gradient) for value, gradient in zip(seen[3:-1], gradients[3:-1], strict=True)]
    coarse = model.sides[2]
    read = rules.through_blocks(attention[3:])[:, 0, 1:].unflatten(1, (3, coarse, coarse))  # by the class token, of each level's tokens
    maps = []
    for level, side in enumerate(model.sides):
        image, landmark = rules.through_cross_attention(rules.spread(read[:, level], side), attention[level])
        if landmarks:
            maps.append(landmark.view(-1, side, side))
            continue
        value = rules.gradient_times_value(seen[level], gradients[level]).clamp_min(0)
        maps.append(rules.enlarged(image.view(-1, side, side), value.shape[-1]) * value)
    return maps
