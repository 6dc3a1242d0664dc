"""Cross-validation of three or more classes: softmax fits of all folds, kept in step.

Every model is fitted as ``fit`` would, by Newton's method with a Hessian of its own; a
pass reads the rows once for all of them (``in_step``), so that there are about as many
passes as for one model, each with the arithmetic of all. Where their Hessians would
take too much memory together, penalties are taken in runs, one after the other.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from dlogreg.closing import build_results
from dlogreg.errors import ConvergenceWarning, DataError
from dlogreg.evaluation import FloatArray
from dlogreg.first_pass import ClassWeight
from dlogreg.kernel import Kernel
from dlogreg.kernel.census import RowCountKernel, RowCounts
from dlogreg.kernel.held_classes import HeldClassesKernel
from dlogreg.kernel.held_parts import HeldSums
from dlogreg.kernel.of_folds import OfFolds
from dlogreg.kernel.together import Sums, Together
from dlogreg.layout import Layout
from dlogreg.options import FitOptions
from dlogreg.passes import Passes
from dlogreg.penalty import PenaltyRule
from dlogreg.problem import Problem
from dlogreg.problem.softmax import pose_softmax
from dlogreg.results import MultinomialResults
from dlogreg.selection.alphas import LEAST_L1_RATIO
from dlogreg.selection.folding import Folding
from dlogreg.selection.in_step import Ask, ModelPasses, solve_in_step
from dlogreg.solvers import Solution
from dlogreg.standardization import StackedStandardization
from dlogreg.survey import Survey, SurveyKernel, null_point

HESSIAN_VALUES = 2**22
"""Values in the Hessians of one pass, at most."""
MOST_MODELS = 512
"""In one pass: each has a thread, which rests but takes room."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A model, and the problem that it solves."""

    problem: Problem
    solution: Solution

    @property
    def equations(self) -> FloatArray:
        """Those of all classes but the first in the solver's coordinates."""
        theta = self.solution.theta
        return theta.reshape(len(self.problem.survey.classes) - 1, -1)

    @property
    def params(self) -> FloatArray:
        """A line for every class, which sum to zero, shape (n_classes, n_names)."""
        problem = self.problem
        return problem.reported(problem.standardization.to_params(self.solution.theta))

    @property
    def done(self) -> bool:
        """Whether it is as near to its optimum as it should be."""
        return self.solution.status.converged

    @property
    def error(self) -> float:
        """Proven distance to the optimum, in standard errors."""
        return self.solution.error_bound

    def results(self) -> MultinomialResults:
        """Return it as of a fit."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # told for all models
            found = build_results(self.problem, self.solution)
        assert isinstance(found, MultinomialResults)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class ClassGrid:
    """The models of a grid of folds by ridge penalties."""

    layout: Layout
    """For the equations of all classes."""
    survey: Survey
    """Of all rows."""
    passes: Passes
    options: FitOptions
    folding: Folding
    class_weight: ClassWeight = ()
    """Of the fits; scores go by sample weights alone."""

    @property
    def stacked(self) -> StackedStandardization:
        """The solver's coordinates."""
        n_equations = len(self.survey.classes) - 1
        return StackedStandardization(self.survey.standardization, n_equations)

    @property
    def n_together(self) -> int:
        """Penalties whose models share their passes."""
        n_sets = self.folding.n_folds + 1
        values = HESSIAN_VALUES // self.stacked.n_params**2
        return max(1, min(values, MOST_MODELS) // n_sets)

    def surveys(self) -> list[Survey]:
        """Return what a first pass over every fold's rows tells, and last that of all.

        Raises
        ------
        DataError
            If a fold has no row of a class to fit to, or none to score.
        """
        std, classes = self.survey.standardization, self.survey.classes
        names, weights = self.layout.source.feature_names, self.class_weight
        first = SurveyKernel(std, names, 2, weights, by_label=False)
        counts = RowCountKernel(classes)
        trains = tuple(self.folding.trains > 0)
        kernels = (first,) * len(trains) + (counts,) * len(trains)
        found = self._run((*trains, *self.folding.tests), [(k,) for k in kernels])
        surveys, scored = found[: len(trains)], found[len(trains) :]
        for fold, ((sums,), (count,)) in enumerate(zip(surveys, scored, strict=True)):
            self._check(fold, list(sums.groups), count)
        own = [replace(self.survey, sums=sums) for (sums,) in surveys]
        return [*own, self.survey]

    def _check(self, fold: int, found: Sequence[object], scored: RowCounts) -> None:
        for label in self.survey.classes:
            if label not in found:
                raise DataError(
                    f"fold {fold} has no row with y = {label!r} to fit to; take fewer "
                    "folds, folds='stratified', or another seed"
                )
        if not scored.n_rows:
            raise DataError(
                f"fold {fold} has no row to score; take fewer folds, or another seed"
            )

    def _run(
        self,
        sets: tuple[npt.NDArray[np.bool_], ...],
        kernels: Sequence[tuple[Kernel, ...]],
    ) -> list[tuple[Any, ...]]:
        """Read the rows once; return the sums of the kernels of every set of rows."""
        together = tuple(Together(own) for own in kernels)
        n_features = self.layout.source.n_features
        kernel = OfFolds(self.folding.parts, sets, together, n_features)
        sums: Sums = self.passes.run(kernel, self.layout.partitions)
        return [own.parts for own in sums.parts]

    def largest_alpha(self) -> float:
        """Return a thousand times the largest slope of any class, as for two."""
        _, sums = null_point(self.survey, 1)
        single = self.stacked.single
        slopes = self.stacked.scaled(sums).gradient.reshape(-1, single.n_params)
        slopes = (slopes / single.units)[:, int(single.fit_intercept) :]
        largest = max(np.abs(slopes).max(), np.abs(slopes.sum(axis=0)).max())
        return float(largest / self.survey.weight_sum / LEAST_L1_RATIO)

    def fitted(self, rules: Sequence[PenaltyRule]) -> list[list[Fitted]]:
        """Return the models of every fold, and last those of all rows."""
        surveys = self.surveys()
        grid: list[list[Fitted]] = [[] for _ in surveys]
        for low in range(0, len(rules), self.n_together):
            some = rules[low : low + self.n_together]
            models = [
                partial(self._fit, survey, rule) for survey in surveys for rule in some
            ]
            found = solve_in_step(models, partial(self._serve, len(some)))
            for fold, line in enumerate(grid):
                line += found[fold * len(some) : (fold + 1) * len(some)]
        return grid

    def _fit(self, survey: Survey, rule: PenaltyRule, ask: Ask) -> Fitted:
        options = replace(
            self.options,
            penalty=rule,
            max_passes=self.options.max_passes - 1,  # and one that scores
        )
        own = (ModelPasses.of(self.passes, ask), options, self.layout)
        problem = pose_softmax(survey, *own, self.class_weight).begun()
        return Fitted(problem, problem.solve())

    def _serve(self, n_rules: int, requests: Sequence[tuple[int, Kernel]]) -> list[Any]:
        """Make one pass for the models that ask, each over the rows of its fold."""
        every = np.ones(self.folding.parts.n_parts, dtype=bool)
        rows_of = [*(self.folding.trains > 0), every]
        sets, kernels = [], []
        for fold, own in groupby(requests, key=lambda one: one[0] // n_rules):
            sets.append(rows_of[fold])
            kernels.append(tuple(kernel for _, kernel in own))
        found = self._run(tuple(sets), kernels)
        return [sums for own in found for sums in own]

    def scored(self, grid: Sequence[Sequence[Fitted]]) -> HeldSums:
        """Score the models on the rows that they have left out, in one pass."""
        std = self.survey.standardization
        kernel = HeldClassesKernel(
            np.array([[model.equations for model in line] for line in grid[:-1]]),
            self.folding.parts,
            self.folding.tests,
            std.mean,
            std.units,
            self.survey.classes,
            std.fit_intercept,
        )
        found: HeldSums = self.passes.run(kernel)
        return found
