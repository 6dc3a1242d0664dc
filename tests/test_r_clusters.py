"""Cluster-robust covariances agree with R's sandwich::vcovCL."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr

import dlogreg
from tests.r_cases import assert_covariance, close, load

CLUSTERED = ["bacteria", "infert", "esoph"]


def fit_of(case, X, groups, **options):
    return dlogreg.fit(
        X,
        case.y,
        groups=groups,
        feature_names=case.columns,
        tol=1e-9,
        progress=False,
        **case.options,
        **options,
    )


def assert_clustered(res, case):
    expected = case.values["estimates"]
    np.testing.assert_allclose(res.params, expected["params"], rtol=1e-7)
    assert_covariance(res.cov_params("cluster"), expected["cluster"])
    for kind in ("model", "HC1"):
        assert_covariance(res.cov_params(kind), expected[kind])
    assert res.n_groups == expected["n_clusters"]


@pytest.mark.parametrize("name", CLUSTERED)
class TestClusters:
    def test_covariance(self, name):
        """Groups are text in bacteria and esoph, numbers in infert."""
        case = load(name)
        assert_clustered(fit_of(case, case.X, case.groups), case)

    def test_errors_and_tests_go_by_it(self, name):
        case = load(name)
        expected = case.values["estimates"]
        res = fit_of(case, case.X, case.groups, cov_type="cluster")
        b, V = np.array(expected["params"]), np.array(expected["cluster"])
        bse = np.sqrt(np.diagonal(V))
        np.testing.assert_allclose(res.bse, bse, rtol=1e-7)
        np.testing.assert_allclose(res.zvalues, b / bse, rtol=1e-7)
        half = 1.959963984540054 * bse
        ends = np.column_stack([b - half, b + half])
        np.testing.assert_allclose(res.conf_int(), ends, rtol=1e-7)
        statistic = b[1:3] @ np.linalg.solve(V[1:3, 1:3], b[1:3])
        first, second = case.columns[:2]
        found = res.wald_test(f"{first} = 0, {second} = 0")
        assert found.statistic == close(statistic)

    def test_rows_of_a_group_in_many_partitions(self, name, small_blocks):
        case = load(name)
        order = np.random.default_rng(3).permutation(len(case.y))
        options = {k: v[order] for k, v in case.options.items()}
        res = dlogreg.fit(
            da.from_array(case.X[order], chunks=(7, 2)),
            da.from_array(case.y[order], chunks=11),
            groups=da.from_array(case.groups[order], chunks=13),
            tol=1e-9,
            progress=False,
            **options,
        )
        assert_clustered(res, case)

    def test_zarr(self, name, small_blocks, tmp_path):
        case = load(name)
        config = {"write_empty_chunks": True}
        path = tmp_path / "X.zarr"
        X = zarr.create_array(path, data=case.X, chunks=(9, 2), config=config)
        assert_clustered(fit_of(case, X, case.groups), case)

    @pytest.mark.cluster
    def test_two_workers(self, name, small_blocks, client):
        case = load(name)
        X = da.from_array(case.X, chunks=(17, 3))
        assert_clustered(fit_of(case, X, case.groups), case)


def test_classes_of_pupils():
    """Clusters of 4 to 33 rows, on the two columns beside the class."""
    case = load("schools")
    expected = case.values["clustered_small"]
    level = np.array(case.data["level"])
    res = dlogreg.fit(case.X[:, :2], case.y, groups=level, tol=1e-9, progress=False)
    np.testing.assert_allclose(res.params, expected["params"], rtol=1e-7)
    assert_covariance(res.cov_params("cluster"), expected["cluster"])
