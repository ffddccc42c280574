"""What the server remembers of a visitor: what the handlers keep on purpose (gr.State), and nothing of what went in and out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gradio import Blocks
from gradio.state_holder import SessionState, StateHolder

from space.settings import HELD_SECONDS


class Session(SessionState):
    """A visitor's session without Gradio's copy of every value that its components ever held.

    Gradio keeps that copy for links that open the page as somebody left it, which this app does not offer: a photo sent by a program (a session of
    its own for every call) stayed in memory until SESSIONS others had come, and so did the answer with the photo in it.
    """

    def __init__(self, blocks: Blocks) -> None:
        super().__init__(SimpleNamespace(default_config=blocks.default_config, blocks={}))
        self.STATE_TTL_WHEN_CLOSED = HELD_SECONDS  # Gradio's own hour would keep a photo longer after the visitor has left than before

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


class Sessions(StateHolder):
    """The sessions of an app, the one longest unused forgotten first."""

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = Session(self.blocks)
        return super().__getitem__(session_id)


def keep_little(demo: Blocks) -> None:
    """Let a launched app remember its visitors in this way, and write nobody's session to disk: Gradio would for whoever asks, and keep the file."""
    holder = Sessions()
    holder.set_blocks(demo)
    demo.app.state_holder = holder
    routes = demo.app.router.routes
    routes[:] = [route for route in routes if not getattr(route, "path", "").endswith("/deep_link")]
