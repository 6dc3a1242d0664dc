"""Penalties, bounds, weights and offsets as in glum, the cases of its golden master."""

from __future__ import annotations

import json

import dask.array as da
import numpy as np
import pytest

import dlogreg
from tests.r_cases import FOLDER, load

CASES = {
    "ridge": {"alpha": 1.0},
    "half": {"alpha": 0.5},
    "elastic net": {"alpha": 0.05, "l1_ratio": 0.5},
    "lasso by columns": {
        "alpha": 0.02,
        "l1_ratio": 1.0,
        "penalty_factor": np.arange(8) / 3,
    },
    "bounds": {"alpha": 0.01, "bounds": [(0, 0.4)] * 8},
    "no intercept": {"alpha": 0.1, "fit_intercept": False},
}
"""Of ``reference_values/glum_values.py``, in the words of ``fit``."""
VALUES = json.loads((FOLDER / "glum.json").read_text())["cases"]


def rows():
    case = load("birthwt")
    row = np.arange(len(case.X))
    weight, offset = 0.5 + row * 7 % 11 / 11, (row * 5 % 9 - 4) / 10
    return case.X / case.X.max(axis=0), case.y, weight, offset


@pytest.mark.parametrize(
    ("name", "weighted", "shifted", "exact"),
    VALUES,
    ids=[f"{name}-{weighted}-{shifted}" for name, weighted, shifted, _ in VALUES],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_coefficients_are_those_of_glum(name, weighted, shifted, exact, lazy):
    X, y, weight, offset = rows()
    given = dict(CASES[name])
    if weighted:
        given |= {"sample_weight": weight, "weight_kind": "analytic"}
    if shifted:
        given["offset"] = offset
    if lazy:
        X = da.from_array(X, chunks=(50, 3))
    res = dlogreg.fit(X, y, tol=1e-9, inference=False, **given)
    found = np.asarray(res.params)
    if not given.get("fit_intercept", True):
        found = np.concatenate([[0.0], found])
    np.testing.assert_allclose(found, exact, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(found == 0, np.asarray(exact) == 0)


def test_the_weights_of_frequencies_penalise_alike():
    """A penalty on the mean loss does not see by what all weights are multiplied."""
    X, y, weight, _ = rows()
    options = {"alpha": 0.05, "l1_ratio": 0.5, "tol": 1e-10}
    once = dlogreg.fit(X, y, sample_weight=weight, **options)
    often = dlogreg.fit(X, y, sample_weight=1000 * weight, **options)
    np.testing.assert_allclose(often.params, once.params, rtol=1e-8)
