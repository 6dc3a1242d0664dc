"""The fitted model evaluated anew, and beside it the first points of many others.

One pass counts the rows, evaluates the fit with its Hessian, and evaluates every other
model where the covariance of the fit says that its optimum is. So the shared Hessian
costs no pass of its own, whether the result remembers its rows or was loaded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dlogreg.errors import InferenceError
from dlogreg.evaluation import FloatArray
from dlogreg.inference.likelihoods import PSEUDO
from dlogreg.inference.limit import estimable, face_of
from dlogreg.kernel.together import Sums, Together
from dlogreg.objective.many import ManyObjective
from dlogreg.passes import Passes
from dlogreg.rows_again import RowsAgain, check_unchanged
from dlogreg.solvers import Geometry, Status
from dlogreg.solvers.many import one_of
from dlogreg.solvers.quasi_newton import Constraint
from dlogreg.solvers.stale_hessian import Found, Proof, StaleHessian, prove

if TYPE_CHECKING:
    from dlogreg.results import LogitResults, Results

BATCH_VALUES = 2**20
"""Values in the coefficients of the models of one batch; others come after it."""
LEAST_TOL = 1e-7
"""Models are not advanced beyond this, in standard errors: rounding is near."""
FAR_OFF = 0.1
"""A start farther from Wald's than this share of its distance is not used."""


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Where a model begins."""

    constraint: Constraint
    theta: FloatArray
    """Wald's estimate under the constraint."""
    found: Found | None
    """What the first pass found next to it; None where it missed it."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What the first pass found."""

    objective: ManyObjective
    kept: npt.NDArray[np.intp]
    metric: StaleHessian
    origin: Found
    """The fit."""
    proof: Proof
    """What is proven about it."""
    starts: tuple[Start, ...]

    @property
    def optimum(self) -> tuple[float, float]:
        """The least loss of all, and the proven error of it."""
        return enclosed(self.proof)


def enclosed(proof: Proof) -> tuple[float, float]:
    """Return the middle and half the width of where the least loss lies."""
    middle = (proof.lowest + proof.highest) / 2
    return middle, (proof.highest - proof.lowest) / 2


def estimated(results: LogitResults) -> npt.NDArray[np.intp]:
    """Return the positions of the coefficients that were not dropped."""
    return np.flatnonzero(~np.isnan(results.coefficients))


SEPARATED = (Status.SEPARATED, Status.SEPARATION_SUSPECTED, Status.UNDECIDED)
NEAR = 6.0
"""How far predictors of separated rows are moved to the right side, to begin with."""


def check_testable(
    results: Results, what: str, *, separated: bool = False, classes: bool = True
) -> None:
    """Refuse fits at whose end the likelihood says nothing.

    Raises
    ------
    InferenceError
        With more than two classes, unless ``classes`` do not matter; without standard
        errors, before convergence, and where the data are separated, unless that is
        allowed for.
    """
    if classes and len(results.classes) != 2:
        raise InferenceError(
            f"{what} is made for two classes, and this fit has {len(results.classes)}"
        )
    if results.firth:
        raise InferenceError(
            f"{what} is made for maximum likelihood, and this fit has firth=True; take "
            "conf_int(method='profile', names=[...]), or fit without it"
        )
    if results.weight_kind == "probability":
        raise InferenceError(f"{what} needs a likelihood, but {PSEUDO}")
    if results.status in SEPARATED and not separated:
        names = ", ".join(map(repr, results.separated[:5]))
        raise InferenceError(
            f"{what} needs a finite optimum, but {names} separate the classes; leave "
            "these columns out, or merge the level with another"
        )
    results.cov_params("model")
    if results.status in (Status.INTERRUPTED, Status.MAX_PASSES):
        reason = results.status.value
        raise InferenceError(f"{what} needs a fit that converged ({reason}); fit again")


def open_batch(
    results: LogitResults,
    rows: RowsAgain,
    passes: Passes,
    constraints: Sequence[Constraint],
    *,
    limiting: bool = False,
) -> Batch:
    """Make the first pass; ``limiting``: over the rows that are left of separation."""
    std, kept = rows.standardization, estimated(results)
    theta = std.to_theta(results.near_limit(0.0 if limiting else NEAR))
    known = std.theta_covariance(np.nan_to_num(results.cov_params("model"), nan=0.0))
    guesses = [constraint.nearest(theta, known) for constraint in constraints]
    thetas = np.column_stack([theta, *guesses])
    objective = rows.objective(passes)
    if limiting:
        assert results.limit_direction is not None
        face = face_of(std, std.to_theta(results.limit_direction))
        objective = replace(objective, face=face)
    kernel = objective.kernel(thetas, thetas - theta[:, None], (0,))
    sums: Sums = objective.passes.run(Together((rows.census, kernel)))
    census, many = sums.parts
    found = objective.scaled(many)
    origin = one_of(found, 0, theta, (0,))
    check_unchanged(results, census, origin.loss, limiting=limiting)
    if limiting:
        assert origin.hessian is not None
        kept, _ = estimable(origin.hessian, kept, fit_intercept=std.fit_intercept)
    geometry = Geometry(census.reach, math.sqrt(census.max_norm), census.column_squares)
    metric = StaleHessian.of(origin, kept, geometry)
    starts = tuple(
        _start(metric, origin, constraint, one_of(found, i, thetas[:, i]))
        for i, constraint in enumerate(constraints, 1)
    )
    return Batch(objective, kept, metric, origin, _prove(metric, origin), starts)


def _prove(metric: StaleHessian, origin: Found) -> Proof:
    step = -metric.inverse @ origin.gradient
    decrement = math.sqrt(max(0.0, -float(step @ origin.gradient)))
    reach = metric.step_reach(step, decrement)
    return prove(metric, origin.loss, decrement, 0.0, reach)


def _start(
    metric: StaleHessian, origin: Found, constraint: Constraint, found: Found
) -> Start:
    """Return Wald's estimate, and what was found if that was where it is."""
    assert origin.hessian is not None
    theta = constraint.nearest(origin.theta, metric.inverse)
    missed = found.theta - theta
    off = math.sqrt(max(0.0, float(missed @ origin.hessian @ missed)))
    distance = constraint.distance(origin.theta, metric.inverse)
    near = off <= max(FAR_OFF * distance, LEAST_TOL) and np.isfinite(found.loss)
    return Start(constraint, theta, found if near else None)


def most_together(n_params: int) -> int:
    """Return how many models are advanced together at most."""
    return max(1, BATCH_VALUES // n_params)


def batches(n_models: int, n_params: int) -> list[range]:
    """Return the models that are advanced together, as runs of their positions."""
    most = most_together(n_params)
    return [range(i, min(i + most, n_models)) for i in range(0, n_models, most)]
