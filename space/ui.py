"""The app as a whole: one header, one page a job, each under its own address."""

from __future__ import annotations

import gradio as gr
from starlette.middleware import Middleware

from leaderboard.config import Config
from leaderboard.kept import evaluated_models
from leaderboard.store import Store, open_store
from space.about_page import build_about
from space.api import PUBLIC, offer, speak_json
from space.behind import start_behind
from space.board_cache import BoardCache
from space.board_page import build_board
from space.engine import Engine
from space.gone import GoneUploads
from space.model_page import build_model
from space.protocols_page import build_protocols
from space.sessions import keep_little
from space.settings import QUEUE_LOOK, UPLOAD_AGE, UPLOAD_CHECK, Settings, launch_options, queue_options
from space.status_page import build_status
from space.submit_page import build_submit
from space.text import text
from space.theme import looks
from space.try_page import build_try

TITLE = "POSTER facial expressions"
PAGES = (("Try it", ""), ("Leaderboard", "leaderboard"), ("Protocols", "protocols"), ("Submit", "submit"), ("About", "about"))


def header(current: str) -> None:
    """The name and the ways to the other pages."""
    links = "".join(f'<a href="./{path}"{" aria-current=page" if path == current else ""}>{name}</a>' for name, path in PAGES)
    text(f'<header class="top"><p class="name"><a href="./">POSTER</a> facial expressions</p><nav aria-label="Pages">{links}</nav></header>')


def build(settings: Settings, config: Config, store: Store, engine: Engine) -> gr.Blocks:
    """Every page of the app."""
    board = BoardCache(store, config)
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(UPLOAD_CHECK, UPLOAD_AGE)) as demo:
        header("")
        build_try(demo, engine)
        offer(engine, store, board)
    with demo.route("Leaderboard", "leaderboard"):
        header("leaderboard")
        build_board(demo, board)
    with demo.route("Model", "model"):
        header("model")
        build_model(demo, board)
    with demo.route("Protocols", "protocols"):
        header("protocols")
        build_protocols()
    with demo.route("Submit", "submit"):
        header("submit")
        build_submit(settings, config, store)
    with demo.route("Status", "status"):
        header("status")
        build_status(demo, settings, config, store)
    with demo.route("About", "about"):
        header("about")
        build_about()
    for function in demo.fns.values():
        if function.api_name not in PUBLIC:  # the sign-in button brings an event of its own that Gradio would offer to programs
            function.api_visibility = "private"
    demo.config = demo.get_config_file()
    demo.queue(**queue_options())
    demo._queue.sleep_when_free = QUEUE_LOOK
    return demo


def serve(settings: Settings, config: Config) -> None:
    """Open the store, launch, bring the rest in behind, and stay until interrupted. Raises InputError when the store cannot be opened."""
    store = open_store(config.url)
    engine = Engine(settings.model, lambda: evaluated_models(store, config))
    demo = build(settings, config, store, engine)
    app = {"middleware": [Middleware(GoneUploads)]}
    demo.launch(prevent_thread_lock=True, app_kwargs=app, **launch_options(settings, config), **looks())
    speak_json(demo)
    keep_little(demo)
    print(f"Open http://{'127.0.0.1' if settings.host == '0.0.0.0' else settings.host}:{settings.port}", flush=True)  # noqa: T201, S104
    start_behind(settings, config, store, engine)
    demo.block_thread()
