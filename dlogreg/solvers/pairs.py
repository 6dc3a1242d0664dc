"""The curvature that L-BFGS has met, and the step that it implies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.solvers.metric import Metric

MOST_PAIRS = 100
"""60 and more make L-BFGS as good as conjugate gradients."""
FEWEST_PAIRS = 12
PAIR_BYTES = 2**26
"""At most for all pairs, if these are no fewer than ``FEWEST_PAIRS``."""
LONG = 2**16
"""Coefficients from which pairs are kept in float32."""
LEAST_SHARE = 1e-10
"""Of the largest, below which eigenvalues of products of changes are rounding."""
PIECE = 2**16
"""Values that are worked on at once, and stay in the cache."""

Values = npt.NDArray[np.floating[Any]]


def pairs_kept(n_params: int) -> int:
    """Return how many pairs are kept, a function of the number of params alone."""
    size = pair_bytes(n_params)
    return int(np.clip(PAIR_BYTES // size, FEWEST_PAIRS, MOST_PAIRS))


def pair_bytes(n_params: int) -> int:
    """Return the bytes of a pair."""
    return 2 * n_params * (4 if n_params >= LONG else 8)


@dataclass(slots=True, eq=False)
class CurvaturePairs:
    """Moves s and changes y of the gradient over them, with H0 for all the rest.

    Long ones are rounded to float32, both before s'y is taken: what they say is then
    the curvature along a direction that is off by 6e-8 of itself, which changes what
    the next direction is, but not where gradients vanish, and costs no pass.
    """

    metric: Metric
    pairs: list[tuple[Values, Values, float]] = field(default_factory=list)
    """s, y and s'y, the oldest first."""

    def push(self, move: FloatArray, change: FloatArray) -> None:
        """Add a pair, if it shows positive curvature, and forget the oldest."""
        own: tuple[Values, Values] = (move, change)
        with np.errstate(over="ignore"):  # an infinite product is refused
            if len(move) >= LONG:
                own = (move.astype(np.float32), change.astype(np.float32))
            product = _dot(*own)
        if not (np.isfinite(product) and product > 0):
            return
        self.pairs.append((*own, product))
        del self.pairs[: -pairs_kept(len(move))]

    def least_curvature(self) -> float:
        """Return the least curvature met, relative to H0; at most 1.

        That of H along H^-1 z against that of H0 along H0^-1 z, over all sums z of
        changes: z'H0^-1 z / z'H^-1 z, since H^-1 sends changes back to moves. No
        curvature is below the least of all directions, but that may not be met.
        """
        k = len(self.pairs)
        own, start = np.empty((2, k, k))
        for j, (_, change, _) in enumerate(self.pairs):
            solved = self.metric.solve(_double(change))
            for i, (move, other, _) in enumerate(self.pairs):
                own[i, j], start[i, j] = _dot(move, change), _dot(other, solved)
        unit = 1 / np.sqrt(np.diagonal(start))
        own, start = (
            (found + found.T) / 2 * unit * unit[:, None] for found in (own, start)
        )
        values, vectors = np.linalg.eigh(start)
        kept = values > LEAST_SHARE * values[-1:]  # the others are rounding
        basis = vectors[:, kept] / np.sqrt(values[kept])
        largest = np.linalg.eigvalsh(basis.T @ own @ basis)
        return 1 / max(1.0, float(largest[-1])) if k else 1.0

    def solve(self, right: FloatArray) -> FloatArray:
        """Return H^-1 right for the BFGS matrix H, by the two-loop recursion.

        Nocedal 1980, Math. Comput. 35, 773-782.
        """
        rest, shares = right.copy(), []
        for move, change, product in reversed(self.pairs):
            share = _dot(move, rest) / product
            _add(rest, -share, change)
            shares.append(share)
        step = self.metric.solve(rest)
        for (move, change, product), share in zip(
            self.pairs, reversed(shares), strict=True
        ):
            _add(step, share - _dot(change, step) / product, move)
        return step


def _dot(one: Values, other: Values) -> float:
    """Return the product of two vectors in float64, piece by piece."""
    pieces = [slice(low, low + PIECE) for low in range(0, len(one), PIECE)]
    return sum(float(_double(one[cut]) @ _double(other[cut])) for cut in pieces)


def _add(total: FloatArray, factor: float, values: Values) -> None:
    """Add a multiple of a vector, piece by piece."""
    for low in range(0, len(total), PIECE):
        cut = slice(low, low + PIECE)
        total[cut] += factor * _double(values[cut])


def _double(values: Values) -> FloatArray:
    return values.astype(np.float64, copy=False)
