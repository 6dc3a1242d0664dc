"""Rows drawn at random by a hash of their number, whatever blocks they come in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.kernel.block import Rows

Index = npt.NDArray[np.uint64]


class RowFactors(Protocol):
    """What multiplies the weight of every row, by model: a recipe, never a table."""

    def factors(self, numbers: Index) -> FloatArray:
        """Return factors of the rows of these numbers, shape (n_models, n_rows)."""
        ...


@dataclass(frozen=True, slots=True)
class Folds:
    """Each row belongs to one of several folds, and each model leaves one out."""

    n_folds: int
    left_out: tuple[int, ...]
    """The fold without which a model is fitted, one per model; -1: all rows."""
    seed: int = 0

    def folds(self, numbers: Index) -> npt.NDArray[np.intp]:
        """Return the fold of every row, a function of its number and the seed."""
        drawn = hashed(numbers, self.seed) % np.uint64(self.n_folds)
        return drawn.astype(np.intp)

    def factors(self, numbers: Index) -> FloatArray:
        """Return 0 for the rows that a model leaves out, and 1 for the others."""
        left_out = np.array(self.left_out)[:, None]
        return np.asarray(self.folds(numbers) != left_out, dtype=np.float64)


def hashed(numbers: Index, seed: int) -> Index:
    """Return 64 random bits for every number.

    SplitMix64 (Steele, Lea and Flood 2014, OOPSLA, 453-472), entered at ``number``
    steps after a start that the seed gives.
    """
    golden, wrap = 0x9E3779B97F4A7C15, 2**64 - 1
    start = (seed * golden ^ 0xD1B54A32D192ED03) & wrap
    bits = np.asarray(numbers, dtype=np.uint64) * np.uint64(golden) + np.uint64(start)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(bits ^ (bits >> np.uint64(31)))


def row_numbers(rows: Rows) -> Index:
    """Return the position of every row in the data."""
    if rows.start is None:
        raise DataError(
            "rows cannot be drawn by their numbers, because the chunks of X have "
            "unknown lengths; call compute_chunk_sizes() on it first"
        )
    inside = np.arange(len(rows)) if rows.kept is None else rows.kept
    return ((rows.start + inside) // rows.copies).astype(np.uint64)
