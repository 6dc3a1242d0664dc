"""Firth's estimates agree with brglm2, and their intervals with root finding in R."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr

import dlogreg
from tests.r_cases import assert_covariance, close, load

ALL = ["endometrial", "iris", "lizards", "birthwt", "esoph", "pima"]


def reduced(case, X, **options):
    return dlogreg.fit(
        X,
        case.y,
        firth=True,
        feature_names=case.columns,
        tol=1e-9,
        progress=False,
        **case.options,
        **options,
    )


def assert_reduced(res, expected):
    np.testing.assert_allclose(res.params, expected["params"], rtol=1e-7)
    assert_covariance(res.cov_params(), expected["model"])
    assert res.llf == close(expected["llf"])


@pytest.mark.parametrize("name", ALL)
class TestFirth:
    def test_estimates(self, name):
        case = load(name)
        assert_reduced(reduced(case, case.X), case.values["firth"])

    def test_intervals(self, name):
        """Both ends are where the penalised likelihood is lower by 3.84 / 2."""
        case = load(name)
        ends = reduced(case, case.X).conf_int(method="profile")
        expected = case.values["firth"]["intervals"]
        np.testing.assert_allclose(ends, expected, rtol=1e-5)

    def test_dask(self, name, small_blocks):
        case = load(name)
        n = len(case.X)
        X = da.from_array(case.X, chunks=((1, n // 3, n - n // 3 - 1), -1))
        assert_reduced(reduced(case, X), case.values["firth"])


def test_endometrial_data_as_published():
    """Heinze and Schemper (2002), Statistics in Medicine 21, 2409-2419, table II."""
    case = load("endometrial")
    params = np.asarray(reduced(case, case.X).params)
    np.testing.assert_allclose(params, [3.775, 2.929, -0.035, -2.604], atol=6e-4)


def test_zarr(small_blocks, tmp_path):
    case = load("endometrial")
    config = {"write_empty_chunks": True}
    path = tmp_path / "X.zarr"
    X = zarr.create_array(path, data=case.X, chunks=(13, 2), config=config)
    assert_reduced(reduced(case, X), case.values["firth"])


@pytest.mark.cluster
def test_two_workers(small_blocks, client):
    case = load("endometrial")
    X = da.from_array(case.X, chunks=(10, 2))
    assert_reduced(reduced(case, X), case.values["firth"])


def test_counts_among_trials():
    case = load("lizards")
    X, y = case.X[: len(case.trials)], case.data["y"]
    res = dlogreg.fit(X, y, trials=case.trials, firth=True, tol=1e-9, progress=False)
    assert_reduced(res, case.values["firth"])
