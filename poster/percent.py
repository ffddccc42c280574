"""A probability in words, for every place where people read one."""

from __future__ import annotations


def percent(probability: float, digits: int = 1) -> str:
    """0.934 -> "93.4 %". What rounding would make certain or impossible is not called so: "> 99.9 %" below 1, "< 0.1 %" above 0.

    probability: 0..1; digits: after the point. Plain text: < and > must be escaped in HTML.
    """
    shown, step = f"{100 * probability:.{digits}f}", 10.0**-digits
    if float(shown) >= 100 and probability < 1:
        return f"> {100 - step:.{digits}f} %"
    if float(shown) <= 0 and probability > 0:
        return f"< {step:.{digits}f} %"
    return f"{shown} %"
