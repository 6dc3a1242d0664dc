"""Counts of successes among trials agree with R, fitted to rows of single trials."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from scipy.special import xlogy

import dlogreg
from tests.r_cases import COUNTS, KINDS, assert_covariance, close, load

CELLS = [name for name in COUNTS if name != "titanic"]


def cells_of(name):
    """Return X, successes, trials, and the groups and offset that there are."""
    case = load(name)
    X = case.X[: len(case.trials)]
    beside = {
        key: values[: len(X)]
        for key, values in (("offset", case.offset), ("groups", case.groups))
        if values is not None
    }
    return case, X, np.array(case.data["y"]), beside


def fit_of(X, y, trials, **options):
    return dlogreg.fit(X, y, trials=trials, tol=1e-9, progress=False, **options)


def assert_estimates(res, values):
    expected = values["estimates"]
    np.testing.assert_allclose(res.params, expected["params"], rtol=1e-7)
    for kind in (*KINDS, "cluster"):
        if kind in expected:
            assert_covariance(res.cov_params(kind), expected[kind])
    for measure in ("deviance", "null_deviance", "llf", "aic", "bic", "nobs"):
        assert getattr(res, measure) == close(values["likelihoods"][measure])


@pytest.mark.parametrize("name", CELLS)
class TestCounts:
    def test_in_memory(self, name):
        case, X, y, beside = cells_of(name)
        res = fit_of(X, y, case.trials, **beside)
        assert_estimates(res, case.values)
        ratios = np.ravel(case.values["dropped"]["lr"]["statistic"])
        np.testing.assert_allclose(res.lr_test().statistics, ratios, rtol=1e-7)
        ends = res.conf_int(method="profile")
        np.testing.assert_allclose(ends, case.values["profile"]["ends"], rtol=1e-5)
        found, expected = res.goodness_of_fit(), case.values["goodness"]
        for measure in ("brier", "auc", "auc_bse", "tjur"):
            assert getattr(found, measure) == close(expected[measure])

    def test_deviances_of_cells(self, name):
        """Glm's are less than those of single trials by the saturated model's."""
        case, X, y, beside = cells_of(name)
        res = fit_of(X, y, case.trials, **beside)
        misses = case.trials - y
        saturated = -2 * (
            xlogy(y, y / case.trials) + xlogy(misses, misses / case.trials)
        )
        expected = case.values["cells"]
        assert res.deviance - saturated.sum() == close(expected["deviance"])
        assert res.null_deviance - saturated.sum() == close(expected["null_deviance"])
        p = res.predict(X, **{k: v for k, v in beside.items() if k == "offset"})
        np.testing.assert_allclose(p, expected["fitted"], rtol=1e-7)

    def test_dask(self, name, small_blocks):
        case, X, y, beside = cells_of(name)
        rows = da.from_array(X, chunks=((1, 5, 0, len(X) - 6), -1))
        counts = da.from_array(y, chunks=7), da.from_array(case.trials, chunks=4)
        assert_estimates(fit_of(rows, *counts, **beside), case.values)

    def test_zarr(self, name, small_blocks, tmp_path):
        case, X, y, beside = cells_of(name)
        config = {"write_empty_chunks": True}
        path = tmp_path / "X.zarr"
        rows = zarr.create_array(path, data=X, chunks=(9, 1), config=config)
        assert_estimates(fit_of(rows, y, case.trials, **beside), case.values)
