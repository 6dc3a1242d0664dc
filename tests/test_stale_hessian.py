"""What a stale Hessian proves, against optima in extended precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dlogreg.evaluation import ManyEvaluation
from dlogreg.solvers import Geometry
from dlogreg.solvers.many import HESSIAN_VALUES, advance_together
from dlogreg.solvers.quasi_newton import Constraint, InverseHessian
from dlogreg.solvers.restricted import Restricted, hessian_price
from dlogreg.solvers.stale_hessian import Found, StaleHessian, prove
from tests.reference import exact_optimum


def drawn(seed):
    """Return standardized rows with an intercept, labels and the weights' kind."""
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 6))
    n = int(rng.integers(60 * (d + 1), 1500))
    Z = rng.normal(size=(n, d)) @ (np.eye(d) + 0.4 * rng.normal(size=(d, d)))
    if seed % 3 == 0:
        Z = rng.standard_t(3, size=(n, d))
    slope = rng.normal(size=d) * rng.uniform(0.1, 2)
    y = (rng.random(n) < 1 / (1 + np.exp(-Z @ slope))).astype(float)
    return np.column_stack([np.ones(n), Z]), y, rng


class Data:
    """Evaluates many models over rows in memory, and counts the passes."""

    def __init__(self, Z, y):
        self.Z, self.y, self.n_passes, self.batches = Z, y, 0, []

    def found(self, theta, reference, *, hessian=False):
        eta = self.Z @ theta
        p = 1 / (1 + np.exp(-eta))
        sign = 2 * self.y - 1
        return Found(
            theta,
            float(np.logaddexp(0, -sign * eta).sum()),
            self.Z.T @ (p - self.y),
            float(np.abs(self.Z @ (theta - reference)).max()),
            (self.Z * (p * (1 - p))[:, None]).T @ self.Z if hessian else None,
        )

    def __call__(self, thetas, moves, hessian_of=()):
        self.n_passes += 1
        self.batches.append((thetas.shape[1], hessian_of))
        found = [
            self.found(theta, theta - move, hessian=i in hessian_of)
            for i, (theta, move) in enumerate(zip(thetas.T, moves.T, strict=True))
        ]
        return ManyEvaluation(
            np.array([f.loss for f in found]),
            np.column_stack([f.gradient for f in found]),
            np.array([f.stale for f in found]),
            tuple(f.hessian for f in found if f.hessian is not None),
        )

    @property
    def geometry(self):
        norms = np.sqrt((self.Z**2).sum(axis=1).max())
        return Geometry(np.abs(self.Z).max(axis=0), norms, (self.Z**2).sum(axis=0))

    def metric(self, theta):
        k = len(theta)
        origin = self.found(theta, theta, hessian=True)
        return origin, StaleHessian.of(origin, np.arange(k), self.geometry)


def dropped(Z, y, j):
    """Return the exact optimum without column j, as theta, and its loss."""
    params, _, loss = exact_optimum(np.delete(Z, [0, j], axis=1), y)
    return np.insert(params, j, 0.0), loss


def fitted(Z, y):
    return exact_optimum(Z[:, 1:], y)[0]


def own_distance(data, theta, optimum, j):
    """Return the norm of the error in the model's own Hessian at theta."""
    rest = np.delete(np.arange(len(theta)), j)
    hessian = data.found(theta, theta, hessian=True).hessian[np.ix_(rest, rest)]
    error = (theta - optimum)[rest]
    return float(np.sqrt(error @ hessian @ error))


@given(seed=st.integers(0, 5000), size=st.floats(-4, 0.3), off=st.floats(-3, 0))
def test_bounds_hold_anywhere_near_the_optimum(seed, size, off):
    Z, y, rng = drawn(seed)
    data, k = Data(Z, y), Z.shape[1]
    j = int(rng.integers(1, k))
    optimum, least = dropped(Z, y, j)
    assume(np.abs(Z @ optimum).max() < 12)
    scale = np.sqrt(k) * np.abs(Z).max()
    old = optimum + 10**off * rng.normal(size=k) / scale
    _, metric = data.metric(old)
    theta = optimum + 10**size * np.delete(rng.normal(size=k + 1), j) / scale
    theta[j] = 0.0
    constraint = Constraint(np.eye(k)[:, [j]], np.zeros(1))
    found = data.found(theta, old)
    step = constraint.step(InverseHessian(metric), found.gradient)
    assert abs(step[j]) < 1e-12
    decrement = float(np.sqrt(-found.gradient @ step))
    reach = metric.step_reach(step, decrement)
    assert reach >= np.abs(Z @ step).max() * (1 - 1e-12)
    proof = prove(metric, found.loss, decrement, found.stale, reach)
    assert own_distance(data, theta, optimum, j) <= proof.here
    assert own_distance(data, theta + step, optimum, j) <= proof.after
    assert proof.lowest <= least * (1 + 1e-14)
    assert proof.highest >= least * (1 - 1e-14)


def test_the_bounds_are_worth_something():
    Z, y, _ = drawn(1)
    data, k = Data(Z, y), Z.shape[1]
    theta = fitted(Z, y)
    _, metric = data.metric(theta)
    near = theta + 1e-3 * np.eye(k)[1] * np.sqrt(metric.inverse[1, 1])
    found = data.found(near, theta)
    step = -metric.inverse @ found.gradient
    decrement = float(np.sqrt(-found.gradient @ step))
    reach = metric.step_reach(step, decrement)
    proof = prove(metric, found.loss, decrement, found.stale, reach)
    assert decrement < 0.002
    assert proof.here < 1.1 * decrement
    assert proof.after < 0.1 * decrement
    assert proof.highest - proof.lowest < 0.1 * decrement**2
    far = prove(metric, found.loss, decrement, 1000.0, reach)
    assert far.here == far.after == np.inf
    assert (far.lowest, far.highest) == (-np.inf, found.loss)


def restricted(data, metric, origin, j, tol=1e-6):
    constraint = Constraint(np.eye(len(origin.theta))[:, [j]], np.zeros(1))
    start = constraint.nearest(origin.theta, metric.inverse)
    kept = np.arange(len(origin.theta))
    return Restricted(metric, kept, constraint, tol, start, origin)


@given(seed=st.integers(0, 3000))
@example(seed=2248)  # the constraint holds a gradient 1e9 times what is free
def test_models_advance_together_to_their_own_optima(seed):
    Z, y, _ = drawn(seed)
    data, k = Data(Z, y), Z.shape[1]
    theta = fitted(Z, y)
    assume(np.abs(Z @ theta).max() < 15)
    origin, metric = data.metric(theta)
    models = [restricted(data, metric, origin, j) for j in range(1, k)]
    advance_together(data, models)
    for j, model in enumerate(models, 1):
        assert model.error_bound <= 1e-6
        optimum, least = dropped(Z, y, j)
        assert own_distance(data, model.theta, optimum, j) <= model.error_bound
        assert model.proof.lowest <= least * (1 + 1e-14)
        assert model.proof.highest >= least * (1 - 1e-14)
    sizes = [size for size, _ in data.batches]
    assert sizes[0] == k - 1
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == max(model.n_evaluations for model in models)


def test_a_weak_column_needs_no_hessian_and_a_strong_one_gets_its_own():
    rng = np.random.default_rng(0)
    Z = np.column_stack([np.ones(3000), rng.normal(size=(3000, 4))])
    eta = 0.02 * Z[:, 1] + 3 * Z[:, 2] + 4 * Z[:, 3] * (1 + 0.3 * Z[:, 4])
    y = (rng.random(3000) < 1 / (1 + np.exp(-eta))).astype(float)
    data = Data(Z, y)
    origin, metric = data.metric(fitted(Z, y))
    weak, strong = (restricted(data, metric, origin, j) for j in (1, 3))
    advance_together(data, [weak])
    assert data.n_passes <= 2
    assert weak.metric is metric
    advance_together(data, [strong])
    assert strong.metric is not metric
    assert strong.n_evaluations <= 7
    optimum, _ = dropped(Z, y, 3)
    assert own_distance(data, strong.theta, optimum, 3) <= strong.error_bound <= 1e-6


def test_steps_that_overshoot_are_shortened():
    Z, y, _ = drawn(7)
    data, k = Data(Z, y), Z.shape[1]
    theta = fitted(Z, y)
    origin = data.found(theta, theta, hessian=True)
    small = Found(theta, origin.loss, origin.gradient, 0.0, origin.hessian / 50)
    metric = StaleHessian.of(small, np.arange(k), data.geometry)
    constraint = Constraint(np.eye(k)[:, [1]], np.zeros(1))
    far = theta - theta[1] * np.eye(k)[1] + 2.0 * np.eye(k)[0]
    model = Restricted(metric, np.arange(k), constraint, 1e-6, far)
    losses = []
    while model.trial is not None:
        found = data.found(model.trial, model.metric.theta, hessian=model.wants_hessian)
        model.receive(found)
        losses.append((found.loss, model.best.loss))
    assert any(tried > best for tried, best in losses)  # a step was refused
    assert [best for _, best in losses] == sorted(
        (best for _, best in losses), reverse=True
    )
    optimum, least = dropped(Z, y, 1)
    assert data.found(model.theta, theta).loss == pytest.approx(least, rel=1e-12)
    assert own_distance(data, model.theta, optimum, 1) <= model.error_bound <= 1e-6


@pytest.mark.parametrize("k", [1, 4, 9])
def test_pairs_give_the_bfgs_inverse(k):
    rng = np.random.default_rng(k)
    Z = rng.normal(size=(50, k))
    y = (rng.random(50) < 0.5).astype(float)
    data = Data(Z, y)
    _, metric = data.metric(np.zeros(k))
    inverse, dense = InverseHessian(metric), metric.inverse.copy()
    for _ in range(3):
        step = rng.normal(size=k)
        change = Z.T @ (Z @ step) * rng.uniform(0.1, 0.3)
        inverse.learn(step, change)
        rho = 1 / (step @ change)
        left = np.eye(k) - rho * np.outer(step, change)
        dense = left @ dense @ left.T + rho * np.outer(step, step)
    inverse.learn(np.ones(k), -np.ones(k))  # no curvature: left aside
    right = rng.normal(size=(k, 2))
    np.testing.assert_allclose(inverse.times(right), dense @ right, rtol=1e-9)
    np.testing.assert_allclose(inverse.times(right[:, 0]), dense @ right[:, 0])


def test_a_constraint_of_several_directions():
    Z, y, rng = drawn(12)
    k = Z.shape[1]
    assert k > 3
    data = Data(Z, y)
    theta = fitted(Z, y)
    origin, metric = data.metric(theta)
    A, value = rng.normal(size=(k, 2)), np.array([0.1, -0.2])
    constraint = Constraint(A, value)
    near = constraint.nearest(theta, metric.inverse)
    np.testing.assert_allclose(A.T @ near, value, atol=1e-12)
    moved = near - theta
    norm = np.sqrt(moved @ origin.hessian @ moved)
    assert constraint.distance(theta, metric.inverse) == pytest.approx(norm)
    step = constraint.step(InverseHessian(metric), data.found(near, theta).gradient)
    np.testing.assert_allclose(A.T @ step, 0, atol=1e-12)


def test_hessians_of_wide_models_must_save_more_passes():
    prices = [hessian_price(k) for k in (3, 20, 100, 1000)]
    assert prices == sorted(prices)
    assert prices[0] < 2.1
    assert prices[-1] > 50
    assert HESSIAN_VALUES >= 100**2 * 100
