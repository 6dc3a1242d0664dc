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

from dlogreg.checks import ordered_classes
from dlogreg.evaluation import FloatArray, Label, ManyEvaluation
from dlogreg.first_pass import read_pilot, survey_kernel
from dlogreg.kernel import Kernel
from dlogreg.kernel.outcomes import (
    Outcome,
    OutcomeCountKernel,
    OutcomeCounts,
    OutcomeKernel,
)
from dlogreg.kernel.together import Sums, Together
from dlogreg.layout import Layout
from dlogreg.missing import MissingKernel
from dlogreg.objective.many import ManyObjective
from dlogreg.options import FitOptions
from dlogreg.outcomes.checks import check_both, check_rows, count_labels
from dlogreg.outcomes.memory import check_outcome_memory
from dlogreg.outcomes.pilot import EVENTS, KnownOutcomes, known_outcomes, outcomes_of
from dlogreg.passes import Passes
from dlogreg.survey import (
    NullGrid,
    NullKernel,
    NullModel,
    NullSums,
    Survey,
    SurveySums,
    find_null,
)
from dlogreg.survey.ranges import Ranges
from dlogreg.survey.sums import Group


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
    std, known = survey.standardization, known_outcomes(pilot.pooled(), names)
    check_outcome_memory(layout, options, len(known.labels))
    thetas = known.starts(std, options.penalty)
    objective = ManyObjective(passes, std, EVENTS[-1])
    many = objective.kernel(thetas, None, tuple(range(len(thetas.T))), known.outcomes)
    nulls = known.null_kernels() if options.has_offset else ()
    first, *rest = _run(layout, passes, options, names, (survey, *nulls, many))
    labels = known.labels if names is not None else ordered_classes(first, None)
    counted = rest[0] if names is not None else count_labels(first, labels)
    check_both(labels, counted)
    look = FirstLook(
        labels,
        outcomes_of(labels, names),
        tuple(
            Survey(_of_outcome(first, counted, b), EVENTS, std)
            for b in range(len(labels))
        ),
        tuple(labels.index(label) for label in known.labels),
        thetas,
        objective.scaled(rest[-1]),
        tuple(counted.n_missing.tolist()),
    )
    if not options.has_offset:
        return look
    return _with_nulls(look, layout, passes, options, known, rest[-1 - len(nulls) : -1])


def _with_nulls(
    look: FirstLook,
    layout: Layout,
    passes: Passes,
    options: FitOptions,
    known: KnownOutcomes,
    sums: Sequence[NullSums],
) -> FirstLook:
    """Add the models without columns, beside the offset."""
    pairs = zip(known.grids, sums, strict=True)
    given = dict(zip(look.evaluated, pairs, strict=True))
    surveys = tuple(
        replace(survey, null=_null(layout, passes, options, outcome, given.get(b)))
        for b, (survey, outcome) in enumerate(
            zip(look.surveys, look.outcomes, strict=True)
        )
    )
    return replace(look, surveys=surveys)


def _run(
    layout: Layout,
    passes: Passes,
    options: FitOptions,
    names: Sequence[str] | None,
    kernels: tuple[Kernel, ...],
) -> tuple[Any, ...]:
    """Make the pass; return the sums of each kernel, and counts of columns of Y."""
    survey, *rest = kernels
    checks: tuple[Kernel, ...] = (survey,)
    if names is not None:
        counts = OutcomeCountKernel(tuple(names), options.missing == "drop")
        checks = (OutcomeKernel(survey), counts)
    columns = layout.source.feature_names
    with layout.counting_missing(MissingKernel(columns, tuple(names or ()))):
        sums: Sums = passes.run(Together((*checks, *rest)))
    if names is not None:
        check_rows(sums.parts[0])
    return sums.parts


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
