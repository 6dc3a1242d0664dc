"""The stages of a fit in order, from what the user gave to LogitResults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dlogreg.checkpoint import Checkpoint
from dlogreg.checkpoint.fingerprint import of_fit
from dlogreg.closing import build_results, close
from dlogreg.errors import DataError
from dlogreg.evaluation import Label, PassRecord
from dlogreg.first_pass import ClassWeight, take_survey, with_mean_weight_one
from dlogreg.grouped.fitting import FitAlone
from dlogreg.held_rows import split_holdout
from dlogreg.holdout import Holdout, closing_measures, with_holdout
from dlogreg.layout import Layout, lay_out
from dlogreg.memory import check_memory, check_workers
from dlogreg.missing import MissingKernel
from dlogreg.options import FitOptions
from dlogreg.options.checking import NOTHING
from dlogreg.passes import Passes, Progress
from dlogreg.problem import Problem, pose
from dlogreg.problem.softmax import pose_softmax
from dlogreg.progress import progress_for
from dlogreg.reduction import (
    active_client,
    compute_shared,
    count_rows,
)
from dlogreg.results import LogitResults, Results
from dlogreg.row_kind import RowKind
from dlogreg.rows_again import RowsAgain
from dlogreg.separation.limiting import begin, settle
from dlogreg.shares import with_shares
from dlogreg.source import Source, as_source
from dlogreg.survey import Survey
from dlogreg.waiting import living_workers

MOST_SPARSE = 2**14
"""Columns of sparse rows with three or more classes: their slabs are made dense."""


def fit_source(
    source: Source,
    options: FitOptions,
    progress: bool | Progress | None = None,
    class_weight: Callable[[], ClassWeight] = tuple,
    before: Sequence[PassRecord] = (),
    checkpoint: Checkpoint | None = None,
) -> Results:
    """Fit with options that are already checked; the faces share this.

    ``class_weight`` finds the weights of the classes, which may read y; ``before`` are
    records of what was read to lay out the source.
    """
    options = options.for_columns(source.feature_names)
    layout = lay_out(source, options)
    check_memory(layout.memory, options.memory_limit, source)
    client = active_client()
    if client is not None:
        check_workers(layout.memory, living_workers(client).limits, source)
    if checkpoint is not None:
        checkpoint.begin("fit", of_fit(source, options))
    passes = Passes(
        layout.reduction(),
        progress_for(progress),
        trace=list(before),
        journal=checkpoint,
    )
    with passes.running():
        return _fit_passes(layout, passes, options, class_weight())


def _fit_passes(
    layout: Layout, passes: Passes, options: FitOptions, weights: ClassWeight
) -> Results:
    """Make all passes of a fit, one stage after the other."""
    with layout.counting_missing(MissingKernel(layout.source.feature_names)):
        survey = take_survey(layout, passes, options, weights)
    options.check_n_classes(len(survey.classes))
    if options.weight_kind != "frequency":
        survey, weights = with_mean_weight_one(survey)
    problem = _pose(survey, passes, options, layout, weights)
    holdout = Holdout.of(problem) if options.has_holdout else None
    if holdout is not None:
        scored = replace(problem.objective, holdout=holdout.kernel)
        problem = replace(problem, objective=scored)
    problem, solution = settle(begin(problem))
    solution = close(problem, solution)
    held = None
    if holdout is not None:
        held = closing_measures(holdout, problem, solution)
    passes.close_record()
    weights = problem.objective.class_weight
    rows = RowsAgain.of(layout, problem.survey, weights, holdout)
    return build_results(problem, solution, rows, held)


def _pose(
    survey: Survey,
    passes: Passes,
    options: FitOptions,
    layout: Layout,
    weights: tuple[tuple[Label, float], ...],
) -> Problem:
    """Set up the problem of the classes that the survey has found."""
    source = layout.source
    if len(survey.classes) == 2:
        options = replace(options, solver=layout.solver)
        return pose(survey, passes, options, source.feature_names, weights)
    compressed = source.sparse == RowKind.COMPRESSED
    if compressed and source.n_features > MOST_SPARSE:
        raise DataError(
            f"three or more classes of sparse rows are fitted with at most "
            f"{MOST_SPARSE:,} columns so far, and there are {source.n_features:,}; fit "
            "one class against the others, y == label, or hash to fewer columns"
        )
    layout = lay_out(source, options, len(survey.classes) - 1)
    options = replace(options, solver=layout.solver)
    check_memory(layout.memory, options.memory_limit, source)
    return pose_softmax(survey, passes, options, layout, weights)


def alone_with(options: FitOptions) -> FitAlone:
    """Return what fits the rows of one group in memory, with these options."""
    options = replace(options, missing="raise")

    def fit_alone(
        X: Any, y: Any, sample_weight: Any, offset: Any, names: tuple[str, ...]
    ) -> LogitResults:
        named = replace(options, feature_names=names)
        beside = {"sample_weight": sample_weight, "offset": offset}
        source = open_source(X, y, named, beside)
        found = fit_source(source, named, progress=False)
        assert isinstance(found, LogitResults)
        return found

    return fit_alone


def open_source(
    X: Any, y: Any, options: FitOptions, beside: Mapping[str, Any] = NOTHING
) -> Source:
    """Return the source of what the user gave; ``beside`` as in ``check_options``."""
    share, marks = split_holdout(beside.get("holdout"))
    source = as_source(
        X,
        y,
        **{**beside, "holdout": marks},
        feature_names=options.feature_names,
        compute=compute_shared,
        count_rows=count_rows,
    )
    source = replace(source, drops=options.missing == "drop")
    return with_holdout(with_shares(source, y), share)
