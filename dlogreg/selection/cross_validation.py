"""cross_validate(): all folds and all penalties together, from few passes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dlogreg.closing import build_results
from dlogreg.errors import ConvergenceWarning, DataError
from dlogreg.evaluation import Evaluation, FloatArray, Label
from dlogreg.first_pass import take_survey
from dlogreg.kernel.held_parts import HeldSums
from dlogreg.layout import Layout, lay_out
from dlogreg.memory import check_memory
from dlogreg.options import FitOptions, check_options
from dlogreg.passes import Passes, Progress
from dlogreg.penalty import PenaltyRule, penalty_rule
from dlogreg.penalty_columns import within_bounds
from dlogreg.pipeline import open_source
from dlogreg.problem import pose
from dlogreg.progress import progress_for
from dlogreg.reduction import Reduction, single_threaded_blas
from dlogreg.results import LogitResults
from dlogreg.rows_again import RowsAgain
from dlogreg.scalars import check_seed, is_number
from dlogreg.selection.alphas import AlphaGrid, check_grid
from dlogreg.selection.folding import Folding, check_folds, fold_rows
from dlogreg.selection.grid_fit import RAY, GridFit, pass_values
from dlogreg.selection.validation import (
    CrossValidation,
    best_of,
    check_scoring,
    fold_scores,
    one_se_of,
)
from dlogreg.solvers import Point, Solution, Status
from dlogreg.solvers.grid import GridModel
from dlogreg.survey import Survey

LEAST_RIDGE = 1e-6
"""Of the mean loss, by which the first pass learns at least."""


def cross_validate(
    X: Any,
    y: Any,
    *,
    alphas: Sequence[float] | FloatArray | None = None,
    n_alphas: int = 20,
    alpha_min_ratio: float | None = None,
    l1_ratio: float = 0.0,
    penalty_factor: Any = None,
    bounds: Any = None,
    n_folds: int = 5,
    folds: str = "random",
    scoring: str | Sequence[str] = "log_loss",
    seed: int = 0,
    groups: Any = None,
    sample_weight: Any = None,
    offset: Any = None,
    classes: Sequence[Label] | None = None,
    fit_intercept: bool = True,
    feature_names: Sequence[str] | None = None,
    missing: str = "raise",
    tol: float = 0.01,
    max_passes: int = 50,
    memory_limit: int | str | None = None,
    progress: bool | Progress | None = None,
) -> CrossValidation:
    r"""Choose a penalty by cross-validation, all models in the same few passes.

    Every fold is fitted with every penalty, and so are all rows. All of these models
    share their passes: 5 folds by 20 penalties took 5 or 6 passes on large data, the
    first one and the one that scores included. The parts that folds leave out are
    disjoint, so that a pass finds the Hessians of all folds at a point for the price
    of one, k^2 operations per row; an exact gradient costs 4 k + 15 operations per row
    and model, in float32 where ``tol`` allows (what is summed is the change from a
    point whose gradient is known in float64). See ``solvers/grid.py``.

    Parameters
    ----------
    X, y, penalty_factor, bounds, sample_weight, offset, classes, fit_intercept, \
feature_names, missing
        As in ``fit``; two classes. Weights count as repeated rows in the scores.
    alphas : sequence of float, optional
        Penalties on the *mean* loss of the rows that a model is fitted to, positive.
    n_alphas : int
        How many penalties to try where they are not given, in equal steps of their
        logarithm from the least at which lasso leaves no column in the model (for
        ridge a thousand times as much, as in glmnet).
    alpha_min_ratio : float, optional
        The weakest of these, in shares of the strongest; default 1e-4, or 1e-2 where
        there are not more rows than columns.
    l1_ratio : float
        Share of the absolute values in the penalty: 0 is ridge, 1 lasso.
    n_folds : int
        Number of folds, 2 to 100.
    folds : {"random", "stratified", "group", "time"}
        "random": every row falls into a fold by a seeded hash of its number, whatever
        the blocks it comes in. "stratified": each class is cut at the quantiles of
        this hash, so that folds have equal shares of both classes, up to a row, or
        1/65536 of a class where that is more; takes one pass more. "group": groups
        fall into folds by a hash of their label, with all of their rows. "time": rows
        are in order, fold j is fitted to the first j + 1 of n_folds + 1 equal parts
        and scored on the next, as scikit-learn's ``TimeSeriesSplit``.
    scoring : str or sequence of str
        "log_loss" (mean), "deviance" (twice that), "brier", "accuracy" or "auc"; of
        several the first chooses. All but "auc" are found in any case; "auc" counts
        predictors in up to 4,096 bins, exactly where there are no more different ones.
    seed : int
        Of the hash.
    groups : array, shape (n_rows,), optional
        Labels of groups, for ``folds="group"``.
    tol : float
        Largest allowed distance of any coefficient of any model from its own optimum,
        in its own standard errors; proven, see ``error_bounds``.
    max_passes : int
        Most passes over the data, at least 4.
    memory_limit, progress
        As in ``fit``.

    Returns
    -------
    CrossValidation
        Scores with standard errors over the folds, the best penalty and the strongest
        within one standard error of it, coefficients of all models, and ``best`` and
        ``one_se``, fits to all rows like those of ``fit(alpha=...)``.

    Raises
    ------
    DataError
        As ``fit``; also where a fold lacks a class or has no row.

    Warns
    -----
    ConvergenceWarning
        If models have not reached ``tol`` in ``max_passes``.

    Examples
    --------
    >>> import numpy as np, dlogreg
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 3))
    >>> y = rng.random(500) < 1 / (1 + np.exp(-X[:, 0]))
    >>> cv = dlogreg.cross_validate(X, y, alphas=[1.0, 0.1, 0.01])
    >>> cv.best_alpha
    0.01
    """
    names = check_scoring(scoring)
    check_folds(folds, n_folds, groups)
    grid = check_grid(alphas, n_alphas, alpha_min_ratio)
    if not (is_number(max_passes) and max_passes >= 4):
        raise ValueError(
            f"max_passes must be at least 4, a whole number, not {max_passes!r}"
        )
    seed = check_seed(seed)
    options = check_options(
        classes=classes,
        penalty=penalty_rule(1.0, l1_ratio, penalty_factor, bounds),
        fit_intercept=fit_intercept,
        feature_names=feature_names,
        solver="newton",
        tol=tol,
        max_passes=max_passes,
        start=None,
        inference=False,
        memory_limit=memory_limit,
        has_offset=offset is not None,
        missing=missing,
    )
    source = open_source(X, y, sample_weight, options, offset=offset, groups=groups)
    options = options.for_columns(source.feature_names)
    family = options.penalty
    options = replace(options, penalty=_first_rule(grid, l1_ratio))
    layout = lay_out(source, options)
    _check_memory(layout, options, n_folds, grid.n_alphas)
    passes = Passes(Reduction(layout.partitions, layout.inline), progress_for(progress))
    try:
        with single_threaded_blas():
            survey = _surveyed(layout, passes, options)
            event = survey.classes[1]
            given = (folds, n_folds, seed, source, event, passes.run)
            fit = _grid_fit(survey, passes, options, fold_rows(*given), family)
            fit.look_around()
            if "auc" in names:
                fit.check_ranked()
            largest = 0.0 if grid.values is not None else fit.largest_alpha()
            used = grid.descending(largest, survey.n_rows, source.n_features)
            rules = [replace(family, alpha=alpha) for alpha in used.tolist()]
            found = fit.fitted(rules)
            scored = fit.scored(found, curves="auc" in names)
            passes.close_record()
            return _validation(layout, options, fit, rules, found, scored, names[0])
    finally:
        passes.progress.close()


def _surveyed(layout: Layout, passes: Passes, options: FitOptions) -> Survey:
    survey = take_survey(layout, passes, options, ())
    if len(survey.classes) != 2:
        raise DataError(
            f"cross_validate() is for two classes so far, and there are "
            f"{len(survey.classes)}; take one class against the others, y == label"
        )
    return survey


def _grid_fit(
    survey: Survey,
    passes: Passes,
    options: FitOptions,
    folding: Folding,
    family: PenaltyRule,
) -> GridFit:
    assert options.feature_names is not None
    problem = pose(survey, passes, options, options.feature_names, ())
    return GridFit(problem, folding, options.tol, options.max_passes, family)


def _first_rule(grid: AlphaGrid, l1_ratio: float) -> PenaltyRule:
    """Return the ridge penalty by which the first pass learns."""
    weakest = 0.0 if grid.values is None else float(grid.values[-1])
    return PenaltyRule(max(LEAST_RIDGE, (1 - l1_ratio) * weakest))


def _validation(
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
    warn_of_unfinished(grid)
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


def warn_of_unfinished(grid: Sequence[Sequence[GridModel]]) -> None:
    """Warn of models that are not as near to their optima as they should be."""
    models = [model for line in grid for model in line]
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


def _check_memory(
    layout: Layout, options: FitOptions, n_parts: int, n_alphas: int
) -> None:
    """Refuse grids that need more memory than there may be."""
    n_params = layout.source.n_features + options.fit_intercept
    values = pass_values(n_params, n_parts + 1, max(n_alphas, len(RAY) + 1))
    memory = layout.memory
    memory = replace(
        memory,
        per_task=memory.per_task + 6 * 8 * values,
        driver=memory.driver + 8 * (2 * values + n_alphas * n_parts * n_params**2),
    )
    check_memory(memory, options.memory_limit, layout.source)
