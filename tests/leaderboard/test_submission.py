"""From a file to a queued job: every refusal's sentence, the contract confirmed, the dry run, duplicates, quota."""

import errno
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from leaderboard.accepted import load_submission, weights_path
from leaderboard.fetch import sha256_of
from leaderboard.form import Form, choose_benchmarks
from leaderboard.names import SubmissionError
from leaderboard.store import jobs, submissions
from leaderboard.submission import Prepared, confirmed_contract, dry_run, local_source, prepare, propose, submit
from poster.contract import ModelContract
from poster.errors import InputError
from poster.labels import ORDERS
from tests.leaderboard.conftest import FIELDS, QUICK, checkpoint, count


@pytest.fixture(autouse=True)
def steer(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_CACHE", str(tmp_path))
    return tmp_path


def test_what_is_no_checkpoint_is_refused(config, tmp_path):
    (tmp_path / "text.pth").write_text("hello, I am a text file and no checkpoint")
    (tmp_path / "empty.pth").touch()
    for name, sentence in {"text.pth": "checkpoint", "empty.pth": "is an empty file", "missing.pth": "missing.pth is not there"}.items():
        with pytest.raises(InputError, match=sentence):
            propose(config, tmp_path / name)
    with pytest.raises(SubmissionError, match="MiB are accepted"):
        propose(replace(config, max_checkpoint=1000), checkpoint(tmp_path / "large.safetensors"))


def test_a_contract_that_nobody_stated_is_proposed_and_must_be_confirmed(config, tmp_path):
    found = propose(config, checkpoint(tmp_path / "m.safetensors", ORDERS["raf-db"], with_contract=False))
    with pytest.raises(SubmissionError, match=r"confirm it: the labels are probably .*--accept.*--labels ORDER --channels"):
        confirmed_contract(found, Form(**FIELDS))
    accepted = confirmed_contract(found, Form(**FIELDS, accepted=True))
    assert accepted.labels == found.identity.labels.names and accepted.architecture == "posterpp_nano"
    stated = confirmed_contract(found, Form(**FIELDS, labels="affectnet-7", channels="bgr"))
    assert (stated.labels, stated.channels) == (ORDERS["affectnet-7"], "bgr")
    with pytest.raises(InputError):
        confirmed_contract(found, Form(**FIELDS, labels="affectnet-8", channels="rgb"))


def test_a_file_that_carries_its_contract_needs_no_confirmation(config, tmp_path):
    contract = confirmed_contract(propose(config, checkpoint(tmp_path / "m.safetensors")), Form(**FIELDS))
    assert contract.labels == ORDERS["ferplus"]


def test_a_checkpoint_is_converted_tried_and_queued(store, config, tmp_path):
    path, form, steps = checkpoint(tmp_path / "m.safetensors"), Form(**FIELDS), []
    prepared = prepare(store, config, path, local_source(path), form, steps.append, command=QUICK)
    assert isinstance(prepared, Prepared) and len(steps) == 3
    assert prepared.weights_sha256 == sha256_of(path) and prepared.parameters > 3e6 and prepared.probe["answers"] == 3
    stored = weights_path(config, prepared.stored_sha256)
    assert sha256_of(stored) == prepared.stored_sha256 and list(stored.parent.iterdir()) == [stored]
    (queued,) = submit(store, config, form, prepared)
    submission = load_submission(store, queued.job.submission)
    assert queued.is_new and submission.name == "POSTER++ nano" and submission.contract == prepared.contract and submission.source == "file m.safetensors"
    assert isinstance(submission.contract, ModelContract) and submission.created == pytest.approx(queued.job.created, abs=1)


def test_the_same_weights_are_not_tried_twice(store, config, tmp_path):
    path = checkpoint(tmp_path / "m.safetensors")
    (first,) = submit(store, config, Form(**FIELDS), prepare(store, config, path, "file m", Form(**FIELDS), command=QUICK))
    (steer_crash := tmp_path / "crash").touch()
    again = prepare(store, config, path, "file m", Form(**{**FIELDS, "submitted_by": "bob"}), command=QUICK)
    steer_crash.unlink()
    assert [one.job.id for one in again] == [first.job.id] and not again[0].is_new
    more = Form(**{**FIELDS, "benchmarks": choose_benchmarks(["sketch", "ferplus"])})
    queued = submit(store, config, more, prepare(store, config, path, "file m", more, command=QUICK))
    assert [one.is_new for one in queued] == [True, False] and count(store, submissions) == 2
    assert submit(store, config, more, prepare_anyway(store, config, path, more))[0].is_new is False and count(store, submissions) == 2


def prepare_anyway(store, config, path, form):
    """Prepared while another submission of the same weights had not yet been queued."""
    with store.read() as connection:
        row = connection.execute(select(submissions).limit(1)).one()
    submission = load_submission(store, row.id)
    return Prepared(submission.contract, submission.weights_sha256, submission.stored_sha256, 1, "file m", {}, ())


def test_several_benchmarks_are_queued_together_or_not_at_all(store, config, tmp_path):
    form = Form(**{**FIELDS, "benchmarks": choose_benchmarks(["sketch", "ferplus", "raf-db"])})
    small = replace(config, quota=2)
    prepared = prepare(store, small, checkpoint(tmp_path / "m.safetensors"), "file m", form, command=QUICK)
    with pytest.raises(SubmissionError, match="used the 2 submissions allowed"):
        submit(store, small, form, prepared)
    assert count(store, jobs) == count(store, submissions) == 0


def test_a_user_over_the_quota_is_told_before_the_dry_run(store, config, tmp_path):
    small, steps = replace(config, quota=1), []
    form = Form(**FIELDS)
    submit(store, small, form, prepare(store, small, checkpoint(tmp_path / "a.safetensors"), "file a", form, command=QUICK))
    with pytest.raises(SubmissionError, match="used the 1 submissions"):
        prepare(store, small, checkpoint(tmp_path / "b.safetensors", seed=1), "file b", form, steps.append, command=QUICK)
    assert len(steps) == 1


@pytest.mark.parametrize(
    "steering, sentence",
    [("crash", "did not survive the dry run"), ("fail", "did not survive the dry run"), ("refuse", "The output is not a number."),
     ("hold", "took longer than 1 seconds")],
)  # fmt: skip
def test_a_dry_run_that_fails_is_the_submitters_to_mend(config, tmp_path, steering, sentence):
    (tmp_path / steering).write_text("the output is not a number")
    with pytest.raises(SubmissionError, match=sentence):
        dry_run(replace(config, probe_seconds=1), tmp_path / "x", tmp_path, command=QUICK)


def test_a_name_of_a_file_tells_nothing_of_its_folder():
    assert local_source(Path("/home/ann/secret/best <b>.pth")) == "file best__b_.pth"


def test_a_full_disk_is_told_and_leaves_nothing(store, config, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("leaderboard.submission.convert", full)
    with pytest.raises(SubmissionError, match=r"cannot store the checkpoint \(No space left on device\), and nothing was queued"):
        prepare(store, config, checkpoint(tmp_path / "m.safetensors"), "file m", Form(**FIELDS), command=QUICK)
    assert count(store, submissions) == 0 and list((config.data / "weights").iterdir()) == []


def test_a_database_that_is_away_is_told_and_nothing_is_queued(store, config, tmp_path, monkeypatch):
    form = Form(**FIELDS)
    prepared = prepare(store, config, checkpoint(tmp_path / "m.safetensors"), "file m", form, command=QUICK)

    def away(*_):
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    monkeypatch.setattr("leaderboard.submission.enqueue", away)
    with pytest.raises(SubmissionError, match="The queue does not answer, so nothing was queued"):
        submit(store, config, form, prepared)
    assert count(store, submissions) == 0
