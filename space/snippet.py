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
MODEL = """
from gradio_client import Client

client = Client("ADDRESS", verbose=False)
rows = client.predict(benchmark="", status="", api_name="/leaderboard")["rows"]
print([row for row in rows if row["model"] == "MODEL"])
"""
STATUS = """
from gradio_client import Client

client = Client("ADDRESS", verbose=False)
print(client.predict(job="JOB", api_name="/submission_status"))
"""
FILL_IN = r"""
const code = element.querySelector("code");
const given = new URLSearchParams(location.search);
const [job, model] = [given.get("job"), given.get("name")];
code.textContent = code.textContent.replace("ADDRESS", new URL("./", location.href).href);
if (/^[\w .+()=;,:-]{1,64}$/.test(model)) code.textContent = code.textContent.replace("MODEL", model);
if (/^[0-9a-f]{12}$/.test(job)) code.textContent = code.textContent.replace("JOB", job);
"""


def snippet(code: str) -> None:
    """The code, folded away."""
    html = f'<details class="snippet"><summary>Use it from Python</summary><pre tabindex="0"><code>{escape(code.strip())}</code></pre></details>'
    gr.HTML(html, js_on_load=FILL_IN, apply_default_css=False)
