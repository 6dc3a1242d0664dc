"""The end of a cross-validation of two classes: scores, and what they choose."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from dlogreg.closing import build_results
from dlogreg.errors import ConvergenceWarning
from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.kernel.held_parts import HeldSums
from dlogreg.layout import Layout
from dlogreg.options import FitOptions
from dlogreg.passes import Passes
from dlogreg.penalty import PenaltyRule
from dlogreg.penalty_columns import within_bounds
from dlogreg.problem import pose
from dlogreg.results import LogitResults, Results
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
from dlogreg.user_warning import warn_user


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
    bounds = rules[0].bounds
    lines = [
        [within_bounds(std.to_params(model.theta), bounds) for model in line]
        for line in grid
    ]
    alphas = np.array([rule.alpha for rule in rules])

    def result_of(i: int) -> LogitResults:
        return refit(layout, options, fit, rules[i], grid[-1][i], scored.losses[i])

    given = (alphas, rules[0].l1_ratio, scoring, scored)
    return tabulated(*given, np.array(lines), grid, result_of, passes)


def tabulated(
    alphas: FloatArray,
    l1_ratio: float,
    scoring: str,
    scored: HeldSums,
    params: FloatArray,
    grid: Sequence[Sequence[Ended]],
    result_of: Callable[[int], Results],
    passes: Passes,
) -> CrossValidation:
    """Return the scores of all models, and the results of those that they choose.

    ``params`` and ``grid`` are the models of the folds and last of all rows, with every
    penalty; ``result_of`` returns the result of all rows with one of them.
    """
    scores = fold_scores(scored)
    lines = scores[scoring]
    mean, n_folds = lines.mean(axis=1), lines.shape[1]
    spread = lines.std(axis=1, ddof=1) / np.sqrt(n_folds)
    best, simplest = best_of(mean, scoring), one_se_of(mean, spread, scoring)
    results = {i: result_of(i) for i in {best, simplest}}
    by_alpha = params.swapaxes(0, 1)
    return CrossValidation(
        alphas,
        l1_ratio,
        scoring,
        scores,
        scored.totals[1],
        results[best].names,
        by_alpha[:, -1],
        by_alpha[:, :-1],
        np.array([[model.error for model in line] for line in grid]).T,
        results[best],
        results[simplest],
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
    rows = RowsAgain.of(layout, survey, problem.objective.class_weight)
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
        warn_user(
            f"{len(unfinished)} of {len(models)} models have not reached tol (error "
            f"bound {worst:.2g} standard errors); raise max_passes or tol, or leave "
            "out the weakest penalties",
            ConvergenceWarning,
        )
