"""A visitor's session holds what a handler keeps on purpose, and no copy of what went in and out."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import gradio as gr
import pytest

from space.sessions import Session, Sessions
from space.settings import HELD_SECONDS

HELD, PHOTO = gr.State(None, time_to_live=HELD_SECONDS), gr.Textbox()


@pytest.fixture
def sessions() -> Sessions:
    """Of an app that holds one value and shows another; without Gradio's Blocks, which leave sockets behind."""
    parts = {HELD._id: HELD, PHOTO._id: PHOTO}
    config = SimpleNamespace(blocks=parts, config_for_block=lambda key, rendered, block: {"id": key, "props": {}})
    holder = Sessions()
    holder.set_blocks(SimpleNamespace(default_config=config, blocks=parts, state_session_capacity=3))  # type: ignore[arg-type]
    return holder


def test_what_a_handler_keeps_stays_and_what_the_page_shows_does_not(sessions: Sessions):
    session = sessions["visitor"]
    session[HELD._id] = "kept"
    session._update_value_in_config(PHOTO._id, "a photo")
    session._update_config(PHOTO._id)
    assert sessions["visitor"] is session and session[HELD._id] == "kept"
    assert "a photo" not in str(list(session.components)) + str(session.config_values)


def test_a_visitor_who_left_is_forgotten_no_later_than_one_who_stays(sessions: Sessions):
    session = sessions["visitor"]
    session[HELD._id] = "kept"
    session.is_closed = True
    sessions.delete_all_expired_state()
    assert session.state_data == {HELD._id: "kept"}
    session._state_ttl = {key: (seconds, created - timedelta(seconds=HELD_SECONDS + 1)) for key, (seconds, created) in session._state_ttl.items()}
    sessions.delete_all_expired_state()
    assert session.state_data == {}


def test_no_more_sessions_than_allowed(sessions: Sessions):
    assert all(isinstance(sessions[name], Session) for name in "abcad")
    assert list(sessions.session_data) == ["c", "a", "d"]
