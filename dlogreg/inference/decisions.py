"""What happens to rows that are called events where their probability is high."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from dlogreg.evaluation import FloatArray
from dlogreg.inference.ranking import check_both, counts_above, thresholds
from dlogreg.kernel.score_rows import FINEST
from dlogreg.kernel.scores import ScoreSums


@dataclass(frozen=True, slots=True)
class ClassificationTable:
    """Weights of rows by class and by whether their probability is above a threshold.

    Shares of nothing, such as the precision where no row is above, are NaN.
    """

    threshold: float
    true_positives: float
    false_positives: float
    true_negatives: float
    false_negatives: float

    @property
    def accuracy(self) -> float:
        """Share of the rows that are called right."""
        right = self.true_positives + self.true_negatives
        return _share(right, self.false_positives + self.false_negatives)

    @property
    def sensitivity(self) -> float:
        """Share of the events that are called events (recall)."""
        return _share(self.true_positives, self.false_negatives)

    @property
    def specificity(self) -> float:
        """Share of the other rows that are not called events."""
        return _share(self.true_negatives, self.false_positives)

    @property
    def precision(self) -> float:
        """Share of events among the rows called so (positive predictive value)."""
        return _share(self.true_positives, self.false_positives)

    @property
    def negative_predictive_value(self) -> float:
        """Share of other rows among those not called events."""
        return _share(self.true_negatives, self.false_negatives)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and sensitivity."""
        wrong = self.false_positives + self.false_negatives
        return _share(2 * self.true_positives, wrong)


@dataclass(frozen=True, slots=True)
class Decision:
    """The threshold of the least expected cost."""

    threshold: float
    cost: float
    """Expected cost of a row."""
    prior: float
    """Share of events among the rows that will be decided on."""
    table: ClassificationTable
    """What the threshold does to the rows at hand."""


def _share(part: float, rest: float) -> float:
    return part / (part + rest) if part + rest else float(np.nan)


def classification_table(sums: ScoreSums, threshold: float) -> ClassificationTable:
    """Return the table at the threshold, or at the border of bins that is nearest.

    A threshold within a bin of several scores is moved, in logits by at most half the
    bin's width, and the table says where to; 0.5 never is.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must lie between 0 and 1, not {threshold}")
    cut = float(logit(threshold))
    below = int(np.searchsorted(sums.upper, cut))
    if below < len(sums.bins) and cut > sums.lower[below]:
        low, high = float(sums.lower[below]), float(sums.upper[below])
        if sums.exact or high - cut <= cut - low:
            below, border = below + 1, high
        else:
            border = low
        # within a finest bin a score equals the threshold, and is not above it
        if not sums.exact and abs(border - cut) > FINEST:
            threshold = float(expit(border))
    return _table(sums, len(sums.bins) - below, threshold)


def _table(sums: ScoreSums, n_above: int, threshold: float) -> ClassificationTable:
    hits, alarms = counts_above(sums)
    return ClassificationTable(
        threshold,
        float(hits[n_above]),
        float(alarms[n_above]),
        float(alarms[-1] - alarms[n_above]),
        float(hits[-1] - hits[n_above]),
    )


def best_threshold(
    sums: ScoreSums, cost_fp: float, cost_fn: float, prior: float | None
) -> Decision:
    """Return the threshold at which the expected cost of a row is least.

    It is ``prior * cost_fn * (1 - tpr) + (1 - prior) * cost_fp * fpr``; of thresholds
    with the same cost the highest.
    """
    check_both(sums, "a threshold")
    for name, value in (("cost_fp", cost_fp), ("cost_fn", cost_fn)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be finite and positive, not {value}")
    hits, alarms = counts_above(sums)
    if prior is None:
        prior = float(hits[-1] / (hits[-1] + alarms[-1]))
    if not 0 < prior < 1:
        raise ValueError(f"prior must lie between 0 and 1, not {prior}")
    missed = cost_fn * prior * (1 - hits / hits[-1])
    costs: FloatArray = missed + cost_fp * (1 - prior) * alarms / alarms[-1]
    best = int(np.argmin(costs))
    threshold = float(thresholds(sums)[best])
    table = _table(sums, best, threshold)
    return Decision(threshold, float(costs[best]), prior, table)
