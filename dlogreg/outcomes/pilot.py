"""What some rows, read beforehand, tell of every outcome: where its model may start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dlogreg.chain import pilot_chain
from dlogreg.evaluation import FloatArray, Label
from dlogreg.kernel import Kernel, LossKernel, Rows
from dlogreg.kernel.outcomes import (
    ColumnOutcome,
    LabelOutcome,
    Outcome,
    OutcomeKernel,
    of_outcome,
)
from dlogreg.missing import is_missing
from dlogreg.penalty import PenaltyRule, Ridge
from dlogreg.standardization import Standardization
from dlogreg.survey import NullGrid, NullKernel, guess_null, label_masks, sort_labels

EVENTS = (0, 1)
"""Labels of the rows of every outcome; the last is the event."""
ROWS_PER_COLUMN = 2
"""Rows of either outcome, for each coefficient, from which a start is learned."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownOutcomes:
    """The outcomes that the pilot knows; labels may be found later."""

    rows: Rows
    labels: tuple[Label, ...]
    outcomes: tuple[Outcome, ...]
    grids: tuple[NullGrid, ...]
    """Where to look for the models without columns."""

    def starts(self, std: Standardization, rule: PenaltyRule) -> FloatArray:
        """Return the fits to these rows, shape (n_params, n_outcomes)."""
        starts = [
            _start(self.rows, outcome, std, rule, grid)
            for outcome, grid in zip(self.outcomes, self.grids, strict=True)
        ]
        return np.array(starts).reshape(-1, std.n_params).T

    def null_kernels(self) -> tuple[Kernel, ...]:
        """Return what finds the models without columns, beside the offset."""
        return tuple(
            OutcomeKernel(NullKernel(grid, EVENTS), outcome)
            for outcome, grid in zip(self.outcomes, self.grids, strict=True)
        )


def known_outcomes(rows: Rows, names: Sequence[str] | None) -> KnownOutcomes:
    """Return the columns of Y by their names, or the labels that occur in the rows."""
    labels = _known_labels(rows, names)
    outcomes = outcomes_of(labels, names)
    grids = tuple(_grid(rows, outcome) for outcome in outcomes)
    return KnownOutcomes(rows, labels, outcomes, grids)


def _known_labels(rows: Rows, names: Sequence[str] | None) -> tuple[Label, ...]:
    """Return the names, or the labels that occur; missing ones are refused later."""
    if names is not None:
        return tuple(names)
    y = rows.y[~is_missing(rows.y)]
    return tuple(sort_labels([label for label, _ in label_masks(y, ())]))


def outcomes_of(
    labels: Sequence[Label], names: Sequence[str] | None
) -> tuple[Outcome, ...]:
    """Return the columns of Y, or each label against the rest."""
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
