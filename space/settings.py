"""What the app is started with: from the environment to arguments of Gradio, whose defaults are too open for strangers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboard.config import Config
from poster.errors import InputError
from poster.photo import MAX_BYTES
from poster.shipped import SHIPPED

STATIC = Path(__file__).with_name("static")
PORT = 7860
QUEUE_PLACES = 32  # visitors who wait; the next one is told that the app is busy (HTTP 503)
QUEUE_LOOK = 0.01  # seconds between two looks at the queue; Gradio's own thousand a second take some percent of a core for ever
UPLOAD_CHECK, UPLOAD_AGE = 60, 600  # seconds: how often left-over uploads are looked for, how old they get; a photo is removed as soon as it is read
HELD_SECONDS = 600  # how long a photo stays in memory for another look at it with other settings
SESSIONS = 200  # visitors whose photo is held at once; the one longest unused is forgotten first


@dataclass(frozen=True)
class Settings:
    """host, port: where the app listens. model: name of a shipped model, or a checkpoint file. on_space: whether this is a Hugging Face Space.
    worker: whether the app runs a worker of its own for what is submitted."""

    host: str = "127.0.0.1"
    port: int = PORT
    model: str = SHIPPED
    on_space: bool = False
    worker: bool = True

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """PORT (or GRADIO_SERVER_PORT), GRADIO_SERVER_NAME, FER_MODEL, SPACE_ID, FER_WORKER (0: none). Raises InputError for a port that is none."""
        env = os.environ if environment is None else environment
        text = env.get("PORT") or env.get("GRADIO_SERVER_PORT") or str(PORT)
        if not text.isdecimal() or not 0 < int(text) < 65536:
            raise InputError(f"PORT is {text!r}; a number from 1 to 65535 is needed.")
        host, model = env.get("GRADIO_SERVER_NAME") or cls.host, env.get("FER_MODEL") or SHIPPED
        return cls(host, int(text), model, bool(env.get("SPACE_ID")), env.get("FER_WORKER") != "0")


def prepare_environment(environment: Any = os.environ) -> None:
    """What must be set before Gradio or torch is imported: no usage reports, no proxy between the app and itself, threads that sleep while they wait."""
    environment["GRADIO_ANALYTICS_ENABLED"] = "False"
    environment["HF_HUB_DISABLE_TELEMETRY"] = "1"
    environment["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**12)  # never: after every request it summed up the last 10,000 for a page that is closed
    environment["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for name in ("NO_PROXY", "no_proxy"):
        environment[name] = ",".join(filter(None, [environment.get(name), "127.0.0.1", "localhost"]))


def queue_options() -> dict[str, Any]:
    """Arguments of ``Blocks.queue``: a bounded queue, closed to calls that are not offered."""
    return {"max_size": QUEUE_PLACES, "default_concurrency_limit": 4, "api_open": False}


def launch_options(settings: Settings, config: Config) -> dict[str, Any]:
    """Arguments of ``Blocks.launch`` apart from the looks.

    Gradio knows one size limit for every upload: on a Space that of a photo, since checkpoints come from the Hub there; on one's own
    machine that of a checkpoint, and photos are held to theirs when they are read.
    """
    return {
        "server_name": settings.host,
        "server_port": settings.port,
        "max_file_size": MAX_BYTES if settings.on_space else config.max_checkpoint,
        "state_session_capacity": SESSIONS,
        "show_error": False,
        "enable_monitoring": False,
        "run_history": False,
        "ssr_mode": False,
        "share": False,
        "pwa": False,
        "mcp_server": True,
        "footer_links": ["api"],
        "quiet": True,
        # Gradio's last look at its own page: given up after 3 s, which a busy machine needs. The app has answered /startup-events by then.
        "_frontend": False,
    }
