"""How the app looks: system fonts, one ink, one accent, hairlines; and the colours of expressions as CSS variables."""

from __future__ import annotations

from typing import Any

import gradio as gr

from space.expressions import COLOURS
from space.settings import STATIC

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Noto Sans", "Liberation Sans", "Arial", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")
ACCENT = gr.themes.Color("#eef6f5", "#d6eae8", "#aed6d2", "#7fbdb8", "#4c9f99", "#247f79", "#0f655f", "#0c524d", "#0a413d", "#08332f", "#051f1d")
INK = gr.themes.Color("#fbfbfa", "#f3f3f1", "#e4e4e0", "#cfcfca", "#a2a29c", "#74746e", "#575752", "#3f3f3b", "#292926", "#1a1a18", "#121211")


def theme() -> gr.themes.Base:
    """Fonts of the visitor's own machine: nothing is fetched from elsewhere."""
    fonts = [gr.themes.Font(name) for name in SANS]
    mono = [gr.themes.Font(name) for name in MONO]
    plain = gr.themes.Base(primary_hue=ACCENT, secondary_hue=ACCENT, neutral_hue=INK, font=fonts, font_mono=mono, radius_size=gr.themes.sizes.radius_sm)
    return plain.set(
        body_background_fill="#ffffff",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_background_fill="#ffffff",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="*neutral_400",
        block_shadow="none",
        block_shadow_dark="none",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_text_color="#ffffff",
        link_text_color="*primary_600",
        link_text_color_dark="*primary_300",
    )


def style() -> str:
    """The style sheets, the expressions' colours first."""
    colours = "".join(f"--{name}:{value};" for name, value in COLOURS.items())
    return f":root{{{colours}}}\n" + "".join((STATIC / name).read_text(encoding="utf-8") for name in ("style.css", "try.css"))


def looks() -> dict[str, Any]:
    """Arguments of ``Blocks.launch`` for the looks; in Gradio 6 they belong there."""
    return {"theme": theme(), "head": f"<style>{style()}</style>"}
