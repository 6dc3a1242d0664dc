"""Fits of three and more classes agree with R's nnet::multinom, polished."""

from __future__ import annotations

import numpy as np
import pytest

from tests.r_cases import KINDS, assert_covariance, close, fitted, load

NAMES = ["housing", "alligators", "cirrhosis", "stage"]


@pytest.mark.parametrize("name", NAMES)
class TestMultinomial:
    def test_coefficients_and_covariance(self, name):
        res, expected = fitted(name), load(name).values["fit"]
        assert [str(label) for label in res.classes] == expected["classes"]
        assert list(res.names) == expected["names"]
        params = np.array(expected["params"])
        np.testing.assert_allclose(np.asarray(res.params).T, params, rtol=1e-7)
        for kind in KINDS:
            assert_covariance(res.cov_params(kind), expected[kind])
        bse = np.sqrt(np.diagonal(expected["model"])).reshape(params.shape).T
        np.testing.assert_allclose(res.bse, bse, rtol=1e-7)
        np.testing.assert_allclose(res.zvalues, params.T / bse, rtol=1e-7)

    def test_likelihoods(self, name):
        res, expected = fitted(name), load(name).values["fit"]
        for measure in ("llf", "llnull", "aic", "bic", "nobs"):
            assert getattr(res, measure) == close(expected[measure]), measure

    def test_probabilities(self, name):
        case = load(name)
        expected = np.array(case.values["fit"]["predicted"])
        np.testing.assert_allclose(fitted(name).predict(case.X), expected, rtol=1e-7)
