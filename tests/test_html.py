"""What notebooks show: tables, bars, warnings, small curves."""

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dlogreg
from dlogreg import Status
from dlogreg.display.bars import WIDTH, axis_head, bar, common_axis
from dlogreg.display.curves import thinned
from dlogreg.display.theme import STYLE
from dlogreg.display.ticks import ratio_ticks, round_ticks, tick_text
from tests.handmade import make_results

FINITE = st.floats(-50, 50)
EVIL = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(2000, 3))
    y = rng.random(2000) < 1 / (1 + np.exp(0.3 - X @ [1.0, -0.5, 0.0]))
    return dlogreg.fit(X, y.astype(int), feature_names=["a", "b", EVIL])


@pytest.fixture(scope="module")
def three():
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(600, 2)), rng.integers(0, 3, 600)
    return dlogreg.fit(X, y)


class Rows(HTMLParser):
    """Collects the rows of the table of coefficients, with what is drawn in them."""

    def __init__(self):
        super().__init__()
        self.rows, self.depth, self.drawn = [], 0, []

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
            self.drawn.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append("")
        elif tag in ("circle", "path") and self.rows:
            self.drawn[-1].append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def coefficient_rows(page):
    """Return cells and drawings by the name of the row."""
    table = page[page.index('<table class="coefficients"') :]
    reader = Rows()
    reader.feed(table[: table.index("</table>")])
    pairs = zip(reader.rows, reader.drawn, strict=True)
    return {cells[0]: (cells, shapes) for cells, shapes in pairs}


def pixels(shapes):
    """Return left end, point and right end of a bar."""
    (whisker,) = [a for tag, a in shapes if a["class"] == "mark" and tag == "path"]
    (dot,) = [a for tag, a in shapes if tag == "circle"]
    left, right = re.fullmatch(r"M([\d.]+) 8H([\d.]+)", whisker["d"]).groups()
    return float(left), float(dot["cx"]), float(right)


def test_a_bar_stands_where_its_numbers_are(fitted):
    rows = coefficient_rows(fitted._repr_html_())
    ends = fitted.conf_int()
    places, values = [], []
    for j, name in enumerate(("a", "b", EVIL), 1):
        places += pixels(rows[name][1])
        values += [ends[j, 0], fitted.params[j], ends[j, 1]]
    # one linear map takes log-odds to pixels, to the tenth that is written
    slope, start = np.polyfit(values, places, 1)
    np.testing.assert_allclose(start + slope * np.array(values), places, atol=0.11)
    rules = [a["d"] for _, a in rows["a"][1] if a["class"] == "rule"]
    assert float(re.match(r"M([\d.]+)", rules[0])[1]) == pytest.approx(start, abs=0.11)
    assert not rows["const"][1]


def test_ticks_of_the_bars_are_odds_ratios(fitted):
    page = fitted._repr_html_()
    rows = coefficient_rows(page)
    slope, start = np.polyfit(
        [fitted.params["a"], fitted.params["b"]],
        [pixels(rows["a"][1])[1], pixels(rows["b"][1])[1]],
        1,
    )
    ticks = re.findall(r'<text x="([\d.]+)" y="10"[^>]*>([\d.]+)</text>', page)
    assert "1" in [text for _, text in ticks]
    assert len(ticks) >= 3
    for place, text in ticks:
        expected = start + slope * math.log(float(text))
        assert float(place) == pytest.approx(expected, abs=0.2)


def test_intervals_far_beyond_the_others_are_cut_off_and_say_so():
    usual = [(0.1 * k - 0.1, 0.1 * k, 0.1 * k + 0.1) for k in range(-5, 6)]
    axis = common_axis([*usual, (-40.0, 0.2, 41.0)], ratios=True)
    assert -2 < axis.low < -0.6
    assert 0.6 < axis.high < 2
    assert bar((-40.0, 0.2, 41.0), axis).count("Z") == 2
    assert "Z" not in bar(usual[0], axis)
    assert "circle" not in bar((3.0, 4.0, 5.0), axis)
    nothing = bar((math.nan, math.nan, math.nan), axis)
    assert "mark" not in nothing


def test_without_standard_errors_there_are_points_alone():
    res = make_results(covariance=None, alpha=0.1, why_no_inference="because")
    shapes = coefficient_rows(res._repr_html_())["x1"][1]
    assert [tag for tag, a in shapes if a["class"] == "mark"] == ["circle"]


def test_separated_and_dropped_columns_have_no_bar():
    res = make_results(
        (-1.0, 0.5, np.nan, np.inf),
        dropped={"x2": "it equals x1"},
        separated=("x3",),
        separation="quasi-complete",
        status=Status.SEPARATED,
        error_bound=np.inf,
    )
    rows = coefficient_rows(res._repr_html_())
    assert rows["x1"][1]
    assert not rows["x2"][1]
    assert not rows["x3 (!)"][1]


@given(st.lists(st.tuples(FINITE, FINITE, FINITE), min_size=1, max_size=9))
def test_labels_of_an_axis_never_touch(intervals):
    axis = common_axis([tuple(sorted(i)) for i in intervals], ratios=True)
    if axis is None:
        assert all(i == (0, 0, 0) for i in intervals)
        return
    places = [(axis.place(place), text) for place, text in axis.ticks]
    for (left, a), (right, b) in pairwise(places):
        assert right - left >= 3.2 * (len(a) + len(b))
    ElementTree.fromstring(axis_head(axis))
    for interval in intervals:
        numbers = re.findall(
            r'(?:cx="|[MH])([\d.]+)', bar(tuple(sorted(interval)), axis)
        )
        assert all(0 <= float(x) <= WIDTH for x in numbers)


@given(FINITE, st.floats(1e-6, 100), st.integers(2, 8))
def test_ticks_are_round_few_and_inside(low, width, most):
    ticks = round_ticks(low, low + width, most)
    assert len(ticks) <= most
    assert all(low - 1e-6 <= tick <= low + width + 1e-6 for tick in ticks)
    ratios = ratio_ticks(low, low + width, most)
    assert all(low - 1e-6 <= math.log(tick) <= low + width + 1e-6 for tick in ratios)
    assert len(ratios) <= most + 1


def test_ticks_by_hand():
    assert round_ticks(0, 1) == [0, 0.25, 0.5, 0.75, 1.0]
    assert round_ticks(-3, 40, 4) == [0, 20, 40]
    assert ratio_ticks(math.log(0.6), math.log(3.2)) == [0.7, 1.0, 1.5, 2.0, 3.0]
    assert ratio_ticks(math.log(0.011), math.log(99)) == [0.1, 1.0, 10.0]
    assert ratio_ticks(math.log(0.97), math.log(1.04)) == [0.98, 1.0, 1.02, 1.04]
    assert round_ticks(1.0, 1.0) == []
    assert [tick_text(v) for v in (0.0, 1.0, 0.25, 1e-7, 2e6)] == [
        *("0", "1", "0.25", "1e-7", "2e6")
    ]


def test_a_long_table_is_folded_below_its_strongest_rows():
    rng = np.random.default_rng(0)
    z = rng.permutation(1000) + 1.0
    res = make_results(np.concatenate([[0.01], z / 100]), covariance=np.eye(1001) / 100)
    page = res._repr_html_()
    above, folded = page.split("<details>")
    assert "The 25 of 1,001 coefficients that are most significant" in above
    strongest = [f"x{j + 1}" for j in np.argsort(-z)[:25]]
    assert names_in(above) == strongest
    assert "All 1,001 coefficients" in folded
    assert len(names_in(folded)) == 1001
    assert "<script" not in page
    short = make_results(np.ones(40))._repr_html_()
    assert "<details>" not in short
    assert len(page) < 900_000


def names_in(page):
    return re.findall(r'<th scope="row" title="([^"]+)">', page)


def test_rows_of_several_classes_are_told_apart(three):
    wide = replace(
        three,
        feature_names=tuple(f"x{j}" for j in range(30)),
        coefficients=np.random.default_rng(1).normal(size=(2, 31)),
        covariance=0.01 * np.eye(62),
    )
    above = wide._repr_html_().split("<details>")[0]
    names = names_in(above)
    assert len(names) == len(set(names)) == 25
    assert all(re.fullmatch(r"[12]: (x\d+|const)", name) for name in names)


def test_warnings_stand_above_everything_else():
    res = make_results(
        np.array([-1.0, 0.5, np.nan, 2.0, 1.0, 0.0]),
        dropped={"x2": "it equals x1"},
        status=Status.MAX_PASSES,
        error_bound=0.2,
        bse_error_bound=0.033,
        n_dropped=25,
        class_counts={0: 60, 1: 40},
    )
    page = res._repr_html_()
    box = page[page.index('<ul class="warnings"') : page.index("</ul>")]
    assert page.index("</ul>") < page.index("Log-likelihood")
    for sentence in (
        "The fit was not finished",
        "Dropped columns add nothing",
        "25 rows with missing values were left out (20 %)",
        "Only 8.0 rows of the rarest class for each coefficient",
        "off by up to 3.4 %",
    ):
        assert sentence in box, sentence
        assert sentence in " ".join(str(res.summary()).split())
    assert 'class="status bad"' in page


def test_a_good_fit_has_no_warnings(fitted):
    page = fitted._repr_html_()
    assert '<ul class="warnings"' not in page
    assert 'class="status good"' in page


def test_few_events_are_no_matter_where_a_penalty_shrinks():
    res = make_results(np.ones(6), class_counts={0: 60, 1: 40})
    assert "rarest class" in str(res.summary())
    for changes in ({"alpha": 0.1}, {"firth": True}, {"class_counts": {0: 60, 1: 60}}):
        changed = replace(res, **changes)
        assert "rarest class" not in str(changed.summary())


def every_display(fitted, three):
    report = fitted.goodness_of_fit()
    test = fitted.wald_test("a = b")
    X = np.random.default_rng(0).normal(size=(50, 2))
    return {
        "results": fitted,
        "three": three,
        "trace": fitted.trace,
        "plan": dlogreg.plan(X, X[:, 0] > 0, feature_names=[EVIL, "b"]),
        "goodness": report,
        "roc": report.roc(),
        "precision and recall": report.precision_recall(),
        "calibration": report.calibration(),
        "hosmer": report.hosmer_lemeshow(),
        "wald": test,
        "marginal": fitted.marginal_effects(),
        "influence": fitted.influence(3),
    }


def test_every_display_is_well_formed_safe_and_needs_nothing_else(fitted, three):
    for name, shown in every_display(fitted, three).items():
        page = shown._repr_html_()
        ElementTree.fromstring(page)
        assert page.startswith('<div class="dlogreg-summary"><style>'), name
        assert "<script" not in page, name
        assert "http" not in page, name
        assert "javascript" not in page, name


def test_curves_are_drawn_through_their_own_points(fitted):
    curve = fitted.roc()
    page = curve._repr_html_()
    points = re.search(r'points="([^"]+)"', page)[1].split()
    drawn = np.array([point.split(",") for point in points], dtype=float)
    x, y = (drawn[:, 0] - 34) / 150, 1 - (drawn[:, 1] - 8) / 150
    away = np.hypot(x[:, None] - curve.fpr, y[:, None] - curve.tpr)
    assert away.min(axis=1).max() < 1e-3  # every point drawn is one of the curve
    assert away.min(axis=0).max() < 0.01  # and none of the curve's is far from it
    assert len(points) <= 202
    assert f"AUC {fitted.goodness_of_fit().auc:.4f}" in page


def test_thinning_keeps_ends_and_shape():
    x = np.linspace(0, 1, 5000)
    places = thinned(x, x**2)
    assert places[0] == 0
    assert places[-1] == 4999
    assert len(places) <= 202
    assert np.diff(x[places]).max() < 0.02
    assert thinned(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == [0, 1]


def test_light_and_dark_are_told_by_system_and_by_page():
    assert "@media (prefers-color-scheme: dark)" in STYLE
    assert "[data-jp-theme-light=false] .dlogreg-summary" in STYLE
    assert "[data-jp-theme-light=true] .dlogreg-summary" in STYLE
    # what the page says comes after what the system says, and so prevails
    assert STYLE.index("prefers-color-scheme") < STYLE.index("data-jp-theme-light=true")


def contrast(colour, ground):
    """Return the contrast of the Web Content Accessibility Guidelines, 1 to 21."""

    def luminance(code):
        parts = [int(code[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [
            p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        ]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    low, high = sorted([luminance(colour), luminance(ground)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("theme", "ground"), [("LIGHT", "#ffffff"), ("DARK", "#1e1e1e")]
)
def test_colours_can_be_read_on_their_ground(theme, ground):
    from dlogreg.display import theme as room

    colours = dict(re.findall(r"--dlr-([\w-]+): (#\w{6})", getattr(room, theme)))
    assert set(colours) == {"mark", "second", "good", "bad"}
    for name, colour in colours.items():
        assert contrast(colour, ground) >= (4.5 if name in ("good", "bad") else 3), name
