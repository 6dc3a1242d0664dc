"""The end of a fit: the closing pass, the warnings, and the results."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dlogreg.checks import alias_message
from dlogreg.describing import closing_sums, column_sums, find_indicators
from dlogreg.errors import (
    CollinearityWarning,
    ConvergenceWarning,
    InferenceError,
    SeparationWarning,
)
from dlogreg.evaluation import ClusterMeat, Evaluation, FloatArray
from dlogreg.inference.sandwich import (
    cluster_error,
    relative_error,
    sandwich,
    small_sample_factor,
    within_equations,
)
from dlogreg.multinomial import MultinomialResults
from dlogreg.penalty_columns import within_bounds
from dlogreg.problem import Problem
from dlogreg.results import LogitResults, Results
from dlogreg.separation_report import SeparationReport, report_separation
from dlogreg.solvers import NewtonSystem, Point, Solution, Status
from dlogreg.solvers.newton import LARGEST_ERROR

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
USELESS = (
    Status.SEPARATED,
    Status.SEPARATION_SUSPECTED,
    Status.UNDECIDED,
    Status.INTERRUPTED,
)
"""Ends at which a closing pass would tell nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class _Covariances:
    """Covariances of params, or the reason why there are none."""

    why_not: str
    model: FloatArray | None = None
    robust: FloatArray | None = None
    cluster: FloatArray | None = None
    bse_error: float = np.nan
    """Proven relative error of the standard errors of the kind that was chosen."""


def close(problem: Problem, solution: Solution) -> Solution:
    """Make the closing pass: evaluate at the answer and take its own tiny step.

    Log-likelihood and covariance come from this pass. It is left out where it would
    tell nothing (separated data, a penalty), where the Hessian is too large, after
    Ctrl-C, where the solver's start has taken the pass that was left for it, and where
    the solver's last pass was already so close that it can serve.
    """
    options = problem.options
    feasible = options.ends_with_hessian(problem.solver, problem.n_params)
    wanted = options.inference and feasible and not (options.penalty or options.firth)
    useful = solution.status not in USELESS
    left = options.max_passes - problem.passes.n_passes
    if not (wanted and useful and left > 0) or _serves(problem, solution):
        return solution
    try:
        point = Point(
            solution.theta, problem.objective(solution.theta, precision="closing")
        )
    except KeyboardInterrupt:
        return replace(solution, status=Status.INTERRUPTED)
    newton = problem.newton(0)
    certificate = newton.certify(point)
    problem.passes.annotate(
        error_bound=certificate.after, decrement=certificate.decrement
    )
    status, proven = solution.status, np.isfinite(certificate.after)
    if certificate.after <= problem.options.tol:
        status = Status.CONVERGED
    elif status is Status.CONVERGED:
        status = Status.STALLED
    theta = point.theta + certificate.step if proven else point.theta
    bound = certificate.after if proven else certificate.here
    spent = solution.n_evaluations + 1
    return Solution(theta, point, status, bound, spent, certificate.step)


def _serves(problem: Problem, solution: Solution) -> bool:
    """Tell whether the last pass gives standard errors as exact as coefficients."""
    hessian = solution.point.evaluation.hessian
    certified = solution.status is Status.CONVERGED and problem.passes.n_passes > 1
    closing = solution.point.evaluation.meat is not None
    if hessian is None or not (certified and closing):
        return False
    inverse = NewtonSystem.of(hessian, problem.kept).inverse()
    error = _relative_error(problem, solution, inverse)
    return error <= min(problem.options.tol, LARGEST_ERROR)


def warn_about(
    problem: Problem, solution: Solution, separation: SeparationReport
) -> Status:
    """Warn of what the user must know; return the status."""
    if problem.dropped:
        warnings.warn(alias_message(problem.dropped), CollinearityWarning, stacklevel=5)
    if separation.message:
        warnings.warn(separation.message, SeparationWarning, stacklevel=5)
        return separation.status
    if solution.status in (Status.MAX_PASSES, Status.STALLED):
        message = (
            f"{solution.status.value}; error bound {solution.error_bound:.2g} standard "
            "errors"
        )
        advice = "raise max_passes or tol"
        warnings.warn(f"{message}; {advice}", ConvergenceWarning, stacklevel=5)
    return solution.status


def build_results(problem: Problem, solution: Solution) -> Results:
    """Map the solution back to the columns as the user gave them."""
    survey, options, passes = problem.survey, problem.options, problem.passes
    std = problem.standardization
    separation = report_separation(problem, solution)
    status = warn_about(problem, solution, separation)
    params = within_bounds(std.to_params(solution.theta), options.penalty.bounds)
    params[_aliased(problem)] = np.nan
    params = separation.with_infinite(params)
    found = _covariances(problem, solution)
    tally, columns = passes.tally, column_sums(problem, solution)
    described = closing_sums(problem, solution)
    kind = LogitResults if len(survey.classes) == 2 else MultinomialResults
    return kind(
        feature_names=_names(problem),
        classes=survey.classes,
        class_counts=survey.class_counts,
        fit_intercept=std.fit_intercept,
        coefficients=problem.reported(params),
        covariance=separation.masked(found.model),
        robust_covariance=separation.masked(found.robust),
        cluster_covariance=separation.masked(found.cluster),
        n_groups=_n_groups(problem),
        cov_type=options.cov_type,
        llf=0.0 - _loss(problem, solution),
        llnull=problem.null_loglikelihood(),
        nobs=_nobs(problem),
        weight_kind=options.weight_kind,
        has_offset=options.has_offset,
        n_rows=survey.n_rows,
        n_dropped=survey.sums.n_dropped,
        alpha=options.penalty.strength(survey.weight_sum) / survey.weight_sum,
        l1_ratio=options.penalty.l1_ratio,
        bounded=options.penalty.bounds is not None,
        has_penalty_factor=options.penalty.factor is not None,
        status=status,
        error_bound=float(np.inf) if separation.columns else solution.error_bound,
        bse_error_bound=found.bse_error,
        tol=options.tol,
        solver=problem.solver,
        n_passes=passes.n_passes,
        bytes_read=tally.n_bytes,
        peak_memory=tally.peak_memory,
        trace=tuple(passes.trace),
        separated=separation.columns,
        separation=separation.verdict,
        limit_coefficients=separation.limit,
        limit_direction=separation.direction,
        limit_error_bound=separation.error_bound,
        dropped=dict(problem.dropped),
        why_no_inference=found.why_not,
        scores=None if described is None else described.scores,
        column_sums=columns,
        indicators=find_indicators(problem, columns, _names(problem)),
        firth=options.firth,
    )


def _nobs(problem: Problem) -> float:
    """Return the sum of frequency weights; rows with weights of another kind."""
    survey = problem.survey
    counted = problem.options.weight_kind == "frequency"
    return survey.weight_sum if counted else float(survey.n_rows)


def _n_groups(problem: Problem) -> int:
    clusters = problem.survey.sums.clusters
    return 0 if clusters is None else len(clusters)


def _names(problem: Problem) -> tuple[str, ...]:
    names = problem.options.feature_names
    assert names is not None
    return names


def _aliased(problem: Problem) -> npt.NDArray[np.bool_]:
    mask = np.ones(problem.n_params, dtype=bool)
    mask[problem.kept] = False
    return mask


def _loss(problem: Problem, solution: Solution) -> float:
    """Return the loss without penalty at the answer, to second order from the point."""
    evaluation, penalty = solution.point.evaluation, problem.objective.penalty
    at = solution.point.theta
    loss = evaluation.loss - penalty.value(at)
    move = solution.theta - at
    if evaluation.hessian is None or not move.any():
        return loss
    slope = (evaluation.gradient - penalty.gradient(at)) @ move
    bend = move @ evaluation.hessian @ move - penalty.gradient(move) @ move
    return float(loss + slope + bend / 2)


def _covariances(problem: Problem, solution: Solution) -> _Covariances:
    """Return the covariances and the proven error of their roots."""
    evaluation, options = solution.point.evaluation, problem.options
    if options.penalty:
        return _Covariances(PENALISED if options.penalty.alpha else BOUNDED)
    if not options.inference:
        return _Covariances(NOT_WANTED)
    if problem.limit is not None and problem.limit.complete:
        return _Covariances(COMPLETE)
    if evaluation.hessian is None or problem.passes.n_passes < 2:
        return _Covariances(_no_hessian(problem, evaluation))
    system = NewtonSystem.of(evaluation.hessian, problem.kept)
    if system.regularized:
        return _Covariances(SINGULAR)
    inverse = system.inverse()
    covariance = _of_params(problem, inverse)
    error = _relative_error(problem, solution, inverse)
    if evaluation.meat is not None:
        return _robust(problem, evaluation, inverse, covariance, error)
    if options.cov_type == "model":
        return _Covariances("", covariance, bse_error=error)
    return _Covariances(NO_MEAT.format(solution.status.value))


def _robust(
    problem: Problem,
    evaluation: Evaluation,
    inverse: FloatArray,
    covariance: FloatArray,
    error: float,
) -> _Covariances:
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
            small_sample_factor(_nobs(problem), len(problem.kept), kind)
        except InferenceError as reason:
            return _Covariances(str(reason))
    reach = 2 * float(np.log1p(error))
    if kind == "cluster" and cluster is not None and clusters is not None:
        ratio = _inflation(covariance, cluster)
        error = cluster_error(inverse, meat, clusters, ratio, reach)
    elif kind != "model":
        ratio = _inflation(covariance, robust)
        n_equations = len(problem.survey.classes) - 1
        if n_equations == 1:
            error = relative_error(inverse, meat, ratio, reach)
        else:
            blocks = n_equations, problem.n_params // n_equations
            single = within_equations(evaluation.meat, *blocks)[kept]
            rows = ClusterMeat(meat, problem.survey.n_rows, float(n_equations))
            error = cluster_error(inverse, single, rows, ratio, reach)
    return _Covariances("", covariance, robust, cluster, error)


def _inflation(covariance: FloatArray, robust: FloatArray) -> FloatArray:
    """Return standard errors by the model divided by the robust ones."""
    with np.errstate(divide="ignore"):
        return np.sqrt(np.diagonal(covariance) / np.diagonal(robust))


def _of_params(problem: Problem, inside: FloatArray) -> FloatArray:
    """Return the covariance of params, NaN for aliased ones, from that of theta."""
    full = np.zeros((problem.n_params, problem.n_params))
    full[np.ix_(problem.kept, problem.kept)] = inside
    covariance = problem.standardization.covariance(full)
    aliased = _aliased(problem)
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


def _relative_error(problem: Problem, solution: Solution, inverse: FloatArray) -> float:
    """Return exp(S/2) - 1, S how far the optimum moves any row's linear predictor.

    Standard errors come from the point that was evaluated. From there the step moves a
    predictor by at most sum_j reach_j abs(step_j), and what is left to the optimum by
    kappa times its length, see solvers/certificate.py.
    """
    move = solution.theta - solution.point.theta
    reach = problem.range_moved(move, inverse, solution.error_bound)
    return float(np.inf if reach > 1400.0 else np.expm1(reach / 2))
