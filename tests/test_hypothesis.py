"""Wald tests of linear hypotheses, against statsmodels; what is refused, and why."""

from __future__ import annotations

import re

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import dlogreg
from dlogreg.inference.hypothesis import as_hypothesis
from tests.handmade import make_results

NAMES = ("const", "a", "b", "flight time", "x:y", "in")
ODD = (*NAMES[:5], "a`b='1'")


@pytest.fixture(scope="module")
def pair():
    data = sm.datasets.fair.load_pandas().data
    X, y = data.drop(columns="affairs"), (data["affairs"] > 0).astype(int)
    ours = dlogreg.fit(X, y, tol=1e-10, progress=False)
    theirs = sm.Logit(y, sm.add_constant(X)).fit(method="newton", tol=1e-14, disp=0)
    return ours, theirs


HYPOTHESES = [
    "age",
    "age = yrs_married",
    "age = 2*yrs_married + 0.1",
    "educ = religious = 0",
    "children, occupation",
    "3*age - yrs_married/2 = -0.4, const = 3.5",
    "-(age + educ) = -1e-1 * 2",
]


@pytest.mark.parametrize("text", HYPOTHESES)
def test_texts_are_tested_as_statsmodels_does(pair, text):
    ours, theirs = pair
    found = ours.wald_test(text)
    expected = theirs.wald_test(text, scalar=True)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-7)
    # statsmodels works p-values out from 1 - cdf in places; take them from scipy
    pvalue = stats.chi2.sf(float(expected.statistic), found.df)
    assert found.pvalue == pytest.approx(pvalue, rel=1e-5)
    assert found.df == expected.df_denom
    assert found.distribution == "chi2"
    rows = theirs.t_test(text)
    np.testing.assert_allclose(found.estimates, rows.effect - rows_value(text, ours))
    np.testing.assert_allclose(found.bse, np.ravel(rows.sd), rtol=1e-7)
    np.testing.assert_allclose(found.zvalues, np.ravel(rows.tvalue), rtol=1e-6)


def rows_value(text, ours):
    return as_hypothesis(text, ours.names).values


def test_a_matrix_is_tested_as_statsmodels_does(pair):
    ours, theirs = pair
    matrix = np.random.default_rng(0).normal(size=(3, 9))
    found, expected = ours.wald_test(matrix), theirs.wald_test(matrix, scalar=True)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-7)
    assert found.df == 3
    single = ours.wald_test(matrix[0])
    assert single.zvalues[0] ** 2 == pytest.approx(single.statistic, rel=1e-12)


def test_without_a_hypothesis_no_column_has_an_effect(pair):
    ours, theirs = pair
    found = ours.wald_test()
    expected = theirs.wald_test(np.eye(9)[1:], scalar=True)
    assert found.df == 8
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-7)


def test_the_scale_of_columns_does_not_matter():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(400, 3))
    y = rng.random(400) < 1 / (1 + np.exp(-X @ [1, -1, 0.5]))
    plain = dlogreg.fit(X, y, tol=1e-10).wald_test("x1 = -x2, x3 = 0.4")
    scaled = dlogreg.fit(X * [1e-9, 1e9, 1], y, tol=1e-10)
    other = scaled.wald_test("1e-9*x1 = -1e9*x2, x3 = 0.4")
    assert other.statistic == pytest.approx(plain.statistic, rel=1e-6)
    assert scaled.vif() == pytest.approx(dlogreg.fit(X, y, tol=1e-10).vif(), rel=1e-6)


@pytest.mark.parametrize(
    ("text", "rows", "values"),
    [
        ("`flight time` = a", [[0, -1, 0, 1, 0, 0]], [0]),
        ('Q("x:y") = 2', [[0, 0, 0, 0, 1, 0]], [2]),
        ("Q('x:y') == 2", [[0, 0, 0, 0, 1, 0]], [2]),
        ("`in` + `x:y` = b", [[0, 0, -1, 0, 1, 1]], [0]),
        ("a = b = 1", [[0, 1, -1, 0, 0, 0], [0, 0, 1, 0, 0, 0]], [0, 1]),
        ("a, b", [[0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]], [0, 0]),
        ("(a, b)", [[0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]], [0, 0]),
        ("2*(a - 3) = b/4", [[0, 2, -0.25, 0, 0, 0]], [6]),
        ("0 = a", [[0, -1, 0, 0, 0, 0]], [0]),
        (" a - b ", [[0, 1, -1, 0, 0, 0]], [0]),
        ("(1 + 1) * a = +b", [[0, 2, -1, 0, 0, 0]], [0]),
    ],
)
def test_texts_mean_these_rows(text, rows, values):
    found = as_hypothesis(text, NAMES)
    np.testing.assert_array_equal(found.matrix, rows)
    np.testing.assert_array_equal(found.values, values)


weights = st.lists(
    st.integers(-9, 9).map(lambda k: k / 4), min_size=len(NAMES), max_size=len(NAMES)
)


@given(left=weights, right=weights, value=st.integers(-9, 9))
def test_any_equation_is_read_back(left, right, value):
    def side(numbers):
        pairs = zip(numbers, NAMES, strict=True)
        return " + ".join(f"({x}) * `{name}`" for x, name in pairs)

    found = as_hypothesis(f"{side(left)} = {side(right)} + {value}", NAMES)
    np.testing.assert_allclose(found.matrix, [np.subtract(left, right)], atol=1e-12)
    assert found.values == [value]
    again = as_hypothesis(found.texts[0], NAMES) if np.any(found.matrix) else None
    if again is not None and np.count_nonzero(found.matrix) <= 6:
        np.testing.assert_allclose(again.matrix, found.matrix, atol=1e-12)


def test_a_name_with_a_backtick_is_read_back():
    found = as_hypothesis("""Q("a`b='1'") = 2*a + 1""", ODD)
    np.testing.assert_array_equal(found.matrix, [[0, -2, 0, 0, 0, 1]])
    again = as_hypothesis(found.texts[0], ODD)
    np.testing.assert_array_equal(again.matrix, found.matrix)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = c", "names 'c', but no coefficient is called so; there are"),
        ("`flight tim`", "there are 'flight time'"),
        ("a * b", "is not linear in the coefficients"),
        ("1 / a", "is not linear in the coefficients"),
        ("a / 0", "is not linear in the coefficients"),
        ("a ** 2", "is not linear"),
        ("exp(a) = 1", "holds 'exp(a)', which is not linear"),
        ("a < b", "a sign other than ="),
        ("a != b", "a sign other than ="),
        ("a <= 1", "a sign other than ="),
        ("flight time = a", "is not a list of linear equations; write for example"),
        ("", "is not a list of linear equations"),
        ("()", "is empty"),
        ("a = True", "holds 'True'"),
        ("a = 1e999", "holds '1e309'"),
        ("a = 'b'", "which is not linear"),
        ("Q(a)", "which is not linear"),
        ("[a, b]", "which is not linear"),
        ("-" * 100_000 + "a", "is not a list of linear equations"),
    ],
)
def test_what_is_no_hypothesis_is_refused(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        as_hypothesis(text, NAMES)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 4)), "has shape (2, 4), but a row needs 3 numbers"),
        (np.ones((1, 1, 3)), "has shape (1, 1, 3)"),
        (np.ones((0, 3)), "has shape (0, 3)"),
        ([1, np.nan, 0], "holds NaN or infinity"),
        ([[0, 1, 1], [0, 0, 0]], "constraint 2 (0 = 0) holds no coefficient"),
        ([[0, 1, 1], [0, 2, 2]], "constraint 2 (2*x1 + 2*x2 = 0) is a combination"),
        (np.vstack([np.eye(3), [1, 2, 3]]), "constraint 4"),
        ("x1 = x2, x2 = x1", "constraint 2"),
        ("x1 = 1, x1 = 2", "repeats or contradicts"),
        ("x1 = x1", "constraint 1 (0 = 0) holds no coefficient"),
    ],
)
def test_redundant_and_misshapen_hypotheses_are_refused(matrix, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make_results().wald_test(matrix)


def test_coefficients_that_were_not_estimated_are_refused():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200, 2))
    y = rng.random(200) < 0.4
    X = np.column_stack([X, X[:, 0] * 2])
    with pytest.warns(dlogreg.CollinearityWarning):
        res = dlogreg.fit(X, y, feature_names=["a", "b", "twice"], tol=1e-10)
    with pytest.raises(dlogreg.InferenceError, match=r"'twice'.*it equals 2 \* a"):
        res.wald_test("a = twice")
    without = dlogreg.fit(X[:, :2], y, feature_names=["a", "b"], tol=1e-10)
    assert res.wald_test("a = b").statistic == pytest.approx(
        without.wald_test("a = b").statistic, rel=1e-7
    )
    assert res.wald_test().statistic == pytest.approx(without.wald_test().statistic)
    assert res.wald_test().df == 2
    assert np.isnan(res.vif()["twice"])
    np.testing.assert_allclose(res.vif()[["a", "b"]], without.vif(), rtol=1e-7)
    assert res.condition_number == pytest.approx(without.condition_number, rel=1e-6)
    penalized = dlogreg.fit(X, y, alpha=0.1)
    for use in (penalized.wald_test, penalized.vif, lambda: penalized.condition_number):
        with pytest.raises(dlogreg.InferenceError, match="alpha=0"):
            use()


def test_an_intercept_alone_leaves_nothing_to_test():
    with pytest.raises(ValueError, match="no column to test"):
        make_results((-1.0,)).wald_test()


def test_a_test_is_shown():
    test = make_results(feature_names=("a<b", "c")).wald_test("`a<b` = 2*c, c = 2.5")
    text = str(test)
    assert text == repr(test)
    assert text.startswith("Wald test: chi2(2) = ")
    assert "`a<b` - 2*c = 0" in text
    assert "- 1*" not in text
    html = test._repr_html_()
    assert "`a&lt;b` - 2*c = 0" in html
    assert "<b`" not in html
    many = make_results(np.ones(52)).wald_test()
    assert str(many).count("\n") == 42
    assert str(many).endswith("... (11 more constraints)")
    assert "... (11 more constraints)" in many._repr_html_()
    row = make_results(np.ones(52)).wald_test(np.ones(52)).hypothesis[0]
    assert row == "const + x1 + x2 + x3 + x4 + ... = 0"


def test_odds_ratios_by_every_kind_of_interval():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(400, 2))
    y = (rng.random(400) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
    res = dlogreg.fit(X, y)
    for options in ({"kind": "HC1"}, {"kind": "model"}, {"method": "profile"}):
        found = res.odds_ratios(0.1, **options)
        np.testing.assert_allclose(found[:, 0], np.exp(res.params))
        np.testing.assert_allclose(found[:, 1:], np.exp(res.conf_int(0.1, **options)))
    assert not np.allclose(res.odds_ratios(kind="HC1"), res.odds_ratios(kind="model"))
    with pytest.raises(dlogreg.InferenceError, match="penalised"):
        dlogreg.fit(X, y, alpha=0.1).odds_ratios(kind="HC1")


def test_odds_ratios_for_more_than_one_unit():
    res = make_results()
    plain, scaled = res.odds_ratios(), res.odds_ratios(units={"x2": 3.0})
    np.testing.assert_array_equal(scaled[:2], plain[:2])
    np.testing.assert_allclose(scaled[2], plain[2] ** 3, rtol=1e-12)
    with pytest.raises(ValueError, match="units names 'x9'"):
        res.odds_ratios(units={"x9": 1})
    for wrong in (0, -1, np.nan, np.inf):
        with pytest.raises(ValueError, match="units of 'x1' must be positive"):
            res.odds_ratios(units={"x1": wrong})


def generalized(covariance, inside):
    """Fox and Monette's factor as R's car computes it."""
    unit = np.sqrt(np.diag(covariance))
    R = covariance / np.outer(unit, unit)
    outside = [j for j in range(len(R)) if j not in inside]
    parts = np.linalg.det(R[np.ix_(inside, inside)])
    return parts * np.linalg.det(R[np.ix_(outside, outside)]) / np.linalg.det(R)


def test_variance_inflation_by_definition(pair):
    ours, theirs = pair
    covariance = np.asarray(theirs.cov_params())[1:, 1:]
    expected = [generalized(covariance, [j]) for j in range(8)]
    np.testing.assert_allclose(ours.vif(), expected, rtol=1e-6)
    assert ours.vif().names == ours.feature_names
    found = ours.vif({"work": ["occupation", "occupation_husb"]})
    assert found.names == (*ours.feature_names[:6], "work")
    assert found["work"] == pytest.approx(generalized(covariance, [6, 7]), rel=1e-6)
    assert found["age"] == pytest.approx(expected[1], rel=1e-6)


def test_the_factor_of_a_term_does_not_depend_on_its_coding():
    rng = np.random.default_rng(5)
    level, x = rng.integers(0, 3, 600), rng.normal(size=600)
    x += level
    y = rng.random(600) < 1 / (1 + np.exp(-x + 1))
    found = []
    for left_out in (0, 2):
        held = [k for k in range(3) if k != left_out]
        X = np.column_stack([x, *[level == k for k in held]])
        res = dlogreg.fit(X, y, feature_names=["x", "k1", "k2"], tol=1e-10)
        found.append(res.vif({"level": ["k1", "k2"]}))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"t": ["x9"]}, "term 't' has 'x9', which is no column"),
        ({"t": ["x1"], "u": ["x1"]}, "column 'x1' stands in two terms"),
        ({"x1": ["x2"]}, "the term 'x1' is called as a column beside it"),
    ],
)
def test_terms_are_checked(terms, message):
    with pytest.raises(ValueError, match=message):
        make_results().vif(terms)


def test_condition_number_by_definition(pair):
    ours, theirs = pair
    X = theirs.model.exog
    p = theirs.predict()
    rows = np.sqrt(p * (1 - p))[:, None] * X
    scaled = rows / np.linalg.norm(rows, axis=0)
    assert ours.condition_number == pytest.approx(np.linalg.cond(scaled), rel=1e-6)
