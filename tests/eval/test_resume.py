"""A run killed with -9 goes on from its last finished chunk and ends with the very result of an undisturbed run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from eval.chunks import ChunkStore
from eval.inference import infer
from tests.eval.conftest import CONTRACT

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from eval.catalogue import find
from eval.inference import Compute
from eval.load import load
from eval.run import evaluate_model
from tests.eval.conftest import CONTRACT, SmallNet
torch.manual_seed(5)
model, out, pause = SmallNet().eval(), Path(sys.argv[1]), float(sys.argv[2])
def progress(what, done, total):
    if what == "scoring":
        print(done, flush=True)
        time.sleep(pause)
evaluate_model(model, CONTRACT, "a" * 64, load(find("sketch"), None), out, Compute(batch_size=4), probe=False, progress=progress)
"""


def child(out: Path, pause: float) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", CHILD, str(out), str(pause)], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)


@pytest.mark.timeout(600)
def test_killed_at_30_and_at_80_percent(tmp_path):
    out = tmp_path / "r.json"
    restarts = []
    for share in (0.3, 0.8):
        process = child(out, 0.02)
        first = None
        for line in process.stdout:
            first = first or int(line)
            if int(line) >= share * 256:
                process.send_signal(signal.SIGKILL)
                break
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        restarts.append(first)
        assert not out.exists()
        assert list((tmp_path / "r.partial").glob("chunk-*.npz"))
    for place in (out, tmp_path / "whole" / "r.json"):
        process = child(place, 0)
        lines = process.communicate()[0].split()
        assert process.returncode == 0
        restarts.append(int(lines[0]))
    assert restarts == [4, 32, 32, 4], "a chunk is 32 images: finished chunks are reported at once"
    resumed, whole = (json.loads(path.read_text()) for path in (out, tmp_path / "whole" / "r.json"))
    for field in ("seconds", "finished"):
        resumed.pop(field), whole.pop(field)
    assert resumed == whole
    assert (tmp_path / "r.parquet").read_bytes() == (tmp_path / "whole" / "r.parquet").read_bytes()
    assert not (tmp_path / "r.partial").exists()


def test_chunks_of_another_run_are_not_used(tmp_path):
    first = ChunkStore(tmp_path / "c", {"weights": "a"})
    first.write(0, {"logits": np.ones((2, 3))})
    assert ChunkStore(tmp_path / "c", {"weights": "a"}).read(0)["logits"].tolist() == np.ones((2, 3)).tolist()
    assert ChunkStore(tmp_path / "c", {"weights": "b"}).read(0) is None


def test_a_damaged_chunk_is_computed_again(tmp_path, small_net, cpu):
    pixels = np.random.default_rng(0).integers(0, 256, (150, 32, 32, 3), dtype=np.uint8)
    names = tuple(map(str, range(150)))
    plain = infer(small_net, pixels, CONTRACT, cpu, names)
    store = ChunkStore(tmp_path / "c", {})
    infer(small_net, pixels, CONTRACT, cpu, names, store)
    (tmp_path / "c" / "chunk-00001.npz").write_bytes(b"PK\x03\x04 cut")
    again = infer(small_net, pixels, CONTRACT, cpu, names, store)
    assert (again.logits == plain.logits).all()
    assert (again.embeddings == plain.embeddings).all()
    (tmp_path / "c" / "mine.txt").write_text("kept")
    store.clear()
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["mine.txt"]


def test_finished_chunks_are_not_computed_again(tmp_path, small_net, cpu):
    pixels = np.zeros((130, 32, 32, 3), np.uint8)
    names = tuple(map(str, range(130)))
    store = ChunkStore(tmp_path / "c", {})
    infer(small_net, pixels, CONTRACT, cpu, names, store)
    started = time.perf_counter()
    seen = []
    infer(None, pixels, CONTRACT, cpu, names, store, lambda done, total: seen.append(done))
    assert seen == [128, 130]
    assert time.perf_counter() - started < 30
