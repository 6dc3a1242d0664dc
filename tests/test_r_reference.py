"""Fits of public data agree with R's glm, sandwich and lmtest.

The values were written by the programs in reference_values, which name data and
licences; profile intervals are those of root finding, not of confint's interpolation.
"""

from __future__ import annotations

import numpy as np
import pytest

import dlogreg
from tests.r_cases import ALL, KINDS, assert_covariance, close, fitted, load


@pytest.mark.parametrize("name", ALL)
class TestEveryDataSet:
    def test_coefficients_and_covariances(self, name):
        res, expected = fitted(name), load(name).values["estimates"]
        assert list(res.names) == expected["names"]
        np.testing.assert_allclose(res.params, expected["params"], rtol=1e-7)
        for kind in KINDS:
            assert_covariance(res.cov_params(kind), expected[kind])
        assert res.error_bound <= 1e-9

    def test_errors_statistics_and_odds_ratios(self, name):
        expected = load(name).values["estimates"]
        b, V = np.array(expected["params"]), np.array(expected["HC1"])
        bse = np.sqrt(np.diagonal(V))
        res = fitted(name, cov_type="HC1")
        np.testing.assert_allclose(res.bse, bse, rtol=1e-7)
        np.testing.assert_allclose(res.zvalues, b / bse, rtol=1e-7)
        half = 1.959963984540054 * bse
        table = np.column_stack([b, b - half, b + half])
        with np.errstate(over="ignore"):
            ratios = np.exp(table)
        np.testing.assert_allclose(res.conf_int(), table[:, 1:], rtol=1e-7)
        np.testing.assert_allclose(
            res.odds_ratios(), ratios, rtol=1e-7 * (1 + np.abs(table).max())
        )

    def test_likelihoods_and_pseudo_r2(self, name):
        res, expected = fitted(name), load(name).values["likelihoods"]
        for ours, theirs in {
            "deviance": "deviance",
            "null_deviance": "null_deviance",
            "llf": "llf",
            "llnull": "llnull",
            "nobs": "nobs",
            "df_resid": "df_resid",
            "aic": "aic",
            "bic": "bic",
            "llr": "llr",
            "prsquared": "mcfadden",
            "prsquared_cox_snell": "cox_snell",
            "prsquared_nagelkerke": "nagelkerke",
        }.items():
            assert getattr(res, ours) == close(expected[theirs]), ours
        assert res.llr_pvalue == close(expected["llr_pvalue"], 1e-6)

    def test_likelihood_ratio_of_each_column(self, name):
        expected = load(name).values["dropped"]
        table = fitted(name).lr_test()
        assert list(table.terms) == expected["terms"]
        assert (np.asarray(table.df) == 1).all()
        statistics = np.array(expected["lr"]["statistic"])
        np.testing.assert_allclose(table.statistics, statistics, rtol=1e-7)
        np.testing.assert_allclose(table.pvalues, expected["lr"]["pvalue"], rtol=1e-6)

    def test_profile_intervals(self, name):
        expected = load(name).values["profile"]
        ends = fitted(name).conf_int(method="profile")
        np.testing.assert_allclose(ends, expected["ends"], rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in ALL if name != "menarche"])
def test_score_test_of_each_column_as_a_candidate(name):
    """R's drop1 with Rao's test is ours of the column from the model without it."""
    case = load(name)
    expected = case.values["dropped"]["rao"]
    for j in range(len(case.columns)):
        small = dlogreg.fit(
            np.delete(case.X, j, axis=1),
            case.y,
            tol=1e-9,
            progress=False,
            **case.options,
        )
        (test,) = small.score_test(case.X[:, j]).tests
        assert test.statistic == close(expected["statistic"][j])
        assert test.pvalue == close(expected["pvalue"][j], 1e-6)


class TestTestsOfSeveralCoefficients:
    @pytest.mark.parametrize("name", ["birthwt", "infert", "pima"])
    def test_terms_of_several_columns(self, name):
        case, res = load(name), fitted(name)
        for expected in case.values["together"]:
            columns = expected["columns"]
            test = res.lr_test(terms={"term": columns})["term"]
            assert test.df == expected["df"]
            assert test.statistic == close(expected["lr"])
            assert test.pvalue == close(expected["lr_pvalue"], 1e-6)
            wald = res.wald_test(" = ".join(columns) + " = 0")
            assert wald.statistic == close(expected["wald"])
            left = [j for j, c in enumerate(case.columns) if c not in columns]
            small = dlogreg.fit(
                case.X[:, left], case.y, tol=1e-9, progress=False, **case.options
            )
            Z = np.delete(case.X, left, axis=1)
            joint = small.score_test(Z).joint
            assert joint.df == expected["df"]
            assert joint.statistic == close(expected["rao"])
            assert joint.pvalue == close(expected["rao_pvalue"], 1e-6)

    @pytest.mark.parametrize("name", ["birthwt", "pima"])
    def test_candidates(self, name):
        case = load(name)
        expected = case.values["candidates"]
        Z = np.column_stack([case.data["candidates"][n] for n in expected["names"]])
        table = fitted(name).score_test(Z)
        np.testing.assert_allclose(table.statistics, expected["statistic"], rtol=1e-7)
        np.testing.assert_allclose(table.pvalues, expected["pvalue"], rtol=1e-6)
        assert table.joint.statistic == close(expected["joint"])
        assert table.joint.pvalue == close(expected["joint_pvalue"], 1e-6)

    def test_a_smaller_model(self):
        case = load("birthwt")
        expected = case.values["nested"]
        kept = [case.columns.index(c) for c in expected["columns"]]
        small = dlogreg.fit(
            case.X[:, kept],
            case.y,
            feature_names=expected["columns"],
            tol=1e-9,
            progress=False,
        )
        test = fitted("birthwt").lr_test(small)
        assert test.statistic == close(expected["statistic"])
        assert test.df == expected["df"]

    def test_linear_hypotheses(self):
        for expected in load("birthwt").values["wald"]:
            test = fitted("birthwt").wald_test(
                expected["hypothesis"], kind=expected["kind"]
            )
            assert test.statistic == close(expected["test"]["statistic"])
            assert test.df == expected["test"]["df"]
            assert test.pvalue == close(expected["test"]["pvalue"], 1e-6)


class TestOffsets:
    def test_they_count(self):
        case = load("pima")
        expected = case.values["without_offset"]
        res = dlogreg.fit(case.X, case.y, tol=1e-9, progress=False)
        np.testing.assert_allclose(res.params, expected["params"], rtol=1e-7)
        for kind in KINDS:
            assert_covariance(res.cov_params(kind), expected[kind])

    def test_predictions_need_them(self):
        case = load("pima")
        p = fitted("pima").predict(case.X, offset=case.offset)
        np.testing.assert_allclose(p, case.values["predicted"], rtol=1e-7)

    def test_cells_of_counts(self):
        """The offset is a slope of 1.5, so that the test is one of that slope."""
        res, case = fitted("menarche"), load("menarche")
        cells = case.values["cells"]
        np.testing.assert_allclose(res.params, cells["params"], rtol=1e-7)
        assert_covariance(res.cov_params(), cells["model"])
        n = len(case.trials)
        p = res.predict(case.X[:n], offset=case.offset[:n])
        np.testing.assert_allclose(p, cells["fitted"], rtol=1e-7)


@pytest.mark.parametrize("name", ["birthwt", "esoph", "quakes"])
def test_lbfgs_finds_the_same(name):
    case, expected = load(name), load(name).values["estimates"]
    res = dlogreg.fit(
        case.X, case.y, solver="lbfgs", tol=1e-8, progress=False, **case.options
    )
    assert res.solver == "lbfgs"
    np.testing.assert_allclose(res.params, expected["params"], rtol=1e-7)
    for kind in KINDS:
        assert_covariance(res.cov_params(kind), expected[kind])
