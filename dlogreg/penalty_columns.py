"""What the user says of single columns: penalty factors and bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlogreg.evaluation import FloatArray

OF_FACTOR = "one non-negative number per column"
OF_BOUNDS = "one pair (low, high) per column, None where there is no bound"


def resolve_factor(given: Any, names: Sequence[str]) -> FloatArray:
    """Return the factor of every column, shape (n_features,).

    Columns that a mapping does not name have factor 1.
    """
    values = _by_column("penalty_factor", given, names, 1.0, OF_FACTOR)
    found = np.empty(len(names))
    for j, (name, value) in enumerate(zip(names, values, strict=True)):
        number = _number(value)
        if not (math.isfinite(number) and number >= 0):
            raise ValueError(
                f"penalty_factor of column {name!r} must be a finite number and not "
                f"negative, not {value!r}; 0 leaves it without a penalty"
            )
        found[j] = number
    return found


def resolve_bounds(given: Any, names: Sequence[str]) -> FloatArray:
    """Return the smallest and largest coefficient of every column, (n_features, 2).

    A single pair counts for all columns, and columns that a mapping does not name have
    no bounds.
    """
    if _is_pair(given):
        given = [given] * len(names)
    pairs = _by_column("bounds", given, names, (None, None), OF_BOUNDS)
    found = np.empty((len(names), 2))
    for j, (name, pair) in enumerate(zip(names, pairs, strict=True)):
        low, high = _ends(name, (None, None) if pair is None else pair)
        if not (low <= high and low < math.inf and high > -math.inf):
            raise ValueError(
                f"bounds of column {name!r} must be numbers with low <= high, not "
                f"{pair!r}; None means that there is none"
            )
        found[j] = low, high
    return found


def _by_column(
    option: str, given: Any, names: Sequence[str], default: Any, expected: str
) -> list[Any]:
    """Return one value per column, from a list or from a mapping of names."""
    given = _by_name(option, given)
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in names]
        if unknown:
            raise ValueError(
                f"{option} names the column {unknown[0]!r}, which there is not; the "
                f"columns are {', '.join(map(repr, names[:10]))}"
                f"{', ...' if len(names) > 10 else ''}"
            )
        return [given.get(name, default) for name in names]
    if isinstance(given, str) or not np.iterable(given):
        raise ValueError(
            f"{option} must be {expected}, or a mapping of names of columns to such, "
            f"not {given!r}"
        )
    values = list(given)
    if len(values) != len(names):
        raise ValueError(
            f"{option} has {len(values)} entries, and there are {len(names)} columns; "
            f"give {expected}, or a mapping of names of columns"
        )
    return values


def _by_name(option: str, given: Any) -> Any:
    """Return a mapping for a Series whose index holds names, anything else as it is."""
    index = getattr(given, "index", None)
    if index is None or callable(index):
        return given
    names = list(index)
    if not names or not all(isinstance(name, str) for name in names):
        return given
    if len(set(names)) < len(names):
        raise ValueError(f"{option} names a column twice; give one value per column")
    return dict(zip(names, given, strict=True))


def _is_pair(given: Any) -> bool:
    """Tell whether this is one (low, high), of numbers or None."""
    return (
        isinstance(given, tuple | list)
        and len(given) == 2
        and all(end is None or np.ndim(end) == 0 for end in given)
        and not any(isinstance(end, str) for end in given)
    )


def _ends(name: str, pair: Any) -> tuple[float, float]:
    if isinstance(pair, str) or not np.iterable(pair) or len(list(pair)) != 2:
        raise ValueError(
            f"bounds of column {name!r} must be a pair (low, high), not {pair!r}"
        )
    low, high = pair
    return (
        -math.inf if low is None else _number(low),
        math.inf if high is None else _number(high),
    )


def _number(value: Any) -> float:
    """Return a number, NaN for what is none."""
    if isinstance(value, bool | np.bool_ | str):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def within_bounds(params: FloatArray, bounds: FloatArray | None) -> FloatArray:
    """Return coefficients exactly at bounds that rounding alone keeps them from."""
    if bounds is None:
        return params
    first = len(params) - len(bounds)
    moved = params.copy()
    for end in bounds.T:
        near = np.isclose(moved[first:], end, rtol=4 * np.finfo(float).eps, atol=0)
        moved[first:] = np.where(near, end, moved[first:])
    return moved
