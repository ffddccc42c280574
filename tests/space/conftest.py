"""A model file with random weights: what the pages do with an answer does not depend on how good it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from space.engine import Engine


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from safetensors.torch import save_file

    from poster.contract import ModelContract
    from poster.labels import ORDERS
    from poster.models import create_model

    torch.manual_seed(1)
    model = create_model("posterpp_nano", num_classes=8)
    path = tmp_path_factory.mktemp("weights") / "random_nano.safetensors"
    contract = ModelContract("posterpp_nano", ORDERS["ferplus"], input_size=model.img_size, crop=-0.02)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path, contract.to_metadata())
    return path


@pytest.fixture(scope="session")
def engine(weights: Path) -> Engine:
    return Engine(str(weights))
