"""Lasso and bounds on data too wide for the Hessian of all columns."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.sparse

import dlogreg
from dlogreg.errors import DataError
from dlogreg.kernel.columns import columns_of
from dlogreg.kernel.csr import CSR
from dlogreg.solvers import Status, working_set
from tests.counting import counted_array, reads
from tests.test_elastic_net import drawn, missing_slopes


@pytest.fixture
def wide(monkeypatch):
    """Let no Hessian of all columns be formed."""
    monkeypatch.setattr(
        "dlogreg.options.fit_options.hessian_fits", lambda n_params: n_params < 3
    )
    monkeypatch.setattr(working_set, "AT_LEAST", 3)


OPTIONS = [
    {"alpha": 0.02, "l1_ratio": 1.0},
    {"alpha": 0.05, "l1_ratio": 0.4},
    {"alpha": 0.02, "l1_ratio": 1.0, "fit_intercept": False},
    {"alpha": 0.02, "l1_ratio": 1.0, "bounds": (0, None)},
    {"alpha": 0.02, "l1_ratio": 1.0, "bounds": {"x3": (0.2, 0.4)}},
    {"alpha": 0.02, "l1_ratio": 1.0, "penalty_factor": {"x2": 0, "x5": 3}},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_coefficients_are_those_of_all_columns(options, kind, wide):
    X, y, rng = drawn(1, 300, 20)
    if kind == "csr":
        X[rng.random(X.shape) < 0.5] = 0
    rows = scipy.sparse.csr_array(X) if kind == "csr" else X
    res = dlogreg.fit(rows, y, tol=1e-7, **options)
    whole = dlogreg.fit(X, y, tol=1e-9, solver="newton", **options)
    assert res.solver == "working-set"
    assert res.status is Status.CONVERGED
    assert res.error_bound <= 1e-7
    np.testing.assert_allclose(res.params, whole.params, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(res.coefficients == 0, whole.coefficients == 0)
    assert res.llf == pytest.approx(whole.llf, rel=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_wide_sparse_rows(seed):
    rng = np.random.default_rng(seed)
    X = scipy.sparse.random_array((400, 4000), density=0.01, rng=rng, format="csr")
    slopes = np.where(rng.random(4000) < 0.01, 3 * rng.normal(size=4000), 0)
    y = (rng.random(400) < 1 / (1 + np.exp(-(X @ slopes)))).astype(int)
    dense = X.toarray()
    alpha = 0.3 * np.abs(dense.T @ (y - y.mean())).max() / 400
    res = dlogreg.fit(X, y, alpha=alpha, l1_ratio=1.0, tol=1e-6)
    assert res.solver == "working-set"
    assert res.status is Status.CONVERGED
    assert 5 < res.df_model < 400
    left = missing_slopes(dense, y, res.coefficients, alpha=alpha, l1_ratio=1.0)
    assert np.abs(left).max() < 1e-8


@pytest.mark.parametrize("tol", [0.5, 0.01])
def test_the_bound_holds(tol, wide):
    for seed in range(10):
        X, y, _ = drawn(seed, 60, 100)
        alpha = 0.3 * np.abs(X.T @ (y - y.mean())).max() / len(y)
        given = {"alpha": alpha, "l1_ratio": 1.0}
        loose = dlogreg.fit(X, y, tol=tol, **given)
        best = dlogreg.fit(X, y, tol=1e-9, solver="newton", **given).coefficients
        Z = np.column_stack([np.ones(len(y)), X])
        p = 1 / (1 + np.exp(-Z @ best))
        move = Z @ (loose.coefficients - best)
        assert np.sqrt((p * (1 - p) * move**2).sum()) <= loose.error_bound <= tol


def test_passes_are_those_that_are_promised(wide):
    X, y, _ = drawn(2, 2000, 30)
    rows = counted_array("wide rows", X, 250)
    res = dlogreg.fit(rows, y, alpha=0.02, l1_ratio=1.0)
    assert res.converged
    assert set(reads("wide rows")) <= {res.n_passes, res.n_passes + 1}
    assert res.n_passes == 7


def bits(res):
    return res.coefficients.tobytes(), res.llf, res.error_bound


def test_results_do_not_depend_on_the_scheduler(wide, small_blocks, request):
    X, y, _ = drawn(3, 2000, 12)
    rows, found = da.from_array(X, chunks=(300, -1)), []
    for scheduler in ("synchronous", "threads"):
        with dask.config.set(scheduler=scheduler, num_workers=2):
            found.append(bits(dlogreg.fit(rows, y, alpha=0.02, l1_ratio=1.0)))
    request.getfixturevalue("client")
    found.append(bits(dlogreg.fit(rows, y, alpha=0.02, l1_ratio=1.0)))
    assert len(set(found)) == 1


def test_a_start_and_an_offset_act(wide):
    X, y, rng = drawn(4, 300, 10)
    given = {"alpha": 0.02, "l1_ratio": 1.0, "offset": rng.normal(size=300)}
    best = dlogreg.fit(X, y, solver="newton", tol=1e-9, **given)
    cold = dlogreg.fit(X, y, tol=1e-6, **given)
    warm = dlogreg.fit(X, y, tol=1e-6, start=best.coefficients, **given)
    for res in (cold, warm):
        np.testing.assert_allclose(res.params, best.params, rtol=1e-5, atol=1e-8)
    assert warm.n_passes < cold.n_passes


def test_too_many_coefficients_are_refused(wide, monkeypatch):
    X, y, _ = drawn(5, 300, 20)
    monkeypatch.setattr(working_set, "MOST", 4)
    with pytest.raises(DataError, match="at most 4 can be; give a larger alpha"):
        dlogreg.fit(X, y, alpha=1e-4, l1_ratio=1.0)


def test_too_few_passes_are_told(wide):
    X, y, _ = drawn(6, 300, 20)
    with pytest.warns(dlogreg.ConvergenceWarning, match="stopped at max_passes"):
        res = dlogreg.fit(
            X, y, alpha=0.005, l1_ratio=1.0, max_passes=3, inference=False
        )
    assert res.n_passes == 3
    assert np.isinf(res.error_bound)


def test_plan_says_why(wide):
    X, y, _ = drawn(7, 300, 5)
    plan = dlogreg.plan(X, y, alpha=0.1, l1_ratio=1.0)
    assert plan.solver == "working-set"
    assert "the Hessian of 6 coefficients is too large" in plan.why_solver


def test_columns_of_compressed_rows():
    X = scipy.sparse.random_array((20, 9), density=0.4, rng=np.random.default_rng(0))
    rows = CSR.of(X.tocsr())
    columns = np.array([1, 4, 8])
    for part in (rows, rows[5:12], rows[3:3]):
        some = columns_of(part, columns)
        np.testing.assert_array_equal(some.toarray(), part.toarray()[:, columns])
