"""Cross-validation against a fit of every fold by itself, and scikit-learn's scores."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
)
from sklearn.model_selection import TimeSeriesSplit

import dlogreg
from dlogreg.evaluation import Evaluation
from dlogreg.kernel import Rows
from dlogreg.kernel.held_parts import HeldPartsKernel
from dlogreg.kernel.nearby import NearbyKernel
from dlogreg.kernel.part_weights import PartWeights
from dlogreg.kernel.parts import (
    CellCountKernel,
    GivenParts,
    GroupParts,
    RandomParts,
    StratifiedParts,
    TimeParts,
    in_order,
)
from dlogreg.selection import grid_fit
from dlogreg.selection.validation import best_of, one_se_of
from dlogreg.solvers import grid
from dlogreg.solvers.anchors import proximal_step
from dlogreg.solvers.hessian_nodes import HessianNodes, node_radius
from dlogreg.solvers.ray import Ray
from dlogreg.solvers.separable import Separable
from tests.counting import counted_array, reads

ALPHAS = [0.003, 3.0, 0.1]


def problem(n_rows=4000, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 4)) * [1.0, 20.0, 0.1, 2.0] + [0.0, 1e3, 5.0, -3.0]
    X[:, 3] += X[:, 0]
    eta = X[:, 0] + 0.05 * (X[:, 1] - 1e3) - 1
    return X, np.where(rng.random(n_rows) < 1 / (1 + np.exp(-eta)), "yes", "no")


def distance(params, X, y, alpha, weight=None, offset=0.0, intercept=True):
    """Return the Newton decrement of a model with event 'yes', its true distance."""
    s = np.ones(len(y)) if weight is None else weight
    Z = np.column_stack([np.ones(len(X)), X]) if intercept else X
    p = 1 / (1 + np.exp(-offset - Z @ params))
    ridge = np.full(Z.shape[1], alpha * s.sum())
    ridge[: int(intercept)] = 0
    g = Z.T @ (s * (p - (y == "yes"))) + ridge * params
    H = (Z * (s * p * (1 - p))[:, None]).T @ Z + np.diag(ridge)
    unit = 1 / np.sqrt(np.diagonal(H))
    g, H = g * unit, H * unit * unit[:, None]
    return np.sqrt(g @ np.linalg.solve(H, g))


def parted(parts, X, y, **fields):
    return parts.of(Rows(X, y, start=0, **fields))


def check_models(cv, X, y, trains, **options):
    weight, offset = options.pop("weight", None), options.pop("offset", None)
    for i, alpha in enumerate(cv.alphas):
        for j, train in enumerate([*trains, np.ones(len(y), dtype=bool)]):
            params = cv.params[i] if j == len(trains) else cv.fold_params[i, j]
            found = distance(
                params,
                X[train],
                y[train],
                alpha,
                None if weight is None else weight[train],
                0.0 if offset is None else offset[train],
                **options,
            )
            assert found <= max(cv.error_bounds[i, j], 1e-9)
            assert cv.error_bounds[i, j] <= 0.01


def check_scores(cv, X, y, tests, weight=None, offset=0.0):
    offset = np.broadcast_to(offset, len(y))
    for i in range(len(cv.alphas)):
        for j, test in enumerate(tests):
            params = cv.fold_params[i, j]
            eta = offset[test] + params[0] + X[test] @ params[1:]
            p, event = 1 / (1 + np.exp(-eta)), y[test] == "yes"
            options = {} if weight is None else {"sample_weight": weight[test]}
            near = {"rtol": 1e-9}
            loss = log_loss(event, p, **options)
            np.testing.assert_allclose(cv.fold_scores["log_loss"][i, j], loss, **near)
            np.testing.assert_allclose(
                cv.fold_scores["deviance"][i, j], 2 * loss, **near
            )
            brier = brier_score_loss(event, p, **options)
            np.testing.assert_allclose(cv.fold_scores["brier"][i, j], brier, **near)
            right = accuracy_score(event, eta > 0, **options)
            np.testing.assert_allclose(cv.fold_scores["accuracy"][i, j], right, **near)
            if "auc" in cv.fold_scores:
                area = roc_auc_score(event, p, **options)
                np.testing.assert_allclose(cv.fold_scores["auc"][i, j], area, atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_every_model_is_near_its_own_optimum(weighted):
    X, y = problem()
    rng = np.random.default_rng(3)
    weight = rng.integers(0, 4, len(y)).astype(float) if weighted else None
    offset = rng.normal(size=len(y)) if weighted else None
    cv = dlogreg.cross_validate(
        X,
        y,
        alphas=ALPHAS,
        sample_weight=weight,
        offset=offset,
        scoring=("auc", "brier"),
        seed=5,
    )
    np.testing.assert_array_equal(cv.alphas, [3.0, 0.1, 0.003])
    part = parted(RandomParts(5, 5), X, y)
    tests = [part == j for j in range(5)]
    check_models(cv, X, y, [~test for test in tests], weight=weight, offset=offset)
    check_scores(cv, X, y, tests, weight, 0.0 if offset is None else offset)
    assert cv.scoring == "auc"
    np.testing.assert_allclose(cv.scores, cv.fold_scores["auc"].mean(axis=1))
    spread = cv.fold_scores["auc"].std(axis=1, ddof=1) / np.sqrt(5)
    np.testing.assert_allclose(cv.errors, spread)
    own = np.ones(len(y)) if weight is None else weight
    np.testing.assert_allclose(cv.fold_sizes, [own[test].sum() for test in tests])


def test_the_chosen_fits_are_those_of_fit():
    X, y = problem()
    cv = dlogreg.cross_validate(X, y, alphas=np.logspace(-4, 0, 8))
    for result, alpha in ((cv.best, cv.best_alpha), (cv.one_se, cv.one_se_alpha)):
        res = dlogreg.fit(X, y, alpha=alpha, tol=1e-8)
        assert result.alpha == pytest.approx(alpha)
        i = cv.alphas.tolist().index(alpha)
        np.testing.assert_array_equal(result.params, cv.params[i])
        assert distance(np.asarray(result.params), X, y, alpha) <= result.error_bound
        assert result.error_bound == cv.error_bounds[i, -1]
        assert result.status.converged
        p = result.predict(X)
        np.testing.assert_allclose(result.llf, -len(y) * log_loss(y == "yes", p))
        assert result.llf == pytest.approx(res.llf, rel=1e-5)
        assert result.llnull == res.llnull
        assert result.bootstrap(4).n_failed == 0
    assert cv.one_se_alpha >= cv.best_alpha
    assert cv.scores.min() == cv.scores[cv.alphas.tolist().index(cv.best_alpha)]


@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
def test_lasso_and_elastic_net(l1_ratio):
    X, y = problem()
    X = X / X.std(axis=0)
    cv = dlogreg.cross_validate(X, y, n_alphas=8, l1_ratio=l1_ratio, n_folds=3)
    part = parted(RandomParts(3, 0), X, y)
    trains = [part != j for j in range(3)] + [np.ones(len(y), dtype=bool)]
    assert cv.n_nonzero[0] <= 1
    assert cv.n_nonzero[-1] == 4
    for i, alpha in enumerate(cv.alphas):
        for j, train in enumerate(trains):
            found = cv.params[i] if j == 3 else cv.fold_params[i, j]
            exact = dlogreg.fit(
                X[train], y[train], alpha=alpha, l1_ratio=l1_ratio, tol=1e-7
            )
            Z = np.column_stack([np.ones(train.sum()), X[train]])
            p = 1 / (1 + np.exp(-Z @ found))
            move = found - np.asarray(exact.params)
            away = np.sqrt(((Z @ move) ** 2 * p * (1 - p)).sum())
            assert away <= cv.error_bounds[i, j] + 1e-6
            assert cv.error_bounds[i, j] <= 0.01
    check_scores(cv, X, y, [part == j for j in range(3)])
    assert cv.best.l1_ratio == l1_ratio
    exact = dlogreg.fit(X, y, alpha=cv.best_alpha, l1_ratio=l1_ratio, tol=1e-7)
    assert cv.best.llf == pytest.approx(exact.llf, rel=1e-5)


FACTOR = [0.0, 1.0, 3.0, 0.5]
BOUNDS = [(None, None), (-0.02, 0.02), (0.0, None), (-0.15, 0.15)]


def fitted_folds(X, y, part, n_folds, **options):
    """Return a fit to every fold, which weights the rows of the others by 0."""
    return [
        dlogreg.fit(X, y, sample_weight=(part != j).astype(float), **options)
        for j in [*range(n_folds), -1]
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"penalty_factor": FACTOR},
        {"bounds": BOUNDS},
        {"bounds": (0, None), "l1_ratio": 1.0},
        {"penalty_factor": FACTOR, "bounds": BOUNDS, "l1_ratio": 0.5},
        {"penalty_factor": {"x3": 4.0}, "bounds": {"x1": (0.3, 0.5)}, "l1_ratio": 1.0},
        {"penalty_factor": FACTOR, "l1_ratio": 1.0, "fit_intercept": False},
    ],
)
def test_factors_and_bounds_are_those_of_fit(options):
    X, y = problem(1500, seed=3)
    if not options.get("fit_intercept", True):
        X = X - X.mean(axis=0)
    cv = dlogreg.cross_validate(
        X, y, alphas=[0.2, 0.02, 0.002], n_folds=3, tol=1e-8, **options
    )
    part = parted(RandomParts(3, 0), X, y)
    assert (cv.error_bounds <= 1e-8).all()
    for i, alpha in enumerate(cv.alphas):
        fits = fitted_folds(X, y, part, 3, alpha=alpha, tol=1e-9, **options)
        found = [*cv.fold_params[i], cv.params[i]]
        for params, one in zip(found, fits, strict=True):
            exact = np.asarray(one.params)
            np.testing.assert_allclose(params, exact, rtol=1e-6, atol=1e-9)
            np.testing.assert_array_equal(params == 0, exact == 0)
    one = dlogreg.fit(X, y, alpha=cv.best_alpha, tol=1e-9, **options)
    for name in ("alpha", "l1_ratio", "bounded", "has_penalty_factor"):
        assert getattr(cv.best, name) == pytest.approx(getattr(one, name))
    assert cv.best.llf == pytest.approx(one.llf, rel=1e-9)
    if options.get("fit_intercept", True):
        check_scores(cv, X, y, [part == j for j in range(3)])


def test_a_bound_may_be_far_from_what_was_learned():
    X, y = problem(1500, seed=3)
    options = {"bounds": [(-1.0, -0.5), (0.2, 0.3), (5.0, 9.0), (None, None)]}
    cv = dlogreg.cross_validate(X, y, alphas=[0.1, 1e-3], n_folds=3, **options)
    assert (cv.error_bounds <= 0.01).all()
    part = parted(RandomParts(3, 0), X, y)
    for i, alpha in enumerate(cv.alphas):
        fits = fitted_folds(X, y, part, 3, alpha=alpha, tol=1e-9, **options)
        for params, one in zip([*cv.fold_params[i], cv.params[i]], fits, strict=True):
            exact = np.asarray(one.params)
            np.testing.assert_array_equal(params[1:3], exact[1:3])
            np.testing.assert_allclose(params, exact, rtol=2e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"l1_ratio": 1.0, "penalty_factor": FACTOR},
        {"l1_ratio": 0.5, "bounds": (0, None)},
        {"l1_ratio": 0.0, "bounds": {"x1": (0.3, None)}, "penalty_factor": FACTOR},
    ],
)
def test_the_grid_with_factors_and_bounds_is_that_of_path(options):
    X, y = problem(1500, seed=3)
    cv = dlogreg.cross_validate(X, y, n_alphas=3, n_folds=3, **options)
    path = dlogreg.path(X, y, n_alphas=3, **options)
    np.testing.assert_allclose(cv.alphas, path.alphas, rtol=1e-6)
    if options["l1_ratio"]:
        held = np.asarray(options.get("penalty_factor", np.ones(4))) > 0
        assert not cv.params[0, 1:][held].any()
        assert cv.params[1, 1:][held].any()
    assert cv.n_passes <= path.n_passes + 8


def test_factors_and_bounds_that_do_not_fit_are_refused():
    X, y = problem(200)
    for options, message in (
        ({"penalty_factor": [1, 2]}, "penalty_factor has 2 entries, and there are 4"),
        ({"penalty_factor": {"z": 1}}, "names the column 'z'"),
        ({"bounds": [(1, 0)] * 4}, "bounds of column 'x1' must be numbers"),
        ({"bounds": [(0, 0)] * 4}, "no penalised column would leave its place"),
        ({"penalty_factor": [0] * 4}, "no penalised column would leave its place"),
        (
            {"penalty_factor": FACTOR, "max_passes": 4, "folds": "stratified"},
            "max_passes are used up before the largest alpha is known",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            dlogreg.cross_validate(X, y, **options)


@pytest.mark.parametrize("folds", ["stratified", "group", "time"])
def test_folds_of_every_kind(folds):
    X, y = problem(3000, seed=2)
    groups = (
        np.random.default_rng(1).integers(0, 60, len(y)) if folds == "group" else None
    )
    cv = dlogreg.cross_validate(
        X,
        y,
        alphas=ALPHAS,
        folds=folds,
        n_folds=4,
        seed=0 if folds == "time" else 9,
        groups=groups,
    )
    if folds == "time":
        split = list(TimeSeriesSplit(4).split(X))
        trains = [np.isin(np.arange(len(y)), train) for train, _ in split]
        tests = [np.isin(np.arange(len(y)), test) for _, test in split]
    else:
        if folds == "group":
            part = parted(GroupParts(4, 9), X, y, groups=groups)
            assert all(len(set(part[groups == g])) == 1 for g in range(60))
        else:
            part = parted(stratified(X, y, 4, 9), X, y)
            for label in ("yes", "no"):
                counts = np.bincount(part[y == label])
                assert np.ptp(counts) <= 2
        tests = [part == j for j in range(4)]
        trains = [~test for test in tests]
    check_models(cv, X, y, trains)
    check_scores(cv, X, y, tests)


def stratified(X, y, n_parts, seed):
    kernel = CellCountKernel(("no", "yes"), seed)
    sums = kernel.start()
    kernel.add(sums, Rows(X, y, start=0), None)
    counts = kernel.finish(sums).counts
    return StratifiedParts.of_counts(n_parts, seed, ("no", "yes"), counts)


@pytest.mark.parametrize("n_parts", [3, 200, 300, 40_000, 70_000])
def test_rows_are_put_in_the_order_of_however_many_parts(n_parts):
    own = np.random.default_rng(n_parts).integers(0, n_parts, 5000)
    order, counts = in_order(GivenParts(n_parts), Rows(own, own, groups=own))
    np.testing.assert_array_equal(own[order], np.sort(own))
    np.testing.assert_array_equal(counts, np.bincount(own, minlength=n_parts))


@pytest.mark.parametrize("shift", np.geomspace(1e-4, 1e-2, 8))
def test_bounds_allow_for_rows_that_round_the_same_way(shift):
    """As all do where the intercept alone moves, in float32."""
    X, y = problem(20_000)
    parts, every = RandomParts(5), np.ones((1, 5))
    theta, move = np.array([[0.3], *4 * [[0.0]]]), np.array([[shift], *4 * [[0.0]]])
    units = np.append(1.0, 1 / X.std(axis=0))
    weights = PartWeights.of(parts, every)
    kernel = NearbyKernel(theta, (0,), move, weights, X.mean(axis=0), units, "yes")
    assert kernel.single
    sums = kernel.start()
    kernel.add(sums, Rows(X, y, start=0), kernel.open())
    p, base = 1 / (1 + np.exp(-0.3 - shift)), 1 / (1 + np.exp(-0.3))
    exact = len(X) * (p - base)
    assert abs(sums.gradients[0, 0] - exact) <= grid.SINGLE * exact


@pytest.mark.parametrize("n_parts", [1, 4, 30])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("moved", [False, True])
def test_models_see_the_rows_of_their_parts_alone(n_parts, weighted, moved):
    """However many parts there are: few are told apart, of many a table is made."""
    X, y = problem(6000)
    rng = np.random.default_rng(n_parts)
    weight = rng.integers(0, 3, 6000).astype(float) if weighted else None
    rows_of = (rng.random((9, n_parts)) < 0.6).astype(float)
    own = rng.integers(0, n_parts, 6000)
    weights = PartWeights.of(GivenParts(n_parts), rows_of, (("yes", 2.0),))
    bases, shifts = rng.normal(size=(5, 9)), 0.3 * rng.normal(size=(5, 9))
    mean, units = X.mean(axis=0), np.append(1.0, 1 / X.std(axis=0))
    given_shifts, every = (shifts if moved else None), tuple(range(9))
    kernel = NearbyKernel(
        bases, every, given_shifts, weights, mean, units, "yes", True, every, False
    )
    sums = kernel.start()
    kernel.add(sums, Rows(X, y, weight, start=0, groups=own), kernel.open())
    Z = np.column_stack([np.ones(6000), (X - mean) * units[1:]])
    event = y == "yes"
    for b in range(9):
        s = rows_of[b][own] * np.where(event, 2.0, 1.0)
        s *= 1.0 if weight is None else weight
        p = 1 / (1 + np.exp(-Z @ bases[:, b]))
        q = 1 / (1 + np.exp(-Z @ (bases[:, b] + shifts[:, b]))) if moved else p
        residual = q - p if moved else p - event
        np.testing.assert_allclose(
            sums.gradients[:, b], Z.T @ (s * residual), rtol=1e-9, atol=1e-8
        )
        bend = (Z * (s * q * (1 - q))[:, None]).T @ Z
        np.testing.assert_allclose(sums.hessians[b], bend, rtol=1e-9, atol=1e-8)
        if moved:
            reach = np.abs(Z @ shifts[:, b])[s > 0].max(initial=0.0)
            assert sums.reaches[b] == pytest.approx(reach) or n_parts != 4
            assert sums.reaches[b] >= reach * (1 - 1e-12)
        else:
            np.testing.assert_allclose(sums.totals[:, b], [s.sum(), s[event].sum()])


@pytest.mark.parametrize("weighted", [False, True])
def test_parts_are_scored_by_every_fold_that_tests_them(weighted):
    """Some by two folds, some by none; a predictor of exactly 0 is not called event."""
    X, y = problem(3000)
    rng = np.random.default_rng(1)
    weight = rng.integers(1, 4, 3000).astype(float) if weighted else None
    tests = np.array([[1, 1, 0, 0], [0, 1, 1, 0]], dtype=bool)
    own = rng.integers(0, 4, 3000)
    models, whole = rng.normal(size=(2, 3, 4)), rng.normal(size=(3, 4))
    models[0, 0] = 0.0
    mean, units = X.mean(axis=0), 1 / X.std(axis=0)
    kernel = HeldPartsKernel(
        models, whole, GivenParts(4), tests, mean, units, "yes", fit_intercept=False
    )
    sums = kernel.start()
    kernel.add(sums, Rows(X, y, weight, start=0, groups=own), kernel.open())
    found, event = kernel.finish(sums), y == "yes"
    s = np.ones(3000) if weight is None else weight
    Z = (X - mean) * units
    for fold in range(2):
        rows = tests[fold][own]
        of = [rows.sum(), s[rows].sum(), s[rows & event].sum()]
        np.testing.assert_allclose(found.totals[:, fold], of)
        for i, theta in enumerate(models[fold]):
            eta = Z[rows] @ theta
            p = 1 / (1 + np.exp(-eta))
            loss = np.logaddexp(0, np.where(event[rows], -eta, eta))
            right = (eta > 0) == event[rows]
            values = [loss, (p - event[rows]) ** 2, right]
            sums_of = [s[rows] @ v for v in values]
            np.testing.assert_allclose(found.scores[:, fold, i], sums_of, rtol=1e-12)
    eta = whole @ Z.T
    losses = np.logaddexp(0, np.where(event, -eta, eta)) @ s
    np.testing.assert_allclose(found.losses, losses, rtol=1e-12)


@given(n_rows=st.integers(6, 4000), n_parts=st.integers(2, 6), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_parts_are_those_of_the_row_and_of_even_size(n_rows, n_parts, seed):
    rng = np.random.default_rng(seed)
    X, y = np.zeros((n_rows, 1)), np.where(rng.random(n_rows) < 0.3, "yes", "no")
    low = n_rows // 3
    some = Rows(X[low:], y[low:], start=low)
    size = n_rows // n_parts
    borders = tuple(size * j for j in range(1, n_parts))
    for parts in (
        RandomParts(n_parts, seed),
        stratified(X, y, n_parts, seed),
        TimeParts(borders),
    ):
        assert parts.n_parts == n_parts
        whole = parted(parts, X, y)
        np.testing.assert_array_equal(parts.of(some), whole[low:])
        counts = np.bincount(whole, minlength=n_parts)
        assert len(counts) == n_parts
        if isinstance(parts, RandomParts):
            assert np.abs(counts - n_rows / n_parts).max() < 6 * np.sqrt(n_rows)
        elif isinstance(parts, TimeParts):
            assert (np.diff(whole) >= 0).all()
        else:
            for label in ("yes", "no"):
                own = np.bincount(whole[y == label], minlength=n_parts)
                assert np.ptp(own) <= 3


def test_passes_are_counted_and_few():
    X, y = problem(60000, seed=4)
    cv = dlogreg.cross_validate(
        counted_array("X", X, 6000), y == "yes", alphas=np.logspace(-4, -0.5, 10)
    )
    found = reads("X")
    assert len(found) == 10
    assert min(found) == cv.n_passes
    assert sum(found) == 10 * cv.n_passes + 4  # the pilot reads a few
    assert cv.n_passes <= 6
    one = dlogreg.fit(X, y, alpha=1e-3, tol=0.01)
    assert cv.n_passes <= one.n_passes + 4
    assert cv.trace[-1].kind == "scores"
    assert np.nanmax(cv.error_bounds) <= 0.01


def test_single_precision_proves_and_keeps_its_bounds(monkeypatch):
    X, y = problem(20000, seed=6)
    monkeypatch.setattr(grid_fit, "SINGLE_ROWS", 1000)
    cv = dlogreg.cross_validate(X, y, alphas=[1.0, 0.01, 1e-4], seed=1)
    part = parted(RandomParts(5, 1), X, y)
    check_models(cv, X, y, [part != j for j in range(5)])


@pytest.mark.parametrize("kind", ["normal", "heavy", "rare", "sorted"])
def test_points_without_hessians_of_their_own_keep_their_bounds(monkeypatch, kind):
    rng = np.random.default_rng(2)
    X = (
        rng.standard_t(3, (60000, 6))
        if kind == "heavy"
        else rng.normal(size=(60000, 6))
    )
    eta = X @ [0.8, -0.6, 0.4, 0.3, 0.0, 0.2] - (4 if kind == "rare" else 0)
    y = np.where(rng.random(len(X)) < 1 / (1 + np.exp(-eta)), "yes", "no")
    if kind == "sorted":
        X, y = X[np.argsort(y, kind="stable")], np.sort(y)
    monkeypatch.setattr(grid_fit, "SINGLE_ROWS", 1000)
    monkeypatch.setattr(grid_fit, "node_radius", lambda *_: 0.1)
    plans = []

    def plan(nodes, points, most, plan=HessianNodes.plan):
        plans.append(plan(nodes, points, most))
        return plans[-1]

    monkeypatch.setattr(HessianNodes, "plan", plan)
    blocks = da.from_array(X, chunks=(6000, 6))
    cv = dlogreg.cross_validate(blocks, y, alphas=np.geomspace(3, 1e-3, 14), seed=1)
    assert sum(len(one.tried) - len(one.nodes) for one in plans) >= 3
    part = parted(RandomParts(5, 1), X, y)
    check_models(cv, X, y, [part != j for j in range(5)])


def test_nodes_are_fewer_the_looser_the_tolerance_and_the_more_rows():
    radius = [
        node_radius(tol, 51, weight, 0.8, 5.0)
        for tol, weight in ((1e-8, 1e6), (1e-3, 1e6), (1e-2, 1e6), (1e-2, 1e9))
    ]
    assert radius == sorted(radius)
    assert radius[0] < 1e-6
    assert radius[-1] == pytest.approx(0.12)
    assert node_radius(1e-2, 51, 1e6, 0.8, 50.0) == pytest.approx(radius[2] / 10)


def test_a_ray_leads_nearer_to_optima_than_a_step():
    X, y = problem(8000, seed=2)
    Z = np.column_stack([np.ones(len(X)), (X - X.mean(axis=0)) / X.std(axis=0)])
    event = y == "yes"

    def evaluated(theta):
        p = 1 / (1 + np.exp(-Z @ theta))
        return Evaluation(0.0, Z.T @ (p - event), (Z * (p * (1 - p))[:, None]).T @ Z)

    def optimum(l2):
        theta = np.zeros(5)
        for _ in range(30):
            found = evaluated(theta)
            step = np.linalg.solve(
                found.hessian + np.diag(l2), found.gradient + l2 * theta
            )
            theta = theta - step
        return theta

    null = np.zeros(5)
    null[0] = np.log(event.mean() / (1 - event.mean()))
    end = optimum(np.zeros(5))
    points = np.column_stack([null, (null + end) / 2, end])
    known = [evaluated(point) for point in points.T]
    ray = Ray.through(points, known)
    assert ray is not None
    assert Ray.through(points[:, :1], known[:1]) is None
    assert Ray.through(points + np.eye(5, 3), known) is None
    for alpha in (1.0, 0.1, 0.01):
        l2 = np.r_[0.0, np.full(4, alpha * len(y))]
        free = np.full(5, np.inf)
        exact, penalty = optimum(l2), Separable(np.zeros(5), l2, -free, free)
        found = ray.optimum(penalty, null)
        away = [
            np.sqrt(np.mean((Z @ (theta - exact)) ** 2))
            for theta in (
                found,
                *(
                    proximal_step(one, point, penalty, point).theta
                    for one, point in zip(known, points.T, strict=True)
                ),
            )
        ]
        assert away[0] < 0.01
        assert away[0] < min(away[1:]) + 1e-3


def test_few_hessians_at_a_time(monkeypatch):
    X, y = problem(2000, seed=6)
    monkeypatch.setattr(grid_fit, "HESSIAN_VALUES", 2 * 5 * 25)
    cv = dlogreg.cross_validate(X, y, alphas=np.logspace(-3, 1, 6), seed=1)
    part = parted(RandomParts(5, 1), X, y)
    check_models(cv, X, y, [part != j for j in range(5)])


def test_few_rows_separated_classes_and_no_intercept():
    X, y = problem(60, seed=8)
    y = np.where(X[:, 0] > 0, "yes", "no")
    cv = dlogreg.cross_validate(X, y, alphas=np.logspace(-4, 2, 9), n_folds=3)
    part = parted(RandomParts(3, 0), X, y)
    check_models(cv, X, y, [part != j for j in range(3)])
    X = X - X.mean(axis=0)
    cv = dlogreg.cross_validate(
        X, y, alphas=np.logspace(-4, 1, 5), n_folds=3, fit_intercept=False
    )
    check_models(cv, X, y, [part != j for j in range(3)], intercept=False)


def test_schedulers_give_the_same_bits_and_chunks_nearly():
    X, y = problem(12000)
    blocks = da.from_array(X, chunks=(1000, 4))

    def run(X):
        return dlogreg.cross_validate(X, y, alphas=ALPHAS, scoring="auc")

    cv = run(blocks)
    with dask.config.set(scheduler="synchronous"):
        again = run(blocks)
    np.testing.assert_array_equal(again.fold_params, cv.fold_params)
    np.testing.assert_array_equal(again.scores, cv.scores)
    other = run(da.from_array(X, chunks=(3501, 2)))
    scale = np.sqrt(np.diagonal(dlogreg.fit(X, y).cov_params()))
    assert np.abs((other.fold_params - cv.fold_params) / scale).max() < 0.02
    for name in ("log_loss", "auc"):
        np.testing.assert_allclose(other.mean(name), cv.mean(name), rtol=1e-4)


def test_the_grid_without_alphas():
    X, y = problem()
    cv = dlogreg.cross_validate(X, y, n_alphas=7)
    p = (y == "yes").mean()
    slope = np.abs(X.T @ (p - (y == "yes"))).max() / len(y)
    np.testing.assert_allclose(cv.alphas, slope * np.logspace(3, -1, 7))
    assert len(dlogreg.cross_validate(X, y).alphas) == 20


def test_tables():
    X, y = problem(500)
    cv = dlogreg.cross_validate(X, y, alphas=ALPHAS, scoring="accuracy")
    frame = cv.to_frame()
    assert frame.index.name == "alpha"
    np.testing.assert_array_equal(frame["accuracy"], cv.scores)
    np.testing.assert_array_equal(frame["brier_se"], cv.standard_error("brier"))
    assert "(best)" in repr(cv)
    assert "accuracy" in repr(cv)
    assert "<table" in cv._repr_html_()
    with pytest.raises(ValueError, match="'log_loss', 'deviance', 'brier', 'accuracy'"):
        cv.mean("auc")


def test_the_simplest_model_within_one_standard_error():
    losses, errors = np.array([0.9, 0.55, 0.5, 0.52]), np.full(4, 0.06)
    assert best_of(losses, "log_loss") == 2
    assert one_se_of(losses, errors, "log_loss") == 1
    assert best_of(1 - losses, "auc") == 2
    assert one_se_of(1 - losses, errors / 10, "auc") == 2


def test_what_cannot_be_validated_is_refused():
    X, y = problem(200)
    validate = dlogreg.cross_validate
    for options, message in (
        ({"folds": "leave-one-out"}, "folds must be"),
        ({"n_folds": 1}, "n_folds must be a whole number from 2"),
        ({"n_folds": 2.5}, "n_folds must be"),
        ({"groups": y}, r"groups= goes with folds='group'"),
        ({"folds": "group"}, r"groups= goes with folds='group'"),
        ({"scoring": "f1"}, "scoring must name .*'f1'"),
        ({"scoring": ()}, "scoring must name .* nothing"),
        ({"alphas": [0.1, 0.0]}, "alphas must be positive"),
        ({"n_alphas": 0}, "n_alphas must be a whole number"),
        ({"l1_ratio": 1.5}, "l1_ratio must be a number from 0 to 1"),
        ({"max_passes": 3}, "max_passes must be at least 4"),
        ({"max_passes": 4.5}, "max_passes must be a whole number"),
        ({"alphas": [1.0], "n_alphas": 2}, "n_alphas is for a path without alphas"),
        ({"folds": "time", "seed": 1}, "folds='time' draws nothing"),
    ):
        with pytest.raises(ValueError, match=message):
            validate(X, y, **options)
    rare = np.where(np.arange(200) < 1, "yes", "no")
    with pytest.raises(dlogreg.DataError, match="has no row with y = 'yes' to fit to"):
        validate(X, rare)
    with pytest.raises(dlogreg.DataError, match="no row to score"):
        validate(X, y, folds="group", groups=np.arange(200) % 2, n_folds=9)
    with pytest.raises(dlogreg.DataError, match="needs at least 11 rows"):
        validate(X[:9], y[:9], folds="time", n_folds=10)
    unknown = da.from_array(X, chunks=(50, 4))
    unknown = unknown[unknown[:, 0] > -9]
    with pytest.raises(dlogreg.DataError, match="compute_chunk_sizes"):
        validate(unknown, unknown[:, 0] > 0, folds="time")
    with pytest.raises(dlogreg.MemoryLimitError):
        validate(X, y, memory_limit="1 MB")
    match = "models have not reached tol"
    with pytest.warns(dlogreg.ConvergenceWarning, match=match) as told:
        validate(X, y, alphas=[1e-5, 1.0], max_passes=4)
    assert [warning.filename for warning in told] == [__file__]  # the user's line
