"""Is an estimate of the distance right? The rows that L-BFGS has begun with tell.

L-BFGS knows the Hessian only along its own steps. Where columns are nearly collinear,
gradient and gains along what tells them apart are tiny until all else has converged,
while the way to the optimum, in standard errors, is not: estimates that are made of
them miss it. The rows that the pilot has read, all of them in small data and at least
eight per coefficient in large, know such combinations. Their Hessian at the answer,
times n / m, costs no pass and gives the bound of ``certificate`` for the gradient of
all rows. If they are all rows, that is a proof.

Otherwise each half of them has to say so by itself. A few rows that are heavy, or far
out, make curvature in their directions that the other half does not see; a direction
of which a half sees nothing makes its Hessian singular, and the bound infinite. The
inverse of a sum over k rows is too large on average, by k / (k - d - 1), not too small.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from dlogreg.kernel import Rows
from dlogreg.problem import Problem
from dlogreg.solvers import Point

SAFETY = 1.5
"""By how much the distance that halves of a sample tell must be below tol: with four
rows per coefficient in each, the root of the largest eigenvalue of what they see is
off by so much (Marchenko and Pastur 1967)."""


def sampled_bound(problem: Problem, point: Point) -> tuple[float, bool]:
    """Return the bound that the pilot's rows give for a point, and if it is a proof.

    Infinite where they are too few, or are none.
    """
    sample = problem.survey.sample
    if sample is None:
        return np.inf, False
    rows = sample.positive()
    if len(rows) == problem.survey.n_rows:
        return _bound_by(problem, point, rows), True
    if len(rows) <= 2 * problem.survey.standardization.n_params:
        return np.inf, False
    half = np.arange(len(rows)) // 2 % 2  # two rows may be both outcomes of one
    bounds = [
        _bound_by(problem, point, rows.chosen(np.flatnonzero(half == i)))
        for i in range(2)
    ]
    return SAFETY * max(bounds), False


def _bound_by(problem: Problem, point: Point, rows: Rows) -> float:
    """Return the bound by the Hessian of some rows, taken for as many as all."""
    objective = problem.objective
    kernel = objective.kernel(point.theta)
    sums = kernel.start()
    kernel.add(sums, rows, kernel.open())
    some: Any = kernel.finish(sums)  # an Evaluation, of two classes or of more
    scaled = replace(some, hessian=some.hessian * (problem.survey.n_rows / len(rows)))
    hessian = objective.finished(scaled, point.theta).hessian
    evaluation = replace(point.evaluation, hessian=hessian)
    return problem.newton(0).certify(Point(point.theta, evaluation)).here
