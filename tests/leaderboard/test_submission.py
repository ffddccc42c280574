"""From a file to a queued job: every refusal's sentence, the contract confirmed, the dry run, duplicates, quota; and the way back to the weights."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from eval.catalogue import find
from leaderboard.fetch import HubFile, sha256_of
from leaderboard.jobs import Fault, claim, fail
from leaderboard.names import SubmissionError
from leaderboard.store import jobs, submissions
from leaderboard.submission import (
    Form,
    Prepared,
    WeightsMissing,
    benchmark_names,
    choose_benchmarks,
    confirmed_contract,
    dry_run,
    forget_weights,
    load_submission,
    local_source,
    obtain_weights,
    prepare,
    propose,
    submit,
    weights_path,
)
from poster.contract import ModelContract
from poster.errors import InputError
from poster.labels import ORDERS
from tests.leaderboard.conftest import checkpoint
from tests.leaderboard.fakehub import FakeHub

QUICK = (sys.executable, "-S", str(Path(__file__).with_name("quick_child.py")))
FIELDS = {"name": "POSTER++ nano", "submitted_by": "ann", "training_data": "FERPlus Training", "epoch_selection": "unknown", "benchmarks": (find("sketch"),)}


@pytest.fixture(autouse=True)
def steer(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_CACHE", str(tmp_path))
    return tmp_path


def count(store, table):
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"name": "<b>x</b>"}, "The model's name holds a character that is not allowed"),
        ({"name": "=1+1"}, "starts with a letter or digit"),
        ({"name": "x" * 65}, "at most 64 are allowed"),
        ({"name": ""}, "The model's name is empty"),
        ({"submitted_by": "a|b"}, "The submitter's name"),
        ({"training_data": ""}, "must be disclosed; write unknown"),
        ({"epoch_selection": " "}, "must be disclosed; write unknown"),
        ({"training_data": "[x](javascript:1)"}, "not allowed"),
        ({"paper": "http://arxiv.org/abs/1"}, "The paper link is not accepted; give a plain https link"),
        ({"code": "https://localhost/x"}, "The code link"),
        ({"benchmarks": ()}, "Name at least one benchmark; there are raf-db, ferplus"),
    ],
)
def test_a_form_that_is_not_accepted_says_why(change, sentence):
    with pytest.raises(SubmissionError) as refused:
        Form(**{**FIELDS, **change})
    assert sentence in str(refused.value) and str(refused.value).endswith((".", "nothing."))


def test_benchmarks_are_chosen_by_name_and_protocol_each_once_in_one_order():
    chosen = choose_benchmarks(["sketch", "ferplus/argmax", "ferplus", "sketch/self-test"])
    assert [benchmark.id for benchmark in chosen] == ["ferplus/argmax", "ferplus/majority", "sketch/self-test"]
    assert "folder" not in benchmark_names() and "huggingface" not in benchmark_names()
    for name in ("mnist", "folder", "ferplus/x", "../x", ""):
        with pytest.raises(InputError):
            choose_benchmarks([name])


def test_what_is_no_checkpoint_is_refused(config, tmp_path):
    (tmp_path / "text.pth").write_text("hello, I am a text file and no checkpoint")
    (tmp_path / "empty.pth").touch()
    for name, sentence in {"text.pth": "checkpoint", "empty.pth": "no empty file", "missing.pth": "no file missing.pth"}.items():
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


@pytest.fixture
def from_hub(store, config, tmp_path, monkeypatch):
    """A submission from the fake Hub: its settings, repository and job."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    path = checkpoint(tmp_path / "m.safetensors", ORDERS["raf-db"], with_contract=False)
    with FakeHub() as hub:
        repo = hub.repo("model", "org/net", {"m.safetensors": path.read_bytes()})
        there = replace(config, endpoint=hub.url)
        form = Form(**FIELDS, accepted=True)
        source = str(HubFile("org/net", repo.commits[0][0], "m.safetensors", 0))
        (queued,) = submit(store, there, form, prepare(store, there, path, source, form, command=QUICK))
        yield there, repo, queued.job


def test_hub_weights_are_fetched_again_where_they_are_not_stored(store, from_hub, tmp_path):
    config, repo, job = from_hub
    submission = load_submission(store, job.submission)
    repo.commit({"m.safetensors": b"moved on"})
    weights_path(config, submission.stored_sha256).unlink()
    (folder := tmp_path / "work").mkdir()
    weights, sha256 = obtain_weights(config, submission, folder)
    assert sha256 == sha256_of(weights) == submission.stored_sha256, "the conversion gives the same bytes each time"
    assert list(folder.iterdir()) == [weights]


def test_a_hub_file_that_changed_under_its_commit_is_refused_and_one_gone_too(store, from_hub, tmp_path):
    config, repo, job = from_hub
    submission = load_submission(store, job.submission)
    weights_path(config, submission.stored_sha256).unlink()
    oid, tree = repo.commits[0]
    repo.commits[0] = (oid, {**tree, "m.safetensors": b"other"})
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
    with pytest.raises(SubmissionError, match="is not the file that was submitted"):
        obtain_weights(config, submission, tmp_path / "one")
    repo.private = True
    with pytest.raises(SubmissionError, match="no longer public"):
        obtain_weights(config, submission, tmp_path / "two")


def test_damaged_stored_weights_are_never_opened(store, from_hub, tmp_path):
    config, _, job = from_hub
    submission = load_submission(store, job.submission)
    stored = weights_path(config, submission.stored_sha256)
    content = bytearray(stored.read_bytes())
    content[-1] ^= 1
    stored.write_bytes(content)
    (folder := tmp_path / "work").mkdir()
    assert sha256_of(obtain_weights(config, submission, folder)[0]) == submission.stored_sha256
    with pytest.raises(WeightsMissing, match="common FER_DATA folder"):
        obtain_weights(config, replace(submission, source="file m"), tmp_path / "work")


def test_hub_weights_are_kept_while_a_job_needs_them(store, from_hub):
    config, _, job = from_hub
    submission = load_submission(store, job.submission)
    stored = weights_path(config, submission.stored_sha256)
    forget_weights(store, config, submission)
    assert stored.exists()
    fail(store, claim(store, config, "w"), Fault.OURS, "x")
    forget_weights(store, config, replace(submission, source="file m"))
    assert stored.exists(), "a local file cannot be fetched again"
    forget_weights(store, config, submission)
    assert not stored.exists()


def test_the_contract_is_stored_as_json(store, from_hub):
    with store.read() as connection:
        contract = connection.execute(select(submissions.c.contract)).scalar_one()
    assert len(json.loads(contract)["labels"]) == 7 and json.loads(contract)["architecture"] == "posterpp_nano"
