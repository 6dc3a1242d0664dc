"""How well scores rank events above the other rows: ROC, AUC, precision and recall.

All of it follows from the weights of events and others by bins of the score. Where a
bin holds several scores, their order within it is not known; every measure then comes
with a bound on what that can change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from dlogreg.display.curves import precision_picture, roc_picture
from dlogreg.display.html import fragment, note
from dlogreg.errors import DataError
from dlogreg.evaluation import FloatArray
from dlogreg.kernel.scores import ScoreSums


class RocCurve(NamedTuple):
    """Rates at falling thresholds, from none to all predicted to be events."""

    fpr: FloatArray
    """Share of the other rows with a probability above the threshold."""
    tpr: FloatArray
    """Share of the events with a probability above the threshold."""
    thresholds: FloatArray

    def _repr_html_(self) -> str:
        """Return the curve, as a notebook shows it."""
        points = f"{len(self.thresholds):,} points"
        return fragment(
            "Receiver operating characteristic", roc_picture(self), note(points)
        )


class PrecisionRecall(NamedTuple):
    """Precision and recall at falling thresholds, from none to all predicted."""

    precision: FloatArray
    """Share of events among the rows above the threshold; 1 where there are none."""
    recall: FloatArray
    """Share of the events that are above the threshold."""
    thresholds: FloatArray

    def _repr_html_(self) -> str:
        """Return the curve, as a notebook shows it."""
        points = f"{len(self.thresholds):,} points"
        return fragment("Precision and recall", precision_picture(self), note(points))


@dataclass(frozen=True, slots=True)
class AreaUnderCurve:
    """Probability that an event scores higher than another row, ties counted half."""

    value: float
    error: float
    """Most by which the unknown order within bins can change the value; 0: exact."""
    bse: float
    """Standard error of DeLong, DeLong and Clarke-Pearson (1988)."""


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """Sum of the precision at every score, weighted by the recall gained there."""

    value: float
    error: float
    """Most by which the unknown order within bins can change the value; 0: exact."""


def cuts(sums: ScoreSums) -> FloatArray:
    """Return scores that part neighbouring bins, ascending, shape (n_bins - 1,)."""
    return np.asarray((sums.upper[:-1] + sums.lower[1:]) / 2)


def thresholds(sums: ScoreSums) -> FloatArray:
    """Return probabilities that part bins, falling, from 1 to 0; (n_bins + 1,)."""
    return np.concatenate([[1.0], expit(cuts(sums)[::-1]), [0.0]])


def counts_above(sums: ScoreSums) -> tuple[FloatArray, FloatArray]:
    """Return the weight of events and of others above every threshold."""
    return _from_top(sums.events), _from_top(sums.others)


def _from_top(values: FloatArray) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(values[::-1])])


def check_both(sums: ScoreSums, what: str) -> None:
    """Refuse data without events, or without anything else."""
    if not sums.events.any() or not sums.others.any():
        held = "no events" if sums.others.any() else "nothing but events"
        raise DataError(f"y holds {held}; {what} needs rows of both classes")


def roc_curve(sums: ScoreSums) -> RocCurve:
    """Return the receiver operating characteristic."""
    check_both(sums, "the ROC curve")
    hits, alarms = counts_above(sums)
    return RocCurve(alarms / alarms[-1], hits / hits[-1], thresholds(sums))


def precision_recall(sums: ScoreSums) -> PrecisionRecall:
    """Return precision and recall."""
    check_both(sums, "recall")
    hits, alarms = counts_above(sums)
    precision = np.ones(len(hits))
    precision[1:] = hits[1:] / (hits[1:] + alarms[1:])
    return PrecisionRecall(precision, hits / hits[-1], thresholds(sums))


def area_under_curve(sums: ScoreSums) -> AreaUnderCurve:
    r"""Return the area under the ROC curve.

    With e_b events and o_b others in bin b, :math:`\sum_b e_b (\sum_{c<b} o_c + o_b/2)`
    over the number of pairs. Pairs in different bins are ranked right, and a pair
    within a bin counts 1/2 where it might count 0 or 1: the error is at most half the
    share of such pairs.
    """
    events, others = sums.events, sums.others
    n_events, n_others = float(events.sum()), float(others.sum())
    if not n_events or not n_others:
        return AreaUnderCurve(np.nan, np.nan, np.nan)
    beaten = (np.cumsum(others) - others / 2) / n_others
    beating = (n_events - np.cumsum(events) + events / 2) / n_events
    area = float(events @ beaten) / n_events
    tied = 0.0 if sums.exact else float(events @ others) / n_events / n_others
    spread = float(events @ (beaten - area) ** 2), float(others @ (beating - area) ** 2)
    if min(n_events, n_others) <= 1:
        return AreaUnderCurve(area, tied / 2, np.nan)
    variance = spread[0] / (n_events - 1) / n_events
    variance += spread[1] / (n_others - 1) / n_others
    return AreaUnderCurve(area, tied / 2, float(np.sqrt(variance)))


def average_precision(sums: ScoreSums) -> AveragePrecision:
    r"""Return the average precision, without interpolation.

    Above a bin of e events and o others let there be T events and F others. In whatever
    order its rows come, an event's precision is at most ``(T + e) / (T + e + F)`` and,
    of the u-th event, at least ``(T + u) / (T + u + F + o)``; the sum of these over the
    events is at least their integral over u,
    :math:`e - (F + o) \log \frac{T + e + F + o}{T + F + o}`.
    """
    hits, alarms = counts_above(sums)
    n_events = float(hits[-1])
    if not n_events:
        return AveragePrecision(np.nan, np.nan)
    gained = np.diff(hits)
    value = float(gained @ (hits[1:] / (hits[1:] + alarms[1:]))) / n_events
    if sums.exact:
        return AveragePrecision(value, 0.0)
    held = gained > 0
    e, T = gained[held], hits[:-1][held]
    F, below = alarms[:-1][held], alarms[1:][held]
    most = float(e @ ((T + e) / (T + e + F))) / n_events
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where(below > 0, below * np.log1p(e / (T + below)), 0.0)
    least = float((e - lost).sum()) / n_events
    return AveragePrecision(value, max(most - value, value - least))
