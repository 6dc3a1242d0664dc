"""Rows held out of a fit: left out of it entirely, and scored in its closing pass."""

from __future__ import annotations

import pickle

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import zarr
from distributed import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

import dlogreg
from dlogreg import DataError
from tests.counting import counted_array, reads

MEASURES = ("auc", "brier", "log_loss", "llf", "llnull", "nobs", "tjur", "n_events")


def sample(seed=0, n_rows=3000):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 3)) * [1, 100, 0.1] + 5
    offset = rng.normal(size=n_rows)
    p = expit((X - 5) @ [0.7, -0.005, 3] - 0.4 + offset)
    weight = rng.integers(0, 4, n_rows).astype(float)
    return X, rng.binomial(1, p), weight, offset


def splitmix(i, seed):
    """Return 64 bits for a number, in plain integers (Steele, Lea and Flood 2014)."""
    wrap = 2**64 - 1
    golden = 0x9E3779B97F4A7C15
    z = (i * golden + (seed * golden ^ 0xD1B54A32D192ED03)) & wrap
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & wrap
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & wrap
    return z ^ (z >> 31)


def drawn(n_rows, share):
    return np.array([splitmix(i, 1) < share * 2**64 for i in range(n_rows)])


def fitted(X, y, **options):
    return dlogreg.fit(X, y, **{"tol": 1e-10, "progress": False, **options})


def assert_same_fit(found, alone):
    unit = np.asarray(alone.params if alone.covariance is None else alone.bse)
    np.testing.assert_allclose(found.params / unit, alone.params / unit, atol=1e-10)
    for name in ("llf", "llnull", "nobs"):
        assert getattr(found, name) == pytest.approx(getattr(alone, name), rel=1e-10)
    assert found.n_rows == alone.n_rows
    assert found.class_counts == alone.class_counts
    if alone.covariance is not None:
        for kind in ("model", "HC1"):
            pair = (r.cov_params(kind) / np.outer(unit, unit) for r in (found, alone))
            np.testing.assert_allclose(*pair, atol=1e-7)


def assert_same_scores(found, expected, rel=1e-9):
    for name in MEASURES:
        value = getattr(expected, name)
        assert getattr(found, name) == pytest.approx(value, rel=rel), name
    assert found.n_rows == expected.n_rows
    assert not found.in_sample


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0.05, 0.85),
    weighted=st.booleans(),
    beside=st.booleans(),
    solver=st.sampled_from(["newton", "lbfgs"]),
)
def test_a_share_is_left_out_and_scored(seed, share, weighted, beside, solver):
    X, y, weight, offset = sample(seed)
    given = {"sample_weight": weight} if weighted else {}
    given |= {"offset": offset} if beside else {}
    res = fitted(X, y, holdout=share, solver=solver, **given)
    mask = drawn(len(y), share)
    kept = {name: values[~mask] for name, values in given.items()}
    held = {name: values[mask] for name, values in given.items()}
    assert_same_fit(res, fitted(X[~mask], y[~mask], solver=solver, **kept))
    expected = dlogreg.evaluate(res, X[mask], y[mask], **held, progress=False)
    assert_same_scores(res.holdout, expected)
    marked = fitted(X, y, holdout=mask, solver=solver, **given)
    np.testing.assert_array_equal(marked.params, res.params)


def test_the_loose_closing_step_is_all_that_differs():
    X, y, _, _ = sample()
    res = fitted(X, y, holdout=0.3, tol=1e-4)
    mask = drawn(len(y), 0.3)
    expected = dlogreg.evaluate(res, X[mask], y[mask], progress=False)
    assert_same_scores(res.holdout, expected, rel=1e-4)


@pytest.mark.parametrize("n_rows", [2000, 60_000])
def test_no_block_is_read_more_often(n_rows):
    X, y, _, _ = sample(n_rows=n_rows)
    for options in ({}, {"solver": "lbfgs"}):
        plain = fitted(counted_array("plain", X, n_rows // 10), y, **options)
        rows = counted_array("rows", X, n_rows // 10)
        res = fitted(rows, y, holdout=0.2, **options)
        report = res.holdout
        before, after = reads("plain"), reads("rows")
        pilot = np.array(before) - plain.n_passes  # a few blocks, or for L-BFGS all
        assert pilot.max() <= 1
        assert after == (res.n_passes + pilot).tolist()
        assert res.n_passes <= plain.n_passes + 1  # other rows, other steps
        assert {r.tally.n_rows for r in res.trace if r.kind != "pilot"} == {n_rows}
        assert report.n_rows == drawn(n_rows, 0.2).sum()


@pytest.mark.parametrize(
    "options", [{"inference": False}, {"alpha": 1e-3}, {"firth": True}]
)
def test_one_pass_makes_up_for_a_closing_pass(options):
    X, y, _, offset = sample()
    rows = counted_array("rows", X, 300)
    res = fitted(rows, y, holdout=0.4, **options)
    before = reads("rows")
    assert min(before) == res.n_passes
    mask = drawn(len(y), 0.4)
    expected = dlogreg.evaluate(res, X[mask], y[mask], progress=False)
    assert_same_scores(res.holdout, expected)
    assert res.holdout is res.holdout
    assert reads("rows") == [n + 1 for n in before]
    beside = fitted(X, y, offset=offset, holdout=mask, **options)
    given = {"offset": offset[mask], "progress": False}
    assert_same_scores(
        beside.holdout, dlogreg.evaluate(beside, X[mask], y[mask], **given)
    )


def test_separated_rows_are_scored_as_they_are_predicted():
    X, y, _, _ = sample()
    level = (np.arange(len(y)) % 50 == 0) & (y == 1)
    X = np.column_stack([X, level])
    with pytest.warns(dlogreg.SeparationWarning):
        res = fitted(X, y, holdout=0.25)
    mask = drawn(len(y), 0.25)
    expected = dlogreg.evaluate(res, X[mask], y[mask], progress=False)
    assert_same_scores(res.holdout, expected)


def test_offsets_of_held_rows_unlike_the_rest():
    X, y, _, offset = sample()
    mask = np.arange(len(y)) < 1000
    offset = np.where(mask, offset - 6, offset)
    res = fitted(X, y, offset=offset, holdout=mask)
    given = {"offset": offset[mask], "progress": False}
    assert_same_scores(res.holdout, dlogreg.evaluate(res, X[mask], y[mask], **given))
    kinds = [record.kind for record in res.trace]
    assert kinds.count("holdout") == 1


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("chunks", [(1, 2999), (331,) * 9 + (21,), (1000, 0, 2000)])
def test_the_same_rows_however_they_are_cut(chunks):
    X, y, _, _ = sample()
    mask = drawn(len(y), 0.3)
    alone = fitted(X[~mask], y[~mask])
    expected = dlogreg.evaluate(alone, X[mask], y[mask], progress=False)
    lazy = da.from_array(X, chunks=(chunks, (1, 2)))
    marks = (da.from_array(mask, chunks=c) for c in ((chunks,), 451))
    for holdout in (0.3, mask, *marks):
        res = fitted(lazy, da.from_array(y, chunks=313), holdout=holdout)
        assert_same_fit(res, alone)
        assert_same_scores(res.holdout, expected)


@pytest.mark.usefixtures("small_blocks")
def test_the_same_bits_on_every_scheduler(process_cluster, tmp_path):
    X, y, weight, offset = sample()
    mask = drawn(len(y), 0.3)
    group = zarr.create_group(str(tmp_path / "rows.zarr"))
    arrays = {"X": X, "y": y, "w": weight, "o": offset, "held": mask}
    for name, values in arrays.items():
        group.create_array(name, data=values, chunks=(300, *values.shape[1:]))
    beside = {"sample_weight": group["w"], "offset": group["o"]}

    def both():
        for holdout in (0.3, group["held"]):
            res = fitted(group["X"], group["y"], holdout=holdout, **beside)
            report = res.holdout
            yield res.params, report.sums.sums, report.llf, report.llnull

    found = []
    for scheduler in ("synchronous", "threads"):
        with dask.config.set(scheduler=scheduler):
            found += both()
    with Client(process_cluster):
        found += both()
    for params, sums, llf, llnull in found[1:]:
        np.testing.assert_array_equal(params, found[0][0])
        np.testing.assert_array_equal(sums, found[0][1])
        assert (llf, llnull) == found[0][2:]


def test_frames_sparse_rows_and_groups():
    X, y, _, _ = sample()
    mask = drawn(len(y), 0.3)
    frame = pd.DataFrame(X, columns=list("abc")).assign(y=y, held=mask)
    alone = fitted(X[~mask], y[~mask])
    expected = dlogreg.evaluate(alone, X[mask], y[mask], progress=False)
    lazy = dd.from_pandas(frame, npartitions=7)
    for data in (frame, lazy):
        for held in (data["held"], data["held"].astype("boolean")):
            res = fitted(data[list("abc")], data["y"], holdout=held)
            assert_same_fit(res, alone)
            assert_same_scores(res.holdout, expected)
    res = fitted(scipy.sparse.csr_array(X), y, holdout=mask.tolist())
    assert_same_fit(res, alone)
    assert_same_scores(res.holdout, expected)
    groups = np.arange(len(y)) % 40
    res = fitted(X, y, groups=groups, holdout=mask)
    alone = fitted(X[~mask], y[~mask], groups=groups[~mask])
    np.testing.assert_allclose(res.bse, alone.bse, rtol=1e-7)


def test_trials_of_a_row_stay_together():
    rng = np.random.default_rng(3)
    X, trials = rng.normal(size=(900, 2)), rng.integers(0, 6, 900)
    y = rng.binomial(trials, expit(X[:, 0]))
    mask = drawn(900, 0.3)
    res = fitted(X, y, trials=trials, holdout=0.3)
    assert_same_fit(res, fitted(X[~mask], y[~mask], trials=trials[~mask]))
    given = {"trials": trials[mask], "progress": False}
    assert_same_scores(res.holdout, dlogreg.evaluate(res, X[mask], y[mask], **given))


def test_missing_values():
    X, y, _, _ = sample()
    mask = drawn(len(y), 0.3)
    inside, outside = np.flatnonzero(~mask)[:7], np.flatnonzero(mask)[:5]
    X[inside, 1] = X[outside, 2] = np.nan
    res = fitted(X, y, holdout=0.3, missing="drop")
    whole = ~np.isnan(X).any(axis=1)
    rest = ~mask & whole
    assert_same_fit(res, fitted(X[rest], y[rest]))
    assert res.n_dropped == 7
    held = mask & whole
    expected = dlogreg.evaluate(res, X[held], y[held], progress=False)
    assert_same_scores(res.holdout, expected)
    X[inside, 1] = 0
    match = f"column 'x3' holds NaN in row {outside[0]} of X"
    with pytest.raises(DataError, match=match):
        fitted(X, y, holdout=0.3)


def test_what_reads_the_rows_again_leaves_them_out():
    X, y, _, _ = sample()
    mask = drawn(len(y), 0.3)
    res, alone = fitted(X, y, holdout=0.3), fitted(X[~mask], y[~mask])
    ours, theirs = res.lr_test().statistics, alone.lr_test().statistics
    np.testing.assert_allclose(ours, theirs, rtol=1e-8)
    assert res.goodness_of_fit().auc == pytest.approx(alone.goodness_of_fit().auc)
    rows = np.flatnonzero(~mask)[alone.influence(3).rows]
    assert res.influence(3).rows.tolist() == rows.tolist()


def test_results_keep_the_report_and_files_do_not(tmp_path):
    X, y, _, _ = sample()
    res = fitted(X, y, holdout=0.3)
    again = pickle.loads(pickle.dumps(res))
    assert again.holdout.auc == res.holdout.auc
    res.save(tmp_path / "model.json")
    loaded = dlogreg.load(tmp_path / "model.json")
    assert loaded.holdout is None
    assert fitted(X, y).holdout is None


def test_plans_take_a_holdout():
    X, y, _, _ = sample()
    assert dlogreg.plan(X, y, holdout=0.2).seconds_per_pass > 0
    assert dlogreg.plan(X, y, holdout=y == 1).n_rows == len(y)


def refused(match, X, y, holdout, error=DataError):
    for use in (fitted, dlogreg.plan):
        with pytest.raises(error, match=match):
            use(X, y, holdout=holdout)


def test_refusals():
    X, y, _, _ = sample()
    for wrong in (0, 1, 0.9, -0.1, True, "0.2", float("nan"), {1: 2}):
        refused("holdout must be a share of the rows", X, y, wrong, ValueError)
    refused("holdout must be True or False, not int64", X, y, y)
    refused("X has 3000 rows but holdout has 2999", X, y, (y > 0)[1:])
    marks = np.array([True, None] * 1500, dtype=object)
    with pytest.raises(DataError, match="holdout is None in row 1; it must be"):
        fitted(X, y, holdout=marks)
    lazy = da.from_array(X, chunks=(1000, 3))
    lazy, labels = lazy[lazy[:, 0] > 0], da.from_array(y, chunks=1000)
    labels = labels[da.from_array(X, chunks=(1000, 3))[:, 0] > 0]
    refused("holdout=0.2 draws rows by their numbers", lazy, labels, 0.2)
    three = np.arange(3000) % 3
    with pytest.raises(DataError, match="holdout is for two classes only so far"):
        fitted(X, three, holdout=0.2)
    with pytest.raises(DataError, match="holdout is for two classes only so far"):
        fitted(X, three, holdout=0.2, classes=(0, 1, 2))
    with pytest.raises(DataError, match="no row of positive weight was held out"):
        _ = fitted(X, y, holdout=np.zeros(3000, dtype=bool)).holdout
    odd = np.where(np.arange(3000) == 11, 2, y)
    with pytest.raises(DataError, match=r"y is .*2.* in row 11, but the model"):
        fitted(X, odd, holdout=odd == 2)
