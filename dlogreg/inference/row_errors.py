"""Methods of a result that tell errors of coefficients by reading its rows again."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from dlogreg.evaluation import FloatArray
from dlogreg.inference.own_rows import OwnRows

if TYPE_CHECKING:
    from dlogreg.inference.chosen import ChosenErrors
    from dlogreg.inference.replicates import Replicates
    from dlogreg.results import LogitResults


class RowErrors(OwnRows):
    """Chosen standard errors, bootstrap and profiles of a LogitResults."""

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
        rows = self._own_rows("errors_of", X, y, sample_weight, offset)
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
        rows = self._own_rows("bootstrap", X, y, sample_weight, offset, groups)
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
        rows = self._own_rows("conf_int", X, y, sample_weight, offset)
        if cast("LogitResults", self).firth:
            room = import_module("dlogreg.inference.penalized_profile")
            found: FloatArray = room.penalized_intervals(self, rows, alpha, names)
            return found
        room = import_module("dlogreg.inference.profile")
        ends: FloatArray = room.profile_intervals(self, rows, alpha, names)
        return ends
