"""The About page: what the numbers mean, what they must not be used for, and which versions answer here."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import version

import gradio as gr

from poster.shipped import WEIGHTS, shipped_models
from space.settings import STATIC
from space.snippet import ABOUT, snippet
from space.submission_view import facts

PARTS = ("torch", "timm", "gradio", "plotly", "numpy", "SQLAlchemy", "face-alignment", "dlib-bin", "safetensors")


def build_about() -> None:
    """The text of about.md and the versions."""
    gr.Markdown((STATIC / "about.md").read_text(encoding="utf-8"), elem_id="about", container=False)
    gr.HTML(f'<div id="versions"><h2>Versions</h2>{versions_html(versions())}</div>', apply_default_css=False)
    snippet(ABOUT)


def versions() -> dict[str, str]:
    """Python, the libraries that decide what is computed, and the shipped weights by their sha256."""
    found = {"Python": platform.python_version(), **{name: version(name) for name in PARTS}}
    return found | {f"Weights {name}": f"sha256 {_sha256(name)}" for name in shipped_models()}


def _sha256(name: str) -> str:
    with (WEIGHTS / f"{name}.safetensors").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions_html(found: Mapping[str, str]) -> str:
    """As names and values."""
    return facts(list(found.items()))
