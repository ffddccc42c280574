"""The Submit page: name a checkpoint, see at once what it is, confirm, and get the address of its job."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from leaderboard.claims import EPOCH_SELECTION
from leaderboard.config import MIB, Config
from leaderboard.names import SubmissionError
from leaderboard.store import Store
from poster.errors import InputError
from poster.labels import ORDERS, order_name
from space.answer_view import message_html
from space.settings import Settings
from space.snippet import SUBMIT, snippet
from space.submission_view import inspection_html, queued_html, tried_html
from space.text import text
from space.uploads import checkpoint_input, drop, moved
from space.visitor import visitor

if TYPE_CHECKING:
    from poster.checkpoint import Inspection

log = logging.getLogger(__name__)

KEPT_SECONDS = 3600  # how long a fetched checkpoint waits for its form
INTRO = """
<h1>Submit a model</h1>
<p class="lead">Weights of POSTER, POSTER++ or AdaFace with an expression head. No code of yours is run: the file is opened in a confined process,
recognised by its keys and shapes, converted, tried on sixteen pictures, and queued. <a href="./status">Newest submissions</a></p>
"""
TRYING = '<p class="note" role="status">Trying it on sixteen schematic faces under the contract on this page; this takes some seconds.</p>'
NOTHING = '<p class="note">What the checkpoint is, and what is odd about it, appears here.</p>'


@dataclass(frozen=True)
class Seen:
    """A recognised checkpoint that waits for its form, in a folder of its own."""

    path: Path
    folder: Path
    source: str
    found: Inspection


def forget(seen: Seen | None) -> None:
    """Remove the file of a form that was sent or left."""
    if seen is not None:
        shutil.rmtree(seen.folder, ignore_errors=True)


def fetched(config: Config, folder: Path, upload: str | None, repo: str, revision: str, filename: str) -> tuple[Path, str]:
    """The checkpoint in ``folder`` and its source. Raises InputError for what the submitter can mend."""
    from leaderboard.fetch import HubUnavailable, download, resolve
    from leaderboard.submission import local_source

    if upload:
        path = moved(upload, folder)
        return path, local_source(path)
    if not repo.strip():
        raise SubmissionError("Name a checkpoint: a Hugging Face repository, or a file.")
    try:
        file = resolve(config, repo.strip(), revision.strip() or "main", filename.strip())
        return download(config, file, folder), str(file)
    except HubUnavailable as error:
        raise SubmissionError(str(error)) from error


def look(config: Config, upload: str | None, repo: str, revision: str, filename: str, files: bool = True) -> Seen:
    """Fetch and recognise a checkpoint. files: whether uploads are taken. Raises InputError; then nothing is left behind."""
    from leaderboard.submission import propose

    if upload and not files:  # the input is hidden then, which keeps nobody from calling the handler
        drop(upload)
        raise SubmissionError("Files are not taken here; name a Hugging Face repository.")
    incoming = config.data / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=incoming))
    try:
        path, source = fetched(config, folder, upload, repo, revision, filename)
        return Seen(path, folder, source, propose(config, path))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def tried(config: Config, seen: Seen, labels: str | None, channels: str | None) -> str:
    """The dry run under a contract, as HTML; an InputError becomes its sentence."""
    from leaderboard.submission import dry_run
    from poster.checkpoint import convert

    try:
        with tempfile.TemporaryDirectory(dir=seen.folder) as scratch:
            fresh = Path(scratch, "weights.safetensors")
            convert(seen.path, fresh, labels, channels)
            return tried_html(dry_run(config, fresh, Path(scratch)))
    except InputError as error:
        return message_html(str(error))


def available(config: Config) -> list[str]:
    """The benchmarks whose data this machine has."""
    from leaderboard.commands.worker import available_benchmarks

    return list(available_benchmarks(config))


def label_choices(found: Inspection) -> list[tuple[str, str]]:
    """Every known label order of as many classes, under its name and spelled out."""
    count = found.identity.num_classes
    return [(f"{name}: {', '.join(labels)}", name) for name, labels in ORDERS.items() if len(labels) == count]


def build_submit(settings: Settings, config: Config, store: Store) -> None:
    """The page's parts and what they do."""
    text(INTRO)
    if settings.on_space:
        gr.LoginButton()
    seen = gr.State(None, time_to_live=KEPT_SECONDS, delete_callback=forget)
    with gr.Row(elem_id="submit"):
        with gr.Column(scale=5, min_width=300):
            repo = gr.Textbox(label="Hugging Face repository", placeholder="organisation/name", max_length=160, elem_id="repo")
            with gr.Row():
                revision = gr.Textbox(label="Revision", value="main", max_length=100, min_width=120)
                filename = gr.Textbox(label="File in it", placeholder="where there are several", max_length=200, min_width=160)
            upload = checkpoint_input(
                label=f"Or a file of this machine, up to {config.max_checkpoint // MIB} MiB", visible=not settings.on_space, elem_id="checkpoint"
            )
            see = gr.Button("Look at it", variant="primary")
            shown = gr.HTML(NOTHING, apply_default_css=False, elem_id="seen-checkpoint")
            probe = gr.HTML("", apply_default_css=False, elem_id="tried")
        with gr.Column(scale=6, min_width=320, visible=False, elem_id="form") as form:
            name = gr.Textbox(label="Model's name on the leaderboard", max_length=64)
            benchmarks = gr.CheckboxGroup([], label="Benchmarks")
            labels = gr.Dropdown([], label="Label order it was trained with", interactive=True)
            channels = gr.Radio(["rgb", "bgr", "grey"], label="Channel order it was trained with")
            training = gr.Textbox(label="Training data", placeholder="such as RAF-DB train; unknown is an answer", max_length=500)
            epoch = gr.Dropdown(list(EPOCH_SELECTION), value="unknown", label="Epoch chosen on", allow_custom_value=True)
            with gr.Row():
                paper = gr.Textbox(label="Paper (https link)", max_length=300, min_width=140)
                code = gr.Textbox(label="Code (https link)", max_length=300, min_width=140)
            send = gr.Button("Submit", variant="primary")
            sent = gr.HTML("", apply_default_css=False, elem_id="sent")
    snippet(SUBMIT)

    def show(upload: str | None, repo: str, revision: str, filename: str, old: Seen | None) -> Iterator[tuple[Any, ...]]:
        forget(old)
        try:
            new = look(config, upload, repo, revision, filename, files=not settings.on_space)
        except InputError as error:
            yield None, None, message_html(str(error)), gr.update(visible=False), *[gr.skip()] * 3, "", ""
            return
        known, here = new.found.identity, available(config)
        order, fed = order_name(known.labels.names), known.channels.order
        yield (
            new, None, inspection_html(new.found, new.source), gr.update(visible=True), gr.update(choices=here, value=here[:1]),
            gr.update(choices=label_choices(new.found), value=order), gr.update(value=fed), "", TRYING,
        )  # fmt: skip
        yield *[gr.skip()] * 8, tried(config, new, order, fed)

    def try_again(seen: Seen | None, labels: str | None, channels: str | None) -> Iterator[str]:
        if seen is not None:
            yield TRYING
            yield tried(config, seen, labels, channels)

    def submit_form(
        seen: Seen | None, name: str, chosen: list[str], labels: str | None, channels: str | None, training: str, epoch: str, paper: str, code: str,
        profile: gr.OAuthProfile | None,
    ) -> Iterator[tuple[Any, str]]:  # fmt: skip
        from leaderboard.form import Form, choose_benchmarks
        from leaderboard.submission import Prepared, prepare, submit

        if seen is None:
            yield None, message_html("The checkpoint is no longer here; look at it again.")
            return
        try:
            form = Form(name, visitor(settings, profile), training, epoch, choose_benchmarks(chosen), paper, code, labels, channels)
            yield gr.skip(), '<p class="note" role="status">Converting and trying once more under this contract; this takes half a minute.</p>'
            prepared = prepare(store, config, seen.path, seen.source, form)
            jobs = submit(store, config, form, prepared) if isinstance(prepared, Prepared) else prepared
        except InputError as error:
            yield gr.skip(), message_html(str(error))
            return
        forget(seen)
        yield None, queued_html(jobs)

    slow = {"api_visibility": "private", "concurrency_id": "submit", "concurrency_limit": 1, "show_progress": "minimal"}
    see.click(
        show, [upload, repo, revision, filename, seen], [seen, upload, shown, form, benchmarks, labels, channels, sent, probe], show_progress_on=shown, **slow
    )
    for choice in (labels, channels):
        choice.input(try_again, [seen, labels, channels], probe, trigger_mode="always_last", **{**slow, "show_progress": "hidden"})
    send.click(submit_form, [seen, name, benchmarks, labels, channels, training, epoch, paper, code], [seen, sent], show_progress_on=sent, **slow)
