"""Compressed rows of every kind, fitted, predicted and evaluated like dense ones."""

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression as SkLogisticRegression

import dlogreg
from dlogreg import DataError, Status
from dlogreg.kernel import CSR
from dlogreg.memory import project_memory
from dlogreg.partition import leaf_bounds
from tests.counting import forget, note, reads
from tests.reference import exact_optimum

N = 6000


def draw(d=40, density=0.06, seed=0, n=N):
    """Return sparse columns and two dense ones, labels, and weights that leave out."""
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((n, d)) < density, rng.normal(1, 1, (n, d)), 0)
    X[:, 0], X[:, 1] = rng.normal(30, 5, n), rng.random(n) < 0.5
    X[:50] = 0
    slopes = rng.normal(size=d) / 2
    slopes[0] = 0.05
    eta = X @ slopes - 1.5
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    return X, y, rng.integers(0, 3, n).astype(float)


@pytest.fixture(scope="module")
def data():
    return draw()


@pytest.fixture(scope="module")
def dense(data):
    X, y, weight = data
    return dlogreg.fit(X, y, sample_weight=weight, tol=1e-10)


def blocks_of(X, chunks):
    meta = sp.csr_array((0, X.shape[1]))
    return da.from_array(X, chunks=chunks).map_blocks(sp.csr_array, meta=meta)


def kinds(X):
    """Return the same rows in every form that is taken."""
    unknown = blocks_of(X, (700, -1))
    unknown._chunks = ((np.nan,) * len(unknown.chunks[0]), unknown.chunks[1])
    mixed = da.concatenate([blocks_of(X[:999], (333, -1)), da.from_array(X[999:])])
    mixed._meta = sp.csr_array((0, X.shape[1]))
    return {
        "csr_array": sp.csr_array(X),
        "csr_matrix": sp.csr_matrix(X),
        "csc": sp.csc_array(X),
        "coo": sp.coo_matrix(X),
        "blocks": blocks_of(X, (1000, -1)),
        "odd blocks": blocks_of(X, ((1, 2999, 0, 17, 2983), -1)),
        "column blocks": blocks_of(X, (900, 15)),
        "unknown rows": unknown,
        "some blocks dense": mixed,
    }


@pytest.mark.parametrize("kind", list(kinds(np.zeros((N, 40)))))
def test_every_kind_gives_the_fit_of_the_dense_rows(data, dense, kind):
    X, y, weight = data
    rows = kinds(X)[kind]
    if kind == "unknown rows":
        y, weight = (da.from_array(values, chunks=700) for values in (y, weight))
    found = dlogreg.fit(rows, y, sample_weight=weight, tol=1e-10)
    assert found.status is Status.CONVERGED
    expected = np.asarray(dense.params)
    np.testing.assert_allclose(found.params, expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.bse, dense.bse, rtol=1e-8)
    robust = dense.cov_params("HC1")
    np.testing.assert_allclose(found.cov_params("HC1"), robust, rtol=1e-6, atol=1e-10)
    assert found.llf == pytest.approx(dense.llf, rel=1e-12)
    assert found.n_rows == dense.n_rows


def test_standard_errors_are_those_of_the_exact_optimum(data):
    X, y, weight = data
    found = dlogreg.fit(sp.csr_array(X), y, sample_weight=weight, tol=1e-10)
    b, se, _ = exact_optimum(X, y, weight)
    assert np.abs((np.asarray(found.params) - b) / se).max() < 1e-8
    np.testing.assert_allclose(found.bse, se, rtol=1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_a_penalised_fit_is_scikit_learn_s(data, solver, fit_intercept):
    X, y, _ = data
    alpha = 1e-3
    found = dlogreg.fit(
        sp.csr_array(X),
        y,
        alpha=alpha,
        solver=solver,
        tol=1e-7,
        fit_intercept=fit_intercept,
    )
    theirs = SkLogisticRegression(
        C=1 / (alpha * N),
        tol=1e-10,
        solver="newton-cholesky",
        fit_intercept=fit_intercept,
    ).fit(X, y)
    expected = theirs.coef_[0]
    if fit_intercept:
        expected = np.concatenate([theirs.intercept_, expected])
    assert found.status is Status.CONVERGED
    np.testing.assert_allclose(found.params, expected, rtol=1e-6, atol=1e-8)


def test_a_dense_column_far_from_zero_keeps_its_digits(data):
    X, y, _ = data
    X = X.copy()
    X[:, 0] = 2000 + X[:, 0] / 10
    found = dlogreg.fit(sp.csr_array(X), y, tol=1e-8)
    expected = dlogreg.fit(X, y, tol=1e-8)
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-8)
    np.testing.assert_allclose(found.bse, expected.bse, rtol=1e-8)


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.usefixtures("small_blocks")
def test_all_schedulers_give_the_same_bits(data, solver):
    X, y, weight = data
    for rows in (sp.csr_array(X), blocks_of(X, (500, -1))):
        found = []
        for scheduler in ("synchronous", "threads"):
            with dask.config.set(scheduler=scheduler, num_workers=2):
                fit = dlogreg.fit(
                    rows, y, sample_weight=weight, alpha=1e-4, solver=solver
                )
            found.append(np.asarray(fit.params).tobytes())
        assert len(set(found)) == 1


@pytest.mark.cluster
@pytest.mark.usefixtures("small_blocks")
def test_a_cluster_gives_the_same_bits(data, client):
    X, y, weight = data
    with client.as_current():
        found = dlogreg.fit(sp.csr_array(X), y, sample_weight=weight)
    with dask.config.set(scheduler="synchronous"):
        here = dlogreg.fit(sp.csr_array(X), y, sample_weight=weight)
    np.testing.assert_array_equal(found.params, here.params)


def _load(block, block_info=None):
    note("csr", block_info[0]["chunk-location"][0])
    return sp.csr_array(block)


def test_every_block_is_read_once_in_a_pass(data):
    X, y, _ = data
    forget("csr")
    rows = da.from_array(X, chunks=(1500, -1)).map_blocks(
        _load, dtype=float, meta=sp.csr_array((0, 40))
    )
    fit = dlogreg.fit(rows, y, inference=False)
    pilot = 1
    assert reads("csr") == [fit.n_passes + pilot] * 4
    forget("csr")
    lazy = fit.predict(rows)
    assert reads("csr") == []
    lazy.compute(scheduler="synchronous")
    assert reads("csr") == [1] * 4


# After the fit


def test_predictions_are_those_of_the_dense_rows(data, dense):
    X, _, _ = data
    for rows in (sp.csr_array(X), sp.coo_array(X)):
        found = dense.predict(rows)
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, dense.predict(X), rtol=1e-12)
    for chunks in ((1000, -1), (1000, 15)):
        found = dense.predict(blocks_of(X, chunks))
        assert isinstance(found, da.Array)
        np.testing.assert_allclose(found.compute(), dense.predict(X), rtol=1e-12)
    np.testing.assert_array_equal(
        dense.classify(blocks_of(X, (999, -1))).compute(), dense.classify(X)
    )


def test_a_stored_nan_makes_the_prediction_nan(data, dense):
    X = sp.csr_array(data[0][100:103])
    X.data[0] = np.nan
    assert np.isnan(dense.predict(X)).tolist() == [True, False, False]


def test_evaluate_and_tests_that_read_the_rows_again(data, dense):
    X, y, weight = data
    rows = sp.csr_array(X)
    found = dlogreg.evaluate(dense, rows, y, weight)
    expected = dlogreg.evaluate(dense, X, y, weight)
    assert found.auc == pytest.approx(expected.auc, rel=1e-12)
    assert found.brier == pytest.approx(expected.brier, rel=1e-12)
    fit = dlogreg.fit(rows, y, sample_weight=weight, tol=1e-10)
    names = ["x2", "x7"]
    table, theirs = (one.lr_test(terms=names) for one in (fit, dense))
    np.testing.assert_allclose(table.statistics, theirs.statistics, rtol=1e-6)
    for given in ({}, {"X": rows, "y": y, "sample_weight": weight}):
        ends = fit.conf_int(method="profile", names=names, **given)
        expected = dense.conf_int(method="profile", names=names)
        np.testing.assert_allclose(ends, expected, rtol=1e-6)


def test_cluster_robust_errors_and_diagnostics(data):
    X, y, _ = data
    rows, groups = sp.csr_array(X), np.arange(N) // 7
    found, expected = (
        dlogreg.fit(given, y, groups=groups, cov_type="cluster", tol=1e-8)
        for given in (rows, X)
    )
    np.testing.assert_allclose(found.bse, expected.bse, rtol=1e-6)
    for kind in ("pearson", "standardized_deviance"):
        np.testing.assert_allclose(
            found.residuals(kind=kind), expected.residuals(kind=kind), rtol=1e-5
        )


def test_grouped_rows_and_rows_with_missing_values(data):
    X, y, _ = data
    rows, trials = sp.csr_array(X), np.full(N, 3)
    found, expected = (dlogreg.fit(given, y, trials=trials) for given in (rows, X))
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-6, atol=1e-8)
    holes = X.copy()
    holes[100:120, 0] = np.nan
    found = dlogreg.fit(sp.csr_array(holes), y, missing="drop")
    expected = dlogreg.fit(holes, y, missing="drop")
    assert found.n_dropped == expected.n_dropped == 20
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-6, atol=1e-8)


def test_bias_reduction_of_compressed_rows(data):
    X, y, _ = data
    found, expected = (
        dlogreg.fit(given[:800, :6], y[:800], firth=True)
        for given in (sp.csr_array(X), X)
    )
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-6, atol=1e-8)


def test_a_score_test_of_columns_beside_sparse_rows(data):
    X, y, _ = data
    Z = np.random.default_rng(5).normal(size=(N, 2))
    found = dlogreg.fit(sp.csr_array(X), y).score_test(Z)
    expected = dlogreg.fit(X, y).score_test(Z)
    np.testing.assert_allclose(
        found.joint.statistic, expected.joint.statistic, rtol=1e-6
    )
    with pytest.raises(DataError, match=r"Z is sparse; make .* dense"):
        dlogreg.fit(X, y).score_test(sp.csr_array(Z))


def test_errors_of_some_coefficients(data):
    X, y, _ = data
    rows = sp.csr_array(X)
    fit = dlogreg.fit(rows, y, solver="lbfgs", inference=False, tol=1e-6)
    found = fit.errors_of(["x3", "const"], tol=1e-6)
    expected = dlogreg.fit(X, y, tol=1e-8)
    np.testing.assert_allclose(
        found.bse, [expected.bse["x3"], expected.bse["const"]], rtol=1e-5
    )


def test_evaluate_names_a_value_that_is_not_finite(data, dense):
    X, y, _ = data
    bad = sp.csr_array(X)
    place = bad.indptr[4000]
    bad.data[place] = np.inf
    column = bad.indices[place] + 1
    message = f"column 'x{column}' holds infinity in row 4000"
    with pytest.raises(DataError, match=message):
        dlogreg.evaluate(dense, bad, y)
    with pytest.raises(DataError, match=message):
        dlogreg.fit(bad, y)


# What the columns say


def test_constant_and_zero_columns_are_dropped_and_named(data):
    X, y, _ = data
    X = np.column_stack([X, np.zeros(N), np.full(N, 3.0), X[:, 3] * 2])
    for solver in ("newton", "lbfgs"):
        with pytest.warns(dlogreg.CollinearityWarning, match=r"'x41' \(it is constant"):
            found = dlogreg.fit(sp.csr_array(X), y, solver=solver, inference=False)
        names = ["x41", "x42"] + ["x43"] * (solver == "newton")
        assert list(found.dropped) == names
        assert np.isnan(found.params["x41"])


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_a_column_with_one_outcome_is_named(data, solver):
    X, y, _ = data
    X = X.copy()
    X[:, 5] = 0
    X[np.flatnonzero(y == 1)[:20], 5] = 1
    with pytest.warns(
        dlogreg.SeparationWarning, match="every row with x6 = 1 has y = 1"
    ):
        found = dlogreg.fit(sp.csr_array(X), y, solver=solver, max_passes=15)
    assert found.status is Status.SEPARATED


def test_three_classes(data):
    X, y, weight = data
    y = y + (np.arange(N) % 3 == 0)
    found = dlogreg.fit(sp.csr_array(X), y, sample_weight=weight, tol=1e-8)
    expected = dlogreg.fit(X, y, sample_weight=weight, tol=1e-8)
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-7, atol=1e-9)


def test_probability_weights_and_class_weights(data):
    X, y, weight = data
    options = {"sample_weight": weight + 0.5, "weight_kind": "probability"}
    found = dlogreg.fit(sp.csr_array(X), y, **options)
    expected = dlogreg.fit(X, y, **options)
    np.testing.assert_allclose(found.bse, expected.bse, rtol=1e-6)


# Plans


def test_the_plan_counts_stored_values(data):
    X, y, _ = data
    rows = sp.csr_array(X)
    plan = dlogreg.plan(rows, y, measure=False)
    assert plan.kind == "csr"
    assert plan.solver == "newton"
    stored = CSR.of(rows)
    per_row = int(len(stored.data) / N * 12) + 4
    assert plan.bytes_per_pass == N * (per_row + 8)
    timed = dlogreg.plan(blocks_of(X, (1000, -1)), y)
    assert timed.seconds_per_pass > 0
    wide = sp.csr_array((50_000, 10**6))
    plan = dlogreg.plan(wide, np.arange(50_000) % 2, alpha=1e-6, measure=False)
    assert plan.solver == "lbfgs"
    assert plan.n_leaves == 1


def test_leaves_of_compressed_rows_hold_more_values_than_a_vector():
    counts = [1000] * 5000
    bounds = leaf_bounds(5000, counts, 10**6, 1, 40.0)
    assert np.diff(bounds).min() * 1000 >= 16 * 10**6 / 40
    assert len(leaf_bounds(5000, counts, 1000, 1, 40.0)) > 1000


def test_projected_memory_does_not_count_zeros(data):
    from dlogreg.reduction import compute_shared, count_rows
    from dlogreg.source import as_source

    wide = sp.random_array((20_000, 200_000), density=1e-4, format="csr", rng=1)
    shared = {"compute": compute_shared, "count_rows": count_rows}
    source = as_source(wide, np.zeros(20_000), **shared)
    memory = project_memory(source, 200_001, 1, 2, solver="lbfgs")
    assert memory.total < 300 * 200_001 * 8  # a dense block would be 32 GB
    with pytest.raises(dlogreg.MemoryLimitError):
        dlogreg.fit(wide, np.arange(20_000) % 2, alpha=1e-4, memory_limit="10 MB")


def test_residuals_of_rows_in_memory_are_in_memory(data):
    X, y, _ = data
    rows, dense = (dlogreg.fit(given, y).residuals() for given in (sp.csr_array(X), X))
    assert isinstance(rows, np.ndarray)
    np.testing.assert_allclose(rows, dense, rtol=1e-6, atol=1e-8)


def outside(X):
    X.indices[7] = 99


def negative(X):
    X.indices[7] = -1


def falling(X):
    X.indptr[5] = 0


def beyond(X):
    X.indptr[-1] += 5


def far_beyond(X):
    X.indptr[-1] = 2**30


def late(X):
    X.indptr[0] = 2


def short_borders(X):
    X.indptr = X.indptr[:-3]


def short_values(X):
    X.data = X.data[:-2]


BROKEN = {
    outside: r"row 3 has a value in column 99, and there are 6 columns",
    negative: r"row 3 has a value in column -1, and there are 6 columns",
    falling: r"row 4 begins at value 9 and ends at 0, of 120 values",
    beyond: r"row 49 begins at value 119 and ends at 125, of 120 values",
    far_beyond: r"row 49 begins at value 119 and ends at 1,073,741,824",
    late: r"row 0 begins at value 2, and not at 0",
    short_borders: r"indptr has 48 entries, and 50 rows need 51",
    short_values: r"it has 118 values, and 120 indices",
}


@pytest.mark.parametrize("spoil", BROKEN)
@pytest.mark.parametrize("kind", ["csr", "csc", "blocks"])
def test_broken_rows_are_refused_before_they_are_read(spoil, kind):
    """Compiled loops read wherever the index arrays point."""

    def rows():
        rng = np.random.default_rng(1)
        return sp.random_array((50, 6), density=0.4, rng=rng).tocsr()

    def broken(block):
        spoil(block)
        return block

    y = np.arange(50) % 2
    res = dlogreg.fit(rows(), y, alpha=0.1)
    X = rows().tocsc() if kind == "csc" else rows()
    match = "column" if kind == "csc" else BROKEN[spoil]
    match = "" if kind == "csc" and spoil is short_values else match
    if kind == "blocks":
        whole = rows().toarray()
        X = blocks_of(whole, (50, -1)).map_blocks(broken, meta=sp.csr_array((0, 6)))
    else:
        spoil(X)
    what = "a block of X" if kind == "blocks" else "X"
    for ask in (
        lambda: dlogreg.fit(X, y),
        lambda: np.asarray(res.predict(X)),
    ):
        with pytest.raises(DataError, match=f"{what} is no sparse matrix: .*{match}"):
            ask()
