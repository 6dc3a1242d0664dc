"""Numbers, sizes and names as short strings."""

from __future__ import annotations

import math
import unicodedata
from decimal import ROUND_CEILING, Context

MISSING = "-"


def significant(value: float, digits: int) -> str:
    """Return a number to so many significant digits, scientific where very small."""
    if math.isnan(value):
        return MISSING
    return f"{value:#.{digits}g}".rstrip(".") if math.isfinite(value) else str(value)


def ratio(value: float) -> str:
    """Return an odds ratio to five digits, or that it is beyond any use."""
    if value > 1e99:
        return ">1e+99"
    return "<1e-99" if value < 1e-99 else significant(value, 5)


def statistic(value: float) -> str:
    """Return a z statistic to three decimals, scientific where very large."""
    if math.isnan(value):
        return MISSING
    return f"{value:.3f}" if abs(value) < 1e5 else f"{value:.3e}"


def p_value(value: float) -> str:
    """Return a p-value; never 0, which no p-value is."""
    if math.isnan(value):
        return MISSING
    if value < 1e-300:
        return "<1e-300"
    return f"{value:.4f}" if value >= 1e-3 else f"{value:.2e}"


def criterion(value: float) -> str:
    """Return a log-likelihood or criterion with thousands separated."""
    return MISSING if math.isnan(value) else f"{value:,.4f}"


def count(value: float) -> str:
    """Return a number of rows, or a sum of weights that need not be whole."""
    whole = math.isfinite(value) and value == round(value)
    return f"{value:,.0f}" if whole else f"{value:,.6g}"


def upper_bound(value: float) -> str:
    """Return a bound to two digits, rounded up so that it stays one."""
    if not math.isfinite(value):
        return "none proven"
    rounded = Context(prec=2, rounding=ROUND_CEILING).create_decimal(value)
    return f"{float(rounded):.1e}" if rounded else "0"


def data_size(n_bytes: float) -> str:
    """Return a number of bytes in binary units."""
    size = float(n_bytes)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} TiB"


def printable(text: str) -> str:
    """Return text on one line, with control characters written as escapes."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def elided(text: str, width: int) -> str:
    """Return text that fits the width, its middle left out where it is longer."""
    if display_width(text) <= width:
        return text
    head = _prefix(text, (width - 3 + 1) // 2)
    tail = _prefix(text[::-1], (width - 3) // 2)[::-1]
    return f"{head}...{tail}"


def padded(text: str, width: int) -> str:
    """Return text with spaces after it, up to a width on the terminal."""
    return text + " " * (width - display_width(text))


def display_width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(map(_char_width, text))


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _prefix(text: str, width: int) -> str:
    """Return the longest start of a text that fits the width."""
    used = 0
    for position, char in enumerate(text):
        used += _char_width(char)
        if used > width:
            return text[:position]
    return text
