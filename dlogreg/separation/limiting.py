"""Solves a problem; where the classes are separated, the limiting problem that is left.

Columns that separate by themselves are known after the first pass, so that only the
limiting problem is ever fitted. What Newton's method meets later, by combinations of
columns, ``SeparationWatch`` proves in its passes; the limiting problem is then taken up
where it has been evaluated. It may be separated itself, and so on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dlogreg.checks import find_sides
from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.inference.limit import Limit, estimable, face_of
from dlogreg.kernel.extreme_rows import ExtremeRowsKernel
from dlogreg.kernel.face import FaceKernel
from dlogreg.kernel.together import Together
from dlogreg.objective.firth import PenalizedObjective
from dlogreg.problem import Problem
from dlogreg.separation.watch import Found, SeparationWatch, confined
from dlogreg.solvers import Firth, Point, Solution, Status
from dlogreg.standardization import Standardization
from dlogreg.survey import Survey


def begin(problem: Problem) -> Problem:
    """Evaluate the start: of the limiting problem, if columns are known to separate."""
    if not (_limits(problem) and problem.separating):
        return problem.begun()
    complete, directions, gaps = directions_by_column(problem.survey)
    if complete:
        limit = _limit(problem, directions, gaps, complete=True)
        return replace(problem, limit=limit)
    try:
        return _begin_on_face(problem, directions)
    except KeyboardInterrupt:
        return problem


def settle(problem: Problem) -> tuple[Problem, Solution]:
    """Solve, as often as it takes for a limit that exists."""
    if problem.start is None or not _limits(problem):
        limit = problem.limit
        done = limit is not None and limit.complete
        return problem, _nothing_left(problem) if done else problem.solve()
    if problem.options.firth:
        return problem, _reduce_bias(problem)
    while True:
        watch = SeparationWatch(problem.objective, problem.kept)
        solution = problem.solve(watch)
        found = watch.found
        if found is None or solution.status is not Status.SEPARATED:
            return problem, solution
        problem = confine(problem, (found.direction,), (found.least,), found)
        if found.complete:
            return problem, _nothing_left(problem)


def _reduce_bias(problem: Problem) -> Solution:
    """Return Firth's estimate, from the start that has been evaluated."""
    assert problem.start is not None
    passes, options = problem.passes, problem.options
    left = max(0, options.max_passes - passes.n_passes)
    firth = Firth(options.tol, left, problem.geometry, problem.kept)
    return firth.minimize(
        PenalizedObjective(problem.objective),
        problem.start,
        lambda distance: passes.annotate(decrement=distance),
    )


def _limits(problem: Problem) -> bool:
    """Tell whether limiting problems are solved: for two classes, by Newton."""
    two = isinstance(problem.standardization, Standardization)
    return two and problem.solver == "newton" and not problem.options.penalty


def directions_by_column(
    survey: Survey,
) -> tuple[bool, tuple[FloatArray, ...], tuple[float, ...]]:
    """Return the directions of columns that separate by themselves, and least margins.

    If any of them separates all rows, say so, and these come first; the margins of the
    others are then not known.
    """
    sides, std = find_sides(survey), survey.standardization
    first = int(std.fit_intercept)
    found: list[tuple[float, FloatArray]] = []
    for j in np.flatnonzero(sides.upward | sides.downward).tolist():
        edge, top = float(sides.edge[j]), float(sides.top[j])
        border, gap = (edge + top) / 2, (top - edge) / 2
        if not first:
            border, gap = 0.0, min(-edge, top)
        direction = np.zeros(std.n_params)
        direction[j + first] = std.scale[j]
        direction[:first] = std.mean[j] - border
        found.append((gap, direction if sides.upward[j] else -direction))
    complete = any(gap > 0 for gap, _ in found)
    found.sort(key=lambda pair: pair[0] <= 0)
    gaps = tuple(gap if gap > 0 else np.inf for gap, _ in found)
    return complete, tuple(direction for _, direction in found), gaps


def _begin_on_face(problem: Problem, directions: tuple[FloatArray, ...]) -> Problem:
    """Evaluate the start on the rows that the directions leave alone."""
    objective, std = problem.objective, problem.survey.standardization
    guess = problem.guess()
    theta = problem.survey.null_theta() if guess is None else guess
    face = face_of(std, *directions)
    counting = ExtremeRowsKernel(
        np.column_stack(directions),
        std.mean,
        std.units,
        objective.classes[1],
        std.fit_intercept,
        most=1,
    )
    kernel = FaceKernel(objective.kernel(theta), face)
    extreme, sums = objective.run(Together((counting, kernel))).parts
    inside = Point(theta, objective.finished(sums, theta))
    objective.passes.annotate(loss=inside.evaluation.loss)
    least = tuple(extreme.counts.least.tolist())
    found = Found(directions[0], least[0], complete=False, inside=inside)
    return replace(confine(problem, directions, least, found), spent=1)


def confine(
    problem: Problem,
    directions: tuple[FloatArray, ...],
    least: tuple[float, ...],
    found: Found,
) -> Problem:
    """Return the limiting problem on the rows that the directions leave alone."""
    std, objective = problem.survey.standardization, problem.objective
    for direction in directions:
        objective = confined(objective, direction)
    limit = _limit(problem, directions, least, complete=found.complete)
    if found.inside is None:
        return replace(problem, objective=objective, limit=limit)
    inside = found.inside
    hessian = inside.evaluation.hessian
    assert hessian is not None
    kept, basis = estimable(hessian, problem.kept, fit_intercept=std.fit_intercept)
    out = np.setdiff1d(problem.kept, kept)
    theta = inside.theta - basis @ inside.theta[out]
    theta[out] = 0.0
    return replace(
        problem,
        objective=objective,
        kept=kept,
        start=Point(theta, inside.evaluation),
        limit=replace(limit, aliased=np.column_stack([limit.aliased, basis])),
    )


def _limit(
    problem: Problem,
    directions: tuple[FloatArray, ...],
    least: tuple[float, ...],
    *,
    complete: bool,
) -> Limit:
    """Return what is separated, beside what was before."""
    before = problem.limit
    if before is None:
        nothing = np.empty((problem.n_params, 0))
        return Limit(directions, least, complete, nothing, problem.separating)
    return replace(
        before,
        directions=(*before.directions, *directions),
        least=(*before.least, *least),
        complete=complete,
    )


def _nothing_left(problem: Problem) -> Solution:
    """Return the end where every row is separated: the loss falls to zero."""
    zero = np.zeros(problem.n_params)
    point = Point(zero, Evaluation(0.0, zero))
    return Solution(zero, point, Status.SEPARATED, np.inf, 0)
