"""Optima in extended precision and random problems, made here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Problem:
    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None = None


def exact_optimum(X, y, weight=None, strength=0.0, fit_intercept=True):
    """Return (params, standard errors, loss) with gradients in 80-bit arithmetic.

    Newton with a Hessian in float64 and a gradient in extended precision converges to
    the root of that gradient; columns are centred and scaled in extended precision. It
    starts at what Newton in float64 finds, and so needs extended precision for the last
    few steps alone.
    """
    X = np.asarray(X, dtype=np.longdouble)
    s = np.ones(len(X)) if weight is None else np.asarray(weight, float)
    s = s.astype(np.longdouble)
    y = np.asarray(y, dtype=np.longdouble)
    k = X.shape[1]
    mean = X.mean(axis=0) if fit_intercept else np.zeros(k, np.longdouble)
    scale = np.sqrt(((X - mean) ** 2).mean(axis=0))
    scale = np.where(scale > 0, scale, 1)
    Z = (X - mean) / scale
    curvature = strength / scale**2
    if fit_intercept:
        Z = np.column_stack([np.ones(len(Z), np.longdouble), Z])
        curvature = np.concatenate([[np.longdouble(0)], curvature])
    rough = [a.astype(float) for a in (Z, y, s, curvature)]
    theta, hessian = _newton(*rough, np.zeros(Z.shape[1]), close=1e-8)
    theta, hessian = _newton(Z, y, s, curvature, theta, close=1e-17)
    loss = _loss(Z, y, s, theta, curvature)
    params = theta.copy()
    first = int(fit_intercept)
    params[first:] /= scale
    to_params = np.diag(np.concatenate([np.ones(first), 1 / scale])).astype(float)
    if fit_intercept:
        params[0] -= mean @ params[1:]
        to_params[0, 1:] = -(mean / scale).astype(float)
    covariance = to_params @ np.linalg.inv(hessian) @ to_params.T
    return params.astype(float), np.sqrt(np.diag(covariance)), float(loss)


def _newton(Z, y, s, curvature, theta, close):
    """Return the optimum in the precision of Z, and the Hessian near it."""
    theta = theta.astype(Z.dtype)
    rough, rounding = Z.astype(float), 1e3 * np.finfo(Z.dtype).eps
    loss = _loss(Z, y, s, theta, curvature)
    for _ in range(200):
        with np.errstate(over="ignore"):
            p = 1 / (1 + np.exp(-(Z @ theta)))
        gradient = Z.T @ (s * (p - y)) + curvature * theta
        weight = (s * p * (1 - p)).astype(float)
        hessian = rough.T @ (weight[:, None] * rough) + np.diag(curvature.astype(float))
        step = np.linalg.solve(hessian, -gradient.astype(float)).astype(Z.dtype)
        size = Z.dtype.type(1)
        while size > 1e-6:
            trial = _loss(Z, y, s, theta + size * step, curvature)
            if trial <= loss + rounding * abs(loss):
                break
            size /= 2
        theta, loss = theta + size * step, trial
        if np.abs(step).max() < close * max(1, np.abs(theta).max()):
            break
    return theta, hessian


def _loss(Z, y, s, theta, curvature):
    margin = (2 * y - 1) * (Z @ theta)
    rows = np.maximum(-margin, 0) + np.log1p(np.exp(-np.abs(margin)))
    return s @ rows + (curvature * theta**2).sum() / 2


def random_problem(seed, n_rows=None, n_features=None):
    """Return a problem of varied size, scale, correlation, steepness and balance."""
    rng = np.random.default_rng(seed)
    d = n_features or int(rng.integers(1, 9))
    n = n_rows or int(rng.integers(40 * (d + 1), 3000))
    mixing = np.eye(d) + rng.uniform(0, 0.9) * rng.normal(size=(d, d)) / np.sqrt(d)
    noise = rng.standard_t(4, size=(n, d)) if seed % 3 == 0 else rng.normal(size=(n, d))
    Z = noise @ mixing
    if seed % 4 == 0:
        Z[:, 0] = rng.random(n) < 0.3
    slope = rng.normal(size=d) * rng.uniform(0.1, 2) / np.sqrt(d)
    eta = Z @ slope + rng.normal() - (2 if seed % 5 == 0 else 0)
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    X = Z * 10.0 ** rng.uniform(-3, 3, size=d) + rng.normal(size=d) * 10
    weight = rng.integers(0, 4, size=n).astype(float) if seed % 2 else None
    return Problem(X, y, weight)
