"""Rao's score test of columns that are not in the model, from one pass.

At the fitted coefficients, the gradient of the larger model is zero in the columns it
has in common with the fit, and u in the candidates. With the Hessian of the larger
model there, in parts, and V = H_zz - H_zx H_xx^-1 H_xz,

    statistic = u' V^-1 u,

jointly, and u_j^2 / V_jj column by column (Rao 1948; Cox and Hinkley 1974, 9.3). What
the fit has left of its own gradient is taken out of u to first order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.inference.batch import check_testable, estimated
from dlogreg.inference.likelihood_ratio import chi_squared
from dlogreg.inference.table import ChiSquaredTest, TestTable
from dlogreg.kernel import LossKernel
from dlogreg.kernel.beside import BesideKernel
from dlogreg.kernel.together import Sums, Together
from dlogreg.partition import partition_rows, pick_blocks
from dlogreg.reduction import TASKS_PER_THREAD, Reduction, compute_shared, count_rows
from dlogreg.rows_again import RowsAgain, check_unchanged
from dlogreg.scheduling import n_threads
from dlogreg.solvers.system import ALIAS_TOLERANCE, NewtonSystem, independent_columns
from dlogreg.source.beside import Beside, put_beside
from dlogreg.standardization import Standardization
from dlogreg.survey import PILOT_BLOCKS, PILOT_ROWS, PilotKernel, PilotRows

if TYPE_CHECKING:
    from dlogreg.results import LogitResults


def candidate_tests(results: LogitResults, rows: RowsAgain, Z: Any) -> TestTable:
    """Test every column of Z by itself, and all of them together."""
    check_testable(results, "a score test")
    beside = put_beside(rows.source, Z, compute=compute_shared, count_rows=count_rows)
    joined = _joined(rows, _scales(rows, beside, results.fit_intercept))
    theta = rows.standardization.to_theta(np.nan_to_num(results.coefficients, nan=0.0))
    evaluation = _evaluate(results, rows, beside, joined, theta)
    tests, joint = _tests(
        evaluation, estimated(results), len(theta), fit_intercept=results.fit_intercept
    )
    title = "Score test of columns that are not in the model"
    return TestTable(title, beside.names, tests, 1, joint)


def _scales(rows: RowsAgain, beside: Beside, fit_intercept: bool) -> Standardization:
    """Return means and scales of the columns of Z in a few blocks."""
    blocks = pick_blocks(beside.source, PILOT_BLOCKS)
    kernel = PilotKernel(max(PILOT_ROWS, 4 * len(beside.names)))
    found: PilotRows = Reduction(blocks, rows.inline).sum(kernel)[0]
    parts = [part.beside for part in found.rows if part.beside is not None]
    width = len(beside.names)
    Z = np.concatenate([part.reshape(-1, width) for part in parts]).astype(float)
    if not len(Z):
        Z = np.zeros((1, width))
    with np.errstate(all="ignore"):  # the kernel names NaN and infinity
        mean, variance = Z.mean(axis=0), Z.var(axis=0)
        return Standardization.from_moments(mean, variance, fit_intercept=fit_intercept)


def _joined(rows: RowsAgain, beside: Standardization) -> Standardization:
    std = rows.standardization
    mean = np.concatenate([std.mean, beside.mean])
    scale = np.concatenate([std.scale, beside.scale])
    return Standardization(mean, scale, std.fit_intercept)


def _evaluate(
    results: LogitResults,
    rows: RowsAgain,
    beside: Beside,
    joined: Standardization,
    theta: FloatArray,
) -> Evaluation:
    """Evaluate the larger model at the coefficients of the fit, in one pass."""
    m = len(beside.names)
    loss = LossKernel(
        joined.centred(np.concatenate([theta, np.zeros(m)])),
        joined.mean,
        rows.classes[-1],
        joined.fit_intercept,
        class_weight=rows.class_weight,
    )
    n_tasks = TASKS_PER_THREAD * n_threads()
    kernel = Together((rows.census, BesideKernel(loss, beside.names)))
    partitions = partition_rows(beside.source, joined.n_params, n_tasks)
    with rows.reading(partitions) as passes:
        sums: Sums = passes.run(kernel)
    census, evaluation = sums.parts
    check_unchanged(results, census, evaluation.loss)
    return joined.scaled(evaluation)


def _tests(
    evaluation: Evaluation,
    kept: npt.NDArray[np.intp],
    k: int,
    *,
    fit_intercept: bool,
) -> tuple[tuple[ChiSquaredTest, ...], ChiSquaredTest]:
    """Return the test of each candidate, and that of all."""
    hessian, gradient = evaluation.hessian, evaluation.gradient
    assert hessian is not None
    system = NewtonSystem.of(hessian[:k, :k], kept)
    across = np.column_stack([system.solve(column) for column in hessian[:k, k:].T])
    V = hessian[k:, k:] - hessian[k:, :k] @ across
    u = gradient[k:] - across.T @ gradient[:k]
    own = np.diagonal(hessian)[k:].copy()
    if fit_intercept:
        own -= hessian[0, k:] ** 2 / hessian[0, 0]
    new = np.diagonal(V) > ALIAS_TOLERANCE * np.maximum(own, np.finfo(float).tiny)
    tests = tuple(
        chi_squared(float(u[j] ** 2 / V[j, j]), 1) if new[j] else chi_squared(np.nan, 0)
        for j in range(len(u))
    )
    candidates = np.flatnonzero(new)
    inside = V[np.ix_(candidates, candidates)]
    free = candidates[
        independent_columns(
            inside, np.zeros(len(candidates), dtype=bool), fit_intercept=False
        )
    ]
    if not len(free):
        return tests, chi_squared(np.nan, 0)
    step = NewtonSystem.of(V, free).solve(u)
    return tests, chi_squared(float(u @ step), len(free))
