r"""Poisson bootstrap counts from a hash of what is drawn, whatever blocks it comes in.

A sample of n rows with replacement takes row i about Poisson(1) times, and counts drawn
so independently make a bootstrap that needs no row to know of any other (Hanley and
MacGibbon 2006, Comput. Methods Programs Biomed. 83, 57-62). Each draw spends 16 bits of
a 64-bit hash of the row's number, the seed and the replicate, and finds its count in a
table of 65,536. The table holds every count as often as Poisson's law says, rounded so
that its mean and its variance are exactly 1; single probabilities are off by at most
2.5e-4, and no count is above 8.

A row of frequency f stands for f rows and is drawn Poisson(f) times: up to f = 32 by
inverting the distribution, its steps rounded to 2**-16; beyond from normal quantiles z
as f + sqrt(f) z + (z^2 - 1) / 6, rounded, which has the right mean and variance to a
relative 1e-3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, pdtr

from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel.block import Rows
from dlogreg.kernel.dense import row_weights
from dlogreg.kernel.folds import Index, drawn_numbers, hashed, hashed_labels
from dlogreg.keyed_sums import label_keys

Values = npt.NDArray[Any]
LANES = 4
"""Draws from one hash."""
CELLS = 2**16
LARGEST_INVERTED = 32.0
"""Frequency up to which Poisson's distribution is inverted."""


@lru_cache
def poisson_table() -> npt.NDArray[np.float32]:
    """Return 65,536 counts of which each occurs as often as under Poisson(1)."""
    k = np.arange(9)
    steps = np.diff(pdtr(k, 1.0), prepend=0.0)
    cells = np.rint(CELLS * steps).astype(np.int64)
    goal = np.array([CELLS, CELLS, 2 * CELLS])  # of 1, k and k^2
    missing = goal - np.array([cells.sum(), k @ cells, k**2 @ cells])
    twos = (missing[2] - missing[1]) // 2
    ones = missing[1] - 2 * twos
    cells[:3] += np.array([missing[0] - ones - twos, ones, twos])
    return np.repeat(k, cells).astype(np.float32)


@lru_cache
def normal_table() -> npt.NDArray[np.float32]:
    """Return the quantiles of the normal distribution in the middle of each cell."""
    return np.asarray(ndtri((np.arange(CELLS) + 0.5) / CELLS), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class PoissonDraws:
    """What a row counts in every replicate: drawn count times weight."""

    replicates: tuple[int, ...]
    """Number of the replicate of every model."""
    seed: int = 0
    by_group: bool = False
    """Groups are drawn, each with all of its rows."""
    frequency: bool = True
    """Weights are frequencies: a row is drawn as often as it is repeated."""
    class_weight: tuple[tuple[Label, float], ...] = ()

    @property
    def n_kinds(self) -> int:
        """1: any row may count in any replicate."""
        return 1

    def alike(self, rows: Rows) -> Iterator[tuple[Rows, npt.NDArray[np.intp]]]:
        """Return all rows, and all replicates."""
        yield rows, np.arange(len(self.replicates))

    def weights(
        self, rows: Rows, models: npt.NDArray[np.intp], type_: npt.DTypeLike
    ) -> Values:
        """Return the weights of the rows in these models, (n_models, n_rows)."""
        weight = row_weights(rows, self.class_weight)
        if self.by_group:
            assert rows.groups is not None
            labels, codes = np.unique(label_keys(rows.groups), return_inverse=True)
            uniform = self._uniform(hashed_labels(labels), models)
            counts: Values = poisson_table().take(uniform, mode="clip")[:, codes]
        else:
            uniform = self._uniform(drawn_numbers(rows), models)
            counts = poisson_table().take(uniform, mode="clip")
            if weight is not None and self.frequency:
                often = weight != 1
                counts[:, often] = _frequencies(uniform[:, often], weight[often])
                return counts.astype(type_, copy=False)
        counts = counts.astype(type_, copy=False)
        return counts if weight is None else counts * weight.astype(type_)

    def _uniform(
        self, numbers: Index, models: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.uint16]:
        """Return 16 random bits for every model and number."""
        uniform = np.empty((len(models), len(numbers)), dtype=np.uint16)
        word, bits = -1, numbers
        for place, replicate in enumerate(np.array(self.replicates)[models].tolist()):
            if replicate // LANES != word:
                word = replicate // LANES
                stream = hashed(np.array([word], dtype=np.uint64), self.seed)
                bits = hashed(numbers, int(stream[0]))
            uniform[place] = bits >> np.uint64(16 * (replicate % LANES))
        return uniform


def _frequencies(uniform: npt.NDArray[np.uint16], weight: FloatArray) -> FloatArray:
    """Return counts of rows of these frequencies, shape (n_models, n_rows)."""
    counts = np.zeros(uniform.shape)
    small = weight <= LARGEST_INVERTED
    if small.any():
        own, k = uniform[:, small], 0
        found = np.zeros(own.shape)
        while (step := np.rint(CELLS * pdtr(k, weight[small]))).min() < CELLS:
            found += own >= step
            k += 1
        counts[:, small] = found
    if not small.all():
        mean = weight[~small]
        z = normal_table().take(uniform[:, ~small], mode="clip")
        drawn = np.rint(mean + np.sqrt(mean) * z + (z * z - 1) / 6)
        counts[:, ~small] = np.maximum(drawn, 0.0)
    return counts
