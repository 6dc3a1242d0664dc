"""Weights, aliased and separated columns, and many indicators, against R."""

from __future__ import annotations

import numpy as np
import pytest

import dlogreg
from tests.r_cases import KINDS, assert_covariance, close, fitted, load


class TestAliasedColumns:
    """R's glm and drop1 of the model without the columns that it calls aliased."""

    def test_they_are_named(self):
        case = load("admissions")
        with pytest.warns(dlogreg.CollinearityWarning, match="dept_F"):
            res = dlogreg.fit(
                case.X,
                case.y,
                sample_weight=case.weights,
                feature_names=case.columns,
                progress=False,
            )
        assert list(res.dropped) == case.values["aliased"]

    def test_estimates_of_the_others(self):
        case, res = load("admissions"), fitted("admissions")
        expected = case.values["estimates"]
        kept = [res.names.index(name) for name in expected["names"]]
        params = np.asarray(res.params)
        np.testing.assert_allclose(params[kept], expected["params"], rtol=1e-7)
        assert np.isnan(np.delete(params, kept)).all()
        for kind in KINDS:
            assert_covariance(res.cov_params(kind)[np.ix_(kept, kept)], expected[kind])
        likelihoods = case.values["likelihoods"]
        for measure in ("deviance", "null_deviance", "df_resid", "aic", "bic"):
            assert getattr(res, measure) == close(likelihoods[measure])
        np.testing.assert_allclose(res.predict(case.X), case.values["predicted"], 1e-7)

    def test_likelihood_ratios_and_profiles(self):
        res, values = fitted("admissions"), load("admissions").values
        table, expected = res.lr_test(), values["dropped"]
        for term, statistic in zip(
            expected["terms"], expected["lr"]["statistic"], strict=True
        ):
            assert table[term].statistic == close(statistic)
            assert table[term].df == 1
        assert all(table[term].df == 0 for term in values["aliased"])
        profile = values["profile"]
        ends = res.conf_int(method="profile", names=profile["names"])
        np.testing.assert_allclose(ends, profile["ends"], rtol=1e-5)


class TestKindsOfWeights:
    def options(self, kind):
        return {"weight_kind": kind, "tol": 1e-9, "progress": False}

    def test_probability(self):
        case = load("nwtco")
        expected = case.values["probability"]
        res = dlogreg.fit(
            case.X, case.y, sample_weight=case.weights, **self.options("probability")
        )
        np.testing.assert_allclose(res.params, expected["params"], rtol=1e-7)
        assert_covariance(res.cov_params(), expected["HC1"])
        assert_covariance(res.cov_params("HC0"), expected["HC0"])

    def test_analytic(self):
        case = load("nwtco")
        expected = case.values["analytic"]
        res = dlogreg.fit(
            case.X, case.y, sample_weight=case.weights, **self.options("analytic")
        )
        np.testing.assert_allclose(res.params, expected["params"], rtol=1e-7)
        for kind in KINDS:
            assert_covariance(res.cov_params(kind), expected[kind])
        assert res.deviance == close(expected["deviance"])
        assert res.nobs == expected["nobs"]


@pytest.fixture(scope="module")
def separated():
    case = load("endometrial")
    with pytest.warns(dlogreg.SeparationWarning, match="'NV'"):
        return dlogreg.fit(
            case.X, case.y, feature_names=case.columns, tol=1e-9, progress=False
        )


class TestSeparation:
    """Of the endometrial data, on which all with neovasculization have high grade."""

    def test_the_column_is_named(self, separated):
        assert list(separated.separated) == [load("endometrial").values["separated"]]

    def test_the_others_are_those_of_the_limit(self, separated):
        """R's fit of the rows that the column does not predict for certain."""
        expected = load("endometrial").values["limit"]
        assert separated.params["NV"] == np.inf
        kept = [separated.names.index(name) for name in expected["names"]]
        params = np.asarray(separated.params)[kept]
        np.testing.assert_allclose(params, expected["params"], rtol=1e-7)
        for kind in ("model", "HC0"):
            covariance = separated.cov_params(kind)[np.ix_(kept, kept)]
            assert_covariance(covariance, expected[kind])
        assert separated.llf == close(expected["llf"])
        assert separated.deviance == close(expected["deviance"])

    def test_profile_intervals(self, separated):
        values = load("endometrial").values
        names = values["profile"]["names"]
        ends = separated.conf_int(method="profile", names=names)
        np.testing.assert_allclose(ends, values["profile"]["ends"], rtol=1e-5)
        ((low, high),) = separated.conf_int(method="profile", names=["NV"])
        assert low == close(values["lower_end"], 1e-5)
        assert high == np.inf


class TestManyIndicators:
    """Classes of a school, an indicator for each but the first."""

    def test_coefficients_and_errors(self):
        res, expected = fitted("schools"), load("schools").values["estimates"]
        assert list(res.names) == expected["names"]
        assert len(res.names) > 100
        np.testing.assert_allclose(res.params, expected["params"], rtol=1e-7)
        for kind in KINDS:
            bse = np.sqrt(np.diagonal(res.cov_params(kind)))
            np.testing.assert_allclose(bse, expected[f"bse_{kind}"], rtol=1e-7)
            assert_covariance(res.cov_params(kind)[:6, :6], expected[f"block_{kind}"])

    def test_all_of_them_together(self):
        case, res = load("schools"), fitted("schools")
        classes = list(case.columns[2:])
        ratio = res.lr_test(terms={"class": classes})["class"]
        assert ratio.statistic == close(case.values["ratio"])
        assert ratio.df == case.values["df"]
        wald = res.wald_test(np.eye(len(res.names))[3:])
        assert wald.statistic == close(case.values["wald"])
        small = dlogreg.fit(case.X[:, :2], case.y, tol=1e-9, progress=False)
        joint = small.score_test(case.X[:, 2:]).joint
        assert joint.statistic == close(case.values["rao"])
        assert joint.df == case.values["df"]

    def test_profile_intervals_of_two_columns(self):
        expected = load("schools").values["profile"]
        ends = fitted("schools").conf_int(method="profile", names=expected["names"])
        np.testing.assert_allclose(ends, expected["ends"], rtol=1e-5)

    def test_likelihoods_and_ranking(self):
        case, res = load("schools"), fitted("schools")
        for measure in ("deviance", "null_deviance", "aic", "bic", "df_resid"):
            expected = case.values["likelihoods"][measure]
            assert getattr(res, measure) == close(expected)
        found = dlogreg.evaluate(res, case.X, case.y, in_sample=True, progress=False)
        for measure in ("brier", "auc", "auc_bse", "tjur"):
            assert getattr(found, measure) == close(case.values["goodness"][measure])


def test_variance_inflation():
    factors = fitted("birthwt").vif({"race": ["race_black", "race_other"]})
    names = [n for n in load("birthwt").columns if not n.startswith("race")]
    found = [*(factors[n] for n in names), factors["race"]]
    np.testing.assert_allclose(found, load("birthwt").values["vif"], rtol=1e-7)
