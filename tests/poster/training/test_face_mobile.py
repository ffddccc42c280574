"""InsightFace's network becomes a tutor: it computes what OpenCV computes from the same file, and its first stage stays as it is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from poster.errors import InputError
from poster.training import session
from poster.training.data import TrainingData
from poster.training.face_mobile import HELD, SIDE, FaceMobile, Layer, Unit
from poster.training.recipes import NANO_CONTRACT, RECIPES
from poster.training.session import train
from poster.training.tutor import load_tutor
from tests.poster.training.made_up import bright_eighths
from tests.poster.training.onnx_file import Graph

MOBILE = RECIPES["face_mobile"].override(["epochs=1", "steps=2", "batch_size=8", "bf16=false", "compile=false"])


def _layer(graph: Graph, name: str, layer: Layer) -> str:
    conv = layer.conv
    kernel = [conv.kernel_size[0]] * 2
    weights = [conv.weight.detach().numpy(), conv.bias.detach().numpy()]
    name = graph.add("Conv", [name], weights, kernel_shape=kernel, strides=list(conv.stride), pads=[conv.padding[0]] * 4, group=conv.groups, dilations=[1, 1])
    if isinstance(layer.act, nn.PReLU):
        name = graph.add("PRelu", [name], [layer.act.weight.detach().numpy()[:, None, None]])
    return name


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file laid out as InsightFace's, with random weights, which ends in the matrix that is left out."""
    torch.manual_seed(0)
    net, graph, name = FaceMobile(8, 0.5, 0.25), Graph((1, 3, SIDE, SIDE)), "images"
    for part in net.body:
        if isinstance(part, Unit):
            before = name
            for layer in part.layers:
                name = _layer(graph, name, layer)
            name = graph.add("Add", [before, name]) if part.shortcut else name
        else:
            name = _layer(graph, name, part)
    name = graph.add("Flatten", [name], axis=1)
    name = graph.add("Gemm", [name], [np.eye(2304, dtype=np.float32), np.zeros(2304, np.float32)], transB=1)
    path = tmp_path_factory.mktemp("insightface") / "faces.onnx"
    graph.write(path, name, (1, 2304))
    return path


def faces(count: int, seed: int) -> Tensor:
    return torch.randn(count, 3, 48, 48, generator=torch.Generator().manual_seed(seed))


def test_it_computes_what_opencv_computes_from_the_file_though_it_got_norms(published: Path) -> None:
    net = FaceMobile(8, 0.5, 0.25)
    net.load_published(published, faces(8, 1))
    images = faces(3, 2)
    reference = cv2.dnn.readNetFromONNX(str(published))
    wanted = []
    for image in F.interpolate(images, size=(SIDE, SIDE), mode="bilinear", align_corners=False) * 0.25 + 0.5:
        reference.setInput((2 * image - 1)[None].numpy())
        wanted.append(reference.forward()[0])
    assert np.std(wanted) > 0.01
    with torch.no_grad():
        np.testing.assert_allclose(net.eval().forward_features(images).numpy(), wanted, atol=1e-4 * np.abs(wanted).max())
        stored = net.forward_features(faces(8, 1))  # as norms, over the pictures of their statistics, the same
        torch.testing.assert_close(net.train().forward_features(faces(8, 1)), stored, rtol=1e-3, atol=1e-4 * float(stored.abs().max()))


def test_another_file_is_refused(published: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing.onnx cannot be read as ONNX; give InsightFace's w600k_mbf.onnx"):
        FaceMobile(8, 0.5, 0.25).load_published(tmp_path / "missing.onnx", faces(2, 1))
    graph = Graph((1, 3, 8, 8))
    graph.write(tmp_path / "other.onnx", graph.add("Conv", ["images"], [np.ones((4, 3, 1, 1), np.float32)], kernel_shape=[1, 1]), (1, 4, 8, 8))
    with pytest.raises(InputError, match=r"other.onnx is not InsightFace's small recognition network; give w600k_mbf.onnx"):
        FaceMobile(8, 0.5, 0.25).load_published(tmp_path / "other.onnx", faces(2, 1))


def test_a_run_trains_all_but_the_first_stage_and_its_file_is_a_tutor(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = bright_eighths(48)
    data = TrainingData(images, np.eye(8, dtype=np.float32)[labels], labels, np.arange(32), np.arange(32, 48))
    monkeypatch.setattr(session, "load", lambda recipe, folder: data)
    run = train(MOBILE, tmp_path, tmp_path / "run", backbone=published)
    begun, ended = torch.load(tmp_path / "run" / "start.pt", weights_only=True), load_file(Path(run["file"]))
    held = tuple(f"body.{number}." for number in range(HELD))
    for name, value in begun.items():
        if value.is_floating_point() and "running" not in name:
            assert torch.equal(value.half(), ended[name]) == name.startswith(held), name
    tutor = load_tutor([Path(run["file"])], NANO_CONTRACT, bf16=False)
    assert isinstance(tutor.models[0], FaceMobile) and tutor(faces(2, 1)).sum(dim=1).tolist() == pytest.approx([1, 1])
    with pytest.raises(InputError, match="face_mobile starts from InsightFace's small face recognition network alone: give its file with --backbone"):
        train(MOBILE, tmp_path, tmp_path / "other")
