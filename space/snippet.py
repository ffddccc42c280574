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
PROTOCOLS = """
from gradio_client import Client

client = Client("ADDRESS", verbose=False)
for row in client.predict(benchmark="", status="measured", api_name="/leaderboard")["rows"]:
    print(row["model"], row["benchmark"], row["protocol"], row["images"], row["accuracy"], row["low"], row["high"])
"""
SUBMIT = """
from gradio_client import Client

client = Client("ADDRESS", verbose=False)
for row in client.predict(benchmark="", status="measured", api_name="/leaderboard")["rows"]:
    print(row["model"], row["weights"], row["submitted_by"], row["finished"])
"""
ABOUT = """
from gradio_client import Client

client = Client("ADDRESS", verbose=False)
client.view_api()
"""
STATUS = """
from gradio_client import Client

client = Client("ADDRESS", verbose=False)
print(client.predict(job="JOB", api_name="/submission_status"))
"""
FILL_IN = r"""
const code = element.querySelector("code");
const given = new URLSearchParams(location.search);
const words = { ADDRESS: new URL("./", location.href).href, MODEL: given.get("name"), JOB: given.get("job") };
for (const [name, word] of Object.entries(words)) {
  // JSON's way to quote a text is Python's too, so no word of the address can end it.
  if (word) code.textContent = code.textContent.replace(`"${name}"`, () => JSON.stringify(word));
}
element.querySelector("details").hidden = /"(MODEL|JOB)"/.test(code.textContent);
"""


def snippet(code: str) -> None:
    """The code, folded away; hidden where the address does not name what it asks for."""
    html = f'<details class="snippet"><summary>Use it from Python</summary><pre tabindex="0"><code>{escape(code.strip())}</code></pre></details>'
    gr.HTML(html, js_on_load=FILL_IN, apply_default_css=False)
