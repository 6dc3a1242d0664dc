"""Separation, proven and reported: verdicts, columns, limits, passes, memory."""

from __future__ import annotations

import warnings
from itertools import pairwise

import dask.array as da
import numpy as np
import pytest
import statsmodels.api as sm
import zarr
from scipy.optimize import linprog
from scipy.special import expit

import dlogreg
from dlogreg.inference.kept_rows_fit import proven_to_overlap
from dlogreg.inference.separating_direction import (
    null_space,
    separate,
    sparse_direction,
)
from dlogreg.kernel import Rows
from dlogreg.kernel.extreme_rows import ExtremeRowsKernel
from dlogreg.kernel.face import Face, FaceKernel
from dlogreg.solvers import Status
from tests.counting import counted_array, forget, reads
from tests.r_cases import assert_covariance, load
from tests.separated_data import CASES, quasi_cell


def fit(X, y, **options):
    """Fit without warnings of separation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dlogreg.SeparationWarning)
        warnings.simplefilter("ignore", dlogreg.CollinearityWarning)
        return dlogreg.fit(X, y, progress=False, **options)


def infinite(res):
    """Return the positions and signs of infinite coefficients."""
    params = np.asarray(res.params)
    return {int(j): int(np.sign(params[j])) for j in np.flatnonzero(np.isinf(params))}


def konis(X, y):
    """Return verdict and signs by Konis' programme over all rows, repeated.

    Rows that a direction separates are left out, and the programme is solved again,
    until it finds nothing; a coefficient is infinite if the rows that are left do not
    determine it.
    """
    Z = np.column_stack([np.ones(len(X)), X])
    A = Z * np.where(y, 1.0, -1.0)[:, None]
    left, signs = np.ones(len(A), dtype=bool), np.zeros(A.shape[1])
    while left.any():
        rest = A[left]
        box = [(-1.0, 1.0)] * A.shape[1]
        found = linprog(-rest.sum(axis=0), -rest, np.zeros(len(rest)), bounds=box)
        margins = rest @ found.x
        if margins.max() < 1e-7:
            break
        along = np.where(np.abs(found.x) > 1e-7, np.sign(found.x), 0.0)
        signs = np.where(signs == 0, along, signs)
        left[np.flatnonzero(left)[margins > 1e-7]] = False
    if left.all():
        return "", {}, left
    free = null_space(A[left]) if left.any() else np.eye(A.shape[1])
    endless = np.flatnonzero((np.abs(free) > 1e-7).any(axis=1)).tolist()
    verdict = "quasi-complete" if left.any() else "complete"
    return verdict, {j: int(signs[j]) for j in endless}, left


@pytest.mark.parametrize(("make", "seed"), CASES)
def test_twenty_cases_of_a_hundred_thousand_rows(make, seed):
    case = make(np.random.default_rng(seed))
    res = fit(case.X, case.y)
    assert res.status is not Status.UNDECIDED
    assert res.separation == case.verdict
    assert res.n_passes <= 8
    found, expected = infinite(res), dict(case.signs)
    if case.verdict == "complete":  # the intercept follows from the border
        found.pop(0, None)
        assert np.isnan(np.delete(res.params, [0, *expected])).all()
        assert (res.classify(case.X) == case.y).all()
        assert res.llf == 0
    assert found == expected
    named = [f"x{j}" for j in sorted(expected) if j]
    assert list(res.separated) == named
    assert (res.status is Status.SEPARATED) == bool(case.verdict)
    if not case.verdict:
        assert res.converged


@pytest.mark.parametrize("seed", range(60))
def test_verdicts_of_small_data_are_those_of_a_programme_over_all_rows(seed):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(30, 200)), int(rng.integers(2, 6))
    X = rng.integers(0, rng.integers(2, 5), size=(n, d)).astype(float)
    eta = (X - 1) @ rng.normal(size=d) * rng.uniform(0.5, 4)
    y = rng.random(n) < expit(eta)
    if y.all() or not y.any() or (np.ptp(X, axis=0) == 0).any():
        pytest.skip("nothing to fit")
    res = fit(X, y.astype(int))
    if res.dropped:
        pytest.skip("aliased columns have no coefficients")
    verdict, signs, left = konis(X, y)
    assert res.separation == verdict
    if verdict == "complete":
        assert infinite(res)
        assert (res.classify(X) == y).all()
        return
    assert infinite(res).keys() == signs.keys()
    p = res.predict(X)
    np.testing.assert_array_equal(p[~left], y[~left])
    if verdict:
        assert ((p[left] > 0) & (p[left] < 1)).all()
        likelihood = np.log(np.where(y, p, 1 - p)[left]).sum()
        assert res.llf == pytest.approx(likelihood, rel=1e-9)
        Z = np.column_stack([np.ones(n), X])[left]
        gradient = Z.T @ (y[left] - p[left])
        assert np.abs(gradient).max() < 1e-6  # the limiting problem's optimum


def test_the_limit_is_the_fit_of_the_rows_that_are_left():
    case = quasi_cell(np.random.default_rng(3))
    res = fit(case.X, case.y, tol=1e-8)
    left = ~((case.X[:, :3].sum(axis=1) == 0) & (case.X[:, 4] == 1))
    kept = [0, 1, 2, 3, *range(5, 13)]  # one of those that vary together is left out
    Z = sm.add_constant(case.X[left][:, kept])
    theirs = sm.Logit(case.y[left], Z).fit(disp=0, tol=1e-14)
    finite = [j for j in range(14) if j not in case.signs]
    places = [0, *[1 + kept.index(j - 1) for j in finite[1:]]]
    np.testing.assert_allclose(res.params[finite], theirs.params[places], rtol=1e-7)
    np.testing.assert_allclose(res.bse[finite], theirs.bse[places], rtol=1e-7)
    assert res.llf == pytest.approx(theirs.llf, rel=1e-10)
    assert res.limit_error_bound <= 1e-8
    assert np.isnan(res.bse[list(case.signs)]).all()
    bounds = np.asarray(res.error_bounds)
    assert np.isinf(bounds[list(case.signs)]).all()
    assert (bounds[finite] == res.limit_error_bound).all()
    robust = sm.Logit(case.y[left], Z).fit(disp=0, tol=1e-14, cov_type="HC0")
    found = np.sqrt(np.diagonal(res.cov_params("HC0")))[finite]
    np.testing.assert_allclose(found, robust.bse[places], rtol=1e-6)


@pytest.mark.parametrize("kind", ["quasi", "complete", "none"])
def test_chunks_and_stores_change_nothing(kind, tmp_path):
    rng = np.random.default_rng(5)
    n = 3000
    a, b = rng.integers(0, 3, n), rng.integers(0, 3, n)
    A, B = (c[:, None] == np.arange(1, 3) for c in (a, b))
    AB = (A[:, :, None] & B[:, None, :]).reshape(n, 4)
    X = np.column_stack([A, B, AB, rng.normal(size=(n, 2))]).astype(float)
    y = rng.random(n) < expit(X[:, -1] + 0.3 * a)
    if kind == "quasi":
        y[(a == 0) & (b == 1)] = 1
    elif kind == "complete":
        y = X @ np.arange(10) > 8.2
    y = y.astype(int)
    first = fit(X, y, tol=1e-10)
    assert first.separation == {"quasi": "quasi-complete"}.get(kind, kind) or (
        kind == "none" and first.separation == ""
    )
    store = zarr.create_array(tmp_path / "X", data=X, chunks=(700, 10))
    for rows in (
        da.from_array(X, chunks=(333, 10)),
        da.from_array(X, (1000, 4)),
        store,
    ):
        res = fit(rows, y, tol=1e-10)
        assert res.separation == first.separation
        assert res.separated == first.separated
        assert res.n_passes <= 8
        np.testing.assert_allclose(res.params, first.params, rtol=1e-7, atol=1e-9)


def test_passes_are_counted():
    rng = np.random.default_rng(0)
    n = 40_000
    a, b = rng.integers(0, 3, n), rng.integers(0, 3, n)
    A, B = (c[:, None] == np.arange(1, 3) for c in (a, b))
    AB = (A[:, :, None] & B[:, None, :]).reshape(n, 4)
    X = np.column_stack([A, B, AB]).astype(float)
    y = (rng.random(n) < 0.4).astype(int)
    level = y.copy()
    level[a == 2] = 1
    y[(a == 0) & (b == 2)] = 1
    for name, labels, most in (("known", level, 4), ("hidden", y, 6)):
        res = fit(counted_array(name, X, 5000), labels)
        assert res.separation == "quasi-complete"
        assert max(reads(name)) <= res.n_passes + 1  # the pilot reads some blocks
        assert res.n_passes <= most
        forget(name)


def test_what_is_kept_is_bounded_and_does_not_depend_on_the_blocks():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(5000, 3)), rng.integers(0, 2, 5000)
    kernel = ExtremeRowsKernel(
        rng.normal(size=(4, 2)), np.zeros(3), np.ones(4), 1, True, most=20
    )

    def kept(bounds):
        total = None
        for low, high in pairwise(bounds):
            sums = kernel.start()
            kernel.add(sums, Rows(X[low:high], y[low:high]), None)
            part = kernel.finish(sums)
            total = part if total is None else total + part
        return total

    whole, parts = kept([0, 5000]), kept([0, 700, 2100, 2101, 5000])
    a = np.column_stack([np.ones(5000), X]) * np.where(y == 1, 1, -1)[:, None]
    margins = a @ kernel.directions
    for found in (whole, parts):
        assert len(found.rows) <= 20 + 2 * 20 + 2 * 4
        assert found.counts.right.tolist() == (margins > 0).sum(axis=0).tolist()
        assert found.counts.wrong.tolist() == (margins < 0).sum(axis=0).tolist()
        for i in (0, 1):
            lowest = found.lowest[i].margins
            np.testing.assert_allclose(lowest, np.sort(margins[:, i])[:20], rtol=1e-12)
        np.testing.assert_array_equal(found.high.values, a.max(axis=0))
        np.testing.assert_array_equal(found.low.values, -a.min(axis=0))


def test_a_face_is_told_from_rounding():
    rng = np.random.default_rng(2)
    X = np.column_stack([rng.integers(0, 2, 1000) / 3 + 1e6, rng.normal(size=1000)])
    centre = X.mean(axis=0)
    inside = X[:, 0] == X[:, 0].min()
    direction = np.array([centre[0] - X[inside][0, 0], 1.0, 0.0])
    face = Face(direction[:, None], centre, fit_intercept=True)
    np.testing.assert_array_equal(face.inside(X), inside)
    weights = np.where(np.arange(1000) < 10, 0.0, 1.0)
    counting = ExtremeRowsKernel(
        np.array([[1.0], [0], [0]]), centre, np.ones(3), 1, True, most=1
    )
    kernel = FaceKernel(counting, face, apart=True)
    sums = kernel.start()
    kernel.add(sums, Rows(X, np.ones(1000), weights), kernel.open())
    left, rest = kernel.finish(sums).parts
    assert left.counts.right[0] == inside[10:].sum()
    assert rest.counts.right[0] == (~inside)[10:].sum()


def test_a_direction_separates_all_that_can_be_and_a_part_that_overlaps_is_enough():
    rows = np.array([[1.0, 0, 0], [0, 1, 0], [0, -1, 0], [1, 0, 1], [1, 5, 2]])
    found = separate(rows)
    margins = rows @ found.direction
    assert found.n_tied == 2
    assert (margins[[0, 3, 4]] > 0.1).all()
    np.testing.assert_allclose(margins[[1, 2]], 0, atol=1e-12)
    overlapping = np.concatenate([np.eye(3), -np.ones((1, 3))])
    assert separate(overlapping).direction is None
    flat = np.array([[1.0, 0], [-1, 0]])  # says nothing of the second column
    assert separate(flat).margin == 0
    assert (flat @ separate(flat).direction == 0).all()


def test_needless_columns_are_left_out():
    rng = np.random.default_rng(4)
    z = rng.normal(size=(300, 8))
    margin = z[:, 2] - 2 * z[:, 5]
    z[:, 2] += 0.2 * np.sign(margin)
    rows = z * np.sign(z[:, 2] - 2 * z[:, 5])[:, None]
    found = sparse_direction(rows, 1)
    assert np.flatnonzero(found).tolist() in ([2, 5], [0, 2, 5])
    assert (rows @ found > 0).all()
    assert sparse_direction(np.concatenate([rows, -rows]), 1) is None


def test_weights_of_zero_and_frequencies():
    rng = np.random.default_rng(6)
    n = 2000
    X = np.column_stack([rng.normal(size=n), rng.integers(0, 2, (n, 2))])
    y = (rng.random(n) < expit(X[:, 0])).astype(int)
    cell = (X[:, 1] == 1) & (X[:, 2] == 0)
    X = np.column_stack([X, X[:, 1] * X[:, 2]])
    weights = rng.integers(0, 4, n).astype(float)
    weights[cell & (y == 0)] = 0
    res = fit(X, y, sample_weight=weights, tol=1e-9)
    assert res.separation == "quasi-complete"
    assert infinite(res) == {2: 1, 4: -1}
    repeated = np.repeat(np.arange(n), weights.astype(int))
    again = fit(X[repeated], y[repeated], tol=1e-9)
    np.testing.assert_allclose(res.params, again.params, rtol=1e-7)
    np.testing.assert_allclose(res.bse, again.bse, rtol=1e-7)


def test_without_an_intercept():
    rng = np.random.default_rng(7)
    X = rng.integers(0, 2, (800, 3)).astype(float)
    y = rng.random(800) < 0.5
    y[X[:, 1] == 1] = True
    res = fit(X, y, fit_intercept=False, tol=1e-9)
    assert res.separation == "quasi-complete"
    assert infinite(res) == {1: 1}
    left = X[:, 1] == 0
    theirs = sm.Logit(y[left], X[left][:, [0, 2]]).fit(disp=0, tol=1e-14)
    np.testing.assert_allclose(res.params[[0, 2]], theirs.params, rtol=1e-7)


def test_what_is_said(tmp_path):
    case = quasi_cell(np.random.default_rng(1))
    with pytest.warns(dlogreg.SeparationWarning) as caught:
        res = dlogreg.fit(case.X, case.y, progress=False)
    (message,) = [str(w.message) for w in caught]
    assert "'x5': its coefficient tends to +infinity" in message
    assert "'x7': its coefficient tends to -infinity" in message
    assert "alpha > 0" in message
    text = str(res.summary())
    assert "separated quasi-completely" in text
    assert text.count("(!)") == 5
    res.save(tmp_path / "m.json")
    again = dlogreg.load(tmp_path / "m.json")
    np.testing.assert_array_equal(again.params, res.params)
    np.testing.assert_array_equal(again.predict(case.X), res.predict(case.X))
    assert again.separation == "quasi-complete"
    assert again.limit_error_bound == res.limit_error_bound


def test_the_endometrial_data_and_their_limit_by_r():
    case = load("endometrial")
    res = fit(case.X, case.y, feature_names=case.columns, tol=1e-9)
    assert res.separation == "quasi-complete"
    assert res.separated == ("NV",)
    assert res.params["NV"] == np.inf
    limit = case.values["limit"]
    kept = [res.names.index(name) for name in limit["names"]]
    np.testing.assert_allclose(res.params[kept], limit["params"], rtol=1e-7)
    for kind in ("model", "HC0"):
        found = res.cov_params(kind)[np.ix_(kept, kept)]
        assert_covariance(found, limit[kind])
    assert res.llf == pytest.approx(limit["llf"], rel=1e-9)
    assert res.n_passes <= 8


def test_measures_of_a_limiting_fit_are_those_of_all_rows():
    rng = np.random.default_rng(9)
    X = np.column_stack([rng.normal(size=1000), rng.random(1000) < 0.2])
    y = (rng.random(1000) < expit(X[:, 0])).astype(int)
    y[X[:, 1] == 1] = 1
    res = fit(X, y)
    measures, p = res.goodness_of_fit(), res.predict(X)
    assert measures.brier == pytest.approx(np.mean((y - p) ** 2), rel=1e-9)


def test_no_row_is_kept_once_a_short_step_has_proven_that_the_classes_overlap(
    monkeypatch,
):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 5))
    y = rng.random(2000) < expit(1.2 * X[:, 0])
    monkeypatch.delattr("dlogreg.separation.watch.ExtremeRowsKernel")
    res = dlogreg.fit(X, y, tol=1e-8)
    assert res.converged
    assert res.n_passes > 3


def test_a_fit_of_a_few_rows_proves_that_they_overlap():
    rng = np.random.default_rng(0)
    Z = np.column_stack([np.ones(400), rng.normal(size=(400, 5))])
    sign = np.where(rng.random(400) < expit(5 * Z @ rng.normal(size=6)), 1, -1)
    overlapping = Z * sign[:, None]
    assert proven_to_overlap(overlapping)
    assert separate(overlapping).direction is None
    apart = Z * np.sign(Z @ np.arange(6.0))[:, None]
    assert not proven_to_overlap(apart)
    tied = np.concatenate([apart[:50] * [1, 1, 1, 0, 0, 0], np.eye(6)[:3] * -1])
    assert not proven_to_overlap(tied)  # columns that no row has
    quasi = np.concatenate([overlapping * [1, 1, 1, 1, 1, 0], np.eye(6)[5:]])
    assert not proven_to_overlap(quasi)
    assert separate(quasi).n_tied == 400
