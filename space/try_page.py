"""The Try page: a photo or the webcam in; faces, expressions and a heatmap out."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from leaderboard.config import Config
from poster.errors import InputError
from poster.labels import EXPRESSIONS
from poster.photo import MAX_BYTES as PHOTO_BYTES
from poster.photo import MAX_PIXELS
from poster.video import MAX_BYTES as VIDEO_BYTES
from poster.video import MAX_SECONDS, PER_SECOND, Still, read_video
from space.answer_view import answers_html, message_html
from space.engine import LEVELS, SOURCES, TOGETHER, Engine, Heat
from space.own_model import own_html
from space.pace import Pace
from space.settings import HELD_SECONDS, STATIC, Settings
from space.snippet import CLASSIFY, snippet
from space.text import text
from space.uploads import Held, checkpoint_input, drop, example, photo_input, take
from space.video_view import Moment, timeline_html

LIMITS = f"JPEG, PNG or WebP, up to {PHOTO_BYTES // 2**20} MB and {MAX_PIXELS // 1_000_000} megapixels."
NOTES = """
<div class="notes"><p class="note"><strong>What this is.</strong> A research model that learned how a crowd of annotators named the faces in photos.
It says how a face <em>looks to people</em>, not what the person feels. Posed, turned, covered or dark
faces mislead it, and so do people unlike those it learned from.
<a href="./about">What it must not be used for</a>.</p>
<p class="note"><strong>What happens to your photo.</strong> It is removed from disk as soon as it is read, stays in memory for about ten minutes so that you
can change the settings, and is never logged or passed on.</p></div>
"""
WAITING = '<div class="answer waiting"><p class="note">The faces, their expressions and a heatmap appear here.</p></div>'
PRESS = "element.addEventListener('click', (event) => event.target.closest('button') && trigger('click'));"
VIDEO_LIMITS = (
    f"MP4, WebM or MOV, up to {VIDEO_BYTES // 2**20} MB. The first {MAX_SECONDS:.0f} seconds are looked at, {PER_SECOND:.0f} pictures a second, "
    "the largest face of each. It is removed from disk as soon as it is read."
)
OWN_LIMITS = (
    "A checkpoint of POSTER, POSTER++ or AdaFace with an expression head (.pth, .pt, .tar, .safetensors), up to {size} MB. Nothing in it is run. "
    "It stays in memory for this visit, until others need its place."
)
LIVE_EVERY, LIVE_SECONDS = 0.2, 120  # a frame in so many seconds, for so long; what comes faster than this machine's pace is left out
LIVE_LIMITS = f"As many pictures a second as this machine can look at, {1 / LIVE_EVERY:.0f} at most, each gone as soon as it is read."
BUSY = {"concurrency_id": "model", "concurrency_limit": TOGETHER, "api_visibility": "private", "show_progress": "minimal"}


def build_try(demo: gr.Blocks, engine: Engine) -> None:
    """The page's parts and what they do."""
    largest = PHOTO_BYTES if Settings.from_environment().on_space else Config.from_environment().max_checkpoint  # what launch_options lets through
    held = gr.State(None, time_to_live=HELD_SECONDS)
    pace = Pace()
    names, several = list(engine.names), len(engine.names) > 1
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
            sample = gr.HTML(_example_button(), js_on_load=PRESS, apply_default_css=False)
            model = gr.Dropdown(names, value=names[0], label="Model", visible=several, elem_id="model")
            other = gr.Dropdown([("none", ""), *((name, name) for name in names)], value="", label="Beside it", visible=several, elem_id="other")
            with gr.Accordion("Heatmap", open=False, elem_id="heatmap"):
                source = gr.Radio([(words, name) for name, words in SOURCES.items()], value=Heat().source, label="Drawn from")
                level = gr.Radio([("all together", ""), *((name, name) for name in LEVELS)], value="", label="Level of the pyramid")
                label = gr.Dropdown([("each face's strongest", ""), *((name, name) for name in EXPRESSIONS)], value="", label="What speaks for")
            with gr.Accordion("A model of your own", open=False, elem_id="own"):
                file = checkpoint_input(label="Checkpoint", height=120, elem_id="own-file")
                recognised = text(f'<p class="note limits">{OWN_LIMITS.format(size=largest // 2**20)}</p>')
            with gr.Accordion("Short video", open=False, elem_id="video"):
                video = checkpoint_input(label="Video", height=120, file_types=[".mp4", ".webm", ".mov", ".m4v"], elem_id="video-file")
                text(f'<p class="note limits">{VIDEO_LIMITS}</p>')
            with gr.Accordion("Live webcam", open=False, elem_id="live"):
                camera = photo_input(sources=["webcam"], streaming=True, label="Webcam", height=220, buttons=[])
                text(f'<p class="note limits">{LIVE_LIMITS}</p>')
        with gr.Column(scale=8, min_width=320, elem_id="tell"):
            result = gr.HTML(WAITING, js_on_load=(STATIC / "try.js").read_text(encoding="utf-8"), elem_id="result", apply_default_css=False)
            whole = gr.Button("Classify the whole picture", visible=False, elem_id="whole")
    text(NOTES)
    snippet(CLASSIFY)
    settings = [model, other, source, level, label]

    def look(held: Held | None, chosen: tuple[str, ...], whole: bool = False) -> tuple[str, Any]:
        """The result's HTML, and whether the whole picture is offered. chosen: the values of ``settings``."""
        model, other, source, level, label = (value or "" for value in chosen)
        if held is None:
            return message_html("The photo is no longer in memory; choose it again."), gr.update(visible=False)
        try:
            heat = Heat(source, level, label)
            answers = engine.answers(held.data, tuple(dict.fromkeys((model, other or model))), heat, whole, known=held.known)
        except InputError as error:
            return message_html(str(error)), gr.update(visible=False)
        return answers_html(answers, held.is_example), gr.update(visible=not answers[0].predictions)

    def receive(path: str | None, *chosen: str) -> tuple[Any, ...]:
        """A new photo: read and removed from disk, the input cleared for the next one."""
        if path is None:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        fresh = Held(take(path))
        return None, fresh, *look(fresh, chosen)

    def show_example(*chosen: str) -> tuple[Any, ...]:
        fresh = Held(example(), is_example=True)
        return fresh, *look(fresh, chosen)

    def again(held: Held | None, *chosen: str) -> tuple[Any, ...]:
        """Other settings for the photo at hand."""
        return look(held, chosen) if held else (gr.skip(), gr.skip())

    def frame(path: str | None, model: str) -> Any:
        """A picture of the webcam; no heatmap, so that it keeps up."""
        data = take(path) if path else None
        with pace.turn() as mine:
            if data is None or not mine or engine.is_busy:
                return gr.skip()
            try:
                return answers_html([engine.answer(data, model)])
            except InputError as error:
                return message_html(str(error))

    def adopt(path: str | None) -> tuple[Any, ...]:
        """A checkpoint of the visitor's own: gone from disk once it is read, then one of the models to choose from."""
        if path is None:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        try:
            name, own = engine.adopt(Path(path))
        except InputError as error:
            return None, message_html(str(error)), gr.skip(), gr.skip()
        finally:
            drop(path)
        names = [(own.title, name), *((one, one) for one in engine.names)]
        chosen = gr.update(choices=names, value=name, visible=True)
        return None, own_html(own), chosen, gr.update(choices=[("none", ""), *names], visible=True)

    def watch(path: str | None, model: str) -> Iterator[tuple[Any, Any]]:
        """A short video: its pictures one after the other, then the expressions over time."""
        if path is None:
            yield gr.skip(), gr.skip()
            return
        try:
            stills = read_video(take(path))

            def moment(still: Still) -> Moment:
                faces = engine.look(still.rgb, model)
                return Moment(still.seconds, faces[0] if faces else None)

            moments: list[Moment] = []
            with ThreadPoolExecutor(2) as pool:
                for one in pool.map(moment, stills):
                    moments.append(one)
                    if len(moments) % 5 == 1:
                        yield None, f'<p class="note" role="status">{len(moments)} of {len(stills)} pictures</p>'
            yield None, timeline_html(moments, engine.title(model))
        except InputError as error:
            yield None, message_html(str(error))

    def offered() -> tuple[Any, Any]:
        """The models there are now: a submission may have been evaluated since the app started."""
        names = list(engine.names)
        choices = [("none", ""), *((name, name) for name in names)]
        return gr.update(choices=names, visible=len(names) > 1), gr.update(choices=choices, visible=len(names) > 1)

    busy = {**BUSY, "show_progress_on": result}
    photo.input(receive, [photo, *settings], [photo, held, result, whole], **busy)
    sample.click(show_example, settings, [held, result, whole], **busy)
    gr.on([part.input for part in settings], again, [held, *settings], [result, whole], trigger_mode="always_last", **busy)
    whole.click(lambda held, *chosen: look(held, chosen, whole=True), [held, *settings], [result, whole], **busy)
    file.upload(adopt, file, [file, recognised, model, other], concurrency_limit=1, api_visibility="private", show_progress_on=recognised).then(
        again, [held, *settings], [result, whole], **busy
    )
    video.upload(watch, [video, model], [video, result], concurrency_limit=1, api_visibility="private", show_progress_on=result)
    camera.stream(frame, [camera, model], result, stream_every=LIVE_EVERY, time_limit=LIVE_SECONDS, concurrency_limit=2, api_visibility="private")
    demo.load(offered, None, [model, other], api_visibility="private", show_progress="hidden")


def _example_button() -> str:
    """The example photo as a small picture to press."""
    image = Image.open(io.BytesIO(example())).convert("RGB")
    image.thumbnail((112, 112))
    buffer = io.BytesIO()
    image.save(buffer, "jpeg", quality=85)
    source = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return f'<button type="button" class="example"><img src="{source}" alt=""><span>Try it with an example<small>Eileen Collins, NASA</small></span></button>'
