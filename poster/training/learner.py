"""A model as it is trained: its margin head is told the targets, and a second loss listens to the image stream."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from poster.heads import CosineHead
from poster.training.faces import FaceNetwork
from poster.training.recipe import Recipe

Maps = tuple[list[Tensor], list[Tensor]]


def average_map(image_maps: list[Tensor]) -> Tensor:
    """The image stream's feature (N, C): its last map, averaged over the picture."""
    return image_maps[-1].mean(dim=(2, 3))


class Learner(nn.Module):
    """``forward``: normalised images (N, 3, S, S) and targets (N, K), rows summing to 1 -> logits (N, K) of the model, and of the image stream alone.

    The second logits are None where the recipe has no auxiliary loss. The margin of a cosine head acts on the largest target.
    maps: the images' maps (``forward_maps`` of POSTER++) where they are known already, from streams that several models share.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, num_classes: int) -> None:
        super().__init__()
        self.model, self.quality = model, recipe.head.quality
        self._seen: dict[str, Tensor] = {}
        self.auxiliary: nn.Linear | None = None
        if isinstance(model, FaceNetwork):  # one stream, one embedding, a linear head
            return
        if recipe.auxiliary:
            self.auxiliary = nn.Linear(model.image_stream.stages[-1][-1].bn2.num_features, num_classes)
        model.image_stream.register_forward_hook(self._keep("image", average_map))
        model.norm.register_forward_hook(self._keep("mlp", lambda tokens: tokens[:, 0]))

    def _keep(self, name: str, pick: Callable[..., Tensor]) -> Callable[..., None]:
        def hear(module: nn.Module, _inputs: object, output: object) -> None:
            if module.training:
                self._seen[name] = pick(output)

        return hear

    def forward(self, images: Tensor, targets: Tensor, maps: Maps | None = None) -> tuple[Tensor, Tensor | None]:
        embedding = self.model.forward_features(images) if maps is None else self._fused(maps)
        head = self.model.head
        if isinstance(head, CosineHead):
            embedding = embedding.float()
            source = {"fused": embedding, **self._seen}[self.quality].float()
            norms = torch.linalg.vector_norm(source, dim=1, keepdim=True)
            # Angles are not bfloat16's: times a scale of 64 its rounding of a cosine would move logits by a quarter.
            with torch.autocast(embedding.device.type, enabled=False):
                logits = head.margin_logits(F.normalize(embedding, dim=1), norms, targets.argmax(dim=1))
        else:
            logits = self.model.forward_head(embedding)
        return logits.float(), None if self.auxiliary is None else self.auxiliary(self._seen["image"]).float()

    def _fused(self, maps: Maps) -> Tensor:
        self._seen["image"] = average_map(maps[0])
        return self.model.fuse(*maps)

    def hold_landmarks(self) -> None:
        """Keep the landmark stream as it was taught: no gradient, and BatchNorm on its stored statistics."""
        self.model.landmark_stream.requires_grad_(False).eval()
