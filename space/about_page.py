"""The About page: what the numbers mean and what they must not be used for."""

from __future__ import annotations

import gradio as gr

from space.settings import STATIC


def build_about() -> None:
    """The text of about.md."""
    gr.Markdown((STATIC / "about.md").read_text(encoding="utf-8"), elem_id="about", container=False)
