"""Matrices that a task's sums leave behind, used again for its next ones.

Fresh memory costs more than sums in it: the system maps and zeroes a page at the first
touch, and Dask's nannies have the allocator return every large array at once. A task of
many leaves would pay that three times for each: for its sum, and to add it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


class _SpareMatrices(threading.local):
    """What the task that this thread runs has left over; nothing outside of tasks."""

    def __init__(self) -> None:
        self._spare: list[Matrix] | None = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what is given meanwhile."""
        before, self._spare = self._spare, []
        try:
            yield
        finally:
            self._spare = before

    def zeros(self, shape: tuple[int, ...]) -> Matrix:
        """Return zeros, in memory that was given if there is some of this shape."""
        spare = self._spare or []
        for i, matrix in enumerate(spare):
            if matrix.shape == shape:
                del spare[i]
                matrix.fill(0.0)
                return matrix
        return np.zeros(shape)

    def give(self, matrix: Matrix) -> None:
        """Take over a matrix, or what it is a part of, that nobody will read again."""
        whole = matrix if matrix.base is None else matrix.base
        if self._spare is not None and _usable(whole):
            self._spare.append(whole)


def _usable(whole: object) -> bool:
    return (
        isinstance(whole, np.ndarray)
        and whole.dtype == np.float64
        and whole.flags.c_contiguous
        and whole.flags.owndata
    )


spare_matrices = _SpareMatrices()
