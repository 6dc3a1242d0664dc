"""Rows that wait to be counted: the same bins along any tree, in bounded memory."""

from __future__ import annotations

import pickle
import tracemalloc
from dataclasses import fields
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import t as student

import dlogreg
from dlogreg.checkpoint.encoding import decode, encode
from dlogreg.kernel import binning, score_rows
from dlogreg.kernel.binning import Binned
from dlogreg.kernel.score_rows import (
    FINEST,
    LARGEST,
    OFFSET,
    WAITING,
    ScoreRows,
    counting_bytes,
    held_bytes,
)
from dlogreg.kernel.scores import ScoreCollector, ScoreSums
from dlogreg.tree_sum import TreeSum, add_pairwise

SCALARS = ("n_rows", "loss", "squared_error", "event_probability", "event_score")


def draw(seed, n_rows, shape):
    rng = np.random.default_rng(seed)
    eta = {
        "normal": lambda: rng.normal(size=n_rows) - 1,
        "narrow": lambda: 3 + 1e-8 * rng.normal(size=n_rows),
        "ties": lambda: rng.integers(-3, 4, n_rows) / 4,
        "equal": lambda: np.full(n_rows, 0.5),
        "tails": lambda: student.rvs(1, size=n_rows, random_state=rng),
        "huge": lambda: 1e6 * rng.normal(size=n_rows),
        "halves": lambda: (rng.integers(-9, 9, n_rows) + 0.5) * FINEST,
    }[shape]()
    event = rng.random(n_rows) < expit(eta)
    return eta, event, rng.integers(0, 4, n_rows).astype(float)


SHAPES = ("normal", "narrow", "ties", "equal", "tails", "huge", "halves")


def leaf(rows, capacity, slab=1000):
    collector = ScoreCollector(capacity)
    for low in range(0, len(rows[0]), slab):
        collector.add(*(None if v is None else v[low : low + slab] for v in rows))
    return collector.sums()


def defined(eta, event, weight, capacity):
    """Return level, bins and sums as the modules define them, row by row."""
    weight = np.ones(len(eta)) if weight is None else weight
    keep = weight > 0
    eta, event, weight = eta[keep], event[keep], weight[keep]
    score = np.clip(eta, -LARGEST, LARGEST)
    keys = [round(x / FINEST) + OFFSET - 1 for x in score.tolist()]
    level = 0
    while len({key >> level for key in keys}) > capacity:
        level += 1
    bins = sorted({key >> level for key in keys})
    place = {key: i for i, key in enumerate(bins)}
    sums = np.zeros((4, len(bins)))
    lines = weight * event, weight * ~event, weight * score, weight * expit(eta)
    for i, key in enumerate(keys):
        sums[:, place[key >> level]] += [line[i] for line in lines]
    return level, bins, sums


def close(found, expected):
    scale = 1 + np.abs(expected)
    assert np.abs((found - expected) / scale).max(initial=0) < 1e-12


def same_bits(left, right):
    assert left.level == right.level
    np.testing.assert_array_equal(left.bins, right.bins)
    np.testing.assert_array_equal(left.sums, right.sums)
    for name in SCALARS:
        assert getattr(left, name) == getattr(right, name)


@given(
    seed=st.integers(0, 10**6),
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=9),
    shape=st.sampled_from(SHAPES),
    capacity=st.sampled_from([1, 2, 3, 7, 16, 50, 1000]),
    weighted=st.booleans(),
    short=st.sampled_from([0, 20, 4096]),
    data=st.data(),
)
def test_any_tree_of_any_leaves_gives_the_same(
    seed, sizes, shape, capacity, weighted, short, data
):
    eta, event, weight = draw(seed, sum(sizes), shape)
    rows = (eta, event, weight if weighted else None)
    cuts = np.cumsum(sizes)[:-1]
    split = zip(*(np.split(v, cuts) for v in (eta, event, weight)), strict=True)
    with patch.object(score_rows, "SHORT", short):
        nodes = [leaf((e, y, w if weighted else None), capacity) for e, y, w in split]
        while len(nodes) > 1:
            i = data.draw(st.integers(0, len(nodes) - 2))
            nodes[i : i + 2] = [nodes[i] + nodes[i + 1]]
    found, whole = nodes[0], ScoreSums.of(*rows, capacity)
    level, bins, sums = defined(*rows, capacity)
    for one in (found, whole):
        assert one.level == level
        assert one.bins.tolist() == bins
        np.testing.assert_array_equal(one.sums[:2], sums[:2])
        close(one.sums, sums)
    for name in SCALARS:
        close(getattr(found, name), getattr(whole, name))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_leaf", [30, 700, 3000])
def test_bits_do_not_depend_on_who_adds_which_leaves(shape, n_leaf):
    n_rows, capacity = 16 * n_leaf - 5, 512
    eta, event, _ = draw(1, n_rows, shape)
    ends = range(0, n_rows, n_leaf)
    cut = [slice(low, low + n_leaf) for low in ends]

    def leaves(some):
        return [leaf((eta[c], event[c], None), capacity) for c in some]

    def summed(some):
        tree = TreeSum()
        for one in leaves(some):
            tree.push(one)
        return tree.total()

    whole = summed(cut)
    for run in (1, 2, 4, 8):  # aligned runs of leaves, as tasks take them
        parts = [summed(cut[i : i + run]) for i in range(0, 16, run)]
        sent = [pickle.loads(pickle.dumps(part)) for part in parts]
        same_bits(add_pairwise(sent), whole)


def test_rows_are_the_same_to_the_bit_however_they_are_cut():
    eta, event, weight = draw(2, 5000, "normal")
    held = [leaf((eta, event, weight), 256, slab) for slab in (7, 333, 5000)]
    for one in held[1:]:
        np.testing.assert_array_equal(one.sums, held[0].sums)


@pytest.mark.parametrize("shape", SHAPES)
def test_sorting_and_marking_give_the_same(shape):
    eta, event, weight = draw(3, 4000, shape)
    marked = ScoreSums.of(eta, event, weight, 100)
    with patch.object(binning, "_marked", lambda *_: None):
        same_bits(ScoreSums.of(eta, event, weight, 100), marked)


def test_scores_far_apart_keep_the_bins_that_lie_close():
    eta = np.concatenate([np.linspace(0, 1e-7, 300), [-1000.0, 1000.0]])
    found = ScoreSums.of(eta, eta > 0, None, 200)
    assert found.level == defined(eta, eta > 0, None, 200)[0] < 10


def test_fewer_scores_than_bins_stay_exact_over_many_leaves():
    eta, event, _ = draw(4, 40_000, "ties")
    tree = TreeSum()
    for low in range(0, 40_000, 900):
        tree.push(leaf((eta[low : low + 900], event[low : low + 900], None), 256))
    found = tree.total()
    assert found.exact
    assert found.scores.tolist() == sorted(set(eta.tolist()))
    np.testing.assert_array_equal(
        found.events, [event[eta == v].sum() for v in found.scores]
    )


def nbytes(sums):
    if isinstance(sums.held, Binned):
        return sums.held.bins.nbytes + sums.held.sums.nbytes
    arrays = [getattr(part, f.name) for part in sums.held for f in fields(part)]
    return sum(values.nbytes for values in arrays if values is not None)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_leaf", [400, 3000, 7000, 20_000])
def test_what_a_node_holds_and_sends_is_bounded(n_leaf, weighted):
    capacity, seen = 4096, set()
    nodes = []
    for i in range(8):
        eta, event, weight = draw(i, n_leaf, "normal")
        nodes.append(leaf((eta, event, weight + 1 if weighted else None), capacity))
    while nodes:
        for node in nodes:
            bound = held_bytes(capacity, int(node.n_rows))
            assert nbytes(node) <= bound
            assert len(pickle.dumps(node)) <= bound + 3000
            seen.add(type(node.held))
        pairs = zip(nodes[::2], nodes[1::2], strict=True)
        nodes = [a + b for a, b in pairs] if len(nodes) > 1 else []
    assert Binned in seen or 8 * n_leaf <= WAITING * capacity
    assert tuple in seen or n_leaf > WAITING * capacity


@pytest.mark.parametrize("shape", ["normal", "ties", "tails"])
@pytest.mark.parametrize("weighted", [False, True])
def test_counting_takes_what_is_projected(shape, weighted):
    capacity = 4096
    n_rows = WAITING * capacity
    draws = [draw(i, n_rows, shape) for i in range(2)]
    left, right = (
        leaf((eta, event, weight + 1 if weighted else None), capacity)
        for eta, event, weight in draws
    )
    assert isinstance(left.held, tuple)
    tracemalloc.start()
    try:
        total = left + right
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(total.held, Binned)
    assert peak <= counting_bytes(capacity, None) + held_bytes(capacity, None)


def test_few_rows_are_projected_as_few():
    assert held_bytes(4096, 10) == 400
    assert counting_bytes(4096, 10) < counting_bytes(4096, None) / 1000


def test_asking_for_bins_leaves_no_rows():
    eta, event, _ = draw(5, 500, "normal")
    sums = leaf((eta, event, None), 16_384)
    assert isinstance(sums.held, tuple)
    assert sums.counted() is sums
    assert isinstance(sums.held, Binned)
    same_bits(sums, ScoreSums.of(eta, event))


def test_results_hold_bins_even_before_they_are_asked():
    rng = np.random.default_rng(6)
    X = rng.normal(size=(400, 2))
    y = rng.random(400) < expit(X[:, 0])
    assert isinstance(dlogreg.fit(X, y).scores.held, Binned)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_checkpoint_keeps_rows_that_wait(weighted):
    eta, event, weight = draw(7, 500, "normal")
    sums = leaf((eta, event, weight if weighted else None), 16_384)
    arrays = []
    again = decode(encode(sums, arrays), arrays)
    assert isinstance(again.held[0], ScoreRows)
    same_bits(again, sums)
