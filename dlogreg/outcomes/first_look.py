"""The first pass over several outcomes: checks, counts, and Newton's first evaluation.

Every outcome is fitted to the rows of the pilot beforehand, on the driver, and the
first pass evaluates it there, with its Hessian. So the pass that checks the rows and
finds the moments of the columns, which all outcomes share, is at the same time the
first step of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlogreg.chain import pilot_chain
from dlogreg.checks import ordered_classes
from dlogreg.errors import DataError, MissingValueError
from dlogreg.evaluation import FloatArray, Label, ManyEvaluation
from dlogreg.first_pass import read_pilot, survey_kernel
from dlogreg.kernel import Kernel, LossKernel, Rows
from dlogreg.kernel.outcomes import (
    ColumnOutcome,
    LabelOutcome,
    Outcome,
    OutcomeCountKernel,
    OutcomeCounts,
    OutcomeKernel,
    of_outcome,
)
from dlogreg.kernel.together import Sums, Together
from dlogreg.layout import Layout
from dlogreg.many_objective import ManyObjective
from dlogreg.missing import MissingKernel, is_missing
from dlogreg.options import FitOptions
from dlogreg.outcomes.memory import check_outcome_memory
from dlogreg.passes import Passes
from dlogreg.penalty import PenaltyRule, Ridge
from dlogreg.reduction import Reduction
from dlogreg.standardization import Standardization
from dlogreg.survey import (
    NullGrid,
    NullKernel,
    NullModel,
    NullSums,
    Survey,
    SurveySums,
    find_null,
    guess_null,
    label_masks,
    sort_labels,
)
from dlogreg.survey.ranges import Ranges
from dlogreg.survey.sums import Group

EVENTS = (0, 1)
"""Labels of the rows of every outcome; the last is the event."""
ROWS_PER_COLUMN = 2
"""Rows of either outcome, for each coefficient, from which a start is learned."""


@dataclass(frozen=True, slots=True, eq=False)
class FirstLook:
    """What the first pass has told of the rows and of every outcome."""

    labels: tuple[Label, ...]
    """The outcomes by name: of the columns of Y, or the labels of y."""
    outcomes: tuple[Outcome, ...]
    surveys: tuple[Survey, ...]
    """The rows as a fit of each outcome alone would have seen them."""
    evaluated: tuple[int, ...]
    """The outcomes, by position, that the pilot knew; labels may be found later."""
    thetas: FloatArray
    """Where these were evaluated, shape (n_params, n_evaluated)."""
    found: ManyEvaluation
    n_missing: tuple[int, ...]
    """Rows that count for other outcomes only."""


def first_look(
    layout: Layout, passes: Passes, options: FitOptions, names: Sequence[str] | None
) -> FirstLook:
    """Read the pilot and make the first pass.

    ``names`` are those of the columns of Y; without them y holds labels, and each is an
    outcome against the rest.
    """
    pilot = read_pilot(layout, passes)
    plain, alone = replace(options, has_offset=False), replace(layout, chains=())
    survey = survey_kernel(alone, plain, pilot, ())
    std, rows = survey.standardization, pilot.pooled()
    known = _known_labels(rows, names)
    outcomes = _outcomes(known, names)
    check_outcome_memory(layout, options, len(outcomes))
    grids = tuple(_grid(rows, outcome) for outcome in outcomes)
    starts = [
        _start(rows, outcome, std, options.penalty, grid)
        for outcome, grid in zip(outcomes, grids, strict=True)
    ]
    thetas = np.array(starts).reshape(-1, std.n_params).T
    objective = ManyObjective(passes, std, EVENTS[-1])
    many = objective.kernel(thetas, None, tuple(range(len(outcomes))), outcomes)
    nulls: tuple[Kernel, ...] = ()
    if options.has_offset:
        nulls = tuple(
            OutcomeKernel(NullKernel(grid, EVENTS), outcome)
            for outcome, grid in zip(outcomes, grids, strict=True)
        )
    checks: tuple[Kernel, ...] = (survey,)
    if names is not None:
        counts = OutcomeCountKernel(tuple(names), options.missing == "drop")
        checks = (OutcomeKernel(survey), counts)
    sums = _run(layout, passes, Together((*checks, *nulls, many)), names)
    labels, counted = known, sums[-1 - len(nulls) - 1]
    if names is None:
        labels = ordered_classes(sums[0], None)
        counted = _count_labels(sums[0], labels)
    check_both(labels, counted)
    look = FirstLook(
        labels,
        _outcomes(labels, names),
        tuple(
            Survey(_of_outcome(sums[0], counted, b), EVENTS, std)
            for b in range(len(labels))
        ),
        tuple(labels.index(label) for label in known),
        thetas,
        objective.scaled(sums[-1]),
        tuple(counted.n_missing.tolist()),
    )
    if not options.has_offset:
        return look
    return _with_nulls(look, layout, passes, options, grids, sums[-1 - len(nulls) : -1])


def _with_nulls(
    look: FirstLook,
    layout: Layout,
    passes: Passes,
    options: FitOptions,
    grids: Sequence[NullGrid],
    sums: Sequence[NullSums],
) -> FirstLook:
    """Add the models without columns, beside the offset."""
    given = dict(zip(look.evaluated, zip(grids, sums, strict=True), strict=True))
    surveys = tuple(
        replace(survey, null=_null(layout, passes, options, outcome, given.get(b)))
        for b, (survey, outcome) in enumerate(
            zip(look.surveys, look.outcomes, strict=True)
        )
    )
    return replace(look, surveys=surveys)


def _known_labels(rows: Rows, names: Sequence[str] | None) -> tuple[Label, ...]:
    """Return the names, or the labels that occur; missing ones are refused later."""
    if names is not None:
        return tuple(names)
    y = rows.y[~is_missing(rows.y)]
    return tuple(sort_labels([label for label, _ in label_masks(y, ())]))


def _outcomes(
    labels: Sequence[Label], names: Sequence[str] | None
) -> tuple[Outcome, ...]:
    if names is None:
        return tuple(LabelOutcome(label) for label in labels)
    return tuple(ColumnOutcome(j) for j in range(len(labels)))


def _grid(rows: Rows, outcome: Outcome) -> NullGrid:
    """Return the intercept of some rows, with half a row more of either outcome."""
    known = of_outcome(rows, outcome)
    if known.offset is None:
        known = replace(known, offset=np.zeros(len(known)))
    return guess_null(known, known.sample_weight, EVENTS[-1])


def _start(
    rows: Rows,
    outcome: Outcome,
    std: Standardization,
    rule: PenaltyRule,
    grid: NullGrid,
) -> FloatArray:
    """Return the fit to the pilot's rows; the null model where they are too few."""
    known, start = of_outcome(rows, outcome), np.zeros(std.n_params)
    if std.fit_intercept:
        start[0] = grid.guess
    events = int((known.y == EVENTS[-1]).sum())
    if min(events, len(known) - events) < ROWS_PER_COLUMN * std.n_params:
        return start
    weight = known.sample_weight
    mean = 1.0 if weight is None else float(weight.mean())
    kernel = LossKernel(
        start, std.mean, EVENTS[-1], std.fit_intercept, sparse=std.sparse
    )
    penalty = Ridge.of(rule, mean * len(known), std)
    pilot = pilot_chain(known, kernel, std, penalty, len(known), mean, start)
    return pilot.theta if np.isfinite(pilot.theta).all() else start


def _run(
    layout: Layout, passes: Passes, kernel: Kernel, names: Sequence[str] | None
) -> tuple[Any, ...]:
    """Make the pass; where a value is missing, read on to count all that are."""
    try:
        sums: Sums = passes.run(kernel)
    except MissingValueError as error:
        missing = MissingKernel(layout.source.feature_names, tuple(names or ()))
        counts = Reduction(layout.partitions, layout.inline).sum(missing)[0]
        raise MissingValueError(f"{error}. {counts}") from error
    if names is not None:
        _check_rows(sums.parts[0])
    return sums.parts


def _check_rows(sums: SurveySums) -> None:
    """Refuse rows of which none is left."""
    if sums.groups:
        return
    if sums.n_dropped:
        raise DataError(
            f"every one of the {sums.n_dropped:,} rows has a missing value in X, the "
            "weights or the offset, so that missing='drop' leaves nothing to fit; "
            "leave out the columns that are missing most"
        )
    raise DataError("there are no rows with a positive weight; nothing to fit")


def _count_labels(sums: SurveySums, labels: Sequence[Label]) -> OutcomeCounts:
    """Return the rows of every label and of all others."""
    groups = [sums.groups[label] for label in labels]
    rows = np.array([group.n_rows for group in groups])
    weights = np.array([group.weight for group in groups])
    return OutcomeCounts(
        np.array([rows.sum() - rows, rows]),
        np.array([weights.sum() - weights, weights]),
        np.zeros(len(groups), dtype=np.int64),
    )


def check_both(labels: Sequence[Label], counts: OutcomeCounts) -> None:
    """Refuse outcomes that all rows have, or none."""
    alike = np.flatnonzero((counts.rows == 0).any(axis=0)).tolist()
    if not alike:
        return
    first = alike[0]
    without, with_event = counts.rows[:, first].tolist()
    what = "1 in every row" if with_event else "0 in every row"
    if not (without or with_event):
        what = "missing in every row"
    more = f", and {len(alike) - 1} other outcomes are alike" if len(alike) > 1 else ""
    raise DataError(
        f"outcome {labels[first]!r} is {what}{more}; logistic regression needs rows of "
        "both: leave such outcomes out"
    )


def _of_outcome(sums: SurveySums, counts: OutcomeCounts, position: int) -> SurveySums:
    """Return the sums with the rows of one outcome as classes.

    Nothing is said yet of ranges by outcome: they count as those of all rows.
    """
    groups = {
        label: Group(
            int(counts.rows[label, position]),
            float(counts.weights[label, position]),
            None,
        )
        for label in EVENTS
    }
    both = sums.ranges.low, sums.ranges.high
    ranges = Ranges(*both, dict.fromkeys(EVENTS, both))
    n_dropped = sums.n_dropped + int(counts.n_missing[position])
    return replace(sums, groups=groups, ranges=ranges, n_dropped=n_dropped)


def _null(
    layout: Layout,
    passes: Passes,
    options: FitOptions,
    outcome: Outcome,
    summed: tuple[NullGrid, NullSums] | None,
) -> NullModel:
    """Return the model of an outcome without columns, beside the offset.

    It takes a pass of its own where the pilot's rows were unlike the rest.
    """
    own = tuple(replace(part, outcome=outcome) for part in layout.partitions)

    def run(kernel: NullKernel) -> NullSums:
        sums: NullSums = passes.run(kernel, own)
        return sums

    grid = NullGrid(0.0)
    if summed is None:
        sums = run(NullKernel(grid, EVENTS))
    else:
        grid, sums = summed
    left = options.max_passes - passes.n_passes - 1
    return find_null(sums, grid, EVENTS, run, (), left)
