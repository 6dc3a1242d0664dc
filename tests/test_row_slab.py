"""Slabs by rows and products in float32: the same sums, within the proven rounding."""

import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import dlogreg
from dlogreg.evaluation import SINGLE_ROUNDING
from dlogreg.kernel import LossKernel, Rows, RowSlab, Slab, open_slab
from dlogreg.kernel.row_slab import MIXED_FROM, ROWS_FROM
from dlogreg.solvers import Geometry, Newton
from dlogreg.solvers.certificate import single_error
from tests.test_kernel import evaluate, written_out

D = 60


@pytest.fixture
def data():
    rng = np.random.default_rng(5)
    n = 9000
    X = (rng.normal(size=(n, D)) + rng.normal(size=D)) * 10.0 ** rng.uniform(-3, 3, D)
    params = rng.normal(size=D + 1) / np.r_[1.0, X.std(axis=0)] / 6
    y = (rng.random(n) < 0.4).astype(int)
    weight = rng.integers(0, 3, n).astype(float)
    return X, y, weight, params, X.mean(axis=0)


def test_few_columns_lie_in_lines_and_more_in_rows():
    def slab(n):
        return open_slab(np.zeros(n), fit_intercept=True)

    assert isinstance(slab(ROWS_FROM - 1), Slab)
    assert isinstance(slab(ROWS_FROM), RowSlab)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2", "i8", "?"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_give_the_sums_of_the_formulas(
    data, weighted, fit_intercept, dtype, order
):
    X, y, weight, params, centre = data
    X = np.asarray(X.clip(-30_000, 30_000), order=order).astype(dtype)
    weight = weight if weighted else None
    if not fit_intercept:
        params, centre = params[1:], np.zeros(D)
    kernel = LossKernel(params, centre, 1, fit_intercept)
    found = evaluate(kernel, Rows(X, y, weight))
    loss, gradient, hessian = written_out(X, y, weight, params, centre, fit_intercept)
    size = np.sqrt(np.maximum(np.diagonal(hessian), 1e-9))
    assert found.rounding == 0
    assert found.loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(found.gradient / size, gradient / size, atol=1e-9)
    unit = size * size[:, None]
    np.testing.assert_allclose(found.hessian / unit, hessian / unit, atol=1e-12)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_mixed_rounds_the_hessian_alone_and_within_its_bound(
    data, dtype, fit_intercept
):
    X, y, weight, params, centre = data
    X = X.astype(dtype)
    if not fit_intercept:
        params, centre = params[1:], np.zeros(D)
    double, mixed = (
        evaluate(
            LossKernel(params, centre, 1, fit_intercept, precision=precision),
            Rows(X, y, weight),
        )
        for precision in ("double", "mixed")
    )
    assert mixed.loss == double.loss
    np.testing.assert_array_equal(mixed.gradient, double.gradient)
    size = np.sqrt(np.diagonal(double.hessian))
    off = np.abs(mixed.hessian - double.hessian) / (size * size[:, None])
    assert mixed.rounding == SINGLE_ROUNDING
    assert 1e-10 < off.max() < SINGLE_ROUNDING
    eps = single_error(np.linalg.inv(mixed.hessian), 1 / size)
    root = np.linalg.cholesky(double.hessian)
    inner = np.linalg.solve(root, (mixed.hessian - double.hessian))
    inner = np.linalg.solve(root, inner.T)
    assert np.abs(np.linalg.eigvalsh(inner)).max() < eps


def test_sums_too_small_for_float32_are_not_taken_for_exact(data):
    X, y, weight, params, centre = data
    params = np.r_[120.0, params[1:]]  # every row is predicted beyond doubt
    kernel = LossKernel(params, centre, 1, precision="mixed")
    assert np.isinf(evaluate(kernel, Rows(X, y, weight)).rounding)


def test_single_is_good_enough_for_a_start(data):
    X, y, weight, params, centre = data
    rows = Rows(X.astype("f4"), y, weight)
    kernel = LossKernel(params, centre, 1)
    double = evaluate(kernel, rows)
    single = evaluate(LossKernel(params, centre, 1, precision="single"), rows)
    size = np.sqrt(np.diagonal(double.hessian))
    np.testing.assert_allclose(
        single.gradient / size, double.gradient / size, atol=1e-3
    )
    unit = size * size[:, None]
    np.testing.assert_allclose(single.hessian / unit, double.hessian / unit, atol=1e-4)
    assert single.loss == pytest.approx(double.loss, rel=1e-5)


@pytest.mark.parametrize("precision", ["double", "single"])
def test_the_largest_norm_is_never_below_the_truth(data, precision):
    X, _, weight, _, centre = data
    slab = RowSlab(centre, fit_intercept=True, precision=precision)
    units = np.r_[1.0, 1 / X.std(axis=0)]
    part = slice(0, slab.length)
    slab.load(X[part])
    norm, squares = slab.square_sums(units, weight[part])
    Z = np.column_stack([np.ones(slab.length), X[part] - centre])
    exact = ((Z * units) ** 2).sum(axis=1).max()
    assert exact * (1 - 1e-15) <= norm <= exact * (1 + 1e-4)
    np.testing.assert_allclose(squares, weight[part] @ Z**2, rtol=1e-5)


def optimum(X, y):
    """Newton in float64 on the standardized columns: params and standard errors."""
    X = np.asarray(X, float)
    mean, scale = X.mean(axis=0), X.std(axis=0)
    Z = np.column_stack([np.ones(len(X)), (X - mean) / scale])
    theta = np.zeros(Z.shape[1])
    for _ in range(12):
        p = 1 / (1 + np.exp(-(Z @ theta)))
        hessian = Z.T @ ((p * (1 - p))[:, None] * Z)
        step = np.linalg.solve(hessian, Z.T @ (p - y))
        theta -= step
        if np.abs(step).max() < 1e-9:  # the next one is of its square
            break
    back = np.diag(np.r_[1.0, 1 / scale])
    back[0, 1:] = -mean / scale
    covariance = back @ np.linalg.inv(hessian) @ back.T
    return back @ theta, np.sqrt(np.diagonal(covariance))


def many_columns(n=52_000, d=D, seed=0, steep=1.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    X[:, 1::3] += 0.6 * X[:, ::3]
    eta = steep * X @ rng.normal(size=d) / np.sqrt(d) - 0.4
    return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)


@cache
def steep_columns(dtype):
    X, y = many_columns(steep=2.0)
    X = X.astype(dtype)
    return X, y, optimum(X, y)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("tol", [0.05, 1e-4, 1e-8])
@pytest.mark.parametrize("inference", [True, False])
def test_bounds_hold_with_products_in_float32(tol, dtype, inference):
    X, y, (params, bse) = steep_columns(dtype)
    res = dlogreg.fit(X, y, tol=tol, inference=inference)
    truth = np.abs((np.asarray(res.params) - params) / bse).max()
    assert res.status is dlogreg.Status.CONVERGED
    assert truth <= res.error_bound + 1e-9  # the reference is in float64
    assert res.error_bound <= tol
    if inference:
        np.testing.assert_allclose(res.bse, bse, rtol=res.bse_error_bound + 1e-10)
    assert res.n_passes <= 4


def test_far_scales_are_summed_in_float64():
    X, y = many_columns(n=55_000)
    scale = 10.0 ** np.linspace(-25, 25, D)
    plain = dlogreg.fit(X, y, tol=1e-8)
    res = dlogreg.fit(X * scale, y, tol=1e-8)
    np.testing.assert_allclose(
        np.asarray(res.params)[1:] * scale, np.asarray(plain.params)[1:], rtol=1e-7
    )


def test_values_beyond_float32_are_not_called_infinite():
    X, y = many_columns(n=55_000)
    X[31_111, 7] = 1e30  # the scale is found in other rows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dlogreg.ConvergenceWarning)  # one row is all
        res = dlogreg.fit(X, y, alpha=1e-3, tol=1e-6)
    assert np.isfinite(np.asarray(res.params)).all()
    X[31_111, 7] = np.inf
    with pytest.raises(dlogreg.DataError, match="'x8' holds infinity in row 31111"):
        dlogreg.fit(X, y)


def test_aliased_columns_among_many_are_found_and_cost_no_pass():
    X, y = many_columns(n=80_000)
    level = np.random.default_rng(1).integers(0, 4, len(y))
    dummies = np.eye(4)[level]
    wide = np.column_stack([X[:, :40], dummies, X[:, 40:], X[:, 0] - 2 * X[:, 50]])
    plain = dlogreg.fit(np.delete(wide, [43, 64], axis=1), y, tol=1e-8)
    with pytest.warns(dlogreg.CollinearityWarning, match="x44.*x65"):
        res = dlogreg.fit(wide, y, tol=1e-8)
    assert list(res.dropped) == ["x44", "x65"]
    assert "x1" in res.dropped["x65"]
    assert res.n_passes <= plain.n_passes + 1
    kept = np.asarray(res.params)[~np.isnan(np.asarray(res.params))]
    np.testing.assert_allclose(kept, plain.params, rtol=1e-7, atol=1e-9)


def test_nearly_aliased_columns_are_kept():
    X, y = many_columns(n=80_000)
    noise = np.random.default_rng(2).normal(size=len(y))
    wide = np.column_stack([X, X[:, 0] + 1e-4 * noise])
    res = dlogreg.fit(wide, y, tol=1e-4)
    assert not res.dropped
    params, bse = optimum(wide, y)
    truth = np.abs((np.asarray(res.params) - params) / bse).max()
    assert truth <= res.error_bound <= 1e-4


def test_the_choice_of_precision_is_seen_in_the_bits_of_no_closing_pass():
    """The last pass of a fit with standard errors is float64, whatever came before."""
    X, y = many_columns(n=60_000)
    assert X.shape[1] >= MIXED_FROM
    res = dlogreg.fit(X, y)
    _, bse = optimum(X, y)
    np.testing.assert_allclose(res.bse, bse, rtol=2e-4)
    assert res.bse_error_bound <= 1e-4


def test_the_first_product_is_float64_where_only_that_proves_the_bound():
    k, radius = 101, 14.7
    reach = np.full(k, 5.4)
    precisions = {}
    for n in (1e6, 1e7, 1e9):
        geometry = Geometry(reach, radius, np.full(k, n))
        newton = Newton(0.01, 10, geometry, np.arange(k), rounds=True)
        information = n * (0.1 * np.eye(k) + 0.03)
        precisions[n] = newton.first_precision(information)
        assert replace(newton, tol=1e-6).first_precision(information) == "mixed"
    # of a million rows one more pass follows anyhow; of a thousand million the bound
    # has room for what products in float32 are off by
    assert precisions == {1e6: "mixed", 1e7: "double", 1e9: "mixed"}
    assert newton.first_precision(n * np.eye(k)) == "mixed"
