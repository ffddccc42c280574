"""Names, disclosures and links: what a page, a Markdown table and a spreadsheet can show without harm."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.names import SubmissionError, check_link, check_name, check_text


@pytest.mark.parametrize("name", ["POSTER++", "POSTER-Ada-s + MLP (m=0.4)", "a", "x" * 64, "Poster_V2.1", "modèle 2"])
def test_honest_names_pass_unchanged(name):
    assert check_name(name) == name


def test_names_are_normalised_before_they_are_judged():
    assert check_name("  ＰＯＳＴＥＲ   two ") == "POSTER two"
    with pytest.raises(SubmissionError):
        check_name("＝SUM(A1)")  # a full-width equals sign becomes a plain one


@pytest.mark.parametrize(
    "name",
    ["", "   ", "<b>x</b>", "[x](https://evil.example)", "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "x\u202egnp", "a\u200bb",
     "x" * 65, "ﷺ" * 60, "a\nb", "a|b", "a`b", "a\x00b", 7],
)  # fmt: skip
def test_hostile_names_are_refused_in_one_sentence(name):
    with pytest.raises(SubmissionError) as refused:
        check_name(name)
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)


@given(st.text(max_size=80))
def test_whatever_passes_is_inert(text):
    try:
        name = check_name(text)
    except SubmissionError:
        return
    assert 1 <= len(name) <= 64 and name[0].isalnum() and not re.search(r"[<>&\"'`|\[\]*\\\n\r\t\u200b-\u202e]", name)
    assert check_name(name) == name


def test_disclosures_are_sentences_without_markup():
    assert check_text("RAF-DB train; MS-Celeb-1M backbone, 50% of it.", "training data")
    for text in ("<script>", "", "a" * 501, "[a](b)"):
        with pytest.raises(SubmissionError):
            check_text(text, "training data")


@pytest.mark.parametrize("link", ["https://arxiv.org/abs/2301.12149", "https://github.com/Talented-Q/POSTER_V2", "", "https://a.example/x?y=1&z=2#p"])
def test_plain_https_links_pass(link):
    assert check_link(link, "paper") == link


@pytest.mark.parametrize(
    "link",
    ["http://arxiv.org", "javascript:alert(1)", "https://", "https://localhost/x", "https://127.0.0.1/x", "https://u:p@host.example",
     "https://host.example:8080/",
     "https://host.example/\"onclick=1", "https://host.example/<b>", "https://host.example/a b", "https://[::1]/",
     "file:///etc/passwd", "https://x.example/" + "a" * 300,
     "data:text/html,x", "https://host.example/)[x"],
)  # fmt: skip
def test_other_links_are_refused(link):
    with pytest.raises(SubmissionError, match="plain https link"):
        check_link(link, "paper")
