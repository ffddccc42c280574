"""A piece of Python at the foot of a page that works when it is pasted: the page fills in its own address."""

from __future__ import annotations

from html import escape

import gradio as gr

CLASSIFY = """
from base64 import b64encode
from pathlib import Path

from gradio_client import Client

client = Client("ADDRESS", verbose=False)
photo = b64encode(Path("photo.jpg").read_bytes()).decode()
print(client.predict(photo=photo, api_name="/classify_photo"))
"""
BOARD = """
from gradio_client import Client

client = Client("ADDRESS", verbose=False)
print(client.predict(benchmark="ferplus", status="", api_name="/leaderboard"))
"""
STATUS = """
from gradio_client import Client

client = Client("ADDRESS", verbose=False)
print(client.predict(job="JOB", api_name="/submission_status"))
"""
FILL_IN = """
const code = element.querySelector("code");
const job = new URLSearchParams(location.search).get("job");
code.textContent = code.textContent.replace("ADDRESS", new URL("./", location.href).href);
if (/^[0-9a-f]{12}$/.test(job)) code.textContent = code.textContent.replace("JOB", job);
"""


def snippet(code: str) -> None:
    """The code, folded away."""
    html = f'<details class="snippet"><summary>Use it from Python</summary><pre tabindex="0"><code>{escape(code.strip())}</code></pre></details>'
    gr.HTML(html, js_on_load=FILL_IN, apply_default_css=False)
