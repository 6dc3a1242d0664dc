"""Paths of penalties: every model is that of its own fit, in few shared passes."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.sparse

import dlogreg
from dlogreg.errors import DataError
from dlogreg.solvers import Status
from tests.counting import counted_array, reads
from tests.test_elastic_net import NAMED, drawn, missing_slopes, options_of

OPTIONS = [
    {"l1_ratio": 1.0},
    {"l1_ratio": 0.5},
    {"l1_ratio": 0.0},
    {"l1_ratio": 1.0, "penalty_factor": [0.0, 1, 2, 0, 1, 1]},
    {"l1_ratio": 0.7, "bounds": (0, None)},
    {"l1_ratio": 1.0, "bounds": [(0.1, None), *[(-0.2, 0.3)] * 5]},
    {"l1_ratio": 1.0, "fit_intercept": False},
]


def assert_same(path, X, y, **options):
    """Compare with single fits, in standard errors of the Hessian's face."""
    for i in range(0, len(path), 4):
        one = dlogreg.fit(X, y, alpha=path.alphas[i], tol=1e-9, **options)
        first = int(path.first.fit_intercept)
        Z = np.column_stack([np.ones((len(y), first)), X])
        p = 1 / (1 + np.exp(-Z @ one.coefficients))
        move = Z @ (path.params[:, i] - one.coefficients)
        assert np.sqrt((p * (1 - p) * move**2).sum()) <= path.error_bounds[i] + 1e-8
        assert path.llf[i] == pytest.approx(one.llf, abs=0.01)


@pytest.mark.parametrize("options", OPTIONS)
def test_every_model_is_its_own_fit(options):
    X, y, _ = drawn(1, 400, 6)
    path = dlogreg.path(X, y, n_alphas=20, tol=1e-3, **options)
    assert all(status is Status.CONVERGED for status in path.statuses)
    assert (path.error_bounds <= 1e-3).all()
    assert_same(path, X, y, **options)


@pytest.mark.parametrize("name", [name for name in NAMED if "ridge" not in name])
def test_models_are_those_of_glmnet(name):
    case = NAMED[name]
    given = options_of(case)
    alpha, X = given.pop("alpha"), np.array(case["X"], float).T
    path = dlogreg.path(
        X, case["y"], alphas=[alpha, 8 * alpha, 3 * alpha], tol=1e-7, **given
    )
    expected = np.array(case["params"])[1 - case["fit_intercept"] :]
    np.testing.assert_allclose(path.at(alpha).params, expected, rtol=1e-6, atol=1e-8)


class TestAlphas:
    @pytest.mark.parametrize(
        "options", [OPTIONS[0], OPTIONS[3], OPTIONS[4], OPTIONS[5]]
    )
    def test_the_largest_is_the_least_that_leaves_all_at_rest(self, options):
        X, y, _ = drawn(2, 300, 6)
        path = dlogreg.path(X, y, n_alphas=3, tol=1e-6, **options)
        free = np.array(options.get("penalty_factor", np.ones(6))) == 0
        place = np.zeros(6)
        if isinstance(options.get("bounds"), list):
            place[0] = 0.1
        np.testing.assert_array_equal(path.coefs[~free, 0], place[~free])
        below = dlogreg.fit(X, y, alpha=0.999 * path.alphas[0], tol=1e-8, **options)
        moved = below.coefficients[1:] != place
        assert (moved & ~free).any()
        above = dlogreg.fit(X, y, alpha=1.001 * path.alphas[0], tol=1e-8, **options)
        np.testing.assert_array_equal(above.coefficients[1:][~free], place[~free])

    def test_ridge_begins_where_glmnet_does(self):
        X, y, _ = drawn(3, 200, 3)
        slope = np.abs(X.T @ (y - y.mean())).max() / len(y)
        path = dlogreg.path(X, y, l1_ratio=0.0, n_alphas=2)
        assert path.alphas[0] == pytest.approx(1000 * slope)
        assert path.alphas[1] == pytest.approx(0.1 * slope)

    def test_few_rows_end_earlier(self):
        X, y, _ = drawn(4, 30, 40)
        path = dlogreg.path(X, y, n_alphas=5)
        assert path.alphas[-1] == pytest.approx(0.01 * path.alphas[0])
        again = dlogreg.path(X, y, n_alphas=5, alpha_min_ratio=0.1)
        assert again.alphas[-1] == pytest.approx(0.1 * path.alphas[0])

    def test_given_ones_are_sorted(self):
        X, y, _ = drawn(5, 100, 2)
        path = dlogreg.path(X, y, alphas=[0.01, 0.3, 0.1])
        np.testing.assert_array_equal(path.alphas, [0.3, 0.1, 0.01])

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"alphas": [0.1, 0.0]}, "alphas must be positive numbers, one or more"),
            ({"alphas": [np.nan]}, "alphas must be positive numbers, one or more"),
            ({"alphas": []}, "alphas must be positive numbers, one or more"),
            ({"alphas": ["a"]}, "alphas must be positive numbers, one or more"),
            ({"alphas": [0.1, 0.1]}, "alphas must differ from each other"),
            ({"alphas": [1], "alpha_min_ratio": 0.1}, "for a path without alphas"),
            ({"alphas": [1], "n_alphas": 5}, "n_alphas is for a path without alphas"),
            (
                {"n_alphas": 1, "alpha_min_ratio": 0.1},
                "alpha_min_ratio does nothing with n_alphas=1",
            ),
            (
                {"n_alphas": 0},
                "n_alphas must be a whole number of 1 or more.* not 0",
            ),
            ({"n_alphas": True}, "n_alphas must be a whole number of 1 or more"),
            ({"alpha_min_ratio": 1.0}, "alpha_min_ratio must be a number between 0"),
            ({"l1_ratio": 2}, "l1_ratio must be a number from 0 to 1"),
            ({"bounds": [(0, 0)] * 2}, "no penalised column would leave its place"),
            ({"penalty_factor": [0, 0]}, "no penalised column would leave its place"),
        ],
    )
    def test_what_cannot_be_is_refused(self, given, message):
        X, y, _ = drawn(6, 60, 2)
        with pytest.raises(ValueError, match=message):
            dlogreg.path(X, y, **given)


def test_passes_are_those_that_are_promised():
    X, y, _ = drawn(7, 4000, 8)
    rows = counted_array("path rows", X, 500)
    path = dlogreg.path(rows, y, n_alphas=100)
    assert all(status.converged for status in path.statuses)
    assert set(reads("path rows")) <= {path.n_passes, path.n_passes + 1}
    assert path.n_passes == 4


def test_a_first_pass_that_learns_takes_one_more():
    X, y, _ = drawn(8, 300_000, 4)
    path = dlogreg.path(X, y, n_alphas=10, tol=0.01)
    assert all(status.converged for status in path.statuses)
    assert [record.kind for record in path.trace][:3] == [
        "pilot",
        "survey",
        "many_models",
    ]
    assert path.n_passes == 5


def bits(path):
    return path.params.tobytes(), path.llf.tobytes(), path.error_bounds.tobytes()


def test_results_do_not_depend_on_the_scheduler(small_blocks, request):
    X, y, _ = drawn(9, 3000, 5)
    rows, found = da.from_array(X, chunks=(400, -1)), []
    for scheduler in ("synchronous", "threads"):
        with dask.config.set(scheduler=scheduler, num_workers=2):
            found.append(bits(dlogreg.path(rows, y, n_alphas=8)))
    request.getfixturevalue("client")
    found.append(bits(dlogreg.path(rows, y, n_alphas=8)))
    assert len(set(found)) == 1


def test_sparse_rows_and_weights_and_offsets():
    X, y, rng = drawn(10, 300, 4)
    X[rng.random(X.shape) < 0.6] = 0
    weight = rng.integers(0, 3, size=300).astype(float)
    extra = {"sample_weight": weight, "offset": rng.normal(size=300)}
    path = dlogreg.path(scipy.sparse.csr_array(X), y, n_alphas=6, tol=1e-7, **extra)
    for i in range(6):
        one = dlogreg.fit(X, y, alpha=path.alphas[i], l1_ratio=1.0, tol=1e-9, **extra)
        np.testing.assert_allclose(path.params[:, i], one.params, rtol=1e-5, atol=1e-8)


def test_more_columns_than_rows():
    X, y, _ = drawn(11, 40, 120)
    path = dlogreg.path(X, y, n_alphas=20, tol=1e-6)
    assert all(status is Status.CONVERGED for status in path.statuses)
    for alpha, params in zip(path.alphas, path.params.T, strict=True):
        left = missing_slopes(X, y, params, alpha=alpha, l1_ratio=1.0)
        assert np.abs(left).max() < 1e-7
    assert path.df.max() <= 40


def test_runs_of_penalties_give_the_same(monkeypatch):
    """As wide data are taken, of which a pass has room for a few Hessians."""
    X, y, _ = drawn(12, 300, 6)
    whole = dlogreg.path(X, y, n_alphas=12, tol=1e-6)
    monkeypatch.setattr("dlogreg.selection.path_problem.ALPHAS_PER_HESSIAN", 1)
    monkeypatch.setattr("dlogreg.selection.path_problem.HESSIAN_VALUES", 4 * 49)
    monkeypatch.setattr("dlogreg.solvers.penalized_models.HESSIAN_VALUES", 49)
    cut = dlogreg.path(X, y, n_alphas=12, tol=1e-6)
    assert cut.n_passes > whole.n_passes
    np.testing.assert_allclose(cut.params, whole.params, atol=1e-6)


@pytest.fixture(scope="module")
def path():
    X, y, _ = drawn(13, 300, 5)
    return dlogreg.path(X, y, n_alphas=10, feature_names=list("abcde"))


class TestResults:
    def test_models_are_results(self, path):
        assert len(path) == 10
        model = path[3]
        assert model.alpha == path.alphas[3]
        assert model.params["a"] == path.coefs[0, 3]
        assert path.at(path.alphas[3]).params.tolist() == model.params.tolist()
        X, _, _ = drawn(13, 300, 5)
        eta = path.intercepts[3] + X @ path.coefs[:, 3]
        np.testing.assert_allclose(model.predict(X), 1 / (1 + np.exp(-eta)))
        assert "lasso penalty" in str(model.summary())
        assert repr(path).startswith("<PathResults: 10 penalties from ")

    def test_a_penalty_that_is_not_there_is_named(self, path):
        with pytest.raises(
            ValueError, match=r"no alpha = 0.123; the nearest is .* fit"
        ):
            path.at(0.123)

    def test_the_criteria(self, path):
        np.testing.assert_array_equal(path.df, (path.coefs != 0).sum(axis=0))
        np.testing.assert_allclose(path.aic, 2 * (path.df + 1) - 2 * path.llf)
        np.testing.assert_allclose(path.bic, np.log(300) * (path.df + 1) - 2 * path.llf)
        assert path.best("aic").alpha == path.alphas[path.aic.argmin()]
        assert path.deviance_ratio[0] == pytest.approx(0, abs=1e-12)
        assert (np.diff(path.deviance_ratio) > 0).all()
        with pytest.raises(ValueError, match="criterion must be 'aic' or 'bic'"):
            path.best("cv")

    def test_criteria_of_other_penalties_are_not_known(self):
        X, y, _ = drawn(14, 100, 2)
        ridge = dlogreg.path(X, y, l1_ratio=0.0, n_alphas=2)
        with pytest.raises(ValueError, match="for a lasso without bounds only"):
            ridge.best()

    def test_the_table(self, path):
        table = path.to_frame()
        assert table.index.name == "alpha"
        assert list(table.columns[:2]) == ["const", "a"]
        np.testing.assert_array_equal(table["e"], path.coefs[4])
        np.testing.assert_array_equal(table["df"], path.df)

    def test_arrays_are_read_only(self, path):
        with pytest.raises(ValueError, match="read-only"):
            path.params[0, 0] = 1.0


def test_too_few_passes_are_told():
    X, y, _ = drawn(15, 300, 5)
    match = "of 10 models have not come"
    with pytest.warns(dlogreg.ConvergenceWarning, match=match) as told:
        path = dlogreg.path(X, y, n_alphas=10, max_passes=2)
    assert [warning.filename for warning in told] == [__file__]  # the user's line
    assert Status.MAX_PASSES in path.statuses
    late = [s is Status.MAX_PASSES for s in path.statuses]
    assert (
        np.isinf(path.error_bounds[late]).any()
        or (path.error_bounds[late] > 1e-4).all()
    )


def test_three_classes_are_refused():
    X, _, rng = drawn(16, 60, 2)
    with pytest.raises(DataError, match="are for two classes only so far"):
        dlogreg.path(X, rng.integers(0, 3, size=60))


def test_ridge_of_three_classes_is_refused_too():
    X, _, rng = drawn(16, 60, 2)
    with pytest.raises(DataError, match="two classes"):
        dlogreg.path(X, rng.integers(0, 3, size=60), l1_ratio=0.0)


def test_too_many_columns_are_refused(monkeypatch):
    X, y, _ = drawn(17, 50, 3)
    monkeypatch.setattr("dlogreg.selection.path.hessian_fits", lambda n_params: False)
    with pytest.raises(ValueError, match=r"path\(\) needs the Hessian of 4 coeff"):
        dlogreg.path(X, y)
