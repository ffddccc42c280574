"""The measuring of photos as a whole: right and wrong against scikit-learn, what is found and what is not, the page, the command."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, balanced_accuracy_score

import poster
from eval.__main__ import main
from eval.inference import Compute, infer
from eval.mapping import LabelMap
from eval.photos import CONDITIONS, Condition, Photo, enlarged
from eval.photos_page import costs, finder_table, page, summary, table, verdict
from eval.photos_run import Answers, answers, measure, row, scored
from eval.predictions import Predictions
from poster.data.sketch import sketch_set
from poster.digest import file_sha256
from poster.preprocess import resize, to_input
from poster.shipped import SHIPPED, model_path
from tests.eval.conftest import CONTRACT, SmallNet

WEIGHTS = model_path(SHIPPED)
DOCS = Path(__file__).resolve().parents[2] / "docs"
KNOWN = tuple(condition for condition in CONDITIONS if condition.name in ("48 px", "240 px", "skin"))


def nothing(picture: Any, seed: int) -> Photo:
    """A photo without a face."""
    return Photo(np.zeros((60, 60, 3), np.uint8), 0, 0, 60)


@pytest.fixture(scope="module")
def model(small_net: SmallNet) -> SmallNet:
    learned = copy.deepcopy(small_net)
    learned.contract = CONTRACT
    return learned


@pytest.fixture(scope="module")
def faces() -> tuple[Any, Any]:
    """48 sketch faces of 32 pixels in another order of labels than the model's, so that a mixed-up order shows."""
    found = sketch_set(6, seed=1)
    taken = found.relabel(tuple(reversed(found.labels)))
    return taken, np.stack([resize(image, 32) for image in found.source.array])


@pytest.fixture(scope="module")
def plain(model: SmallNet, faces: tuple[Any, Any]) -> Predictions:
    images, pixels = faces
    labels = LabelMap.of(CONTRACT.labels, images.labels)
    return Predictions.of(images, labels.probabilities(infer(model, pixels, CONTRACT, Compute(), images.keys).logits))


@pytest.fixture(scope="module")
def found(model: SmallNet, faces: tuple[Any, Any], plain: Predictions) -> dict[str, Any]:
    empty = Condition("nowhere", "face finder", "no face at all", nothing, finds=True)
    return measure(model, faces[1], range(len(faces[1])), plain, (*KNOWN, empty))


@pytest.fixture(scope="module")
def answer(found: dict[str, Any]) -> dict[str, Any]:
    head = {"benchmark": "ferplus", "protocol": "majority", "split": "PrivateTest", "sample": 48, "seed": 0, "weights_sha256": "ab" * 32}
    return {**head, "architecture": "small", "detector": "dlib", "picture": 32, "crop": 0.0, "classes": {"fear": 6}, **found}


def test_each_condition_is_scored_as_scikit_learn_does(model: SmallNet, faces: tuple[Any, Any], plain: Predictions, found: dict[str, Any]) -> None:
    """The photos are made and cropped here by hand: no app, no contract."""
    images, pixels = faces
    assert found["num_images"] == 48 and set(found["plain"]) == {"accuracy", "mean_class_accuracy"}
    assert found["plain"]["accuracy"]["value"] == accuracy_score(images.targets, plain.predicted) > 0.7
    for condition in KNOWN[1:]:
        photos = [Image.fromarray(condition.change(image, seed).rgb) for seed, image in enumerate(pixels)]
        crops = np.stack([np.asarray(photo.resize((32, 32), Image.Resampling.LANCZOS)) for photo in photos])
        with torch.inference_mode():
            own = model(to_input(crops, CONTRACT)).argmax(dim=1).numpy()
        own = np.array([images.labels.index(CONTRACT.labels[index]) for index in own])
        measured = found["conditions"][condition.name]
        assert measured["accuracy"]["value"] == pytest.approx(
            accuracy_score(images.targets, own), abs=1.01 / 48
        )  # one may lie on the edge: the app shrinks in two steps
        assert measured["difference"]["value"] == pytest.approx(measured["accuracy"]["value"] - found["plain"]["accuracy"]["value"])
        assert measured["same_answer"]["value"] == pytest.approx((own == plain.predicted).mean(), abs=1.01 / 48)


def test_scores_and_differences_are_those_of_the_answers(faces: tuple[Any, Any], plain: Predictions) -> None:
    """Made-up answers, one in six not found: counted as wrong over all, left out among the found."""
    targets = faces[0].targets
    rng = np.random.default_rng(0)
    predicted = np.where(rng.random(48) < 0.6, targets, (targets + 1) % 8)
    predicted[::6] = -1
    width = np.where(predicted < 0, np.nan, rng.uniform(0.9, 1.1, 48))
    there = predicted >= 0
    measured = row(CONDITIONS[-1], Answers(predicted, width, width - 0.9), plain)
    among = measured["among_found"]
    with np.errstate(invalid="ignore"):
        every = np.where(there, predicted, (targets + 1) % 8)
    assert measured["found"]["value"] == pytest.approx(40 / 48)
    for block, one, two, base in (
        (measured, targets, every, plain.predicted),
        (among, targets[there], predicted[there], plain.predicted[there]),
    ):
        assert block["accuracy"]["value"] == pytest.approx(accuracy_score(one, two))
        assert block["mean_class_accuracy"]["value"] == pytest.approx(balanced_accuracy_score(one, two))
        assert block["difference"]["value"] == pytest.approx(accuracy_score(one, two) - accuracy_score(one, base))
        assert block["mean_class_difference"]["value"] == pytest.approx(balanced_accuracy_score(one, two) - balanced_accuracy_score(one, base))
        for name in ("accuracy", "mean_class_accuracy", "difference", "mean_class_difference"):
            low, high = block[name]["interval"]
            assert low < block[name]["value"] < high
    assert measured["same_answer"]["value"] == pytest.approx((predicted == plain.predicted).mean())
    np.testing.assert_allclose(among["width"], np.quantile(width[there], (0.5, 0.1, 0.9)))
    assert scored(np.ones(3, bool), np.array([0, 0, 1]))["mean_class_accuracy"] == {"value": 1, "interval": [1, 1]}


def test_the_whole_way_of_an_upload_changes_nothing_by_itself(model: SmallNet, faces: tuple[Any, Any], plain: Predictions) -> None:
    """A photo of just the size the network wants: every answer is that of `eval score`."""
    labels = LabelMap.of(CONTRACT.labels, plain.labels)
    itself = Condition("itself", "size", "as it is", lambda picture, seed: enlarged(picture, seed, 32))
    seen: list[int] = []
    given = answers(model, faces[1], range(48), itself, labels, seen.append)
    assert (given.predicted == plain.predicted).all() and seen == [48]
    np.testing.assert_allclose(given.width, 1)
    np.testing.assert_allclose(given.offset, 0, atol=1e-9)


def test_where_no_face_is_found_every_answer_is_wrong(found: dict[str, Any]) -> None:
    nowhere = found["conditions"]["nowhere"]
    assert nowhere["found"]["value"] == nowhere["accuracy"]["value"] == nowhere["same_answer"]["value"] == 0
    assert nowhere["among_found"] is None and nowhere["difference"]["value"] == pytest.approx(-found["plain"]["accuracy"]["value"])


def test_the_page_follows_from_the_intervals(answer: dict[str, Any]) -> None:
    changed = json.loads(json.dumps(answer))
    changed["conditions"]["skin"]["difference"] = {"value": -0.031, "interval": [-0.05, -0.012]}
    changed["conditions"]["240 px"]["difference"] = {"value": -0.004, "interval": [-0.02, 0.012]}
    changed["conditions"]["48 px"]["difference"] = {"value": 0.0, "interval": [-0.01, 0.01]}
    assert costs(changed["conditions"]["skin"]) and not costs(changed["conditions"]["240 px"])
    text = page(changed)
    assert "Colour: hurt by skin -3.1 [-5.0, -1.2]." in verdict(changed) and verdict(changed) in text
    assert "Size: no cost that can be told from chance (at worst 240 px -0.4 [-2.0, +1.2])." in text
    assert "2 of 4 kinds of photo cost accuracy" in text, "the other one is that in which no face is found"
    assert "| **-3.1 [-5.0, -1.2]** |" in table(changed) and "| -0.4 [-2.0, +1.2] |" in table(changed)
    assert "| nowhere | 0.0 [0.0, 7.4] | - | - | - | - |" in finder_table(changed) and finder_table(changed) in text
    for name in answer["conditions"]:
        assert f"\n| {name} |" in table(answer) and f"\n{name} " in summary(answer)
    fine = json.loads(json.dumps(answer))
    for measured in fine["conditions"].values():
        measured["difference"] = measured["mean_class_difference"] = {"value": 0.0, "interval": [-0.01, 0.01]}
    assert "none of 4 kinds of photo cost accuracy" in verdict(fine) and "**" not in table(fine) and "No mean class accuracy falls" in verdict(fine)


def test_the_command_measures_the_shipped_model_and_writes_its_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "photos.json"
    assert main(["photos", str(WEIGHTS), "--benchmark", "sketch", "--sample", "8", "--out", str(out), "--json"]) == 0
    said = capsys.readouterr()
    printed = json.loads(said.out)
    assert printed == json.loads(out.read_text()) and "photos: 100%" in said.err
    assert printed["num_images"] == 8 and set(printed["conditions"]) == {condition.name for condition in CONDITIONS}
    itself = printed["conditions"]["48 px"]
    assert itself["same_answer"]["value"] == 1 and itself["accuracy"] == printed["plain"]["accuracy"]
    written = out.with_suffix(".md")
    assert written.read_text() == page(printed)
    written.unlink()
    assert main(["photos-page", str(out)]) == 0 and written.read_text() == page(printed)
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["photos", str(WEIGHTS), "--sample", "-1"], "--sample must be 0"),
        (["photos", str(WEIGHTS), "--benchmark", "sketch", "--split", "PublicTest"], "sketch has no PublicTest part"),
        (["photos", str(WEIGHTS), "--out", "photos.txt"], "must end in .json"),
        (["photos", str(WEIGHTS)], "ferplus needs --data DIR"),
        (["photos-page", str(Path(__file__))], "is no output of `python -m eval photos`"),
    ],
)
def test_what_cannot_be_measured_is_said(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert sentence in capsys.readouterr().err


def test_the_page_in_docs_is_that_of_its_numbers_and_of_the_shipped_model() -> None:
    answer = json.loads((DOCS / "photos.json").read_text())
    assert (DOCS / "photos.md").read_text() == page(answer)
    assert answer["weights_sha256"] == file_sha256(WEIGHTS) and answer["split"] == "PrivateTest"
    assert answer["crop"] == poster.load_model(WEIGHTS).contract.crop
    assert set(answer["conditions"]) == {condition.name for condition in CONDITIONS}
