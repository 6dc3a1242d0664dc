"""The softmax kernel against formulas written out, and by finite differences."""

import numpy as np
import pytest
from mpmath import mp, mpf

from dlogreg.kernel import LossKernel, Rows, SoftmaxKernel, SoftmaxPointsKernel
from dlogreg.loss import softmax_rows
from tests.test_kernel import evaluate

CLASSES = ("b", "a", "d", "c")


def written_out(X, y, weight, params, centre, fit_intercept=True):
    Z = np.asarray(X, float) - centre
    if fit_intercept:
        Z = np.column_stack([np.ones(len(Z)), Z])
    s = np.ones(len(Z)) if weight is None else weight
    eta = np.column_stack([np.zeros(len(Z)), Z @ params.T])
    p = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    Y = y[:, None] == np.array(CLASSES)
    loss = -s @ np.log(p[Y])
    gradient = (s[:, None] * (p - Y)).T[1:] @ Z
    weights = [
        [s * p[:, k] * ((k == j) - p[:, j]) for j in (1, 2, 3)] for k in (1, 2, 3)
    ]
    hessian = np.block([[Z.T @ (w[:, None] * Z) for w in line] for line in weights])
    return loss, gradient.ravel(), hessian


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    n, d = 20_000, 3
    X = rng.normal(size=(n, d)) + 2
    y = np.array(CLASSES)[rng.integers(0, 4, n)]
    weight = rng.integers(0, 3, n).astype(float)
    return X, y, weight, rng.normal(size=(3, d + 1)), X.mean(axis=0)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_sums_agree_with_formulas(data, weighted, fit_intercept):
    X, y, weight, params, centre = data
    weight = weight if weighted else None
    if not fit_intercept:
        params, centre = params[:, 1:], np.zeros(3)
    kernel = SoftmaxKernel(params, centre, CLASSES, fit_intercept)
    found = evaluate(kernel, Rows(X, y, weight))
    loss, gradient, hessian = written_out(X, y, weight, params, centre, fit_intercept)
    assert found.loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-10, atol=1e-8)
    np.testing.assert_allclose(found.hessian, hessian, rtol=1e-10, atol=1e-8)
    np.testing.assert_array_equal(found.hessian, found.hessian.T)


@pytest.mark.parametrize("weighted", [True, False])
def test_a_closing_pass_sums_the_middle_of_the_sandwich(data, weighted):
    X, y, weight, params, centre = data
    weight = weight if weighted else None
    rows = Rows(X, y, weight)
    kernel = SoftmaxKernel(params, centre, CLASSES, precision="closing")
    found = evaluate(kernel, rows)
    plain = evaluate(SoftmaxKernel(params, centre, CLASSES), rows)
    assert plain.meat is None
    np.testing.assert_array_equal(found.hessian, plain.hessian)
    np.testing.assert_array_equal(found.gradient, plain.gradient)
    Z = np.column_stack([np.ones(len(X)), X - centre])
    eta = np.column_stack([np.zeros(len(X)), Z @ params.T])
    p = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
    residual = (p - (y[:, None] == np.array(CLASSES)))[:, 1:]
    scores = (residual[:, :, None] * Z[:, None, :]).reshape(len(X), -1)
    s = np.ones(len(X)) if weight is None else weight
    expected = scores.T @ (s[:, None] * scores)
    np.testing.assert_allclose(found.meat, expected, rtol=1e-9, atol=1e-8)


def test_two_classes_are_the_binary_kernel(data):
    X, y, weight, params, centre = data
    rows = Rows(X, y == "a", weight)
    found = evaluate(SoftmaxKernel(params[:1], centre, (False, True)), rows)
    binary = evaluate(LossKernel(params[0], centre, True), rows)
    assert found.loss == pytest.approx(binary.loss, rel=1e-14)
    np.testing.assert_allclose(found.gradient, binary.gradient, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(found.hessian, binary.hessian, rtol=1e-12, atol=1e-10)


def test_first_order_gives_the_same_gradient_and_no_hessian(data):
    X, y, weight, params, centre = data
    rows = Rows(X, y, weight)
    second = evaluate(SoftmaxKernel(params, centre, CLASSES), rows)
    first = evaluate(SoftmaxKernel(params, centre, CLASSES, order=1), rows)
    assert first.hessian is None
    assert first.loss == second.loss
    np.testing.assert_array_equal(first.gradient, second.gradient)


def test_gradient_and_hessian_by_finite_differences(data):
    X, y, weight, params, centre = data
    rows, h = Rows(X[:500], y[:500], weight[:500]), 1e-5

    def at(values):
        return evaluate(SoftmaxKernel(values, centre, CLASSES), rows)

    here = at(params)
    for j in range(params.size):
        shift = np.zeros(params.size)
        shift[j] = h
        shift = shift.reshape(params.shape)
        up, down = at(params + shift), at(params - shift)
        slope = (up.loss - down.loss) / (2 * h)
        assert here.gradient[j] == pytest.approx(slope, rel=1e-7, abs=1e-5)
        bend = (up.gradient - down.gradient) / (2 * h)
        np.testing.assert_allclose(here.hessian[j], bend, rtol=1e-6, atol=1e-5)


def test_trial_losses_are_the_losses_at_the_trial_points(data):
    X, y, weight, params, centre = data
    rows, direction, lengths = Rows(X, y, weight), np.ones_like(params), (0.5, -0.25)
    direction[1] = -2.0
    kernel = SoftmaxKernel(
        params, centre, CLASSES, direction=direction, step_lengths=lengths
    )
    found = evaluate(kernel, rows)
    for length, loss in zip(lengths, found.trial_losses, strict=True):
        there = SoftmaxKernel(params + length * direction, centre, CLASSES)
        assert loss == pytest.approx(evaluate(there, rows).loss, rel=1e-12)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_several_points_from_one_read_are_those_of_single_reads(data, fit_intercept):
    X, y, weight, params, centre = data
    X[weight == 0] = np.nan
    if not fit_intercept:
        params, centre = params[:, 1:], np.zeros(3)
    points, class_weight = [params, 0 * params, -2 * params], (("a", 2.0),)
    columns = np.column_stack([point.ravel() for point in points])
    kernel = SoftmaxPointsKernel(columns, centre, CLASSES, fit_intercept, class_weight)
    found = evaluate(kernel, Rows(X, y, weight))
    assert found.intercept_curvatures is None
    for i, point in enumerate(points):
        single = SoftmaxKernel(
            point, centre, CLASSES, fit_intercept, 1, class_weight=class_weight
        )
        expected = evaluate(single, Rows(X, y, weight))
        assert found.losses[i] == expected.loss
        np.testing.assert_array_equal(found.gradients[:, i], expected.gradient)


def test_class_weight_multiplies_sample_weight(data):
    X, y, weight, params, centre = data
    kernel = SoftmaxKernel(
        params, centre, CLASSES, class_weight=(("a", 2.0), ("c", 3.0))
    )
    found = evaluate(kernel, Rows(X, y, weight))
    factor = np.where(y == "a", 2.0, np.where(y == "c", 3.0, 1.0))
    loss, gradient, hessian = written_out(X, y, weight * factor, params, centre)
    assert found.loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-10, atol=1e-8)
    np.testing.assert_allclose(found.hessian, hessian, rtol=1e-10, atol=1e-8)


def test_weight_zero_is_the_row_removed_even_if_it_holds_nan(data):
    X, y, _, params, centre = data
    X, y = X[:4].copy(), y[:4]
    X[1] = np.nan
    kernel = SoftmaxKernel(params, centre, CLASSES)
    found = evaluate(kernel, Rows(X, y, np.array([2.0, 0, 1, 1])))
    again = evaluate(kernel, Rows(X[[0, 0, 2, 3]], y[[0, 0, 2, 3]]))
    assert found.loss == pytest.approx(again.loss, rel=1e-14)
    np.testing.assert_allclose(found.hessian, again.hessian, rtol=1e-13)
    nothing = evaluate(kernel, Rows(X[1:2], y[1:2], np.zeros(1)))
    assert nothing.loss == 0
    assert not nothing.hessian.any()


def test_shares_keep_their_digits_where_one_class_is_sure():
    mp.dps = 60
    eta = np.array([[-40.0, 45.0, 3.0, 800.0], [2.0, -30.0, -50.0, 790.0]])
    own = np.array([2, 1, 1, 2])
    loss, p, complement = softmax_rows(eta, own)
    for i in range(4):
        e = [mp.e**0, *(mp.e ** mpf(v) for v in eta[:, i])]
        total = sum(e)
        truth = -mp.log(e[own[i]] / total)
        assert loss[i] == pytest.approx(float(truth), rel=1e-13)
        for k in range(3):
            assert p[k, i] == pytest.approx(float(e[k] / total), rel=1e-13)
            others = sum(e[j] for j in range(3) if j != k)
            assert complement[k, i] == pytest.approx(float(others / total), rel=1e-13)


def test_a_hessian_of_sure_rows_keeps_its_digits():
    """1 - p is 1e-17 there, so that p - p^2 would be zero."""
    X = np.array([[40.0], [41.0], [-40.0]])
    rows = Rows(X, np.array(["a", "a", "b"]))
    params = np.array([[0.0, 1.0], [0.0, -1.0], [0.0, -2.0]])
    found = evaluate(SoftmaxKernel(params, np.zeros(1), CLASSES), rows)
    small = np.exp(-40.0)
    expected = small * 40**2 + np.exp(-41.0) * 41**2
    assert found.hessian[1, 1] == pytest.approx(expected, rel=1e-9)
