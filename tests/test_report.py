"""The report: its numbers are those of the results, and a browser shows it."""

import os
import re
import shutil
import stat
import subprocess
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from scipy.special import expit

import dlogreg
from dlogreg.cli import main
from tests.handmade import make_results

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

SECTIONS = (
    *("model", "data", "warnings", "coefficients", "fit", "calibration", "cost"),
    "reproducibility",
)
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
browser = pytest.mark.browser
EVIL = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(3000, 3))
    y = rng.random(3000) < expit(X @ [1.0, -0.5, 0.1] - 0.7)
    names = ["a", EVIL, "c & d"]
    return dlogreg.fit(
        X, np.where(y, "yes", "<no>"), feature_names=names, classes=("<no>", "yes")
    )


@pytest.fixture(scope="module")
def page(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    fitted.report(path)
    return path.read_text("utf-8")


class Page(HTMLParser):
    """Reads tables as lists of rows, by the section they stand in, and all elements."""

    VOID = ("meta", "br", "img", "link", "input")

    def __init__(self, text):
        super().__init__()
        self.section, self.tables, self.tags, self.open = "", [], [], []
        self.cell = None
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "section":
            self.section = dict(attrs)["id"]
        elif tag == "table":
            self.tables.append((self.section, []))
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in ("th", "td"):
            self.cell = ""

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in ("th", "td"):
            self.tables[-1][1][-1].append(self.cell.strip())
            self.cell = None

    def handle_data(self, data):
        if self.cell is not None and self.open[-1] not in ("text", "tspan"):
            self.cell += data

    def facts(self, section):
        """Return the tables of names and values of a section."""
        rows = [r for where, table in self.tables if where == section for r in table]
        return {row[0]: row[1] for row in rows if len(row) == 2}

    def table(self, section, heading):
        """Return the rows of a table, by their first cells."""
        for where, rows in self.tables:
            if where == section and rows[0] and rows[0][0] == heading:
                return {row[0]: row[1:] for row in rows[1:]}
        raise AssertionError((section, heading))


def number(text):
    return float(text.replace(",", ""))


def test_the_sections_stand_in_order_and_are_linked(page):
    found = Page(page)
    keys = [attrs["id"] for tag, attrs in found.tags if tag == "section"]
    assert tuple(keys) == SECTIONS
    links = [attrs["href"] for tag, attrs in found.tags if tag == "a"]
    assert links == [f"#{key}" for key in SECTIONS]
    assert page.startswith("<!DOCTYPE html>")


def test_the_coefficients_are_those_of_the_results(fitted, page):
    rows = Page(page).table("coefficients", "column")
    assert list(rows) == list(fitted.names)
    ratios = fitted.odds_ratios()
    for k, name in enumerate(fitted.names):
        shown = [number(cell) for cell in rows[name][:7]]
        expected = [
            *(fitted.params[name], fitted.bse[name], fitted.zvalues[name]),
            *(fitted.pvalues[name], *ratios[k]),
        ]
        np.testing.assert_allclose(shown, expected, rtol=5e-5, atol=5e-4)
        np.testing.assert_allclose(shown[0], expected[0], rtol=5e-6)


def test_the_facts_are_those_of_the_results(fitted, page):
    found = Page(page)
    fit, cost = found.facts("fit"), found.facts("cost")
    report = fitted.goodness_of_fit()
    assert number(fit["Log-likelihood"]) == pytest.approx(fitted.llf, abs=6e-5)
    assert number(fit["AIC"]) == pytest.approx(fitted.aic, abs=6e-5)
    assert number(fit["BIC"]) == pytest.approx(fitted.bic, abs=6e-5)
    assert number(fit["Brier score"]) == pytest.approx(report.brier, rel=5e-5)
    auc = number(fit["AUC"].split()[0])
    assert auc == pytest.approx(report.auc, abs=6e-4)
    assert int(cost["Passes over the data"]) == fitted.n_passes
    bound = float(cost["Error bound, in std err"])
    assert fitted.error_bound <= bound <= 1.1 * fitted.error_bound
    model = found.facts("model")
    assert model["Event modeled"] == f"'yes' ({fitted.class_counts['yes']:,} rows)"
    assert int(model["Df model"]) == 3
    data = found.facts("data")
    assert number(data["Rows"]) == 3000
    classes = found.table("data", "class")
    assert {key: number(row[0]) for key, row in classes.items()} == {
        repr(label): n for label, n in fitted.class_counts.items()
    }
    options = found.facts("reproducibility")
    assert float(options["tol"]) == fitted.tol
    assert float(options["alpha"]) == 0.0
    assert options["solver"] == fitted.solver
    assert options["dlogreg"] == dlogreg.__version__
    assert options["numpy"] == np.__version__


def test_calibration_and_passes_are_those_of_the_results(fitted, page):
    found, table = Page(page), fitted.calibration()
    rows = list(found.table("fit", "probability").values())
    shown = np.array([[number(cell) for cell in row[:3]] for row in rows])
    expected = np.column_stack([table.weight, table.events, table.expected])
    np.testing.assert_allclose(shown, expected, rtol=1e-5)
    passes = found.table("cost", "pass")
    assert len(passes) == len(fitted.trace) + 1
    for record in fitted.trace:
        assert float(passes[str(record.number)][1]) == pytest.approx(
            record.seconds, abs=6e-4
        )


def test_every_plot_is_there_with_its_own_ids(page):
    found = Page(page)
    figures = [attrs.get("id") for tag, attrs in found.tags if tag == "figure"]
    assert figures == [
        *("odds-ratios", "fit-calibration", "fit-roc", "fit-precision-recall"),
        *("fit-scores", "convergence", "passes"),
    ]
    ids = [attrs["id"] for _, attrs in found.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for reference in re.findall(r'(?:url\(#|href="#)([^)"]+)', page):
        assert reference in ids
    assert "#0a0b0c" not in page
    assert "currentColor" in page


def test_nothing_is_loaded_and_nothing_is_run(page):
    found = Page(page)
    tags = {tag for tag, _ in found.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base"}
    for _, attrs in found.tags:
        for key, value in attrs.items():
            assert not key.startswith("on"), key
            if key in ("src", "href", "xlink:href", "data", "action"):
                assert value.startswith("#"), (key, value)
    assert "@import" not in page
    assert not re.findall(r"url\((?!#)", page)
    policy = next(a for t, a in found.tags if a.get("http-equiv"))
    assert policy["content"].startswith("default-src 'none'")
    assert "alert(1)</script>" not in page.replace("&lt;/script&gt;", "")


def test_the_same_results_give_the_same_page(fitted, page, tmp_path):
    fitted.report(tmp_path / "again.html")
    again = (tmp_path / "again.html").read_text("utf-8")
    times = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
    assert re.sub(times, "", again) == re.sub(times, "", page)


def test_a_report_leaves_styles_and_figures_of_the_user_alone(fitted, tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    with plt.rc_context({"axes.facecolor": "#ff00ff", "font.size": 40.0}):
        fitted.report(tmp_path / "styled.html")
        assert plt.rcParams["axes.facecolor"] == "#ff00ff"
    assert "#ff00ff" not in (tmp_path / "styled.html").read_text("utf-8")
    assert not plt.get_fignums()


def test_warnings_are_told_or_said_to_be_none(page, tmp_path):
    assert (
        "None." in page[page.index('id="warnings"') : page.index('id="coefficients"')]
    )
    res = make_results(
        (-1.0, 0.5, np.nan), dropped={"x2": "it equals x1"}, n_dropped=100
    )
    res.report(tmp_path / "warned.html")
    text = (tmp_path / "warned.html").read_text("utf-8")
    box = text[text.index('id="warnings"') : text.index('id="coefficients"')]
    assert "Dropped columns add nothing" in box
    assert "100 rows with missing values were left out (50 %)" in box


def test_a_saved_model_says_what_it_does_not_know(fitted, tmp_path):
    fitted.save(tmp_path / "model.json")
    loaded = dlogreg.load(tmp_path / "model.json")
    loaded.report(tmp_path / "loaded.html")
    text = (tmp_path / "loaded.html").read_text("utf-8")
    part = text[text.index('id="calibration"') : text.index('id="cost"')]
    assert "do not know the scores of their rows" in part
    assert "<svg" not in part
    assert Page(text).table("coefficients", "column")


def test_what_was_measured_elsewhere_and_what_was_held_out_can_be_shown(tmp_path):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(2000, 2))
    y = (rng.random(2000) < expit(X[:, 0])).astype(int)
    res = dlogreg.fit(X, y, holdout=np.arange(2000) % 4 == 0)
    res.report(
        tmp_path / "held.html",
        goodness=dlogreg.evaluate(res, X[:500], y[:500]),
        title="A title <b>",
        alpha=0.1,
    )
    text = (tmp_path / "held.html").read_text("utf-8")
    assert "<h1>A title &lt;b&gt;</h1>" in text
    assert "Probabilities and outcomes, on other rows" in text
    assert 'id="fit-roc"' in text
    assert ("On the rows held out" in text) == (res.held is not None)
    assert "[0.05" in text
    other = replace(res, classes=("a", "b"), class_counts={"a": 1, "b": 1})
    measured = dlogreg.evaluate(res, X[:500], y[:500])
    with pytest.raises(ValueError, match="give what was measured of this model"):
        other.report(tmp_path / "other.html", goodness=measured)
    assert not (tmp_path / "other.html").exists()


def test_three_classes(tmp_path):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(900, 2))
    y = (rng.random(900) + 0.6 * X[:, 0] > [[0.2], [0.8]]).sum(axis=0)
    res = dlogreg.fit(X, y)
    res.report(tmp_path / "three.html", goodness=dlogreg.evaluate(res, X, y))
    text = (tmp_path / "three.html").read_text("utf-8")
    rows = [rows for where, rows in Page(text).tables if where == "coefficients"]
    shown = [number(r[1]) for r in rows[0][1:] if len(r) > 2]
    np.testing.assert_allclose(shown, res.coefficients.ravel(), rtol=1e-5)
    assert 'id="fit-roc"' in text
    assert "Macro AUC" in text


def test_a_model_of_an_intercept_alone_has_a_report(tmp_path):
    make_results((0.5,), trace=()).report(tmp_path / "small.html")
    text = (tmp_path / "small.html").read_text("utf-8")
    assert [key for key in SECTIONS if f'id="{key}"' in text] == list(SECTIONS)
    assert "<svg" not in text


def test_a_file_is_not_replaced_and_none_is_half_written(fitted, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="exists already; choose another name"):
        fitted.report(path)
    assert path.read_text() == "mine"
    fitted.report(path, overwrite=True)
    assert path.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileNotFoundError, match="there is no directory"):
        fitted.report(tmp_path / "missing" / "report.html")

    def fail(handle):
        raise OSError("no space left")

    before = path.read_text("utf-8")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        fitted.report(path, overwrite=True)
    assert path.read_text("utf-8") == before
    assert os.listdir(tmp_path) == ["report.html"]


def test_levels_are_checked(fitted, tmp_path):
    with pytest.raises(ValueError, match="alpha must lie between 0 and 1"):
        fitted.report(tmp_path / "report.html", alpha=2.0)
    assert not os.listdir(tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a store of rows, and a model of them in a file."""
    folder = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(1)
    X = rng.normal(size=(3000, 3))
    group = zarr.create_group(folder / "rows.zarr")
    group.create_array("X", data=X)
    group.create_array("y", data=rng.random(3000) < expit(X[:, 0] - 0.7))
    done = run("fit", folder / "rows.zarr", "--model", folder / "m.json", "--quiet")
    assert done.exit_code == 0, done.output
    return folder


def run(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


def test_the_command(folder, tmp_path):
    out = tmp_path / "report.html"
    done = run("report", folder / "m.json", "--out", out)
    assert done.exit_code == 0, done.output
    assert done.output == f"Report written to {out}\n"
    first = out.read_text("utf-8")
    assert "do not know the scores of their rows" in first
    done = run("report", folder / "m.json", "--out", out)
    assert done.exit_code == 2
    assert "exists already; choose another name, or --overwrite" in done.output
    assert out.read_text("utf-8") == first
    store = ("--data", folder / "rows.zarr", "--in-sample", "--title", "Late")
    options = ("--overwrite", "--quiet", "--alpha", "0.1", *store)
    done = run("report", folder / "m.json", "--out", out, *options)
    assert done.exit_code == 0, done.output
    text = out.read_text("utf-8")
    assert "<h1>Late</h1>" in text
    assert "on the rows of the fit" in text
    assert "[0.05" in text
    fit = Page(text).facts("fit")
    assert number(fit["Rows"]) == 3000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.json", "--out", "r.html"], "there is no model at missing.json"),
        (["m.json", "--out", "no/r.html"], "to save the report in"),
        (["m.json", "--out", "."], "give the name of a file for the report"),
        (
            ["m.json", "--out", "r.html", "--in-sample"],
            "--in-sample speaks of the rows",
        ),
        (["m.json"], "Missing option '--out'"),
    ],
)
def test_wrong_usage(folder, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    done = run("report", *arguments)
    assert done.exit_code == 2
    assert message in done.output
    assert not Path("r.html").exists()


def test_without_matplotlib_the_command_says_how_to_install_it(folder, monkeypatch):
    from dlogreg.display.report import figures

    def missing(module, extra):
        raise ImportError(f'no {module}; run pip install "dlogreg[{extra}]"')

    monkeypatch.setattr(figures, "require", missing)
    done = run("report", folder / "m.json", "--out", folder / "r.html")
    assert done.exit_code == 2
    assert 'pip install "dlogreg[plot]"' in done.output


MEASURE = """
<script>
addEventListener("load", () => {
  const inside = document.querySelector("iframe").contentDocument;
  const root = inside.documentElement;
  const seen = (what) => [...inside.querySelectorAll(what)].filter(
    (e) => e.getBoundingClientRect().width > 0).length;
  const wide = [...inside.querySelectorAll("body *")].filter((e) => {
    const box = e.getBoundingClientRect();
    return box.right > root.clientWidth + 1 && !e.closest(".scroll, figure");
  }).length;
  const small = [...inside.querySelectorAll("td, th, p, li")].filter(
    (e) => parseFloat(inside.defaultView.getComputedStyle(e).fontSize) < 11).length;
  document.title = JSON.stringify({
    page: root.scrollWidth, view: root.clientWidth, wide, small,
    tables: seen("table"), plots: seen("svg.plot"), sections: seen("section"),
  });
});
</script>
"""


def browse(path, *options):
    """Return what headless Chromium prints about a page."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu"),
        *("--enable-logging=stderr", "--hide-scrollbars", *options),
        f"file://{path}",
    ]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True
    )


def measured_at(page, width, folder):
    """Return sizes and counts of a page that is shown so many pixels wide."""
    bare = re.sub(r'<meta http-equiv="[^>]*>', "", page)
    outer = (
        f"<!DOCTYPE html><title>none</title>{MEASURE}"
        f'<iframe style="width:{width}px;height:900px;border:0" '
        f'srcdoc="{escape(bare)}"></iframe>'
    )
    (folder / "outer.html").write_text(outer, "utf-8")
    done = browse(folder / "outer.html", "--dump-dom", "--virtual-time-budget=5000")
    title = re.search(r"<title>(.*?)</title>", done.stdout)[1]
    return {key: int(n) for key, n in re.findall(r'"(\w+)":(\d+)', title)}


@browser
@pytest.mark.parametrize("width", [375, 1280])
def test_a_browser_shows_tables_and_plots_without_overflow(page, width, tmp_path):
    found = measured_at(page, width, tmp_path)
    assert found["view"] == width
    assert found["page"] <= width
    assert found["wide"] == 0
    assert found["small"] == 0
    assert found["plots"] == 7
    assert found["sections"] == len(SECTIONS)
    assert found["tables"] >= 8


@browser
def test_a_wide_element_would_be_found(page, tmp_path):
    wide = page.replace("<h1>", '<div style="width:900px;height:9px">x</div><h1>', 1)
    found = measured_at(wide, 375, tmp_path)
    assert found["page"] >= 900
    assert found["wide"] > 0


@browser
def test_a_browser_has_nothing_to_complain_of(page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page, "utf-8")
    done = browse(path, "--dump-dom")
    assert "CONSOLE" not in done.stderr
    assert done.stdout.count("<section") == len(SECTIONS)
    path.write_text(page.replace("</body>", "<script>1</script></body>"), "utf-8")
    assert "CONSOLE" in browse(path, "--dump-dom").stderr  # the policy forbids it


@browser
def test_a_browser_draws_it(page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page, "utf-8")
    folder = Path(os.environ.get("DLOGREG_SCREENSHOTS", tmp_path))
    for name, width in (("desktop", 1280), ("phone", 500)):
        target = folder / f"report-{name}.png"
        browse(path, f"--screenshot={target}", f"--window-size={width},4000")
        assert target.stat().st_size > 50_000
