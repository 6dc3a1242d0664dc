"""Matrices that a task's sums leave behind, used again for its next ones.

Fresh memory costs more than sums in it: the system maps and zeroes a page at the first
touch, and large arrays are always fresh. A task of many leaves would pay that three
times for each: for its sum, and to add it. A thread keeps a few small matrices from
task to task; large ones it lets go, and has in huge pages, which cost less.
"""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

SMALL_BYTES = 2**22
"""numpy asks for huge pages from here on."""
KEPT = 8
"""Small matrices that a thread keeps when its task is done."""


class _SpareMatrices(threading.local):
    """What the task that this thread runs has left over."""

    def __init__(self) -> None:
        self._spare: list[Matrix] = []
        self._open = False

    def __enter__(self) -> None:
        """Keep what is given from now on."""
        self._open = True

    def __exit__(self, *raised: object) -> None:
        """Keep no more."""
        self._open = False
        self._let_go()

    def zeros(self, shape: tuple[int, ...]) -> Matrix:
        """Return zeros, in memory that was given if there is some of this shape."""
        matrix = self._taken(shape)
        if matrix is None:
            return np.zeros(shape)
        matrix.fill(0.0)
        return matrix

    def empty(self, shape: tuple[int, ...]) -> Matrix:
        """Return any numbers, in memory that was given if there is some."""
        matrix = self._taken(shape)
        return np.empty(shape) if matrix is None else matrix

    def give(self, matrix: Matrix) -> None:
        """Take over a matrix, or what it is a part of, that nobody will read again."""
        whole = matrix if matrix.base is None else matrix.base
        if self._open and _usable(whole):
            self._spare.append(whole)

    def _taken(self, shape: tuple[int, ...]) -> Matrix | None:
        if self._open:
            for i, matrix in enumerate(self._spare):
                if matrix.shape == shape:
                    return self._spare.pop(i)
        return None

    def _let_go(self) -> None:
        """Forget all but a few small matrices, those that came last."""
        small = [matrix for matrix in self._spare if matrix.nbytes < SMALL_BYTES]
        self._spare = small[-KEPT:]


def _usable(whole: object) -> bool:
    return (
        isinstance(whole, np.ndarray)
        and whole.dtype == np.float64
        and whole.flags.c_contiguous
        and whole.flags.owndata
    )


spare_matrices = _SpareMatrices()
