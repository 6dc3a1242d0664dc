"""Compressed rows beside trials and missing values: the same as dense rows."""

import dask.array as da
import numpy as np
import pytest
from dask import delayed as delay
from scipy.sparse import csr_array, random_array

import dlogreg


def table(n=3000, d=6):
    rng = np.random.default_rng(8)
    X = random_array((n, d), density=0.3, format="csr", rng=rng)
    eta = X @ rng.normal(size=d) - 0.5
    return X, 1 / (1 + np.exp(-eta)), rng


def blocks(X, rows=700):
    def block(low):
        part = csr_array(X[low : low + rows])
        return da.from_delayed(delay(part), part.shape, meta=csr_array((0, X.shape[1])))

    return da.concatenate([block(i) for i in range(0, X.shape[0], rows)])


def same(one, other):
    np.testing.assert_allclose(one.params, other.params, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(one.bse, other.bse, rtol=1e-6)
    assert one.llf == pytest.approx(other.llf, rel=1e-10)


@pytest.mark.parametrize("lazy", [False, True])
def test_trials(lazy):
    X, p, rng = table()
    trials = rng.integers(0, 5, len(p))
    y = rng.binomial(trials, p)
    options = {"trials": trials, "tol": 1e-8, "progress": False}
    dense = dlogreg.fit(X.toarray(), y, **options)
    same(dlogreg.fit(blocks(X) if lazy else X, y, **options), dense)


@pytest.mark.parametrize("lazy", [False, True])
def test_missing_values(lazy):
    X, p, rng = table()
    y = (rng.random(len(p)) < p).astype(float)
    X.data[[5, 6, 900]] = np.nan
    y[[77, 2999]] = np.nan
    options = {"missing": "drop", "tol": 1e-8, "progress": False}
    dense = dlogreg.fit(X.toarray(), y, **options)
    res = dlogreg.fit(blocks(X) if lazy else X, y, **options)
    same(res, dense)
    assert res.n_dropped == dense.n_dropped > 3
