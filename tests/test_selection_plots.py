"""Paths and cross-validations as pictures, with the numbers of the results."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

import dlogreg
from dlogreg.display.theme import SERIES
from tests.test_plots import check_layout, texts

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")
EVIL = "<script>$\\frac{"


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def sample(n=1200, k=12):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(n, k))
    effects = np.concatenate([[1.2, -0.8, 0.5], np.zeros(k - 3)])
    return X, (rng.random(n) < 1 / (1 + np.exp(-X @ effects))).astype(int)


@pytest.fixture(scope="module")
def path():
    X, y = sample()
    names = [EVIL, *(f"x{j}" for j in range(1, 12))]
    return dlogreg.path(X, y, l1_ratio=1.0, n_alphas=50, feature_names=names)


@pytest.fixture(scope="module")
def validation():
    X, y = sample()
    return dlogreg.cross_validate(X, y, n_alphas=12, scoring=["log_loss", "auc"])


def test_a_path_is_drawn_as_it_is(path):
    ax = path.plot(most=3)
    check_layout(ax)
    order = np.argsort(-np.abs(path.coefs).max(axis=1))
    named = [line for line in ax.lines if line.get_color() in SERIES[:3]]
    for line, j in zip(named, order, strict=False):
        np.testing.assert_array_equal(line.get_xdata(), path.alphas)
        np.testing.assert_array_equal(line.get_ydata(), path.coefs[j])
    assert len(ax.lines) == 1 + 12
    assert EVIL in texts(ax)
    assert "9 smaller ones in grey" in ax.get_title(loc="left")
    left, right = ax.get_xlim()
    assert left > path.alphas[0] > path.alphas[-1] > right
    (top,) = ax.child_axes
    shown = [t.get_text() for t in top.get_xticklabels()]
    places = [int(np.abs(path.alphas - x).argmin()) for x in top.get_xticks()]
    assert shown == [str(path.df[k]) for k in places]
    assert len(shown) == 6
    with pytest.raises(ValueError, match="most must be from 0 to 8, not 9"):
        path.plot(most=9)
    assert path.plot(most=0).get_legend() is None


def test_plots_take_axes_and_styles(path, validation):
    _, (left, right) = plt.subplots(1, 2)
    assert path.plot(left, color="#123456") is left
    assert validation.plot(right, color="#123456") is right
    assert "#123456" in [line.get_color() for line in left.lines]
    assert "#123456" in [line.get_color() for line in right.lines]
    assert len(plt.get_fignums()) == 1


def test_scores_are_drawn_with_their_errors_and_choices(validation):
    ax = validation.plot()
    check_layout(ax)
    (bars,) = ax.containers
    data = bars.lines[0].get_xydata()
    np.testing.assert_array_equal(data[:, 0], validation.alphas)
    np.testing.assert_array_equal(data[:, 1], validation.scores)
    (segments,) = (lines.get_segments() for lines in bars.lines[2])
    half = [(segment[1, 1] - segment[0, 1]) / 2 for segment in segments]
    np.testing.assert_allclose(half, validation.errors)
    marks = [line.get_xdata()[0] for line in ax.lines if "error: " in line.get_label()]
    assert marks == [validation.one_se_alpha]
    best = [line.get_xdata()[0] for line in ax.lines if "best" in line.get_label()]
    assert best == [validation.best_alpha]
    other = validation.plot(score="auc")
    assert other.get_ylabel() == "auc, out of fold"
    assert not any("best" in text for text in texts(other))
    with pytest.raises(ValueError, match="score must be one of 'log_loss'"):
        validation.plot(score="r2")


def test_a_path_in_a_notebook(path):
    page = path._repr_html_()
    ElementTree.fromstring(page)
    assert "<script" not in page
    assert "All 50 penalties" in page
    rows = re.findall(r'<th scope="row">([\d.e-]+)</th><td>(\d+)</td>', page)
    assert [float(alpha) for alpha, _ in rows] == pytest.approx(
        path.alphas.tolist(), rel=1e-5
    )
    assert [int(n) for _, n in rows] == path.df.tolist()
    lines = re.findall(r'<polyline points="([^"]+)"', page)
    assert len(lines) == 12
    assert str(path.n_passes) in page
    short = dlogreg.path(*sample(300, 4), alphas=[0.1])
    assert "<polyline" not in short._repr_html_()
    assert "<details>" not in short._repr_html_()


def test_a_path_that_was_not_finished_says_so():
    X, y = sample(400, 6)
    with pytest.warns(dlogreg.ConvergenceWarning):
        path = dlogreg.path(X, y, l1_ratio=1.0, n_alphas=20, tol=1e-9, max_passes=2)
    assert "models: The fit was not finished" in path._repr_html_()


def test_a_validation_in_a_notebook(validation):
    page = validation._repr_html_()
    ElementTree.fromstring(page)
    assert "(best)" in page
    (points,) = re.findall(r'<polyline[^>]*points="([^"]+)"', page)
    drawn = np.array([p.split(",") for p in points.split()], dtype=float)
    slope, start = np.polyfit(validation.scores, drawn[:, 1], 1)
    np.testing.assert_allclose(
        start + slope * validation.scores, drawn[:, 1], atol=0.06
    )
    slope, start = np.polyfit(np.log(validation.alphas), drawn[:, 0], 1)
    assert slope < 0
    (best,) = re.findall(r'class="second" cx="([\d.]+)"', page)
    expected = start + slope * np.log(validation.best_alpha)
    assert float(best) == pytest.approx(expected, abs=0.2)
