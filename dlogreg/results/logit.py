"""LogitResults: what a fit found. Built from sums, holds no data, weighs kilobytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from dlogreg.display import Summary, describe, summarize
from dlogreg.errors import DataError
from dlogreg.inference import FromCovariance, check_level
from dlogreg.inference.fit_measures import FitMeasures
from dlogreg.inference.goodness import GoodnessOfFit
from dlogreg.inference.interval_methods import IntervalMethods
from dlogreg.inference.marginal_methods import MarginalMethods
from dlogreg.inference.row_diagnosis import RowDiagnosis
from dlogreg.inference.row_errors import RowErrors
from dlogreg.inference.row_tests import RowTests
from dlogreg.labelled import LabelledVector
from dlogreg.results.fitted import FittedModel
from dlogreg.results.prediction import LogitPredictions
from dlogreg.results.wald_statistics import WaldStatistics

if TYPE_CHECKING:
    from dlogreg.display.plots import ResultPlots
    from dlogreg.rows_again import RowsAgain


@dataclass(frozen=True, eq=False, repr=False)
class LogitResults(
    FittedModel,
    WaldStatistics[LabelledVector],
    FromCovariance,
    IntervalMethods,
    FitMeasures,
    MarginalMethods,
    RowDiagnosis,
    RowTests,
    RowErrors,
    LogitPredictions,
):
    """Coefficients, their standard errors, and what the fit cost.

    The words are those of statsmodels. The model is
    ``log(p / (1 - p)) = params[0] + x @ params[1:]`` with p the probability of the
    last of ``classes``; coefficients of columns that were dropped as aliased are NaN.

    Where the classes are proven to be separated, ``separation`` is "complete" or
    "quasi-complete", and the coefficients of the columns in ``separated``, perhaps with
    the intercept, are infinite. Quasi-complete: the others are what maximum likelihood
    tends to, with standard errors; it is the fit of the rows that the separated columns
    do not predict for certain, and ``llf`` is its log-likelihood. Complete: the others
    are NaN, since nothing is left to estimate them from, and ``llf`` is 0.
    """

    rows: RowsAgain | None = field(default=None, compare=False)
    """Where the rows are, for what needs them again; never saved or pickled."""
    held: GoodnessOfFit | None = field(default=None, compare=False)
    """What a pass has told of the rows held out; never saved, because the scores of few
    rows can be told apart."""

    def __repr__(self) -> str:
        """Return one line."""
        return describe(self)

    def _repr_html_(self) -> str:
        """Return the summary, as a notebook shows it."""
        return self.summary()._repr_html_()

    @property
    def plot(self) -> ResultPlots:
        """Plots by their names, as ``res.plot.odds_ratios()``; they need matplotlib."""
        plots: ResultPlots = import_module("dlogreg.display.plots").ResultPlots(self)
        return plots

    def summary(self, alpha: float = 0.05) -> Summary:
        """Return the fit as a table: ``print`` it, or end a notebook's cell with it.

        Parameters
        ----------
        alpha : float
            Level of the intervals of the odds ratios is 1 - alpha.

        Returns
        -------
        Summary
            Text by ``str``, HTML in a notebook.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> print(str(res.summary()).splitlines()[0].strip())
        Logistic regression, maximum likelihood
        """
        check_level(alpha)
        return summarize(self, alpha)

    @property
    def params(self) -> LabelledVector:
        """All coefficients, ``const`` first; NaN for dropped columns."""
        return self._labelled(self.coefficients)

    @property
    def bse(self) -> LabelledVector:
        """Standard errors: square roots of the diagonal of ``cov_params()``."""
        return self._labelled(np.sqrt(np.diagonal(self.cov_params())))

    @property
    def error_bounds(self) -> LabelledVector:
        """The error bound of every coefficient: infinite for those without an optimum.

        Where the classes are separated, that of the limiting fit for the others; NaN
        for those that cannot be estimated.
        """
        bound = self.limit_error_bound if self.separation else self.error_bound
        bounds = np.where(np.isinf(self.coefficients), np.inf, bound)
        return self._labelled(np.where(np.isnan(self.coefficients), np.nan, bounds))

    @property
    def holdout(self) -> GoodnessOfFit | None:
        """How well the rows fit that ``fit(holdout=)`` has held out; None without them.

        What ``dlogreg.evaluate`` gives of these rows, from the closing pass of the fit:
        of the point where that pass was, from which ``params`` are one step of Newton's
        method away, of the size that ``bse_error_bound`` tells. A fit that had no
        closing pass (``inference=False``, a penalty, separated classes) makes up for it
        with one pass over the rows, once, at ``params``. It is not saved, so that a
        result that was loaded has None; ``dlogreg.evaluate`` scores the rows again.

        Raises
        ------
        DataError
            If no row of positive weight was held out, or one cannot be scored.
        """
        if self.held is None:
            if self.rows is None or self.rows.holdout is None:
                return None
            found = self.rows.scored(self.near_limit())
            object.__setattr__(self, "held", found)
        assert self.held is not None
        if not self.held.n_rows:
            raise DataError(
                "no row of positive weight was held out; give a larger share as "
                "holdout, or a vector that is True for some rows"
            )
        return self.held

    def _labelled(self, values: Any) -> LabelledVector:
        return LabelledVector.of(np.asarray(values, dtype=float), self.names)
