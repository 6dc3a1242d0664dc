"""A block of rows as the kernels see it, and what a kernel has to offer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray, Summable


@dataclass(frozen=True, slots=True)
class Rows:
    """Aligned rows of X, y and weights, loaded in memory."""

    X: Any
    """A numpy array or ``CSR``, shape (n_rows, n_features), any real type."""
    y: npt.NDArray[Any]
    """Labels as the user gave them, shape (n_rows,)."""
    sample_weight: FloatArray | None = None
    index: int = 0
    """Position of the block in the data."""
    start: int | None = None
    """Row number of the first row; None where the row counts are not known."""
    kept: npt.NDArray[np.intp] | None = None
    """Where these rows stood before rows of weight zero were left out."""
    beside: npt.NDArray[Any] | None = None
    """Columns that are not in the model, for a test of them."""
    offset: FloatArray | None = None
    """What is added to the linear predictor of every row, shape (n_rows,)."""
    groups: npt.NDArray[Any] | None = None
    """Labels of the clusters that rows belong to, shape (n_rows,)."""
    copies: int = 1
    """Rows that stand for one row of the data; they are numbered on, ``start`` too."""
    n_dropped: int = 0
    """Rows of the block that were left out because a value was missing."""
    held: npt.NDArray[np.bool_] | None = None
    """Rows that are held out, to be scored but not fitted, shape (n_rows,)."""
    n_held_dropped: int = 0
    """Rows that were held out and left out because a value was missing."""
    numbers: npt.NDArray[np.int64] | None = None
    """Row numbers in the data, shape (n_rows,), where a formula left out rows before
    they were counted; None where rows are numbered as they are read."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.y)

    @property
    def n_bytes(self) -> int:
        """Bytes of the arrays in memory, without the marks of rows held out."""
        optional = (self.sample_weight, self.beside, self.offset, self.groups)
        extra = sum(values.nbytes for values in optional if values is not None)
        return (int(self.X.nbytes) + self.y.nbytes + extra) // self.copies

    @property
    def n_read(self) -> int:
        """Number of rows of the data."""
        return len(self) // self.copies

    def slabs(self, length: int) -> Iterator[Rows]:
        """Cut into pieces of at most ``length`` rows, as views."""
        for low in range(0, len(self), length):
            yield self._select(slice(low, low + length), low)

    def thinned(self, most: int) -> Rows:
        """Return at most ``most`` rows, spread evenly, as copies."""
        step = max(1, -(-len(self) // most))
        step += self.copies > 1 and step % 2 == 0  # lest all are of one outcome
        return self._select(np.arange(0, len(self), step), None)

    def positive(self) -> Rows:
        """Return the rows that are fitted.

        Those of positive weight, since weight 0 is the row removed, that are not held
        out.
        """
        weight, held = self.sample_weight, self.held
        fitted = None if weight is None or np.all(weight > 0) else weight > 0
        if held is not None and held.any():
            fitted = ~held if fitted is None else fitted & ~held
        return self if fitted is None else self._select(np.flatnonzero(fitted), None)

    def held_out(self) -> Rows:
        """Return the rows that are held out, as rows like any others."""
        held = np.empty(0, dtype=bool) if self.held is None else self.held
        return replace(self._select(np.flatnonzero(held), None), held=None)

    def chosen(self, rows: npt.NDArray[np.intp]) -> Rows:
        """Return the rows at these positions, as copies."""
        return self._select(rows, None)

    def between(self, rows: slice) -> Rows:
        """Return rows that follow one another, as views."""
        return self._select(rows, rows.start)

    def _select(self, rows: slice | npt.NDArray[np.intp], low: int | None) -> Rows:
        weight, start, kept = self.sample_weight, self.start, self.kept
        if not isinstance(rows, slice):
            kept = rows if kept is None else kept[rows]
        elif kept is not None:
            kept = kept[rows]
        elif start is not None and low is not None:
            start += low
        return Rows(
            _of_rows(self.X, rows),
            self.y[rows],
            None if weight is None else weight[rows],
            self.index,
            start,
            kept,
            None if self.beside is None else self.beside[rows],
            None if self.offset is None else self.offset[rows],
            None if self.groups is None else self.groups[rows],
            self.copies,
            held=None if self.held is None else self.held[rows],
            numbers=None if self.numbers is None else self.numbers[rows],
        )

    def place(self, row: int) -> str:
        """Name a row for an error message."""
        if self.numbers is not None:
            return f"row {self.numbers[row]}"
        row = row if self.kept is None else int(self.kept[row])
        if self.start is None:
            return f"row {row // self.copies} of block {self.index}"
        return f"row {(self.start + row) // self.copies}"


def _of_rows(X: Any, rows: slice | npt.NDArray[np.intp]) -> Any:
    if isinstance(X, np.ndarray) and isinstance(rows, np.ndarray):
        return X.take(rows, axis=0)  # copies whole rows, in half the time of X[rows]
    return X[rows]


class Kernel(Protocol):
    """A sum over rows, made block by block inside one task.

    ``open`` gives what is reused from block to block; ``start`` an empty sum for
    each leaf; ``add`` puts a block in; ``finish`` returns the leaf's sum, which adds,
    and whose memory is its own.
    """

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        ...

    def open(self) -> Any:
        """Return buffers for one task."""
        ...

    def start(self) -> Any:
        """Return an empty sum."""
        ...

    def add(self, sums: Any, rows: Rows, buffers: Any) -> None:
        """Add a block to the sum."""
        ...

    def finish(self, sums: Any) -> Summable:
        """Return the sum in the form that adds."""
        ...
