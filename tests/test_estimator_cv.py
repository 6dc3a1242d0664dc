"""LogisticRegressionCV against scikit-learn's own, with the same folds."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegressionCV as Sklearn
from sklearn.metrics import (
    brier_score_loss,
    f1_score,
    get_scorer,
    log_loss,
    make_scorer,
)
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import dlogreg
from dlogreg import LogisticRegression, LogisticRegressionCV
from dlogreg.kernel import Rows
from dlogreg.kernel.parts import RandomParts
from tests.test_estimator import draw


@parametrize_with_checks(
    [LogisticRegressionCV(Cs=3, cv=3)],
    expected_failed_checks=lambda estimator: {},
)
def test_scikit_learns_own_checks_pass(estimator, check):
    check(estimator)


def both(X, y, weight=None, tol=1e-11, **options):
    options = {"Cs": 4, "l1_ratios": (0.0,), "scoring": None, **options}
    legacy = options.setdefault("use_legacy_attributes", False)
    exact = Sklearn(solver="newton-cholesky", tol=tol, max_iter=10_000, **options)
    found = LogisticRegressionCV(tol=1e-9, **options)
    assert found.use_legacy_attributes == legacy
    return found.fit(X, y, weight), exact.fit(X, y, weight)


def assert_same(found, exact, tolerance=1e-6):
    for name in ("coef_", "intercept_", "C_", "l1_ratio_", "Cs_", "l1_ratios_"):
        ours, theirs = (
            np.asarray(getattr(found, name)),
            np.asarray(getattr(exact, name)),
        )
        assert ours.shape == theirs.shape, name
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    for name in ("scores_", "coefs_paths_"):
        ours, theirs = getattr(found, name), getattr(exact, name)
        if isinstance(theirs, dict):
            assert list(ours) == list(theirs)
            ours, theirs = np.array([*ours.values()]), np.array([*theirs.values()])
        assert ours.shape == theirs.shape, name
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    assert found.n_iter_.shape == exact.n_iter_.shape
    np.testing.assert_array_equal(found.classes_, exact.classes_)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("scoring", [None, "neg_log_loss", "roc_auc"])
def test_everything_is_as_in_scikit_learn(seed, scoring):
    X, y, weight = draw(seed)
    options = {
        "cv": (None, 3, KFold(4), StratifiedKFold(3, shuffle=True, random_state=0))[
            seed % 4
        ],
        "fit_intercept": seed % 3 != 1,
        "class_weight": (None, "balanced", {"yes": 2.0})[seed % 3],
        "refit": seed % 2 == 0,
        "use_legacy_attributes": seed % 2 == 1,
        "scoring": scoring,
    }
    if seed == 5:
        options["Cs"] = [0.01, 10.0]
    assert_same(*both(X, y, weight, **options))


def test_overlapping_folds_indices_and_own_scorers():
    X, y, _ = draw(3)
    assert_same(*both(X, y, cv=ShuffleSplit(4, random_state=1)))
    folds = list(KFold(3).split(X))

    def scorer(estimator, X, y):
        return float(((estimator.predict_proba(X)[:, 1] > 0.7) == (y == "yes")).mean())

    found, exact = both(X, y, cv=folds, scoring=scorer)
    assert_same(found, exact)
    assert found.score(X, y) == exact.score(X, y)
    assert found.error_bound_ <= 1e-9


def test_lasso_and_elastic_net():
    X, y, _ = draw(1, 400)
    X = X / X.std(axis=0)
    options = {
        "Cs": [0.02, 0.3],
        "l1_ratios": (0.0, 0.5, 1.0),
        "cv": 3,
        "scoring": "neg_log_loss",
        "use_legacy_attributes": False,
    }
    found = LogisticRegressionCV(tol=1e-8, **options).fit(X, y)
    for fold, (train, test) in enumerate(StratifiedKFold(3).split(X, y)):
        for i, ratio in enumerate(options["l1_ratios"]):
            for j, C in enumerate(options["Cs"]):
                one = LogisticRegression(C=C, l1_ratio=ratio, tol=1e-9)
                one.fit(X[train], y[train])
                path = found.coefs_paths_[fold, i, j, 0]
                np.testing.assert_allclose(path[:-1], one.coef_[0], atol=1e-6)
                np.testing.assert_allclose(path[-1:], one.intercept_, atol=1e-6)
                loss = log_loss(y[test], one.predict_proba(X[test])[:, 1])
                np.testing.assert_allclose(-found.scores_[fold, i, j], loss, 1e-6)
    best = LogisticRegression(C=found.C_, l1_ratio=found.l1_ratio_, tol=1e-9)
    np.testing.assert_allclose(found.coef_, best.fit(X, y).coef_, atol=1e-6)
    exact = Sklearn(solver="saga", tol=1e-6, max_iter=10_000, **options).fit(X, y)
    assert (found.C_, found.l1_ratio_) == (exact.C_, exact.l1_ratio_)
    np.testing.assert_allclose(found.coef_, exact.coef_, atol=0.01)


def test_sparse_rows():
    X, y, _ = draw(3)
    X = np.where(np.abs(X) > np.abs(X).mean(axis=0), X, 0.0)
    dense = LogisticRegressionCV(Cs=3, cv=3).fit(X, y)
    sparse = LogisticRegressionCV(Cs=3, cv=3).fit(csr_array(X), y)
    np.testing.assert_allclose(sparse.coefs_paths_, dense.coefs_paths_, rtol=1e-6)


def test_rows_that_are_read_in_passes():
    X, y, _ = draw(4, 3000)
    blocks = da.from_array(X, chunks=(500, X.shape[1]))
    options = {"Cs": [0.001, 1.0], "cv": 4, "scoring": "neg_log_loss"}
    found = LogisticRegressionCV(random_state=3, **options).fit(blocks, y)
    alphas = 1 / (np.array([0.001, 1.0]) * len(y))
    cv = dlogreg.cross_validate(X, y, alphas=alphas, n_folds=4, seed=3, tol=1e-6)
    np.testing.assert_allclose(-found.scores_[:, 0].T, cv.fold_scores["log_loss"], 0.1)
    assert found.scores_.shape == (4, 1, 2)
    assert found.predict(blocks).compute().dtype == y.dtype
    again = LogisticRegressionCV(random_state=3, **options).fit(blocks, y)
    np.testing.assert_array_equal(again.coef_, found.coef_)
    drawn = np.random.RandomState(7).randint(2**31 - 1)
    by_state, by_number = (
        LogisticRegressionCV(random_state=state, **options).fit(blocks, y)
        for state in (np.random.RandomState(7), drawn)
    )
    np.testing.assert_array_equal(by_state.scores_, by_number.scores_)
    assert (by_state.scores_ != found.scores_).any()
    with pytest.raises(ValueError, match="gives the accuracy alone"):
        found.score(blocks, y)
    accurate = LogisticRegressionCV(Cs=2).fit(blocks, y)
    assert accurate.score(blocks, y) == np.mean(accurate.predict(X) == y)


def test_what_is_refused():
    X, y, _ = draw(2)
    blocks = da.from_array(X)
    for options, data, message in (
        ({"solver": "lbfgs"}, X, "folds share Hessians"),
        ({"n_jobs": 2}, X, "n_jobs=2 is not supported"),
        ({"Cs": [1.0, 0.0]}, X, "Cs must be positive"),
        ({"l1_ratios": (2.0,)}, X, "l1_ratios must be"),
        ({"cv": KFold(3)}, blocks, "are split at random"),
        ({"scoring": "f1"}, blocks, "are scored by 'accuracy'"),
        ({"cv": [([0, 0, 1], [2])]}, X, "holds a row more than once"),
    ):
        with pytest.raises(ValueError, match=message):
            LogisticRegressionCV(**options).fit(data, y)
    X = np.random.default_rng(0).normal(size=(2000, 2))
    y = X[:, 0] > 0
    with pytest.raises(ValueError, match="fewer folds, or folds that do not overlap"):
        LogisticRegressionCV(cv=ShuffleSplit(40, random_state=0)).fit(X, y)
    three = np.arange(2000) % 3
    for options, data, message in (
        ({"Cs": [1.0, np.inf]}, X, "Cs=inf is for two classes only"),
        ({"l1_ratios": (0.0, 0.5)}, X, "l1_ratio > 0, .* are for two classes only"),
        ({"scoring": "roc_auc"}, da.from_array(X), "'roc_auc' is for two classes only"),
    ):
        with pytest.raises(dlogreg.DataError, match=message):
            LogisticRegressionCV(**options).fit(data, three)


MORE_CLASSES = [
    {"cv": 3, "scoring": "neg_log_loss"},
    {"scoring": "neg_brier_score", "fit_intercept": False, "class_weight": "balanced"},
    {"cv": KFold(4, shuffle=True, random_state=0), "class_weight": {"b": 3.0}},
    {"refit": False, "use_legacy_attributes": True, "scoring": "neg_log_loss"},
    {"use_legacy_attributes": True, "scoring": "roc_auc_ovr"},
]


@pytest.mark.parametrize("options", MORE_CLASSES, ids=range(len(MORE_CLASSES)))
@pytest.mark.parametrize("weighted", [False, True])
def test_three_classes_are_as_in_scikit_learn(options, weighted):
    X, y = load_iris(return_X_y=True)
    X, y = StandardScaler().fit_transform(X), np.array(["a", "b", "c"])[y]
    weight = np.random.default_rng(1).integers(1, 4, len(y)) if weighted else None
    found, exact = both(X, y, weight, tol=1e-9, **options)
    assert_same(found, exact)
    assert found.coef_.shape == (3, 4)
    assert found.score(X, y) == pytest.approx(exact.score(X, y), rel=1e-6)
    np.testing.assert_array_equal(found.predict(X), exact.predict(X))
    if options.get("refit", True):
        assert found.error_bound_ <= 1e-9


def test_three_classes_of_rows_that_are_read_in_passes():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1200, 3)), rng.integers(0, 3, 1200)
    X[:, 0] += y
    blocks, options = da.from_array(X, chunks=(300, 3)), {"Cs": [0.01, 1.0], "cv": 3}
    found = LogisticRegressionCV(
        random_state=4, scoring="neg_brier_score", class_weight={0: 2.0}, **options
    ).fit(blocks, y)
    part = RandomParts(3, 4).of(Rows(X, y, start=0))
    for fold in range(3):
        train = part != fold
        for j, C in enumerate(options["Cs"]):
            one = LogisticRegression(C=C, class_weight={0: 2.0}, tol=1e-9)
            one.fit(X[train], y[train])
            lines = found.coefs_paths_[fold, 0, j]
            np.testing.assert_allclose(lines[:, :-1], one.coef_, rtol=1e-6, atol=1e-8)
            np.testing.assert_allclose(lines[:, -1], one.intercept_, atol=1e-7)
            p = one.predict_proba(X[~train])
            loss = brier_score_loss(y[~train], p, labels=[0, 1, 2])
            assert -found.scores_[fold, 0, j] == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize("seed", [0, 5, 7])
def test_weak_penalties_of_few_separated_rows(seed):
    """A stale Hessian leads far away where probabilities are 0 and 1."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(100, 20))
    y = (X[:, :4].sum(axis=1) + 0.3 * rng.logistic(size=100) > 0).astype(int)
    found = LogisticRegressionCV(Cs=5, cv=3).fit(X, y)
    for fold, (train, _) in enumerate(StratifiedKFold(3).split(X, y)):
        for j, C in enumerate(found.Cs_):
            one = LogisticRegression(C=C, tol=1e-9).fit(X[train], y[train])
            path = found.coefs_paths_[fold, 0, j, 0]
            np.testing.assert_allclose(path[:-1], one.coef_[0], rtol=1e-6, atol=1e-8)


def test_groups_and_weights_are_routed_as_in_scikit_learn():
    X, y, _ = draw(3)
    groups, weight = np.arange(len(y)) // 7, np.arange(len(y)) % 3 + 1.0
    options = {"cv": GroupKFold(3), "Cs": 3, "l1_ratios": (0.0,)}
    options["use_legacy_attributes"] = False
    with config_context(enable_metadata_routing=True):
        for wanted in (True, False):
            scorer = get_scorer("neg_log_loss").set_score_request(sample_weight=wanted)
            exact = Sklearn(
                scoring=scorer, solver="newton-cholesky", tol=1e-11, **options
            )
            found = LogisticRegressionCV(scoring=scorer, tol=1e-9, **options)
            for clf in (exact, found):
                clf.fit(X, y, sample_weight=weight, groups=groups)
            assert_same(found, exact)
            assert found.score(X, y) == pytest.approx(exact.score(X, y), rel=1e-6)
            given = {"sample_weight": weight}
            if wanted:
                score = found.score(X, y, **given)
                assert score == pytest.approx(exact.score(X, y, **given), rel=1e-6)
                continue
            with pytest.raises(TypeError, match="which are not routed to any object"):
                found.score(X, y, **given)
        scorer = make_scorer(f1_score).set_score_request(sample_weight="own")
        with pytest.raises(ValueError, match="split and scored without own"):
            LogisticRegressionCV(scoring=scorer).fit(da.from_array(X), y, own=weight)
    for method in (found.fit, found.score):
        with pytest.raises(ValueError, match="only supported if enable_metadata_rou"):
            method(X, y, groups=groups)
