"""The end of a cross-validation of two classes: scores, and what they choose."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from dlogreg.closing import build_results
from dlogreg.errors import ConvergenceWarning
from dlogreg.evaluation import Evaluation
from dlogreg.kernel.held_parts import HeldSums
from dlogreg.layout import Layout
from dlogreg.options import FitOptions
from dlogreg.penalty import PenaltyRule
from dlogreg.penalty_columns import within_bounds
from dlogreg.problem import pose
from dlogreg.results import LogitResults
from dlogreg.rows_again import RowsAgain
from dlogreg.selection.grid_fit import GridFit
from dlogreg.selection.validation import (
    CrossValidation,
    best_of,
    fold_scores,
    one_se_of,
)
from dlogreg.solvers import Point, Solution, Status
from dlogreg.solvers.grid import GridModel


def validated(
    layout: Layout,
    options: FitOptions,
    fit: GridFit,
    rules: Sequence[PenaltyRule],
    grid: list[list[GridModel]],
    scored: HeldSums,
    scoring: str,
) -> CrossValidation:
    """Return what was found, the models of all rows refitted where they are chosen."""
    std, passes = fit.standardization, fit.problem.passes
    warn_of_unfinished([model for line in grid for model in line])
    scores = fold_scores(scored)
    mean = scores[scoring].mean(axis=1)
    spread = scores[scoring].std(axis=1, ddof=1) / np.sqrt(fit.folding.n_folds)
    best, simplest = best_of(mean, scoring), one_se_of(mean, spread, scoring)
    bounds = rules[0].bounds
    lines = [
        [within_bounds(std.to_params(model.theta), bounds) for model in line]
        for line in grid
    ]
    params = np.array(lines).swapaxes(0, 1)
    refits = {
        i: refit(layout, options, fit, rules[i], grid[-1][i], scored.losses[i])
        for i in {best, simplest}
    }
    return CrossValidation(
        np.array([rule.alpha for rule in rules]),
        rules[0].l1_ratio,
        scoring,
        scores,
        scored.totals[1],
        refits[best].names,
        params[:, -1],
        params[:, :-1],
        np.array([[model.error for model in line] for line in grid]).T,
        refits[best],
        refits[simplest],
        passes.n_passes,
        passes.tally.n_bytes,
        tuple(passes.trace),
    )


def refit(
    layout: Layout,
    options: FitOptions,
    fit: GridFit,
    rule: PenaltyRule,
    model: GridModel,
    loss: float,
) -> LogitResults:
    """Return the result of a model of all rows, which is fitted already."""
    problem, survey = fit.problem, fit.problem.survey
    assert options.feature_names is not None
    own = replace(options, penalty=rule)
    rest = (options.feature_names, problem.objective.class_weight)
    posed = pose(survey, problem.passes, own, *rest)
    status = Status.CONVERGED if model.error <= fit.tol else Status.MAX_PASSES
    if model.done and np.isnan(model.error):
        status = Status.CONVERGED_UNCERTIFIED
    theta = model.theta
    whole = loss + posed.objective.penalty.value(theta)
    point = Point(theta, Evaluation(whole, np.zeros_like(theta)))
    solution = Solution(theta, point, status, model.error, model.n_evaluations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told for all models
        results = build_results(posed, solution)
    assert isinstance(results, LogitResults)
    rows = RowsAgain(
        layout.source,
        layout.partitions,
        layout.inline,
        survey.standardization,
        survey.classes,
        problem.objective.class_weight,
    )
    return replace(results, rows=rows)


class Ended(Protocol):
    """A model, as far as it was advanced."""

    @property
    def done(self) -> bool:
        """Whether it is as near to its optimum as it should be."""
        ...

    @property
    def error(self) -> float:
        """Proven distance to the optimum, in standard errors."""
        ...


def warn_of_unfinished(models: Sequence[Ended]) -> None:
    """Warn of models that are not as near to their optima as they should be."""
    unfinished = [model for model in models if not model.done]
    if unfinished:
        worst = max(model.error for model in unfinished)
        warnings.warn(
            f"{len(unfinished)} of {len(models)} models have not reached tol (error "
            f"bound {worst:.2g} standard errors); raise max_passes or tol, or leave "
            "out the weakest penalties",
            ConvergenceWarning,
            stacklevel=4,
        )
