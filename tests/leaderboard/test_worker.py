"""One worker, in this process or as a process of its own: results, refusals, crashes, cancels, time limits, signals, a frozen worker."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event, select, text, update

from leaderboard import lease
from leaderboard.accepted import obtain_weights, weights_path
from leaderboard.attempt import Overdue
from leaderboard.config import ROOT
from leaderboard.fetch import HubUnavailable
from leaderboard.jobs import cancel, get
from leaderboard.lease import LeaseLost
from leaderboard.process import child_environment
from leaderboard.quota import charged
from leaderboard.record import parse_json
from leaderboard.status import job_lines
from leaderboard.store import Store, jobs, results, workers
from leaderboard.worker import Worker
from tests.leaderboard.conftest import add_job

QUICK = (sys.executable, "-S", str(Path(__file__).with_name("quick_child.py")))


@pytest.fixture
def steer(tmp_path, monkeypatch):
    """The folder whose files tell the quick child what to do."""
    folder = tmp_path / "steer"
    folder.mkdir()
    monkeypatch.setenv("FER_CACHE", str(folder))
    for name in ("leaderboard.attempt.LOOK_SECONDS", "leaderboard.held.LOOK_SECONDS", "leaderboard.held.NEWS_SECONDS"):
        monkeypatch.setattr(name, 0.1)
    monkeypatch.setattr("leaderboard.worker.REST_SECONDS", 0.1)
    return folder


@pytest.fixture
def worker(store, config, steer):
    return Worker(store, config, command=QUICK)


def state(store, queued):
    with store.read() as connection:
        return get(connection, queued.job.id)


def stored(store):
    with store.read() as connection:
        return connection.execute(select(results)).all()


def wait_until(true, seconds=60):
    patience = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < patience, "waited in vain"
        time.sleep(0.05)


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


def test_a_full_disk_of_the_worker_is_not_the_jobs_fault(store, config, queue, steer):
    (steer / "broken").touch()
    queued = queue(1)
    worker = Worker(store, config, command=QUICK)
    worker.work(lease.claim(store, config, "w"))
    assert (state(store, queued).state, state(store, queued).tries) == ("queued", 0)
    (steer / "broken").unlink()
    worker.run(once=True)
    assert state(store, queued).state == "done"


def test_a_database_that_is_full_when_the_job_ends_gets_the_result_later(store, worker, queue):
    queued = queue(1)
    with store.write() as connection:
        if store.is_sqlite:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        else:
            body = "BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END"
            connection.execute(text(f"CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"))
            connection.execute(text("CREATE TRIGGER full_disk BEFORE INSERT ON results FOR EACH ROW EXECUTE FUNCTION no_space()"))
    if store.is_sqlite:  # SQLite itself says "database or disk is full"
        with store.write() as connection:
            connection.execute(text("CREATE TABLE filler (x BLOB)"))
        limit = f"PRAGMA max_page_count = {pages + 1}"
        event.listen(store.engine, "checkout", full := lambda connection, *_: connection.execute(limit))
        with store.engine.connect() as connection, pytest.raises(Exception, match="full"):
            connection.exec_driver_sql("INSERT INTO filler VALUES (zeroblob(100000))")
    failures = []
    event.listen(store.engine, "handle_error", lambda context: failures.append(str(context.original_exception)))

    def make_room() -> None:
        wait_until(lambda: failures)
        if store.is_sqlite:
            event.remove(store.engine, "checkout", full)
            event.listen(store.engine, "checkout", lambda connection, *_: connection.execute("PRAGMA max_page_count = 100000"))
        else:
            with store.write() as connection:
                connection.execute(text("DROP TRIGGER full_disk ON results"))

    thread = threading.Thread(target=make_room)
    if store.is_sqlite:
        with store.write() as connection:  # the result needs a page of its own
            connection.execute(text("CREATE TRIGGER grow AFTER INSERT ON results BEGIN INSERT INTO filler VALUES (zeroblob(50000)); END"))
    thread.start()
    worker.run(once=True)
    thread.join()
    assert any("full" in failure or "no space" in failure for failure in failures)
    assert state(store, queued).state == "done" and state(store, queued).tries == 1 and len(stored(store)) == 1


def test_damaged_or_missing_weights_are_our_fault(store, config, worker, queue):
    first, second = queue(1), queue(2)
    weights_path(config, first.job.weights_sha256).write_bytes(b"damaged")
    weights_path(config, second.job.weights_sha256).unlink()
    worker.run(once=True)
    for queued in (first, second):
        assert (state(store, queued).state, state(store, queued).fault) == ("failed", "ours")
        assert "common FER_DATA folder" in state(store, queued).message


def test_a_child_sees_no_token_and_no_database(store, worker, queue, steer, monkeypatch):
    for name in ("HF_TOKEN", "FER_RESULTS_TOKEN", "FER_DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "GH_TOKEN"):
        monkeypatch.setenv(name, "secret-value")
    queue(1)
    worker.run(once=True)
    assert "secret-value" not in (steer / "environment.json").read_text() and "PATH" in (steer / "environment.json").read_text()
    assert "secret" not in str(child_environment({"X_TOKEN": "secret", "PATH": "/bin"}))


def from_a_slow_hub(monkeypatch, config, seconds=2.0, answer=None):
    """The Hub takes its time, then ``answer`` is raised or the stored weights are given."""
    stored = obtain_weights

    def slow(*arguments):
        time.sleep(seconds)
        if answer:
            raise answer
        return stored(*arguments)

    monkeypatch.setattr("leaderboard.attempt.obtain_weights", slow)


def test_a_download_longer_than_the_lease_keeps_the_job(store, config, queue, steer, monkeypatch):
    from_a_slow_hub(monkeypatch, config)
    queued = queue(1)
    Worker(store, replace(config, lease=1.0, beat=0.3), command=QUICK).run(once=True)
    assert (state(store, queued).state, state(store, queued).tries) == ("done", 1)


def test_a_cancel_during_the_download_is_heard_at_once(store, config, worker, queue, steer, monkeypatch):
    from_a_slow_hub(monkeypatch, config, seconds=5.0)
    queued = queue(1)
    thread = threading.Thread(target=worker.run, kwargs={"once": True})
    began = time.monotonic()
    thread.start()
    wait_until(lambda: state(store, queued).state == "running")
    cancel(store, queued.job.id)
    wait_until(lambda: state(store, queued).state == "cancelled")
    assert time.monotonic() - began < 4
    thread.join(60)


def test_a_hub_that_is_away_is_asked_again_and_then_it_is_our_fault(store, worker, config, queue, steer, monkeypatch):
    from_a_slow_hub(monkeypatch, config, seconds=0.0, answer=HubUnavailable("the Hub sleeps"))
    queued = queue(1)
    worker.run(once=True)
    job = state(store, queued)
    assert (job.state, job.fault, job.tries) == ("failed", "ours", 3) and "because the Hugging Face Hub did not answer" in job.message


@pytest.mark.parametrize("number, state_then", [(errno.ENOSPC, "queued"), (errno.EROFS, "queued"), (errno.ENOENT, "failed")])
def test_trouble_of_the_machine_is_no_try_and_any_other_error_is(store, config, worker, queue, monkeypatch, number, state_then):
    def broken(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("leaderboard.attempt.obtain_weights", broken)
    queued = queue(1)
    for _ in range(config.max_tries + 1):
        if job := lease.claim(store, config, "w"):
            worker.work(job)
    assert state(store, queued).state == state_then
    assert (os.strerror(number) in state(store, queued).message) == (state_then == "queued")


# Workers as processes of their own.


@pytest.fixture
def start(config, steer):
    """Starts worker processes with the quick child; whatever still runs at the end of the test is killed."""
    started = []

    def begin(*arguments: str, **settings: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "FER_DATA": str(config.data), "FER_DATABASE_URL": config.url, "FER_CACHE": str(steer), "PYTHONPATH": str(ROOT), **settings}
        script = str(Path(__file__).with_name("quick_worker.py"))
        started.append(subprocess.Popen([sys.executable, script, *arguments], env=environment, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def running_child(steer) -> int:
    """Waits for the child that holds; its process id."""
    wait_until(lambda: (steer / "running").exists() and (steer / "running").read_text())
    return int((steer / "running").read_text())


def is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] == "Z"
    except OSError:
        return True


def test_sigterm_hands_the_job_back_and_another_worker_takes_it_at_once(store, config, queue, steer, start):
    (steer / "hold").touch()
    queued = queue(1)
    process = start()
    child = running_child(steer)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert "handed back" in process.communicate(timeout=90)[1] and process.returncode == 0 and is_gone(child)
    job = state(store, queued)
    assert (job.state, job.tries, job.message) == ("queued", 0, "handed back by a worker that stopped")
    (steer / "hold").unlink()
    Worker(store, config, command=QUICK).run(once=True)
    assert state(store, queued).state == "done"


def test_sigterm_lets_a_short_job_finish(store, config, queue, steer, start):
    (steer / "hold").touch()
    queued = queue(1)
    process = start()
    running_child(steer)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    (steer / "hold").unlink()
    process.communicate(timeout=90)
    assert state(store, queued).state == "done"


def let_the_lease_pass(store):
    with store.write() as connection:
        connection.execute(update(jobs).values(lease_until=jobs.c.lease_until - 3600))


def test_a_killed_worker_takes_its_child_with_it_and_its_job_is_taken_over(store, config, queue, steer, start):
    (steer / "hold").touch()
    queued = queue(1)
    process = start()
    child = running_child(steer)
    process.kill()
    process.wait()
    wait_until(lambda: is_gone(child))
    (steer / "hold").unlink()
    let_the_lease_pass(store)
    Worker(store, config, command=QUICK).run(once=True)
    assert (state(store, queued).state, state(store, queued).tries) == ("done", 2) and len(stored(store)) == 1


def test_a_worker_frozen_past_its_lease_cannot_publish_when_it_wakes(store, config, queue, steer, start):
    (steer / "hold").touch()
    queued = queue(1)
    frozen = start("--once")
    running_child(steer)
    with store.write():  # stopped outside a transaction: one stopped inside holds SQLite's only write lock, and nobody can work until it is gone
        frozen.send_signal(signal.SIGSTOP)
    let_the_lease_pass(store)
    (steer / "hold").unlink()
    Worker(store, config, command=QUICK).run(once=True)
    (row,) = stored(store)
    frozen.send_signal(signal.SIGCONT)
    assert "no longer ours, nothing written" in frozen.communicate(timeout=120)[1]
    assert stored(store) == [row] and row.token == 2 and state(store, queued).state == "done"
    assert {path.stem for path in (config.data / "predictions").iterdir()} == {row.id}


def test_a_database_that_is_gone_for_ten_seconds_costs_nothing(store, queue, steer, start, database_url, request):
    gone = float(os.environ.get("FER_TEST_OUTAGE", "3"))
    (steer / "hold").touch()
    first, second = queue(1), queue(2)
    process = start("--once")
    running_child(steer)
    if store.is_sqlite:
        holder = Store(database_url)
        with holder.engine.connect() as connection:
            connection = connection.execution_options(begin="BEGIN EXCLUSIVE")
            with connection.begin():
                time.sleep(gone)
        holder.close()
    else:
        server = request.getfixturevalue("postgres")
        server.stop()
        time.sleep(gone)
        server.start()
    (steer / "hold").unlink()
    log = process.communicate(timeout=120)[1]
    for queued in (first, second):
        assert (state(store, queued).state, state(store, queued).tries) == ("done", 1), log
    assert len(stored(store)) == 2


def test_a_clock_that_jumps_an_hour_costs_a_try_and_no_result(store, config, queue, steer, start):
    (steer / "hold").touch()
    queued = queue(1)
    process = start("--once")
    running_child(steer)
    with store.write() as connection:
        connection.execute(update(jobs).values(lease_until=jobs.c.lease_until - 3600, deadline=jobs.c.deadline - 3600))
    (steer / "hold").unlink()
    process.communicate(timeout=90)
    assert state(store, queued).state == "done" and state(store, queued).token == 2 and len(stored(store)) == 1


def test_two_quick_submissions_of_one_user_and_two_workers(store, config, steer, start):
    for weights in range(6):
        add_job(store, config, weights)
    processes = [start("--once") for _ in range(2)]
    for process in processes:
        process.communicate(timeout=90)
    assert len(stored(store)) == 6
