"""Methods of a result that read the rows again."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from dlogreg.evaluation import FloatArray

if TYPE_CHECKING:
    from dlogreg.inference.chosen import ChosenErrors
    from dlogreg.inference.likelihood_ratio import Terms
    from dlogreg.inference.replicates import Replicates
    from dlogreg.inference.table import ChiSquaredTest, TestTable
    from dlogreg.results import LogitResults


class RowMethods:
    """What a LogitResults tells by reading its rows again.

    Dask comes with them, so their rooms are entered on first use.
    """

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what was found, without the way back to the rows."""
        return {**self.__dict__, "rows": None}

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
        rows = _rows(self, X, y, sample_weight, "lr_test", offset)
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
        rows = _rows(self, X, y, sample_weight, "score_test", offset)
        table: TestTable = room.candidate_tests(self, rows, Z)
        return table

    def errors_of(
        self,
        names: Sequence[str],
        *,
        tol: float = 1e-4,
        max_passes: int = 100,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> ChosenErrors:
        """Return standard errors of some coefficients, without forming the Hessian.

        For fits of so many columns that no pass forms it. Block conjugate gradients,
        preconditioned by a sample of rows, solve for the chosen columns of its inverse
        at once; every step reads the data once. With ``tol=1e-4`` these were 5 to 10
        passes on correlated and on independent columns, and 30 with 2.5 rows per
        coefficient. Standard errors are exact to twice as many digits as the systems
        are solved to, and never too large.

        Parameters
        ----------
        names : list of str
            Coefficients, ``const`` for the intercept.
        tol : float
            Relative error of the standard errors, estimated from how they converge.
        max_passes : int
            Most passes over the data.
        X, y, sample_weight, offset : array, optional
            The rows of the fit, for a result that was loaded and does not know them.

        Returns
        -------
        ChosenErrors
            ``bse``, ``zvalues``, ``pvalues``, ``conf_int()`` and ``cov_params()`` of
            the chosen coefficients; ``bse_error`` and ``residuals`` for each of them.

        Raises
        ------
        InferenceError
            If a coefficient was dropped, a penalty was used, or the rows are not known.
        DataError
            If the coefficients are not the optimum of these rows.

        Warns
        -----
        ConvergenceWarning
            If ``max_passes`` are not enough.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> few = res.errors_of(["dose"])
        >>> bool(abs(few.bse[0] / res.bse["dose"] - 1) < 1e-6)
        False
        """
        room = import_module("dlogreg.inference.chosen")
        rows = _rows(self, X, y, sample_weight, "errors_of", offset)
        found: ChosenErrors = room.errors_of(self, rows, names, tol, max_passes)
        return found

    def bootstrap(
        self,
        B: int = 200,
        *,
        seed: int = 0,
        by: str | None = None,
        tol: float = 1e-3,
        max_passes: int = 10,
        memory_limit: int | str | None = None,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
        groups: Any = None,
    ) -> Replicates:
        """Refit B bootstrap samples of the rows, all of them in the same few passes.

        A replicate counts every row as often as a Poisson variable of mean 1 says,
        which a hash of the row's number, the seed and the replicate draws: so the
        replicates do not depend on how the rows are cut or where they are summed, and
        the first ones of 1,000 are those of 200. All of them take steps together from
        the Hessian of the fit, one pass for a step: 2 or 3 passes on large data, more
        where there are few rows per coefficient, at most ``max_passes``. Per row and
        replicate a pass takes 4 k + 15 operations and a draw, so that 200 replicates of
        50 coefficients cost about as much as 5 to 10 fits.

        Parameters
        ----------
        B : int
            Number of replicates, at least 2.
        seed : int
            Another seed gives other replicates.
        by : {"rows", "groups"}, optional
            What is drawn: rows by themselves, or groups with all of their rows, where
            rows of a group depend on each other. Default: groups if the fit had any.
        tol : float
            Largest distance of a replicate to its own optimum, in standard errors of
            the model, as estimated from how its steps shrink.
        max_passes : int
            Most passes over the data, at least 2.
        memory_limit : int or str, optional
            As in ``fit``: refuse more replicates than are projected to fit.
        X, y, sample_weight, offset, groups : array, optional
            The rows of the fit, for a result that was loaded and does not know them.

        Returns
        -------
        Replicates
            ``params`` of every replicate, ``se``, ``covariance``, ``conf_int()`` by
            percentiles or reflected ones, ``to_frame()``, ``n_passes``, ``n_failed``.

        Raises
        ------
        InferenceError
            If the fit has not converged, is separated or bias-reduced, if the rows are
            not known, or if no replicate has an optimum.
        DataError
            If the rows have changed since the fit, or cannot be numbered because
            chunks have unknown lengths.
        MemoryLimitError
            If so many replicates need more memory than ``memory_limit``, or than the
            workers of a cluster have; the message tells how many would fit.

        Warns
        -----
        ConvergenceWarning
            If replicates were left out because no optimum of theirs was found.

        Notes
        -----
        A row of frequency f is drawn Poisson(f) times, as f rows would be; weights of
        another kind multiply what was drawn. Groups are drawn whole whatever their
        weights. The penalty of a ridge fit stays in every replicate; it shrinks
        standard errors, and intervals are around the penalised coefficients.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x = np.linspace(-2, 2, 400)[:, None]
        >>> y = np.arange(400) % 5 < 2 + x[:, 0]
        >>> res = dlogreg.fit(x, y)
        >>> replicates = res.bootstrap(B=50)
        >>> replicates.params.shape
        (50, 2)
        """
        if groups is not None and (X is None or y is None):
            raise ValueError("bootstrap() takes groups with X and y, or none of them")
        if groups is not None and by == "rows":
            raise ValueError("by='rows' makes no use of groups; leave one out")
        rows = _rows(self, X, y, sample_weight, "bootstrap", offset, groups)
        room = import_module("dlogreg.inference.bootstrap")
        rest = (B, seed, by, tol, max_passes, memory_limit)
        found: Replicates = room.bootstrap(self, rows, *rest)
        return found

    def _profile_intervals(
        self,
        alpha: float,
        names: Sequence[str] | None,
        X: Any,
        y: Any,
        sample_weight: Any,
        offset: Any,
    ) -> FloatArray:
        """Return intervals by profile likelihood; see ``conf_int``."""
        rows = _rows(self, X, y, sample_weight, "conf_int", offset)
        if cast("LogitResults", self).firth:
            room = import_module("dlogreg.inference.penalized_profile")
            found: FloatArray = room.penalized_intervals(self, rows, alpha, names)
            return found
        room = import_module("dlogreg.inference.profile")
        ends: FloatArray = room.profile_intervals(self, rows, alpha, names)
        return ends


def _rows(
    results: Any,
    X: Any,
    y: Any,
    weight: Any,
    method: str,
    offset: Any,
    groups: Any = None,
) -> Any:
    room = import_module("dlogreg.rows_again")
    return room.rows_of(results, X, y, weight, method, offset, groups)
