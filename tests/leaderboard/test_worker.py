"""One worker in this process: results, progress, refusals, crashes, the log, time limits and cancels."""

import threading
from dataclasses import replace

import pytest
from sqlalchemy import select

from leaderboard import lease
from leaderboard.attempt import Overdue
from leaderboard.jobs import cancel
from leaderboard.lease import LeaseLost
from leaderboard.process import child_environment
from leaderboard.quota import charged
from leaderboard.record import parse_json
from leaderboard.status import job_lines
from leaderboard.store import workers
from leaderboard.worker import Worker
from tests.leaderboard.conftest import QUICK
from tests.leaderboard.steered import running_child, state, stored


def test_a_job_is_evaluated_and_nothing_is_left_behind(store, config, worker, queue):
    queued = queue(1)
    worker.run(once=True)
    job, (row,) = state(store, queued), stored(store)
    assert (job.state, job.progress, job.tries) == ("done", 1.0, 1)
    record = parse_json(row.record.encode())
    assert (record.model, record.correct, record.num_images, record.id, record.weights_sha256) == ("model 1", 6, 8, row.id, job.weights_sha256)
    assert (config.data / "predictions" / f"{row.id}.parquet").read_bytes() == b"PAR1"
    assert list((config.data / "work").iterdir()) == [] and row.published is None
    with store.read() as connection:
        assert connection.execute(select(workers)).all() == [], "a worker that left is not listed"


def test_progress_is_seen_while_it_runs(store, config, worker, queue, steer, monkeypatch):
    (steer / "seconds").write_text("0.6")
    seen = []
    beat = lease.beat
    monkeypatch.setattr(lease, "beat", lambda *words: (seen.append(words[3:5]), beat(*words)))
    queue(1)
    worker.run(once=True)
    assert [share for share, _ in seen] == sorted(share for share, _ in seen) and len(seen) >= 2
    assert all(0 <= share <= 1 and message.startswith(("scoring", "fetching the weights")) for share, message in seen)
    assert any(message.startswith("scoring") for _, message in seen)


def test_a_refusal_is_the_submitters_and_a_held_back_result_too(store, worker, queue, steer):
    (steer / "refuse").write_text("the model's output for \x1b[31m/srv/x/a.png is not a finite number")
    first = queue(1)
    worker.run(once=True)
    (steer / "refuse").unlink()
    (steer / "held back").touch()
    second = queue(2)
    worker.run(once=True)
    assert (state(store, first).state, state(store, first).fault, state(store, first).message) == (
        "failed", "submitter", "The model's output for .../a.png is not a finite number."
    )  # fmt: skip
    assert state(store, second).message == "Held back: Likely permuted labels." and stored(store) == []


@pytest.mark.parametrize("how, sentence", [("crash", "was killed by SIGSEGV"), ("fail", "ended with code 1")])
def test_a_checkpoint_that_crashes_three_times_fails_free_of_charge_and_the_queue_moves_on(store, config, worker, queue, steer, how, sentence):
    (steer / how).touch()
    bad = queue(1)
    worker.run(once=True)
    (steer / how).unlink()
    good = queue(2)
    worker.run(once=True)
    job = state(store, bad)
    assert (job.state, job.fault, job.tries, state(store, good).state) == ("failed", "ours", 3, "done")
    assert job.message == f"Failed 3 times, the last time because the evaluation {sentence}; it is not tried again, and this was not charged."
    with store.read() as connection:
        assert charged(connection, config, "ann") == 1


def test_what_the_evaluation_said_is_kept_over_all_tries_and_inert(store, config, worker, queue, steer, monkeypatch, caplog):
    monkeypatch.setenv("HF_TOKEN", "swordfish")
    (steer / "say").write_text("\x1b[2Jodd entry <script>\u202e of /home/ann/x.pth, swordfish\r\n")
    (steer / "fail").touch()
    queued = queue(1)
    worker.work(lease.claim(store, config, "w"))
    (line,) = job_lines(store, job=queued.job.id)
    assert line.state == "queued" and [one[20:] for one in line.log] == [
        "try 1 of 3 on cpu", "odd entry <script>  of .../x.pth, [hidden]", "a bug on demand", "try 1: the evaluation ended with code 1; waiting for another",
    ]  # fmt: skip
    assert "\x1b" not in caplog.text and "\u202e" not in caplog.text
    (steer / "fail").unlink()
    Worker(store, config, command=QUICK).run(once=True)
    (line,) = job_lines(store, job=queued.job.id)
    assert [one[20:] for one in line.log[4:]] == ["try 2 of 3 on cpu", line.log[1][20:], f"done: 6 of 8 right, result {line.result}"]
    assert all(one.isprintable() for one in line.log) and job_lines(store)[0].log == (), "only where one job is asked for"


def test_a_late_worker_adds_nothing_to_the_log(store, config, queue):
    queue(1)
    job = lease.claim(store, config, "w")
    lease.beat(store, config, job, 0.1, "scoring", "mine")
    late = replace(job, token=job.token - 1)
    for word in (lambda: lease.beat(store, config, late, 0.2, "scoring", "late"), lambda: lease.stop(store, late, "late")):
        with pytest.raises(LeaseLost):
            word()
    lease.release(store, late, "late", "late")
    assert job_lines(store, job=job.id)[0].log == ("mine",)


@pytest.mark.parametrize("end, why", [("crash", "the process was killed by SIGSEGV"), ("hold", "the time for an evaluation was over")])
def test_scores_that_are_stored_are_never_lost_to_the_analyses(store, config, worker, queue, steer, monkeypatch, end, why):
    (steer / "scored").write_text(end)
    looker = Worker._looker

    def impatient(self, held, deadline):
        look = looker(self, held, deadline)

        def late() -> None:
            look()
            if end == "hold" and held.message == "scored":
                raise Overdue

        return late

    monkeypatch.setattr(Worker, "_looker", impatient)
    queued = queue(1)
    worker.run(once=True)
    (line,) = job_lines(store, job=queued.job.id)
    assert (line.state, line.tries, len(stored(store))) == ("done", 1, 1)
    assert f"analyses are missing: {why}; the scores stand" in line.log[-2]


def test_an_evaluation_that_never_ends_is_stopped(store, config, queue, steer):
    (steer / "hold").touch()
    queued = queue(1)
    Worker(store, replace(config, max_seconds=0.5), command=QUICK).run(once=True)
    assert state(store, queued).state == "failed" and "the longest one may take here" in state(store, queued).message


def test_a_cancel_stops_the_evaluation(store, config, worker, queue, steer):
    (steer / "hold").touch()
    queued = queue(1)
    thread = threading.Thread(target=worker.run, kwargs={"once": True})
    thread.start()
    running_child(steer)
    cancel(store, queued.job.id, "ann")
    thread.join(60)
    assert state(store, queued).state == "cancelled" and not thread.is_alive()
    assert list((config.data / "work").iterdir()) == []


def test_a_child_sees_no_token_and_no_database(store, worker, queue, steer, monkeypatch):
    for name in ("HF_TOKEN", "FER_RESULTS_TOKEN", "FER_DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "GH_TOKEN"):
        monkeypatch.setenv(name, "secret-value")
    queue(1)
    worker.run(once=True)
    assert "secret-value" not in (steer / "environment.json").read_text() and "PATH" in (steer / "environment.json").read_text()
    assert "secret" not in str(child_environment({"X_TOKEN": "secret", "PATH": "/bin"}))
