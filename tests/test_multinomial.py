"""Three and more classes through fit: statsmodels' values, layout, sources, checks."""

import copy
import pickle
import warnings

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import zarr
from sklearn.datasets import load_iris

import dlogreg
from dlogreg import MultinomialResults, Status
from dlogreg.labelled_matrix import LabelledMatrix
from tests.counting import counted_array, reads
from tests.softmax_reference import exact_softmax, softmax_problem, symmetric

UNCONFIRMED = "an estimate of the distance that nothing confirms"


def anes():
    """Party identification in seven steps, statsmodels' example for MNLogit."""
    data = sm.datasets.anes96.load_pandas()
    return data.exog, data.endog


def noisy_iris():
    """Iris with a fifth of its labels drawn anew, so that they are not separated."""
    X, y = load_iris(return_X_y=True, as_frame=True)
    rng = np.random.default_rng(0)
    y = np.where(rng.random(150) < 0.2, rng.integers(0, 3, 150), y)
    return X, pd.Series(y)


def travel_mode():
    """Fair's survey of affairs, its counts in four classes."""
    data = sm.datasets.fair.load_pandas()
    X = data.exog.drop(columns="occupation_husb")
    return X, pd.Series(np.digitize(data.endog, [0.01, 1.0, 4.0]))


def mnlogit(X, y):
    model = sm.MNLogit(np.asarray(y), sm.add_constant(np.asarray(X, float)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(method="newton", maxiter=30, tol=1e-14, disp=0)


@pytest.mark.parametrize("data", [anes, noisy_iris, travel_mode])
def test_values_and_layout_are_those_of_mnlogit(data):
    X, y = data()
    exact, res = mnlogit(X, y), dlogreg.fit(X, y, tol=1e-9)
    assert isinstance(res, MultinomialResults)
    assert res.status is Status.CONVERGED

    def same(found, expected):
        found, expected = np.asarray(found), np.asarray(expected)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)

    same(res.params, exact.params)
    same(res.bse, exact.bse)
    same(res.tvalues, exact.tvalues)
    same(res.pvalues, exact.pvalues)
    same(res.cov_params(), exact.cov_params())
    same(res.conf_int(0.1), exact.conf_int(0.1))
    same(res.odds_ratios()[:, :, 1:], np.exp(exact.conf_int()))
    same(res.predict(X), exact.predict())
    for name in ("llf", "aic", "bic", "df_model", "df_resid", "nobs"):
        assert getattr(res, name) == pytest.approx(getattr(exact, name), rel=1e-10)
    counts = np.bincount(np.unique(y, return_inverse=True)[1])
    null = counts @ np.log(counts / len(y))  # statsmodels' own is found numerically
    assert res.llnull == pytest.approx(null, rel=1e-12)
    assert res.llnull == pytest.approx(exact.llnull, abs=1e-4)
    assert res.prsquared == pytest.approx(1 - exact.llf / null, rel=1e-10)
    assert res.llr_pvalue == pytest.approx(exact.llr_pvalue, rel=1e-3)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_params_and_errors_are_those_of_extended_precision(seed, fit_intercept):
    problem = softmax_problem(seed)
    exact, covariance, loss = exact_softmax(
        problem.X, problem.y, problem.weight, fit_intercept=fit_intercept
    )
    res = dlogreg.fit(
        problem.X,
        problem.y,
        sample_weight=problem.weight,
        fit_intercept=fit_intercept,
        tol=1e-9,
    )
    deviations = np.sqrt(np.diag(covariance)).reshape(exact.shape)
    assert (np.abs(np.asarray(res.params).T - exact) / deviations).max() < 1e-8
    np.testing.assert_allclose(res.bse, deviations.T, rtol=1e-7)
    assert res.llf == pytest.approx(-loss, rel=1e-12)
    scale = np.outer(deviations, deviations)
    np.testing.assert_allclose(res.cov_params() / scale, covariance / scale, atol=1e-6)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_penalised_fit_is_symmetric_and_exact(fit_intercept):
    problem = softmax_problem(3)
    total = problem.weight.sum()
    exact, _, _ = exact_softmax(
        problem.X, problem.y, problem.weight, 0.01 * total, fit_intercept
    )
    res = dlogreg.fit(
        problem.X,
        problem.y,
        sample_weight=problem.weight,
        alpha=0.01,
        fit_intercept=fit_intercept,
        tol=1e-10,
    )
    n_classes = len(np.unique(problem.y))
    assert res.params.shape == (len(res.names), n_classes)
    assert res.labels == res.classes
    np.testing.assert_allclose(res.params.sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(
        res.coefficients, symmetric(exact), rtol=1e-8, atol=1e-10
    )
    np.testing.assert_array_equal(res.symmetric_coefficients(), res.coefficients)
    with pytest.raises(dlogreg.InferenceError, match="penalised"):
        _ = res.bse
    assert np.isnan(res.aic)
    np.testing.assert_allclose(
        res.decision_function(problem.X).sum(axis=1), 0, atol=1e-9
    )
    assert "geometric mean" in str(res.summary())


def test_the_reference_is_the_first_of_the_classes_given():
    X, y = noisy_iris()
    res, turned = (
        dlogreg.fit(X, y, classes=c, tol=1e-10) for c in ([0, 1, 2], [2, 0, 1])
    )
    assert turned.classes == (2, 0, 1)
    assert turned.labels == (0, 1)
    b, c = res.params, turned.params
    np.testing.assert_allclose(c.of_class(0), -b.of_class(2), rtol=1e-8)
    np.testing.assert_allclose(c.of_class(1), b.of_class(1) - b.of_class(2), rtol=1e-8)
    assert turned.llf == pytest.approx(res.llf, rel=1e-12)
    np.testing.assert_allclose(
        turned.predict(X), res.predict(X)[:, [2, 0, 1]], rtol=1e-7
    )


def test_weight_two_is_the_row_twice():
    X, y = (np.asarray(v) for v in noisy_iris())
    weight = np.arange(150) % 3
    rows = np.repeat(np.arange(150), weight)
    weighted = dlogreg.fit(X, y, sample_weight=weight, tol=1e-10)
    repeated = dlogreg.fit(X[rows], y[rows], tol=1e-10)
    np.testing.assert_allclose(weighted.params, repeated.params, rtol=1e-8)
    np.testing.assert_allclose(weighted.cov_params(), repeated.cov_params(), rtol=1e-7)
    assert weighted.bic == pytest.approx(repeated.bic)


def test_passes_are_counted_and_every_block_is_read_once_in_each():
    problem = softmax_problem(5, n_rows=4000, n_features=3, n_classes=4)
    X = counted_array("softmax", problem.X, 500)
    res = dlogreg.fit(X, problem.y)
    assert min(reads("softmax")) == res.n_passes
    assert res.n_passes <= 6
    assert [r.kind for r in res.trace[:3]] == [
        "pilot",
        "survey",
        "loss_gradient_hessian",
    ]
    assert sum(reads("softmax")) == 8 * res.n_passes + 4  # the pilot reads 4 blocks


def test_a_start_is_taken_where_it_is_good():
    X, y = anes()
    first = dlogreg.fit(X, y)
    again = dlogreg.fit(X, y, start=first.params)
    assert again.n_passes <= 3
    np.testing.assert_allclose(again.params, first.params, atol=1e-6)
    ridge = dlogreg.fit(X, y, alpha=1e-3)
    assert dlogreg.fit(X, y, alpha=1e-3, start=ridge.params).n_passes <= 3
    shape = (
        r"6 lines \(intercept first\) by 6 columns, .* or by 7, but has shape \(6,\)"
    )
    with pytest.raises(ValueError, match=shape):
        dlogreg.fit(X, y, start=np.zeros(6))
    with pytest.raises(ValueError, match="finite numbers"):
        dlogreg.fit(X, y, start=np.full((6, 6), np.nan))


def test_lbfgs_reaches_the_same_optimum():
    X, y = anes()
    exact = dlogreg.fit(X, y, tol=1e-9)
    res = dlogreg.fit(X, y, solver="lbfgs", tol=1e-8, max_passes=400)
    assert res.status is Status.CONVERGED or res.status is Status.CONVERGED_UNCERTIFIED
    away = (np.asarray(res.params) - np.asarray(exact.params)) / np.asarray(exact.bse)
    assert np.abs(away).max() < 1e-4
    np.testing.assert_allclose(res.bse, exact.bse, rtol=1e-4)


@pytest.mark.parametrize("alpha", [1e-3, 0.1])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_lbfgs_reaches_the_same_optimum_under_ridge(alpha, fit_intercept):
    X, y = anes()
    given = {"alpha": alpha, "fit_intercept": fit_intercept}
    exact = dlogreg.fit(X, y, tol=1e-10, **given)
    res = dlogreg.fit(X, y, solver="lbfgs", tol=1e-8, max_passes=400, **given)
    assert res.status is Status.CONVERGED  # all rows are read before the first pass
    assert res.error_bound <= 1e-8
    assert res.trace[-1].kind == "loss_gradient"
    scale = np.asarray(X).std(axis=0)[:, None]
    first = int(fit_intercept)
    away = (np.asarray(res.params) - np.asarray(exact.params))[first:] * scale
    assert np.abs(away).max() < 1e-8
    assert res.llf == pytest.approx(exact.llf, rel=1e-12)


def test_a_small_penalised_loss_is_not_taken_for_separation_by_lbfgs():
    X = np.eye(3)
    res = dlogreg.fit(X, [0, 1, 2], alpha=1e-4, solver="lbfgs", max_passes=300)
    exact = dlogreg.fit(X, [0, 1, 2], alpha=1e-4)
    assert -res.llf < np.log(2)
    assert res.status is Status.CONVERGED
    np.testing.assert_allclose(res.params, exact.params, rtol=1e-3, atol=1e-3)


def test_no_column_is_dropped_by_lbfgs_that_it_has_used():
    X, y = noisy_iris()
    X = X.assign(double=2 * X.iloc[:, 0])
    whole = dlogreg.fit(X, y, solver="lbfgs", tol=1e-5, max_passes=400)
    assert not whole.dropped
    with pytest.raises(dlogreg.InferenceError, match="Hessian is singular"):
        _ = whole.bse
    with pytest.warns(dlogreg.CollinearityWarning):
        exact = dlogreg.fit(X, y)
    np.testing.assert_allclose(whole.predict(X), exact.predict(X), atol=1e-4)


def test_no_column_is_dropped_where_the_classes_make_it_too_wide_for_newton(
    monkeypatch,
):
    """The first pass takes two classes for granted, and sums products of columns."""
    X, y = noisy_iris()
    X = X.assign(double=2 * X.iloc[:, 0])
    with pytest.warns(dlogreg.CollinearityWarning):
        exact = dlogreg.fit(X, y)
    monkeypatch.setattr("dlogreg.choice.LARGEST_HESSIAN", 8 * 7**2)
    with pytest.warns(dlogreg.ConvergenceWarning, match=UNCONFIRMED):
        res = dlogreg.fit(X, y, max_passes=500)
    assert res.solver == "lbfgs"
    assert not res.dropped
    assert np.isfinite(np.asarray(res.params)).all()
    np.testing.assert_allclose(res.predict(X), exact.predict(X), atol=1e-4)


def test_a_hessian_that_lbfgs_does_not_form_is_named(monkeypatch):
    monkeypatch.setattr("dlogreg.choice.LARGEST_HESSIAN", 8 * 6**2)
    X, y = noisy_iris()
    with pytest.warns(dlogreg.ConvergenceWarning, match=UNCONFIRMED):
        res = dlogreg.fit(X, y, tol=1e-4, max_passes=500)
    assert res.solver == "lbfgs"  # 5 coefficients of an equation would fit
    assert all(record.kind != "closing" for record in res.trace)
    message = "Hessian of 10 coefficients was not formed; solver='newton' forms it"
    with pytest.raises(dlogreg.InferenceError, match=message):
        _ = res.bse
    exact = dlogreg.fit(X, y, solver="newton")
    np.testing.assert_allclose(res.predict(X), exact.predict(X), atol=1e-4)


def test_a_plan_with_named_classes_counts_all_equations(monkeypatch):
    monkeypatch.setattr("dlogreg.choice.LARGEST_HESSIAN", 8 * 6**2)
    X, y = noisy_iris()
    two = dlogreg.plan(X, y)
    assert (two.solver, two.n_params) == ("newton", 5)
    three = dlogreg.plan(X, y, classes=[0, 1, 2])
    assert (three.solver, three.n_params) == ("lbfgs", 10)
    assert three.why_solver.startswith("a Hessian of 10 coefficients")
    assert three.block is not None


def test_too_many_coefficients_for_newton_take_lbfgs(monkeypatch):
    monkeypatch.setattr("dlogreg.choice.LARGEST_HESSIAN", 8 * 10**2)
    X, y = noisy_iris()
    res = dlogreg.fit(X, y, alpha=0.1, max_passes=500)
    assert res.solver == "newton"  # 2 equations of 5 coefficients
    X = X.assign(more=X.iloc[:, 0] ** 2)
    with pytest.warns(dlogreg.ConvergenceWarning, match=UNCONFIRMED):
        wide = dlogreg.fit(X, y, alpha=0.1, max_passes=500)
    assert wide.solver == "lbfgs"


def test_the_kinds_that_are_the_default_may_be_named():
    X, y = noisy_iris()
    weight = np.full(len(y), 2.0)
    named = {"weight_kind": "frequency", "cov_type": "model"}
    res = dlogreg.fit(X, y, sample_weight=weight, **named)
    twice = dlogreg.fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(res.bse, twice.bse)
    assert (res.weight_kind, res.cov_type) == ("frequency", "model")
    assert res.nobs == 2 * len(y)


class TestResults:
    @pytest.fixture(scope="class")
    @staticmethod
    def res():
        X, y = anes()
        return dlogreg.fit(X, y.astype(int).map("party {}".format))

    def test_params_are_found_by_name_and_class(self, res):
        params = res.params
        assert isinstance(params, LabelledMatrix)
        column = params.of_class("party 3")
        assert column["age"] == params["age", "party 3"] == params[3, 2]
        assert params["age"].tolist() == np.asarray(params)[3].tolist()
        assert params.to_dict()["party 3"]["age"] == params[3, 2]
        with pytest.raises(
            KeyError, match=r"no class is named 'party 9'; there are 'party \d', .*"
        ):
            params.of_class("party 9")
        with pytest.raises(KeyError, match="'agee'; there are 'age'"):
            _ = params["agee"]

    def test_params_are_read_only_and_survive_copies(self, res):
        with pytest.raises(ValueError, match="read-only"):
            res.params[0, 0] = 1.0
        for other in (
            copy.copy(res.params),
            copy.deepcopy(res.params),
            pickle.loads(pickle.dumps(res.params)),
        ):
            assert other.names == res.params.names
            assert other.of_class("party 1").tolist() == res.params[:, 0].tolist()
        assert type(res.params + 1) is np.ndarray
        assert type(pickle.loads(pickle.dumps(res.params[1:]))) is np.ndarray
        with pytest.raises(ValueError, match="2 names and 1 labels"):
            LabelledMatrix.of(np.zeros((2, 2)), ["a", "b"], [0])

    def test_params_are_shown_as_a_table(self, res):
        lines = repr(res.params).splitlines()
        assert lines[0].split("'")[1::2] == [f"party {k}" for k in range(1, 7)]
        assert lines[4].startswith("age ")
        assert len({len(line) for line in lines}) == 1
        wide = LabelledMatrix.of(np.zeros((99, 20)), [*map(str, range(99))], range(20))
        assert "(39 more)" in repr(wide)
        assert repr(wide).splitlines()[0].endswith("...")
        assert str(np.asarray(wide)[:2]) in str(wide[:2])

    def test_the_summary_has_a_block_for_every_class(self, res):
        text = str(res.summary())
        assert "Multinomial logistic regression, maximum likelihood" in text
        assert text.count("against 'party 0'") == 6
        assert "'party 0' (200 rows)" in text.split("Reference class:")[1][:40]
        row = next(line for line in text.splitlines() if line.startswith("selfLR"))
        assert f"{res.params['selfLR', 'party 1']:.6g}" in row
        assert f"{res.odds_ratios()[0, 2, 0]:.5g}" in row
        assert "reference 'party 0'" in repr(res)
        assert "<td>" in res._repr_html_()

    def test_what_is_saved_comes_back(self, res, tmp_path):
        res.save(tmp_path / "model.json")
        back = dlogreg.load(tmp_path / "model.json")
        assert isinstance(back, MultinomialResults)
        np.testing.assert_array_equal(back.params, res.params)
        np.testing.assert_array_equal(back.cov_params(), res.cov_params())
        X, _ = anes()
        np.testing.assert_array_equal(back.predict(X), res.predict(X))
        assert str(back.summary()) == str(res.summary())

    def test_predictions(self, res):
        X, _ = anes()
        probability = res.predict(X)
        eta = res.decision_function(X)
        np.testing.assert_allclose(probability.sum(axis=1), 1, rtol=1e-14)
        assert not eta[:, 0].any()
        np.testing.assert_allclose(
            np.log(probability[:, 1:] / probability[:, :1]), eta[:, 1:], rtol=1e-9
        )
        labels = res.classify(X)
        assert labels.tolist() == [res.classes[k] for k in probability.argmax(axis=1)]
        lazy = res.predict(da.from_array(X.to_numpy(), chunks=(100, 2)))
        assert lazy.chunks == ((100,) * 9 + (44,), (7,))
        np.testing.assert_allclose(lazy, probability, rtol=1e-12)
        missing = X.copy()
        missing.iloc[4, 1] = np.nan
        assert np.isnan(res.predict(missing)[4]).all()
        with pytest.raises(dlogreg.DataError, match="row 4 of a block"):
            res.classify(missing)

    def test_many_classes_are_counted_in_the_header(self):
        rng = np.random.default_rng(4)
        y = rng.integers(0, 30, 6000)
        res = dlogreg.fit(rng.normal(size=(6000, 1)), y)
        assert res.params.shape == (2, 29)
        assert "Other classes:" in str(res.summary())

    def test_without_inference_there_are_no_errors(self):
        X, y = noisy_iris()
        res = dlogreg.fit(X, y, inference=False)
        with pytest.raises(dlogreg.InferenceError, match="inference=False"):
            res.cov_params()
        assert np.isnan(res.odds_ratios()[:, :, 1:]).all()
        assert "std err" not in str(res.summary()).split("Status")[1].split("\n")[2]
        for alpha in (0, 1, -1):
            with pytest.raises(ValueError, match="alpha must lie"):
                res.conf_int(alpha)


def sources(X, y, weight, folder):
    yield X, y, weight
    yield pd.DataFrame(X), pd.Series(y), weight
    chunks = da.from_array(X, chunks=((700, 1, 1299, 1000), (2, 1)))
    yield chunks, da.from_array(y, chunks=900), da.from_array(weight, chunks=3000)
    yield zarr.create_array(folder / "X", data=X, chunks=(500, 2)), y, weight
    unknown = da.from_array(X, chunks=(500, 3))
    keep = da.ones(3000, chunks=500, dtype=bool)
    yield unknown[keep], da.from_array(y, chunks=500)[keep], None


def test_every_source_has_the_same_optimum(tmp_path):
    problem = softmax_problem(1, n_rows=3000, n_features=3, n_classes=4)
    X, y, weight = problem.X, problem.y, problem.weight
    exact = {
        kind: dlogreg.fit(X, y, sample_weight=w, tol=1e-10)
        for kind, w in (("weighted", weight), ("plain", None))
    }
    for source, labels, weights in sources(X, y, weight, tmp_path):
        res = dlogreg.fit(source, labels, sample_weight=weights, tol=1e-10)
        expected = exact["plain" if weights is None else "weighted"]
        away = np.asarray(res.params) - np.asarray(expected.params)
        assert np.abs(away / np.asarray(expected.bse)).max() < 1e-8
        np.testing.assert_allclose(res.bse, expected.bse, rtol=1e-8)


@pytest.fixture(scope="module")
def laid(tmp_path_factory):
    """Rows in a store of many chunks, and their fit without a scheduler."""
    problem = softmax_problem(6, n_rows=4000, n_features=3, n_classes=4)
    folder = tmp_path_factory.mktemp("softmax")
    X = zarr.create_array(folder / "X", data=problem.X, chunks=(250, 3))
    with dask.config.set(scheduler="sync"):
        return X, problem.y, dlogreg.fit(X, problem.y)


def same_bits(left, right):
    assert left.coefficients.tobytes() == right.coefficients.tobytes()
    assert left.covariance.tobytes() == right.covariance.tobytes()
    assert left.llf == right.llf


@pytest.mark.parametrize("n_workers", [1, 3])
def test_the_bits_do_not_depend_on_the_threads(monkeypatch, laid, n_workers):
    monkeypatch.setattr("dlogreg.layout.INLINE_BYTES", 0)
    X, y, expected = laid
    with dask.config.set(scheduler="threads", num_workers=n_workers):
        same_bits(dlogreg.fit(X, y), expected)


def test_the_bits_do_not_depend_on_the_cluster(laid, client):
    X, y, expected = laid
    same_bits(dlogreg.fit(X, y), expected)


class TestChecks:
    @pytest.fixture
    @staticmethod
    def data():
        rng = np.random.default_rng(2)
        X = rng.normal(size=(600, 3))
        eta = np.column_stack([np.zeros(600), X[:, 0], -X[:, 1]])
        return X, (eta + rng.gumbel(size=(600, 3))).argmax(axis=1)

    def test_aliased_columns_are_dropped_in_every_class(self, data):
        X, y = data
        wide = np.column_stack([X, X[:, 0] - 2 * X[:, 2], np.ones(600)])
        with pytest.warns(dlogreg.CollinearityWarning, match="'x4'.*'x5'"):
            res = dlogreg.fit(wide, y, tol=1e-9)
        exact = dlogreg.fit(X, y, tol=1e-9)
        assert np.isnan(np.asarray(res.params)[4:]).all()
        np.testing.assert_allclose(np.asarray(res.params)[:4], exact.params, rtol=1e-7)
        np.testing.assert_allclose(np.asarray(res.bse)[:4], exact.bse, rtol=1e-7)
        assert res.df_model == exact.df_model
        assert str(res.summary()).count("dropped: it equals") == 2
        np.testing.assert_allclose(res.predict(wide), exact.predict(X), rtol=1e-7)

    @pytest.mark.parametrize("fit_intercept", [True, False])
    def test_a_class_that_never_meets_a_level_is_named(self, data, fit_intercept):
        X, y = data
        X[:, 2] = (X[:, 2] > 0) & (y != 1)
        with pytest.warns(dlogreg.SeparationWarning) as caught:
            res = dlogreg.fit(X, y, fit_intercept=fit_intercept)
        assert "no row with x3 = 1 has y = 1" in str(caught[0].message)
        assert res.status is Status.SEPARATED
        assert res.separated == ("x3",)
        assert res.error_bound == np.inf
        assert str(res.summary()).count("(!)") == 3

    def test_groups_of_classes_split_by_a_value_are_named(self, data):
        X, y = data
        X[:, 1] = np.where(y == 1, 5 + np.abs(X[:, 1]), 5 - np.abs(X[:, 1]))
        with pytest.warns(dlogreg.SeparationWarning, match=r"y = 0 or 2 only where x2"):
            assert dlogreg.fit(X, y).separated == ("x2",)
        res = dlogreg.fit(X, y, fit_intercept=False)  # which would have to be zero
        assert res.status is Status.CONVERGED
        X[:, 1] -= 5
        with pytest.warns(dlogreg.SeparationWarning, match=r"only where x2 <= 0"):
            dlogreg.fit(X, y, fit_intercept=False)

    def test_an_indicator_of_ones_is_named(self, data):
        X, y = data
        X[:, 2] = (X[:, 2] > 0) | (y == 2)
        with pytest.warns(dlogreg.SeparationWarning, match="x3 = 0 has y = 2"):
            dlogreg.fit(X, y)

    def test_a_rare_class_is_split_off_although_most_blocks_lack_it(self):
        rng = np.random.default_rng(9)
        y = rng.integers(0, 2, 4000)
        y[1900:1960:3] = 2
        X = rng.normal(size=(4000, 2))
        X[:, 1] = (X[:, 1] > 0) & (y != 2)
        blocks = da.from_array(X, chunks=(100, 2))
        with pytest.warns(dlogreg.SeparationWarning, match="x2 = 1 has y = 2"):
            res = dlogreg.fit(blocks, y)
        assert res.status is Status.SEPARATED
        assert res.separated == ("x2",)

    def test_a_pair_separated_only_without_the_third_class_is_not_named(self, data):
        X, y = data
        X[y == 0, 1] = -np.abs(X[y == 0, 1])
        X[y == 1, 1] = np.abs(X[y == 1, 1])
        X[y == 2, 1] *= 3
        assert dlogreg.fit(X, y).status is Status.CONVERGED

    def test_separation_by_a_combination_is_suspected(self, data):
        X, y = data
        y = np.digitize(X @ [1.0, -1.0, 1.0], [-1, 1])
        with pytest.warns(dlogreg.SeparationWarning, match="look separated"):
            res = dlogreg.fit(X, y, max_passes=60)
        assert res.status is Status.SEPARATION_SUSPECTED
        assert set(res.separated) == {"x1", "x2", "x3"}
        ridge = dlogreg.fit(X, y, alpha=1e-3)
        assert ridge.status is Status.CONVERGED

    def test_many_labels_are_listed_in_part(self):
        rng = np.random.default_rng(8)
        y = rng.integers(0, 8, 900)
        x = np.where(y < 6, rng.random(900), 1 + rng.random(900))
        with pytest.warns(dlogreg.SeparationWarning, match="y = 0 or 1 or 2 or 3 more"):
            dlogreg.fit(x[:, None], y)

    def test_a_class_that_the_pilot_does_not_see_costs_a_pass_at_most(self):
        rng = np.random.default_rng(3)
        X = rng.normal(size=(60_000, 2))
        y = (X[:, 0] + rng.logistic(size=60_000) > 0).astype(int)
        y[[20_000, 20_001, 20_002, 20_005, 20_009, 20_010, 20_011]] = 2
        blocks = da.from_array(X, chunks=(1000, 2))
        res = dlogreg.fit(blocks, y)
        assert res.classes == (0, 1, 2)
        assert [r.kind for r in res.trace].count("survey") <= 2
        exact = dlogreg.fit(X[:59_999], y[:59_999])
        assert exact.classes == (0, 1, 2)

    def test_more_memory_than_allowed_is_refused(self, data):
        X, y = data
        y = np.arange(600) % 150
        with pytest.raises(dlogreg.MemoryLimitError, match="MiB for the solver"):
            dlogreg.fit(X, y, alpha=0.1, memory_limit="30 MB")
        plan = dlogreg.plan(X, y, classes=range(150), memory_limit="30 MB")
        assert plan.n_params == 149 * 4
        assert plan.refusal

    def test_a_plan_of_given_classes_times_their_kernel(self, data):
        X, y = data
        two = dlogreg.plan(np.tile(X, (200, 1)), np.tile(y, 200))
        many = dlogreg.plan(
            np.tile(X, (200, 1)), np.tile(y, 200), classes=[0, 1, 2, *range(3, 40)]
        )
        assert many.n_params == 39 * 4
        assert many.seconds_per_pass > 3 * two.seconds_per_pass

    def test_a_plan_checks_the_start(self, data):
        X, y = data
        start = np.zeros((4, 2))
        assert dlogreg.plan(X, y, start=start).passes[0] > 3
        assert dlogreg.plan(X, y, start=start, classes=[0, 1, 2]).n_params == 8
        with pytest.raises(ValueError, match="4 lines"):
            dlogreg.plan(X, y, start=start[:3], classes=[0, 1, 2])

    def test_ctrl_c_in_the_first_pass_of_the_solver_returns_the_null_model(
        self, data, monkeypatch
    ):
        X, y = data
        from dlogreg.kernel import SoftmaxKernel

        def interrupt(self, sums, rows, buffers):
            raise KeyboardInterrupt

        monkeypatch.setattr(SoftmaxKernel, "add", interrupt)
        res = dlogreg.fit(X, y)
        assert res.status is Status.INTERRUPTED
        assert not np.asarray(res.params)[1:].any()
        shares = np.bincount(y) / 600
        np.testing.assert_allclose(
            res.params["const"], np.log(shares[1:] / shares[0]), rtol=1e-12
        )
