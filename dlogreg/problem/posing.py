"""Poses the problem of two classes, once the survey is judged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dlogreg.checks import (
    check_clusters,
    check_magnitudes,
    check_shape,
    find_aliased,
    find_separating,
    find_suspects,
)
from dlogreg.evaluation import Label
from dlogreg.objective import Objective
from dlogreg.options import FitOptions
from dlogreg.passes import Passes
from dlogreg.penalty import penalty_of
from dlogreg.problem.binary import Problem, kept_params
from dlogreg.survey import Survey


def pose(
    survey: Survey,
    passes: Passes,
    options: FitOptions,
    feature_names: tuple[str, ...],
    class_weight: tuple[tuple[Label, float], ...],
) -> Problem:
    """Judge what the survey found and set up the objective."""
    std = survey.standardization
    penalized = bool(options.penalty)
    check_magnitudes(survey, feature_names)
    check_clusters(survey)
    check_shape(survey.n_rows, std.n_params, penalized=penalized)
    dropped: Mapping[str, str] = {}
    separating: Mapping[str, str] = {}
    suspects = np.empty(0, dtype=np.intp)
    if not penalized:
        exact = survey.gram if survey.exact_gram else None
        dropped = find_aliased(survey, feature_names, exact)
        if not options.firth:
            separating = find_separating(survey, feature_names)
    kept = kept_params(survey, feature_names, dropped)
    if not penalized and not survey.exact_gram:
        suspects = find_suspects(survey, kept)
    objective = _objective(survey, passes, options, class_weight)
    judged = (kept, dropped, separating, suspects)
    return Problem(survey, passes, objective, options, options.solver, *judged)


def _objective(
    survey: Survey,
    passes: Passes,
    options: FitOptions,
    class_weight: tuple[tuple[Label, float], ...],
) -> Objective:
    """Return the loss over all rows, with the penalty."""
    std, clusters = survey.standardization, survey.sums.clusters
    return Objective(
        passes,
        std,
        penalty_of(options.penalty, survey.weight_sum, std),
        survey.classes,
        class_weight,
        squares_weight=options.weight_kind != "frequency",
        most_groups=0 if clusters is None else clusters.most,
    )
