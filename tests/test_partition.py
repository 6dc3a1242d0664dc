"""Leaves, the tree over them, and how sources are cut into partitions."""

from __future__ import annotations

from itertools import pairwise

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlogreg.errors import DataError
from dlogreg.evaluation import Evaluation
from dlogreg.kernel import LossKernel
from dlogreg.partition import (
    MAX_LEAVES,
    ROWS_PER_PARAM,
    leaf_bounds,
    partition_rows,
    pick_blocks,
)
from dlogreg.partition.vectors import Vector
from dlogreg.reduction import (
    Reduction,
    add_pairwise,
    compute_shared,
    count_rows,
    sum_partition,
)
from dlogreg.row_kind import RowKind
from dlogreg.source import as_source
from dlogreg.source.blocks import ArrayBlocks

counts_strategy = st.lists(st.integers(0, 500), min_size=1, max_size=300)


def source_of(X, y, weight=None):
    return as_source(X, y, weight, compute=compute_shared, count_rows=count_rows)


def chunked(n_rows, bounds):
    cuts = [0, *sorted(b % (n_rows + 1) for b in bounds), n_rows]
    return tuple(high - low for low, high in pairwise(cuts))


@given(counts_strategy, st.integers(1, 50))
def test_leaves_cover_the_blocks_and_hold_enough_rows(counts, n_params):
    bounds = leaf_bounds(len(counts), counts, n_params)
    assert bounds[0] == 0
    assert bounds[-1] == len(counts)
    assert all(low < high for low, high in pairwise(bounds))
    assert len(bounds) - 1 <= MAX_LEAVES
    rows = [sum(counts[low:high]) for low, high in pairwise(bounds)]
    if len(rows) > 1:
        assert min(rows) >= ROWS_PER_PARAM * n_params


def test_many_blocks_make_at_most_4096_leaves():
    assert len(leaf_bounds(100_000, [9] * 100_000, 1)) - 1 <= MAX_LEAVES
    assert len(leaf_bounds(100_000, None, 1)) - 1 <= MAX_LEAVES
    assert leaf_bounds(3, None, 5) == (0, 1, 2, 3)
    assert leaf_bounds(2, [3, 4], 5) == (0, 2)


def test_leaves_of_mixed_rows_are_worth_their_matrix():
    counts = [100_000] * 100

    def n_leaves(n_params, order=2):
        kind = RowKind.MIXED
        return len(leaf_bounds(100, counts, n_params, order, 8.0, kind)) - 1

    assert n_leaves(20) == 100
    assert n_leaves(1000) == 20  # of half a million rows, as many as k^2 / 2
    assert n_leaves(2500) == 4  # not less than a quarter of the rows
    assert n_leaves(2500, order=1) == 100


@given(st.lists(st.integers(1, 40), min_size=1, max_size=80), st.integers(1, 40))
def test_partitions_are_aligned_runs_of_the_same_leaves(counts, n_partitions):
    X = da.ones((sum(counts), 2), chunks=(tuple(counts), 2))
    source = source_of(X, da.ones(sum(counts), chunks=(tuple(counts),)))
    leaves = leaf_bounds(len(counts), counts, 2)
    parts = partition_rows(source, 2, n_partitions)
    assert len(parts) <= n_partitions
    borders = [p.first_block + leaf for p in parts for leaf in p.leaves[1:]]
    assert borders == list(leaves[1:])
    sizes = [len(p.leaves) - 1 for p in parts]
    assert len(sizes) == 1 or sizes[0] & (sizes[0] - 1) == 0
    assert all(size == sizes[0] for size in sizes[:-1])
    assert sizes[-1] <= sizes[0]


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=200), st.integers(0, 5))
def test_pairs_are_added_like_aligned_runs(values, power):
    """The tree of all leaves is the tree of the nodes of any runs of 2**k leaves."""

    class Term:
        def __init__(self, text):
            self.text = text

        def __add__(self, other):
            return Term(f"({self.text}+{other.text})")

    terms = [Term(str(value)) for value in values]
    run = 2**power
    nodes = [add_pairwise(terms[i : i + run]) for i in range(0, len(terms), run)]
    assert add_pairwise(nodes).text == add_pairwise(terms).text


@pytest.mark.parametrize("n_partitions", [1, 2, 5, 8, 32, 10_000])
def test_any_number_of_partitions_gives_the_same_bits(binary_data, n_partitions):
    X, y, weight = binary_data
    source = source_of(da.from_array(X, chunks=(60, 4)), y, weight)
    kernel = LossKernel(np.array([-2, 0.3, 1e-4, 0, 1.0]), X.mean(axis=0), 1)

    def total(n):
        partitions = partition_rows(source, 5, n)
        assert len(partitions) <= n
        return Reduction(partitions).sum(kernel)[0]

    whole, cut = total(1), total(n_partitions)
    assert len(partition_rows(source, 5, 10_000)) == 100
    assert isinstance(cut, Evaluation)
    assert cut.loss == whole.loss
    assert cut.gradient.tobytes() == whole.gradient.tobytes()
    assert cut.hessian.tobytes() == whole.hessian.tobytes()


def test_a_left_fold_would_not_give_the_same_bits(binary_data):
    """The test above can fail: sums in another order differ in their last bits."""
    X, y, _ = binary_data
    source = source_of(da.from_array(X, chunks=(60, 4)), y)
    kernel = LossKernel(np.array([-2, 0.3, 1e-4, 0, 1.0]), X.mean(axis=0), 1)
    parts = partition_rows(source, 5, 10_000)
    nodes = [sum_partition(kernel, part, part.inputs)[0] for part in parts]
    folded = nodes[0]
    for node in nodes[1:]:
        folded = folded + node
    assert folded.hessian.tobytes() != add_pairwise(nodes).hessian.tobytes()


@given(
    st.integers(0, 300),
    st.lists(st.integers(0, 10**6), max_size=12),
    st.lists(st.integers(0, 10**6), max_size=12),
    st.integers(1, 9),
)
def test_fields_cut_otherwise_than_the_matrix_stay_aligned(
    n_rows, cuts, y_cuts, n_partitions
):
    n_rows += 1
    rows = np.arange(n_rows)
    X = da.from_array(rows[:, None], chunks=(chunked(n_rows, cuts), 1))
    y = da.from_array(rows, chunks=(chunked(n_rows, y_cuts),))
    source = source_of(X, y, sample_weight := rows.astype(float))
    seen = []
    for partition in partition_rows(source, 1, n_partitions):
        for leaf in partition.stream(partition.inputs):
            for block in leaf:
                assert block.start == (seen[-1] + 1 if seen else 0)
                np.testing.assert_array_equal(block.X[:, 0], block.y)
                np.testing.assert_array_equal(block.sample_weight, block.y)
                seen.extend(block.y.tolist())
    assert seen == rows.tolist() == sample_weight.tolist()


@pytest.mark.parametrize(("skip", "n_rows"), [(0, 100), (30, 20), (60, 40), (0, 10)])
def test_of_a_block_much_longer_than_the_run_only_its_rows_are_kept(skip, n_rows):
    values = np.arange(300.0)
    blocks = ArrayBlocks("y", values, (0, 100, 300))
    vector = Vector("y", blocks.take(0, 1), skip, n_rows)
    reader = vector.reader(vector.blocks.inputs)
    first = reader.read(n_rows // 2)
    rest = reader.read(n_rows - n_rows // 2)
    np.testing.assert_array_equal([*first, *rest], values[skip : skip + n_rows])
    assert np.shares_memory(first, values) == (n_rows > 50)


def test_pilot_blocks_are_spread_and_not_empty():
    chunks = (0, 5, 0, 5, 5, 0, 5, 5, 5, 0)
    X = da.ones((30, 2), chunks=(chunks, 2))
    parts = pick_blocks(source_of(X, np.arange(30) % 2), 4)
    assert [part.first_block for part in parts] == [1, 4, 6, 8]
    assert [part.first_row for part in parts] == [0, 10, 15, 25]
    few = source_of(da.ones((5, 2), chunks=(5, 2)), [0, 1, 0, 1, 1])
    assert len(pick_blocks(few, 4)) == 1


def test_cutting_many_blocks_takes_time_in_proportion(monkeypatch):
    """The row at which each block begins is added up once, not for every partition."""
    import dlogreg.partition.cutting as room

    calls = []
    accumulate = room.accumulate
    monkeypatch.setattr(
        room, "accumulate", lambda counts: calls.append(1) or accumulate(counts)
    )
    X = da.ones((40_000, 1), chunks=(10, 1))
    source = source_of(X, np.zeros(40_000))
    calls.clear()
    assert len(partition_rows(source, 1, 4096)) == 4000
    assert len(calls) == 2


def test_blocks_of_unknown_length_that_do_not_match_are_refused():
    X = da.ones((20, 2), chunks=(10, 2))
    y = da.ones(25, chunks=(10, 15))
    y = y[y > 0]
    source = source_of(X, y)
    (partition,) = partition_rows(source, 1, 1)
    with pytest.raises(DataError, match=r"block 1: X has 10 rows but y has 15"):
        list(map(list, partition.stream(partition.inputs)))


@pytest.mark.parametrize("wrong", ["X", "y"])
def test_blocks_of_another_length_than_declared_are_refused(wrong):
    """Rows of y would silently belong to other rows of X."""
    X, y = da.ones((40, 2), chunks=(10, 2)), da.ones(40, chunks=5)

    def cut(block, block_info=None):
        return block[:4] if block_info[0]["chunk-location"][0] == 1 else block

    if wrong == "X":
        X = X.map_blocks(cut, dtype=X.dtype, chunks=X.chunks)
    else:
        y = y.map_blocks(cut, dtype=y.dtype, chunks=y.chunks)
    (partition,) = partition_rows(source_of(X, y), 1, 1)
    with pytest.raises(DataError, match=rf"a block of {wrong} holds 4 rows"):
        list(map(list, partition.stream(partition.inputs)))
