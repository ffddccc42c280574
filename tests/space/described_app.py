"""Build the app as the environment says and print what Gradio was told, as JSON: a process of its own, since Gradio leaves sockets behind."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import gradio as gr

from leaderboard.config import Config
from leaderboard.store import open_store
from space.engine import Engine
from space.settings import Settings, prepare_environment
from space.ui import build

if __name__ == "__main__":
    prepare_environment()
    with tempfile.TemporaryDirectory() as folder:
        settings, config = Settings.from_environment(), Config(data=Path(folder))
        app = build(settings, config, open_store(config.url), Engine(settings.model))
        blocks = list(app.blocks.values())
        described = {
            "delete_cache": app.delete_cache,
            "analytics": app.analytics_enabled,
            "queue_look": app._queue.sleep_when_free,
            "pages": [page[0] for page in app.config["pages"]],
            "offered": sorted(one["api_name"] for one in app.config["dependencies"] if one["api_visibility"] == "public"),
            "visibilities": sorted({one["api_visibility"] for one in app.config["dependencies"]}),
            "sign_in": sum(isinstance(block, gr.LoginButton) for block in blocks),
            "images": [[block.type, block.image_mode] for block in blocks if isinstance(block, gr.Image)],
            "templates": sorted({block.html_template for block in blocks if isinstance(block, gr.HTML)}),
        }
    sys.stdout.write(json.dumps(described))
