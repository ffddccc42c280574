"""Classification heads: linear, and the cosine heads AdaFace, ArcFace and CosFace whose margin acts in training only."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPS = 1e-3  # AdaFace's: keeps the angle inside (0, pi), where its derivative exists


class CosineHead(nn.Module):
    """Logits s * cos(angle between embedding and class centre), with a margin on the target class when ``targets`` are given.

    The kernel is (D, K) as in InsightFace and AdaFace. Subclasses say what the margin does to the target's angle and cosine.
    """

    kind = "cosine"

    def __init__(self, dim: int, num_classes: int, margin: float = 0.4, scale: float = 64.0) -> None:
        super().__init__()
        self.margin, self.scale = margin, scale
        self.kernel = nn.Parameter(torch.empty(dim, num_classes).uniform_(-1, 1).renorm_(2, 1, 1e-5).mul_(1e5))

    def margins(self, norms: Tensor) -> tuple[Tensor, Tensor]:
        """Per sample (N, 1): what is added to the target's angle (radians), and what is subtracted from its cosine."""
        raise TypeError(f"{type(self).__name__} has no margin; use AdaFaceHead, ArcFaceHead or CosFaceHead")

    def margin_logits(self, unit: Tensor, norms: Tensor, targets: Tensor) -> Tensor:
        """unit (N, D), norms (N, 1), targets (N,) -> training logits (N, K)."""
        cosine = (unit @ F.normalize(self.kernel, dim=0)).clamp(-1 + EPS, 1 - EPS)
        to_angle, from_cosine = self.margins(norms)
        target = F.one_hot(targets, cosine.shape[1]).to(cosine.dtype)
        angle = (cosine.acos() + target * to_angle).clamp(EPS, torch.pi - EPS)
        return self.scale * (angle.cos() - target * from_cosine)

    def forward(self, embedding: Tensor, targets: Tensor | None = None) -> Tensor:
        norms = torch.linalg.vector_norm(embedding, dim=1, keepdim=True)
        unit = embedding / norms.clamp_min(1e-12)
        if targets is None:
            return self.scale * (unit @ F.normalize(self.kernel, dim=0))
        return self.margin_logits(unit, norms, targets)


class ArcFaceHead(CosineHead):
    """An additive angular margin (Deng et al. 2019): cos(angle + m)."""

    kind = "arcface"

    def margins(self, norms: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full_like(norms, self.margin), torch.zeros_like(norms)


class CosFaceHead(CosineHead):
    """An additive cosine margin (Wang et al. 2018): cos(angle) - m."""

    kind = "cosface"

    def margins(self, norms: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(norms), torch.full_like(norms, self.margin)


class AdaFaceHead(CosineHead):
    """A margin that follows image quality, read from the embedding norm (Kim et al. 2022, section 3.3).

    h: how wide the normalised norm is spread. t_alpha: weight of the new batch in the running mean and standard deviation
    of the norms. Unlike the authors' code the running statistics move in training mode only, and a batch of one (whose
    standard deviation does not exist) leaves them alone instead of poisoning them.
    """

    kind = "adaface"

    def __init__(self, dim: int, num_classes: int, margin: float = 0.4, scale: float = 64.0, h: float = 0.333, t_alpha: float = 1.0) -> None:
        super().__init__(dim, num_classes, margin, scale)
        self.h, self.t_alpha = h, t_alpha
        self.register_buffer("batch_mean", torch.full((1,), 20.0))
        self.register_buffer("batch_std", torch.full((1,), 100.0))

    def margins(self, norms: Tensor) -> tuple[Tensor, Tensor]:
        norms = norms.detach().clamp(0.001, 100)
        if self.training and len(norms) > 1:
            self.batch_mean.lerp_(norms.mean().to(self.batch_mean), self.t_alpha)
            self.batch_std.lerp_(norms.std().to(self.batch_std), self.t_alpha)
        quality = ((norms - self.batch_mean) / (self.batch_std + EPS) * self.h).clamp(-1, 1)
        return -self.margin * quality, self.margin + self.margin * quality


HEADS: dict[str, type[CosineHead]] = {head.kind: head for head in (AdaFaceHead, ArcFaceHead, CosFaceHead)}


def create_head(kind: str, dim: int, num_classes: int, **options: float) -> nn.Module:
    """A head by name: linear, adaface, arcface or cosface; with ``num_classes=0`` the identity. (N, dim) -> (N, num_classes)."""
    if num_classes == 0:
        return nn.Identity()
    if kind == "linear":
        return nn.Linear(dim, num_classes)
    if kind not in HEADS:
        raise ValueError(f"{kind!r} is not a head; known are linear, {', '.join(HEADS)}")
    return HEADS[kind](dim, num_classes, **options)
