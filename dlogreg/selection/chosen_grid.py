"""A grid of models for scikit-learn's face: any folds, any penalties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.first_pass import ClassWeight, take_survey
from dlogreg.layout import Layout, lay_out
from dlogreg.options import FitOptions
from dlogreg.passes import Passes
from dlogreg.penalty import PenaltyRule
from dlogreg.problem import pose
from dlogreg.progress import progress_for
from dlogreg.selection.class_grid import ClassGrid
from dlogreg.selection.folding import Folding
from dlogreg.selection.grid_fit import GridFit
from dlogreg.selection.room import check_class_room, check_grid_room
from dlogreg.selection.validated import warn_of_unfinished
from dlogreg.selection.validation import fold_scores
from dlogreg.source import Source
from dlogreg.survey import Survey

PENALTIES = "penalties, Cs by l1_ratios"


@dataclass(frozen=True, slots=True, eq=False)
class ChosenGrid:
    """Coefficients of all models of a grid, and their scores if these were wanted."""

    params: FloatArray
    """Of the folds and last of all rows, the intercept first: of shape (n_folds + 1,
    n_rules, 1, n_names), or with n_classes lines, which sum to zero."""
    error_bounds: FloatArray
    """Shape (n_folds + 1, n_rules)."""
    n_passes: FloatArray
    """Passes until each model was found, shape (n_folds + 1, n_rules)."""
    scores: FloatArray | None
    """Shape (n_rules, n_folds)."""
    classes: tuple[Label, ...]


def fit_grid(
    source: Source,
    options: FitOptions,
    rules: Sequence[PenaltyRule],
    folding: Folding,
    class_weight: Callable[[], ClassWeight],
    score: str | None,
    *,
    progress: bool,
) -> ChosenGrid:
    """Fit every rule to every fold and to all rows; score them out of fold if asked."""
    options = replace(options, feature_names=source.feature_names)
    layout = lay_out(source, options)
    check_grid_room(
        layout,
        options,
        folding.n_folds,
        folding.parts.n_parts,
        len(rules),
        curves=None if score is None else score == "auc",
        what=PENALTIES,
    )
    passes = Passes(layout.reduction(), progress_for(progress))
    with passes.running():
        weights = class_weight()
        survey = take_survey(layout, passes, options, weights)
        fit = _fit_two if len(survey.classes) == 2 else _fit_more
        found = fit(layout, survey, passes, options, rules, folding, weights, score)
        passes.close_record()
    return found


def _fit_two(
    layout: Layout,
    survey: Survey,
    passes: Passes,
    options: FitOptions,
    rules: Sequence[PenaltyRule],
    folding: Folding,
    weights: ClassWeight,
    score: str | None,
) -> ChosenGrid:
    """Fit the models of two classes, which share Hessians."""
    problem = pose(survey, passes, options, layout.source.feature_names, weights)
    fit = GridFit(problem, folding, options.tol, options.max_passes)
    fit.look_around()
    if score == "auc":
        fit.check_ranked()
    grid = fit.fitted(rules)
    own = np.array([[m.n_evaluations for m in line] for line in grid])
    shared = passes.n_passes - int(own.max())
    scores = None
    if score is not None:
        scores = fold_scores(fit.scored(grid, curves=score == "auc"))[score]
    warn_of_unfinished([model for line in grid for model in line])
    std = survey.standardization
    params = np.array([[std.to_params(m.theta) for m in line] for line in grid])
    return ChosenGrid(
        params[:, :, None],
        np.array([[m.error for m in line] for line in grid]),
        shared + own,
        scores,
        survey.classes,
    )


def _fit_more(
    layout: Layout,
    survey: Survey,
    passes: Passes,
    options: FitOptions,
    rules: Sequence[PenaltyRule],
    folding: Folding,
    weights: ClassWeight,
    score: str | None,
) -> ChosenGrid:
    """Fit the models of three or more classes, each by itself but for the passes."""
    _check_more(options, rules, len(survey.classes), score)
    layout = lay_out(layout.source, options, len(survey.classes) - 1)
    fit = ClassGrid(layout, survey, passes, options, folding, weights)
    check_class_room(fit, len(rules), PENALTIES)
    before = passes.n_passes
    grid = fit.fitted(rules)
    own = np.array([[m.solution.n_evaluations for m in line] for line in grid])
    scores = None if score is None else fold_scores(fit.scored(grid))[score]
    warn_of_unfinished([model for line in grid for model in line])
    return ChosenGrid(
        np.array([[m.params for m in line] for line in grid]),
        np.array([[m.error for m in line] for line in grid]),
        before + own,
        scores,
        survey.classes,
    )


def _check_more(
    options: FitOptions, rules: Sequence[PenaltyRule], n_classes: int, score: str | None
) -> None:
    """Refuse what there is for two classes only.

    Raises
    ------
    DataError
    """
    for rule in rules:
        replace(options, penalty=rule).check_n_classes(n_classes)
        if not rule:
            raise DataError(
                f"Cs=inf is for two classes only so far, and there are {n_classes}; "
                "take a large number"
            )
    if score == "auc":
        raise DataError(
            f"scoring='roc_auc' is for two classes only, and there are {n_classes}; "
            "take 'neg_log_loss', 'neg_brier_score' or 'accuracy'"
        )
