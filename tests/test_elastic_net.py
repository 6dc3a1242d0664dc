"""Lasso, elastic net, penalty factors and bounds, through every face."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression as SklearnRegression

import dlogreg
from dlogreg.errors import DataError, InferenceError
from dlogreg.solvers import Status
from tests.counting import counted_array, reads

CASES = json.loads(
    (Path(__file__).parent / "reference_values" / "elastic_net.json").read_text()
)["cases"]
NAMED = {case["name"]: case for case in CASES}


def options_of(case):
    given = {"alpha": case["alpha"], "l1_ratio": case["l1_ratio"]}
    given["fit_intercept"] = case["fit_intercept"]
    for key in ("penalty_factor", "bounds", "offset"):
        if case[key] is not None:
            given[key] = case[key]
    if case["weights"] is not None:
        given["sample_weight"] = np.array(case["weights"], float)
    return given


@pytest.mark.parametrize("name", NAMED)
def test_coefficients_are_those_of_glmnet(name):
    case = NAMED[name]
    X, first = np.array(case["X"], float).T, 1 - case["fit_intercept"]
    res = dlogreg.fit(X, case["y"], tol=1e-7, **options_of(case))
    expected = np.array(case["params"])[first:]
    np.testing.assert_allclose(res.params, expected, rtol=1e-6, atol=1e-8)
    assert res.status is Status.CONVERGED
    assert res.error_bound <= 1e-7
    zero = np.asarray(res.params)[1 - first :] == 0
    np.testing.assert_array_equal(zero, expected[1 - first :] == 0)
    if case["fit_intercept"] and case["offset"] is None:
        assert 1 - res.llf / res.llnull == pytest.approx(case["dev_ratio"], abs=1e-7)


SHAPES = {  # rows, columns, common factor
    "plain": (300, 6, 0.0),
    "correlated": (300, 8, 3.0),
    "more columns than rows": (30, 50, 0.0),
    "weighted": (200, 8, 0.5),
}


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", SHAPES)
def test_coefficients_are_those_of_scikit_learn(kind, l1_ratio, intercept):
    n, k, common = SHAPES[kind]
    X, y, rng = drawn(21, n, k, common=common)
    weight = rng.integers(1, 5, size=n) if kind == "weighted" else np.ones(n)
    alpha = 0.1 * np.abs(X.T @ (weight * (y - y.mean()))).max() / weight.sum()
    res = dlogreg.fit(
        X,
        y,
        alpha=alpha,
        l1_ratio=l1_ratio,
        sample_weight=weight,
        fit_intercept=intercept,
        tol=1e-8,
    )
    theirs = SklearnRegression(
        C=1 / (alpha * weight.sum()),
        l1_ratio=l1_ratio,
        fit_intercept=intercept,
        solver="saga" if l1_ratio else "newton-cholesky",
        tol=1e-13,
        max_iter=1_000_000,
    ).fit(X, y, weight)
    expected = np.append(theirs.intercept_, theirs.coef_)[1 - intercept :]
    np.testing.assert_allclose(res.params, expected, rtol=1e-6, atol=1e-8)
    slopes = slice(int(intercept), None)
    zero = np.asarray(res.params)[slopes] == 0
    np.testing.assert_array_equal(zero, expected[slopes] == 0)


def drawn(seed, n, k, *, common=0.0, spread=1.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, k)) + common * rng.normal(size=(n, 1))
    X = X * spread ** rng.uniform(-1, 1, size=k) + rng.normal(size=k)
    slopes = np.where(rng.random(k) < 0.5, rng.normal(size=k), 0) / X.std(axis=0)
    eta = (X - X.mean(axis=0)) @ slopes
    return X, (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int), rng


def missing_slopes(X, y, params, *, alpha, l1_ratio, weight=1.0, factor=1.0, bounds=()):
    """Return what is left of the slopes of the mean loss plus the penalty, in params.

    Recomputed from the definition, intercept first.
    """
    weight = np.broadcast_to(weight, len(y)).astype(float)
    b0, b = params[0], params[1:]
    p = 1 / (1 + np.exp(-(b0 + X @ b)))
    rest = weight * (p - y) / weight.sum()
    slope = X.T @ rest + alpha * factor * (1 - l1_ratio) * b
    kink = alpha * l1_ratio * np.broadcast_to(factor, b.shape)
    low, high = (
        bounds if len(bounds) else (np.full(len(b), s * np.inf) for s in (-1, 1))
    )
    right = slope + np.where(b >= 0, kink, -kink)
    left = slope + np.where(b > 0, kink, -kink)
    missing = np.where(b < high, np.minimum(right, 0), 0)
    missing += np.where(b > low, np.maximum(left, 0), 0)
    assert (b >= low).all()
    assert (b <= high).all()
    return np.concatenate([[rest.sum()], missing])


@settings(max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    n=st.sampled_from([30, 200]),
    k=st.integers(1, 12),
    l1_ratio=st.sampled_from([0.0, 0.3, 1.0]),
    strength=st.floats(1e-3, 1.0),
    common=st.sampled_from([0.0, 3.0]),
    source=st.sampled_from(["numpy", "dask", "frame", "csr"]),
    bounded=st.booleans(),
    factored=st.booleans(),
    weighted=st.booleans(),
)
def test_no_slope_is_left(
    seed, n, k, l1_ratio, strength, common, source, bounded, factored, weighted
):
    X, y, rng = drawn(seed, n, k, common=common, spread=10.0)
    y[:2] = 0, 1
    weight = rng.integers(1, 4, size=n).astype(float) if weighted else np.ones(n)
    alpha = strength * np.abs(X.T @ (y - y.mean())).max() / n
    given = {"alpha": alpha, "l1_ratio": l1_ratio}
    rule = dict(given)
    if factored:
        given["penalty_factor"] = rule["factor"] = rng.uniform(0.2, 2, size=k)
    if bounded:
        unit = 1 / X.std(axis=0)
        low = np.where(rng.random(k) < 0.5, -0.2 * unit, -np.inf)
        high = np.where(rng.random(k) < 0.5, 0.3 * unit, np.inf)
        given["bounds"], rule["bounds"] = np.column_stack([low, high]), (low, high)
    rows = {
        "numpy": lambda: X,
        "dask": lambda: da.from_array(X, chunks=(max(1, n // 3), -1)),
        "frame": lambda: pd.DataFrame(X, columns=[f"c{j}" for j in range(k)]),
        "csr": lambda: scipy.sparse.csr_array(X),
    }[source]()
    extra = {"sample_weight": weight} if weighted else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dlogreg.ConvergenceWarning)
        res = dlogreg.fit(rows, y, tol=1e-9, **given, **extra)
    left = missing_slopes(X, y, np.asarray(res.params), weight=weight, **rule)
    scale = np.concatenate([[1.0], np.abs(X).mean(axis=0)])
    assert (np.abs(left) <= 1e-8 * scale).all()


@pytest.mark.parametrize("tol", [0.5, 0.01])
@pytest.mark.parametrize("shape", [(400, 8), (30, 60)])
def test_the_bound_holds(tol, shape):
    """Against the optimum to the last digits, in the metric of the Hessian there."""
    proven = 0
    for seed in range(12):
        X, y, _ = drawn(seed, *shape)
        alpha = 0.3 * np.abs(X.T @ (y - y.mean())).max() / len(y)
        given = {"alpha": alpha, "l1_ratio": 1.0}
        loose = dlogreg.fit(X, y, tol=tol, **given)
        best = np.asarray(dlogreg.fit(X, y, tol=1e-9, **given).params)
        Z = np.column_stack([np.ones(len(y)), X])
        p = 1 / (1 + np.exp(-Z @ best))
        move = Z @ (np.asarray(loose.params) - best)
        distance = np.sqrt((p * (1 - p) * move**2).sum())
        if np.isfinite(loose.error_bound):
            proven += 1
            assert distance <= loose.error_bound <= tol
    assert proven == 12


def test_passes_are_those_that_are_promised():
    X, y, _ = drawn(1, 4000, 6)
    rows = counted_array("lasso rows", X, 500)
    res = dlogreg.fit(rows, y, alpha=0.02, l1_ratio=1.0)
    assert res.converged
    assert res.n_passes == 5
    # and the pilot's look at some blocks
    assert set(reads("lasso rows")) <= {res.n_passes, res.n_passes + 1}


def test_a_first_pass_that_learns_is_shrunk():
    """The chains' optimum without the lasso is no good start by itself."""
    X, y, _ = drawn(2, 300_000, 5)
    res = dlogreg.fit(X, y, alpha=0.01, l1_ratio=1.0, tol=0.01)
    assert res.converged
    assert res.n_passes == 3


def bits(res):
    return np.asarray(res.params).tobytes(), res.llf, res.error_bound, res.n_passes


@pytest.mark.parametrize("kind", ["lasso", "bounds"])
def test_results_do_not_depend_on_the_scheduler(kind, tmp_path, small_blocks, request):
    X, y, _ = drawn(3, 5000, 6)
    root = zarr.create_group(tmp_path / "data.zarr")
    store = root.create_array("X", shape=X.shape, chunks=(500, 6), dtype=X.dtype)
    store[:] = X
    given = {"alpha": 0.01, "l1_ratio": 0.7}
    if kind == "bounds":
        given = {"bounds": (0, 0.2)}
    found = []
    for scheduler in ("synchronous", "threads"):
        with dask.config.set(scheduler=scheduler, num_workers=2):
            found.append(bits(dlogreg.fit(store, y, **given)))
    request.getfixturevalue("client")
    found.append(bits(dlogreg.fit(store, y, **given)))
    assert len(set(found)) == 1


def test_equal_columns_that_the_optimum_needs_have_no_proof():
    """With the same bound on both, the optimum has no unique place."""
    X, y, _ = drawn(20, 300, 2)
    X = np.column_stack([X, X[:, 0]])
    res = dlogreg.fit(X, y, bounds=(-50, 50), tol=1e-6)
    assert res.status is Status.CONVERGED_UNCERTIFIED
    assert np.isnan(res.error_bound)
    one = dlogreg.fit(X[:, :2], y, tol=1e-9)
    assert res.llf == pytest.approx(one.llf, rel=1e-10)


class TestMeaning:
    def test_weight_two_is_the_row_twice(self):
        X, y, rng = drawn(4, 200, 5)
        weight = rng.integers(0, 3, size=200)
        again = np.repeat(np.arange(200), weight)
        given = {"alpha": 0.03, "l1_ratio": 0.8, "tol": 1e-9}
        weighted = dlogreg.fit(X, y, sample_weight=weight.astype(float), **given)
        repeated = dlogreg.fit(X[again], y[again], **given)
        np.testing.assert_allclose(weighted.params, repeated.params, rtol=1e-8)

    def test_units_of_a_column_count(self):
        """The penalty is on coefficients as the user has them."""
        X, y, _ = drawn(5, 300, 4)
        res = dlogreg.fit(X, y, alpha=0.02, l1_ratio=1.0, tol=1e-9)
        scaled = dlogreg.fit(
            X * [1, 1000, 1, 1],
            y,
            alpha=0.02,
            l1_ratio=1.0,
            penalty_factor=[1, 1000, 1, 1],
            tol=1e-9,
        )
        moved = np.asarray(scaled.params) * [1, 1, 1000, 1, 1]
        np.testing.assert_allclose(moved, res.params, rtol=1e-7)

    def test_no_bound_that_matters_is_the_plain_fit(self):
        X, y, _ = drawn(6, 300, 4)
        plain = dlogreg.fit(X, y, tol=1e-9)
        within = dlogreg.fit(X, y, bounds=(-100, 100), tol=1e-9)
        np.testing.assert_allclose(within.params, plain.params, rtol=1e-8)

    def test_coefficients_stand_exactly_at_their_bounds(self):
        X, y, _ = drawn(7, 300, 4)
        res = dlogreg.fit(X, y, bounds=[(0.1, 0.3)] * 4, tol=1e-9)
        slopes = np.asarray(res.params)[1:]
        assert set(slopes[(slopes < 0.11) | (slopes > 0.29)]) <= {0.1, 0.3}
        assert np.isin(slopes, [0.1, 0.3]).sum() >= 2

    def test_bounds_that_leave_zero_out_need_no_null_model(self):
        X, y, _ = drawn(8, 300, 3)
        held = dlogreg.fit(X, y, bounds=[(0.5, 0.5), None, None], tol=1e-9)
        offset = dlogreg.fit(X[:, 1:], y, offset=0.5 * X[:, 0], tol=1e-9)
        np.testing.assert_allclose(
            np.asarray(held.params)[[0, 2, 3]], offset.params, rtol=1e-8
        )

    def test_a_factor_of_zero_leaves_a_column_alone(self):
        X, y, _ = drawn(9, 300, 4)
        res = dlogreg.fit(
            X, y, alpha=10.0, l1_ratio=1.0, penalty_factor={"x2": 0}, tol=1e-9
        )
        alone = dlogreg.fit(X[:, [1]], y, tol=1e-9)
        np.testing.assert_array_equal(np.asarray(res.params)[[1, 3, 4]], 0)
        np.testing.assert_allclose(
            np.asarray(res.params)[[0, 2]], alone.params, rtol=1e-8
        )

    def test_equal_columns_converge_without_a_proof(self):
        X, y, _ = drawn(10, 300, 3)
        X = np.column_stack([X, X[:, 0]])
        y = (X[:, 0] + np.random.default_rng(0).normal(size=300) > 0).astype(int)
        res = dlogreg.fit(X, y, alpha=0.02, l1_ratio=1.0, tol=1e-7)
        left = missing_slopes(X, y, np.asarray(res.params), alpha=0.02, l1_ratio=1.0)
        assert np.abs(left).max() < 1e-8
        if res.status is Status.CONVERGED_UNCERTIFIED:
            assert np.isnan(res.error_bound)
        else:  # one of the two is not needed
            assert res.error_bound <= 1e-7

    def test_separated_classes_have_a_lasso(self):
        x = np.arange(-5.0, 5.0)[:, None] + 0.5
        res = dlogreg.fit(x, x[:, 0] > 0, alpha=0.1, l1_ratio=1.0, tol=1e-9)
        assert res.converged
        left = missing_slopes(
            x, x[:, 0] > 0, np.asarray(res.params), alpha=0.1, l1_ratio=1.0
        )
        assert np.abs(left).max() < 1e-9


class TestFaces:
    def test_scikit_learns_estimator(self):
        X, y, _ = drawn(11, 300, 6)
        ours = dlogreg.LogisticRegression(C=0.1, l1_ratio=0.6).fit(X, y)
        theirs = SklearnRegression(
            C=0.1, l1_ratio=0.6, solver="saga", tol=1e-12, max_iter=100_000
        ).fit(X, y)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
        np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-6)
        free = dlogreg.LogisticRegression(C=np.inf, l1_ratio=0.6).fit(X, y)
        plain = dlogreg.LogisticRegression(C=np.inf).fit(X, y)
        np.testing.assert_array_equal(free.coef_, plain.coef_)

    def test_formula_takes_columns_by_name(self):
        X, y, _ = drawn(12, 300, 3)
        table = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=y)
        given = {"alpha": 0.02, "l1_ratio": 1.0, "tol": 1e-9}
        named = dlogreg.fit_formula(
            "y ~ a + b + c",
            table,
            penalty_factor={"b": 0.5},
            bounds={"c": (0, None)},
            **given,
        )
        listed = dlogreg.fit(
            X,
            y,
            penalty_factor=[1, 0.5, 1],
            bounds=[None, None, (0, np.inf)],
            **given,
        )
        np.testing.assert_allclose(named.params, listed.params, rtol=1e-9)

    def test_plan_takes_the_same(self):
        X, y, _ = drawn(13, 300, 3)
        plan = dlogreg.plan(X, y, alpha=0.1, l1_ratio=1.0, bounds=(0, None))
        assert plan.solver == "newton"
        assert "bounds" in plan.why_solver

    def test_a_saved_model_says_what_it_was(self, tmp_path):
        X, y, _ = drawn(14, 300, 5)
        res = dlogreg.fit(X, y, alpha=0.05, l1_ratio=1.0, bounds=(-1, 1))
        res.save(tmp_path / "m.json")
        again = dlogreg.load(tmp_path / "m.json")
        assert (again.alpha, again.l1_ratio, again.bounded) == (0.05, 1.0, True)
        assert str(again.summary()) == str(res.summary())
        assert "lasso penalty, alpha = 0.05 on the mean loss" in str(res.summary())

    def test_the_criteria_count_what_is_not_zero(self):
        X, y, _ = drawn(15, 300, 5)
        res = dlogreg.fit(X, y, alpha=0.05, l1_ratio=1.0)
        count = np.count_nonzero(np.asarray(res.params)[1:])
        assert 0 < count < 5
        assert res.df_model == count
        assert res.aic == pytest.approx(2 * (count + 1) - 2 * res.llf)
        mixed = dlogreg.fit(X, y, alpha=0.05, l1_ratio=0.5)
        assert np.isnan(mixed.aic)
        assert mixed.df_model == np.count_nonzero(np.asarray(mixed.params)[1:])
        assert "elastic net penalty, alpha = 0.05, l1_ratio = 0.5" in str(
            mixed.summary()
        )

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ({"alpha": 0.1, "l1_ratio": 1.0}, "fit with alpha=0 for inference"),
            ({"bounds": (0, None)}, "fit without bounds for inference"),
        ],
    )
    def test_there_are_no_standard_errors(self, given, reason):
        X, y, _ = drawn(16, 100, 2)
        res = dlogreg.fit(X, y, **given)
        with pytest.raises(InferenceError, match=reason):
            _ = res.bse
        with pytest.raises(InferenceError, match="not chi-squared"):
            _ = res.llr_pvalue
        with pytest.raises(InferenceError, match=reason):
            res.errors_of("x1")
        with pytest.raises(InferenceError, match="the bootstrap is made for maximum"):
            res.bootstrap(B=10)
        assert np.isnan(res.aic) == ("bounds" in given)


BAD = [
    ({"l1_ratio": 1.0}, "l1_ratio does nothing without a penalty; give alpha > 0"),
    ({"penalty_factor": [1, 1]}, "penalty_factor does nothing without a penalty"),
    ({"alpha": 1, "l1_ratio": 1.5}, "l1_ratio must be a number from 0 to 1, not 1.5"),
    ({"alpha": 1, "l1_ratio": "1"}, "l1_ratio must be a number from 0 to 1, not '1'"),
    (
        {"alpha": 1, "penalty_factor": [1, 2, 3]},
        "penalty_factor has 3 entries, and there are 2 columns",
    ),
    (
        {"alpha": 1, "penalty_factor": [1, -1]},
        "penalty_factor of column 'x2' must be a finite number and not negative",
    ),
    (
        {"alpha": 1, "penalty_factor": [1, np.nan]},
        "penalty_factor of column 'x2' must be a finite number",
    ),
    (
        {"alpha": 1, "penalty_factor": {"x1": "2"}},
        "penalty_factor of column 'x1' must be a finite number and not negative",
    ),
    (
        {"alpha": 1, "penalty_factor": {"z": 1}},
        "penalty_factor names the column 'z', which there is not; the columns are 'x1'",
    ),
    ({"alpha": 1, "penalty_factor": 2.0}, "must be one non-negative number per column"),
    ({"bounds": [(0, 1)] * 3}, "bounds has 3 entries, and there are 2 columns"),
    ({"bounds": [(1, 0), None]}, "bounds of column 'x1' must be numbers with low <="),
    ({"bounds": {"x2": (np.nan, 1)}}, "bounds of column 'x2' must be numbers with"),
    ({"bounds": {"x2": (np.inf, None)}}, "bounds of column 'x2' must be numbers with"),
    ({"bounds": {"x2": 3}}, r"bounds of column 'x2' must be a pair \(low, high\)"),
    ({"bounds": {"z": (0, 1)}}, "bounds names the column 'z', which there is not"),
    ({"bounds": 0}, r"bounds must be one pair \(low, high\) per column"),
    (
        {"alpha": 1, "l1_ratio": 1, "solver": "lbfgs"},
        "solver='lbfgs' is for smooth penalties, and l1_ratio > 0 and bounds are not",
    ),
    ({"bounds": (0, 1), "firth": True}, "firth=True does not go with bounds"),
    ({"bounds": (0, 1), "cov_type": "HC1"}, "a fit with bounds has none; fit with no"),
]


@pytest.mark.parametrize(("given", "message"), BAD)
def test_what_cannot_be_is_refused(given, message):
    X, y, _ = drawn(17, 50, 2)
    with pytest.raises(ValueError, match=message):
        dlogreg.fit(X, y, **given)
    with pytest.raises(ValueError, match=message):
        dlogreg.plan(X, y, measure=False, **given)


@pytest.mark.parametrize(
    "given",
    [
        {"alpha": 0.1, "l1_ratio": 0.5},
        {"alpha": 0.1, "penalty_factor": [1, 0]},
        {"bounds": (0, None)},
    ],
)
def test_three_classes_are_refused(given):
    X, _, rng = drawn(18, 60, 2)
    with pytest.raises(DataError, match="are for two classes only so far"):
        dlogreg.fit(X, rng.integers(0, 3, size=60), **given)


def test_aliased_columns_without_a_penalty_stay_small():
    """Their optimum is a line; no step may be taken along what is only rounding."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = (X[:, 0] + rng.normal(size=300) > 0).astype(int)
    X = np.column_stack([X, 2 * X[:, 0] + 1])
    given = {"alpha": 0.05, "l1_ratio": 1.0}
    res = dlogreg.fit(X, y, penalty_factor=[0, 1, 1, 0], **given)
    one = dlogreg.fit(X[:, :3], y, penalty_factor=[0, 1, 1], tol=1e-9, **given)
    assert res.status is Status.CONVERGED_UNCERTIFIED
    assert np.isnan(res.error_bound)
    assert res.llf == pytest.approx(one.llf, rel=1e-7)
    assert np.abs(res.params).max() < 100
