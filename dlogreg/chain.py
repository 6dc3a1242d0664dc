"""A first pass that already learns: renewable estimation along chains of blocks.

A chain goes through its blocks one after the other. It holds an estimate b and the
information J gathered so far, and on each block takes Newton steps towards the solution
of (Luo and Song 2020, J. R. Stat. Soc. B 82, 69-97)

    J (b_prev - b) + score_block(b) = 0,

then adds the block's information to J. Every chain starts from the same pilot estimate
b0 with information J0. Independent chains are merged by their information, in which the
pilot must count once:

    J = sum_k J_k - (K - 1) J0,   J b = sum_k J_k b_k - (K - 1) J0 b0.

The result is only a start, and thrown away where its loss turns out to be above the
null model's. Going through the blocks of a chain in random order was tried and gives
the same number of passes, because every chain already starts from rows pooled over all
the data; in their own order the blocks can be read as they lie.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.kernel import LossKernel, Rows, Slab
from dlogreg.penalty import Ridge
from dlogreg.standardization import Standardization

SECOND_STEP = 0.3
"""Rows get a second Newton step where the first changed their linear predictors by more
than this (weighted root mean square): only then does the Hessian change with it."""
LARGEST_MOVE = 5.0
"""Steps are shortened to move a far row's predictor by about this, counting each column
by its reach: without it a level that meets only one outcome in a chain runs off."""
PRIOR = 1e-2
"""Information given to every standardized coefficient before any row is seen, so that
a pilot with fewer rows than columns has a solution. A prior strong enough to hold rare
levels back was tried and costs a pass on heavy-tailed columns."""
PILOT_STEPS = 25


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A parameter vector in the coordinates of the solver, and its information."""

    theta: FloatArray
    information: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ChainSums:
    """Sums over chains of J_k and J_k b_k."""

    information: FloatArray
    moment: FloatArray
    n_chains: int = 1

    def __add__(self, other: ChainSums) -> ChainSums:
        """Return the sums over the chains of both."""
        return ChainSums(
            self.information + other.information,
            self.moment + other.moment,
            self.n_chains + other.n_chains,
        )


@dataclass(frozen=True, slots=True, eq=False)
class ChainStart:
    """Where every chain starts, and how it evaluates a block."""

    pilot: Estimate
    kernel: LossKernel
    units: FloatArray
    prior: FloatArray
    """Information that came from no row, the penalty's included, (n_params,)."""
    reach: FloatArray
    """Largest abs(z_ij) among the rows of the pilot, shape (n_params,)."""
    piece: int
    """Rows from which the estimate is renewed at a time; blocks are cut into these."""

    def renew(self, estimate: Estimate, rows: Rows, slab: Slab) -> Estimate:
        """Return the estimate after one more block."""
        for part in rows.slabs(self.piece):
            estimate = self._renew(estimate, part, slab, 2, SECOND_STEP)
        return estimate

    def _renew(
        self, before: Estimate, rows: Rows, slab: Slab, steps: int, enough: float
    ) -> Estimate:
        theta, information = before.theta, before.information
        for _ in range(steps):
            found = self._evaluate(theta, rows, slab)
            assert found.hessian is not None
            information = before.information + found.hessian
            pull = before.information @ (before.theta - theta) - found.gradient
            step = solve_scaled(information, pull)
            if step is None:
                return before
            moved = _mean_move(step, found.hessian)
            reach = float(np.linalg.norm(step * self.reach))
            theta = theta + step * min(1.0, LARGEST_MOVE / max(reach, LARGEST_MOVE))
            if moved <= enough:
                break
        return Estimate(theta, information)

    def _evaluate(self, theta: FloatArray, rows: Rows, slab: Slab) -> Evaluation:
        """Return the block's own sums, in the solver's coordinates."""
        kernel = replace(self.kernel, params=theta * self.units)
        sums = kernel.start()
        kernel.add(sums, rows, slab)
        found, unit = kernel.finish(sums), self.units
        assert found.hessian is not None
        return Evaluation(
            found.loss, found.gradient * unit, found.hessian * unit * unit[:, None]
        )

    def merged(self, sums: ChainSums, kept: npt.NDArray[np.intp]) -> FloatArray | None:
        """Return the estimate of all chains on the kept columns; None without one."""
        extra, pilot = sums.n_chains - 1, self.pilot
        moment = sums.moment - extra * (pilot.information @ pilot.theta)
        inside = self._information(sums)[np.ix_(kept, kept)]
        solved = solve_scaled(inside, moment[kept])
        if solved is None or not np.isfinite(solved).all():
            return None
        theta = np.zeros(len(moment))
        theta[kept] = solved
        return theta

    def _information(self, sums: ChainSums) -> FloatArray:
        """Return the information of all chains, the pilot counted once."""
        return sums.information - (sums.n_chains - 1) * self.pilot.information

    def gathered(self, sums: ChainSums) -> FloatArray:
        """Return the information that came from rows: without prior and penalty."""
        return self._information(sums) - np.diag(self.prior)


def pilot_chain(
    rows: Rows,
    kernel: LossKernel,
    standardization: Standardization,
    penalty: Ridge,
    piece: int,
) -> ChainStart:
    """Fit the pooled rows of the pilot; every chain starts from there.

    The penalty is part of the pilot's information, so it counts once in the merge.
    """
    std = standardization
    reach = _reach(rows, std)
    prior = PRIOR + penalty.curvature
    before = Estimate(np.zeros(std.n_params), np.diag(prior))
    start = ChainStart(before, kernel, std.units, prior, reach, piece)
    with np.errstate(all="ignore"):  # the survey names NaN and infinity
        pilot = start._renew(before, rows, kernel.open(), PILOT_STEPS, 1e-2)
    return replace(start, pilot=pilot)


def _mean_move(step: FloatArray, hessian: FloatArray) -> float:
    """Return the root mean square of z'step over rows, weighted as in the Hessian.

    Columns have mean square one, so the mean of the diagonal is the sum of weights.
    """
    weight = float(np.trace(hessian)) / len(step)
    return math.sqrt(float(step @ hessian @ step) / max(weight, 1e-300))


def _reach(rows: Rows, std: Standardization) -> FloatArray:
    """Return the largest abs(z_ij); 1 for columns that are constant in the pilot."""
    X = rows.X.astype(float)
    with np.errstate(all="ignore"):
        reach = np.abs((X - std.mean) / std.scale).max(axis=0, initial=0.0)
    reach = np.where(np.isfinite(reach) & (reach > 0), reach, 1.0)
    return np.concatenate([np.ones(int(std.fit_intercept)), reach])


def solve_scaled(matrix: FloatArray, right: FloatArray) -> FloatArray | None:
    """Solve a positive definite system after scaling it to a unit diagonal."""
    diagonal = np.diagonal(matrix)
    if not (np.isfinite(matrix).all() and (diagonal > 0).all()):
        return None
    unit = 1 / np.sqrt(diagonal)
    try:
        factor = cho_factor(matrix * unit * unit[:, None], lower=True)
    except LinAlgError:
        return None
    return np.asarray(unit * cho_solve(factor, right * unit))
