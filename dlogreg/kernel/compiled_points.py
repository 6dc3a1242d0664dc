"""Loss and gradient at several points, by compiled loops over rows that stay there.

Few rows are read twice while they are in the cache; numpy would write a centred copy of
them besides, for BLAS to multiply.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray, TrialPoints
from dlogreg.kernel.block import Rows
from dlogreg.kernel.loop_arguments import as_weight, doubles, flags, loops_of, rows_of

SLAB_VALUES = 2**21
"""Values of X whose sums are added at once, about."""
FEWEST_ROWS = 128


class CompiledPoints:
    """What sums at the columns of params @ mixing, over the loaded rows.

    Parameters
    ----------
    centre
        What is subtracted from every column, shape (n_features,).
    params
        Coefficients of the centred columns, intercept first, one vector a column.
    mixing
        Shape (n_vectors, n_points).
    n_bends
        Of how many points, the first ones, curvatures are summed.
    fit_intercept
        Whether the first coefficient is an intercept's.
    """

    def __init__(
        self,
        centre: FloatArray,
        params: FloatArray,
        mixing: FloatArray,
        n_bends: int,
        *,
        fit_intercept: bool,
    ) -> None:
        self._loops = loops_of("point_loops")
        self._first, self._n_bends = int(fit_intercept), n_bends
        n_features, (n_vectors, n_points) = len(centre), mixing.shape
        self.length = max(FEWEST_ROWS, SLAB_VALUES // max(1, n_features))
        self._means = doubles(centre)
        self._vectors = np.zeros((_even(n_vectors), n_features))
        self._vectors[:n_vectors] = params[self._first :].T
        self._constants = np.zeros(len(self._vectors))
        if fit_intercept:
            self._constants[:n_vectors] = params[0]
        self._mixing = np.zeros((len(self._vectors), n_points))
        self._mixing[:n_vectors] = mixing
        self._sums = np.empty((_even(n_points + n_bends), 1 + n_features))

    def add(
        self,
        sums: TrialPoints,
        rows: Rows,
        event: npt.NDArray[np.bool_],
        weight: FloatArray | None,
    ) -> None:
        """Add rows, none of weight 0."""
        self._sums[...] = 0.0
        losses = np.zeros(self._mixing.shape[1])
        self._loops.evaluate_points(
            rows_of(rows.X),
            self._means,
            self._vectors,
            self._constants,
            self._mixing,
            as_weight(rows.offset),
            flags(event),
            as_weight(weight),
            self._n_bends,
            losses,
            self._sums,
        )
        sums.losses[:] += losses
        found, n_points = self._sums[:, 1 - self._first :].T, len(losses)
        sums.gradients[...] += found[:, :n_points]
        if sums.intercept_curvatures is not None:
            bends = found[:, n_points : n_points + self._n_bends]
            sums.intercept_curvatures[...] += bends


def _even(count: int) -> int:
    """Return the next even number: lines are taken in pairs."""
    return count + count % 2
