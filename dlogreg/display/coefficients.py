"""Rows of a table of coefficients: cells, remarks, and what is drawn beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.display.bars import Interval
from dlogreg.display.numerals import (
    MISSING,
    p_value,
    printable,
    ratio,
    significant,
    statistic,
)
from dlogreg.evaluation import FloatArray

if TYPE_CHECKING:
    from dlogreg.results.fitted import FittedModel

MAX_ROWS = 2000
"""A table of more coefficients shows the first and the last half of so many."""
SEPARATED_MARK = " (!)"


@dataclass(frozen=True, slots=True)
class CoefficientRow:
    """A line of the table: cells, or a remark in their place."""

    name: str
    cells: tuple[str, ...] = ()
    remark: str = ""
    interval: Interval | None = None
    """What is drawn beside the cells; odds ratios as their logarithms."""
    strength: float = 0.0
    """By which rows of a long table are chosen, the largest first."""
    group: str = ""
    """What tells rows of the same name apart, such as a class."""


def intervals(
    results: FittedModel, coefficients: FloatArray, ratios: FloatArray
) -> list[Interval | None]:
    """Return what is drawn of every coefficient; nothing of an intercept's odds."""
    with np.errstate(divide="ignore"):
        ends = np.log(ratios[:, 1:])
    parts = ends[:, 0], coefficients, ends[:, 1]
    drawn: list[Interval | None] = [
        *zip(*(part.tolist() for part in parts), strict=True)
    ]
    first = int(results.fit_intercept)
    return [None] * first + drawn[first:]


def strengths(coefficients: FloatArray, z: FloatArray | None) -> FloatArray:
    """Return by which coefficients are chosen: abs(z), or else their sizes."""
    return np.nan_to_num(np.abs(coefficients if z is None else z), nan=0.0)


def with_intervals(
    rows: Iterator[CoefficientRow],
    drawn: Sequence[Interval | None],
    strengths: FloatArray,
    group: str = "",
) -> Iterator[CoefficientRow]:
    """Add to rows what is drawn beside them, unless they have no optimum."""
    for row, interval, strength in zip(rows, drawn, strengths.tolist(), strict=True):
        shown = None if row.name.endswith(SEPARATED_MARK) else interval
        yield replace(row, interval=shown, strength=strength, group=group)


def coefficient_rows(
    results: FittedModel, numbers: Sequence[tuple[str, ...]]
) -> Iterator[CoefficientRow]:
    """Return a row for every name, with its cells or why there are none."""
    separated = set(results.separated)
    endless = _endless(results)
    for name, values in zip(results.names, numbers, strict=True):
        shown = printable(name)
        if name in results.dropped:
            reason = printable(results.dropped[name])
            yield CoefficientRow(shown, remark=f"dropped: {reason}")
        elif name in separated or name in endless:
            rest = (MISSING,) * (len(values) - 1)
            yield CoefficientRow(shown + SEPARATED_MARK, (values[0], *rest))
        else:
            yield CoefficientRow(shown, values)


def _endless(results: FittedModel) -> set[str]:
    """Return the names of coefficients that are known to be infinite."""
    if not results.separation:
        return set()
    infinite = np.isinf(results.coefficients).tolist()
    return {name for name, is_so in zip(results.names, infinite, strict=True) if is_so}


def cells(
    coefficients: FloatArray,
    ratios: FloatArray,
    wald: tuple[FloatArray, FloatArray, FloatArray] | None,
) -> list[tuple[str, ...]]:
    """Return the cells of every coefficient, from its error, statistic and p-value."""
    found = [_formatted(coefficients, 6)]
    if wald is None:
        found.append([ratio(value) for value in ratios[:, 0].tolist()])
        return list(zip(*found, strict=True))
    errors, statistics, p_values = wald
    found += [
        _formatted(errors, 5),
        [statistic(z) for z in statistics.tolist()],
        [p_value(p) for p in p_values.tolist()],
        *([ratio(value) for value in column.tolist()] for column in ratios.T),
    ]
    return list(zip(*found, strict=True))


def _formatted(values: np.ndarray, digits: int) -> list[str]:
    return [significant(value, digits) for value in values.tolist()]


def shortened(rows: Sequence[CoefficientRow]) -> Sequence[CoefficientRow]:
    """Leave out the middle of a very long table, and say so."""
    if len(rows) <= MAX_ROWS:
        return rows
    half = MAX_ROWS // 2
    remark = f"{len(rows) - 2 * half:,} more coefficients, not shown; see params"
    return [*rows[:half], CoefficientRow("...", remark=remark), *rows[-half:]]
