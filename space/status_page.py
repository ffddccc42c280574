"""The status of a submission under an address that can be kept, and the newest ones."""

from __future__ import annotations

import re

import gradio as gr

from leaderboard.config import Config
from leaderboard.names import SubmissionError
from leaderboard.status import job_lines, worker_lines
from leaderboard.store import Store
from poster.errors import InputError
from space.answer_view import message_html
from space.settings import Settings
from space.snippet import STATUS, snippet
from space.submission_view import job_html, jobs_html, said_html
from space.text import text
from space.visitor import visitor

LIVE = ("queued", "running")
EVERY_SECONDS = 3


def job_of(request: gr.Request) -> str:
    """The job named in the address, "" for none. Raises SubmissionError for what is no job's name."""
    job = request.query_params.get("job", "")
    if job and not re.fullmatch(r"[0-9a-f]{12}", job):
        raise SubmissionError("The address names no job; its name has twelve hexadecimal digits.")
    return job


def build_status(demo: gr.Blocks, settings: Settings, config: Config, store: Store) -> None:
    """The page's parts; it asks again every few seconds while the job lives."""
    text('<h1>Submissions</h1><p class="lead">The address of a submission can be kept: it works after a restart, too.</p>')
    job, newest = gr.State(""), gr.HTML("", apply_default_css=False, elem_id="newest")
    shown = gr.HTML("", apply_default_css=False, elem_id="job")
    with gr.Accordion("Log", open=False, visible=False, elem_id="job-log") as log:  # stays open while the lines in it change
        said_there = gr.HTML("", apply_default_css=False)
    with gr.Row():
        cancel_it = gr.Button("Cancel", visible=False, scale=0)
        again = gr.Button("Run again", visible=False, scale=0)
    said = gr.HTML("", apply_default_css=False)
    snippet(STATUS)
    timer = gr.Timer(EVERY_SECONDS, active=False)

    def state(job: str) -> tuple[object, ...]:
        """The job as it is now with its log, the buttons that make sense, whether to ask again."""
        hidden = gr.update(visible=False)
        if not job:
            return "", hidden, "", hidden, hidden, gr.update(active=False), jobs_html(job_lines(store, limit=20))
        try:
            (line,) = job_lines(store, job=job)
        except InputError as error:
            return message_html(str(error)), hidden, "", hidden, hidden, gr.update(active=False), ""
        live = line.state in LIVE
        ended = line.state in ("failed", "cancelled")
        html = job_html(line, len(worker_lines(store, config)))
        buttons = gr.update(visible=live), gr.update(visible=ended)
        return html, gr.update(visible=bool(line.log)), said_html(line.log), *buttons, gr.update(active=live), ""

    def opened(request: gr.Request) -> tuple[object, ...]:
        try:
            name = job_of(request)
        except InputError as error:
            return "", message_html(str(error)), *state("")[1:]
        return name, *state(name)

    def act(action: str, job: str, profile: gr.OAuthProfile | None) -> tuple[object, ...]:
        from leaderboard.jobs import cancel, rerun

        try:
            user = visitor(settings, profile)
            if action == "cancel":
                cancel(store, job, user)
            else:
                rerun(store, config, job, user)
        except InputError as error:
            return message_html(str(error)), *state(job)
        return "", *state(job)

    def stop(job: str, profile: gr.OAuthProfile | None) -> tuple[object, ...]:
        return act("cancel", job, profile)

    def restart(job: str, profile: gr.OAuthProfile | None) -> tuple[object, ...]:
        return act("rerun", job, profile)

    parts = [shown, log, said_there, cancel_it, again, timer, newest]
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    demo.load(opened, None, [job, *parts], **quiet)
    timer.tick(state, job, parts, **quiet)
    cancel_it.click(stop, job, [said, *parts], **quiet)
    again.click(restart, job, [said, *parts], **quiet)
