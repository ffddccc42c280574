"""The colours can be told apart, on light and dark, also by eyes that see fewer of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from skimage.color import deltaE_cie76, rgb2lab

from poster.labels import EXPRESSIONS
from space.expressions import COLOURS, MEANINGS

DARK, LIGHT = "#121211", "#ffffff"  # the page's backgrounds, see space/theme.py
# Machado, Oliveira and Fernandes 2009, severity 1.0, for linear RGB.
EYES = {
    "usual": np.eye(3),
    "protan": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deutan": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritan": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}


def linear(colour: str) -> np.ndarray:
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """WCAG 2.2's contrast ratio."""
    light, dark = sorted((float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (a, b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def seen(colour: str, eyes: str) -> np.ndarray:
    c = np.clip(EYES[eyes] @ linear(colour), 0, 1)
    return rgb2lab(np.where(c <= 0.0031308, 12.92 * c, 1.055 * c ** (1 / 2.4) - 0.055))


def test_every_expression_has_a_colour_and_a_meaning():
    assert set(COLOURS) == set(MEANINGS) == set(EXPRESSIONS)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_contrast_of_graphics_on_both_backgrounds(name):
    assert contrast(COLOURS[name], LIGHT) >= 3 and contrast(COLOURS[name], DARK) >= 3


@pytest.mark.parametrize("eyes", EYES)
def test_no_two_colours_look_alike(eyes):
    distances = {pair: float(deltaE_cie76(*(seen(COLOURS[name], eyes) for name in pair))) for pair in itertools.combinations(EXPRESSIONS, 2)}
    closest = min(distances, key=distances.__getitem__)
    assert distances[closest] > 15, (closest, distances[closest])  # 2.3 is a just noticeable difference


def test_the_check_sees_colours_that_look_alike():
    """A red and an olive of the same darkness: far apart to the usual eye, close to a protan one."""
    red, olive = "#d41f15", "#5f5300"
    assert deltaE_cie76(seen(red, "usual"), seen(olive, "usual")) > 60
    assert deltaE_cie76(seen(red, "protan"), seen(olive, "protan")) < 15
