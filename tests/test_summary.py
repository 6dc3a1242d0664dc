"""Summaries as text and as HTML."""

import math
import warnings
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

import dlogreg
from dlogreg import Status
from dlogreg.display.numerals import (
    data_size,
    display_width,
    elided,
    p_value,
    printable,
    ratio,
    significant,
    upper_bound,
)
from tests.handmade import make_results

NUMBER = st.floats(allow_nan=True, allow_infinity=True)


def table_lines(text):
    """Return the head and the rows of the table of coefficients."""
    rules = [i for i, line in enumerate(text.splitlines()) if set(line) <= set("=-")]
    lines = text.splitlines()
    return lines[rules[2] + 1], lines[rules[3] + 1 : rules[4]]


def fact(text, label):
    """Return the value that stands after a label in the header."""
    line = next(line for line in text.splitlines() if f"{label}:" in line)
    return line.partition(f"{label}:")[2].split("  ")


def first_fact(text, label):
    return next(part.strip() for part in fact(text, label) if part.strip())


@pytest.fixture(scope="module")
def spector():
    data = sm.datasets.spector.load_pandas().data
    X, y = data[["GPA", "TUCE", "PSI"]], data["GRADE"].astype(int)
    ours = dlogreg.fit(X, y, tol=1e-9, progress=False)
    theirs = sm.Logit(y, sm.add_constant(X)).fit(disp=False, tol=1e-12)
    return ours, theirs


def test_the_header_says_what_was_fitted_and_what_it_cost(spector):
    ours, theirs = spector
    text = str(ours.summary())
    assert first_fact(text, "Event modeled") == "1 (11 rows)"
    assert first_fact(text, "Other class") == "0 (21 rows)"
    assert first_fact(text, "Rows") == "32"
    assert float(first_fact(text, "Log-likelihood")) == pytest.approx(
        theirs.llf, abs=6e-5
    )
    assert first_fact(text, "McFadden pseudo-R2") == f"{theirs.prsquared:.4f}"
    assert first_fact(text, "LLR p-value") == f"{theirs.llr_pvalue:.4f}"
    assert first_fact(text, "AIC") == f"{theirs.aic:.4f}"
    assert first_fact(text, "BIC") == f"{theirs.bic:.4f}"
    assert first_fact(text, "Passes over the data") == str(ours.n_passes)
    assert first_fact(text, "Data read") == data_size(ours.bytes_read)
    assert first_fact(text, "Peak memory") == data_size(ours.peak_memory)
    assert first_fact(text, "Solver") == "newton"
    assert float(first_fact(text, "Error bound, in std err")) >= ours.error_bound
    assert f"Status: {Status.CONVERGED.value}" in text
    assert "Sum of weights" not in text


def test_the_table_shows_the_numbers_of_statsmodels(spector):
    ours, theirs = spector
    head, rows = table_lines(str(ours.summary(alpha=0.1)))
    assert head.split() == [
        *("coef", "std", "err", "z", "P>|z|", "odds", "ratio", "[0.05", "0.95]")
    ]
    interval = np.exp(theirs.conf_int(0.1))
    for row, name in zip(rows, theirs.params.index, strict=True):
        shown, *numbers = row.split()
        expected = [
            *(theirs.params[name], theirs.bse[name], theirs.tvalues[name]),
            *(theirs.pvalues[name], np.exp(theirs.params[name]), *interval.loc[name]),
        ]
        assert shown == name
        np.testing.assert_allclose(
            np.array(numbers, float), expected, rtol=5e-5, atol=5e-4
        )


def test_dropped_and_separated_columns_are_marked():
    res = make_results(
        (-1.0, 0.5, np.nan, 11.0),
        dropped={"x2": "it equals 2 * x1, up to a constant"},
        separated=("x3",),
        status=Status.SEPARATED,
        error_bound=np.inf,
    )
    text = str(res.summary())
    _, rows = table_lines(text)
    assert rows[2].split(maxsplit=1) == [
        "x2",
        "dropped: it equals 2 * x1, up to a constant",
    ]
    assert rows[3].split() == ["x3", "(!)", "11.0000", *"------"]
    assert "no finite optimum" in text
    assert "cannot be estimated" in text
    assert first_fact(text, "Error bound, in std err") == "none proven"
    assert first_fact(text, "Relative error of std err") == "none proven"
    found = res._repr_html_()
    assert "dropped: it equals 2 * x1" in found
    assert "x3 (!)" in found


def test_a_separated_fit_does_not_show_its_numbers_as_estimates():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 2)), rng.random(200) < 0.4
    X[:, 1] = y & (X[:, 0] > 0)
    with pytest.warns(dlogreg.SeparationWarning):
        res = dlogreg.fit(X, y, progress=False)
    text = str(res.summary())
    assert f"Status: {Status.SEPARATED.value[:60]}" in text
    assert table_lines(text)[1][2].split()[3:] == list("------")
    assert first_fact(text, "Error bound, in std err") == "none proven"
    assert ", separated, " in repr(res)


def test_an_intercept_is_not_mistaken_for_a_dropped_column():
    res = make_results(
        (-1.0, np.nan, 2.0), feature_names=("const", "b"), dropped={"const": "constant"}
    )
    _, rows = table_lines(str(res.summary()))
    assert rows[0].split()[:2] == ["(const)", "-1.00000"]
    assert rows[1].split()[:2] == ["const", "dropped:"]


def test_without_standard_errors_the_reason_stands_below():
    reason = "standard errors of penalised coefficients would ignore their bias"
    res = make_results(
        covariance=None, alpha=0.25, why_no_inference=reason, bse_error_bound=np.nan
    )
    text = str(res.summary())
    head, rows = table_lines(text)
    assert head.split() == ["coef", "odds", "ratio"]
    assert rows[1].split() == ["x1", "0.500000", "1.6487"]
    assert reason.capitalize() in " ".join(text.split())
    assert "ridge penalty, alpha = 0.25" in text.splitlines()[0]
    assert "Relative error" not in text
    for label in ("LLR p-value", "AIC", "BIC"):
        assert first_fact(text, label) == "-"
    assert "[0.025</th>" not in res._repr_html_()
    assert reason.capitalize() in res._repr_html_()


def test_weights_and_labels_are_shown_as_they_are():
    res = make_results(
        classes=("no", np.str_("yes")), class_counts={"no": 3, "yes": 4}, nobs=99.5
    )
    text = str(res.summary())
    assert first_fact(text, "Event modeled") == "'yes' (4 rows)"
    assert first_fact(text, "Sum of weights") == "99.5"
    odd = make_results(classes=(False, True), class_counts={False: 3, True: 4})
    assert first_fact(str(odd.summary()), "Event modeled") == "True (4 rows)"


def test_p_values_are_never_zero():
    assert p_value(0.0) == "<1e-300"
    assert p_value(5e-324) == "<1e-300"
    assert p_value(3.14159e-77) == "3.14e-77"
    assert p_value(0.01234) == "0.0123"
    assert p_value(1.0) == "1.0000"
    res = make_results((0.0, 1.0, 1000.0), llf=-1e-9, llnull=-1e6)
    text = str(res.summary())
    assert first_fact(text, "LLR p-value") == "<1e-300"
    assert table_lines(text)[1][2].split()[4] == "<1e-300"
    assert "&lt;1e-300" in res._repr_html_()


@settings(deadline=None, max_examples=100)
@given(st.floats(0, 1))
def test_a_shown_p_value_is_the_p_value(p):
    shown = p_value(p)
    if shown == "<1e-300":
        assert p < 1e-300
    else:
        assert float(shown) > 0
        assert float(shown) == pytest.approx(p, rel=0.005, abs=5e-5 * (p >= 1e-3))


@settings(deadline=None, max_examples=100)
@given(NUMBER, st.integers(1, 8))
def test_significant_digits(value, digits):
    shown = significant(value, digits)
    if math.isnan(value):
        assert shown == "-"
    elif abs(value) < 1e308:
        assert float(shown) == pytest.approx(value, rel=0.51 * 10.0 ** (1 - digits))


@settings(deadline=None, max_examples=100)
@given(st.floats(0, 1e300))
def test_a_shown_bound_is_a_bound(value):
    shown = float(upper_bound(value))
    assert value <= shown <= value * 1.1 + 5e-324


def test_bounds_that_are_none():
    assert upper_bound(np.inf) == upper_bound(np.nan) == "none proven"


def test_sizes_and_ratios():
    assert data_size(0) == "0 bytes"
    assert data_size(1023) == "1,023 bytes"
    assert data_size(1536) == "1.5 KiB"
    assert data_size(4 * 10**9) == "3.7 GiB"
    assert data_size(5000 * 2**40) == "5,000.0 TiB"
    assert ratio(np.inf) == ">1e+99"
    assert ratio(0.0) == "<1e-99"
    assert ratio(np.nan) == "-"
    assert ratio(1.23456) == "1.2346"


@settings(deadline=None, max_examples=100)
@given(st.text(), st.integers(5, 40))
def test_elided_text_fits_and_is_printable(text, width):
    shown = elided(printable(text), width)
    assert display_width(shown) <= width
    assert shown.isprintable()
    if text.isprintable() and display_width(text) <= width:
        assert shown == text


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.text(max_size=50), NUMBER, st.floats(1e-300, 1e300)),
        min_size=1,
        max_size=8,
        unique_by=lambda item: item[0],
    ),
    st.data(),
)
def test_any_table_is_aligned_and_any_html_is_well_formed(columns, data):
    names = tuple(name for name, _, _ in columns)
    dropped = data.draw(st.sets(st.sampled_from(names)))
    with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
        res = make_results(
            np.array([0.1, *(value for _, value, _ in columns)]),
            feature_names=names,
            covariance=np.diag([1.0, *(size for _, _, size in columns)]),
            dropped={name: f"it is like {name}" for name in dropped},
            separated=tuple(data.draw(st.sets(st.sampled_from(names)))),
        )
        text, html = str(res.summary()), res.summary()._repr_html_()
    head, rows = table_lines(text)
    assert len(rows) == len(names) + 1
    assert all(char.isprintable() or char == "\n" for char in text)
    shown = [row for row in rows if "dropped: it is like" not in row]
    assert all(display_width(row) <= display_width(head) for row in shown)
    assert len(rows) - len(shown) <= len(dropped)
    ElementTree.fromstring(html)


def test_columns_of_the_table_stay_below_each_other():
    coefficients = [-1.0, 0.5, 12345.678, -1e-9, 3e12, 0.0]
    names = ("a", "x" * 200, "年齢" * 30, "tab\there", "é")
    res = make_results(
        coefficients, feature_names=names, covariance=np.diag([1, 1e-8, 9, 1, 1e20, 4])
    )
    head, rows = table_lines(str(res.summary()))
    points = set()
    for row in rows:
        cells = row.split()
        column = row.index(cells[-7])  # the first of seven numbers
        before = row[:column] + cells[-7].split(".")[0]
        points.add(display_width(before))
    assert len(points) == 1
    assert all(display_width(row) <= display_width(head) for row in rows)
    assert max(display_width(row[: row.index("  ")]) for row in rows) == 32


def test_a_thousand_columns():
    rng = np.random.default_rng(0)
    names = tuple(f"a column of some length, number {j}" for j in range(1000))
    res = make_results(rng.normal(size=1001), feature_names=names)
    text = str(res.summary())
    _, rows = table_lines(text)
    assert max(map(len, text.splitlines())) < 120
    assert rows[0].startswith("const ")
    assert rows[1][:32].split("...")[1] == "ngth, number 0"
    assert rows[-1][:32].split("...")[1] == "th, number 999"
    assert len(rows) == 1001


def test_the_middle_of_a_very_long_table_is_left_out():
    res = make_results(np.arange(5001.0), covariance=None)
    _, rows = table_lines(str(res.summary()))
    assert len(rows) == 2001
    assert rows[999].split()[:2] == ["x999", "999.000"]
    assert "3,001 more coefficients" in rows[1000]
    assert rows[1001].split()[:2] == ["x4001", "4001.00"]
    assert "3,001 more coefficients" in res._repr_html_()


class Text(HTMLParser):
    """Collects tags and text."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.text += [value for key, value in attrs if key == "title"]

    def handle_data(self, data):
        self.text.append(data)


def test_html_escapes_whatever_names_hold():
    evil = '<script>alert("x")</script>'
    res = make_results(
        (-1.0, 0.5, np.nan),
        feature_names=(evil, "b & c"),
        classes=("a", "<i>"),
        class_counts={"a": 1, "<i>": 2},
        dropped={"b & c": f"it equals {evil}"},
        covariance=None,
        why_no_inference="because <b>",
        solver="<u>",
    )
    page = Text()
    page.feed(res._repr_html_())
    assert "script" not in page.tags
    assert "i" not in page.tags
    assert "u" not in page.tags
    assert "b" not in page.tags
    assert evil in page.text
    assert "b & c" in page.text
    assert "'<i>' (2 rows)" in page.text
    assert "Because <b>" in page.text


def test_html_says_the_same_as_the_text(spector):
    summary = spector[0].summary()
    page = Text()
    page.feed(summary._repr_html_())
    words = " ".join(page.text).split()
    for word in str(summary).replace(":", " ").split():
        if not set(word) <= set("=-"):
            assert any(word in other for other in words), word
    assert "http" not in summary._repr_html_()
    assert summary._repr_html_() == spector[0]._repr_html_()


def test_one_line_about_results(spector):
    line = repr(spector[0])
    assert line.startswith("<LogitResults: 4 coefficients, event 1, 32 rows, log-")
    assert "-12.8896, converged, within " in line
    assert "\n" not in line
    assert len(line) < 200
    lost = make_results(status=Status.INTERRUPTED, error_bound=np.inf)
    assert "interrupted, 4 passes>" in repr(lost)
    assert repr(spector[0].summary()) == str(spector[0].summary())


@pytest.mark.parametrize("status", list(Status))
def test_every_status_is_told_in_full(status):
    res = make_results(status=status)
    assert status.value in " ".join(str(res.summary()).split())
    assert status.value.partition(":")[0] in repr(res) or "converged" in repr(res)
