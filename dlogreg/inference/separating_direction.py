r"""The linear programmes that tell whether a few rows are separated, and by what.

Rows a_i = +z_i for the event and -z_i for the other class are separated if some b has
a_i'b >= 0 for all of them and > 0 for some. Then the likelihood grows along b without
end, and otherwise it has its maximum at finite coefficients (Albert and Anderson 1984,
Biometrika 71, 1-10). Konis (2007, Computational Algorithms for Detecting Separation,
Oxford) maximizes the sum of a_i'b within a box. Here every row counts up to one,

    maximize sum_i s_i   subject to   a_i'b >= s_i,  0 <= s_i <= 1,

because b has no length to lose: whatever rows can be on their right side at once have
s_i = 1 at the maximum, and all others, the *tied* rows, s_i = 0. So one programme finds
all infinite coefficients, where Konis' has to be repeated.

Among all such directions a second programme takes the one with the largest least
margin, which is the most likely to be right about rows that were not among these:

    maximize t   subject to   a_i'b >= t (strict),  a_i'b = 0 (tied),  abs(b_j) <= 1.

The equations are solved exactly, by a basis of what is orthogonal to the tied rows.

A part of the rows that overlaps proves that all of them do.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import svd
from scipy.sparse import csr_array, eye_array, hstack

from dlogreg.evaluation import FloatArray
from dlogreg.inference.kept_rows_fit import proven_to_overlap

LEAST_MARGIN = 1e-9
"""Of rows of largest value 1, by a direction of largest component 1: what is less
counts as zero."""
RANK_TOLERANCE = 1e-9
"""Singular values below this share of the largest count as zero."""
PROGRAMME: Any = {
    "primal_feasibility_tolerance": 1e-10,
    "dual_feasibility_tolerance": 1e-10,
}


@dataclass(frozen=True, slots=True, eq=False)
class Separation:
    """How far some rows can be separated."""

    direction: FloatArray | None
    """Has no row on its wrong side and as many as possible on their right side; None
    if there is no such row."""
    margin: float = 0.0
    """Least margin of the strict rows, each scaled to a largest value of 1."""
    n_tied: int = 0
    """Rows that no such direction can get to their right side."""


class UndecidedError(Exception):
    """A programme was not solved, or not to the accuracy that a verdict takes."""


def separate(rows: FloatArray) -> Separation:
    """Return the direction that separates signed rows as far as is possible.

    Rows that do not span the whole space leave directions in which nothing is known of
    the others; one of these is returned where there is no other, with the margin 0.

    Raises
    ------
    UndecidedError
        If rounding hides the answer.
    """
    rows = _scaled(rows)
    if proven_to_overlap(rows):
        return Separation(None, 0.0, len(rows))
    strict = _strict_rows(rows)
    tied = rows[~strict]
    basis = null_space(tied)
    if not strict.any():
        if not basis.size:
            return Separation(None, 0.0, len(tied))
        unknown = basis @ np.cos(np.arange(basis.shape[1]))  # no row lies on one side
        return Separation(unknown / np.abs(unknown).max(), 0.0, len(tied))
    direction, margin = _centre(rows[strict], basis)
    if not margin > LEAST_MARGIN:
        raise UndecidedError
    return Separation(direction, margin, len(tied))


def sparse_direction(rows: FloatArray, first: int) -> FloatArray | None:
    """Return a direction of few columns that has all rows on their right side.

    Columns are left out, many at once where that goes, until no other can be; the
    first, the intercept, does not count. None if the rows are not separated at all.
    """
    rows = _scaled(rows)
    found = _within(rows, np.arange(rows.shape[1]))
    if found is None:
        return None
    shares = np.abs(found) * np.abs(rows).max(axis=0)
    order = np.argsort(shares[first:], kind="stable") + first
    out = _needless(rows, order, np.empty(0, dtype=np.intp))
    return _within(rows, np.setdiff1d(np.arange(rows.shape[1]), out))


def _needless(
    rows: FloatArray, columns: npt.NDArray[np.intp], out: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Return which columns can be left out, beside those that are out already."""
    together = np.concatenate([out, columns])
    left = np.setdiff1d(np.arange(rows.shape[1]), together)
    if left.size and _within(rows, left) is not None:
        return together
    if len(columns) == 1:
        return out
    half = len(columns) // 2
    return _needless(rows, columns[half:], _needless(rows, columns[:half], out))


def _within(rows: FloatArray, columns: npt.NDArray[np.intp]) -> FloatArray | None:
    """Return a direction of these columns with all rows on their right side."""
    basis = np.eye(rows.shape[1])[:, columns]
    direction, margin = _centre(rows, basis)
    return direction if margin > LEAST_MARGIN else None


def null_space(rows: FloatArray) -> FloatArray:
    """Return an orthonormal basis of what is orthogonal to rows, (n_params, n)."""
    if not len(rows):
        return np.eye(rows.shape[1])
    if len(rows) > rows.shape[1]:
        rows = np.asarray(np.linalg.qr(rows, mode="r"))
    _, sizes, right = svd(rows, full_matrices=True)
    rank = int(np.sum(sizes > RANK_TOLERANCE * sizes.max(initial=0.0)))
    return np.asarray(right[rank:].T)


def _scaled(rows: FloatArray) -> FloatArray:
    """Return rows with a largest value of 1, without those that are zero."""
    largest = np.abs(rows).max(axis=1)
    positive = largest > 0
    return np.asarray(rows[positive] / largest[positive, None])


def _strict_rows(rows: FloatArray) -> npt.NDArray[np.bool_]:
    """Tell which rows can be on their right side with none on the wrong one."""
    n, k = rows.shape
    programme = hstack([csr_array(-rows), eye_array(n)], format="csr")
    cost = np.concatenate([np.zeros(k), -np.ones(n)])
    bounds = [(None, None)] * k + [(0.0, 1.0)] * n
    shares = _solve(cost, programme, np.zeros(n), bounds)[k:]
    strict = shares > 0.5
    if np.abs(shares - strict).max(initial=0.0) > 1e-3:
        raise UndecidedError
    return np.asarray(strict)


def _centre(rows: FloatArray, basis: FloatArray) -> tuple[FloatArray, float]:
    """Return the combination of a basis with the largest least margin, and that."""
    inside = rows @ basis
    (n, k), n_params = inside.shape, len(basis)
    column = np.concatenate([np.ones(n), np.zeros(2 * n_params)])[:, None]
    programme = np.hstack([np.concatenate([-inside, basis, -basis]), column])
    limits = np.concatenate([np.zeros(n), np.ones(2 * n_params)])
    cost = np.append(np.zeros(k), -1.0)
    solved = _solve(cost, programme, limits, [(None, None)] * (k + 1))
    direction = basis @ solved[:k]
    return direction, float((rows @ direction).min())


def _solve(
    cost: FloatArray, programme: Any, limits: FloatArray, bounds: Any
) -> FloatArray:
    """Return the x of least cost with programme @ x <= limits."""
    linprog = import_module("scipy.optimize").linprog  # takes 0.1 s, seldom needed
    found = linprog(
        cost, programme, limits, bounds=bounds, method="highs", options=PROGRAMME
    )
    if found.status != 0:
        raise UndecidedError
    return np.asarray(found.x)
