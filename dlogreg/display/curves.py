"""Curves in the unit square as small pictures, for notebooks without a plot."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from dlogreg.display.numerals import significant
from dlogreg.evaluation import FloatArray

if TYPE_CHECKING:
    from dlogreg.inference.calibration import CalibrationTable
    from dlogreg.inference.goodness import GoodnessOfFit
    from dlogreg.inference.ranking import PrecisionRecall, RocCurve

SIDE, LEFT, BELOW, ABOVE = 150.0, 34.0, 32.0, 8.0
"""Sides of the square, and the room around it."""
MOST_POINTS = 200
"""Curves are drawn through so many of their points."""


def thinned(x: FloatArray, y: FloatArray, most: int = MOST_POINTS) -> list[int]:
    """Return places of points evenly spread along a curve, its ends among them."""
    steps = np.abs(np.diff(x)) + np.abs(np.diff(y))
    reached = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0.0, reached[-1], most)
    places = np.unique(np.searchsorted(reached, wanted, side="left"))
    return [int(k) for k in np.unique([0, *places, len(x) - 1])]


def roc_picture(curve: RocCurve, auc: float | None = None) -> str:
    """Return the ROC curve above the diagonal of chance."""
    area = float(np.trapezoid(curve.tpr, curve.fpr)) if auc is None else auc
    return _figure(
        f"ROC curve, AUC {significant(area, 4)}",
        "false positive rate",
        "true positive rate",
        _diagonal() + _line(curve.fpr, curve.tpr),
    )


def precision_picture(curve: PrecisionRecall) -> str:
    """Return precision against recall, above the share of events."""
    share = float(curve.precision[-1])
    reached = curve.recall > 0  # before the first event precision is 0, or of nothing
    level = _y(share)
    base = f'<path class="rule" d="M{LEFT:g} {level:.1f}H{LEFT + SIDE:g}"/>'
    return _figure(
        f"Precision and recall, {significant(100 * share, 3)} % events",
        "recall",
        "precision",
        base + _line(curve.recall[reached], curve.precision[reached]),
    )


def calibration_picture(table: CalibrationTable) -> str:
    """Return shares of events against probabilities in groups of rows."""
    dots = "".join(
        f'<circle class="mark" cx="{_x(p):.1f}" cy="{_y(share):.1f}" r="3"/>'
        for p, share in zip(
            table.mean_probability.tolist(), table.event_share.tolist(), strict=True
        )
    )
    return _figure(
        f"Calibration, {len(table)} groups",
        "mean probability",
        "share of events",
        _diagonal() + dots,
    )


def goodness_pictures(report: GoodnessOfFit) -> tuple[str, ...]:
    """Return what there is to see of probabilities and outcomes."""
    if not 0 < report.n_events < report.nobs:
        return ()
    return (
        roc_picture(report.roc(), report.auc),
        precision_picture(report.precision_recall()),
        calibration_picture(report.calibration()),
    )


def _line(x: FloatArray, y: FloatArray) -> str:
    places = thinned(x, y)
    points = " ".join(f"{_x(float(x[k])):.1f},{_y(float(y[k])):.1f}" for k in places)
    return f'<polyline class="mark line" style="fill:none" points="{points}"/>'


def _diagonal() -> str:
    return (
        f'<path class="rule" stroke-dasharray="3 3" '
        f'd="M{_x(0):g} {_y(0):g}L{_x(1):g} {_y(1):g}"/>'
    )


def _x(share: float) -> float:
    return LEFT + SIDE * share


def _y(share: float) -> float:
    return ABOVE + SIDE * (1 - share)


def _figure(title: str, below: str, beside: str, content: str) -> str:
    width, height = LEFT + SIDE + 12, ABOVE + SIDE + BELOW
    ticks = "".join(
        f'<text x="{_x(t):g}" y="{_y(0) + 13:g}" text-anchor="middle">{t:g}</text>'
        f'<text x="{LEFT - 5:g}" y="{_y(t) + 3:g}" text-anchor="end">{t:g}</text>'
        for t in (0.0, 0.5, 1.0)
    )
    middle = ABOVE + SIDE / 2
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg width="{width:g}" height="{height:g}" role="img" '
        f'aria-label="{escape(title)}">'
        f'<rect class="rule" x="{LEFT:g}" y="{ABOVE:g}" width="{SIDE:g}" '
        f'height="{SIDE:g}"/>{ticks}'
        f'<text x="{_x(0.5):g}" y="{height - 4:g}" text-anchor="middle">{below}</text>'
        f'<text x="10" y="{middle:g}" text-anchor="middle" '
        f'transform="rotate(-90 10 {middle:g})">{beside}</text>'
        f"{content}</svg></figure>"
    )
