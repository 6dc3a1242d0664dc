"""What dask-ml and dask-glm test of logistic regression on lazy data, asked of ours.

Restated from ``tests/linear_model/test_glm.py`` of dask-ml and
``dask_glm/tests/test_algos_families.py`` of dask-glm (BSD-3).
"""

from __future__ import annotations

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import dlogreg
from dlogreg import LogisticRegression


def draw(n_rows=100, columns=5, seed=20009):
    """Return columns between 0 and 1, and labels of a model without intercept."""
    rng = np.random.default_rng(seed)
    X = rng.random((n_rows, columns))
    y = rng.random(n_rows) < 1 / (1 + np.exp(-(X @ rng.normal(size=columns))))
    return X, y


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("chunks", [50, 7, (50, 2)])
def test_rows_in_chunks_are_fitted_and_predicted_lazily(fit_intercept, chunks):
    """Several chunks of columns too, which dask-ml refuses."""
    X, y = draw()
    blocks = da.from_array(X, chunks=chunks if isinstance(chunks, tuple) else (50, 5))
    of_rows = LogisticRegression(fit_intercept=fit_intercept, tol=1e-10).fit(X, y)
    found = LogisticRegression(fit_intercept=fit_intercept, tol=1e-10)
    found.fit(blocks, da.from_array(y, chunks=30))
    np.testing.assert_allclose(found.coef_, of_rows.coef_, rtol=1e-8)
    np.testing.assert_allclose(found.intercept_, of_rows.intercept_, rtol=1e-8)
    p = found.predict_proba(blocks)
    assert isinstance(p, da.Array)
    assert p.shape == (100, 2)
    np.testing.assert_allclose(p.compute(), of_rows.predict_proba(X), rtol=1e-8)
    for method in ("predict", "decision_function"):
        values = getattr(found, method)(blocks)
        assert isinstance(values, da.Array)
        np.testing.assert_allclose(values, getattr(of_rows, method)(X), rtol=1e-7)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_frames_and_chunks_of_unknown_length(fit_intercept):
    """A dask dataframe, which dask-ml refuses, and its arrays."""
    X, y = draw(20)
    frame = dd.from_pandas(pd.DataFrame(X, columns=list("abcde")), npartitions=4)
    labels = dd.from_pandas(pd.Series(y), npartitions=4)
    exact = LogisticRegression(fit_intercept=fit_intercept, tol=1e-10).fit(X, y)
    for rows, target in (
        (frame, labels),
        (frame.values, labels.values),
        (frame.to_dask_array(), labels.to_dask_array()),
        (frame.to_dask_array(lengths=True), labels.to_dask_array(lengths=True)),
    ):
        clf = LogisticRegression(fit_intercept=fit_intercept, tol=1e-10)
        clf.fit(rows, target)
        np.testing.assert_allclose(clf.coef_, exact.coef_, rtol=1e-8)
        assert clf.predict(rows).compute().tolist() == exact.predict(X).tolist()


def test_in_pipelines_and_searches():
    X, y = draw()
    blocks = da.from_array(X, chunks=(50, 5))
    pipeline = make_pipeline(FunctionTransformer(), LogisticRegression())
    pipeline.fit(blocks, da.from_array(y, chunks=50))
    exact = LogisticRegression().fit(X, y)
    np.testing.assert_allclose(pipeline[-1].coef_, exact.coef_, rtol=1e-7)
    grid = {"logisticregression__C": [1000, 100, 10, 2]}
    search = GridSearchCV(pipeline, grid, cv=3, scoring="neg_log_loss").fit(X, y)
    assert search.best_params_ == {"logisticregression__C": 2}


@pytest.mark.parametrize(("n_rows", "columns"), [(100, 2), (250, 12), (95, 6)])
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_as_many_events_are_expected_as_there_are(n_rows, columns, solver):
    """Columns of the size 1 / n beside an intercept: dask-glm's ill-scaled data."""
    X, y = draw(n_rows, columns, seed=90210)
    blocks = da.from_array(X / X.sum(axis=0), chunks=(n_rows // 5, columns))
    res = dlogreg.fit(blocks, y, solver=solver)
    assert float(res.predict(blocks).sum().compute()) == pytest.approx(y.sum(), 1e-6)


@pytest.mark.parametrize("n_chunks", [1, 10])
@pytest.mark.parametrize("alpha", [0.0, 1e-5, 1.2e-3, 4.05e-2])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_the_loss_is_the_least(n_chunks, alpha, l1_ratio):
    """Of the coefficients found, of 0, and of any others."""
    X, y = draw(1000, 2)
    blocks = da.from_array(X, chunks=(1000 // n_chunks, 2))
    ratio = l1_ratio if alpha else 0.0
    res = dlogreg.fit(blocks, y, alpha=alpha, l1_ratio=ratio, fit_intercept=False)

    def objective(b):
        size = ratio * np.abs(b).sum() + (1 - ratio) * (b @ b) / 2
        return np.logaddexp(0, -(2.0 * y - 1) * (X @ b)).mean() + alpha * size

    b, rng = np.asarray(res.params), np.random.default_rng(1)
    least = objective(b)
    others = [
        np.zeros(2),
        *rng.normal(size=(20, 2)),
        *(b + rng.normal(0, 0.01, (9, 2))),
    ]
    assert all(objective(other) >= least for other in others)


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_a_cut_fit_gives_the_same_bits(scheduler):
    """dask-glm's determinism, after two passes too."""
    X, y = draw(1000, 10)
    blocks = da.from_array(X, chunks=(100, 10))
    found = []
    for _ in range(2):
        with (
            dask.config.set(scheduler=scheduler),
            pytest.warns(dlogreg.ConvergenceWarning, match="stopped at max_passes"),
        ):
            found.append(dlogreg.fit(blocks, y, max_passes=2, tol=1e-12))
    np.testing.assert_array_equal(found[0].params, found[1].params)


def test_what_dask_ml_gets_wrong_silently():
    """Three classes, class weights and NaN are taken as they are, or refused."""
    X, y = draw(300, 3)
    three = y.astype(int) + (X[:, 0] > 0.6)
    blocks = da.from_array(X, chunks=(100, 3))
    clf = LogisticRegression().fit(blocks, three)
    assert clf.classes_.tolist() == [0, 1, 2]
    plain = LogisticRegression().fit(blocks, y)
    weighted = LogisticRegression(class_weight={True: 5.0}).fit(blocks, y)
    assert (weighted.predict_proba(X)[:, 1] > plain.predict_proba(X)[:, 1]).all()
    X[3, 1] = np.nan
    with pytest.raises(dlogreg.MissingValueError, match="'x2' holds NaN in row 3"):
        LogisticRegression().fit(da.from_array(X, chunks=(100, 3)), y)
