r"""A proven bound on the distance to the optimum, from one evaluation.

Let F be the summed objective, g and H its gradient and Hessian at theta,
d = -H^-1 g the Newton step and lambda = sqrt(g' H^-1 g). The logistic loss satisfies
abs(l''') <= l'' in the linear predictor (Bach 2010, Electron. J. Stat. 4, 384-414;
Sun and Tran-Dinh 2019, Math. Program. 178, 145-213), so a row's weight changes at
most by the factor exp(abs(delta)) when its predictor moves by delta.

With S >= max_i abs(x_i'd), every point theta + t d on the step has

    abs(H_t - H) <= (exp(t S) - 1) H      (as quadratic forms; a ridge term cancels).

1. Newton's step leaves the gradient g+ = integral of (H_t - H) d over t in [0, 1],
   so  norm(g+)_{H^-1} <= lambda (exp(S) - 1 - S) / S.
2. H+ >= exp(-S) H gives lambda+ <= exp(S/2) norm(g+)_{H^-1}, and with
   kappa >= max_i sqrt(x_i' H^-1 x_i) also kappa+ <= exp(S/2) kappa.
3. Let e lead from theta+ to the optimum and r = norm(e)_{H+}. On that line predictors
   move by at most kappa+ r, so  lambda+ r >= -g+'e >= r^2 (1 - exp(-kappa+ r)) /
   (kappa+ r), hence  r <= -log(1 - kappa+ lambda+) / kappa+  if kappa+ lambda+ < 1.

abs(c'e) <= sqrt(c' H+^-1 c) r for every combination c, so r bounds the error of each
coefficient in units of its own standard error. Standard errors are reported from H,
not H+; in their units the bound is exp(S/2) r.

S and kappa come from numbers that the first pass keeps, reach_j = max_i abs(z_ij) and
radius = max_i norm(z_i):

    S     = min(sum_j reach_j abs(d_j), radius norm(d), kappa lambda)
    kappa = min(sum_j reach_j sqrt((H^-1)_jj), radius sqrt(largest eigenvalue of H^-1))

Products made in float32 give Hg instead of H, whose entries are off by at most
g sqrt(Hg_jj Hg_kk) (``kernel/row_slab.py``). In coordinates in which Hg has a unit
diagonal that is a matrix of norm at most g times the number of coefficients, so

    (1 - eps) Hg <= H <= (1 + eps) Hg,  eps = g k / smallest eigenvalue of scaled Hg.

With step, lambda and kappa computed from Hg, step 1 becomes

    norm(g+)_{Hg^-1} <= lambda (eps + (1 + eps) (exp(S) - 1 - S) / S),

since g + H d = (H - Hg) d; kappa, norms in H^-1 and standard errors are those of Hg
divided by sqrt(1 - eps) at most.

A Hessian Hg kept from another point, from which no predictor has moved by more than
S0, is such an approximation too: exp(-S0) Hg <= H <= exp(S0) Hg, and so within 1 +- eps
with 1 + eps = exp(S0) times that of rounding, since exp(-S0) >= 2 - exp(S0).

Where no products are rounded and nothing is penalised, a short step also proves that
the data are not separated. Along a direction b that separates them, with margins
m_i = a_i'b >= 0 of the signed rows a_i = +-x_i and not all zero, H d = -g says

    sum_i s_i w_i m_i a_i'd = sum_i s_i q_i m_i,
    q_i = sigma(-a_i'theta),  w_i = q_i (1 - q_i),

so that a weighted mean of (1 - q_i) a_i'd over the rows with m_i > 0 is 1, and one of
them has a_i'd > 1: on separated data every Newton step moves some row's predictor by
more than 1, however long it goes on. S < 1 therefore proves that a finite optimum
exists, as kappa lambda < 1 does. A penalty on the columns that b needs makes the
optimum finite in any case, and one on others leaves b'H d and b'g as they are.

That is the mathematics; sums in floating point carry rounding besides. Its size in the
H^-1 norm is taken as 4 units of rounding of the sums of absolute values, independent
between columns, and enters step 1 as an addition to norm(g+). This term is a model,
not a proof; single roundings are independent and of both signs, so that it was 25 and
more times the error found against optima in extended precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dlogreg.evaluation import SINGLE_ROUNDING, Evaluation, FloatArray
from dlogreg.solvers.system import NewtonSystem, largest_eigenvalue

ROUNDING = 4 * 2.0**-53
SHORT_STEP = 0.99
"""Of S: on separated data it is above 1."""
MOST_LOST = 1e-3
"""Of a step, by rounding where the Hessian is nearly singular."""


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """How far rows reach, in the solver's coordinates; found by the survey."""

    reach: FloatArray
    """Largest abs(z_ij) over rows, shape (n_params,)."""
    radius: float
    """Largest norm of a row."""
    column_squares: FloatArray
    """sum_i s_i z_ij^2, shape (n_params,)."""

    def kappa(self, inverse: FloatArray, kept: npt.NDArray[np.intp]) -> float:
        """Return a bound on sqrt(x'H^-1 x) of any row; H^-1 is of the kept columns."""
        by_columns = float(self.reach[kept] @ np.sqrt(inverse.diagonal()))
        by_norm = self.radius * math.sqrt(largest_eigenvalue(inverse))
        return min(by_columns, by_norm)

    def moved(self, step: FloatArray) -> float:
        """Return a bound on how far a step moves any row's predictor."""
        by_columns = float(self.reach @ np.abs(step))
        return min(by_columns, self.radius * math.sqrt(step.dot(step)))


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """What is proven about one point and about the Newton step from it."""

    decrement: float
    """lambda, the distance to the optimum in standard errors to first order."""
    step: FloatArray
    """Newton's step d."""
    step_reach: float
    """S, a bound on the change of any row's linear predictor by the step."""
    kappa: float
    here: float
    """Bound for the point itself, in standard errors; inf where nothing is proven."""
    after: float
    """Bound after the step."""
    after_exact: float
    """The same without the allowance for rounding."""
    rounding: float
    single_error: float = np.inf
    """eps that products in float32 have or would have at this point."""
    singular: bool = False
    """The Hessian is singular where it matters, so that nothing can be proven."""
    short: bool = False
    """The step moves no row's predictor as far as it must on separated data."""

    @classmethod
    def of_step(
        cls,
        decrement: float,
        step: FloatArray,
        step_reach: float,
        kappa: float,
        rounding: float,
        eps: float,
        *,
        regularized: bool,
        single_error: float = np.inf,
        short: bool = False,
    ) -> Certificate:
        """Bound the distance before and after a step, by a Hessian that is off by eps.

        Nothing is proven where that had to be ``regularized``.
        """
        if regularized or eps >= 1:
            kappa, eps = np.inf, 0.0
        shrunk = math.sqrt(1 - eps)
        return cls(
            decrement,
            step,
            step_reach,
            kappa,
            distance(kappa / shrunk, (decrement + rounding) / shrunk) / shrunk,
            bound_after_step(decrement, step_reach, kappa, rounding, eps),
            bound_after_step(decrement, step_reach, kappa, 0.0, eps),
            rounding,
            single_error,
            short=short,
        )

    @property
    def unproven(self) -> bool:
        """Tell whether even the existence of a finite optimum is not proven."""
        return not (self.short or self.kappa * self.decrement < 0.9)


def certify(
    evaluation: Evaluation,
    system: NewtonSystem,
    theta: FloatArray,
    geometry: Geometry,
    *,
    single: bool = True,
) -> Certificate:
    """Return the Newton step and the bounds before and after it.

    Without ``single``, what products in float32 would be off by is only found where
    some were made: it takes eigenvalues.
    """
    gradient, kept = evaluation.gradient, system.kept
    step = -system.solve(gradient)
    decrement = math.sqrt(max(0.0, -float(gradient @ step)))
    inverse = system.inverse()
    deviations = np.sqrt(inverse.diagonal())
    kappa = geometry.kappa(inverse, kept)
    step_reach = min(geometry.moved(step), kappa * decrement)
    rounding = gradient_rounding(evaluation.loss, theta, geometry, deviations, kept)
    error = np.inf
    if (single or evaluation.rounding) and np.isfinite(evaluation.rounding):
        error = single_error(inverse, system.unit)
    eps = hessian_error(evaluation, error)
    short = eps == 0 and _is_short(step_reach + kappa * rounding, deviations, system)
    return Certificate.of_step(
        decrement,
        step,
        step_reach,
        kappa,
        rounding,
        eps,
        regularized=system.regularized,
        single_error=error,
        short=short,
    )


def _is_short(reach: float, deviations: FloatArray, system: NewtonSystem) -> bool:
    """Tell whether a step is too short for separated data, and exact enough to tell."""
    scaled = deviations / system.unit  # largest where the Hessian is least certain
    lost = ROUNDING * len(scaled) * float(scaled @ scaled)
    return not system.regularized and lost < MOST_LOST and reach < SHORT_STEP


def bound_after_step(
    decrement: float,
    step_reach: float,
    kappa: float,
    rounding: float,
    eps: float = 0.0,
) -> float:
    """Return the distance to the optimum after a full Newton step, from steps 1-3."""
    if step_reach > 50:
        return np.inf
    growth = float(np.exp(step_reach / 2)) / math.sqrt(1 - eps)
    left = decrement * (eps + (1 + eps) * remainder(step_reach)) + rounding
    return growth * distance(growth * kappa, growth * left)


def hessian_error(evaluation: Evaluation, single: float) -> float:
    """Return eps, by which the Hessian at hand is off, relative to itself."""
    rounded = (
        evaluation.rounding / SINGLE_ROUNDING * single if evaluation.rounding else 0.0
    )
    return (1 + rounded) * math.exp(min(evaluation.stale, 50.0)) - 1


def single_error(inverse: FloatArray, unit: FloatArray) -> float:
    """Return eps of products made in float32, from H^-1 and 1 / sqrt(H_jj)."""
    scaled = inverse / unit / unit[:, None]
    return SINGLE_ROUNDING * len(unit) * largest_eigenvalue(scaled)


def remainder(reach: float) -> float:
    """Return (exp(S) - 1 - S) / S, or for small S a bound just above it."""
    if reach < 1e-4:
        return reach / 2 * (1 + reach)
    return float((np.expm1(reach) - reach) / reach)


def distance(kappa: float, decrement: float) -> float:
    """Return -log(1 - kappa lambda) / kappa, or inf where kappa lambda >= 1."""
    product = kappa * decrement
    if not product < 1:
        return np.inf
    if product < 1e-12:
        return decrement * (1 + product)
    return float(-np.log1p(-product) / kappa)


def gradient_rounding(
    loss: float,
    theta: FloatArray,
    geometry: Geometry,
    deviations: FloatArray,
    kept: npt.NDArray[np.intp],
) -> float:
    """Return the rounding of the gradient in the H^-1 norm.

    sum_i s_i abs(z_ij r_i) <= sqrt(sum_i s_i z_ij^2 * sum_i s_i r_i^2), and
    r_i^2 <= l_i for the logistic loss. The rounding of a row's predictor is at most
    that of sum_j abs(z_ij theta_j) and independent between rows.
    """
    sums = np.sqrt(geometry.column_squares[kept] * abs(loss))
    sums *= deviations
    of_sums = ROUNDING * math.sqrt(sums.dot(sums))
    predictor = float(geometry.reach @ np.abs(theta))
    of_predictors = ROUNDING * predictor * np.sqrt(len(kept))
    return float(np.hypot(of_sums, of_predictors))
