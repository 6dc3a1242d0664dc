"""The end of a fit: the closing pass, the warnings, and the results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.checks import alias_message
from dlogreg.covariances import (
    aliased_mask,
    find_covariances,
    n_observations,
    step_error,
)
from dlogreg.describing import closing_sums, column_sums, find_indicators
from dlogreg.errors import CollinearityWarning, ConvergenceWarning, SeparationWarning
from dlogreg.evaluation import FloatArray
from dlogreg.penalty_columns import within_bounds
from dlogreg.problem import Problem
from dlogreg.results import LogitResults, MultinomialResults, Results
from dlogreg.sampled_bound import sampled_bound
from dlogreg.separation.report import SeparationReport, report_separation
from dlogreg.solvers import NewtonSystem, Point, Solution, Status
from dlogreg.solvers.newton import LARGEST_ERROR
from dlogreg.user_warning import warn_user

if TYPE_CHECKING:
    from dlogreg.inference.goodness import GoodnessOfFit
    from dlogreg.rows_again import RowsAgain

USELESS = (
    Status.SEPARATED,
    Status.SEPARATION_SUSPECTED,
    Status.UNDECIDED,
    Status.INTERRUPTED,
)
"""Ends at which a closing pass would tell nothing."""
UNCONFIRMED = (
    "converged by an estimate of the distance that nothing confirms, since the Hessian "
    "of so many coefficients is not formed: if columns are nearly collinear, the "
    "coefficients may be many standard errors off; give solver='newton' if memory "
    "allows, or with two classes a penalty on every column, alpha > 0: either proves a "
    "bound"
)
MOST_CLOSING = 4
"""Closing passes; their steps end quadratically, and one is nearly always enough."""


def close(problem: Problem, solution: Solution) -> Solution:
    """Make the closing pass: evaluate at the answer and take its own tiny step.

    Log-likelihood and covariance come from this pass. It is left out where it would
    tell nothing (separated data, a penalty), where the Hessian is too large, after
    Ctrl-C, where the solver's start has taken the pass that was left for it, and where
    the solver's last pass was already so close that it can serve. Where the data tell
    so little that a standard error is a long way, others follow.

    Where it is left out, an estimate of L-BFGS's distance is looked at by other means.
    """
    options = problem.options
    feasible = options.ends_with_hessian(problem.solver, problem.n_params)
    wanted = options.inference and feasible and not (options.penalty or options.firth)
    if not wanted:
        return _checked(problem, solution)
    if solution.status in USELESS:
        return solution
    largest = min(options.tol, LARGEST_ERROR)
    for _ in range(MOST_CLOSING):
        left = options.max_passes - problem.passes.n_passes
        if left <= 0:
            break
        measured = _measured(problem, solution)
        if measured is not None and measured.inverse_error <= largest:
            return measured
        del measured  # its matrix would be held during a pass
        solution, largest = _evaluated_again(problem, solution), LARGEST_ERROR
        if solution.status is not Status.CONVERGED:
            break
    return solution


def _checked(problem: Problem, solution: Solution) -> Solution:
    """Return a solution that is as near as it says, where L-BFGS only estimates that.

    Where neither the pilot's rows nor a pass with the Hessian shows it, Newton's method
    goes on.
    """
    options = problem.options
    estimated = solution.status is Status.CONVERGED_UNCERTIFIED
    if not (estimated and options.may_go_on(problem.solver, problem.n_params)):
        return solution
    bound, proven = sampled_bound(problem, solution.point)
    if bound <= options.tol and proven:
        return replace(solution, status=Status.CONVERGED, error_bound=bound)
    if bound <= options.tol:
        return solution
    if problem.passes.n_passes >= options.max_passes:
        return replace(solution, status=Status.MAX_PASSES)
    return _evaluated_again(problem, solution, "double")


def _evaluated_again(
    problem: Problem, solution: Solution, precision: str = "closing"
) -> Solution:
    """Return the solution that one more pass and its step lead to."""
    try:
        point = Point(
            solution.theta, problem.objective(solution.theta, precision=precision)
        )
    except KeyboardInterrupt:
        return replace(solution, status=Status.INTERRUPTED)
    left = problem.options.max_passes - problem.passes.n_passes
    certificate = problem.newton(0).certify(point)
    problem.passes.annotate(
        error_bound=certificate.after, decrement=certificate.decrement
    )
    far = certificate.after > problem.options.tol
    if far and certificate.decrement <= problem.options.tol:
        far = not _singular(problem, point)  # of which nothing is proven
    if solution.status is Status.CONVERGED_UNCERTIFIED and far:
        # L-BFGS has taken itself to be nearer than it was; now there is a Hessian
        found = problem.by_newton(point, left)
        spent = solution.n_evaluations + 1 + found.n_evaluations
        return replace(found, n_evaluations=spent)
    status, proven = solution.status, np.isfinite(certificate.after)
    if certificate.after <= problem.options.tol:
        status = Status.CONVERGED
    elif status is Status.CONVERGED:
        status = Status.STALLED
    theta = point.theta + certificate.step if proven else point.theta
    bound = certificate.after if proven else certificate.here
    spent = solution.n_evaluations + 1
    return Solution(theta, point, status, bound, spent, certificate.step)


def _singular(problem: Problem, point: Point) -> bool:
    hessian = point.evaluation.hessian
    assert hessian is not None
    return NewtonSystem.of(hessian, problem.kept).regularized


def _measured(problem: Problem, solution: Solution) -> Solution | None:
    """Return the solution with the inverse of the last pass's Hessian, if it has one.

    None where that pass cannot serve for inference, however near it was.
    """
    hessian = solution.point.evaluation.hessian
    certified = solution.status is Status.CONVERGED and problem.passes.n_passes > 1
    closing = solution.point.evaluation.meat is not None
    if hessian is None or not (certified and closing):
        return None
    system = NewtonSystem.of(hessian, problem.kept)
    inverse = system.inverse()
    error = step_error(problem, solution, inverse)
    known = None if system.regularized else inverse
    return replace(solution, inverse=known, inverse_error=error)


def warn_about(
    problem: Problem, solution: Solution, separation: SeparationReport
) -> Status:
    """Warn of what the user must know; return the status."""
    if problem.dropped:
        warn_user(alias_message(problem.dropped), CollinearityWarning)
    if separation.message:
        warn_user(separation.message, SeparationWarning)
        return separation.status
    if solution.status in (Status.MAX_PASSES, Status.STALLED):
        bound = solution.error_bound
        far = f"error bound {bound:.2g} standard errors"
        if np.isnan(bound):
            far = "how far off the coefficients are is not known"
        advice = "raise max_passes or tol"
        warn_user(f"{solution.status.value}; {far}; {advice}", ConvergenceWarning)
    if solution.status is Status.CONVERGED_UNCERTIFIED and _unconfirmed(problem):
        warn_user(UNCONFIRMED, ConvergenceWarning)
    return solution.status


def _unconfirmed(problem: Problem) -> bool:
    """Tell whether L-BFGS has had the last word."""
    options, solver = problem.options, problem.solver
    return solver == "lbfgs" and not options.may_go_on(solver, problem.n_params)


def build_results(
    problem: Problem,
    solution: Solution,
    rows: RowsAgain | None = None,
    held: GoodnessOfFit | None = None,
) -> Results:
    """Map the solution back to the columns as the user gave them.

    Results of two classes remember where their ``rows`` are, and what is known of those
    ``held`` out.
    """
    survey, options, passes = problem.survey, problem.options, problem.passes
    separation = report_separation(problem, solution)
    status = warn_about(problem, solution, separation)
    found = find_covariances(problem, solution)
    described = closing_sums(problem, solution)
    columns = column_sums(problem, solution)
    kind: Callable[..., Results] = MultinomialResults
    if len(survey.classes) == 2:
        kind = partial(LogitResults, rows=rows, held=held)
    return kind(
        feature_names=_names(problem),
        classes=survey.classes,
        class_counts=survey.class_counts,
        fit_intercept=problem.standardization.fit_intercept,
        coefficients=_params(problem, solution, separation),
        covariance=separation.masked(found.model),
        robust_covariance=separation.masked(found.robust),
        cluster_covariance=separation.masked(found.cluster),
        n_groups=_n_groups(problem),
        cov_type=options.cov_type,
        llf=0.0 - _loss(problem, solution),
        llnull=problem.null_loglikelihood(),
        nobs=n_observations(problem),
        n_rows=survey.n_rows,
        n_dropped=survey.sums.n_dropped,
        alpha=options.penalty.strength(survey.weight_sum) / survey.weight_sum,
        status=status,
        error_bound=float(np.inf) if separation.columns else solution.error_bound,
        bse_error_bound=found.bse_error,
        solver=problem.solver,
        trace=tuple(passes.trace),
        separated=separation.columns,
        separation=separation.verdict,
        limit_coefficients=separation.limit,
        limit_direction=separation.direction,
        limit_error_bound=separation.error_bound,
        dropped=dict(problem.dropped),
        why_no_inference=found.why_not,
        scores=None if described is None else described.scores.counted(),
        column_sums=columns,
        indicators=find_indicators(problem, columns, _names(problem)),
        **options.kept,
        **passes.costs,
    )


def _params(
    problem: Problem, solution: Solution, separation: SeparationReport
) -> FloatArray:
    """Return the coefficients: NaN for aliased columns, infinite where separated."""
    bounds = problem.options.penalty.bounds
    params = problem.standardization.to_params(solution.theta)
    params = within_bounds(params, bounds)
    params[aliased_mask(problem)] = np.nan
    return problem.reported(separation.with_infinite(params))


def _n_groups(problem: Problem) -> int:
    clusters = problem.survey.sums.clusters
    return 0 if clusters is None else len(clusters)


def _names(problem: Problem) -> tuple[str, ...]:
    names = problem.options.feature_names
    assert names is not None
    return names


def _loss(problem: Problem, solution: Solution) -> float:
    """Return the loss without penalty at the answer, to second order from the point."""
    evaluation, penalty = solution.point.evaluation, problem.objective.penalty
    at = solution.point.theta
    loss = evaluation.loss - penalty.value(at)
    move = solution.theta - at
    if not move.any():
        return loss
    slope = (evaluation.gradient - penalty.gradient(at)) @ move
    if evaluation.hessian is None:
        bend = solution.bend - penalty.gradient(move) @ move
        return float(loss + slope + bend / 2)
    bend = move @ evaluation.hessian @ move - penalty.gradient(move) @ move
    return float(loss + slope + bend / 2)
