"""Memory is projected before the first pass, and what is measured stays under it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec

import dlogreg
from dlogreg import MemoryLimitError
from dlogreg.memory import check_memory, check_workers, project_memory
from dlogreg.reduction import compute_shared, count_rows
from dlogreg.source import as_source
from tests.counting import CountingStore, counted_array, forget, reads


def source_of(X, y):
    return as_source(X, y, compute=compute_shared, count_rows=count_rows)


def test_the_limit_refuses_before_anything_is_read():
    X = np.zeros((4000, 3))
    raw = counted_array("limit", X, 1000)
    with pytest.raises(MemoryLimitError, match=r"above memory_limit of 0 MiB"):
        dlogreg.fit(raw, np.arange(4000) % 2, memory_limit=10_000)
    assert reads("limit") == []
    store = CountingStore(zarr.storage.MemoryStore())
    stored = zarr.create_array(store, shape=X.shape, chunks=(1000, 3), dtype="f8")
    stored[:] = X + 1
    forget("store")
    with pytest.raises(MemoryLimitError):
        dlogreg.fit(stored, np.arange(4000) % 2, memory_limit=10_000)
    assert reads("store") == []


def test_the_limit_never_changes_the_result(binary_data):
    X, y, _ = binary_data
    blocks = da.from_array(X, chunks=(500, 4))
    free = dlogreg.fit(blocks, y)
    limited = dlogreg.fit(blocks, y, memory_limit="4 GB")
    assert limited.params.tobytes() == free.params.tobytes()
    assert limited.cov_params().tobytes() == free.cov_params().tobytes()


@pytest.mark.parametrize("rows", [50_000, 400_000])
def test_the_chunk_size_that_would_fit_is_named_and_does_fit(rows):
    X = da.zeros((2_000_000, 20), chunks=(rows, 20))
    y = np.zeros(2_000_000)
    limit = 200 * 2**20
    memory = project_memory(source_of(X, y), 21, 2, 4)
    if memory.total <= limit:
        check_memory(memory, limit, source_of(X, y))
        return
    with pytest.raises(
        MemoryLimitError, match=r"chunks of at most (\d+) rows"
    ) as error:
        check_memory(memory, limit, source_of(X, y))
    fits = int(str(error.value).split("at most ")[1].split()[0])
    smaller = source_of(da.zeros(X.shape, chunks=(fits, 20)), y)
    assert fits < rows
    assert project_memory(smaller, 21, 2, 4).total <= limit


def test_projection_grows_with_blocks_threads_and_columns():
    def total(chunk, columns, threads):
        X = da.zeros((200_000, columns), chunks=(chunk, columns))
        return project_memory(
            source_of(X, np.zeros(200_000)), columns + 1, 2, threads
        ).total

    assert total(20_000, 10, 2) > total(10_000, 10, 2)
    assert total(10_000, 10, 4) > total(10_000, 10, 2)
    assert total(10_000, 50, 2) > total(10_000, 10, 2)


MEASURE = """
import sys
sys.modules["sparse"] = None  # of which dask looks for, and which loads numba
import numpy as np, zarr, dask
import dlogreg
from dlogreg.fitting import fit
from dlogreg.scheduling import peak_memory

warm = np.random.default_rng(0).normal(size=(20_000, 3))
root = zarr.open_group(sys.argv[1], mode="r")
with dask.config.set({"num_workers": 2, "dlogreg.compiled": sys.argv[2] == "True"}):
    small = zarr.create_array(zarr.storage.MemoryStore(), shape=warm.shape,
                              chunks=(1000, 3), dtype="f8")
    small[:] = warm
    fit(small, (warm[:, 0] + warm[:, 1] ** 3 > 0).astype(int))  # imports, pools
    memory = dlogreg.plan(root["X"], root["y"], measure=False).memory
    before = peak_memory()
    res = fit(root["X"], root["y"])
    growth, loaded = peak_memory() - before, "numba" in sys.modules
    print(growth, memory.total, root["X"].nbytes, memory.compiling, loaded)
"""
ALLOWANCE = 24 * 2**20
"""For the allocator's slack and the threads' stacks."""


@pytest.mark.slow
@pytest.mark.parametrize("width", [30, 10])
@pytest.mark.parametrize("rows", [20_000, 100_000])
@pytest.mark.parametrize("compiled", [False, True])
def test_measured_memory_stays_under_the_projection(tmp_path, compiled, rows, width):
    n_rows, columns = 3_000_000, 30
    root = zarr.create_group(tmp_path / "big.zarr")
    codec = BloscCodec(cname="lz4", shuffle="bitshuffle")
    X = root.create_array(
        "X",
        shape=(n_rows, columns),
        chunks=(rows, width),
        dtype="f4",
        compressors=codec,
    )
    y = root.create_array("y", shape=(n_rows,), chunks=(rows,), dtype="i1")
    rng = np.random.default_rng(0)
    for low in range(0, n_rows, rows):
        block = rng.integers(-8, 8, (min(rows, n_rows - low), columns)) / 4
        X[low : low + rows] = block
        y[low : low + rows] = rng.random(len(block)) < 1 / (1 + np.exp(-block[:, 0]))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "big.zarr"), str(compiled)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    *sizes, loaded = done.stdout.split()
    growth, projected, stored, compiling = map(int, sizes)
    assert loaded == str(compiled)
    assert (compiling > 0) is compiled
    assert stored > 2 * (projected - compiling)
    assert growth <= projected + ALLOWANCE


MEASURE_WIDE = """
import sys
import dask, numpy as np, zarr
import dlogreg
from dlogreg.scheduling import peak_memory

warm = np.random.default_rng(0).normal(size=(20_000, 3))
root = zarr.open_group(sys.argv[1], mode="r")
with dask.config.set(num_workers=2):
    small = zarr.create_array(zarr.storage.MemoryStore(), shape=warm.shape,
                              chunks=(1000, 3), dtype="f8")
    small[:] = warm
    dlogreg.fit(small, (warm[:, 0] + warm[:, 1] ** 3 > 0).astype(int), solver="lbfgs")
    options = {"solver": "lbfgs", "alpha": 0.01, "tol": 0.1}
    projected = dlogreg.plan(root["X"], root["y"], **options).memory.total
    before = peak_memory()
    res = dlogreg.fit(root["X"], root["y"], **options)
    print(peak_memory() - before, projected)
"""


@pytest.mark.slow
@pytest.mark.parametrize("columns", [1000, 3000])
def test_measured_memory_of_wide_fits_stays_under_the_projection(tmp_path, columns):
    n_rows, rows = 20_000, 500
    root = zarr.create_group(tmp_path / "wide.zarr")
    X = root.create_array(
        "X", shape=(n_rows, columns), chunks=(rows, columns), dtype="f4"
    )
    y = root.create_array("y", shape=(n_rows,), chunks=(rows,), dtype="i1")
    rng = np.random.default_rng(0)
    for low in range(0, n_rows, rows):
        block = rng.normal(size=(rows, columns)) + 2 * rng.normal(size=(rows, 1))
        X[low : low + rows] = block
        y[low : low + rows] = rng.random(rows) < 1 / (1 + np.exp(-block[:, 0]))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE_WIDE, str(tmp_path / "wide.zarr")],
        capture_output=True,
        text=True,
        check=True,
    )
    growth, projected = map(int, done.stdout.split())
    assert growth <= projected + ALLOWANCE


def test_rows_kept_to_find_separation_and_firths_leverages_count():
    source = source_of(da.zeros((200_000, 50), chunks=(1000, 50)), np.zeros(200_000))
    plain = project_memory(source, 51, 2, 2)
    searching = project_memory(source, 51, 2, 2, searches=True)
    kept = 8 * 51 * (4 * (256 + 8 * 51) + 2 * 51)  # of three directions, and spread
    assert searching.per_task >= plain.per_task + 4 * kept
    firth = project_memory(source, 51, 2, 2, firth=True)
    assert firth.per_task > plain.per_task
    wide = source_of(da.zeros((200_000, 150), chunks=(1000, 150)), np.zeros(200_000))
    unsearched = project_memory(wide, 151, 2, 2)
    assert project_memory(wide, 151, 2, 2, searches=True) == unsearched


def test_a_worker_that_is_too_small_is_named_with_what_would_fit():
    X, y = da.zeros((2_000_000, 20), chunks=(400_000, 20)), np.zeros(2_000_000)
    memory = project_memory(source_of(X, y), 21, 2, 4)
    limit = memory.per_task
    check_workers(memory, {"a": (1, limit)}, source_of(X, y))
    message = (
        r"the worker at b has .* MiB, and its 2 threads need about .* at least (.*)"
    )
    with pytest.raises(MemoryLimitError, match=message) as error:
        check_workers(memory, {"b": (2, limit), "a": (1, limit)}, source_of(X, y))
    text = str(error.value)
    enough = int(text.split("at least ")[1].split()[0].replace(",", "")) * 2**20
    check_workers(memory, {"b": (2, enough)}, source_of(X, y))
    fits = int(text.split("at most ")[1].split()[0])
    smaller = source_of(da.zeros(X.shape, chunks=(fits, 20)), y)
    memory = project_memory(smaller, 21, 2, 4)
    check_workers(memory, {"b": (2, limit)}, smaller)
    assert fits > 100_000


@pytest.mark.cluster
def test_a_cluster_of_small_workers_is_refused_before_anything_is_read(client):
    X = da.zeros((4_000_000, 30), chunks=(2_000_000, 30))
    with pytest.raises(MemoryLimitError, match="has 1,024 MiB, and its 1 threads need"):
        dlogreg.fit(X, da.zeros(4_000_000, chunks=2_000_000))


MEASURE_SPARSE = """
import sys
import dask, numpy as np, scipy.sparse, zarr
import dlogreg
from dlogreg.scheduling import peak_memory

solver = sys.argv[2]
options = {"solver": solver, "tol": 0.1, "alpha": 0.01 * (solver == "lbfgs")}
root = zarr.open_group(sys.argv[1], mode="r")
rng = np.random.default_rng(0)
with dask.config.set(num_workers=2):
    small = scipy.sparse.random_array((20_000, 30), density=0.2, rng=rng, format="csr")
    drawn = (rng.random(20_000) < 0.5).astype(int)
    dlogreg.fit(small, drawn, **options)  # imports, pools
    projected = dlogreg.plan(root["X"], root["y"], **options).memory.total
    before = peak_memory()
    dlogreg.fit(root["X"], root["y"], **options)
    print(peak_memory() - before, projected)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("solver", "columns"), [("newton", 300), ("newton", 800), ("lbfgs", 20_000)]
)
def test_measured_memory_of_sparse_fits_stays_under_the_projection(
    tmp_path, solver, columns
):
    n_rows, per_row = 200_000, 10
    rng = np.random.default_rng(0)
    root = zarr.create_group(tmp_path / "sparse.zarr")
    X = root.create_group("X", attributes={"shape": [n_rows, columns]})
    parts = {
        "indptr": np.arange(n_rows + 1) * per_row,
        "indices": np.sort(rng.integers(0, columns, (n_rows, per_row)), axis=1).ravel(),
        "data": rng.normal(size=n_rows * per_row).astype("f4"),
    }
    for name, values in parts.items():
        X.create_array(name, data=values, chunks=(100_000,))
    y = (parts["data"][::per_row] + rng.logistic(size=n_rows) > 0).astype("i1")
    root.create_array("y", data=y, chunks=(50_000,))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE_SPARSE, str(tmp_path / "sparse.zarr"), solver],
        capture_output=True,
        text=True,
        check=True,
    )
    growth, projected = map(int, done.stdout.split())
    assert growth <= projected + ALLOWANCE


MEASURE_LONG = """
import sys, warnings
import dask, numpy as np, zarr
import dlogreg
from dlogreg.partition import leaves
from dlogreg.scheduling import peak_memory

leaves.LEAF_VECTORS = 0.1  # leaves of few rows, so that there are many of them
warnings.simplefilter("ignore", dlogreg.ConvergenceWarning)
options = {"alpha": 1e-6, "tol": 0.1, "solver": "lbfgs", "inference": False}
root = zarr.open_group(sys.argv[1], mode="r")
with dask.config.set(num_workers=2):
    X, y = root["small"], root["y"][:100]
    dlogreg.fit(X, y, **options)  # imports, pools
    plan = dlogreg.plan(root["X"], root["y"], measure=False, **options)
    before = peak_memory()
    fit = dlogreg.fit(root["X"], root["y"], max_passes=24, **options)
    peaks = [one.tally.peak_memory - before for one in fit.trace]
    print(peak_memory() - before, plan.memory.total, plan.memory.block)
    print(plan.n_tasks, fit.n_passes, *peaks, file=sys.stderr)
"""
VECTORS = 36
"""Of all columns in float64 that a fit by L-BFGS holds at most, with two threads: 12
for curvature pairs, 2 or 3 for every sum over rows that is not yet part of another."""
BLOCKS = 6
"""Times the stored values of a block, in each of the threads."""


def test_many_sparse_columns_take_a_few_dozen_vectors_and_blocks(tmp_path):
    n_rows, per_row, columns = 250_000, 5, 500_000
    rng = np.random.default_rng(0)
    root = zarr.create_group(tmp_path / "long.zarr")
    for name, rows, width in (("small", 100, 50), ("X", n_rows, columns)):
        X = root.create_group(name, attributes={"shape": [rows, width]})
        words = (width * rng.random((rows, per_row)) ** 3).astype("i4")
        parts = {
            "indptr": np.arange(rows + 1) * per_row,
            "indices": np.sort(words, axis=1).ravel(),
            "data": 1 + rng.random(rows * per_row, dtype="f4"),
        }
        for part, values in parts.items():
            X.create_array(part, data=values, chunks=(125_000,))
    y = rng.random(n_rows) < np.where(words[:, 0] % 2, 0.3, 0.7)
    root.create_array("y", data=y.astype("i1"), chunks=(50_000,))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE_LONG, str(tmp_path / "long.zarr")],
        capture_output=True,
        text=True,
        check=True,
    )
    growth, projected, block = map(int, done.stdout.split())
    allowed = 8 * VECTORS * columns + 2 * BLOCKS * block + ALLOWANCE
    assert growth <= allowed, done.stderr
    assert growth <= projected <= 1.6 * growth


PAGES = """
import resource
import numpy as np
import dlogreg

rng = np.random.default_rng(0)
X, y = rng.normal(size=(20_000, 20)), rng.random(20_000) < 0.5
del rng

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range(3):
    dlogreg.fit(X, y, progress=False)
before = faults()
for _ in range(5):
    dlogreg.fit(X, y, progress=False)
print(faults() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="pages of Linux")
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="its allocator")
def test_small_fits_take_their_memory_from_what_others_freed():
    """A slab of 1 MB is 256 pages; every pass had one, and each was mapped anew."""
    told = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")  # Dask's nannies do
    environment = {k: v for k, v in os.environ.items() if k not in told}
    done = subprocess.run(
        [sys.executable, "-c", PAGES],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert int(done.stdout) < 5 * 256


def test_the_peak_of_a_process_is_its_own():
    """What its parent held when it started counts nothing."""
    held = np.ones(300 * 2**17)  # 300 MiB
    code = "from dlogreg.scheduling import peak_memory; print(peak_memory())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert int(said.stdout) < held.nbytes
