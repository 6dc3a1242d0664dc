"""Labels, weights and offsets as they are found, checked row by row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError, MissingValueError
from dlogreg.evaluation import Label
from dlogreg.kernel import Rows
from dlogreg.keyed_sums import check_ends

MAX_LABELS = 200
"""More distinct values of y than this are taken for a continuous outcome."""
SORTED_ROWS = 1024
"""Rows that are sorted at once to find labels that are not yet known."""
LARGEST_OFFSET = 1e4
"""Offsets are on the scale of log-odds, where 700 is as good as certain."""


def label_masks(
    y: npt.NDArray[Any], known: tuple[Label, ...]
) -> list[tuple[Label, npt.NDArray[np.bool_]]]:
    """Return the rows of every label that occurs; sorts only labels not yet known.

    Of those only the first rows, which nearly always hold all labels that there are.
    """
    masks: list[tuple[Label, npt.NDArray[np.bool_]]] = []
    if known and y.dtype != object:
        masks = [(label, y == label) for label in known]
        counts = [int(np.count_nonzero(mask)) for _, mask in masks]
        if sum(counts) == len(y):  # labels exclude each other
            return [pair for pair, n in zip(masks, counts, strict=True) if n]
    masks, rest = [], np.ones(len(y), dtype=bool)
    labels: Iterable[Label] = known
    while True:
        for label in labels:
            mask = y == label
            masks.append((label, mask))
            rest &= ~mask
        (unknown,) = rest.nonzero()
        if not len(unknown):
            return [(label, mask) for label, mask in masks if mask.any()]
        first = unknown[:SORTED_ROWS]
        labels = _distinct(y[first])
        rest[first] = False  # NaN, which equals no label, is not looked for again


def _distinct(values: npt.NDArray[Any]) -> list[Label]:
    if values.dtype == object:
        labels = set(values.tolist())
    else:
        labels = set(np.unique(values).tolist())
    if len(labels) > MAX_LABELS:
        raise DataError(too_many_labels(labels))
    check_ends(labels, "y")
    return sort_labels(labels)


def sort_labels(labels: Any) -> list[Label]:
    """Return labels in their natural order; labels of mixed kinds by their text."""
    try:
        return sorted(labels)
    except TypeError:
        return sorted(labels, key=str)


def too_many_labels(labels: Any) -> str:
    """Say that y does not look like labels."""
    some = ", ".join(repr(label) for label in sort_labels(labels)[:3])
    return (
        f"y has more than {MAX_LABELS} distinct values ({some}, ...): it looks "
        "continuous; logistic regression needs labels, for example y > threshold"
    )


def check_weights(rows: Rows) -> None:
    """Refuse weights that are negative, NaN or infinite."""
    weight = rows.sample_weight
    if weight is None or (np.isfinite(weight).all() and (weight >= 0).all()):
        return
    row = int(np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))[0])
    kind = MissingValueError if np.isnan(weight[row]) else DataError
    raise kind(
        f"sample_weight is {weight[row]} in {rows.place(row)}; weights must be finite "
        "and not negative (0 leaves a row out)"
    )


def check_offsets(rows: Rows) -> None:
    """Refuse offsets that are NaN, infinite or beyond all log-odds.

    Raises
    ------
    DataError
        With the row, what it holds and what to do.
    """
    offset = rows.offset
    if offset is None or bool(np.all(np.abs(offset) <= LARGEST_OFFSET)):
        return
    row = int(np.flatnonzero(~(np.abs(offset) <= LARGEST_OFFSET))[0])
    where = f"offset is {offset[row]:g} in {rows.place(row)}"
    if not np.isfinite(offset[row]):
        kind = MissingValueError if np.isnan(offset[row]) else DataError
        raise kind(
            f"{where}; offsets must be finite: fill it, or leave the row out by "
            "sample_weight 0"
        )
    raise DataError(
        f"{where}, beyond {LARGEST_OFFSET:g}: offsets are added to the log-odds, where "
        "700 is as good as certain; check their units (an exposure enters by its "
        "logarithm), or subtract a constant, which the intercept takes up"
    )


def check_labels(rows: Rows) -> None:
    """Refuse labels that are missing or infinite."""
    row = _first_missing(rows.y)
    if row is not None:
        value = rows.y[row]
        message = f"y is {value} in {rows.place(row)}; remove rows without an outcome"
        raise _kind(value)(message)


def check_groups(rows: Rows, what: str = "groups") -> None:
    """Refuse labels of groups that are missing or infinite."""
    if rows.groups is None:
        return
    row = _first_missing(rows.groups)
    if row is not None:
        raise _kind(rows.groups[row])(
            f"{what} is {rows.groups[row]} in {rows.place(row)}; give every row a "
            "group, one of its own if it belongs to none, or leave it out by "
            "sample_weight 0"
        )


def _kind(value: Any) -> type[DataError]:
    """Return the error of a value that is missing, or infinite."""
    is_number = isinstance(value, float | np.floating)
    return DataError if is_number and np.isinf(value) else MissingValueError


def _first_missing(values: npt.NDArray[Any]) -> int | None:
    if values.dtype.kind == "f":
        bad = ~np.isfinite(values)
    elif values.dtype.kind in "mM":
        bad = np.isnat(values)
    elif values.dtype == object:
        bad = np.fromiter(map(_is_missing, values), dtype=bool, count=len(values))
    else:
        return None
    return int(np.flatnonzero(bad)[0]) if bad.any() else None


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and not np.isfinite(value)
