"""Listening inside a model for one pass: the values at chosen places and the gradient of a class's logit there; nothing stays behind in the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn

from poster.backbones import AdaFace
from poster.errors import CheckpointError
from poster.mirror import Mirrorable
from poster.poster_v1 import PosterV1
from poster.poster_v2 import PosterV2

Pick = Callable[[object], Sequence[Tensor]]
Tap = tuple[nn.Module, Pick]


def all_of(value: object) -> Sequence[Tensor]:
    """What a module returns, as a list of tensors."""
    return [value] if isinstance(value, Tensor) else list(value)  # type: ignore[call-overload]


def last_three(maps: object) -> Sequence[Tensor]:
    """The three coarsest maps of an image stream."""
    return all_of(maps)[-3:]


def image_maps(model: nn.Module) -> list[Tap]:
    """The image stream's three coarsest maps. Raises CheckpointError for a model without one."""
    if isinstance(model, (PosterV1, PosterV2)):
        return [(model.image_stream, last_three)]
    if isinstance(model, AdaFace) and model.num_classes:
        return [(model.trunk, last_three)]
    if isinstance(model, AdaFace):
        raise CheckpointError("this is a recognition backbone without an expression head; there is no expression to explain")
    raise CheckpointError(f"{type(model).__name__} has no maps that are known here; known are those of POSTER, POSTER++ and AdaFace")


def landmark_maps(model: nn.Module) -> list[Tap]:
    """The landmark stream's maps that the decision is made from: POSTER++ reads all three, POSTER the last."""
    if isinstance(model, PosterV2):
        return [(model.landmark_stream, all_of)]
    assert isinstance(model, PosterV1)
    return [(model.landmark_stream, lambda maps: all_of(maps)[2:])]


def attention_maps(model: nn.Module) -> list[Tap]:
    """The attention over real places: POSTER++'s three levels (landmark queries, image keys), POSTER's landmark stream (image queries, landmark keys)."""
    if isinstance(model, PosterV2):
        return [(level.attn.attn_drop, all_of) for level in model.levels]
    assert isinstance(model, PosterV1)
    return [(block.large.attn_landmark.attn_drop, all_of) for block in model.blocks]


def values_and_gradients(model: nn.Module, images: Tensor, targets: Tensor, taps: Sequence[Tap]) -> tuple[list[Tensor], list[Tensor]]:
    """The tapped tensors of one forward pass, the images (N, 3, S, S) last, and the gradient of the logits of ``targets`` (N,) at each."""
    with torch.enable_grad(), _watch(taps) as seen:
        images = images.detach().clone().requires_grad_()
        logits = _single(model, images)
        gradients = torch.autograd.grad(logits.gather(1, targets[:, None]).sum(), [*seen, images])
    return [value.detach() for value in (*seen, images)], list(gradients)


class _AllHeard(Exception):
    """Every tap of a pass has been heard; what comes after it is not needed."""


def values(model: nn.Module, images: Tensor, taps: Sequence[Tap]) -> list[Tensor]:
    """The tapped tensors of one forward pass that goes no further than the last of them, the images last, without any gradient."""
    with torch.no_grad(), _watch(taps, stop=True) as seen, suppress(_AllHeard):
        _single(model, images)
    return [*seen, images]


def _single(model: nn.Module, images: Tensor) -> Tensor:
    """The logits of the pictures alone, without their mirror images: every tapped tensor belongs to one picture."""
    return model.forward_head(model.single(images)) if isinstance(model, Mirrorable) else model(images)


@contextmanager
def _watch(taps: Sequence[Tap], stop: bool = False) -> Iterator[list[Tensor]]:
    """Collect the tapped tensors of the forward pass made inside, in the order of ``taps``. stop: raise _AllHeard in it as soon as it gave all of them."""
    heard: dict[int, list[Tensor]] = {}
    seen: list[Tensor] = []

    def listener(index: int, pick: Pick) -> Callable[[nn.Module, object, object], None]:
        def hear(_module: nn.Module, _inputs: object, output: object) -> None:
            heard[index] = list(pick(output))
            seen[:] = [value for place in sorted(heard) for value in heard[place]]
            if stop and len(heard) == len(taps):
                raise _AllHeard

        return hear

    handles = [module.register_forward_hook(listener(index, pick)) for index, (module, pick) in enumerate(taps)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
