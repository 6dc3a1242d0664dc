"""scikit-learn's face: its checks, its coefficients, its words."""

from __future__ import annotations

import inspect
import pickle
import warnings

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy.sparse import csr_array, issparse
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression as Sklearn
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import dlogreg
from dlogreg import LogisticRegression
from dlogreg.estimator.parameters import REFUSED
from tests.reference import exact_optimum


@parametrize_with_checks(
    [LogisticRegression(), LogisticRegression(solver="lbfgs")],
    expected_failed_checks=lambda estimator: {},
)
def test_scikit_learns_own_checks_pass(estimator, check):
    check(estimator)


def draw(seed, n_rows=None):
    """Return X, labels and weights of varied size, scale and balance."""
    rng = np.random.default_rng(seed)
    n_rows = n_rows or int(rng.integers(40, 600))
    d = int(rng.integers(2, 12))
    X = rng.normal(size=(n_rows, d)) * 10.0 ** rng.uniform(-1, 1, d)
    X += rng.normal(size=d) * 3
    slope = rng.normal(size=d) / X.std(axis=0)
    eta = (X - X.mean(axis=0)) @ slope + rng.normal()
    y = np.where(rng.random(n_rows) < 1 / (1 + np.exp(-eta)), "yes", "no")
    y[:2] = ["yes", "no"]
    weights = (
        None,
        rng.random(n_rows) * 3 + 0.01,
        np.r_[1.0, 1.0, rng.integers(0, 3, n_rows - 2)],
    )
    return X, y, weights[seed % 3]


def combination(seed):
    rng = np.random.default_rng(1000 + seed)
    class_weight = (None, "balanced", {"no": 2.5, "yes": 0.3}, {"yes": 7.0})[seed % 4]
    return {
        "C": float(10 ** rng.uniform(-3, 4)),
        "class_weight": class_weight,
        "fit_intercept": bool(seed % 5 != 1),
    }


def coefficients(fitted):
    return np.r_[fitted.intercept_, fitted.coef_[0]]


def assert_close(found, exact, tolerance=1e-6):
    assert found.shape == exact.shape
    worst = np.abs(found - exact) / np.maximum(1, np.abs(exact))
    assert worst.max() <= tolerance


def newton_cholesky(X, y, weight, options):
    return Sklearn(solver="newton-cholesky", tol=1e-10, max_iter=10_000, **options).fit(
        X, y, weight
    )


def as_sources(X, y, weight, tmp_path):
    """Yield X, y and weights as dask arrays, Zarr arrays, a dataframe and a memmap."""
    n_rows, d = X.shape
    yield (
        da.from_array(X, chunks=(max(1, n_rows // 3), max(1, d // 2))),
        da.from_array(y, chunks=max(1, n_rows // 4)),
        None if weight is None else da.from_array(weight, chunks=n_rows),
    )
    stored = zarr.create_array(tmp_path / "X", data=X, chunks=(max(1, n_rows // 3), d))
    code = zarr.create_array(tmp_path / "y", data=(y == "yes"), chunks=(n_rows,))
    yield stored, code, weight
    frame = dd.from_pandas(pd.DataFrame(X).add_prefix("c"), npartitions=3)
    yield frame, y, weight
    mapped = np.memmap(tmp_path / "mapped", float, "w+", shape=X.shape)
    mapped[:] = X
    yield mapped, y.tolist(), weight


@pytest.mark.parametrize("seed", range(20))
def test_coefficients_are_those_of_newton_cholesky(seed):
    X, y, weight = draw(seed)
    options = combination(seed)
    exact = newton_cholesky(X, y, weight, options)
    found = LogisticRegression(tol=1e-10, **options).fit(X, y, weight)
    assert_close(coefficients(found), coefficients(exact))
    np.testing.assert_array_equal(found.classes_, exact.classes_)
    assert found.classes_.dtype == exact.classes_.dtype
    np.testing.assert_array_equal(found.predict(X), exact.predict(X))
    np.testing.assert_allclose(
        found.predict_proba(X), exact.predict_proba(X), atol=1e-6
    )
    assert found.score(X, y, weight) == exact.score(X, y, weight)


@pytest.mark.parametrize("seed", range(4))
def test_coefficients_are_the_exact_optimum(seed):
    X, y, _ = draw(seed)
    exact, _, _ = exact_optimum(X, y == "yes", strength=1 / 0.7)
    found = LogisticRegression(C=0.7, tol=1e-10).fit(X, y)
    np.testing.assert_allclose(coefficients(found), exact, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_coefficients_do_not_depend_on_where_the_rows_lie(seed, tmp_path):
    X, y, weight = draw(seed)
    options = combination(seed)
    exact = newton_cholesky(X, y, weight, options)
    for source_X, source_y, source_weight in as_sources(X, y, weight, tmp_path):
        renamed = dict(options)
        if isinstance(source_y, zarr.Array) and isinstance(
            options["class_weight"], dict
        ):
            given = options["class_weight"]
            renamed["class_weight"] = {k == "yes": v for k, v in given.items()}
        found = LogisticRegression(tol=1e-10, **renamed)
        found.fit(source_X, source_y, source_weight)
        assert_close(coefficients(found), coefficients(exact))
        assert found.n_features_in_ == X.shape[1]
        assert found.classes_.shape == (2,)


@pytest.mark.parametrize("seed", range(8))
def test_lbfgs_agrees_to_its_tolerance(seed):
    X, y, weight = draw(seed)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    options = {**combination(seed), "C": 1.0}
    exact = newton_cholesky(X, y, weight, options)
    found = LogisticRegression(solver="lbfgs", max_iter=500, **options)
    found.fit(X, y, weight)
    assert_close(coefficients(found), coefficients(exact), 1e-6)
    assert found.error_bound_ <= 1e-8


def test_solvers_act():
    X, y, _ = draw(3)
    newton = LogisticRegression(solver="newton-cholesky").fit(X, y)
    auto = LogisticRegression().fit(X, y)
    lbfgs = LogisticRegression(solver="lbfgs").fit(X, y)
    np.testing.assert_array_equal(newton.coef_, auto.coef_)
    assert newton.n_iter_ < lbfgs.n_iter_
    assert newton.error_bound_ <= 1e-8


def test_tol_is_in_standard_errors():
    X, y, _ = draw(0, n_rows=500)
    exact, errors, _ = exact_optimum(X, y == "yes", strength=1e-3)
    for tol in (1e-1, 1e-3, 1e-6):
        found = LogisticRegression(C=1e3, tol=tol).fit(X, y)
        distance = np.abs(coefficients(found) - exact) / errors
        assert distance.max() <= max(found.error_bound_, 1e-11)
        assert found.error_bound_ <= tol
    loose = LogisticRegression(C=1e3, tol=1e-1).fit(X, y)
    assert loose.n_iter_ < found.n_iter_


@pytest.mark.parametrize("C", [1e-3, 1.0, 1e4])
def test_more_columns_than_rows(C):
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(20, 50)), np.arange(20) % 2
    exact = newton_cholesky(X, y, None, {"C": C})
    found = LogisticRegression(C=C, tol=1e-10).fit(X, y)
    assert_close(coefficients(found), coefficients(exact))


def test_more_columns_than_rows_without_penalty_is_refused_in_the_words_of_this_face():
    rng = np.random.default_rng(5)
    with pytest.raises(ValueError, match="give a penalty, a finite C"):
        LogisticRegression(C=np.inf).fit(rng.normal(size=(9, 20)), np.arange(9) % 2)


@pytest.mark.parametrize("value", [0.0, 7.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("solver", ["newton-cholesky", "lbfgs"])
def test_constant_and_equal_columns_with_a_penalty(value, fit_intercept, solver):
    X, y, _ = draw(8)
    X = np.column_stack([X, np.full(len(X), value), X[:, 0]])
    options = {"C": 3.0, "fit_intercept": fit_intercept}
    exact = newton_cholesky(X, y, None, options)
    found = LogisticRegression(solver=solver, max_iter=500, **options).fit(X, y)
    assert_close(coefficients(found), coefficients(exact))


@pytest.mark.parametrize("y", [[0, 1], [1, 0]])
def test_two_rows(y):
    X = np.array([[0.0], [1.0]])
    exact = newton_cholesky(X, y, None, {})
    found = LogisticRegression(tol=1e-10).fit(X, y)
    assert_close(coefficients(found), coefficients(exact))


@pytest.mark.parametrize("C", [1.0, 1e4, 1e8])
def test_separated_data_have_an_optimum_with_any_penalty(C):
    X, _, _ = draw(2)
    y = X[:, 0] > X[:, 0].mean()
    exact, _, _ = exact_optimum(X, y, strength=1 / C)
    found = LogisticRegression(C=C, tol=1e-10).fit(X, y)
    assert_close(coefficients(found), exact)
    assert found.error_bound_ < 1e-8


def test_separated_data_without_penalty_are_reported():
    X = np.random.default_rng(0).normal(size=(60, 3))
    found = LogisticRegression(C=np.inf)
    with pytest.warns(dlogreg.SeparationWarning, match="'x2'.*a finite C"):
        found.fit(X, X[:, 1] > 0)
    assert found.error_bound_ == np.inf
    assert np.isfinite(found.coef_).all()


def test_without_penalty_aliased_columns_are_zero():
    X, y, _ = draw(4)
    both = np.column_stack([X, 2 * X[:, 0] + 1])
    exact = newton_cholesky(X, y, None, {"C": np.inf})
    with pytest.warns(dlogreg.CollinearityWarning, match="a finite C"):
        found = LogisticRegression(C=np.inf, tol=1e-10).fit(both, y)
    assert_close(coefficients(found)[:-1], coefficients(exact))
    assert found.coef_[0, -1] == 0
    np.testing.assert_allclose(found.predict_proba(both), exact.predict_proba(X))


def test_max_iter_counts_passes_and_warns_as_scikit_learn_does():
    X, y, _ = draw(6, n_rows=300)
    for most in (1, 2, 3):
        with pytest.warns(ConvergenceWarning, match="raise max_iter or tol") as caught:
            found = LogisticRegression(C=1e4, max_iter=most).fit(X, y)
        assert found.n_iter_.tolist() == [most]
        assert caught[0].filename == __file__
    enough = LogisticRegression(C=1e4).fit(X, y)
    again = LogisticRegression(C=1e4, max_iter=int(enough.n_iter_[0])).fit(X, y)
    np.testing.assert_array_equal(again.coef_, enough.coef_)


def test_other_warnings_are_passed_on_unchanged():
    X, y, _ = draw(6)

    def warning_block(block):
        warnings.warn("the store is slow", RuntimeWarning, stacklevel=1)
        return block

    lazy = da.from_array(X).map_blocks(warning_block, meta=np.empty((0, 0)))
    with pytest.warns(RuntimeWarning, match="the store is slow"):
        LogisticRegression().fit(lazy, y)


def test_warm_start_starts_from_the_fit_before():
    X, y, _ = draw(9, n_rows=500)
    for intercept in (True, False):
        cold = LogisticRegression(C=100.0, fit_intercept=intercept).fit(X, y)
        warm = clone(cold).set_params(warm_start=True)
        warm.fit(X, y)
        assert warm.n_iter_ == cold.n_iter_
        warm.fit(X, y)
        assert warm.n_iter_ == 2 < cold.n_iter_
        assert_close(coefficients(warm), coefficients(cold), 1e-9)
        cold.fit(X, y)
        assert cold.n_iter_ > 2


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_warm_start_that_may_read_once_goes_on_from_there(n_classes):
    X, y = load_iris(return_X_y=True)
    X, y = X[: 50 * n_classes], y[: 50 * n_classes]
    clf = LogisticRegression(warm_start=True).fit(X, y)
    optimum = clf.coef_
    clf.set_params(max_iter=1).fit(X, y)
    np.testing.assert_allclose(clf.coef_, optimum, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_sparse_coefficients_predict_the_same(n_classes):
    X, y = load_iris(return_X_y=True)
    X, y = X[: 50 * n_classes], y[: 50 * n_classes]
    clf = LogisticRegression(warm_start=True).fit(X, y)
    coef, before = clf.coef_, clf.predict_proba(X)
    assert issparse(clf.sparsify().coef_)
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    clf.fit(X, y)
    np.testing.assert_allclose(clf.coef_, coef, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(clf.sparsify().densify().coef_, clf.coef_)
    with pytest.raises(NotFittedError):
        LogisticRegression().sparsify()


def test_warm_start_needs_the_same_columns():
    X, y, _ = draw(9)
    fitted = LogisticRegression(warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="set warm_start=False"):
        fitted.fit(np.column_stack([X, X[:, 0] ** 2]), y)


def test_parameters_and_defaults_are_scikit_learns():
    ours = inspect.signature(LogisticRegression).parameters
    theirs = inspect.signature(Sklearn).parameters
    assert list(ours) == list(theirs)
    different = {k for k in ours if ours[k].default != theirs[k].default}
    assert different == {"tol", "solver"}
    assert [p.kind for p in ours.values()] == [p.kind for p in theirs.values()]


@pytest.mark.parametrize(
    ("option", "advice"),
    [
        ({"penalty": "l1"}, "use C"),
        ({"penalty": "l2"}, "use C"),
        ({"penalty": None}, "np.inf for no penalty"),
        ({"dual": True}, "leave dual=False"),
        ({"intercept_scaling": 2.0}, "leave it at 1"),
        ({"n_jobs": 2}, "num_workers"),
        ({"solver": "saga"}, "'auto', 'newton-cholesky' or 'lbfgs'"),
        ({"solver": "liblinear"}, "'auto', 'newton-cholesky' or 'lbfgs'"),
        ({"solver": "newton"}, "'auto', 'newton-cholesky' or 'lbfgs'"),
    ],
)
def test_what_has_no_meaning_here_is_refused_with_the_alternative(option, advice):
    (name,) = option
    X, y, _ = draw(0)
    clf = LogisticRegression(**option)
    with pytest.raises(ValueError, match=f"{name}=.* is not supported: .*{advice}"):
        clf.fit(X, y)
    with pytest.raises(ValueError, match="is not supported"):
        clf.fit(da.from_array(X), y)


@pytest.mark.parametrize(
    "option",
    [
        {"C": 0.0},
        {"C": -1.0},
        {"C": "1"},
        {"l1_ratio": 2.0},
        {"l1_ratio": None},
        {"tol": 0.0},
        {"fit_intercept": "no"},
        {"class_weight": "heavy"},
        {"class_weight": [1, 2]},
        {"random_state": "seed"},
        {"solver": 3},
        {"max_iter": 0},
        {"max_iter": 2.5},
        {"verbose": -1},
        {"warm_start": 2},
    ],
)
def test_wrong_values_are_refused(option):
    (name,) = option
    X, y, _ = draw(0)
    with pytest.raises(ValueError, match=f"The '{name}' parameter"):
        LogisticRegression(**option).fit(X, y)


def test_every_parameter_is_checked_or_refused():
    constraints = LogisticRegression._parameter_constraints
    assert set(constraints) == set(LogisticRegression().get_params())
    free = {k for k, rule in constraints.items() if rule == "no_validation"}
    assert free == set(REFUSED)


def test_the_constructor_only_stores():
    given = {"C": "nonsense", "solver": object(), "class_weight": {}, "n_jobs": 5}
    assert given.items() <= LogisticRegression(**given).get_params().items()


def test_clones_copies_and_parameters():
    X, y, _ = draw(1)
    clf = LogisticRegression(C=3.0).set_params(fit_intercept=False)
    assert clone(clf).get_params() == clf.get_params()
    clf.fit(X, y)
    assert not hasattr(clone(clf), "coef_")
    copy = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(copy.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(clf.intercept_, [0.0])


def test_pipelines_and_grid_search():
    X, y, _ = draw(7, n_rows=200)
    grid = {"logisticregression__C": [0.01, 1.0, 100.0]}

    def search(clf):
        pipeline = make_pipeline(StandardScaler(), clf)
        return GridSearchCV(pipeline, grid, n_jobs=1, scoring="neg_log_loss").fit(X, y)

    ours = search(LogisticRegression())
    theirs = search(Sklearn(solver="newton-cholesky", tol=1e-10))
    np.testing.assert_allclose(
        ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"]
    )
    assert ours.best_params_ == theirs.best_params_


@pytest.mark.parametrize(
    "labels", [("no", "yes"), (False, True), (-1, 1), (1.5, 2.5), ("b", "a")]
)
def test_labels_of_any_kind(labels, tmp_path):
    X, y, _ = draw(1)
    event = (y == "yes").astype(int)
    y = np.array(labels)[event]
    exact = Sklearn(solver="newton-cholesky", tol=1e-10)
    if labels == (1.5, 2.5):
        y = (y * 2).astype(float)
    exact.fit(X, y)
    for source, target in [
        (X, y),
        (X.tolist(), y.tolist()),
        (da.from_array(X, chunks=(50, 2)), da.from_array(y, chunks=70)),
        (da.from_array(X, chunks=(50, 2)), y.astype(object)),
        (da.from_array(X, chunks=(50, 2)), pd.Series(y)),
        (da.from_array(X, chunks=(50, 2)), pd.Series(y, dtype="category")),
    ]:
        found = LogisticRegression(tol=1e-10).fit(source, target)
        assert_close(coefficients(found), coefficients(exact))
        assert found.classes_.tolist() == exact.classes_.tolist()
        predicted = np.asarray(found.predict(source))
        np.testing.assert_array_equal(predicted, exact.predict(X))
        assert found.score(source, target) == exact.score(X, y)


def test_out_of_core_rows_are_predicted_lazily(tmp_path):
    X, y, weight = draw(4)
    clf = LogisticRegression().fit(X, y)
    methods = ("predict", "predict_proba", "predict_log_proba", "decision_function")
    for source, target, _ in as_sources(X, y, weight, tmp_path):
        fitted = clone(clf).fit(source, target)
        lazy = not isinstance(source, np.memmap)
        for method in methods:
            found = getattr(fitted, method)(source)
            assert isinstance(found, da.Array if lazy else np.ndarray)
            expected = getattr(clf, method)(X)
            if method == "predict" and not isinstance(fitted.classes_[0], str):
                expected = expected == "yes"
            if method == "predict":
                np.testing.assert_array_equal(np.asarray(found), expected)
            else:
                np.testing.assert_allclose(np.asarray(found), expected, atol=1e-9)


def test_log_probabilities_are_finite_far_out():
    X, y, _ = draw(4)
    clf = LogisticRegression().fit(X, y)
    far = X * 1e6
    logs = clf.predict_log_proba(far)
    assert np.isfinite(logs).all()
    eta = clf.decision_function(far)
    np.testing.assert_allclose(logs.min(axis=1), -np.abs(eta))


def test_the_score_of_out_of_core_rows_is_a_number_from_one_read(tmp_path):
    X, y, weight = draw(4)
    clf = LogisticRegression().fit(X, y)
    expected = accuracy_score(y, clf.predict(X), sample_weight=weight)
    for source, target, source_weight in as_sources(X, y, weight, tmp_path):
        if isinstance(target, zarr.Array):
            target = y
        fitted = clone(clf).fit(source, target)
        score = fitted.score(source, target, source_weight)
        assert type(score) is float
        assert score == pytest.approx(expected, rel=1e-12)
    reads = []

    def load(block_info):
        (low, high), _ = block_info[None]["array-location"]
        reads.append(low)
        return X[low:high]

    n_rows = len(X)
    chunks = ((100, n_rows - 100), (X.shape[1],))
    lazy = da.map_blocks(load, chunks=chunks, dtype=float, meta=np.empty((0, 0)))
    assert clf.score(lazy, y, weight) == pytest.approx(expected, rel=1e-12)
    assert sorted(reads) == [0, 100]


def test_rows_of_unknown_number(tmp_path):
    X, y, _ = draw(5)
    lazy, labels = da.from_array(X, chunks=(90, 3)), da.from_array(y, chunks=90)
    keep = lazy[:, 0] > X[:, 0].mean()
    found = LogisticRegression(tol=1e-10).fit(lazy[keep], labels[keep])
    mask = X[:, 0] > X[:, 0].mean()
    exact = newton_cholesky(X[mask], y[mask], None, {})
    assert_close(coefficients(found), coefficients(exact))
    assert found.score(lazy[keep], labels[keep]) == exact.score(X[mask], y[mask])


def test_small_data_in_memory_never_meet_dask():
    def refuse(*args, **kwargs):
        raise AssertionError("Dask was asked to compute")

    X, y, weight = draw(5)
    with dask.config.set(scheduler=refuse):
        clf = LogisticRegression(class_weight="balanced").fit(X, y, weight)
        clf.predict_proba(X)
        clf.score(X, y)


@pytest.fixture
def frame():
    rng = np.random.default_rng(11)
    return pd.DataFrame(rng.normal(size=(80, 3)), columns=["dose", "age", "sex"])


@pytest.mark.parametrize("lazy", [False, True])
def test_names_of_columns_are_kept_and_compared(frame, lazy):
    y = (frame["dose"] + np.arange(80) % 3 > 1).to_numpy()

    def as_given(pandas):
        return dd.from_pandas(pandas, npartitions=2) if lazy else pandas

    clf = LogisticRegression().fit(as_given(frame), y)
    assert clf.feature_names_in_.tolist() == ["dose", "age", "sex"]
    expected = clf.predict_proba(frame)
    np.testing.assert_allclose(np.asarray(clf.predict_proba(as_given(frame))), expected)
    with pytest.raises(ValueError, match="same order"):
        clf.predict(as_given(frame[["age", "dose", "sex"]]))
    with pytest.raises(ValueError, match="unseen at fit time"):
        clf.predict(as_given(frame.rename(columns={"age": "years"})))
    with pytest.raises(ValueError, match="seen at fit time, yet now missing"):
        clf.score(as_given(frame[["dose", "age"]]), y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        clf.predict(frame.to_numpy())
    plain = LogisticRegression().fit(frame.to_numpy(), y)
    assert not hasattr(plain, "feature_names_in_")
    with pytest.warns(UserWarning, match="fitted without feature names"):
        found = plain.predict_proba(as_given(frame))
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-9)


def test_the_number_of_columns_is_compared():
    X, y, _ = draw(3)
    clf = LogisticRegression().fit(X, y)
    for other in (X[:, 1:], da.from_array(X[:, 1:])):
        with pytest.raises(ValueError, match="features, but LogisticRegression is exp"):
            clf.predict(other)


def test_nothing_is_predicted_before_fit():
    for X in (np.ones((2, 2)), da.ones((2, 2))):
        with pytest.raises(NotFittedError):
            LogisticRegression().predict(X)


@pytest.mark.parametrize("solver", ["newton-cholesky", "lbfgs"])
def test_sparse_rows_give_the_coefficients_of_dense_ones(solver):
    X, y, _ = draw(3)
    X = np.where(np.abs(X) > 0.7, X, 0.0)
    blocks = da.from_array(X, chunks=(7, -1)).map_blocks(
        csr_array, meta=csr_array((0, 0))
    )
    theirs = Sklearn(tol=1e-12, max_iter=10_000).fit(X, y)
    clf = LogisticRegression(solver=solver)
    for sparse in (csr_array(X), csr_array(X).tocsc(), blocks):
        found = clf.fit(sparse, y)
        np.testing.assert_allclose(found.coef_, theirs.coef_, rtol=1e-6, atol=1e-7)
        labels = np.asarray(found.predict(sparse))
        np.testing.assert_array_equal(labels, found.predict(X))
        assert found.score(sparse, y) == found.score(X, y)
    bad = csr_array(X)
    bad.data[3] = np.nan
    with pytest.raises(dlogreg.DataError, match="NaN"):
        clf.fit(bad, y)


@pytest.mark.parametrize("label", [0, "only"])
def test_one_class_is_refused(label):
    X, _, _ = draw(3)
    y = np.full(len(X), label)
    for source in (X, da.from_array(X)):
        with pytest.raises(ValueError, match=f"only one class.*{label}"):
            LogisticRegression().fit(source, y)
    y = np.array([f"{label}"] * len(X))
    y[0] = "other"
    weight = np.ones(len(X))
    weight[0] = 0
    with pytest.raises(ValueError, match=f"only one class.*{label}"):
        LogisticRegression().fit(X, y, weight)


def test_bad_values_are_named():
    X, y, _ = draw(3)
    X[5, 1] = np.nan
    for source in (X, da.from_array(X)):
        with pytest.raises(
            dlogreg.MissingValueError,
            match=r"Input X contains NaN: .*'x2' holds NaN in row 5.* sklearn.impute",
        ):
            LogisticRegression().fit(source, y)
    X[5, 1] = np.inf
    with pytest.raises(dlogreg.DataError, match=r"Input X contains infinity: .*'x2'"):
        LogisticRegression().fit(X, y)
    X, y, _ = draw(3)
    clf = LogisticRegression().fit(X, y)
    X[5, 1] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        clf.predict(X)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-1.0, "sample_weight is -1.0 in row 4"),
        (np.nan, "NaN"),
    ],
)
def test_bad_weights_are_named(weight, message):
    X, y, _ = draw(3)
    weights = np.ones(len(X))
    weights[4] = weight
    with pytest.raises(ValueError, match=message):
        LogisticRegression().fit(X, y, weights)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({"no": 1.0, "maybe": 2.0}, "yes.*not in class_weight|'maybe', which does not"),
        ({"no": -1.0, "yes": 1.0}, "must be finite"),
        ({"no": np.nan, "yes": 1.0}, "must be finite"),
        ({"no": 0.0, "yes": 1.0}, "finite and positive.* sample_weight 0"),
    ],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_bad_class_weights_are_refused(class_weight, message, lazy):
    X, y, _ = draw(3)
    with pytest.raises(ValueError, match=message):
        LogisticRegression(class_weight=class_weight).fit(
            da.from_array(X) if lazy else X, y
        )


@pytest.mark.parametrize("lazy", [False, True])
def test_weights_of_labels_that_do_not_occur_are_ignored_as_scikit_learn_does(lazy):
    X, y, _ = draw(3)
    given = {"no": 2.0, "yes": 1.0, "maybe": 5.0}
    exact = newton_cholesky(X, y, None, {"class_weight": given})
    found = LogisticRegression(class_weight=given, tol=1e-10)
    found.fit(da.from_array(X) if lazy else X, y)
    assert_close(coefficients(found), coefficients(exact))


@pytest.mark.parametrize("dtype", [None, "category"])
def test_all_columns_from_one_dask_dataframe(frame, dtype):
    rng = np.random.default_rng(2)
    names = list(frame.columns)
    table = frame.assign(
        y=pd.Series(np.where(frame["dose"] + rng.normal(size=80) > 0, "ill", "well")),
        w=rng.random(80),
    )
    exact = newton_cholesky(
        frame.to_numpy(), table["y"], table["w"], {"class_weight": "balanced"}
    )
    lazy = dd.from_pandas(table, npartitions=3)
    y = lazy["y"] if dtype is None else lazy["y"].astype(dtype)
    found = LogisticRegression(class_weight="balanced", tol=1e-10)
    found.fit(lazy[names], y, lazy["w"])
    assert_close(coefficients(found), coefficients(exact))
    score = found.score(lazy[names], y, lazy["w"])
    expected = exact.score(frame.to_numpy(), table["y"], table["w"])
    assert score == pytest.approx(expected, rel=1e-12)


def test_verbose_shows_the_passes(capsys):
    X, y, _ = draw(3)
    LogisticRegression().fit(X, y)
    quiet = capsys.readouterr()
    assert quiet.out == quiet.err == ""
    LogisticRegression(verbose=1).fit(X, y)
    shown = capsys.readouterr()
    assert "pass" in shown.out + shown.err
