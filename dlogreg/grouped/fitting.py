"""fit(..., by=): the stages in order, from rows to one model for every group."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.checks import order_labels
from dlogreg.errors import DataError
from dlogreg.evaluation import Label, PassRecord
from dlogreg.grouped.posing import GroupTotals, PosedGroups, pose_groups
from dlogreg.grouped.results import GroupedResults
from dlogreg.grouped.tabulating import NOT_EVALUATED, Tabulation
from dlogreg.grouped.warning import warn_of_groups
from dlogreg.kernel.gathered import GatherKernel
from dlogreg.kernel.group_rows import COPIES, SLAB_VALUES
from dlogreg.kernel.group_sums import (
    N_NULL,
    GroupPoints,
    GroupSumsKernel,
    evaluation_of,
)
from dlogreg.layout import Layout, lay_out
from dlogreg.memory import check_memory, check_workers, most_models
from dlogreg.missing import MissingKernel
from dlogreg.options import FitOptions
from dlogreg.passes import Passes, Progress
from dlogreg.progress import progress_for
from dlogreg.reduction import active_client
from dlogreg.results import LogitResults
from dlogreg.solvers import Status
from dlogreg.solvers.group_newton import N_LENGTHS, GroupModel, advance_groups
from dlogreg.source import Source
from dlogreg.survey.group_survey import GroupSurvey, GroupSurveyKernel
from dlogreg.waiting import living_workers

if TYPE_CHECKING:
    from dlogreg.formula.recipe import Recipe

FitAlone = Callable[..., LogitResults]
"""Fits X, y, weights and offsets of one group, its columns by their names."""
GATHERED_BYTES = 2**28
"""Rows of groups that are fitted by themselves, in float64; those of one pass."""


def fit_groups(
    source: Source,
    options: FitOptions,
    progress: bool | Progress | None,
    fit_alone: FitAlone,
    *,
    before: Sequence[PassRecord] = (),
    recipe: Recipe | None = None,
    by: str | None = None,
) -> GroupedResults:
    """Fit one model for every group of rows, with options that are checked.

    ``fit_alone`` fits a group from its own rows in memory; ``recipe`` and ``by`` are
    those of a formula.
    """
    options = replace(options.for_columns(source.feature_names), solver="newton")
    layout = lay_out(source, options)
    n_params = source.n_features + options.fit_intercept
    sorting = 8 * COPIES * max(SLAB_VALUES, 1024 * n_params)
    memory = layout.memory
    memory = replace(memory, per_task=memory.per_task + sorting)
    check_memory(memory, options.memory_limit, source)
    client = active_client()
    if client is not None:
        check_workers(memory, living_workers(client).limits, source)
    most = most_models(memory, layout.partitions, n_params, options.memory_limit)
    shown = progress_for(progress)
    passes = Passes(layout.reduction(), shown, trace=list(before))
    with passes.running():
        found = _GroupFit(layout, options, passes, fit_alone, recipe).results(most)
        passes.close_record()
    found = replace(found, by=by, trace=tuple(passes.trace))
    warn_of_groups(found)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _GroupFit:
    """The passes over the rows of all groups."""

    layout: Layout
    options: FitOptions
    passes: Passes
    fit_alone: FitAlone
    recipe: Recipe | None

    def results(self, most: int) -> GroupedResults:
        """Make all passes; return the models."""
        survey, options = self._survey(most), self.options
        classes = order_labels(survey.by_label, survey.n_dropped, options.classes)
        totals = GroupTotals.of(survey, classes, fit_intercept=options.fit_intercept)
        self._check_magnitudes(totals)
        posed = pose_groups(totals, classes, options, options.max_passes - 1)
        alone = self._solve(posed, classes)
        tabulation = Tabulation(posed, options, classes, self.passes, self.recipe)
        levels, reasons = totals.levels.tolist(), sorted(posed.reasons.items())
        return GroupedResults(
            levels=tuple(levels),
            models=tabulation.models(alone),
            reasons={levels[place]: reason for place, reason in reasons},
            n_rows=totals.rows.sum(axis=1),
            classes=classes,
            feature_names=self.layout.source.feature_names,
            fit_intercept=options.fit_intercept,
            tol=options.tol,
            has_offset=options.has_offset,
            n_dropped=survey.n_dropped,
            recipe=self.recipe,
            **self.passes.costs,
        )

    def _solve(
        self, posed: PosedGroups, classes: tuple[Label, ...]
    ) -> dict[int, LogitResults]:
        """Bring the models to rest; return those that were fitted by themselves.

        A model that was never evaluated has the reason noted.
        """
        alone: dict[int, LogitResults] = {}
        rest = Status.MAX_PASSES
        try:
            self._advance(posed, classes)
            self._fit_apart(posed, alone)
        except KeyboardInterrupt:
            rest = Status.INTERRUPTED
        for model in posed.models:
            if not model.rests_at(rest) and model.place not in alone:
                posed.reasons.setdefault(model.place, NOT_EVALUATED)
        return alone

    def _survey(self, most: int) -> GroupSurvey:
        """Make the first pass."""
        names = self.layout.source.feature_names
        with self.layout.counting_missing(MissingKernel(names, groups_name="by")):
            found: GroupSurvey = self.passes.run(GroupSurveyKernel(names, most))
        return found

    def _check_magnitudes(self, totals: GroupTotals) -> None:
        """Refuse columns whose sums of squares leave the range of float64."""
        squares = np.diagonal(totals.total.products, axis1=1, axis2=2)
        bad = np.argwhere(~np.isfinite(squares))
        if len(bad):
            group, column = bad[0].tolist()
            names = self.layout.source.feature_names
            raise DataError(
                f"column {names[column]!r} has values so large that the sum of their "
                f"squares overflows in the group {totals.levels[group].item()!r}; "
                "divide it by its largest value first"
            )

    def _advance(self, posed: PosedGroups, classes: tuple[Label, ...]) -> None:
        """Take Newton's steps in shared passes."""
        apart = {p for p in posed.apart if self._bytes(posed, p) <= GATHERED_BYTES}
        shared = [model for model in posed.models if model.place not in apart]

        def evaluate(models: Sequence[GroupModel]) -> None:
            self._evaluate(posed.totals, models, classes[1])

        left = self.options.max_passes - self.passes.n_passes - bool(apart)
        advance_groups(evaluate, shared, left)

    def _evaluate(
        self, totals: GroupTotals, models: Sequence[GroupModel], event: Label
    ) -> None:
        """Read the rows once; give every model its sums."""
        points = points_of(models)
        lines = np.full(len(totals), -1, dtype=np.intp)
        lines[[model.place for model in models]] = np.arange(len(models))
        first = self.options.fit_intercept
        kernel = GroupSumsKernel(totals.levels, lines, points, event, first)
        found = self.passes.run(kernel)
        losses = 0.0
        for model, line in zip(models, found.sums, strict=True):
            if model.null is not None and not model.null.found:
                model.null.receive(*(model.factor * line[-N_NULL:]).tolist())
            model.receive(evaluation_of(line, points))
            losses += line[0]
        bounds = [m.history[-1].after for m in models if m.history]
        self.passes.annotate(loss=losses, error_bound=max(bounds))

    def _fit_apart(self, posed: PosedGroups, alone: dict[int, LogitResults]) -> None:
        """Fit groups by themselves that shared passes do not solve."""
        suspected = Status.SEPARATION_SUSPECTED
        ends = {m.place: m.solution.status for m in posed.models if m.solution}
        unsolved = [place for place, status in ends.items() if status is suspected]
        wanted = sorted({*posed.apart, *unsolved})
        sizes = [self._bytes(posed, place) for place in wanted]
        run: list[int] = []
        total = 0
        for place, size in zip(wanted, sizes, strict=True):
            if size > GATHERED_BYTES:
                continue
            if total + size > GATHERED_BYTES:
                self._gather(posed, run, alone)
                run, total = [], 0
            run.append(place)
            total += size
        self._gather(posed, run, alone)

    def _bytes(self, posed: PosedGroups, place: int) -> int:
        """Return the bytes of the rows of a group in float64."""
        n_rows = int(posed.totals.rows[place].sum())
        return 8 * n_rows * (self.layout.source.n_features + 4)

    def _gather(
        self, posed: PosedGroups, places: list[int], alone: dict[int, LogitResults]
    ) -> None:
        """Bring the rows of some groups together and fit each."""
        if not places or self.passes.n_passes >= self.options.max_passes:
            return
        names = self.layout.source.feature_names
        found = self.passes.run(GatherKernel(posed.totals.levels[places]))
        for i, place in enumerate(places):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # one warning speaks of all groups
                try:
                    alone[place] = self.fit_alone(*found.of_group(i), names)
                except DataError as error:
                    posed.reasons[place] = str(error)


def points_of(models: Sequence[GroupModel]) -> GroupPoints:
    """Return where models are to be evaluated."""
    stds = [model.standardization for model in models]
    thetas = [
        std.centred(m.place_of_trial) for std, m in zip(stds, models, strict=True)
    ]
    steps = lengths = nulls = None
    if any(model.step is not None for model in models):
        lengths = np.zeros((len(models), N_LENGTHS))
        steps = np.zeros((len(models), len(thetas[0])))
        for i, (model, std) in enumerate(zip(models, stds, strict=True)):
            if model.step is not None:
                lengths[i] = model.lengths - 1  # from the full step, back
                steps[i] = std.centred(model.step)
    if models[0].null is not None:
        nulls = np.array([m.null.intercept for m in models if m.null is not None])
    centres = np.array([std.mean for std in stds])
    return GroupPoints(np.array(thetas), centres, steps, lengths, nulls)
