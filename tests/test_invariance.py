"""The same answer everywhere: schedulers, clusters, chunkings, sources, row orders."""

from __future__ import annotations

import os
import signal
from itertools import pairwise

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import zarr
from distributed import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dlogreg
from dlogreg import layout, reduction
from tests.conftest import make_cluster

TIGHT = 1e-10


def bits(res):
    return (res.params.tobytes(), res.cov_params().tobytes(), res.llf, res.error_bound)


def distance(res, reference):
    """Return the largest distance of coefficients, in standard errors."""
    moved = np.asarray(res.params) - np.asarray(reference.params)
    return np.abs(moved / np.asarray(reference.bse)).max()


@pytest.fixture(scope="module")
def stores(tmp_path_factory, binary_data):
    X, y, weight = binary_data
    root = zarr.create_group(tmp_path_factory.mktemp("stores") / "data.zarr")
    for name, values, chunks in (
        ("X", X, (250, 4)),
        ("y", y, (4000,)),
        ("weight", weight, (1700,)),
    ):
        array = root.create_array(
            name, shape=values.shape, chunks=chunks, dtype=values.dtype
        )
        array[:] = values
    return root


def fit_from(kind, stores, data, **options):
    X, y, weight = data
    if kind == "zarr":
        X, y, weight = stores["X"], stores["y"], stores["weight"]
    elif kind == "dask":
        X, y = da.from_array(X, chunks=(250, 3)), da.from_array(y, chunks=700)
    elif kind == "dask of zarr":
        X = da.from_zarr(stores["X"])
    return dlogreg.fit(X, y, sample_weight=weight, **options)


KINDS = ["numpy", "zarr", "dask", "dask of zarr"]


@pytest.fixture(scope="module")
def expected(stores, binary_data):
    """Return a function that fits with one thread, once per kind."""
    known = {}

    def fit(kind):
        if kind not in known:
            with dask.config.set(scheduler="synchronous"):
                known[kind] = fit_from(kind, stores, binary_data)
        return known[kind]

    return fit


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_workers", [1, 3, 7])
def test_threads(small_blocks, stores, binary_data, expected, kind, n_workers):
    with dask.config.set(scheduler="threads", num_workers=n_workers):
        res = fit_from(kind, stores, binary_data)
    assert bits(res) == bits(expected(kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("per_thread", [1, 5, 32, 4096])
def test_tasks(
    small_blocks, stores, binary_data, expected, monkeypatch, kind, per_thread
):
    monkeypatch.setattr(layout, "TASKS_PER_THREAD", per_thread)
    with dask.config.set(scheduler="synchronous"):
        res = fit_from(kind, stores, binary_data)
    assert bits(res) == bits(expected(kind))
    assert res.trace[2].tally.n_tasks <= max(per_thread, 16)


def test_in_the_calling_thread(
    small_blocks, stores, binary_data, expected, monkeypatch
):
    monkeypatch.setattr(layout, "INLINE_BYTES", 2**40)
    res = fit_from("numpy", stores, binary_data)
    assert bits(res) == bits(expected("numpy"))


def test_processes(small_blocks, stores, binary_data, expected, process_pool):
    with dask.config.set(scheduler="processes", pool=process_pool):
        for kind in KINDS:
            res = fit_from(kind, stores, binary_data)
            assert bits(res) == bits(expected(kind))


@pytest.mark.cluster
@pytest.mark.parametrize("kind", KINDS)
def test_cluster_of_two_processes(
    small_blocks, stores, binary_data, expected, client, kind
):
    res = fit_from(kind, stores, binary_data)
    assert bits(res) == bits(expected(kind))


@pytest.mark.cluster
@pytest.mark.parametrize("n_workers", [1, 4])
def test_clusters_of_other_sizes(
    small_blocks, stores, binary_data, expected, n_workers
):
    for kind in KINDS:
        expected(kind)
    with make_cluster(n_workers, processes=False) as cluster, Client(cluster):
        for kind in KINDS:
            res = fit_from(kind, stores, binary_data)
            assert bits(res) == bits(expected(kind))


@pytest.mark.cluster
def test_data_in_cluster_memory(binary_data, client):
    X, y, weight = binary_data
    arrays = [da.from_array(v, chunks=(300, 4)[: v.ndim]) for v in binary_data]
    lazy = [array.map_blocks(np.array, dtype=array.dtype) for array in arrays]
    with dask.config.set(scheduler="synchronous"):
        reference = dlogreg.fit(lazy[0], lazy[1], sample_weight=lazy[2])
    held = client.persist(lazy)
    res = dlogreg.fit(held[0], held[1], sample_weight=held[2])
    assert bits(res) == bits(reference)
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=y, w=weight)
    lines = client.persist(dd.from_pandas(frame, npartitions=7))
    res = dlogreg.fit(lines[list("abcd")], lines.y, sample_weight=lines.w, tol=TIGHT)
    assert distance(res, reference) <= TIGHT + reference.error_bound


@pytest.mark.cluster
def test_a_worker_may_die(stores, binary_data, small_blocks, expected):
    """What it held is sent again; what it did is done again."""
    expected("numpy")
    with (
        make_cluster(2, processes=True) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        died = []

        class Killer:
            def pass_started(self, number, kind, n_tasks):
                if number == 2 and not died:
                    victim, pid = sorted(client.run(os.getpid).items())[0]
                    died.append(victim)
                    os.kill(pid, signal.SIGKILL)

            def task_done(self, tally): ...

            def pass_ended(self, record): ...

            def close(self): ...

        res = fit_from("numpy", stores, binary_data, progress=Killer())
        assert died
    assert bits(res) == bits(expected("numpy"))


def chunked(n_rows, cuts):
    borders = [0, *sorted(c % (n_rows + 1) for c in cuts), n_rows]
    return tuple(high - low for low, high in pairwise(borders))


CUTS = st.lists(st.integers(0, 10**6), max_size=25)


@pytest.fixture(scope="module")
def reference(binary_data):
    X, y, weight = binary_data
    return dlogreg.fit(X, y, sample_weight=weight, tol=TIGHT)


@pytest.fixture(scope="module")
def unweighted(binary_data):
    X, y, _ = binary_data
    return dlogreg.fit(X, y, tol=TIGHT)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=CUTS, y_cuts=CUTS, extra=st.integers(0, 5999), columns=st.integers(1, 4))
def test_any_chunking(binary_data, reference, cuts, y_cuts, extra, columns):
    X, y, weight = binary_data
    rows = chunked(6000, [*cuts, extra, extra, extra + 1])  # empty and one-row chunks
    blocks = da.from_array(X, chunks=(rows, columns))
    labels = da.from_array(y, chunks=(chunked(6000, y_cuts),))
    res = dlogreg.fit(blocks, labels, sample_weight=weight, tol=TIGHT)
    assert distance(res, reference) < 1e-8
    np.testing.assert_allclose(res.bse, reference.bse, rtol=1e-8)
    assert res.llf == pytest.approx(reference.llf, rel=1e-12)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=CUTS, tol=st.sampled_from([1e-4, 1e-2]))
def test_at_a_loose_tolerance_bounds_add(binary_data, reference, cuts, tol):
    X, y, weight = binary_data
    blocks = da.from_array(X, chunks=(chunked(6000, cuts), 4))
    res = dlogreg.fit(blocks, y, sample_weight=weight, tol=tol)
    assert res.error_bound <= tol
    assert distance(res, reference) <= res.error_bound + reference.error_bound


def mapped(path, values):
    stored = np.memmap(path, values.dtype, "w+", shape=values.shape)
    stored[:] = values
    return stored


@pytest.mark.parametrize(
    "kind",
    [
        "memmap",
        "zarr",
        "dask",
        "pandas",
        "dask dataframe",
        "fortran",
        "list",
        "unknown",
    ],
)
def test_any_source(small_blocks, tmp_path, stores, binary_data, reference, kind):
    X, y, weight = binary_data
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=y, w=weight)
    lines = dd.from_pandas(frame, npartitions=9)
    twice = da.concatenate([da.from_array(X, chunks=(400, 4))] * 2)
    X, y, weight = {
        "memmap": lambda: [
            mapped(tmp_path / n, v) for n, v in zip("Xyw", binary_data, strict=True)
        ],
        "zarr": lambda: [stores["X"], stores["y"], stores["weight"]],
        "dask": lambda: [da.from_array(v, chunks=333) for v in binary_data],
        "pandas": lambda: [frame[list("abcd")], frame.y, frame.w],
        "dask dataframe": lambda: [lines[list("abcd")], lines.y, lines.w],
        "fortran": lambda: [np.asfortranarray(X), y, weight],
        "list": lambda: [X.tolist(), y.tolist(), weight.tolist()],
        "unknown": lambda: [twice[da.arange(12_000, chunks=400) < 6000], y, weight],
    }[kind]()
    res = dlogreg.fit(X, y, sample_weight=weight, tol=TIGHT)
    assert distance(res, reference) < 1e-8
    np.testing.assert_allclose(res.bse, reference.bse, rtol=1e-8)


@pytest.mark.parametrize("order", ["random", "by label", "by column", "backwards"])
def test_any_order_of_rows(binary_data, reference, order):
    X, y, weight = binary_data
    rows = {
        "random": np.random.default_rng(0).permutation(len(X)),
        "by label": np.argsort(y, kind="stable"),
        "by column": np.argsort(X[:, 0]),
        "backwards": np.arange(len(X))[::-1],
    }[order]
    blocks = da.from_array(X[rows], chunks=(200, 4))
    res = dlogreg.fit(blocks, y[rows], sample_weight=weight[rows], tol=TIGHT)
    assert distance(res, reference) < 1e-8
    loose = dlogreg.fit(blocks, y[rows], sample_weight=weight[rows])
    assert distance(loose, reference) <= loose.error_bound + reference.error_bound


def test_frequency_weights_are_repeated_rows(binary_data, reference):
    X, y, weight = binary_data
    rows = np.repeat(np.arange(len(X)), weight.astype(int))
    res = dlogreg.fit(X[rows], y[rows], tol=TIGHT)
    assert distance(res, reference) < 1e-8
    np.testing.assert_allclose(res.bse, reference.bse, rtol=1e-8)
    assert res.llf == pytest.approx(reference.llf, rel=1e-12)
    assert res.nobs == reference.nobs == weight.sum()


@pytest.mark.parametrize("junk", [np.nan, np.inf, 1e308])
def test_rows_of_weight_zero_are_not_there(binary_data, reference, junk):
    X, y, weight = binary_data
    X, y = X.copy(), y.astype(float)
    X[weight == 0] = junk
    y[weight == 0] = junk
    res = dlogreg.fit(
        da.from_array(X, chunks=(500, 4)), y, sample_weight=weight, tol=TIGHT
    )
    assert distance(res, reference) < 1e-8
    assert res.n_rows == (weight > 0).sum()


def test_data_stacked_twice_give_the_same_coefficients(binary_data, unweighted):
    X, y, _ = binary_data
    once = unweighted
    twice = dlogreg.fit(np.vstack([X, X]), np.concatenate([y, y]), tol=TIGHT)
    assert distance(twice, once) < 1e-8
    np.testing.assert_allclose(twice.bse * np.sqrt(2), once.bse, rtol=1e-8)
    assert twice.llf == pytest.approx(2 * once.llf, rel=1e-12)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.floats(-4, 4), min_size=4, max_size=4),
    st.lists(st.floats(-100, 100), min_size=4, max_size=4),
    st.lists(st.sampled_from([-1, 1]), min_size=4, max_size=4),
)
def test_scaled_and_shifted_columns(binary_data, unweighted, powers, shift, signs):
    X, y, _ = binary_data
    once = unweighted
    scale = np.array(signs) * 10.0 ** np.array(powers)
    moved = dlogreg.fit((X + shift) * scale, y, tol=TIGHT)
    slopes = np.asarray(once.params)[1:] / scale
    np.testing.assert_allclose(
        np.asarray(moved.params)[1:],
        slopes,
        atol=1e-7 * np.abs(once.bse[1:] / scale).max(),
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        np.asarray(moved.bse)[1:], np.asarray(once.bse)[1:] / np.abs(scale), rtol=1e-6
    )
    assert moved.llf == pytest.approx(once.llf, rel=1e-10)


LABELS = {
    "bool": np.array([False, True]),
    "int": np.array([-3, 12]),
    "float": np.array([0.5, 0.75]),
    "text": np.array(["no", "yes"]),
    "object": np.array(["no", "yes"], dtype=object),
    "bytes": np.array([b"no", b"yes"]),
    "string": np.array(["no", "yes"], dtype=np.dtypes.StringDType()),
    "unsigned": np.array([1, 2], dtype="u1"),
}


@pytest.mark.parametrize("kind", LABELS)
def test_any_coding_of_the_labels(binary_data, kind):
    X, y, _ = binary_data
    expected = dlogreg.fit(X, y)
    res = dlogreg.fit(X, LABELS[kind][y])
    assert bits(res) == bits(expected)
    assert list(res.classes) == LABELS[kind].tolist()
    swapped = dlogreg.fit(X, LABELS[kind][y], classes=LABELS[kind][::-1].tolist())
    np.testing.assert_allclose(swapped.params, -np.asarray(res.params), rtol=1e-6)


@pytest.mark.parametrize("source", ["pandas", "dask"])
def test_categories(binary_data, source):
    X, y, _ = binary_data
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["y"] = pd.Categorical.from_codes(1 - y, ["yes", "no"])
    expected = dlogreg.fit(frame[list("abcd")], y, tol=TIGHT)
    lines = frame if source == "pandas" else dd.from_pandas(frame, npartitions=4)
    res = dlogreg.fit(lines[list("abcd")], lines.y, tol=TIGHT)
    assert list(res.classes) == ["no", "yes"]
    assert distance(res, expected) < 1e-8


def test_types_of_numbers_that_hold_the_same_values(binary_data):
    X, y, _ = binary_data
    X = np.clip(np.rint(X), -100, 100)
    X[:, 1] = np.arange(len(X)) % 7
    expected = dlogreg.fit(X, y)
    for dtype in ("f4", "f2", "i1", "i8"):
        assert bits(dlogreg.fit(X.astype(dtype), y)) == bits(expected)


def test_small_blocks_make_several_leaves(small_blocks, stores, binary_data):
    """The tests of equal bits above would mean little with a single leaf."""
    for kind in KINDS:
        res = fit_from(kind, stores, binary_data)
        assert res.trace[2].tally.n_blocks >= 20
    assert reduction.FAN_IN == 8
