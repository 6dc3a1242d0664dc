r"""The certificate of Newton's method where there are kinks and bounds.

The objective is F = f + P, f the loss with any ridge part, P of ``separable``. A step d
leads from theta to the minimum z of the quadratic model of f plus P, so that some
subgradient u of P at z has  g + H d + u = e, with e what the inner solver has left.
Then the gradient g+ of f at z has, with H_t as in ``certificate``,

    g+ + u = integral of (H_t - H) d over t in [0, 1]  +  e,

and step 1 there holds with lambda = norm(d)_H and the norm of e added. Step 3 holds
because subgradients are monotone: at the optimum g* + u* = 0 and
(u* - u)'(x* - z) >= 0, hence  (g* - g+)'(x* - z) <= -(g+ + u)'(x* - z) <= lambda+ r.

All this needs H to be positive definite, and standard errors to exist, on a face alone:
the set A of the coefficients that move in the step, that stand neither at a kink nor at
a bound in z, and of others that might leave it. What is proven on A is about the
optimum x_A of the problem in which the rest stays where it is. It is that of the whole
problem if no slope of the rest can have changed so much that its coefficient would
leave. The slope of coefficient j outside A differs between the quadratic model at z and
x_A by at most

    sqrt(H_jj) lambda (exp(S) - 1 - S)/S  +  sqrt(H+_jj) exp(kappa+ r) r,

the first as in step 1, the second since norm(x_A - z) <= r and
abs(a'W_t b) <= exp(kappa+ r) sqrt(a'W+a) sqrt(b'W+b). What does not stay by this moves
into A, and all is done again. So models with more columns than rows are certified too,
as long as the Hessian of those that matter is not singular; then nothing is proven.

With Hg in the place of H, from products in float32 or from another point, eps enters
as in ``certificate``; where it is from another point alone, norms grow by exp(S0/2) at
most from one to the other, as in ``stale_hessian``, also where eps is above 1. Products
in float32 move the slope of coefficient j by another g sqrt(H_jj) sum_i sqrt(H_ii)
abs(d_i).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.solvers.certificate import (
    Certificate,
    Geometry,
    distance,
    gradient_rounding,
    hessian_error,
    remainder,
    single_error,
)
from dlogreg.solvers.penalized_quadratic import minimize_quadratic
from dlogreg.solvers.quadratic_model import QuadraticMinimum
from dlogreg.solvers.separable import Separable
from dlogreg.solvers.system import NewtonSystem

LARGEST_REACH = 50.0
"""Of S and S0: beyond, nothing is proven anyway."""


def certify_composite(
    evaluation: Evaluation, theta: FloatArray, penalty: Separable, geometry: Geometry
) -> Certificate:
    """Return the step to the minimum of the quadratic model, and its bounds.

    Parameters
    ----------
    evaluation
        At theta, of the loss with the ridge part; its loss with all of the penalty.
    theta
        The point, within the bounds.
    penalty
        Absolute values and bounds; its ridge part is zero.
    geometry
        How far rows reach.
    """
    assert evaluation.hessian is not None
    found = minimize_quadratic(evaluation.hessian, evaluation.gradient, theta, penalty)
    step = found.theta - theta
    face = found.free | (step != 0)
    slack = penalty.slack(found.theta, found.smooth)
    while True:
        known = _on_face(evaluation, theta, step, found, face, geometry)
        if not np.isfinite(known.after):
            return known
        more = ~face & (slack < _drift(evaluation, step, known))
        if not more.any():
            return known
        face = face | more


def _on_face(
    evaluation: Evaluation,
    theta: FloatArray,
    step: FloatArray,
    found: QuadraticMinimum,
    face: npt.NDArray[np.bool_],
    geometry: Geometry,
) -> Certificate:
    """Return the certificate for the coefficients of a face, the rest held."""
    kept, hessian = np.flatnonzero(face), evaluation.hessian
    assert hessian is not None
    if not len(kept):
        return Certificate(0.0, step, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    decrement = math.sqrt(max(0.0, float(step @ hessian @ step)))
    system = NewtonSystem.of(hessian, kept)
    inverse = system.inverse()
    kappa = geometry.kappa(inverse, kept)
    reach = min(geometry.moved(step), kappa * decrement)
    single = single_error(inverse, system.unit)
    if np.isinf(evaluation.rounding):
        single = np.inf
    eps, growth = _error_and_growth(evaluation, single)
    if system.regularized or np.isinf(growth):
        return Certificate(
            *(decrement, step, reach, np.inf, np.inf, np.inf, np.inf, 0.0, single),
            singular=system.regularized,
        )
    deviations = np.sqrt(np.diagonal(inverse))
    rounding = gradient_rounding(evaluation.loss, theta, geometry, deviations, kept)
    missing = found.residual[kept]
    rounding += math.sqrt(max(0.0, float(missing @ inverse @ missing)))
    known = (decrement, reach, kappa, eps, growth)
    exact, after = _after_step(*known, 0.0), _after_step(*known, rounding)
    here = decrement * growth + after
    return Certificate(
        *(decrement, step, reach, kappa, here, after, exact, rounding, single)
    )


def _after_step(
    decrement: float,
    reach: float,
    kappa: float,
    eps: float,
    growth: float,
    rounding: float,
) -> float:
    """Return the distance to the optimum on the face after the step."""
    if reach > LARGEST_REACH:
        return np.inf
    left = decrement * (eps + (1 + eps) * remainder(reach))
    later = growth * math.exp(reach / 2)
    return later * distance(later * kappa, later * (left + rounding))


def _error_and_growth(evaluation: Evaluation, single: float) -> tuple[float, float]:
    """Return eps, and by how much norms grow from the Hessian at hand to the true one.

    That is 1 / sqrt(1 - eps), infinite where eps is 1 or more. A Hessian of another
    point that is free of rounding is not above exp(S0) times the true one, whatever S0.
    """
    if evaluation.stale > LARGEST_REACH:
        return np.inf, np.inf
    eps = hessian_error(evaluation, single)
    if evaluation.rounding == 0:
        return eps, math.exp(evaluation.stale / 2)
    return eps, 1 / math.sqrt(1 - eps) if eps < 1 else np.inf


def _drift(evaluation: Evaluation, step: FloatArray, known: Certificate) -> FloatArray:
    """Return how far slopes may change from the model's at z to the optimum's."""
    hessian = evaluation.hessian
    assert hessian is not None
    root = np.sqrt(np.diagonal(hessian))
    eps, growth = _error_and_growth(evaluation, known.single_error)
    reach, after = known.step_reach, known.after
    left = known.decrement * (eps + (1 + eps) * remainder(reach)) + known.rounding
    kappa = known.kappa * math.exp(reach / 2) * growth
    if reach / 2 + kappa * after > LARGEST_REACH:
        return np.full(len(step), np.inf)
    later = math.exp(reach / 2 + kappa * after) * after
    rounded = evaluation.rounding * float(root @ np.abs(step))
    return np.asarray(root * (math.sqrt(1 + eps) * (left + later) + rounded))
