"""cross_validate() of three or more classes, from the first pass on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlogreg.errors import DataError
from dlogreg.layout import Layout, lay_out
from dlogreg.options import FitOptions
from dlogreg.passes import Passes
from dlogreg.penalty import PenaltyRule
from dlogreg.results import MultinomialResults
from dlogreg.selection.alphas import AlphaGrid
from dlogreg.selection.class_grid import ClassGrid
from dlogreg.selection.folding import Folding
from dlogreg.selection.room import check_class_room
from dlogreg.selection.validated import tabulated, warn_of_unfinished
from dlogreg.selection.validation import CrossValidation
from dlogreg.survey import Survey


def check_classes(options: FitOptions, n_classes: int, names: Sequence[str]) -> None:
    """Refuse what there is for two classes only.

    Raises
    ------
    DataError
    """
    options.check_n_classes(n_classes)
    if n_classes > 2 and "auc" in names:
        raise DataError(
            f"scoring='auc' is for two classes only, and there are {n_classes}; take "
            "'log_loss', 'brier' or 'accuracy', or one class against the others, "
            "y == label"
        )


def validate_classes(
    layout: Layout,
    options: FitOptions,
    survey: Survey,
    passes: Passes,
    folding: Folding,
    grid: AlphaGrid,
    scoring: str,
) -> CrossValidation:
    """Fit all folds with all penalties, and score them."""
    layout = lay_out(layout.source, options, len(survey.classes) - 1)
    fit = ClassGrid(layout, survey, passes, options, folding)
    check_class_room(fit, grid.n_alphas, "alphas")
    largest = 0.0 if grid.values is not None else fit.largest_alpha()
    alphas = grid.descending(largest, survey.n_rows, layout.source.n_features)
    found = fit.fitted([PenaltyRule(alpha) for alpha in alphas.tolist()])
    scored = fit.scored(found)
    passes.close_record()
    warn_of_unfinished([model for line in found for model in line])
    params = np.array([[model.params for model in line] for line in found])

    def result_of(i: int) -> MultinomialResults:
        return found[-1][i].results()

    given = (alphas, 0.0, scoring, scored)
    return tabulated(*given, params, found, result_of, passes)
