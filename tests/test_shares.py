"""Shares of successes beside trials=: the same fit as of counts, decided once."""

from __future__ import annotations

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from distributed import Client
from hypothesis import given, settings
from hypothesis import strategies as st

import dlogreg
from dlogreg import DataError
from tests.counting import counted_array, reads
from tests.test_trials import fitted, grouped_rows


def shares_of(y, trials):
    """Return shares, NaN where there are no trials."""
    with np.errstate(invalid="ignore"):
        return y / trials


def assert_equal_bits(found, expected):
    np.testing.assert_array_equal(found.params, expected.params)
    np.testing.assert_array_equal(found.cov_params(), expected.cov_params())
    assert (found.llf, found.nobs) == (expected.llf, expected.nobs)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), largest=st.sampled_from([3, 40, 10**6]))
def test_shares_equal_counts(seed, largest):
    rng = np.random.default_rng(seed)
    X, trials = rng.normal(size=(200, 2)), rng.integers(0, largest, 200)
    y = rng.binomial(trials, 0.4)
    by_counts = fitted(X, y, trials)
    assert_equal_bits(fitted(X, shares_of(y, trials), trials), by_counts)
    assert_equal_bits(fitted(X, shares_of(y, trials).tolist(), trials), by_counts)
    if largest < 10**6:
        single = shares_of(y, trials).astype(np.float32)
        assert_equal_bits(fitted(X, single, trials), by_counts)


def test_lists_series_and_objects():
    X, y, trials, _ = grouped_rows()
    frame = pd.DataFrame(X, columns=list("abc")).assign(
        share=shares_of(y, trials), n=trials, y=y
    )
    by_counts = fitted(frame[list("abc")], frame["y"], frame["n"])
    for share in (frame["share"], frame["share"].astype(object)):
        assert_equal_bits(fitted(frame[list("abc")], share, frame["n"]), by_counts)
    lazy = dd.from_pandas(frame, npartitions=7)
    found = fitted(lazy[list("abc")], lazy["share"], lazy["n"])
    assert_equal_bits(found, fitted(lazy[list("abc")], lazy["y"], lazy["n"]))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("chunks", [(1, 1999), (331,) * 6 + (14,), (1000, 0, 1000)])
def test_dask_arrays_of_odd_chunks(chunks):
    X, y, trials, _ = grouped_rows()
    weight = np.random.default_rng(1).integers(0, 3, 2000).astype(float)
    lazy = da.from_array(X, chunks=(chunks, (1, 2)))
    counts = fitted(lazy, y, trials, sample_weight=weight)
    share = shares_of(y, trials)
    for cut in ((chunks,), 313):
        for weight_cut in ((chunks,), 451):
            found = fitted(
                lazy,
                da.from_array(share, chunks=cut),
                da.from_array(trials, chunks=cut),
                sample_weight=da.from_array(weight, chunks=weight_cut),
            )
            assert_equal_bits(found, counts)


@pytest.mark.usefixtures("small_blocks")
def test_zarr_and_two_workers_give_the_same_bits(process_cluster, tmp_path):
    X, y, trials, _ = grouped_rows()
    group = zarr.create_group(str(tmp_path / "rows.zarr"))
    share = shares_of(y, trials)
    arrays = (("X", X, 300), ("share", share, 700), ("y", y, 700), ("n", trials, 450))
    for name, values, rows in arrays:
        group.create_array(name, data=values, chunks=(rows, *values.shape[1:]))
    given = group["X"], group["share"], group["n"]
    here = fitted(*given)
    assert_equal_bits(here, fitted(group["X"], group["y"], group["n"]))
    with Client(process_cluster):
        assert_equal_bits(fitted(*given), here)


def test_y_alone_is_read_ahead_and_x_no_more_than_with_counts():
    X, y, trials, _ = grouped_rows()
    rows = counted_array("rows", X, 200)
    shares = counted_array("shares", shares_of(y, trials), 200)
    res = fitted(rows, shares, da.from_array(trials, chunks=200))
    pilot = np.isin(np.arange(10), [0, 3, 6, 9])
    assert reads("rows") == (res.n_passes + pilot).tolist()
    assert reads("shares") == (res.n_passes + 2 * pilot).tolist()
    counts = counted_array("counts", y, 200)
    fitted(rows, counts, da.from_array(trials, chunks=200))
    assert reads("counts") == (res.n_passes + pilot).tolist()


def test_a_fraction_that_is_found_later_is_refused():
    X, y, trials, _ = grouped_rows()
    late = y.astype(float)
    late[500] = 0.5
    lazy = da.from_array(X, chunks=(200, 3))
    with pytest.raises(DataError, match=r"y is 0.5 in row 500, .*multiply shares"):
        fitted(lazy, da.from_array(late, chunks=200), trials)
    with pytest.raises(DataError, match=r"y is \d in row \d+, but other rows hold"):
        fitted(X, late, trials)
    unused = np.ones(2000)
    unused[500] = 0
    found = fitted(X, late, trials, sample_weight=unused)
    assert_equal_bits(found, fitted(X, y, trials, sample_weight=unused))


def test_bad_shares():
    X, y, trials, _ = grouped_rows()
    row = int(np.flatnonzero(trials == 8)[0])
    for value, message in (
        (1.5, f"y is 1.5 in row {row}, but other rows hold fractions"),
        (-0.25, f"y is -0.25 in row {row}, but other rows hold fractions"),
        (np.nan, f"y is nan in row {row}, but other rows hold fractions"),
        (0.3, f"y is 0.3 in row {row}, and that share of 8 trials is 2.4 successes"),
    ):
        share = shares_of(y, trials)
        share[row] = value
        with pytest.raises(DataError, match=message):
            fitted(X, share, trials)
    none = trials == 0
    share = np.where(none, 7.7, shares_of(y, trials))
    assert_equal_bits(fitted(X, share, trials), fitted(X, y, trials))


def test_evaluation_and_plans_take_shares():
    X, y, trials, _ = grouped_rows()
    share = shares_of(y, trials)
    res = fitted(X, share, trials)
    found = dlogreg.evaluate(res, X, share, trials=trials)
    expected = dlogreg.evaluate(res, X, y, trials=trials)
    assert (found.auc, found.brier) == (expected.auc, expected.brier)
    lazy = (da.from_array(a, chunks=500) for a in (share, trials))
    found = dlogreg.evaluate(res, X, next(lazy), trials=next(lazy))
    assert found.auc == pytest.approx(expected.auc)
    assert dlogreg.plan(X, share, trials=trials).seconds_per_pass > 0
    again = res.lr_test().statistics
    np.testing.assert_array_equal(again, fitted(X, y, trials).lr_test().statistics)
