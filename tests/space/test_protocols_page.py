"""The Protocols page: every protocol once, with its version, counts and fingerprint."""

from __future__ import annotations

import re
from dataclasses import replace

from eval.catalogue import CATALOGUE
from space.protocols_page import protocols_html
from tests.space.test_answer_view import Elements


def test_every_protocol_with_what_makes_its_numbers_comparable():
    html = protocols_html(CATALOGUE)
    whole = [one for one in CATALOGUE if one.region == "whole"]
    assert len(re.findall(r'<th scope="row">', html)) == len(whole), "lower halves are a note beside the whole faces"
    for one in whole:
        assert one.licence in Elements(html).words or any(one.licence in word for word in Elements(html).words)
        assert one.fingerprint is None or f'title="{one.fingerprint}"' in html
    text = " ".join(Elements(html).words)
    assert "happiness 1,185" in text and "3,153" in text and "0.87 points" in text and "ferplus-lower" in text


def test_a_superseded_protocol_says_by_which():
    assert "superseded by raf-db-2" in protocols_html([replace(CATALOGUE[0], superseded_by="raf-db-2", version=3)])
