"""The command line: exit codes, one JSON object, sentences; and one submission end to end with the real evaluation."""

import json
import logging
import os
import subprocess
import sys
import time

import pytest
from sqlalchemy.exc import OperationalError

from leaderboard import doctor
from leaderboard.__main__ import main
from leaderboard.again import commands
from leaderboard.board import measured_row
from leaderboard.config import ROOT, Config
from leaderboard.lease import claim
from leaderboard.result_figures import result_figure
from leaderboard.status import stored_records, worker_lines
from leaderboard.store import open_store
from leaderboard.worker import Worker
from poster.errors import InputError
from tests.leaderboard.conftest import add_job, checkpoint
from tests.leaderboard.postgres import Server

ABOUT = ("--benchmark", "sketch", "--name", "Nano of noise", "--training-data", "none", "--epoch-selection", "unknown", "--user", "ann")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Settings of a machine of its own."""
    for name in [name for name in os.environ if name.startswith("FER_") or name == "HF_TOKEN"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FER_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def open_home(home):
    config = Config.from_environment()
    store = open_store(config.url)
    yield store, config
    store.close()


@pytest.fixture
def command(capsys):
    def run(*arguments):
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def as_json(command, *arguments):
    code, out, _ = command(*arguments, "--json")
    assert out.count("\n") == 1, "one JSON object on stdout"
    return code, json.loads(out)


def test_the_whole_way_of_a_submission(home, command):
    path = checkpoint(home / "noise.safetensors")
    code, answer = as_json(command, "submit", str(path), *ABOUT)
    assert code == 0, answer
    (job,) = answer["jobs"]
    assert job["new"] and answer["architecture"] == "posterpp_nano" and answer["probe"]["seconds_per_image"] > 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_TOKEN": "hf_secret"}
    done = subprocess.run([sys.executable, "-m", "leaderboard", "worker", "--once"], env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0 and "hf_secret" not in done.stderr, done.stderr
    code, status = as_json(command, "status", job["id"])
    (line,) = status["jobs"]
    assert (line["state"], line["model"], line["tries"]) == ("done", "Nano of noise", 1), done.stderr
    said = "\n".join(line["log"])
    assert "scored 256 images" in said and "robustness on 15 images" in said and "left out" not in said and "hf_secret" not in said and str(home) not in said
    assert said in command("status", job["id"])[1]
    store = open_store(Config.from_environment().url)
    (record,) = stored_records(store)
    store.close()
    assert record.num_images == 256 and record.id == line["result"] and record.architecture == "posterpp_nano" and record.training_data == "none"
    assert {"robustness", "scale", "quality"} <= set(record.analyses) and "--analyses scale,robustness,quality --sample" in commands(record)[-1]
    assert all(result_figure(name, [record], {}) is not None for name in ("robustness", "resolution", "quality"))
    assert measured_row(record).corrupted == 100 * record.analyses["robustness"]["mean_corruption_accuracy"]
    code, again = as_json(command, "submit", str(path), *ABOUT)
    assert code == 0 and again["jobs"][0]["id"] == job["id"] and not again["jobs"][0]["new"]
    code, out, _ = command("export", "--format", "markdown", "--benchmark", "sketch")
    assert code == 0 and "Nano of noise" in out and "measured" in out


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ((), "the following arguments are required"),
        (("fly",), "invalid choice"),
        (("submit",), "the following arguments are required"),
        (("submit", *ABOUT), "Name a checkpoint: a FILE, or --hub ORGANISATION/NAME."),
        (("submit", "nowhere.pth", *ABOUT), "nowhere.pth is not there; give the path of a checkpoint."),
        (("submit", "--hub", "https://evil.example/x", *ABOUT), "give ORGANISATION/NAME"),
        (("submit", "--hub", "org/name", "--revision", "../x", *ABOUT), "The revision is not accepted"),
        (("status", "nothing"), "There is no job 'nothing'"),
        (("status", "--limit", "-1"), "a whole number from 1 to 10000 is needed"),
        (("submit", "nowhere.pth", *ABOUT, "--device", "cuda:99"), "The device 'cuda:99' is not available here"),
        (("submit", ".", *ABOUT), "is a folder, not a file"),
        (("export", "--out", "/nowhere/x.csv"), "cannot be written (No such file or directory)"),
        (("cancel", "nothing"), "There is no job 'nothing'; `python -m leaderboard status`"),
        (("rerun", "nothing"), "There is no job 'nothing'; `python -m leaderboard status`"),
        (("publish",), "set FER_RESULTS_REPO"),
        (("restore",), "set FER_RESULTS_REPO"),
        (("export", "--benchmark", "mnist"), "The leaderboard has no 'mnist'"),
        (("export", "--format", "parquet"), "name a file with --out"),
        (("worker", "--device", "cuda:99"), "is not available here"),
        (("worker", "--engine", "abacus"), "invalid choice"),
    ],
)
def test_what_the_user_got_wrong_is_one_sentence_and_exit_code_2(home, command, arguments, sentence):
    code, out, err = command(*arguments)
    assert code == 2 and sentence in err.splitlines()[-1] and len(err.splitlines()) <= 2 and "Traceback" not in err and out == ""
    code, answer = as_json(command, *arguments)
    assert code == 2 and sentence in answer["error"]


@pytest.mark.parametrize(
    "name, value",
    [
        ("FER_LEASE", "soon"),
        ("FER_QUOTA", "-1"),
        ("FER_MAX_TRIES", "1.5"),
        ("FER_MAX_SECONDS", "nan"),
        ("FER_ANALYSES_SAMPLE", "-1"),
        ("FER_ANALYSES_SAMPLE", "all"),
        ("FER_LEASE", "10"),
        ("FER_DATA", "/dev/null"),
        ("HF_ENDPOINT", "nonsense"),
        ("FER_DATABASE_URL", "mysql://x/y"),
    ],
)
def test_a_wrong_setting_is_named(home, command, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    code, _, err = command("status")
    assert code == 2 and name in err and len(err.strip().splitlines()) == 1


def test_status_shows_the_queue_and_what_is_missing(open_home, command):
    store, config = open_home
    first, second = add_job(store, config, 1, user="ann").job, add_job(store, config, 2, user="bob").job
    code, out, _ = command("status")
    assert code == 0 and "1 before it" in out and "2 waiting and no worker at work" in out
    claim(store, config, "w")
    code, answer = as_json(command, "status", "--user", "ann")
    assert [line["state"] for line in answer["jobs"]] == ["running"] and first.id == answer["jobs"][0]["id"]
    code, out, _ = command("cancel", second.id, "--user", "ann")
    assert code == 2
    code, out, _ = command("cancel", second.id)
    assert code == 0 and "is cancelled" in out
    code, out, _ = command("rerun", second.id)
    assert code == 0 and "queued again" in out
    assert "cancel" not in command("status", second.id)[1]


def test_an_attached_worker_ends_with_the_process_that_started_it(open_home):
    store, config = open_home
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    script = (
        "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-m', 'leaderboard', 'worker', '--attached'], stdin=subprocess.PIPE)\ntime.sleep(600)"
    )
    page = subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.DEVNULL)
    patience = time.monotonic() + 200
    try:
        while not worker_lines(store, config):
            assert time.monotonic() < patience and page.poll() is None
            time.sleep(0.2)
    finally:
        page.kill()
        page.wait()
    while worker_lines(store, config):
        assert time.monotonic() < patience, "the worker outlived its page"
        time.sleep(0.2)


def test_watch_ends_when_the_jobs_have(open_home, command):
    store, config = open_home
    job = add_job(store, config, 1).job
    command("cancel", job.id)
    code, out, err = command("status", "--watch")
    assert code == 0 and "cancelled" in out and err == ""


@pytest.mark.parametrize("form", ["csv", "json", "latex", "markdown", "parquet"])
def test_export_writes_a_file(home, command, form):
    code, _, _ = command("export", "--format", form, "--out", str(home / "out"))
    assert code == 0 and (home / "out").stat().st_size > 1000


def test_doctor_says_what_is_missing_and_how_to_mend_it(open_home, home, command, monkeypatch):
    code, answer = as_json(command, "doctor")
    found = {finding["what"]: finding for finding in answer["findings"]}
    assert code == 0 and answer["ok"] and {"settings", "disk", "database", "worker", "data sets", "device", "publication"} <= set(found)
    assert not found["worker"]["is_well"] and "python -m leaderboard worker" in found["worker"]["mend"]
    assert "FER_BENCHMARKS" in found["data sets"]["mend"] and "FER_RESULTS_REPO" in found["publication"]["mend"]
    assert all(finding["is_well"] or finding["mend"].strip() for finding in answer["findings"])
    monkeypatch.setenv("FER_DATABASE_URL", "postgresql://ann:secret@127.0.0.1:9/fer")
    code, out, err = command("doctor", "--device", "cuda:99")
    assert code == 2 and "does not answer" in out and "secret" not in out + err and "cuda:99" in out


@pytest.mark.parametrize("name, value", [("FER_DATABASE_URL", "nonsense"), ("FER_BENCHMARKS", "/nowhere"), ("FER_KEEP_DAYS", "x")])
def test_doctor_names_a_wrong_setting_and_never_fails_itself(home, command, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    code, answer = as_json(command, "doctor")
    assert code == 2 and not answer["ok"] and any(name in finding["mend"] for finding in answer["findings"])


def test_a_database_that_goes_away_in_the_middle_is_a_sentence(open_home, command, monkeypatch):
    def away(*_):
        raise OperationalError("SELECT 1", {}, Exception("database is locked"))

    monkeypatch.setattr("leaderboard.commands.cancel.cancel", away)
    code, _, err = command("cancel", "x")
    assert code == 2 and "stopped answering (database is locked)" in err and "Traceback" not in err


def test_a_job_that_no_worker_has_the_data_of_looks_different_from_one_that_waits_its_turn(open_home, command):
    store, config = open_home
    add_job(store, config, 1, benchmark="ferplus")
    worker = Worker(store, config, ["sketch"])
    worker._say_alive("")
    assert "No worker at work has the data of ferplus; start one where FER_BENCHMARKS" in command("status")[1]
    other = Worker(store, config, ["sketch", "ferplus"])
    other._say_alive("")
    assert "No worker" not in command("status")[1]


def test_doctor_sees_a_disk_that_cannot_be_written(home, monkeypatch):
    (home / "file").touch()
    monkeypatch.setenv("FER_DATA", str(home / "file"))
    finding = doctor._disk(Config.from_environment())
    assert not finding.is_well and "FER_DATA" in finding.mend


def test_everything_works_on_postgresql_by_url(home, command, monkeypatch, postgres: Server):
    monkeypatch.setenv("FER_DATABASE_URL", postgres.new_database())
    code, out, _ = command("status")
    assert code == 0 and out.startswith("No jobs.")


def test_a_command_leaves_the_loggers_as_they_were(home, command, capsys):
    def levels():
        known = ["", "leaderboard", "leaderboard.worker", "httpx2", "huggingface_hub"]
        return {name: (logging.getLogger(name).level, list(logging.getLogger(name).handlers)) for name in known}

    before = levels()
    code, _, err = command("worker", "--once")
    assert code == 0 and "INFO worker " in err and "stopped" in err
    command("worker", "--device", "cuda:99"), command("restore"), command("publish")
    assert levels() == before


def test_settings_come_from_the_environment():
    config = Config.from_environment({"FER_LEASE": "30", "FER_BEAT": "5", "FER_DATABASE_URL": "postgresql://x/y", "FER_QUOTA": "3"})
    assert (config.lease, config.beat, config.url, config.quota) == (30.0, 5.0, "postgresql://x/y", 3)
    assert config.analyses_sample == 500 and Config.from_environment({"FER_ANALYSES_SAMPLE": "0"}).analyses_sample == 0
    with pytest.raises(InputError, match="at most half"):
        Config.from_environment({"FER_LEASE": "10"})
