"""thetas -> losses and gradients of B models; one call is one pass."""

from __future__ import annotations

from dataclasses import dataclass

from dlogreg.evaluation import FloatArray, Label, ManyEvaluation
from dlogreg.kernel import Kernel, ManyKernel
from dlogreg.kernel.face import Face, FaceKernel
from dlogreg.kernel.outcomes import Outcome
from dlogreg.passes import Passes
from dlogreg.standardization import Standardization


@dataclass(frozen=True, eq=False)
class ManyObjective:
    """The summed loss of B models over the same rows, in the solver's coordinates."""

    passes: Passes
    standardization: Standardization
    event: Label
    class_weight: tuple[tuple[Label, float], ...] = ()
    face: Face | None = None
    """If given, losses are those of its rows alone."""

    def __call__(
        self,
        thetas: FloatArray,
        moves: FloatArray | None = None,
        hessian_of: tuple[int, ...] = (),
    ) -> ManyEvaluation:
        """Read the data once; return the evaluation at the columns of thetas.

        With moves, shape (n_params, B), the largest change of any row's predictor by
        each is found too; ``hessian_of`` names the models whose Hessian is formed.
        """
        kernel = self.kernel(thetas, moves, hessian_of)
        return self.scaled(self.passes.run(kernel))

    def kernel(
        self,
        thetas: FloatArray,
        moves: FloatArray | None = None,
        hessian_of: tuple[int, ...] = (),
        outcomes: tuple[Outcome, ...] = (),
        *,
        meats: bool = False,
    ) -> Kernel:
        """Return what a pass runs over the blocks.

        ``outcomes`` are those of the models, where they differ; ``meats``: the middle
        of the sandwich is formed wherever the Hessian is.
        """
        std, unit = self.standardization, self.standardization.units[:, None]
        kernel = ManyKernel(
            thetas * unit,
            std.mean,
            self.event,
            std.fit_intercept,
            None if moves is None else moves * unit,
            hessian_of,
            self.class_weight,
            outcomes,
            meats,
        )
        return kernel if self.face is None else FaceKernel(kernel, self.face)

    def scaled(self, sums: ManyEvaluation) -> ManyEvaluation:
        """Return the kernel's sums in the coordinates of theta."""
        unit = self.standardization.units
        hessians, meats = (
            tuple(matrix * unit * unit[:, None] for matrix in matrices)
            for matrices in (sums.hessians, sums.meats)
        )
        gradients = sums.gradients * unit[:, None]
        return ManyEvaluation(sums.losses, gradients, sums.reaches, hessians, meats)
