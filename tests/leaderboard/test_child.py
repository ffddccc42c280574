"""The evaluating process's last word: done, refused by whose fault, or broken where the machine is."""

import errno
import json
import os
import subprocess
import sys

import pytest

from leaderboard.config import ROOT

PROGRAM = """
import sys
from leaderboard import child
from poster.errors import DataError

def full(say, number):
    try:
        raise OSError(number, "the disk says so")
    except OSError as error:
        raise DataError("the decoded images do not fit") from error

def straight(say, number):
    raise OSError(number, "the disk says so")

child.TASKS = {"cached": full, "straight": straight}
sys.exit(child.main())
"""


@pytest.mark.parametrize(
    "task, number, said, code",
    [
        ("cached", errno.ENOSPC, {"broken": "the decoded images do not fit"}, 1),
        ("cached", errno.ENOENT, {"refused": "the decoded images do not fit", "fault": "ours"}, 2),
        ("straight", errno.EROFS, {"broken": "the disk says so"}, 1),
        ("straight", errno.ENOENT, None, 1),
    ],
)
def test_a_full_disk_is_the_machines_affair_however_it_is_told(task, number, said, code):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(json.dumps({"task": task, "number": number}).encode() + b"\n")
        process.stdin.flush()
        answers = process.stdout.read().splitlines()
        process.wait(120)
        process.stderr.read()
    assert process.returncode == code and [json.loads(line) for line in answers] == ([said] if said else [])
