"""Memory that is used again: sums keep their bits, and nothing is read after it."""

from __future__ import annotations

import threading
from dataclasses import replace

import dask.array as da
import numpy as np
import pytest

from dlogreg import spare_matrices as module
from dlogreg.kernel import LossKernel, SoftmaxKernel
from dlogreg.partition import Partition, partition_rows
from dlogreg.reduction import compute_shared, count_rows
from dlogreg.reduction.partition_sum import add_nodes, sum_partition
from dlogreg.source import as_source
from dlogreg.spare_matrices import spare_matrices
from tests.benchmarks.nothing import NothingBlocks, ZerosKernel

CENTRE = np.array([1.0, 0, -2, 0])


def partitions_of(binary_data, n_partitions, y=None):
    X, labels, weight = binary_data
    source = as_source(
        da.from_array(X, chunks=(60, 4)),
        labels if y is None else y,
        weight,
        compute=compute_shared,
        count_rows=count_rows,
    )
    return partition_rows(source, 5, n_partitions)


def plain(leaves):
    """Return the sum along the tree, every node in memory of its own."""
    while len(leaves) > 1:
        pairs = zip(leaves[::2], leaves[1::2], strict=False)
        leaves = [a + b for a, b in pairs] + leaves[len(leaves) // 2 * 2 :]
    return leaves[0]


def numbers(sums):
    """Return the bits of everything that a kernel's sums hold."""
    found = [sums.loss, sums.gradient, sums.hessian]
    if sums.meat is not None:
        found.append(sums.meat)
    if sums.closing is not None:
        columns = sums.closing.columns
        found += [getattr(columns, name) for name in columns.__slots__]
    return [np.asarray(value).tobytes() for value in found]


def kernels():
    params = np.array([-2, 0.3, 1e-4, 0, 1.0])
    loss = LossKernel(params, CENTRE, 1)
    three = SoftmaxKernel(np.stack([params, -params]), CENTRE, (0, 1, 2))
    for kernel in (loss, three):
        yield pytest.param(kernel, id=type(kernel).__name__)
        closing = replace(kernel, precision="closing")
        yield pytest.param(closing, id=f"closing {type(kernel).__name__}")
    yield pytest.param(
        replace(loss, precision="closing", fit_intercept=False, params=params[1:]),
        id="closing without intercept",
    )


@pytest.mark.parametrize("kernel", list(kernels()))
def test_sums_have_the_bits_of_sums_in_memory_of_their_own(binary_data, kernel):
    y = None
    if isinstance(kernel, SoftmaxKernel):
        y = np.arange(6000) % 7 % 3
    parts = partitions_of(binary_data, 10_000, y)
    assert len(parts) == 100
    leaves = [sum_partition(kernel, part, part.inputs) for part in parts]
    before = [numbers(leaf[0]) for leaf in leaves]
    expected = numbers(plain([leaf[0] for leaf in leaves]))
    for n in (1, 7, 30):
        few = partitions_of(binary_data, n, y)
        nodes = [sum_partition(kernel, part, part.inputs) for part in few]
        assert numbers(add_nodes(nodes)[0]) == expected
    assert numbers(add_nodes(leaves)[0]) == expected
    assert [numbers(leaf[0]) for leaf in leaves] == before  # others may need them


def test_a_task_holds_a_matrix_for_every_level_of_its_tree(monkeypatch):
    made = []
    zeros = np.zeros

    def note_zeros(shape, *rest):
        made.append(shape)
        return zeros(shape, *rest)

    monkeypatch.setattr(module.np, "zeros", note_zeros)
    part = Partition(NothingBlocks(64), (), tuple(range(65)), 100, 0, None)
    total = sum_partition(ZerosKernel(37), part, part.inputs)[0]
    assert made.count((37, 37)) == 7
    assert not total.hessian.any()
    sum_partition(ZerosKernel(37), part, part.inputs)
    assert made.count((37, 37)) == 8  # the sum of the first task is its reader's


def test_spare_memory_is_zeroed_and_of_the_right_shape():
    with spare_matrices:
        given = np.full((3, 5), 7.0)
        spare_matrices.give(given[:-1])
        assert spare_matrices.zeros((2, 5)).base is None
        again = spare_matrices.zeros((3, 5))
        assert again is given
        assert not again.any()
        assert spare_matrices.zeros((3, 5)) is not given


def test_nothing_is_taken_that_is_not_the_tasks_own():
    given = np.ones((3, 3))
    spare_matrices.give(given)
    with spare_matrices:
        before = len(spare_matrices._spare)
        spare_matrices.give(np.ones((3, 3), "f4"))
        spare_matrices.give(np.asfortranarray(np.ones((3, 3))))
        spare_matrices.give(np.frombuffer(bytes(72)).reshape(3, 3))
        assert spare_matrices.empty((3, 3)) is not given
        assert len(spare_matrices._spare) == before


def test_a_thread_keeps_a_few_small_matrices(monkeypatch):
    monkeypatch.setattr(module, "SMALL_BYTES", 1000)
    monkeypatch.setattr(module, "KEPT", 2)
    small = [np.ones((10, 10)) for _ in range(4)]
    with spare_matrices:
        for matrix in [*small, np.ones((20, 20))]:
            spare_matrices.give(matrix)
        seen = []
        thread = threading.Thread(
            target=lambda: seen.append(spare_matrices.empty((10, 10)))
        )
        thread.start()
        thread.join()
        assert all(seen[0] is not matrix for matrix in small)
    assert spare_matrices.empty((10, 10)) is not small[-1]  # between tasks
    with spare_matrices:
        found = [spare_matrices.empty((10, 10)) for _ in range(4)]
    kept = {id(matrix) for matrix in found} & {id(matrix) for matrix in small}
    assert kept == {id(small[2]), id(small[3])}
