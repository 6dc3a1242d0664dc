"""Memory of many models: refused before anything is read, and never measured above."""

from __future__ import annotations

import subprocess
import sys

import dask.array as da
import numpy as np
import pytest
import zarr
from distributed.system import MEMORY_LIMIT

import dlogreg
from dlogreg import MemoryLimitError, scheduling
from dlogreg.memory import many_models
from dlogreg.waiting import Workers
from tests.counting import counted_array, forget, reads
from tests.test_memory import ALLOWANCE


def drawn(n_rows=4000, n_features=30):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features))
    return X, X[:, 0] + rng.logistic(size=n_rows) > 0


CALLS = {
    "path": lambda X, y, n, **o: dlogreg.path(X, y, n_alphas=n, **o),
    "grid": lambda X, y, n, **o: dlogreg.cross_validate(X, y, n_alphas=n, **o),
    "grid with AUC": lambda X, y, n, **o: dlogreg.cross_validate(
        X, y, n_alphas=n, scoring="auc", folds="time", **o
    ),
}


def number_that_fits(message):
    return int(str(message).split("take at most ")[1].split()[0].replace(",", ""))


@pytest.mark.parametrize("name", CALLS)
def test_too_many_models_are_refused_before_anything_is_read(name):
    X, y = drawn()
    rows = counted_array("many memory", X, 1000)
    call, limit = CALLS[name], "200 MB"
    with pytest.raises(MemoryLimitError, match=r"memory_limit of 191 MiB.*alphas") as e:
        call(rows, y, 9999, memory_limit=limit)
    assert reads("many memory") == []
    fits = number_that_fits(e.value)
    assert 1 < fits < 9999
    with pytest.raises(MemoryLimitError):
        call(rows, y, fits + 1, memory_limit=limit)
    assert reads("many memory") == []
    X, y = drawn(300)
    free, limited = call(X, y, 5), call(X, y, 5, memory_limit="2 GB")
    np.testing.assert_array_equal(limited.params, free.params)


def test_where_nothing_fits_no_number_is_named():
    X, y = drawn()
    with pytest.raises(MemoryLimitError) as error:
        dlogreg.path(X, y, memory_limit="1 MB")
    assert "take at most" not in str(error.value)


def test_too_many_replicates_are_refused_before_anything_is_read():
    X, y = drawn()
    rows = counted_array("replicates", X, 1000)
    res = dlogreg.fit(rows, y)
    forget("replicates")
    with pytest.raises(MemoryLimitError, match="replicates") as error:
        res.bootstrap(50_000, memory_limit="200 MB")
    assert reads("replicates") == []
    fits = number_that_fits(error.value)
    assert 10 < fits < 50_000
    found = res.bootstrap(4, memory_limit="500 MB")
    np.testing.assert_array_equal(found.params, res.bootstrap(4).params)
    with pytest.raises(ValueError, match="memory_limit must be a positive number"):
        res.bootstrap(4, memory_limit="much")


@pytest.mark.cluster
def test_workers_that_are_too_small_are_named(client, monkeypatch):
    X = da.zeros((4_000_000, 30), chunks=(300_000, 30))
    y = da.zeros(4_000_000, chunks=300_000)
    with pytest.raises(MemoryLimitError, match=r"has 1,024 MiB.*take at most"):
        dlogreg.cross_validate(X, y, n_alphas=9000)
    with pytest.raises(MemoryLimitError, match="has 1,024 MiB"):
        dlogreg.path(da.zeros((4_000_000, 30), chunks=(2_000_000, 30)), y)
    clf = dlogreg.LogisticRegressionCV(Cs=9000)
    with pytest.raises(MemoryLimitError, match=r"take at most .* Cs by l1_ratios"):
        clf.fit(X, y)
    X, y = drawn()
    res = dlogreg.fit(da.from_array(X, chunks=(1000, 30)), y)
    small = Workers("same", {}, {"tcp://small": (1, 60 * 2**20)})
    monkeypatch.setattr(many_models, "living_workers", lambda client: small)
    with pytest.raises(MemoryLimitError, match=r"at tcp://small has 60 MiB.*take at"):
        res.bootstrap(20_000)


MEASURE = """
import sys
import dask, numpy as np, zarr
import dlogreg
from dlogreg.memory import many_models
from dlogreg.scheduling import peak_memory

what = sys.argv[2]
projected = []
checked = many_models.check_memory
def noted(memory, *rest):
    projected.append(memory.total)
    checked(memory, *rest)
many_models.check_memory = noted
rng = np.random.default_rng(0)
warm = rng.normal(size=(20_000, 3))
root = zarr.open_group(sys.argv[1], mode="r")

def run(X, y):
    if what == "bootstrap":
        return dlogreg.fit(X, y, inference=False).bootstrap(600, max_passes=4)
    if what == "path":
        return dlogreg.path(X, y, n_alphas=60, tol=0.01)
    scoring = "auc" if what == "auc" else "log_loss"
    return dlogreg.cross_validate(X, y, n_alphas=12, scoring=scoring)

with dask.config.set(num_workers=2):
    small = zarr.create_array(zarr.storage.MemoryStore(), shape=warm.shape,
                              chunks=(1000, 3), dtype="f8")
    small[:] = warm
    run(small, (warm[:, 0] + rng.logistic(size=20_000) > 0).astype(int))
    before = peak_memory()
    run(root["X"], root["y"])
    print(peak_memory() - before, projected[-1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["log_loss", "auc", "path", "bootstrap", "classes"])
@pytest.mark.parametrize("columns", [10, 120])
def test_measured_memory_stays_under_the_projection(tmp_path, what, columns):
    n_rows, rows = 6_000_000 // columns, 10_000
    root = zarr.create_group(tmp_path / "data.zarr")
    shape = (n_rows, columns)
    X = root.create_array("X", shape=shape, chunks=(rows, columns), dtype="f4")
    y = root.create_array("y", shape=(n_rows,), chunks=(rows,), dtype="i1")
    rng = np.random.default_rng(0)
    values = rng.normal(size=shape).astype("f4")
    X[:] = values
    eta = values[:, 0] + rng.logistic(size=n_rows)
    y[:] = np.searchsorted([-1, 1], eta) if what == "classes" else eta > 0
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "data.zarr"), what],
        capture_output=True,
        text=True,
        check=True,
    )
    growth, projected = map(int, done.stdout.split())
    assert growth <= projected + ALLOWANCE
    assert projected <= 20 * growth + 2**28  # of no use if it were far too large


def test_more_than_the_machine_has_is_refused_without_a_limit(monkeypatch):
    X, y = np.zeros((400, 2)), np.arange(400) % 2
    X[:, 0], X[:, 1] = np.arange(400) % 7, np.arange(400) % 11
    res = dlogreg.fit(X, y)
    with pytest.raises(
        MemoryLimitError, match=r"the machine has .* MiB.*or take at most .* replicates"
    ):
        res.bootstrap(10**13)
    monkeypatch.setattr(many_models, "machine_memory", lambda: 2**20)
    with pytest.raises(MemoryLimitError, match="the machine has 1 MiB; use a larger"):
        res.bootstrap(4)
    with pytest.raises(MemoryLimitError, match="the machine has 1 MiB; use a larger"):
        dlogreg.path(X, y)
    assert len(res.bootstrap(4, memory_limit="1 GB").params) == 4


def test_the_machine_has_the_memory_that_distributed_finds():
    assert scheduling.machine_memory() == MEMORY_LIMIT
