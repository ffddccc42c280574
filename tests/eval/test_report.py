"""The HTML page: self-contained, escaped, with the figures there are numbers for."""

import dataclasses
import re

import pytest

from eval.analyses import analyse
from eval.report import all_figures, page, write_report
from eval.run import evaluate_model
from tests.eval.conftest import CONTRACT


@pytest.fixture
def run(small_net, sketch, cpu, tmp_path):
    return evaluate_model(small_net, CONTRACT, "0" * 64, sketch, tmp_path / "r.json", cpu, probe=False)


def test_the_page_needs_nothing_else(run, tmp_path):
    write_report(run.result, run.predictions, run.sheet, tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    own = text[: text.index("<script>")] + text[text.index("</script>") :]
    assert not re.search(r"(src|href)\s*=\s*['\"]?(https?:)?//", own)
    assert "Plotly.newPlot" in text
    assert len(text) > 3_000_000, "plotly itself is inside"
    accuracy = f"{100 * run.sheet.scores['accuracy']:.2f}\u00a0%"
    assert accuracy in text
    assert "data:image/png" not in own


def test_figures_follow_the_numbers(run, tmp_path):
    titles = [figure.layout.title.text for figure in all_figures(run.result, run.predictions, run.sheet)]
    assert [title.split()[0] for title in titles] == ["Confusion", "Recall", "Reliability", "Cosine", "Embeddings,"]
    assert max(len(title.split("<br>")[0]) for title in titles) < 45, "titles fit a telephone"
    more = analyse(run, ("scale", "robustness", "quality"), 16, None, tmp_path / "r.json")
    titles = [figure.layout.title.text for figure in all_figures(more.result, more.predictions, more.sheet)]
    assert titles[1].startswith("Embedding length and picture quality"), "the quality figure is figure 2"
    assert {"Corruptions", "Resolution"} <= {title.split("<br>")[0].split()[0] for title in titles}


def test_pictures_only_on_request(run):
    with_pictures = page(run.result, run.predictions, run.sheet, run.images.source).split("</script>", 1)[1]
    wrong = int((~run.predictions.correct).sum())
    assert with_pictures.count("data:image/png;base64") == min(wrong, 30) > 0


def test_text_from_outside_is_escaped(run):
    hostile = "<script>alert(1)</script>"
    result = dataclasses.replace(run.result, title=hostile, model=hostile, warnings=(hostile,), contract={"source": hostile})
    keys = tuple(f"{hostile}{number}" for number in range(256))
    text = page(result, dataclasses.replace(run.predictions, keys=keys), run.sheet)
    assert hostile not in text.replace("\\u003c", "<!").split("</script>", 1)[1]
