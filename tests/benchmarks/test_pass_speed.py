"""What a pass costs: pytest tests/benchmarks --benchmark-enable --benchmark-only."""

import numpy as np
import pytest

import dlogreg
from dlogreg.kernel import LossKernel, Rows
from dlogreg.partition import partition_rows
from dlogreg.reduction import Reduction
from tests.benchmarks.nothing import CountKernel, nothing_source


@pytest.mark.parametrize("n_features", [5, 28, 100, 300])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_kernel(benchmark, n_features, dtype):
    rng = np.random.default_rng(0)
    n_rows = 2_000_000 // n_features
    X = rng.normal(size=(n_rows, n_features)).astype(dtype)
    rows = Rows(X, rng.integers(0, 2, n_rows))
    kernel = LossKernel(np.zeros(n_features + 1), np.zeros(n_features), 1)
    buffers, sums = kernel.open(), kernel.start()
    benchmark.extra_info["bytes"] = X.nbytes
    benchmark(kernel.add, sums, rows, buffers)
    once = kernel.start()
    kernel.add(once, rows, buffers)
    assert once.loss == pytest.approx(n_rows * np.log(2))


def test_a_pass_over_10000_blocks_that_cost_nothing(benchmark):
    reduction = Reduction(partition_rows(nothing_source(10_000), 101, 12))
    node, tally = benchmark(reduction.sum, CountKernel())
    assert node.loss == tally.n_blocks == 10_000
    assert tally.n_tasks <= 12


def test_a_fit_in_memory(benchmark):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100_000, 20))
    y = rng.random(100_000) < 1 / (1 + np.exp(-X[:, 0]))
    res = benchmark(dlogreg.fit, X, y)
    benchmark.extra_info["n_passes"] = res.n_passes
    assert res.error_bound < 1e-4
