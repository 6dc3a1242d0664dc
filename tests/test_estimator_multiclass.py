"""scikit-learn's face with three and more classes: its coefficients and attributes."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression as Sklearn
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler

from dlogreg import LogisticRegression
from tests.softmax_reference import exact_softmax, symmetric

CASES = [
    {},
    {"C": 0.01},
    {"C": 20.0, "fit_intercept": False},
    {"class_weight": "balanced"},
    {"C": 5.0, "class_weight": {0: 3.0, 1: 0.2}},
]


def table(name):
    """Return standardized columns, and labels that two tables have as text."""
    load = {"iris": load_iris, "wine": load_wine, "digits": load_digits}[name]
    X, y = load(return_X_y=True)
    if name == "digits":
        few = np.flatnonzero(y < 6)[:400]
        X, y = X[few][:, X.var(axis=0) > 20], y[few]
        return StandardScaler().fit_transform(X), y
    return StandardScaler().fit_transform(X), y


def both(X, y, weight=None, **options):
    exact = Sklearn(solver="newton-cholesky", tol=1e-11, max_iter=1000, **options)
    found = LogisticRegression(tol=1e-9, **options)
    return found.fit(X, y, weight), exact.fit(X, y, weight)


@pytest.mark.parametrize("options", CASES, ids=str)
@pytest.mark.parametrize("name", ["iris", "wine", "digits"])
@pytest.mark.parametrize("weighted", [False, True])
def test_coefficients_are_those_of_scikit_learn(name, options, weighted):
    X, y = table(name)
    weight = np.random.default_rng(1).integers(0, 4, len(y)) if weighted else None
    found, exact = both(X, y, weight, **options)
    np.testing.assert_allclose(found.coef_, exact.coef_, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.intercept_, exact.intercept_, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.coef_.sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.intercept_.sum(), 0, atol=1e-12)
    assert found.error_bound_ <= 1e-9
    assert (found.classes_ == exact.classes_).all()
    for method in ("decision_function", "predict_proba", "predict_log_proba"):
        ours, theirs = getattr(found, method)(X), getattr(exact, method)(X)
        assert ours.shape == theirs.shape == (len(X), len(exact.classes_))
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(found.predict(X), exact.predict(X))
    assert found.score(X, y, weight) == exact.score(X, y, weight)


def test_coefficients_are_the_exact_optimum_where_scikit_learn_stops_early():
    X, y = load_iris(return_X_y=True)
    exact, _, _ = exact_softmax(X, y, strength=1e-3)
    found = LogisticRegression(C=1e3, tol=1e-9).fit(X, y)
    lines = np.column_stack([found.intercept_, found.coef_])
    np.testing.assert_allclose(lines, symmetric(exact), rtol=1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_without_a_penalty_coefficients_are_symmetric_too(fit_intercept):
    X, y = table("iris")
    rng = np.random.default_rng(0)
    y = np.where(rng.random(150) < 0.3, rng.integers(0, 3, 150), y)
    found, exact = both(X, y, C=np.inf, fit_intercept=fit_intercept)
    np.testing.assert_allclose(found.coef_, exact.coef_, rtol=1e-6)
    np.testing.assert_allclose(found.intercept_, exact.intercept_, rtol=1e-6, atol=1e-9)


def test_lbfgs_finds_the_same_coefficients():
    X, y = table("wine")
    found = LogisticRegression(solver="lbfgs", tol=1e-7, max_iter=1000).fit(X, y)
    exact = LogisticRegression().fit(X, y)
    np.testing.assert_allclose(found.coef_, exact.coef_, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "labels", ["abc", (10, 20, 30), (-0.5, 0.5, 1.5), (0.0, 1.0, 2)]
)
def test_labels_of_any_kind(labels):
    X, y = table("iris")
    named = np.array(list(labels))[y]
    if isinstance(labels, tuple) and labels[0] == -0.5:
        with pytest.raises(ValueError, match="Unknown label type: continuous"):
            LogisticRegression().fit(X, named)
        return
    found = LogisticRegression().fit(X, named)
    assert found.classes_.tolist() == list(labels)
    assert found.classes_.dtype == named.dtype
    exact = LogisticRegression().fit(X, y)
    np.testing.assert_array_equal(found.coef_, exact.coef_)
    assert (found.predict(X) == named[0]).sum() == (exact.predict(X) == 0).sum()


def sources(X, y, weight, folder):
    yield da.from_array(X, chunks=(60, 3)), da.from_array(y, chunks=50), weight
    yield zarr.create_array(folder / "X", data=X, chunks=(40, X.shape[1])), y, weight
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])])
    yield dd.from_pandas(frame, npartitions=3), y, weight
    mapped = np.memmap(folder / "mapped", float, "w+", shape=X.shape)
    mapped[:] = X
    yield mapped, y, weight


def test_every_source_gives_the_same(tmp_path):
    X, y = table("wine")
    weight = np.random.default_rng(2).integers(0, 3, len(y)).astype(float)
    options = {"class_weight": "balanced", "tol": 1e-9}
    exact = LogisticRegression(**options).fit(X, y, weight)
    for source, labels, weights in sources(X, y, weight, tmp_path):
        found = LogisticRegression(**options).fit(source, labels, weights)
        np.testing.assert_allclose(found.coef_, exact.coef_, rtol=1e-7, atol=1e-8)
        assert found.classes_.tolist() == [0, 1, 2]
        probability = found.predict_proba(source)
        np.testing.assert_allclose(probability, exact.predict_proba(X), atol=1e-7)
        np.testing.assert_array_equal(found.predict(source), exact.predict(X))
        score = found.score(source, labels, weights)
        assert score == pytest.approx(exact.score(X, y, weight), rel=1e-12)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_warm_start_saves_passes(fit_intercept):
    X, y = table("wine")
    found = LogisticRegression(warm_start=True, fit_intercept=fit_intercept).fit(X, y)
    coefficients, cold = found.coef_.copy(), found.n_iter_[0]
    found.fit(X, y)
    assert found.n_iter_[0] < cold
    np.testing.assert_allclose(found.coef_, coefficients, rtol=1e-7)
    with pytest.raises(ValueError, match=r"start must be .* finite numbers"):
        found.fit(X, y == 1)
    with pytest.raises(ValueError, match="warm_start=True, but coef_ has shape"):
        found.fit(X[:, :4], y)


def test_a_class_without_weight_is_refused():
    X, y = table("iris")
    with pytest.raises(ValueError, match="y = 1 have sample_weight 0"):
        LogisticRegression().fit(X, y, (y != 1).astype(float))


def test_one_against_the_rest_is_still_there_to_be_chosen():
    X, y = table("iris")
    exact = OneVsRestClassifier(Sklearn(solver="newton-cholesky", tol=1e-10)).fit(X, y)
    found = OneVsRestClassifier(LogisticRegression(tol=1e-10)).fit(X, y)
    np.testing.assert_allclose(
        [model.coef_[0] for model in found.estimators_],
        [model.coef_[0] for model in exact.estimators_],
        rtol=1e-6,
    )
