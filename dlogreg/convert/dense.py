"""Columns of a table to the arrays of a group, batch by batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.convert.labels import CODES, Category, Labels
from dlogreg.errors import DataError
from dlogreg.screen import WorkBar, bytes_text, count_text
from dlogreg.source.group_writer import GroupWriter
from dlogreg.source.tables import Batch, Table
from dlogreg.survey import LARGEST_OFFSET


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of a table becomes what."""

    target: str
    features: tuple[str, ...]
    categories: tuple[str, ...] = ()
    sample_weight: str | None = None
    offset: str | None = None

    @property
    def numeric(self) -> tuple[str, ...]:
        """Columns that are read as numbers."""
        beside = (self.sample_weight, self.offset)
        return *self.features, *(name for name in beside if name is not None)

    @property
    def coded(self) -> tuple[str, ...]:
        """Columns that are read as labels."""
        return self.target, *self.categories


def copy_table(
    table: Table,
    columns: Columns,
    out: GroupWriter,
    dtype: np.dtype[Any],
    bar: WorkBar,
) -> dict[str, Any]:
    """Write the rows of a table; return the group's attributes, none without rows."""
    labels = Labels(columns.target)
    categories = [Category(name) for name in columns.categories]
    if categories:
        out.group("categories")
    n_rows = 0
    for batch in table.batches(columns.numeric, columns.coded):
        X = _matrix(batch, columns.features, dtype)
        fields: dict[str, npt.NDArray[Any]] = {"X": X, CODES: labels.encode(batch)}
        fields |= {category.path: category.encode(batch) for category in categories}
        if columns.sample_weight is not None:
            fields["sample_weight"] = _weights(batch, columns.sample_weight)
        if columns.offset is not None:
            fields["offset"] = _offsets(batch, columns.offset)
        out.append(**fields)
        n_rows += len(X)
        size = sum(values[:1].nbytes for values in fields.values())
        bar.reached(
            batch.share, f"{count_text(n_rows)} rows, {bytes_text(n_rows * size)}"
        )
    if not n_rows:
        return {}
    for category in categories:
        category.store(out, typed=table.typed)
    named = {"categories": list(columns.categories)} if categories else {}
    return {
        "feature_names": list(columns.features),
        "classes": labels.store(out, typed=table.typed),
        "target": columns.target,
        **named,
    }


def _matrix(
    batch: Batch, features: Sequence[str], dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    X = np.empty((batch.n_rows, len(features)), dtype=dtype)
    with np.errstate(over="ignore"):
        for j, name in enumerate(features):
            X[:, j] = batch.numbers[name]
    bad = ~np.isfinite(X)
    if bad.any():
        row, column = np.argwhere(bad)[0].tolist()
        value = float(batch.numbers[features[column]][row])
        raise DataError(_bad_value(batch, features[column], row, value, dtype))
    return X


def _bad_value(
    batch: Batch, name: str, row: int, value: float, dtype: np.dtype[Any]
) -> str:
    where = f"in {batch.place(row)}"
    if math.isnan(value):
        return f"column {name!r} has no value {where}; remove or fill such rows first"
    if math.isinf(value):
        return f"column {name!r} is infinite {where}; remove or fill such rows first"
    return f"column {name!r} is {value:g} {where}, too large for {dtype}; use float64"


def _weights(batch: Batch, name: str) -> npt.NDArray[np.float64]:
    weights = batch.numbers[name]
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"weight {name!r} is {weights[row]:g} in {batch.place(row)}; weights "
            "must be finite and not negative"
        )
    return weights


def _offsets(batch: Batch, name: str) -> npt.NDArray[np.float64]:
    offsets = batch.numbers[name]
    bad = ~(np.abs(offsets) <= LARGEST_OFFSET)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"offset {name!r} is {offsets[row]:g} in {batch.place(row)}; offsets are "
            f"added to the log-odds and must be at most {LARGEST_OFFSET:g} in size"
        )
    return offsets
