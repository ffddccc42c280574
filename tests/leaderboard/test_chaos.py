"""Workers and their children killed or frozen at random instants: as many results as jobs, none twice, none lost, on both databases.

FER_CHAOS_JOBS sets the size (200 for the full run, some minutes), FER_CHAOS_SEED the instants.
"""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from leaderboard.config import ROOT
from leaderboard.record import parse_json
from leaderboard.store import Store, jobs, results
from tests.leaderboard.conftest import add_job

JOBS = int(os.environ.get("FER_CHAOS_JOBS", "40"))
SEED = int(os.environ.get("FER_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
WORKERS, LEASE = 4, 5.0


class Crew:
    """Four worker processes; one that died is replaced."""

    def __init__(self, config, steer, folder):
        self.environment = {
            **os.environ, "FER_DATA": str(config.data), "FER_DATABASE_URL": config.url, "FER_CACHE": str(steer), "PYTHONPATH": str(ROOT),
            "FER_LEASE": str(LEASE), "FER_BEAT": "1", "FER_MAX_TRIES": "1000",
        }  # fmt: skip
        self.log = (folder / "workers.log").open("ab")
        self.processes = [self.begin() for _ in range(WORKERS)]
        self.frozen = {}

    def begin(self):
        return subprocess.Popen([sys.executable, str(Path(__file__).with_name("quick_worker.py"))], env=self.environment, stderr=self.log)

    def children(self):
        """Every child of a worker, from /proc."""
        parents = {process.pid for process in self.processes}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) in parents and fields[0] != "Z":
                yield int(stat.parent.name)

    def harm(self, draw):
        """One blow: what was done, for the log."""
        now = time.monotonic()
        for process, until in list(self.frozen.items()):
            if now > until:
                process.send_signal(signal.SIGCONT)
                del self.frozen[process]
        blow = draw.choice(["worker", "worker", "child", "child", "freeze"])
        if blow == "child":
            found = list(self.children())
            if found:
                try:
                    os.kill(draw.choice(found), signal.SIGKILL)
                except ProcessLookupError:
                    return "late"
        elif blow == "freeze":
            process = draw.choice(self.processes)
            if process not in self.frozen:
                process.send_signal(signal.SIGSTOP)
                self.frozen[process] = now + LEASE + 1.5
        else:
            index = draw.randrange(WORKERS)
            self.frozen.pop(self.processes[index], None)
            self.processes[index].kill()
            self.processes[index].wait()
            self.processes[index] = self.begin()
        return blow

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.log.close()


@pytest.mark.timeout(1800)
def test_random_kills_lose_nothing_and_double_nothing(store, config, tmp_path, record_property):
    (steer := tmp_path / "steer").mkdir()
    (steer / "seconds").write_text("0.15")
    wanted = {add_job(store, config, weights).job.id for weights in range(JOBS)}
    draw, blows = random.Random(SEED), []
    crew = Crew(config, steer, tmp_path)
    began = time.monotonic()
    try:
        while remaining(store):
            assert time.monotonic() - began < 1500, f"seed {SEED}: not done, {remaining(store)} left"
            time.sleep(draw.uniform(0.05, 1.2))
            blows.append(crew.harm(draw))
    finally:
        crew.close()
    with store.read() as connection:
        ended = connection.execute(select(jobs)).all()
        stored = connection.execute(select(results)).all()
    assert {job.id for job in ended} == wanted and {job.state for job in ended} == {"done"}, f"seed {SEED}"
    assert len(stored) == JOBS and {row.job for row in stored} == wanted, f"seed {SEED}"
    tokens = {job.id: job.token for job in ended}
    assert all(row.token == tokens[row.job] for row in stored), "every result is that of the last claim"
    for row in stored:
        record = parse_json(row.record.encode())
        assert record.id == row.id and (config.data / "predictions" / record.predictions).is_file()
    record_property("blows", len(blows))
    retried = sum(job.token > 1 for job in ended)
    print(f"seed {SEED}: {JOBS} jobs, {len(blows)} blows, {retried} jobs claimed more than once, {time.monotonic() - began:.0f} s")
    assert retried, "no blow hit a job at work: this run proves nothing"


def remaining(store) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(jobs).where(jobs.c.state.in_(("queued", "running")))).scalar_one()


def test_a_checkpoint_that_kills_its_worker_three_times_fails_and_the_queue_moves_on(store, config, tmp_path):
    (steer := tmp_path / "steer").mkdir()
    (steer / "hold").touch()
    bad, good = add_job(store, config, 1).job, add_job(store, config, 2).job
    environment = {**os.environ, "FER_DATA": str(config.data), "FER_DATABASE_URL": config.url, "FER_CACHE": str(steer), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("quick_worker.py")), "--once"]
    for _ in range(3):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        while not (steer / "running").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
        process.wait()
        (steer / "running").unlink()
        with store.write() as connection:  # as if the lease had passed
            connection.execute(update(jobs).where(jobs.c.id == bad.id).values(lease_until=jobs.c.lease_until - 3600))
    (steer / "hold").unlink()
    subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=True, timeout=120)
    with store.read() as connection:
        states = {row.id: (row.state, row.fault, row.tries) for row in connection.execute(select(jobs))}
    assert states == {bad.id: ("failed", "ours", 3), good.id: ("done", "", 1)}


def test_many_clients_submit_at_once(store, config, database_url):
    clients, each = 20, max(2, JOBS // 20)

    def client(number):
        own = Store(database_url)
        queued = [add_job(own, config, number * 1000 + index, user=f"user{number}") for index in range(each)]
        own.close()
        return [one.job.id for one in queued if one.is_new]

    with ThreadPoolExecutor(clients) as pool:
        added = [id for ids in pool.map(client, range(clients)) for id in ids]
    assert len(set(added)) == clients * each == remaining(store)
