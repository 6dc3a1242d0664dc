"""Firth's bias reduction: R's values, passes, separated data, bad input."""

from __future__ import annotations

import warnings

import dask.array as da
import numpy as np
import pytest
import zarr
from scipy.special import expit

import dlogreg
from dlogreg.evaluation import Evaluation
from dlogreg.kernel import Rows
from dlogreg.kernel.leverages import Adjustment, LeverageKernel
from dlogreg.solvers import Firth, Geometry, Point, Status, firth_profile
from dlogreg.solvers.firth import inverse_root, penalized_loss
from dlogreg.solvers.system import NewtonSystem
from tests.counting import counted_array, forget, reads
from tests.r_cases import assert_covariance, load


def exact(X, y, weights=None, offset=0.0):
    """Return Firth's estimate and its covariance, by plain scoring in memory."""
    Z = np.column_stack([np.ones(len(X)), X])
    w = np.ones(len(X)) if weights is None else weights
    b = np.zeros(Z.shape[1])
    for _ in range(3000):
        p = expit(Z @ b + offset)
        W = w * p * (1 - p)
        H = (Z * W[:, None]).T @ Z
        V = np.linalg.inv(H)
        h = W * np.einsum("ij,jk,ik->i", Z, V, Z)
        step = V @ (Z.T @ (w * (y - p) + h * (0.5 - p)))
        b = b + step * min(1.0, 1 / np.abs(Z @ step).max())
        if np.abs(step).max() < 1e-13:
            break
    return b, V


def separated(n=400, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    X[:, 2] = rng.random(n) < 0.1
    y = (rng.random(n) < expit(X @ [1.0, 0.5, 0.0])).astype(int)
    y[X[:, 2] == 1] = 1
    return X, y


@pytest.mark.parametrize("name", ["endometrial", "lizards"])
def test_values_of_brglm2(name):
    case = load(name)
    expected = case.values["firth"]
    res = dlogreg.fit(
        case.X,
        case.y,
        feature_names=case.columns,
        firth=True,
        tol=1e-9,
        progress=False,
        **case.options,
    )
    assert res.status is Status.BIAS_REDUCED
    assert res.converged
    assert list(res.names) == expected["names"]
    np.testing.assert_allclose(res.params, expected["params"], rtol=1e-7)
    assert_covariance(res.cov_params(), expected["model"])
    assert res.llf == pytest.approx(expected["llf"], rel=1e-9)
    assert np.isnan(res.error_bound)
    assert res.separated == ()


def test_published_estimates_of_the_endometrial_data():
    case = load("endometrial")
    res = dlogreg.fit(
        case.X, case.y, feature_names=case.columns, firth=True, progress=False
    )
    published = {"NV": 2.929, "PI": -0.035, "EH": -2.604}
    for name, value in published.items():
        assert res.params[name] == pytest.approx(value, abs=6e-4)


@pytest.mark.parametrize("seed", range(4))
def test_tol_is_kept_and_stands_for_the_exact_score(seed):
    X, y = separated(seed=seed)
    b, V = exact(X, y)
    bse = np.sqrt(np.diagonal(V))
    for tol in (1e-2, 1e-5, 1e-9):
        res = dlogreg.fit(X, y, firth=True, tol=tol, progress=False)
        assert (np.abs(np.asarray(res.params) - b) / bse).max() <= 2 * tol
        assert np.isfinite(res.params).all()
        np.testing.assert_allclose(res.bse, bse, rtol=3 * tol + 1e-9)


def test_weights_are_rows_repeated_and_an_offset_counts():
    X, y = separated(300, 5)
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 4, 300)
    offset = rng.normal(size=300)
    options = {"firth": True, "tol": 1e-9, "progress": False}
    res = dlogreg.fit(
        X, y, sample_weight=weights.astype(float), offset=offset, **options
    )
    rows = np.repeat(np.arange(300), weights)
    b, V = exact(X[rows], y[rows], offset=offset[rows])
    np.testing.assert_allclose(res.params, b, rtol=1e-7)
    np.testing.assert_allclose(res.bse, np.sqrt(np.diagonal(V)), rtol=1e-7)
    again = dlogreg.fit(X[rows], y[rows], offset=offset[rows], **options)
    np.testing.assert_allclose(res.params, again.params, rtol=1e-8)


def test_large_data_take_few_passes():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60_000, 6))
    y = (rng.random(60_000) < expit(X @ rng.normal(size=6))).astype(int)
    blocks = counted_array("firth", X, 6000)
    res = dlogreg.fit(blocks, y, firth=True, progress=False)
    assert res.n_passes <= 5
    assert max(reads("firth")) <= res.n_passes + 1  # the pilot reads some blocks
    forget("firth")
    plain = dlogreg.fit(X, y, progress=False)
    assert np.abs(res.params - plain.params).max() > 0
    np.testing.assert_allclose(res.params, plain.params, atol=1e-2)


def test_a_rare_level_with_one_outcome_of_large_data():
    rng = np.random.default_rng(3)
    n = 50_000
    X = np.column_stack([rng.normal(size=(n, 2)), rng.random(n) < 0.001])
    y = (rng.random(n) < expit(X[:, 0])).astype(int)
    y[X[:, 2] == 1] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        res = dlogreg.fit(X, y, firth=True, tol=1e-6, progress=False)
    assert res.n_passes <= 20
    b, V = exact(X, y)
    np.testing.assert_allclose(
        res.params, b, atol=2e-6 * np.sqrt(np.diagonal(V)).max(), rtol=1e-6
    )


def test_chunks_and_stores_change_nothing(tmp_path):
    X, y = separated(2000, 2)
    options = {"firth": True, "tol": 1e-10, "progress": False}
    first = dlogreg.fit(X, y, **options)
    store = zarr.create_array(tmp_path / "X", data=X, chunks=(300, 3))
    for rows in (da.from_array(X, (123, 3)), da.from_array(X, (700, 2)), store):
        res = dlogreg.fit(rows, y, **options)
        np.testing.assert_allclose(res.params, first.params, rtol=1e-8)
        np.testing.assert_allclose(res.bse, first.bse, rtol=1e-8)


def test_the_kernel_sums_what_its_docstring_says():
    rng = np.random.default_rng(7)
    X, y = rng.normal(size=(200, 2)) + 5, rng.integers(0, 2, 200)
    w, o, centre = rng.integers(0, 3, 200).astype(float), rng.normal(size=200), X[0]
    b, root = rng.normal(size=3), rng.normal(size=(3, 3))
    kernel = LeverageKernel(b, root, centre, 1)
    sums, buffers = kernel.start(), kernel.open()
    kernel.add(sums, Rows(X, y, w, offset=o), buffers)
    found = kernel.finish(sums)
    Z = np.column_stack([np.ones(200), X - centre])
    p = expit(Z @ b + o)
    q = np.sum((Z @ root) ** 2, axis=1)
    h = w * p * (1 - p) * q
    np.testing.assert_allclose(found.gradient, Z.T @ (h * (p - 0.5)), rtol=1e-10)
    assert found.size == pytest.approx((h * np.abs(p - 0.5) * np.sqrt(q)).sum())


def test_a_step_that_does_not_lower_the_penalised_loss_is_halved():
    """One coefficient of rows that all have the event: F* = m log(1 + e^-b) + ..."""
    m, reads_at = 50.0, []

    class Level:
        def evaluate(self, theta, root):
            p = expit(theta[0])
            reads_at.append(theta[0])
            found = Evaluation(
                m * np.logaddexp(0, -theta[0]),
                np.array([m * (p - 1)]),
                np.array([[m * p * (1 - p)]]),
            )
            return found, self.leverages(theta, root)

        def leverages(self, theta, root):
            p = expit(theta[0])
            q = float(root[0, 0] ** 2)
            h = m * p * (1 - p) * q
            return Adjustment(np.array([h * (p - 0.5)]), h * abs(p - 0.5) * q**0.5)

    geometry = Geometry(np.array([1.0]), 1.0, np.array([m]))
    start = np.array([11.0])
    found = Level().evaluate(start, np.eye(1))[0]
    solver = Firth(1e-9, 100, geometry, np.array([0]))
    solution = solver.minimize(Level(), Point(start, found), lambda distance: None)
    assert solution.status is Status.BIAS_REDUCED
    assert solution.theta[0] == pytest.approx(np.log(m + 0.5) - np.log(0.5), abs=1e-7)
    assert any(b < -2 for b in reads_at)  # the full step went far beyond
    system = NewtonSystem.of(np.array([[4.0]]), np.array([0]))
    assert penalized_loss(3.0, system) == pytest.approx(3 - np.log(4) / 2)
    np.testing.assert_allclose(inverse_root(system), [[0.5]])


def test_what_is_said_and_saved(tmp_path):
    X, y = separated()
    res = dlogreg.fit(X, y, firth=True, progress=False)
    text = str(res.summary())
    assert "Firth's penalised likelihood" in text
    assert "No likelihood-ratio test" in text
    assert np.isnan(res.aic)
    res.save(tmp_path / "m.json")
    again = dlogreg.load(tmp_path / "m.json")
    assert again.firth
    assert again.status is Status.BIAS_REDUCED
    for method in (res.lr_test, lambda: res.score_test(X[:, 0] ** 2)):
        with pytest.raises(dlogreg.InferenceError, match="has firth=True"):
            method()
    with pytest.raises(dlogreg.InferenceError, match="do not maximize"):
        _ = res.llr_pvalue


def test_max_passes_and_no_inference():
    X, y = separated()
    with pytest.warns(dlogreg.ConvergenceWarning, match="max_passes"):
        res = dlogreg.fit(X, y, firth=True, max_passes=3, progress=False)
    assert res.n_passes <= 3
    assert not res.converged
    res = dlogreg.fit(X, y, firth=True, inference=False, progress=False)
    assert res.converged
    with pytest.raises(dlogreg.InferenceError, match="inference=False"):
        _ = res.bse


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"firth": "yes"}, "firth must be True or False"),
        ({"firth": True, "alpha": 0.1}, "does not go with alpha"),
        ({"firth": True, "solver": "lbfgs"}, "needs the Hessian, which L-BFGS"),
        ({"firth": True, "cov_type": "HC1"}, "standard errors are those of the model"),
        (
            {
                "firth": True,
                "weight_kind": "probability",
                "sample_weight": np.ones(400),
            },
            "make no likelihood",
        ),
        ({"firth": True, "groups": np.arange(400)}, "does not go with groups"),
        ({"firth": True, "classes": [0, 1, 2]}, "for two classes only"),
    ],
)
def test_what_it_does_not_go_with(options, message):
    X, y = separated()
    with pytest.raises(ValueError, match=message):
        dlogreg.fit(X, y, progress=False, **options)


def test_three_classes_and_wide_data_are_refused():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 2))
    with pytest.raises(ValueError, match="for two classes only, and there are 3"):
        dlogreg.fit(X, np.arange(90) % 3, firth=True, progress=False)
    wide = da.zeros((9000, 4000), chunks=(3000, 4000))
    with pytest.raises(ValueError, match=r"needs the Hessian of 4,001 coefficients"):
        dlogreg.fit(wide, np.arange(9000) % 2, firth=True, progress=False)
    plan = dlogreg.plan(X, np.arange(90) % 2, firth=True, measure=False)
    assert plan.solver == "newton"
    assert plan.passes == (4, 30)


@pytest.mark.parametrize("name", ["endometrial", "lizards"])
def test_profile_intervals_of_the_penalised_likelihood(name):
    case = load(name)
    expected = np.array(case.values["firth"]["intervals"])
    blocks = counted_array("profile", case.X, len(case.X))
    res = dlogreg.fit(
        blocks,
        case.y,
        feature_names=case.columns,
        firth=True,
        tol=1e-9,
        progress=False,
        **case.options,
    )
    forget("profile")
    found = res.conf_int(method="profile")
    assert max(reads("profile")) <= 20
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    one = res.conf_int(method="profile", names=[case.columns[1]])
    np.testing.assert_allclose(one, expected[2:3], rtol=1e-8)
    forget("profile")


def test_profile_intervals_of_large_data_and_of_a_loaded_result(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30_000, 3))
    y = (rng.random(30_000) < expit(X[:, 0])).astype(int)
    blocks = counted_array("large", X, 3000)
    res = dlogreg.fit(blocks, y, firth=True, progress=False)
    forget("large")
    found = res.conf_int(method="profile", names=["x2"])
    assert max(reads("large")) <= 6
    np.testing.assert_allclose(found, res.conf_int(names=["x2"]), rtol=2e-2)
    res.save(tmp_path / "m.json")
    again = dlogreg.load(tmp_path / "m.json")
    ends = again.conf_int(method="profile", names=["x2"], X=X, y=y)
    np.testing.assert_allclose(ends, found, rtol=1e-5)
    with pytest.raises(dlogreg.DataError, match="not those of the fit"):
        again.conf_int(method="profile", names=["x2"], X=X[1:], y=y[1:])
    forget("large")


def test_ends_that_are_not_found(monkeypatch):
    X, y = separated()
    res = dlogreg.fit(X, y, firth=True, progress=False)
    monkeypatch.setattr(firth_profile, "MOST_STEPS", 1)
    with pytest.warns(dlogreg.ConvergenceWarning, match="lower end of 'x3'"):
        ends = res.conf_int(method="profile", names=["x3"])
    assert np.isnan(ends).all()
    with pytest.warns(dlogreg.ConvergenceWarning, match="max_passes"):
        res = dlogreg.fit(X, y, firth=True, max_passes=3, progress=False)
    with pytest.raises(dlogreg.InferenceError, match="a fit that converged"):
        res.conf_int(method="profile", names=["x3"])


@pytest.mark.parametrize("kind", ["HC0", "HC1", "cluster"])
def test_there_are_no_robust_covariances(kind):
    X = np.random.default_rng(0).normal(size=(60, 1))
    res = dlogreg.fit(X, np.arange(60) % 2, firth=True, progress=False)
    with pytest.raises(dlogreg.InferenceError, match="firth=True; take kind='model'"):
        res.cov_params(kind)
