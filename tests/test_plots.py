"""Plots: that they show the numbers of the results, whole and apart from each other."""

import builtins
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.interpolate import CubicSpline
from scipy.special import expit, logit

import dlogreg
from dlogreg.evaluation import PassRecord, Tally
from dlogreg.inference.calibration_curve import calibration_curve, spline_basis
from dlogreg.inference.goodness import GoodnessOfFit
from dlogreg.kernel.scores import ScoreSums
from tests.handmade import make_results

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def sample(n=3000, seed=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    y = rng.random(n) < expit(X @ [1.0, -0.5, 0.1] - 0.7)
    return X, y.astype(int)


@pytest.fixture(scope="module")
def fitted():
    X, y = sample()
    return dlogreg.fit(X, y, feature_names=["a", "b", "c"], progress=False)


@pytest.fixture(scope="module")
def three():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(900, 2))
    y = (rng.random(900) + 0.6 * X[:, 0] > [[0.2], [0.8]]).sum(axis=0)
    res = dlogreg.fit(X, np.array(["x", "y", "z"])[y], progress=False)
    return res, dlogreg.evaluate(res, X, np.array(["x", "y", "z"])[y])


def texts(ax):
    """Return all texts of a plot as they are drawn."""
    ax.figure.canvas.draw()
    found = [ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()]
    found += [text.get_text() for text in (*ax.texts, *ax.get_xticklabels())]
    found += [text.get_text() for text in ax.get_yticklabels()]
    legend = ax.get_legend()
    return found + ([] if legend is None else [t.get_text() for t in legend.texts])


def points(ax, marker="o"):
    """Return the points that are drawn with a marker, as (x, y)."""
    lines = [line for line in ax.lines if line.get_marker() == marker]
    return np.concatenate([line.get_xydata() for line in lines]) if lines else []


def check_layout(ax):
    """Nothing overlaps that should not, and all is inside the figure."""
    figure = ax.figure
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    page = figure.bbox
    for labels in (ax.get_yticklabels(), ax.get_xticklabels(), ax.texts):
        boxes = [
            t.get_window_extent(renderer)
            for t in labels
            if t.get_visible() and t.get_text()
        ]
        inside = [b for b in boxes if b.y1 > 0 and b.x1 > 0]
        for k, box in enumerate(inside):
            for other in inside[k + 1 :]:
                assert not box.padded(-0.5).overlaps(other.padded(-0.5))
    whole = ax.get_tightbbox(renderer)
    assert whole.x0 >= page.x0 - 1
    assert whole.y0 >= page.y0 - 1
    assert whole.x1 <= page.x1 + 1
    assert whole.y1 <= page.y1 + 1


def test_odds_ratios_are_those_of_the_results_sorted(fitted):
    ax = fitted.plot.odds_ratios(alpha=0.1)
    check_layout(ax)
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == ["a", "c", "b"]
    ratios = fitted.odds_ratios(0.1)[[1, 3, 2]]
    np.testing.assert_allclose(points(ax)[:, 0], ratios[:, 0])
    np.testing.assert_allclose(points(ax)[:, 1], [0, 1, 2])
    (whiskers,) = ax.collections
    ends = [segment[:, 0] for segment in whiskers.get_segments()]
    np.testing.assert_allclose(ends, ratios[:, 1:])
    assert ax.get_xscale() == "log"
    low, high = ax.get_ylim()
    assert low > high  # the first row is on top
    shown = texts(ax)
    assert f"{ratios[0, 0]:.3g}  [{ratios[0, 1]:.3g}, {ratios[0, 2]:.3g}]" in shown
    assert "Odds ratios of 1, 90 % intervals" in shown


def test_rows_can_be_chosen_and_left_in_their_order(fitted):
    ax = fitted.plot.odds_ratios(names=["b", "const", "a"], sort=False)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["b", "const", "a"]
    with pytest.raises(ValueError, match="no coefficient is named 'd'; there are 'c"):
        fitted.plot.odds_ratios(names=["d"])
    with pytest.raises(ValueError, match="most must be a whole number from 1, not 0"):
        fitted.plot.odds_ratios(most=0)
    alone = make_results((0.5,))
    with pytest.raises(ValueError, match="no coefficient to show but the intercept"):
        alone.plot.odds_ratios()


def test_many_columns_show_the_most_significant_and_say_so():
    rng = np.random.default_rng(0)
    effects = rng.normal(size=200)
    errors = rng.uniform(0.1, 2, size=201)
    res = make_results(np.concatenate([[0], effects]), covariance=np.diag(errors**2))
    ax = res.plot.odds_ratios()
    check_layout(ax)
    shown = {t.get_text() for t in ax.get_yticklabels()}
    z = np.abs(effects / errors[1:])
    assert shown == {f"x{j + 1}" for j in np.argsort(-z)[:40]}
    assert "the most significant 40 of 200 columns" in ax.get_title(loc="left")
    few = res.plot.odds_ratios(most=5)
    assert len(few.get_yticklabels()) == 5
    assert few.figure.get_figheight() < ax.figure.get_figheight() / 3


def test_names_are_data_and_long_ones_lose_their_middle():
    names = ("a$b$", "$\\frac{", "<b>", "x" * 300, "tab\there", "%s {0}")
    res = make_results(np.ones(7), feature_names=names)
    ax = res.plot.odds_ratios(sort=False)
    check_layout(ax)
    shown = [t.get_text() for t in ax.get_yticklabels()]
    assert shown[:3] == list(names[:3])
    assert max(map(len, shown)) <= 36
    assert "\\t" in shown[4]


def test_infinite_coefficients_end_in_arrows():
    res = make_results(
        (-1.0, 0.5, np.inf, -np.inf),
        separated=("x2", "x3"),
        separation="quasi-complete",
        covariance=np.diag([0.1, 0.1, np.nan, np.nan]),
    )
    ax = res.plot.odds_ratios()
    check_layout(ax)
    low, high = ax.get_xlim()
    assert [t.get_text() for t in ax.get_yticklabels()] == ["x2", "x1", "x3"]
    np.testing.assert_allclose(points(ax, ">"), [[high, 0]])
    np.testing.assert_allclose(points(ax, "<"), [[low, 2]])
    assert "infinite (separated)" in texts(ax)
    assert "0 (separated)" in texts(ax)
    assert len(points(ax)) == 1


def test_without_standard_errors_there_are_points_alone():
    res = make_results((-1.0, 0.5, 2.0), covariance=None, alpha=0.1)
    ax = res.plot.odds_ratios()
    check_layout(ax)
    assert not any(len(c.get_segments()) for c in ax.collections)
    np.testing.assert_allclose(points(ax)[:, 0], np.exp([2.0, 0.5]))
    assert ax.get_title(loc="left") == "Odds ratios of 1"


def test_dropped_columns_are_left_out():
    res = make_results((-1.0, 0.5, np.nan), dropped={"x2": "it equals x1"})
    names = [t.get_text() for t in res.plot.odds_ratios().get_yticklabels()]
    assert names == ["x1"]


def test_classes_stand_beside_each_other(three):
    res, report = three
    ax = res.plot.odds_ratios(sort=False)
    check_layout(ax)
    drawn = points(ax).reshape(2, 2, 2)
    np.testing.assert_allclose(drawn[:, :, 0], np.exp(res.coefficients[:, 1:]))
    assert (drawn[0, :, 1] < drawn[1, :, 1]).all()
    assert {"'y'", "'z'"} <= set(texts(ax))
    assert "Odds ratios against 'x'" in texts(ax)
    curves = report.plot.roc()
    check_layout(curves)
    assert f"'z': AUC {report['z'].auc:.4g}" in texts(curves)
    check_layout(report["z"].plot.calibration())


def test_convergence_draws_bounds_and_estimates_of_the_trace(fitted):
    ax = fitted.plot.convergence()
    check_layout(ax)
    records = [r for r in fitted.trace if r.number]
    bounds = [(r.number, r.error_bound) for r in records if r.error_bound is not None]
    bounds = [pair for pair in bounds if math.isfinite(pair[1])]
    (line,) = [x for x in ax.lines if str(x.get_label()).startswith("proven")]
    np.testing.assert_allclose(line.get_xydata(), bounds)
    (line,) = [x for x in ax.lines if str(x.get_label()).startswith("estimate")]
    estimates = [(r.number, r.decrement) for r in records if r.decrement is not None]
    np.testing.assert_allclose(line.get_xydata(), estimates)
    assert f"tol = {fitted.tol:g}" in texts(ax)
    assert ax.get_yscale() == "log"


def test_without_any_distance_the_losses_are_drawn():
    trace = [PassRecord(k, "gradient", 1.0, Tally(), 10.0 + 5 / k) for k in range(1, 6)]
    ax = make_results(trace=tuple(trace)).plot.convergence()
    check_layout(ax)
    (line,) = [x for x in ax.lines if x.get_label() == "loss"]
    np.testing.assert_allclose(line.get_ydata(), [4.0, 1.5, 2 / 3, 0.25])
    for plot in ("convergence", "passes"):
        with pytest.raises(ValueError, match="hold no record of passes"):
            getattr(make_results(trace=()).plot, plot)()


def test_the_timeline_adds_up():
    parts = Tally(1, 1, 1024, 1, 1, 1.0, 2.0, 0.5)
    records = (
        PassRecord(0, "pilot", 2.0, parts, n_threads=2),
        PassRecord(1, "survey", 5.0, parts, n_threads=2),
        PassRecord(2, "old", 1.0, Tally()),
    )
    ax = make_results(trace=records).plot.passes()
    check_layout(ax)
    bars = [b for b in ax.patches if b.get_width() > 0]
    reading = [(b.get_x(), b.get_width()) for b in bars[:1] + bars[4:5]]
    assert reading == [(0.0, 0.5), (2.0, 0.5)]
    assert sum(b.get_width() for b in bars) == pytest.approx(8.0)
    assert {"reading", "computing", "reducing", "waiting"} <= set(texts(ax))
    assert [t.get_text() for t in ax.get_yticklabels()][1] == "1  survey"
    assert "[s]" in ax.get_xlabel()


def test_a_long_timeline_leaves_out_its_middle():
    tally = Tally(1, 1, 1024, 1, 1, 0.01, 0.02, 0.0)
    records = [PassRecord(k, "gradient", 0.05, tally, n_threads=1) for k in range(90)]
    ax = make_results(trace=tuple(records)).plot.passes()
    check_layout(ax)
    assert len(ax.get_yticklabels()) == 40
    assert "the first and the last 20 of 90 passes" in ax.get_title(loc="left")


def test_roc_and_precision_recall_are_the_curves_of_the_report(fitted):
    report = fitted.goodness_of_fit()
    ax = fitted.plot.roc()
    check_layout(ax)
    (line,) = [x for x in ax.lines if str(x.get_label()).startswith("AUC")]
    np.testing.assert_array_equal(line.get_xdata(), report.roc().fpr)
    np.testing.assert_array_equal(line.get_ydata(), report.roc().tpr)
    low, high = report.auc_conf_int()
    assert line.get_label() == f"AUC {report.auc:.4f}  [{low:.4f}, {high:.4f}]"
    ax = fitted.plot.precision_recall()
    check_layout(ax)
    (line,) = [x for x in ax.lines if str(x.get_label()).startswith("average")]
    curve = report.precision_recall()
    np.testing.assert_array_equal(line.get_xdata(), curve.recall[curve.recall > 0])
    assert line.get_label() == f"average precision {report.average_precision:.4f}"
    level = next(x for x in ax.lines if str(x.get_label()).startswith("share"))
    assert level.get_ydata()[0] == report.n_events / report.nobs


def test_score_distributions_have_the_area_of_their_class(fitted):
    ax = fitted.plot.score_distributions(bins=30)
    check_layout(ax)
    X, y = sample()
    eta = fitted.decision_function(X)
    low, high = ax.get_xlim()
    for patch, label in ((ax.patches[0], 0), (ax.patches[2], 1)):
        values, edges, _ = patch.get_data()
        share, _ = np.histogram(eta[y == label], edges)
        expected = share / (y == label).sum() / np.diff(edges)
        # scores stand at the means of narrow bins: a few may cross a border
        np.testing.assert_allclose(values, expected, atol=0.02)
        assert values.sum() * (edges[1] - edges[0]) > 0.995
        assert edges[0] == low
        assert edges[-1] == high
    with pytest.raises(ValueError, match="bins must be a whole number from 2, not 1"):
        fitted.plot.score_distributions(bins=1)


def test_calibration_shows_groups_band_and_histogram(fitted):
    ax = fitted.plot.calibration(bins=8)
    check_layout(ax)
    table = fitted.calibration(8)
    groups = ax.containers[-2] if len(ax.containers) > 1 else ax.containers[0]
    data = groups.lines[0].get_xydata()
    np.testing.assert_allclose(data[:, 0], table.mean_probability)
    np.testing.assert_allclose(data[:, 1], table.event_share)
    (segments,) = [c.get_segments() for c in groups.lines[2]]
    for segment, n, events in zip(segments, table.weight, table.events, strict=True):
        low, high = sm.stats.proportion_confint(events, n, method="wilson")
        np.testing.assert_allclose(segment[:, 1], [low, high])
    bars = ax.containers[-1].patches
    heights = np.array([bar.get_height() for bar in bars])
    X, _ = sample()
    p = np.asarray(fitted.predict(X))
    edges = np.linspace(0, ax.get_xlim()[1], len(bars) + 1)
    counts = np.histogram(p, edges)[0]
    np.testing.assert_allclose(
        heights / heights.max(), counts / counts.max(), atol=0.03
    )
    assert ax.get_ylim()[0] < 0
    assert min(t for t in ax.get_yticks()) == 0


def test_rare_events_fill_the_plot():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(40_000, 2))
    y = rng.random(40_000) < expit(0.5 * X[:, 0] - 5)
    ax = dlogreg.fit(X, y, progress=False).plot.calibration()
    check_layout(ax)
    assert ax.get_xlim()[1] < 0.1


def reference_curve(eta, y, knots, at):
    """Return the same curve by statsmodels, on another basis of the same splines."""
    cardinal = CubicSpline(knots, np.eye(len(knots)), bc_type="natural")

    def basis(x):
        inside = np.clip(x, knots[0], knots[-1])
        beyond = x - inside
        slopes = cardinal(inside, 1) * beyond[:, None]
        return cardinal(inside) + slopes

    fit = sm.GLM(y, basis(eta), family=sm.families.Binomial()).fit(tol=1e-13)
    predicted = fit.get_prediction(basis(at), which="linear")
    return predicted.predicted, np.asarray(predicted.conf_int())


@pytest.mark.parametrize("n", [150, 3000])
def test_the_curve_is_that_of_statsmodels(n):
    rng = np.random.default_rng(5)
    eta = rng.normal(size=n) * 1.5 - 0.5
    y = rng.random(n) < expit(0.7 * eta + 0.2 * eta**2 - 0.4)
    sums = ScoreSums.of(eta, y)
    curve = calibration_curve(sums)
    shares = (0.1, 0.5, 0.9) if n == 150 else (0.05, 0.275, 0.5, 0.725, 0.95)
    places = np.ceil(np.array(shares) * n).astype(int) - 1
    knots = np.sort(eta)[places]
    predicted, ends = reference_curve(eta, y, knots, logit(curve.probability))
    np.testing.assert_allclose(logit(curve.share), predicted, atol=1e-6)
    np.testing.assert_allclose(logit(curve.low), ends[:, 0], atol=1e-6)
    np.testing.assert_allclose(logit(curve.high), ends[:, 1], atol=1e-6)


def test_there_is_no_curve_of_separated_or_equal_scores():
    eta = np.arange(10.0)
    assert calibration_curve(ScoreSums.of(eta, eta > 4)) is None
    assert calibration_curve(ScoreSums.of(eta, eta < 4)) is None
    assert calibration_curve(ScoreSums.of(np.zeros(10), eta > 4)) is None
    two = calibration_curve(ScoreSums.of(eta % 2, eta > 4))
    assert spline_basis(eta, np.array([0.0, 1.0])).shape == (10, 2)
    assert np.isfinite(two.share).all()


def test_probability_weights_have_no_intervals(fitted):
    sums = fitted.goodness_of_fit().sums
    report = GoodnessOfFit.of(sums, (0, 1), in_sample=True)
    ax = replace(report, weight_kind="probability").plot.calibration()
    check_layout(ax)
    assert not any("band" in text for text in texts(ax))
    assert any("band" in text for text in texts(report.plot.calibration()))


def test_one_class_cannot_be_ranked():
    sums = ScoreSums.of(np.arange(9.0), np.zeros(9, dtype=bool))
    report = GoodnessOfFit.of(sums, (0, 1), in_sample=False)
    with pytest.raises(dlogreg.DataError, match="the ROC curve needs rows of both"):
        report.plot.roc()
    check_layout(report.plot.score_distributions())


def test_influence_shows_the_largest_distances(fitted):
    found = fitted.influence(5)
    ax = fitted.plot.influence(found=found)
    check_layout(ax)
    np.testing.assert_allclose(points(ax)[:, 0], found.distances)
    names = [f"row {row:,}" for row in found.rows]
    assert [t.get_text() for t in ax.get_yticklabels()] == names
    assert len(fitted.plot.influence(k=3).get_yticklabels()) == 3
    endless = replace(found, distances=np.array([np.inf, 2.0, 1.0, 0.5, 0.1]))
    ax = fitted.plot.influence(found=endless)
    assert len(points(ax, ">")) == 1
    assert "decides a coefficient alone" in ax.get_title(loc="left")


def test_only_influence_reads_the_rows(fitted, monkeypatch):
    monkeypatch.setattr(
        dlogreg.passes.Passes, "_run", lambda *given: pytest.fail("it read the rows")
    )
    for name in ("odds_ratios", "convergence", "passes", "calibration", "roc"):
        getattr(fitted.plot, name)()
    fitted.plot.precision_recall()
    fitted.plot.score_distributions()


@pytest.mark.parametrize(
    "name",
    [
        *("odds_ratios", "convergence", "passes", "calibration", "roc"),
        *("precision_recall", "score_distributions", "influence"),
    ],
)
def test_every_plot_takes_axes_and_a_style_and_returns_the_axes(fitted, name):
    _, (ours, other) = plt.subplots(1, 2)
    ax = getattr(fitted.plot, name)(ours, color="#123456")
    assert ax is ours
    assert not other.lines
    assert len(plt.get_fignums()) == 1
    drawn = [*ax.lines, *ax.patches, *ax.collections]
    colours = []
    for artist in drawn:
        get = getattr(artist, "get_color", None) or artist.get_facecolor
        colours += [matplotlib.colors.to_hex(c) for c in _colours(get())]
    assert "#123456" in colours
    assert name in repr(fitted.plot)


def _colours(given):
    array = np.asarray(given, dtype=object)
    return [given] if isinstance(given, str) or array.ndim < 2 else list(given)


def test_without_matplotlib_the_error_says_how_to_install_it(fitted, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest, **more)

    for name in [n for n in sys.modules if n.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r'pip install "dlogreg\[plot\]"'):
        fitted.plot.roc()


@pytest.mark.parametrize("scale", [1e-2, 1e-3, 1e-5, 1e-7])
def test_effects_of_large_units_have_labels_apart(scale):
    res = make_results(
        np.array([0.0, 1.3, -0.4]) * scale, covariance=np.eye(3) * (0.3 * scale) ** 2
    )
    ax = res.plot.odds_ratios()
    check_layout(ax)
    labels = [t.get_text() for t in ax.get_xticklabels()]
    assert len(set(labels)) == len(labels) >= 3
    assert "1" in labels
    assert all("1.00 " not in text for text in texts(ax))
