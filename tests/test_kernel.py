"""The dense kernel against formulas written out, and by finite differences."""

import numpy as np
import pytest

from dlogreg.kernel import LossKernel, Rows, Slab, slab, slab_rows


def written_out(X, y, weight, params, centre, fit_intercept=True):
    Z = np.asarray(X, float) - centre
    if fit_intercept:
        Z = np.column_stack([np.ones(len(Z)), Z])
    s = np.ones(len(Z)) if weight is None else weight
    eta = Z @ params
    p = 1 / (1 + np.exp(-eta))
    loss = s @ (np.logaddexp(0, eta) - y * eta)
    return loss, Z.T @ (s * (p - y)), Z.T @ ((s * p * (1 - p))[:, None] * Z)


def evaluate(kernel, *blocks):
    buffers, sums = kernel.open(), kernel.start()
    for rows in blocks:
        kernel.add(sums, rows, buffers)
    return kernel.finish(sums)


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    n, d = 40_000, 5
    X = rng.normal(size=(n, d)) + 2
    y = (rng.random(n) < 0.4).astype(int)
    weight = rng.integers(0, 3, n).astype(float)
    return X, y, weight, rng.normal(size=d + 1), X.mean(axis=0)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "?"])
@pytest.mark.parametrize("n_features", [1, 7, 20])
def test_rows_of_any_layout_are_centred_to_the_bit(dtype, n_features):
    rng = np.random.default_rng(1)
    centre, n = rng.normal(size=n_features), 2 * slab.TILE_BYTES // 8 + 3
    X = (10 * rng.normal(size=(n, 2 * n_features))).astype(dtype)
    expected = (X[:, ::2].astype(float) - centre).T
    given = {"strided": X[:, ::2], "backwards": X[::-1, ::2][::-1]}
    given |= {order: X[:, ::2].copy(order) for order in "CF"}
    for rows in given.values():
        buffer = Slab(centre, fit_intercept=True)
        for low in range(0, n, buffer.length):
            part = slice(low, low + buffer.length)
            z = buffer.load(rows[part])
            assert (z[0] == 1).all()
            np.testing.assert_array_equal(z[1:], expected[:, part])


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_sums_agree_with_formulas(data, weighted, fit_intercept):
    X, y, weight, params, centre = data
    weight = weight if weighted else None
    if not fit_intercept:
        params, centre = params[1:], np.zeros(X.shape[1])
    kernel = LossKernel(params, centre, event=1, fit_intercept=fit_intercept)
    found = evaluate(kernel, Rows(X, y, weight))
    loss, gradient, hessian = written_out(X, y, weight, params, centre, fit_intercept)
    assert found.loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-10, atol=1e-8)
    np.testing.assert_allclose(found.hessian, hessian, rtol=1e-11, atol=1e-9)


def test_first_order_gives_the_same_gradient_and_no_hessian(data):
    X, y, weight, params, centre = data
    rows = Rows(X, y, weight)
    second = evaluate(LossKernel(params, centre, 1), rows)
    first = evaluate(LossKernel(params, centre, 1, order=1), rows)
    assert first.hessian is None
    assert first.loss == second.loss
    np.testing.assert_array_equal(first.gradient, second.gradient)


def test_gradient_and_hessian_by_finite_differences(data):
    X, y, weight, params, centre = data
    rows = Rows(X[:500], y[:500], weight[:500])
    at = evaluate(LossKernel(params, centre, 1), rows)
    h = 1e-5
    for j in range(len(params)):
        shift = np.zeros(len(params))
        shift[j] = h
        up = evaluate(LossKernel(params + shift, centre, 1), rows)
        down = evaluate(LossKernel(params - shift, centre, 1), rows)
        slope = (up.loss - down.loss) / (2 * h)
        assert at.gradient[j] == pytest.approx(slope, rel=1e-7, abs=1e-5)
        bend = (up.gradient - down.gradient) / (2 * h)
        np.testing.assert_allclose(at.hessian[j], bend, rtol=1e-6, atol=1e-5)


def test_trial_losses_are_the_losses_at_the_trial_points(data):
    X, y, weight, params, centre = data
    rows, direction = Rows(X, y, weight), np.ones(len(params))
    lengths = (0.5, -0.25)
    kernel = LossKernel(params, centre, 1, direction=direction, step_lengths=lengths)
    found = evaluate(kernel, rows)
    for length, loss in zip(lengths, found.trial_losses, strict=True):
        there = evaluate(LossKernel(params + length * direction, centre, 1), rows)
        assert loss == pytest.approx(there.loss, rel=1e-12)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i4", "u2", "?"])
def test_every_type_is_summed_in_float64(dtype):
    rng = np.random.default_rng(5)
    X = rng.integers(0, 2 if dtype == "?" else 90, size=(5000, 3)).astype(dtype)
    y = rng.integers(0, 2, 5000)
    params, centre = np.array([0.1, 0.02, -0.03, 0.01]), np.array([3.0, 1.0, 2.0])
    found = evaluate(LossKernel(params, centre, 1), Rows(X, y))
    loss, gradient, hessian = written_out(X, y, None, params, centre)
    assert found.loss == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-10, atol=1e-8)
    np.testing.assert_allclose(found.hessian, hessian, rtol=1e-12)


def test_extreme_predictors_stay_finite_and_exact():
    X = np.array([[1000.0], [-1000.0], [1000.0]])
    rows = Rows(X, np.array([1, 1, 0]))
    found = evaluate(LossKernel(np.array([0.0, 1.0]), np.zeros(1), 1), rows)
    assert found.loss == 2000.0
    assert found.gradient.tolist() == [0.0, 2000.0]


def test_weight_zero_is_the_row_removed_even_if_it_holds_nan():
    X = np.array([[1.0], [np.nan], [2.0]])
    y, weight = np.array([1, 0, 0]), np.array([2.0, 0.0, 1.0])
    kernel = LossKernel(np.array([0.2, 0.3]), np.zeros(1), 1)
    found = evaluate(kernel, Rows(X, y, weight))
    loss, gradient, _ = written_out(
        X[[0, 0, 2]], y[[0, 0, 2]], None, kernel.params, np.zeros(1)
    )
    assert found.loss == pytest.approx(loss, rel=1e-15)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-14)


def test_class_weight_multiplies_sample_weight(data):
    X, y, weight, params, centre = data
    kernel = LossKernel(params, centre, 1, class_weight=((0, 2.0), (1, 3.0)))
    found = evaluate(kernel, Rows(X, y, weight))
    factor = np.where(y == 1, 3.0, 2.0)
    loss, gradient, _ = written_out(X, y, weight * factor, params, centre)
    assert found.loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-10, atol=1e-8)


def test_a_slab_re_uses_its_buffer_and_fits_the_cache():
    slab = Slab(np.zeros(3), fit_intercept=True)
    first = slab.load(np.ones((10, 3)))
    second = slab.load(np.zeros((20, 3)))
    assert np.shares_memory(first, second)
    assert second.shape == (4, 20)
    for n_params in (1, 5, 29, 101, 1001, 30_000):
        assert 1024 <= slab_rows(n_params) <= 16384


def test_rows_know_their_place():
    rows = Rows(np.zeros((6, 1)), np.zeros(6), np.array([0, 1, 0, 1, 1, 1.0]), 4, 100)
    assert rows.place(3) == "row 103"
    first, second = rows.slabs(4)
    assert second.place(0) == "row 104"
    assert first.positive().place(1) == "row 103"
    unknown = Rows(np.zeros((6, 1)), np.zeros(6), None, 4, None)
    assert unknown.place(3) == "row 3 of block 4"
