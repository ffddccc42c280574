"""Who acts: on a Space the visitor who signed in with Hugging Face, on one's own machine its user."""

from __future__ import annotations

import getpass

import gradio as gr

from leaderboard.names import SubmissionError
from space.settings import Settings


def visitor(settings: Settings, profile: gr.OAuthProfile | None) -> str:
    """The name submissions are counted under and may be cancelled by. Raises SubmissionError for a visitor of a Space who is not signed in.

    Outside a Space an identity from a browser proves nothing (the session secret is a constant there), so it is not looked at.
    """
    if not settings.on_space:
        return getpass.getuser()
    if profile is None or not profile.username:
        raise SubmissionError("Sign in with Hugging Face on the Submit page first; submissions are counted by name.")
    return profile.username
