"""A worker's folder: held while its process lives, removed when it is gone, whatever its name or machine."""

import os
import subprocess
import sys
import time

from leaderboard.config import ROOT
from leaderboard.workplace import FRESH_SECONDS, Workplace, remove_abandoned

HOLDER = """
import sys, time
from pathlib import Path
from leaderboard.workplace import Workplace
place = Workplace(Path(sys.argv[1]), "other")
place.open()
print(1, flush=True)
time.sleep(600)
"""


def test_the_folder_of_a_living_worker_stays_and_that_of_a_killed_one_goes(tmp_path):
    mine = Workplace(tmp_path, "mine")
    mine.open()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], env=environment, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"1\n"
        (tmp_path / "work/other/job.1").mkdir()
        assert remove_abandoned(tmp_path) == []
        other.kill()
    assert remove_abandoned(tmp_path) == [tmp_path / "work/other"] and (tmp_path / "work/mine").is_dir()
    mine.close()
    assert list((tmp_path / "work").iterdir()) == [] and remove_abandoned(tmp_path / "nothing") == []


def test_a_folder_that_is_being_made_stays_and_an_old_one_without_a_lock_goes(tmp_path):
    for name in ("new", "old"):
        (tmp_path / "work" / name).mkdir(parents=True)
    os.utime(tmp_path / "work/old", (time.time() - FRESH_SECONDS - 60,) * 2)
    assert [path.name for path in remove_abandoned(tmp_path)] == ["old"]


def test_opening_twice_or_closing_what_was_never_opened_is_harmless(tmp_path):
    place = Workplace(tmp_path, "w")
    place.close()
    place.open(), place.open()
    place.close(), place.close()
    assert not place.folder.exists()
