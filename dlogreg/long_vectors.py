"""Long vectors in memory of their own, which the system has back once they are dropped.

glibc takes vectors of up to 32 MiB from heaps that belong to the threads, and what
these free stays with them until it is asked back, in pieces that a longer vector does
not fit: sums over a million columns, made and added by several threads, took twice
what was ever in use. Pages mapped for a single vector go when it goes.
"""

from __future__ import annotations

import math
import mmap
import sys
from contextlib import suppress
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

LEAST_BYTES = 2**20
"""Below, a system call for every vector would cost more than it is worth."""


def zeros(
    shape: int | tuple[int, ...],
    dtype: npt.DTypeLike = np.float64,
    order: Literal["C", "F"] = "C",
) -> npt.NDArray[Any]:
    """Return zeros, as ``np.zeros`` does; pages that nobody writes take no memory."""
    size = math.prod(np.atleast_1d(shape)) * np.dtype(dtype).itemsize
    pages = None
    if sys.platform != "win32" and size >= LEAST_BYTES:
        pages = _pages(size)
    if pages is None:
        return np.zeros(shape, dtype, order)
    return np.ndarray(shape, dtype, pages, order=order)


def _pages(size: int) -> mmap.mmap | None:
    """Return so many bytes of pages; None where the system refuses, as numpy may too.

    Kernels built without huge pages refuse these, and others serve.
    """
    try:
        pages = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError:  # where numpy raises MemoryError
        return None
    if sys.platform == "linux":
        with suppress(OSError):
            pages.madvise(mmap.MADV_HUGEPAGE)  # as numpy does: columns in any order
    return pages
