"""From the end of every search to results in the columns as the user gave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.covariances import NOT_WANTED, PENALISED, SINGULAR
from dlogreg.evaluation import FloatArray, Label
from dlogreg.grouped.posing import PosedGroups, null_loglikelihood
from dlogreg.options import FitOptions
from dlogreg.passes import Passes
from dlogreg.results import LogitResults
from dlogreg.separation.report import moving_columns
from dlogreg.solvers import NewtonSystem, Solution, Status
from dlogreg.solvers.group_newton import GroupModel

if TYPE_CHECKING:
    from dlogreg.formula.recipe import Recipe

NOT_EVALUATED = "max_passes were used up before its first evaluation; raise max_passes"


@dataclass(frozen=True, slots=True, eq=False)
class Tabulation:
    """Makes the results of groups, which share what the passes have cost."""

    posed: PosedGroups
    options: FitOptions
    classes: tuple[Label, ...]
    passes: Passes
    recipe: Recipe | None

    def models(
        self, alone: Mapping[int, LogitResults]
    ) -> tuple[LogitResults | None, ...]:
        """Return the model of every group, None where there is none."""
        found: list[LogitResults | None] = [None] * len(self.posed.totals)
        for model in self.posed.models:
            if model.solution is not None and model.place not in self.posed.reasons:
                found[model.place] = self.result(model, model.solution)
        for place, result in alone.items():
            found[place] = self.sharing(result)
        return tuple(found)

    def sharing(self, result: LogitResults) -> LogitResults:
        """Return a result with the costs of all passes instead of its own."""
        costs = self.passes.costs
        return replace(result, **costs, trace=(), rows=None, recipe=self.recipe)

    def result(self, model: GroupModel, solution: Solution) -> LogitResults:
        """Return the result of a model that has come to rest."""
        options, std, place = self.options, model.standardization, model.place
        totals, names = self.posed.totals, options.feature_names
        assert names is not None
        covariance, why_not = self._covariance(model, solution)
        params = std.to_params(solution.theta)
        params[_aliased(model)] = np.nan
        rows, weights = totals.rows[place], totals.weights[place]
        n_rows, counted = int(rows.sum()), options.weight_kind == "frequency"
        return LogitResults(
            feature_names=names,
            classes=self.classes,
            class_counts=dict(zip(self.classes, rows.tolist(), strict=True)),
            fit_intercept=std.fit_intercept,
            coefficients=params,
            covariance=covariance,
            llf=-_loss(model, solution),
            llnull=_llnull(model, weights),
            nobs=float(weights.sum()) if counted else float(n_rows),
            n_rows=n_rows,
            alpha=options.penalty.alpha,
            status=solution.status,
            error_bound=solution.error_bound,
            bse_error_bound=model.bse_error if covariance is not None else np.nan,
            solver="newton",
            separated=_separated(model, solution, names),
            dropped=dict(self.posed.dropped.get(place, {})),
            why_no_inference=why_not,
            recipe=self.recipe,
            **options.kept,
            **self.passes.costs,
        )

    def _covariance(
        self, model: GroupModel, solution: Solution
    ) -> tuple[FloatArray | None, str]:
        """Return the covariance of params, or why there is none."""
        if self.options.penalty:
            return None, PENALISED
        if not self.options.inference:
            return None, NOT_WANTED
        hessian = solution.point.evaluation.hessian
        assert hessian is not None
        kept = model.newton.kept
        system = NewtonSystem.of(hessian, kept)
        if system.regularized:
            return None, SINGULAR
        full = np.zeros_like(hessian)
        full[np.ix_(kept, kept)] = system.inverse()
        covariance = model.standardization.covariance(full)
        aliased = _aliased(model)
        covariance[aliased | aliased[:, None]] = np.nan
        return covariance, ""


def _aliased(model: GroupModel) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    mask = np.ones(model.standardization.n_params, dtype=bool)
    mask[model.newton.kept] = False
    return mask


def _separated(
    model: GroupModel, solution: Solution, names: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the columns that seem to separate the classes of a group."""
    if solution.status is not Status.SEPARATION_SUSPECTED or solution.step is None:
        return ()
    moved = np.abs(solution.step) * model.newton.geometry.reach
    return tuple(moving_columns(moved, names))


def _llnull(model: GroupModel, weights: FloatArray) -> float:
    """Return the log-likelihood of an intercept, beside the offset if there is one."""
    if model.null is None:
        return model.factor * null_loglikelihood(weights)
    return -model.null.loss if model.null.found else np.nan


def _loss(model: GroupModel, solution: Solution) -> float:
    """Return the loss without penalty at the answer, to second order."""
    at, penalty = solution.point, model.penalty
    move = solution.theta - at.theta
    slope = at.evaluation.gradient - penalty.gradient(at.theta)
    hessian = at.evaluation.hessian
    assert hessian is not None
    bend = move @ hessian @ move - penalty.gradient(move) @ move
    loss = at.evaluation.loss - penalty.value(at.theta)
    return float(loss + slope @ move + bend / 2)
