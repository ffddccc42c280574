"""A whole run on the sketch faces: the stored result, the label mapping, what ends a run, the same numbers twice."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import accuracy_score, confusion_matrix

from eval.catalogue import find
from eval.inference import WORTH_COMPILING, Compute, ScoringError, batches, infer
from eval.load import Loaded, load
from eval.mapping import LabelMap
from eval.result import load as load_result
from eval.result import load_predictions
from eval.run import evaluate_model
from poster.data.images import ArraySource, ImageSet
from poster.errors import InputError
from poster.labels import EXPRESSIONS, ORDERS
from poster.preprocess import to_input
from tests.eval.conftest import CONTRACT, SmallNet

SHA = "0" * 64


def test_a_run_and_what_it_stores(small_net, sketch, cpu, tmp_path):
    seen = []
    run = evaluate_model(small_net, CONTRACT, SHA, sketch, tmp_path / "r.json", cpu, progress=lambda *step: seen.append(step))
    assert run.sheet.scores["accuracy"] > 0.85
    table = pd.read_parquet(tmp_path / "r.parquet")
    predicted = table[list(EXPRESSIONS)].to_numpy().argmax(1)
    assert accuracy_score(table["target"], predicted) == run.sheet.scores["accuracy"]
    assert np.array(run.result.confusion).tolist() == confusion_matrix(table["target"], predicted).tolist()
    with torch.inference_mode():
        direct = softmax(small_net(to_input(sketch.images.source.array, CONTRACT)).numpy().astype(float), axis=1)
    assert table[list(EXPRESSIONS)].to_numpy() == pytest.approx(direct, abs=1e-5)
    stored = json.loads((tmp_path / "r.json").read_text())
    assert {"benchmark", "version", "protocol", "num_images", "labels", "scores", "intervals", "confusion", "weights_sha256", "predictions",
            "diagnosis", "software", "device", "dtype", "seconds"} <= stored.keys()  # fmt: skip
    assert (stored["num_images"], stored["predictions"], stored["dtype"]) == (256, "r.parquet", "float32")
    assert ("scoring", 256, 256) in seen
    assert not (tmp_path / "r.partial").exists()
    again = load_result(tmp_path / "r.json")
    assert json.dumps(again.to_json(run.sheet)) == json.dumps(run.result.to_json(run.sheet))
    assert load_predictions(again, tmp_path / "r.json").labels == EXPRESSIONS
    assert run.result.analyses["geometry"]["silhouette"] > 0


def test_the_same_weights_give_the_same_predictions_twice(small_net, sketch, cpu, tmp_path):
    first, second = (evaluate_model(small_net, CONTRACT, SHA, sketch, tmp_path / f"{n}.json", cpu, probe=False) for n in range(2))
    assert (first.predictions.probabilities == second.predictions.probabilities).all()
    assert first.sheet == second.sheet


def test_predictions_of_another_run_are_noticed(small_net, sketch, cpu, tmp_path):
    run = evaluate_model(small_net, CONTRACT, SHA, sketch, tmp_path / "r.json", cpu, probe=False)
    other = dataclasses.replace(run.predictions, probabilities=run.predictions.probabilities[::-1].copy())
    other.write(tmp_path / "r.parquet", {})
    with pytest.raises(InputError, match="do not belong to it"):
        load_predictions(load_result(tmp_path / "r.json"), tmp_path / "r.json")


def test_temperature_divides_the_logits(small_net, sketch, cpu):
    pixels = np.stack([sketch.images.source.read(n) for n in range(4)])[:, ::3, ::3]
    cold, warm = (infer(small_net, pixels, CONTRACT.replace(temperature=t), cpu, ("a",) * 4).logits for t in (1.0, 2.5))
    assert warm == pytest.approx(cold / 2.5, abs=1e-6)


def test_seven_classes_on_an_eight_class_benchmark(sketch, cpu, tmp_path):
    torch.manual_seed(1)
    run = evaluate_model(SmallNet(7).eval(), CONTRACT.replace(labels=ORDERS["raf-db"]), SHA, sketch, tmp_path / "r.json", cpu)
    assert "The model has no class contempt" in run.result.warnings[0]
    assert (run.predictions.probabilities[:, 7] == 0).all()
    assert run.sheet.scores["log_loss"] is None
    assert json.loads((tmp_path / "r.json").read_text())["scores"]["log_loss"] is None


def test_eight_classes_on_seven_are_renormalised_over_the_shared():
    logits = np.random.default_rng(0).standard_normal((5, 8))
    labels = LabelMap.of(ORDERS["ferplus"], ORDERS["raf-db"])
    found = labels.probabilities(logits)
    full = softmax(logits, axis=1)
    where = [ORDERS["ferplus"].index(name) for name in ORDERS["raf-db"]]
    assert found == pytest.approx(full[:, where] / full[:, where].sum(1, keepdims=True))
    assert "no class contempt" in labels.warnings()[0]
    assert LabelMap.of(ORDERS["raf-db"], ORDERS["raf-db"]).warnings() == ()


@pytest.mark.parametrize("labels", [(), ("contempt",)])
def test_too_little_in_common(labels):
    with pytest.raises(ScoringError, match="too few in common"):
        LabelMap.of(labels, EXPRESSIONS[:7])


def test_a_contract_with_another_number_of_labels(sketch, cpu, tmp_path):
    with pytest.raises(ScoringError, match="8 outputs, its contract 7 labels"):
        evaluate_model(SmallNet(8).eval(), CONTRACT.replace(labels=ORDERS["raf-db"]), SHA, sketch, tmp_path / "r.json", cpu)


class Poisoned(SmallNet):
    """NaN for one picture: the one whose first pixel is 7."""

    def forward_head(self, x):
        return super().forward_head(x)

    def forward_features(self, x):
        marked = x[:, 0, 0, 0] == self.mark
        return torch.where(marked[:, None], torch.nan, super().forward_features(x))


def test_a_logit_that_is_no_number_ends_the_run_with_the_images_name(sketch, cpu, tmp_path):
    model = Poisoned().eval()
    pixels = np.zeros((40, 32, 32, 3), np.uint8)
    pixels[23] = 7
    with torch.no_grad():
        model.mark = to_input(pixels[23:24], CONTRACT)[0, 0, 0, 0]
    images = ImageSet(tuple(f"face {n}" for n in range(40)), np.arange(40) % 8, EXPRESSIONS, ArraySource(pixels), "made")
    data = Loaded(sketch.benchmark, images, "f" * 64, ())
    with pytest.raises(ScoringError, match="for the image face 23 is not a finite number"):
        evaluate_model(model, CONTRACT, SHA, data, tmp_path / "r.json", cpu)
    assert not (tmp_path / "r.json").exists()


def test_a_set_without_images_gets_a_sentence(small_net, sketch, cpu, tmp_path):
    data = dataclasses.replace(sketch, images=sketch.images.take([]))
    with pytest.raises(InputError, match="the set has no images"):
        evaluate_model(small_net, CONTRACT, SHA, data, tmp_path / "r.json", cpu)


def test_lower_half_is_another_input(small_net, cpu, tmp_path):
    whole, lower = (
        evaluate_model(small_net, CONTRACT, SHA, load(find(name), None), tmp_path / f"{name}.json", cpu, probe=False) for name in ("sketch", "sketch-lower")
    )
    assert (lower.pixels != whole.pixels).any()
    assert lower.result.benchmark == "sketch-lower"
    assert lower.sheet.scores["accuracy"] < whole.sheet.scores["accuracy"]


def test_autocast_is_close_and_says_so(small_net, sketch, cpu, tmp_path):
    exact = evaluate_model(small_net, CONTRACT, SHA, sketch, tmp_path / "a.json", cpu, probe=False)
    low = evaluate_model(small_net, CONTRACT, SHA, sketch, tmp_path / "b.json", Compute(dtype="bfloat16", batch_size=64), probe=False)
    assert low.result.dtype == "bfloat16"
    assert np.abs(low.predictions.probabilities - exact.predictions.probabilities).max() < 0.1
    assert (low.predictions.probabilities != exact.predictions.probabilities).any()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"dtype": "int8"}, "not one of float32"),
        ({"device": "tpu9"}, "not available"),
        ({"device": "cuda:7"}, "not available"),
        ({"batch_size": -1}, "negative"),
        ({"runtime": "tensorrt"}, "is not one of eager"),
        ({"runtime": "bf16", "dtype": "float16"}, "offers bfloat16"),
    ],
)
def test_impossible_computes(options, sentence):
    with pytest.raises(InputError, match=sentence):
        Compute(**options)


def test_the_runtime_is_in_the_result(small_net, sketch, tmp_path):
    results = {
        name: evaluate_model(small_net, CONTRACT, SHA, sketch, tmp_path / f"{name}.json", Compute(runtime=name), probe=False)
        for name in ("eager", "bf16", "auto")
    }
    said = {name: (run.result.software["runtime"], run.result.dtype) for name, run in results.items()}
    assert said == {"eager": ("eager", "float32"), "bf16": ("bf16", "bfloat16"), "auto": ("eager", "float32")}


def test_auto_takes_what_is_fastest_where_the_run_is_long_enough(monkeypatch):
    monkeypatch.setattr("eval.inference.fastest", lambda dtype: {"float32": "eager", "bfloat16": "bf16"}[dtype])
    auto = Compute(runtime="auto", dtype="bfloat16")
    assert auto.settled(WORTH_COMPILING - 1).runtime == "eager" and auto.settled(WORTH_COMPILING).runtime == "bf16"
    assert Compute(runtime="auto").settled(WORTH_COMPILING).runtime == "eager"
    assert Compute(runtime="eager").settled(10**6).runtime == "eager"


def test_of_many_images_only_some_embeddings_are_kept(small_net, cpu, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (301, 32, 32), dtype=np.uint8)
    names = tuple(map(str, range(301)))
    every = infer(small_net, pixels, CONTRACT, cpu, names)
    monkeypatch.setattr("eval.inference.EMBEDDED", 100)
    some = infer(small_net, pixels, CONTRACT, cpu, names)
    assert len(every.embeddings) == 301 and (some.logits == every.logits).all()
    assert (some.embeddings == every.embeddings[::4]).all()


def test_grey_and_colour_arrays_give_the_same(small_net, cpu):
    grey = np.random.default_rng(0).integers(0, 256, (5, 32, 32), dtype=np.uint8)
    one, three = (np.concatenate([part["logits"] for part in batches(small_net, pixels, CONTRACT, cpu)]) for pixels in (grey, np.repeat(grey[..., None], 3, 3)))
    assert one == pytest.approx(three, abs=1e-5)
