"""Picture quality: BRISQUE falls and rises with blur and noise; correlation and quartiles against SciPy and pandas."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eval import quality
from eval.corruptions import CORRUPTIONS
from eval.quality import brisque_scorer, lengths, relate
from poster.errors import InputError


def test_brisque_gets_worse_with_blur():
    from skimage.data import astronaut

    face = astronaut()[20:212, 130:322]
    score = brisque_scorer()
    values = [float(np.ravel(score(face))[0]), *(float(np.ravel(score(CORRUPTIONS["blur"](face, severity, 0)))[0]) for severity in (1, 3, 5))]
    assert values == sorted(values)
    assert values[-1] - values[0] > 30


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(quality.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install brisque"):
        brisque_scorer()


def test_correlation_and_quartiles():
    rng = np.random.default_rng(0)
    brisque = rng.uniform(0, 80, 400)
    norms = 20 - 0.1 * brisque + rng.standard_normal(400)
    correct = rng.random(400) < 0.9 - brisque / 200
    brisque[[3, 9]] = np.nan
    found = relate(brisque, norms, correct)
    kept = np.isfinite(brisque)
    expected = stats.spearmanr(norms[kept], -brisque[kept])
    assert found["correlation"] == pytest.approx(expected.statistic)
    assert found["p_value"] == pytest.approx(expected.pvalue)
    assert (found["num_images"], found["unmeasured"]) == (398, 2)
    groups = pd.Series(correct[kept]).groupby(pd.qcut(pd.Series(-brisque[kept]).rank(method="first"), 4, labels=False)).agg(["size", "mean"])
    assert [row["accuracy"] for row in found["quartiles"]] == pytest.approx(groups["mean"].tolist(), abs=0.02)
    assert sum(row["images"] for row in found["quartiles"]) == 398
    assert found["quartiles"][3]["accuracy"] > found["quartiles"][0]["accuracy"]


def test_embeddings_that_a_large_run_kept_sparsely_are_found_again():
    whole = np.random.default_rng(0).standard_normal((90, 5)).astype(np.float32)
    chosen = np.arange(0, 90, 2)
    norms = lengths(whole[::3], chosen, 3)
    assert np.isnan(norms[chosen % 3 > 0]).all()
    assert norms[chosen % 3 == 0] == pytest.approx([np.linalg.norm(whole[position]) for position in chosen if position % 3 == 0])
    brisque = np.linspace(1, 80, len(chosen))
    found, kept = relate(brisque, norms, brisque > 9), np.isfinite(norms)
    assert found["correlation"] == pytest.approx(stats.spearmanr(norms[kept], -brisque[kept]).statistic) and found["num_images"] == len(chosen)
    assert "embedding kept" in relate(brisque, np.full(len(chosen), np.nan), brisque > 9)["correlation_undefined"]


def test_what_is_undefined_says_why():
    even = np.arange(8.0)
    assert "no embedding" in relate(even, None, even > 3)["correlation_undefined"]
    assert "equal" in relate(even, np.ones(8), even > 3)["correlation_undefined"]
    assert "fewer than four" in relate(np.array([1.0, np.nan]), None, np.array([True, True]))["undefined"]
