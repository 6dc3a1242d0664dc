"""The rows parted, for models that leave some parts out: recipes, never tables.

Which part a row belongs to follows from its number, its group or its outcome, so that
it does not depend on how the rows are cut or where they are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.folds import hashed, hashed_labels, row_numbers
from dlogreg.keyed_sums import label_keys

Part = npt.NDArray[np.intp]
CELLS = 2**16
"""Cells of the hash by which rows of a class are parted evenly."""


class Parts(Protocol):
    """Tells which part every row belongs to."""

    @property
    def n_parts(self) -> int:
        """Number of parts."""
        ...

    def of(self, rows: Rows) -> Part:
        """Return the part of every row, from 0, shape (n_rows,)."""
        ...


def in_order(parts: Parts, rows: Rows) -> tuple[Part, Part]:
    """Return the positions of rows part by part, and how many each has."""
    own = parts.of(rows)
    counts = np.bincount(own, minlength=parts.n_parts)
    shortest = np.min_scalar_type(parts.n_parts)  # sorted by radix up to 16 bits
    return np.argsort(own.astype(shortest), kind="stable"), counts


@dataclass(frozen=True, slots=True)
class RandomParts:
    """Every row by itself, by a hash of its number: parts of about equal size."""

    n_parts: int
    seed: int = 0

    def of(self, rows: Rows) -> Part:
        """Return the part of every row."""
        drawn = hashed(row_numbers(rows), self.seed) % np.uint64(self.n_parts)
        return drawn.astype(np.intp)


@dataclass(frozen=True, slots=True)
class GroupParts:
    """Every group with all of its rows, by a hash of its label."""

    n_parts: int
    seed: int = 0

    def of(self, rows: Rows) -> Part:
        """Return the part of every row."""
        assert rows.groups is not None
        labels, codes = np.unique(label_keys(rows.groups), return_inverse=True)
        drawn = hashed(hashed_labels(labels), self.seed) % np.uint64(self.n_parts)
        return drawn.astype(np.intp)[codes]


@dataclass(frozen=True, slots=True)
class TimeParts:
    """Runs of consecutive rows; the first part is the earliest."""

    borders: tuple[int, ...]
    """Numbers of the first rows of all parts but the first."""

    @property
    def n_parts(self) -> int:
        """Number of parts."""
        return len(self.borders) + 1

    def of(self, rows: Rows) -> Part:
        """Return the part of every row."""
        borders = np.array(self.borders, dtype=np.uint64)
        return np.searchsorted(borders, row_numbers(rows), side="right")


@dataclass(frozen=True, slots=True)
class GivenParts:
    """What stands in the place of groups beside every row: its part."""

    n_parts: int

    def of(self, rows: Rows) -> Part:
        """Return the part of every row."""
        assert rows.groups is not None
        return rows.groups.astype(np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class StratifiedParts:
    """The rows of each class apart, in parts of equal size by ranks of a hash."""

    n_parts: int
    seed: int
    classes: tuple[Label, ...]
    borders: npt.NDArray[np.intp]
    """Cells of the hash at which parts begin, shape (n_classes, n_parts - 1)."""

    @classmethod
    def of_counts(
        cls,
        n_parts: int,
        seed: int,
        classes: tuple[Label, ...],
        counts: npt.NDArray[np.int64],
    ) -> StratifiedParts:
        """Cut so that every part has its share of the rows of each class.

        ``counts`` are rows by class and cell of the hash, shape (n_classes, 65536). A
        part has its share up to the rows of the cells at its borders: with fewer than
        a few thousand rows in a class, up to one row; with n, up to about n / 65536.
        """
        before = counts.cumsum(axis=1) - counts / 2
        shares = np.arange(1, n_parts) / n_parts
        borders = [
            np.searchsorted(line, shares * total)
            for line, total in zip(before, counts.sum(axis=1), strict=True)
        ]
        return cls(n_parts, seed, classes, np.array(borders, dtype=np.intp))

    def of(self, rows: Rows) -> Part:
        """Return the part of every row."""
        cells = hash_cells(rows, self.seed)
        parts = np.zeros(len(rows), dtype=np.intp)  # rows of weight 0 may be of none
        for label, line in zip(self.classes, self.borders, strict=True):
            own = np.flatnonzero(rows.y == label)
            parts[own] = np.searchsorted(line, cells[own], side="right")
        return parts


def hash_cells(rows: Rows, seed: int) -> Part:
    """Return the cell of every row's hash."""
    bits = hashed(row_numbers(rows), seed)
    return (bits >> np.uint64(48)).astype(np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class CellCounts:
    """Rows by class and cell of their hash."""

    counts: npt.NDArray[np.int64]
    """Shape (n_classes, 65536)."""

    def __add__(self, other: CellCounts) -> CellCounts:
        """Return the counts of the rows of both."""
        return CellCounts(self.counts + other.counts)


@dataclass(frozen=True, slots=True)
class CellCountKernel:
    """Counts rows by class and cell of their hash."""

    classes: tuple[Label, ...]
    seed: int

    @property
    def name(self) -> str:
        """What the dashboard shows."""
        return "strata"

    def open(self) -> None:
        """Need no buffers."""

    def start(self) -> npt.NDArray[np.int64]:
        """Return an empty count."""
        return np.zeros((len(self.classes), CELLS), dtype=np.int64)

    def add(self, sums: npt.NDArray[np.int64], rows: Rows, buffers: None) -> None:
        """Count a block."""
        rows = rows.positive()
        cells = hash_cells(rows, self.seed)
        for line, label in zip(sums, self.classes, strict=True):
            line += np.bincount(cells[rows.y == label], minlength=CELLS)

    def finish(self, sums: npt.NDArray[np.int64]) -> CellCounts:
        """Return the counts."""
        return CellCounts(sums)
