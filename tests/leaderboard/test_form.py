"""What a submitter may say of a checkpoint: every field's refusal, and the choice of benchmarks."""

import pytest

from leaderboard.form import Form, benchmark_names, choose_benchmarks
from leaderboard.names import SubmissionError
from poster.errors import InputError
from tests.leaderboard.conftest import FIELDS


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
