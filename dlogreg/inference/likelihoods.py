"""What the log-likelihoods of a model and of its null model say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import chdtrc

from dlogreg.errors import InferenceError
from dlogreg.evaluation import FloatArray

PSEUDO = (
    "with probability weights the likelihood is a pseudo-likelihood, whose ratio is "
    "not chi-squared; take wald_test()"
)


class Deviances:
    """Deviances and pseudo-R2s of a model's probabilities on some rows."""

    llf: float
    llnull: float
    nobs: float

    @property
    def deviance(self) -> float:
        """-2 llf; the saturated model of single rows has log-likelihood 0."""
        return -2 * self.llf

    @property
    def null_deviance(self) -> float:
        """-2 llnull."""
        return -2 * self.llnull

    @property
    def llr(self) -> float:
        """Likelihood ratio statistic against the null model."""
        return 2 * (self.llf - self.llnull)

    @property
    def prsquared(self) -> float:
        """McFadden's pseudo-R2, 1 - llf / llnull.

        The null model has an intercept even where the model has none, so that it can
        be negative; NaN where all rows are of one class.
        """
        return 1 - self.llf / self.llnull if self.llnull else float(np.nan)

    @property
    def prsquared_cox_snell(self) -> float:
        """Cox and Snell's pseudo-R2, 1 - exp(-llr / nobs)."""
        return float(-np.expm1(-self.llr / self.nobs))

    @property
    def prsquared_nagelkerke(self) -> float:
        """Nagelkerke's pseudo-R2: Cox and Snell's over its largest possible value."""
        largest = float(-np.expm1(2 * self.llnull / self.nobs))
        return self.prsquared_cox_snell / largest if largest else float(np.nan)


class Likelihoods(Deviances):
    """Degrees of freedom, criteria and the ratio test of a fit, beside its deviances.

    The attributes are those of LogitResults.
    """

    feature_names: tuple[str, ...]
    dropped: Mapping[str, str]
    alpha: float
    fit_intercept: bool
    weight_kind: str
    firth: bool
    l1_ratio: float
    bounded: bool
    coefficients: FloatArray

    @property
    def penalized(self) -> bool:
        """Whether coefficients were penalised or bounded."""
        return self.alpha > 0 or self.bounded

    @property
    def n_equations(self) -> int:
        """Number of linear predictors: classes without the reference."""
        return 1

    @property
    def df_model(self) -> int:
        """Number of estimated coefficients without the intercepts.

        With a lasso or an elastic net those that are not 0.
        """
        if self.l1_ratio > 0:
            first = int(self.fit_intercept)
            return int(np.count_nonzero(self.coefficients[first:]))
        return (len(self.feature_names) - len(self.dropped)) * self.n_equations

    @property
    def df_resid(self) -> float:
        """Nobs minus the number of estimated coefficients."""
        return self.nobs - self.df_model - self._n_intercepts

    @property
    def _n_intercepts(self) -> int:
        return self.n_equations if self.fit_intercept else 0

    @property
    def llr_pvalue(self) -> float:
        """Its p-value, from chi-squared with ``df_model`` degrees of freedom.

        NaN where no column is left to test. Raises InferenceError where the statistic
        has no such distribution: with a penalty, and without an intercept, because the
        null model has one.
        """
        if self.why_no_llr_test:
            raise InferenceError(self.why_no_llr_test)
        if self.df_model == 0:
            return float(np.nan)
        return float(chdtrc(self.df_model, max(0.0, self.llr)))

    @property
    def why_no_llr_test(self) -> str:
        """Reason why ``llr`` has no p-value; empty if it has one."""
        if self.firth:
            return (
                "Firth's estimates do not maximize the likelihood; take profile "
                "intervals of the penalised one, conf_int(method='profile', names=...)"
            )
        if self.alpha > 0:
            return (
                "the likelihood ratio of a penalised fit is not chi-squared; fit with "
                "alpha=0 for a test"
            )
        if self.bounded:
            return (
                "the likelihood ratio of a fit within bounds is not chi-squared; fit "
                "without bounds for a test"
            )
        if self.weight_kind == "probability":
            return PSEUDO
        if not self.fit_intercept:
            return (
                "the null model has an intercept and this model has none, so that "
                "neither contains the other"
            )
        return ""

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2 n_estimated - 2 llf; NaN with ridge and bounds.

        NaN also with probability weights, which make no likelihood. The number of
        estimated coefficients includes the intercepts. A penalty leaves them fewer
        degrees of freedom than their number, but for the lasso, where the number of
        coefficients that are not 0 is what is expected of them (Zou, Hastie and
        Tibshirani 2007, Ann. Stat. 35, 2173-2192).
        """
        return self._criterion(2.0)

    @property
    def bic(self) -> float:
        """Schwarz' criterion, log(nobs) n_estimated - 2 llf; NaN where ``aic`` is."""
        return self._criterion(float(np.log(self.nobs)))

    def _criterion(self, price: float) -> float:
        """Return -2 llf plus a price per estimated coefficient."""
        n_estimated = self.df_model + self._n_intercepts
        shrunk = self.penalized and (self.bounded or self.l1_ratio < 1)
        without = shrunk or self.firth or self.weight_kind == "probability"
        return float(np.nan) if without else price * n_estimated - 2 * self.llf
