"""Cross-validation of three and more classes: fits of single folds, kept in step."""

from __future__ import annotations

import threading

import dask
import dask.array as da
import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression as Sklearn
from sklearn.metrics import accuracy_score, log_loss

import dlogreg
from dlogreg.kernel import Rows
from dlogreg.kernel.parts import (
    CellCountKernel,
    GroupParts,
    RandomParts,
    StratifiedParts,
)
from dlogreg.selection import class_grid
from dlogreg.selection.in_step import Abandoned, solve_in_step
from tests.counting import counted_array, reads

ALPHAS = [0.3, 0.03, 0.003]


def problem(n_rows=1500, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 3)) * [1.0, 20.0, 0.3] + [0.0, 1e3, 4.0]
    eta = np.column_stack([X[:, 0], 0.06 * (X[:, 1] - 1e3), 2 * (X[:, 2] - 4)])
    y = np.array(["one", "three", "two"])[
        (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    ]
    return X, y, rng.integers(0, 3, n_rows).astype(float)


def trains(parts, X, y, **fields):
    part = parts.of(Rows(X, y, start=0, **fields))
    return [part != j for j in range(parts.n_parts)]


@pytest.mark.parametrize("weighted", [False, True])
def test_every_model_is_the_fit_of_its_fold(weighted):
    X, y, weight = problem()
    own = weight if weighted else np.ones(len(y))
    given = weight if weighted else None
    cv = dlogreg.cross_validate(
        X, y, alphas=ALPHAS, n_folds=3, seed=4, tol=1e-8, sample_weight=given
    )
    assert cv.fold_params.shape == (3, 3, 3, 4)
    assert (cv.error_bounds <= 1e-8).all()
    sets = trains(RandomParts(3, 4), X, y)
    for i, alpha in enumerate(cv.alphas):
        for fold, train in enumerate([*sets, np.ones(len(y), dtype=bool)]):
            params = cv.params[i] if fold == 3 else cv.fold_params[i, fold]
            one = dlogreg.fit(X, y, sample_weight=own * train, alpha=alpha, tol=1e-9)
            exact = np.asarray(one.params).T
            np.testing.assert_allclose(params, exact, rtol=1e-6, atol=1e-8)
            if fold == 3:
                continue
            test, p = ~train & (own > 0), np.asarray(one.predict(X))
            loss = log_loss(y[test], p[test], sample_weight=own[test])
            assert cv.fold_scores["log_loss"][i, fold] == pytest.approx(loss, rel=1e-6)
            assert cv.fold_scores["deviance"][i, fold] == pytest.approx(2 * loss, 1e-6)
            called = np.array(one.classes)[p.argmax(axis=1)]
            right = accuracy_score(y[test], called[test], sample_weight=own[test])
            assert cv.fold_scores["accuracy"][i, fold] == pytest.approx(right)
            squares = ((p - (y[:, None] == np.array(one.classes))) ** 2).sum(axis=1)
            brier = np.average(squares[test], weights=own[test])
            assert cv.fold_scores["brier"][i, fold] == pytest.approx(brier, rel=1e-6)
            assert cv.fold_sizes[fold] == own[test].sum()
    one = dlogreg.fit(X, y, sample_weight=given, alpha=cv.best_alpha, tol=1e-9)
    assert cv.best.llf == pytest.approx(one.llf, rel=1e-9)
    np.testing.assert_allclose(cv.best.params, one.params, rtol=1e-6, atol=1e-8)
    assert cv.best.alpha == pytest.approx(cv.best_alpha)
    assert cv.best.params.shape == (4, 3)


def stratified(X, y, weight, n_parts, seed):
    """Return the part of every row, and check that parts have even shares."""
    classes = tuple(sorted(set(y.tolist())))
    kernel = CellCountKernel(classes, seed)
    sums = kernel.start()
    rows = Rows(X, y, weight, start=0)
    kernel.add(sums, rows, None)
    counts = kernel.finish(sums).counts
    part = StratifiedParts.of_counts(n_parts, seed, classes, counts).of(rows)
    for label in classes:
        own = np.bincount(part[(y == label) & (weight > 0)], minlength=n_parts)
        assert np.ptp(own) <= 2
    return part


def test_stratified_folds_have_equal_shares_of_every_class():
    X, y, weight = problem()
    y = np.where(np.arange(len(y)) % 100 == 7, "rare", y)  # four classes, one of 15
    part = stratified(X, y, weight, 3, 5)
    options = {"alphas": ALPHAS[:2], "n_folds": 3, "seed": 5, "tol": 1e-8}
    options |= {"folds": "stratified", "sample_weight": weight}
    cv = dlogreg.cross_validate(X, y, **options)
    cut = dlogreg.cross_validate(da.from_array(X, chunks=(331, 2)), y, **options)
    np.testing.assert_allclose(cut.fold_params, cv.fold_params, rtol=1e-6, atol=1e-9)
    for i, alpha in enumerate(cv.alphas):
        for fold in range(3):
            train, test = part != fold, (part == fold) & (weight > 0)
            one = dlogreg.fit(X, y, sample_weight=weight * train, alpha=alpha, tol=1e-9)
            exact = np.asarray(one.params).T
            found = cv.fold_params[i, fold]
            np.testing.assert_allclose(found, exact, rtol=1e-6, atol=1e-8)
            p, own = np.asarray(one.predict(X)), weight[test]
            loss = log_loss(y[test], p[test], sample_weight=own, labels=one.classes)
            assert cv.fold_scores["log_loss"][i, fold] == pytest.approx(loss, rel=1e-6)
    unlike = dlogreg.cross_validate(X, y, **{**options, "seed": 6})
    assert (unlike.fold_params != cv.fold_params).any()


def test_coefficients_are_those_of_scikit_learn():
    X, y, _ = problem(800)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    cv = dlogreg.cross_validate(X, y, alphas=ALPHAS, n_folds=2, tol=1e-8)
    for fold, train in enumerate(trains(RandomParts(2, 0), X, y)):
        for i, alpha in enumerate(cv.alphas):
            C = 1 / (alpha * train.sum())
            exact = Sklearn(C=C, solver="newton-cholesky", tol=1e-10, max_iter=500)
            exact.fit(X[train], y[train])
            slopes = exact.coef_ - exact.coef_.mean(axis=0)
            found = cv.fold_params[i, fold][:, 1:]
            np.testing.assert_allclose(found, slopes, rtol=1e-6, atol=1e-7)


def test_the_passes_of_all_models_are_about_those_of_one():
    X, y, _ = problem(6000)
    rows = counted_array("class grid", X, 1000)
    cv = dlogreg.cross_validate(rows, y, alphas=np.logspace(-4, 0, 10))
    assert set(reads("class grid")) <= {cv.n_passes, cv.n_passes + 1}
    slowest = dlogreg.fit(X, y, alpha=1e-4, tol=0.01).n_passes
    assert cv.n_passes <= slowest + 3
    assert cv.trace[-1].kind == "scores"
    assert np.nanmax(cv.error_bounds) <= 0.01


@pytest.mark.parametrize("limit", ["HESSIAN_VALUES", "MOST_MODELS"])
def test_runs_of_penalties_give_the_same(monkeypatch, limit):
    X, y, _ = problem()
    whole = dlogreg.cross_validate(X, y, alphas=ALPHAS, n_folds=2)
    monkeypatch.setattr(class_grid, limit, 1)
    runs = dlogreg.cross_validate(X, y, alphas=ALPHAS, n_folds=2)
    assert runs.n_passes > whole.n_passes
    np.testing.assert_array_equal(runs.fold_params, whole.fold_params)


def test_groups_time_and_sparse_rows():
    X, y, _ = problem(900)
    groups = np.arange(900) // 9
    cv = dlogreg.cross_validate(
        X, y, alphas=[0.01], n_folds=2, folds="group", groups=groups, tol=1e-8
    )
    train = trains(GroupParts(2, 0), X, y, groups=groups)[0]
    one = dlogreg.fit(X[train], y[train], alpha=0.01, tol=1e-9)
    exact = np.asarray(one.params).T
    np.testing.assert_allclose(cv.fold_params[0, 0], exact, rtol=1e-6, atol=1e-8)
    cv = dlogreg.cross_validate(X, y, alphas=[0.01], n_folds=2, folds="time", tol=1e-8)
    one = dlogreg.fit(X[:300], y[:300], alpha=0.01, tol=1e-9)
    exact = np.asarray(one.params).T
    np.testing.assert_allclose(cv.fold_params[0, 0], exact, rtol=1e-6, atol=1e-8)
    X = np.where(np.abs(X - X.mean(axis=0)) > X.std(axis=0), X, 0.0)
    options = {"alphas": [0.01], "n_folds": 2, "tol": 1e-8}
    dense = dlogreg.cross_validate(X, y, **options)
    sparse = dlogreg.cross_validate(csr_array(X), y, **options)
    np.testing.assert_allclose(sparse.fold_params, dense.fold_params, rtol=1e-6)
    np.testing.assert_allclose(sparse.scores, dense.scores, rtol=1e-8)


def test_the_grid_without_alphas_and_an_intercept():
    X, y, _ = problem()
    cv = dlogreg.cross_validate(X, y, n_alphas=4, n_folds=2)
    slopes = [X.T @ ((y == label) - (y == label).mean()) for label in np.unique(y)]
    largest = np.abs(slopes).max() / len(y)
    np.testing.assert_allclose(cv.alphas, largest * np.logspace(3, -1, 4))
    X = X - X.mean(axis=0)
    cv = dlogreg.cross_validate(
        X, y, n_alphas=2, n_folds=2, fit_intercept=False, tol=1e-8
    )
    one = dlogreg.fit(X, y, alpha=cv.alphas[1], fit_intercept=False, tol=1e-9)
    np.testing.assert_allclose(cv.params[1].T, one.params, rtol=1e-6, atol=1e-9)
    assert cv.alphas[0] == pytest.approx(
        1e3 * np.abs(X.T @ ((y[:, None] == np.unique(y)) - 1 / 3)).max() / len(y)
    )


def test_tables_and_pictures():
    X, y, _ = problem(400)
    cv = dlogreg.cross_validate(X, y, alphas=ALPHAS, n_folds=2, scoring="accuracy")
    assert "(best)" in repr(cv)
    assert "<table" in cv._repr_html_()
    assert cv.n_nonzero.tolist() == [9, 9, 9]
    np.testing.assert_array_equal(cv.to_frame()["accuracy"], cv.scores)


def bits(rows, **options):
    X, y, weight = rows
    cv = dlogreg.cross_validate(
        X, y, sample_weight=weight, n_alphas=3, n_folds=3, **options
    )
    found = cv.alphas, cv.params, cv.fold_params, cv.error_bounds, cv.scores
    return [value.tobytes() for value in (*found, cv.fold_sizes)]


@pytest.mark.cluster
def test_bits_do_not_depend_on_the_scheduler(small_blocks, request):
    X, y, weight = problem()
    y = np.searchsorted(np.unique(y), y)
    cut = da.from_array(X, chunks=(200, 2)), da.from_array(y, chunks=700)
    rows = *(array.map_blocks(np.array, dtype=array.dtype) for array in cut), weight
    with dask.config.set(scheduler="synchronous"):
        expected = bits(rows)
    with dask.config.set(scheduler="threads", num_workers=3):
        assert bits(rows) == expected
    client = request.getfixturevalue("client")
    assert bits(rows) == expected
    assert bits((*client.persist(rows[:2]), weight)) == expected


def test_chunks_hardly_matter():
    X, y, weight = problem()
    options = {"alphas": ALPHAS, "n_folds": 3, "tol": 1e-8, "sample_weight": weight}
    whole = dlogreg.cross_validate(X, y, **options)
    cut = dlogreg.cross_validate(da.from_array(X, chunks=(331, 2)), y, **options)
    np.testing.assert_allclose(cut.fold_params, whole.fold_params, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(cut.fold_sizes, whole.fold_sizes)
    np.testing.assert_allclose(cut.scores, whole.scores, rtol=1e-8)


def test_what_there_is_for_two_classes_only_is_refused():
    X, y, _ = problem(300)
    validate = dlogreg.cross_validate
    for options, message in (
        ({"l1_ratio": 1.0}, r"l1_ratio > 0, .* two classes only so far.*l1_ratio=0"),
        ({"bounds": (0, None)}, "bounds are for two classes only so far"),
        ({"penalty_factor": [1, 1, 0]}, "penalty_factor and bounds are for two"),
        ({"scoring": "auc"}, r"scoring='auc' is for two classes only.* 3; take 'log_l"),
        ({"offset": np.zeros(300)}, "offset is for two classes only"),
    ):
        with pytest.raises(dlogreg.DataError, match=message):
            validate(X, y, **options)
    rare = np.where(np.arange(300) < 1, "four", y)
    with pytest.raises(dlogreg.DataError, match="has no row with y = 'four' to fit to"):
        validate(X, rare, alphas=[0.1])
    with pytest.raises(dlogreg.DataError, match="has no row to score; take fewer"):
        validate(X, y, folds="group", groups=np.arange(300) % 3, n_folds=9)
    with pytest.raises(dlogreg.MemoryLimitError, match=r"take at most .* alphas"):
        validate(X, y, n_alphas=9000, memory_limit="100 MB")
    match = "models have not reached tol"
    with pytest.warns(dlogreg.ConvergenceWarning, match=match) as told:
        validate(X, y, alphas=[1e-4], max_passes=4, tol=1e-10)
    assert [warning.filename for warning in told] == [__file__]  # the user's line


class TestInStep:
    def test_one_pass_serves_all_that_wait_in_their_order(self):
        served = []

        def model(n_passes, ask):
            return [ask(f"{n_passes}.{i}") for i in range(n_passes)]

        def serve(requests):
            assert threading.current_thread() is threading.main_thread()
            served.append(requests)
            return [kernel.upper() + "!" for _, kernel in requests]

        models = [lambda ask, n=n: model(n, ask) for n in (3, 0, 1)]
        found = solve_in_step(models, serve)
        assert found == [["3.0!", "3.1!", "3.2!"], [], ["1.0!"]]
        first = [(0, "3.0"), (2, "1.0")]
        assert served == [first, [(0, "3.1")], [(0, "3.2")]]

    def test_what_a_pass_raises_ends_all_models(self):
        ended = []

        def model(ask):
            try:
                ask("kernel")
            except Abandoned:
                ended.append(True)
                raise

        def serve(requests):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            solve_in_step([model] * 3, serve)
        assert ended == [True] * 3

    def test_what_a_model_raises_is_raised_once_the_others_have_ended(self):
        def bad(ask):
            raise ValueError("of the model")

        def good(ask):
            return ask("kernel")

        with pytest.raises(ValueError, match="of the model"):
            solve_in_step([good, bad], lambda requests: ["sums"] * len(requests))
