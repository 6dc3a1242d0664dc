"""A grid of models for scikit-learn's face: any folds, any penalties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.first_pass import take_survey
from dlogreg.layout import lay_out
from dlogreg.options import FitOptions
from dlogreg.passes import Passes
from dlogreg.penalty import PenaltyRule
from dlogreg.problem import pose
from dlogreg.progress import progress_for
from dlogreg.reduction import Reduction, single_threaded_blas
from dlogreg.selection.folding import Folding
from dlogreg.selection.grid_fit import GridFit
from dlogreg.selection.room import check_grid_room
from dlogreg.selection.validated import warn_of_unfinished
from dlogreg.selection.validation import fold_scores
from dlogreg.source import Source

ClassWeight = tuple[tuple[Label, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class ChosenGrid:
    """Coefficients of all models of a grid, and their scores if these were wanted."""

    params: FloatArray
    """Intercept first; of the folds and last of all rows, (n_folds + 1, n_rules, k)."""
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
        what="penalties, Cs by l1_ratios",
    )
    passes = Passes(Reduction(layout.partitions, layout.inline), progress_for(progress))
    try:
        with single_threaded_blas():
            weights = class_weight()
            survey = take_survey(layout, passes, options, weights)
            if len(survey.classes) != 2:
                raise DataError(
                    "Only binary classification is supported, and there are "
                    f"{len(survey.classes)} classes; take one against the others, "
                    "y == label, or LogisticRegression, which fits all together"
                )
            problem = pose(survey, passes, options, source.feature_names, weights)
            fit = GridFit(problem, folding, options.tol, options.max_passes)
            fit.look_around()
            if score == "auc":
                fit.check_ranked()
            grid = fit.fitted(rules)
            own = np.array([[m.n_evaluations for m in line] for line in grid])
            shared = passes.n_passes - int(own.max())
            scores = None
            if score is not None:
                scored = fit.scored(grid, curves=score == "auc")
                scores = fold_scores(scored)[score]
            passes.close_record()
    finally:
        passes.progress.close()
    warn_of_unfinished([model for line in grid for model in line])
    std = survey.standardization
    return ChosenGrid(
        np.array([[std.to_params(m.theta) for m in line] for line in grid]),
        np.array([[m.error for m in line] for line in grid]),
        shared + own,
        scores,
        survey.classes,
    )
