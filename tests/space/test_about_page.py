"""The About page says what answers here and what it must not be used for."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

from poster.shipped import SHIPPED, model_path
from space.about_page import versions
from space.settings import STATIC


def test_versions_are_those_that_run_here():
    found = versions()
    assert found["gradio"] == version("gradio") and found["torch"] == version("torch")
    assert found[f"Weights {SHIPPED}"] == "sha256 " + hashlib.sha256(model_path(SHIPPED).read_bytes()).hexdigest()


def test_every_promised_part_is_there():
    text = (STATIC / "about.md").read_text()
    for words in ("can and cannot say", "must not be used for", "Article 5(1)(f)", "How the scores are made", "Holm", "Privacy", "Licences", "./protocols"):
        assert words in text
