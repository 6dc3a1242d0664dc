"""Bootstrap replicates against a fit to each of them, with the same drawn weights."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

import dlogreg
from dlogreg.kernel import Rows
from dlogreg.kernel.folds import hashed_labels
from dlogreg.kernel.nearby import NearbyKernel
from dlogreg.kernel.resampling import PoissonDraws, normal_table, poisson_table


def problem(n_rows=3000, n_features=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features)) * [1.0, 5.0, 0.2][:n_features] + 3.0
    eta = 0.8 * (X[:, 0] - 3) - 0.1 * (X[:, 1] - 3) - 0.7
    return X, (rng.random(n_rows) < 1 / (1 + np.exp(-eta))).astype(int)


def drawn(n_replicates, rows, **options):
    draws = PoissonDraws(tuple(range(n_replicates)), **options)
    return draws.weights(rows, range(n_replicates), np.float64)


def refitted(X, y, weights, **options):
    fits = [
        dlogreg.fit(X, y, sample_weight=w, tol=1e-7, inference=False, **options)
        for w in weights
    ]
    return np.array([fit.params for fit in fits])


def test_the_table_draws_from_poisson():
    table = poisson_table().astype(float)
    assert len(table) == 2**16
    assert table.mean() == 1.0
    assert (table**2).mean() == 2.0
    share = np.bincount(table.astype(int)) / 2**16
    np.testing.assert_allclose(share, poisson.pmf(np.arange(9), 1), atol=2.5e-4)
    assert abs(normal_table().astype(float).var() - 1) < 1e-3


@pytest.mark.parametrize("frequency", [2.0, 7.0, 31.5, 200.0])
def test_repeated_rows_are_drawn_as_often_as_they_are_repeated(frequency):
    rows = Rows(np.zeros((20000, 1)), np.zeros(20000), np.full(20000, frequency))
    counts = drawn(5, Rows(rows.X, rows.y, rows.sample_weight, start=0))
    assert (counts == np.rint(counts)).all()
    assert abs(counts.mean() / frequency - 1) < 4 / np.sqrt(1e5 * frequency)
    assert abs(counts.var() / frequency - 1) < 0.03
    skewness = ((counts - frequency) ** 3).mean() / frequency**1.5
    assert abs(skewness - frequency**-0.5) < 0.05


def test_draws_are_those_of_the_row_wherever_it_is_read():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(50, 1)), np.zeros(50)
    whole = drawn(9, Rows(X, y, start=0), seed=3)
    part = drawn(9, Rows(X[20:30], y[20:30], start=20), seed=3)
    np.testing.assert_array_equal(whole[:, 20:30], part)
    chosen = PoissonDraws((2, 7), seed=3).weights(
        Rows(X, y, start=0), range(2), np.float32
    )
    np.testing.assert_array_equal(chosen, whole[[2, 7]])
    assert (drawn(9, Rows(X, y, start=0), seed=4) != whole).any()
    big = drawn(400, Rows(np.zeros((500, 1)), np.zeros(500), start=0))
    few = np.array([1.0, 3.0, 1.0])
    mixed = drawn(40, Rows(np.zeros((3, 1)), np.zeros(3), few, start=0))
    np.testing.assert_array_equal(
        mixed[:, 0], drawn(40, Rows(X[:1], y[:1], start=0))[:, 0]
    )
    correlation = np.corrcoef(big) - np.eye(400)
    assert np.abs(correlation).max() < 6 / np.sqrt(500)
    assert abs(correlation.std() - 1 / np.sqrt(500)) < 0.005


def test_groups_are_drawn_whole():
    groups = np.array(["b", "a", "longer", "a", "b"])
    counts = drawn(
        200, Rows(np.zeros((5, 1)), np.zeros(5), groups=groups), by_group=True
    )
    np.testing.assert_array_equal(counts[:, 0], counts[:, 4])
    np.testing.assert_array_equal(counts[:, 1], counts[:, 3])
    assert abs(np.corrcoef(counts[:, :3].T) - np.eye(3)).max() < 0.25


def test_labels_have_the_same_hash_in_every_type():
    assert (
        hashed_labels(np.array([1, 2, -3])) == hashed_labels([1.0, 2.0, -3.0])
    ).all()
    short = hashed_labels(np.array(["a", "bc"]))
    assert (short == hashed_labels(np.array(["a", "bc", "longer"]))[:2]).all()
    assert len(set(hashed_labels(np.array([0.5, 0.25, 1e300, 2.0])).tolist())) == 4
    days = np.array(["2020-01-01", "2020-01-02"], dtype="M8[D]")
    assert len(set(hashed_labels(days).tolist())) == 2
    assert len(set(hashed_labels(np.array(["ab", "ba", "abb"])).tolist())) == 3


@given(seed=st.integers(0, 50), single=st.booleans(), weighted=st.booleans())
@settings(max_examples=10)
def test_the_kernel_sums_what_shifts_change(seed, single, weighted):
    rng = np.random.default_rng(seed)
    X, y = problem(700, 3, seed)
    weight = rng.integers(0, 3, 700).astype(float) if weighted else None
    rows = Rows(X, y, weight, start=0, offset=rng.normal(size=700))
    bases, shifts = rng.normal(size=(4, 2)), rng.normal(size=(4, 5)) * 0.3
    base_of = (0, 1, 1, 0, 1)
    draws = PoissonDraws(tuple(range(5)), frequency=False)
    mean, units = X.mean(axis=0), np.concatenate([[1.0], 1 / X.std(axis=0)])

    def summed(shifts, chosen=()):
        kernel = NearbyKernel(
            bases, base_of, shifts, draws, mean, units, 1, True, chosen, single
        )
        sums, buffers = kernel.start(), kernel.open()
        kernel.add(sums, rows, buffers)
        return kernel.finish(sums)

    at_base, moved = summed(None), summed(shifts, (1, 4))
    Z = np.column_stack([np.ones(700), (X - mean) * units[1:]])
    s = draws.weights(rows, range(5), np.float64)
    exact = 1e-3 if single else 1e-9
    for b, a in enumerate(base_of):
        eta = rows.offset + Z @ bases[:, a]
        p, q = 1 / (1 + np.exp(-eta)), 1 / (1 + np.exp(-eta - Z @ shifts[:, b]))
        kw = {"atol": exact}
        np.testing.assert_allclose(
            at_base.gradients[:, b], Z.T @ (s[b] * (p - y)), **kw
        )
        np.testing.assert_allclose(moved.gradients[:, b], Z.T @ (s[b] * (q - p)), **kw)
        totals = [s[b].sum(), s[b] @ y]
        np.testing.assert_allclose(at_base.totals[:, b], totals)
        counted = s[b] >= 0 if weight is None else weight > 0
        reach = np.abs(Z @ shifts[:, b])[counted].max()
        np.testing.assert_allclose(moved.reaches[b], reach, rtol=1e-5)
        if b in (1, 4):
            H = (Z * (s[b] * q * (1 - q))[:, None]).T @ Z
            got = moved.hessians[(1, 4).index(b)]
            np.testing.assert_allclose(got, H, rtol=exact, atol=exact)


@pytest.mark.parametrize("kind", ["none", "frequency", "probability", "analytic"])
def test_replicates_are_fits_to_the_drawn_rows(kind):
    X, y = problem()
    rng = np.random.default_rng(5)
    weight = None if kind == "none" else rng.integers(0, 4, len(y)).astype(float)
    options = {} if weight is None else {"weight_kind": kind}
    res = dlogreg.fit(X, y, sample_weight=weight, **options)
    found = res.bootstrap(20, seed=2, tol=1e-5)
    rows = Rows(X, y, weight, start=0)
    weights = drawn(20, rows, seed=2, frequency=kind == "frequency")
    params = refitted(X, y, weights)
    bse = np.sqrt(np.diagonal(res.cov_params("model")))
    assert np.abs((found.params - params) / bse).max() < 1e-4
    assert found.error <= 1e-5
    assert found.n_failed == 0
    np.testing.assert_allclose(found.se, params.std(axis=0, ddof=1), rtol=1e-4)
    np.testing.assert_allclose(found.covariance, np.cov(params.T), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(
        found.bias, params.mean(axis=0) - res.params, atol=1e-4 * bse.max()
    )
    ends = np.quantile(params, [0.05, 0.95], axis=0).T
    np.testing.assert_allclose(found.conf_int(0.1), ends, atol=1e-4 * bse.max())
    basic = 2 * np.asarray(res.params)[:, None] - ends[:, ::-1]
    got = found.conf_int(0.1, method="basic")
    np.testing.assert_allclose(got, basic, atol=1e-4 * bse.max())
    np.testing.assert_array_equal(
        found.conf_int(0.1, names=["x2"])[0], found.conf_int(0.1)[2]
    )


def test_groups_offset_ridge_and_trials():
    X, y = problem(2000)
    rng = np.random.default_rng(7)
    groups, offset = rng.integers(0, 200, 2000), rng.normal(size=2000)
    res = dlogreg.fit(X, y, groups=groups, offset=offset)
    found = res.bootstrap(8, tol=1e-5)
    assert found.by == "groups"
    weights = drawn(8, Rows(X, y, groups=groups, start=0), by_group=True)
    params = refitted(X, y, weights, offset=offset)
    assert np.abs((found.params - params) / np.asarray(res.bse)).max() < 1e-4
    assert res.bootstrap(4, by="rows").by == "rows"

    ridge = dlogreg.fit(X, y, alpha=0.1)
    weights = drawn(8, Rows(X, y, start=0))
    params = refitted(X, y, weights, alpha=0.1)
    np.testing.assert_allclose(ridge.bootstrap(8, tol=1e-6).params, params, atol=1e-5)

    trials = rng.integers(1, 6, 2000)
    successes = rng.binomial(trials, 0.4)
    grouped = dlogreg.fit(X, successes, trials=trials)
    both = Rows(
        np.concatenate([X, X]),
        np.repeat([1, 0], 2000),
        np.concatenate([successes, trials - successes]).astype(float),
    )
    assert grouped.bootstrap(50).n_failed == 0
    assert np.abs(grouped.bootstrap(200).se / grouped.bse - 1).max() < 0.25
    assert len(both) == grouped.n_rows + (both.sample_weight == 0).sum()


def test_few_rows_lose_classes_and_are_counted():
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(60, 2)), np.arange(60) % 15 == 0
    res = dlogreg.fit(X, y)
    with pytest.warns(dlogreg.ConvergenceWarning, match=r"of 300 bootstrap replicates"):
        found = res.bootstrap(300, max_passes=40)
    assert 0 < found.n_failed < 200
    failed = np.isnan(found.params).any(axis=1)
    assert failed.sum() == found.n_failed
    assert np.isfinite(found.se).all()
    weights = drawn(300, Rows(X, y, start=0))[~failed][:20]
    params = refitted(X, y, weights)
    np.testing.assert_allclose(found.params[~failed][:20], params, atol=5e-3)
    assert f"{found.n_failed} of them failed" in repr(found)


def test_passes_and_schedulers_and_chunks():
    X, y = problem(30000)
    res = dlogreg.fit(da.from_array(X, chunks=(3000, 3)), da.from_array(y, chunks=3000))
    found = res.bootstrap(12)
    assert 2 <= found.n_passes <= 4
    with dask.config.set(scheduler="synchronous"):
        again = res.bootstrap(12)
    np.testing.assert_array_equal(found.params, again.params)
    other = dlogreg.fit(da.from_array(X, chunks=(7001, 2)), y).bootstrap(12)
    np.testing.assert_allclose(other.params, found.params, atol=1e-4)
    more = res.bootstrap(20)
    np.testing.assert_allclose(more.params[:12], found.params, rtol=1e-9)


def test_a_loaded_result_takes_the_rows(tmp_path):
    X, y = problem(1500)
    res = dlogreg.fit(X, y)
    res.save(tmp_path / "model.json")
    loaded = dlogreg.load(tmp_path / "model.json")
    found, again = res.bootstrap(6, tol=1e-6), loaded.bootstrap(6, X=X, y=y, tol=1e-6)
    np.testing.assert_allclose(again.params, found.params, atol=1e-6)
    groups = np.arange(1500) // 3
    assert loaded.bootstrap(6, X=X, y=y, groups=groups).by == "groups"
    with pytest.raises(dlogreg.InferenceError, match=r"bootstrap\(\) needs the rows"):
        loaded.bootstrap()
    with pytest.raises(dlogreg.DataError, match="rows are not those of the fit"):
        loaded.bootstrap(X=X[:-1], y=y[:-1])


def test_dropped_columns_stay_out():
    X, y = problem(1500)
    with pytest.warns(dlogreg.CollinearityWarning):
        res = dlogreg.fit(np.column_stack([X, X[:, 0] + 1]), y)
    found = res.bootstrap(5)
    assert found.n_failed == 0
    assert np.isnan(found.params[:, -1]).all()
    assert np.isfinite(found.se[:-1]).all()


def test_frame_and_table():
    X, y = problem(500)
    found = dlogreg.fit(X, y).bootstrap(10)
    frame = found.to_frame(0.2)
    assert list(frame.columns) == ["coef", "bse", "bias", "low", "high"]
    np.testing.assert_array_equal(
        frame[["low", "high"]].to_numpy(), found.conf_int(0.2)
    )
    text = str(found.summary())
    assert "std err" in text
    assert "x3" in text
    assert "<table" in found._repr_html_()


def test_what_cannot_be_resampled_is_refused():
    X, y = problem(300)
    res = dlogreg.fit(X, y)
    with pytest.raises(ValueError, match="B of at least 2"):
        res.bootstrap(1)
    with pytest.raises(ValueError, match="tol must be positive"):
        res.bootstrap(tol=0)
    with pytest.raises(ValueError, match="at least 2 passes"):
        res.bootstrap(max_passes=1)
    with pytest.raises(ValueError, match="'rows' or 'groups'"):
        res.bootstrap(by="cells")
    with pytest.raises(ValueError, match="the rows have none"):
        res.bootstrap(by="groups")
    with pytest.raises(ValueError, match="takes groups with X and y"):
        res.bootstrap(groups=y)
    with pytest.raises(ValueError, match="by='rows' makes no use of groups"):
        res.bootstrap(4, X=X, y=y, groups=y, by="rows")
    with pytest.raises(ValueError, match="'percentile' or 'basic'"):
        res.bootstrap(4).conf_int(method="bca")
    with pytest.raises(dlogreg.InferenceError, match="firth=True"):
        dlogreg.fit(X, y, firth=True).bootstrap()
    with pytest.warns(dlogreg.SeparationWarning):
        apart = dlogreg.fit(X, X[:, 0] > 3)
    with pytest.raises(dlogreg.InferenceError, match="needs a finite optimum"):
        apart.bootstrap()
    with pytest.warns(dlogreg.ConvergenceWarning):
        short = dlogreg.fit(X, y, max_passes=2, tol=1e-9, inference=False)
    with pytest.raises(dlogreg.InferenceError, match="needs a fit that converged"):
        short.bootstrap()


def test_no_replicate_at_all():
    X, y = problem(60, 3, seed=1)
    res = dlogreg.fit(X, y)
    with pytest.raises(dlogreg.InferenceError, match="none of 4 bootstrap replicates"):
        res.bootstrap(4, tol=1e-12, max_passes=2)
