"""Ridge: value, gradient and curvature in the solver's coordinates.

The public ``alpha`` multiplies the penalty on the *mean* loss; inside, everything is
a sum, so the strength is alpha times the sum of weights, which only the first pass
knows. Until then the penalty is carried as a rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dlogreg.evaluation import Evaluation, FloatArray, TrialPoints
from dlogreg.standardization import Standardization


@dataclass(frozen=True, slots=True)
class PenaltyRule:
    """How strong the penalty will be once the sum of weights is known."""

    alpha: float = 0.0
    per: str = "mean"
    """"mean": alpha/2 |b|^2 is added to the mean loss; "sum": to the summed loss."""

    def __bool__(self) -> bool:
        """Tell whether anything is penalised."""
        return self.alpha > 0

    def strength(self, weight_sum: float) -> float:
        """Return what multiplies |b|^2 / 2 in the summed objective."""
        return self.alpha * (weight_sum if self.per == "mean" else 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """sum_j curvature_j theta_j^2 / 2; the intercept has no curvature."""

    curvature: FloatArray
    """Shape (n_params,)."""

    @classmethod
    def of(
        cls, rule: PenaltyRule, weight_sum: float, standardization: Standardization
    ) -> Ridge:
        """Return the penalty on params, expressed in theta."""
        curvature = rule.strength(weight_sum) * standardization.units**2
        if standardization.fit_intercept:
            curvature[0] = 0.0
        return cls(curvature)

    def value(self, theta: FloatArray) -> float:
        """Return the penalty."""
        return float(0.5 * self.curvature @ theta**2)

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

    def added_to_points(self, sums: TrialPoints, thetas: FloatArray) -> TrialPoints:
        """Return loss plus penalty, and their gradient, at every column of thetas.

        The intercept's curvatures stay those of the loss; it has no penalty.
        """
        return TrialPoints(
            sums.losses + 0.5 * self.curvature @ thetas**2,
            sums.gradients + self.curvature[:, None] * thetas,
            sums.intercept_curvatures,
        )
