"""The app as a whole: one header, one page a job, each under its own address."""

from __future__ import annotations

import logging
import threading

import gradio as gr

from space.about_page import build_about
from space.board_page import build_board
from space.engine import Engine
from space.settings import UPLOAD_AGE, UPLOAD_CHECK, Settings, launch_options, queue_options
from space.text import text
from space.theme import looks
from space.try_page import build_try
from space.uploads import example

log = logging.getLogger(__name__)

TITLE = "POSTER facial expressions"
PAGES = (("Try it", ""), ("Leaderboard", "leaderboard"), ("About", "about"))


def header(current: str) -> None:
    """The name and the ways to the other pages."""
    links = "".join(f'<a href="./{path}"{" aria-current=page" if path == current else ""}>{name}</a>' for name, path in PAGES)
    text(f'<header class="top"><p class="name"><a href="./">POSTER</a> facial expressions</p><nav aria-label="Pages">{links}</nav></header>')


def build(settings: Settings, engine: Engine) -> gr.Blocks:
    """Every page of the app."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(UPLOAD_CHECK, UPLOAD_AGE)) as demo:
        header("")
        build_try(demo, engine)
    with demo.route("Leaderboard", "leaderboard"):
        header("leaderboard")
        build_board(demo)
    with demo.route("About", "about"):
        header("about")
        build_about()
    return demo.queue(**queue_options())


def warm_up(engine: Engine) -> None:
    """Bring torch, the model and the face detector in by looking at the example once; the page is up meanwhile."""
    try:
        log.info("the first look took %.1f s", engine.answer(example()).seconds)
    except Exception:
        log.exception("the model cannot be used; the pages stay up and say so")


def serve(settings: Settings) -> None:
    """Launch, load the model in the background, and stay until interrupted."""
    engine = Engine(settings.model)
    demo = build(settings, engine)
    demo.launch(prevent_thread_lock=True, **launch_options(settings), **looks())
    print(f"Open http://{'127.0.0.1' if settings.host == '0.0.0.0' else settings.host}:{settings.port}", flush=True)  # noqa: T201, S104
    threading.Thread(target=warm_up, args=(engine,), name="warm-up", daemon=True).start()
    demo.block_thread()
