"""Robust covariances and tests of three or more classes."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import chi2

import dlogreg
from dlogreg.errors import InferenceError
from tests.test_multinomial import noisy_iris

KINDS = ["model", "HC0", "HC1"]


def fitted(**options):
    X, y = noisy_iris()
    return X, y, dlogreg.fit(X, y, tol=1e-9, progress=False, **options)


def scores(X, y, res, weight=None):
    """Score of every row, one class after the other, and the inverse Hessian."""
    Z = np.column_stack([np.ones(len(X)), X])
    eta = np.column_stack([np.zeros(len(X)), Z @ np.asarray(res.params)])
    p = np.exp(eta - eta.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    miss = p - (np.asarray(y)[:, None] == np.asarray(res.classes))
    s = np.ones(len(X)) if weight is None else weight
    u = (miss[:, 1:, None] * Z[:, None, :]).reshape(len(X), -1)
    bend = p[:, 1:, None] * (np.eye(p.shape[1] - 1) - p[:, None, 1:])
    hessian = np.einsum("i,ikl,ia,ib->kalb", s, bend, Z, Z)
    return u, np.linalg.inv(hessian.reshape(u.shape[1], -1))


def test_covariances_are_those_of_statsmodels():
    X, y, res = fitted()
    model = sm.MNLogit(np.asarray(y), sm.add_constant(np.asarray(X)))
    for kind, factor in (("HC0", 1.0), ("HC1", len(y) / (len(y) - res.params.size))):
        found = model.fit(
            method="newton", tol=1e-10, disp=0, cov_type="HC0", use_t=False
        )
        wanted = np.asarray(found.cov_params()) * factor
        np.testing.assert_allclose(res.cov_params(kind), wanted, rtol=1e-7)


@pytest.mark.parametrize("weight_kind", ["frequency", "probability", "analytic"])
def test_weights_of_every_kind(weight_kind):
    X, y = noisy_iris()
    weight = np.random.default_rng(1).integers(1, 4, len(y)).astype(float)
    options = {"sample_weight": weight, "weight_kind": weight_kind, "tol": 1e-9}
    res = dlogreg.fit(X, y, progress=False, **options)
    s = weight if weight_kind == "frequency" else weight * len(y) / weight.sum()
    u, inverse = scores(X, y, res, s)
    power = 1 if weight_kind == "frequency" else 2
    meat = (u * s[:, None] ** power).T @ u
    n = s.sum()
    robust = inverse @ meat @ inverse
    np.testing.assert_allclose(res.cov_params("model"), inverse, rtol=1e-7)
    np.testing.assert_allclose(res.cov_params("HC0"), robust, rtol=1e-7, atol=1e-12)
    k = res.params.size
    np.testing.assert_allclose(res.cov_params("HC1"), robust * n / (n - k), rtol=1e-7)
    assert res.cov_type == ("HC1" if weight_kind == "probability" else "model")
    assert res.nobs == pytest.approx(n)


def test_weight_two_is_the_row_twice():
    X, y = noisy_iris()
    twice = dlogreg.fit(
        np.vstack([X, X]), np.r_[y, y], tol=1e-9, cov_type="HC1", progress=False
    )
    weighted = dlogreg.fit(
        X, y, sample_weight=np.full(len(y), 2), tol=1e-9, cov_type="HC1", progress=False
    )
    np.testing.assert_allclose(weighted.bse, twice.bse, rtol=1e-9)


@pytest.mark.parametrize("tol", [1e-2, 1e-4])
def test_the_error_of_robust_standard_errors_is_proven(tol):
    X, y = noisy_iris()
    exact = dlogreg.fit(X, y, tol=1e-10, cov_type="HC0", progress=False)
    res = dlogreg.fit(X, y, tol=tol, cov_type="HC0", progress=False)
    error = np.max(np.abs(np.asarray(res.bse) / np.asarray(exact.bse) - 1))
    assert error <= res.bse_error_bound < 1e-2
    assert res.bse_error_bound > dlogreg.fit(X, y, tol=tol).bse_error_bound


def test_intervals_and_summary_go_by_the_kind(tmp_path):
    _, _, res = fitted(cov_type="HC1")
    half = (res.conf_int()[..., 1] - res.conf_int()[..., 0]) / 2
    np.testing.assert_allclose(half, 1.959963984540054 * np.asarray(res.bse).T)
    model = res.conf_int(kind="model")
    assert not np.allclose(model, res.conf_int())
    assert "HC1" in str(res.summary())
    res.save(tmp_path / "model.json")
    again = dlogreg.load(tmp_path / "model.json")
    for kind in KINDS:
        np.testing.assert_array_equal(again.cov_params(kind), res.cov_params(kind))
    assert again.cov_type == "HC1"


@pytest.mark.parametrize("kind", KINDS)
def test_wald_tests(kind):
    _, _, res = fitted()
    n_names = len(res.names)
    b, V = np.asarray(res.params).T.ravel(), res.cov_params(kind)
    name, label = res.names[2], res.classes[2]
    R = np.eye(len(b))[2::n_names]
    wanted = R @ b @ np.linalg.solve(R @ V @ R.T, R @ b)
    for hypothesis in (name, R):
        test = res.wald_test(hypothesis, kind=kind)
        assert test.statistic == pytest.approx(wanted, rel=1e-9)
        assert (test.df, test.cov_type) == (len(R), kind)
        assert test.pvalue == pytest.approx(chi2.sf(wanted, len(R)), rel=1e-9)
    one = res.wald_test(f'Q("{label}:{name}")', kind=kind)
    position = n_names + 2
    assert one.statistic == pytest.approx(b[position] ** 2 / V[position, position])
    every = res.wald_test(kind=kind)
    assert every.df == len(b) - 2


def test_a_smaller_model():
    X, y, res = fitted()
    columns = list(X.columns)
    smaller = dlogreg.fit(X[columns[:2]], y, tol=1e-9, progress=False)
    test = res.lr_test(smaller)
    assert test.df == 2 * (len(columns) - 2)
    assert test.statistic == pytest.approx(2 * (res.llf - smaller.llf))
    assert test.pvalue == pytest.approx(chi2.sf(test.statistic, test.df))
    with pytest.raises(InferenceError, match="is not inside this one"):
        smaller.lr_test(res)


def test_unknown_names_are_refused():
    _, _, res = fitted()
    with pytest.raises(ValueError, match="nothing"):
        res.wald_test("nothing")


@pytest.mark.parametrize("classes", [None, [0, 1, 2]])
def test_groups_are_for_two_classes(classes):
    X, y = noisy_iris()
    given = {"groups": np.arange(len(y)) % 7, "classes": classes}
    with pytest.raises(dlogreg.DataError, match="groups are for cluster-robust"):
        dlogreg.fit(X, y, cov_type="cluster", **given)
