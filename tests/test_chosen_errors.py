"""Standard errors of chosen coefficients against those of the full inverse."""

import warnings

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest

import dlogreg
from dlogreg.evaluation import HessianProducts
from dlogreg.kernel import HessianProductsKernel, LossKernel, Rows
from dlogreg.solvers import Metric, invert_columns, sample_metric
from dlogreg.solvers.inverse_columns import SAFETY
from tests.test_kernel import evaluate


def table(n=3000, d=40, seed=0, weighted=False):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    for j in range(1, d):
        X[:, j] = 0.8 * X[:, j - 1] + 0.6 * X[:, j]
    y = (rng.random(n) < 1 / (1 + np.exp(0.5 - X[:, :3].sum(axis=1)))).astype(int)
    weight = rng.integers(0, 3, n).astype(float) if weighted else None
    return X + 5, y, weight


NAMES = ["x7", "const", "x1", "x40"]


@pytest.mark.parametrize("d", [3, 30, 520])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_products_are_those_of_the_hessian(d, fit_intercept):
    rng = np.random.default_rng(0)
    X, first = rng.normal(size=(200, d)) + 1, int(fit_intercept)
    rows = Rows(X, rng.integers(0, 2, 200), rng.integers(0, 3, 200).astype(float))
    params = rng.normal(size=d + first) / np.sqrt(d)
    centre = X.mean(axis=0) if fit_intercept else np.zeros(d)
    vectors = rng.normal(size=(d + first, 3))
    kernel = HessianProductsKernel(params, vectors, centre, 1, fit_intercept)
    found = evaluate(kernel, rows, rows)
    full = evaluate(LossKernel(params, centre, 1, fit_intercept), rows, rows)
    hessian = np.tril(full.hessian) + np.tril(full.hessian, -1).T
    np.testing.assert_allclose(found.products, hessian @ vectors, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.gradient, full.gradient, rtol=1e-9, atol=1e-9)


def test_products_by_finite_differences_of_the_gradient():
    rng = np.random.default_rng(0)
    rows = Rows(rng.normal(size=(300, 4)), rng.integers(0, 2, 300))
    params, vector, h = rng.normal(size=5), rng.normal(size=5), 1e-5
    kernel = HessianProductsKernel(params, vector[:, None], np.zeros(4), 1)
    up, down = (
        evaluate(LossKernel(params + t * vector, np.zeros(4), 1, order=1), rows)
        for t in (h, -h)
    )
    slope = (up.gradient - down.gradient) / (2 * h)
    products = evaluate(kernel, rows).products[:, 0]
    np.testing.assert_allclose(products, slope, rtol=1e-6, atol=1e-6)


def test_products_add():
    one = HessianProducts(np.ones((3, 2)), np.ones(3))
    assert ((one + one).products == 2).all()
    assert ((one + one).gradient == 2).all()


# Block conjugate gradients


def system(k=60, n=600, seed=0):
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, k)) * 10.0 ** rng.uniform(-1, 1, k)
    return Z, Z.T @ Z


@pytest.mark.parametrize("n_columns", [1, 5, 20])
def test_columns_of_the_inverse(n_columns):
    _, H = system()
    C = np.eye(60)[:, :n_columns]
    metric = Metric.of_diagonal(np.diag(H))
    found = invert_columns(lambda V: H @ V, metric, C, 1e-10, 100)
    exact = np.linalg.inv(H)[:, :n_columns]
    variances = np.diag(exact)
    assert found.converged
    short = 1 - found.variances / variances
    assert (short >= -1e-12).all()
    assert (short <= 1e-10).all()
    error = np.abs(found.solved - exact) / np.sqrt(np.outer(np.diag(H), variances))
    assert error.max() < 1e-3
    assert (found.residuals < 1e-4).all()
    assert found.n_products < 25


def test_more_columns_take_no_more_steps():
    _, H = system()
    metric = Metric.of_diagonal(np.diag(H))
    steps = [
        invert_columns(lambda V: H @ V, metric, np.eye(60)[:, :b], 1e-8, 99).n_products
        for b in (1, 8, 30)
    ]
    assert steps[0] >= steps[1] >= steps[2]


def test_all_columns_and_an_exact_metric_do_not_break_down():
    _, H = system(k=8)
    found = invert_columns(
        lambda V: H @ V, Metric.of_diagonal(np.diag(H)), np.eye(8), 1e-10, 50
    )
    np.testing.assert_allclose(found.solved @ H, np.eye(8), atol=1e-8)
    equal = np.diag(np.arange(1.0, 6.0))
    metric = Metric.of_diagonal(np.arange(1.0, 6.0))
    exact = invert_columns(lambda V: equal @ V, metric, np.eye(5)[:, :2], 1e-10, 50)
    np.testing.assert_allclose(exact.variances, [1.0, 0.5])
    assert exact.n_products == 3


def test_the_sample_saves_steps_where_columns_are_correlated():
    X, _, _ = table(n=4000, d=100)
    Z = X - X.mean(axis=0)
    H = Z.T @ Z / 4
    sample = Z[:800].astype("f4")
    plain, known = (
        invert_columns(lambda V: H @ V, metric, np.eye(100)[:, :4], 1e-6, 99).n_products
        for metric in (
            Metric.of_diagonal(np.diag(H)),
            sample_metric(sample, np.diag(H), np.zeros(100)),
        )
    )
    assert known < plain / 2


def test_too_few_steps_are_told():
    _, H = system()
    metric = Metric.of_diagonal(np.diag(H))
    found = invert_columns(lambda V: H @ V, metric, np.eye(60)[:, :2], 1e-12, 4)
    assert not found.converged
    assert found.n_products == 4
    truth = np.diag(np.linalg.inv(H))[:2]
    assert (SAFETY * found.missing >= 1 - found.variances / truth).all()


# Through results


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", ["lbfgs", "newton"])
def test_they_are_those_of_the_full_inverse(weighted, solver):
    X, y, weight = table(weighted=weighted)
    res = dlogreg.fit(X, y, sample_weight=weight, solver=solver, tol=1e-10)
    found = res.errors_of(NAMES, tol=1e-6)
    assert found.bse.names == tuple(NAMES)
    np.testing.assert_allclose(found.bse, res.bse[NAMES], rtol=2e-6)
    assert (np.asarray(found.bse) <= res.bse[NAMES] * (1 + 1e-9)).all()
    assert (np.asarray(found.bse_error) <= 1e-6 / 3).all()
    assert (np.asarray(found.residuals) < 1e-2).all()
    np.testing.assert_allclose(found.zvalues, res.zvalues[NAMES], rtol=2e-6)
    np.testing.assert_allclose(found.pvalues, res.pvalues[NAMES], rtol=1e-3)
    at = [res.names.index(name) for name in NAMES]
    np.testing.assert_allclose(
        found.conf_int(0.1), res.conf_int(0.1)[at], rtol=1e-4, atol=1e-6
    )
    full = res.cov_params()[np.ix_(at, at)]
    size = np.sqrt(np.outer(np.diag(full), np.diag(full)))
    assert (np.abs(found.cov_params() - full) / size).max() < 1e-3
    assert found.n_passes <= 16


def test_wide_data_whose_hessian_is_not_formed():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, 600)).astype("f4")
    y = (rng.random(6000) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
    res = dlogreg.fit(X, y, solver="lbfgs", inference=False)
    found = res.errors_of(["x1", "x600"], X=da.from_array(X, chunks=(500, 600)), y=y)
    full = dlogreg.fit(X, y, solver="newton")
    np.testing.assert_allclose(found.bse, full.bse[["x1", "x600"]], rtol=2e-4)
    assert found.n_passes <= 10
    assert found.bytes_read > found.n_passes * X.nbytes
    assert "passes; relative error about" in repr(found)
    assert repr(found).startswith("x1    ")


def test_the_same_bits_with_any_number_of_threads(monkeypatch):
    monkeypatch.setattr("dlogreg.layout.INLINE_BYTES", 0)
    X, y, _ = table(n=2000, d=520)
    res = dlogreg.fit(X, y, solver="lbfgs", inference=False, tol=1e-2)
    found = []
    for scheduler, workers in (("synchronous", 1), ("threads", 5)):
        with dask.config.set(scheduler=scheduler, num_workers=workers):
            found.append(res.errors_of(["x3", "x9"], tol=0.1))
    assert found[0].cov_params().tobytes() == found[1].cov_params().tobytes()


def test_one_name_and_names_given_twice():
    X, y, _ = table()
    res = dlogreg.fit(X, y)
    assert res.errors_of("x7").bse.names == ("x7",)
    assert res.errors_of(["x7", "x7"]).bse.names == ("x7",)


def test_dropped_columns_are_left_out():
    X, y, _ = table(d=10)
    X[:, 4] = 3.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dlogreg.CollinearityWarning)
        res = dlogreg.fit(X, y, tol=1e-10)
    found = res.errors_of(["const", "x4", "x6"], tol=1e-6)
    np.testing.assert_allclose(found.bse, res.bse[["const", "x4", "x6"]], rtol=2e-6)
    with pytest.raises(dlogreg.InferenceError, match="'x5' has no standard error"):
        res.errors_of(["x5"])


def test_rows_that_are_not_those_of_the_fit_are_refused():
    X, y, _ = table()
    res = dlogreg.fit(X, y)
    with pytest.raises(dlogreg.DataError, match="not an optimum of these rows"):
        res.errors_of(["x1"], X=X, y=1 - y)
    with pytest.raises(dlogreg.DataError, match="39 columns"):
        res.errors_of(["x1"], X=X[:, 1:], y=y)


def test_a_loaded_result_needs_the_rows(tmp_path):
    X, y, weight = table(d=3, weighted=True)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    res = dlogreg.fit(frame, y, sample_weight=weight)
    res.save(tmp_path / "m.json")
    loaded = dlogreg.load(tmp_path / "m.json")
    with pytest.raises(dlogreg.InferenceError, match=r"errors_of\(..., X=X, y=y\)"):
        loaded.errors_of(["b"])
    given = {"X": frame[["c", "a", "b"]], "y": y, "sample_weight": weight}
    found = loaded.errors_of(["b"], **given)
    np.testing.assert_allclose(found.bse, res.bse[["b"]], rtol=2e-4)


def test_penalised_coefficients_unknown_names_and_wrong_options_are_refused():
    X, y, _ = table(d=3)
    res = dlogreg.fit(X, y)
    with pytest.raises(KeyError, match="no coefficient is named 'z'"):
        res.errors_of(["z"])
    with pytest.raises(ValueError, match="names is empty"):
        res.errors_of([])
    with pytest.raises(ValueError, match="tol must be a positive number"):
        res.errors_of(["x1"], tol=0)
    with pytest.raises(ValueError, match="max_passes must be at least 1"):
        res.errors_of(["x1"], max_passes=0)
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
        res.errors_of(["x1"]).conf_int(2)
    ridge = dlogreg.fit(X, y, alpha=0.1)
    with pytest.raises(dlogreg.InferenceError, match="would ignore their bias"):
        ridge.errors_of(["x1"])


def test_too_few_passes_are_warned_of():
    X, y, _ = table()
    res = dlogreg.fit(X, y)
    with pytest.warns(dlogreg.ConvergenceWarning, match="raise max_passes or tol"):
        found = res.errors_of(["x1"], max_passes=2)
    assert found.n_passes == 2
