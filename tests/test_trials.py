"""Grouped rows: successes among trials equal the rows of single trials."""

from __future__ import annotations

import json
from pathlib import Path

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from distributed import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, xlogy

import dlogreg
from dlogreg import DataError, InferenceError
from dlogreg.kernel import Rows
from dlogreg.kernel.folds import row_numbers
from dlogreg.trials import split_trials
from tests.counting import counted_array, reads

VALUES = Path(__file__).parent / "reference_values" / "trials.json"
ODD = [(1, 1999), (331,) * 6 + (14,), (1000, 0, 1000), (17, 1000, 983)]


def fitted(X, y, trials, **options):
    options = {"tol": 1e-10, "progress": False, **options}
    return dlogreg.fit(X, y, trials=trials, **options)


def test_r_glm_of_two_columns():
    reference = json.loads(VALUES.read_text())
    data = pd.DataFrame(reference["data"])
    X = data[["ldose", "male"]]
    res = fitted(X, data["dead"], data["n"])
    np.testing.assert_allclose(res.params, reference["coef"], rtol=1e-9)
    np.testing.assert_allclose(res.cov_params(), reference["cov"], rtol=1e-7)
    # deviances are those of single trials, R's are less by that of the saturated model
    assert res.deviance == pytest.approx(reference["single_deviance"], rel=1e-12)
    assert res.null_deviance == pytest.approx(reference["single_null_deviance"])
    dead, n = data["dead"], data["n"]
    saturated = -2 * (xlogy(dead, dead / n) + xlogy(n - dead, 1 - dead / n)).sum()
    assert res.deviance - saturated == pytest.approx(reference["deviance"], rel=1e-9)
    null = res.null_deviance - saturated
    assert null == pytest.approx(reference["null_deviance"], rel=1e-9)
    assert res.nobs == n.sum()
    assert res.bic == pytest.approx(reference["bic"], rel=1e-12)
    assert res.classes == (0, 1)
    tests = res.lr_test()
    np.testing.assert_allclose(tests.statistics, reference["lrt"], rtol=1e-7)
    np.testing.assert_allclose(res.predict(X), reference["p"], rtol=1e-8)


def grouped_rows(seed=0, n_rows=2000):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 3)) * [1, 100, 0.1] + 5
    trials = rng.integers(0, 9, n_rows)
    p = expit((X - 5) @ [0.7, -0.005, 3] - 0.4)
    return X, rng.binomial(trials, p), trials, rng.normal(size=n_rows)


def expanded(y, trials, *arrays):
    """Return one row for every trial."""
    outcome = np.concatenate([np.arange(n) < s for s, n in zip(y, trials, strict=True)])
    return outcome.astype(int), *(
        np.repeat(values, trials, axis=0) for values in arrays
    )


def assert_same(found, single, atol=1e-8):
    bse = np.asarray(single.bse)
    np.testing.assert_allclose(found.params / bse, single.params / bse, atol=atol)
    for name in ("llf", "llnull", "nobs", "aic", "bic", "df_resid"):
        assert getattr(found, name) == pytest.approx(getattr(single, name), rel=1e-10)
    for kind in ("model", "HC0", "HC1"):
        unit = np.sqrt(np.diagonal(single.cov_params(kind)))
        scale = np.outer(unit, unit)
        ours, theirs = (r.cov_params(kind) / scale for r in (found, single))
        np.testing.assert_allclose(ours, theirs, atol=atol)


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_single_trials(solver):
    X, y, trials, offset = grouped_rows()
    outcome, rows, beside = expanded(y, trials, X, offset)
    res = fitted(X, y, trials, solver=solver)
    assert_same(res, dlogreg.fit(rows, outcome, tol=1e-10, progress=False))
    assert res.class_counts == {0: (y < trials).sum(), 1: (y > 0).sum()}
    both = fitted(X, y, trials, offset=offset, solver=solver)
    assert_same(
        both, dlogreg.fit(rows, outcome, offset=beside, tol=1e-10, progress=False)
    )


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_weights_repeat_grouped_rows(seed):
    X, y, trials, _ = grouped_rows(seed, 200)
    times = np.random.default_rng(seed).integers(0, 3, 200)
    res = fitted(X, y, trials, sample_weight=times.astype(float))
    again = fitted(*(np.repeat(values, times, axis=0) for values in (X, y, trials)))
    assert_same(res, again)


def test_groups_take_the_trials_of_a_row_together():
    X, y, trials, _ = grouped_rows(n_rows=300)
    numbers = np.arange(300)
    outcome, rows, row = expanded(y, trials, X, numbers)
    res = fitted(X, y, trials, groups=numbers)
    single = dlogreg.fit(rows, outcome, groups=row, tol=1e-10, progress=False)
    np.testing.assert_allclose(res.bse, single.bse, rtol=1e-8)
    assert res.n_groups == np.count_nonzero(trials)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("chunks", ODD)
def test_dask_arrays_of_odd_chunks(chunks):
    X, y, trials, _ = grouped_rows()
    outcome, rows = expanded(y, trials, X)
    single = dlogreg.fit(rows, outcome, tol=1e-10, progress=False)
    res = fitted(
        da.from_array(X, chunks=(chunks, (1, 2))),
        da.from_array(y, chunks=313),
        da.from_array(trials, chunks=(chunks,)),
    )
    assert_same(res, single)


@pytest.mark.usefixtures("small_blocks")
def test_zarr_and_two_workers_give_the_same_bits(process_cluster, tmp_path):
    X, y, trials, _ = grouped_rows()
    group = zarr.create_group(str(tmp_path / "rows.zarr"))
    for name, values, rows in (("X", X, 300), ("y", y, 700), ("n", trials, 450)):
        group.create_array(name, data=values, chunks=(rows, *values.shape[1:]))
    given = group["X"], group["y"], group["n"]
    here = fitted(*given)
    assert_same(here, fitted(X, y, trials))
    with Client(process_cluster):
        there = fitted(*given)
    np.testing.assert_array_equal(there.params, here.params)
    np.testing.assert_array_equal(there.cov_params(), here.cov_params())


def test_columns_of_dataframes_and_learning_passes():
    X, y, trials, _ = grouped_rows(n_rows=60_000)
    frame = pd.DataFrame(X, columns=list("abc")).assign(y=y, n=trials)
    lazy = dd.from_pandas(frame, npartitions=7)
    res = fitted(lazy[list("abc")], lazy["y"], lazy["n"])
    outcome, rows = expanded(y, trials, X)
    assert_same(res, dlogreg.fit(rows, outcome, tol=1e-10, progress=False))


def test_what_reads_the_rows_again():
    X, y, trials, _ = grouped_rows()
    outcome, rows, Z = expanded(y, trials, X, X[:, 0] ** 2)
    res, single = (
        fitted(X, y, trials),
        dlogreg.fit(rows, outcome, tol=1e-10, progress=False),
    )
    ours, theirs = res.lr_test(), single.lr_test()
    np.testing.assert_allclose(ours.statistics, theirs.statistics, rtol=1e-7)
    ours = res.score_test(X[:, 0] ** 2).tests[0].statistic
    assert ours == pytest.approx(single.score_test(Z).tests[0].statistic, rel=1e-6)
    ends = res.conf_int(method="profile", names=["x1"])
    expected = single.conf_int(method="profile", names=["x1"])
    np.testing.assert_allclose(ends, expected, rtol=1e-5)
    report = dlogreg.evaluate(res, X, y, trials=trials, in_sample=True)
    alone = dlogreg.evaluate(single, rows, outcome, in_sample=True)
    for name in ("auc", "brier", "log_loss", "llnull", "tjur"):
        found, expected = getattr(report, name), getattr(alone, name)
        assert found == pytest.approx(expected, rel=1e-9)


def test_single_rows_are_refused_and_loaded_results_take_two_of_each(tmp_path):
    X, y, trials, _ = grouped_rows()
    res = fitted(X, y, trials)
    for use in (res.residuals, res.influence):
        with pytest.raises(InferenceError, match="of single rows"):
            use()
    effects = res.marginal_effects().effects
    outcome, rows = expanded(y, trials, X)
    single = dlogreg.fit(rows, outcome, tol=1e-10, progress=False)
    expected = single.marginal_effects().effects
    np.testing.assert_allclose(effects, expected, rtol=1e-8)
    assert res.goodness_of_fit().auc == pytest.approx(single.goodness_of_fit().auc)
    res.save(tmp_path / "model.json")
    loaded = dlogreg.load(tmp_path / "model.json")
    cells = {
        "X": np.concatenate([X, X]),
        "y": np.repeat([1, 0], len(y)),
        "sample_weight": np.concatenate([y, trials - y]).astype(float),
    }
    again = loaded.lr_test(**cells)
    np.testing.assert_allclose(again.statistics, res.lr_test().statistics, rtol=1e-8)


def test_every_block_is_read_once_a_pass():
    X, y, trials, _ = grouped_rows()
    rows = counted_array("rows", X, 200)
    res = fitted(rows, y, trials)
    pilot = np.isin(np.arange(10), [0, 3, 6, 9])
    assert reads("rows") == (res.n_passes + pilot).tolist()
    assert {record.tally.n_rows for record in res.trace[1:]} == {2000}
    planned = dlogreg.plan(X, y, trials=trials)
    plain = dlogreg.plan(X, y > 0)
    assert planned.bytes_per_pass > plain.bytes_per_pass
    assert res.bytes_read > 0


def test_rows_keep_their_numbers():
    X, y = np.arange(6.0).reshape(3, 2), np.array([1, 0, 2])
    rows = split_trials(Rows(X, y, None, 4, 100), np.array([3, 0, 2]))
    assert rows.y.tolist() == [1, 0, 1, 0, 1, 0]
    assert rows.sample_weight.tolist() == [1, 2, 0, 0, 2, 0]
    assert [rows.place(i) for i in (1, 2, 5)] == ["row 100", "row 101", "row 102"]
    kept = rows.positive()
    assert [kept.place(i) for i in range(3)] == ["row 100", "row 100", "row 102"]
    assert row_numbers(kept).tolist() == [100, 100, 102]
    assert rows.n_read == 3
    many = Rows(np.zeros((400, 1)), np.full(400, 5), None)
    for most in (100, 200, 333):
        sample = split_trials(many, np.full(400, 9)).thinned(most)
        assert 0.4 < sample.y.mean() < 0.6


def refused(match, X, y, trials, error=DataError, **options):
    with pytest.raises(error, match=match):
        fitted(X, y, trials, **options)


def test_bad_counts():
    X, y, trials, _ = grouped_rows()
    wrong = trials.astype(float)
    for value, shown in ((np.nan, "nan"), (-2, "-2"), (2.5, "2.5"), (np.inf, "inf")):
        wrong[77] = value
        refused(f"trials is {shown} in row 77, but with trials= y", X, y, wrong)
    counts = y.astype(float)
    counts[5] = 20
    refused(f"y is 20 in row 5, of {trials[5]} trials", X, counts, trials)
    unused = np.ones(2000)
    unused[5] = 0
    fitted(X, counts, trials, sample_weight=unused)
    products = y / np.maximum(trials, 1) * trials
    assert_same(fitted(X, products, trials), fitted(X, y, trials))
    refused("X has 2000 rows but trials has 1999", X, y, trials[1:])
    refused("trials must be numbers", X, y, trials.astype(str))
    refused("y holds could not convert", X, np.array(["a", "b"] * 1000), trials)
    refused("y has only one class, 1", X, trials, trials)
    refused("no rows with a positive weight", X, 0 * y, 0 * trials)
    refused(
        "trials= counts rows that are alike",
        X,
        y,
        trials,
        ValueError,
        sample_weight=unused,
        weight_kind="probability",
    )
    refused("with trials= the classes are", X, y, trials, ValueError, classes=(1, 0))
    refused("with trials= no rows are left", X, y, trials, ValueError, missing="drop")
    fitted(X, y, trials, classes=(0, 1))
