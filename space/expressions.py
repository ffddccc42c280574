"""The one place where an expression gets its colour and its plain meaning, for every page and plot."""

from __future__ import annotations

# Okabe and Ito's hues, shifted until each has a contrast of 3:1 or more on white and on near-black, and until any two stay apart
# for protan, deutan and tritan eyes (tests/space/test_expressions.py measures both). Words always stand beside the colour.
COLOURS = {
    "neutral": "#919191",
    "happiness": "#a18847",
    "sadness": "#4952e1",
    "surprise": "#239ec0",
    "fear": "#7b50b1",
    "disgust": "#35734f",
    "anger": "#d41f15",
    "contempt": "#954c81",
}

# What raters are shown, in short; after the action units of Ekman and Friesen's Facial Action Coding System.
MEANINGS = {
    "neutral": "no marked movement of the face",
    "happiness": "raised cheeks, corners of the mouth pulled up",
    "sadness": "inner brows raised, corners of the mouth pulled down",
    "surprise": "brows raised, eyes wide, jaw dropped",
    "fear": "brows raised and drawn together, eyes wide, lips stretched",
    "disgust": "nose wrinkled, upper lip raised",
    "anger": "brows lowered and drawn together, lips pressed or tense",
    "contempt": "one corner of the mouth tightened",
}
