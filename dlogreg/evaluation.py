"""What one pass over the data returns: sums that add.

Everything here is of the *loss* (the negative log-likelihood, which is minimised)
and *summed* over rows, never averaged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from dlogreg.spare_matrices import spare_matrices

if TYPE_CHECKING:
    from dlogreg.kernel.closing_sums import ClosingSums

FloatArray = npt.NDArray[np.float64]
Label = Any  # a bool, int, float or str: one value of y


PRODUCT_ROWS = 384
"""Rows of one product in float32."""
_TERMS = (PRODUCT_ROWS + 4) * 2.0**-24
SINGLE_ROUNDING = _TERMS / (1 - _TERMS)
"""g by which products in float32 are off at most, see ``kernel/row_slab.py``."""


class Summable(Protocol):
    """A sum over rows: adding two of them gives the sum over both sets of rows.

    With a method ``absorb(other)`` they are added in the memory that they have.
    """

    def __add__(self, other: Self) -> Self:
        """Return the sum over the rows of both."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ClusterMeat:
    """sum_g u_g u_g' of the scores of groups: the middle of their sandwich."""

    matrix: FloatArray
    """Shape (n_params, n_params)."""
    n_groups: int
    heaviest: float
    """Largest weight of a group; of its rows, where weights are no frequencies."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Loss and its derivatives at one parameter vector, summed over rows."""

    loss: float
    gradient: FloatArray
    """Shape (n_params,)."""
    hessian: FloatArray | None = None
    """Shape (n_params, n_params); None after a pass of first order."""
    trial_losses: FloatArray | None = None
    """Loss at ``params + t * direction`` for each trial step length t, if asked for."""
    rounding: float = 0.0
    """g, if products in float32 may be off by g sqrt(H_jj H_kk); 0: all in float64."""

    stale: float = 0.0
    """S0, if the Hessian is that of another point, from which no row's predictor has
    moved by more."""
    meat: FloatArray | None = None
    """sum_i s_i (p_i - y_i)^2 z_i z_i', the middle of sandwich covariances; only from
    a closing pass."""
    closing: ClosingSums | None = None
    """What describes the fit; only from a closing pass over two classes."""
    clusters: Any = None
    """``KeyedSums`` of the scores by group, until they are made the cluster's meat."""
    cluster_meat: ClusterMeat | None = None
    held: Any = None
    """What the rows held out summed to; only of a whole closing pass."""

    def __add__(self, other: Evaluation) -> Evaluation:
        """Return the sums over the rows of both."""
        return Evaluation(
            self.loss + other.loss,
            self.gradient + other.gradient,
            _sum(self.hessian, other.hessian),
            _add(self.trial_losses, other.trial_losses),
            max(self.rounding, other.rounding),
            max(self.stale, other.stale),
            _sum(self.meat, other.meat),
            None
            if self.closing is None or other.closing is None
            else self.closing + other.closing,
            None if self.clusters is None else self.clusters + other.clusters,
        )

    def absorb(self, other: Evaluation) -> Evaluation:
        """Return the sums of both, bit for bit, in matrices that are here.

        Neither may be read again: the matrices of one hold the sums, those of the other
        are spare.
        """
        rest = replace(self, hessian=None, meat=None) + other
        return replace(
            rest,
            hessian=_absorbed(self.hessian, other.hessian),
            meat=_absorbed(self.meat, other.meat),
        )


@dataclass(frozen=True, slots=True, eq=False)
class TrialPoints:
    """Loss and gradient at several parameter vectors, one column each."""

    losses: FloatArray
    """Shape (n_points,)."""
    gradients: FloatArray
    """Shape (n_params, n_points)."""
    intercept_curvatures: FloatArray | None = None
    """First columns of the Hessians, those of the intercept, at some of the points, the
    first ones; shape (n_params, n_curvatures)."""

    def __add__(self, other: TrialPoints) -> TrialPoints:
        """Return the sums over the rows of both."""
        return TrialPoints(
            self.losses + other.losses,
            self.gradients + other.gradients,
            _add(self.intercept_curvatures, other.intercept_curvatures),
        )

    def absorb(self, other: TrialPoints) -> TrialPoints:
        """Return the sums over the rows of both, in the memory of these."""
        self.losses[:] += other.losses
        self.gradients[:] += other.gradients
        bends = self.intercept_curvatures
        if bends is None or other.intercept_curvatures is None:
            return TrialPoints(self.losses, self.gradients)
        bends += other.intercept_curvatures
        return self


@dataclass(frozen=True, slots=True, eq=False)
class HessianProducts:
    """The Hessian times several vectors, and the gradient, at one parameter vector."""

    products: FloatArray
    """Shape (n_params, n_vectors)."""
    gradient: FloatArray
    """Shape (n_params,)."""

    def __add__(self, other: HessianProducts) -> HessianProducts:
        """Return the sums over the rows of both."""
        return HessianProducts(
            self.products + other.products, self.gradient + other.gradient
        )


def _add(left: FloatArray | None, right: FloatArray | None) -> FloatArray | None:
    return None if left is None or right is None else left + right


def _sum(left: FloatArray | None, right: FloatArray | None) -> FloatArray | None:
    if left is None or right is None:
        return None
    return np.add(left, right, out=spare_matrices.empty(left.shape))


def _absorbed(left: FloatArray | None, right: FloatArray | None) -> FloatArray | None:
    if left is None or right is None:
        return None
    left += right
    spare_matrices.give(right)
    return left


@dataclass(frozen=True, slots=True)
class Tally:
    """What a pass cost: counted inside the tasks, summed with the result."""

    n_rows: int = 0
    n_blocks: int = 0
    n_bytes: int = 0
    """Decoded bytes of the arrays that were loaded."""
    n_tasks: int = 0
    peak_memory: int = 0
    """Largest resident set, in bytes, of any process that took part."""
    reading: float = 0.0
    """Seconds that threads spent on loading and decoding blocks, all tasks together."""
    computing: float = 0.0
    """The same in the kernel."""
    reducing: float = 0.0
    """The same adding sums; where the driver adds, all threads are counted."""
    n_retries: int = 0
    """Reads that failed and were repeated."""

    def __add__(self, other: Tally) -> Tally:
        """Return the cost of both."""
        return Tally(
            self.n_rows + other.n_rows,
            self.n_blocks + other.n_blocks,
            self.n_bytes + other.n_bytes,
            self.n_tasks + other.n_tasks,
            max(self.peak_memory, other.peak_memory),
            self.reading + other.reading,
            self.computing + other.computing,
            self.reducing + other.reducing,
            self.n_retries + other.n_retries,
        )


@dataclass(frozen=True, slots=True)
class PassRecord:
    """What one pass over the data did and cost."""

    number: int
    """Position in the fit; the pilot, which reads a few blocks, is number 0."""
    kind: str
    """pilot, survey, loss_gradient_hessian, loss_gradient, ..."""
    seconds: float
    tally: Tally
    loss: float | None = None
    """Summed loss plus penalty at the point of the pass."""
    error_bound: float | None = None
    """Proven distance from the optimum, in standard errors, after the next step."""
    decrement: float | None = None
    """sqrt(g' H^-1 g), an estimate of the present distance, in standard errors."""
    n_threads: int = 0
    """Threads that could run its tasks; 0 where that was not recorded."""

    @property
    def reading(self) -> float:
        """Seconds of reading; like its kin below those of the average thread.

        reading + computing + reducing + waiting = seconds. NaN if not recorded.
        """
        return self._share(self.tally.reading)

    @property
    def computing(self) -> float:
        """Seconds in the kernel."""
        return self._share(self.tally.computing)

    @property
    def reducing(self) -> float:
        """Seconds of adding sums."""
        return self._share(self.tally.reducing)

    @property
    def waiting(self) -> float:
        """Seconds without work: scheduling, transfers, and tasks of unequal length."""
        busy = self.reading + self.computing + self.reducing
        return self.seconds - min(busy, self.seconds)

    def _share(self, seconds: float) -> float:
        return seconds / self.n_threads if self.n_threads else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class ManyEvaluation:
    """Losses and derivatives of B models, from one read of the same rows."""

    losses: FloatArray
    """Shape (B,)."""
    gradients: FloatArray
    """Shape (n_params, B)."""
    reaches: FloatArray
    """Largest abs(x_i'move_b) over rows, for the moves asked for; zeros without."""
    hessians: tuple[FloatArray, ...] = ()
    """Those of the models that were chosen, each (n_params, n_params)."""
    meats: tuple[FloatArray, ...] = ()
    """sum_i s_i (p_i - y_i)^2 z_i z_i' of the same models, if that was asked for."""

    def __add__(self, other: ManyEvaluation) -> ManyEvaluation:
        """Return the sums over the rows of both."""
        return ManyEvaluation(
            self.losses + other.losses,
            self.gradients + other.gradients,
            np.maximum(self.reaches, other.reaches),
            tuple(a + b for a, b in zip(self.hessians, other.hessians, strict=True)),
            tuple(a + b for a, b in zip(self.meats, other.meats, strict=True)),
        )
