"""The largest penalty of a grid, from the model in which all that it holds rests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.objective.many import ManyObjective
from dlogreg.penalty import PenaltyRule, separable_of
from dlogreg.selection.alphas import LEAST_L1_RATIO, largest_alpha, resting
from dlogreg.solvers import Geometry, Separable
from dlogreg.solvers.penalized_models import (
    Expansion,
    PenalizedModel,
    advance_models,
)
from dlogreg.survey import Survey

ROUND_UP = 1 + 1e-9
"""So that the first model rests in spite of rounding."""
REST_TOL = 1e-8
"""Of the model in which all that is penalised rests, whose slopes give alpha."""


@dataclass(frozen=True, slots=True, eq=False)
class Resting:
    """The model in which every penalised coefficient is at 0, or next to it."""

    rule: PenaltyRule
    """The penalty of alpha = 1."""
    survey: Survey
    objective: ManyObjective
    geometry: Geometry

    def penalty(self, alpha: float) -> Separable:
        """Return the penalty in the solver's coordinates."""
        return self._separable(replace(self.rule, alpha=alpha))

    def _separable(self, rule: PenaltyRule) -> Separable:
        survey = self.survey
        return separable_of(rule, survey.weight_sum, survey.standardization)

    def found(self, anchors: Sequence[Expansion], passes_left: int) -> Expansion:
        """Return its point, gradient and Hessian.

        Parameters
        ----------
        anchors
            Points that are evaluated already, that of the null model first.
        passes_left
            Passes that this may take: none where the null model is the one.

        Raises
        ------
        ValueError
            If passes are needed, and none are left.
        """
        null, pull = anchors[0], self._pull()
        held = resting(self.penalty(1.0), pull)
        free = pull == 0
        free[: int(self.survey.standardization.fit_intercept)] = False
        if not free.any() and (held.nearest(null.theta) == null.theta).all():
            return null
        if passes_left < 1:
            raise ValueError(
                "max_passes are used up before the largest alpha is known, which needs "
                "a model of the columns that are not penalised; give alphas, or raise "
                "max_passes"
            )
        one = start_model(held, self.geometry, REST_TOL, anchors)
        advance_models(self.objective, [one], passes_left)
        assert one.best is not None
        step = one.theta - one.best.theta
        hessian = one.metric.hessian
        return Expansion(one.theta, one.best.gradient + hessian @ step, hessian)

    def _pull(self) -> FloatArray:
        """Return what alpha = 1 weighs absolute values with, shape (n_params,)."""
        ratio = max(self.rule.l1_ratio, LEAST_L1_RATIO)
        return self._separable(replace(self.rule, alpha=1.0, l1_ratio=ratio)).l1

    def largest(self, place: Expansion) -> float:
        """Return the least alpha that leaves everything at rest.

        Raises
        ------
        ValueError
            If nothing would move without a penalty either.
        """
        found = largest_alpha(
            place.gradient, place.theta, self.penalty(1.0), self._pull()
        )
        if not found > 0:
            raise ValueError(
                "no penalised column would leave its place under any penalty, so that "
                "there is no largest alpha to begin with; give alphas"
            )
        return found * ROUND_UP


def start_model(
    penalty: Separable,
    geometry: Geometry,
    tol: float,
    anchors: Sequence[Expansion],
    family: int = 0,
) -> PenalizedModel:
    """Return a model at the optimum that the nearest of the anchors expects."""
    optima = [anchor.optimum(penalty) for anchor in anchors]
    nearest = int(np.argmin([distance for _, distance in optima]))
    trial = optima[nearest][0]
    return PenalizedModel(penalty, geometry, tol, anchors[nearest], trial, family)
