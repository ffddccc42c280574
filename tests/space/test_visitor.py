"""Who may act."""

from __future__ import annotations

import getpass
from types import SimpleNamespace

import pytest

from leaderboard.names import SubmissionError
from space.settings import Settings
from space.visitor import visitor


def test_on_ones_own_machine_its_user_whatever_a_browser_says():
    assert visitor(Settings(), SimpleNamespace(username="somebody")) == visitor(Settings(), None) == getpass.getuser()


def test_on_a_space_only_who_signed_in():
    on_space = Settings(on_space=True)
    assert visitor(on_space, SimpleNamespace(username="ann")) == "ann"
    for nobody in (None, SimpleNamespace(username="")):
        with pytest.raises(SubmissionError, match="Sign in"):
            visitor(on_space, nobody)
