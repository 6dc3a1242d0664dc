"""fit(by=): every group's model is that of its own rows, found in shared passes."""

from __future__ import annotations

import datetime
import json

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse as sp
import statsmodels.api as sm
import zarr
from click.testing import CliRunner
from distributed import Client
from hypothesis import given
from hypothesis import strategies as st

import dlogreg
from dlogreg import grouped
from dlogreg.cli import main
from dlogreg.errors import (
    CollinearityWarning,
    ConvergenceWarning,
    DataError,
    InferenceError,
    MemoryLimitError,
    MissingValueError,
    SeparationWarning,
)
from dlogreg.formula.expression import FormulaError
from dlogreg.kernel import group_rows
from dlogreg.kernel.group_rows import coded, products
from dlogreg.memory import group_tables
from dlogreg.passes import Passes
from dlogreg.solvers import Status
from dlogreg.storage.schema import checksum
from dlogreg.survey.group_survey import GroupMoments
from tests.counting import counted_array, reads

TIGHT = 1e-10


def make_rows(n_groups=8, n_rows=150, d=3, seed=0, shift=3.0):
    """Return X, y and labels: groups with coefficients and places of their own."""
    rng = np.random.default_rng(seed)
    by = rng.permutation(np.repeat(np.arange(n_groups), n_rows))
    z = rng.normal(size=(len(by), d))
    slopes = rng.normal(size=(n_groups, d)) * 0.7
    eta = (z * slopes[by]).sum(axis=1) + 0.3
    y = (rng.random(len(by)) < 1 / (1 + np.exp(-eta))).astype(int)
    return z + shift * by[:, None], y, by


def assert_same(one, other, tol=1e-8):
    """Compare two results of one group: coefficients, errors and likelihoods."""
    errors = np.asarray(other.bse) if other.covariance is not None else 1.0
    both = np.asarray(one.params), np.asarray(other.params)
    np.testing.assert_array_equal(np.isfinite(both[0]), np.isfinite(both[1]))
    finite = np.isfinite(both[0])
    assert (np.abs(both[0] - both[1]) / errors)[finite].max() < tol
    if other.covariance is not None:
        np.testing.assert_allclose(one.bse, other.bse, rtol=tol)
        scale = np.sqrt(np.outer(*2 * [np.diagonal(other.covariance)]))
        np.testing.assert_allclose(
            one.covariance / scale, other.covariance / scale, atol=tol
        )
    for name in ("llf", "llnull", "nobs"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-10)
    assert one.n_rows == other.n_rows
    assert one.class_counts == other.class_counts
    assert one.classes == other.classes


@pytest.fixture(scope="module")
def rows():
    return make_rows()


@pytest.fixture(scope="module")
def models(rows):
    X, y, by = rows
    return dlogreg.fit(X, y, by=by, tol=TIGHT)


def test_every_model_is_that_of_its_own_rows(rows, models):
    X, y, by = rows
    assert models.levels == tuple(range(8))
    for level in models:
        own = by == level
        alone = dlogreg.fit(X[own], y[own], tol=TIGHT)
        assert_same(models[level], alone)
        assert models[level].error_bound <= TIGHT
        assert models[level].bse_error_bound <= TIGHT
    assert models.converged.all()
    assert models.error_bound <= TIGHT


def test_statsmodels_agrees(rows, models):
    X, y, by = rows
    for place, level in enumerate(models):
        own = by == level
        fit = sm.Logit(y[own], sm.add_constant(X[own])).fit(disp=0, tol=1e-13)
        np.testing.assert_allclose(models.params[place], fit.params, rtol=1e-7)
        np.testing.assert_allclose(models.bse[place], fit.bse, rtol=1e-7)
        assert models.llf[place] == pytest.approx(fit.llf, rel=1e-10)
        assert models.llnull[place] == pytest.approx(fit.llnull, rel=1e-8)


@pytest.mark.parametrize("shift", [1e3, 1e6])
def test_groups_may_lie_far_from_each_other(shift):
    X, y, by = make_rows(4, 120, 2, shift=shift)
    found = dlogreg.fit(X, y, by=by, tol=1e-9)
    for level in found:
        own = by == level
        alone = dlogreg.fit(X[own] - shift * level, y[own], tol=1e-9)
        np.testing.assert_allclose(found[level].params[1:], alone.params[1:], rtol=1e-7)
        np.testing.assert_allclose(found[level].bse[1:], alone.bse[1:], rtol=1e-7)


def test_thousand_groups_take_few_passes_more_than_one_model():
    X, y, by = make_rows(1000, 60, 2, shift=0.0)
    found = dlogreg.fit(X, y, by=by, tol=1e-4)
    one = dlogreg.fit(X, y, tol=1e-4)
    assert found.converged.all()
    assert found.n_passes <= 3 * one.n_passes


@pytest.mark.slow
def test_thousand_groups_of_two_thousand_rows_equal_their_separate_fits():
    X, y, by = make_rows(1000, 2000, 10, shift=0.0)
    for tol in (1e-4, 1e-9):
        found = dlogreg.fit(X, y, by=by, tol=tol)
        one = dlogreg.fit(X, y, tol=tol)
        assert found.converged.all()
        assert found.n_passes <= 3 * one.n_passes
    order = np.argsort(by, kind="stable").reshape(1000, 2000)
    for level, own in enumerate(order):
        assert_same(found[level], dlogreg.fit(X[own], y[own], tol=1e-9))


@pytest.mark.parametrize("chunk", [97, 400, 1200])
def test_passes_are_counted_exactly(rows, models, chunk):
    X, y, by = rows
    stacked = counted_array("by-group X", X, chunk)
    labels = counted_array("by-group labels", by, chunk)
    with dask.config.set(scheduler="synchronous"):
        found = dlogreg.fit(stacked, y, by=labels, tol=TIGHT)
    n_blocks = -(-len(X) // chunk)
    assert reads("by-group X") == [found.n_passes] * n_blocks
    assert reads("by-group labels") == [found.n_passes] * n_blocks
    assert [record.number for record in found.trace] == [*range(1, found.n_passes + 1)]
    for level in models:
        assert_same(found[level], models[level], 1e-9)


def given_as(kind, X, y, by, folder):
    if kind == "dask":
        return da.from_array(X, chunks=(170, 2)), da.from_array(y), by
    if kind == "zarr":
        chunks = (200, X.shape[1])
        stored = zarr.create_array(folder / "X", data=X, chunks=chunks)
        labels = zarr.create_array(folder / "by", data=by, chunks=(64,))
        return stored, y, labels
    names = [f"x{j + 1}" for j in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=names).assign(y=y, by=by)
    if kind == "pandas":
        return frame[names], frame["y"], frame["by"]
    if kind == "dask dataframe":
        lazy = dd.from_pandas(frame, npartitions=5)
        return lazy[names], lazy["y"], lazy["by"]
    if kind == "categories":
        return frame[names], frame["y"], frame["by"].astype("category")
    if kind == "memmap":
        held = np.lib.format.open_memmap(folder / "X.npy", "w+", X.dtype, X.shape)
        held[:] = X
        return held, y, by
    if kind == "csr":
        return sp.csr_array(X), y, by
    order = np.random.default_rng(5).permutation(len(y))
    if kind == "sorted":
        order = np.argsort(by, kind="stable")
    return X[order], y[order], by[order]


KINDS = ["dask", "zarr", "pandas", "dask dataframe", "categories", "memmap", "csr"]


@pytest.mark.parametrize("kind", [*KINDS, "permuted", "sorted"])
def test_any_source_and_order_gives_the_same_models(
    rows, models, kind, tmp_path, small_blocks
):
    X, y, by = given_as(kind, *rows, tmp_path)
    found = dlogreg.fit(X, y, by=by, tol=TIGHT)
    assert found.levels == models.levels
    for level in models:
        assert_same(found[level], models[level], 1e-9)


def bits(found):
    return b"".join(
        np.asarray(values).tobytes() for values in (found.params, found.bse, found.llf)
    )


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_schedulers_give_the_same_bits(rows, scheduler, request):
    X, y, by = rows
    X = da.from_array(X, chunks=(100, 3))
    with dask.config.set(scheduler="synchronous"):
        expected = bits(dlogreg.fit(X, y, by=by))
    options = {"num_workers": 3}
    if scheduler == "processes":
        options = {"pool": request.getfixturevalue("process_pool")}
    with dask.config.set(scheduler=scheduler, **options):
        assert bits(dlogreg.fit(X, y, by=by)) == expected


@pytest.mark.cluster
def test_a_cluster_gives_the_same_bits(rows, process_cluster):
    X, y, by = (values.copy() for values in rows)
    y[by == 6] = X[by == 6, 0] > np.median(X[by == 6, 0])  # gathered to the driver
    X = da.from_array(X, chunks=(100, 3))
    with pytest.warns(SeparationWarning):
        expected = bits(dlogreg.fit(X, y, by=by))
    with Client(process_cluster), pytest.warns(SeparationWarning):
        assert bits(dlogreg.fit(X, y, by=by)) == expected


LABELS = {
    "text": np.array(["north", "a", "süd", "zz"]),
    "objects": np.array(["north", "a", "süd", "zz"], dtype=object),
    "int": np.array([-5, 0, 7, 2**40]),
    "unsigned": np.array([1, 2, 250, 3], dtype=np.uint8),
    "float": np.array([-0.5, 0.0, 1.5, 1e9]),
    "dates": np.array(
        ["2024-01-01", "2023-05-05", "2025-01-01", "1999-12-31"], "M8[D]"
    ),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_kind(kind):
    X, y, by = make_rows(4, 100, 2)
    found = dlogreg.fit(X, y, by=LABELS[kind][by])
    plain = dlogreg.fit(X, y, by=by)
    order = np.argsort(LABELS[kind])
    assert found.levels == tuple(LABELS[kind][order].tolist())
    np.testing.assert_allclose(found.params, plain.params[order], rtol=1e-9)


def test_a_group_that_only_the_last_chunk_has(rows, models):
    X, y, by = rows
    order = np.argsort(by == 7, kind="stable")
    X, y, by = X[order], y[order], by[order]
    found = dlogreg.fit(da.from_array(X, chunks=(150, 3)), y, by=by, tol=TIGHT)
    for level in models:
        assert_same(found[level], models[level], 1e-9)


def test_options_of_the_model_act_in_every_group(rows):
    X, y, by = rows
    rng = np.random.default_rng(3)
    weight, offset = rng.integers(0, 4, len(y)), rng.normal(size=len(y))
    tight = {"tol": TIGHT}
    cases = [
        {"sample_weight": weight},
        {"sample_weight": weight * 0.1 + 0.05, "weight_kind": "analytic"},
        {"offset": offset},
        {"offset": offset, "sample_weight": weight, "fit_intercept": False},
        {"alpha": 0.1},
        {"alpha": 0.1, "penalty_factor": {"x1": 0.0, "x3": 2.0}},
        {"alpha": 0.02, "sample_weight": weight, "offset": offset},
        {"fit_intercept": False},
        {"classes": [1, 0]},
        {"inference": False},
    ]
    for options in cases:
        found = dlogreg.fit(X, y, by=by, **options, **tight)
        for level in (0, 5):
            own = by == level
            along = ("sample_weight", "offset")
            mine = {k: v[own] if k in along else v for k, v in options.items()}
            assert_same(found[level], dlogreg.fit(X[own], y[own], **mine, **tight))


def test_a_weight_of_two_is_the_row_twice_and_of_zero_none(rows):
    X, y, by = rows
    weight = np.random.default_rng(1).integers(0, 3, len(y))
    found = dlogreg.fit(X, y, by=by, sample_weight=weight, tol=TIGHT)
    repeated = [np.repeat(values, weight, axis=0) for values in (X, y, by)]
    twice = dlogreg.fit(*repeated[:2], by=repeated[2], tol=TIGHT)
    np.testing.assert_allclose(found.params, twice.params, rtol=1e-8)
    np.testing.assert_allclose(found.bse, twice.bse, rtol=1e-8)


def test_a_group_whose_rows_all_weigh_nothing_does_not_exist(rows):
    X, y, by = rows
    found = dlogreg.fit(X, y, by=by, sample_weight=(by != 3).astype(float))
    assert 3 not in found
    assert len(found) == 7


def test_bad_groups_stop_no_other(rows, models):
    X, y, by = (values.copy() for values in rows)
    y[by == 2] = 1
    few = np.flatnonzero(by == 4)[3:]
    X, y, by = (np.delete(values, few, axis=0) for values in (X, y, by))
    y[by == 4] = [0, 1, 0]
    separated = by == 6
    y[separated] = X[separated, 1] > np.median(X[separated, 1])
    X[by == 1, 2] = 7.5
    with (
        pytest.warns(
            ConvergenceWarning, match=r"2 of 8 groups .2: y has only one class"
        ),
        pytest.warns(SeparationWarning, match=r"in 1 of 8 groups .6: 'x2'"),
        pytest.warns(CollinearityWarning, match=r"dropped in 1 of 8 groups .1: 'x3'"),
    ):
        found = dlogreg.fit(X, y, by=by, tol=TIGHT)
    for level in (0, 3, 5, 7):
        assert_same(found[level], models[level], 1e-9)
    assert set(found.reasons) == {2, 4}
    assert "only one class, 1" in found.reasons[2]
    assert "4 coefficients cannot be estimated from 3 rows" in found.reasons[4]
    with pytest.raises(InferenceError, match="group 4 has no model: 4 coefficients"):
        found[4]
    assert found.statuses[2] is None
    assert np.isnan(found.params[[2, 4]]).all()
    assert np.isnan(found[1].params["x3"])
    assert found[1].dropped == {"x3": "it is constant (7.5 in every row)"}
    own = by == 1
    with pytest.warns(CollinearityWarning):
        assert_same(found[1], dlogreg.fit(X[own], y[own], tol=TIGHT))
    assert found.n_rows.tolist() == np.bincount(by).tolist()


@pytest.mark.parametrize("complete", [True, False])
def test_a_separated_group_is_as_fitted_by_itself(rows, complete):
    X, y, by = (values.copy() for values in rows)
    own = by == 6
    if complete:
        y[own] = X[own] @ [1, 2, 1] > np.median(X[own] @ [1, 2, 1])
    else:
        X[:, 0] = np.random.default_rng(0).random(len(y)) < 0.3
        y[own & (X[:, 0] == 1)] = 1
    with pytest.warns(SeparationWarning, match="1 of 8 groups"):
        found = dlogreg.fit(X, y, by=by)
    with pytest.warns(SeparationWarning):
        alone = dlogreg.fit(X[own], y[own])
    one = found[6]
    assert one.status is Status.SEPARATED is alone.status
    assert one.separation == alone.separation
    np.testing.assert_array_equal(one.params, alone.params)
    assert one.n_passes == found.n_passes
    assert one.rows is None
    assert [record.kind for record in found.trace][-1] == "gather"
    assert sum(record.kind == "gather" for record in found.trace) == 1
    assert found.converged.sum() == 7
    predicted = found.predict(X[own], by=by[own])
    np.testing.assert_allclose(predicted, alone.predict(X[own]), rtol=1e-12)


def test_separated_groups_beyond_the_room_stay_unsolved(rows, monkeypatch):
    X, y, by = (values.copy() for values in rows)
    own = by == 6
    y[own] = X[own, 0] > np.median(X[own, 0])
    monkeypatch.setattr(grouped.fitting, "GATHERED_BYTES", 8)
    with pytest.warns(SeparationWarning, match="1 of 8 groups"):
        found = dlogreg.fit(X, y, by=by)
    assert found[6].status is Status.SEPARATION_SUSPECTED
    assert found[6].error_bound == np.inf
    assert "x1" in found[6].separated
    assert all(record.kind != "gather" for record in found.trace)


def test_gathering_goes_in_runs_that_fit(rows, monkeypatch):
    X, y, by = (values.copy() for values in rows)
    for level in (1, 4, 6):
        own = by == level
        y[own] = X[own, 0] > np.median(X[own, 0])
    monkeypatch.setattr(grouped.fitting, "GATHERED_BYTES", 8 * 150 * 7 * 2)
    with pytest.warns(SeparationWarning, match="3 of 8 groups"):
        found = dlogreg.fit(X, y, by=by)
    assert [record.kind for record in found.trace].count("gather") == 2
    assert [found[level].status for level in (1, 4, 6)] == [Status.SEPARATED] * 3


def test_missing_labels(rows, models):
    X, y, by = rows
    labels = by.astype(float)
    labels[[11, 40]] = np.nan
    with pytest.raises(MissingValueError, match=r"by is nan in row 11.*'by' in 2"):
        dlogreg.fit(X, y, by=labels)
    found = dlogreg.fit(X, y, by=labels, missing="drop", tol=TIGHT)
    assert found.n_dropped == 2
    kept = ~np.isnan(labels)
    again = dlogreg.fit(X[kept], y[kept], by=by[kept], tol=TIGHT)
    np.testing.assert_allclose(found.params, again.params, rtol=1e-9)


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (np.nan, MissingValueError, "column 'x2' holds NaN in row 7 of X"),
        (np.inf, DataError, "column 'x2' holds infinity in row 7 of X"),
        (1e200, DataError, "column 'x2' has values so large.* in the group"),
    ],
)
def test_values_that_are_no_numbers_are_named(rows, value, error, match):
    X, y, by = (values.copy() for values in rows)
    X[7, 1] = value
    with pytest.raises(error, match=match):
        dlogreg.fit(X, y, by=by)


def test_bad_labels_weights_and_offsets_are_named(rows):
    X, y, by = rows
    with pytest.raises(DataError, match="X has 1200 rows but by has 5"):
        dlogreg.fit(X, y, by=by[:5])
    with pytest.raises(DataError, match="by must be 1-D"):
        dlogreg.fit(X, y, by=X)
    with pytest.raises(DataError, match="by holds both"):
        dlogreg.fit(X, y, by=np.array(["a", 1] * 600, dtype=object))
    mixed = da.concatenate([da.from_array(by[:600]), da.from_array(by[600:] + 0.5)])
    mixed = mixed.map_blocks(lambda b: b if (b % 1).any() else b.astype(int))
    with pytest.raises(DataError, match="by holds int in one block and float"):
        dlogreg.fit(da.from_array(X, chunks=(600, 3)), y, by=mixed)
    with pytest.raises(DataError, match=r"y holds three labels or more .0, 1, 2."):
        dlogreg.fit(X, y + (X[:, 0] > 3), by=by)
    with pytest.raises(DataError, match=r"classes=\(0, 5\) but y holds 0, 1"):
        dlogreg.fit(X, y, by=by, classes=[0, 5])
    weight, offset = np.ones(len(y)), np.zeros(len(y))
    weight[3], offset[3] = -1, np.inf
    with pytest.raises(DataError, match=r"sample_weight is -1.0 in row 3"):
        dlogreg.fit(X, y, by=by, sample_weight=weight)
    with pytest.raises(DataError, match="offset is inf in row 3"):
        dlogreg.fit(X, y, by=by, offset=offset)
    with pytest.raises(DataError, match="y has only one class"):
        dlogreg.fit(X, np.ones(len(y)), by=by)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"groups": [1, 2]}, "groups"),
        ({"trials": [1, 2]}, "trials"),
        ({"holdout": 0.2}, "holdout"),
        ({"l1_ratio": 0.5, "alpha": 1.0}, "l1_ratio > 0"),
        ({"bounds": (0, None)}, "bounds"),
        ({"firth": True}, "firth=True"),
        ({"solver": "lbfgs"}, "solver='lbfgs'"),
        ({"start": [0, 0, 0, 0]}, "start"),
        ({"cov_type": "HC1"}, "cov_type='HC1'"),
        (
            {"weight_kind": "probability", "sample_weight": [1.0]},
            "weight_kind='probability'",
        ),
        ({"checkpoint": "somewhere"}, "checkpoint"),
    ],
)
def test_other_options_are_refused_by_name(rows, options, name):
    X, y, by = rows
    with pytest.raises(ValueError, match=f"^{name} is not available with by="):
        dlogreg.fit(X, y, by=by, **options)


def test_too_many_groups_for_the_memory_are_refused(rows, monkeypatch):
    X, y, by = rows
    monkeypatch.setattr(group_tables, "MODEL_BYTES", 5 * 8 * 2 * 4 * 10)
    match = "by has more than 5 groups, and the Hessians .* of 4 coefficients take"
    with pytest.raises(MemoryLimitError, match=match):
        dlogreg.fit(X, y, by=by)
    found = dlogreg.fit(X, y, by=by, memory_limit="4 GB")
    assert len(found) == 8
    with pytest.raises(MemoryLimitError, match="above memory_limit"):
        dlogreg.fit(X, y, by=by, memory_limit="1 MB")


def test_max_passes_ends_with_what_is_proven(rows):
    X, y, by = rows
    with pytest.warns(ConvergenceWarning, match=r"8 of 8 groups .* raise max_passes"):
        found = dlogreg.fit(X, y, by=by, max_passes=2)
    assert found.n_passes == 2
    assert set(found.statuses) == {Status.MAX_PASSES}
    best = dlogreg.fit(X, y, by=by, tol=TIGHT)
    far = np.abs(found.params - best.params) / best.bse
    assert (far.max(axis=1) <= found.error_bounds).all()


def test_ctrl_c_returns_the_best_points(rows, monkeypatch):
    X, y, by = rows
    run, count = Passes.run, []

    def interrupted(self, kernel, partitions=()):
        count.append(kernel.name)
        if len(count) == 4:
            raise KeyboardInterrupt
        return run(self, kernel, partitions)

    monkeypatch.setattr(Passes, "run", interrupted)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        found = dlogreg.fit(X, y, by=by, tol=TIGHT)
    assert set(found.statuses) == {Status.INTERRUPTED}
    assert found.n_passes == 3
    best = dlogreg.fit(X, y, by=by, tol=TIGHT)
    far = np.abs(found.params - best.params) / best.bse
    assert (far.max(axis=1) <= found.error_bounds).all()


def test_steep_data_shorten_the_step():
    rng = np.random.default_rng(4)
    by = np.repeat(np.arange(6), 300)
    X = rng.standard_t(2, size=(1800, 3)) * 10
    eta = X @ [1.0, -0.5, 0.25] / 3
    y = rng.random(1800) < 1 / (1 + np.exp(-eta))
    found = dlogreg.fit(X, y, by=by, tol=TIGHT)
    assert found.converged.all()
    for level in found:
        own = by == level
        assert_same(found[level], dlogreg.fit(X[own], y[own], tol=TIGHT))


# predictions


@pytest.mark.parametrize("kind", [*KINDS[:5], "csr"])
def test_rows_are_predicted_by_the_model_of_their_group(rows, models, kind, tmp_path):
    X, y, by = rows
    expected = np.empty(len(y))
    for level in models:
        own = by == level
        expected[own] = models[level].predict(X[own])
    given, _, labels = given_as(kind, X, y, by, tmp_path)
    found = models.predict(given, by=labels)
    lazy = kind in ("dask", "zarr", "dask dataframe")
    assert hasattr(found, "compute") is lazy
    found = found.compute() if lazy else found
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_predictions_of_odd_rows(rows):
    X, y, by = (values.copy() for values in rows)
    y[by == 2] = 1
    with pytest.warns(ConvergenceWarning):
        found = dlogreg.fit(X, y, by=by)
    rows_ = [[0.0, 0, 0], [0.0, 0, 0], [np.nan, 0, 0]]
    p = found.predict(rows_, by=[2, 1, 1])
    assert np.isnan(p).tolist() == [True, False, True]
    p = found.predict(rows_, by=[np.nan, 1.0, 1.0])
    assert np.isnan(p).tolist() == [True, False, True]
    with pytest.raises(DataError, match="by is 99 in row 1, and the fit has no such"):
        found.predict(rows_, by=[1, 99, 1])
    with pytest.raises(DataError, match="by holds labels such as 'a'"):
        found.predict(rows_, by=["a", "b", "c"])
    with pytest.raises(DataError, match="X has 3 rows but by has shape"):
        found.predict(rows_, by=[1])
    with pytest.raises(ValueError, match=r"predict\(\) needs by="):
        found.predict(rows_)
    with pytest.raises(DataError, match="X has 2 columns"):
        found.predict([[1.0, 2.0]], by=[1])
    with pytest.raises(DataError, match="X has 6 rows but by has shape"):
        found.predict(da.ones((6, 3), chunks=2), by=[1, 2])
    store = zarr.create_group({})
    store.attrs["shape"] = [1, 3]
    for name, values in (("indptr", [0, 1]), ("indices", [0]), ("data", [1.0])):
        store.create_array(name, data=np.array(values))
    with pytest.raises(DataError, match="give the stored rows as a dask array"):
        found.predict(store, by=[1])


def test_labels_in_a_column_of_pyarrow_are_predicted(rows, models):
    """Beside rows of any kind, also those whose index says another order."""
    X, _, by = rows
    expected = models.predict(X, by=by)
    column = pa.chunked_array([by[:100], by[100:]])
    frame = pd.DataFrame(X, columns=models.feature_names, index=np.arange(len(X))[::-1])
    for given_X in (X, frame, da.from_array(X, chunks=300), pa.table(dict(frame))):
        found = models.predict(given_X, by=column)
        np.testing.assert_array_equal(found, expected)
    with_index = pd.Series(by, index=frame.index)
    found = models.predict(pa.table(dict(frame)), by=with_index)
    np.testing.assert_array_equal(found, expected)


def test_offsets_are_predicted_with_an_offset(rows):
    X, y, by = rows
    offset = np.random.default_rng(0).normal(size=len(y))
    found = dlogreg.fit(X, y, by=by, offset=offset)
    own = by == 3
    expected = found[3].predict(X[own], offset[own])
    got = found.predict(X[own], by[own], offset[own])
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    lazy = found.predict(da.from_array(X, chunks=(500, 3)), by, offset)
    np.testing.assert_allclose(lazy.compute()[own], expected, rtol=1e-12)
    with pytest.raises(ValueError, match="needs an offset"):
        found.predict(X, by)


# formulas


@pytest.fixture(scope="module")
def table(rows):
    X, y, by = rows
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame["shop"] = np.array(list("stuvwxyz"))[by]
    frame["kind"] = rng.choice(["p", "q", "r"], len(y))
    return frame.assign(y=y, scale=rng.random(len(y)))


def test_a_formula_fits_groups_of_a_column(table):
    found = dlogreg.fit_formula("y ~ a + kind", table, by="shop", tol=TIGHT)
    assert found.levels == tuple("stuvwxyz")
    assert found.names == ("const", "a", "kind[T.q]", "kind[T.r]")
    for level in found:
        own = table[table["shop"] == level]
        alone = dlogreg.fit_formula("y ~ a + kind", own, tol=TIGHT)
        assert_same(found[level], alone)
        np.testing.assert_allclose(found.predict(own), alone.predict(own), rtol=1e-8)
        np.testing.assert_allclose(
            found[level].predict(own), alone.predict(own), rtol=1e-8
        )


def test_a_dot_leaves_the_column_of_the_groups_out(table):
    found = dlogreg.fit_formula("y ~ .", table, by="shop")
    assert not any("shop" in name for name in found.names)
    labels = table["shop"].to_numpy()
    named = dlogreg.fit_formula("y ~ . - shop", table, by=labels)
    np.testing.assert_array_equal(found.params, named.params)
    assert named.by is None
    with pytest.raises(ValueError, match="needs by="):
        named.predict(table.drop(columns="shop"))


def test_formulas_of_files_weights_offsets_and_missing_rows(table, tmp_path):
    holes = table.copy()
    holes.loc[5, "shop"] = None
    holes.loc[9, "a"] = np.nan
    holes.to_parquet(tmp_path / "rows.parquet", row_group_size=250)
    options = {"by": "shop", "sample_weight": "scale", "offset": "c * 0.1"}
    path = str(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=r"'shop' in 1 .first in row 5"):
        dlogreg.fit_formula("y ~ a + b", path, **options)
    options |= {"missing": "drop", "tol": TIGHT}
    found = dlogreg.fit_formula("y ~ a + b", path, **options)
    assert found.n_dropped == 2
    own = holes.dropna()
    own = own[own["shop"] == "w"]
    alone = {k: v for k, v in options.items() if k != "by"}
    alone = dlogreg.fit_formula("y ~ a + b", own, **alone)
    assert_same(found["w"], alone)
    np.testing.assert_allclose(found.predict(own), alone.predict(own), rtol=1e-8)
    lazy = found.predict(dd.from_pandas(own, npartitions=3))
    np.testing.assert_allclose(lazy.compute(), alone.predict(own), rtol=1e-8)
    with pytest.raises(ValueError, match="checkpoint is not available with by="):
        dlogreg.fit_formula("y ~ a", table, by="shop", checkpoint=tmp_path / "c")
    with pytest.raises(DataError, match="names 'store', which is no column"):
        dlogreg.fit_formula("y ~ a", table, by="store")


# the table


def test_the_table_shows_every_group(models):
    frame = models.to_frame()
    assert frame.index.name == "group"
    assert frame["x1"].tolist() == models.params[:, 1].tolist()
    assert set(frame["status"]) == {"CONVERGED"}
    long = models.to_frame(alpha=0.1)
    assert long.index.names == ["group", "column"]
    assert long.loc[(3, "x2"), "coef"] == models[3].params["x2"]
    ends = models[3].conf_int(0.1)[2]
    assert long.loc[(3, "x2"), ["conf_low", "conf_high"]].tolist() == ends.tolist()
    text = str(models.summary())
    assert "Logistic regressions by group, maximum likelihood" in text
    assert "8 of 8 groups converged" in text
    assert f"{models.params[5, 1]:.5g}"[:5] in text
    assert "8 groups, 4 coefficients, 8 converged" in repr(models)
    html = models._repr_html_()
    assert html.count('<th scope="row"') > 8
    assert 3 in models
    assert "a" not in models
    with pytest.raises(KeyError, match="no group is labelled 77"):
        models[77]


def test_groups_without_a_model_are_in_the_table():
    X, y, by = make_rows(60, 40, 8, seed=3)
    y[by == 4] = 0
    labels = np.array([f"<g{i:02}>" for i in range(60)])[by]
    with pytest.warns(ConvergenceWarning, match="'<g04>': y has only one class, 0"):
        found = dlogreg.fit(X, y, by=labels, alpha=0.1)
    assert found.to_frame().loc["<g04>", "status"] == "NO_MODEL"
    assert len(found.to_frame(0.05)) == 59 * 9
    assert "no model: y has only one class, 0" in str(found.summary())
    assert "3 coefficients more" in str(found.summary())
    html = found._repr_html_()
    assert "&lt;g04&gt;" in html
    assert "<g04>" not in html
    assert np.isnan(found.bse).all()


def test_no_group_with_a_model():
    X, y = np.zeros((4, 1)), [0, 0, 1, 1]
    with pytest.warns(ConvergenceWarning, match="2 of 2 groups"):
        found = dlogreg.fit(X, y, by=[1, 1, 2, 2])
    assert found.names == ("const", "x1")
    assert found.params.shape == (2, 2)
    assert np.isnan(found.error_bound)
    assert "0 of 2 groups" in str(found.summary())
    with pytest.raises(InferenceError, match="no group has a model"):
        found.to_frame(0.05)


# sums over groups


@pytest.mark.parametrize("long", [0, 10**9])
def test_products_of_runs(monkeypatch, long):
    monkeypatch.setattr(group_rows, "LONG", long)
    rng = np.random.default_rng(0)
    z, starts = rng.normal(size=(4, 30)), np.array([0, 1, 12])
    counts = np.array([1, 11, 18])
    found = products(z, starts, counts)
    for sums, low, count in zip(found, starts, counts, strict=True):
        part = z[:, low : low + count]
        np.testing.assert_allclose(sums, part @ part.T, rtol=1e-12)
        np.testing.assert_array_equal(sums, sums.T)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_labels_in_runs_and_mixed_are_coded_alike(labels):
    for given_labels in (labels, sorted(labels)):
        keys, places = coded(np.array(given_labels))
        assert keys.tolist() == sorted(set(labels))
        assert keys[places].tolist() == given_labels


@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=30),
    st.integers(1, 29),
    st.integers(0, 100),
)
def test_moments_join(labels, cut, seed):
    rng = np.random.default_rng(seed)
    by, cut = np.array(labels), min(cut, len(labels) - 1)
    X = rng.normal(size=(len(by), 2)) + 1e4
    s = rng.random(len(by)) + 0.1

    def moments(part):
        keys = np.unique(by[part])
        own = [np.flatnonzero((by == key) & part) for key in keys]
        mean = [np.average(X[i], axis=0, weights=s[i]) for i in own]
        sums = [
            (X[i] - m).T @ ((X[i] - m) * s[i][:, None])
            for i, m in zip(own, mean, strict=True)
        ]
        return GroupMoments(
            keys,
            np.array([len(i) for i in own]),
            np.array([s[i].sum() for i in own]),
            np.array(mean),
            np.array([X[i].min(axis=0) for i in own]),
            np.array([X[i].max(axis=0) for i in own]),
            np.array(sums),
            100,
        )

    first = np.arange(len(by)) < cut
    found, whole = moments(first) + moments(~first), moments(np.ones(len(by), bool))
    for name in ("keys", "n_rows", "weight", "mean", "low", "high"):
        np.testing.assert_allclose(getattr(found, name), getattr(whole, name))
    np.testing.assert_allclose(found.products, whole.products, rtol=1e-9, atol=1e-9)


# files


@pytest.fixture(scope="module")
def saved(table, tmp_path_factory):
    """Models of a formula, one separated and one missing, and their file."""
    odd = table.copy()
    own = odd["shop"] == "v"
    odd.loc[own, "y"] = (odd.loc[own, "a"] > odd.loc[own, "a"].median()).astype(int)
    odd.loc[odd["shop"] == "x", "y"] = 1
    with pytest.warns(ConvergenceWarning):
        found = dlogreg.fit_formula("y ~ a + kind", odd, by="shop")
    path = tmp_path_factory.mktemp("models") / "models.json"
    found.save(path)
    return found, path, odd


def test_what_is_saved_is_loaded_to_the_last_bit(saved):
    found, path, odd = saved
    again = dlogreg.load(path)
    assert repr(again) == repr(found)
    assert (again.levels, again.by) == (found.levels, "shop")
    for name in ("params", "bse", "llf", "llnull", "nobs", "error_bounds", "n_rows"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert again.statuses == found.statuses
    assert again.reasons == found.reasons
    assert again.trace == found.trace
    assert str(again.summary()) == str(found.summary())
    np.testing.assert_array_equal(again.predict(odd), found.predict(odd))
    assert again["v"].separated == found["v"].separated
    assert path.stat().st_mode & 0o77 == 0
    with pytest.raises(FileExistsError):
        found.save(path)
    found.save(path, overwrite=True)


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("levels", ["a"], "do not go together"),
        ("models", None, "'models' must be a list"),
        ("n_rows", [-1], "must be a whole number"),
        ("reasons", {}, "are not those of the groups without a model"),
        ("classes", [0, 2], "other columns or classes"),
        ("schema", 99, "its schema is 99"),
        ("more", 1, "unknown entry 'more'"),
        ("tol", 1.0, "its entries are not those that were saved"),
        ("by", 5, "'by' must be text"),
    ],
)
def test_damaged_files_are_refused(saved, tmp_path, key, value, match):
    entries = json.loads(saved[1].read_text())
    entries[key] = value
    if key == "by":
        entries["sha256"] = checksum(entries)
    path = tmp_path / "models.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(ValueError, match=match):
        dlogreg.load(path)


def test_models_of_another_kind_in_a_file_are_refused(saved, tmp_path):
    entries = json.loads(saved[1].read_text())
    entries["models"][0]["kind"] = "dlogreg.GroupedResults"
    path = tmp_path / "models.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(ValueError, match=r"is of kind 'dlogreg.GroupedResults'"):
        dlogreg.load(path)


def test_dates_cannot_be_saved(tmp_path):
    X, y, by = make_rows(4, 100, 2)
    found = dlogreg.fit(X, y, by=LABELS["dates"][by])
    with pytest.raises(TypeError, match="only bool, int, float and str"):
        found.save(tmp_path / "models.json")
    assert not list(tmp_path.iterdir())


def test_commands_refuse_models_of_groups(saved):
    found = CliRunner().invoke(main, ["summary", str(saved[1])])
    assert found.exit_code == 2
    assert "holds by-group models, which commands do not take" in found.output


@pytest.mark.parametrize("unit", ["D", "s", "us", "ns", "object"])
def test_groups_of_dates_are_predicted_and_found(rows, unit):
    X, y, by = rows
    days = np.datetime64("2024-01-01") + by
    given = days.astype(object) if unit == "object" else days.astype(f"M8[{unit}]")
    res = dlogreg.fit(X, y, by=given)
    coarse = unit in ("D", "object")
    kind = datetime.date if coarse else datetime.datetime
    first = kind(2024, 1, 1)
    assert res.levels[0] == first
    assert type(res.levels[0]) is kind
    assert res[np.datetime64("2024-01-01", "D" if coarse else "ns")] is res[first]
    expected = dlogreg.fit(X, y, by=by).predict(X, by)
    for labels in (given, days, days.astype("M8[ns]"), [res.levels[i] for i in by]):
        np.testing.assert_array_equal(res.predict(X, labels), expected)


def test_groups_of_durations_are_predicted(rows):
    X, y, by = rows
    res = dlogreg.fit(X, y, by=by.astype("m8[ns]") * 1000)
    assert res.levels[1] == datetime.timedelta(microseconds=1)
    np.testing.assert_array_equal(
        res.predict(X, by.astype("m8[us]")), dlogreg.fit(X, y, by=by).predict(X, by)
    )


def _objects(values):
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (
            lambda by: _objects([pd.Timestamp(int(i)) for i in by]),
            "finer than microseconds",
        ),
        (
            lambda by: _objects([pd.Timedelta(int(i)) for i in by]),
            "finer than microseconds",
        ),
        (lambda by: by.astype("M8[ns]"), "finer than microseconds .* astype"),
        (lambda by: by.astype("m8[Y]"), "durations that Python's datetime has not"),
        (
            lambda by: pd.Series(pd.Timestamp(0, tz="UTC") + pd.to_timedelta(by, "D")),
            "time zone; give them without",
        ),
        (lambda by: _objects([(int(i), 1) for i in by]), "of type tuple, such as"),
        (lambda by: _objects([[int(i)] for i in by]), "of type list, such as"),
        (lambda by: np.array([b"a\xff", b"b"])[by % 2], "bytes that are no UTF-8"),
        (lambda by: _objects([2**70 + int(i) for i in by]), "beyond int64"),
        (lambda by: [2**63 - 2 + int(i) for i in by], "beyond int64"),
    ],
    ids=[
        "timestamps",
        "timedeltas",
        "ns",
        "years",
        "zone",
        "tuples",
        "lists",
        "bytes",
        "objects",
        "ints",
    ],
)
def test_labels_that_would_change_are_refused(rows, make, match):
    X, y, by = rows
    with pytest.raises(DataError, match=match):
        dlogreg.fit(X, y, by=make(by))


def test_labels_of_numpy_strings(rows):
    X, y, by = rows
    text = by.astype(str).astype(np.dtypes.StringDType())
    res = dlogreg.fit(X, y, by=text)
    np.testing.assert_array_equal(
        res.predict(X, text), dlogreg.fit(X, y, by=by).predict(X, by)
    )


def test_large_integers_are_not_rounded_in_predictions(rows):
    X, y, by = rows
    large = by + 2**60
    res = dlogreg.fit(X, y, by=large)
    expected = res.predict(X, large)
    np.testing.assert_array_equal(res.predict(X, large.astype(np.uint64)), expected)
    with pytest.raises(DataError, match="floats are rounded"):
        res.predict(X, large.astype(float))


def test_a_name_is_no_array_of_labels(rows):
    X, y, _ = rows
    with pytest.raises(TypeError, match=r"give X\['shop'\]"):
        dlogreg.fit(X, y, by="shop")


def test_a_group_without_columns_or_intercept_stops_no_other(rows):
    X, y, by = rows
    X = np.where((by == 1)[:, None], 0.0, X)
    with pytest.warns(CollinearityWarning, match="1 of 8 groups"):
        res = dlogreg.fit(X, y, by=by, fit_intercept=False)
    own = by == 1
    with pytest.warns(CollinearityWarning):
        alone = dlogreg.fit(X[own], y[own], fit_intercept=False)
    for model in (res[1], alone):
        assert np.isnan(model.coefficients).all()
        assert model.converged
        assert model.llf == pytest.approx(own.sum() * np.log(0.5))
        np.testing.assert_allclose(model.predict(X[own]), 0.5)
    assert res.converged.all()


def test_a_column_of_groups_in_backticks():
    frame = pd.DataFrame({"y": np.arange(60) % 3 > 0, "x": np.sin(np.arange(60.0))})
    frame["my shop"] = np.arange(60) // 20
    res = dlogreg.fit_formula("y ~ .", frame, by="`my shop`", alpha=0.1)
    assert res.by == "my shop"
    assert res.feature_names == ("x",)
    np.testing.assert_array_equal(
        res.predict(frame), res.predict(frame, by=frame["my shop"])
    )


def test_what_a_group_does_not_know_says_so(rows):
    X, y, by = rows
    model = dlogreg.fit(X, y, by=by)[0]
    with pytest.raises(InferenceError, match="one group of by="):
        model.lr_test()
    with pytest.raises(InferenceError, match="again by itself"):
        model.cov_params("HC1")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_nothing_is_left_to_estimate(n_classes):
    y = np.arange(30) % n_classes
    with pytest.warns(CollinearityWarning):
        res = dlogreg.fit(np.zeros((30, 2)), y, fit_intercept=False)
    assert res.converged
    assert res.llf == pytest.approx(-30 * np.log(n_classes))
    assert np.isnan(res.params).all(axis=None)


def test_messages_of_predictions_name_rows_of_the_data(rows, models):
    X, _, by = rows
    by = by.copy()
    by[250] = 99
    lazy = da.from_array(X, chunks=(90, 2))
    frame = pd.DataFrame(X, columns=models.feature_names, index=np.arange(len(X)) + 7)
    parts = dd.from_pandas(frame, npartitions=5)
    labels = dd.from_pandas(pd.Series(by, index=frame.index), npartitions=5)
    unknown = parts.to_dask_array(), labels.to_dask_array()
    chunk = 250 // (len(X) // 5)
    for data, own, place in (
        (X, by, "row 250"),
        (lazy, by, "row 250"),
        (lazy, da.from_array(by, chunks=90), "row 250"),
        (parts, labels, "the row of index 257"),
        (*unknown, rf"row \d+ of chunk {chunk}"),
    ):
        with pytest.raises(DataError, match=f"by is 99 in {place}, and the fit has"):
            np.asarray(models.predict(data, by=own))


@pytest.mark.parametrize("name", ["y", "by", "groups", "sample_weight"])
def test_what_has_no_order_is_no_vector(rows, models, name):
    X, y, _ = rows
    numbered = {i: i % 2 for i in range(len(X))}
    for values, kind in ((numbered, "dict"), (set(numbered), "set")):
        parts = {"y": y, name: values}
        with pytest.raises(DataError, match=f"{name} is a {kind}; give a list"):
            dlogreg.fit(X, **parts)
    with pytest.raises(DataError, match="by is a dict; give a list"):
        models.predict(X, by=numbered)


@pytest.mark.parametrize("name", ["by", "groups"])
@pytest.mark.parametrize("lay", [list, _objects, pd.Series])
def test_labels_that_numpy_would_mistake(rows, lay, name):
    X, y, _ = rows
    times = len(X) // 3
    for labels, match in (
        (["a", "b", "a\0"], r"holds 'a\\x00', which ends in a NUL character.*strip"),
        ([True, 2, 0], "holds both bool and int; give all labels one type"),
    ):
        values = lay(labels * times)
        with pytest.raises(DataError, match=f"{name} {match}"):
            dlogreg.fit(X[: 3 * times], y[: 3 * times], **{name: values})


def test_classes_that_numpy_would_mistake(rows):
    X, y, _ = rows
    labels = [["a", "a\0"][label] for label in y]
    frame = pd.DataFrame(X, columns=["p", "q", "r"]).assign(y=labels)
    for values in (labels, _objects(labels), frame.y):
        with pytest.raises(DataError, match=r"y holds 'a\\x00', which ends in a NUL"):
            dlogreg.fit(X, values)
    with pytest.raises(DataError, match=r"y holds 'a\\x00', which ends in a NUL"):
        dlogreg.fit_formula("y ~ p", frame)


def test_columns_with_a_blank_need_no_backticks(table):
    named = table.rename(columns={"shop": "my shop"}).assign(**{"my w": 1.0})
    res = dlogreg.fit_formula("y ~ a", named, by="my shop", sample_weight="my w")
    quoted = dlogreg.fit_formula("y ~ a", named, by="`my shop`")
    assert res.by == quoted.by == "my shop"
    np.testing.assert_array_equal(res.params, quoted.params)
    np.testing.assert_array_equal(res.predict(named), quoted.predict(named))
    by_cluster = dlogreg.fit_formula("y ~ a", named, groups="my shop")
    assert by_cluster.n_groups == len(res)
    with pytest.raises(
        FormulaError, match="by='my zhop' is no column of the data, and"
    ):
        dlogreg.fit_formula("y ~ a", named, by="my zhop")


def test_unknown_kinds_of_errors_are_told_from_those_that_groups_lack(rows):
    X, y, by = rows
    with pytest.raises(ValueError, match=r"cov_type must be 'model'.*not 'zz'"):
        dlogreg.fit(X, y, by=by, cov_type="zz")


def test_the_table_of_no_model():
    frame = pd.DataFrame({"const": [0.0, 1, 2, 3], "b": [1.0, 1, 2, 5]})
    with pytest.warns(ConvergenceWarning, match="4 of 4 groups"):
        res = dlogreg.fit(frame, [0, 1, 1, 0], by=[1, 2, 3, 4])
    shown = " ".join(str(res.summary()).split())
    assert res.names == ("(const)", "const", "b")
    assert "Log-likelihood, all: -" in shown
    assert "0.0000" not in shown
    assert "no group has a model: reasons tells why of each" in shown
