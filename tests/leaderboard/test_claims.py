"""Every published number is well-formed, and a malformed row is refused by name and line."""

import csv

import pytest

from leaderboard.claims import CLAIMS_FILE, TEST_SETS, Claim, load_claims

HEADER = "model,benchmark,accuracy,status,source,epoch_selection,epoch_source\n"


def test_the_file_is_valid_and_knows_every_test_set():
    claims = load_claims()
    assert len(claims) == len(CLAIMS_FILE.read_text().splitlines()) - 1
    assert {claim.benchmark for claim in claims} == set(TEST_SETS)
    assert {claim.status for claim in claims} == {"claimed", "disputed"}


def test_poster_v2_and_ddamfn_chose_their_epoch_on_the_test_set():
    for claim in load_claims():
        if claim.model in ("POSTER++", "DDAMFN", "DDAMFN++"):
            assert claim.epoch_selection == "test set" and claim.epoch_source.startswith("github.com/")


def test_the_numbers_are_those_collected_with_their_sources(shared):
    with (shared / "reference/claims.csv").open(newline="") as file:
        collected = {(r["model"], r["benchmark"], float(r["accuracy_percent"]), r["status"], r["source"]) for r in csv.DictReader(file)}
    titles = {"AI Hub Korean (lower face)": "AI Hub Korean emotion"}
    ours = {(c.model, titles.get(t := TEST_SETS[c.benchmark].title, t), c.accuracy, c.status, c.source) for c in load_claims()}
    assert ours == collected


@pytest.mark.parametrize(
    "row, sentence",
    [
        ("A,imagenet,90,claimed,x,unknown,", "names the benchmark 'imagenet'"),
        ("A,raf-db,190,claimed,x,unknown,", "a percentage above 0 and up to 100"),
        ("A,raf-db,nan,claimed,x,unknown,", "a percentage above 0"),
        ("A,raf-db,ninety,claimed,x,unknown,", "could not convert"),
        ("A,raf-db,90,measured,x,unknown,", "allowed are claimed, disputed"),
        ("A,raf-db,90,claimed,,unknown,", "names no source"),
        ("A,raf-db,90,claimed,x,guess,", "chose its epoch by 'guess'"),
        ("A,raf-db,90,claimed,x,test set,", "where the epoch selection is seen"),
        ("<b>A</b>,raf-db,90,claimed,x,unknown,", "not allowed"),
        ("A,raf-db,90,claimed,x,unknown,,surplus", "line 2"),
        ("A,raf-db,90,claimed,x,unknown,\nA,raf-db,91,claimed,x,unknown,", "same claim twice"),
    ],
)
def test_a_malformed_row_is_refused(tmp_path, row, sentence):
    path = tmp_path / "claims.csv"
    path.write_text(HEADER + row + "\n")
    with pytest.raises(ValueError, match=sentence):
        load_claims(path)


@pytest.mark.parametrize(
    "source, link",
    [
        ("arXiv:2301.12149", "https://arxiv.org/abs/2301.12149"),
        ("github.com/birdwcp/QCS README", "https://github.com/birdwcp/QCS"),
        ("PAtt-Lite paper (a user measured 88.07: github.com/JLREx/PAtt-Lite issue 10)", "https://github.com/JLREx/PAtt-Lite"),
        ("DDAMFN paper", ""),
    ],
)
def test_the_link_of_a_source(source, link):
    assert Claim("A", "raf-db", 90.0, "claimed", source).link == link
