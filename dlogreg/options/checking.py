"""What the user asked for -> FitOptions, or an error that says what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dlogreg.evaluation import Label
from dlogreg.missing import check_missing_option
from dlogreg.options.combinations import (
    check_by,
    check_firth,
    check_penalty,
    check_trials,
    kind_of_errors,
)
from dlogreg.options.fit_options import FitOptions
from dlogreg.options.values import (
    byte_limit,
    check_flag,
    check_max_passes,
    check_solver,
    check_tol,
    class_order,
    column_names,
    start_coefficients,
)
from dlogreg.penalty import PenaltyRule
from dlogreg.weights import check_weight_kind

NOTHING: Mapping[str, Any] = MappingProxyType({})
"""What goes with X and y, if nothing does."""


def check_options(
    beside: Mapping[str, Any] = NOTHING,
    *,
    penalty: PenaltyRule,
    classes: Sequence[Label] | None = None,
    fit_intercept: bool = True,
    feature_names: Sequence[str] | None = None,
    solver: str,
    tol: float,
    max_passes: int,
    start: Any = None,
    inference: bool,
    memory_limit: int | str | None = None,
    class_weight: Any = None,
    cov_type: str | None = "model",
    weight_kind: str = "frequency",
    missing: str = "raise",
    firth: bool = False,
    checkpoint: Any = None,
) -> FitOptions:
    """Return the options, or raise with what is wrong.

    ``beside`` is what goes with X and y by the names that ``fit`` has for it, None
    where it is not given.
    """
    given = {name for name, values in beside.items() if values is not None}
    check_weight_kind(weight_kind, given="sample_weight" in given)
    if "by" in given:
        check_by(
            given, penalty, solver, start, cov_type, weight_kind, firth, checkpoint
        )
    if "trials" in given:
        check_trials(classes, weight_kind, missing)
    check_solver(solver)
    check_penalty(penalty)
    tol = check_tol(tol)
    inference = check_flag("inference", inference)
    has_offset, has_groups = "offset" in given, "groups" in given
    cov_type = kind_of_errors(
        cov_type, penalty, weight_kind, inference=inference, has_groups=has_groups
    )
    least = 1 + (inference or has_offset)  # which the first pass cannot evaluate
    max_passes = check_max_passes(max_passes, least)
    options = FitOptions(
        classes=None if classes is None else class_order(classes),
        penalty=penalty,
        fit_intercept=check_flag("fit_intercept", fit_intercept),
        feature_names=None if feature_names is None else column_names(feature_names),
        solver=solver,
        tol=tol,
        max_passes=max_passes,
        start=None if start is None else start_coefficients(start),
        inference=inference,
        memory_limit=None if memory_limit is None else byte_limit(memory_limit),
        class_weight=class_weight,
        cov_type=cov_type,
        weight_kind=weight_kind,
        has_offset=has_offset,
        has_groups=has_groups,
        missing=check_missing_option(missing),
        firth=check_flag("firth", firth),
        has_holdout="holdout" in given,
    )
    check_firth(options)
    options.check_n_classes(options.n_equations + 1)
    return options
