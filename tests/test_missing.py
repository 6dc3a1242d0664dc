"""missing="drop" leaves out rows with a missing value, whatever holds them."""

from __future__ import annotations

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr

import dlogreg
from dlogreg.kernel import Rows
from dlogreg.missing import complete_rows


@pytest.fixture
def data():
    """X, y, weights, offset with holes in each, and which rows are complete."""
    rng = np.random.default_rng(8)
    n = 3000
    X = rng.normal(size=(n, 3))
    y = (rng.random(n) < 1 / (1 + np.exp(-X[:, 0]))).astype(float)
    weight = rng.integers(0, 3, n).astype(float)
    offset = 0.1 * rng.normal(size=n)
    for values, holes in ((X, 40), (y, 30), (weight, 20), (offset, 10)):
        places = rng.choice(n, holes, replace=False)
        values[(places, rng.integers(0, 3, holes)) if values.ndim == 2 else places] = (
            np.nan
        )
    gone = np.isnan(X).any(axis=1) | np.isnan(y) | np.isnan(weight) | np.isnan(offset)
    return X, y, weight, offset, gone


def as_dask(values):
    chunks = (700, *values.shape[1:])
    return da.from_array(values, chunks=chunks)


def as_zarr(values, chunk=512):
    store = zarr.storage.MemoryStore()
    chunks = (chunk, *values.shape[1:])
    array = zarr.create_array(store, shape=values.shape, chunks=chunks, dtype="f8")
    array[:] = values
    return array


def as_frame(values):
    return pd.DataFrame(values) if values.ndim == 2 else pd.Series(values)


KINDS = {
    "numpy": np.asarray,
    "float32": lambda v: v.astype("f4") if v.ndim == 2 else v,
    "dask": as_dask,
    "zarr": as_zarr,
    "zarr cut elsewhere": lambda v: as_zarr(v, 512 if v.ndim == 2 else 333),
    "pandas": as_frame,
    "dask dataframe": lambda v: dd.from_pandas(as_frame(v), npartitions=4),
}


@pytest.mark.parametrize("kind", KINDS)
def test_dropped_rows_are_those_left_out(data, kind, small_blocks):
    *values, gone = data
    counted = int((gone & ~(values[2] == 0)).sum())
    X, y, weight, offset = (KINDS[kind](v) for v in values)
    res = dlogreg.fit(
        X, y, sample_weight=weight, offset=offset, missing="drop", tol=1e-8
    )
    X, y, weight, offset = (v[~gone] for v in values)
    if kind == "float32":
        X = X.astype("f4")
    same = dlogreg.fit(X, y, sample_weight=weight, offset=offset, tol=1e-8)
    np.testing.assert_allclose(res.params, same.params, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(res.bse, same.bse, rtol=1e-7)
    assert res.llf == pytest.approx(same.llf, rel=1e-12)
    assert (res.n_rows, res.nobs) == (same.n_rows, same.nobs)
    assert (res.n_dropped, same.n_dropped) == (counted, 0)
    np.testing.assert_allclose(
        res.lr_test().statistics, same.lr_test().statistics, rtol=1e-6
    )


def test_large_data_that_learn_in_the_first_pass():
    rng = np.random.default_rng(9)
    X = rng.normal(size=(80_000, 3))
    y = (rng.random(80_000) < 1 / (1 + np.exp(-X[:, 0]))).astype(object)
    X[::7, 1] = np.nan
    y[3::11] = None
    gone = np.isnan(X[:, 1]) | (y == None)  # noqa: E711
    res = dlogreg.fit(X, y, missing="drop")
    same = dlogreg.fit(X[~gone], y[~gone])
    assert res.n_dropped == gone.sum()
    assert res.n_rows == same.n_rows
    np.testing.assert_allclose(res.params, same.params, atol=1e-3 * res.bse.max())


def test_three_classes(data):
    X, *_ = data
    y = np.random.default_rng(1).choice(np.array(["a", "b", "c"], object), len(X))
    y[:5] = None
    gone = np.isnan(X).any(axis=1)
    gone[:5] = True
    res = dlogreg.fit(X, y, missing="drop")
    same = dlogreg.fit(X[~gone], y[~gone])
    np.testing.assert_allclose(res.params, same.params, atol=1e-6)
    assert res.n_dropped == gone.sum()


def test_weights_and_offsets_that_are_none():
    X = np.arange(40.0)[:, None] % 7
    y = np.arange(40) % 3 == 0
    weight = np.ones(40, dtype=object)
    offset = np.zeros(40, dtype=object)
    weight[3] = offset[9] = None
    series = {
        "sample_weight": pd.Series(weight, dtype="Float64"),
        "offset": pd.Series(offset, dtype="Float64"),
    }
    res = dlogreg.fit(X, y, **series, missing="drop")
    assert (res.n_rows, res.n_dropped) == (38, 2)


def test_nothing_is_left():
    X = np.full((50, 2), np.nan)
    with pytest.raises(dlogreg.DataError, match="every one of the 50 rows has a missi"):
        dlogreg.fit(X, np.arange(50) % 2, missing="drop")


def test_other_choices_are_refused():
    with pytest.raises(ValueError, match="missing must be 'raise' or 'drop', not 'no'"):
        dlogreg.fit(np.ones((3, 1)), [0, 1, 1], missing="no")


def test_infinity_is_not_missing_and_keeps_its_row(data):
    X, y, *_ = data
    y[np.isnan(y)] = 0.0
    X[2900] = [0.0, np.inf, 0.0]
    with pytest.raises(dlogreg.DataError, match="infinity in row 2900 of X"):
        dlogreg.fit(X, y, missing="drop")
    with pytest.raises(dlogreg.DataError, match="holds NaN in row"):
        dlogreg.fit(X, y)


def test_rows_of_weight_zero_stay_and_count_nothing():
    X, y = np.array([[np.nan], [1.0], [np.nan]]), np.array([0.0, np.nan, 1.0])
    rows = complete_rows(Rows(X, y, np.array([0.0, 2.0, 1.0])))
    assert (len(rows), rows.n_dropped) == (1, 2)
    whole = Rows(np.ones((2, 1)), np.ones(2))
    assert complete_rows(whole) is whole
