r"""Whether as many events are expected as there are: what the score equations promise.

At the optimum the gradient sum s (p - y) x_j is zero for every column without penalty:
the probabilities sum to the number of events, over all rows (the intercept) and over
those of every 0/1 column. An estimate within ``tol`` standard errors of the optimum has

.. math:: |\sum s (p - y) x_j| \le tol \sqrt{H_{jj}},

by Cauchy and Schwarz in the metric of the Hessian, and H_jj = sum s p (1 - p) x_j for a
0/1 column. Counting events needs no mathematics, so this tells an error anywhere in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.closing_sums import ColumnSums

ROUNDING = 1e-12
"""Of the events: what sums in float64 leave."""


@dataclass(frozen=True, slots=True, eq=False)
class EventChecks:
    """Events observed and expected, over all rows (``const``) and by 0/1 column."""

    names: tuple[str, ...]
    observed: FloatArray
    """Weight of the events among the rows where the column is 1."""
    expected: FloatArray
    """Sum of their probabilities."""
    allowed: FloatArray
    """Largest difference that ``tol`` allows."""

    def __len__(self) -> int:
        """Return the number of sums that were compared."""
        return len(self.names)

    @property
    def passed(self) -> npt.NDArray[np.bool_]:
        """Whether each difference is within what is allowed."""
        return np.asarray(np.abs(self.expected - self.observed) <= self.allowed)

    @property
    def all_passed(self) -> bool:
        """Whether all are."""
        return bool(self.passed.all())


def event_checks(
    sums: ColumnSums,
    tol: float,
    names: Sequence[str],
    indicators: Sequence[str],
    weight: float,
    *,
    penalized: bool,
    fit_intercept: bool,
) -> EventChecks:
    """Return the checks of the columns that have no penalty.

    Parameters
    ----------
    sums
        Of the columns as they were given.
    tol
        Largest distance of the coefficients from the optimum, in standard errors.
    names, indicators
        Names of all coefficients, and of the 0/1 columns among them.
    weight
        Sum of the weights.
    """
    chosen = set() if penalized else set(indicators)
    first = int(fit_intercept)
    places = [j for j, name in enumerate(names) if j < first or name in chosen]
    observed, expected = sums.observed[places], sums.expected[places]
    rounding = ROUNDING * weight
    allowed = tol * np.sqrt(np.maximum(sums.information[places], 0.0)) + rounding
    return EventChecks(tuple(names[j] for j in places), observed, expected, allowed)
