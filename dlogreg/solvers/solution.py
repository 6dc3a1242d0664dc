"""How a minimization ended, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.solvers.certificate import Certificate


class Status(Enum):
    """How a fit ended; the value is the sentence shown to the user."""

    CONVERGED = "converged: proven to be within tol standard errors of the optimum"
    CONVERGED_UNCERTIFIED = (
        "converged by an estimate of the distance; without a Hessian that can be "
        "inverted there is no proof"
    )
    BIAS_REDUCED = (
        "converged: the score of Firth's penalised likelihood is within tol standard "
        "errors of zero"
    )
    SEPARATED = (
        "separated: the named columns predict the outcome perfectly, "
        "so their coefficients have no finite optimum"
    )
    SEPARATION_SUSPECTED = (
        "separation suspected: coefficients keep growing while the loss levels off"
    )
    UNDECIDED = (
        "undecided: coefficients keep growing, and whether the classes are separated "
        "was neither proven nor refuted"
    )
    MAX_PASSES = "stopped at max_passes before reaching tol"
    STALLED = "stopped where rounding hides any further progress, before reaching tol"
    INTERRUPTED = "interrupted: the best point so far"

    @property
    def converged(self) -> bool:
        """Tell whether the optimum was reached."""
        ends = (Status.CONVERGED, Status.CONVERGED_UNCERTIFIED, Status.BIAS_REDUCED)
        return self in ends


class Evaluate(Protocol):
    """One pass: theta -> Evaluation, with losses along a direction if asked for."""

    def __call__(
        self,
        theta: FloatArray,
        order: int = 2,
        direction: FloatArray | None = None,
        step_lengths: tuple[float, ...] = (),
        precision: str = "double",
    ) -> Evaluation:
        """Evaluate at theta.

        ``precision`` "mixed" makes the Hessian's products in float32; "closing" sums in
        float64 what inference needs besides.
        """
        ...


class Watch(Protocol):
    """Looks for separation in the passes that a solver makes."""

    @property
    def separated(self) -> bool:
        """Whether it is proven that there is no finite optimum."""
        ...

    @property
    def searching(self) -> bool:
        """Whether the question is open, and further passes may answer it."""
        ...

    @property
    def overlaps(self) -> bool:
        """Whether it is proven that there is a finite optimum."""
        ...


Observe = Callable[[Certificate], None]


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """A parameter vector and what a pass found there."""

    theta: FloatArray
    evaluation: Evaluation


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """The end of a minimization."""

    theta: FloatArray
    """The answer: one Newton step beyond ``point`` where that step is certified."""
    point: Point
    """The last point that was evaluated."""
    status: Status
    error_bound: float
    """Largest distance of theta from the optimum, in standard errors; inf: unknown."""
    n_evaluations: int
    step: FloatArray | None = None
    """Newton's step at ``point``."""
    bend: float = 0.0
    """d'H d of the step to ``theta``, where ``point`` has no Hessian."""
    inverse: FloatArray | None = None
    """H^-1 at ``point``, of the columns that are not aliased; None: to be formed."""
    inverse_error: float = float("nan")
    """Proven relative error of standard errors by it."""
