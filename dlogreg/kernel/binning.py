"""Sums by bin, in bins that are doubled until few enough are occupied.

A bin is a number; halving the numbers of all makes bins twice as wide. What is summed,
and where bins lie, is for others to say (``kernel/score_rows.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray

IntArray = npt.NDArray[np.int64]
Places = Iterator[npt.NDArray[np.intp]]

SPANS = 16
"""Bins from the lowest to the highest, in capacities, up to which rows are counted
without sorting: of normal scores so many leave most rows a bin of their own, and their
marks stay in the cache."""


class Part(Protocol):
    """Some of what is summed: rows, or sums by bin."""

    @property
    def level(self) -> int:
        """How often the bins must have been doubled at least."""
        ...

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def ends(self, level: int) -> tuple[int, int]:
        """Return the lowest and the highest bin; there are rows."""
        ...

    def keys(self, level: int) -> IntArray:
        """Return every row's bin, in memory that may be used up."""
        ...

    def lines(self) -> Sequence[FloatArray]:
        """Return what is summed, lines of the shape (n_rows,)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Binned:
    """Lines of sums by bin."""

    bins: IntArray
    """Numbers of the occupied bins, ascending, shape (n_bins,)."""
    sums: FloatArray
    """Shape (n_lines, n_bins)."""
    level: int = 0
    """How often bins have been doubled."""

    def __len__(self) -> int:
        """Return the number of bins."""
        return len(self.bins)

    def ends(self, level: int) -> tuple[int, int]:
        """Return the lowest and the highest bin."""
        wider = level - self.level
        return int(self.bins[0]) >> wider, int(self.bins[-1]) >> wider

    def keys(self, level: int) -> IntArray:
        """Return the numbers of wider bins that hold these."""
        return np.asarray(self.bins >> (level - self.level))

    def lines(self) -> Sequence[FloatArray]:
        """Return the lines of sums."""
        return list(self.sums)


def summed_by_bin(
    parts: Sequence[Part], n_lines: int, capacity: int, level: int = 0
) -> Binned:
    """Add up lines by bin, in bins as wide as the capacity asks, or ``level``.

    Every number is added in the order of rows, so that it does not matter how rows that
    follow one another are cut into parts.
    """
    level = max([level, *(part.level for part in parts)])
    parts = [part for part in parts if len(part)]
    if not parts:
        return Binned(np.empty(0, dtype=np.int64), np.empty((n_lines, 0)), level)
    marked = _marked(parts, level, capacity)
    level, bins, places = _sorted(parts, level, capacity) if marked is None else marked
    sums = np.zeros((n_lines, len(bins)))
    for part, place in zip(parts, places, strict=True):
        for total, line in zip(sums, part.lines(), strict=True):
            np.add.at(total, place, line)  # takes less time than np.bincount
    return Binned(bins, sums, level)


def _marked(
    parts: Sequence[Part], level: int, capacity: int
) -> tuple[int, IntArray, Places] | None:
    """Return the level, occupied bins, and where rows stand among them, by parts.

    Bins are marked in a table as wide as ``SPANS`` allows. None where that may not tell
    the width: where no more than ``capacity`` of its bins are occupied, narrower ones
    may do, and two alone need not be halves of one.
    """
    if capacity == 1 or sum(map(len, parts)) <= capacity:
        return None
    lows, highs = zip(*(part.ends(level) for part in parts), strict=True)
    low, most = min(lows), (SPANS * capacity).bit_length() - 1
    span = (max(highs) - low).bit_length()
    wider, bits = max(0, span - most), min(span, most)
    level += wider
    origin = low >> wider >> bits << bits  # so that neighbours pair as bins do
    seen = np.zeros(2 << bits, dtype=np.bool_)
    for part in parts:
        place = part.keys(level)
        place -= origin
        seen[place] = True
    occupied = np.count_nonzero(seen)
    if wider and occupied <= capacity:
        return None
    while occupied > capacity:
        seen = seen.view(np.uint16) != 0
        level, origin, occupied = level + 1, origin >> 1, np.count_nonzero(seen)
    bins = np.flatnonzero(seen).astype(np.int64)
    number = np.empty(len(seen), dtype=np.intp)
    number[bins] = np.arange(len(bins))
    bins += origin
    return level, bins, _numbered(parts, level, origin, number)


def _numbered(
    parts: Sequence[Part], level: int, origin: int, number: npt.NDArray[np.intp]
) -> Places:
    for part in parts:
        place = part.keys(level)
        place -= origin
        yield number[place]


def _sorted(
    parts: Sequence[Part], level: int, capacity: int
) -> tuple[int, IntArray, Places]:
    """Return the same from sorted rows, wherever their bins are."""
    keys = np.concatenate([part.keys(level) for part in parts])
    order = np.argsort(keys)
    keys = keys[order]
    wider = _widening(keys, capacity)
    keys >>= wider
    first = np.diff(keys, prepend=keys[0] - 1) > 0
    place = np.empty(len(keys), dtype=np.intp)
    place[order] = np.cumsum(first) - 1
    cuts = np.cumsum([len(part) for part in parts])[:-1]
    return level + wider, keys[first], iter(np.split(place, cuts))


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
