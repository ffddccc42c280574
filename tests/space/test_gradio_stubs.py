"""Gradio starts without parsing its own sources, and its components have their events all the same. Each time in a clean interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import ast, sys
{first}
parsed, parse = [], ast.parse
ast.parse = lambda source, *more, **named: (parsed.append(str(source)), parse(source, *more, **named))[1]
import gradio as gr
print(sum("EVENTS = [" in source for source in parsed), callable(gr.Button().click), callable(gr.Video().upload), "torch" in sys.modules)
"""


def said(first: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(first=first)], capture_output=True, text=True, timeout=240, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_no_component_is_parsed_and_all_keep_their_events():
    assert said("import space") == ["0", "True", "True", "False"]


def test_by_itself_gradio_parses_every_one():
    assert int(said("")[0]) > 20  # the day it does not, space/_gradio_stubs.py can go
