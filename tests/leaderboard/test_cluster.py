"""A benchmark sharded over two Ray nodes, one of them killed in the middle, gives what one machine gives."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leaderboard.config import ROOT
from tests.leaderboard.conftest import checkpoint


@pytest.mark.timeout(600)
def test_two_nodes_of_which_one_is_killed_give_what_one_machine_gives(tmp_path):
    pytest.importorskip("ray", reason="needs Ray, which only a cluster installs: pip install -r requirements-cluster.txt")
    path = checkpoint(tmp_path / "m.safetensors")
    script = str(Path(__file__).with_name("ray_run.py"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "FER_CACHE": str(tmp_path)}
    done = subprocess.run([sys.executable, script, str(path), str(tmp_path)], env=environment, capture_output=True, text=True, timeout=580, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["images"] == 256 and answer["chunks"] == answer["kept"] == 16
    assert answer["progress"] == sorted(answer["progress"]) and answer["progress"][-1] == 256
    assert answer["same_result"], "a worker with --engine ray stores what a local one stores"
    assert answer["same"] and answer["difference"] < 1e-4 and answer["embeddings"] < 1e-4
