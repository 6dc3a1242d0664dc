"""Compressed rows in Zarr groups: fitted, predicted, and refused where broken."""

import dask
import numpy as np
import pytest
import scipy.sparse as sp
import zarr
from click.testing import CliRunner
from zarr.storage import MemoryStore

import dlogreg
from dlogreg import DataError
from dlogreg.cli import main
from dlogreg.kernel import CSR, Rows, TrialPointsKernel
from dlogreg.source.sparse_store import Pieces, SparseStoreBlocks, StoredCSR
from tests.counting import CountingStore, forget, reads
from tests.test_kernel import evaluate
from tests.test_sparse import N, draw


def write(group, X, chunk=4000, index="i4"):
    """Write compressed rows as anndata does."""
    X = sp.csr_array(X)
    group.attrs.update({"encoding-type": "csr_matrix", "shape": list(X.shape)})
    for name in ("indptr", "indices", "data"):
        values = getattr(X, name)
        values = values.astype(index) if name != "data" else values
        group.create_array(
            name, data=values, chunks=(chunk,), config={"write_empty_chunks": True}
        )
    return group


@pytest.fixture(scope="module")
def data():
    return draw()


@pytest.fixture
def stored(data, tmp_path):
    group = zarr.create_group(tmp_path / "data.zarr")
    write(group.create_group("X"), data[0])
    group.create_array("y", data=data[1], chunks=(1000,))
    group.create_array("sample_weight", data=data[2], chunks=(700,))
    return group


@pytest.mark.usefixtures("small_blocks")
def test_a_stored_fit_is_that_of_the_same_rows_in_memory(data, stored):
    X, y, weight = data
    expected = dlogreg.fit(X, y, sample_weight=weight, tol=1e-10)
    for labels in (y, stored["y"]):
        found = dlogreg.fit(stored["X"], labels, sample_weight=weight, tol=1e-10)
        np.testing.assert_allclose(found.params, expected.params, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(found.bse, expected.bse, rtol=1e-8)
    lazy = found.predict(stored["X"])
    assert lazy.numblocks[0] > 1
    np.testing.assert_allclose(lazy.compute(), expected.predict(X), rtol=1e-10)
    report = dlogreg.evaluate(found, stored["X"], stored["y"])
    assert report.auc == pytest.approx(dlogreg.evaluate(found, X, y).auc, rel=1e-12)
    clf = dlogreg.LogisticRegression().fit(stored["X"], stored["y"])
    np.testing.assert_array_equal(clf.predict(stored["X"]).compute(), clf.predict(X))


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.usefixtures("small_blocks")
def test_schedulers_and_stores_give_the_same_bits(data, stored, solver):
    X, y, _ = data
    memory = write(zarr.create_group(MemoryStore()), X)
    found = []
    for group, scheduler in (
        (stored["X"], "synchronous"),
        (stored["X"], "threads"),
        (memory, "threads"),
    ):
        with dask.config.set(scheduler=scheduler, num_workers=2):
            fit = dlogreg.fit(group, y, alpha=1e-3, solver=solver)
        found.append(np.asarray(fit.params).tobytes())
    assert found[0] == found[1] == found[2]


@pytest.mark.cluster
@pytest.mark.usefixtures("small_blocks")
def test_a_cluster_reads_stores_on_disk_and_in_memory(data, stored, client):
    X, y, _ = data
    memory = write(zarr.create_group(MemoryStore()), X)
    with client.as_current():
        found = [dlogreg.fit(group, y) for group in (stored["X"], memory)]
    with dask.config.set(scheduler="synchronous"):
        here = dlogreg.fit(stored["X"], y)
    for fit in found:
        np.testing.assert_array_equal(fit.params, here.params)


def test_a_chunk_is_fetched_once_by_a_task_that_needs_it_twice(data):
    X = data[0]
    store = MemoryStore()
    write(zarr.create_group(store), X, chunk=5000)
    forget("store")
    group = zarr.open_group(CountingStore(store), mode="r")
    blocks = SparseStoreBlocks(
        StoredCSR.of(group).arrays, 40, tuple(range(0, N + 1, 500))
    )
    load = blocks.open(())
    rows = [load(i)["X"] for i in range(blocks.n_blocks)]
    dense = np.concatenate([part.matrix.toarray() for part in rows])
    np.testing.assert_array_equal(dense, X)
    assert set(reads("store")) == {1}


def repeated(n=4000, d=30):
    """Return stored rows, columns in any order and twice in some, and their sums."""
    rng = np.random.default_rng(4)
    indices = rng.integers(0, d, size=(n, 6)).astype("i4")
    data = (rng.integers(-8, 9, size=indices.shape) / 4).astype("f4")  # sums are exact
    borders = np.arange(0, 6 * n + 1, 6)
    X = sp.csr_array((data.ravel(), indices.ravel(), borders), shape=(n, d))
    y = (X @ rng.normal(size=d) + rng.logistic(size=n) > 0).astype(int)
    return (borders, indices.ravel(), data.ravel()), X.toarray().astype(float), y


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.usefixtures("small_blocks")
def test_columns_that_occur_twice_in_a_row_add_up(tmp_path, solver):
    parts, dense, y = repeated()
    group = zarr.create_group(tmp_path / "X", attributes={"shape": [*dense.shape]})
    for name, values in zip(("indptr", "indices", "data"), parts, strict=True):
        group.create_array(name, data=values, chunks=(700,))
    options = {"solver": solver, "alpha": 1e-3, "tol": 1e-8}
    found, expected = (dlogreg.fit(X, y, **options) for X in (group, dense))
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-6, atol=1e-8)
    assert found.llf == pytest.approx(expected.llf, rel=1e-10)
    np.testing.assert_allclose(
        found.predict(group).compute(), expected.predict(dense), rtol=1e-6
    )


def test_only_products_with_vectors_see_a_column_twice(tmp_path):
    parts, dense, y = repeated(n=500)
    raw = CSR.stored(parts[0], parts[1].astype("i8"), parts[2], 30)
    assert not raw.distinct
    assert not raw[3:9].distinct
    assert not raw[np.array([1, 5])].distinct
    assert not CSR.concatenated([raw, CSR.of(raw)]).distinct
    assert raw.indices.dtype == raw.indptr.dtype == np.int32
    tidy = CSR.of(raw)
    assert tidy.distinct
    assert len(tidy.data) < len(raw.data)
    np.testing.assert_allclose(tidy.toarray(), dense, atol=1e-6)
    params = np.random.default_rng(0).normal(size=(31, 2)) / 5
    for centre in (np.zeros(30), dense.mean(axis=0)):
        own, other = (
            evaluate(TrialPointsKernel(params, centre, 1, sparse=X is raw), Rows(X, y))
            for X in (raw, dense)
        )
        np.testing.assert_allclose(own.losses, other.losses, rtol=1e-12)
        np.testing.assert_allclose(own.gradients, other.gradients, atol=1e-9)


def test_a_column_without_zeros_is_centred_exactly_though_it_occurs_twice():
    """Of a column far from zero, centring in the formulas would lose all digits."""
    rng, n = np.random.default_rng(1), 400
    noise = rng.normal(size=n)
    values = np.stack([np.full(n, 5e9), 5e9 + noise, rng.normal(size=n)], axis=1)
    indices = np.tile([1, 1, 0], n)
    raw = CSR.stored(np.arange(0, 3 * n + 1, 3), indices, values.ravel(), 2)
    dense = np.stack([values[:, 2], values[:, 0] + values[:, 1]], axis=1)
    y, centre = rng.integers(0, 2, n), np.array([0.0, dense[:, 1].mean()])
    params = rng.normal(size=(3, 2))
    own, other = (
        evaluate(TrialPointsKernel(params, centre, 1, sparse=X is raw), Rows(X, y))
        for X in (raw, dense)
    )
    np.testing.assert_allclose(own.losses, other.losses, rtol=1e-12)
    np.testing.assert_allclose(own.gradients, other.gradients, rtol=1e-10)


def test_a_view_of_pieces_is_what_the_array_holds(tmp_path):
    values = np.arange(1000, dtype="i4")
    array = zarr.create_array(tmp_path / "a", data=values, chunks=(128,))
    pieces = Pieces("a", array)
    for low, high in (
        (0, 128),
        (5, 60),
        (60, 300),
        (300, 300),
        (300, 301),
        (900, 1000),
    ):
        np.testing.assert_array_equal(pieces.view(low, high), values[low:high])
        kept = pieces.read(low, high)
        pieces.view(640, 700)
        np.testing.assert_array_equal(kept, values[low:high])


def test_a_chunk_that_fails_leaves_none_behind(tmp_path):
    values = np.arange(1000, dtype="i4")
    array = zarr.create_array(tmp_path / "a", data=values, chunks=(128,))
    pieces, name = Pieces("a", array), tmp_path / "a" / "c" / "1"
    np.testing.assert_array_equal(pieces.view(100, 120), values[100:120])
    whole = name.read_bytes()
    name.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="chunk c/1 of"):
        pieces.view(100, 140)
    name.write_bytes(whole)
    np.testing.assert_array_equal(pieces.view(100, 140), values[100:140])


def test_empty_rows_columns_and_stores(tmp_path):
    X = np.zeros((700, 5))
    X[300, 1] = X[650, 4] = 2.0
    group = write(zarr.create_group(tmp_path / "rows"), X, chunk=100)
    blocks = StoredCSR.of(group).blocks()
    load = blocks.open(())
    found = [load(i)["X"].matrix.toarray() for i in range(blocks.n_blocks)]
    np.testing.assert_array_equal(np.concatenate(found), X)
    half = write(zarr.create_group(tmp_path / "half"), X.astype("f2") + np.eye(700, 5))
    assert StoredCSR.of(half).dtype == np.float64


def test_the_command_line_fits_predicts_and_evaluates(data, stored, tmp_path):
    store, model, out = (str(tmp_path / name) for name in ("data.zarr", "m", "p"))
    run = CliRunner()
    result = run.invoke(main, ["fit", store, "--model", model, "--quiet"])
    assert result.exit_code == 0, result.output
    X, y, weight = data
    expected = dlogreg.fit(X, y, sample_weight=weight)
    found = dlogreg.load(model)
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-5, atol=1e-6)
    for arguments in (
        ["plan", store],
        ["predict", model, store, out, "--quiet"],
        ["evaluate", model, store, "--quiet"],
    ):
        result = run.invoke(main, arguments)
        assert result.exit_code == 0, result.output
    probability = zarr.open_array(out + "/probability")[:]
    np.testing.assert_allclose(probability, found.predict(X), rtol=1e-12)


def test_columns_in_another_order_are_refused(stored, tmp_path):
    store, model = str(tmp_path / "data.zarr"), str(tmp_path / "m")
    run = CliRunner()
    assert run.invoke(main, ["fit", store, "--model", model, "--quiet"]).exit_code == 0
    names = [f"x{j + 1}" for j in range(40)]
    zarr.open_group(store).attrs["feature_names"] = names[::-1]
    result = run.invoke(main, ["evaluate", model, store, "--quiet"])
    assert result.exit_code == 2
    assert "in another order" in result.output


# What cannot be read


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda g: g.attrs.update({"encoding-type": "csc_matrix"}), "stored as 'csc_"),
        (lambda g: g.__delitem__("data"), "no 1-D array data"),
        (lambda g: g.attrs.__delitem__("shape"), "lacks the attribute shape"),
        (lambda g: g.attrs.update(shape=[10, 40]), "is not 10 compressed rows"),
        (lambda g: g["indptr"].__setitem__(77, 10**6), "indptr does not rise"),
        (lambda g: g["indices"].__setitem__(5, 40), "name columns 0 to 40"),
    ],
)
def test_groups_that_are_no_compressed_rows_are_refused(data, tmp_path, spoil, message):
    group = write(zarr.create_group(tmp_path / "X"), data[0])
    spoil(group)
    with pytest.raises(DataError, match=message):
        dlogreg.fit(group, data[1])


def test_indices_that_are_no_whole_numbers_are_refused(data, tmp_path):
    group = write(zarr.create_group(tmp_path / "X"), data[0], index="f8")
    with pytest.raises(DataError, match="must be whole numbers"):
        dlogreg.fit(group, data[1])


def test_a_corrupt_chunk_is_named(data, stored, tmp_path):
    chunk = tmp_path / "data.zarr" / "X" / "data" / "c" / "2"
    chunk.write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"of data cannot be read: chunk c/2 of"):
        dlogreg.fit(stored["X"], data[1])


def test_a_missing_chunk_is_named(data, stored, tmp_path):
    (tmp_path / "data.zarr" / "X" / "data" / "c" / "2").unlink()
    with pytest.warns(dlogreg.MissingChunkWarning, match=r"chunk c/2 .* is read there"):
        dlogreg.fit(stored["X"], data[1], alpha=0.1)


def test_bad_values_are_named_by_row_and_column(data, tmp_path):
    X = data[0].copy()
    X[4321, 7] = np.nan
    group = write(zarr.create_group(tmp_path / "X"), X)
    with pytest.raises(DataError, match="column 'x8' holds NaN in row 4321 of X"):
        dlogreg.fit(group, data[1])
