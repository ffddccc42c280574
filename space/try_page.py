"""The Try page: a photo or the webcam in; faces, expressions and a heatmap out."""

from __future__ import annotations

import base64
import io
from typing import Any

import gradio as gr
from PIL import Image

from poster.errors import InputError
from poster.photo import MAX_BYTES, MAX_PIXELS
from space.answer_view import answer_html, message_html
from space.engine import SOURCES, Engine
from space.settings import HELD_SECONDS, STATIC
from space.text import text
from space.uploads import Held, example, photo_input, take

LIMITS = f"JPEG, PNG or WebP, up to {MAX_BYTES // 2**20} MB and {MAX_PIXELS // 1_000_000} megapixels."
NOTES = """
<div class="notes"><p class="note"><strong>What this is.</strong> A research model that learned how a crowd of annotators named the faces in photos.
It says how a face <em>looks to people</em>, not what the person feels. Posed, turned, covered or dark
faces mislead it, and so do people unlike those it learned from.
<a href="./about">What it must not be used for</a>.</p>
<p class="note"><strong>What happens to your photo.</strong> It is removed from disk as soon as it is read, stays in memory for about ten minutes so that you
can change the settings, and is never logged or passed on.</p></div>
"""
WAITING = '<div class="answer waiting"><p class="note">The faces, their expressions and a heatmap appear here.</p></div>'


def build_try(demo: gr.Blocks, engine: Engine) -> None:
    """The page's parts and what they do."""
    held = gr.State(None, time_to_live=HELD_SECONDS)
    with gr.Row(elem_id="try", equal_height=False):
        with gr.Column(scale=4, min_width=300, elem_id="ask"):
            photo = photo_input(
                sources=["upload", "clipboard", "webcam"],
                label="Your photo",
                height=260,
                buttons=[],
                elem_id="photo",
                placeholder="Drop or paste a photo, or click to choose one",
            )
            text(f'<p class="note limits">{LIMITS}</p>')
            sample = gr.HTML(
                _example_button(),
                js_on_load="element.addEventListener('click', (e) => e.target.closest('button') && trigger('click'));",
                apply_default_css=False,
            )
            model = gr.Dropdown(list(engine.names), value=engine.names[0], label="Model", visible=len(engine.names) > 1, elem_id="model")
            source = gr.Radio([(words, name) for name, words in SOURCES.items()], value="features", label="Heatmap drawn from", elem_id="source")
        with gr.Column(scale=8, min_width=320, elem_id="tell"):
            result = gr.HTML(WAITING, js_on_load=(STATIC / "try.js").read_text(encoding="utf-8"), elem_id="result", apply_default_css=False)
            whole = gr.Button("Classify the whole picture", visible=False, elem_id="whole")
    text(NOTES)

    def look(held: Held | None, model: str, source: str, whole: bool = False) -> tuple[str, Any]:
        """The result's HTML, and whether the whole picture is offered."""
        if held is None:
            return message_html("There is no photo to look at any more; choose it again."), gr.update(visible=False)
        try:
            answer = engine.answer(held.data, model, source, whole)
        except InputError as error:
            return message_html(str(error)), gr.update(visible=False)
        return answer_html(answer, held.is_example), gr.update(visible=not answer.predictions)

    def receive(path: str | None, model: str, source: str) -> tuple[Any, ...]:
        """A new photo: read and removed from disk, the input cleared for the next one."""
        if path is None:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        fresh = Held(take(path))
        return None, fresh, *look(fresh, model, source)

    def show_example(model: str, source: str) -> tuple[Any, ...]:
        fresh = Held(example(), is_example=True)
        return fresh, *look(fresh, model, source)

    def again(held: Held | None, model: str, source: str) -> tuple[Any, ...]:
        """Other settings for the photo at hand."""
        return look(held, model, source) if held else (gr.skip(), gr.skip())

    busy = {"concurrency_id": "model", "concurrency_limit": 2, "api_visibility": "private", "show_progress": "minimal", "show_progress_on": result}
    gr.on([photo.input], receive, [photo, model, source], [photo, held, result, whole], **busy)
    sample.click(show_example, [model, source], [held, result, whole], **busy)
    gr.on([model.input, source.input], again, [held, model, source], [result, whole], trigger_mode="always_last", **busy)
    whole.click(lambda held, model, source: look(held, model, source, whole=True), [held, model, source], [result, whole], **busy)


def _example_button() -> str:
    """The example photo as a small picture to press."""
    image = Image.open(io.BytesIO(example())).convert("RGB")
    image.thumbnail((112, 112))
    buffer = io.BytesIO()
    image.save(buffer, "jpeg", quality=85)
    source = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return f'<button type="button" class="example"><img src="{source}" alt=""><span>Try it with an example<small>Eileen Collins, NASA</small></span></button>'
