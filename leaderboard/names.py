"""Text that strangers choose and pages show: one allow-list for names, one check for links, one for free disclosures."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

from leaderboard.inert import inert
from poster.errors import InputError

MAX_NAME = 64
MAX_TEXT = 500
MAX_LINK = 300

# Starts with a letter or digit, so a spreadsheet never sees a formula; no <>&"'` and no brackets or bars, so neither HTML nor Markdown.
_NAME = re.compile(r"[A-Za-z0-9À-ÖØ-öø-ÿ][A-Za-z0-9À-ÖØ-öø-ÿ ._+()=;,:-]*")
_TEXT = re.compile(r"[A-Za-z0-9À-ÖØ-öø-ÿ][A-Za-z0-9À-ÖØ-öø-ÿ ._+()=;,:%/?!'&#-]*")
_HOST = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")


class SubmissionError(InputError):
    """A submission, or a field of one, that is not accepted."""


def check_name(text: str, what: str = "name") -> str:
    """The name after NFKC and with single spaces; raises SubmissionError when it is not 1 to 64 allowed characters."""
    return _allowed(text, what, _NAME, MAX_NAME, "letters, digits, spaces and . _ + - ( ) = ; , :")


def check_text(text: str, what: str) -> str:
    """A disclosure in a sentence (training data, epoch choice), at most 500 characters of plain text."""
    return _allowed(text, what, _TEXT, MAX_TEXT, "letters, digits, spaces and common punctuation, no markup")


def _allowed(text: str, what: str, pattern: re.Pattern[str], limit: int, allowed: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise SubmissionError(f"The {what} is empty; give 1 to {limit} characters.")
    if len(text) > limit:  # before NFKC, which can lengthen a character eighteenfold
        raise SubmissionError(f"The {what} has {len(text)} characters; at most {limit} are allowed.")
    plain = unicodedata.normalize("NFKC", text.strip())
    if "  " in plain:
        plain = re.sub(" {2,}", " ", plain)
    if len(plain) > limit:
        raise SubmissionError(f"The {what} has {len(plain)} characters; at most {limit} are allowed.")
    if not pattern.fullmatch(plain):
        raise SubmissionError(f"The {what} holds a character that is not allowed; it starts with a letter or digit and holds only {allowed}.")
    return plain


def check_link(text: str, what: str) -> str:
    """An https link to a public host name, or "" for none; raises SubmissionError otherwise.

    >>> check_link("https://arxiv.org/abs/2301.12149", "paper")
    'https://arxiv.org/abs/2301.12149'
    """
    text = (text or "").strip()
    if not text:
        return ""
    sentence = f"The {what} link is not accepted; give a plain https link such as https://arxiv.org/abs/2301.12149, or nothing."
    if len(text) > MAX_LINK or not re.fullmatch(r"[A-Za-z0-9._~:/?#@!$&*+,;=%-]+", text):
        raise SubmissionError(sentence)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise SubmissionError(sentence) from None
    if parts.scheme != "https" or parts.username is not None or port is not None or not _HOST.fullmatch(parts.hostname or ""):
        raise SubmissionError(sentence)
    return text


def sentence(text: str, limit: int = MAX_TEXT) -> str:
    """Any message as one line that starts with a capital and ends with a full stop, at most ``limit`` characters.

    >>> sentence("no such\\nfile")
    'No such file.'
    """
    line = " ".join(inert(text).split())[: limit - 1]  # it may quote a stranger's file, and ends up in terminals
    return (line[:1].upper() + line[1:]).rstrip(".") + "."
