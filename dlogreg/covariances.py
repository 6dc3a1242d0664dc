"""The covariances of a fit: from the sums at its end, in the units of the columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dlogreg.errors import InferenceError
from dlogreg.evaluation import ClusterMeat, Evaluation, FloatArray
from dlogreg.inference.sandwich import (
    cluster_error,
    relative_error,
    sandwich,
    small_sample_factor,
    within_equations,
)
from dlogreg.problem import Problem
from dlogreg.solvers import NewtonSystem, Solution

SINGULAR = (
    "there are no standard errors, because the Hessian is singular: some columns are "
    "combinations of others, or the classes are separated; fit with solver='newton', "
    "which names them"
)

PENALISED = (
    "standard errors of penalised coefficients would ignore their bias; fit with "
    "alpha=0 for inference"
)
BOUNDED = (
    "standard errors would take no notice of the bounds; fit without bounds for "
    "inference"
)
NOT_WANTED = (
    "there are no standard errors, because the fit was made with inference=False; fit "
    "again with inference=True"
)
COMPLETE = (
    "there are no standard errors, because the classes are separated completely, so "
    "that every row is predicted for certain and nothing is left to estimate; leave "
    "out the columns that separate them"
)
NO_MEAT = (
    "there are no robust standard errors, because the fit ended before its closing "
    "pass ({}); raise max_passes, or fit with cov_type='model'"
)


@dataclass(frozen=True, slots=True, eq=False)
class FoundCovariances:
    """FoundCovariances of params, or the reason why there are none."""

    why_not: str
    model: FloatArray | None = None
    robust: FloatArray | None = None
    cluster: FloatArray | None = None
    bse_error: float = np.nan
    """Proven relative error of the standard errors of the kind that was chosen."""


def find_covariances(problem: Problem, solution: Solution) -> FoundCovariances:
    """Return the covariances and the proven error of their roots."""
    evaluation, options = solution.point.evaluation, problem.options
    if options.penalty:
        return FoundCovariances(PENALISED if options.penalty.alpha else BOUNDED)
    if not options.inference:
        return FoundCovariances(NOT_WANTED)
    if problem.limit is not None and problem.limit.complete:
        return FoundCovariances(COMPLETE)
    if evaluation.hessian is None or problem.passes.n_passes < 2:
        return FoundCovariances(_no_hessian(problem, evaluation))
    inverse, error = solution.inverse, solution.inverse_error
    if inverse is None:
        system = NewtonSystem.of(evaluation.hessian, problem.kept)
        if system.regularized:
            return FoundCovariances(SINGULAR)
        inverse = system.inverse()
        error = step_error(problem, solution, inverse)
    covariance = _of_params(problem, inverse)
    if evaluation.meat is not None:
        return _robust(problem, evaluation, inverse, covariance, error)
    if options.cov_type == "model":
        return FoundCovariances("", covariance, bse_error=error)
    return FoundCovariances(NO_MEAT.format(solution.status.value))


def _robust(
    problem: Problem,
    evaluation: Evaluation,
    inverse: FloatArray,
    covariance: FloatArray,
    error: float,
) -> FoundCovariances:
    """Return all covariances of a closing pass; ``error`` is that of the model's."""
    kind, kept = problem.options.cov_type, np.ix_(problem.kept, problem.kept)
    assert evaluation.meat is not None
    meat, clusters = evaluation.meat[kept], evaluation.cluster_meat
    robust = _of_params(problem, sandwich(inverse, meat))
    cluster = None
    if clusters is not None:
        clusters = replace(clusters, matrix=clusters.matrix[kept])
        cluster = _of_params(problem, sandwich(inverse, clusters.matrix))
    if kind in ("HC1", "cluster"):
        try:
            small_sample_factor(n_observations(problem), len(problem.kept), kind)
        except InferenceError as reason:
            return FoundCovariances(str(reason))
    reach = 2 * float(np.log1p(error))
    if kind == "cluster" and cluster is not None and clusters is not None:
        ratio = _inflation(covariance, cluster)
        error = cluster_error(inverse, meat, clusters, ratio, reach)
    elif kind != "model":
        ratio = _inflation(covariance, robust)
        error = _sandwich_error(problem, evaluation.meat, inverse, ratio, reach)
    return FoundCovariances("", covariance, robust, cluster, error)


def _sandwich_error(
    problem: Problem,
    meat: FloatArray,
    inverse: FloatArray,
    ratio: FloatArray,
    reach: float,
) -> float:
    """Return the proven relative error of standard errors by HC0 and HC1."""
    kept = np.ix_(problem.kept, problem.kept)
    n_equations = len(problem.survey.classes) - 1
    if n_equations == 1:
        return relative_error(inverse, meat[kept], ratio, reach)
    blocks = n_equations, problem.n_params // n_equations
    single = within_equations(meat, *blocks)[kept]
    rows = ClusterMeat(meat[kept], problem.survey.n_rows, float(n_equations))
    return cluster_error(inverse, single, rows, ratio, reach)


def _inflation(covariance: FloatArray, robust: FloatArray) -> FloatArray:
    """Return standard errors by the model divided by the robust ones."""
    with np.errstate(divide="ignore"):
        return np.sqrt(np.diagonal(covariance) / np.diagonal(robust))


def _of_params(problem: Problem, inside: FloatArray) -> FloatArray:
    """Return the covariance of params, NaN for aliased ones, from that of theta."""
    full = np.zeros((problem.n_params, problem.n_params))
    full[np.ix_(problem.kept, problem.kept)] = inside
    covariance = problem.standardization.covariance(full)
    aliased = aliased_mask(problem)
    covariance[aliased] = np.nan
    covariance[:, aliased] = np.nan
    return covariance


def _no_hessian(problem: Problem, evaluation: Evaluation) -> str:
    if evaluation.hessian is not None or problem.solver == "newton":
        return "the fit was interrupted before it had standard errors"
    why = (
        f"there are no standard errors, because the Hessian of {problem.n_params} "
        "coefficients was not formed"
    )
    if len(problem.survey.classes) > 2:
        return f"{why}; solver='newton' forms it if memory allows"
    return (
        f"{why}; errors_of() finds those of some coefficients, "
        "solver='newton' all if memory allows"
    )


def step_error(problem: Problem, solution: Solution, inverse: FloatArray) -> float:
    """Return exp(S/2) - 1, S how far the optimum moves any row's linear predictor.

    Standard errors come from the point that was evaluated. From there the step moves a
    predictor by at most sum_j reach_j abs(step_j), and what is left to the optimum by
    kappa times its length, see solvers/certificate.py.
    """
    move = solution.theta - solution.point.theta
    reach = problem.range_moved(move, inverse, solution.error_bound)
    return float(np.inf if reach > 1400.0 else np.expm1(reach / 2))


def aliased_mask(problem: Problem) -> npt.NDArray[np.bool_]:
    """Tell which params were dropped as aliased."""
    mask = np.ones(problem.n_params, dtype=bool)
    mask[problem.kept] = False
    return mask


def n_observations(problem: Problem) -> float:
    """Return the sum of frequency weights; rows with weights of another kind."""
    survey = problem.survey
    counted = problem.options.weight_kind == "frequency"
    return survey.weight_sum if counted else float(survey.n_rows)
