"""Rows with a missing value, found and left out, or counted, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.kernel import CSR, Rows

ROWS_AT_ONCE = 8192
"""Rows of X that are looked through at once, to hold no mask of all."""


def check_missing_option(missing: str) -> str:
    """Return "raise" or "drop", or say that these are the choices."""
    if missing not in ("raise", "drop"):
        raise ValueError(f"missing must be 'raise' or 'drop', not {missing!r}")
    return missing


def complete_rows(rows: Rows) -> Rows:
    """Return the rows that have all their values.

    Those of weight 0 stay: they count as removed already.
    """
    missing = _missing(rows)
    if rows.sample_weight is not None:
        missing &= rows.sample_weight != 0
    if not missing.any():
        return rows
    fitted = missing if rows.held is None else missing & ~rows.held
    n_dropped = int(fitted.sum())
    return replace(
        rows.chosen(np.flatnonzero(~missing)),
        n_dropped=n_dropped,
        n_held_dropped=int(missing.sum()) - n_dropped,
    )


def _missing(rows: Rows) -> npt.NDArray[np.bool_]:
    """Return where some value is missing; of several outcomes each stands alone."""
    several = rows.y.ndim == 2
    found = np.zeros(len(rows), dtype=bool) if several else is_missing(rows.y)
    if isinstance(rows.X, CSR):
        places = np.flatnonzero(np.isnan(rows.X.data)).tolist()
        found[[rows.X.row_of(place) for place in places]] = True
    elif rows.X.dtype.kind == "f":
        for low in range(0, len(rows), ROWS_AT_ONCE):
            cut = slice(low, low + ROWS_AT_ONCE)
            found[cut] |= np.isnan(rows.X[cut]).any(axis=1)
    for values in (rows.sample_weight, rows.offset):
        if values is not None:
            found |= np.isnan(values)
    if rows.groups is not None:
        found |= is_missing(rows.groups)
    return found


def is_missing(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return where labels are NaN, None or of pandas' kinds of missing values."""
    if labels.dtype.kind == "f":
        return np.asarray(np.isnan(labels))
    if labels.dtype.kind in "mM":
        return np.asarray(np.isnat(labels))
    if labels.dtype != object:
        return np.zeros(labels.shape, dtype=bool)
    return np.fromiter(map(_absent, labels), dtype=bool, count=len(labels))


def _absent(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and np.isnan(value)


def none_as_nan(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return weights and offsets as numbers also where some of them are None."""
    if name not in ("sample_weight", "offset") or values.dtype != object:
        return values
    return np.where(is_missing(values), np.nan, values)


@dataclass(frozen=True, slots=True, eq=False)
class MissingCounts:
    """How many values are missing, by column, and the first row of each."""

    n_rows: int = 0
    n_incomplete: int = 0
    columns: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    def __add__(self, other: MissingCounts) -> MissingCounts:
        """Return the counts of both; the rows of the other come later."""
        columns = dict(self.columns)
        for name, (count, place) in other.columns.items():
            before, first = columns.get(name, (0, place))
            columns[name] = (before + count, first)
        return MissingCounts(
            self.n_rows + other.n_rows,
            self.n_incomplete + other.n_incomplete,
            columns,
        )

    def __str__(self) -> str:
        """Return a sentence with the columns that lack most."""
        most = sorted(self.columns.items(), key=lambda item: -item[1][0])
        named = [f"{n!r} in {c:,} (first in {place})" for n, (c, place) in most[:5]]
        more = f" and {len(most) - 5} more" if len(most) > 5 else ""
        return (
            f"{self.n_incomplete:,} of {self.n_rows:,} rows have missing values: "
            f"{', '.join(named)}{more}; missing='drop' leaves them out"
        )


@dataclass(frozen=True, slots=True, eq=False)
class MissingKernel:
    """Counts missing values in rows that are fitted."""

    feature_names: tuple[str, ...]
    outcomes: tuple[str, ...] = ()
    """Names of the columns of y, if it has several."""
    groups_name: str = "groups"
    """What the labels of groups were given as."""

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "missing"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> list[MissingCounts]:
        """Return the counts of no rows."""
        return [MissingCounts()]

    def add(self, sums: list[MissingCounts], rows: Rows, buffers: None) -> None:
        """Count a block."""
        fitted = np.ones(len(rows), dtype=bool)
        if rows.sample_weight is not None:
            fitted &= rows.sample_weight != 0
        if rows.held is not None:
            fitted &= ~rows.held
        rows, copies = rows.chosen(np.flatnonzero(fitted)), rows.copies
        columns = {
            name: (count // copies, rows.place(first))
            for name, count, first in self._found(rows)
        }
        incomplete = _missing(rows)
        if self.outcomes:
            incomplete |= is_missing(rows.y).any(axis=1)
        n_incomplete = int(incomplete.sum()) // copies
        sums[0] += MissingCounts(len(rows) // copies, n_incomplete, columns)

    def _found(self, rows: Rows) -> Iterator[tuple[str, int, int]]:
        """Yield columns with missing values, how many, and the first row."""
        if isinstance(rows.X, CSR):
            places = np.flatnonzero(np.isnan(rows.X.data))
            columns, first, counts = np.unique(
                rows.X.indices[places], return_index=True, return_counts=True
            )
            for j, at, count in zip(columns, first, counts, strict=True):
                row = int(rows.X.row_of(int(places[at])))
                yield self.feature_names[int(j)], int(count), row
        elif rows.X.dtype.kind == "f":
            mask = np.isnan(rows.X)
            for j in np.flatnonzero(mask.any(axis=0)).tolist():
                column = mask[:, j]
                yield self.feature_names[j], int(column.sum()), int(column.argmax())
        responses = zip(self.outcomes, rows.y.T, strict=True)
        beside = dict(responses) if self.outcomes else {"y": rows.y}
        beside |= {self.groups_name: rows.groups}
        beside |= {"sample_weight": rows.sample_weight, "offset": rows.offset}
        for name, values in beside.items():
            absent = None if values is None else is_missing(values)
            if absent is not None and absent.any():
                yield name, int(absent.sum()), int(absent.argmax())

    def finish(self, sums: list[MissingCounts]) -> MissingCounts:
        """Return the counts."""
        return sums[0]
