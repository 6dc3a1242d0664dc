"""How probabilities rank rows, and whether they are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit, ndtri

from dlogreg.display.numerals import count, significant
from dlogreg.display.plots.canvas import SMALL, axes, grid, legend, title, unit_square
from dlogreg.display.summary import label_text
from dlogreg.display.theme import BLUE, GREY, ORANGE, SERIES
from dlogreg.display.ticks import round_ticks
from dlogreg.evaluation import FloatArray
from dlogreg.inference.calibration_curve import CalibrationCurve, calibration_curve

if TYPE_CHECKING:
    from dlogreg.inference.class_goodness import ClassGoodness
    from dlogreg.inference.goodness import GoodnessOfFit
    from dlogreg.kernel.scores import ScoreSums

SQUARE = (5.0, 4.9)
MOST_CLASSES = 8
N_BARS = 40
STRIP = 0.22
"""Height of the histogram below the plot of calibration, as a share of it."""
SHOWN = (0.001, 0.999)
"""Quantiles of the scores of a class between which they are drawn."""
PROBABILITIES = (
    *(1e-9, 1e-6, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5),
    *(0.7, 0.8, 0.9, 0.95, 0.99, 0.999),
    *(1 - 1e-4, 1 - 1e-6, 1 - 1e-9),
)
"""Ticks of probabilities on an axis of log-odds."""


def event_text(report: GoodnessOfFit) -> str:
    """Return the event as it is named in titles."""
    return label_text(report.classes[-1])


def draw_roc(report: GoodnessOfFit, ax: Any, alpha: float, **style: Any) -> Any:
    """Draw the ROC curve above the diagonal of chance."""
    curve = report.roc()
    ax = axes(ax, SQUARE)
    ax.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="chance")
    text = f"AUC {significant(report.auc, 4)}"
    if np.isfinite(report.auc_bse):
        low, high = report.auc_conf_int(alpha)
        text += f"  [{low:.4f}, {high:.4f}]"
    ax.plot(curve.fpr, curve.tpr, **{"color": BLUE, "label": text, **style})
    _name_rates(ax)
    title(ax, f"ROC of {event_text(report)}, {count(report.n_rows)} rows")
    return ax


def _name_rates(ax: Any) -> None:
    """Frame and name the axes of ROC curves that are drawn."""
    unit_square(ax)
    ax.set_xlabel("false positive rate")
    ax.set_ylabel("true positive rate")
    legend(ax, loc="lower right")


def draw_class_roc(report: ClassGoodness, ax: Any, **style: Any) -> Any:
    """Draw a ROC curve of every class against the rest, up to eight of them."""
    ax = axes(ax, SQUARE)
    ax.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
    shown = report.classes[:MOST_CLASSES]
    for k, label in enumerate(shown):
        one = report[label]
        if not 0 < one.n_events < one.nobs:
            continue
        curve = one.roc()
        text = f"{label_text(label)}: AUC {significant(one.auc, 4)}"
        ax.plot(curve.fpr, curve.tpr, **{"color": SERIES[k], "label": text, **style})
    _name_rates(ax)
    left_out = len(report.classes) - len(shown)
    note = (
        f"the first {len(shown)} of {len(report.classes)} classes" if left_out else ""
    )
    title(ax, "ROC of every class against the rest", note)
    return ax


def draw_precision_recall(report: GoodnessOfFit, ax: Any, **style: Any) -> Any:
    """Draw precision against recall, above the share of events."""
    curve = report.precision_recall()
    ax = axes(ax, SQUARE)
    share = report.n_events / report.nobs
    text = f"share of events {significant(share, 3)}"
    ax.axhline(share, color=GREY, linestyle="--", linewidth=1, label=text)
    text = f"average precision {significant(report.average_precision, 4)}"
    reached = curve.recall > 0  # before the first event precision is 0, or of nothing
    recall, precision = curve.recall[reached], curve.precision[reached]
    ax.plot(recall, precision, **{"color": BLUE, "label": text, **style})
    unit_square(ax)
    ax.set_xlabel("recall")
    ax.set_ylabel("precision")
    legend(ax, loc="upper right")
    title(ax, f"Precision and recall of {event_text(report)}")
    return ax


def draw_scores(report: GoodnessOfFit, ax: Any, bins: int, **style: Any) -> Any:
    """Draw how the log-odds of events and of other rows are spread."""
    check_bins(bins)
    sums, ax = report.sums, axes(ax, (6.4, 4.0))
    low, high = _range(sums)
    borders = np.linspace(low, high, bins + 1)
    names = [label_text(label) for label in report.classes]
    groups = ((sums.others, ORANGE, names[0]), (sums.events, BLUE, names[-1]))
    for weights, color, name in groups:
        total = float(weights.sum())
        if total:
            density = (
                histogram(sums.scores, weights, borders) / total / (high - low) * bins
            )
            given = {"color": color, "alpha": 0.45, **style}
            ax.stairs(density, borders, fill=True, **given)
            ax.stairs(density, borders, color=color, label=f"{name} ({count(total)})")
    ax.set_xlim(low, high)
    ax.set_ylim(bottom=0)
    grid(ax, "y")
    ax.set_xlabel("log-odds that the model gives")
    ax.set_ylabel("density within the class")
    _probability_axis(ax, low, high)
    legend(ax, loc="best")
    title(ax, f"Scores by class, {count(report.n_rows)} rows")
    return ax


def check_bins(bins: int) -> None:
    """Refuse what is no number of bins."""
    if isinstance(bins, bool) or bins != int(bins) or bins < 2:
        raise ValueError(f"bins must be a whole number from 2, not {bins!r}")


def histogram(
    scores: FloatArray, weights: FloatArray, borders: FloatArray
) -> FloatArray:
    """Return the weight between borders."""
    return np.asarray(np.histogram(scores, borders, weights=weights)[0], dtype=float)


def _range(sums: ScoreSums) -> tuple[float, float]:
    """Return log-odds between which nearly all rows of either class lie."""
    ends: list[float] = []
    for weights in (sums.events, sums.others):
        reached = np.cumsum(weights)
        if reached[-1] > 0:
            places = np.searchsorted(reached, np.array(SHOWN) * reached[-1])
            ends += sums.scores[np.minimum(places, len(reached) - 1)].tolist()
    low, high = min(ends), max(ends)
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin


def _probability_axis(ax: Any, low: float, high: float) -> None:
    """Name log-odds by their probabilities along the top."""
    known = [p for p in PROBABILITIES if low <= logit(p) <= high]
    if len(known) < 3:
        first, last = expit([low, high]).tolist()
        known = [p for p in round_ticks(first, last) if 0 < p < 1]
    top = ax.secondary_xaxis("top")
    spread = (high - low) / 9
    kept: list[float] = []
    for p in sorted(known, key=lambda p: abs(logit(p))):
        if all(abs(logit(p) - logit(q)) >= spread for q in kept):
            kept.append(p)
    kept.sort()
    top.set_xticks([float(logit(p)) for p in kept], [f"{p:.10g}" for p in kept])
    top.set_xlabel("probability", fontsize=SMALL)
    top.tick_params(labelsize=SMALL)


def draw_calibration(
    report: GoodnessOfFit, ax: Any, bins: int, alpha: float, **style: Any
) -> Any:
    """Draw shares of events against probabilities, with a band and a histogram."""
    table = report.calibration(bins)
    counted = report.weight_kind != "probability"
    ax = axes(ax, (5.4, 5.4))
    curve = calibration_curve(report.sums, alpha, counted=counted)
    share, p = table.event_share, table.mean_probability
    low, high = wilson(table.events, table.weight, alpha) if counted else (share, share)
    top = _top(high, p)
    ax.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect")
    if curve is not None:
        _draw_spline(ax, curve, alpha if counted else None)
    ends = np.stack([share - low, high - share]).clip(0) if counted else None
    given = {"color": ORANGE, "fmt": "o", "markersize": 5, "linewidth": 1.4, **style}
    ax.errorbar(p, share, ends, label=f"{len(table)} groups of rows", **given)
    _strip(ax, report.sums, top)
    ax.set_xlabel(f"probability of {event_text(report)}", parse_math=False)
    ax.set_ylabel("share of events")
    legend(ax, loc="upper left")
    rows = "rows of the fit" if report.in_sample else "new rows"
    title(ax, f"Calibration, {count(report.n_rows)} {rows}")
    return ax


def _draw_spline(ax: Any, curve: CalibrationCurve, alpha: float | None) -> None:
    """Draw a calibration curve, with its band at level 1 - alpha if there is one."""
    p = curve.probability
    ax.plot(p, curve.share, color=BLUE, linewidth=1.2, label="spline")
    if alpha is not None:
        text = f"{100 * (1 - alpha):.4g} % band of the spline"
        band = {"color": BLUE, "alpha": 0.18, "linewidth": 0, "label": text}
        ax.fill_between(p, curve.low, curve.high, **band)


def wilson(
    events: FloatArray, weight: FloatArray, alpha: float
) -> tuple[FloatArray, FloatArray]:
    """Return the interval of a share (Wilson 1927)."""
    z2 = float(ndtri(alpha / 2)) ** 2
    share = events / weight
    middle = (share + z2 / (2 * weight)) / (1 + z2 / weight)
    spread = share * (1 - share) / weight + z2 / (4 * weight**2)
    half = np.sqrt(z2 * spread.clip(0)) / (1 + z2 / weight)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def _top(high: FloatArray, p: FloatArray) -> float:
    """Return where the axes end: 1, or less where no probability comes near it."""
    needed = 1.1 * float(max(high.max(), p.max()))
    return 1.0 if needed > 0.6 else needed


def _strip(ax: Any, sums: ScoreSums, top: float) -> None:
    """Draw how many rows have which probability below the axis of shares."""
    borders = np.linspace(0.0, top, N_BARS + 1)
    p = sums.probabilities / sums.weights
    held = histogram(p, sums.weights, borders)
    height = STRIP * top
    ax.bar(
        borders[:-1],
        0.8 * height * held / held.max(),
        width=np.diff(borders),
        bottom=-height,
        align="edge",
        color=GREY,
        alpha=0.7,
        linewidth=0,
    )
    ax.axhline(0.0, color=ax.spines["bottom"].get_edgecolor(), linewidth=0.8)
    ticks = round_ticks(0.0, top, 6)
    ax.set_yticks(ticks)
    ax.set_xticks(ticks)
    ax.set_xlim(0.0, top)
    ax.set_ylim(-height, top)
    ax.grid(visible=True, color=GREY, alpha=0.3, linewidth=0.6)
    place = (0.99, 1 / (1 / STRIP + 1) - 0.015)
    ax.text(
        *place,
        "number of rows",
        transform=ax.transAxes,
        ha="right",
        va="top",
        fontsize=SMALL,
    )
