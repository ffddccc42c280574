"""The curve shows what the log says."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from poster.training.curve import HEIGHT, LEFT, TOP, WIDTH, confusion_picture, curve


def test_the_best_epoch_is_drawn_highest(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("epoch,lr,train_loss,accuracy,mean_class_accuracy,loss,seconds\n1,1,2.0,0.5,0.3,1.9,1\n2,1,1.5,0.9,0.4,1.2,1\n3,1,1.4,0.8,0.6,1.3,1\n")
    picture = ElementTree.fromstring(curve(log))  # noqa: S314, our own text
    lines = [node.attrib["points"] for node in picture.iter() if node.tag.endswith("polyline")]
    accuracy = [float(y) for y in re.findall(r",([\d.]+)", lines[2])]
    assert len(lines) == 4
    assert accuracy.index(min(accuracy)) == 1
    assert min(accuracy) == TOP
    assert max(float(y) for y in re.findall(r",([\d.]+)", lines[3])) == TOP + HEIGHT


def test_the_kept_epoch_is_marked_and_a_single_epoch_can_be_seen(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    head = "epoch,lr,train_loss,accuracy,mean_class_accuracy,loss,seconds\n"
    log.write_text(head + "1,1,2.0,0.5,0.3,1.9,1\n2,1,1.5,0.8,0.4,1.2,1\n3,1,1.4,0.9,0.6,1.3,1\n")
    picture = ElementTree.fromstring(curve(log))  # noqa: S314, our own text
    dashed = [node.attrib["x1"] for node in picture.iter() if "stroke-dasharray" in node.attrib]
    assert [float(x) for x in dashed] == [LEFT + WIDTH / 2, 2 * LEFT + WIDTH + 10 + WIDTH / 2]
    assert "the epoch kept, 2" in curve(log)
    log.write_text(head + "1,1,2.0,0.5,0.3,1.9,1\n")
    assert curve(log).count("<circle") == 4


def test_the_confusion_matrix_shows_every_count() -> None:
    counts = np.arange(9).reshape(3, 3)
    picture = ElementTree.fromstring(confusion_picture(counts, ("anger", "fear", "sadness")))  # noqa: S314, our own text
    texts = [node.text for node in picture.iter() if node.tag.endswith("}text")]
    assert [int(text) for text in texts if text and text.isdigit()] == list(range(9))
    assert all(texts.count(label) == 2 for label in ("anger", "fear", "sadness"))
    shares = [float(node.attrib["fill-opacity"]) for node in picture.iter() if "fill-opacity" in node.attrib]
    assert shares == pytest.approx((counts / counts.sum(axis=1, keepdims=True)).ravel(), abs=1e-3)
