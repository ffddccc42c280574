"""What the app is started with: every default of Gradio that is too open is closed."""

from __future__ import annotations

import inspect

import gradio as gr
import pytest

from leaderboard.config import Config
from poster.errors import InputError
from poster.photo import MAX_BYTES
from space.settings import Settings, launch_options, prepare_environment, queue_options


def test_the_environment_decides():
    settings = Settings.from_environment({"PORT": "7999", "GRADIO_SERVER_NAME": "10.0.0.7", "FER_MODEL": "x.pth", "SPACE_ID": "a/b", "FER_WORKER": "0"})
    assert settings == Settings("10.0.0.7", 7999, "x.pth", True, False)
    assert Settings.from_environment({}) == Settings("127.0.0.1", 7860, "posterpp_nano", False, True)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "78 60"])
def test_a_port_that_is_none(port):
    with pytest.raises(InputError, match="PORT"):
        Settings.from_environment({"PORT": port})


def test_what_is_closed():
    options = launch_options(Settings(), Config())
    closed = ("show_error", "enable_monitoring", "run_history", "share", "ssr_mode")
    assert {name: options[name] for name in closed} == dict.fromkeys(closed, False)
    assert options["server_name"] == "127.0.0.1" and options["max_file_size"] == Config().max_checkpoint
    assert launch_options(Settings(on_space=True), Config())["max_file_size"] == MAX_BYTES
    assert set(options) <= set(inspect.signature(gr.Blocks.launch).parameters)
    queue = queue_options()
    assert 0 < queue["max_size"] < 1000 and queue["default_concurrency_limit"] > 1
    assert set(queue) <= set(inspect.signature(gr.Blocks.queue).parameters)


def test_no_reports_no_spinning_and_no_proxy_to_itself():
    environment = {"OMP_WAIT_POLICY": "ACTIVE", "NO_PROXY": "example.org"}
    prepare_environment(environment)
    assert int(environment["GRADIO_ANALYTICS_CACHE_FREQUENCY"]) > 10**9 and environment["GRADIO_ANALYTICS_MAX_EVENTS"] == "1"
    assert environment["GRADIO_ANALYTICS_ENABLED"] == "False" and environment["OMP_WAIT_POLICY"] == "ACTIVE"
    assert environment["NO_PROXY"] == "example.org,127.0.0.1,localhost" and environment["no_proxy"] == "127.0.0.1,localhost"
    prepare_environment(fresh := {})
    assert fresh["OMP_WAIT_POLICY"] == "PASSIVE"
