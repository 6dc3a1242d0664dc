"""theta -> Evaluation of summed loss plus penalty; one call is one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dlogreg.evaluation import ClusterMeat, Evaluation, FloatArray, Label, TrialPoints
from dlogreg.kernel import (
    Kernel,
    LossKernel,
    SoftmaxKernel,
    SoftmaxPointsKernel,
    TrialPointsKernel,
)
from dlogreg.kernel.face import Face, FaceKernel
from dlogreg.kernel.together import Together
from dlogreg.partition import Partition
from dlogreg.passes import Passes
from dlogreg.penalty import Ridge, SymmetricRidge
from dlogreg.standardization import StackedStandardization, Standardization


@dataclass(frozen=True, eq=False)
class Objective:
    """The summed loss of the data plus the penalty, in the solver's coordinates.

    For more than two classes theta holds one equation after the other.
    """

    passes: Passes
    standardization: Standardization | StackedStandardization
    penalty: Ridge | SymmetricRidge
    classes: tuple[Label, ...]
    """(other, event), or the labels with the reference first."""
    class_weight: tuple[tuple[Label, float], ...] = ()
    partitions: Sequence[Partition] = ()
    """The same rows as those of the passes, if they are to be summed otherwise."""
    squares_weight: bool = False
    """Weights are no frequencies: see ``LossKernel``."""
    face: Face | None = None
    """If given, the loss is that of its rows alone."""
    most_groups: int = 0
    """Most groups of which a closing pass sums scores; 0 without groups."""
    holdout: Callable[[FloatArray], Kernel] | None = None
    """Returns what scores the rows held out by such coefficients, of columns as they
    were given; a closing pass does it along."""

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
        rest = (order, direction, step_lengths)
        kernel, held = self.kernel(theta, *rest, precision), None
        if self.holdout is None or precision != "closing" or self.face is not None:
            sums = self.run(kernel)
        else:
            scores = self.holdout(self.standardization.to_params(theta))
            held, sums = self.run(Together((scores, kernel))).parts
        evaluation = self.finished(sums, theta, direction, step_lengths)
        if held is not None:
            evaluation = replace(evaluation, held=held)
        self.passes.annotate(loss=evaluation.loss)
        return evaluation

    @property
    def single(self) -> Standardization:
        """The coordinates of two classes, which have one equation."""
        assert isinstance(self.standardization, Standardization)
        return self.standardization

    def run(self, kernel: Kernel) -> Any:
        """Read the data once; return the sums of a kernel over the rows."""
        if self.face is not None:
            kernel = FaceKernel(kernel, self.face)
        return self.passes.run(kernel, self.partitions)

    def finished(
        self,
        sums: Evaluation,
        theta: FloatArray,
        direction: FloatArray | None = None,
        step_lengths: tuple[float, ...] = (),
    ) -> Evaluation:
        """Return the kernel's sums in the solver's coordinates, with the penalty."""
        scaled = self.standardization.scaled(_with_meat(sums))
        trials = (
            [] if direction is None else [theta + t * direction for t in step_lengths]
        )
        return self.penalty.added(scaled, theta, trials)

    def points(
        self,
        vectors: FloatArray,
        mixing: FloatArray,
        *,
        intercept_curvatures: int = 0,
    ) -> TrialPoints:
        """Read the data once; return loss and gradient at columns of vectors @ mixing.

        The intercept's curvatures, at so many of the first points, are known for two
        classes alone.
        """
        kernel = self._points_kernel(vectors, mixing, intercept_curvatures)
        sums: TrialPoints = self.passes.run(kernel, self.partitions)
        scaled = self.standardization.scaled_points(sums)
        thetas = (vectors @ shares for shares in mixing.T)
        found = self.penalty.added_to_points(scaled, thetas)
        self.passes.annotate(loss=float(found.losses.min()))
        return found

    def _points_kernel(
        self, vectors: FloatArray, mixing: FloatArray, intercept_curvatures: int
    ) -> Kernel:
        """Return the kernel of the classes at the columns of vectors @ mixing."""
        std = self.standardization
        params, first = std.centred_points(vectors), std.fit_intercept
        if len(self.classes) > 2:
            return SoftmaxPointsKernel(
                params @ mixing, std.mean, self.classes, first, self.class_weight
            )
        return TrialPointsKernel(
            params,
            std.mean,
            self.classes[1],
            first,
            intercept_curvatures * first,
            self.class_weight,
            std.sparse,
            mixing,
            std.compiled,
        )

    def kernel(
        self,
        theta: FloatArray,
        order: int = 2,
        direction: FloatArray | None = None,
        step_lengths: tuple[float, ...] = (),
        precision: str = "double",
    ) -> Kernel:
        """Return the kernel of the classes that evaluates theta."""
        std, rest = self.standardization, (step_lengths, self.class_weight)
        params = std.centred(theta)
        along = None if direction is None else std.centred(direction)
        if len(self.classes) == 2:
            event, first = self.classes[1], std.fit_intercept
            return LossKernel(
                params,
                std.mean,
                event,
                first,
                order,
                along,
                *rest,
                precision,
                self.squares_weight,
                self.most_groups,
                std.sparse,
                std.compiled,
            )
        shape = (len(self.classes) - 1, -1)
        return SoftmaxKernel(
            params.reshape(shape),
            std.mean,
            self.classes,
            std.fit_intercept,
            order,
            None if along is None else along.reshape(shape),
            *rest,
            precision,
            self.squares_weight,
        )


def _with_meat(sums: Evaluation) -> Evaluation:
    """Return the sums with the groups' scores made a matrix, which is all that stays.

    The columns of the factor are the groups, in the order of their labels.
    """
    scores = sums.clusters
    if scores is None:
        return sums
    u = scores.sums[:, :-1]
    heaviest = float(scores.sums[:, -1].max(initial=0.0))
    meat = ClusterMeat(u.T @ u, len(scores), heaviest)
    return replace(sums, clusters=None, cluster_meat=meat)
