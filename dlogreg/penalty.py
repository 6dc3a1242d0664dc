"""Ridge, lasso and bounds: value, gradient and curvature in the solver's coordinates.

The public ``alpha`` multiplies the penalty on the *mean* loss; inside, everything is
a sum, so the strength is alpha times the sum of weights, which only the first pass
knows. Until then the penalty is carried as a rule. Of column j it is

    alpha factor_j (l1_ratio abs(b_j) + (1 - l1_ratio) b_j^2 / 2),

of coefficients as the user has them, not of standardized ones. Factors are taken as
they are given (glmnet rescales its ``penalty.factor`` so that their mean is 1).

With K classes the penalty is scikit-learn's, on the coefficients B_k of all classes in
the symmetric parametrization. There they sum to zero over the classes, since shifting
all of them by the same vector changes no probability, and the least sum of squares is
that of B_k = b_k - mean(b), b_0 = 0 being the reference's. So the solver can keep the
K - 1 free vectors b_k, with the penalty

    sum_k |B_k|^2 = sum_k |b_k|^2 - |sum_k b_k|^2 / K.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlogreg.evaluation import Evaluation, FloatArray, TrialPoints
from dlogreg.penalty_columns import resolve_bounds, resolve_factor
from dlogreg.solvers.separable import Separable
from dlogreg.standardization import StackedStandardization, Standardization


@dataclass(frozen=True, slots=True)
class PenaltyRule:
    """How strong the penalty will be once the sum of weights is known."""

    alpha: float = 0.0
    per: str = "mean"
    """"mean": the penalty is added to the mean loss; "sum": to the summed loss."""
    l1_ratio: float = 0.0
    """Share of the absolute values in it; the squares have the rest."""
    factor: Any = None
    """What multiplies alpha in every column; as given, until it is resolved."""
    bounds: Any = None
    """Smallest and largest coefficients, in the same way."""

    def __bool__(self) -> bool:
        """Tell whether anything is penalised or bounded."""
        return bool(self.alpha > 0) or self.bounds is not None

    @property
    def composite(self) -> bool:
        """Whether there are kinks or bounds, so that there is no gradient."""
        return bool(self.alpha > 0 and self.l1_ratio > 0) or self.bounds is not None

    def resolved(self, names: Sequence[str]) -> PenaltyRule:
        """Return the rule for these columns, or raise where it does not fit them."""
        factor, bounds = self.factor, self.bounds
        if factor is not None:
            factor = resolve_factor(factor, names)
        if bounds is not None:
            bounds = resolve_bounds(bounds, names)
        return replace(self, factor=factor, bounds=bounds)

    def strength(self, weight_sum: float) -> float:
        """Return what multiplies the penalty in the summed objective."""
        return self.alpha * (weight_sum if self.per == "mean" else 1.0)

    @property
    def coercive(self) -> bool:
        """Whether every slope is penalised or bounded, so that an optimum exists."""
        penalised = self.alpha > 0 and (self.factor is None or self.factor > 0)
        if self.bounds is None:
            return bool(np.all(penalised))
        return bool(np.all(penalised | np.isfinite(self.bounds).all(axis=1)))


def penalty_rule(
    alpha: float, l1_ratio: float = 0.0, factor: Any = None, bounds: Any = None
) -> PenaltyRule:
    """Return the rule of a penalty on the mean loss."""
    return PenaltyRule(alpha, "mean", l1_ratio, factor, bounds)


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """sum_j curvature_j theta_j^2 / 2; the intercept has no curvature."""

    curvature: FloatArray
    """Shape (n_params,)."""

    @classmethod
    def of(
        cls, rule: PenaltyRule, weight_sum: float, standardization: Standardization
    ) -> Ridge:
        """Return the squares of the penalty on params, expressed in theta."""
        strength = rule.strength(weight_sum) * (1 - rule.l1_ratio)
        curvature = strength * standardization.units**2
        return cls(curvature * _factors(rule, standardization))

    def value(self, theta: FloatArray) -> float:
        """Return the penalty."""
        return float(0.5 * self.curvature @ theta**2)

    def gradient(self, theta: FloatArray) -> FloatArray:
        """Return its gradient."""
        return self.curvature * theta

    def added(
        self, sums: Evaluation, theta: FloatArray, trials: list[FloatArray]
    ) -> Evaluation:
        """Return loss plus penalty at theta and at the trial points."""
        hessian, losses = sums.hessian, sums.trial_losses
        if hessian is not None:
            hessian = hessian + np.diag(self.curvature)
        if losses is not None:
            losses = losses + np.array([self.value(trial) for trial in trials])
        return replace(
            sums,
            loss=sums.loss + self.value(theta),
            gradient=sums.gradient + self.curvature * theta,
            hessian=hessian,
            trial_losses=losses,
        )

    def added_to_points(
        self, sums: TrialPoints, thetas: Iterable[FloatArray]
    ) -> TrialPoints:
        """Return loss plus penalty, and their gradient, at every one of thetas.

        The intercept's curvatures stay those of the loss; it has no penalty.
        """
        losses, gradients = sums.losses.copy(), sums.gradients.copy(order="K")
        for b, theta in enumerate(thetas):  # in vectors: matrices of them are large
            pull = self.curvature * theta
            losses[b] += 0.5 * float(pull @ theta)
            gradients[:, b] += pull
        return TrialPoints(losses, gradients, sums.intercept_curvatures)


@dataclass(frozen=True, slots=True, eq=False)
class ElasticNet(Ridge):
    """Ridge, and sum_j l1_j abs(theta_j) within bounds.

    Gradient and Hessian are those of the squares; the value is that of the whole.
    """

    kinks: Separable
    """The absolute values and the bounds; its ridge part is zero."""

    def value(self, theta: FloatArray) -> float:
        """Return the penalty; bounds are not checked."""
        return Ridge.value(self, theta) + self.kinks.value(theta)

    def feasible(self, theta: FloatArray) -> FloatArray:
        """Return the nearest point within the bounds."""
        return self.kinks.nearest(theta)


def penalty_of(
    rule: PenaltyRule, weight_sum: float, standardization: Standardization
) -> Ridge:
    """Return the penalty of two classes on params, expressed in theta."""
    ridge = Ridge.of(rule, weight_sum, standardization)
    if not rule.composite:
        return ridge
    return ElasticNet(ridge.curvature, _kinks(rule, weight_sum, standardization))


def separable_of(
    rule: PenaltyRule, weight_sum: float, standardization: Standardization
) -> Separable:
    """Return the whole penalty of two classes on params, expressed in theta."""
    ridge = Ridge.of(rule, weight_sum, standardization)
    return replace(_kinks(rule, weight_sum, standardization), l2=ridge.curvature)


def _kinks(
    rule: PenaltyRule, weight_sum: float, standardization: Standardization
) -> Separable:
    """Return the absolute values and the bounds, without the ridge part."""
    units = standardization.units
    l1 = rule.strength(weight_sum) * rule.l1_ratio * units
    bounds = np.tile([-np.inf, np.inf], (len(units), 1))
    if rule.bounds is not None:
        bounds[int(standardization.fit_intercept) :] = rule.bounds
    low, high = bounds.T / units
    factors = _factors(rule, standardization)
    return Separable(l1 * factors, np.zeros(len(units)), low, high)


def _factors(rule: PenaltyRule, standardization: Standardization) -> FloatArray:
    """Return the factor of every param, 0 for the intercept."""
    factors = np.ones(standardization.n_params)
    first = int(standardization.fit_intercept)
    if rule.factor is not None:
        factors[first:] = rule.factor
    factors[:first] = 0.0
    return factors


@dataclass(frozen=True, slots=True, eq=False)
class SymmetricRidge:
    """The ridge penalty of K classes on the K - 1 lines of theta."""

    single: FloatArray
    """Curvature of the penalty on one class, shape (n_params of an equation,)."""
    coupling: FloatArray
    """I - 11'/K for equations against the reference; shape (K - 1, K - 1)."""

    @classmethod
    def of(
        cls,
        rule: PenaltyRule,
        weight_sum: float,
        standardization: StackedStandardization,
    ) -> SymmetricRidge:
        """Return the penalty on params, expressed in theta."""
        ridge = Ridge.of(rule, weight_sum, standardization.single)
        coupling = symmetric_coupling(standardization.n_equations)
        mixing = standardization.mixing
        if mixing is not None:
            coupling = mixing.T @ coupling @ mixing
        return cls(ridge.curvature, coupling)

    @property
    def curvature(self) -> FloatArray:
        """Diagonal of the penalty's Hessian, shape (n_params,)."""
        return np.outer(np.diagonal(self.coupling), self.single).ravel()

    def value(self, theta: FloatArray) -> float:
        """Return the penalty."""
        return float(0.5 * self.gradient(theta) @ theta)

    def gradient(self, theta: FloatArray) -> FloatArray:
        """Return its gradient."""
        lines = self.coupling @ theta.reshape(len(self.coupling), -1)
        return np.ravel(lines * self.single)

    def hessian(self) -> FloatArray:
        """Return its Hessian, coupling x diag(single)."""
        found = np.kron(self.coupling, np.diag(self.single))
        return np.asarray(found, dtype=np.float64)

    def added(
        self, sums: Evaluation, theta: FloatArray, trials: list[FloatArray]
    ) -> Evaluation:
        """Return loss plus penalty at theta and at the trial points."""
        if not self.single.any():
            return sums
        hessian, losses = sums.hessian, sums.trial_losses
        if hessian is not None:
            hessian = hessian + self.hessian()
        if losses is not None:
            losses = losses + np.array([self.value(trial) for trial in trials])
        return replace(
            sums,
            loss=sums.loss + self.value(theta),
            gradient=sums.gradient + self.gradient(theta),
            hessian=hessian,
            trial_losses=losses,
        )

    def added_to_points(
        self, sums: TrialPoints, thetas: Iterable[FloatArray]
    ) -> TrialPoints:
        """Return loss plus penalty, and their gradient, at every one of thetas."""
        points = list(thetas)
        return TrialPoints(
            sums.losses + np.array([self.value(theta) for theta in points]),
            sums.gradients + np.column_stack([self.gradient(at) for at in points]),
        )


def symmetric_coupling(n_equations: int) -> FloatArray:
    """Return I - 11'/K, by which the equations of K classes are coupled."""
    return np.asarray(np.eye(n_equations) - 1 / (n_equations + 1), dtype=np.float64)
