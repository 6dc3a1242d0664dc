"""Methods of a result that look at its rows one by one."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from dlogreg.inference.own_rows import OwnRows
from dlogreg.kernel.diagnostics import BY_LEVERAGE, KINDS

if TYPE_CHECKING:
    from dlogreg.diagnostics import Influence
    from dlogreg.results import LogitResults


class RowDiagnosis(OwnRows):
    """Residuals and influence; Dask comes with them, so it is loaded on first use."""

    def residuals(
        self,
        X: Any = None,
        y: Any = None,
        *,
        kind: str = "deviance",
        sample_weight: Any = None,
        offset: Any = None,
    ) -> Any:
        r"""Return the residual of every row: at once in memory, lazily elsewhere.

        Nothing is read now for Dask and Zarr: the array that is returned reads the rows
        once when it is computed, block by block, and holds one number per row.

        Parameters
        ----------
        X, y : array, optional
            Rows of any kind that ``fit`` takes; default: those of the fit.
        kind : str
            With mu the probability of the event and V = mu (1 - mu):

            ========================= =============================================
            "deviance"                sign(y - mu) sqrt(2 loss)
            "pearson"                 (y - mu) / sqrt(V)
            "response"                y - mu, y = 1 for the event
            "working"                 (y - mu) / V
            "leverage"                h = V x'C x, C the covariance of the model
            "standardized_deviance"   the deviance residual over sqrt(1 - h)
            "standardized_pearson"    Pearson's over sqrt(1 - h)
            ========================= =============================================

            They are R's ``residuals(type=)``, ``hatvalues`` and ``rstandard``.
        sample_weight : array, optional
            Weights of rows that are given. Frequencies repeat a row, and count nothing
            here; weights of another kind are R's prior weights, which multiply V in h,
            and deviance and Pearson residuals by their roots.
        offset : array, optional
            Their offsets, where the fit had one.

        Returns
        -------
        array, shape (n_rows,)
            Numpy for data in memory; else, and after ``fit_formula``, a lazy dask
            array, one chunk for every block of rows that a fit reads, or of a raw
            table. Rows that were left out for a missing value have NaN, also those of
            weight 0 whose y is no class, or whose values are not finite, and all of
            weight 0 of ``fit_formula``.

        Raises
        ------
        InferenceError
            If no rows are known, or leverage is asked for and there is no covariance,
            or that of infinite coefficients.
        DataError
            On computing, if y holds another label than the fit's two classes.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> x, y = np.arange(8.0)[:, None], [0, 0, 1, 0, 1, 0, 1, 1]
        >>> print(dlogreg.fit(x, y).residuals(kind="response").round(2))
        [-0.11 -0.18  0.71 -0.43  0.43 -0.71  0.18  0.11]
        """
        if kind not in KINDS:
            listed = ", ".join(map(repr, KINDS))
            raise ValueError(f"kind must be one of {listed}, not {kind!r}")
        results = cast("LogitResults", self)
        room = import_module("dlogreg.diagnostics")
        if kind in BY_LEVERAGE:
            room.check_leverage(results)
        source = room.source_of(results, X, y, sample_weight, "residuals", offset)
        return room.row_values(results, source, kind)

    def influence(
        self,
        k: int = 10,
        *,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> Influence:
        r"""Return the k rows that move the coefficients most, by Cook's distance.

        Cook's distance is to first order the squared shift of the coefficients, in the
        metric of the Hessian and over their number, if the row is left out: with
        r Pearson's residual and h the leverage, :math:`r^2 h / (1 - h)^2 / n_{params}`
        (Pregibon 1981), R's ``cooks.distance``. One pass over the rows finds the
        largest; that of every row comes as an array which is not computed yet.

        Parameters
        ----------
        k : int
            How many rows.
        X, y, sample_weight, offset : array, optional
            The rows of the fit, for a result that was loaded and does not know them.

        Returns
        -------
        Influence
            ``rows`` (their numbers, counted from 0) and ``distances``, the largest
            first, and ``cooks_distance`` of every row, laid out as ``residuals``, whose
            places the numbers are. A frequency repeats the row; its distance is that of
            one of the copies.

        Raises
        ------
        InferenceError
            If there is no covariance, or no rows are known.
        DataError
            If the rows are not those of the fit.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.influence(k=2).rows
        array([2, 3])
        """
        if isinstance(k, bool) or k != int(k) or k < 1:
            raise ValueError(f"k must be a whole number from 1, not {k!r}")
        results = cast("LogitResults", self)
        room = import_module("dlogreg.diagnostics")
        room.check_leverage(results)
        rows = self._own_rows("influence", X, y, sample_weight, offset)
        found: Influence = room.most_influential(results, rows, int(k))
        return found
