"""Where a fit starts: at the null model, or nearer to the optimum if that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlogreg.evaluation import FloatArray
from dlogreg.solvers import Point, minimize_quadratic

if TYPE_CHECKING:
    from dlogreg.problem.binary import Problem


def first_point(problem: Problem) -> tuple[Point, int]:
    """Return the start and the passes spent on it."""
    null, guess = problem.null_point(), problem.guess()
    if (kinks := problem.kinks) is not None:
        guess = None if guess is None else kinks.nearest(guess)
        if (kinks.nearest(null.theta) != null.theta).any():
            inside = kinks.nearest(null.theta) if guess is None else guess
            order = 2 if problem.solver == "newton" else 1
            return Point(inside, problem.objective(inside, order)), 1
    problem.passes.annotate(loss=null.evaluation.loss)
    order, cost = 2 if problem.solver == "newton" else 1, 0
    if guess is not None and problem.passes.n_passes < problem.options.max_passes:
        precision = _precision(problem)
        given = Point(guess, problem.objective(guess, order, precision=precision))
        if given.evaluation.loss < null.evaluation.loss:
            return given, 1
        cost = 1
    known = order == 1 or null.evaluation.hessian is not None
    if not (known and np.isfinite(null.evaluation.gradient).all()):
        return Point(null.theta, problem.objective(null.theta, order)), cost + 1
    return null, cost


def _precision(problem: Problem) -> str:
    """Return how the start is evaluated: in float64 if nothing else would do."""
    gram = problem.survey.gram
    if problem.solver != "newton" or gram is None or len(problem.suspects):
        return "double"
    return problem.newton(0).first_precision(gram)


def shrunk(problem: Problem, learned: FloatArray) -> FloatArray:
    """Return the optimum with kinks and bounds, by what the chains know.

    They have learned the optimum without these, and the Hessian there.
    """
    kinks, gram = problem.kinks, problem.survey.gram
    if kinks is None or gram is None:
        return learned
    information = gram + np.diag(problem.objective.penalty.curvature)
    zero = np.zeros(len(learned))
    return minimize_quadratic(information, zero, learned, kinks).theta


def check_start(start: object, n_params: int) -> FloatArray:
    """Return the start as a vector, or raise if it does not fit the model."""
    values = np.array(start, dtype=np.float64)
    if values.shape != (n_params,) or not np.isfinite(values).all():
        raise ValueError(
            f"start must be {n_params} finite numbers, intercept first, but is "
            f"{values!r}"
        )
    return values
