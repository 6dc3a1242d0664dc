r"""Robust covariances: the inverse Hessian on both sides of the scores' squares.

With residuals r_i = y_i - p_i, weights s_i and H the Hessian of the summed loss,

    HC0 = H^-1 M H^-1,  M = sum_i s_i r_i^2 x_i x_i',      HC1 = n / (n - k) HC0

(White 1982, Econometrica 50, 1-25; the factor of MacKinnon and White 1985 is also that
of Stata). n is the sum of frequency weights, and k counts what was estimated. With
weights of probabilities of selection M = sum_i s_i^2 r_i^2 x_i x_i' (Huber 1967; Binder
1983, Int. Stat. Rev. 51, 279-292), and n is the number of rows. So it is with analytic
weights, since s_i r_i x_i is the score of a row: that r_i^2 is p_i (1 - p_i) / s_i on
average makes M the Hessian where the model is right.

With groups g whose rows may depend on each other, and the scores
u_g = sum_{i in g} s_i r_i x_i whatever the weights mean,

    cluster = G / (G - 1) * (n - 1) / (n - k) * H^-1 B H^-1,  B = sum_g u_g u_g'

(Liang and Zeger 1986, Biometrika 73, 13-22; the factor is that of Stata, and of R's
``sandwich::vcovCL`` with type "HC1"). Its rank is at most G - 1, because the scores sum
to zero. Where every group is one row, it is HC1.

What is left to the optimum makes a proven error of the roots. Where predictors move by
at most S, an r_i^2 changes by at most exp(2S) and H by at most exp(S). Write
H+^-1 = H^-1/2 (I + E) H^-1/2 with norm(E) <= exp(S) - 1, K = H^-1/2 M H^-1/2, and
u = H^-1/2 c. Then

    sqrt(c'V+c) = norm(K+^1/2 (I + E) u)
               <= exp(S) (norm(K^1/2 u) + sqrt(m) norm(E) norm(u)),

m the largest eigenvalue of K; norm(u) is the standard error by the model, and
norm(K^1/2 u) the robust one.

With groups the residuals in a score may cancel, and a small relative change of each may
be a large one of their sum. Write A for the matrix of columns H^-1/2 u_g. No r_i
changes by more than exp(S) - 1 of itself, so by Cauchy and Schwarz within each group

    norm((A+ - A)'v)^2 <= (exp(S) - 1)^2 sum_g (sum_{i in g} s_i |r_i z_i'v|)^2
                       <= (exp(S) - 1)^2 w v'K v,

w the largest weight of a group (with weights other than frequencies its number of rows,
since their K has s_i^2). With b the largest eigenvalue of AA', and norm((I + E) u) <=
exp(S) norm(u), the change of norm(A'u), the clustered standard error, is at most

    (exp(S) - 1) norm(u) (sqrt(b) + exp(S) sqrt(w m)).

Of three or more classes a row has a score for every equation, u_i = r_i x z_i with
r_ik = p_ik - [y_i = k], and these may cancel as those of a group do. Where S bounds the
range of the changes of a row's predictors, the reference's 0 among them, no r_ik
changes by more than exp(S) - 1 of itself, since both p_ik and 1 - p_ik are within
exp(+-S) of what they were. So the bound of groups holds, with rows in the place of
groups, the number of equations as w, and m from M without its blocks between equations.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cholesky

from dlogreg.errors import InferenceError
from dlogreg.evaluation import ClusterMeat, FloatArray
from dlogreg.solvers.system import largest_eigenvalue

COV_TYPES = ("model", "HC0", "HC1", "cluster")
"""Kinds of covariance."""


def check_kind(option: str, kind: object) -> str:
    """Return the kind, or raise ValueError if there is no such kind."""
    if not isinstance(kind, str) or kind not in COV_TYPES:
        raise ValueError(
            f"{option} must be 'model', 'HC0', 'HC1' or 'cluster', not {kind!r}"
        )
    return kind


def sandwich(inverse: FloatArray, meat: FloatArray) -> FloatArray:
    """Return HC0 from H^-1 and M, each of shape (n, n)."""
    return inverse @ meat @ inverse


def small_sample_factor(nobs: float, n_estimated: int, what: str = "HC1") -> float:
    """Return n / (n - k), or raise InferenceError where n is not above k."""
    if not nobs > n_estimated:
        raise InferenceError(
            f"{what} divides by the sum of weights ({nobs:.6g}) less the number of "
            f"estimated coefficients ({n_estimated}), which must be positive; "
            "take HC0, or give weights that count rows"
        )
    return nobs / (nobs - n_estimated)


def cluster_factor(n_groups: int, nobs: float, n_estimated: int) -> float:
    """Return G / (G - 1) * (n - 1) / (n - k); InferenceError where n is not above k."""
    small = small_sample_factor(nobs, n_estimated, "a clustered covariance")
    return (nobs - 1) / nobs * n_groups / (n_groups - 1) * small


def relative_error(
    inverse: FloatArray,
    meat: FloatArray,
    inflation: FloatArray,
    reach: float,
) -> float:
    """Return the proven relative error of robust standard errors.

    Parameters
    ----------
    inverse, meat
        H^-1 and M, shape (n, n).
    inflation
        Standard errors by the model, divided by the robust ones; NaN is left out.
    reach
        S, how far any row's linear predictor is from that at the optimum.
    """
    largest = _largest_root(inverse, meat)
    with np.errstate(over="ignore"):
        growth = np.expm1(reach)
        worst = np.nanmax(inflation, initial=0.0) * largest
        return float(growth * (1 + (1 + growth) * worst))


def cluster_error(
    inverse: FloatArray,
    meat: FloatArray,
    clusters: ClusterMeat,
    inflation: FloatArray,
    reach: float,
) -> float:
    """Return the proven relative error of clustered standard errors.

    ``clusters`` holds B of the estimated coefficients; the rest is as for
    ``relative_error``.
    """
    grouped = _largest_root(inverse, clusters.matrix)
    single = np.sqrt(clusters.heaviest) * _largest_root(inverse, meat)
    with np.errstate(over="ignore"):
        growth = np.expm1(reach)
        worst = np.nanmax(inflation, initial=0.0)
        return float(growth * worst * (grouped + (1 + growth) * single))


def within_equations(meat: FloatArray, n_equations: int, n_params: int) -> FloatArray:
    """Return M without its blocks between equations, of ``n_params`` each."""
    equation = np.repeat(np.arange(n_equations), n_params)
    return np.where(equation[:, None] == equation, meat, 0.0)


def _largest_root(inverse: FloatArray, meat: FloatArray) -> float:
    """Return the root of the largest eigenvalue of H^-1/2 M H^-1/2, rounded up."""
    unit = np.sqrt(np.diagonal(inverse))
    root = cholesky(inverse / unit / unit[:, None], lower=True) * unit[:, None]
    return float(np.sqrt(largest_eigenvalue(root.T @ meat @ root) * (1 + 1e-12)))
