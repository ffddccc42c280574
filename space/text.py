"""A piece of the page that never changes."""

from __future__ import annotations

import gradio as gr


def text(html: str) -> gr.HTML:
    """Our own HTML, styled by our own sheet alone."""
    return gr.HTML(html, apply_default_css=False)
