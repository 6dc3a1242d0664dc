"""The columns of factors, and of their products, in some rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy.sparse import coo_array

from dlogreg.evaluation import FloatArray
from dlogreg.formula.columns import Codes, Index
from dlogreg.formula.terms import Part
from dlogreg.kernel import CSR
from dlogreg.kernel.mixed import Places


@dataclass(frozen=True, slots=True, eq=False)
class Indicators:
    """Columns of which every row has at most one, which is 1."""

    codes: Codes
    table: Index
    """The column of every code; -1 for none."""
    width: int

    @property
    def index(self) -> Index:
        """The column of every row; -1 for none."""
        return self.table[self.codes]


Encoded = Indicators | FloatArray
"""A factor's columns in some rows."""
Known = dict[tuple[str, bool], Encoded]
Products = Iterator[tuple[slice | Index, Any, FloatArray | float]]
"""Rows, the column of all or of each of them, and its value."""


def products(part: Part, factors: Sequence[Encoded]) -> Products:
    """Yield the products of the factors' columns, those of a category together.

    Columns of the first factor follow each other fastest. Rows are those in which the
    indicators are not zero.
    """
    rows: slice | Index = slice(None)
    step, dense = 1, []
    index: Index | None = None
    for factor in factors:
        if isinstance(factor, Indicators):
            index = _joined(index, factor, step)
            step *= factor.width
        else:
            dense.append((factor, step))
            step *= factor.shape[1]
    if index is not None:
        rows = np.flatnonzero(index >= 0)
        index = index[rows]
    for columns in product(*(range(factor.shape[1]) for factor, _ in dense)):
        value: FloatArray | float = part.scale
        place = 0
        for (factor, stride), column in zip(dense, columns, strict=True):
            value = value * factor[rows, column]
            place += column * stride
        yield rows, place if index is None else place + index, value


def _joined(index: Index | None, factor: Indicators, step: int) -> Index:
    """Return the column of every row among the products with one more category."""
    own = factor.index
    here = np.where(own < 0, -1, own * step)
    before = 0 if index is None else index
    return np.where((here < 0) | (before < 0), -1, here + before)


def set_places(out: Places, first: int, width: int, factors: Sequence[Encoded]) -> None:
    """Write the column of the design that is 1 in every row; width where none is."""
    index: Index | None = None
    step = 1
    for factor in factors:
        assert isinstance(factor, Indicators)
        if len(factors) == 1:
            table = np.where(factor.table < 0, width, factor.table + first)
            table.astype(np.int32).take(factor.codes, out=out, mode="wrap")
            return
        index = _joined(index, factor, step)
        step *= factor.width
    assert index is not None
    out[:] = np.where(index < 0, width, index + first)


def compressed_rows(
    parts: Sequence[tuple[Any, Any, Any]], shape: tuple[int, int]
) -> CSR:
    """Return rows, columns and values as compressed rows."""
    sizes = [len(rows) for rows, _, _ in parts]
    rows, columns = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    values = [
        np.broadcast_to(value, size)
        for (_, _, value), size in zip(parts, sizes, strict=True)
    ]
    return CSR.of(coo_array((np.concatenate(values), (rows, columns)), shape=shape))
