"""The measuring of heatmaps as a whole: the command, the sanity check's models, the page, and the shipped model on a photo."""

from __future__ import annotations

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image

import poster
from eval.__main__ import main
from eval.commands.heatmaps_page import examples
from eval.heatmaps import baseline, curves
from eval.heatmaps_page import curves_svg, page, summary, write_page
from eval.heatmaps_run import maps_of, measure, probabilities, randomised
from eval.inference import Compute
from leaderboard.evidence import checked_analyses
from poster.attention import DEFAULT
from poster.contract import ModelContract
from poster.digest import file_sha256
from poster.labels import ORDERS
from poster.shipped import SHIPPED, model_path

WEIGHTS = model_path(SHIPPED)
DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def nano() -> Any:
    torch.manual_seed(0)
    model = poster.create_model("posterpp_nano", num_classes=8).eval()
    model.contract = ModelContract("posterpp_nano", ORDERS["ferplus"], input_size=48, channels="grey")
    return model


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def answer(nano: Any, images: NDArray[np.uint8]) -> dict[str, Any]:
    found = measure(nano, images, np.array([0, 1, 1]), Compute(), steps=2, seed=0, parts=np.ones((3, 48, 48), bool), checked=1)
    head = {"benchmark": "ferplus", "protocol": "majority", "part": "test", "weights_sha256": "ab" * 32, "architecture": "posterpp_nano", "landmarks": "all"}
    return {**head, **found}


def test_weights_are_replaced_from_the_head_down_and_the_model_stays(nano: Any) -> None:
    before = copy.deepcopy(nano.state_dict())
    learned = {name: tensor for name, tensor in before.items() if tensor.is_floating_point() and tensor.unique().numel() > 1}
    kept, parts = [], []
    for part, changed in randomised(nano, seed=3):
        now = changed.state_dict()
        parts.append(part)
        kept.append({name for name, tensor in learned.items() if torch.equal(now[name], tensor)})
    assert parts[0] == "head" and parts[-1] == "rest" and parts.index("blocks") < parts.index("levels") < parts.index("image_stream")
    assert not any(name.startswith("head") for name in kept[0]) and any(name.startswith("blocks") for name in kept[0])
    assert all(later <= earlier for earlier, later in itertools.pairwise(kept)) and kept[-1] == set()
    assert all(torch.equal(tensor, before[name]) for name, tensor in nano.state_dict().items())


def test_the_answer_is_complete_and_a_result_may_carry_it(answer: dict[str, Any]) -> None:
    assert set(answer["maps"]) == {"integrated", "features", "landmarks", "attention", "relevance", "steering", "random", "blobs", "centre"}
    assert answer["deletion_auc"] == answer["maps"]["integrated"]["deletion_auc_blur"]["value"]
    assert answer["intervals"]["insertion_auc"] == answer["maps"]["integrated"]["insertion_auc_blur"]["interval"]
    best = max(("integrated", "features", "landmarks", "attention", "relevance", "steering"), key=lambda name: answer["maps"][name]["faithfulness"]["value"])
    assert answer["winner"] == best
    for name, lead in answer["winner_ahead_by"].items():
        gap = answer["maps"][best]["faithfulness"]["value"] - answer["maps"][name]["faithfulness"]["value"]
        assert lead["value"] == pytest.approx(gap) and lead["interval"][0] <= lead["value"] <= lead["interval"][1]
    for row in answer["maps"].values():
        assert row["landmark_mass"]["value"] == pytest.approx(1)  # every pixel was called a part
        assert row["deletion_curve_blur"][0] == pytest.approx(row["insertion_curve_blur"][-1])
    assert [len(row) for row in answer["randomisation"]["correlation"].values()] == [len(answer["randomisation"]["parts"])] * 6
    assert checked_analyses({"heatmaps": answer})["heatmaps"]["deletion_auc"] == answer["deletion_auc"]
    json.dumps(answer, allow_nan=False)


def test_the_page_says_what_was_measured(answer: dict[str, Any], tmp_path: Path) -> None:
    choice = {**answer, "part": "validation"}
    write_page(choice, answer, np.zeros((40, 30, 3), np.uint8), tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    assert text == page(choice, answer) and summary(answer).count("\n") == 13
    for name, row in answer["maps"].items():
        assert f"{row['faithfulness']['value']:.3f} [" in text and f">{name}</text>" in (tmp_path / "page.svg").read_text()
    assert (tmp_path / "page.svg").read_text().count("<polyline") == 18
    assert (tmp_path / "page.jpg").read_bytes().startswith(b"\xff\xd8")


def test_the_shipped_models_default_map_beats_what_knows_nothing() -> None:
    """On twelve faces that are no part of what it learned from or is measured on: random maps and the centre lose on average, by a margin."""
    model = poster.load_model(WEIGHTS)
    faces = [Image.fromarray((face * 255).astype(np.uint8)).resize((48, 48), Image.Resampling.BICUBIC) for face in skimage.data.lfw_subset()[:12]]
    images = np.stack([np.asarray(face.convert("RGB")) for face in faces])
    predict = probabilities(model, model.contract, Compute())
    target = predict(images).argmax(axis=1)

    def faithfulness(maps: np.ndarray) -> float:
        found = curves(predict, images, maps, "mean", 6)
        return float((found.insertion_auc - found.deletion_auc).mean())

    own = faithfulness(maps_of(model, images, target, "default"))
    assert own > faithfulness(baseline("random", len(images), 48, 0)) + 0.3
    assert own > faithfulness(baseline("centre", len(images), 48, 0)) + 0.1


def test_the_command_measures_stores_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: dict[str, Any]) -> None:
    result, out = tmp_path / "result.json", tmp_path / "out.json"
    stored = json.loads((Path(poster.__file__).parents[1] / "leaderboard/results/posterpp_nano-ferplus-majority.json").read_text())
    result.write_text(json.dumps(stored))
    command = ["heatmaps", str(WEIGHTS), "--benchmark", "sketch", "--json"]
    assert main([*command, "--limit", "2", "--steps", "2", "--checked", "1", "--out", str(out), "--into", str(result)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(out.read_text()) == json.loads(result.read_text())["analyses"]["heatmaps"]
    assert printed["num_images"] == 2 and printed["landmark_area"] is None and "landmark_mass" not in printed["maps"]["centre"]
    changed = json.loads(result.read_text())
    assert changed["analyses"].pop("heatmaps") and stored["analyses"].pop("heatmaps", True) and changed == stored

    result.write_text(json.dumps({**stored, "weights_sha256": "0" * 64}))
    for wrong, sentence in (
        (["--into", str(result)], "is the result of other weights"),
        (["--into", str(tmp_path / "none.json")], "there is no result file"),
        (["--part", "validation"], "sketch has no validation part"),
        (["--steps", "1"], "--steps 2 or more"),
        (["--limit", "-1"], "--limit must be 0"),
        (["--out", str(tmp_path / "out.txt")], "must end in .json"),
        (["--landmarks", str(tmp_path / "none.pth")], "there is no landmark teacher"),
    ):
        assert main([*command, *wrong]) == 2
        assert sentence in json.loads(capsys.readouterr().out)["error"]
    bad = ["heatmaps-page", str(WEIGHTS), str(out), str(out), "--json", "--out", str(tmp_path / "page.md")]
    assert main(bad) == 2
    assert "--part validation" in json.loads(capsys.readouterr().out)["error"]
    out.write_text(json.dumps({**printed, "weights_sha256": "1" * 64}))
    assert main(bad) == 2
    assert "other weights" in json.loads(capsys.readouterr().out)["error"]
    out.write_text("[]")
    assert main(bad) == 2
    assert "is no output of" in json.loads(capsys.readouterr().out)["error"]


def test_the_examples_show_every_source_at_every_level() -> None:
    sheet = examples(WEIGHTS)
    assert sheet.shape == (5 * 150, 6 * 150, 3)
    tiles = sheet.reshape(5, 150, 6, 150, 3).swapaxes(1, 2).reshape(30, -1)
    assert len({tile.tobytes() for tile in tiles}) == 25  # the six photos are one


def test_the_committed_page_is_what_the_committed_measurements_give() -> None:
    """And the default is what won on the part it was chosen on, with the shipped weights."""
    choice, test = (json.loads((DOCS / f"heatmaps-{part}.json").read_text()) for part in ("choice", "test"))
    assert (DOCS / "heatmaps.md").read_text() == page(choice, test)
    assert (DOCS / "heatmaps.svg").read_text() == curves_svg(test)
    assert choice["winner"] == test["source"] == DEFAULT and (choice["part"], test["part"]) == ("validation", "test")
    assert {choice["weights_sha256"], test["weights_sha256"]} == {file_sha256(WEIGHTS)}
    stored = json.loads((DOCS.parent / "leaderboard/results/posterpp_nano-ferplus-majority.json").read_text())
    assert stored["analyses"]["heatmaps"] == test
