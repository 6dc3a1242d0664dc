"""Methods of a result that test terms and columns by reading its rows again."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dlogreg.inference.own_rows import OwnRows

if TYPE_CHECKING:
    from dlogreg.inference.likelihood_ratio import Terms
    from dlogreg.inference.table import ChiSquaredTest, TestTable
    from dlogreg.results import LogitResults


class RowTests(OwnRows):
    """Likelihood-ratio and score tests of a LogitResults."""

    def lr_test(
        self,
        smaller: LogitResults | None = None,
        *,
        terms: Terms | None = None,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> TestTable | ChiSquaredTest:
        r"""Return likelihood-ratio tests of all terms, or of a smaller model.

        The statistic is twice the difference of the log-likelihoods, chi-squared with
        as many degrees of freedom as there are coefficients less (Wilks 1938). It
        trusts the model, whatever the fit's ``cov_type``; ``wald_test`` can be robust.

        Without ``smaller``, every term is dropped by itself, and these models are
        fitted together: a pass advances all of them, from the fit's own Hessian. That
        takes 2 to 4 passes where no term moves predictors by much more than 1, up to
        about 7 where some are as steep as that; models that have converged drop out.
        Each ends within ``max(tol, 1e-7)`` standard errors of its optimum, and the
        table's ``error_bounds`` prove how exact the statistics are. With ``smaller``
        nothing is read.

        Parameters
        ----------
        smaller : LogitResults, optional
            A fit to the same rows with some of the columns.
        terms : mapping or list, optional
            Columns to be dropped together: ``{"carrier": ["carrier_AA", ...]}`` or a
            list of names and lists of names. Default: the terms of the formula after
            ``fit_formula``, else every column by itself.
        X, y, sample_weight, offset : array, optional
            The rows of the fit, for a result that was loaded and does not know them.

        Returns
        -------
        TestTable or ChiSquaredTest
            ``statistic``, ``df`` and ``pvalue`` by term, or of the smaller model.
            Columns that were dropped as aliased have ``df`` 0 and NaN.

        Raises
        ------
        InferenceError
            If the fit has a penalty, has not converged or is separated, if the smaller
            model is not inside this one, or if the rows are not known.
        DataError
            If the rows have changed since the fit.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.lr_test().pvalues.round(4)
        array([0.0667])
        """
        room = import_module("dlogreg.inference.likelihood_ratio")
        if smaller is not None:
            if any(given is not None for given in (terms, X, y, sample_weight, offset)):
                raise ValueError(
                    "lr_test() takes a smaller model, or terms and rows, not both"
                )
            nested: ChiSquaredTest = room.nested_test(self, smaller)
            return nested
        rows = self._own_rows("lr_test", X, y, sample_weight, offset)
        table: TestTable = room.ratio_tests(self, rows, terms)
        return table

    def score_test(
        self,
        Z: Any,
        *,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> TestTable:
        """Return Rao's score tests of columns that are not in the model.

        One pass over the rows and over Z tells for every candidate whether the model
        would gain by it, without fitting it. (Where the chunks of X or Z have unknown
        lengths, they are counted before, which reads them once more.)

        Parameters
        ----------
        Z : array, shape (n_rows,) or (n_rows, n_candidates)
            Of any kind that ``fit`` takes for X, rows in the same order.
        X, y, sample_weight, offset : array, optional
            The rows of the fit, for a result that was loaded and does not know them.

        Returns
        -------
        TestTable
            One test per column, chi-squared with 1 degree of freedom; ``joint`` is that
            of all. Columns that the model has already, or that are constant, have
            ``df`` 0 and NaN.

        Raises
        ------
        InferenceError, DataError
            As ``lr_test``; also if Z holds NaN or has other rows.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> squares = [[row[0] ** 2] for row in X]
        >>> res.score_test(squares).pvalues.round(4)
        array([1.])
        """
        room = import_module("dlogreg.inference.score")
        rows = self._own_rows("score_test", X, y, sample_weight, offset)
        table: TestTable = room.candidate_tests(self, rows, Z)
        return table
