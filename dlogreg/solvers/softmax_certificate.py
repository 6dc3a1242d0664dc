r"""The certificate of certificate.py for three or more classes.

Let a row's loss be l(eta) = log sum_k exp(eta_k) - eta_y with eta_0 = 0 for the
reference. At eta + t h the shares are p_t, and for directions u and h

    D2 l[u, u]    = Var_t(u) = E_t (u - E_t u)^2,
    D3 l[u, u, h] = E_t (u - E_t u)^2 (h - E_t h),

the third cumulant of the shares. Since E_t h lies between the least and the largest
h_k, abs(h_k - E_t h) <= range(h) = max_k h_k - min_k h_k (h_0 = 0 of the reference
included), and so

    abs(D3 l[u, u, h]) <= range(h) D2 l[u, u]:

along h the second derivative in every direction u changes by a factor of at most
exp(t range(h)) either way, by Groenwall. This is what the derivation for two classes
uses, where range(h) = abs(h) (Bach 2010; Sun and Tran-Dinh 2019, generalized
self-concordance with nu = 2). Summing over rows, for any S and kappa with

    S >= max_i range_k(z_i'd_k),   kappa >= max_i sup range_k(z_i'e_k) over
                                            e with norm(e)_H = 1,

steps 1 to 3 there hold word for word: abs(H_t - H) <= (exp(t S) - 1) H gives step 1,
H+ >= exp(-S) H and norm(e)_H <= exp(S/2) norm(e)_{H+} give step 2, and in step 3 no
row's range exceeds kappa+ r along the way to the optimum. The ridge penalty is a
quadratic form, and only adds the same term to both sides.

range_k(z'e_k) is the largest z'(e_k - e_l) over pairs of classes, a linear function of
e, whose supremum is sqrt(z' V_kl z) with

    V_kl = the covariance, in the metric H^-1, of the difference of equations k and l,
           (H^-1)_kk + (H^-1)_ll - (H^-1)_kl - (H^-1)_lk,   (H^-1)_kk for l = 0.

From reach_j = max_i abs(z_ij) and radius = max_i norm(z_i) therefore

    S     = max over pairs of min(sum_j reach_j abs(d_kj - d_lj),
                                  radius norm(d_k - d_l))
    kappa = max over pairs of min(sum_j reach_j sqrt((V_kl)_jj),
                                  radius sqrt(largest eigenvalue of V_kl)),

and S is at most kappa lambda. As before, abs(c'e) <= sqrt(c' H^-1 c) norm(e)_H bounds
every linear combination of all equations in its own standard error: coefficients
against the reference, against any other class, and those of the symmetric
parametrization alike.

A Hessian kept from another point, from which no row's range has moved by more than S0,
is within 1 +- eps of the one here, 1 + eps = exp(S0), by the same inequality, and its
eps enters as there.

The allowance for rounding is that of two classes in every equation: the residual of a
row, abs(p_k - [y = k]) <= 1 - p_y, squared is at most its loss -log p_y.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import Evaluation, FloatArray
from dlogreg.solvers.certificate import (
    ROUNDING,
    Certificate,
    Geometry,
)
from dlogreg.solvers.newton import Newton
from dlogreg.solvers.solution import Point
from dlogreg.solvers.system import EXACT_EIGENVALUE_SIZE, NewtonSystem
from dlogreg.standardization import congruent


@dataclass(frozen=True, slots=True, eq=False)
class SoftmaxGeometry:
    """How far rows reach in a model of several equations."""

    single: Geometry
    """The same for one equation."""
    n_equations: int
    mixing: FloatArray | None = None
    """What makes the equations from the lines of theta, see StackedStandardization."""

    def equations(self, theta: FloatArray) -> FloatArray:
        """Return the equations against the reference, (n_equations, n_names)."""
        lines = theta.reshape(self.n_equations, -1)
        return lines if self.mixing is None else np.asarray(self.mixing @ lines)

    def covariance(self, inverse: FloatArray) -> FloatArray:
        """Return H^-1 on the kept columns in terms of these equations."""
        return inverse if self.mixing is None else congruent(inverse, self.mixing)

    def moved(self, step: FloatArray) -> float:
        """Return a bound on the range of any row's predictors along a step."""
        lines = self.equations(step)
        return max(
            self._largest_move(np.vstack([line, line - lines[k + 1 :]]))
            for k, line in enumerate(lines)
        )

    def _largest_move(self, steps: FloatArray) -> float:
        """Return the largest bound on abs(z_i'd) over steps d, one per line."""
        by_reach = np.abs(steps) @ self.single.reach
        by_norm = self.single.radius * np.linalg.norm(steps, axis=1)
        return float(np.minimum(by_reach, by_norm).max())

    def kappa(self, inverse: FloatArray, kept: npt.NDArray[np.intp]) -> float:
        """Return a bound on that range over all steps of length one in the H norm.

        ``inverse`` is H^-1 on the ``kept`` columns, the same in every equation.
        """
        inverse = self.covariance(inverse)
        size = len(inverse) // self.n_equations
        blocks = inverse.reshape(self.n_equations, size, self.n_equations, size)
        own = np.stack([blocks[k, :, k] for k in range(self.n_equations)])
        reach = self.single.reach[kept[:size]]
        largest = 0.0
        for k, block in enumerate(own):
            cross = blocks[k].transpose(1, 0, 2)[k + 1 :]
            pairs = block + own[k + 1 :] - cross - cross.transpose(0, 2, 1)
            covariances = np.concatenate([block[None], pairs])
            largest = max(largest, self._largest_deviation(covariances, reach))
        return largest

    def _largest_deviation(self, covariances: FloatArray, reach: FloatArray) -> float:
        """Return the largest bound on sqrt(z_i' V z_i) over matrices V."""
        if not len(reach):
            return 0.0
        variances = np.maximum(np.diagonal(covariances, axis1=1, axis2=2), 0.0)
        by_reach = np.sqrt(variances) @ reach
        if len(reach) <= EXACT_EIGENVALUE_SIZE:
            eigenvalues = np.linalg.eigvalsh(covariances)[:, -1]
        else:
            eigenvalues = np.abs(covariances).sum(axis=2).max(axis=1)
        by_norm = self.single.radius * np.sqrt(np.maximum(eigenvalues, 0.0))
        return float(np.minimum(by_reach, by_norm).max())

    def largest_predictor(self, theta: FloatArray) -> float:
        """Return a bound on any row's predictor of any class."""
        lines = np.abs(self.equations(theta))
        return float((lines @ self.single.reach).max())


@dataclass(frozen=True, slots=True, eq=False)
class SoftmaxNewton(Newton):
    """Newton's method whose certificate is that of three or more classes."""

    softmax: SoftmaxGeometry | None = None

    def certify(self, point: Point) -> Certificate:
        """Return the Newton step and its bounds at an evaluated point."""
        hessian = point.evaluation.hessian
        assert hessian is not None
        assert self.softmax is not None
        system = NewtonSystem.of(hessian, self.kept)
        return certify_softmax(point.evaluation, system, point.theta, self.softmax)


def certify_softmax(
    evaluation: Evaluation,
    system: NewtonSystem,
    theta: FloatArray,
    geometry: SoftmaxGeometry,
) -> Certificate:
    """Return the Newton step and the bounds before and after it."""
    gradient, kept = evaluation.gradient, system.kept
    step = -system.solve(gradient)
    decrement = math.sqrt(max(0.0, -float(gradient @ step)))
    inverse = system.inverse()
    kappa = geometry.kappa(inverse, kept)
    step_reach = min(geometry.moved(step), kappa * decrement)
    deviations = np.sqrt(np.diagonal(geometry.covariance(inverse)))
    squares = np.tile(geometry.single.column_squares, geometry.n_equations)[kept]
    sums = np.sqrt(squares * abs(evaluation.loss)) * deviations
    predictors = geometry.largest_predictor(theta) * math.sqrt(len(kept))
    rounding = ROUNDING * math.hypot(float(np.linalg.norm(sums)), predictors)
    eps = math.expm1(min(evaluation.stale, 50.0))
    known = (decrement, step, step_reach, kappa, rounding, eps)
    return Certificate.of_step(*known, regularized=system.regularized)
