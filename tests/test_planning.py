import inspect
import threading

import dask
import dask.array as da
import numpy as np
import pytest
import zarr

import dlogreg
from dlogreg.errors import DataError, MemoryLimitError


def data(n=4000, d=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, (rng.random(n) < 1 / (1 + np.exp(-X[:, 0]))).astype(np.int8)


def stored(tmp_path, X, rows):
    array = zarr.create_array(
        tmp_path / "x.zarr", shape=X.shape, chunks=(rows, X.shape[1]), dtype=X.dtype
    )
    array[:] = X
    return array


class Counting:
    """Makes dask arrays that count how often their blocks are computed."""

    def __init__(self):
        self.n, self._lock = 0, threading.Lock()

    def __call__(self, array):
        def touch(block):
            with self._lock:
                self.n += 1
            return block

        return array.map_blocks(touch, dtype=array.dtype, meta=array._meta)


def test_a_plan_takes_what_fit_takes():
    fit, plan = (inspect.signature(f) for f in (dlogreg.fit, dlogreg.plan))
    assert list(fit.parameters.values()) == list(plan.parameters.values())


@pytest.mark.parametrize("kind", ["numpy", "zarr", "dask", "dask, y cut otherwise"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_plan_is_what_the_fit_does(tmp_path, kind, weighted):
    X, y = data(20_000, 40)
    weight = np.ones(len(y)) if weighted else None
    given, labels, weights = X, y, weight
    if kind == "zarr":
        given = stored(tmp_path, X, 1000)
    if kind.startswith("dask"):
        given = da.from_array(X, chunks=(1500, -1))
        labels = da.from_array(y, chunks=1500 if kind == "dask" else 700)
        weights = None if weight is None else da.from_array(weight, chunks=1500)
    planned = dlogreg.plan(given, labels, sample_weight=weights)
    result = dlogreg.fit(given, labels, sample_weight=weights)
    for record in result.trace[1:]:
        assert record.tally.n_bytes == planned.bytes_per_pass
        assert record.tally.n_rows == planned.n_rows == 20_000
        assert record.tally.n_tasks == planned.n_tasks
        assert record.tally.n_blocks == planned.n_blocks
    assert planned.solver == result.solver == "newton"
    low, high = planned.passes
    assert low <= result.n_passes <= high
    assert planned.kind == kind.partition(",")[0]
    assert (planned.n_features, planned.n_params) == (40, 41)


@pytest.mark.parametrize("seed", range(8))
def test_expected_passes_hold_the_real_ones(seed):
    X, y = data(2000, 5, seed)
    X *= 10.0 ** np.random.default_rng(seed).uniform(-1, 0.5)
    y = np.random.default_rng(seed + 100).random(len(X)) < 1 / (1 + np.exp(-X.sum(1)))
    for options in ({}, {"inference": False}, {"start": np.zeros(6)}):
        low, high = dlogreg.plan(X, y, **options).passes
        assert low <= dlogreg.fit(X, y, **options).n_passes <= high


def test_no_block_of_a_dask_array_is_computed():
    X, y = data()
    reads = Counting()
    lazy = reads(da.from_array(X, chunks=(100, -1)))
    planned = dlogreg.plan(lazy, da.from_array(y, chunks=333))
    assert planned.n_blocks == 40
    assert reads.n == 0


def test_not_even_to_count_rows():
    X, y = data()
    reads = Counting()
    lazy = reads(da.from_array(X, chunks=(100, -1)))
    lazy = lazy[lazy[:, 0] > 0]  # unknown row counts
    planned = dlogreg.plan(lazy, y[X[:, 0] > 0])
    assert reads.n == 0
    assert planned.n_rows is None
    assert planned.bytes_per_pass is None
    assert "once more to count" in " ".join(planned.advice)
    assert "unknown" in str(planned)


def test_not_even_shared_work():
    X, y = data()
    reads = Counting()
    lazy = reads(da.from_array(X, chunks=(100, -1)))
    planned = dlogreg.plan(lazy - lazy.mean(axis=0), da.from_array(y, chunks=100))
    assert reads.n == 0
    assert "computed once" in " ".join(planned.advice)


def test_no_chunk_of_a_store_is_read(tmp_path, monkeypatch):
    X, y = data()
    array = stored(tmp_path, X, 500)

    def refuse(self, selection):
        raise AssertionError("the plan read a chunk")

    monkeypatch.setattr(zarr.Array, "__getitem__", refuse)
    assert dlogreg.plan(array, y).n_rows == 4000


def test_a_fit_that_would_be_refused_is_planned_and_says_why():
    X, y = data()
    planned = dlogreg.plan(X, y, memory_limit="10 kB")
    with pytest.raises(MemoryLimitError) as caught:
        dlogreg.fit(X, y, memory_limit="10 kB")
    assert planned.refusal == str(caught.value)
    assert planned.refusal in str(planned)
    assert dlogreg.plan(X, y, memory_limit="1 GB").refusal == ""


def test_wide_data_take_lbfgs_and_more_passes():
    y = np.arange(10) % 2
    narrow = dlogreg.plan(np.zeros((10, 1999)), y)
    wide = dlogreg.plan(np.zeros((10, 3000)), y)
    assert (narrow.solver, wide.solver) == ("newton", "lbfgs")
    assert "so few data that it takes seconds" in narrow.why_solver
    assert "3,001 coefficients takes 69 MiB" in wide.why_solver
    assert wide.passes[1] > narrow.passes[1]
    assert wide.passes[1] <= 100
    assert dlogreg.plan(np.zeros((10, 1999)), y, max_passes=3).passes == (3, 3)
    assert (
        dlogreg.plan(np.zeros((10, 2)), y, solver="lbfgs").why_solver == "as asked for"
    )


def advice_for(n_rows, chunk_rows, columns=64):
    X = da.zeros((n_rows, columns), chunks=(chunk_rows, -1))
    y = da.zeros(n_rows, chunks=chunk_rows)
    with dask.config.set(num_workers=4):
        return " ".join(dlogreg.plan(X, y).advice)


def test_advice_on_chunks():
    good = 20_000  # 10 MB of 64 columns
    assert advice_for(50 * good, good) == ""
    assert "are large" in advice_for(50 * good, 10 * good)
    assert "16,384 to 32,768 rows" in advice_for(50 * good, 10 * good)
    assert "are small" in advice_for(5 * good, 500)
    assert "idle" in advice_for(2 * good, good)
    assert advice_for(1000, 100) == ""


def test_few_rows_without_a_penalty_are_warned_of():
    y = np.arange(99) % 2
    X = np.zeros((99, 9))
    (advice,) = dlogreg.plan(X, y).advice
    assert "9.9 rows per coefficient and no penalty" in advice
    assert "consider alpha > 0" in advice
    assert dlogreg.plan(X, y, alpha=0.1).advice == ()
    assert dlogreg.plan(X, y, fit_intercept=False).advice == ()


def test_bad_options_are_refused_as_in_fit():
    X, y = data(50)
    for options in ({"tol": 0}, {"solver": "sag"}, {"alpha": -1}, {"start": [1.0]}):
        with pytest.raises(ValueError, match=next(iter(options))):
            dlogreg.plan(X, y, **options)
    with pytest.raises(DataError, match="49"):
        dlogreg.plan(X, y[:-1])


def test_text_and_html_say_the_same():
    X, y = data()
    planned = dlogreg.plan(X, y, feature_names=["a", "b", "<c>"])
    text, page = str(planned), planned._repr_html_()
    for name, value in planned.rows():
        assert name in text
        assert value in text
        assert name in page
    assert "4,000 rows x 3 columns" in text
    assert page.startswith("<table>")
    assert "<c>" not in page


def test_the_function_stays_a_function_after_its_module_is_imported():
    import dlogreg.planning

    assert callable(dlogreg.plan)
    assert isinstance(dlogreg.plan(*data(50)), dlogreg.planning.Plan)
