"""Kernels over compressed rows against the same rows made dense."""

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
    Rows,
    SparseSlab,
    TrialPointsKernel,
    as_dense,
    open_slab,
)
from dlogreg.kernel.census import CensusKernel
from dlogreg.kernel.many import ManyKernel
from dlogreg.kernel.sparse_slab import DENSE_FROM
from dlogreg.standardization import Standardization
from dlogreg.survey import PilotRows, SurveyKernel
from dlogreg.survey.pilot import LEAST_CENTRED
from tests.test_kernel import evaluate


def compressed(n, d, density, seed=0, dtype="f8"):
    """Return rows with empty rows, empty columns and stored zeros, and a centre."""
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((n, d)) < density, rng.normal(2, 3, (n, d)), 0.0)
    X[rng.random(n) < 0.1] = 0.0
    X[:, rng.random(d) < 0.1] = 0.0
    X = np.round(X, 2).astype(dtype)
    csr = sp.csr_array(X)
    if csr.nnz:
        csr.data[rng.random(csr.nnz) < 0.05] = 0
    centre = np.where(rng.random(d) < 0.5, rng.normal(size=d), 0.0)
    return CSR.of(csr), centre


def pair(n, d, density, seed=0, weighted=True, dtype="f8"):
    """Return the same rows compressed and dense, and a centre."""
    X, centre = compressed(n, d, density, seed, dtype)
    rng = np.random.default_rng(seed + 1)
    y = rng.integers(0, 2, n)
    weight = rng.integers(0, 3, n).astype(float) if weighted else None
    return Rows(X, y, weight), Rows(as_dense(X), y, weight), centre


def close(found, expected, size=None):
    """Agree to 1e-12 of the largest element: sums of both signs cancel."""
    size = max(1e-300, np.abs(expected).max()) if size is None else size
    np.testing.assert_allclose(found / size, expected / size, rtol=0, atol=1e-12)


shapes = st.tuples(
    st.integers(1, 300), st.integers(1, 60), st.sampled_from([0.0, 0.02, 0.08, 0.5, 1])
)


@given(shapes, st.booleans(), st.booleans(), st.integers(0, 10**6))
def test_loss_gradient_hessian_and_meat(shape, fit_intercept, weighted, seed):
    sparse, dense, centre = pair(*shape, seed, weighted)
    d = shape[1]
    params = np.random.default_rng(seed).normal(size=d + fit_intercept) / np.sqrt(d)
    if not fit_intercept:
        centre = 0 * centre
    options = {"fit_intercept": fit_intercept, "precision": "closing"}
    kernel = LossKernel(params, centre, 1, sparse=True, **options)
    assert kernel.exact
    found = evaluate(kernel, sparse, sparse)
    expected = evaluate(LossKernel(params, centre, 1, **options), dense, dense)
    assert found.loss == pytest.approx(expected.loss, rel=1e-13)
    close(found.gradient, expected.gradient, size=1 + np.abs(dense.X).sum())
    lower = np.tril(expected.hessian), np.tril(expected.meat)
    close(np.tril(found.hessian), lower[0])
    close(np.tril(found.meat), lower[1])
    np.testing.assert_allclose(found.hessian, found.hessian.T, rtol=1e-9, atol=1e-9)
    assert found.rounding == 0


@pytest.mark.parametrize("density", [DENSE_FROM / 2, 2 * DENSE_FROM])
def test_products_of_sparse_and_of_denser_slabs(density):
    X, centre = compressed(3000, 200, density)
    slab = SparseSlab(centre, fit_intercept=True)
    slab.load(X)
    weight = np.random.default_rng(0).random(3000)
    total = np.zeros((201, 201))
    slab.add_information(total, weight)
    slab.load(X[:100])
    slab.add_information(total, None)
    Z = np.column_stack([np.ones(3000), as_dense(X) - centre])
    expected = (Z * weight[:, None]).T @ Z + Z[:100].T @ Z[:100]
    close(total, expected)


@given(shapes, st.booleans(), st.integers(0, 10**6))
def test_trial_points_and_hessian_products(shape, fit_intercept, seed):
    sparse, dense, centre = pair(*shape, seed)
    if not fit_intercept:
        centre = 0 * centre
    d = shape[1]
    rng = np.random.default_rng(seed)
    params = rng.normal(size=(d + fit_intercept, 4)) / np.sqrt(d)
    size = 1 + np.abs(dense.X).sum() + np.abs(centre).sum() * len(dense)
    options = {"fit_intercept": fit_intercept}
    points = [
        evaluate(
            TrialPointsKernel(
                params, centre, 1, fit_intercept, 4 * fit_intercept, (), rows is sparse
            ),
            rows,
            rows,
        )
        for rows in (sparse, dense)
    ]
    np.testing.assert_allclose(points[0].losses, points[1].losses, rtol=1e-13)
    close(points[0].gradients, points[1].gradients, size)
    if fit_intercept:
        close(points[0].intercept_curvatures, points[1].intercept_curvatures, size)
    products = [
        evaluate(
            HessianProductsKernel(
                params[:, 0], params, centre, 1, sparse=rows is sparse, **options
            ),
            rows,
        )
        for rows in (sparse, dense)
    ]
    close(products[0].gradient, products[1].gradient, size)
    close(products[0].products, products[1].products, size)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i1", "i4", "u2", "?"])
def test_every_type_of_value_and_of_index_is_summed_in_float64(dtype):
    rng = np.random.default_rng(5)
    X = rng.integers(0, 2 if dtype == "?" else 90, size=(900, 30)).astype(dtype)
    X[rng.random(X.shape) < 0.9] = 0
    y, centre = rng.integers(0, 2, 900), rng.normal(size=30)
    params = rng.normal(size=31) / 50
    expected = evaluate(LossKernel(params, centre, 1), Rows(X, y))
    for index in ("i4", "i8"):
        csr = CSR.of(sp.csr_array(X))
        csr = CSR(csr.indptr.astype(index), csr.indices.astype(index), csr.data, 30)
        found = evaluate(LossKernel(params, centre, 1, sparse=True), Rows(csr, y))
        assert found.loss == pytest.approx(expected.loss, rel=1e-13)
        close(found.hessian, expected.hessian)


def test_kernels_of_many_models_and_the_census_take_compressed_rows():
    sparse, dense, centre = pair(2000, 9, 0.2)
    params = np.random.default_rng(1).normal(size=(10, 3)) / 5
    kernel = ManyKernel(params, centre, 1, moves=params, hessian_of=(0, 2))
    found, expected = evaluate(kernel, sparse), evaluate(kernel, dense)
    np.testing.assert_array_equal(found.gradients, expected.gradients)
    np.testing.assert_array_equal(found.hessians[1], expected.hessians[1])
    kernel = CensusKernel((0, 1), centre, np.ones(10), fit_intercept=True)
    found, expected = evaluate(kernel, sparse), evaluate(kernel, dense)
    np.testing.assert_array_equal(found.reach, expected.reach)


# Rows


def test_formats_duplicates_and_order_are_put_right_without_touching_the_user_s():
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, 20, 200), rng.integers(0, 7, 200)
    values = rng.normal(size=200)
    coo = sp.coo_array((values, (rows, columns)), shape=(20, 7))
    dense = coo.toarray()
    order = np.lexsort((-columns, rows))
    counts = np.bincount(rows, minlength=20)
    raw = sp.csr_matrix(
        (values[order], columns[order], np.concatenate([[0], counts.cumsum()])),
        shape=(20, 7),
    )
    assert not raw.has_canonical_format
    before = raw.indices.copy()
    for matrix in (coo, raw, sp.csc_array(dense), sp.lil_array(dense), dense):
        X = CSR.of(matrix)
        np.testing.assert_allclose(as_dense(X), dense, atol=1e-15)
        assert (
            len(np.unique(X.indices[X.indptr[3] : X.indptr[4]])) == np.diff(X.indptr)[3]
        )
    np.testing.assert_array_equal(raw.indices, before)
    canonical = sp.csr_array(dense)
    assert np.shares_memory(CSR.of(canonical).data, canonical.data)


def test_rows_are_cut_as_views_and_picked_as_copies():
    X, _ = compressed(50, 8, 0.3)
    dense = as_dense(X)
    assert X.shape == dense.shape
    assert len(X) == 50
    piece = X[10:30][5:100]
    np.testing.assert_array_equal(as_dense(piece), dense[15:30])
    assert np.shares_memory(piece.data, X.data)
    np.testing.assert_array_equal(as_dense(X[40:30]), dense[40:30])
    np.testing.assert_array_equal(as_dense(X[::7]), dense[::7])
    picked = np.array([3, 3, 49, 0])
    np.testing.assert_array_equal(as_dense(X[picked]), dense[picked])
    joined = CSR.concatenated([X[:20], X[20:20], X[20:]])
    np.testing.assert_array_equal(as_dense(joined), dense)
    assert X.nbytes == X.indptr.nbytes + X.indices.nbytes + X.data.nbytes
    assert Rows(X, np.zeros(50)).n_bytes == X.nbytes + 400


@pytest.mark.parametrize("column", [-1, 7])
def test_columns_that_do_not_exist_are_refused(column):
    X = sp.csr_array(np.eye(7))
    X.indices[3] = column
    with pytest.raises(DataError, match=r"in column (-1|7), and there are 7 .* again"):
        CSR.of(X)


def test_columns_of_compressed_rows():
    X, _ = compressed(80, 12, 0.6)
    dense = as_dense(X)
    low, high = X.column_extremes()
    np.testing.assert_array_equal(low, dense.min(axis=0))
    np.testing.assert_array_equal(high, dense.max(axis=0))
    np.testing.assert_allclose(X.column_sums(X.data), dense.sum(axis=0), atol=1e-12)
    full = CSR.of(np.full((4, 2), 3.0))
    assert [side.tolist() for side in full.column_extremes()] == [[3, 3], [3, 3]]


# The first pass


def survey_of(rows, std, **options):
    names = tuple(f"x{j}" for j in range(len(std.mean)))
    return evaluate(SurveyKernel(std, names, **options), rows, rows)


@given(shapes, st.booleans(), st.integers(1, 2), st.integers(0, 10**6))
def test_the_survey_of_compressed_rows_is_that_of_dense_ones(
    shape, fit_intercept, order, seed
):
    sparse, dense, centre = pair(*shape, seed)
    if not fit_intercept:
        centre = 0 * centre
    scale = np.random.default_rng(seed).uniform(0.5, 2, shape[1])
    stds = [Standardization(centre, scale, fit_intercept, kind) for kind in (1, 0)]
    found, expected = (
        survey_of(rows, std, order=order)
        for rows, std in zip((sparse, dense), stds, strict=True)
    )
    if not expected.groups:
        assert not found.groups
        return
    assert found.groups.keys() == expected.groups.keys()
    for label, group in expected.groups.items():
        assert found.groups[label].n_rows == group.n_rows
        assert found.groups[label].weight == group.weight
        close(found.groups[label].z_sum, group.z_sum, size=1 + np.abs(dense.X).sum())
    close(found.second_moments, expected.second_moments)
    weight = dense.sample_weight
    squares = ((dense.X - centre) / scale)[weight > 0] ** 2
    largest = fit_intercept + squares.sum(axis=1).max()
    assert largest * (1 - 1e-15) <= found.max_norm <= largest * (1 + 1e-12) + 1e-300
    for side in ("low", "high"):
        np.testing.assert_array_equal(
            getattr(found.ranges, side), getattr(expected.ranges, side)
        )
    for label, (low, high) in found.ranges.by_label.items():
        own = dense.X[(dense.y == label) & (weight > 0)]
        np.testing.assert_array_equal(low, own.min(axis=0))
        np.testing.assert_array_equal(high, own.max(axis=0))


def test_ranges_by_label_are_left_out_where_nothing_asks_for_them():
    sparse, dense, centre = pair(200, 5, 0.3, weighted=False)
    std = Standardization(centre, np.ones(5), True, True)
    found = survey_of(sparse, std, order=1, by_label=False)
    assert found.ranges.by_label == {}
    np.testing.assert_array_equal(found.ranges.low, dense.X.min(axis=0))
    np.testing.assert_array_equal(found.ranges.high, dense.X.max(axis=0))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "column 'x2' holds NaN in row 107 of X"),
        (-np.inf, "column 'x2' holds infinity in row 107 of X"),
        (1e200, "column 'x2' has values so large that their sum overflows"),
    ],
)
def test_values_that_cannot_be_fitted_are_named(value, message):
    X, centre = compressed(20, 4, 0.5)
    dense = as_dense(X)
    dense[7, 2] = value
    rows = Rows(CSR.of(dense), np.arange(20) % 2, None, 0, 100)
    with pytest.raises(DataError, match=message):
        survey_of(rows, Standardization(centre, np.ones(4), True, True), order=1)


def test_the_pilot_centres_columns_that_are_not_mostly_zero():
    X, _ = compressed(2000, 30, 0.3)
    dense = as_dense(X)
    rare = np.arange(30) % 2 == 0
    dense[np.ix_(np.arange(2000) % 40 != 0, rare)] = 0.0
    dense[:, 1] = 5.0
    pilot = PilotRows((Rows(CSR.of(dense), np.zeros(2000)),))
    std = pilot.standardization(fit_intercept=True)
    stored = (dense != 0).mean(axis=0)
    mean = np.where(stored < LEAST_CENTRED, 0.0, dense.mean(axis=0))
    np.testing.assert_allclose(std.mean, mean, atol=1e-12)
    spread = np.sqrt(((dense - mean) ** 2).mean(axis=0))
    np.testing.assert_allclose(std.scale, np.where(spread > 0, spread, 1), rtol=1e-12)
    assert std.sparse
    plain = pilot.standardization(fit_intercept=False)
    assert not plain.mean.any()
    size = np.sqrt((dense**2).mean(axis=0))
    np.testing.assert_allclose(plain.scale, np.where(size > 0, size, 1), rtol=1e-12)


def test_the_slab_is_chosen_by_a_flag():
    slab = open_slab(np.zeros(3), fit_intercept=True, precision="single", sparse=True)
    assert isinstance(slab, SparseSlab)
    assert slab.rounding == 0
