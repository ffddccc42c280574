"""The way back to the weights of an accepted submission: as stored, fetched again, damaged, gone, changed."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from leaderboard.accepted import WeightsMissing, load_submission, obtain_weights, weights_path
from leaderboard.fetch import sha256_of
from leaderboard.names import SubmissionError
from leaderboard.store import submissions


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


def test_the_contract_is_stored_as_json(store, from_hub):
    with store.read() as connection:
        contract = connection.execute(select(submissions.c.contract)).scalar_one()
    assert len(json.loads(contract)["labels"]) == 7 and json.loads(contract)["architecture"] == "posterpp_nano"
