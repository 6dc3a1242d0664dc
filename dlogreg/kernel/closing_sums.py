r"""What the closing pass sums beside the Hessian: scores by bins, and columns weighted.

Of the centred columns z, an intercept's 1 first, with p' = p (1 - p),

    sum s z,  sum s y z,  sum s p' (1 - 2p) z :

the means of the columns, the events observed in each of them, and the third derivative
of the loss, of which marginal effects need one product. The events expected are these
and the gradient, and sum s p' z is the intercept's line of the Hessian; where a pass
makes no Hessian, it is summed too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.row_terms import RowTerms
from dlogreg.kernel.scores import ScoreCollector, ScoreSums
from dlogreg.kernel.slabs import AnySlab


@dataclass(frozen=True, slots=True, eq=False)
class ColumnSums:
    """Sums over rows of the columns, weighted; vectors have the shape (n_params,)."""

    total: FloatArray
    """sum s z."""
    observed: FloatArray
    """sum s y z, y = 1 for events."""
    expected: FloatArray
    """sum s p z."""
    information: FloatArray
    """sum s p' z."""
    bend: FloatArray
    """sum s p' (1 - 2p) z."""
    curvature: float
    """sum s p'."""
    predictor: float
    """sum s eta."""

    def __add__(self, other: ColumnSums) -> ColumnSums:
        """Return the sums over the rows of both."""
        return ColumnSums(
            self.total + other.total,
            self.observed + other.observed,
            self.expected + other.expected,
            self.information + other.information,
            self.bend + other.bend,
            self.curvature + other.curvature,
            self.predictor + other.predictor,
        )

    def uncentred(self, centre: FloatArray) -> ColumnSums:
        """Return the sums of the columns as they were given.

        ``centre`` is what was subtracted from every column, the intercept's 0 first.
        """
        return ColumnSums(
            self.total + centre * self.total[0],
            self.observed + centre * self.observed[0],
            self.expected + centre * self.expected[0],
            self.information + centre * self.information[0],
            self.bend + centre * self.bend[0],
            self.curvature,
            self.predictor,
        )


@dataclass(frozen=True, slots=True, eq=False)
class ClosingSums:
    """Sums over rows that add, of fixed size; see the module."""

    scores: ScoreSums
    columns: ColumnSums

    def __add__(self, other: ClosingSums) -> ClosingSums:
        """Return the sums over the rows of both."""
        return ClosingSums(self.scores + other.scores, self.columns + other.columns)


class ClosingCollector:
    """Collects the rows of one leaf."""

    def __init__(self, n_params: int, *, hessian: bool) -> None:
        n_lines = 3 if hessian else 4
        self._scores = ScoreCollector()
        self._columns = np.zeros((n_lines, n_params))
        self._curvature = self._predictor = 0.0

    def add(
        self,
        terms: RowTerms,
        event: npt.NDArray[np.bool_],
        weight: FloatArray | None,
    ) -> None:
        """Take rows by their scores; none may have weight 0.

        Parameters
        ----------
        terms
            What the model says of the rows.
        event, weight
            As in ``ScoreCollector.add_scored``.
        """
        eta = terms.eta
        self._scores.add_scored(eta, event, weight, terms.loss, terms.miss)
        self._curvature += float(terms.curvature.sum())
        self._predictor += float(eta.sum() if weight is None else weight @ eta)

    def project(
        self,
        loaded: AnySlab,
        terms: RowTerms,
        event: npt.NDArray[np.bool_],
        weight: FloatArray | None,
    ) -> None:
        """Add the columns of these rows, which are loaded."""
        lines = np.empty((len(self._columns), len(event)))
        lines[0] = 1.0 if weight is None else weight
        np.multiply(lines[0], event, out=lines[1])
        distance = 4.0 * event - 2.0  # 1 - 2p is 2 miss - 1 of events
        distance *= terms.miss - 0.5
        np.multiply(terms.curvature, distance, out=lines[2])
        lines[3:] = terms.curvature
        # one by one: BLAS takes longer for the product with four vectors than for four
        for line, total in zip(lines, self._columns, strict=True):
            loaded.add_projection(total, line)

    def add_columns(self, columns: FloatArray, information: FloatArray) -> None:
        """Add the columns of rows: the first three sums of the module, and sum s p' z.

        Parameters
        ----------
        columns
            Shape (3, n_params).
        information
            Shape (n_params,).
        """
        self._columns[:3] += columns
        self._columns[3:] += information

    def sums(self, gradient: FloatArray, information: FloatArray | None) -> ClosingSums:
        """Return the sums over all rows taken, with those that the kernel has made."""
        total, observed, bend, *rest = self._columns
        if information is None:
            (information,) = rest
        expected = observed + gradient
        scalars = self._curvature, self._predictor
        columns = ColumnSums(total, observed, expected, information, bend, *scalars)
        return ClosingSums(self._scores.sums(), columns)
