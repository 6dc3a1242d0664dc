"""Where L-BFGS only estimates how far it is, the estimate is looked at again."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import expit

import dlogreg
from dlogreg import Status
from dlogreg.memory import project_memory
from dlogreg.options import FitOptions
from dlogreg.reduction import compute_shared, count_rows
from dlogreg.source import as_source

ROUNDED = 1e-6
"""What the reference may be off by, in standard errors."""


def newton(X, y, weight, ridge):
    """Return the optimum and a root of the Hessian there, by QR and never by H.

    The root's condition number is that of X, so that columns of correlation 1 - 1e-10
    are told apart to eleven digits.
    """
    Z = np.column_stack([np.ones(len(X)), X])
    pull = np.sqrt(np.concatenate([[0.0], ridge]))
    params = np.zeros(Z.shape[1])
    share = weight @ y / weight.sum()
    params[0] = np.log(share / (1 - share))

    def objective(params):
        eta = Z @ params
        loss = weight @ (np.logaddexp(0, eta) - y * eta)
        return loss + (pull * params) @ (pull * params) / 2

    for _ in range(200):
        p = expit(Z @ params)
        bend = np.sqrt(weight * p * (1 - p))
        root = np.vstack([bend[:, None] * Z, np.diag(pull)])
        right = np.concatenate([weight * (y - p) / bend, -pull * params])
        size = np.linalg.norm(root, axis=0)
        step = np.linalg.lstsq(root / size, right, rcond=1e-15)[0] / size
        if np.linalg.norm(root @ step) < ROUNDED:
            return params + step, root
        here = objective(params)
        while objective(params + step) > here * (1 + 1e-13):
            step /= 2
        params = params + step
    raise AssertionError("the reference has not converged")


def collinear(seed, n=300, kind="pair", near=1e-4):
    """Return columns that nearly repeat others, labels, and weights over six orders."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 8))
    if kind == "pair":
        X[:, 1] = X[:, 0] + near * rng.normal(size=n)
    if kind == "combination":
        X[:, 7] = X[:, :7].sum(axis=1) / 3 + near * rng.normal(size=n)
    if kind == "block":
        X[:, 4:] = X[:, :4] + near * rng.normal(size=(n, 4))
    y = (rng.random(n) < expit(X[:, 0])).astype(int)
    return X, y, 10.0 ** rng.uniform(-3, 3, n)


def fit(X, y, weight=None, **options):
    options = {"solver": "lbfgs", "inference": False, "tol": 0.01} | options
    return dlogreg.fit(X, y, sample_weight=weight, **options)


@pytest.mark.parametrize("alpha", [0.0, 1e-12, 1e-6])
@pytest.mark.parametrize("near", [1e-5, 1e-4, 1e-3])
@pytest.mark.parametrize("kind", ["pair", "combination", "block"])
def test_what_is_called_converged_is_within_tol(kind, near, alpha):
    X, y, weight = collinear(0, kind=kind, near=near)
    exact, root = newton(X, y, weight, np.full(8, alpha * weight.sum()))
    res = fit(X, y, weight, alpha=alpha, max_passes=300)
    assert res.status is Status.CONVERGED
    assert np.linalg.norm(root @ (res.params - exact)) <= res.error_bound + ROUNDED
    assert res.error_bound <= 0.01


def test_random_cases_are_never_wrongly_called_converged():
    """By L-BFGS's own estimate two fifths of such fits were, by up to 50 errors."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        kind = ["pair", "combination", "block", "none"][seed % 4]
        n, near = int(rng.integers(150, 500)), 10.0 ** rng.uniform(-4.5, -2)
        X, y, weight = collinear(seed, n, kind, near)
        if seed % 3 == 0:
            weight = np.ones(n)
        alpha = 0.0 if seed % 2 else 10.0 ** rng.uniform(-12, -3)
        exact, root = newton(X, y, weight, np.full(8, alpha * weight.sum()))
        tol = float(rng.choice([1e-2, 1e-4]))
        rows = sp.csr_array(X) if seed % 5 == 0 else X
        res = fit(rows, y, weight, alpha=alpha, tol=tol, max_passes=300)
        assert res.converged
        assert np.linalg.norm(root @ (res.params - exact)) <= tol, seed


def test_columns_without_a_penalty_beside_others():
    X, y, weight = collinear(3, kind="pair", near=1e-5)
    factor = np.array([0.0, 0.0, 1, 1, 1, 1, 1, 1])
    exact, root = newton(X, y, weight, 1e-3 * weight.sum() * factor)
    res = fit(X, y, weight, alpha=1e-3, penalty_factor=factor)
    assert res.status is Status.CONVERGED
    assert np.linalg.norm(root @ (res.params - exact)) <= res.error_bound + ROUNDED
    assert res.error_bound <= 0.01


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_all_rows_read_before_the_first_pass_prove_a_bound_at_no_pass(
    form, monkeypatch
):
    X, y, _ = collinear(1, n=2000, kind="none")
    exact, root = newton(X, y, np.ones(2000), np.zeros(8))
    res = fit(form(X), y)
    assert res.status is Status.CONVERGED
    assert np.linalg.norm(root @ (res.params - exact)) <= res.error_bound + ROUNDED
    assert res.error_bound <= 0.01
    monkeypatch.setattr("dlogreg.closing.sampled_bound", lambda *_: (0.0, False))
    without = fit(form(X), y)
    assert without.status is Status.CONVERGED_UNCERTIFIED
    assert without.n_passes == res.n_passes
    np.testing.assert_array_equal(without.params, res.params)


def test_a_sample_of_well_behaved_rows_costs_no_pass(monkeypatch):
    X, y, _ = collinear(1, n=9000, kind="none")
    res = fit(X, y)
    assert res.status is Status.CONVERGED_UNCERTIFIED  # they are some of all rows
    assert np.isnan(res.error_bound)
    monkeypatch.setattr("dlogreg.closing.sampled_bound", lambda *_: (0.0, False))
    assert fit(X, y).n_passes == res.n_passes


@pytest.mark.parametrize("kind", ["pair", "combination"])
def test_a_sample_shows_that_columns_are_nearly_collinear(kind):
    X, y, _ = collinear(2, n=9000, kind=kind, near=1e-4)
    weight = np.random.default_rng(0).choice([0.5, 2.0], 9000)
    exact, root = newton(X, y, weight, np.zeros(8))
    res = fit(X, y, weight)
    assert res.status is Status.CONVERGED
    assert np.linalg.norm(root @ (res.params - exact)) <= res.error_bound + ROUNDED
    assert res.error_bound <= 0.01


def test_a_row_that_is_alone_in_its_direction_vouches_for_nothing():
    """The half of the sample without it knows nothing of the column."""
    X, y, _ = collinear(2, n=9000, kind="none")
    X[:, 3] = 0
    X[:3, 3] = 1
    y[:3] = [0, 1, 0]
    res = fit(X, y)
    assert res.status is Status.CONVERGED
    assert [record.kind for record in res.trace][-1] == "loss_gradient_hessian"
    exact, root = newton(X, y, np.ones(9000), np.zeros(8))
    assert np.linalg.norm(root @ (res.params - exact)) <= 0.01


def test_where_no_pass_is_left_the_fit_says_so():
    X, y, weight = collinear(0, near=1e-5)
    exact, root = newton(X, y, weight, np.zeros(8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dlogreg.closing.sampled_bound", lambda *_: (0.0, False))
        spent = fit(X, y, weight).n_passes
    with pytest.warns(dlogreg.ConvergenceWarning, match="is not known; raise"):
        res = fit(X, y, weight, max_passes=spent)
    assert res.status is Status.MAX_PASSES
    assert res.n_passes == spent
    assert not res.converged
    assert np.linalg.norm(root @ (res.params - exact)) > 0.01


def test_columns_that_are_the_same_leave_the_estimate_as_it_is():
    X, y, _ = collinear(4, kind="none")
    res = fit(np.column_stack([X, X[:, 0]]), y, tol=1e-4)
    assert res.status is Status.CONVERGED_UNCERTIFIED
    exact, root = newton(X, y, np.ones(len(y)), np.zeros(8))
    params = np.asarray(res.params)[:9].copy()
    params[1] += res.params[9]
    assert np.linalg.norm(root @ (params - exact)) <= 1e-4


def test_three_classes():
    X, y, weight = collinear(5, n=600, near=1e-4)
    y[np.random.default_rng(0).random(600) < 0.3] = 2
    exact = dlogreg.fit(X, y, sample_weight=weight, tol=1e-8)
    res = fit(X, y, weight)
    assert res.status is Status.CONVERGED
    away = np.abs(np.asarray(res.params) - np.asarray(exact.params))
    assert (away <= 0.0101 * np.asarray(exact.bse)).all()


def test_the_memory_of_passes_that_may_follow_is_projected():
    X, y = np.zeros((4000, 500)), np.arange(4000) % 2
    source = as_source(X, y, compute=compute_shared, count_rows=count_rows)
    alone = project_memory(source, 501, 1, 2, solver="lbfgs")
    followed = project_memory(source, 501, 1, 2, solver="lbfgs", may_go_on=True)
    assert followed.total > alone.total + 10 * 8 * 501**2
    options = replace(FitOptions(), solver="lbfgs")
    assert options.may_go_on("lbfgs", 501)
    assert not options.may_go_on("lbfgs", 10_000)
    assert not options.may_go_on("newton", 501)
