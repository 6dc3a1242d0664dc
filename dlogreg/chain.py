"""A first pass that already learns: renewable estimation along chains of blocks.

A chain goes through its rows piece by piece. It holds an estimate b and the information
J behind it, and on each piece takes Newton steps towards the solution of (Luo and Song
2020, J. R. Stat. Soc. B 82, 69-97)

    J (b_prev - b) + score(b) = 0,

then adds the piece's information to J. Every chain starts from the same pilot estimate
b0 with information J0. What chain k gathers itself is J_k - J0; chains are merged by
that, since they read the rows of the pilot again. Of J0 only the prior and the penalty
in it, P, count, and once:

    J = P + sum_k (J_k - J0),   J b = sum_k (J_k b_k - J0 b0).

The result is only a start, and thrown away where its loss turns out to be above the
null model's. Going through the blocks of a chain in random order was tried and gives
the same number of passes, because every chain already starts from rows pooled over all
the data; in their own order the blocks can be read as they lie.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.kernel import CSR, AnySlab, LossKernel, Mixed, Rows
from dlogreg.penalty import Ridge
from dlogreg.standardization import Standardization

SECOND_STEP = 0.3
"""Rows get a second Newton step where the first changed their linear predictors by more
than this (weighted root mean square): only then does the Hessian change with it."""
LARGEST_MOVE = 5.0
"""Steps are shortened to move a far row's predictor by about this, counting each column
by its reach: without it a level that meets only one outcome in a chain runs off. The
pilot, which has the way from zero to go, searches for the length instead: for columns
with a long tail the short steps never arrive. To search in the chains too was tried,
and lets rare levels run."""
PRIOR = 1e-2
"""Information, in rows, given to every standardized coefficient before any is seen: so
a pilot with fewer rows than columns has a solution. A prior strong enough to hold rare
levels back was tried and costs a pass on heavy-tailed columns."""
PILOT_STEPS = 25


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A parameter vector, in the solver's coordinates, and what its chain gathered."""

    theta: FloatArray
    gathered: FloatArray
    """Information of the chain's rows, without what it started from."""


@dataclass(frozen=True, slots=True, eq=False)
class ChainSums:
    """Sums over chains of J_k - J0 and J_k b_k - J0 b0."""

    information: FloatArray
    moment: FloatArray

    def __add__(self, other: ChainSums) -> ChainSums:
        """Return the sums over the chains of both."""
        return ChainSums(
            self.information + other.information, self.moment + other.moment
        )


@dataclass(frozen=True, slots=True, eq=False)
class ChainStart:
    """Where every chain starts, and how it evaluates its rows."""

    theta: FloatArray
    """The pilot's estimate b0."""
    information: FloatArray
    """J0, with the prior and the penalty in it."""
    kernel: LossKernel
    units: FloatArray
    prior: FloatArray
    """Information that came from no row, the penalty's included, (n_params,)."""
    reach: FloatArray
    """Largest abs(z_ij) among the rows of the pilot, shape (n_params,)."""
    piece: int
    """Most rows from which the estimate is renewed at a time; blocks are cut evenly."""

    def open(self) -> Estimate:
        """Return a chain that has seen no row."""
        return Estimate(self.theta, np.zeros_like(self.information))

    def kernel_at(self, theta: FloatArray) -> LossKernel:
        """Return what evaluates rows at an estimate."""
        return replace(self.kernel, params=theta * self.units)

    def renew(
        self,
        before: Estimate,
        rows: Rows,
        buffers: AnySlab,
        found: Evaluation | None = None,
        *,
        steps: int = 2,
        enough: float = SECOND_STEP,
        search: bool = False,
    ) -> Estimate:
        """Return the estimate after some more rows.

        ``found`` is the kernel's evaluation of them at the estimate before, if it has
        been made; no other step reads the rows again unless it moves far.
        """
        theta, gathered = before.theta, before.gathered
        held = self.information + before.gathered
        for _ in range(steps):
            hessian, gradient = self._scaled(
                found or self._add_up(self.kernel_at(theta), rows, buffers)
            )
            pull = held @ (before.theta - theta) - gradient
            step = solve_scaled(held + hessian, pull)
            if step is None:
                return before
            gathered, found = before.gathered + hessian, None
            moved = _mean_move(step, hessian)
            reach = float(np.linalg.norm(step * self.reach))
            length = min(1.0, LARGEST_MOVE / max(reach, LARGEST_MOVE))
            if search and length < 1:
                away = theta - before.theta
                moves = [(t, away + t * step) for t in (1.0, 0.5, 0.25, 0.1, length)]
                length = self._best_length(theta, step, moves, held, rows, buffers)
            step = step * length
            theta = theta + step
            if moved <= enough:
                break
        return Estimate(theta, gathered)

    def _best_length(
        self,
        theta: FloatArray,
        step: FloatArray,
        moves: Sequence[tuple[float, FloatArray]],
        held: FloatArray,
        rows: Rows,
        buffers: AnySlab,
    ) -> float:
        """Return the length of a step that fits the rows and what is held best."""
        lengths = tuple(length for length, _ in moves)
        kernel = replace(
            self.kernel_at(theta),
            order=1,
            direction=step * self.units,
            step_lengths=lengths,
        )
        losses = self._add_up(kernel, rows, buffers).trial_losses
        assert losses is not None
        losses = losses + [0.5 * float(move @ held @ move) for _, move in moves]
        finite = np.where(np.isfinite(losses), losses, np.inf)
        return lengths[int(np.argmin(finite))]

    def _add_up(self, kernel: LossKernel, rows: Rows, buffers: AnySlab) -> Evaluation:
        sums = kernel.start()
        kernel.add(sums, rows, buffers)
        return kernel.finish(sums)

    def _scaled(self, found: Evaluation) -> tuple[FloatArray, FloatArray]:
        """Return Hessian and gradient in the solver's coordinates."""
        unit, hessian = self.units, found.hessian
        assert hessian is not None
        return hessian * unit * unit[:, None], found.gradient * unit

    def sums(self, estimate: Estimate) -> ChainSums:
        """Return what the chain adds to the merge."""
        gathered = estimate.gathered
        total = (self.information + gathered) @ estimate.theta
        return ChainSums(gathered, total - self.information @ self.theta)

    def merged(self, sums: ChainSums, kept: npt.NDArray[np.intp]) -> FloatArray | None:
        """Return the estimate of all chains on the kept columns; None without one."""
        information = sums.information + np.diag(self.prior)
        solved = solve_scaled(information[np.ix_(kept, kept)], sums.moment[kept])
        if solved is None or not np.isfinite(solved).all():
            return None
        theta = np.zeros(len(sums.moment))
        theta[kept] = solved
        return theta


def pilot_chain(
    rows: Rows,
    kernel: LossKernel,
    standardization: Standardization,
    penalty: Ridge,
    piece: int,
    mean_weight: float = 1.0,
    start: FloatArray | None = None,
) -> ChainStart:
    """Fit the pooled rows of the pilot; every chain starts from there.

    The pilot itself starts from zero unless told otherwise.
    """
    std = standardization
    reach = _reach(rows, std)
    prior = PRIOR * mean_weight + penalty.curvature
    nothing = ChainStart(
        np.zeros(std.n_params) if start is None else start,
        np.diag(prior),
        kernel,
        std.units,
        prior,
        reach,
        piece,
    )
    with np.errstate(all="ignore"):  # the survey names NaN and infinity
        first, slab = nothing.open(), kernel.open()
        pilot = nothing.renew(
            first, rows, slab, steps=PILOT_STEPS, enough=1e-2, search=True
        )
    information = nothing.information + pilot.gathered
    single = not std.sparse and _fits_single(std, reach, mean_weight)
    return replace(
        nothing,
        theta=pilot.theta,
        information=information,
        kernel=replace(kernel, precision="single") if single else kernel,
    )


def _fits_single(std: Standardization, reach: FloatArray, weight: float) -> bool:
    """Tell whether products of the columns stay well within the range of float32."""
    low, high = float(std.scale.min(initial=1.0)), float(std.scale.max(initial=1.0))
    high *= float(reach.max())
    return low > 1e-12 and high < 1e12 and 1e-12 < weight < 1e12


def _mean_move(step: FloatArray, hessian: FloatArray) -> float:
    """Return the root mean square of z'step over rows, weighted as in the Hessian.

    Columns have mean square one, so the mean of the diagonal is the sum of weights.
    """
    weight = float(np.trace(hessian)) / len(step)
    return math.sqrt(float(step @ hessian @ step) / max(weight, 1e-300))


def _reach(rows: Rows, std: Standardization) -> FloatArray:
    """Return the largest abs(z_ij); 1 for columns that are constant in the pilot."""
    with np.errstate(all="ignore"):
        if isinstance(rows.X, CSR | Mixed):
            ends = np.array(rows.X.column_extremes())
        elif len(rows):
            ends = np.array([rows.X.min(axis=0), rows.X.max(axis=0)], dtype=float)
        else:
            ends = std.mean[None]
        reach = np.abs((ends - std.mean) / std.scale).max(axis=0, initial=0.0)
    reach = np.where(np.isfinite(reach) & (reach > 0), reach, 1.0)
    return np.concatenate([np.ones(int(std.fit_intercept)), reach])


def solve_scaled(matrix: FloatArray, right: FloatArray) -> FloatArray | None:
    """Solve a positive definite system after scaling it to a unit diagonal."""
    diagonal = np.diagonal(matrix)
    if not (np.isfinite(matrix).all() and (diagonal > 0).all()):
        return None
    unit = 1 / np.sqrt(diagonal)
    _, solved, failed = lapack.dposv(matrix * unit * unit[:, None], right * unit)
    return None if failed else np.asarray(unit * solved)
