"""Expressions, the label orders found in the wild, and the mapping between orders by name."""

from __future__ import annotations

from collections.abc import Sequence

EXPRESSIONS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")

# Index -> expression. Sources: POSTER's data loaders (RAF-DB, AffectNet), the FER+ and FER2013 files' own columns,
# and the sorted folder names that torchvision's ImageFolder produces (CAER-S).
ORDERS: dict[str, tuple[str, ...]] = {
    "raf-db": ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"),
    "affectnet-7": EXPRESSIONS[:7],
    "affectnet-8": EXPRESSIONS,
    "ferplus": ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
    "ferplus-7": ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"),
    "fer2013": ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"),
    "caer-s": ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
    "alphabetical-7": ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
    "alphabetical-8": ("anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
}

_SYNONYMS = {
    "happy": "happiness", "sad": "sadness", "surprised": "surprise", "suprise": "surprise", "angry": "anger",
    "fearful": "fear", "afraid": "fear", "disgusted": "disgust", "disgusting": "disgust", "contemptuous": "contempt", "natural": "neutral",
}  # fmt: skip


def canonical(name: str) -> str:
    """The expression a word means: ``canonical("Happy") == "happiness"``. Raises ValueError for any other word."""
    word = name.strip().lower()
    word = _SYNONYMS.get(word, word)
    if word not in EXPRESSIONS:
        raise ValueError(f"{name!r} is not an expression; known are {', '.join(EXPRESSIONS)}")
    return word


def order(name_or_labels: str | Sequence[str]) -> tuple[str, ...]:
    """A label order from its name ("raf-db"), from a comma-separated list or from a sequence of words.

    Raises ValueError when the name is unknown, a word is no expression, or one stands twice.
    """
    if isinstance(name_or_labels, str):
        if name_or_labels in ORDERS:
            return ORDERS[name_or_labels]
        if "," not in name_or_labels:
            raise ValueError(f"{name_or_labels!r} is not a label order; known are {', '.join(ORDERS)}, or a list such as neutral,happiness,...")
        name_or_labels = name_or_labels.split(",")
    labels = tuple(canonical(word) for word in name_or_labels)
    if len(set(labels)) != len(labels):
        raise ValueError(f"a label stands twice in {', '.join(labels)}")
    return labels


def order_name(labels: Sequence[str]) -> str | None:
    """The name of the first known order equal to ``labels``, or None."""
    return next((name for name, known in ORDERS.items() if known == tuple(labels)), None)


def mapping(source: Sequence[str], target: Sequence[str]) -> tuple[int | None, ...]:
    """For each label of ``target`` its index in ``source``, None where the source lacks it.

    >>> mapping(ORDERS["fer2013"], ("happiness", "contempt"))
    (3, None)
    """
    where = {label: index for index, label in enumerate(source)}
    return tuple(where.get(label) for label in target)
