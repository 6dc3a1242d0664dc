"""Sums by bin, in bins that are doubled until few enough are occupied.

A bin is a number; halving the numbers of all makes bins twice as wide. What is summed,
and where bins lie, is for others to say (``kernel/scores.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray

IntArray = npt.NDArray[np.int64]

SPANS = 4
"""Bins from the lowest to the highest, in capacities, up to which rows are counted
without sorting."""


def summed_by_bin(
    keys: IntArray, rows: Sequence[FloatArray], level: int, capacity: int
) -> tuple[int, IntArray, FloatArray]:
    """Add up the lines of ``rows`` by bin, in bins as wide as the capacity asks."""
    if not len(keys):
        return level, keys, np.empty((len(rows), 0))
    bins, place, level = _occupied(keys, level, capacity)
    wider = _widening(bins, capacity)
    if wider:
        bins >>= wider
        first = np.diff(bins, prepend=bins[0] - 1) > 0
        bins, place = bins[first], (np.cumsum(first) - 1)[place]
    sums: FloatArray = np.stack([np.bincount(place, row) for row in rows])
    return level + wider, bins, sums


def _occupied(
    keys: IntArray, level: int, capacity: int
) -> tuple[IntArray, npt.NDArray[np.intp], int]:
    """Return occupied bins, ascending, where every row's stands, and their level.

    The bins are made so wide that counting takes the place of sorting, unless no more
    than ``capacity`` of these are occupied: then narrower ones may do.
    """
    low, most = int(keys.min()), SPANS * min(capacity, len(keys))
    wider = max(0, (int(keys.max()) - low).bit_length() - most.bit_length() + 1)
    if not wider or len(keys) > capacity:
        counted = keys >> wider
        counted -= low >> wider
        occupied = np.flatnonzero(np.bincount(counted)).astype(np.int64)
        if not wider or len(occupied) > capacity:
            place = np.empty(2 * most, dtype=np.intp)
            place[occupied] = np.arange(len(occupied))
            return occupied + (low >> wider), place[counted], level + wider
    order = np.argsort(keys)
    keys = keys[order]
    first = np.diff(keys, prepend=keys[0] - 1) > 0
    place = np.empty(len(keys), dtype=np.intp)
    place[order] = np.cumsum(first) - 1
    return keys[first], place, level


def _widening(keys: IntArray, capacity: int) -> int:
    """Return how often bins must be doubled until at most ``capacity`` are occupied.

    Neighbours part at a doubling as long as the highest bit in which they differ is
    above it, so one look at the keys, which ascend, counts the bins at every width.
    """
    if len(keys) <= capacity:
        return 0
    differing = (keys[1:] ^ keys[:-1]).astype(np.float64)
    highest = np.bincount(np.frexp(differing)[1])
    occupied = 1 + highest[::-1].cumsum()[::-1]
    fitting = np.flatnonzero(np.append(occupied[1:], 1) <= capacity)
    return int(fitting[0])
