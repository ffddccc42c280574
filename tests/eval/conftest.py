"""A small network that really learned the sketch faces, for tests that need predictions with a meaning."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from eval.catalogue import find
from eval.inference import Compute
from eval.load import Loaded, load
from poster.contract import ModelContract
from poster.data.sketch import sketch_set
from poster.labels import EXPRESSIONS
from poster.preprocess import to_input

CONTRACT = ModelContract("posterpp_nano", EXPRESSIONS, input_size=32)


class SmallNet(nn.Module):
    """Two convolutions, mean pooling, one linear layer: enough for the sketch faces."""

    def __init__(self, classes: int = 8) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 64, 32), nn.ReLU())
        self.head = nn.Linear(32, classes)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)

    def forward_head(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(x))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has the same cache folder, which no other run shares."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("FER_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def small_net() -> SmallNet:
    """Trained on 512 other sketch faces in RGB; some 9 in 10 right on the benchmark's."""
    torch.manual_seed(0)
    model = SmallNet()
    faces = sketch_set(64, seed=7)
    x, y = to_input(faces.source.array, CONTRACT), torch.from_numpy(faces.targets)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.05)
    for _ in range(20):
        for index in torch.randperm(len(y)).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[index] + 0.1 * torch.randn_like(x[index])), y[index], label_smoothing=0.1).backward()
            optimizer.step()
    return model.eval()


@pytest.fixture
def sketch(own_cache: Path) -> Loaded:
    """The built-in benchmark, loaded."""
    return load(find("sketch"), None)


@pytest.fixture
def cpu() -> Compute:
    """One small batch at a time."""
    return Compute(batch_size=16)
