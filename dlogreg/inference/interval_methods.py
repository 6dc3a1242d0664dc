"""The methods of a result that tell intervals: Wald's, and by profile likelihood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from scipy.special import ndtri

from dlogreg.evaluation import FloatArray
from dlogreg.inference.levels import check_level
from dlogreg.inference.odds import odds_ratios

if TYPE_CHECKING:
    from dlogreg.results import LogitResults


class IntervalMethods:
    """Intervals of coefficients and odds ratios; the attributes are LogitResults'."""

    def conf_int(
        self,
        alpha: float = 0.05,
        *,
        kind: str | None = None,
        method: str = "wald",
        names: Sequence[str] | None = None,
        X: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> FloatArray:
        """Return intervals at level 1 - alpha, shape (n_params, 2) or (n_names, 2).

        ``method="wald"`` goes by the standard errors of ``cov_params(kind)`` and reads
        nothing. "profile" trusts the model, whatever the fit's ``cov_type``; it takes
        the values that a likelihood-ratio test does not reject, as R's ``confint``:
        all ends are found together, to ``max(min(tol, 1e-4), 1e-7)`` standard errors,
        in 2 or 3 passes, about 5 with few rows per column. Where the data are separated
        those of infinite coefficients have one infinite end, and take about 20 passes
        more. A fit with ``firth=True`` has profiles of its penalised likelihood, in 5
        to 20 passes. An end that is not found is NaN, with a warning. Profiles of a
        result that was loaded take X, y, sample_weight and offset of the fit. ``names``
        chooses coefficients.

        Parameters
        ----------
        alpha : float
            Level of the intervals is 1 - alpha.
        kind : {"model", "HC0", "HC1", "cluster"}, optional
            Covariance of Wald's intervals; default: ``cov_type`` of the fit.
        method : {"wald", "profile"}
            As above.
        names : sequence of str, optional
            Coefficients that are wanted; default: all.
        X, y, sample_weight, offset : array, optional
            The rows of the fit, for profiles of a result that does not know them.

        Returns
        -------
        array, shape (n_params, 2) or (n_names, 2)
            Lower and upper ends.

        Raises
        ------
        InferenceError
            If there is no covariance, or there are no profiles: with probability
            weights, a penalty, or no known rows.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.conf_int().round(4)
        array([[-8.0244,  1.9543],
               [-0.5745,  3.0026]])
        >>> res.conf_int(method="profile", names=["dose"]).round(3)
        array([[-0.066,  4.159]])
        """
        check_level(alpha)
        results = cast("LogitResults", self)
        if method == "profile":
            if kind not in (None, "model"):
                raise ValueError(
                    f"profile intervals have no kind {kind!r}: they rest on the "
                    "likelihood; leave kind out, or take method='wald'"
                )
            return results._profile_intervals(alpha, names, X, y, sample_weight, offset)
        if method != "wald":
            raise ValueError(f"method must be 'wald' or 'profile', not {method!r}")
        half = -ndtri(alpha / 2) * np.sqrt(np.diagonal(results.cov_params(kind)))
        middle, params = results.coefficients, results.params
        ends = np.column_stack([middle - half, middle + half])
        return ends if names is None else ends[[params.position(n) for n in names]]

    def odds_ratios(
        self,
        alpha: float = 0.05,
        *,
        units: Mapping[str, float] | None = None,
        kind: str | None = None,
        method: str = "wald",
    ) -> FloatArray:
        """Return exp(params) with its interval, shape (n_params, 3).

        Columns: odds ratio, lower and upper end, which are those of ``conf_int`` by the
        same ``kind`` and ``method``: "wald" reads nothing, "profile" a few times the
        rows that the result remembers. Without standard errors Wald's ends are NaN.
        ``units`` says by how much a column grows, where not by 1: with its standard
        deviation the odds ratio is the standardized one.

        Parameters
        ----------
        alpha : float
            Level of the intervals is 1 - alpha.
        units : mapping of str to float, optional
            By how much a column grows, where not by 1.
        kind, method : str, optional
            As in ``conf_int``.

        Returns
        -------
        array, shape (n_params, 3)
            Odds ratio, lower and upper end, intercept first.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], [0, 0, 1, 0, 1, 1]
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.odds_ratios(units={"dose": 2})[1].round(3)
        array([1.1337e+01, 3.1700e-01, 4.0553e+02])
        """
        check_level(alpha)
        results = cast("LogitResults", self)
        if results.covariance is None and (kind, method) == (None, "wald"):
            ends = np.full((len(results.coefficients), 2), np.nan)
        else:
            ends = self.conf_int(alpha, kind=kind, method=method)
        logs = np.column_stack([results.coefficients, ends])
        return odds_ratios(logs, results.names, units)
