"""Solvers on functions of closed form, and the linear algebra beneath them."""

import numpy as np
import pytest

from dlogreg.evaluation import Evaluation
from dlogreg.solvers import (
    Geometry,
    Newton,
    NewtonSystem,
    Point,
    Status,
    independent_columns,
)
from dlogreg.solvers.system import combination, largest_eigenvalue


class Logistic:
    """The logistic loss of a small table, as the solvers see it; counts its calls."""

    def __init__(self, X, y, interrupt_at=None):
        self.X, self.y = np.asarray(X, float), np.asarray(y, float)
        self.calls, self.interrupt_at = 0, interrupt_at

    def __call__(
        self, theta, order=2, direction=None, step_lengths=(), precision="double"
    ):
        self.calls += 1
        if self.calls == self.interrupt_at:
            raise KeyboardInterrupt
        return self.at(theta, order, direction, step_lengths)

    def at(self, theta, order=2, direction=None, step_lengths=()):
        eta = self.X @ theta
        p = 1 / (1 + np.exp(-np.clip(eta, -700, 700)))
        hessian = self.X.T @ ((p * (1 - p))[:, None] * self.X) if order == 2 else None
        trials = [self.loss(theta + t * direction) for t in step_lengths]
        return Evaluation(
            self.loss(theta),
            self.X.T @ (p - self.y),
            hessian,
            np.array(trials) if trials else None,
        )

    def loss(self, theta):
        eta = self.X @ theta
        return float((np.logaddexp(0, eta) - self.y * eta).sum())

    def geometry(self):
        norms = np.linalg.norm(self.X, axis=1)
        return Geometry(
            np.abs(self.X).max(axis=0), norms.max(), (self.X**2).sum(axis=0)
        )

    def newton(self, tol=1e-6, max_evaluations=100):
        return Newton(tol, max_evaluations, self.geometry(), np.arange(self.X.shape[1]))

    def start(self):
        theta = np.zeros(self.X.shape[1])
        return Point(theta, self.at(theta))


def ignore(certificate):
    pass


def problem(n=400, d=3, steep=1.0, seed=0):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=(n, d))])
    eta = X @ (steep * rng.normal(size=d + 1))
    return Logistic(X, rng.random(n) < 1 / (1 + np.exp(-eta)))


@pytest.mark.parametrize("steep", [0.3, 1.0, 6.0])
def test_newton_ends_at_a_zero_of_the_gradient(steep):
    loss = problem(steep=steep, n=2000)
    solution = loss.newton().minimize(loss, loss.start(), ignore)
    assert solution.status is Status.CONVERGED
    assert solution.n_evaluations == loss.calls
    gradient = loss.at(solution.theta).gradient
    deviation = np.sqrt(np.diag(np.linalg.inv(loss.at(solution.theta).hessian)))
    assert np.abs(gradient * deviation).max() < 1e-6


def test_a_quadratic_takes_one_step():
    hessian = np.array([[2.0, 0.5], [0.5, 1.0]])
    target = np.array([1e-7, -2e-7])

    def quadratic(theta, order=2, direction=None, step_lengths=()):
        away = theta - target
        return Evaluation(float(away @ hessian @ away / 2), hessian @ away, hessian)

    start = Point(np.zeros(2), quadratic(np.zeros(2)))
    geometry = Geometry(np.ones(2), 1.5, np.ones(2))
    newton = Newton(1e-6, 10, geometry, np.arange(2))
    solution = newton.minimize(quadratic, start, ignore)
    assert solution.n_evaluations == 0
    np.testing.assert_allclose(solution.theta, target, rtol=1e-12)


def test_a_step_that_goes_too_far_is_shortened_from_one_read():
    loss = problem(steep=6.0, n=300, seed=3)
    far = np.array([4.0, -9.0, 9.0, 9.0])
    start = Point(far, loss.at(far))
    solution = loss.newton(1e-8).minimize(loss, start, ignore)
    usual = loss.newton(1e-8).minimize(loss, loss.start(), ignore)
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(solution.theta, usual.theta, atol=1e-8)


def test_losses_never_increase():
    loss = problem(steep=8.0, n=150, seed=5)
    seen = []

    def watched(theta, **asked):
        evaluation = loss(theta, **asked)
        seen.append(evaluation.loss)
        return evaluation

    far = np.array([3.0, 20.0, -20.0, 20.0])
    start = Point(far, loss.at(far))
    solution = loss.newton().minimize(watched, start, ignore)
    assert solution.point.evaluation.loss <= min([*seen, start.evaluation.loss]) + 1e-9


def test_separated_data_are_suspected_and_not_called_converged():
    x = np.linspace(-1, 1, 60)
    loss = Logistic(np.column_stack([np.ones(60), x]), x > 0.1)
    solution = loss.newton().minimize(loss, loss.start(), ignore)
    assert solution.status is Status.SEPARATION_SUSPECTED
    assert solution.error_bound == np.inf
    assert loss.calls < 40


def test_max_evaluations_is_kept_and_reported():
    loss = problem(steep=3.0)
    solution = loss.newton(1e-9, 2).minimize(loss, loss.start(), ignore)
    assert solution.status is Status.MAX_PASSES
    assert loss.calls <= 3


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_ctrl_c_returns_the_best_point_with_a_bound_that_holds(at):
    loss = problem(n=4000)
    exact = loss.newton(1e-12).minimize(loss, loss.start(), ignore).theta
    stopped = Logistic(loss.X, loss.y, interrupt_at=at)
    solution = loss.newton(1e-12).minimize(stopped, loss.start(), ignore)
    assert solution.status is Status.INTERRUPTED
    away = solution.theta - exact
    distance = np.sqrt(away @ loss.at(exact).hessian @ away)
    assert distance <= 2 * solution.error_bound
    if at == 4:
        assert solution.error_bound < 0.1


def test_the_system_solves_and_inverts_on_kept_columns():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(9, 5)) * 10.0 ** np.array([-6, -3, 0, 3, 6])
    hessian, kept = root.T @ root, np.array([0, 1, 3, 4])
    system = NewtonSystem.of(hessian, kept)
    scale = np.sqrt(np.diag(hessian))
    right = rng.normal(size=5) * scale
    solved = system.solve(right)
    assert solved[2] == 0.0
    unit = (scale[:, None] * scale)[np.ix_(kept, kept)]
    inside = hessian[np.ix_(kept, kept)] / unit
    left = inside @ (solved * scale)[kept]
    np.testing.assert_allclose(left, (right / scale)[kept], rtol=1e-10)
    identity = (system.inverse() * unit) @ inside
    np.testing.assert_allclose(identity, np.eye(4), atol=1e-10)
    assert not system.regularized


def test_a_singular_hessian_is_regularized_and_says_so():
    system = NewtonSystem.of(np.ones((3, 3)), np.arange(3))
    assert system.regularized
    assert np.isfinite(system.solve(np.ones(3))).all()


def test_a_pivot_of_rounding_is_not_taken_for_curvature():
    rng = np.random.default_rng(0)
    for _ in range(50):
        root = rng.normal(size=(40, 3))
        twice = np.column_stack([root, root[:, 0]])
        assert NewtonSystem.of(twice.T @ twice, np.arange(4)).regularized


def test_largest_eigenvalue_is_never_underestimated():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(600, 600))
    matrix = root @ root.T
    truth = np.linalg.eigvalsh(matrix)[-1]
    assert largest_eigenvalue(matrix) >= truth * (1 - 1e-12)
    small = matrix[:20, :20]
    assert largest_eigenvalue(small) == pytest.approx(np.linalg.eigvalsh(small)[-1])


def gram_of(columns, fit_intercept=True):
    Z = np.column_stack(columns)
    if fit_intercept:
        Z = np.column_stack([np.ones(len(Z)), Z])
    return Z.T @ Z


def test_aliased_columns_are_found_in_the_order_of_columns():
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 500)) * np.array([[1], [1e-5], [1e4]])
    gram = gram_of([a, b, 2 * a - 3e4 * b, c, c + 1, a + c])
    constant = np.zeros(7, dtype=bool)
    kept = independent_columns(gram, constant, fit_intercept=True)
    assert kept.tolist() == [0, 1, 2, 4]
    weights = combination(gram, kept, 3)
    np.testing.assert_allclose(weights[[1, 2]], [2, -3e4], rtol=1e-6)


@pytest.mark.parametrize("noise", [1e-3, 1e-4])
def test_nearly_aliased_columns_are_kept(noise):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5000))
    gram = gram_of([a, a + noise * b])
    kept = independent_columns(gram, np.zeros(3, dtype=bool), fit_intercept=True)
    assert kept.tolist() == [0, 1, 2]


def test_a_far_centre_does_not_make_a_column_look_aliased():
    rng = np.random.default_rng(0)
    a = rng.normal(size=5000) + 1e4
    kept = independent_columns(
        gram_of([a]), np.zeros(2, dtype=bool), fit_intercept=True
    )
    assert kept.tolist() == [0, 1]
    without = independent_columns(
        gram_of([a], False), np.zeros(1, dtype=bool), fit_intercept=False
    )
    assert without.tolist() == [0]


def test_a_rejected_step_does_not_cost_more_than_is_left():
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(200), rng.normal(size=(200, 2))])
    loss = Logistic(X, rng.random(200) < 0.5)
    far = Point(np.array([0.0, 8.0, -8.0]), loss.at(np.array([0.0, 8.0, -8.0])))
    for most in range(6):
        loss.calls = 0
        found = loss.newton(max_evaluations=most).minimize(loss, far, lambda _: None)
        assert loss.calls == found.n_evaluations <= most


def test_a_bound_above_tol_is_not_called_converged():
    """At a tol below the rounding of the sums nothing can be proven."""
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(200), rng.normal(size=(200, 2))])
    loss = Logistic(X, rng.random(200) < 0.5)
    newton = loss.newton(tol=1e-15)
    found = newton.minimize(loss, loss.start(), lambda _: None)
    assert found.status is Status.STALLED
    assert 1e-15 < found.error_bound < 1e-11


def test_a_column_whose_squares_underflow_is_left_out():
    gram = np.diag([5.0, 5.0, 1e-310])
    kept = independent_columns(gram, np.zeros(3, dtype=bool), fit_intercept=True)
    assert kept.tolist() == [0, 1]


def test_the_largest_of_eigenvalues_that_are_the_same():
    k = 101
    matrix = np.linalg.inv(1e6 * (0.1 * np.eye(k) + 0.03))
    assert largest_eigenvalue(matrix) == pytest.approx(1e-5, rel=1e-12)
