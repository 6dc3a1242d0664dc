"""Fixtures that several test modules share."""

from __future__ import annotations

import gc
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster
from hypothesis import settings

from dlogreg import layout
from dlogreg.source import blocks, retrying, sparse_store, zarr_store

# so long after a worker has died, LocalCluster closes its nanny if it is not there at
# that moment, though it may be starting anew, slowly or after another death
dask.config.set({"distributed.deploy.lost-worker-timeout": "1 day"})

settings.register_profile("shared cores", deadline=None, max_examples=30)
settings.load_profile("shared cores")


def pytest_collection_finish():
    """Let the garbage collector pass over modules and tests, which live to the end."""
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def short_pauses():
    """Read again at once what cannot be read; here it is not better a second later."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrying, "PAUSE", 0.001)
        yield


@pytest.fixture
def small_blocks(monkeypatch):
    """Cut arrays in memory and in Zarr stores into blocks of a few hundred rows."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 2**13)
    monkeypatch.setattr(zarr_store, "BLOCK_BYTES", 2**13)
    monkeypatch.setattr(sparse_store, "BLOCK_BYTES", 2**13)
    monkeypatch.setattr(layout, "INLINE_BYTES", 0)


def make_cluster(n_workers, *, processes):
    return LocalCluster(
        n_workers=n_workers,
        threads_per_worker=1,
        processes=processes,
        dashboard_address=":0",
        # workers in this process would count its memory as theirs, and pause
        memory_limit="1GiB" if processes else 0,
        silence_logs=50,
    )


@pytest.fixture(scope="session")
def process_cluster():
    """Two workers, each a process of its own, for the whole session."""
    with (
        dask.config.set({"distributed.admin.log-format": "%(message)s"}),
        make_cluster(2, processes=True) as cluster,
    ):
        yield cluster


@pytest.fixture
def client(process_cluster):
    """The active client of the session's cluster."""
    with Client(process_cluster) as client:
        yield client


@pytest.fixture(scope="session")
def process_pool():
    """Two processes for dask's scheduler "processes", which else starts some a pass."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="session")
def binary_data():
    """Rows of varied scale, with weights that leave some out: X, y, sample_weight."""
    rng = np.random.default_rng(11)
    n = 6000
    X = rng.normal(size=(n, 4)) @ rng.normal(size=(4, 4)) + [3.0, 0, -5, 0]
    X[:, 1] *= 1000
    X[:, 3] = rng.random(n) < 0.3
    eta = X @ [0.4, 3e-4, -0.3, 0.7] - 2.5
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    return X, y, rng.integers(0, 4, n).astype(float)
