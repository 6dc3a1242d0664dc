"""MultinomialResults: what a fit of three or more classes found."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from dlogreg.display import Summary, describe_multinomial, summarize_multinomial
from dlogreg.evaluation import FloatArray, Label
from dlogreg.inference import FromClassCovariance, check_level
from dlogreg.labelled_matrix import LabelledMatrix
from dlogreg.results.fitted import FittedModel
from dlogreg.results.prediction import MultinomialPredictions
from dlogreg.results.wald_statistics import WaldStatistics

if TYPE_CHECKING:
    from dlogreg.display.plots import MultinomialPlots


@dataclass(frozen=True, eq=False, repr=False)
class MultinomialResults(
    FittedModel,
    WaldStatistics[LabelledMatrix],
    FromClassCovariance,
    MultinomialPredictions,
):
    """Coefficients of a softmax model, their standard errors, and what the fit cost.

    The words and the layout are those of statsmodels' ``MNLogit``. Without a penalty
    the first of ``classes`` is the reference, and every other class k has a column of
    ``params``: ``log(p_k / p_reference) = params[0, k] + x @ params[1:, k]``.

    With a penalty every class has a column, as in scikit-learn: the symmetric
    parametrization, in which every line of ``params`` sums to zero and
    ``log(p_k / p_l)`` is the difference of two columns. Coefficients of columns that
    were dropped as aliased are NaN.

    ``error_bound`` holds for every linear combination of coefficients in its own
    standard error, so for both parametrizations.
    """

    @property
    def n_equations(self) -> int:
        """Number of free linear predictors: classes without the reference."""
        return len(self.classes) - 1

    @property
    def symmetric(self) -> bool:
        """Whether every class has a column of ``params``, because of a penalty."""
        return len(self.coefficients) == len(self.classes)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The classes that have a column of ``params``."""
        return self.classes if self.symmetric else self.classes[1:]

    def __repr__(self) -> str:
        """Return one line."""
        return describe_multinomial(self)

    def _repr_html_(self) -> str:
        """Return the summary, as a notebook shows it."""
        return self.summary()._repr_html_()

    @property
    def plot(self) -> MultinomialPlots:
        """Plots by their names, as ``res.plot.odds_ratios()``; they need matplotlib."""
        plots: MultinomialPlots = import_module(
            "dlogreg.display.plots"
        ).MultinomialPlots(self)
        return plots

    def summary(self, alpha: float = 0.05) -> Summary:
        """Return the fit as a table with one block for every class.

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
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], list("abacbc")
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> print(str(res.summary()).splitlines()[0].strip())
        Multinomial logistic regression, maximum likelihood
        """
        check_level(alpha)
        return summarize_multinomial(self, alpha)

    @property
    def params(self) -> LabelledMatrix:
        """Coefficients, ``const`` first, one column per class; NaN where dropped."""
        return self._labelled(self.coefficients.T)

    @property
    def bse(self) -> LabelledMatrix:
        """Standard errors, in the layout of ``params``."""
        deviations = np.sqrt(np.diagonal(self.cov_params()))
        return self._labelled(deviations.reshape(self.coefficients.shape).T)

    def symmetric_coefficients(self) -> FloatArray:
        """Return coefficients of all classes that sum to zero over the classes.

        This is scikit-learn's parametrization, shape (n_classes, n_names).

        Returns
        -------
        array, shape (n_classes, n_names)
            Columns sum to zero.

        Examples
        --------
        >>> import dlogreg
        >>> X, y = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]], list("abacbc")
        >>> res = dlogreg.fit(X, y, feature_names=["dose"])
        >>> bool(abs(res.symmetric_coefficients().sum(axis=0)).max() < 1e-12)
        True
        """
        if self.symmetric:
            return self.coefficients
        full = np.vstack([np.zeros(self.coefficients.shape[1]), self.coefficients])
        return np.asarray(full - full.mean(axis=0))

    def _labelled(self, values: Any) -> LabelledMatrix:
        return LabelledMatrix.of(values, self.names, self.labels)
