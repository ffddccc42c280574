"""A job's log: whatever stands in it comes out inert, and without tokens, passwords and folders of the machine."""

import html
import os
import sysconfig

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.config import ROOT, Config
from leaderboard.inert import inert
from leaderboard.journal import LONGEST_LINE, MOST_LINES, READ_AT_ONCE, Journal, hidden_texts, public_line


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("\x1b[2J\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a new title\x07after", "after"),
        ("\x1b]8;;https://evil.example\x1b\\link", "link"),
        ("bell\x07 null\x00 delete\x7f eight-bit\x9b2J", "bell  null  delete  eight-bit 2J"),
        ("left\u202eright \u200bthin", "left right  thin"),
        ("token=abc rest", "token=[hidden] rest"),
        ("Authorization: Bearer abc.def", "Authorization: [hidden]"),
        ("sent Bearer abc.def", "sent [hidden]"),
        ("hf_" + "A" * 34 + " and ghp_" + "b1" * 18, "[hidden] and [hidden]"),
        ("hf_hub_download failed", "hf_hub_download failed"),
        ("postgresql://ann:pass@db.example/fer", "postgresql://db.example/fer"),
        ("no /home/ann/sets/faces.zip there", "no .../faces.zip there"),
        ("open('/home/ann smith/x.bin')", "open('.../x.bin')"),
        ("at file:///srv/data/x and /tmp", "at .../x and .../tmp"),
        ("path=/srv/x:/srv/y, (/a/b)", "path=.../x:/srv/y, (.../b)"),
        ("3/4 of sketch/self-test, https://arxiv.org/abs/2301.12149", "3/4 of sketch/self-test, https://arxiv.org/abs/2301.12149"),
        ("RAF-DB / AffectNet", "RAF-DB / AffectNet"),
        ("missing key: conv1.weight", "missing key: conv1.weight"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_what_becomes_of_a_line(raw, kept):
    assert public_line(raw) == kept


@given(st.text(max_size=400))
def test_every_line_is_printable_and_short(text):
    line = public_line(text.replace("\n", " "))
    assert line.isprintable() and len(line) <= LONGEST_LINE and public_line(line).isprintable()
    assert all(one.isprintable() for one in inert(text).split("\n"))
    assert "<" not in html.escape(line)


def test_our_secrets_and_folders_are_hidden_wherever_they_stand(tmp_path):
    config = Config(data=tmp_path / "data", benchmarks="/srv/sets")
    hidden = hidden_texts(config, {"HF_TOKEN": "swordfish", "PGPASSWORD": "opensesame", "FER_DATABASE_URL": "postgresql://u:p@h/d", "LANG": "swordfish2"})
    line = f"-I{tmp_path}/data/x swordfish,opensesame postgresql://u:p@h/d {ROOT}/eval/run.py {sysconfig.get_path('purelib')}/torch/nn/a.py -L/srv/sets/b"
    assert public_line(line, hidden) == "-I.../x [hidden],[hidden] [hidden] eval/run.py torch/nn/a.py -L.../b"


def test_the_last_lines_are_kept_over_all_tries(tmp_path, monkeypatch):
    journal = Journal(Config(data=tmp_path), ["an earlier try"])
    assert not journal.is_new
    journal.say("one\ntwo\r\n\n  three \x1b[1mbold")
    assert journal.is_new and [line[20:] for line in journal.text.splitlines()[1:]] == ["one", "two", "  three bold"]
    for number in range(MOST_LINES):
        journal.say(f"line {number} " + "x" * 1000)
    lines = journal.text.splitlines()
    assert len(lines) == MOST_LINES and "line 0 " in lines[0] and all(len(line) == 20 + LONGEST_LINE for line in lines)


def test_a_childs_log_is_followed_line_by_line(tmp_path):
    path, journal = tmp_path / "child.log", Journal(Config(data=tmp_path))
    journal.follow(path)
    path.write_bytes(b"loading\n 10 %\r 20 %\r100 %\nhalf a")
    journal.follow(path)
    assert [line[20:] for line in journal.lines] == ["loading", "100 %"]
    with path.open("ab") as file:
        file.write(b" line\nthe end \xff")
    journal.follow(path)
    journal.follow(path, is_ended=True)
    assert [line[20:] for line in journal.lines] == ["loading", "100 %", "half a line", "the end \ufffd"]
    with path.open("ab") as file:
        file.write(os.urandom(10 * READ_AT_ONCE) + b"\nthe last word\n")
    journal.follow(path, is_ended=True)
    assert journal.lines[-1].endswith("the last word") and all(line.isprintable() for line in journal.lines)
    journal.follow(path, is_ended=True)
    assert sum("the last word" in line for line in journal.lines) == 1
