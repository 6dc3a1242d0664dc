"""What Firth's estimate takes of the rows, in the solver's coordinates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.kernel import Kernel
from dlogreg.kernel.leverages import Adjustment, LeverageKernel
from dlogreg.kernel.together import Sums, Together
from dlogreg.objective import Objective


@dataclass(frozen=True, slots=True, eq=False)
class PenalizedObjective:
    """The loss and the leverages that Firth's penalty takes.

    ``root`` is C with C C' the inverse of the information that leverages are taken
    from.
    """

    objective: Objective

    def evaluate(
        self, theta: FloatArray, root: FloatArray
    ) -> tuple[Evaluation, Adjustment]:
        """Read the data once; return the evaluation, and what the leverages add."""
        found = self.finished(self.run(self.kernel(theta, root)), theta)
        self.objective.passes.annotate(loss=found[0].loss)
        return found

    def leverages(self, theta: FloatArray, root: FloatArray) -> Adjustment:
        """Read the data once; return the latter alone."""
        return self.scaled(self.run(self.leverage_kernel(theta, root)))

    def run(self, kernel: Kernel) -> Any:
        """Read the data once; return the kernel's sums."""
        return self.objective.run(kernel)

    def kernel(self, theta: FloatArray, root: FloatArray) -> Together:
        """Return what sums both."""
        leverages = self.leverage_kernel(theta, root)
        return Together((leverages, self.objective.kernel(theta)))

    def leverage_kernel(self, theta: FloatArray, root: FloatArray) -> LeverageKernel:
        """Return what sums the leverages alone."""
        std, objective = self.objective.single, self.objective
        return LeverageKernel(
            std.centred(theta),
            root * std.units[:, None],
            std.mean,
            objective.classes[1],
            std.fit_intercept,
            objective.class_weight,
        )

    def finished(self, sums: Sums, theta: FloatArray) -> tuple[Evaluation, Adjustment]:
        """Return the sums of both in the solver's coordinates."""
        added, evaluation = sums.parts
        return self.objective.finished(evaluation, theta), self.scaled(added)

    def scaled(self, sums: Adjustment) -> Adjustment:
        """Return the sums of the leverages in the solver's coordinates."""
        return replace(sums, gradient=sums.gradient * self.objective.single.units)
