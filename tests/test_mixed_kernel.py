"""Kernels over mixtures of dense, compressed and coded columns against dense rows."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from dlogreg.errors import DataError
from dlogreg.kernel import (
    CSR,
    HessianProductsKernel,
    LossKernel,
    Mixed,
    MixedSlab,
    Rows,
    SoftmaxKernel,
    TrialPointsKernel,
    as_dense,
    open_slab,
)
from dlogreg.kernel.census import CensusKernel
from dlogreg.kernel.discrete import DiscreteKernel
from dlogreg.kernel.extreme_rows import ExtremeRowsKernel
from dlogreg.kernel.face import Face, centred_rows
from dlogreg.kernel.leverages import LeverageKernel
from dlogreg.kernel.many import ManyKernel
from dlogreg.row_kind import RowKind
from dlogreg.standardization import Standardization
from dlogreg.survey import PilotRows, SurveyKernel
from dlogreg.survey.pilot import LEAST_CENTRED
from tests.test_kernel import evaluate
from tests.test_sparse_kernel import close

MIXED = RowKind.MIXED


def mixture(n, n_dense, n_compressed, levels, seed=0):
    """Return mixed rows, the same dense, and a centre that is 0 for some columns.

    A category of L levels has L columns, and rows with none of them. Columns of all
    kinds stand between each other, those of a category together.
    """
    rng = np.random.default_rng(seed)
    kinds = [("d", 1)] * n_dense + [("c", 1)] * n_compressed
    kinds += [("k", level) for level in levels]
    kinds = [kinds[i] for i in rng.permutation(len(kinds))]
    width = sum(size for _, size in kinds)
    X, first = np.zeros((n, width)), 0
    places, dense_columns, compressed_columns = [], [], []
    for kind, size in kinds:
        if kind == "d":
            dense_columns.append(first)
            X[:, first] = rng.normal(3, 2, n)
        elif kind == "c":
            compressed_columns.append(first)
            X[:, first] = np.where(rng.random(n) < 0.3, rng.normal(size=n), 0.0)
        else:
            place = first + rng.integers(0, size + 1, n)
            place[place == first + size] = width
            X[np.flatnonzero(place < width), place[place < width]] = 1.0
            places.append(place)
        first += size
    only = np.zeros_like(X)
    only[:, compressed_columns] = X[:, compressed_columns]
    mixed = Mixed(
        X[:, dense_columns],
        np.array(dense_columns, dtype=np.intp),
        np.array(places, dtype=np.int32).reshape(len(places), n),
        width,
        CSR.of(sp.csr_array(only)) if n_compressed else None,
    )
    centre = np.where(rng.random(width) < 0.5, rng.normal(size=width), 0.0)
    return mixed, X, centre


def pair(shape, seed=0, fit_intercept=True):
    """Return rows mixed and dense, weights some of which are zero, and a centre."""
    mixed, X, centre = mixture(*shape, seed)
    rng = np.random.default_rng(seed + 1)
    n = len(X)
    y, weight = rng.integers(0, 2, n), rng.integers(0, 3, n).astype(float)
    offset, groups = rng.normal(size=n), rng.integers(0, 7, n)
    rest = {"sample_weight": weight, "offset": offset, "groups": groups}
    centre = centre if fit_intercept else 0 * centre
    return Rows(mixed, y, **rest), Rows(X, y, **rest), centre


shapes = st.tuples(
    st.integers(1, 300),
    st.integers(0, 4),
    st.integers(0, 3),
    st.lists(st.integers(1, 12), max_size=4),
).filter(lambda shape: shape[1] + shape[2] + len(shape[3]) > 0)


def test_mixtures_are_cut_picked_and_joined_like_arrays():
    mixed, X, _ = mixture(200, 2, 2, [3, 5])
    np.testing.assert_array_equal(as_dense(mixed), X)
    assert mixed.shape == X.shape
    assert (mixed.ndim, mixed.dtype) == (2, X.dtype)
    np.testing.assert_array_equal(as_dense(mixed[20:90][5:30]), X[25:50])
    assert np.shares_memory(mixed[20:90].places, mixed.places)
    picked = np.array([3, 199, 3, 0])
    np.testing.assert_array_equal(as_dense(mixed[picked]), X[picked])
    assert mixed[picked].places[0].flags.c_contiguous
    joined = Mixed.concatenated([mixed[:50], mixed[50:50], mixed[50:]])
    np.testing.assert_array_equal(as_dense(joined), X)
    np.testing.assert_array_equal(as_dense(mixed[:0]), X[:0])
    parts = (mixed.dense, mixed.places, mixed.compressed)
    assert mixed.nbytes == sum(part.nbytes for part in parts)
    stored = X.copy()
    stored[:, mixed.dense_columns] = 0
    np.testing.assert_array_equal(as_dense(mixed.stored()), stored)
    slopes = np.random.default_rng(1).normal(size=(X.shape[1], 2))
    np.testing.assert_allclose(mixed.times(slopes), X @ slopes, atol=1e-12)
    np.testing.assert_allclose(mixed.times(slopes[:, 0]), X @ slopes[:, 0], atol=1e-12)
    low, high = mixed.column_extremes()
    np.testing.assert_array_equal(low, X.min(axis=0))
    np.testing.assert_array_equal(high, X.max(axis=0))


def test_the_slab_is_chosen_by_the_kind():
    slab = open_slab(np.zeros(3), fit_intercept=True, precision="single", sparse=MIXED)
    assert isinstance(slab, MixedSlab)
    assert slab.rounding == 0


@given(shapes, st.booleans(), st.integers(0, 10**6))
def test_loss_gradient_hessian_meat_clusters_and_trials(shape, fit_intercept, seed):
    mixed, dense, centre = pair(shape, seed, fit_intercept)
    d = len(centre)
    rng = np.random.default_rng(seed)
    params, along = rng.normal(size=(2, d + fit_intercept)) / np.sqrt(d)
    options = {
        "fit_intercept": fit_intercept,
        "precision": "closing",
        "direction": along,
        "step_lengths": (1.0, 0.25),
        "class_weight": ((0, 1.0), (1, 1.5)),
        "most_groups": 100,
    }
    kernel = LossKernel(params, centre, 1, sparse=MIXED, **options)
    assert kernel.exact
    found = evaluate(kernel, mixed, mixed)
    expected = evaluate(LossKernel(params, centre, 1, **options), dense, dense)
    assert found.loss == pytest.approx(expected.loss, rel=1e-12)
    size = 1 + np.abs(dense.X - centre).sum()
    close(found.gradient, expected.gradient, size)
    close(found.hessian, expected.hessian)
    close(found.meat, expected.meat)
    np.testing.assert_array_equal(found.hessian, found.hessian.T)
    np.testing.assert_array_equal(found.meat, found.meat.T)
    np.testing.assert_allclose(found.trial_losses, expected.trial_losses, rtol=1e-12)
    assert (found.clusters.keys == expected.clusters.keys).all()
    close(found.clusters.sums, expected.clusters.sums, size)
    columns = [evaluation.closing.columns for evaluation in (found, expected)]
    for name in ("total", "observed", "expected", "information", "bend"):
        close(*(getattr(sums, name) for sums in columns), size)
    assert found.rounding == 0


@given(shapes, st.booleans(), st.integers(0, 10**6))
def test_trial_points_and_hessian_products(shape, fit_intercept, seed):
    mixed, dense, centre = pair(shape, seed, fit_intercept)
    d = len(centre)
    rng = np.random.default_rng(seed)
    params = rng.normal(size=(d + fit_intercept, 4)) / np.sqrt(d)
    size = 1 + np.abs(dense.X - centre).sum()
    kinds = ((mixed, MIXED), (dense, RowKind.DENSE))
    options = (centre, 1, fit_intercept, 4 * fit_intercept)
    points = [
        evaluate(TrialPointsKernel(params, *options, (), kind), rows, rows)
        for rows, kind in kinds
    ]
    np.testing.assert_allclose(points[0].losses, points[1].losses, rtol=1e-12)
    close(points[0].gradients, points[1].gradients, size)
    if fit_intercept:
        bends = [point.intercept_curvatures for point in points]
        close(*bends, size)
    products = [
        evaluate(
            HessianProductsKernel(
                params[:, 0], params, centre, 1, fit_intercept, sparse=kind
            ),
            rows,
        )
        for rows, kind in kinds
    ]
    close(products[0].gradient, products[1].gradient, size)
    close(products[0].products, products[1].products, size)


def survey_of(rows, std, **options):
    names = tuple(f"x{j}" for j in range(len(std.mean)))
    return evaluate(SurveyKernel(std, names, **options), rows, rows)


@given(shapes, st.booleans(), st.integers(1, 2), st.booleans(), st.integers(0, 10**6))
def test_the_survey_of_mixed_rows_is_that_of_dense_ones(
    shape, fit_intercept, order, by_label, seed
):
    mixed, dense, centre = pair(shape, seed, fit_intercept)
    scale = np.random.default_rng(seed).uniform(0.5, 2, len(centre))
    found, expected = (
        survey_of(
            rows,
            Standardization(centre, scale, fit_intercept, kind),
            order=order,
            by_label=by_label,
        )
        for rows, kind in ((mixed, MIXED), (dense, RowKind.DENSE))
    )
    assert found.groups.keys() == expected.groups.keys()
    if not expected.groups:
        return
    size = 1 + np.abs(dense.X - centre).sum()
    for label, group in expected.groups.items():
        assert found.groups[label].n_rows == group.n_rows
        assert found.groups[label].weight == group.weight
        close(found.groups[label].z_sum, group.z_sum, size)
    close(found.second_moments, expected.second_moments)
    kept = dense.sample_weight > 0
    squares = ((dense.X - centre) / scale)[kept] ** 2
    largest = fit_intercept + squares.sum(axis=1).max()
    assert largest * (1 - 1e-15) <= found.max_norm <= largest * (1 + 1e-11)
    np.testing.assert_array_equal(found.ranges.low, expected.ranges.low)
    np.testing.assert_array_equal(found.ranges.high, expected.ranges.high)
    assert (found.ranges.by_label.keys() == found.groups.keys()) is by_label
    coded = np.setdiff1d(np.arange(len(centre)), mixed.X.dense_columns)
    for label, (low, high) in found.ranges.by_label.items():
        own = dense.X[(dense.y == label) & kept]
        np.testing.assert_array_equal(low[coded], own.min(axis=0)[coded])
        np.testing.assert_array_equal(high[coded], own.max(axis=0)[coded])
        theirs = expected.ranges.by_label[label]
        columns = mixed.X.dense_columns
        np.testing.assert_array_equal(low[columns], theirs[0][columns])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "holds NaN in row 107 of X"),
        (-np.inf, "holds infinity in row 107 of X"),
        (1e200, "has values so large that their sum overflows"),
    ],
)
@pytest.mark.parametrize("compressed", [True, False])
def test_values_that_cannot_be_fitted_are_named(value, message, compressed):
    mixed, _, centre = mixture(20, 2, 2, [4], seed=3)
    if compressed:
        place = int(mixed.compressed.indptr[7])
        assert mixed.compressed.indptr[8] > place
        mixed.compressed.data[place] = value
        column = mixed.compressed.indices[place]
    else:
        mixed.dense[7, 1] = value
        column = mixed.dense_columns[1]
    rows = Rows(mixed, np.arange(20) % 2, None, 0, 100)
    std = Standardization(centre, np.ones(len(centre)), True, MIXED)
    with pytest.raises(DataError, match=f"column 'x{column}' {message}"):
        survey_of(rows, std, order=1)


def test_the_pilot_centres_dense_columns_and_levels_that_are_not_rare():
    mixed, X, _ = mixture(4000, 2, 1, [3, 60], seed=1)
    pilot = PilotRows((Rows(mixed[:9], np.zeros(9)), Rows(mixed[9:], np.zeros(3991))))
    std = pilot.standardization(fit_intercept=True)
    assert std.sparse == MIXED
    rare = (X != 0).mean(axis=0) < LEAST_CENTRED
    assert rare.any()
    assert not rare.all()
    mean = np.where(rare, 0.0, X.mean(axis=0))
    np.testing.assert_allclose(std.mean, mean, rtol=1e-12)
    spread = np.sqrt(((X - mean) ** 2).mean(axis=0))
    np.testing.assert_allclose(std.scale, spread, rtol=1e-12)
    assert not pilot.standardization(fit_intercept=False).mean.any()


def test_a_dense_column_far_from_zero_loses_no_digits():
    mixed, X, centre = mixture(3000, 1, 0, [5], seed=2)
    column = mixed.dense_columns[0]
    mixed.dense[:] += 1e9
    X[:, column] = mixed.dense[:, 0]
    centre[column] = 1e9 + 3
    y, params = np.arange(3000) % 2, np.full(7, 0.1)
    rows = Rows(mixed, y), Rows(X, y)
    found = evaluate(LossKernel(params, centre, 1, sparse=MIXED), rows[0])
    expected = evaluate(LossKernel(params, centre, 1), rows[1])
    close(found.hessian, expected.hessian)


def test_slabs_longer_than_a_slab_and_wide_ones_are_summed():
    shape = (MixedSlab.length + 100, 2, 0, [300, 150])
    mixed, dense, centre = pair(shape)
    params = np.random.default_rng(0).normal(size=453) / 9
    found = evaluate(LossKernel(params, centre, 1, sparse=MIXED), mixed)
    expected = evaluate(LossKernel(params, centre, 1), dense)
    close(found.hessian, expected.hessian)
    close(found.gradient, expected.gradient, size=len(dense))


def test_kernels_that_make_slabs_dense_take_mixed_rows():
    mixed, dense, centre = pair((500, 3, 1, [4, 30]))
    rng = np.random.default_rng(1)
    k = len(centre) + 1
    params = rng.normal(size=(k, 3)) / 5
    first, units = params[:, 0], np.ones(k)
    kernels = [
        ManyKernel(params, centre, 1, moves=params, hessian_of=(0, 2)),
        CensusKernel((0, 1), centre, units, fit_intercept=True),
        LeverageKernel(first, np.eye(k), centre, 1),
        DiscreteKernel(first, centre, (1, 7), True),
        ExtremeRowsKernel(params, centre, units, 1, True, 20),
        SoftmaxKernel(params[:, :1].T, centre, (0, 1)),
    ]
    names = ("gradients", "hessians", "reach", "gradient", "slopes", "rows")
    for kernel in kernels:
        found, expected = evaluate(kernel, mixed), evaluate(kernel, dense)
        known = [name for name in names if hasattr(found, name)]
        assert known
        for name in known:
            close(np.array(getattr(found, name)), np.array(getattr(expected, name)))


@given(shapes, st.booleans(), st.integers(0, 10**6))
def test_rows_of_a_face_are_those_of_dense_rows(shape, fit_intercept, seed):
    mixed, dense, centre = pair(shape, seed, fit_intercept)
    slab = MixedSlab(centre, fit_intercept=fit_intercept)
    slab.load(mixed.X)
    z = centred_rows(dense.X, centre, fit_intercept=fit_intercept)
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=z.shape[1])
    close(slab.term_sizes(direction), np.abs(z) @ np.abs(direction))
    # a direction that leaves rows without some columns where they are
    flat = np.where(rng.random(len(centre)) < 0.7, 0.0, rng.normal(size=len(centre)))
    constant = [centre @ flat] * fit_intercept
    flat = np.concatenate([constant, flat])[:, None]
    face = Face(flat, centre, fit_intercept)
    found = face.inside(mixed.X)
    np.testing.assert_array_equal(found, face.inside(dense.X))
    np.testing.assert_array_equal(found, np.abs(dense.X @ flat[-len(centre) :, 0]) == 0)


@given(shapes, st.booleans(), st.booleans(), st.integers(0, 10**6))
def test_extreme_rows_are_those_of_dense_rows(shape, fit_intercept, doubtful, seed):
    mixed, dense, centre = pair(shape, seed, fit_intercept)
    rng = np.random.default_rng(seed)
    k = len(centre) + fit_intercept
    directions = rng.integers(-2, 3, (k, 2)).astype(float)
    units = rng.uniform(0.5, 2, k)
    kernel = ExtremeRowsKernel(
        directions, centre, units, 1, fit_intercept, 7, doubtful=doubtful
    )
    found, expected = (evaluate(kernel, rows, rows) for rows in (mixed, dense))
    for name in ("wrong", "zero", "right"):
        counts = getattr(found.counts, name), getattr(expected.counts, name)
        np.testing.assert_array_equal(*counts)
    for side in ("high", "low"):
        sides = getattr(found, side), getattr(expected, side)
        np.testing.assert_array_equal(sides[0].values, sides[1].values)
        np.testing.assert_array_equal(sides[0].rows, sides[1].rows)
    np.testing.assert_array_equal(found.spread, expected.spread)
    for one, other in zip(found.lowest, expected.lowest, strict=True):
        close(one.margins, other.margins, size=1 + np.abs(dense.X).sum())
