"""The curvature that L-BFGS has met, and the step that it implies."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.solvers.metric import Metric

MOST_PAIRS = 100
PAIR_BYTES = 2**28
"""At most for all pairs; 60 and more make L-BFGS as good as conjugate gradients."""


def pairs_kept(n_params: int) -> int:
    """Return how many pairs are kept, a function of the number of params alone."""
    return int(np.clip(PAIR_BYTES // (16 * n_params), 10, MOST_PAIRS))


@dataclass(slots=True, eq=False)
class CurvaturePairs:
    """Moves s and changes y of the gradient over them, with H0 for all the rest."""

    metric: Metric
    pairs: list[tuple[FloatArray, FloatArray, float]] = field(default_factory=list)
    """s, y and s'y, the oldest first."""

    def push(self, move: FloatArray, change: FloatArray) -> None:
        """Add a pair, if it shows positive curvature, and forget the oldest."""
        product = float(move @ change)
        if not (np.isfinite(product) and product > 0):
            return
        self.pairs.append((move, change, product))
        del self.pairs[: -pairs_kept(len(move))]

    def solve(self, right: FloatArray) -> FloatArray:
        """Return H^-1 right for the BFGS matrix H, by the two-loop recursion.

        Nocedal 1980, Math. Comput. 35, 773-782.
        """
        rest, shares = right.copy(), []
        for move, change, product in reversed(self.pairs):
            share = float(move @ rest) / product
            rest -= share * change
            shares.append(share)
        step = self.metric.solve(rest)
        for (move, change, product), share in zip(
            self.pairs, reversed(shares), strict=True
        ):
            step += (share - float(change @ step) / product) * move
        return step
