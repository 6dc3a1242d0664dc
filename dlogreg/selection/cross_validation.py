"""cross_validate(): all folds and all penalties together, from few passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dlogreg.evaluation import FloatArray, Label
from dlogreg.first_pass import take_survey
from dlogreg.layout import Layout, lay_out
from dlogreg.options import FitOptions, check_options
from dlogreg.passes import Passes, Progress
from dlogreg.penalty import PenaltyRule, penalty_rule
from dlogreg.pipeline import open_source
from dlogreg.problem import pose
from dlogreg.progress import progress_for
from dlogreg.scalars import is_number
from dlogreg.selection.alphas import AlphaGrid, check_grid
from dlogreg.selection.class_validation import check_classes, validate_classes
from dlogreg.selection.folding import Folding, FoldRule, check_folds, fold_rows
from dlogreg.selection.grid_fit import GridFit
from dlogreg.selection.room import check_grid_room
from dlogreg.selection.validated import validated
from dlogreg.selection.validation import CrossValidation, check_scoring
from dlogreg.source import Source
from dlogreg.survey import Survey

N_ALPHAS = 20
"""Unless the user says another number."""
LEAST_RIDGE = 1e-6
"""Of the mean loss, by which the first pass learns at least."""


def cross_validate(
    X: Any,
    y: Any,
    *,
    alphas: Sequence[float] | FloatArray | None = None,
    n_alphas: int | None = None,
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
    of one, k^2 operations per row; of a path of penalties over many rows only a few
    points get one (``solvers/hessian_nodes.py``). An exact gradient costs 4 k + 15
    operations per row and model, in float32 where ``tol`` allows (what is summed is the
    change from a point whose gradient is known in float64). See ``solvers/grid.py``.

    Three or more classes, with ridge penalties only, share their passes too, which are
    about as many as of one fit; but each model has a Hessian of its own, with the
    arithmetic of a fit. See ``selection/class_grid.py``.

    Parameters
    ----------
    X, y, sample_weight, offset, classes, fit_intercept, feature_names, missing
        As in ``fit``. Weights count as repeated rows in the scores.
    penalty_factor, bounds
        As in ``fit``, the same for all penalties; for two classes.
    alphas : sequence of float, optional
        Penalties on the *mean* loss of the rows that a model is fitted to, positive.
    n_alphas : int, optional
        How many penalties to try where they are not given, default 20, in equal steps
        of their logarithm from the least at which lasso leaves no column in the model
        (for ridge a thousand times as much, as in glmnet).
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
        this hash, so that folds have equal shares of every class, up to a row, or
        1/65536 of a class where that is more; takes one pass more. "group": groups
        fall into folds by a hash of their label, with all of their rows. "time": rows
        are in order, fold j is fitted to the first j + 1 of n_folds + 1 equal parts
        and scored on the next, as scikit-learn's ``TimeSeriesSplit``.
    scoring : str or sequence of str
        "log_loss" (mean), "deviance" (twice that), "brier", "accuracy" or "auc"; of
        several the first chooses. All but "auc" are found in any case; "auc" counts
        predictors in up to 4,096 bins, exactly where there are no more different ones,
        and is for two classes.
    seed : int
        Of the hash; folds in time have none.
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
    rule = check_folds(folds, n_folds, groups, seed)
    grid = check_grid(alphas, n_alphas, alpha_min_ratio, N_ALPHAS)
    if not (is_number(max_passes) and max_passes >= 4):
        raise ValueError(
            f"max_passes must be at least 4, a whole number, not {max_passes!r}"
        )
    beside = {"sample_weight": sample_weight, "offset": offset}
    options = check_options(
        beside,
        classes=classes,
        penalty=penalty_rule(1.0, l1_ratio, penalty_factor, bounds),
        fit_intercept=fit_intercept,
        feature_names=feature_names,
        solver="newton",
        tol=tol,
        max_passes=max_passes,
        inference=False,
        memory_limit=memory_limit,
        missing=missing,
    )
    source = open_source(X, y, options, {**beside, "groups": groups})
    options = options.for_columns(source.feature_names)
    return _validate(source, options, rule, grid, names, progress)


def _validate(
    source: Source,
    options: FitOptions,
    rule: FoldRule,
    grid: AlphaGrid,
    scores: Sequence[str],
    progress: bool | Progress | None,
) -> CrossValidation:
    """Cross-validate with options that are already checked."""
    first = replace(options, penalty=_first_rule(grid, options.penalty.l1_ratio))
    layout = lay_out(source, first)
    sizes = (rule.n_folds, rule.n_parts, grid.n_alphas)
    check_grid_room(layout, first, *sizes, curves="auc" in scores)
    passes = Passes(layout.reduction(), progress_for(progress))
    with passes.running():
        survey = take_survey(layout, passes, first, ())
        check_classes(options, len(survey.classes), scores)
        folding = fold_rows(rule, source, survey.classes, passes.run)
        found = (layout, options, survey, passes, folding, grid)
        if len(survey.classes) > 2:
            return validate_classes(*found, scores[0])
        return _validate_two(*found, first, scores)


def _validate_two(
    layout: Layout,
    options: FitOptions,
    survey: Survey,
    passes: Passes,
    folding: Folding,
    grid: AlphaGrid,
    first: FitOptions,
    scores: Sequence[str],
) -> CrossValidation:
    """Fit all folds of two classes with all penalties, and score them.

    ``first`` are the options by which the first pass has learned.
    """
    source, curves = layout.source, "auc" in scores
    problem = pose(survey, passes, first, source.feature_names, ())
    fit = GridFit(problem, folding, first.tol, first.max_passes, options.penalty)
    fit.look_around()
    if curves:
        fit.check_ranked()
    largest = 0.0 if grid.values is not None else fit.largest_alpha()
    alphas = grid.descending(largest, survey.n_rows, source.n_features)
    rules = [replace(options.penalty, alpha=alpha) for alpha in alphas.tolist()]
    found = fit.fitted(rules)
    scored = fit.scored(found, curves=curves)
    passes.close_record()
    return validated(layout, first, fit, rules, found, scored, scores[0])


def _first_rule(grid: AlphaGrid, l1_ratio: float) -> PenaltyRule:
    """Return the ridge penalty by which the first pass learns."""
    weakest = 0.0 if grid.values is None else float(grid.values[-1])
    return PenaltyRule(max(LEAST_RIDGE, (1 - l1_ratio) * weakest))
