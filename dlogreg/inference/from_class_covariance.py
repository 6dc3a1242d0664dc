"""What the covariance of the coefficients of three or more classes tells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from dlogreg.evaluation import FloatArray, Label
from dlogreg.inference.covariance_methods import Covariances
from dlogreg.inference.levels import check_level
from dlogreg.inference.wald import WaldTest, wald_test

if TYPE_CHECKING:
    from dlogreg.inference.table import ChiSquaredTest
    from dlogreg.results import MultinomialResults


class FromClassCovariance(Covariances, ABC):
    """Intervals, odds ratios and tests of hypotheses; nothing is read for them."""

    dropped: Mapping[str, str]
    fit_intercept: bool

    @property
    @abstractmethod
    def labels(self) -> tuple[Label, ...]:
        """The classes that have a column of ``params``."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients of a class."""

    def conf_int(self, alpha: float = 0.05, *, kind: str | None = None) -> FloatArray:
        """Return Wald intervals at level 1 - alpha, shape (n_columns, n_names, 2).

        The first axis runs over the columns of ``params``, as in ``MNLogit``. They go
        by the standard errors of ``cov_params(kind)``.

        Parameters
        ----------
        alpha : float
            Level of the intervals is 1 - alpha.
        kind : {"model", "HC0", "HC1"}, optional
            Covariance that is used; default: ``cov_type`` of the fit.

        Returns
        -------
        array, shape (n_columns, n_names, 2)
            Lower and upper ends.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], list("abacbc")
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.conf_int()[:, 1].round(3)
        array([[-1.013,  2.834],
               [-0.786,  4.428]])
        """
        check_level(alpha)
        deviations = np.sqrt(np.diagonal(self.cov_params(kind)))
        half = -ndtri(alpha / 2) * deviations.reshape(self.coefficients.shape)
        return np.stack([self.coefficients - half, self.coefficients + half], axis=2)

    def wald_test(self, hypothesis: Any = None, *, kind: str | None = None) -> WaldTest:
        """Test linear hypotheses about the coefficients; reads no data.

        Parameters
        ----------
        hypothesis : str or array, shape (q, n_columns * n_names), optional
            As for two classes, see ``LogitResults.wald_test``. The coefficient of a
            class stands as ``Q("class:name")``, for example
            ``'Q("virginica:width") = Q("versicolor:width")'``; the name of a column
            alone says that it is 0 in every class. A matrix has the
            columns of ``params.T.ravel()``. Default: all coefficients but the
            intercepts are 0.
        kind : {"model", "HC0", "HC1"}, optional
            Covariance that is used; default: ``cov_type`` of the fit.

        Returns
        -------
        WaldTest
            With ``statistic``, ``df``, ``pvalue``; ``distribution`` is "chi2".

        Raises
        ------
        InferenceError
            If there is no covariance, or a coefficient was dropped as aliased.
        ValueError
            If the hypothesis cannot be read, names an unknown coefficient, or holds a
            constraint that the others imply or contradict.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], list("abacbc")
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.wald_test("dose").df
        2
        """
        covariance = self.cov_params(kind)
        names = [f"{label}:{name}" for label in self.labels for name in self.names]
        if hypothesis is None:
            hypothesis = self._no_effect()
        elif isinstance(hypothesis, str) and hypothesis in self.names:
            column = self.names.index(hypothesis)
            hypothesis = np.eye(len(names))[column :: len(self.names)]
        coefficients, dropped = (
            self.coefficients.ravel(),
            {
                f"{label}:{name}": reason
                for label in self.labels
                for name, reason in self.dropped.items()
            },
        )
        test = wald_test(hypothesis, coefficients, covariance, names, dropped)
        return replace(test, cov_type=kind or self.cov_type)

    def _no_effect(self) -> FloatArray:
        """Return the hypothesis that all estimated slopes are 0."""
        slopes = np.isfinite(self.coefficients)
        slopes[:, : int(self.fit_intercept)] = False
        return np.eye(self.coefficients.size)[slopes.ravel()]

    def lr_test(self, smaller: MultinomialResults) -> ChiSquaredTest:
        """Return the likelihood-ratio test of a smaller model; reads no data.

        The statistic is twice the difference of the log-likelihoods, chi-squared with
        as many degrees of freedom as there are coefficients less (Wilks 1938). It
        trusts the model, whatever the fit's ``cov_type``.

        Parameters
        ----------
        smaller : MultinomialResults
            A fit to the same rows with some of the columns.

        Returns
        -------
        ChiSquaredTest
            With ``statistic``, ``df`` and ``pvalue``.

        Raises
        ------
        InferenceError
            If a fit has a penalty, has not converged or is separated, or if the
            smaller model is not inside this one.

        Examples
        --------
        >>> import numpy as np, dlogreg
        >>> rng = np.random.default_rng(0)
        >>> X, y = rng.normal(size=(90, 2)), rng.integers(0, 3, 90)
        >>> larger, smaller = dlogreg.fit(X, y), dlogreg.fit(X[:, :1], y)
        >>> larger.lr_test(smaller).df
        2
        """
        room = import_module("dlogreg.inference.likelihood_ratio")
        test: ChiSquaredTest = room.nested_test(self, smaller)
        return test

    def odds_ratios(self, alpha: float = 0.05) -> FloatArray:
        """Return exp(params) with its interval, shape (n_columns, n_names, 3).

        The odds are those of a class against the reference (R's relative risk ratios);
        with a penalty, against the geometric mean of all classes. The last axis holds
        the ratio and its lower and upper end, NaN without standard errors.

        Parameters
        ----------
        alpha : float
            Level of the intervals is 1 - alpha.

        Returns
        -------
        array, shape (n_columns, n_names, 3)
            Odds ratio, lower and upper end.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], list("abacbc")
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> res.odds_ratios()[:, 1, 0].round(3)
        array([2.486, 6.178])
        """
        check_level(alpha)
        ends = np.full((*self.coefficients.shape, 2), np.nan)
        if self.covariance is not None:
            ends = self.conf_int(alpha)
        logs = np.concatenate([self.coefficients[:, :, None], ends], axis=2)
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(logs))
