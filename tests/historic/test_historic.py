"""Results stored by earlier versions still load, and give the scores that were stored then. Files here are never changed, only added."""

import json
from pathlib import Path

import pytest

from eval.result import load, load_predictions
from eval.scores import score

STORED = sorted(Path(__file__).parent.glob("*.json"))


def test_there_are_stored_results():
    assert "schema1-sketch.json" in [path.name for path in STORED]


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_stored_result_loads_and_scores_the_same(path):
    result = load(path)
    predictions = load_predictions(result, path)
    stored = json.loads(path.read_text())
    sheet = score(predictions)
    for name, value in stored["scores"].items():
        assert sheet.scores[name] == (None if value is None else pytest.approx(value, abs=1e-12)), name
    for name, interval in stored["intervals"].items():
        assert sheet.intervals[name] == pytest.approx(tuple(interval), abs=1e-9), name
    assert [list(row) for row in sheet.confusion] == stored["confusion"]
    assert len(predictions.keys) == result.num_images == stored["num_images"]
