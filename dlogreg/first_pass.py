"""The pilot and the survey: what is learned from the data before the solver starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dlogreg.chain import ChainStart, pilot_chain
from dlogreg.checks import ordered_classes
from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel import LossKernel, Rows
from dlogreg.kernel.dense import row_weights
from dlogreg.layout import Layout
from dlogreg.memory import most_groups
from dlogreg.options import FitOptions
from dlogreg.partition import pick_blocks, piece_rows
from dlogreg.passes import Passes
from dlogreg.penalty import Ridge
from dlogreg.reduction import Reduction
from dlogreg.sample import pilot_shape
from dlogreg.standardization import Standardization
from dlogreg.survey import (
    PILOT_BLOCKS,
    PILOT_ROWS,
    PilotKernel,
    PilotRows,
    Survey,
    SurveyKernel,
    find_null,
    guess_null,
    label_masks,
    null_event,
    sort_labels,
)

ClassWeight = tuple[tuple[Label, float], ...]


def take_survey(
    layout: Layout, passes: Passes, options: FitOptions, class_weight: ClassWeight
) -> Survey:
    """Read a few blocks for scales and a start, then make the first pass."""
    pilot = read_pilot(layout, passes)
    kernel = survey_kernel(layout, options, pilot, class_weight)
    std, chain = kernel.standardization, kernel.chain
    keeps = options.may_go_on(layout.solver, std.n_params)
    learns = layout.solver == "lbfgs" and not std.sparse
    sample = pilot.pooled() if learns or keeps else None
    if chain is not None:
        sums = passes.run(kernel, layout.chains)
        classes = ordered_classes(sums, options.classes)
        if len(classes) == 2 and classes[1] == chain.kernel.event:
            return _with_null(
                Survey(sums, classes, std, chain), passes, options, kernel
            )
        kernel = replace(kernel, order=2, chain=None)
    sums = passes.run(kernel)
    classes = ordered_classes(sums, options.classes)
    survey = Survey(sums, classes, std, sample=sample)
    return _with_null(survey, passes, options, kernel)


def _with_null(
    survey: Survey, passes: Passes, options: FitOptions, kernel: SurveyKernel
) -> Survey:
    """Return the survey with the null model of rows that have offsets.

    It follows from the first pass, unless the pilot's rows were unlike the rest.
    """
    if kernel.null_grid is None or len(survey.classes) > 2:
        return survey
    assert survey.sums.null is not None
    left = options.max_passes - passes.n_passes - 1
    null = find_null(
        survey.sums.null,
        kernel.null_grid,
        survey.classes,
        passes.run,
        kernel.class_weight,
        left,
    )
    return replace(survey, null=null)


def with_mean_weight_one(survey: Survey) -> tuple[Survey, ClassWeight]:
    """Rescale the weights, whose sum is known by now, to the mean 1 over the rows.

    Returns the survey in these weights, and the factor as weight of the classes, by
    which later passes get it.
    """
    factor = survey.n_rows / survey.weight_sum
    weights = tuple((label, factor) for label in survey.classes)
    null = None if survey.null is None else survey.null.weighted(factor)
    return replace(survey, sums=survey.sums.weighted(factor), null=null), weights


def survey_kernel(
    layout: Layout, options: FitOptions, pilot: PilotRows, class_weight: ClassWeight
) -> SurveyKernel:
    """Return the kernel of the first pass, which learns where there is enough data."""
    std, rows = _coordinates(layout, options, pilot), pilot.pooled()
    grid = None
    if options.has_offset:
        event = null_event(rows, options.classes)
        grid = guess_null(rows, row_weights(rows, class_weight), event)
    start = np.zeros(std.n_params)
    if grid is not None and std.fit_intercept:
        start[0] = grid.guess
    chain = _start_chains(layout, options, rows, std, class_weight, start)
    order = 2 if layout.solver == "newton" and chain is None else 1
    names = layout.source.feature_names
    most = 0
    if options.has_groups:
        most = most_groups(
            layout.memory, layout.partitions, std.n_params, options.memory_limit
        )
    return SurveyKernel(
        std,
        names,
        order,
        class_weight,
        chain,
        grid,
        most,
        by_label=not options.penalty,
    )


def _coordinates(
    layout: Layout, options: FitOptions, pilot: PilotRows
) -> Standardization:
    """Return the solver's coordinates, by the means and scales of the pilot's rows."""
    std = pilot.standardization(fit_intercept=options.fit_intercept)
    std = replace(std, compiled=layout.compiled)
    if not std.sparse or layout.solver == "newton":
        return std
    # its metric knows the scales of all columns, of which a pilot sees few, and
    # what a penalty proves is sharpest where it is the same on all of them
    std = replace(std, scale=np.broadcast_to(np.float64(1.0), std.scale.shape))
    if not std.mean.any():  # zeros that nobody has written take no memory
        std = replace(std, mean=np.zeros(len(std.mean)))
    return std


def read_pilot(layout: Layout, passes: Passes) -> PilotRows:
    """Read rows of a few blocks; of more where those hold none that are fitted."""
    n_params = layout.source.n_features + 1
    wanted, rows = PILOT_BLOCKS, max(PILOT_ROWS, 4 * n_params)
    if layout.solver == "lbfgs":
        wanted, rows = pilot_shape(layout.source, n_params)
    kernel = PilotKernel(rows)
    while True:
        blocks = pick_blocks(layout.source, wanted)
        found: PilotRows = passes.run_pilot(kernel, Reduction(blocks, layout.inline))
        if found.n_rows or len(blocks) < wanted:
            return found
        wanted *= 8  # a filter left these blocks empty, or their weights are zero


def _start_chains(
    layout: Layout,
    options: FitOptions,
    rows: Rows,
    std: Standardization,
    class_weight: ClassWeight,
    start: FloatArray,
) -> ChainStart | None:
    """Fit the pilot's rows, if there is enough data for a pass to learn from."""
    unused = options.start is not None or options.max_passes < 2
    if not layout.chains or unused:
        return None
    labels = sort_labels(label for label, _ in label_masks(rows.y, ()))
    if len(labels) != 2:
        return None
    event = labels[1] if options.classes is None else options.classes[1]
    weight = row_weights(rows, class_weight)
    mean_weight = 1.0 if weight is None else float(weight.mean())
    total = (layout.source.n_rows or len(rows)) * mean_weight
    penalty = Ridge.of(options.penalty, total, std)
    kernel = LossKernel(
        start,
        std.mean,
        event,
        std.fit_intercept,
        class_weight=class_weight,
        sparse=std.sparse,
        compiled=std.compiled,
    )
    piece = piece_rows(layout.source.n_rows, std.n_params, std.sparse)
    return pilot_chain(rows, kernel, std, penalty, piece, mean_weight, start)
