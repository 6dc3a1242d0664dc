"""Residuals, leverages and Cook's distances of every row agree with R's."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

import dlogreg
from tests.r_cases import fitted, load

SINGLE = ["birthwt", "bacteria", "infert", "pima"]
KINDS = [
    "response",
    "pearson",
    "deviance",
    "working",
    "leverage",
    "standardized_deviance",
    "standardized_pearson",
]


@pytest.mark.parametrize("name", SINGLE)
class TestEveryRow:
    @pytest.mark.parametrize("kind", KINDS)
    def test_residuals(self, name, kind):
        found = fitted(name).residuals(kind=kind)
        expected = load(name).values["rows"][kind]
        np.testing.assert_allclose(found, expected, rtol=1e-7)

    def test_influence(self, name):
        found = fitted(name).influence(5)
        expected = np.array(load(name).values["rows"]["cooks_distance"])
        np.testing.assert_allclose(found.cooks_distance, expected, rtol=1e-7)
        largest = np.sort(expected)[::-1][:5]
        np.testing.assert_allclose(found.distances, largest, rtol=1e-7)
        np.testing.assert_allclose(expected[found.rows], largest, rtol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_dask(kind):
    case = load("pima")
    X = da.from_array(case.X, chunks=((100, 7, 0, 225), (1, 3)))
    res = dlogreg.fit(X, case.y, tol=1e-9, progress=False, **case.options)
    found = res.residuals(kind=kind)
    assert isinstance(found, da.Array)
    expected = case.values["rows"][kind]
    np.testing.assert_allclose(found.compute(), expected, rtol=1e-7)
