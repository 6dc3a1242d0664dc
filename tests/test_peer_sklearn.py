"""What scikit-learn's own tests check of its logistic regression, asked of ours.

Restated from ``sklearn/linear_model/tests/test_logistic.py`` (1.9, BSD-3), as far as
``test_estimator.py`` and its kin do not check it already. glmnet's values stand there.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array, random_array
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification
from sklearn.linear_model import LogisticRegression as Sklearn
from sklearn.metrics import get_scorer, log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import scale
from sklearn.svm import l1_min_c

from dlogreg import LogisticRegression, LogisticRegressionCV

SOLVERS = ["newton-cholesky", "lbfgs"]
IRIS, SPECIES = load_iris(return_X_y=True)


@pytest.mark.parametrize("solver", SOLVERS)
def test_ridge_of_glmnet(solver):
    """R: glmnet(x, y, alpha=0, lambda=1, standardize=F, thresh=1e-12), 9 rows."""
    X = np.column_stack([np.arange(-4, 5), [0, 0, 1, 0, 1, 1, 1, 0, 0]])
    clf = LogisticRegression(C=1 / 9, solver=solver)
    clf.fit(X, [0, 0, 0, 1, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(clf.intercept_, 0.89230405539, rtol=1e-7)
    np.testing.assert_allclose(clf.coef_, [[0.44464569182, 0.01457563448]], rtol=1e-7)
    clf.fit(X, np.repeat([0, 1, 2], 3))
    exact = np.array(
        [
            [-0.12004759652, -0.38023389305, -0.01226499932],
            [2.251747383e-01, -8.164030176e-05, 4.734548012e-02],
            [-0.1051271418, 0.3803155334, -0.0350804808],
        ]
    )
    np.testing.assert_allclose(clf.intercept_, exact[:, 0], rtol=1e-6)
    np.testing.assert_allclose(clf.coef_, exact[:, 1:], atol=5e-8)


@pytest.mark.parametrize("container", [np.asarray, csr_array, coo_array])
@pytest.mark.parametrize("C", [1.0, 100.0])
def test_three_rows(container, C):
    X = container(np.array([[-1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    for y in ([0, 1, 1], [2, 1, 0]):
        clf = LogisticRegression(C=max(C, 10.0) if y[0] else C).fit(X, y)
        np.testing.assert_array_equal(clf.predict(X), y)
        p = clf.predict_proba(X)
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-14)
        np.testing.assert_array_equal(clf.classes_[p.argmax(axis=1)], y)


def test_coefficients_may_be_written():
    clf = LogisticRegression().fit(IRIS, SPECIES == 1)
    clf.coef_[:] = 0
    clf.intercept_[:] = 0
    np.testing.assert_array_equal(clf.decision_function(IRIS), 0)


def test_sparse_coefficients_and_sparse_rows():
    X, y = scale(IRIS), load_iris().target_names[SPECIES]
    clf = LogisticRegression().fit(X, y)
    dense = clf.decision_function(X)
    rows = coo_array(X)
    np.testing.assert_allclose(clf.decision_function(rows), dense, rtol=1e-12)
    clf.sparsify()
    np.testing.assert_allclose(clf.decision_function(rows), dense, rtol=1e-12)
    np.testing.assert_allclose(clf.densify().decision_function(X), dense, rtol=1e-12)


@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_indices_of_sparse_rows(index, solver):
    X = random_array((40, 10), density=0.2, rng=np.random.default_rng(1)).tocsr()
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    y = np.arange(40) % 3 > 0
    exact = Sklearn(tol=1e-10).fit(X.toarray(), y)
    found = LogisticRegression(solver=solver).fit(X, y)
    np.testing.assert_allclose(found.coef_, exact.coef_, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float32_is_fitted_in_float64(dtype):
    """Unlike there: coefficients of float32 rows have all digits of float64."""
    X = scale(IRIS).astype(dtype)
    for rows in (X, csr_array(X)):
        clf = LogisticRegression().fit(rows, (SPECIES == 1).astype(dtype))
        assert clf.coef_.dtype == np.float64
        exact = Sklearn(tol=1e-10).fit(X.astype(float), SPECIES == 1)
        np.testing.assert_allclose(clf.coef_, exact.coef_, rtol=1e-6)


def test_the_smallest_c_of_a_lasso():
    """Below ``l1_min_c`` every coefficient is 0, above it one is not."""
    X, y = scale(IRIS[SPECIES != 2]), SPECIES[SPECIES != 2]
    least = l1_min_c(X, y, loss="log")
    below, above = (
        LogisticRegression(C=factor * least, l1_ratio=1).fit(X, y)
        for factor in (0.999, 1.001)
    )
    assert not below.coef_.any()
    assert above.coef_.any()


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_column_of_noise_is_dropped_by_the_lasso(fit_intercept):
    rng = np.random.default_rng(42)
    X, y = make_classification(n_samples=30, n_features=5, random_state=0)
    X = np.concatenate((X, np.ones((30, 2)), rng.normal(0, 0.1, (30, 3))), axis=1)
    for rows in (X, csr_array(X)):
        clf = LogisticRegression(l1_ratio=1, C=0.4, fit_intercept=fit_intercept)
        clf.fit(rows, y)
        slope = X.T @ (clf.predict_proba(X)[:, 1] - y) * 0.4
        resting = clf.coef_[0] == 0
        assert resting.any()
        assert not resting.all()
        assert (np.abs(slope[resting]) <= 1 + 1e-8).all()
        np.testing.assert_allclose(
            slope[~resting], -np.sign(clf.coef_[0, ~resting]), rtol=1e-6
        )


@pytest.mark.parametrize("C", [0.001, 0.1, 1, 10, 100, 1e6])
def test_the_ends_of_the_elastic_net(C):
    X, y = make_classification(random_state=0)
    ridge, lasso = (LogisticRegression(C=C, l1_ratio=r) for r in (0.0, 1.0))
    exact = Sklearn(C=C, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    np.testing.assert_allclose(
        ridge.fit(X, y).coef_, exact.fit(X, y).coef_, rtol=1e-5, atol=1e-7
    )
    if C <= 10:
        exact = Sklearn(C=C, l1_ratio=1, solver="saga", tol=1e-8, max_iter=100_000)
        found = lasso.fit(X, y).coef_
        np.testing.assert_allclose(found, exact.fit(X, y).coef_, atol=2e-4)


@pytest.mark.parametrize("l1_ratio", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("C", [0.05, 2.0, 50.0])
def test_no_elastic_net_is_lower(C, l1_ratio):
    """The objective at the coefficients is the least of those near them and of 0."""
    X, y = make_classification(n_samples=120, n_features=6, random_state=3)
    clf = LogisticRegression(C=C, l1_ratio=l1_ratio).fit(X, y)

    def objective(b, a):
        margin = (2 * y - 1) * (X @ b + a)
        size = l1_ratio * np.abs(b).sum() + (1 - l1_ratio) * (b @ b) / 2
        return C * np.logaddexp(0, -margin).sum() + size

    b, a = clf.coef_[0], clf.intercept_[0]
    least = objective(b, a)
    assert least <= objective(np.zeros(6), np.log(y.mean() / (1 - y.mean())))
    rng = np.random.default_rng(0)
    for size in (1e-1, 1e-3, 1e-5):
        for _ in range(20):
            move = size * rng.normal(size=7)
            assert objective(b + move[:6], a + move[6]) >= least - 1e-9


def test_softmax_has_the_lower_loss_than_one_against_the_rest():
    together = LogisticRegression().fit(IRIS, SPECIES)
    apart = OneVsRestClassifier(LogisticRegression()).fit(IRIS, SPECIES)
    losses = [log_loss(SPECIES, m.predict_proba(IRIS)) for m in (together, apart)]
    assert losses[0] < losses[1]
    logs = log_softmax(together.decision_function(IRIS), axis=1)
    np.testing.assert_allclose(together.predict_log_proba(IRIS), logs, rtol=1e-10)


@pytest.mark.parametrize("weight", [{0: 1.0, 1: 10.0, 2: 1.0}, "balanced"])
def test_weights_of_rows_and_of_classes(weight):
    """Class weights are row weights, multiply with them, and change no input."""
    given = np.ones(150)
    given[:75] = 2
    kept = given.copy()
    clf = LogisticRegression(class_weight=weight).fit(IRIS, SPECIES, given)
    np.testing.assert_array_equal(given, kept)
    if weight == "balanced":
        sums = np.bincount(SPECIES, weights=given)
        weight = dict(enumerate(given.sum() / (3 * sums)))
    factor = np.array([weight[k] for k in range(3)])[SPECIES]
    same = LogisticRegression().fit(IRIS, SPECIES, given * factor)
    np.testing.assert_allclose(clf.coef_, same.coef_, rtol=1e-7)


def test_scaling_weights_is_scaling_c():
    clf = LogisticRegression(C=3.0).fit(IRIS, SPECIES, np.full(150, 0.25))
    same = LogisticRegression(C=0.75).fit(IRIS, SPECIES)
    np.testing.assert_allclose(clf.coef_, same.coef_, rtol=1e-8)


@pytest.mark.parametrize("labels", [[-1, 0, 1], ["bar", "baz", "foo"]])
@pytest.mark.parametrize("face", [LogisticRegression, LogisticRegressionCV])
def test_the_names_of_labels_change_nothing(labels, face):
    clf = face() if face is LogisticRegression else face(Cs=3, cv=3)
    plain = clone(clf).fit(IRIS, SPECIES)
    named = clf.fit(IRIS, np.array(labels)[SPECIES])
    np.testing.assert_array_equal(named.coef_, plain.coef_)
    assert named.classes_.tolist() == labels
    called = np.array(labels)[plain.predict(IRIS)]
    np.testing.assert_array_equal(named.predict(IRIS), called)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_grid_is_that_of_a_search(n_classes):
    kept = np.isin(SPECIES, range(n_classes))
    X, y = IRIS[kept][:, :2], SPECIES[kept]
    Cs = [0.01, 1.0, 30.0]
    found = LogisticRegressionCV(Cs=Cs, scoring="neg_log_loss").fit(X, y)
    search = GridSearchCV(LogisticRegression(), {"C": Cs}, scoring="neg_log_loss")
    search.fit(X, y)
    mean = search.cv_results_["mean_test_score"]
    np.testing.assert_allclose(found.scores_[:, 0].mean(axis=0), mean, rtol=1e-7)
    assert search.best_params_ == {"C": found.C_}
    np.testing.assert_allclose(found.coef_, search.best_estimator_.coef_, rtol=1e-6)


@pytest.mark.parametrize("name", ["accuracy", "f1", "balanced_accuracy", "roc_auc"])
def test_scorers(name):
    """Scores of the folds are those that the scorer gives fits of the folds."""
    X, y = make_classification(n_samples=90, n_features=4, random_state=5)
    found = LogisticRegressionCV(Cs=[0.5], scoring=name, cv=4).fit(X, y)
    exact = cross_val_score(LogisticRegression(C=0.5), X, y, scoring=name, cv=4)
    np.testing.assert_allclose(found.scores_[:, 0, 0], exact, rtol=1e-10)
    assert found.score(X, y) == get_scorer(name)(found, X, y)


def test_penalties_shrink_coefficients():
    """The norm of the coefficients grows with C, in every fold."""
    for y in (SPECIES == 1, SPECIES):
        found = LogisticRegressionCV(cv=2, Cs=6).fit(IRIS, y)
        norms = (found.coefs_paths_[:, 0, :, :, :-1] ** 2).sum(axis=(2, 3))
        assert (np.diff(norms, axis=1) > 0).all()


def test_more_columns_than_rows_and_hardly_a_penalty():
    X, y = make_classification(n_samples=10, n_features=20, random_state=42)
    found = LogisticRegression(C=1e6).fit(X, y)
    assert found.error_bound_ <= 1e-8
    rest = y - found.predict_proba(X)[:, 1]
    np.testing.assert_allclose(found.coef_[0], 1e6 * (rest @ X), atol=1e-5)
    np.testing.assert_allclose(rest.sum(), 0, atol=1e-12)
    np.testing.assert_array_equal(found.predict(X), y)
