"""Fits a grid of models, folds by penalties, and scores them out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.kernel.held_parts import HeldPartsKernel, HeldSums
from dlogreg.kernel.nearby import NearbyKernel, NearbySums
from dlogreg.kernel.part_sums import PartSums, PartSumsKernel
from dlogreg.kernel.part_weights import PartWeights
from dlogreg.kernel.together import Sums, Together
from dlogreg.objective.many import ManyObjective
from dlogreg.penalty import PenaltyRule, separable_of
from dlogreg.problem import Problem
from dlogreg.selection.folding import Folding
from dlogreg.selection.largest import Resting
from dlogreg.solvers.anchors import (
    LEAST_NEAR,
    Anchor,
    Path,
    anchors_of,
    near_enough,
)
from dlogreg.solvers.grid import GridModel
from dlogreg.solvers.hessian_nodes import HessianNodes, node_radius
from dlogreg.solvers.penalized_models import Expansion
from dlogreg.solvers.ray import Ray
from dlogreg.standardization import Standardization

SINGLE_TOL = 1e-3
"""Of tol, from which arithmetic on changes, and Hessians, may be in float32,"""
SINGLE_ROWS = 100_000
"""where there are so many rows."""
RAY = (0.5, 1.0)
"""Points from the null model to what the first pass has learned, evaluated first."""
HESSIAN_VALUES = 2**22
"""Values in the Hessians of one pass, at most: 32 MiB, of which tasks hold several."""


@dataclass(slots=True, eq=False)
class GridFit:
    """The models of a grid; what they need is read in shared passes."""

    problem: Problem
    folding: Folding
    tol: float
    max_passes: int
    rule: PenaltyRule = field(default_factory=PenaltyRule)
    """The penalty of alpha = 1: factors and bounds are those of all models."""
    totals: FloatArray = field(default_factory=lambda: np.empty((3, 0)))
    """Rows, their weight and that of the events by part."""
    _points: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    _first: PartSums | None = None

    @property
    def standardization(self) -> Standardization:
        """The solver's coordinates."""
        return self.problem.survey.standardization

    @property
    def single(self) -> bool:
        """Whether sums are made in float32 where that serves."""
        return self.tol >= SINGLE_TOL and self.problem.survey.n_rows >= SINGLE_ROWS

    @property
    def passes_left(self) -> int:
        """Passes that may still be made before the one that scores."""
        return self.max_passes - 1 - self.problem.passes.n_passes

    def look_around(self) -> None:
        """Evaluate the null model, and points on the way to what was learned.

        All of them within the bounds, since the models start from these.
        """
        null, learned = self.problem.survey.null_theta(), self.problem.guess()
        points = [null]
        if learned is not None and np.isfinite(learned).all():
            points += [null + t * (learned - null) for t in RAY]
        box = separable_of(self.rule, 1.0, self.standardization)
        self._points = np.column_stack([box.nearest(point) for point in points])
        middle = (1,) * len(points) if len(points) > 1 else ()
        self._first = self._part_sums(self._points, None, middle)
        self.totals = self._first.totals
        self.folding.check(self.totals, self.problem.survey.classes)

    def check_ranked(self) -> None:
        """Refuse folds whose scored rows cannot be ranked, being of one class."""
        self.folding.check_ranked(self.totals, self.problem.survey.classes)

    def largest_alpha(self) -> float:
        """Return the least alpha at which all that it holds rests, over all rows.

        Columns without a penalty, and bounds that exclude 0, take passes of their own.
        """
        assert self._first is not None
        problem, std = self.problem, self.standardization
        objective = ManyObjective(problem.passes, std, problem.survey.classes[-1])
        resting = Resting(self.rule, problem.survey, objective, problem.geometry)
        anchors = [
            Expansion(theta, gradients.sum(axis=0), hessians.sum(axis=0))
            for theta, gradients, hessians in zip(
                self._points.T,
                self._first.gradients,
                self._first.hessians,
                strict=True,
            )
        ]
        return resting.largest(resting.found(anchors, self.passes_left))

    def fitted(self, rules: Sequence[PenaltyRule]) -> list[list[GridModel]]:
        """Return the models of every fold, and last those of all rows."""
        anchors = self._anchors(rules)
        rows = [*self.folding.trains, np.ones(self.folding.parts.n_parts)]
        grid = [
            [
                GridModel(
                    own,
                    separable_of(
                        rule, float(own @ self.totals[1]), self.standardization
                    ),
                    anchor,
                    self.problem.geometry,
                    self.tol,
                    self.single,
                )
                for rule, anchor in zip(rules, anchors, strict=True)
            ]
            for own in rows
        ]
        models = [model for line in grid for model in line]
        while self.passes_left > 0:
            active = [model for model in models if not model.done]
            if not active:
                break
            self._advance(active)
        return grid

    def _anchors(self, rules: Sequence[PenaltyRule]) -> list[Anchor]:
        """Return an evaluated point near the optimum of every penalty, for all rows."""
        weight, rows = float(self.totals[1].sum()), np.ones(self.folding.parts.n_parts)
        penalties = [separable_of(rule, weight, self.standardization) for rule in rules]
        path = Path(penalties, rows)
        assert self._first is not None
        first = anchors_of(self._points, self._first)
        path.take(first, set())
        ray = Ray.through(self._points, [anchor.of(rows) for anchor in first])
        if ray is not None:
            path.look_along(ray)
        nodes, near = self._nodes(first, rows)
        most = self._most_hessians(self.folding.parts.n_parts)
        while path.far and self.passes_left > 1:
            far = path.beyond(near)
            points = np.column_stack([path.trials[i] for i in far])
            plan = nodes.plan(points, most)
            points = points[:, list(plan.tried)]
            thetas = [points, *(one.theta[:, None] for one in nodes.known)]
            sums = self._part_sums(np.column_stack(thetas), plan.nodes, plan.near)
            path.take(nodes.take(points, sums, plan), {far[i] for i in plan.tried})
        return [anchor for anchor in path.anchors if anchor is not None]

    def _nodes(
        self, first: Sequence[Anchor], rows: FloatArray
    ) -> tuple[HessianNodes, float]:
        """Return the Hessians that are known, and how near an optimum a point must be.

        How far rows reach is told by the points evaluated so far.
        """
        assert self._first is not None
        parts = sum((anchor.hessians for anchor in first), np.zeros(()))
        mean = np.tensordot(rows, parts, axes=1) / len(first)
        weight = max(float(mean[0, 0]), np.finfo(float).tiny)
        moves = self._points - self._points[:, [min(1, len(first) - 1)]]
        sizes = np.sqrt(np.maximum(0.0, (moves * (mean @ moves)).sum(axis=0)) / weight)
        moved = sizes > 0
        if not moved.any():
            return HessianNodes(list(first), mean / weight, 0.0), LEAST_NEAR
        peak = max(1.0, float((self._first.reaches[moved] / sizes[moved]).max()))
        shares = self.folding.trains @ self.totals[1] / self.totals[1].sum()
        least = float(shares.min())
        radius = node_radius(self.tol, len(mean), weight, least, peak)
        near = near_enough(self.tol, weight, peak)
        return HessianNodes(list(first), mean / weight, radius), near

    def _most_hessians(self, each: int = 1) -> int:
        values = self.standardization.n_params**2 * each
        return max(1, HESSIAN_VALUES // values)

    def _part_sums(
        self,
        points: FloatArray,
        hessian_of: tuple[int, ...] | None,
        near: tuple[int, ...],
    ) -> PartSums:
        std, objective = self.standardization, self.problem.objective
        kernel = PartSumsKernel(
            points,
            self.folding.parts,
            std.mean,
            std.units,
            objective.classes[-1],
            std.fit_intercept,
            objective.class_weight,
            self.single,
            hessian_of,
            near,
        )
        found: PartSums = self.problem.passes.run(kernel)
        return found

    def _advance(self, models: Sequence[GridModel]) -> None:
        """Evaluate the next points of these models, in one pass.

        Of those that need Hessians of their own, so many as memory allows.
        """
        near = [model for model in models if not model.own]
        own = [model for model in models if model.own][: self._most_hessians()]
        kernels: list[NearbyKernel] = []
        if near:
            anchors = list({id(m.anchor): m.anchor for m in near}.values())
            place = {id(anchor): i for i, anchor in enumerate(anchors)}
            bases = np.column_stack([anchor.theta for anchor in anchors])
            base_of = tuple(place[id(model.anchor)] for model in near)
            shifts = np.column_stack([model.shift for model in near])
            kernels.append(self._nearby(near, bases, base_of, shifts, ()))
        if own:
            bases, every = np.column_stack([m.theta for m in own]), range(len(own))
            kernels.append(self._nearby(own, bases, tuple(every), None, tuple(every)))
        sums: Sums = self.problem.passes.run(Together(tuple(kernels)))
        found: list[NearbySums] = list(sums.parts)
        if near:
            moved = found.pop(0)
            for i, model in enumerate(near):
                model.receive(moved.gradients[:, i], float(moved.reaches[i]))
        if own:
            for model, gradient, hessian in zip(
                own, found[0].gradients.T, found[0].hessians, strict=True
            ):
                model.receive_own(gradient, hessian)
        worst = max(model.error for model in models)
        self.problem.passes.annotate(error_bound=worst)

    def _nearby(
        self,
        models: Sequence[GridModel],
        bases: FloatArray,
        base_of: tuple[int, ...],
        shifts: FloatArray | None,
        hessian_of: tuple[int, ...],
    ) -> NearbyKernel:
        std, objective = self.standardization, self.problem.objective
        rows_of = np.array([model.rows for model in models])
        return NearbyKernel(
            bases,
            base_of,
            shifts,
            PartWeights.of(self.folding.parts, rows_of, objective.class_weight),
            std.mean,
            std.units,
            objective.classes[-1],
            std.fit_intercept,
            hessian_of,
            self.single and shifts is not None,
        )

    def scored(self, grid: Sequence[Sequence[GridModel]], *, curves: bool) -> HeldSums:
        """Score the models on the rows that they have left out, in one pass."""
        std, objective = self.standardization, self.problem.objective
        thetas = np.array([[model.theta for model in line] for line in grid])
        kernel = HeldPartsKernel(
            thetas[:-1],
            thetas[-1],
            self.folding.parts,
            self.folding.tests,
            std.mean,
            std.units,
            objective.classes[-1],
            std.fit_intercept,
            objective.class_weight,
            curves,
        )
        found: HeldSums = self.problem.passes.run(kernel)
        return found
