"""theta -> Evaluation of summed loss plus penalty; one call is one pass."""

from __future__ import annotations

from dataclasses import dataclass

from dlogreg.evaluation import Evaluation, FloatArray, Label, TrialPoints
from dlogreg.kernel import LossKernel, TrialPointsKernel
from dlogreg.passes import Passes
from dlogreg.penalty import Ridge
from dlogreg.standardization import Standardization


@dataclass(frozen=True, eq=False)
class Objective:
    """The summed loss of the data plus the penalty, in the solver's coordinates."""

    passes: Passes
    standardization: Standardization
    penalty: Ridge
    event: Label
    class_weight: tuple[tuple[Label, float], ...] = ()

    def __call__(
        self,
        theta: FloatArray,
        order: int = 2,
        direction: FloatArray | None = None,
        step_lengths: tuple[float, ...] = (),
        precision: str = "double",
    ) -> Evaluation:
        """Read the data once; return the evaluation at theta.

        With a direction, losses at ``theta + t * direction`` for every step length t
        come from the same read.
        """
        std = self.standardization
        kernel = LossKernel(
            std.centred(theta),
            std.mean,
            self.event,
            std.fit_intercept,
            order,
            None if direction is None else std.centred(direction),
            step_lengths,
            self.class_weight,
            precision,
        )
        sums = std.scaled(self.passes.run(kernel))
        trials = (
            [] if direction is None else [theta + t * direction for t in step_lengths]
        )
        evaluation = self.penalty.added(sums, theta, trials)
        self.passes.annotate(loss=evaluation.loss)
        return evaluation

    def points(
        self, thetas: FloatArray, *, intercept_curvatures: bool = False
    ) -> TrialPoints:
        """Read the data once; return loss and gradient at every column of thetas."""
        std = self.standardization
        kernel = TrialPointsKernel(
            thetas * std.units[:, None],
            std.mean,
            self.event,
            std.fit_intercept,
            intercept_curvatures and std.fit_intercept,
            self.class_weight,
        )
        sums = std.scaled_points(self.passes.run(kernel))
        found = self.penalty.added_to_points(sums, thetas)
        self.passes.annotate(loss=float(found.losses.min()))
        return found
