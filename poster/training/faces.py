"""Face recognition networks that become tutors: too large to ship, or not ours to."""

from __future__ import annotations

from poster.training.face_mobile import FaceMobile
from poster.training.face_resnet import FaceResNet

FaceNetwork = FaceResNet | FaceMobile
FACES: dict[str, type[FaceNetwork]] = {network.architecture: network for network in (FaceResNet, FaceMobile)}
