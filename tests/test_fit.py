"""fit(): options act, findings are reported, promises about passes hold."""

import re
import warnings

import numpy as np
import pytest
import statsmodels.api as sm

import dlogreg
from dlogreg import Status


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3)) * [1, 5, 0.1]
    y = (rng.random(2000) < 1 / (1 + np.exp(-X @ [0.4, 0.1, -2] - 0.3))).astype(int)
    return X, y


def test_classes_choose_the_event(data):
    X, y = data
    plain, flipped = dlogreg.fit(X, y), dlogreg.fit(X, y, classes=(1, 0))
    np.testing.assert_allclose(flipped.params, -np.asarray(plain.params), rtol=1e-7)
    assert flipped.classes == (1, 0)
    with pytest.raises(dlogreg.DataError, match="classes"):
        dlogreg.fit(X, y, classes=("no", "yes"))


def test_start_saves_passes_and_a_bad_start_does_no_harm(data):
    X, y = data
    plain = dlogreg.fit(X, y, tol=1e-8)
    warm = dlogreg.fit(X, y, tol=1e-8, start=plain.params)
    bad = dlogreg.fit(X, y, tol=1e-8, start=[50, 50, -50, 50])
    assert warm.n_passes < plain.n_passes
    assert bad.n_passes == plain.n_passes + 1
    for other in (warm, bad):
        gap = (np.asarray(other.params) - plain.params) / plain.bse
        assert np.abs(gap).max() <= other.error_bound + plain.error_bound
    with pytest.raises(ValueError, match="start must be 4 finite numbers"):
        dlogreg.fit(X, y, start=[1, 2])


def test_inference_false_saves_the_closing_pass(data):
    X, y = data
    full, bare = dlogreg.fit(X, y), dlogreg.fit(X, y, inference=False)
    assert bare.n_passes == full.n_passes - 1
    assert bare.llf == pytest.approx(full.llf, rel=1e-9)
    with pytest.raises(dlogreg.InferenceError, match="inference=False"):
        _ = bare.bse


def test_tol_is_kept_and_bought_with_passes(data):
    X, y = data
    loose, tight = dlogreg.fit(X, y, tol=1e-1), dlogreg.fit(X, y, tol=1e-12)
    assert loose.error_bound <= 1e-1
    assert loose.n_passes < tight.n_passes


def test_every_pass_is_in_the_trace_with_its_cost(data):
    X, y = data
    res = dlogreg.fit(X, y)
    numbers = [record.number for record in res.trace]
    assert numbers == list(range(res.n_passes + 1))
    assert [record.kind for record in res.trace[:2]] == ["pilot", "survey"]
    for record in res.trace[1:]:
        assert record.tally.n_rows == 2000
        assert record.tally.n_bytes == X.nbytes + y.nbytes
    losses = [record.loss for record in res.trace if record.loss is not None]
    assert losses == sorted(losses, reverse=True)
    assert res.bytes_read == sum(record.tally.n_bytes for record in res.trace)
    assert res.peak_memory > 2**20


def test_aliased_columns_are_named_dropped_and_harmless(data):
    X, y = data
    names = ["a", "b", "c", "twice", "flat", "sum"]
    wide = np.column_stack([X, X[:, 0] * 2, np.full(2000, 7.0), X[:, 1] - X[:, 2]])
    with pytest.warns(dlogreg.CollinearityWarning) as caught:
        res = dlogreg.fit(wide, y, feature_names=names, tol=1e-10)
    message = str(caught[0].message)
    for part in ("'twice' (it equals 2 * a", "'flat' (it is constant (7", "'sum' ("):
        assert part in message
    assert set(res.dropped) == {"twice", "flat", "sum"}
    plain = dlogreg.fit(X, y, tol=1e-10)
    np.testing.assert_allclose(np.asarray(res.params)[:4], plain.params, rtol=1e-8)
    assert np.isnan(np.asarray(res.params)[4:]).all()
    np.testing.assert_allclose(np.asarray(res.bse)[:4], plain.bse, rtol=1e-8)
    assert np.isnan(np.asarray(res.bse)[4:]).all()
    assert res.df_model == plain.df_model == 3
    assert res.status is Status.CONVERGED


def test_a_penalty_keeps_aliased_columns(data):
    X, y = data
    res = dlogreg.fit(np.column_stack([X, X[:, 0]]), y, alpha=0.01, tol=1e-10)
    params = np.asarray(res.params)
    assert params[1] == pytest.approx(params[4], rel=1e-8)
    assert not res.dropped


def test_a_constant_column_may_stand_for_the_intercept(data):
    X, y = data
    with_ones = np.column_stack([np.ones(2000), X])
    res = dlogreg.fit(with_ones, y, fit_intercept=False, tol=1e-10)
    reference = sm.Logit(y, with_ones).fit(disp=0, tol=1e-14)
    np.testing.assert_allclose(res.params, reference.params, rtol=1e-7)


@pytest.mark.parametrize("kind", ["one column", "indicator", "empty corner"])
def test_a_separating_column_is_named_at_no_cost(data, kind):
    X, y = data
    if kind == "one column":
        extra = y * 2.0 - 1 + np.linspace(-0.5, 0.5, len(y))
    elif kind == "indicator":
        extra = ((y == 1) & (np.arange(len(y)) % 7 == 0)).astype(float)
    else:
        extra = np.where(y == 1, 1.0, (np.arange(len(y)) % 3 == 0) * 1.0)
    names = ["a", "b", "c", "bad"]
    with pytest.warns(dlogreg.SeparationWarning, match="'bad'"):
        res = dlogreg.fit(np.column_stack([X, extra]), y, feature_names=names)
    assert res.status is Status.SEPARATED
    assert res.separated == ("bad",)
    assert res.error_bound == np.inf
    assert not res.converged


def test_separation_by_a_combination_is_proven(data):
    X, _ = data
    y = X @ [1.0, 0.3, 4.0] > 0.2
    with pytest.warns(dlogreg.SeparationWarning, match="are separated"):
        res = dlogreg.fit(X, y)
    assert res.status is Status.SEPARATED
    assert res.separation == "complete"
    assert res.separated == ("x1", "x2", "x3")
    assert res.n_passes <= 8


def test_a_penalty_makes_separated_data_estimable(data):
    X, _ = data
    res = dlogreg.fit(X, X[:, 0] > 0, alpha=1e-3)
    assert res.status is Status.CONVERGED


@pytest.mark.parametrize("seed", range(30))
def test_steep_data_that_are_not_separated_are_not_suspected(seed):
    rng = np.random.default_rng(seed)
    n, d = 400, 4
    X = rng.normal(size=(n, d))
    eta = X @ rng.normal(size=d) * 6
    y = rng.random(n) < 1 / (1 + np.exp(-eta))
    res = dlogreg.fit(X, y)
    assert res.status is Status.CONVERGED


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"solver": "sag"}, "solver must be"),
        ({"alpha": -1}, "alpha must be"),
        ({"alpha": np.nan}, "alpha must be"),
        ({"tol": 0}, "tol must be"),
        ({"max_passes": 1}, "max_passes must be"),
        ({"classes": [0]}, "classes must be different labels in order"),
        ({"classes": [0, 1, 1]}, "classes must be different labels in order"),
        ({"feature_names": ["a"]}, "1 feature_names for 3 columns"),
        ({"feature_names": ["a", "b", "a"]}, "'a' occurs twice"),
    ],
)
def test_wrong_options_are_refused_before_reading(data, option, message):
    X, y = data
    with pytest.raises(ValueError, match=message):
        dlogreg.fit(X, y, **option)


def test_lbfgs_on_more_columns_than_a_hessian_should_have():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(3000, 2950)).astype("f4")
    y = rng.random(3000) < 1 / (1 + np.exp(-X[:, 0]))
    alpha, n = 0.05, len(y)
    res = dlogreg.fit(X, y, alpha=alpha, tol=1e-3, fit_intercept=False)
    assert res.solver == "lbfgs"
    assert res.status is Status.CONVERGED
    assert res.error_bound <= 1e-3
    b = np.asarray(res.params)
    X = X.astype(float)
    gradient = X.T @ (1 / (1 + np.exp(-X @ b)) - y) + alpha * n * b
    # the optimum is at most |gradient| / (alpha n) away, since H >= alpha n I
    assert np.linalg.norm(gradient) / np.sqrt(alpha * n) <= 1e-3


def test_public_names_resolve():
    for name in dlogreg.__all__:
        assert getattr(dlogreg, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = dlogreg.nothing


def test_the_bound_of_standard_errors_holds_before_convergence(data):
    X, y = data
    exact = np.asarray(dlogreg.fit(X, y, tol=1e-12).bse)
    for most in range(2, 7):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dlogreg.ConvergenceWarning)
            res = dlogreg.fit(X, y, max_passes=most)
        error = np.abs(np.asarray(res.bse) / exact - 1).max()
        assert error <= res.bse_error_bound + 1e-12
        assert np.isfinite(res.bse_error_bound) == np.isfinite(res.error_bound)


def test_a_singular_hessian_gives_no_standard_errors(data):
    X, y = data
    res = dlogreg.fit(np.column_stack([X, X[:, 0]]), y, solver="lbfgs")
    with pytest.raises(dlogreg.InferenceError, match="Hessian is singular"):
        _ = res.bse


@pytest.mark.parametrize("factor", [1e160, 1e200, 1e300])
def test_columns_whose_squares_overflow_are_refused(data, factor):
    X, y = data
    X = X * np.where(np.arange(X.shape[1]) == 1, factor, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with pytest.raises(dlogreg.DataError, match=r"column 'x2' has values so large"):
            dlogreg.fit(X, y)


@pytest.mark.parametrize("weight", [1e-300, 1e300])
def test_weights_beyond_the_range_of_float64_are_refused(data, weight):
    X, y = data
    with pytest.raises(dlogreg.DataError, match="sample_weight sums to"):
        dlogreg.fit(X, y, sample_weight=np.full(len(y), weight))


def test_a_class_without_a_share_of_the_weights_is_refused(data):
    X, y = data
    weight = np.where(np.asarray(y) == 1, 1.0, 1e-20)
    with pytest.raises(dlogreg.DataError, match=r"rows with y = .* weigh less"):
        dlogreg.fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("factor", [1e-9, 2.0, 1e9])
def test_an_aliased_column_is_explained_in_any_unit(data, factor):
    X, y = data
    both = np.column_stack([X, factor * X[:, 0]])
    with pytest.warns(
        dlogreg.CollinearityWarning, match=re.escape(f"equals {factor:g} * x1")
    ):
        dlogreg.fit(both, y)
