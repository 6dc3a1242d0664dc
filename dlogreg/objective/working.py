"""theta -> loss, gradient of all columns, Hessian of some; one call is one pass.

Where theta is zero in all columns but the chosen ones, these alone make the linear
predictor, so that a fit of them is evaluated beside the gradient of all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.kernel.columns import ColumnsKernel
from dlogreg.kernel.together import Sums, Together
from dlogreg.objective import Objective
from dlogreg.penalty import Ridge


@dataclass(frozen=True, slots=True, eq=False)
class WorkingObjective:
    """The objective of all columns, with the Hessian of a few."""

    objective: Objective

    def __call__(
        self, theta: FloatArray, columns: npt.NDArray[np.intp]
    ) -> tuple[Evaluation, FloatArray]:
        """Return the evaluation at theta, and the Hessian of loss and ridge on columns.

        ``columns`` are positions of params in ascending order; theta is zero elsewhere.
        """
        objective = self.objective
        std = objective.single
        first = int(std.fit_intercept)
        features = columns[first:] - first
        inside = replace(
            objective,
            standardization=replace(
                std, mean=std.mean[features], scale=std.scale[features]
            ),
            penalty=Ridge(objective.penalty.curvature[columns]),
        )
        some = ColumnsKernel(inside.kernel(theta[columns]), features)
        both: Sums = objective.run(Together((objective.kernel(theta, 1), some)))
        whole, part = both.parts
        found = objective.finished(whole, theta)
        objective.passes.annotate(loss=found.loss)
        hessian = inside.finished(part, theta[columns]).hessian
        assert hessian is not None
        return found, hessian
