"""Whether probabilities are as often right as they say.

Groups of rows with neighbouring scores compare the events that the model expects with
those observed; the test of Hosmer and Lemeshow adds up the differences. Groups are made
of whole bins, so that both sums are exact whatever the bins hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, expit

from dlogreg.display.goodness import render_groups, render_hosmer_lemeshow
from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.kernel.scores import ScoreSums


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationTable:
    """Rows in groups of about equal weight, by their probability."""

    low: FloatArray
    """Lower border of the probabilities of every group, shape (n_groups,)."""
    high: FloatArray
    weight: FloatArray
    events: FloatArray
    """Weight of the events observed."""
    expected: FloatArray
    """Weight of the events expected: the sum of the probabilities."""
    border_error: float
    """Most by which a border stands off its quantile, as a share of all rows."""

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.weight)

    def _repr_html_(self) -> str:
        """Return the table and its picture, as a notebook shows it."""
        return render_groups(self)

    @property
    def event_share(self) -> FloatArray:
        """Share of events in every group."""
        return self.events / self.weight

    @property
    def mean_probability(self) -> FloatArray:
        """Mean probability in every group."""
        return self.expected / self.weight


@dataclass(frozen=True, slots=True, eq=False)
class HosmerLemeshow:
    """Test that the probabilities are right, against the shares in groups of rows."""

    statistic: float
    df: int
    pvalue: float
    table: CalibrationTable
    distribution: str = "chi2"

    def _repr_html_(self) -> str:
        """Return the test and its groups, as a notebook shows it."""
        return render_hosmer_lemeshow(self)


def calibration_table(sums: ScoreSums, groups: int) -> CalibrationTable:
    """Return groups parted at quantiles of the probability.

    The border of the k-th group is the order statistic at place
    ``(n - 1) k / groups``, which belongs to the group with all that equal it; equal
    borders are one, and the smallest probability alone makes no group. So do R's
    ``quantile`` and ``cut``, and ``ResourceSelection::hoslem.test`` with them.
    """
    if isinstance(groups, bool) or groups != int(groups) or groups < 2:
        raise ValueError(f"groups must be a whole number from 2, not {groups!r}")
    if not len(sums.bins):
        raise DataError("there are no rows with a positive weight to put in groups")
    weights = sums.weights
    reached = np.cumsum(weights)
    places = (reached[-1] - 1) * np.arange(groups + 1) / groups
    last = np.unique(np.searchsorted(reached, np.floor(places), side="right"))
    last[-1] = len(weights) - 1  # where rounding of weights that are no counts misses
    last = np.unique(last)
    starts = np.concatenate([[0], last[1:-1] + 1])
    ends = last[1:] if len(last) > 1 else last
    inner = weights[ends[:-1]]
    error = 0.0 if sums.exact else float(inner.max(initial=0.0) / reached[-1])
    return CalibrationTable(
        expit(sums.lower[starts]),
        expit(sums.upper[ends]),
        _summed(weights, starts),
        _summed(sums.events, starts),
        _summed(sums.probabilities, starts),
        error,
    )


def _summed(values: FloatArray, starts: npt.NDArray[np.intp]) -> FloatArray:
    return np.asarray(np.add.reduceat(values, starts))


def hosmer_lemeshow(sums: ScoreSums, groups: int, *, in_sample: bool) -> HosmerLemeshow:
    r"""Return the test of Hosmer and Lemeshow (1980).

    The statistic is :math:`\sum_g (O_g - E_g)^2 / E_g + (O_g - E_g)^2 / (n_g - E_g)`,
    chi-squared with 2 degrees of freedom less than there are groups on the rows of the
    fit, and with as many as there are groups on others.
    """
    table = calibration_table(sums, groups)
    df = len(table) - 2 * in_sample
    if df < 1:
        raise DataError(
            f"the probabilities make only {len(table)} group(s), which leaves no "
            "degrees of freedom for the test of Hosmer and Lemeshow"
        )
    squares = (table.events - table.expected) ** 2
    terms = [
        np.divide(squares, part, out=np.where(squares > 0, np.inf, 0.0), where=part > 0)
        for part in (table.expected, table.weight - table.expected)
    ]
    statistic = float(np.sum(terms))
    return HosmerLemeshow(statistic, df, float(chdtrc(df, statistic)), table)
