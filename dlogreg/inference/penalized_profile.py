"""Profile intervals of Firth's penalised likelihood, all ends in shared passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtri

from dlogreg.errors import ConvergenceWarning, InferenceError
from dlogreg.evaluation import FloatArray
from dlogreg.inference.likelihood_ratio import position_of
from dlogreg.kernel import Kernel
from dlogreg.kernel.together import Sums, Together
from dlogreg.objective import Objective
from dlogreg.objective.firth import PenalizedObjective
from dlogreg.passes import Passes
from dlogreg.penalty import PenaltyRule, Ridge
from dlogreg.rows_again import RowsAgain, check_unchanged
from dlogreg.solvers import Geometry, NewtonSystem, Point
from dlogreg.solvers.firth import FirthState, inverse_root
from dlogreg.solvers.firth_profile import PenalizedEnd
from dlogreg.user_warning import warn_user

if TYPE_CHECKING:
    from dlogreg.results import LogitResults

SIGNS = (-1.0, 1.0)
MATRIX_VALUES = 2**20
"""Values in the Hessians of one pass, at most; other ends come after."""
COARSEST, LEAST_TOL = 1e-4, 1e-7
"""Ends are found to tol standard errors, or to these where tol is beyond them."""


def penalized_intervals(
    results: LogitResults, rows: RowsAgain, alpha: float, names: Sequence[str] | None
) -> FloatArray:
    """Return the intervals of the named coefficients, shape (n_names, 2)."""
    results.cov_params()
    if not results.converged:
        reason = results.status.value
        raise InferenceError(
            f"a profile interval needs a fit that converged ({reason}); fit again"
        )
    wanted = results.names if names is None else tuple(names)
    places = [position_of(results, name) for name in wanted]
    ends = np.full((len(places), 2), np.nan)
    known = [i for i, p in enumerate(places) if np.isfinite(results.coefficients[p])]
    most = max(1, MATRIX_VALUES // (2 * len(results.coefficients) ** 2))
    for low in range(0, len(known), most):
        part = known[low : low + most]
        ends[part] = _ends(results, rows, alpha, [places[i] for i in part])
    _warn_of_failures(wanted, ends[known], known)
    return ends


def _ends(
    results: LogitResults, rows: RowsAgain, alpha: float, positions: Sequence[int]
) -> FloatArray:
    """Return both ends of each coefficient, found together."""
    height = float(chdtri(1, alpha)) / 2
    tol = max(min(results.tol, COARSEST), LEAST_TOL)
    with rows.reading() as passes:
        origin, geometry, objective = _origin(results, rows, passes)
        ends = []
        for p in positions:
            along = rows.standardization.direction(p)
            across = origin.system.solve(along)
            far = np.sqrt(2 * height / float(along @ across)) * across
            for sign in SIGNS:
                theta = origin.point.theta + sign * far
                least = origin.penalized
                ends.append(
                    PenalizedEnd(along, sign, least, height, tol, origin, theta)
                )
        while any(end.trial is not None for end in ends):
            _advance(objective, geometry, ends)
    return np.array([end.value for end in ends]).reshape(-1, 2)


def _origin(
    results: LogitResults, rows: RowsAgain, passes: Passes
) -> tuple[FirthState, Geometry, PenalizedObjective]:
    """Make the first pass: count the rows, and evaluate the estimate."""
    std = rows.standardization
    theta = std.to_theta(np.nan_to_num(results.coefficients, nan=0.0))
    objective = Objective(
        passes, std, Ridge.of(PenaltyRule(), 1.0, std), rows.classes, rows.class_weight
    )
    sums: Sums = passes.run(Together((rows.census, objective.kernel(theta))))
    census, found = sums.parts
    evaluation = objective.finished(found, theta)
    check_unchanged(results, census, evaluation.loss)
    kept = np.flatnonzero(np.isfinite(results.coefficients))
    assert evaluation.hessian is not None
    system = NewtonSystem.of(evaluation.hessian, kept)
    geometry = Geometry(
        census.reach, float(np.sqrt(census.max_norm)), census.column_squares
    )
    point = Point(theta, evaluation)
    return FirthState(point, system), geometry, PenalizedObjective(objective)


def _advance(
    objective: PenalizedObjective, geometry: Geometry, ends: Sequence[PenalizedEnd]
) -> None:
    """Give every end what it wants, from one read."""
    active = [end for end in ends if end.trial is not None]
    kernels: list[Kernel] = []
    for end in active:
        root = inverse_root(end.state.system)
        if end.wants_leverages:
            kernels.append(objective.leverage_kernel(end.state.point.theta, root))
        else:
            assert end.trial is not None
            kernels.append(objective.kernel(end.trial, root))
    sums: Sums = objective.run(Together(tuple(kernels)))
    for end, found in zip(active, sums.parts, strict=True):
        if end.wants_leverages:
            added = objective.scaled(found)
            end.receive_leverages(replace(end.state, adjustment=added, moved=0.0))
        else:
            assert end.trial is not None
            pair = objective.finished(found, end.trial)
            end.receive(end.state.followed(end.trial, *pair, geometry))


def _warn_of_failures(
    names: Sequence[str], ends: FloatArray, known: Sequence[int]
) -> None:
    failed = np.argwhere(np.isnan(ends))
    if len(failed):
        first, side = failed[0].tolist()
        warn_user(
            f"{len(failed)} of {ends.size} ends of profile intervals were not found "
            f"and are NaN, the first of them the {('lower', 'upper')[side]} end of "
            f"{names[known[first]]!r}; take method='wald' there",
            ConvergenceWarning,
        )
