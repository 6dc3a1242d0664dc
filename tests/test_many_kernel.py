"""Many models from one read: each equals its own evaluation, whatever the blocks."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlogreg.errors import DataError
from dlogreg.kernel import LossKernel, ManyKernel, Rows
from dlogreg.kernel.folds import hashed, row_numbers
from dlogreg.kernel.outcomes import ColumnOutcome, LabelOutcome
from dlogreg.kernel.part_sums import PartSumsKernel
from dlogreg.kernel.parts import RandomParts
from dlogreg.partition import partition_rows
from dlogreg.reduction import Reduction, compute_shared, count_rows
from dlogreg.source import as_source


def problem(seed, n_rows=700, n_features=3):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features)) + [5.0, 0.0, -2.0][:n_features]
    y = np.where(rng.random(n_rows) < 0.4, "yes", "no")
    return X, y, rng.integers(0, 4, n_rows).astype(float), rng


def summed(kernel, rows):
    sums, buffers = kernel.start(), kernel.open()
    kernel.add(sums, rows, buffers)
    return kernel.finish(sums)


@given(
    seed=st.integers(0, 1000),
    n_models=st.integers(1, 40),
    weighted=st.booleans(),
    fit_intercept=st.booleans(),
)
def test_every_model_equals_its_own_evaluation(seed, n_models, weighted, fit_intercept):
    X, y, weight, rng = problem(seed)
    rows = Rows(X, y, weight if weighted else None)
    centre = X.mean(axis=0) if fit_intercept else np.zeros(3)
    params = rng.normal(size=(3 + fit_intercept, n_models))
    moves = rng.normal(size=params.shape)
    chosen = tuple(range(0, n_models, 7))
    class_weight = (("yes", 2.5),) if seed % 2 else ()
    many = summed(
        ManyKernel(params, centre, "yes", fit_intercept, moves, chosen, class_weight),
        rows,
    )
    Z = X - centre
    Z = np.column_stack([np.ones(len(X)), Z]) if fit_intercept else Z
    counted = weight > 0 if weighted else np.ones(len(X), dtype=bool)
    np.testing.assert_allclose(
        many.reaches, np.abs(Z[counted] @ moves).max(axis=0), rtol=1e-12
    )
    for b in range(n_models):
        kernel = LossKernel(
            params[:, b], centre, "yes", fit_intercept, class_weight=class_weight
        )
        alone = summed(kernel, rows)
        assert many.losses[b] == pytest.approx(alone.loss, rel=1e-13)
        scale = np.abs(alone.gradient).max()
        np.testing.assert_allclose(
            many.gradients[:, b], alone.gradient, rtol=1e-11, atol=1e-12 * scale
        )
        if b in chosen:
            hessian = many.hessians[chosen.index(b)]
            np.testing.assert_allclose(hessian, alone.hessian, rtol=1e-11, atol=1e-10)


@given(seed=st.integers(0, 1000), n_models=st.integers(1, 40), holes=st.booleans())
def test_models_of_several_outcomes_equal_their_own_evaluations(seed, n_models, holes):
    X, _, weight, rng = problem(seed)
    Y = (rng.random((len(X), 5)) < 0.4).astype(float)
    if holes:
        Y[rng.random(Y.shape) < 0.1] = np.nan
    outcomes = tuple(ColumnOutcome(int(j)) for j in rng.integers(0, 5, n_models))
    centre, params = X.mean(axis=0), rng.normal(size=(4, n_models))
    chosen = tuple(range(0, n_models, 7))
    rest = (True, None, chosen, (), outcomes, True)
    many = summed(ManyKernel(params, centre, 1, *rest), Rows(X, Y, weight))
    for b, outcome in enumerate(outcomes):
        y = Y[:, outcome.position]
        known = ~np.isnan(y)
        rows = Rows(X[known], y[known], weight[known])
        closing = LossKernel(params[:, b], centre, 1, precision="closing")
        alone = summed(closing, rows)
        assert many.losses[b] == pytest.approx(alone.loss, rel=1e-12)
        scale = np.abs(alone.gradient).max()
        np.testing.assert_allclose(
            many.gradients[:, b], alone.gradient, rtol=1e-11, atol=1e-12 * scale
        )
        if b in chosen:
            for found, expected in (
                (many.hessians, alone.hessian),
                (many.meats, alone.meat),
            ):
                one = found[chosen.index(b)]
                np.testing.assert_allclose(one, expected, rtol=1e-11, atol=1e-10)


def test_labels_are_outcomes_against_the_rest():
    X, y, weight, rng = problem(8)
    params = np.tile(rng.normal(size=(4, 1)), 2)
    outcomes = (LabelOutcome("yes"), LabelOutcome("no"))
    kernel = ManyKernel(params, X.mean(axis=0), 1, outcomes=outcomes)
    many = summed(kernel, Rows(X, y, weight))
    for b, label in enumerate(("yes", "no")):
        alone = summed(
            LossKernel(params[:, b], X.mean(axis=0), label), Rows(X, y, weight)
        )
        assert many.losses[b] == pytest.approx(alone.loss, rel=1e-12)
        np.testing.assert_allclose(many.gradients[:, b], alone.gradient, rtol=1e-9)


def test_rows_and_models_beyond_the_cache_are_taken_in_groups(monkeypatch):
    X, y, weight, rng = problem(3, n_rows=3000)
    params = rng.normal(size=(4, 50))
    kernel = ManyKernel(params, X.mean(axis=0), "yes", hessian_of=(0, 49))
    rows = Rows(X, y, weight)
    whole = summed(kernel, rows)
    monkeypatch.setattr("dlogreg.kernel.many.CACHE_VALUES", 5000)
    grouped = summed(kernel, rows)
    np.testing.assert_allclose(grouped.losses, whole.losses, rtol=1e-13)
    np.testing.assert_allclose(grouped.gradients, whole.gradients, rtol=1e-10)
    np.testing.assert_array_equal(grouped.hessians[1], whole.hessians[1])


def reduced(kernel, *arrays):
    source = as_source(*arrays, compute=compute_shared, count_rows=count_rows)
    return Reduction(partition_rows(source, 4, 8)).sum(kernel)[0]


def test_schedulers_give_the_same_bits(small_blocks):
    X, y, weight, rng = problem(1, n_rows=5000)
    kernel = ManyKernel(rng.normal(size=(4, 9)), X.mean(axis=0), "yes", hessian_of=(2,))
    found = []
    for scheduler, workers in (("synchronous", 1), ("threads", 2), ("threads", 5)):
        with dask.config.set(scheduler=scheduler, num_workers=workers):
            found.append(reduced(kernel, X, y, weight))
    for other in found[1:]:
        np.testing.assert_array_equal(other.losses, found[0].losses)
        np.testing.assert_array_equal(other.gradients, found[0].gradients)
        np.testing.assert_array_equal(other.hessians[0], found[0].hessians[0])


def test_parts_are_even_and_depend_on_the_seed():
    rows = Rows(np.empty((200_000, 0)), np.zeros(200_000), start=0)
    first, second = (RandomParts(5, seed).of(rows) for seed in (0, 1))
    for part in (first, second):  # 5 standard deviations of a share
        share = np.bincount(part) / len(rows)
        np.testing.assert_allclose(share, 0.2, atol=5 * np.sqrt(0.16 / len(rows)))
    assert np.mean(first == second) == pytest.approx(0.2, abs=5e-3)
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 0.02


def test_the_hash_is_splitmix64():
    # the first outputs of SplitMix64 with state 1234567, from Vigna's splitmix64.c
    # (https://prng.di.unimi.it/splitmix64.c), which steps before it mixes
    def reference(state):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    assert reference(1234567) == 6457827717110365317
    golden = 0x9E3779B97F4A7C15
    for seed in (0, 7, 2**40):
        start = (seed * golden ^ 0xD1B54A32D192ED03) % 2**64
        wanted = [reference((start + (n - 1) * golden) % 2**64) for n in range(1, 5)]
        found = hashed(np.arange(1, 5, dtype=np.uint64), seed)
        assert found.tolist() == wanted


def test_rows_of_unknown_number_cannot_be_drawn():
    X, y, _, rng = problem(4)
    blocks, labels = da.from_array(X, chunks=(100, 3)), da.from_array(y, chunks=100)
    some = labels != "maybe"
    kernel = PartSumsKernel(
        rng.normal(size=(4, 2)), RandomParts(2), X.mean(axis=0), np.ones(4), "yes"
    )
    with pytest.raises(DataError, match="compute_chunk_sizes"):
        reduced(kernel, blocks[some], labels[some])
    rows = Rows(X, y, None, start=40)
    assert row_numbers(next(rows.slabs(7))).tolist() == list(range(40, 47))
