"""A tutor's answers become part of the targets; dlib's network becomes a tutor."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.special import softmax
from torch import nn
from torch.nn import functional as F

import poster
from poster.digest import file_sha256
from poster.errors import InputError
from poster.shipped import SHIPPED, model_path
from poster.training import loop, session
from poster.training.ancestry import Ancestry
from poster.training.data import TrainingData
from poster.training.dlib_file import read_tensors
from poster.training.face_resnet import FaceResNet
from poster.training.recipes import NANO_CONTRACT, RECIPES
from poster.training.session import train
from poster.training.tutor import Tutor, load_tutor
from tests.poster.training.made_up import TINY, bright_eighths

FACES = RECIPES["face_resnet"].override(["epochs=1", "steps=2", "batch_size=8", "bf16=false", "compile=false"])
TAUGHT = RECIPES["posterpp_nano_taught"].override(["epochs=1", "steps=2", "batch_size=8", "bf16=false", "compile=false", "rare_cost=0"])


@pytest.fixture
def data() -> TrainingData:
    images, labels = bright_eighths(48)
    return TrainingData(images, np.eye(8, dtype=np.float32)[labels], labels, np.arange(32), np.arange(32, 48))


def number(value: int) -> bytes:
    """dlib's whole numbers."""
    length = max(1, (value.bit_length() + 7) // 8)
    return bytes([length]) + value.to_bytes(length, "little")


@pytest.fixture(scope="module")
def dlib_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[np.ndarray]]:
    """A file laid out as dlib's, with random weights, and those weights."""
    rng = np.random.default_rng(0)
    net = FaceResNet(8, 0.5, 0.25)
    widths = [(conv.weight.shape, norm.num_features) for conv, norm in net.layers()] + [((256, 256, 3, 3), 256)] * 2
    tensors = []
    for shape, width in widths:
        filters = rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, np.prod(shape))
        tensors += [np.concatenate([filters, rng.normal(0, 0.1, shape[0])]), np.concatenate([rng.uniform(0.5, 1.5, width), rng.normal(0, 0.1, width)])]
    tensors = [tensor.astype("<f4") for tensor in [*tensors, rng.normal(0, 0.1, 256 * 128)]]
    parts = [b"\x01\x01", number(3), b"head\x01\x02\x01\x02\x01\x02"]  # small numbers that look like the sides of a tensor
    for tensor in tensors:
        sides = (256, 128, 1, 1) if len(tensor) == 256 * 128 else (len(tensor), 1, 1, 1)
        parts += [b"con_4", struct.pack("<d", 1.5), number(2), *map(number, sides), tensor.tobytes(), number(70000)]
    path = tmp_path_factory.mktemp("dlib") / "faces.dat"
    path.write_bytes(b"".join(parts))
    return path, tensors


def test_every_tensor_of_the_file_is_read_and_nothing_between_them(dlib_file: tuple[Path, list[np.ndarray]]) -> None:
    path, tensors = dlib_file
    read = read_tensors(path)
    assert len(read) == len(tensors) == 59
    for ours, wanted in zip(read, tensors, strict=True):
        np.testing.assert_array_equal(ours, wanted)


def test_the_network_computes_what_the_file_says_though_its_norms_got_statistics(dlib_file: tuple[Path, list[np.ndarray]]) -> None:
    path, tensors = dlib_file
    images = torch.randn(12, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    net = FaceResNet(8, 0.5, 0.25).eval()
    net.load_published(path, images[:8])

    weights = iter(torch.from_numpy(tensor) for tensor in tensors)

    def layer(x: torch.Tensor, conv: nn.Conv2d) -> torch.Tensor:
        filters, affine = next(weights), next(weights)
        y = F.conv2d(x, filters[: -conv.out_channels].view_as(conv.weight), filters[-conv.out_channels :], conv.stride, conv.padding)
        return y * affine[: conv.out_channels, None, None] + affine[conv.out_channels :, None, None]

    with torch.no_grad():
        grey = F.interpolate(images[8:] * 0.25 + 0.5, size=96, mode="bilinear", align_corners=False) * 255
        x = F.max_pool2d(layer((grey - 115) / 256, net.conv).relu(), 3, 2, 1)
        for unit in net.units:
            padded = x if unit.stride == 1 else F.pad(x, (0, 1, 0, 1))
            y = layer(layer(padded, unit.conv1).relu(), unit.conv2)
            skip = x if unit.stride == 1 else torch.cat([F.avg_pool2d(x, 2), torch.zeros(len(x), y.shape[1] - x.shape[1], *y.shape[2:])], dim=1)
            x = (y + skip).relu()
        wanted = x.mean(dim=(2, 3))
        assert x.shape == (4, 256, 3, 3) and wanted.std() > 0.01
        torch.testing.assert_close(net.forward_features(images[8:]), wanted, rtol=1e-3, atol=1e-4)
        stored = net.forward_features(images[:8])  # as a norm, over the pictures of its statistics, the same
        torch.testing.assert_close(net.train().forward_features(images[:8]), stored, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("content", [b"", b"\x01\x02" * 40, None])
def test_another_file_is_refused(content: bytes | None, dlib_file: tuple[Path, list[np.ndarray]], data: TrainingData, tmp_path: Path) -> None:
    path = tmp_path / "other.dat"
    path.write_bytes(dlib_file[0].read_bytes()[:2_000_000] if content is None else content)
    with pytest.raises(InputError, match=r"other.dat is not dlib's face recognition network; give dlib_face_recognition_resnet_model_v1.dat"):
        FaceResNet(8, 0.5, 0.25).load_published(path, torch.zeros(2, 3, 48, 48))
    with pytest.raises(InputError, match="cannot be read"):
        read_tensors(tmp_path / "missing.dat")


def test_its_answers_are_the_mean_of_its_models() -> None:
    generator = torch.Generator().manual_seed(2)
    models = [nn.Sequential(nn.Flatten(), nn.Linear(12, 8)) for _ in range(2)]
    images = torch.randn(5, 3, 2, 2, generator=generator)
    with torch.no_grad():
        logits = [model(images).numpy().astype(float) for model in models]
    wanted = (softmax(logits[0], axis=1) + softmax(logits[1], axis=1)) / 2
    np.testing.assert_allclose(Tutor(models, bf16=False)(images).numpy(), wanted, atol=1e-6)


def test_a_tutor_with_other_labels_or_input_is_refused(tmp_path: Path) -> None:
    assert len(load_tutor([model_path(SHIPPED)], NANO_CONTRACT, bf16=False).models) == 1
    with pytest.raises(InputError, match=r"cannot be the tutor: its labels, mean differ from the recipe's"):
        load_tutor([model_path(SHIPPED)], NANO_CONTRACT.replace(labels=NANO_CONTRACT.labels[::-1], mean=(0.5, 0.5, 0.5)), bf16=False)
    broken = tmp_path / "broken.safetensors"
    save_file({"conv.weight": torch.zeros(3)}, broken, metadata=FACES.contract.to_metadata())
    with pytest.raises(InputError, match="does not hold the weights its contract names"):
        load_tutor([broken], NANO_CONTRACT, bf16=False)


class Fixed(nn.Module):
    """Says the same of every picture."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))  # what `predict` asks for the device

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.tensor([0.0, 9, 0, 0, 0, 0, 0, 0]).expand(len(images), 8)


@pytest.mark.parametrize(("share", "learnt"), [(1.0, True), (0.0, False)])
def test_with_the_whole_share_the_student_learns_its_tutor_and_not_the_votes(share: float, learnt: bool, data: TrainingData, tmp_path: Path) -> None:
    recipe = TAUGHT.override(["epochs=2", "steps=0", "lr=5e-3", "ema=0", f"tutor_share={share}"])
    torch.manual_seed(0)
    model = poster.create_model("posterpp_nano", num_classes=8, **TINY)
    model.load_state_dict(loop.train(model, NANO_CONTRACT, data, recipe, tmp_path, tutor=Tutor([Fixed()], bf16=False)))
    answers = loop.predict(model, data.images[data.validation], NANO_CONTRACT).softmax(dim=1)[:, 1]
    assert (answers.mean() > 0.25) == learnt  # of the epoch that says least against the votes


class Brightness(nn.Module):
    """Two answers that follow the light in a picture's corner, and a memory of every picture it was asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.asked = nn.Parameter(torch.ones(())), []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.asked += list(images.clone())
        light = images[..., :12, :12].mean(dim=(1, 2, 3)) * self.weight
        return torch.stack([light, -light, *[torch.full_like(light, -50)] * 6], dim=1)


def test_a_tutor_asked_once_sees_each_training_picture_as_it_is_and_has_its_share_in_the_votes(data: TrainingData, tmp_path: Path) -> None:
    recipe = TAUGHT.override(["epochs=2", "tutor_share=0.25", "tutor_plain=true", "augmentation.light=1"])
    model, tutor = poster.create_model("posterpp_nano", num_classes=8, **TINY), Brightness()
    told = loop.asked_once(Tutor([tutor], bf16=False), data, recipe, NANO_CONTRACT)
    light = (data.images[:32, :12, :12].mean(axis=(1, 2)) / 255 - 0.51) / 0.25
    answers = np.zeros((32, 8))
    answers[:, :2] = softmax(np.stack([light, -light], axis=1), axis=1)
    np.testing.assert_allclose(told.votes[:32], 0.75 * data.votes[:32] + 0.25 * answers, atol=1e-5)
    np.testing.assert_array_equal(told.votes[32:], data.votes[32:])
    assert answers[:, 0].std() > 0.05

    tutor.asked.clear()
    loop.train(model, NANO_CONTRACT, data, recipe, tmp_path, tutor=Tutor([tutor], bf16=False))
    plain = (torch.from_numpy(data.images[:32])[:, None].float() / 255 - 0.51) / 0.25
    torch.testing.assert_close(torch.stack(tutor.asked), plain.expand(-1, 3, -1, -1))  # of both epochs, and nothing varied among them

    tutor.asked.clear()
    loop.train(model, NANO_CONTRACT, data, recipe, tmp_path, resume=True, tutor=Tutor([tutor], bf16=False))
    assert not tutor.asked  # no epoch is left that would use its answers


def test_a_student_learns_a_tutor_that_was_asked_once(data: TrainingData, tmp_path: Path) -> None:
    recipe = TAUGHT.override(["epochs=2", "steps=0", "lr=5e-3", "ema=0", "tutor_share=1", "tutor_plain=true"])
    torch.manual_seed(0)
    model = poster.create_model("posterpp_nano", num_classes=8, **TINY)
    model.load_state_dict(loop.train(model, NANO_CONTRACT, data, recipe, tmp_path, tutor=Tutor([Fixed()], bf16=False)))
    assert loop.predict(model, data.images[data.validation], NANO_CONTRACT).softmax(dim=1)[:, 1].mean() > 0.25


@pytest.mark.parametrize("change", ["target=labels", "tutor_share=0"])
def test_asking_once_needs_a_tutor_and_votes(change: str, tmp_path: Path) -> None:
    tutors = [model_path(SHIPPED)] if change == "target=labels" else []
    with pytest.raises(InputError, match="give --tutor FILE and target=votes, or tutor_plain=false"):
        train(TAUGHT.override(["tutor_plain=true", change]), tmp_path / "no-data", tmp_path / "out", start=[SHIPPED], tutors=tutors)
    assert not (tmp_path / "out").exists()


def test_from_dlibs_file_to_a_taught_student(
    dlib_file: tuple[Path, list[np.ndarray]], data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "load", lambda recipe, folder: data)
    tutor = train(FACES, tmp_path, tmp_path / "tutor", backbone=dlib_file[0])
    student = train(TAUGHT, tmp_path, tmp_path / "student", start=[SHIPPED], tutors=[Path(tutor["file"])])
    assert poster.load_model(Path(student["file"])).contract.source == TAUGHT.contract.source
    assert load_tutor([Path(tutor["file"])], NANO_CONTRACT, bf16=False).models[0].head.out_features == 8
    first, second = (Ancestry.read(tmp_path / name / "ancestry.json") for name in ("tutor", "student"))
    assert first.backbone == file_sha256(dlib_file[0]) and first.weights == file_sha256(Path(tutor["file"])) and not first.start
    assert (second.start, second.tutor, second.backbone) == ((file_sha256(model_path(SHIPPED)),), (first.weights,), "")
    further = train(FACES.override(["lr=0", "ema=0"]), tmp_path, tmp_path / "further", start=[str(tutor["file"])])
    before, after = (load_file(Path(run["file"])) for run in (tutor, further))
    assert all(torch.equal(value, after[name]) for name, value in before.items() if "running" not in name and "num_batches" not in name)
    with pytest.raises(InputError, match="cannot start posterpp_nano_taught: it is face_resnet with a linear head"):
        train(TAUGHT, tmp_path, tmp_path / "other", start=[str(tutor["file"])], tutors=[Path(tutor["file"])])


@pytest.mark.parametrize(("share", "tutors"), [("0.5", []), ("0", [Path("tutor.safetensors")])])
def test_a_share_without_a_tutor_or_a_tutor_without_a_share_is_refused(share: str, tutors: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give --tutor FILE with a share above 0, or neither"):
        train(TAUGHT.override([f"tutor_share={share}"]), tmp_path / "no-data", tmp_path / "out", start=[SHIPPED], tutors=tutors)
    assert not (tmp_path / "out").exists()


def test_a_share_above_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tutor_share=1.5 is not a share; give a number from 0 to 1"):
        train(TAUGHT.override(["tutor_share=1.5"]), tmp_path / "no-data", tmp_path / "out", start=[SHIPPED], tutors=[model_path(SHIPPED)])


def test_a_tutor_that_is_not_there_is_named_before_anything_is_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the tutor .*gone.safetensors: there is no such file"):
        train(TAUGHT, tmp_path / "no-data", tmp_path / "out", start=[SHIPPED], tutors=[tmp_path / "gone.safetensors"])
    assert not (tmp_path / "out").exists()


def test_the_face_network_has_no_head_with_a_margin(data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "load", lambda recipe, folder: data)
    with pytest.raises(InputError, match="face_resnet has a linear head only"):
        train(FACES.override(["head.kind=adaface"]), tmp_path, tmp_path / "out", backbone=tmp_path / "faces.dat")


def test_the_face_network_needs_its_file(data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "load", lambda recipe, folder: data)
    with pytest.raises(InputError, match="face_resnet starts from dlib's face recognition network alone: give its file with --backbone"):
        train(FACES, tmp_path, tmp_path / "out")
