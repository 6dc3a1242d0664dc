"""What several fits found, as tables with a line for each outcome."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from dlogreg.errors import InferenceError
from dlogreg.evaluation import Label
from dlogreg.extras import require
from dlogreg.labelled import LabelledVector
from dlogreg.labelled_matrix import LabelledMatrix
from dlogreg.results import LogitResults

SEPARATED = (
    "there are no standard errors, because the classes of every outcome are separated; "
    "leave out the columns that separated names, or give a penalty, alpha > 0"
)


class OutcomeTables:
    """Coefficients, errors and measures; the attributes are those of ManyResults."""

    labels: tuple[Label, ...]
    fits: tuple[LogitResults, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients, ``const`` first."""
        return self.fits[0].names

    @property
    def params(self) -> LabelledMatrix:
        """Coefficients, shape (n_outcomes, n_params); NaN for dropped columns."""
        return self._table([fit.coefficients for fit in self.fits])

    @property
    def bse(self) -> LabelledMatrix:
        """Standard errors; NaN for outcomes that have none, as separated ones.

        Raises
        ------
        InferenceError
            If no outcome has any.
        """
        return self._table([np.asarray(fit.bse) for fit in self._with_errors()])

    @property
    def zvalues(self) -> LabelledMatrix:
        """Wald statistics params / bse."""
        return self._table(np.asarray(self.params) / np.asarray(self.bse))

    @property
    def pvalues(self) -> LabelledMatrix:
        """Two-sided p-values of the Wald tests; not corrected for their number."""
        return self._table([np.asarray(fit.pvalues) for fit in self._with_errors()])

    @property
    def llf(self) -> LabelledVector:
        """Log-likelihood of every outcome, without any penalty."""
        return self._vector([fit.llf for fit in self.fits])

    @property
    def llnull(self) -> LabelledVector:
        """Log-likelihood of every outcome's model without columns."""
        return self._vector([fit.llnull for fit in self.fits])

    @property
    def prsquared(self) -> LabelledVector:
        """McFadden's pseudo-R2 of every outcome."""
        return self._vector([fit.prsquared for fit in self.fits])

    @property
    def nobs(self) -> LabelledVector:
        """Sum of the weights of the rows in which an outcome is known."""
        return self._vector([fit.nobs for fit in self.fits])

    @property
    def n_events(self) -> LabelledVector:
        """Rows of positive weight with each outcome."""
        return self._vector([fit.class_counts[fit.classes[1]] for fit in self.fits])

    @property
    def error_bound(self) -> LabelledVector:
        """Proven distance of every outcome from its optimum, in standard errors."""
        return self._vector([fit.error_bound for fit in self.fits])

    def to_frame(self, alpha: float = 0.05) -> Any:
        """Return a pandas dataframe, a line for each outcome and coefficient.

        Parameters
        ----------
        alpha : float
            Level of the intervals is 1 - alpha.

        Returns
        -------
        pandas.DataFrame
            Columns: coef, bse, z, pvalue, low, high; without standard errors coef
            alone.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x = np.arange(8.0)[:, None]
        >>> Y = [[0, 1], [0, 1], [1, 1], [0, 0], [1, 1], [0, 0], [1, 1], [1, 0]]
        >>> frame = dlogreg.fit_many(x, Y).to_frame()
        >>> frame.loc[("y2", "x1")].round(3).tolist()
        [-0.561, 0.435, -1.289, 0.197, -1.414, 0.292]
        """
        pandas = require("pandas", "frames")
        index = pandas.MultiIndex.from_product(
            [self.labels, self.names], names=["outcome", "coefficient"]
        )
        columns = {"coef": np.ravel(self.params)}
        if any(fit.covariance is not None and not fit.separated for fit in self.fits):
            ends = [fit.conf_int(alpha) for fit in self._with_errors()]
            columns |= {
                "bse": np.ravel(self.bse),
                "z": np.ravel(self.zvalues),
                "pvalue": np.ravel(self.pvalues),
                "low": np.concatenate(ends)[:, 0],
                "high": np.concatenate(ends)[:, 1],
            }
        return pandas.DataFrame(columns, index=index)

    def _with_errors(self) -> list[LogitResults]:
        """Return the results, NaN in the place of covariances that mean nothing.

        Those of separated outcomes are of the point where their fits stopped.
        """
        known = [fit.covariance is not None and not fit.separated for fit in self.fits]
        if not any(known):
            raise InferenceError(self.fits[0].why_no_inference or SEPARATED)
        shape = (len(self.names), len(self.names))
        nothing = np.full(shape, np.nan)
        return [
            fit if has else replace(fit, covariance=nothing, robust_covariance=nothing)
            for fit, has in zip(self.fits, known, strict=True)
        ]

    def _table(self, values: Any) -> LabelledMatrix:
        what = "outcome", "coefficient"
        return LabelledMatrix.of(np.array(values), self.labels, self.names, what)

    def _vector(self, values: Any) -> LabelledVector:
        return LabelledVector.of(np.array(values, dtype=float), self.labels, "outcome")
