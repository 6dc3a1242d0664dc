"""Optima of softmax regression in extended precision, and random problems."""

from __future__ import annotations

import numpy as np

from tests.reference import Problem


def exact_softmax(X, y, weight=None, strength=0.0, fit_intercept=True):
    """Return (params, covariance, loss) with gradients in 80-bit arithmetic.

    Params are those of all classes but the first, class after class. The ridge penalty
    is strength / 2 times the sum of squares of the symmetric coefficients. Newton with
    a Hessian in float64 and a gradient in extended precision converges to the root of
    that gradient.
    """
    X = np.asarray(X, dtype=np.longdouble)
    s = np.ones(len(X)) if weight is None else np.asarray(weight, float)
    s = s.astype(np.longdouble)
    y = np.asarray(y)
    Y = (y[:, None] == np.unique(y[s > 0])).astype(np.longdouble)
    mean = X.mean(axis=0) if fit_intercept else np.zeros(X.shape[1], np.longdouble)
    scale = np.sqrt(((X - mean) ** 2).mean(axis=0))
    Z, curvature = (X - mean) / scale, strength / scale**2
    if fit_intercept:
        Z = np.column_stack([np.ones(len(Z), np.longdouble), Z])
        curvature = np.concatenate([[np.longdouble(0)], curvature])
    E, m = Y.shape[1] - 1, Z.shape[1]
    shrink = np.eye(E) - 1 / (np.longdouble(E) + 1)
    theta = np.zeros((E, m), np.longdouble)
    loss, p = _loss_and_shares(Z, Y, s, theta, shrink, curvature)
    for _ in range(200):
        gradient = ((p - Y)[:, 1:] * s[:, None]).T @ Z + shrink @ theta * curvature
        hessian = _hessian(Z, p, s) + np.kron(shrink, np.diag(curvature)).astype(float)
        step = np.linalg.solve(hessian, -gradient.astype(float).ravel())
        step, size = step.reshape(E, m).astype(np.longdouble), np.longdouble(1)
        while size > 1e-6:
            trial, shares = _loss_and_shares(
                Z, Y, s, theta + size * step, shrink, curvature
            )
            if trial <= loss + 1e-16 * abs(loss):
                break
            size /= 2
        theta, loss, p = theta + size * step, trial, shares
        if np.abs(step).max() < 1e-17 * max(1, np.abs(theta).max()):
            break
    first = int(fit_intercept)
    params = theta.copy()
    params[:, first:] /= scale
    back = np.diag(np.concatenate([np.ones(first), 1 / scale])).astype(float)
    if fit_intercept:
        params[:, 0] -= params[:, 1:] @ mean
        back[0, 1:] = -(mean / scale).astype(float)
    back = np.kron(np.eye(E), back)
    covariance = back @ np.linalg.inv(hessian) @ back.T
    return params.astype(float), covariance, float(loss)


def _loss_and_shares(Z, Y, s, theta, shrink, curvature):
    eta = np.column_stack([np.zeros(len(Z), np.longdouble), Z @ theta.T])
    eta -= eta.max(axis=1, keepdims=True)
    shares = np.exp(eta)
    total = shares.sum(axis=1, keepdims=True)
    loss = s @ (np.log(total[:, 0]) - (eta * Y).sum(axis=1))
    penalty = (theta * (shrink @ theta) * curvature).sum() / 2
    return loss + penalty, shares / total


def _hessian(Z, p, s):
    Z, p, s = Z.astype(float), p.astype(float), s.astype(float)
    rows = [
        [
            Z.T @ ((s * p[:, k] * ((k == other) - p[:, other]))[:, None] * Z)
            for other in range(1, p.shape[1])
        ]
        for k in range(1, p.shape[1])
    ]
    return np.block(rows)


def symmetric(params):
    """Return coefficients of all classes that sum to zero, (n_classes, n_names)."""
    full = np.vstack([np.zeros(params.shape[1]), params])
    return full - full.mean(axis=0)


def softmax_problem(seed, n_rows=None, n_features=None, n_classes=None):
    """Return a problem of varied size, scale, correlation, steepness and balance."""
    rng = np.random.default_rng(seed)
    d = n_features or int(rng.integers(1, 6))
    K = n_classes or int(rng.integers(3, 7))
    n = n_rows or int(rng.integers(60 * K * (d + 1), 4000 + 60 * K * (d + 1)))
    mixing = np.eye(d) + rng.uniform(0, 0.9) * rng.normal(size=(d, d)) / np.sqrt(d)
    noise = rng.standard_t(4, size=(n, d)) if seed % 3 == 0 else rng.normal(size=(n, d))
    Z = noise @ mixing
    if seed % 4 == 0:
        Z[:, 0] = rng.random(n) < 0.3
    slopes = rng.normal(size=(K, d)) * rng.uniform(0.1, 1.5) / np.sqrt(d)
    eta = Z @ slopes.T + 0.7 * rng.normal(size=K)
    y = (eta + rng.gumbel(size=(n, K))).argmax(axis=1)
    X = Z * 10.0 ** rng.uniform(-3, 3, size=d) + rng.normal(size=d) * 10
    weight = rng.integers(0, 4, size=n).astype(float) if seed % 2 else None
    return Problem(X, y, weight)
