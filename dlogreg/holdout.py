"""Scores the rows held out of a fit, in its closing pass or in one of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray, Label
from dlogreg.inference.goodness import GoodnessOfFit
from dlogreg.kernel import Kernel
from dlogreg.kernel.held import HeldKernel
from dlogreg.kernel.together import Together
from dlogreg.prediction import LogitModel
from dlogreg.problem import Problem
from dlogreg.scoring import ScoreKernel
from dlogreg.solvers import Solution
from dlogreg.source import Source
from dlogreg.survey import NullKernel, find_null
from dlogreg.survey.offset import NullGrid

Run = Callable[[Kernel], Any]
"""Reads the data once and returns the sums of a kernel."""


@dataclass(frozen=True, slots=True, eq=False)
class Holdout:
    """What scoring the rows held out needs of a fit, beside the coefficients."""

    feature_names: tuple[str, ...]
    classes: tuple[Label, Label]
    fit_intercept: bool
    grid: NullGrid | None = None
    """Where to look for the null model of these rows, if there are offsets."""

    @classmethod
    def of(cls, problem: Problem) -> Holdout:
        """Take the null model of the fitted rows for a guess of the other."""
        survey, names = problem.survey, problem.options.feature_names
        assert names is not None
        other, event = survey.classes
        grid = None if survey.null is None else NullGrid(survey.null.intercept)
        first = survey.standardization.fit_intercept
        return cls(names, (other, event), first, grid)

    def kernel(self, params: FloatArray) -> HeldKernel:
        """Return what scores the rows by these coefficients, intercept first."""
        model = LogitModel.of(
            params, self.feature_names, self.classes, fit_intercept=self.fit_intercept
        )
        kernel: Kernel = ScoreKernel(model, self.feature_names, self.classes)
        if self.grid is not None:
            kernel = Together((kernel, NullKernel(self.grid, self.classes)))
        return HeldKernel(kernel, len(self.feature_names))

    def measures(self, sums: Any, run: Run, max_passes: int = 100) -> GoodnessOfFit:
        """Return what the sums of the kernel tell.

        With offsets, the rows are read again, at most ``max_passes`` times, where the
        null model of the rows held out is far from that of the others.
        """
        if self.grid is None:
            return GoodnessOfFit.of(sums, self.classes, in_sample=False)
        scores, null = sums.parts
        llnull = None
        if min(scores.others.sum(), scores.events.sum()) > 0:

            def again(kernel: NullKernel) -> Any:
                return run(HeldKernel(kernel, len(self.feature_names)))

            found = find_null(
                null, self.grid, self.classes, again, max_passes=max_passes
            )
            llnull = -found.loss
        return GoodnessOfFit.of(scores, self.classes, in_sample=False, llnull=llnull)


def with_holdout(source: Source, share: float) -> Source:
    """Return the source with a share of the rows held out by their numbers.

    Raises
    ------
    DataError
        If rows cannot be numbered.
    """
    if not share:
        return source
    if source.n_rows is None and not source.vectors:  # else a fit counts them
        raise DataError(
            f"holdout={share:g} draws rows by their numbers, and the chunks of X have "
            "unknown lengths; call compute_chunk_sizes() on it first, or give holdout "
            "as True or False for every row"
        )
    return replace(source, held_share=share)


def closing_measures(
    holdout: Holdout, problem: Problem, solution: Solution
) -> GoodnessOfFit | None:
    """Return what the closing pass tells of the rows held out; None without one."""
    sums = solution.point.evaluation.held
    if sums is None or problem.limit is not None:
        return None
    left = problem.options.max_passes - problem.passes.n_passes
    return holdout.measures(sums, problem.passes.run, left)
