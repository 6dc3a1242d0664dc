"""Intervals by profile likelihood: every end of every coefficient in shared passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtri

from dlogreg.errors import ConvergenceWarning
from dlogreg.evaluation import FloatArray
from dlogreg.inference.batch import (
    LEAST_TOL,
    SEPARATED,
    Batch,
    batches,
    check_testable,
    open_batch,
)
from dlogreg.inference.likelihood_ratio import position_of
from dlogreg.inference.separated import SIGNS, separated_ends
from dlogreg.rows_again import RowsAgain
from dlogreg.solvers.bracketing import Level
from dlogreg.solvers.many import advance_together
from dlogreg.solvers.profile import ProfileEnd
from dlogreg.solvers.quasi_newton import Constraint
from dlogreg.user_warning import warn_user

if TYPE_CHECKING:
    from dlogreg.results import LogitResults

UNPROVEN_TOL = 1e-6
"""The same where nothing is proven, because the data are separated."""
COARSEST = 1e-4
"""Ends are found to tol standard errors, or to this where tol is larger."""


def profile_intervals(
    results: LogitResults, rows: RowsAgain, alpha: float, names: Sequence[str] | None
) -> FloatArray:
    """Return the intervals of the named coefficients, shape (n_names, 2)."""
    check_testable(results, "a profile interval", separated=True)
    wanted = results.names if names is None else names
    places = [position_of(results, name) for name in wanted]
    ends = np.full((len(places), 2), np.nan)
    values = results.coefficients[places]
    for group in (
        np.flatnonzero(np.isfinite(values)),
        np.flatnonzero(np.isinf(values)),
    ):
        for run in batches(len(group), 2 * len(results.coefficients)):
            part = group[run.start : run.stop].tolist()
            ends[part] = _ends(results, rows, alpha, [places[i] for i in part])
    return ends


def _ends(
    results: LogitResults, rows: RowsAgain, alpha: float, positions: Sequence[int]
) -> FloatArray:
    """Return both ends of each coefficient, found together.

    Either all of the coefficients are infinite, or all are finite. Where the classes
    are separated, the profile of a finite one is that of the limiting problem.
    """
    quantile = float(chdtri(1, alpha))
    tol = max(min(results.tol, COARSEST), LEAST_TOL)
    with rows.reading() as passes:
        endless = bool(np.isinf(results.coefficients[positions[0]]))
        limiting = bool(results.separation) and not endless
        if results.status in SEPARATED and not limiting:
            tol = min(tol, UNPROVEN_TOL)
            batch = open_batch(results, rows, passes, [])
            directions = [rows.standardization.direction(p) for p in positions]
            limit = -results.llf if results.separation else None
            models = separated_ends(batch, directions, quantile, tol, limit)
        else:
            walds = _wald_ends(results, rows, positions, quantile)
            batch = open_batch(results, rows, passes, walds, limiting=limiting)
            models = _models(batch, quantile, tol)
        advance_together(batch.objective, models)
    _warn_of_failures(results, positions, models, tol)
    values = [m.value if m.error_bound <= tol else np.nan for m in models]
    return np.array(values).reshape(-1, 2)


def _wald_ends(
    results: LogitResults,
    rows: RowsAgain,
    positions: Sequence[int],
    quantile: float,
) -> list[Constraint]:
    half = np.sqrt(quantile * np.diagonal(results.cov_params("model")))
    return [
        Constraint(
            rows.standardization.direction(p)[:, None],
            np.array([results.coefficients[p] + sign * half[p]]),
        )
        for p in positions
        for sign in SIGNS
    ]


def _models(batch: Batch, quantile: float, tol: float) -> list[ProfileEnd]:
    optimum, error = batch.optimum
    models = []
    for i, start in enumerate(batch.starts):
        a = start.constraint.directions[:, 0]
        deviation = float(np.sqrt(a @ batch.metric.inverse @ a))
        level = Level(optimum, error, quantile / 2, deviation)
        end = ProfileEnd(
            batch.metric,
            batch.kept,
            a,
            SIGNS[i % 2],
            level,
            tol,
            batch.origin,
            start.theta,
        )
        if start.found is not None:
            end.receive(start.found)
        models.append(end)
    return models


def _warn_of_failures(
    results: LogitResults,
    positions: Sequence[int],
    models: Sequence[ProfileEnd],
    tol: float,
) -> None:
    failed = [i for i, model in enumerate(models) if not model.error_bound <= tol]
    if failed:
        name = results.names[positions[failed[0] // 2]]
        side = "lower" if failed[0] % 2 == 0 else "upper"
        bound = models[failed[0]].error_bound
        warn_user(
            f"{len(failed)} of {len(models)} ends of profile intervals were not found "
            f"to {tol:.2g} standard errors and are NaN, the first of them the {side} "
            f"end of {name!r} (error bound {bound:.2g}); take method='wald' there",
            ConvergenceWarning,
        )
