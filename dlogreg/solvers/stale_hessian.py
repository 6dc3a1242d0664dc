r"""A Hessian that many models share, and what it proves of a point where it is stale.

Let H be the Hessian at theta_old, M = H^-1, and theta another point with gradient g.
A model may be bound by linear constraints A'theta = c; then its gradient counts only
along them, in the norm of

    M_c = M - M A (A'M A)^-1 A'M,        lambda_old^2 = g' M_c g,

and its optimum is meant under them. With S0 >= max_i abs(x_i'(theta - theta_old)), row
weights lie within exp(-+S0) of those in H (Bach 2010; see ``certificate``), hence

    H(theta) >= exp(-S0) H,
    lambda <= exp(S0/2) lambda_old,  kappa <= exp(S0/2) kappa_old

and the distance to the optimum, in the model's own standard errors at theta, is at most
-log(1 - kappa lambda) / kappa. S0 is not guessed from column ranges: the pass that
evaluates theta also finds the largest change of a row's predictor.

A step d = -M_c g that is not evaluated any more leaves, with S >= max_i abs(x_i'd), the
gradient g+ = integral of (H_t - H) d over t in [0, 1], and
abs(H_t - H) <= (exp(S0 + tS) - 1) H, so that

    norm(g+)_{M_c} <= lambda_old (exp(S0) (exp(S) - 1) / S - 1),

and the bound after it is that of theta + d with S0 + S in the place of S0.

The loss at the optimum, F*, is enclosed as well. Downwards, with r the distance in the
metric of H(theta) and s = kappa r, F(theta + e) >= F + g'e + r^2 (exp(-s) + s - 1)/s^2,
whose least value is at least F - lambda^2 / (4 chi), chi = (exp(-s) + s - 1)/s^2 at the
largest s that the bound allows. Upwards, F(theta + d) <= F - lambda_old^2 (1 - exp(S0)
(exp(S) - 1 - S)/S^2), and F itself is above F*.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.solvers.certificate import ROUNDING, Geometry, certify, distance
from dlogreg.solvers.system import NewtonSystem

LARGEST_NOMINAL = 1.0
"""Of S0, where a loss is taken for quadratic."""
LARGEST_REACH = 300.0
"""Of S0 and S: beyond it exp overflows, and nothing is proven anyway."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a pass found for one model."""

    theta: FloatArray
    loss: float
    gradient: FloatArray
    stale: float
    """Largest change of a row's predictor since the model's metric was taken."""
    hessian: FloatArray | None = None
    meat: FloatArray | None = None
    """The middle of the sandwich at the point, if it was asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class StaleHessian:
    """The Hessian at one point, factorised, and what rounding leaves of a gradient."""

    theta: FloatArray
    inverse: FloatArray
    """M, zero on aliased columns, shape (n_params, n_params)."""
    kappa: float
    rounding: float
    """Of the gradient, in the norm of M."""
    geometry: Geometry
    nominal: bool = False
    """Take the loss for quadratic, and so prove nothing: for separated data, where the
    Hessian is all but singular and kappa has no bound."""

    @classmethod
    def of(
        cls, found: Found, kept: npt.NDArray[np.intp], geometry: Geometry
    ) -> StaleHessian:
        """Factorise the Hessian that was found at a point."""
        assert found.hessian is not None
        evaluation = Evaluation(found.loss, found.gradient, found.hessian)
        system = NewtonSystem.of(found.hessian, kept)
        known = certify(evaluation, system, found.theta, geometry, single=False)
        inverse = np.zeros_like(found.hessian)
        inverse[np.ix_(kept, kept)] = system.inverse()
        return cls(found.theta, inverse, known.kappa, known.rounding, geometry)

    def renewed(self, found: Found, kept: npt.NDArray[np.intp]) -> StaleHessian:
        """Return the Hessian found at another point of the same rows."""
        new = StaleHessian.of(found, kept, self.geometry)
        return replace(new, nominal=self.nominal)

    def step_reach(self, step: FloatArray, decrement: float) -> float:
        """Return S, a bound on the change of any row's predictor by a step."""
        return min(self.geometry.moved(step), self.kappa * decrement)


@dataclass(frozen=True, slots=True)
class Proof:
    """What is proven about a point from a stale Hessian."""

    decrement: float
    """lambda_old."""
    here: float
    """Bound on the distance to the optimum, in standard errors; inf: nothing."""
    after: float
    """The same after the step."""
    lowest: float
    """The loss at the optimum is not below this,"""
    highest: float
    """and not above this."""


def prove(
    metric: StaleHessian, loss: float, decrement: float, stale: float, reach: float
) -> Proof:
    """Return the bounds of the module's text.

    Parameters
    ----------
    loss, decrement
        F and lambda_old at the point.
    stale
        S0, the largest change of a row's predictor since ``metric.theta``.
    reach
        S, the same for the step d = -M_c g.
    """
    if metric.nominal and stale <= LARGEST_NOMINAL:
        least = loss - decrement**2 / 2
        return Proof(decrement, decrement, decrement, least, least)
    if metric.nominal or stale + reach > LARGEST_REACH:
        return Proof(decrement, np.inf, np.inf, -np.inf, loss)
    growth = math.exp(stale / 2)
    kappa, now = growth * metric.kappa, growth * (decrement + metric.rounding)
    here = distance(kappa, now)
    left = decrement * _left_over(stale, reach) + metric.rounding
    later = math.exp((stale + reach) / 2)
    lost = ROUNDING * abs(loss)
    lowest = loss - lost - now**2 / (4 * _flattest(kappa * here))
    gained = decrement**2 * (1 - math.exp(stale) * _bend(reach))
    return Proof(
        decrement,
        here,
        distance(later * metric.kappa, later * left),
        lowest if math.isfinite(here) else -np.inf,
        loss + lost - max(0.0, gained),
    )


def _left_over(stale: float, reach: float) -> float:
    """Return exp(S0) (exp(S) - 1)/S - 1, or for small S a bound just above it."""
    slope = 1 + reach if reach < 1e-4 else math.expm1(reach) / reach
    return math.expm1(stale) + math.exp(stale) * (slope - 1)


def _bend(reach: float) -> float:
    """Return (exp(S) - 1 - S)/S^2, or for small S a bound just above it."""
    if reach < 1e-2:
        return 0.5 + reach / 4
    return (math.expm1(reach) - reach) / reach**2


def _flattest(reach: float) -> float:
    """Return (exp(-s) + s - 1)/s^2, or for small s a bound just below it."""
    if not math.isfinite(reach):
        return 0.25
    if reach < 1e-2:
        return 0.5 - reach / 6
    return (math.expm1(-reach) + reach) / reach**2
