"""R's values on every source: dask in seven odd chunkings, Zarr, and a cluster."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr

import dlogreg
from tests.r_cases import KINDS, assert_covariance, close, load

pytestmark = pytest.mark.usefixtures("small_blocks")

BINARY = ["birthwt", "titanic", "quakes", "pima"]


def odd_chunks(n, d):
    """Return seven ways to cut n rows and d columns."""
    half = n // 2
    return [
        (n, d),
        ((1, n - 1), d),
        ((n - 2, 1, 1), (1, d - 1)),
        (7, d),
        ((half, 0, n - half), (d - 1, 1)),
        ((3, half - 3, n - half - 5, 5), (2, d - 2)),
        (13, 1),
    ]


def fit_of(case, X, **rows):
    return dlogreg.fit(
        X,
        rows.get("y", case.y),
        feature_names=case.columns,
        tol=1e-9,
        progress=False,
        **case.options,
    )


def assert_estimates(res, values):
    expected = values["estimates"]
    np.testing.assert_allclose(res.params, expected["params"], rtol=1e-7)
    for kind in KINDS:
        assert_covariance(res.cov_params(kind), expected[kind])
    for measure in ("llf", "llnull", "aic"):
        assert getattr(res, measure) == close(values["likelihoods"][measure])


def assert_inference(res, values):
    np.testing.assert_allclose(
        res.lr_test().statistics, values["dropped"]["lr"]["statistic"], rtol=1e-7
    )
    ends = res.conf_int(method="profile")
    np.testing.assert_allclose(ends, values["profile"]["ends"], rtol=1e-5)


def assert_measures(res, case, X):
    expected = case.values["goodness"]
    options = {**case.options, "in_sample": True, "progress": False}
    rows_read = dlogreg.evaluate(res, X, case.y, **options)
    for found in (rows_read, res.goodness_of_fit()):
        for measure in ("brier", "auc", "auc_bse", "tjur"):
            assert getattr(found, measure) == close(expected[measure])
    effects, expected = res.marginal_effects(), case.values["effects"]["overall"]
    np.testing.assert_allclose(effects.effects, expected["dydx"], rtol=1e-7)
    np.testing.assert_allclose(effects.bse, expected["bse"], rtol=1e-7)


def assert_score_test(case, X, **rows):
    """R's drop1 with Rao's test is ours of the column from the model without it."""
    expected = case.values["dropped"]["rao"]["statistic"][-1]
    small = dlogreg.fit(
        X[:, :-1], rows.get("y", case.y), tol=1e-9, progress=False, **case.options
    )
    (test,) = small.score_test(X[:, -1]).tests
    assert test.statistic == close(expected)


def assert_multinomial(res, case):
    expected = case.values["fit"]
    np.testing.assert_allclose(np.asarray(res.params).T, expected["params"], rtol=1e-7)
    assert_covariance(res.cov_params(), expected["model"])
    assert res.llf == close(expected["llf"])


def stored(folder, X):
    return zarr.create_array(
        folder / "X.zarr", data=X, chunks=(11, 2), config={"write_empty_chunks": True}
    )


@pytest.mark.parametrize("nth", range(7))
@pytest.mark.parametrize("name", BINARY)
def test_dask(name, nth):
    case = load(name)
    X = da.from_array(case.X, chunks=odd_chunks(*case.X.shape)[nth])
    labels = da.from_array(case.y, chunks=5 + nth)
    res = fit_of(case, X, y=labels)
    assert_estimates(res, case.values)
    assert_inference(res, case.values)
    assert_measures(res, case, X)
    assert_score_test(case, X, y=labels)


@pytest.mark.parametrize("nth", range(7))
def test_dask_of_three_classes(nth):
    case = load("cirrhosis")
    X = da.from_array(case.X, chunks=odd_chunks(*case.X.shape)[nth])
    assert_multinomial(fit_of(case, X), case)


@pytest.mark.parametrize("name", BINARY)
def test_zarr(name, tmp_path):
    case = load(name)
    X = stored(tmp_path, case.X)
    res = fit_of(case, X)
    assert_estimates(res, case.values)
    assert_inference(res, case.values)
    assert_measures(res, case, X)
    assert_score_test(case, da.from_zarr(X))


def test_zarr_of_three_classes(tmp_path):
    case = load("cirrhosis")
    assert_multinomial(fit_of(case, stored(tmp_path, case.X)), case)


@pytest.mark.cluster
@pytest.mark.usefixtures("client")
class TestTwoWorkers:
    @pytest.mark.parametrize("name", BINARY)
    def test_dask(self, name):
        case = load(name)
        X = da.from_array(case.X, chunks=(len(case.X) // 3, 3))
        res = fit_of(case, X)
        assert_estimates(res, case.values)
        assert_inference(res, case.values)
        assert_measures(res, case, X)
        assert_score_test(case, X)

    @pytest.mark.parametrize("name", ["titanic", "quakes"])
    def test_zarr(self, name, tmp_path):
        case = load(name)
        res = fit_of(case, stored(tmp_path, case.X))
        assert_estimates(res, case.values)
        assert_inference(res, case.values)

    def test_three_classes(self):
        case = load("cirrhosis")
        X = da.from_array(case.X, chunks=(97, 4))
        assert_multinomial(fit_of(case, X), case)
