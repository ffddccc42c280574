"""What is left behind is removed when its time has come, and nothing that is needed."""

import os
import time
from dataclasses import replace

import pytest

from leaderboard.accepted import load_submission, weights_path
from leaderboard.jobs import Fault
from leaderboard.lease import claim, fail, finish
from leaderboard.store import Store
from leaderboard.tidy import SCRATCH_SECONDS, forget_weights, tidy
from tests.leaderboard.conftest import add_job, record_of


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def aged(path, seconds, content=b"x"):
    """A file that was last used so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def aged_folder(path, seconds):
    aged(path / "file", seconds)
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def test_hub_weights_are_kept_while_a_job_needs_them(store, from_hub):
    config, _, job = from_hub
    submission = load_submission(store, job.submission)
    stored = weights_path(config, submission.stored_sha256)
    forget_weights(store, config, submission.stored_sha256)
    assert stored.exists()
    fail(store, claim(store, config, "w"), Fault.OURS, "x")
    forget_weights(store, config, submission.stored_sha256)
    assert not stored.exists()


def test_weights_of_a_file_are_not_forgotten_since_they_cannot_be_fetched_again(store, config, queue):
    job = queue().job
    finish(store, claim(store, config, "w"), record_of(job))
    forget_weights(store, config, job.weights_sha256)
    assert weights_path(config, job.weights_sha256).exists()


def test_scratch_of_the_dead_goes_and_that_of_the_living_stays(store, config):
    for folder in ("incoming/a", "weights/tmpa"):
        aged_folder(config.data / folder, SCRATCH_SECONDS + 60)
    for folder in ("incoming/b", "weights/tmpb"):
        aged_folder(config.data / folder, SCRATCH_SECONDS - 600)
    tidy(store, config)
    assert {path.name for folder in ("incoming", "weights") for path in (config.data / folder).iterdir()} == {"b", "tmpb"}


def test_weights_go_when_no_job_waits_for_them_and_their_time_is_over(store, config):
    old = config.keep_days * 86400 + 60
    jobs = {name: add_job(store, config, number).job for number, name in enumerate(("waiting", "done", "fresh", "failed"))}
    for name in ("done", "fresh", "failed"):
        taken = claim(store, config, "w")
        while taken.id != jobs[name].id:
            taken = claim(store, config, "w")
        fail(store, taken, Fault.OURS, "x") if name == "failed" else finish(store, taken, record_of(taken))
    paths = {name: weights_path(config, job.weights_sha256) for name, job in jobs.items()}
    for name in ("waiting", "done", "failed"):
        os.utime(paths[name], (time.time() - old,) * 2)
    unknown, fresh = aged(weights_path(config, "f" * 64), old), aged(weights_path(config, "e" * 64), old - 600)
    tidy(store, config)
    assert {name for name, path in paths.items() if path.exists()} == {"waiting", "fresh"}
    assert not unknown.exists() and fresh.exists()


def test_predictions_without_a_result_go_and_those_of_results_stay(store, config, queue):
    old = config.keep_days * 86400 + 60
    job = queue().job
    record = replace(record_of(job), predictions="")
    finish(store, claim(store, config, "w"), record)
    kept = aged(config.data / "predictions" / f"{record.id}.parquet", old)
    lost, part = aged(config.data / "predictions/0123456789ab.parquet", old), aged(config.data / "predictions/0123456789ab.part", old)
    young = aged(config.data / "predictions/ba9876543210.parquet", old - 600)
    tidy(store, config)
    assert kept.exists() and young.exists() and not lost.exists() and not part.exists()


def test_old_cache_files_go_and_what_is_not_ours_stays(store, config, cache):
    old, key = config.keep_days * 86400 + 60, "0123456789abcdef" * 2
    ours = [aged(cache / f"{key}{end}", old) for end in (".npy", ".npy.lock", ".npy.17.tmp", ".inventory.json", ".arrays.json", ".images.npy")]
    read = aged(cache / f"{key[::-1]}.npy", old)
    os.utime(read, (time.time() - 60, time.time() - old))  # read a minute ago
    others = [aged(cache / name, old) for name in ("notes.txt", "x.npy", f"{key}")]
    tidy(store, config)
    assert not any(path.exists() for path in ours) and read.exists() and all(path.exists() for path in others)


def test_tidying_twice_at_once_or_an_empty_folder_is_harmless(store, config):
    tidy(store, config)
    other = Store(config.url)
    tidy(other, config)
    other.close()
