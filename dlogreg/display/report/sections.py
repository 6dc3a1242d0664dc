"""What stands in a report: the sections of the page, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dlogreg.display import html
from dlogreg.display.cautions import cautions
from dlogreg.display.numerals import count, printable
from dlogreg.display.report.figures import figure
from dlogreg.display.report.origin import options, versions
from dlogreg.display.summary import Facts, label_text, method
from dlogreg.display.trace import COLUMNS, Trace

if TYPE_CHECKING:
    from dlogreg.display.summary import Summary
    from dlogreg.inference.class_goodness import ClassGoodness
    from dlogreg.inference.goodness import GoodnessOfFit
    from dlogreg.results import Results

    Goodness = GoodnessOfFit | ClassGoodness

NO_ROWS = (
    "Not measured: these results do not know the scores of their rows. Give the rows, "
    "by dlogreg report --data STORE or res.report(path, goodness=dlogreg.evaluate(...))"
)
MOST_CLASSES = 50


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page."""

    key: str
    """By which it is linked."""
    title: str
    content: str
    """HTML."""


def sections(
    results: Results, alpha: float, goodness: Goodness | None
) -> Iterator[Section]:
    """Return the sections in the order of the page."""
    summary = results.summary(alpha)
    table = _coefficients(results, alpha, summary)
    curves = _curves(results, goodness, alpha)
    yield Section("model", "Model", _model(results, summary))
    yield Section("data", "Data", _data(results))
    yield Section("warnings", "Warnings", _warnings(results))
    yield Section("coefficients", "Coefficients", table)
    yield Section("fit", "Fit measures", _fit(summary, goodness))
    yield Section("calibration", "Calibration and ROC", curves)
    yield Section("cost", "Cost of the fit", _cost(results, summary))
    yield Section("reproducibility", "Reproducibility", _origin(results))


def _model(results: Results, summary: Summary) -> str:
    facts: list[tuple[str, str]] = [("Estimated by", method(results))]
    if results.recipe is not None:
        facts.append(("Formula", printable(results.recipe.formula)))
    facts += [
        ("Columns", count(len(results.feature_names))),
        ("Intercept", "yes" if results.fit_intercept else "no"),
        *(fact for fact in summary.model if fact[0].startswith("Df ")),
    ]
    return html.status(summary) + html.facts(tuple(facts))


def _data(results: Results) -> str:
    """Return rows and classes, with their shares."""
    facts: list[tuple[str, str]] = [("Rows", count(results.n_rows))]
    if results.nobs != results.n_rows:
        facts.append(("Sum of weights", count(results.nobs)))
    facts += [
        ("Weights", results.weight_kind),
        ("Offset", "given" if results.has_offset else "none"),
        ("Rows with missing values, left out", count(results.n_dropped)),
    ]
    if results.n_groups:
        facts.append(("Groups", count(results.n_groups)))
    total = sum(results.class_counts.values()) or 1
    shown = results.classes[:MOST_CLASSES]
    rows = [
        (
            label_text(label),
            count(n := results.class_counts[label]),
            f"{100 * n / total:.4g} %",
        )
        for label in shown
    ]
    left_out = len(results.classes) - len(shown)
    more = html.note(f"{left_out} more classes") if left_out else ""
    classes = html.table(("class", "rows", "share"), rows)
    return html.facts(tuple(facts)) + classes + more


def _warnings(results: Results) -> str:
    found = tuple(cautions(results))
    return html.warnings(found) if found else html.note("None.")


def _coefficients(results: Results, alpha: float, summary: Summary) -> str:
    picture = ""
    estimated = set(results.feature_names) - set(results.dropped)
    if estimated:
        draw = partial(results.plot.odds_ratios, alpha=alpha)
        picture = figure("odds-ratios", "Odds ratios with their intervals", draw)
    notes = "".join(map(html.note, summary.notes))
    return html.coefficients(summary) + notes + picture


def _fit(summary: Summary, goodness: Goodness | None) -> str:
    content = html.facts(summary.quality)
    if goodness is None:
        return content
    measured = goodness.summary()
    rows = "the rows of the fit" if goodness.in_sample else "other rows"
    return (
        f"{content}<h3>Probabilities and outcomes, on {rows}</h3>\n"
        + html.facts(measured.model, measured.quality)
        + html.coefficients(measured)
        + "".join(map(html.note, measured.notes))
    )


def _curves(results: Results, goodness: Goodness | None, alpha: float) -> str:
    held = getattr(results, "held", None)
    parts = []
    if goodness is None:
        parts.append(html.note(NO_ROWS))
    else:
        parts.append(_plots("fit", goodness, alpha))
    if held is not None and held.n_rows:
        parts.append("<h3>On the rows held out</h3>\n")
        measured = held.summary(alpha=alpha)
        parts.append(html.facts(measured.model, measured.quality))
        parts.append(_plots("held-out", held, alpha))
    return "".join(parts)


def _plots(name: str, goodness: Any, alpha: float) -> str:
    """Return the curves of two classes or of more, where there are both of them."""
    plot = goodness.plot
    if hasattr(goodness, "confusion"):
        return figure(f"{name}-roc", "ROC of every class", plot.roc)
    if not 0 < goodness.n_events < goodness.nobs:
        return html.note("There are rows of one class only, so that there is no curve.")
    drawn = (
        ("calibration", "Calibration", partial(plot.calibration, alpha=alpha)),
        ("roc", "ROC curve", partial(plot.roc, alpha=alpha)),
        ("precision-recall", "Precision and recall", plot.precision_recall),
        ("scores", "Scores by class", plot.score_distributions),
    )
    pictures = (figure(f"{name}-{key}", text, draw) for key, text, draw in drawn)
    return f'<div class="plots">{"".join(pictures)}</div>\n'


def _cost(results: Results, summary: Summary) -> str:
    """Return what was read and how long it took, pass by pass."""
    bounds = tuple(fact for fact in summary.quality if "std err" in fact[0])
    content = html.facts(summary.cost, bounds)
    if not results.trace:
        return content
    rows = html.table(COLUMNS, Trace(results.trace).rows())
    plots = figure("passes", "Timeline of the passes", results.plot.passes)
    if any(record.number > 0 for record in results.trace):
        draw = results.plot.convergence
        plots = figure("convergence", "Distance from the optimum by pass", draw) + plots
    return f'{content}{rows}<div class="plots">{plots}</div>\n'


def _origin(results: Results) -> str:
    facts: Facts = options(results)
    return (
        "<h3>Options of the fit</h3>\n"
        + html.facts(facts)
        + "<h3>Versions of the program that wrote this page</h3>\n"
        + html.facts(versions())
    )


def goodness_at_hand(results: Results) -> Goodness | None:
    """Return measures of fit, if they are known without reading any row."""
    measure = getattr(results, "goodness_of_fit", None)
    if measure is None or results.scores is None or results.column_sums is None:
        return None
    found: GoodnessOfFit = measure()
    return found
