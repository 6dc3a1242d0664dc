"""Marginal effects: those of statsmodels, from every source, in the passes promised."""

from __future__ import annotations

import warnings

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import zarr
from distributed import Client
from zarr.storage import MemoryStore

import dlogreg
from dlogreg import DataError, InferenceError
from tests.counting import counted_array, forget, reads
from tests.handmade import make_results

CASES = [(at, dummy) for at in ("overall", "mean") for dummy in (False, True)]


def draw(n=3000, columns=4, seed=5):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, columns)) + 0.5
    X[:, 1] *= 100
    X[:, -1] = rng.random(n) < 0.3
    X[:, -2] = rng.random(n) < 0.6
    eta = 0.8 * X[:, 0] - 0.01 * X[:, 1] + 1.2 * X[:, -1] - 0.7 * X[:, -2]
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    return X, y, rng.integers(0, 4, n).astype(float)


def reference(X, y, *, intercept=True, cov_type="nonrobust", **options):
    design = sm.add_constant(X) if intercept else X
    fitted = sm.Logit(y, design).fit(disp=0, tol=1e-14, cov_type=cov_type)
    return fitted.get_margeff(**options)


def alike(found, expected, rel=1e-7):
    np.testing.assert_allclose(found.effects, expected.margeff, rtol=rel)
    np.testing.assert_allclose(found.bse, expected.margeff_se, rtol=rel)
    np.testing.assert_allclose(found.pvalues, expected.pvalues, rtol=1e-5)
    np.testing.assert_allclose(found.conf_int(0.1), expected.conf_int(0.1), rtol=1e-6)
    np.testing.assert_allclose(found.zvalues, expected.tvalues, rtol=1e-6)
    scale = np.outer(found.bse, found.bse)
    np.testing.assert_allclose(
        found.covariance / scale, expected.margeff_cov / scale, atol=1e-7
    )


@pytest.mark.parametrize(("at", "dummy"), CASES)
@pytest.mark.parametrize("columns", [4, 30])
def test_effects_are_those_of_statsmodels(at, dummy, columns):
    X, y, _ = draw(columns=columns)
    res = dlogreg.fit(X, y, tol=1e-9)
    found = res.marginal_effects(at, dummy=dummy)
    alike(found, reference(X, y, at=at, dummy=dummy))
    assert found.discrete == (res.feature_names[-2:] if dummy else ())


@pytest.mark.parametrize(("at", "dummy"), CASES)
def test_frequency_weights_repeat_rows(at, dummy):
    X, y, weight = draw()
    rows = np.repeat(np.arange(len(y)), weight.astype(int))
    res = dlogreg.fit(X, y, sample_weight=weight, tol=1e-9)
    expected = reference(X[rows], y[rows], at=at, dummy=dummy)
    alike(res.marginal_effects(at, dummy=dummy), expected)


@pytest.mark.parametrize(("at", "dummy"), CASES)
def test_weights_of_a_binomial_model(at, dummy):
    X, y, weight = draw(n=800)
    kept = weight > 0
    res = dlogreg.fit(X, y, sample_weight=weight, tol=1e-9)
    fitted = sm.GLM(
        y[kept],
        sm.add_constant(X[kept]),
        sm.families.Binomial(),
        freq_weights=weight[kept],
    ).fit(tol=1e-14)
    np.testing.assert_allclose(res.params, fitted.params, rtol=1e-8)
    covariance = fitted.cov_params()

    def effects(params):
        b = np.asarray(params)
        Z, w = sm.add_constant(X[kept]), weight[kept]
        if at == "mean":
            Z, w = np.average(Z, axis=0, weights=w)[None], np.ones(1)
        p = 1 / (1 + np.exp(-(Z @ b)))
        found = b[1:] * np.average(p * (1 - p), weights=w)
        for j in (3, 4) if dummy else ():
            ends = []
            for value in (1, 0):
                Z_set = Z.copy()
                Z_set[:, j] = value
                ends.append(np.average(1 / (1 + np.exp(-(Z_set @ b))), weights=w))
            found[j - 1] = ends[0] - ends[1]
        return found

    b = np.asarray(fitted.params)
    scale = 1e-5 * np.sqrt(np.diagonal(covariance))
    J = np.column_stack(
        [
            (effects(b + step) - effects(b - step)) / (2 * scale[k])
            for k, step in enumerate(np.diag(scale))
        ]
    )
    found = res.marginal_effects(at, dummy=dummy)
    np.testing.assert_allclose(found.effects, effects(b), rtol=1e-8)
    errors = np.sqrt(np.diagonal(J @ covariance @ J.T))
    np.testing.assert_allclose(found.bse, errors, rtol=1e-7)


@pytest.mark.parametrize("at", ["overall", "mean"])
def test_robust_covariances(at):
    X, y, _ = draw()
    res = dlogreg.fit(X, y, tol=1e-9)
    expected = reference(X, y, at=at, cov_type="HC0")
    alike(res.marginal_effects(at, kind="HC0"), expected)
    robust = dlogreg.fit(X, y, tol=1e-9, cov_type="HC1")
    found = robust.marginal_effects(at)
    factor = np.sqrt(3000 / 2995)
    np.testing.assert_allclose(found.bse, factor * expected.margeff_se, rtol=1e-7)
    assert found.cov_type == "HC1"
    assert "delta method, HC1" in str(found)


@pytest.mark.parametrize(("at", "dummy"), CASES)
def test_without_intercept(at, dummy):
    X, y, _ = draw()
    res = dlogreg.fit(X, y, fit_intercept=False, tol=1e-9)
    expected = reference(X, y, intercept=False, at=at, dummy=dummy)
    alike(res.marginal_effects(at, dummy=dummy), expected)


@pytest.mark.parametrize("tol", [1e-4, 1e-2])
def test_a_loose_fit_tells_them_as_exactly_as_its_coefficients(tol):
    X, y, _ = draw(n=20_000)
    res = dlogreg.fit(X, y, tol=tol)
    exact = dlogreg.fit(X, y, tol=1e-10)
    for at in ("overall", "mean"):
        found, expected = res.marginal_effects(at), exact.marginal_effects(at)
        off = np.abs(found.effects - expected.effects) / expected.bse
        assert off.max() <= 2 * tol
        np.testing.assert_allclose(found.bse, expected.bse, rtol=1e-3)


def sources(X, y, weight):
    frame = pd.DataFrame(X, columns=["x1", "x2", "x3", "x4"])
    yield frame, y, weight
    group = zarr.create_group(MemoryStore())
    stored = group.create_array("X", shape=X.shape, chunks=(700, 4), dtype="f8")
    stored[:] = X
    yield stored, y, weight
    for chunk in (101, 640, 997, 1500, 2001, 2999, 3000):
        yield da.from_array(X, chunks=(chunk, 3)), y, da.from_array(weight, chunks=997)


def test_every_source_gives_the_same():
    X, y, weight = draw()
    expected = dlogreg.fit(X, y, sample_weight=weight, tol=1e-9)
    for rows, labels, weights in sources(X, y, weight):
        res = dlogreg.fit(rows, labels, sample_weight=weights, tol=1e-9)
        for at, dummy in CASES:
            ours = res.marginal_effects(at, dummy=dummy)
            theirs = expected.marginal_effects(at, dummy=dummy)
            np.testing.assert_allclose(ours.effects, theirs.effects, rtol=1e-8)
            np.testing.assert_allclose(ours.bse, theirs.bse, rtol=1e-8)


def test_bits_do_not_depend_on_the_scheduler(process_cluster):
    X, y, weight = draw()
    lazy = da.from_array(X, chunks=(301, 4))

    def found():
        res = dlogreg.fit(lazy, y, sample_weight=weight)
        return [res.marginal_effects(dummy=d).covariance for d in (False, True)]

    with dask.config.set(scheduler="synchronous"):
        expected = found()
    with dask.config.set(scheduler="threads", num_workers=3):
        np.testing.assert_array_equal(found(), expected)
    with Client(process_cluster):
        np.testing.assert_array_equal(found(), expected)


def test_only_averaged_changes_read_the_rows_and_once():
    X, y, _ = draw()
    res = dlogreg.fit(counted_array("margins", X, 300), y)
    forget("margins")
    res.marginal_effects()
    res.marginal_effects("mean")
    res.marginal_effects("mean", dummy=True)
    assert reads("margins") == []
    res.marginal_effects(dummy=True)
    assert reads("margins") == [1] * 10


def test_columns_by_name():
    X, y, _ = draw()
    res = dlogreg.fit(X, y, tol=1e-9)
    both = res.marginal_effects(dummy=True)
    one = res.marginal_effects(dummy=["x4"])
    assert one.discrete == ("x4",)
    assert one.effects["x4"] == pytest.approx(both.effects["x4"], rel=1e-13)
    whole = res.marginal_effects().effects["x3"]
    assert one.effects["x3"] == pytest.approx(whole, rel=1e-13)
    assert res.marginal_effects(dummy="x4").discrete == ("x4",)
    frame = both.to_frame()
    assert list(frame.index) == ["x1", "x2", "x3", "x4"]
    assert frame.loc["x4", "bse"] == both.bse["x4"]
    assert "the change of p from 0 to 1 in x3, x4" in repr(both)
    assert "<table" in both._repr_html_()


def test_no_columns_of_0_and_1():
    X, y, _ = draw()
    res = dlogreg.fit(X, y)
    for name in ("x1", "x2"):
        with pytest.raises(DataError, match=f"column '{name}' holds other values than"):
            res.marginal_effects(dummy=[name])
    with pytest.raises(ValueError, match="dummy names 'sex', which is no column"):
        res.marginal_effects(dummy=["sex"])
    with pytest.raises(
        ValueError, match="at must be 'overall' or 'mean', not 'median'"
    ):
        res.marginal_effects("median")


def test_a_column_that_hides_one_fraction_among_many_rows():
    X, y, _ = draw(n=200_000)
    X[77_777, 3] = 0.5
    with dask.config.set(scheduler="synchronous"):
        res = dlogreg.fit(da.from_array(X.astype("f4"), chunks=(50_000, 4)), y)
    assert "x4" in res.indicators  # as far as moments can tell
    with pytest.raises(DataError, match="column 'x4' holds other values than 0 and 1"):
        res.marginal_effects(dummy=True)
    assert res.marginal_effects(dummy=["x3"]).discrete == ("x3",)


def test_dropped_columns_are_nan():
    X, y, _ = draw()
    X = np.column_stack([X, X[:, 3]])
    with pytest.warns(dlogreg.CollinearityWarning):
        res = dlogreg.fit(X, y, tol=1e-9)
    for at, dummy in CASES:
        found = res.marginal_effects(at, dummy=dummy)
        expected = reference(X[:, :4], y, at=at, dummy=dummy)
        np.testing.assert_allclose(found.effects[:4], expected.margeff, rtol=1e-7)
        np.testing.assert_allclose(found.bse[:4], expected.margeff_se, rtol=1e-7)
        assert np.isnan(found.effects["x5"])
        assert np.isnan(found.bse["x5"])


def test_saved_results_keep_what_needs_no_rows(tmp_path):
    X, y, weight = draw()
    res = dlogreg.fit(X, y, sample_weight=weight, tol=1e-9)
    res.save(tmp_path / "m.json")
    loaded = dlogreg.load(tmp_path / "m.json")
    for at, dummy in CASES[:1] + CASES[2:]:
        ours, theirs = (r.marginal_effects(at, dummy=dummy) for r in (loaded, res))
        np.testing.assert_array_equal(ours.covariance, theirs.covariance)
    with pytest.raises(InferenceError, match=r"marginal_effects.*X=X, y=y"):
        loaded.marginal_effects(dummy=True)
    found = loaded.marginal_effects(dummy=True, X=X, y=y, sample_weight=weight)
    np.testing.assert_allclose(
        found.effects, res.marginal_effects(dummy=True).effects, rtol=1e-8
    )
    with pytest.raises(DataError, match="not those of the fit"):
        loaded.marginal_effects(X=X[9:], y=y[9:], sample_weight=weight[9:])


def test_fits_without_covariance():
    X, y, _ = draw()
    for options in ({"inference": False}, {"alpha": 0.1}):
        with pytest.raises(InferenceError, match="standard errors"):
            dlogreg.fit(X, y, **options).marginal_effects()
    with pytest.raises(InferenceError, match=r"not known which columns .* dummy="):
        make_results().marginal_effects(dummy=True)


def test_a_model_without_closing_sums_reads_the_rows():
    X, y, _ = draw()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dlogreg.ConvergenceWarning)
        res = dlogreg.fit(counted_array("early", X, 300), y, max_passes=3, tol=1e-12)
    object.__setattr__(res, "column_sums", None)
    object.__setattr__(res, "scores", None)
    forget("early")
    res.marginal_effects("mean")
    assert reads("early") == [1] * 10
    res.marginal_effects()
    assert reads("early") == [1] * 10


@pytest.mark.parametrize(("at", "dummy"), CASES)
def test_offsets(at, dummy, tmp_path):
    X, y, _ = draw()
    offset = np.linspace(-1, 2, len(y))
    res = dlogreg.fit(X, y, offset=offset, tol=1e-10)
    b, covariance = np.asarray(res.params), res.cov_params()
    Z = sm.add_constant(X)
    rows, beside = (Z, offset) if at == "overall" else (Z.mean(axis=0), offset.mean())

    def effects(params):
        p = 1 / (1 + np.exp(-(beside + rows @ params)))
        found = params[1:] * np.mean(p * (1 - p))
        for j in (3, 4) if dummy else ():
            ends = []
            for value in (1, 0):
                moved = beside + rows @ params + params[j] * (value - rows[..., j])
                ends.append(np.mean(1 / (1 + np.exp(-moved))))
            found[j - 1] = ends[0] - ends[1]
        return found

    steps = np.diag(1e-5 * np.sqrt(np.diagonal(covariance)))
    J = np.column_stack(
        [(effects(b + h) - effects(b - h)) / (2 * h.max()) for h in steps]
    )
    found = res.marginal_effects(at, dummy=dummy)
    np.testing.assert_allclose(found.effects, effects(b), rtol=1e-9)
    errors = np.sqrt(np.diagonal(J @ covariance @ J.T))
    np.testing.assert_allclose(found.bse, errors, rtol=1e-7)
    res.save(tmp_path / "m.json")
    given = {"X": X, "y": y, "offset": offset}
    again = dlogreg.load(tmp_path / "m.json").marginal_effects(at, dummy=dummy, **given)
    np.testing.assert_allclose(again.bse, found.bse, rtol=1e-8)


def test_separated_classes_are_refused():
    X, y, _ = draw()
    y[X[:, 3] == 1] = 1
    with pytest.warns(dlogreg.SeparationWarning):
        res = dlogreg.fit(X, y)
    with pytest.raises(
        InferenceError, match="no marginal effects, because the classes"
    ):
        res.marginal_effects()
