"""The curve shows what the log says."""

import re
from pathlib import Path
from xml.etree import ElementTree

from poster.training.curve import HEIGHT, TOP, curve


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
